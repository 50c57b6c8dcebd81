"""The command line: words are parsed, a function is called, results are printed.
The file `cli.py` holds the words, the other files what each command does."""
