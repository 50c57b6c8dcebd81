"""Labels a step judged as an observer would: was each bout found, and how late?
A bout is a run of one label within a recording.

The rule: a predicted bout and a true bout of the same label match where the steps that they share
are at least half of the steps that either has. So a bout matches one other at most. Two bouts touch
where they share a step.

Axes: N steps, K classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.evaluation.scores import share

IntArray = NDArray[np.int64]
OVERLAP = 0.5  # below one half, a bout could match several


class BoutScore(NamedTuple):
    """Bouts of one label, or of all."""

    label: Any  # None for all together
    true: int
    predicted: int
    detected: int  # true bouts that match a predicted one
    missed: int  # true bouts that no predicted bout of the label touches
    split: int  # true bouts that several touch
    merged: int  # predicted bouts that touch several true ones
    spurious: int  # predicted bouts that touch none
    precision: float | None  # detected / predicted
    recall: float | None  # detected / true
    f1: float | None
    onset_delay: float | None  # median over the detected: start predicted less true, steps or s


def bout_scores(
    true: IntArray,
    said: IntArray,
    lengths: IntArray,
    labels: list[Any],
    times: NDArray[np.float64] | None = None,
) -> list[BoutScore]:
    """The scores of the bouts of each label, then of all together.

    Parameters
    ----------
    true, said : (N,) class numbers of all recordings, end to end; a step whose true class is
        negative counts nowhere, and ends a bout
    lengths : (M,) steps of each recording
    labels : K names of the classes
    times : (N,) seconds of each step; None: delays are in steps

    Examples
    --------
    >>> true, said = np.array([0, 0, 0, 0, 1, 1]), np.array([1, 0, 0, 0, 0, 0])
    >>> score = bout_scores(true, said, np.array([6]), ["sit", "walk"])[0]
    >>> score.detected, score.onset_delay
    (1, 1.0)
    """
    said = np.where(true < 0, true, said)  # (N,)
    heads = np.cumsum(lengths)[:-1]  # first steps of the recordings, but for the first
    begins, begins_said = _begins(true, heads), _begins(said, heads)  # (N,)
    start, start_said = np.flatnonzero(begins), np.flatnonzero(begins_said)  # of each bout
    piece = np.flatnonzero(begins | begins_said)  # where one of the two begins
    shared = np.diff(np.append(piece, len(true)))  # steps of each piece
    same = (true[piece] == said[piece]) & (true[piece] >= 0)
    piece, shared = piece[same], shared[same]
    # Two intervals share one piece at most, so each piece is a pair of bouts that touch.
    i = np.searchsorted(start, piece, "right") - 1  # true bout
    j = np.searchsorted(start_said, piece, "right") - 1  # predicted bout
    long, long_said = (np.diff(np.append(s, len(true))) for s in (start, start_said))
    match = shared >= OVERLAP * (long[i] + long_said[j] - shared)
    touched = np.bincount(i, minlength=len(start))
    touched_said = np.bincount(j, minlength=len(start_said))
    clock = np.arange(len(true)) if times is None else times  # (N,)
    delay = clock[start_said[j[match]]] - clock[start[i[match]]]
    own, own_said, own_match = true[start], said[start_said], true[piece[match]]

    def score(label: Any, one: slice | int) -> BoutScore:
        def of(classes: IntArray) -> NDArray[np.bool_]:
            return classes >= 0 if isinstance(one, slice) else classes == one

        a, b, m = of(own), of(own_said), of(own_match)
        count, count_said, hit = int(a.sum()), int(b.sum()), int(m.sum())
        return BoutScore(
            label,
            count,
            count_said,
            hit,
            int((touched[a] == 0).sum()),
            int((touched[a] > 1).sum()),
            int((touched_said[b] > 1).sum()),
            int((touched_said[b] == 0).sum()),
            share(hit, count_said),
            share(hit, count),
            share(2 * hit, count + count_said),
            float(np.median(delay[m])) if hit else None,
        )

    scores = [score(label, k) for k, label in enumerate(labels)]
    return [*scores, score(None, slice(None))]


def _begins(codes: IntArray, heads: IntArray) -> NDArray[np.bool_]:
    """Where a bout begins, (N,)."""
    begins = np.ones(len(codes), np.bool_)
    begins[1:] = codes[1:] != codes[:-1]
    begins[heads] = True
    return begins
