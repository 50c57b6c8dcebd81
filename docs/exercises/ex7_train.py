"""Exercise 7: your own LSTM learns to tell nine speakers. `minilstm learn 7` checks this file.

Your own exercises 1 to 6 stand in the same folder. Axes: T time steps, D features, H hidden units,
C classes. `python ex7_train.py` shows it train, in less than a minute.
"""

import numpy as np
from ex3_forward import forward
from ex4_backward import backward
from ex5_loss import sequence_loss
from ex6_adam import adam_step

from minilstm.data.datasets import japanese_vowels  # the data, and nothing else


def top_forward(h, V, a):
    """A score for each class from the last of the outputs h (T, H): V (C, H) times it, plus a (C,).

    Returns the scores (C,), and a tuple of what backward will need.
    """
    scores = ...  # TODO: (C,)
    return scores, (h, V)


def top_backward(dscores, cache):
    """From the gradient at the scores (C,), those at all outputs, dh (T, H), dV (C, H) and da (C,).

    Outputs that no score has seen get zeros.
    """
    h, V = cache
    dh = np.zeros_like(h)  # (T, H)
    dh[-1] = ...  # TODO: (H,)
    dV = ...  # TODO: (C, H)
    da = ...  # TODO: (C,)
    return dh, dV, da


def start(D, H, C):
    """Weights to start from: small random numbers, and a forget gate that is open."""
    rng = np.random.default_rng(0)
    shapes = {"W": (4 * H, D), "R": (4 * H, H), "V": (C, H)}
    weights = {name: 0.3 * rng.normal(size=shape) for name, shape in shapes.items()}
    b = np.zeros(4 * H)
    b[H : 2 * H] = 1
    return {**weights, "b": b, "a": np.zeros(C)}


def scores_of(x, weights):
    """The scores (C,) of a sequence x (T, D), and the caches of both parts."""
    zero = np.zeros(weights["R"].shape[1])  # (H,)
    h, _, caches = forward(x, zero, zero, weights["W"], weights["R"], weights["b"])
    scores, cache = top_forward(h, weights["V"], weights["a"])
    return scores, (caches, cache)


def loss_and_gradients(x, label, weights):
    """The loss of one sequence, and its gradients by the names of the weights."""
    scores, (caches, cache) = scores_of(x, weights)
    loss, dscores = sequence_loss(scores, label)
    dh, dV, da = top_backward(dscores, cache)
    zero = np.zeros(dh.shape[1])  # (H,): nothing comes after the last step
    found = backward(dh, (zero, zero), caches)
    return loss, {"W": found["W"], "R": found["R"], "b": found["b"], "V": dV, "a": da}


def train(x, labels, weights, epochs=25, batch=10):
    """Go through the sequences in a random order, `batch` of them for each update.

    Returns the weights by name.
    """
    rng, t = np.random.default_rng(1), 0
    weights = dict(weights)
    means = {name: (np.zeros_like(p), np.zeros_like(p)) for name, p in weights.items()}
    for epoch in range(epochs):
        order, losses = rng.permutation(len(x)), []
        for k in range(0, len(x), batch):
            chosen = order[k : k + batch]
            total = {name: 0 for name in weights}
            for n in chosen:
                loss, found = loss_and_gradients(x[n], labels[n], weights)
                losses.append(loss)
                total = {name: total[name] + found[name] for name in weights}
            t = t + 1
            for name in weights:
                g = ...  # TODO: the mean gradient of the batch
                p, m, v = ...  # TODO: one update
                weights[name] = p
                means[name] = (m, v)
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}")
    return weights


if __name__ == "__main__":
    x_train, y_train, x_test, y_test = japanese_vowels()
    weights = train(x_train, y_train - 1, start(12, 24, 9))
    right = [np.argmax(scores_of(x, weights)[0]) == k - 1 for x, k in zip(x_test, y_test)]
    print(f"right on the test: {np.mean(right):.3f}")
