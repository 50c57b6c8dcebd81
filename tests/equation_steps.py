"""Recurrent steps as people write them, each with its backward pass as text.
A mistake is a change of the text, with words that have to be in the cause."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(12)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(**shapes):
    return {name: RNG.normal(size=shape) for name, shape in shapes.items()}


def written(f, source, inputs):
    """A backward pass from its text."""
    body = "\n    ".join(source.strip().splitlines())
    scope = dict(f.__globals__)
    exec(f"def backward(dy, {', '.join(inputs)}):\n    {body}", scope)
    return scope["backward"]


def rnn(x, h, W, R, b):
    hs = []
    for t in range(len(x)):
        h = np.tanh(x[t] @ W + h @ R + b)
        hs.append(h)
    return np.stack(hs)


RNN = """
hs, h0 = rnn(x, h, W, R, b), h
dx, dW, dR, db, dnext = 0 * x, 0 * W, 0 * R, 0 * b, 0 * h
for t in reversed(range(len(x))):
    before = hs[t - 1] if t else h0
    dz = (dy[t] + dnext) * (1 - hs[t] ** 2)
    dx[t], dnext = dz @ W.T, dz @ R.T
    dW += x[t].T @ dz
    dR += before.T @ dz
    db += dz.sum(0)
return dx, dnext, dW, dR, db
"""


def gru(x, h, W, R, b):
    """The reset gate acts after the product."""
    hs, H = np.zeros((len(x), *h.shape)), h.shape[1]
    for t in range(len(x)):
        zx, zh = x[t] @ W + b, h @ R
        r = sigmoid(zx[:, :H] + zh[:, :H])
        z = sigmoid(zx[:, H : 2 * H] + zh[:, H : 2 * H])
        n = np.tanh(zx[:, 2 * H :] + r * zh[:, 2 * H :])
        h = (1 - z) * n + z * h
        hs[t] = h
    return hs


GRU = """
hs, h0, H = gru(x, h, W, R, b), h, h.shape[1]
dx, dW, dR, db, dnext = 0 * x, 0 * W, 0 * R, 0 * b, 0 * h
for t in reversed(range(len(x))):
    h = hs[t - 1] if t else h0
    zx, zh = x[t] @ W + b, h @ R
    r, z = sigmoid(zx[:, :H] + zh[:, :H]), sigmoid(zx[:, H : 2 * H] + zh[:, H : 2 * H])
    n = np.tanh(zx[:, 2 * H :] + r * zh[:, 2 * H :])
    dh = dy[t] + dnext
    dn = dh * (1 - z)
    dz = dh * (h - n)
    da = dn * (1 - n**2)
    dr = da * zh[:, 2 * H :]
    dzr, dzz = dr * r * (1 - r), dz * z * (1 - z)
    gx, gh = np.hstack([dzr, dzz, da]), np.hstack([dzr, dzz, da * r])
    dx[t], dnext = gx @ W.T, gh @ R.T + dh * z
    dW += x[t].T @ gx
    dR += h.T @ gh
    db += gx.sum(0)
return dx, dnext, dW, dR, db
"""


def gru_before(x, h, W, R, V):
    """The reset gate acts before the product."""
    H = h.shape[1]
    for t in range(len(x)):
        rz = sigmoid(x[t] @ W[:, : 2 * H] + h @ R)
        r, z = np.split(rz, 2, axis=1)
        n = np.tanh(x[t] @ W[:, 2 * H :] + (r * h) @ V)
        h = (1 - z) * n + z * h
    return h


GRU_BEFORE = """
H, hs = h.shape[1], [h]
for t in range(len(x)):
    hs.append(gru_before(x[t : t + 1], hs[-1], W, R, V))
dx, dW, dR, dV, dh = 0 * x, 0 * W, 0 * R, 0 * V, dy
for t in reversed(range(len(x))):
    h = hs[t]
    r, z = np.split(sigmoid(x[t] @ W[:, : 2 * H] + h @ R), 2, axis=1)
    n = np.tanh(x[t] @ W[:, 2 * H :] + (r * h) @ V)
    da = dh * (1 - z) * (1 - n**2)
    drh = da @ V.T
    drz = np.hstack([drh * h * r * (1 - r), dh * (h - n) * z * (1 - z)])
    dx[t] = np.hstack([drz, da]) @ W.T
    dW += x[t].T @ np.hstack([drz, da])
    dR += h.T @ drz
    dV += (r * h).T @ da
    dh = dh * z + drh * r + drz @ R.T
