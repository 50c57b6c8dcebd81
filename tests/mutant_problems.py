"""What the mutants are checked in: a small network for each of their functions, and a plain pair.
The functions `in_a_network` and `as_a_pair` run a gradient check and give its report.
"""

import dataclasses
from unittest.mock import patch

import numpy as np
from agreement import NUMPY

import minilstm as ml
from minilstm.functional import (
    batch_normalization,
    convolution,
    cross_entropy,
    dropout,
    fully_connected,
    lstm,
    softmax,
)
from minilstm.functional.ragged import active_counts
from minilstm.proof.causes.lstm import lstm_equations

#: where a check of a network takes its backend from
BACKEND_OF_A_CHECK = "minilstm.proof.checker.networks.current_backend"
LENGTHS = (4, 1, 3)
D = H = C = 3  # square, so that no wrong transpose is refused for its shape

# ---------------------------------------------------------------- networks


def sequences(shape=(D,), lengths=LENGTHS, classes=C, seed=1):
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((n, *shape)) for n in lengths]
    return x, [rng.integers(0, classes, n) for n in lengths]


def network(*layers):
    """A network whose biases are not zero and whose gates are not alike."""
    rng = np.random.default_rng(0)
    net = ml.Network([*layers, ml.Softmax()], rng=rng)
    noise = {k: 0.4 * rng.standard_normal(p.shape) for k, p in net.parameters.items()}
    return net.replace(parameters={k: p + noise[k] for k, p in net.parameters.items()})


def names(layer, **parameters):
    """Names in a network of the inputs of a plain function, whose layer is the first."""
    return {"x": "input", **{k: f"{layer}/{name}" for k, name in parameters.items()}}


_IMAGES = [
    ml.SequenceInput([5, 5, 2]),
    ml.SequenceFolding(),
    ml.Convolution2D(3, 2, stride=(2, 1), padding=[1, 2, 2, 1]),
    ml.SequenceUnfolding(),
    ml.Flatten(),
    ml.FullyConnected(C),
]
NETWORKS = {
    "lstm_backward": (
        [ml.SequenceInput(D), ml.LSTM(H), ml.FullyConnected(C)],
        names(
            "lstm", W="input_weights", R="recurrent_weights", b="bias",
            h0="initial_hidden", c0="initial_cell",
        ),
    ),
    "fully_connected_backward": (
        [ml.SequenceInput(D), ml.FullyConnected(D), ml.LSTM(H), ml.FullyConnected(C)],
        names("fc_1", W="weights", b="bias"),
    ),
    "softmax_backward": (
        [ml.SequenceInput(D), ml.Softmax(), ml.FullyConnected(C)], names("")
    ),
    "classifier_loss": (
        [ml.SequenceInput(D), ml.FullyConnected(C)], names("fc", W="weights", b="bias")
    ),
    "dropout_backward": (
        [ml.SequenceInput(D), ml.Dropout(0.4), ml.FullyConnected(C)], names("")
    ),
    "batch_normalization_backward": (
        [ml.SequenceInput(D), ml.BatchNormalization(), ml.FullyConnected(C)],
        names("bn", scale="scale", offset="offset"),
    ),
    "convolution_backward": (_IMAGES, names("conv", W="weights", b="bias")),
}  # fmt: skip

# ---------------------------------------------------------------- pairs


def lstm_pair(lengths=(4, 4, 4), seed=0):
    """The LSTM as three plain things: a forward pass, its backward pass and its inputs.

    Sequences of equal lengths are an array (T, B, D), as most people have them.
    """
    rng = np.random.default_rng(seed)
    active = active_counts(np.array(lengths))
    B, N, T = len(lengths), sum(lengths), max(lengths)
    dense = B * T == N
    sizes = {"x": (T, B, D) if dense else (N, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)}
    sizes |= {"h0": (B, H), "c0": (B, H)}
    inputs = {k: 0.7 * rng.standard_normal(size) for k, size in sizes.items()}

    def f(x, **others):
        h, state, cache = lstm.lstm_forward(x.reshape(N, D), **others, active=active)
        return h.reshape(*x.shape[:-1], H), tuple(state), cache

    def named(backward):
        def by_name(dh, dstate, cache):
            dx, grads = backward(dh.reshape(N, H), lstm.LSTMState(*dstate), cache)
            return {"x": dx.reshape(sizes["x"]), **grads._asdict()}

        return by_name

    def equations(x, **others):  # f activates all gates at once
        h, state, _ = lstm_equations(x.reshape(N, D), **others, active=active)
        return h.reshape(*x.shape[:-1], H), tuple(state)

    return f, named, inputs, equations


