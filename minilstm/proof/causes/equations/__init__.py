"""Causes from the lines of forward itself: it is recorded, and mistakes are made in its backward.
This works for any NumPy function, known or not, and for equations given in place of one.
"""

from minilstm.proof.causes.equations.search import find_by_equations as find_by_equations
