"""Recurrent networks as courses and blog posts write them: plain ones and LSTMs in five layouts.
Lists and dicts of steps, gates by name or in blocks, a bias as a row of ones or of its own."""

import numpy as np

from planted.case import CACHED, LOSS, Pair, normal


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def char_rnn(Wxh, Whh, Why, bh, by, hprev, ixs, targets):
    xs, hs, ps, loss = {}, {-1: hprev}, {}, 0
    for t in range(len(ixs)):
        xs[t] = np.zeros((Wxh.shape[1], 1))
        xs[t][ixs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        y = Why @ hs[t] + by
        ps[t] = np.exp(y) / np.sum(np.exp(y))
        loss = loss - np.log(ps[t][targets[t], 0])
    return loss, (xs, hs, ps, targets, Wxh, Whh, Why)


def char_rnn_backward(cache):
    xs, hs, ps, targets, Wxh, Whh, Why = cache
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby, dhnext = np.zeros((len(Whh), 1)), np.zeros((len(Why), 1)), np.zeros((len(Whh), 1))
    for t in reversed(range(len(targets))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += dhraw @ xs[t].T
        dWhh += dhraw @ hs[t - 1].T
        dhnext = Whh.T @ dhraw
    return dWxh, dWhh, dWhy, dbh, dby, dhnext


def rnn(x, h0, Wx, Wh, b):
    h, prev = np.zeros((x.shape[0], x.shape[1], h0.shape[1]), x.dtype), h0
    for t in range(x.shape[1]):
        prev = np.tanh(x[:, t] @ Wx + prev @ Wh + b)
        h[:, t] = prev
    return h, (x, h0, Wx, Wh, h)


def rnn_backward(dh, cache):
    x, h0, Wx, Wh, h = cache
    dx, dWx, dWh, db = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(len(Wh))
    dprev = np.zeros_like(h0)
    for t in range(x.shape[1])[::-1]:
        dtotal = dh[:, t] + dprev
        da = dtotal * (1 - h[:, t] ** 2)
        before = h[:, t - 1] if t > 0 else h0
        dx[:, t] = da @ Wx.T
        dWx += x[:, t].T @ da
        dWh += before.T @ da
        db += da.sum(axis=0)
        dprev = da @ Wh.T
    return dx, dprev, dWx, dWh, db


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    do = dnext_h * np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - np.tanh(next_c) ** 2)
    di, df, dg = dc * g, dc * prev_c, dc * i
    dprev_c = dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_gist(X, WLSTM, c0, h0):
    n, b, _ = X.shape
    d = WLSTM.shape[1] // 4
    Hin, IFOGf, C, Hout = [], [], [], []
    for t in range(n):
        prevh, prevc = (Hout[t - 1], C[t - 1]) if t > 0 else (h0, c0)
        Hin.append(np.hstack([np.ones((b, 1)), X[t], prevh]))
        raw = Hin[t] @ WLSTM
        IFOGf.append(np.hstack([sigmoid(raw[:, : 3 * d]), np.tanh(raw[:, 3 * d :])]))
        C.append(IFOGf[t][:, :d] * IFOGf[t][:, 3 * d :] + IFOGf[t][:, d : 2 * d] * prevc)
        Hout.append(IFOGf[t][:, 2 * d : 3 * d] * np.tanh(C[t]))
    return np.array(Hout), (WLSTM, Hin, IFOGf, C, c0, X)


def lstm_gist_backward(dHout_in, cache):
    WLSTM, Hin, IFOGf, C, c0, X = cache
    d, k = WLSTM.shape[1] // 4, X.shape[2]
    dWLSTM, dX, dHout = np.zeros_like(WLSTM), np.zeros_like(X), dHout_in.copy()
    dh0, dC = np.zeros_like(c0), np.zeros_like(c0)
    for t in reversed(range(len(X))):
        i, f, o, g = (IFOGf[t][:, j * d : (j + 1) * d] for j in range(4))
        tanhC = np.tanh(C[t])
        dIFOG = np.zeros_like(IFOGf[t])
        dIFOG[:, 2 * d : 3 * d] = tanhC * dHout[t] * o * (1 - o)
        dC += (1 - tanhC**2) * (o * dHout[t])
        prevc = C[t - 1] if t > 0 else c0
        dIFOG[:, d : 2 * d] = prevc * dC * f * (1 - f)
        dIFOG[:, :d] = g * dC * i * (1 - i)
        dIFOG[:, 3 * d :] = i * dC * (1 - g**2)
        dC = f * dC
        dWLSTM += Hin[t].T @ dIFOG
        dHin = dIFOG @ WLSTM.T
        dX[t] = dHin[:, 1 : 1 + k]
        if t > 0:
            dHout[t - 1] += dHin[:, 1 + k :]
        else:
            dh0 += dHin[:, 1 + k :]
    return dX, dWLSTM, dC, dh0


def lstm_blog(x, h0, Wf, Wi, Wc, Wo, bf, bi, bc, bo):
    h, C, hs, cache = h0, np.zeros_like(h0), [], []
    for t in range(len(x)):
        z = np.vstack((h, x[t]))
        f, i = sigmoid(Wf @ z + bf), sigmoid(Wi @ z + bi)
        C_bar, o = np.tanh(Wc @ z + bc), sigmoid(Wo @ z + bo)
        C_prev, C = C, f * C + i * C_bar
        h = o * np.tanh(C)
        hs.append(h)
        cache.append((z, f, i, C_bar, o, C_prev, C))
    return np.array(hs), (cache, Wf, Wi, Wc, Wo, x)


def lstm_blog_backward(dhs, saved):
    cache, Wf, Wi, Wc, Wo, x = saved
    H = Wf.shape[0]
    dW = {k: np.zeros_like(Wf) for k in "fico"}
    db = {k: np.zeros((H, 1)) for k in "fico"}
    dx, dh_next, dC_next = np.zeros_like(x), np.zeros((H, 1)), np.zeros((H, 1))
    for t in reversed(range(len(x))):
        z, f, i, C_bar, o, C_prev, C = cache[t]
        dh = dhs[t] + dh_next
        d = {"o": dh * np.tanh(C) * o * (1 - o)}
        dC = dC_next + dh * o * (1 - np.tanh(C) ** 2)
        d["c"] = dC * i * (1 - C_bar * C_bar)
        d["i"] = dC * C_bar * i * (1 - i)
        d["f"] = dC * C_prev * f * (1 - f)
        for k in "fico":
            dW[k] += d[k] @ z.T
            db[k] += d[k]
        dz = Wf.T @ d["f"] + Wi.T @ d["i"] + Wc.T @ d["c"] + Wo.T @ d["o"]
        dh_next, dx[t] = dz[:H], dz[H:]
        dC_next = f * dC
    return dx, dh_next, *(dW[k] for k in "fico"), *(db[k] for k in "fico")


PAIRS = [
    Pair(
        char_rnn,
        char_rnn_backward,
        normal(1, Wxh=(5, 4), Whh=(5, 5), Why=(4, 5), bh=(5, 1), by=(4, 1), hprev=(5, 1))
        | {"ixs": [0, 2, 1, 3, 2, 0], "targets": [2, 1, 3, 2, 0, 1]},
        CACHED | LOSS,
    ),
    Pair(
        rnn,
        rnn_backward,
        normal(2, x=(3, 5, 4), h0=(3, 6), Wx=(4, 6), Wh=(6, 6), b=6),
        CACHED,
    ),
    Pair(
        lstm_step,
        lstm_step_backward,
        normal(3, x=(3, 4), prev_h=(3, 5), prev_c=(3, 5), Wx=(4, 20), Wh=(5, 20), b=20),
        CACHED,
    ),
    Pair(
        lstm_gist,
        lstm_gist_backward,
        normal(4, X=(5, 3, 4), WLSTM=(10, 20), c0=(3, 5), h0=(3, 5)),
        CACHED,
    ),
    Pair(
        lstm_blog,
        lstm_blog_backward,
        normal(
            5,
            x=(4, 3, 1),
            h0=(5, 1),
            **{f"W{k}": (5, 8) for k in "fico"},
            **{f"b{k}": (5, 1) for k in "fico"},
        ),
        CACHED,
    ),
]
