"""Exercise 5: the loss and its gradient. `minilstm learn 5` checks this file.

Axes: T time steps, C classes. Softmax turns scores into probabilities, p = exp(s) / sum(exp(s));
the cross-entropy of an answer k is -log(p[k]).
"""

import numpy as np


def sequence_loss(scores, label):
    """Of one answer for a whole sequence: scores (C,), and its class, a whole number.

    Returns the loss, a number, and its gradient dscores (C,).
    """
    p = ...  # TODO: (C,), softmax; take the largest score off first, so that exp stays small
    loss = ...  # TODO: a number
    dscores = ...  # TODO: (C,), what is left when you differentiate -log(p[label])
    return loss, dscores


def step_loss(scores, labels):
    """Of an answer for each step: scores (T, C), and labels (T,), whole numbers.

    Returns the mean loss of the steps, a number, and its gradient dscores (T, C).
    """
    T = len(scores)
    p = ...  # TODO: (T, C), softmax of each row
    loss = ...  # TODO: a number, the mean over the steps
    dscores = ...  # TODO: (T, C)
    return loss, dscores
