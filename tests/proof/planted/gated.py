"""Gated networks beside the common LSTM: both GRUs, peepholes, layer norm inside, highways.
Batch first or one step alone, gates stacked as their papers stack them."""

import numpy as np

from planted.case import CACHED, Pair, normal


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(X, h0, W, U, b):
    H = U.shape[0]
    h, hs, cache = h0, [], []
    for x in X:
        zr = sigmoid(x @ W[:, : 2 * H] + h @ U[:, : 2 * H] + b[: 2 * H])
        z, r = zr[:, :H], zr[:, H:]
        hbar = np.tanh(x @ W[:, 2 * H :] + (r * h) @ U[:, 2 * H :] + b[2 * H :])
        cache.append((x, h, z, r, hbar))
        h = (1 - z) * h + z * hbar
        hs.append(h)
    return np.stack(hs), (cache, W, U)


def gru_backward(dhs, saved):
    cache, W, U = saved
    H = U.shape[0]
    dX, dW, dU, db = [], np.zeros_like(W), np.zeros_like(U), np.zeros(3 * H)
    dh_next = 0
    for (x, h, z, r, hbar), dh in zip(cache[::-1], dhs[::-1], strict=True):
        dh = dh + dh_next
        dz = dh * (hbar - h) * z * (1 - z)
        dhbar = dh * z * (1 - hbar**2)
        drh = dhbar @ U[:, 2 * H :].T
        dr = drh * h * r * (1 - r)
        da = np.concatenate([dz, dr, dhbar], axis=1)
        dX.append(da @ W.T)
        dW += x.T @ da
        dU[:, : 2 * H] += h.T @ da[:, : 2 * H]
        dU[:, 2 * H :] += (r * h).T @ dhbar
        db += da.sum(axis=0)
        dh_next = dh * (1 - z) + drh * r + da[:, : 2 * H] @ U[:, : 2 * H].T
    return np.stack(dX[::-1]), dh_next, dW, dU, db


def gru_cell(x, h, W_ih, W_hh, b_ih, b_hh):
    gi, gh = x @ W_ih.T + b_ih, h @ W_hh.T + b_hh
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(gi, 3, axis=1), np.split(gh, 3, axis=1)
    r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
    n = np.tanh(i_n + r * h_n)
    return (1 - z) * n + z * h, (x, h, W_ih, W_hh, r, z, n, h_n)


def gru_cell_backward(grad, cache):
    x, h, W_ih, W_hh, r, z, n, h_n = cache
    dz = grad * (h - n) * z * (1 - z)
    dn = grad * (1 - z) * (1 - n * n)
    dr = dn * h_n * r * (1 - r)
    dgi = np.concatenate([dr, dz, dn], axis=1)
    dgh = np.concatenate([dr, dz, dn * r], axis=1)
    dh = dgh @ W_hh + grad * z
    return dgi @ W_ih, dh, dgi.T @ x, dgh.T @ h, dgi.sum(0), dgh.sum(0)


def peephole_lstm(x, h0, c0, W, R, p, b):
    h, c, hs, cache = h0, c0, [], []
    for xt in x:
        z_, i_, f_, o_ = (W[k] @ xt + R[k] @ h + b[k] for k in range(4))
        z, i, f = np.tanh(z_), sigmoid(i_ + p[0] * c), sigmoid(f_ + p[1] * c)
        c_old, h_old = c, h
        c = z * i + c * f
        o = sigmoid(o_ + p[2] * c)
        h = np.tanh(c) * o
        hs.append(h)
        cache.append((xt, h_old, c_old, z, i, f, o, c))
    return np.array(hs), (cache, W, R, p)


def peephole_lstm_backward(dy, saved):
    cache, W, R, p = saved
    dW, dR, dp, db = (np.zeros(s) for s in (W.shape, R.shape, p.shape, (4, p.shape[1])))
    dx, dh, dc = [None] * len(cache), 0, 0
    for t in range(len(cache) - 1, -1, -1):
        xt, h_old, c_old, z, i, f, o, c = cache[t]
        dh = dh + dy[t]
        do = dh * np.tanh(c) * o * (1 - o)
        dc = dc + dh * o * (1 - np.tanh(c) ** 2) + p[2] * do
        dz, di, df = dc * i * (1 - z**2), dc * z * i * (1 - i), dc * c_old * f * (1 - f)
        for k, d in enumerate((dz, di, df, do)):
            dW[k] += np.outer(d, xt)
            dR[k] += np.outer(d, h_old)
            db[k] += d
        dp += np.array([di * c_old, df * c_old, do * c])
        dx[t] = sum(W[k].T @ d for k, d in enumerate((dz, di, df, do)))
        dh = sum(R[k].T @ d for k, d in enumerate((dz, di, df, do)))
        dc = dc * f + p[0] * di + p[1] * df
    return np.array(dx), dh, dc, dW, dR, dp, db


