"""Mistakes that act on each entry alone: a wrong sign, a factor, the array itself.
Each function returns the sentences that hold for one array, best first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilstm.proof.causes.factors import Measured, reasons
from minilstm.proof.causes.signatures.evidence import Case, Pattern, number
from minilstm.proof.derivatives.problem import Array


def not_finite(hand: Array) -> str:
    """What to say of a gradient with NaN or infinite entries; "" if there are none."""
    bad = np.argwhere(~np.isfinite(hand))
    if not len(bad):
        return ""
    kind = "NaN" if np.isnan(hand).sum() == len(bad) else "NaN or infinite"
    kind = "infinite" if not np.isnan(hand).any() else kind
    first = tuple(int(n) for n in bad[0])
    if len(bad) == hand.size:
        return f"Every entry is {kind}: a division by zero, or a number that grew out of range."
    are = "entry is" if len(bad) == 1 else "entries are"
    return f"{len(bad)} of {hand.size} {are} {kind}, the first at index {first}."


def entrywise(case: Case) -> Iterator[str]:
    """All sentences of this file that hold for an array whose gradient is finite."""
    if not case.hand.any():
        yield "It is zero everywhere: it was never computed, never added up, or not returned."
        return
    if case.zero:
        yield (
            "The right gradient is zero: what f returns does not depend on this array, perhaps "
            "because the forward pass reads another array in its place."
        )
        return
    if case.explains(case.value):
        yield "It is the array itself, not its gradient: its value was returned in its place."
    constant = case.factor()
    yield from _plus_value(case) if constant is None else name_factor(constant, case)


def name_factor(c: float, case: Case) -> Iterator[str]:
    """What a factor c may come from; a pattern alone where it has no name.

    Nothing where a single entry makes any factor fit.
    """
    others = case.factors(case.name) if case.factors else []
    several = int((case.wrong & case.signal).sum()) >= case.needed(1)
    told = list[str]()
    if others or not case.factors:
        measured = [Measured(c, case.counts), *others]
        told = reasons(measured, 2 * case.close, simple=not (several or others))
    sign = "the sign is wrong, and it " if c < 0 else "it "
    if abs(c + 1) <= 2 * case.close:
        yield "It is minus the right gradient: the sign is wrong."
    elif told:
        yield f"It is {times(c)} the right gradient: {sign}{', or it '.join(told)}."
    elif several:
        yield Pattern(f"it is {times(c)} the right gradient everywhere")


def times(c: float) -> str:
    """A factor in words: minus, twice, half, 0.25 times."""
    if abs(c + 1) <= 1e-3:
        return "minus"
    digits = f"{c:.12g}" if abs(abs(c) - 1) < 1e-3 else number(c)
    return {"2": "twice", "0.5": "half"}.get(digits, f"{digits} times")


def _plus_value(case: Case) -> Iterator[str]:
    """The right gradient plus a multiple of the array."""
    value, exact, known = case.value, case.exact, case.known
    square = float((value[known] ** 2).sum())
    if square > 0:
        c = float(((case.hand - exact)[known] * value[known]).sum()) / square
        if case.explains(exact + c * value, None, None, 1):
            here, there = ("gradient", "loss") if c > 0 else ("loss", "gradient")
            yield (
                f"It is the right gradient {'plus' if c > 0 else 'minus'} {number(abs(c))} times "
                f"the array itself: an L2 term (weight decay) is in the {here} but not in the "
                f"{there}, or has another size there."
            )
