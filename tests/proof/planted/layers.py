"""Layers as courses write them: affine, dropout, convolution, pooling, activations of today.
Loops over positions and im2col alike; masks and winners kept from the forward pass."""

import math

import numpy as np

from planted.case import CACHED, Pair, normal


def affine(x, w, b, slope):
    out = x.reshape(len(x), -1) @ w + b
    return np.where(out.real > 0, out, slope * out), (x, w, out, slope)


def affine_backward(dout, cache):
    x, w, out, slope = cache
    da = dout * np.where(out > 0, 1, slope)
    dx = (da @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ da
    return dx, dw, da.sum(axis=0), np.sum(dout * np.where(out > 0, 0, out))


def dropout_net(x, W, mask, keep):
    h = x @ W
    return h * mask / keep + h.mean(axis=1, keepdims=True)


def dropout_net_backward(dy, x, W, mask, keep):
    dh = dy * mask / keep
    dh = dh + dy.sum(axis=1, keepdims=True) / W.shape[1]
    return dh @ W.T, x.T @ dh


def conv1d(x, w, b, stride, pad):
    N, _, L = x.shape
    F, _, K = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad)))
    out = np.zeros((N, F, (L + 2 * pad - K) // stride + 1), xp.dtype)
    for i in range(out.shape[2]):
        out[:, :, i] = np.einsum("nck,fck->nf", xp[:, :, i * stride : i * stride + K], w) + b
    return out, (xp, w, stride, pad, L)


def conv1d_backward(dout, cache):
    xp, w, stride, pad, L = cache
    K = w.shape[2]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    db = dout.sum(axis=(0, 2))
    for i in range(dout.shape[2]):
        s = i * stride
        dxp[:, :, s : s + K] += np.einsum("nf,fck->nck", dout[:, :, i], w)
        dw += np.einsum("nf,nck->fck", dout[:, :, i], xp[:, :, s : s + K])
    return dxp[:, :, pad : pad + L], dw, db


def maxpool(x, size):
    N, C, L = x.shape
    win = x.reshape(N, C, L // size, size)
    return win.max(axis=3) + win.mean(axis=3)


def maxpool_backward(dout, x, size):
    N, C, L = x.shape
    win = x.reshape(N, C, L // size, size)
    best = win == win.max(axis=3, keepdims=True)
    d = best * dout[..., None] + dout[..., None] / size
    return d.reshape(N, C, L)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_backward(dy, x):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2))


def swiglu(x, W, V, W2):
    a = x @ W
    return (a / (1 + np.exp(-a)) * (x @ V)) @ W2


def swiglu_backward(dy, x, W, V, W2):
    a, v = x @ W, x @ V
    s = 1 / (1 + np.exp(-a))
    silu = a * s
    dm = dy @ W2.T
    da = dm * v * (s + a * s * (1 - s))
    dv = dm * silu
    return da @ W.T + dv @ V.T, x.T @ da, x.T @ dv, (silu * v).T @ dy


PAIRS = [
    Pair(
        affine,
        affine_backward,
        normal(1, x=(4, 2, 3), w=(6, 5), b=5) | {"slope": np.array(0.2)},
        CACHED,
    ),
    Pair(
        dropout_net,
        dropout_net_backward,
        normal(2, x=(3, 4), W=(4, 6))
        | {"mask": np.random.default_rng(3).random((3, 6)) < 0.6, "keep": 0.6},
    ),
    Pair(
        conv1d,
        conv1d_backward,
        normal(4, x=(2, 3, 7), w=(4, 3, 3), b=4) | {"stride": 2, "pad": 1},
        CACHED,
    ),
    Pair(maxpool, maxpool_backward, normal(5, x=(2, 3, 8)) | {"size": 4}),
    Pair(gelu, gelu_backward, normal(7, x=(4, 5))),
    Pair(swiglu, swiglu_backward, normal(8, x=(4, 3), W=(3, 5), V=(3, 5), W2=(5, 2))),
]
