"""The check that every conversion passes before its file is kept.
The exported program runs, by a compiler, by node or by an evaluator, beside the network."""
