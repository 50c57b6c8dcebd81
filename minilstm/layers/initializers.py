"""How learnable arrays start: Glorot, orthogonal, and the LSTM bias with its forget gate open.
Each takes a shape (outputs, inputs) and a generator, and draws in float64 whatever the network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def glorot(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Uniform on (-a, a) with a = sqrt(6 / (outputs + inputs)).

    For an LSTM, outputs is 4H: the stacked matrix counts as one (Glorot and Bengio, 2010).

    Parameters
    ----------
    shape : (outputs, inputs)
    rng : generator of the draw

    Returns
    -------
    (outputs, inputs) float64

    Examples
    --------
    >>> W = glorot((800, 3), np.random.default_rng(0))
    >>> W.shape, bool(abs(W).max() < np.sqrt(6 / 803))
    ((800, 3), True)
    """
    bound = np.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, shape)


def orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Orthonormal columns from one QR of the whole matrix (Saxe, McClelland and Ganguli, 2014).

    The sign of R's diagonal is moved into Q, which makes the draw uniform.

    Parameters
    ----------
    shape : (outputs, inputs), outputs >= inputs
    rng : generator of the draw

    Returns
    -------
    (outputs, inputs) float64

    Examples
    --------
    >>> R = orthogonal((8, 2), np.random.default_rng(0))
    >>> bool(np.allclose(R.T @ R, np.eye(2)))
    True
    """
    q, r = np.linalg.qr(rng.standard_normal(shape))
    out: Float = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return out


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """All zero; the generator is not used.

    Examples
    --------
    >>> zeros((2,), np.random.default_rng(0)).tolist()
    [0.0, 0.0]
    """
    return np.zeros(shape)


def ones(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """All one; the generator is not used.

    Examples
    --------
    >>> ones((2,), np.random.default_rng(0)).tolist()
    [1.0, 1.0]
    """
    return np.ones(shape)


def unit_forget_gate(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Zero, but 1 for the forget gate, so that a new LSTM remembers (Jozefowicz et al., 2015).

    Parameters
    ----------
    shape : (4H,)
    rng : not used

    Examples
    --------
    >>> unit_forget_gate((8,), np.random.default_rng(0)).tolist()
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    bias = np.zeros(shape)
    H = shape[0] // 4
    bias[H : 2 * H] = 1
    return bias
