"""Normalisations, attention, tables, images and losses, each with its backward pass as text.
A mistake is a change of the text, with words that have to be in the cause."""

from __future__ import annotations

import numpy as np
from equation_steps import normal, sigmoid

RNG = np.random.default_rng(13)
# ------------------------------------------------------------------ normalisation and attention


def layer_norm(x, g, b):
    mu = x.mean(axis=-1, keepdims=True)
    var = ((x - mu) ** 2).mean(axis=-1, keepdims=True)
    xhat = (x - mu) / np.sqrt(var + 1e-3)
    return xhat * g + b


LAYER_NORM = """
s = np.sqrt(x.var(-1, keepdims=True) + 1e-3)
xhat, dxhat = (x - x.mean(-1, keepdims=True)) / s, dy * g
m, q = dxhat.mean(-1, keepdims=True), (dxhat * xhat).mean(-1, keepdims=True)
return (dxhat - m - xhat * q) / s, (dy * xhat).sum(0), dy.sum(0)
"""


def rms_norm(x, g):
    return g * x / np.sqrt(np.mean(x**2, axis=1, keepdims=True))


RMS_NORM = """
s = np.sqrt(np.mean(x**2, axis=1, keepdims=True))
q = (dy * g * x / s).mean(1, keepdims=True)
return (dy * g - x / s * q) / s, (dy * x / s).sum(0)
"""


def batch_norm(x, g, b):
    mean, var = x.mean(0), x.var(0)
    return g * (x - mean) / np.sqrt(var + 1e-5) + b


BATCH_NORM = """
s, N = np.sqrt(x.var(0) + 1e-5), len(x)
n = (x - x.mean(0)) / s
return g / s / N * (N * dy - dy.sum(0) - n * (dy * n).sum(0)), (dy * n).sum(0), dy.sum(0)
"""


def attention(q, k, v, mask):
    s = np.einsum("btd,bsd->bts", q, k) / np.sqrt(q.shape[-1])
    s = np.where(mask, s, -1e9)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p @ v


ATTENTION = """
d = q.shape[-1]
s = np.where(mask, q @ k.swapaxes(1, 2) / np.sqrt(d), -1e9)
p = np.exp(s - s.max(-1, keepdims=True))
p /= p.sum(-1, keepdims=True)
dp = dy @ v.swapaxes(1, 2)
ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d)
return ds @ k, ds.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ dy
"""
MASK = np.tril(np.ones((4, 4), bool))
# ------------------------------------------------------------------ tables, masks, images, losses


def embedding(E, W, ids):
    return np.tanh(E[ids] @ W)


EMBEDDING = """
dz = dy * (1 - np.tanh(E[ids] @ W) ** 2)
dE = np.zeros_like(E)
np.add.at(dE, ids, dz @ W.T)
return dE, np.einsum("nti,nto->io", E[ids], dz)
"""


def dropout(x, W, keep):
    return (x * keep / 0.8) @ W


DROPOUT = "return (dy @ W.T) * keep / 0.8, (x * keep / 0.8).T @ dy"


def convolution(x, w, b):
    L, K = x.shape[2], w.shape[2]
    out = np.zeros((len(x), len(w), L - K + 1))
    for t in range(L - K + 1):
        out[:, :, t] = np.tensordot(x[:, :, t : t + K], w, axes=([1, 2], [1, 2])) + b
    return np.maximum(out, 0).mean(axis=2)


CONVOLUTION = """
K = w.shape[2]
patches = np.lib.stride_tricks.sliding_window_view(x, K, axis=2)
z = np.einsum("nctk,fck->nft", patches, w) + b[:, None]
dz = dy[:, :, None] * (z > 0) / z.shape[2]
dx = np.zeros_like(x)
for t in range(z.shape[2]):
    dx[:, :, t : t + K] += np.tensordot(dz[:, :, t], w, axes=1)
return dx, np.einsum("nft,nctk->fck", dz, patches), dz.sum((0, 2))
"""


def pooling(x):
    return x.reshape(len(x), -1, 2).mean(axis=2) * x.reshape(len(x), -1, 2).max(axis=2)


