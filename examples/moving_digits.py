"""Short clips of one handwritten digit that moves and bounces in a square frame.
The digits are those of scikit-learn; clips for training and for testing show different ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def moving_digits(
    train: int = 2000, test: int = 500, frames: int = 10, size: int = 20, seed: int = 0
) -> tuple[list[Array], Array, list[Array], Array]:
    """Make clips (T, 28, 28, 1), float32 from 0 to 1, and their labels 0 to 9.

    Returns x_train, y_train (B,), x_test, y_test (B,). Training clips show the first 1,400 digits
    of the data set, test clips the other 397, which other people wrote in part.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "The moving digits need scikit-learn: pip install 'minilstm[examples]'."
        ) from error
    digits = load_digits()
    images = enlarged(digits.images / 16.0, size)  # (1797, size, size)
    rng_train, rng_test = np.random.default_rng(seed).spawn(2)
    picks = rng_train.integers(0, 1400, train), rng_test.integers(1400, len(images), test)
    x_train = [moved(images[n], frames, rng_train) for n in picks[0]]
    x_test = [moved(images[n], frames, rng_test) for n in picks[1]]
    return x_train, digits.target[picks[0]], x_test, digits.target[picks[1]]


def enlarged(images: Array, size: int) -> Array:
    """Images (N, 8, 8) as (N, size, size), with linear interpolation."""
    at = np.linspace(-0.5, 7.5, size)  # (size,)
    weights = np.maximum(0.0, 1.0 - abs(at[:, None] - np.arange(8)))  # (size, 8)
    return weights @ images @ weights.T


def moved(image: Array, frames: int, rng: np.random.Generator, width: int = 28) -> Array:
    """One clip (T, width, width, 1): a straight line at constant speed, mirrored at the walls."""
    room = width - len(image)
    speed, angle = rng.uniform(1.0, 3.0), rng.uniform(0.0, 2.0 * np.pi)
    step = speed * np.array([np.cos(angle), np.sin(angle)])  # (2,) pixels a frame
    path = rng.uniform(0, room, 2) + np.arange(frames)[:, None] * step  # (T, 2)
    corners = np.rint(room - abs(path % (2 * room) - room)).astype(int)  # (T, 2)
    clip = np.zeros((frames, width, width, 1), np.float32)
    for frame, (row, column) in zip(clip, corners, strict=True):
        frame[row : row + len(image), column : column + len(image), 0] = image
    return clip
