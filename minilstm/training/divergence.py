"""Why a training went wrong: looks at data, parameters, learning rate and gradient.
The likeliest cause becomes part of the message, with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minilstm.training.batches import TrainingData


def diverged(
    what: str,
    net: Any,
    data: TrainingData,
    losses: Sequence[float],
    rate: float,
    norm: float,
    threshold: float,
) -> str:
    """One sentence: what happened, the last good loss, the likely cause and its remedy.

    It looks at the network after the last update, the training data, the finite losses so far, the
    learning rate, the norm of the last gradient and the bound on it.
    """
    good = f"the last good loss was {losses[-1]:.4g}" if losses else "no step had a finite loss"
    broken = [k for k, p in net.parameters.items() if not np.isfinite(p).all()]
    largest, target = _largest(data.sequences), _largest(data.targets)
    if not losses and broken:
        cause = f"{broken[0]} of the network handed in is not finite: start from another"
    elif largest > 1e4 and (not losses or net.dtype == np.float32):
        cause = (
            f"the data reach {largest:.3g}: scale them, or use "
            "SequenceInput(..., normalization='zscore')"
        )
    elif not losses and target > 1e4:
        cause = f"the targets reach {target:.3g}: scale them"
    elif not losses:
        cause = (
            "data and targets are of usual size, so it is the loss itself, or what the network "
            "puts out at first: mend that loss, or start from smaller parameters"
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


def _largest(parts: Sequence[Sequence[Any]]) -> float:
    return max(float(np.abs(array).max(initial=0)) for part in parts for array in part)
