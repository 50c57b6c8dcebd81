"""A door: the table that gives layers their names and kinds, for programs that print one.
It hands on what `minilstm.network.graph.naming` has, and nothing inside imports it."""

from minilstm.network.graph.naming import layer_table

__all__ = ["layer_table"]
