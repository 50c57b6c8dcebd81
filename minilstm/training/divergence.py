"""Why a training went wrong: looks at data, parameters, learning rate and gradient.
The likeliest cause becomes part of the message, with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def diverged(
    what: str,
    net: Any,
    sequences: Sequence[Sequence[Any]],
    losses: Sequence[float],
    rate: float,
    norm: float,
    threshold: float,
) -> str:
    """One sentence: what happened, the last good loss, the likely cause and its remedy.

    It looks at the network after the last update, the training data of each input, the finite
    losses so far, the learning rate, the norm of the last gradient and the bound on it.
    """
    good = f"the last good loss was {losses[-1]:.4g}" if losses else "no step had a finite loss"
    broken = [k for k, p in net.parameters.items() if not np.isfinite(p).all()]
    largest = max(float(np.abs(s).max()) for part in sequences for s in part)
    if not losses and broken:
        cause = f"{broken[0]} of the network handed in is not finite: start from another"
    elif not losses or (largest > 1e4 and net.dtype == np.float32):
        cause = (
            f"the data reach {largest:.3g}: scale them, or use "
            "SequenceInput(..., normalization='zerocenter')"
        )
    elif threshold == math.inf and norm > 1e3:
        cause = f"the gradient grew to a norm of {norm:.3g}: set gradient_threshold, such as 1"
    else:
        cause = (
            f"a learning rate of {rate:.3g} is too large"
            + (f" and made {broken[0]} infinite" if broken else "")
            + ": lower initial_learn_rate"
        )
    return f"{what}; {good}; likely cause: {cause}."
