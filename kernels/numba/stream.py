"""One time step of a whole network in one call: no array is made, the GIL is free, one thread.
The sums are those of whole sequences, tile for tile, so the scores have the same bits.

A network comes as a table of whole numbers, a row a layer, that says what the layer does, how large
it is, and where its numbers lie in two flat arrays: `weights`, which streams of one network share,
and `memory`, which each has for itself. So one compilation a dtype serves every network. The
constants of the input's normalisation come by themselves, as they are float64 in every network.

Axes: B streams that step together, D features, H hidden units, C outputs, V lanes of a vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.lstm import LSTMState
from minilstm.kernels.numba.activations import numbers_of
from minilstm.kernels.numba.lstm_cell import cell_forward
from minilstm.kernels.numba.machinery.buffers import LINE_BYTES, zeros
from minilstm.kernels.numba.machinery.compiling import inner, kernel
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, TILE_ROWS, lanes
from minilstm.kernels.numba.machinery.panels import pack_columns, pack_lstm
from minilstm.kernels.numba.machinery.tiled_rows import affine_rows, set_rows
from minilstm.kernels.numba.softmax import softmax_row

Array = NDArray[Any]
Layer = tuple[str, Mapping[str, Any]]  # kind, and what it needs by name
Stepper = Callable[[Array, Array], bool]

# Columns of the table. Every *_AT is an offset: WEIGHTS_AT and BIAS_AT in `weights`, the others in
# `memory`. Rows of a layer's input and output are whole vectors, so no loop has a remainder.
# GATE and STATE are the numbers of an LSTM's activations.
KIND, INPUTS, OUTPUTS, WEIGHTS_AT, BIAS_AT, FROM_AT, TO_AT, CELL_AT, SUMS_AT = range(9)
GATE, STATE, COLUMNS = range(9, 12)
KINDS = ("sequence_input", "lstm", "fully_connected", "softmax")
INPUT, LSTM, FULLY_CONNECTED, SOFTMAX = range(4)


@inner
def _whole(n, V):
    """The smallest multiple of V that holds n."""
    return (n + V - 1) // V * V


@inner
def _lstm(B, V, layer, weights, memory):
    """Lines (1) to (5) of `minilstm.functional.lstm`; h and c are replaced in place."""
    D, H, h, c, z = layer[INPUTS], layer[OUTPUTS], layer[TO_AT], layer[CELL_AT], layer[SUMS_AT]
    x, x_row, width = layer[FROM_AT], _whole(D, V), _whole(H, V)
    Q, xh = 4 * width // V, z + min(B, TILE_ROWS) * 4 * width
    tiles = (B + TILE_ROWS - 1) // TILE_ROWS
    for tile in range(tiles):
        first, end = B * tile // tiles, B * (tile + 1) // tiles
        for r in range(first, end):  # x_t and h_{t-1} side by side, for one sum over both
            at = xh + (r - first) * (D + H)
            for j in range(D):
                memory[at + j] = memory[x + r * x_row + j]
            for j in range(H):
                memory[at + D + j] = memory[h + r * width + j]
        affine_rows(
            end - first, memory, xh, D + H, 1, D + H, weights, layer[WEIGHTS_AT], (1 + D + H) * V,
            0, Q, memory, z, 4 * width, width, V,
        )  # (1)  # fmt: skip
        # Nothing reads h_{t-1} of these rows any more.
        state = first * width
        cell_forward(
            end - first, width, memory, z, 4 * width, width, memory, z, 4 * width, width,
            memory, c + state, memory, c + state, memory, h + state, width,
            layer[GATE], layer[STATE],
        )  # fmt: skip


@inner
def _fully_connected(B, V, layer, weights, memory):
    """Line (1) of `minilstm.functional.fully_connected`."""
    K, C, x, y, bias = layer[INPUTS], layer[OUTPUTS], layer[FROM_AT], layer[TO_AT], layer[BIAS_AT]
    x_row, y_row = _whole(K, V), _whole(C, V)
    set_rows(
        B, memory, x, x_row, 1, K, weights, layer[WEIGHTS_AT], K * V, 0, y_row // V,
        memory, y, y_row, V, 4 * V,
    )  # fmt: skip
    for r in range(B):
        for j in range(C):
            memory[y + r * y_row + j] += weights[bias + j]


@kernel("b1(i8, i8[:, ::1], F[::1], F[::1], f8[:, ::1], F[:], F[::1])")
def _step(B, table, weights, memory, entry, x, out):
    """One step of B streams; False, with every state unchanged, where x, normalised, is not finite.

    x has B D numbers, in any layout; out has B C. Equation (1) of
    `minilstm.functional.sequence_input` has its shift, scale and offset in the rows of `entry`
    (0 to 3, D), those that there are; it is computed in float64 and rounded once.
    """
    D, C = table[0, OUTPUTS], table[len(table) - 1, OUTPUTS]
    V = REGISTER_BYTES // memory.itemsize
    to, x_row, known = table[0, TO_AT], _whole(D, V), len(entry)
    finite = True
    for r in range(B):
        for j in range(D):
            at = to + r * x_row + j
            memory[at] = x[r * D + j]
            if known > 0:
                wide = np.float64(x[r * D + j]) - entry[0, j]
                if known > 1:
                    wide /= entry[1, j]
                if known > 2:
                    wide += entry[2, j]
                memory[at] = wide
            finite &= np.isfinite(memory[at])
    if not finite:
        return False
    for n in range(1, len(table)):
        layer = table[n]  # (COLUMNS,)
        if layer[KIND] == LSTM:
            _lstm(B, V, layer, weights, memory)
        elif layer[KIND] == FULLY_CONNECTED:
            _fully_connected(B, V, layer, weights, memory)
        else:
            row = _whole(layer[OUTPUTS], V)
            for r in range(B):
                z, y = layer[FROM_AT] + r * row, layer[TO_AT] + r * row
                softmax_row(memory[z : z + layer[OUTPUTS]], memory[y : y + layer[OUTPUTS]])
    y, y_row = table[len(table) - 1, TO_AT], _whole(C, V)
    for r in range(B):
        for k in range(C):
            out[r * C + k] = memory[y + r * y_row + k]
    return True


class _Flat:
    """A flat array that is being planned: each part of it begins at a cache line."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.size = dtype, 0
        self._parts: list[tuple[int, Array]] = []

    def reserve(self, size: int) -> int:
        """Offset of a new part of zeros."""
        at, line = self.size, LINE_BYTES // self.dtype.itemsize
        self.size += -(-size // line) * line
        return at

    def append(self, values: Any) -> int:
        """Offset of a new part with these values."""
        part = np.asarray(values, self.dtype).reshape(-1)
        at = self.reserve(part.size)
        self._parts.append((at, part))
        return at

    def array(self) -> Array:
        """The array itself."""
        flat = zeros((self.size,), self.dtype)  # (size,)
        for at, part in self._parts:
            flat[at : at + part.size] = part
        return flat


def make_stepper(
    chain: Sequence[Layer], batch: int, dtype: np.dtype[Any]
) -> Callable[[], tuple[Stepper, Stepper, list[LSTMState]]]:
    """A network ready to take one time step after another.

    Parameters
    ----------
    chain : kind and content of each layer: "sequence_input" first, with "size" D and "affine",
        the constants of its normalisation, or None; then any of "lstm" with "input_weights",
        "recurrent_weights", "bias", and where they are not the usual ones "gate_activation" and
        "state_activation"; "fully_connected" with "weights" and "bias"; "softmax". All arrays are
        copied
    batch : B, streams that step together
    dtype : float32 or float64

    Returns
    -------
    function without arguments; each call gives steps and states of its own, over the same weights:

    step : function of x (B D,) and out (B C,), arrays of that dtype and of one axis, which the
        function does not check; out must be contiguous. False if a value of x, normalised, is not
        finite: then no state has changed. Not for two threads at once
    inner_step : the same for x that is normalised already
    states : hidden and cell state (B, H) of each LSTM: views, through which they are read and set
    """
    V, B = lanes(dtype), batch
    weights, memory, table = _Flat(dtype), _Flat(dtype), []
    lstms = [p["input_weights"].shape for kind, p in chain if kind == "lstm"]  # (4H, D) each
    widest = max((4 * _row(G // 4, V) + D + G // 4 for G, D in lstms), default=0)
    sums = memory.reserve(min(B, TILE_ROWS) * widest)  # z of (1), x and h side by side
    size, source, entry = 0, 0, np.zeros((0, 0))
    for kind, p in chain:
        line = np.zeros(COLUMNS, np.int64)  # (COLUMNS,)
        line[[KIND, FROM_AT, SUMS_AT, BIAS_AT]] = KINDS.index(kind), source, sums, -1
        inputs = size
        if kind == "sequence_input":
            size = int(p["size"])
            constants = [a for a in p["affine"] or () if a is not None]
            entry = np.zeros((len(constants), size))  # (0 to 3, D)
            for n, constant in enumerate(constants):
                entry[n] = constant
        elif kind == "lstm":
            W, R, b = p["input_weights"], p["recurrent_weights"], p["bias"]
            size = R.shape[1]
            line[WEIGHTS_AT] = weights.append(pack_lstm(W, R, b).forward)
            line[CELL_AT] = memory.reserve(B * _row(size, V))
            line[[GATE, STATE]] = numbers_of(
                p.get("gate_activation", "sigmoid"), p.get("state_activation", "tanh")
            )
        elif kind == "fully_connected":
            size = len(p["bias"])
            line[WEIGHTS_AT] = weights.append(pack_columns(p["weights"].T))
            line[BIAS_AT] = weights.append(p["bias"])
        source = memory.reserve(B * _row(size, V))
        line[[INPUTS, OUTPUTS, TO_AT]] = inputs, size, source
        table.append(line)
    step = partial(_compiled(dtype), B, np.stack(table), _shared(weights.array()))

    def start() -> tuple[Stepper, Stepper, list[LSTMState]]:
        flat, states = memory.array(), []
        for line in table:
            if line[KIND] == LSTM:
                H, row = line[OUTPUTS], _row(line[OUTPUTS], V)
                places = line[[TO_AT, CELL_AT]]
                h, c = (flat[at : at + B * row].reshape(B, row)[:, :H] for at in places)
                states.append(LSTMState(h, c))  # (B, H) each
        own = partial(step, flat)
        return partial(own, entry), partial(own, entry[:0]), states

    return start


def _row(size: int, V: int) -> int:
    """Numbers from one row to the next; see `_whole`."""
    return -(-size // V) * V


@cache
def _compiled(dtype: np.dtype[Any]) -> Callable[..., bool]:
    """The kernel for one dtype, entered directly.

    Numba's dispatcher would look at the types of all arguments, which takes as long as a step of
    a small network does; here they are known.
    """
    (only,) = _step.of(dtype).overloads.values()
    entry: Callable[..., bool] = only.entry_point
    return entry


_in_use: WeakValueDictionary[tuple[str, bytes], Array] = WeakValueDictionary()


def _shared(weights: Array) -> Array:
    """The array that streams with the same weights already use, or else this one.

    A thousand streams of a network thus hold its weights once. The content decides, so a network
    whose arrays were changed meanwhile gets its own.
    """
    key = weights.dtype.str, hashlib.blake2b(weights.data, digest_size=32).digest()
    return _in_use.setdefault(key, weights)
