"""Random numbers that no user draws by accident, for upstream gradients, directions and moves.
A user's `default_rng(seed)` gives the inputs; what is drawn here has nothing to do with them.

An upstream gradient that equals the input tests nothing where f normalises: the derivative of a
length along itself is zero. So the streams have a key of their own beside the seed.
"""

from __future__ import annotations

import numpy as np

KEY = 0x6D696E696C73746D  # "minilstm"
PURPOSES = ("upstream gradients", "entries and directions", "moves", "noise", "initial states")


def generator(seed: int, purpose: str) -> np.random.Generator:
    """The random numbers of a seed for one of PURPOSES, the same each time."""
    key = (KEY, PURPOSES.index(purpose))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
