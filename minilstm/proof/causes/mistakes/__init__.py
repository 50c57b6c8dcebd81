"""Known mistakes in hand-written backward passes, each of them ready to be made on purpose.
A gradient that is wrong in just the way of one of them names its own cause.

How a mistake is made: a backward pass is a table of lines, and an operator changes one or a few of
them. The line of the LSTM's table for the gradient of the cell is

    dc = dc_next + dh_t * o * dtanh(tanh_c)

and under it `lstm_steps` lists, among others,

    output gate missing in dc | the output gate is missing on the way from h_t to c_t
        dc: drop o

The changed line computes the wrong gradient, and the same line gives the sentence of the report:
"The output gate is missing on the way from h_t to c_t: dc = dc_next + dh_t * (1 - tanh(c_t)^2)
should be dc_next + dh_t * o * (1 - tanh(c_t)^2)."

`rules` has the expression of a line and the operators, `base` the tables and the form of the
texts; then each subject has a file with its table, its words, and its mistakes.
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
    """The mistakes of one function, by its name in `minilstm.backend.Backend`; () for none known.

    Examples
    --------
    >>> mistakes_of("lstm_backward")[0].cause
    'The derivative of the input gate is missing: dz_i = di should be di * i * (1 - i).'
    """
    return tuple(mistake for mistake in CATALOGUE if mistake.function == function)
