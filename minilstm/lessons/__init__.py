"""Exercises for those who learn the LSTM: files with holes, and what is said of an answer.
The files themselves, with hints and solutions, stand in docs/exercises of the source."""
