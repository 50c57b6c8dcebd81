"""Exercise 3: a whole sequence forward. Lesson 3 has it; `minilstm learn 3` checks this file.

Axes: T time steps, D features, H hidden units. Your own exercise 1 stands in the same folder.
"""

import numpy as np
from ex1_step_forward import step_forward


def forward(x, h0, c0, W, R, b):
    """All steps of a sequence x (T, D), from the states h0 (H,) and c0 (H,) on.

    Returns the outputs h (T, H), the last states (hT, cT), (H,) each, and the caches of all steps.
    """
    h, c = h0, c0
    outputs, caches = [], []
    for t in range(len(x)):
        h, c, cache = step_forward(x[t], h, c, W, R, b)
        outputs.append(h)
        caches.append(cache)
    return np.stack(outputs), (h, c), caches