def pair(forward, inputs, *options):
    """The same of a function of rows: backward gives dx, and gradients with names."""

    def f(**inputs):
        return forward(*inputs.values(), *options)

    def named(backward):
        def by_name(*arguments):
            result = backward(*arguments)
            if not isinstance(result, tuple):
                return {"x": result}
            return {"x": result[0], **result[1]._asdict()}

        return by_name

    return f, named, inputs, None


def pairs():
    rng = np.random.default_rng(2)
    x, W, b = rng.standard_normal((7, D)), rng.standard_normal((C, D)), rng.standard_normal(C)
    targets = rng.integers(0, C, 7)
    image, filters = rng.standard_normal((3, 6, 5, 2)), rng.standard_normal((3, 2, 2, 2))
    scale, offset = rng.uniform(0.5, 2, (2, D))
    return {
        "lstm_backward": lstm_pair(),
        "fully_connected_backward": pair(
            fully_connected.fully_connected_forward, {"x": x, "W": W, "b": b}
        ),
        "softmax_backward": pair(softmax.softmax_forward, {"x": x}),
        "cross_entropy_backward": pair(
            cross_entropy.cross_entropy_forward, {"x": np.exp(x), "targets": targets}
        ),
        "softmax_cross_entropy_backward": pair(
            cross_entropy.softmax_cross_entropy_forward, {"x": x, "targets": targets}
        ),
        "dropout_backward": pair(dropout.dropout_forward, {"x": x}, 0.4, 5),
        "convolution_backward": pair(
            convolution.convolution_forward, {"x": image, "W": filters, "b": b[:2]},
            (2, 1), ((1, 2), (1, 1)), (1, 1),
        ),
        "batch_normalization_backward": pair(
            batch_normalization.batch_normalization_forward,
            {"x": 1 + 2 * x, "scale": scale, "offset": offset}, 0.01,
        ),
    }  # fmt: skip


PAIRS = pairs()
LOSSES = {"cross_entropy_backward", "softmax_cross_entropy_backward"}

# ---------------------------------------------------------------- the checks


def in_a_network(mutant):
    """The report of a network with the mutant."""
    layers, _ = NETWORKS[mutant.function]
    net = network(*layers)
    faulty = dataclasses.replace(NUMPY, name="faulty", **{mutant.function: mutant.make()})
    shape = (5, 5, 2) if mutant.function == "convolution_backward" else (D,)
    with patch(BACKEND_OF_A_CHECK, lambda: faulty):
        return ml.gradcheck(net, *sequences(shape), raises=False)


def as_a_pair(mutant, pair=None):
    """The report of a pair of functions with the mutant."""
    f, named, inputs, equations = pair or PAIRS[mutant.function]
    options = {"upstream": None} if mutant.function in LOSSES else {}
    options |= {"cached": True, "equations": equations}
    return ml.gradcheck(f, named(mutant.make()), inputs, raises=False, **options)


