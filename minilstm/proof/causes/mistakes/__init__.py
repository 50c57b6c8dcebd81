"""Known mistakes in hand-written backward passes, each of them ready to be made on purpose.
A gradient that is wrong in just the way of one of them names its own cause.
"""

from __future__ import annotations

from minilstm.proof.causes.mistakes import (
    batch_normalization,
    bilstm,
    convolution,
    dense,
    elementwise,
    lstm_steps,
    lstm_sums,
)
from minilstm.proof.causes.mistakes.base import Mistake

#: all of them, those of the same function beside one another
CATALOGUE: tuple[Mistake, ...] = (
    *lstm_steps.MISTAKES,
    *lstm_sums.MISTAKES,
    *bilstm.MISTAKES,
    *dense.MISTAKES,
    *convolution.MISTAKES,
    *batch_normalization.MISTAKES,
    *elementwise.MISTAKES,
)

__all__ = ["CATALOGUE", "Mistake", "mistakes_of"]


def mistakes_of(function: str) -> tuple[Mistake, ...]:
    """The mistakes of one function.

    Parameters
    ----------
    function : its name, as `minilstm.backend.Backend` calls it: "lstm_backward", ...

    Returns
    -------
    tuple of Mistake, empty where none are known

    Examples
    --------
    >>> mistakes_of("lstm_backward")[0].cause
    'The derivative of the input gate is missing: dz_i = di should be di * i * (1 - i).'
    """
    return tuple(mistake for mistake in CATALOGUE if mistake.function == function)
