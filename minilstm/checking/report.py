"""What a gradient check found: array by array, the worst place, both values, the likely cause.
A report prints as a table, and goes into JSON and JUnit files for machines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilstm.checking import exports
from minilstm.checking.kinks import Kink

ORACLES = {
    "complex": "the complex step",
    "difference": "central differences",
    "directional, complex": "the complex step along random directions",
    "directional, difference": "central differences along random directions",
}


@dataclass(frozen=True)
class ParameterError:
    """The worst disagreement found in one array, right or wrong.

    Attributes
    ----------
    name : of the array
    relative_error : |by_hand - reference| over the largest derivative of the array
    where : index of the entry; () for the check along a random direction
    by_hand : derivative from backward
    reference : derivative from the complex step or from differences
    checked : entries compared one by one
    tolerance : largest relative error that passes, for this array
    place : the index in words, such as "forget gate, unit 3, feature 1"
    gate, unit, time_step : parts of it, None where they have no meaning
    causes : likely causes as sentences, best first; () where right or where nothing is clear
    note : what else there is to know, such as a kink at this place
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

    @property
    def passed(self) -> bool:
        """Whether the array is within its tolerance; NaN never is."""
        return bool(self.relative_error <= self.tolerance)


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
    notes : sentences about the check as a whole
    """

    errors: list[ParameterError]
    backend: str
    method: str = "complex"
    seed: int = 0
    forward_passes: int = 0
    backward_passes: int = 0
    kinks: tuple[Kink, ...] = ()
    notes: tuple[str, ...] = ()

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
        """Whether every array is within its tolerance; NaN never is."""
        return all(e.passed for e in self.errors)

    @property
    def wrong(self) -> list[str]:
        """Names of the arrays whose gradients are wrong."""
        return [e.name for e in self.errors if not e.passed]

    @property
    def oracle(self) -> str:
        """What backward was compared with, in words."""
        return ORACLES.get(self.method, self.method)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain dicts, lists, numbers and words; see `minilstm.checking.exports`."""
        return exports.to_dict(self)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as JSON, written to a file too if a path is given; NaN becomes null."""
        return exports.to_json(self, path)

    def to_junit(self, name: str = "gradcheck", path: str | os.PathLike[str] | None = None) -> str:
        """The report as JUnit XML: one test case for each array, in a suite of this name."""
        return exports.to_junit(self, name, path)

    def __str__(self) -> str:
        width = max(5, *(len(e.name) for e in self.errors))
        lines = [f"{'array':<{width}}  {'checked':>7}  {'relative error':>14}  {'allowed':>8}"]
        for e in self.errors:
            verdict = "" if e.passed else "  WRONG"
            lines.append(
                f"{e.name:<{width}}  {e.checked:>7}  {e.relative_error:>14.1e}  "
                f"{e.tolerance:>8.0e}{verdict}"
            )
        lines.append(
            f"backward on {self.backend} against {self.oracle}: "
            f"largest relative error {self.max_error:.1e}; seed {self.seed}, "
            f"{self.forward_passes} forward and {self.backward_passes} backward passes"
        )
        for e in self.errors:
            if not e.passed:
                lines += ["", *_details(e)]
        lines += [f"note: {e.name}: {e.note}" for e in self.errors if e.passed and e.note]
        lines += [f"note: {kink}" for kink in self.kinks]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

    def message(self) -> str:
        """One sentence that says what is wrong, for an error."""
        first = next(e for e in self.errors if not e.passed)
        return (
            f"the gradient of {first.name} is wrong {_where(first)}: backward gives "
            f"{first.by_hand:.12g}, {self.oracle.split(' along')[0]} "
            f"{first.reference:.12g} (relative error {first.relative_error:.1e}, allowed "
            f"{first.tolerance:.0e}){_because(first)}; wrong arrays: {', '.join(self.wrong)}."
        )


def or_infinite(error: float) -> float:
    """An error that is NaN must lose every comparison."""
    return np.inf if error != error else error


def _where(error: ParameterError) -> str:
    if not error.where:
        return "along a random direction"
    return f"at index {error.where}" + (f" ({error.place})" if error.place else "")


def _because(error: ParameterError) -> str:
    return f", likely cause: {error.causes[0].rstrip('.')}" if error.causes else ""


def _details(error: ParameterError) -> list[str]:
    lines = [
        f"{error.name} is wrong {_where(error)}:",
        f"  by hand    {error.by_hand:.15g}",
        f"  reference  {error.reference:.15g}",
    ]
    lines += [f"  likely cause: {cause}" for cause in error.causes]
    return lines + ([f"  note: {error.note}"] if error.note else [])
