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
    do = ...  # TODO (5): (H,)
    dc_new = ...  # TODO (5): (H,), what came as dc, and what comes through h_new
    df = ...  # TODO (4): (H,)
    dc_old = ...  # TODO (4): (H,)
    di = ...  # TODO (4): (H,)
    dg = ...  # TODO (4): (H,)
    dz = ...  # TODO (2) and (3): (4H,), four blocks, joined by np.concatenate
    dx = ...  # TODO (1): (D,)
    dh_old = ...  # TODO (1): (H,)
    dW = ...  # TODO (1): (4H, D)
    dR = ...  # TODO (1): (4H, H)
    db = ...  # TODO (1): (4H,)
    return dx, dh_old, dc_old, dW, dR, db
