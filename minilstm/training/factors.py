"""Factors of the learning rate and of L2: one for a whole parameter, or one for each of its gates.
A parameter whose gates differ is cut into equal blocks of rows, and each block is stepped alone."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Factor: TypeAlias = float | tuple[float, ...]  # a tuple: one for each of equal blocks of rows


class Block(NamedTuple):
    """Rows of a parameter that share their factors."""

    rows: slice
    l2: float
    rate: float


def weighted(factor: Factor, weight: float) -> Factor:
    """A factor, or each of a tuple of factors, times a number.

    Examples
    --------
    >>> weighted(2.0, 0.25), weighted((1.0, 2.0), 0.25)
    (0.5, (0.25, 0.5))
    """
    return tuple(weight * f for f in factor) if isinstance(factor, tuple) else weight * factor


@lru_cache(maxsize=1024)  # the same at every step of a training
def blocks(name: str, rows: int, l2: Factor, rate: Factor) -> tuple[Block, ...]:
    """Cut a parameter into as few equal blocks of rows as its factors allow.

    The parameter has the shape (rows, ...); a factor is a number, or a tuple of numbers, one for
    each of equal blocks of rows. The blocks go from the first row to the last. Raises ValueError
    where the rows do not divide into so many blocks.

    Examples
    --------
    >>> [(b.rows.start, b.rate) for b in blocks("lstm/bias", 8, 0.0, (1, 1, 0, 1))]
    [(0, 1), (2, 1), (4, 0), (6, 1)]
    >>> len(blocks("lstm/bias", 8, 0.0, (1, 1, 1, 1)))
    1
    """
    l2s, rates = (f if isinstance(f, tuple) else (f,) for f in (l2, rate))
    l2s, rates = (f[:1] if len(set(f)) == 1 else f for f in (l2s, rates))
    count = math.lcm(len(l2s), len(rates))
    if count == 1:
        return (Block(slice(0, rows), l2s[0], rates[0]),)
    if count == 0 or rows % count:
        raise ValueError(
            f"{name} has {rows} rows, which its {max(len(l2s), len(rates))} factors do not "
            f"divide into equal blocks; give one factor, or a tuple with one for each gate."
        )
    size = rows // count
    return tuple(
        Block(
            slice(n * size, (n + 1) * size),
            l2s[n * len(l2s) // count],
            rates[n * len(rates) // count],
        )
        for n in range(count)
    )


def assembled(parts: list[tuple[Array, ...]], like: Array) -> tuple[Array, ...]:
    """Arrays from their blocks of rows, column-major as parameters are stored.

    `parts` holds for each block the same number of arrays, (rows of the block, ...); `like` has the
    shape and dtype of the results.
    """
    if len(parts) == 1:
        return parts[0]
    new = tuple(np.empty_like(like, order="F") for _ in parts[0])
    for joined, its_blocks in zip(new, zip(*parts, strict=True), strict=True):
        np.concatenate(its_blocks, out=joined)
    return new
