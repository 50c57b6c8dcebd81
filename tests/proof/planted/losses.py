"""Losses with their gradients, as homework hands them in: cross-entropy, KL, hinge, Huber, L2.
Most return a number and take no upstream gradient; some leave it to a layer above."""

import numpy as np

from planted.case import CACHED, LOSS, Pair, normal


def cross_entropy(scores, labels):
    e = np.exp(scores - scores.real.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


def cross_entropy_backward(scores, labels):
    N = len(labels)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True)
    d[np.arange(N), labels] -= 1
    return d / N


def temporal_softmax(x, y, mask):
    N, T, V = x.shape
    flat, y, m = x.reshape(N * T, V), y.reshape(N * T), mask.reshape(N * T)
    p = np.exp(flat - np.max(flat.real, axis=1, keepdims=True))
    p = p / np.sum(p, axis=1, keepdims=True)
    loss = -np.sum(m * np.log(p[np.arange(N * T), y])) / N
    return loss, (p, y, m, N, T, V)


def temporal_softmax_backward(cache):
    p, y, m, N, T, V = cache
    d = p.copy()
    d[np.arange(N * T), y] -= 1
    d /= N
    d *= m[:, None]
    return d.reshape(N, T, V)


def distill(student, teacher, T):
    def log_softmax(z):
        z = z / T
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    lp, lq = log_softmax(teacher), log_softmax(student)
    return T * T * (np.exp(lp) * (lp - lq)).sum() / len(student)


def distill_backward(student, teacher, T):
    q = np.exp(student / T)
    q /= q.sum(axis=1, keepdims=True)
    p = np.exp(teacher / T)
    p /= p.sum(axis=1, keepdims=True)
    ratio = np.log(p / q)
    dteacher = p * (ratio - (p * ratio).sum(axis=1, keepdims=True))
    return T * (q - p) / len(student), T * dteacher / len(student)


def vae_kl(mu, log_var):
    return -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var)) / len(mu)


def vae_kl_backward(mu, log_var):
    return mu / len(mu), 0.5 * (np.exp(log_var) - 1) / len(mu)


def svm_loss(W, X, y, reg):
    scores = X @ W
    correct = scores[np.arange(len(y)), y][:, None]
    margins = np.where((scores - correct + 1).real > 0, scores - correct + 1, 0)
    margins[np.arange(len(y)), y] = 0
    return margins.sum() / len(y) + reg * np.sum(W * W)


def svm_backward(W, X, y, reg):
    N = len(y)
    scores = X @ W
    margins = scores - scores[np.arange(N), y][:, None] + 1
    binary = (margins > 0).astype(float)
    binary[np.arange(N), y] = 0
    binary[np.arange(N), y] = -binary.sum(axis=1)
    return X.T @ binary / N + 2 * reg * W, binary @ W.T / N


def huber(pred, target, delta):
    e = pred - target
    small = np.abs(e) <= delta
    return np.where(small, 0.5 * e**2, delta * (np.abs(e) - 0.5 * delta)).mean()


def huber_backward(pred, target, delta):
    e = pred - target
    d = np.where(np.abs(e) <= delta, e, delta * np.sign(e)) / e.size
    return d, -d


def two_layer(X, y, W1, b1, W2, b2, reg):
    h = np.tanh(X @ W1 + b1)
    e = h @ W2 + b2 - y
    return (e**2).sum() / len(X) + 0.5 * reg * ((W1**2).sum() + (W2**2).sum())


def two_layer_backward(X, y, W1, b1, W2, b2, reg):
    h = np.tanh(X @ W1 + b1)
    e = h @ W2 + b2 - y
    de = 2 * e / len(X)
    grads = {"y": -de, "W2": h.T @ de, "b2": de.sum(axis=0)}
    dh = de @ W2.T
    da = dh * (1 - h**2)
    grads |= {"X": da @ W1.T, "W1": X.T @ da, "b1": da.sum(axis=0)}
    grads["W1"] += reg * W1
    grads["W2"] += reg * W2
    return grads


PAIRS = [
    Pair(
        cross_entropy,
        cross_entropy_backward,
        normal(1, scores=(5, 4)) | {"labels": np.array([0, 3, 1, 1, 2])},
        LOSS,
    ),
    Pair(
        temporal_softmax,
        temporal_softmax_backward,
        normal(2, x=(2, 3, 4))
        | {"y": np.array([[0, 3, 1], [2, 2, 0]]), "mask": np.array([[1, 1, 0], [1, 1, 1]])},
        CACHED | LOSS,
    ),
    Pair(distill, distill_backward, normal(3, student=(3, 5), teacher=(3, 5)) | {"T": 2.5}, LOSS),
    Pair(vae_kl, vae_kl_backward, normal(4, mu=(4, 2), log_var=(4, 2)), LOSS),
    Pair(
        svm_loss,
        svm_backward,
        normal(5, W=(4, 3), X=(6, 4)) | {"y": np.array([0, 2, 1, 1, 0, 2]), "reg": 0.1},
        LOSS,
    ),
    Pair(huber, huber_backward, normal(6, pred=(4, 3), target=(4, 3)) | {"delta": 0.8}, LOSS),
    Pair(
        two_layer,
        two_layer_backward,
        normal(8, X=(5, 3), y=(5, 2), W1=(3, 4), b1=4, W2=(4, 2), b2=2) | {"reg": 0.05},
        LOSS,
    ),
]
