"""Networks and weights of other programs, read with NumPy alone and without running any of it.
One file for each kind of file; what cannot be represented is refused by its name."""
