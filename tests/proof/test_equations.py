"""Wrong gradients of functions that no catalogue knows, explained from the lines of the functions.
Each backward pass is right as it stands; a mistake is made in its text, and has to be named."""

from __future__ import annotations

import numpy as np
import pytest

import minilstm as ml
from minilstm.proof.causes.equations import search
from minilstm.proof.causes.equations.tape import CannotRecord

RNG = np.random.default_rng(12)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(**shapes):
    return {name: RNG.normal(size=shape) for name, shape in shapes.items()}


# ------------------------------------------------------------------ recurrent steps


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
    (rnn, RNN, normal(**STEPS, W=(3, 5), R=(5, 5), b=5), [
        ("(1 - hs[t] ** 2)", "hs[t]", "tanh"),
        ("(1 - hs[t] ** 2)", "(1 - np.tanh(hs[t]) ** 2)", "went through tanh already"),
        ("dy[t] + dnext", "dy[t]", "not carried to the step before"),
        ("before.T @ dz", "hs[t].T @ dz", "R through h @ R (line: h = np.tanh(x[t] @ W + h @ R"),
        ("db += dz.sum(0)", "db = dz.sum(0)", "only the first step counts"),
        ("dz @ R.T", "dz @ R", "R is transposed"),
    ]),
    (gru, GRU, normal(**STEPS, W=(3, 15), R=(5, 15), b=15), [
        ("dn = dh * (1 - z)", "dn = dh * z", "z stands in place of 1 - z"),
        ("dh * (h - n)", "dh * (n - h)", "The whole gradient of z (line: "),
        ("dr * r * (1 - r)", "dr * r", "r itself stands where the derivative of sigmoid belongs"),
        ("da * zh[:, 2 * H :]", "da * 0", "The gradient of r"),
        ("da * r]", "da]", "the factor r is missing"),
        ("gh @ R.T + dh * z", "gh @ R.T", "The gradient of h through z * h"),
        ("dR += h.T @", "dR += hs[t].T @", "h is that of the step after"),
    ]),
    (gru_before, GRU_BEFORE, normal(**STEPS, W=(3, 15), R=(5, 10), V=(5, 5)), [
        ("drh * r + ", "drh + ", "In the gradient of h through r * h"),
        ("(r * h).T @ da", "h.T @ da", "h stands in place of r * h"),
        ("da @ V.T", "da @ V", "V is transposed"),
    ]),
    (peephole, PEEPHOLE, normal(**STEPS, c=(2, 5), W=(3, 15), R=(5, 15), p=5, q=5), [
        (" + do * q", "", "The gradient of c through q * c"),
        ("+ df * p", "", "The gradient of c through p * c"),
        ("dc * (c - g)", "dc * c", "The gradient of f through 1 - f"),
        ("(df * c)", "(df * c1)", "c is that of the step after"),
        ("(do * c1)", "(do * c)", "c of before this line stands in place of c"),
        ("dc = dc + dh", "dc = dh", "The gradient of c"),
    ]),
    (layer_norm, LAYER_NORM, normal(x=(4, 6), g=6, b=6), [
        ("dxhat - m -", "dxhat -", "The gradient of mu through x - mu"),
        (" - xhat * q", "", "The gradient of var"),
        (" = dxhat.mean(-1,", " = dxhat.mean(0,", "mean(dy) runs over another axis"),
        ("dy * g", "dy", "the factor g is missing"),
        (" * q) / s", " * q)", "the factor 1 / s outside is missing"),
        ("keepdims=True) + 1e-3", "keepdims=True)", "0.001 is left out in backward"),
    ]),
    (rms_norm, RMS_NORM, normal(x=(4, 6), g=6), [
        ("- x / s * q", "", "The gradient of"),
        (".mean(1,", ".sum(1,", "the length of axis 1 of x (6)"),
    ]),
    (batch_norm, BATCH_NORM, normal(x=(7, 3), g=3, b=3), [
        ("- dy.sum(0) -", "-", "mean"),
        ("- n * (dy * n).sum(0)", "", "through the variance is missing"),
        ("g / s / N", "g / s", "the length of axis 0 of x (7)"),
    ]),
    (attention, ATTENTION, normal(q=(2, 4, 3), k=(2, 4, 3), v=(2, 4, 5)) | {"mask": MASK}, [
        ("(dp - (dp * p).sum(-1, keepdims=True))", "dp", "e.sum(axis=-1, keepdims=True)"),
        ("(dp - (dp * p).sum(-1, keepdims=True))", "dp * (1 - p)", "only the diagonal"),
        (" / np.sqrt(d)\nreturn", "\nreturn", "the denominator np.sqrt(q.shape[-1]) is missing"),
        ("np.where(mask, q @", "np.where(1, q @", "mask is left out in all of backward"),
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
        (" * k * (1 + 3 * 0.044715 * x**2)", "", "the inner derivative is missing"),
        ("(1 - t**2)", "t", "itself stands where the derivative of tanh belongs"),
    ]),
    (silu, SILU, normal(x=(3, 4)), [
        (" + x * sigmoid(x) * (1 - sigmoid(x))", "", "x sigmoid'(x) is missing"),
    ]),
    (huber, HUBER, normal(y=(3, 4), t=(3, 4)), [
        ("e, np.sign(e))", "e, 1)", "the derivative of absolute is missing"),
        ("2 * e * dy / e.size", "e * dy / e.size", "the exponent 2 is missing as a factor"),
    ]),
]  # fmt: skip


