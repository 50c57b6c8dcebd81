"""Training: prepare, the loop, solvers, options and schedules.
Public names are those of `minilstm`; this file hands none of them on."""
