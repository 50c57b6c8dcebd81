"""The proof that a backward pass is right: of anybody's functions, networks and LSTMs, and of ours.
Each room in here has a page; `minilstm.gradcheck` is the door that users take."""
