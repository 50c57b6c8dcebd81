"""Exercise 6: the solver Adam. `minilstm learn 6` checks this file.

Adam keeps two running means of an array's gradient g: m of g itself, v of its square. Both start
at zero, so at first they are too small; dividing by 1 - b1**t and 1 - b2**t corrects that.
"""

import numpy as np


def adam_step(p, g, m, v, t, rate=0.01, b1=0.9, b2=0.999, e=1e-8):
    """One update of the array p with its gradient g; t is 1 for the first.

    The means m and v weigh what they were by b1 and b2. Then p goes against the corrected mean,
    divided by the root of the other plus e, times the rate.
    Returns the new p, m and v, and changes none of the old.
    """
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_right = m / (1 - b1**t)
    v_right = v / (1 - b2**t)
    p = p - rate * m_right / (np.sqrt(v_right) + e)
    return p, m, v
