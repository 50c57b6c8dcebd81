"""Known mistakes in the backward pass of the bidirectional LSTM, most of them those of the LSTM.
A mistake of the LSTM is made in both directions at once; the others are made in joining the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minilstm.functional.bilstm import NUMPY_PARTS, Parts, backward_with
from minilstm.proof.causes.mistakes import lstm_steps, lstm_sums
from minilstm.proof.causes.mistakes.base import Mistake, sentence

PREFIX = "both directions: "


def bilstm_backward_by(parts: Parts) -> Callable[..., Any]:
    """The backward pass made of other parts, of the contract of `functional.bilstm`."""

    def bilstm_backward(
        dh: Any, dstate: Any, cache: Any, need_dx: bool = True, spend_cache: bool = False
    ) -> Any:
        return backward_with(parts, dh, dstate, cache, need_dx, spend_cache)

    return bilstm_backward


def _joined(name: str, cause: str, **parts: Callable[..., Any]) -> Mistake:
    wrong = bilstm_backward_by(NUMPY_PARTS._replace(**parts))
    return Mistake(name, sentence(cause), "bilstm_backward", wrong)


MISTAKES: tuple[Mistake, ...] = (
    _joined(
        "dx of the forward direction only",
        "dx of the direction that reads backward is missing: dx should be the sum of both",
        add=lambda a, b, order: a,
    ),
    _joined(
        "dx of the backward direction only",
        "dx of the direction that reads forward is missing: dx should be the sum of both",
        add=lambda a, b, order: b[order],
    ),
    _joined(
        "dx not turned round",
        "dx of the direction that reads backward is added in reversed time: its steps should be "
        "turned round first",
        add=lambda a, b, order: a + b,
    ),
    _joined(
        "dh not turned round",
        "dh reaches the direction that reads backward in the order of forward time: its steps "
        "should be turned round first",
        part=lambda rows, order: tuple(np.split(rows, 2, axis=1)),
    ),
    _joined(
        "halves of dh swapped",
        "the two directions get one another's half of dh: the left half should go to the one that "
        "reads forward",
        part=lambda rows, order: NUMPY_PARTS.part(np.roll(rows, rows.shape[1] // 2, axis=1), order),
    ),
    *(
        m._replace(
            name=PREFIX + m.name,
            function="bilstm_backward",
            wrong=bilstm_backward_by(NUMPY_PARTS._replace(lstm_backward=m.wrong)),
        )
        for m in (*lstm_steps.MISTAKES, *lstm_sums.MISTAKES)
    ),
)