# ---------------------------------------------------------------- an LSTM that nobody knows


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Plain:
    """An LSTM as people write it, x (T, B, D), with faults of choice."""

    def __init__(self, *faults):
        self.faults, self.left = faults, {}

    def forward(self, x, h0, c0, W, R, b, lengths=None):
        faults = self.faults
        dtype = np.float64 if "always float64" in faults else np.result_type(x, W, R, b, h0, c0)
        T, B, _ = x.shape
        lengths = np.full(B, T) if lengths is None else lengths
        h, c = (np.zeros_like(h0), np.zeros_like(c0)) if "no h0" in faults else (h0, c0)
        if "keeps its state" in faults and "h" in self.left and self.left["h"].shape == h.shape:
            h = self.left["h"]
        if "hides NaN" in faults:
            x = np.where(np.isnan(x), 0, x)
        kept, hs = [], []
        for t in range(T):
            z = x[t] @ W.T + h @ R.T + b
            i, f, g, o = np.split(z, 4, axis=1)
            i = np.exp(i) / (1 + np.exp(i)) if "exp overflows" in faults else sigmoid(i)
            f, g, o = sigmoid(f), np.tanh(g), sigmoid(o)
            c_new = f * c + i * g
            h_new = o * np.tanh(c_new)
            on = (t < lengths)[:, None] if "runs through padding" not in faults else True
            kept.append((x[t].copy(), h.copy(), c.copy(), i, f, g, o, c_new, on))
            h, c = np.where(on, h_new, h), np.where(on, c_new, c)
            hs.append(np.where(on, h_new, 0) * (1 if dtype != np.float32 else np.float32(1)))
        out = np.stack(hs)
        if "writes into c0" in faults:
            c0[...] = c
        cache = (kept, W, R)
        self.left["h"], self.left["cache"] = h, cache
        if "h of the last step only" in faults:
            out = out[-1]
        return out.astype(dtype), (h, c), cache

    def backward(self, dh, dstate, cache):
        faults = self.faults
        kept, W, R = self.left["cache"] if "one cache for all" in faults else cache
        dh_next, dc_next = (np.array(d) for d in dstate)
        if "no dcT" in faults:
            dc_next = np.zeros_like(dc_next)
        if "no final state" in faults:
            dh_next, dc_next = np.zeros_like(dh_next), np.zeros_like(dc_next)
        if "adds in place" in faults:
            dh_next = dstate[0]
        dW, dR = np.zeros_like(W), np.zeros_like(R)
        db = np.zeros(len(W), W.dtype)
        dx = np.zeros((len(kept), *kept[0][0].shape), W.dtype)
        for t in reversed(range(len(kept))):
            x, h, c, i, f, g, o, c_new, on = kept[t]
            dh_t = dh[t] + dh_next
            tanh_c = np.tanh(c_new)
            dc = dc_next + dh_t * o * (1 - tanh_c**2)
            df = dc * c * (f if "forget derivative" in faults else f * (1 - f))
            di = dc * (i if "i for g" in faults else g) * i * (1 - i)
            dz = np.concatenate([di, df, dc * i * (1 - g**2), dh_t * tanh_c * o * (1 - o)], axis=1)
            dz = np.where(on, dz, 0).astype(W.dtype)
            new = o * tanh_c
            dW += dz.T @ x
            dR += dz.T @ (new if "h_t for h_{t-1}" in faults else h)
            db += dz.sum(axis=0)
            dx[t] = dz @ W
            carried = np.where(on, dz @ R, dh_next)
            if "adds in place" in faults:
                dh_next[...] = carried
            else:
                dh_next = carried
            dc_next = np.where(on, dc * f, dc_next)
        if "db copied" in faults:
            H = len(db) // 4
            db[:H] = db[H : 2 * H]
        if "dR transposed" in faults and dR.shape[0] == 4 * dR.shape[1]:
            dR = np.concatenate([block.T for block in np.split(dR, 4)])
        if "mean over the batch" in faults:
            dW = dW / dx.shape[1]
        if "dW left over" in faults:
            key = ("dW", dW.shape, dW.dtype)
            dW = dW + self.left.get(key, 0)
            self.left[key] = dW
        if "fails for one step" in faults and len(kept) == 1:
            raise IndexError("list index out of range")
        if "no db" in faults:
            db = None
        found = {"x": dx, "W": dW, "R": dR, "b": db, "h0": dh_next, "c0": dc_next}
        if "no state gradients" in faults:
            return {name: found[name] for name in ("x", "W", "R", "b")}
        return found
