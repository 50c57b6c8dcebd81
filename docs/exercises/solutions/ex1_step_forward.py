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
    z = W @ x + R @ h + b  # (1) (4H,)
    i = sigmoid(z[:H])  # (2)
    f = sigmoid(z[H : 2 * H])  # (2)
    g = np.tanh(z[2 * H : 3 * H])  # (3)
    o = sigmoid(z[3 * H :])  # (2)
    c_new = f * c + i * g  # (4)
    h_new = o * np.tanh(c_new)  # (5)
    return h_new, c_new, (x, h, c, W, R, i, f, g, o, c_new)