return dx, dh, dW, dR, dV
"""


def peephole(x, h, c, W, R, p, q):
    """An LSTM with coupled gates, 1 - f for i, and peepholes to f and o."""
    hs, H = [], h.shape[1]
    for t in range(len(x)):
        a = x[t] @ W + h @ R
        f = sigmoid(a[:, :H] + p * c)
        g = np.tanh(a[:, H : 2 * H])
        c = f * c + (1 - f) * g
        o = sigmoid(a[:, 2 * H :] + q * c)
        h = o * np.tanh(c)
        hs.append(h)
    return np.array(hs)


PEEPHOLE = """
H, kept = h.shape[1], []
for t in range(len(x)):
    a = x[t] @ W + h @ R
    f, g = sigmoid(a[:, :H] + p * c), np.tanh(a[:, H : 2 * H])
    c1 = f * c + (1 - f) * g
    o = sigmoid(a[:, 2 * H :] + q * c1)
    kept.append((h, c, f, g, o, c1))
    h, c = o * np.tanh(c1), c1
dx, dW, dR, dp, dq, dh, dc = 0 * x, 0 * W, 0 * R, 0 * p, 0 * q, 0 * h, 0 * c
for t in reversed(range(len(x))):
    h, c, f, g, o, c1 = kept[t]
    dh = dy[t] + dh
    do = dh * np.tanh(c1) * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c1) ** 2) + do * q
    df = dc * (c - g) * f * (1 - f)
    dg = dc * (1 - f) * (1 - g**2)
    da = np.hstack([df, dg, do])
    dp += (df * c).sum(0)
    dq += (do * c1).sum(0)
    dc = dc * f + df * p
    dW += x[t].T @ da
    dR += h.T @ da
    dx[t], dh = da @ W.T, da @ R.T
return dx, dh, dc, dW, dR, dp, dq
"""

STEPS = {"x": (4, 2, 3), "h": (2, 5)}
CASES = [
    (rnn, RNN, normal(**STEPS, W=(3, 5), R=(5, 5), b=5), [
        ("(1 - hs[t] ** 2)", "hs[t]", "tanh"),
        ("(1 - hs[t] ** 2)", "(1 - np.tanh(hs[t]) ** 2)", "went through tanh already"),
        ("dy[t] + dnext", "dy[t]", "not carried to the step before"),
        ("before.T @ dz", "hs[t].T @ dz", "R through h @ R (line: h = np.tanh(x[t] @ W + h @ R"),
        ("dz @ R.T", "dz @ R", "R is transposed"),
    ]),
    (gru, GRU, normal(**STEPS, W=(3, 15), R=(5, 15), b=15), [
        ("dn = dh * (1 - z)", "dn = dh * z", "z stands in place of 1 - z"),
        ("dh * (h - n)", "dh * (n - h)", "The whole gradient of z (line: "),
        ("dr * r * (1 - r)", "dr * r", "r itself stands where the derivative of sigmoid belongs"),
        ("da * zh[:, 2 * H :]", "da * 0", "The gradient of r"),
        ("da * r]", "da]", "the factor r is missing"),
        ("[dzr, dzz, da]", "[dzz, dzr, da]", "exchanged"),
        ("gh @ R.T + dh * z", "gh @ R.T", "The gradient of h through z * h"),
        ("dR += h.T @", "dR += hs[t].T @", "h is that of the step after"),
    ]),
    (gru_before, GRU_BEFORE, normal(**STEPS, W=(3, 15), R=(5, 10), V=(5, 5)), [
        ("drh * r + ", "drh + ", "In the gradient of h through r * h"),
        ("(r * h).T @ da", "h.T @ da", "h stands in place of r * h"),
        ("da @ V.T", "da @ V", "V is transposed"),
    ]),
    (peephole, PEEPHOLE, normal(**STEPS, c=(2, 5), W=(3, 15), R=(5, 15), p=5, q=5), [
        ("dh * np.tanh(c1) * o", "dh * o * o", "o itself stands where np.tanh(c)"),
        (" + do * q", "", "The gradient of c through q * c"),
        ("+ df * p", "", "The gradient of c through p * c"),
        ("dc * (c - g)", "dc * c", "The gradient of f through 1 - f"),
        ("(df * c)", "(df * c1)", "c is that of the step after"),
        ("(do * c1)", "(do * c)", "c of before this line stands in place of c"),
        ("dc = dc + dh", "dc = dh", "The gradient of c"),
    ]),
]  # fmt: skip
