"""One description of a network's time step, from which every emitter writes.
What it computes, and in which order, is the same in every language."""
