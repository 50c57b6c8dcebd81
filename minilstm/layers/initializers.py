"""How learnable arrays start: Glorot, He, orthogonal, and the LSTM bias with its forget gate open.
Each takes a shape and a generator, and gives a float64 array whatever the network.

A matrix is (outputs, inputs); of more axes the last two are (channels, filters) and those before
them the window that slides over an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import refuse_masked
from minilstm.checks import did_you_mean, shown

Float = NDArray[np.float64]
Initializer = Callable[[tuple[int, ...], np.random.Generator], Float]


WIDE, BLOCK = 1024, 256  # columns above which `orthogonal` goes another way, and its blocks


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs that one output sums over, and outputs that one input reaches.

    Examples
    --------
    >>> fans((800, 3)), fans((5, 5, 1, 20)), fans((7,))
    ((3, 800), (25, 500), (1, 7))
    """
    if len(shape) < 3:
        return math.prod(shape[1:]), shape[0]
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def glorot(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Uniform on (-a, a) with a = sqrt(6 / (outputs + inputs)).

    For an LSTM, outputs is 4H: the stacked matrix counts as one (Glorot and Bengio, 2010).
    """
    bound = np.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-bound, bound, shape)


def he(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Normal with mean 0 and variance 2 / inputs (He, Zhang, Ren and Sun, 2015)."""
    return rng.normal(0.0, np.sqrt(2 / fans(shape)[0]), shape)


def narrow_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Normal with mean 0 and standard deviation 0.01."""
    return rng.normal(0.0, 0.01, shape)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Orthonormal columns from one QR of the whole matrix (Saxe, McClelland and Ganguli, 2014).

    The sign of R's diagonal is moved into Q, which makes the draw uniform. With fewer outputs than
    inputs the rows are orthonormal. Of more than two axes the last stands for the columns.
    """
    columns = shape[-1] if len(shape) > 1 else 1
    draw = rng.standard_normal((math.prod(shape) // columns, columns))
    if columns > WIDE and len(draw) >= 2 * columns:
        return _orthonormal_in_place(draw).reshape(shape)
    wide = draw.shape[0] < draw.shape[1]
    q, r = np.linalg.qr(draw.T if wide else draw)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    out: Float = np.ascontiguousarray(q.T if wide else q).reshape(shape)
    return out


def _orthonormal_in_place(draw: Float) -> Float:
    """Q of the QR decomposition whose R has a positive diagonal, several times as fast.

    R comes from the Cholesky decomposition of A'A. The columns of a tall random matrix are nearly
    at right angles, so no digits are lost: the numbers are those of QR to rounding.
    """
    r = np.linalg.cholesky(draw.T @ draw).T  # (columns, columns)
    for at in range(0, len(r), BLOCK):
        here = slice(at, at + BLOCK)
        done = draw[:, :at] @ r[:at, here]
        draw[:, here] = (draw[:, here] - done) @ np.linalg.inv(r[here, here])
    return draw


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """All zero; the generator is not used."""
    return np.zeros(shape)


def ones(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """All one; the generator is not used."""
    return np.ones(shape)


def unit_forget_gate(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Zero, but 1 for the forget gate, so that a new LSTM remembers (Jozefowicz et al., 2015).

    The shape is (4H,); the generator is not used.
    """
    bias = np.zeros(shape)
    H = shape[0] // 4
    bias[H : 2 * H] = 1
    return bias


def in_halves(initializer: Initializer) -> Initializer:
    """The same for each half of the rows by itself, as for the two directions of a BiLSTM.

    Examples
    --------
    >>> in_halves(unit_forget_gate)((8,), np.random.default_rng(0)).tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """

    def halves(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
        half = (shape[0] // 2, *shape[1:])
        return np.concatenate([initializer(half, rng) for _ in range(2)])

    return halves


#: what may be given by name
BY_NAME: dict[str, Initializer] = {
    "glorot": glorot,
    "he": he,
    "orthogonal": orthogonal,
    "narrow-normal": narrow_normal,
    "zeros": zeros,
    "ones": ones,
    "unit-forget-gate": unit_forget_gate,
}


def find(
    given: str | Callable[..., Any], layer: str, argument: str, names: Sequence[str] = ()
) -> Initializer:
    """The initialiser of a name, or a user's own function with a check of what it returns.

    Both are functions (shape, rng) -> float64 array of that shape. `names` are those that may be
    given; () means all of `BY_NAME`. `layer` and `argument` are for the messages.

    Raises ValueError where the name is not known; or later, when the function is called, where its
    array does not fit.
    """
    names = names or tuple(BY_NAME)
    if isinstance(given, str) and given in names:
        return BY_NAME[given]
    if not callable(given):
        known = ", ".join(map(repr, names))
        raise ValueError(
            f"{layer}: {argument} is {shown(given)}; choose one of {known}, or give a function "
            f"(shape, rng) that returns an array{did_you_mean(given, names)}."
        )
    draw = given

    def checked(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
        drawn = draw(shape, rng)
        refuse_masked(drawn, f"{layer}: what {argument} returned")
        value = np.asarray(drawn)
        if value.shape != shape or value.dtype.kind not in "fiub":
            raise ValueError(
                f"{layer}: the function given as {argument} returned shape {value.shape} and "
                f"dtype {value.dtype}; return real numbers of shape {shape}."
            )
        return np.array(value, np.float64)

    return checked
