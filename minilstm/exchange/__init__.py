"""Models leave the house and come in: files of other programs, written and read with NumPy alone.
No conversion is kept that has not been compared with the network it came from."""
