"""Networks and weights of other programs come in: their files are read with NumPy alone.
Every array is accounted for, and what cannot be represented is refused by its name."""
