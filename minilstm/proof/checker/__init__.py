"""The gradient checker: two functions, or a network, against the true derivative.
Users reach it through `minilstm.gradcheck`."""
