"""Exercise 4: a whole sequence backward. Lesson 3 has it; `minilstm learn 4` checks this file.

Your own exercises 1 to 3 stand in the same folder.
"""

import numpy as np
from ex2_step_backward import step_backward
from ex3_forward import forward  # whose backward pass this is


def backward(dh, dstate, caches):
    """From the gradients at all outputs, dh (T, H), and at the last states, (dhT, dcT).

    Returns the gradients by name: x (T, D), W (4H, D), R (4H, H), b (4H,), h0 (H,) and c0 (H,).
    """
    T = len(dh)
    dh_next, dc_next = dstate  # what comes back from the step after, (H,) each
    dx = [None] * T
    dW, dR, db = 0, 0, 0
    for t in range(T - 1, -1, -1):
        ...  # TODO: one step back; the weights' gradients of all steps are added up
    return {"x": np.stack(dx), "W": dW, "R": dR, "b": db, "h0": dh_next, "c0": dc_next}
