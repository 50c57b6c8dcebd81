"""A network ready to take one time step after another: no array is made, the GIL is free.
Here it becomes a plan of numbers and addresses; `stream_step.py` holds the kernel that follows it.

Axes: B streams that step together, D features, H hidden units, C outputs, V lanes of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.lstm import LSTMState
from minilstm.kernels.host import cores
from minilstm.kernels.numba import stream_step
from minilstm.kernels.numba.activations import numbers_of
from minilstm.kernels.numba.machinery.buffers import LINE_BYTES, zeros
from minilstm.kernels.numba.machinery.hardware import TILE_ROWS, lanes
from minilstm.kernels.numba.machinery.panels import pack_columns, pack_lstm
from minilstm.kernels.numba.stream_crew import StreamCrew, stream_crew
from minilstm.kernels.numba.stream_step import (
    BIAS_AT,
    CELL_AT,
    COLUMNS,
    FROM_AT,
    GATE,
    INPUTS,
    KIND,
    KINDS,
    LSTM,
    OUTPUTS,
    STATE,
    STEPPED_ALONE,
    SUMS_AT,
    TO_AT,
    WEIGHTS_AT,
)
from minilstm.kernels.sharing import shared

Array = NDArray[Any]
Layer = tuple[str, Mapping[str, Any]]  # kind, and what it needs by name
Stepper = Callable[[Array, Array], int]


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
    chain: Sequence[Layer], batch: int, dtype: np.dtype[Any], threads: int
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
    threads : that may work on one step, the caller among them; more than cores are not used

    Returns
    -------
    function without arguments; each call gives steps and states of its own, over the same weights:

    step : function of x (B D,) and out (B C,), arrays of that dtype and of one axis, which the
        function does not check; out must be contiguous. 0 if a value of x, normalised, is not
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
    rows, packed = np.stack(table), shared(weights.array())  # (layers, COLUMNS), (size,)
    worth = [  # parts of each LSTM's step
        1 + min(B, TILE_ROWS) * G * (1 + D + G // 4) // stream_step.PART_MULTIPLY_ADDS
        for G, D in lstms
    ]
    threads = min(threads, cores(), max(worth, default=1))
    crew = stream_crew(dtype) if threads > 1 else None

    def start() -> tuple[Stepper, Stepper, list[LSTMState]]:
        flat, states = memory.array(), []
        for line in table:
            if line[KIND] == LSTM:
                H, row = line[OUTPUTS], _row(line[OUTPUTS], V)
                places = line[[TO_AT, CELL_AT]]
                h, c = (flat[at : at + B * row].reshape(B, row)[:, :H] for at in places)
                states.append(LSTMState(h, c))  # (B, H) each

        def stepper(constants: Array) -> Stepper:
            return _stepper(B, threads, rows, packed, flat, constants, crew)

        return stepper(entry), stepper(entry[:0]), states

    return start


def _stepper(
    B: int,
    threads: int,
    table: Array,
    weights: Array,
    memory: Array,
    entry: Array,
    crew: StreamCrew | None,
) -> Stepper:
    """The kernel with a plan that leads to these arrays."""
    plan = np.zeros(stream_step.PLAN, np.int64)  # (PLAN,)
    posts = np.zeros(0, np.int64) if crew is None else crew.posts
    plan[[stream_step.STREAMS, stream_step.LAYERS, stream_step.CONSTANTS]] = (
        B, len(table), len(entry)
    )  # fmt: skip
    plan[[stream_step.WEIGHTS_SIZE, stream_step.MEMORY_SIZE]] = weights.size, memory.size
    plan[[stream_step.THREADS, stream_step.MEMBERS]] = threads, 0 if crew is None else crew.most
    places = (
        stream_step.TABLE, stream_step.WEIGHTS, stream_step.MEMORY, stream_step.ENTRY,
        stream_step.POSTS,
    )  # fmt: skip
    arrays = table, weights, memory, entry, posts
    for place, array in zip(places, arrays, strict=True):
        plan[place] = array.ctypes.data
    alone: Any = partial(_compiled(memory.dtype), plan.ctypes.data)
    alone.arrays = plan, *arrays  # which live as long as it does
    if crew is None:
        return alone  # type: ignore[no-any-return]
    members, stir = threads - 1, crew.stir

    def together(x: Array, out: Array) -> int:
        done: int = alone(x, out)
        if done == STEPPED_ALONE:
            stir(members)
        return done

    return together


def _row(size: int, V: int) -> int:
    """Numbers from one row to the next: the smallest multiple of V that holds them."""
    return -(-size // V) * V


@cache
def _compiled(dtype: np.dtype[Any]) -> Callable[..., int]:
    """The kernel for one dtype, entered directly.

    Numba's dispatcher would look at the types of all arguments, which takes as long as a step of
    a small network does; here they are known.
    """
    (only,) = stream_step.step.of(dtype).overloads.values()
    entry: Callable[..., int] = only.entry_point
    return entry
