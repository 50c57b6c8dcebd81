"""One file for each kind of file that a model can leave as.
Each takes the description of a step, and gives the text or the bytes of the file."""
