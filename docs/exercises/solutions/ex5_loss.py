"""Exercise 5: the loss and its gradient. `minilstm learn 5` checks this file.

Axes: T time steps, C classes. Softmax turns scores into probabilities, p = exp(s) / sum(exp(s));
the cross-entropy of an answer k is -log(p[k]).
"""

import numpy as np


def sequence_loss(scores, label):
    """Of one answer for a whole sequence: scores (C,), and its class, a whole number.

    Returns the loss, a number, and its gradient dscores (C,).
    """
    e = np.exp(scores - np.max(scores))  # (C,)
    p = e / e.sum()  # (C,)
    loss = -np.log(p[label])
    dscores = p.copy()
    dscores[label] -= 1
    return loss, dscores


def step_loss(scores, labels):
    """Of an answer for each step: scores (T, C), and labels (T,), whole numbers.

    Returns the mean loss of the steps, a number, and its gradient dscores (T, C).
    """
    T = len(scores)
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))  # (T, C)
    p = e / e.sum(axis=1, keepdims=True)  # (T, C)
    loss = -np.log(p[np.arange(T), labels]).mean()
    dscores = p.copy()
    dscores[np.arange(T), labels] -= 1
    dscores = dscores / T
    return loss, dscores
