"""The sequence input's normalisations, forward and backward, and the statistics they need.
Statistics are constants of the training data: they are taken over real steps and never learned.

Axes: N rows (steps of all sequences), then the shape of one step: (D,) features of a vector,
(h, w, c) an image, (h, w, d, c) a volume, channels always last. Every normalisation is one
equation with its own constants, each of a shape that broadcasts against a step::

    y = (x - shift) / scale + offset                                                        (1)

    normalization        shift    scale                offset
    "zerocenter"         mean     1                    0
    "zscore"             mean     standard deviation   0
    "rescale-symmetric"  min      (max - min) / 2      -1     so that y runs from -1 to 1
    "rescale-zero-one"   min      max - min            0      so that y runs from 0 to 1

Where a deviation or a range is 0, scale is 1 and offset 0: a value that never changes becomes 0.

All of it is computed in float64 and rounded once, at the end. Numbers far from zero, such as times
or pressures, differ in digits that float32 does not have: first subtract, then round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import Sequences, as_numbers
from minilstm.functional.gate import gated

Array = NDArray[Any]
Statistics = dict[str, NDArray[np.float64]]

#: the statistics that each normalisation uses
USES: dict[str, tuple[str, ...]] = {
    "none": (),
    "zerocenter": ("mean",),
    "zscore": ("mean", "standard_deviation"),
    "rescale-symmetric": ("min", "max"),
    "rescale-zero-one": ("min", "max"),
}
_BLOCK = 1 << 18  # numbers that are looked at together: 2 MiB of float64, whatever the data


class Affine(NamedTuple):
    """The constants of equation (1), in float64; None stands for 1 or 0."""

    shift: Array
    scale: Array | None
    offset: Array | None


def statistics_shape(shape: tuple[int, ...], dimension: str) -> tuple[int, ...]:
    """Shape of the statistics of steps of a given shape.

    Parameters
    ----------
    shape : of one step, channels last
    dimension : "channel", pooled over space; "element", each number by itself; "all", one number

    Returns
    -------
    (D,) for vectors, (1, 1, c) or (h, w, c) for images, volumes likewise, () for "all"

    Examples
    --------
    >>> [statistics_shape((28, 28, 3), d) for d in ("channel", "element", "all")]
    [(1, 1, 3), (28, 28, 3), ()]
    """
    if dimension == "all":
        return ()
    return shape if dimension == "element" else (1,) * (len(shape) - 1) + shape[-1:]


def statistics(sequences: Sequences, dimension: str, kind: str) -> Statistics:
    """What a normalisation needs to know of the training data.

    Parameters
    ----------
    sequences : list of B arrays (T_b, *shape) of any real dtype, T_b at least 1
    dimension : "channel", "element" or "all"; see `statistics_shape`
    kind : the normalisation, such as "zscore"

    Returns
    -------
    dict with those of "mean", "standard_deviation", "min", "max" that it uses, float64. The
    standard deviation is that of all steps, divided by their number.

    Notes
    -----
    The data are read in blocks, so nothing as large as a sequence is copied. Two passes: the
    second sums squares about the mean of the first. Both look at the distance from the first
    step, which is exactly 0 for data that never change, and so is their deviation then. Squares
    are taken in units of about the largest distance, so none is too large or too small.

    Examples
    --------
    >>> x = [np.array([[1.0, 10.0]]), np.array([[3.0, 10.0], [5.0, 10.0]])]
    >>> {name: a.round(3).tolist() for name, a in statistics(x, "channel", "zscore").items()}
    {'mean': [3.0, 10.0], 'standard_deviation': [1.633, 0.0]}
    >>> float(statistics(x, "all", "rescale-symmetric")["max"])
    10.0
    """
    start = as_numbers(sequences[0], "sequences[0]")
    shape = start.shape[1:]
    kept = statistics_shape(shape, dimension)
    # Axes of a block (steps, *shape) that are pooled; for "all" they are all of them.
    wide = kept or (1,) * len(shape)
    axes = (0, *(n + 1 for n in range(len(shape)) if wide[n] == 1))
    if kind.startswith("rescale"):
        low, high = np.full(wide, np.inf), np.full(wide, -np.inf)
        for block in _blocks(sequences):
            low = np.minimum(low, block.min(axis=axes).reshape(wide))
            high = np.maximum(high, block.max(axis=axes).reshape(wide))
        return {k: a.reshape(kept).astype(np.float64) for k, a in (("min", low), ("max", high))}
    first = start[(slice(0, 1), *(slice(0, n) for n in wide))]  # (1, *wide)
    first = first.reshape(wide).astype(np.float64)
    away, furthest, numbers = np.zeros(wide), np.zeros(wide), 0
    for block in _blocks(sequences):
        numbers += block.size
        d = np.subtract(block, first, dtype=np.float64)  # (steps, *shape)
        away += d.sum(axis=axes).reshape(wide)
        furthest = np.maximum(furthest, np.abs(d, out=d).max(axis=axes).reshape(wide))
    count = numbers / np.prod(wide)
    away /= count
    found = {"mean": (first + away).reshape(kept)}
    if "standard_deviation" in USES[kind]:
        # A power of 2, which takes nothing from the digits.
        exponent = np.clip(np.frexp(furthest)[1], -1000, 1000)
        squares = np.zeros(wide)
        for block in _blocks(sequences):
            d = np.subtract(block, first, dtype=np.float64)  # (steps, *shape)
            d -= away
            d *= np.ldexp(1.0, -exponent)
            d *= d
            squares += d.sum(axis=axes).reshape(wide)
        found["standard_deviation"] = np.ldexp(np.sqrt(squares / count), exponent).reshape(kept)
    return found


def coefficients(kind: str, values: Mapping[str, ArrayLike]) -> Affine:
    """The constants of equation (1) from the statistics.

    Parameters
    ----------
    kind : the normalisation
    values : the statistics that it uses, by name, of shapes that broadcast against a step

    Returns
    -------
    Affine

    Examples
    --------
    >>> values = {"min": [0.0, 7.0], "max": [4.0, 7.0]}
    >>> [a.tolist() for a in coefficients("rescale-symmetric", values)]
    [[0.0, 7.0], [2.0, 1.0], [-1.0, 0.0]]
    """
    given = {name: np.asarray(v, np.float64) for name, v in values.items()}
    if kind == "zerocenter":
        return Affine(given["mean"], None, None)
    if kind == "zscore":
        shift, scale = given["mean"], given["standard_deviation"]
    else:
        shift, scale = given["min"], given["max"] - given["min"]
        scale = scale / 2 if kind == "rescale-symmetric" else scale
    flat = scale == 0
    offset = np.where(flat, 0.0, -1.0) if kind == "rescale-symmetric" else None
    return Affine(shift, np.where(flat, 1.0, scale), offset)


@gated
def normalize_forward(x: Array, affine: Affine, dtype: Any = None) -> Array:
    """Shift and scale every step: equation (1), in float64, rounded once.

    Parameters
    ----------
    x : (N, *shape) rows
    affine : from `coefficients`
    dtype : of y; None means that of x

    Returns
    -------
    y : (N, *shape), a new array

    Examples
    --------
    >>> affine = coefficients("zerocenter", {"mean": [1.0, 1.0]})
    >>> normalize_forward(np.array([[1.0, 2.0]]), affine).tolist()
    [[0.0, 1.0]]
    >>> seconds = np.array([[1.7e9], [1.7e9 + 1]])
    >>> affine = coefficients("zerocenter", {"mean": [1.7e9]})
    >>> normalize_forward(seconds, affine, "float32").tolist()
    [[0.0], [1.0]]
    """
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    rows = max(1, _BLOCK // max(1, x[:1].size))
    if len(x) <= rows:
        return _normalized(x, affine).astype(dtype, copy=False)
    y = np.empty_like(x, dtype)  # (N, *shape)
    for n in range(0, len(x), rows):
        y[n : n + rows] = _normalized(x[n : n + rows], affine)
    return y


@gated
def normalize_backward(dy: Array, affine: Affine) -> Array:
    """Gradient with respect to the input; the statistics are constants of the data.

    Shapes: dy (N, *shape); dx (N, *shape), dy itself where nothing is divided.

    Examples
    --------
    >>> affine = coefficients("zscore", {"mean": [5.0], "standard_deviation": [4.0]})
    >>> normalize_backward(np.ones((1, 1)), affine).tolist()
    [[0.25]]
    """
    # (1) y = (x - shift) / scale + offset
    if affine.scale is None:
        return dy
    dx: Array = (dy / affine.scale).astype(dy.dtype, copy=False)  # (N, *shape)
    return dx


def _normalized(x: Array, affine: Affine) -> Array:
    """Equation (1) in float64, or in the dtype of x where that is wider."""
    y = x - affine.shift  # (N, *shape) (1)
    if affine.scale is not None:
        y /= affine.scale
    if affine.offset is not None:
        y += affine.offset
    return y


def _blocks(sequences: Sequences) -> Iterator[Array]:
    """The steps of all sequences, a few at a time; no sequence is kept."""
    for b, given in enumerate(sequences):
        sequence = as_numbers(given, f"sequences[{b}]")
        steps = max(1, _BLOCK // max(1, sequence[0].size))
        for n in range(0, len(sequence), steps):
            yield sequence[n : n + steps]
