"""The parts of the gradient checker: reference derivatives, tolerances, kinks, causes, reports.
None of them knows a layer or a network; `minilstm.gradcheck` is the door to them."""