def written(source, inputs):
    """A backward pass from its text."""
    body = "\n    ".join(source.strip().splitlines())
    scope = dict(globals())
    exec(f"def backward(dy, {', '.join(inputs)}):\n    {body}", scope)
    return scope["backward"]


@pytest.fixture(autouse=True)
def no_error_is_passed_over(monkeypatch):
    def find(*args):
        try:
            with np.errstate(all="ignore"):
                return search._find(*args)
        except CannotRecord:
            return {}

    monkeypatch.setattr("minilstm.proof.causes.find.find_by_equations", find)


@pytest.mark.parametrize(
    ("f", "source", "inputs", "mistakes"), CASES, ids=lambda a: getattr(a, "__name__", "")
)
def test_mistakes_are_named_from_the_lines_of_forward(f, source, inputs, mistakes):
    assert ml.gradcheck(f, written(source, inputs), inputs).passed
    for old, new, words in mistakes:
        assert source.count(old) == 1, old
        report = ml.gradcheck(f, written(source.replace(old, new), inputs), inputs, raises=False)
        said = [cause for error in report.errors for cause in error.causes]
        print(f"{f.__name__}: {old} -> {new}: {report.wrong}", *dict.fromkeys(said), sep="\n      ")
        assert not report.passed and words in " ".join(said)


def said(f, backward, inputs, **options):
    """The first cause of each wrong array."""
    report = ml.gradcheck(f, backward, inputs, raises=False, **options)
    return {e.name: e.causes[0] if e.causes else "" for e in report.errors if not e.passed}


def two_layers(x, V, W):
    h = np.tanh(x @ V)
    return sigmoid(h @ W)


LAYERS = normal(x=(5, 3), V=(3, 4), W=(4, 2))


def test_two_mistakes_at_once_are_both_named():
    def backward(dy, x, V, W):
        h = np.tanh(x @ V)
        dz = dy * sigmoid(h @ W) * (1 - sigmoid(h @ W))
        dh = dz @ W.T  # the derivative of tanh is missing
        return dh @ V.T, x.T @ dh, (h.T @ dz) / 5

    causes = said(two_layers, backward, LAYERS)
    assert causes["x"] == causes["V"]
    assert causes["V"].endswith("the derivative of tanh is missing.") and "np.tanh" in causes["V"]
    assert causes["W"].startswith(
        "The gradient of W through h @ W (line: return sigmoid(h @ W)) is"
    )


def test_a_number_is_told_from_a_length_by_other_sizes():
    def by(number):
        def backward(dy, x, V, W):
            h = np.tanh(x @ V)
            dz = dy * sigmoid(h @ W) * (1 - sigmoid(h @ W))
            dh = dz @ W.T * (1 - h**2)
            return dh @ V.T, x.T @ dh, (h.T @ dz) / (number or len(x))

        return said(two_layers, backward, LAYERS)["W"]

    way = "The gradient of W through h @ W (line: return sigmoid(h @ W)) is "
    assert by(None) == f"{way}divided by the length of axis 0 of x (5), a mean where a sum belongs."
    assert by(5) == f"{way}0.2 times what it should be."


class Layer:
    """A layer with a buffer and methods, as courses have it."""

    def __init__(self, W):
        self.W = W

    def linear(self, x):
        out = np.empty((len(x), self.W.shape[1]))
        for n in range(len(x)):
            out[n] = x[n] @ self.W
        return out

    def forward(self, x):
        self.z = self.linear(x)
        return np.maximum(self.z, 0.1 * self.z)


def test_methods_with_buffers_are_recorded():
    layer = Layer(LAYERS["W"])

    def backward(dy, x):
        return (dy * np.where(x @ layer.W > 0, 1, 0.2)) @ layer.W.T

    causes = said(layer.forward, backward, {"x": RNG.normal(size=(5, 4))})
    assert causes == {
        "x": "The gradient of self.z through 0.1 * self.z (line: return np.maximum(self.z, "
        "0.1 * self.z)) is counted twice, or is multiplied by the length of axis 1 of output 0 "
        "(2), a sum where a mean belongs."
    }


def test_equations_stand_in_for_a_function_that_cannot_be_recorded():
    def compiled(x, W):  # a loop over numbers, as in C
        return np.array(
            [[np.tanh(sum(map(np.multiply, r.tolist(), c.tolist()))) for c in W.T] for r in x]
        )

    def equations(x, W):
        z = x @ W
        return np.tanh(z)

    def backward(dy, x, W):
        dz = dy * np.tanh(x @ W)
        return dz @ W.T, x.T @ dz

    inputs = {"x": LAYERS["x"], "W": LAYERS["V"]}
    assert set(said(compiled, backward, inputs).values()) == {""}
    assert set(said(compiled, backward, inputs, equations=equations).values()) == {
        "In the gradient of z through np.tanh(z), np.tanh(z) itself stands where the derivative of "
        "tanh belongs."
    }


def test_nothing_is_named_where_nothing_gives_the_numbers():
    noise = RNG.normal(size=(4, 2))

    def backward(dy, x, V, W):
        h = np.tanh(x @ V)
        dz = dy * sigmoid(h @ W) * (1 - sigmoid(h @ W))
        dh = dz @ W.T * (1 - h**2)
        return dh @ V.T, x.T @ dh, h.T @ dz + noise

    assert said(two_layers, backward, LAYERS) == {"W": ""}
