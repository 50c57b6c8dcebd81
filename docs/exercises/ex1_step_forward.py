"""Exercise 1: one step forward. Lesson 1 has the equations; `minilstm learn 1` checks this file.

Axes: D features, H hidden units. The four blocks of z are i, f, g, o, each H wide.
"""

import numpy as np


def sigmoid(z):
    """The soft switch of lesson 1, in a form that no large number breaks."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def step_forward(x, h, c, W, R, b):
    """One step of an LSTM.

    Takes x (D,), h (H,) and c (H,) of the step before, W (4H, D), R (4H, H) and b (4H,).
    Returns the new h (H,), the new c (H,), and a tuple of what backward will need.
    """
    H = len(h)
    z = ...  # TODO (1): (4H,), from x, h and b
    i = ...  # TODO (2): (H,), from the first block of z
    f = ...  # TODO (2)
    g = ...  # TODO (3)
    o = ...  # TODO (2)
    c_new = ...  # TODO (4): (H,)
    h_new = ...  # TODO (5): (H,)
    return h_new, c_new, (x, h, c, W, R, i, f, g, o, c_new)
