"""Proves the installed engine on this machine, in seconds: what `minilstm gradcheck` does.
Every layer, loss and solver is checked on every backend, and the end says what was proved."""

from minilstm.proof.engine.checks import Row, find_layers, prove
from minilstm.proof.engine.verdict import largest_error, proved, to_junit, to_plain

__all__ = ["Row", "find_layers", "largest_error", "prove", "proved", "to_junit", "to_plain"]
