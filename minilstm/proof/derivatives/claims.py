"""What backward claims, looked at before any derivative is taken.
Shapes that do not fit, gradients that are missing, and calls that do not repeat are found here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from minilstm.errors import GradientError
from minilstm.proof.derivatives.problem import Array, Problem

# A second call may differ by the order of its sums: by this part of the largest entry,
REPEATED_CALL_ERROR = 1e-9
REPEATED_CALL_ROUNDINGS = 1e3  # or by so many units in the last place, if that is more.


@dataclass
class Claims:
    """Gradients by backward, in the shapes of their arrays, and what is wrong with them at once."""

    grads: dict[str, Array | None]  # None where there is none; NaN where its shape does not fit
    # Sentences by array: why the gradient is wrong whatever its numbers are.
    faults: dict[str, str] = field(default_factory=dict)
    # Relative change from one call to the next, of the arrays where there is one.
    unsteady: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # sentences for the report


def claims_of(problem: Problem, base: float, twice: bool) -> Claims:
    """Run backward; if `twice`, run both passes once more to see whether they repeat.

    Raises GradientError where f does not: then no derivative could be compared.
    """
    claims = Claims(problem.claimed())
    if all(gradient is None for gradient in claims.grads.values()):
        raise GradientError("backward gives no gradient at all; return one for each input.")
    for name, gradient in claims.grads.items():
        value = problem.arrays[name]
        if gradient is None:
            claims.faults[name] = (
                f"backward gives no gradient for {name}; return one, or name in wrt= the arrays "
                "that are to be compared"
            )
        elif np.iscomplexobj(gradient):
            claims.faults[name] = "its numbers are complex: a gradient of real arrays is real"
        elif gradient.shape != value.shape:
            _fit(claims, name, gradient, value)
        if name in claims.faults:
            claims.grads[name] = np.full(value.shape, np.nan)
    if twice:
        again = problem.value({}).real
        if not again == base:
            raise GradientError(
                f"f gives {base:.17g} and then {again:.17g} for the same inputs, so it has no "
                "derivative to compare; seed what is random in it and keep no state between calls."
            )
        _compare_calls(claims, problem.claimed())
    return claims


def _fit(claims: Claims, name: str, gradient: Array, value: Array) -> None:
    """Bring a gradient of another shape to its array's, or say what it looks like."""
    if np.squeeze(gradient).shape == np.squeeze(value).shape:
        claims.grads[name] = gradient.reshape(value.shape)
        claims.notes.append(
            f"the gradient of {name} has shape {gradient.shape}, the array {value.shape}; "
            "axes of length 1 were passed over"
        )
        return
    looks = ""
    if gradient.shape == value.shape[::-1]:
        looks = ": it is transposed"
    elif gradient.ndim > value.ndim and gradient.shape[gradient.ndim - value.ndim :] == value.shape:
        looks = ": it was not summed over the rows to which the array was broadcast"
    elif gradient.size == value.size:
        looks = ": the same count of numbers, so perhaps it is transposed or flattened"
    claims.faults[name] = (
        f"the gradient has shape {gradient.shape} where the array has {value.shape}{looks}"
    )


def _compare_calls(claims: Claims, again: dict[str, Array | None]) -> None:
    for name, first in claims.grads.items():
        second = again[name]
        if first is None or second is None or name in claims.faults:
            continue
        if second.size != first.size:
            claims.unsteady[name] = np.inf
            continue
        second = second.reshape(first.shape)
        with np.errstate(invalid="ignore"):
            change = np.abs(second - first)
        largest = float(np.nanmax(np.abs(first), initial=0.0)) or 1.0
        relative = float(np.nanmax(change, initial=0.0)) / largest
        roundings = REPEATED_CALL_ROUNDINGS * float(np.finfo(first.dtype).eps)
        if relative > max(REPEATED_CALL_ERROR, roundings):
            claims.unsteady[name] = relative
