"""The gradient checker: two functions, or a network, against the true derivative.
`minilstm.gradcheck` is the door to it."""
