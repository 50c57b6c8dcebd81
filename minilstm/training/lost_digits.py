"""Numbers far from zero whose differences a narrow dtype cannot hold: one sentence says so.
Inputs that are normalised keep all their digits, so only the others are looked at, and targets.

Axes: D features of a step or channels of an image, R responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_array, as_numbers, parts_of
from minilstm.data.stored import is_by_index, sequence_in
from minilstm.layers import SequenceInput
from minilstm.network.examples import arranged_answers, arranged_sequences, by_port
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head

Array = NDArray[Any]
MOST = 0.01  # of the spread of a column may be lost
NOISE = 64 * np.finfo(np.float64).eps  # a spread of rounding errors says nothing
ROWS = 4096  # that are rounded at a time


def lost_digits(
    net: Network, heads: Sequence[Head], x: Any, y: Any, target_format: str
) -> str | None:
    """A sentence about the first column of checked data that rounding to the dtype spoils, or None.

    Parameters
    ----------
    net, heads : of the training; features have the names that the network has learned
    x, y : as the user gave them
    target_format : letters of the axes of targets
    """
    return next(_sentences(net, heads, x, y, target_format), None)


def _sentences(
    net: Network, heads: Sequence[Head], x: Any, y: Any, target_format: str
) -> Iterator[str]:
    if net.dtype == np.float64:
        return
    wiring = net.wiring
    inputs = [wiring.nodes[n].layer for n in wiring.inputs]
    for layer, (name, part) in zip(
        inputs, by_port(x, [a.name for a in inputs], "x", "input"), strict=True
    ):
        assert isinstance(layer, SequenceInput)  # the wiring has checked
        if layer.normalizes or _fits(part, net.dtype):
            continue
        given = part
        if not is_by_index(part):
            given = arranged_sequences(layer, part, net.data_format, name)
        names = layer.feature_names
        for n, low, high in _spoiled(given, net.dtype):
            called = f"feature {n}" if names is None else f"feature {names[n]!r}"
            yield (
                f"{name} holds {called} from {low:.12g} to {high:.12g}, but {net.dtype} loses its "
                f"differences, as it has steps of {_step(low, high, net.dtype):.3g} there; set "
                "normalization='zscore' in SequenceInput, or train with dtype='float64'."
            )
    outputs = [wiring.nodes[h.output].layer.name for h in heads]
    for head, (name, part) in zip(heads, by_port(y, outputs, "y"), strict=True):
        if head.loss.kind == "classes" or _fits(part, net.dtype):
            continue
        given = part
        if not is_by_index(part):
            given = arranged_answers(part, target_format, name, last=not head.steps)
        for n, low, high in _spoiled(given, net.dtype, single=head.columns == 1):
            yield (
                f"{name} holds response {n} from {low:.12g} to {high:.12g}, but {net.dtype} loses "
                f"its differences, as it has steps of {_step(low, high, net.dtype):.3g} there; "
                "subtract the mean of the targets first, or train with dtype='float64'."
            )


def _fits(x: Any, dtype: Any) -> bool:
    """Whether x is an array, or a list of them, of a dtype that nothing is lost of."""
    arrays = x if isinstance(x, (list, tuple)) else [x]
    dtypes = {a.dtype if type(a) is np.ndarray else np.dtype(object) for a in arrays}
    return all(d.kind in "iuf" and np.can_cast(d, dtype) for d in dtypes)


def _spoiled(x: Any, dtype: Any, single: bool = False) -> Iterator[tuple[int, float, float]]:
    """Columns whose rounding costs too much, with their smallest and largest number."""
    parts: Any = x if is_by_index(x) else parts_of(x)
    parts = [x] if parts is None else parts

    def arrays() -> Iterator[Array]:
        for n in range(len(parts)):
            part = as_array(sequence_in(parts[n]))
            yield as_numbers(part) if _holds_numbers(part) else part

    dtypes = {a.dtype for a in arrays()}
    if all(d.kind not in "iuf" or np.can_cast(d, dtype) for d in dtypes):
        return

    def rows() -> Iterator[Array]:  # (N, ..., D); targets of one response may lack the last axis
        yield from (a[..., None] if single else np.atleast_2d(a) for a in arrays())

    axes = ((a, tuple(range(a.ndim - 1))) for a in rows())
    ends = [(a.min(axis=i), a.max(axis=i)) for a, i in axes]
    low = np.min([e[0] for e in ends], axis=0).astype(np.float64)  # (D,)
    high = np.max([e[1] for e in ends], axis=0).astype(np.float64)  # (D,)
    most = MOST * (high - low)  # (D,)
    largest = np.maximum(-low, high)  # (D,) of absolute value
    differs = high - low > NOISE * largest  # (D,)
    for n in np.flatnonzero(differs & (np.finfo(dtype).eps * largest > most)):
        if any(_loss(a[..., n], dtype) > most[n] for a in rows()):
            yield int(n), float(low[n]), float(high[n])


def _holds_numbers(array: Array) -> bool:
    return array.dtype.kind == "O" and not isinstance(array.flat[0], str)


def _loss(column: Array, dtype: Any) -> float:
    """The largest change of a number by rounding."""
    blocks = (
        [column[k : k + ROWS] for k in range(0, len(column), ROWS)] if column.ndim else [column]
    )
    return max(float(np.abs(b - b.astype(dtype).astype(np.float64)).max()) for b in blocks)


def _step(low: float, high: float, dtype: Any) -> float:
    return float(np.spacing(np.dtype(dtype).type(max(abs(low), abs(high)))))