POOLING = """
u = x.reshape(len(x), -1, 2)
top = u == u.max(2, keepdims=True)
d = dy[:, :, None] * (u.max(2, keepdims=True) / 2 + u.mean(2, keepdims=True) * top)
return d.reshape(x.shape)
"""


def cosine(a, b):
    na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    return np.sum(a * b, axis=1) / (na * nb)


COSINE = """
na, nb = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
c = (a * b).sum(1, keepdims=True) / (na * nb)
dy = dy[:, None]
return dy * (b / (na * nb) - c * a / na**2), dy * (a / (na * nb) - c * b / nb**2)
"""


def kl(p, q):
    return np.sum(p * (np.log(p) - np.log(q)), axis=1).mean()


KL = "return dy * (np.log(p / q) + 1) / len(p), dy * -p / q / len(p)"


def hinge(w, X, y):
    margin = 1 - y * (X @ w)
    return np.maximum(0, margin).mean() + 0.01 * (w @ w)


HINGE = """
on = (1 - y * (X @ w) > 0) * y
return dy * (-(X.T @ on) / len(y) + 0.02 * w), -dy * np.outer(on, w) / len(y)
"""


def nll(x, W, t):
    z = x @ W
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -logp[np.arange(len(t)), t].mean()


NLL = """
p = np.exp(x @ W)
p /= p.sum(1, keepdims=True)
d = (p - np.eye(W.shape[1])[t]) * dy / len(t)
return d @ W.T, x.T @ d
"""


def bilinear(a, M, b):
    return np.einsum("ni,ij,nj->n", a, M, b)


BILINEAR = "return dy[:, None] * (b @ M.T), (a * dy[:, None]).T @ b, dy[:, None] * (a @ M)"


def gelu(x):
    u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(u))


GELU = """
u, k = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3), np.sqrt(2 / np.pi)
t = np.tanh(u)
return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * k * (1 + 3 * 0.044715 * x**2))
"""


def silu(x):
    return x * sigmoid(x)


SILU = "return dy * (sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)))"


def huber(y, t):
    e = y - t
    return np.where(np.abs(e) < 1, 0.5 * e**2, np.abs(e) - 0.5).sum() + np.mean(e**2)


HUBER = """
e = y - t
d = np.where(np.abs(e) < 1, e, np.sign(e)) * dy + 2 * e * dy / e.size
return d, -d
"""


