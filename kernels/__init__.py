"""Speed only: each kernel is the twin of one function in `minilstm.functional`, same contract.
Nothing here is imported before a backend asks for it."""