def ln(a, gain):
    mu, sd = a.mean(axis=-1, keepdims=True), np.sqrt(a.var(axis=-1, keepdims=True) + 1e-5)
    n = (a - mu) / sd
    return n * gain, (n, sd, gain)


def ln_backward(d, cache):
    n, sd, gain = cache
    dn = d * gain
    centred = dn - dn.mean(axis=-1, keepdims=True)
    return (centred - n * (dn * n).mean(axis=-1, keepdims=True)) / sd, (d * n).sum(axis=0)


def ln_lstm(x, h, c, W, U, b, g1, g2, g3):
    ax, cache_x = ln(x @ W, g1)
    ah, cache_h = ln(h @ U, g2)
    i, f, o, g = np.split(ax + ah + b, 4, axis=1)
    i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
    c_new = f * c + i * g
    nc, cache_c = ln(c_new, g3)
    return o * np.tanh(nc), (x, h, c, W, U, i, f, o, g, nc, cache_x, cache_h, cache_c)


def ln_lstm_backward(dh, cache):
    x, h, c, W, U, i, f, o, g, nc, cache_x, cache_h, cache_c = cache
    tc = np.tanh(nc)
    dc, dg3 = ln_backward(dh * o * (1 - tc**2), cache_c)
    gates = dc * g * i * (1 - i), dc * c * f * (1 - f), dh * tc * o * (1 - o), dc * i * (1 - g**2)
    da = np.concatenate(gates, axis=1)
    dax, dg1 = ln_backward(da, cache_x)
    dah, dg2 = ln_backward(da, cache_h)
    return dax @ W.T, dah @ U.T, dc * f, x.T @ dax, h.T @ dah, da.sum(axis=0), dg1, dg2, dg3


def highway(x, WH, bH, WT, bT):
    return np.maximum(x @ WH + bH, 0) * sigmoid(x @ WT + bT) + x * (1 - sigmoid(x @ WT + bT))


def highway_backward(dy, x, WH, bH, WT, bT):
    h = np.maximum(x @ WH + bH, 0)
    t = sigmoid(x @ WT + bT)
    dh = dy * t * (h > 0)
    dt = dy * (h - x) * t * (1 - t)
    dx = dh @ WH.T + dt @ WT.T + dy * (1 - t)
    return dx, x.T @ dh, dh.sum(axis=0), x.T @ dt, dt.sum(axis=0)


def residual(x, W1, b1, W2, b2, alpha):
    a = x @ W1 + b1
    return x + alpha * (np.where(a > 0, a, 0) @ W2 + b2)


def residual_backward(dy, x, W1, b1, W2, b2, alpha):
    a = x @ W1 + b1
    r = np.maximum(a, 0)
    branch = r @ W2 + b2
    dbranch = alpha * dy
    dr = dbranch @ W2.T
    dr[a < 0] = 0
    dalpha = np.sum(dy * branch)
    return dy + dr @ W1.T, x.T @ dr, dr.sum(0), r.T @ dbranch, dbranch.sum(0), dalpha


PAIRS = [
    Pair(
        gru,
        gru_backward,
        normal(1, X=(4, 3, 5), h0=(3, 6), W=(5, 18), U=(6, 18), b=18),
        CACHED,
    ),
    Pair(
        gru_cell,
        gru_cell_backward,
        normal(2, x=(4, 3), h=(4, 5), W_ih=(15, 3), W_hh=(15, 5), b_ih=15, b_hh=15),
        CACHED,
    ),
    Pair(
        peephole_lstm,
        peephole_lstm_backward,
        normal(3, x=(5, 3), h0=4, c0=4, W=(4, 4, 3), R=(4, 4, 4), p=(3, 4), b=(4, 4)),
        CACHED,
    ),
    Pair(
        ln_lstm,
        ln_lstm_backward,
        normal(4, x=(3, 5), h=(3, 4), c=(3, 4), W=(5, 16), U=(4, 16), b=16, g1=16, g2=16, g3=4),
        CACHED,
    ),
    Pair(highway, highway_backward, normal(6, x=(5, 4), WH=(4, 4), bH=4, WT=(4, 4), bT=4)),
    Pair(
        residual,
        residual_backward,
        normal(7, x=(3, 4), W1=(4, 6), b1=6, W2=(6, 4), b2=4) | {"alpha": np.array(0.7)},
    ),
]
