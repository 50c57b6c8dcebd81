"""What a gradient check found: array by array, the worst place, both values, the likely cause.
A report prints as a table, and goes into JSON and JUnit files for machines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minilstm.errors import GradientError, UndecidedError
from minilstm.proof.derivatives.kinks import Kink
from minilstm.proof.reports import exports

# What is said of an array, worst first.
NOT_TESTED, CANNOT_BE_JUDGED = "not tested", "cannot be judged"
VERDICTS = ("wrong", CANNOT_BE_JUDGED, NOT_TESTED, "right")


@dataclass(frozen=True)
class ParameterError:
    """The worst disagreement found in one array, right or wrong.

    Attributes
    ----------
    name : of the array
    relative_error : abs(by_hand - reference) over the largest derivative of the array
    where : index of the entry; () for the check along a random direction
    by_hand : derivative from backward
    reference : the true derivative, from the complex step or from differences
    checked : entries compared one by one
    tolerance : largest relative error that passes, for this array
    place : the index in words, such as "forget gate, unit 3, feature 1"
    gate, unit, time_step : parts of it, None where they have no meaning
    causes : likely causes as sentences, best first; () where right or where nothing is clear
    note : what else there is to know, such as a kink at this place
    undecided : "not tested" or "cannot be judged" where the check can say neither right nor wrong;
        the note says what to do
    """

    name: str
    relative_error: float
    where: tuple[int, ...]
    by_hand: float
    reference: float
    checked: int
    tolerance: float = 0.0
    place: str = ""
    gate: str | None = None
    unit: int | None = None
    time_step: int | None = None
    causes: tuple[str, ...] = ()
    note: str = ""
    undecided: str = ""

    @property
    def verdict(self) -> str:
        """ "right", "wrong", "not tested" or "cannot be judged"."""
        return self.undecided or ("right" if self.relative_error <= self.tolerance else "wrong")

    @property
    def passed(self) -> bool:
        """Whether the array was tested and is within its tolerance; NaN never is."""
        return self.verdict == "right"


@dataclass(frozen=True)
class GradientReport:
    """Errors of a gradient check, array by array.

    Attributes
    ----------
    errors : list of ParameterError
    backend : whose backward pass was checked
    method : "complex", "difference", "directional, complex" or "directional, difference"
    seed : of upstream gradients, entries and directions
    forward_passes, backward_passes : how many were run
    kinks : points without a derivative at or next to the inputs
    notes : sentences about the check, not about one array
    """

    errors: list[ParameterError]
    backend: str
    method: str = "complex"
    seed: int = 0
    forward_passes: int = 0
    backward_passes: int = 0
    kinks: tuple[Kink, ...] = ()
    notes: tuple[str, ...] = ()

    to_dict, to_json, to_junit = exports.to_dict, exports.to_json, exports.to_junit
    __str__, message = exports.text, exports.message
    _repr_html_ = exports.html

    def failure(self, more: str = "") -> GradientError:
        """The error to raise where the check did not pass: a wrong gradient, or one left open."""
        kind = GradientError if self.wrong else UndecidedError
        return kind(self.message() + more, self)

    @property
    def max_error(self) -> float:
        """The largest relative error of all; NaN counts as infinite."""
        return max(or_infinite(e.relative_error) for e in self.errors)

    @property
    def tolerance(self) -> float:
        """The largest tolerance of all arrays."""
        return max(e.tolerance for e in self.errors)

    @property
    def passed(self) -> bool:
        """Whether every array was tested and is within its tolerance; NaN never is."""
        return all(e.passed for e in self.errors)

    @property
    def wrong(self) -> list[str]:
        """Names of the arrays whose gradients are wrong."""
        return [e.name for e in self.errors if e.verdict == "wrong"]

    @property
    def undecided(self) -> list[str]:
        """Names of the arrays whose gradients were not tested or cannot be judged here."""
        return [e.name for e in self.errors if e.undecided]

    @property
    def verdict(self) -> str:
        """The worst verdict: "wrong" before "cannot be judged", "not tested" and "right"."""
        found = {e.verdict for e in self.errors}
        return next((verdict for verdict in VERDICTS if verdict in found), VERDICTS[-1])


def or_infinite(error: float) -> float:
    """An error that is NaN must lose every comparison."""
    return np.inf if error != error else error
