"""Readers and writers of the files that users have: .mat, .npz, .csv and .ts.
Each reader gives sequences and labels, and says in one sentence what is wrong with a file."""
