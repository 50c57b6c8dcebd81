"""Known mistakes in the backward pass of the bidirectional LSTM, most of them those of the LSTM.
A mistake of the LSTM is made in both directions at once; the others are made in joining the two.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from minilstm.functional.bilstm import NUMPY_PARTS, Parts, backward_with
from minilstm.proof.causes.mistakes import lstm_steps, lstm_sums
from minilstm.proof.causes.mistakes.base import Backward, Mistake

PREFIX = "both directions: "


def bilstm_backward_by(parts: Parts) -> Backward:
    """The backward pass made of other parts, of the contract of `functional.bilstm`."""
    return partial(backward_with, parts)


def _made(name: str, cause: str, *seen_in: str, **parts: Backward) -> Mistake:
    wrong = bilstm_backward_by(NUMPY_PARTS._replace(**parts))
    return Mistake(name, cause, "bilstm_backward", wrong, seen_in)


MISTAKES: tuple[Mistake, ...] = (
    _made(
        "dx of the forward direction only",
        "dx of the direction that reads backward is missing: dx should be the sum of both.",
        add=lambda a, b, order: a,
    ),
    _made(
        "dx of the backward direction only",
        "dx of the direction that reads forward is missing: dx should be the sum of both.",
        add=lambda a, b, order: b[order],
    ),
    _made(
        "dx not turned round",
        "dx of the direction that reads backward is added in reversed time: its steps should be "
        "turned round first.",
        add=lambda a, b, order: a + b,
    ),
    _made(
        "dh not turned round",
        "dh reaches the direction that reads backward in the order of forward time: its steps "
        "should be turned round first.",
        part=lambda rows, order: tuple(np.split(rows, 2, axis=1)),
    ),
    _made(
        "halves of dh swapped",
        "The two directions get one another's half of dh: the left half should go to the one that "
        "reads forward.",
        part=lambda rows, order: NUMPY_PARTS.part(np.roll(rows, rows.shape[1] // 2, axis=1), order),
    ),
    *(
        _made(PREFIX + m.name, m.cause, *m.seen_in, lstm_backward=m.wrong)
        for m in (*lstm_steps.MISTAKES, *lstm_sums.MISTAKES)
    ),
)
