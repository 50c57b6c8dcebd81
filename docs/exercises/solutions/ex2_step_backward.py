"""Exercise 2: one step backward. Lesson 2 walks through it; `minilstm learn 2` checks this file.

Your own step forward of exercise 1 has to stand in the same folder.
"""

import numpy as np
from ex1_step_forward import step_forward  # whose backward pass this is


def step_backward(dh, dc, cache):
    """From the gradients at the new h and c, dh and dc (H,), those at everything that went in.

    In a sequence dc is what the step after sends back; lesson 2 has a single step, where it is 0.
    Returns dx (D,), dh_old (H,), dc_old (H,), dW (4H, D), dR (4H, H) and db (4H,).
    """
    x, h, c, W, R, i, f, g, o, c_new = cache
    tanh_c = np.tanh(c_new)  # (H,)
    do = dh * tanh_c  # (5)
    dc_new = dc + dh * o * (1 - tanh_c**2)  # (5)
    df = dc_new * c  # (4)
    dc_old = dc_new * f  # (4)
    di = dc_new * g  # (4)
    dg = dc_new * i  # (4)
    dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])
    dx = W.T @ dz  # (1)
    dh_old = R.T @ dz  # (1)
    dW = np.outer(dz, x)  # (1)
    dR = np.outer(dz, h)  # (1)
    db = dz  # (1)
    return dx, dh_old, dc_old, dW, dR, db
