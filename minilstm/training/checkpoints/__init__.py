"""Checkpoints: everything that a training is, in one file, and the way back.
What is in it is in `plain` and `contents`, what may go on from it in `sameness`."""
