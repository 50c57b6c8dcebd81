"""A network's time step on NumPy: few calls, each into an array that stands ready.
The outputs of all layers stand in one strip, a 1 behind each, so a bias is one weight more::

    [ x  1  h  1  y  1  ... ]     an LSTM reads [x 1 h], a fully connected layer then [h 1]

Axes: B streams that step together, D features, H hidden units, C outputs, K numbers that a layer
reads. Streams are the last axis, so every piece is contiguous; one stream alone has no such axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMState
from minilstm.kernels.sharing import shared

Array = NDArray[Any]
Layer = tuple[str, Mapping[str, Any]]  # kind, and what it needs by name
Stepper = Callable[[Array, Array], bool]
Call = Callable[[], Any]  # one layer's part of a step

# Bound here because looking names up in NumPy takes a noticeable part of a small network's step.
add, divide, dot, exp, isfinite, multiply, subtract, tanh = (
    np.add, np.divide, np.dot, np.exp, np.isfinite, np.multiply, np.subtract, np.tanh
)  # fmt: skip
largest: Any = np.maximum.reduce
total: Any = np.add.reduce


def make_stepper(
    chain: Sequence[Layer], batch: int, dtype: np.dtype[Any], threads: int
) -> Callable[[], tuple[Stepper, Stepper, list[LSTMState]]]:
    """`minilstm.kernels.numba.stream.make_stepper` on NumPy; one thread does all of a step."""
    tail = () if batch == 1 else (batch,)
    sizes: list[int] = []
    packed: list[Any] = []
    for kind, p in chain:
        size, weights = sizes[-1] if sizes else int(p["size"]), None
        if kind == "lstm":
            size, weights = p["recurrent_weights"].shape[1], _pack_lstm(p, dtype)
        elif kind == "fully_connected":
            size, weights = len(p["bias"]), _pack([p["weights"], p["bias"][:, None]], dtype)
        sizes.append(size)
        packed.append(weights)
    ends = np.cumsum(sizes) + np.arange(len(sizes))  # (layers,) places in the strip

    def start() -> tuple[Stepper, Stepper, list[LSTMState]]:
        strip = np.ones((ends[-1] + 1, *tail), dtype)  # (numbers of all layers, B)
        rows = [strip[end - size : end] for end, size in zip(ends, sizes, strict=True)]  # (C, B)
        calls: list[Call] = []
        states = []
        for n, (kind, p) in enumerate(chain[1:], 1):
            read = strip[ends[n - 1] - sizes[n - 1] : ends[n] - (kind != "lstm") * sizes[n]]
            if kind == "lstm":
                rows[n][:] = 0
                call, cell = _lstm(packed[n], read, rows[n], p)
                states.append(LSTMState(*(a.reshape(-1, batch).T for a in (rows[n], cell))))
            elif kind == "fully_connected":
                call = _fully_connected(packed[n], read, rows[n])
            else:
                call = _softmax(rows[n - 1], rows[n])
            calls.append(call)

        def stepper(affine: Any) -> Stepper:
            return _stepper(calls, rows[0], rows[-1], affine)

        return stepper(chain[0][1]["affine"]), stepper(None), states

    return start


def _pack(blocks: Sequence[Array], dtype: np.dtype[Any]) -> Array:
    """Blocks of columns side by side, (C, K), each column contiguous as the product reads it."""
    together = np.concatenate(blocks, axis=1, dtype=dtype)  # (C, K)
    return shared(np.array(together.T, order="C")).T  # a view of the array that is shared


def _pack_lstm(p: Mapping[str, Any], dtype: np.dtype[Any]) -> Array:
    """Weights (4H, K) of [x 1 h] for the gates o, i, f, g.

    As sigmoid(z) = (1 + tanh(z / 2)) / 2, its z are halved here, which rounds nothing.
    """
    blocks = p["input_weights"], p["bias"][:, None], p["recurrent_weights"]
    i, f, g, o = np.split(np.concatenate(blocks, axis=1, dtype=dtype), 4)
    half = dtype.type(0.5 if p["gate_activation"] == "sigmoid" else 1)
    return _pack([np.concatenate([half * o, half * i, half * f, g])], dtype)


def _lstm(weights: Array, read: Array, h: Array, p: Mapping[str, Any]) -> tuple[Call, Array]:
    """A step from read (K, B) to h (H, B), by the lines of `functional.lstm`; the cell state."""
    H = len(h)
    gates = np.zeros((5 * H, *h.shape[1:]), h.dtype)  # (5H, B): o, i, f, g, and the cell state c
    terms = np.empty_like(gates[: 2 * H])  # (2H, B) the two of (4)
    z, oif, g, c = gates[: 4 * H], gates[: 3 * H], gates[3 * H : 4 * H], gates[4 * H :]
    o, i_f, g_c, ig, fc = gates[:H], gates[H : 3 * H], gates[3 * H :], terms[:H], terms[H:]
    half = np.full_like(oif, 0.5)
    usual = p["gate_activation"] == "sigmoid", p["state_activation"] == "tanh"
    gate = GATE_ACTIVATIONS[p["gate_activation"]].forward
    state = STATE_ACTIVATIONS[p["state_activation"]].forward

    def call() -> None:
        dot(weights, read, z)  # (1)
        tanh(z, z)  # (2), (3)
        multiply(oif, half, oif)
        add(oif, half, oif)
        multiply(i_f, g_c, terms)
        add(ig, fc, c)  # (4)
        tanh(c, h)
        multiply(o, h, h)  # (5)

    def with_others() -> None:
        dot(weights, read, z)  # (1)
        oif[:] = half + half * tanh(oif) if usual[0] else gate(oif)  # (2)
        g[:] = state(g)  # (3)
        multiply(i_f, g_c, terms)
        add(ig, fc, c)  # (4)
        multiply(o, state(c), h)  # (5)

    return call if all(usual) else with_others, c


def _fully_connected(weights: Array, read: Array, y: Array) -> Call:
    return lambda: dot(weights, read, y)


def _softmax(z: Array, y: Array) -> Call:
    """Scores y (C, B) from logits, by the lines of `functional.softmax`."""
    one = np.empty((1, *z.shape[1:]), z.dtype)  # (1, B); a scalar would be slower

    def call() -> None:
        largest(z, 0, None, one, True)
        exp(subtract(z, one, y), y)  # (1)
        total(y, 0, None, one, True)
        divide(y, one, y)  # (2)

    return call


def _stepper(calls: Sequence[Call], first: Array, last: Array, affine: Any) -> Stepper:
    """All of a step, from x (B D,) by way of first (D, B) and last (C, B) to out (B C,)."""
    finite = np.ones(first.shape, bool)  # (D, B)
    every = finite.tobytes()
    entry, scores = first.reshape(len(first), -1).T, last.reshape(len(last), -1).T  # (B, D), (B, C)
    wide = np.empty(entry.shape)  # (B, D) float64

    def step(x: Array, out: Array) -> bool:
        if affine is None:
            entry[:] = x.reshape(entry.shape)
        else:  # equation (1) of `functional.sequence_input`
            subtract(x.reshape(entry.shape), affine.shift, wide)
            if affine.scale is not None:
                divide(wide, affine.scale, wide)
            if affine.offset is not None:
                add(wide, affine.offset, wide)
            with np.errstate(over="ignore"):  # infinite then, which is refused
                entry[:] = wide
        isfinite(first, finite)
        if finite.tobytes() != every:  # what all() says, in a tenth of its time
            return False
        for call in calls:
            call()
        out.reshape(scores.shape)[:] = scores
        return True

    return step
