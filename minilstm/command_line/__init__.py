"""The command line: words are parsed, a function is called, results are printed.
`cli` holds the words, the other files what each command does."""