P, Q = (np.exp(a) / np.exp(a).sum(1, keepdims=True) for a in RNG.normal(size=(2, 4, 6)))
LINEAR = {"w": np.array([2.0, -3, 1.5]), **normal(X=(6, 3))}
IDS = np.array([[1, 2, 1], [0, 5, 1]])
SIGNS = np.array([1, -1, 1, 1, -1, 1])
CASES = [
    (layer_norm, LAYER_NORM, normal(x=(4, 6), g=6, b=6), [
        ("dxhat - m -", "dxhat -", "The gradient of mu through x - mu"),
        (" - xhat * q", "", "The gradient of var"),
        ("dy * g", "dy", "the factor g is missing"),
    ]),
    (rms_norm, RMS_NORM, normal(x=(4, 6), g=6), [
        ("- x / s * q", "", "The gradient of"),
        (".mean(1,", ".sum(1,", "the length of axis 1 of x (6)"),
    ]),
    (batch_norm, BATCH_NORM, normal(x=(7, 3), g=3, b=3), [
        ("- dy.sum(0) -", "-", "mean"),
        ("- n * (dy * n).sum(0)", "", "x.var(0)"),
        ("g / s / N", "g / s", "the length of axis 0 of x (7)"),
    ]),
    (attention, ATTENTION, normal(q=(2, 4, 3), k=(2, 4, 3), v=(2, 4, 5)) | {"mask": MASK}, [
        ("(dp - (dp * p).sum(-1, keepdims=True))", "dp", "e.sum(axis=-1, keepdims=True)"),
        ("(dp - (dp * p).sum(-1, keepdims=True))", "dp * (1 - p)", "only the diagonal"),
        (" / np.sqrt(d)\nreturn", "\nreturn", "the denominator np.sqrt(q.shape[-1]) is missing"),
        ("p.swapaxes(1, 2) @ dy", "p @ dy", "p is transposed"),
        ("ds.swapaxes(1, 2) @ q", "ds.swapaxes(1, 2) @ k", "k stands in place of q"),
    ]),
    (embedding, EMBEDDING, normal(E=(6, 3), W=(3, 2)) | {"ids": IDS}, [
        ("np.add.at(dE, ids, dz @ W.T)", "dE[ids] += dz @ W.T", "= where += belongs"),
    ]),
    (dropout, DROPOUT, normal(x=(5, 3), W=(3, 2)) | {"keep": np.arange(15).reshape(5, 3) % 4 > 0}, [
        ("W.T) * keep / 0.8", "W.T) / 0.8", "the factor keep is missing"),
        ("W.T) * keep / 0.8", "W.T) * keep", "the denominator 0.8 is missing"),
    ]),
    (convolution, CONVOLUTION, normal(x=(2, 3, 7), w=(4, 3, 3), b=4), [
        (" * (z > 0)", " * (z > -99)", "the mask is missing"),
        (" += np.tensordot", " = np.tensordot", ""),
        ("dz.sum((0, 2))", "dz.sum((0, 2)) / len(x)", "the length of axis 0 of x (2)"),
    ]),
    (pooling, POOLING, normal(x=(3, 8)), [
        ("keepdims=True) * top", "keepdims=True) * (top > -1)", "every entry gets the gradient"),
        ("(u.max(2, keepdims=True) / 2", "(u.max(2, keepdims=True)", "mean(axis=2)"),
    ]),
    (cosine, COSINE, normal(a=(4, 3), b=(4, 3)), [
        (" - c * a / na**2", "", "na"),
        ("c * a / na**2", "c * a / na", "na"),
    ]),
    (kl, KL, {"p": P, "q": Q}, [
        (" + 1)", ")", "The gradient of p through np.log(p)"),
        ("-p / q", "p / q", "has the wrong sign"),
        (" + 1) / len(p), dy * -p / q / len(p)", " + 1), dy * -p / q", "axis 0 of p (4)"),
    ]),
    (hinge, HINGE, {**LINEAR, "y": SIGNS}, [
        ("(1 - y * (X @ w) > 0) * y", "(1 - y * (X @ w) > 0)", "the factor y is missing"),
        ("(1 - y * (X @ w) > 0) * y", "y", "the mask is missing"),
        ("+ 0.02 * w", "", "0.01 * (w @ w)"),
    ]),
    (nll, NLL, normal(x=(5, 3), W=(3, 4)) | {"t": np.array([0, 1, 3, 2, 0])}, [
        (" - np.eye(W.shape[1])[t]", "", "The gradient of z"),
        (" / len(t)", "", "axis 0 of x (5)"),
    ]),
    (bilinear, BILINEAR, normal(a=(4, 3), M=(3, 5), b=(4, 5)), [
        ("(a * dy[:, None]).T @ b", "a.T @ b", ""),
        ("dy[:, None] * (a @ M)", "-dy[:, None] * (a @ M)", "has the wrong sign"),
    ]),
    (gelu, GELU, normal(x=(3, 4)), [
        ("(1 + 3 * 0.044715", "(1 + 0.044715", "the exponent 3 is missing as a factor"),
        ("(1 - t**2)", "t", "itself stands where the derivative of tanh belongs"),
    ]),
    (silu, SILU, normal(x=(3, 4)), [
        (" + x * sigmoid(x) * (1 - sigmoid(x))", "", "The gradient of sigmoid(x) through"),
    ]),
    (huber, HUBER, normal(y=(3, 4), t=(3, 4)), [
        ("e, np.sign(e))", "e, 1)", "the derivative of absolute is missing"),
        ("2 * e * dy / e.size", "e * dy / e.size", "the exponent 2 is missing as a factor"),
    ]),
]  # fmt: skip
