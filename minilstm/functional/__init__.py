"""The maths: one file a subject, plain NumPy, every forward pass beside its backward pass.
It is the textbook, what every kernel is checked against, and the NumPy backend; see README.md."""
