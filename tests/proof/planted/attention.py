"""Attention as tutorials write it: scaled and masked, with heads, additive; and embeddings.
A mask hides what comes later or what is padding; heads are split by reshaping."""

import numpy as np

from planted.case import CACHED, Pair, normal


def attention(Q, K, V, mask):
    S = Q @ K.swapaxes(-1, -2) / np.sqrt(Q.shape[-1])
    S = np.where(mask, S, -1e9)
    e = np.exp(S - S.real.max(axis=-1, keepdims=True))
    P = e / e.sum(axis=-1, keepdims=True)
    return P @ V, (Q, K, V, P)


def attention_backward(dO, cache):
    Q, K, V, P = cache
    dV = P.swapaxes(-1, -2) @ dO
    dP = dO @ V.swapaxes(-1, -2)
    dS = P * (dP - (dP * P).sum(axis=-1, keepdims=True))
    dS = dS / np.sqrt(Q.shape[-1])
    return dS @ K, dS.swapaxes(-1, -2) @ Q, dV


def heads(x, Wqkv, Wo, n_head):
    T, C = x.shape
    qkv = (x @ Wqkv).reshape(T, 3, n_head, C // n_head).transpose(1, 2, 0, 3)
    q, k, v = qkv
    s = q @ k.swapaxes(1, 2) / np.sqrt(C // n_head)
    a = np.where(np.tri(T) > 0, np.exp(s), 0)
    a = a / a.sum(axis=-1, keepdims=True)
    y = (a @ v).transpose(1, 0, 2).reshape(T, C)
    return y @ Wo, (x, Wqkv, Wo, q, k, v, a, y, n_head)


def heads_backward(dout, cache):
    x, Wqkv, Wo, q, k, v, a, y, n_head = cache
    T, C = x.shape
    dWo = y.T @ dout
    dy = (dout @ Wo.T).reshape(T, n_head, C // n_head).transpose(1, 0, 2)
    da = dy @ v.swapaxes(1, 2)
    dv = a.swapaxes(1, 2) @ dy
    ds = a * (da - np.sum(a * da, axis=-1, keepdims=True)) / np.sqrt(C // n_head)
    dqkv = np.stack([ds @ k, ds.swapaxes(1, 2) @ q, dv])
    dqkv = dqkv.transpose(2, 0, 1, 3).reshape(T, 3 * C)
    return dqkv @ Wqkv.T, x.T @ dqkv, dWo


def additive(query, keys, values, Wq, Wk, w, lengths):
    feats = np.tanh((query @ Wq)[:, None, :] + keys @ Wk)
    e = np.exp(feats @ w) * (np.arange(keys.shape[1]) < lengths[:, None])
    a = e / e.sum(axis=1, keepdims=True)
    return np.einsum("bt,btd->bd", a, values), (query, keys, values, Wq, Wk, w, feats, a)


def additive_backward(dctx, cache):
    query, keys, values, Wq, Wk, w, feats, a = cache
    dvalues = a[:, :, None] * dctx[:, None, :]
    da = np.einsum("bd,btd->bt", dctx, values)
    de = a * (da - (a * da).sum(axis=1, keepdims=True))
    dw = np.einsum("bt,bth->h", de, feats)
    dz = de[:, :, None] * w * (1 - feats**2)
    dzq = dz.sum(axis=1)
    dquery, dWq = dzq @ Wq.T, query.T @ dzq
    dkeys, dWk = dz @ Wk.T, np.einsum("btd,bth->dh", keys, dz)
    return dquery, dkeys, dvalues, dWq, dWk, dw


def embedding(table, W, idx):
    emb = table[idx]
    return np.tanh(emb.reshape(len(idx), -1) @ W)


def embedding_backward(dy, table, W, idx):
    flat = table[idx].reshape(len(idx), -1)
    dz = dy * (1 - np.tanh(flat @ W) ** 2)
    demb = (dz @ W.T).reshape(*idx.shape, -1)
    dtable = np.zeros_like(table)
    np.add.at(dtable, idx, demb)
    return dtable, flat.T @ dz


PAIRS = [
    Pair(
        attention,
        attention_backward,
        normal(1, Q=(2, 4, 3), K=(2, 4, 3), V=(2, 4, 5)) | {"mask": np.tril(np.ones((4, 4), bool))},
        CACHED,
    ),
    Pair(
        heads,
        heads_backward,
        normal(2, x=(5, 6), Wqkv=(6, 18), Wo=(6, 6)) | {"n_head": 2},
        CACHED,
    ),
    Pair(
        additive,
        additive_backward,
        normal(3, query=(2, 4), keys=(2, 5, 3), values=(2, 5, 4), Wq=(4, 6), Wk=(3, 6), w=6)
        | {"lengths": np.array([3, 5])},
        CACHED,
    ),
    Pair(
        embedding,
        embedding_backward,
        normal(4, table=(6, 2), W=(6, 5))
        | {"idx": np.array([[0, 2, 2], [5, 0, 1], [2, 4, 0], [1, 1, 3]])},
    ),
]
