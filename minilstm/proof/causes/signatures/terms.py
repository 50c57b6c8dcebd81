"""Mistakes in what is added up: over the wrong axis, twice, with weights, or one term short.
Each function returns the sentences that hold for one array, best first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilstm.proof.causes.signatures.evidence import MOST_SLICES, Case, Pattern


def terms(case: Case, axis: int) -> Iterator[str]:
    """The first sentence of this file that holds along an axis."""
    for find in (_constant, _summed_up, _own_factors, _offset):
        said = list(find(case, axis))
        if said:
            yield from said
            return


def _constant(case: Case, axis: int) -> Iterator[str]:
    """Equal along an axis along which the right gradient changes."""
    hand = case.hand
    if np.ptp(hand, axis).max() > case.close * np.abs(hand).max():
        return
    with np.errstate(invalid="ignore"):
        high = np.where(case.known, case.exact, -np.inf).max(axis)
        low = np.where(case.known, case.exact, np.inf).min(axis)
    if not case.wrong.any() or not (high - low > case.close * case.scale).any():
        return
    what = case.along(axis)
    for name, f in (("sum", np.sum), ("mean", np.mean)):
        made = np.broadcast_to(f(case.exact, axis=axis, keepdims=True), hand.shape)
        if case.explains(made):
            yield Pattern(f"it is the {name} of the right gradient {what}, repeated for each")
            return
    made = np.broadcast_to(case.exact.mean(), hand.shape)
    if case.explains(made):
        yield "It is the mean of the right gradient, the same number everywhere."
    else:
        yield Pattern(
            f"it is the same {what}, where the right gradient changes, as where it is summed over "
            "this axis by mistake and then repeated"
        )


def _summed_up(case: Case, axis: int) -> Iterator[str]:
    """Each entry with all entries before it, or behind it, added to it."""
    flipped = np.flip(case.exact, axis)
    forward, backward = np.cumsum(case.exact, axis), np.flip(np.cumsum(flipped, axis), axis)
    for made, which in ((forward, "before"), (backward, "behind")):
        if case.explains(made):
            yield (
                f"It adds up {case.along(axis)}: each has the sum of all {which} it as well, as if "
                "a buffer is not cleared between them."
            )
            return


def _offset(case: Case, axis: int) -> Iterator[str]:
    """Off by one amount for all entries along an axis."""
    known = case.known
    many = known.sum(axis, keepdims=True)
    apart = np.where(known, case.hand - case.exact, 0.0).sum(axis, keepdims=True)
    mean = np.where(many > 1, apart / np.maximum(many, 1), np.nan)
    if case.explains(case.exact + mean, constants=2 * int((many > 1).sum())):
        yield Pattern(
            f"it is off by the same amount {case.along(axis)}, as where a term that is summed over "
            "this axis, such as that of a mean, is missing or is too many"
        )


def _own_factors(case: Case, axis: int) -> Iterator[str]:
    """One constant for each index of an axis, such as a class weight or a missing scale."""
    if case.hand.shape[axis] > MOST_SLICES:
        return
    parts = case.slices(axis)
    strong = [int(p.signal.sum()) for p in parts]
    if min(strong) < 1 + case.needed():
        return
    factors = [p.factor() if p.wrong.any() else 1.0 for p in parts]
    found = [c for c in factors if c is not None]
    if len(found) < len(parts) or np.ptp(found) <= case.close * np.abs(found).max():
        return
    shown = ", ".join(f"{c:.4g}" for c in found[:6]) + (", ..." if len(found) > 6 else "")
    word = case.word(axis) or f"index of axis {axis}"
    yield Pattern(
        f"each {word} has a factor of its own ({shown}), as where a weight, scale or mask along "
        "this axis is too many, is missing, or is another one"
    )


def masked(case: Case) -> Iterator[str]:
    """Zero at some entries and right at the others, or the other way round."""
    right = case.signal & ~case.wrong
    wrong, many = int(case.wrong.sum()), int(case.known.sum())
    if int(right.sum()) < case.needed(1):
        return
    if not case.hand[case.wrong].any():
        yield Pattern(
            f"it is zero at {wrong} of {many} entries and right at the others, as where a mask is "
            "too many, or where these entries are overwritten"
        )
    elif not case.signal[case.wrong].any():
        yield Pattern(
            f"at {wrong} of {many} entries the right gradient is zero and this one is not; the "
            "others are right, as where a mask (dropout, padding, a bound) is missing"
        )
