"""What weights of whole numbers cost: how far scores move, which labels change, and what is saved.
The answer is given for short sequences and after many steps, where errors could have grown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.checks import check_choice, check_whole, shown
from minilstm.exchange.step.dequantized import dequantized
from minilstm.exchange.step.program import BITS, Pointwise, Program, program_of, started_anew
from minilstm.exchange.step.selftest import check_scores, draw_rows
from minilstm.network.network import Network

Array = NDArray[Any]
_ROWS = 200  # steps of the sequences that are drawn where none are given
_LAST = 1000  # steps at the end of a long run that are compared


class Drift(NamedTuple):
    """The last steps of one long run."""

    step: int  # at which the run ends
    largest_change: float  # of a score in the last steps
    labels_changed: int
    labels: int  # of those steps; 0 where scores name no class


class QuantisationReport(NamedTuple):
    """A network beside itself with weights of whole numbers."""

    weights: str
    bits: int
    bytes_before: int  # of matrices and biases in float32
    bytes_after: int  # of whole numbers, their factors and biases
    largest_change: float  # of a score
    labels_changed: int
    labels: int  # 0 where scores name no class
    drift: tuple[Drift, ...]  # empty where every window starts anew
    drawn: bool = (
        False  # whether the inputs were noise, on which scores may move less than on yours
    )

    def __str__(self) -> str:
        def labels(of: QuantisationReport | Drift, end: str = "") -> str:
            return f", {of.labels_changed} of {of.labels:,}{end}" if of.labels else ""

        lines = [
            f"{self.weights} weights, {self.bits} bits: {self.bytes_before:,} bytes become "
            f"{self.bytes_after:,}; scores move by {self.largest_change:.2g} at most"
            f"{labels(self, ' labels change')}"
            + " on inputs that are drawn; judge your own with quantisation_report(net, x)"
            * self.drawn
        ]
        lines += [f"after {d.step:,} steps: {d.largest_change:.2g}{labels(d)}" for d in self.drift]
        return "\n".join(lines)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the changes of scores over the steps of a run to a PNG, SVG or PDF file.

        Raises ValueError where the report has no long runs.
        """
        if not self.drift:
            raise ValueError(
                "the report has no long runs to draw: every sequence starts anew, or steps was (); "
                "print it."
            )
        from minilstm.plots.files import save_figure
        from minilstm.plots.quantisation import plot_drift

        rows = [
            (d.step, d.largest_change, d.labels_changed / d.labels if d.labels else None)
            for d in self.drift
        ]
        return save_figure(plot_drift(rows, self.weights, self.bits), path)


def quantisation_report(
    net: Network,
    x: ArrayLike | Sequence[Any] | None = None,
    *,
    weights: str = "int8",
    bits: int | None = None,
    window: int | None = None,
    steps: Sequence[int] = (1000, 100_000, 1_000_000),
) -> QuantisationReport:
    """Compare a network with itself after its weights became whole numbers.

    Parameters
    ----------
    net : what `ml.export` can write
    x : sequences as for `net.predict`; None draws one of 200 steps, or of one window
    weights : "int8" or "int16", with a factor for each row
    bits : of a whole number with its sign; None means all that the type has
    window : steps of a window; a BiLSTM needs one
    steps : lengths of long runs, on rows that are drawn; () runs none

    Returns
    -------
    QuantisationReport; print it, or draw it with `plot`

    Examples
    --------
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(2), Softmax()]
    >>> net = Network(layers, rng=np.random.default_rng(0))
    >>> report = quantisation_report(net, steps=[1000])
    >>> report.bits, report.labels, report.largest_change < 0.01
    (8, 200, True)
    """
    letters = "auto" if x is None else getattr(net, "data_format", "auto")
    net = started_anew(net)
    check_choice("weights", weights, tuple(BITS))
    if isinstance(steps, str) or not isinstance(steps, Iterable) or not np.ndim(steps):
        raise ValueError(f"steps is {shown(steps)}; give a list of whole numbers, such as [1000].")
    steps = tuple(steps)
    for n in steps:
        check_whole("steps", n, 1)
    program = program_of(net, weights, window, bits)
    rounded = dequantized(net, program)
    given = draw_rows(net, _ROWS if window is None else window) if x is None else x
    named = names_classes(net, program)
    change, changed, labels = _compared(net, rounded, given, _LAST * 10_000, named, letters)
    whole_only = program.reads_back or any(s.last for s in program.steps)
    drift = []
    for n in () if whole_only else steps:
        drift.append(Drift(int(n), *_compared(net, rounded, draw_rows(net, n), _LAST, named)))
    sizes = program_of(net, "float32", window).bytes, program.bytes
    whole = BITS[weights] + 1 if bits is None else int(bits)
    found = weights, whole, *sizes, change, changed, labels, tuple(drift)
    return QuantisationReport(*found, drawn=x is None)


def names_classes(net: Network, program: Program) -> bool:
    """Whether the highest score of a network means a label."""
    last = program.steps[-1].operation
    return net.classes is not None or (isinstance(last, Pointwise) and last.function == "softmax")


def _compared(
    net: Network, rounded: Network, x: Any, last: int, named: bool, letters: str = "auto"
) -> tuple[float, int, int]:
    """Largest change of a score, labels changed, and labels, in the last rows."""
    with np.errstate(all="ignore"):  # what is not finite is told
        rows = [_rows(n.predict(x, data_format=letters))[-last:] for n in (net, rounded)]
    before, after = map(check_scores, rows)  # (N, C) each
    change = float(abs(before - after).max())
    if not named:
        return change, 0, 0
    return change, int((before.argmax(axis=1) != after.argmax(axis=1)).sum()), len(before)


def _rows(scores: Any) -> Array:
    """Scores of sequences or steps, one row each."""
    if isinstance(scores, list):
        return np.concatenate([np.atleast_2d(s) for s in scores])
    array = np.asarray(scores)
    return np.atleast_2d(array.reshape(-1, array.shape[-1]))
