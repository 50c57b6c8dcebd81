"""The maths: one file a subject, plain NumPy, every forward pass beside its backward pass.
It is the textbook, the reference that every kernel is checked against, and the NumPy backend."""
