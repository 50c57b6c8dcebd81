"""Normalisations as courses write them: of a batch, a layer, a root mean square, weights, colours.
Staged gradients as in a course's notes, short formulas as in papers, cosine similarity."""

import numpy as np

from planted.case import CACHED, Pair, normal


def batchnorm(x, gamma, beta, eps):
    N = x.shape[0]
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    var = 1.0 / N * np.sum(xmu**2, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, gamma, xmu, ivar, sqrtvar, var, eps)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    return dx1 + dx2, dgamma, dbeta


def layernorm(x, w, b):
    mean = x.mean(-1, keepdims=True)
    rstd = ((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5
    rstd = rstd**-0.5
    return (x - mean) * rstd * w + b, (x, w, mean, rstd)


def layernorm_backward(dout, cache):
    x, w, mean, rstd = cache
    norm = (x - mean) * rstd
    db = dout.sum((0, 1))
    dw = (dout * norm).sum((0, 1))
    dnorm = dout * w
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    return dx, dw, db


def rmsnorm(x, g):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6) * g


def rmsnorm_backward(dy, x, g):
    rms = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    dxn = dy * g
    dx = dxn / rms - x * np.mean(dxn * x, axis=-1, keepdims=True) / rms**3
    return dx, np.sum(dy * x / rms, axis=0)


def cosine(a, b):
    na, nb = np.sqrt((a * a).sum(axis=1)), np.sqrt((b * b).sum(axis=1))
    return (a * b).sum(axis=1) / (na * nb)


def cosine_backward(ds, a, b):
    na = np.linalg.norm(a, axis=1)[:, None]
    nb = np.linalg.norm(b, axis=1)[:, None]
    s = np.sum(a * b, axis=1)[:, None] / (na * nb)
    da = b / (na * nb) - s * a / na**2
    db = a / (na * nb) - s * b / nb**2
    return ds[:, None] * da, ds[:, None] * db


def whiten(x):
    xc = x - x.mean(axis=0)
    lam, U = np.linalg.eigh(xc.T @ xc / len(x))
    return xc @ (U / np.sqrt(lam)) @ U.T


def whiten_backward(dy, x):
    n, xc = len(x), x - x.mean(axis=0)
    lam, U = np.linalg.eigh(xc.T @ xc / n)
    s = lam**-0.5
    dM = U.T @ (xc.T @ dy) @ U
    gaps = lam[:, None] - lam + np.eye(len(lam))
    K = (s[:, None] - s) / gaps + np.diag(-0.5 * lam**-1.5)
    dC = U @ (K * (dM + dM.T) / 2) @ U.T
    dxc = dy @ (U * s) @ U.T + 2 * xc @ dC / n
    return dxc - dxc.mean(axis=0)


PAIRS = [
    Pair(
        batchnorm,
        batchnorm_backward,
        normal(1, x=(6, 4), gamma=4, beta=4) | {"eps": 1e-5},
        CACHED,
    ),
    Pair(layernorm, layernorm_backward, normal(2, x=(2, 3, 5), w=5, b=5), CACHED),
    Pair(rmsnorm, rmsnorm_backward, normal(3, x=(4, 6), g=6)),
    Pair(cosine, cosine_backward, normal(5, a=(4, 3), b=(4, 3))),
    Pair(whiten, whiten_backward, normal(7, x=(9, 3))),
]
