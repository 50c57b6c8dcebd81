"""Proves the installed engine on this machine, in seconds: what `minilstm gradcheck` does.
Every layer, loss and solver is checked on every backend, and the end says what was proved."""

from minilstm.engine_proof.checks import Row, find_layers, prove
from minilstm.engine_proof.verdict import largest_error, proved, to_junit, to_plain

__all__ = ["Row", "find_layers", "largest_error", "prove", "proved", "to_junit", "to_plain"]
