"""Mistakes that move entries: transposed, flipped, one step off; or right in one part only.
Each function returns the sentences that hold for one array, best first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import permutations

import numpy as np

from minilstm.proof.causes.signatures.evidence import MOST_SLICES, Case, Coincidence, Pattern
from minilstm.proof.causes.signatures.terms import masked, terms
from minilstm.proof.reports.places import listed

MOST_COMPARED = 2**22  # entries, each slice of an axis against each other


def layouts(case: Case, explained: Collection[int] = ()) -> Iterator[str]:
    """All sentences of this file that hold for an array whose gradient is finite.

    Axes that are `explained` have a cause already.
    """
    if case.hand.size < 2:
        return
    yield from _transposed(case)
    said = bool(explained)
    for axis in sorted(range(case.hand.ndim), key=lambda n: case.word(n) == ""):
        if case.hand.shape[axis] > 1 and axis not in explained:
            for sentence in _along(case, axis):
                yield sentence
                said = True
    if not said:
        yield from masked(case)


def _along(case: Case, axis: int) -> Iterator[str]:
    found = [*_flipped(case, axis), *_shifted(case, axis)] or [*_reordered(case, axis)]
    yield from found or [*terms(case, axis)] or _right_in_part(case, axis)


def _transposed(case: Case) -> Iterator[str]:
    source = case.sources()
    shape, axes = source.shape, range(source.ndim)
    for order in permutations(axes) if source.ndim < 5 else ():
        if order == tuple(axes):
            continue
        swapped = [a for a in axes if order[a] != a]
        names = listed([str(a) for a in swapped])
        turned = source.transpose(order)
        if turned.shape == shape and case.moved(turned):
            how = "It is transposed" if source.ndim == 2 else f"Its axes {names} are exchanged"
            yield f"{how}."
            return
        if case.moved(turned.reshape(shape)):
            how = (
                "the transpose, reshaped"
                if source.ndim == 2
                else f"an array with the axes in the order {order}, reshaped"
            )
            yield (
                f"It has the right numbers in another order: they are those of {how} (row-major "
                "and column-major order are mixed up)."
            )
            return
    if case.moved(source.ravel().reshape(shape, order="F")):
        yield (
            "It has the right numbers in another order: written in row-major order and read in "
            "column-major order."
        )


def _flipped(case: Case, axis: int) -> Iterator[str]:
    if case.moved(np.flip(case.sources(), axis)):
        what = case.along(axis)
        more = {
            "time": ": one of two loops runs in forward order where the other runs backwards"
        }.get(case.word(axis), ", as by a filter or a loop that runs the other way")
        yield f"It is reversed {what}{more}."


def _shifted(case: Case, axis: int) -> Iterator[str]:
    """One step off; the sentence says what stands at the end that nothing moves to."""
    size = case.hand.shape[axis]
    if size < 3:
        return
    for by in (1, -1):
        source = np.roll(case.sources(), by, axis)
        wraps = case.moved(source)
        end = 0 if by == 1 else size - 1
        at = (slice(None),) * axis
        source[(*at, end)] = -1
        if not (wraps or case.moved(source)):
            continue
        edge, beside = case.hand[(*at, end)], case.hand[(*at, end + by)]
        if wraps:
            rest = "wraps around"
        elif not edge.any():
            rest = "is zero"
        else:
            rest = "is repeated" if np.array_equal(edge, beside) else "is something else"
        late, sign = ("late", "-") if by == 1 else ("early", "+")
        which = f" (axis {axis})" if case.word(axis) else ""
        yield (
            f"It is one step {late} {case.along(axis)}{which}: at index t stands what belongs to "
            f"t {sign} 1, and {case.at(axis, end)} {rest}."
        )
        return


def _reordered(case: Case, axis: int) -> Iterator[str]:
    """The right slices in another order."""
    size = case.hand.shape[axis]
    if size * case.hand.size > MOST_COMPARED:
        return
    hand, exact = np.moveaxis(case.hand, axis, 0), np.moveaxis(case.exact, axis, 0)
    with np.errstate(invalid="ignore"):
        apart = np.abs(hand[:, None] - exact[None])  # (to, from, ...)
    fits = ~(apart > case.close * case.scale) | np.isnan(apart)
    fits = fits.reshape(size, size, -1).all(-1)
    order = [int(np.flatnonzero(row)[0]) if row.sum() == 1 else -1 for row in fits]
    if sorted(order) != list(range(size)) or order == list(range(size)):
        return
    if case.moved(np.take(case.sources(), order, axis)):
        moved = [n for n in range(size) if order[n] != n]
        if len(moved) == 2:
            yield f"Two places are exchanged {case.along(axis)}: {moved[0]} and {moved[1]}."
        else:
            where = ": sorting by length is not undone" if case.word(axis) in _ROWS else ""
            shown = f"{order}" if size <= 12 else "another one"
            yield f"The order {case.along(axis)} is {shown} instead of 0, 1, 2, ...{where}."


_ROWS = ("batch", "sequence", "row")


def _right_in_part(case: Case, axis: int) -> Iterator[str]:
    """Right at some indices of an axis and wrong at the others."""
    size, word = case.hand.shape[axis], case.word(axis)
    if size > MOST_SLICES:
        return
    parts = case.slices(axis)
    right = [n for n, p in enumerate(parts) if p.right]
    wrong = [n for n, p in enumerate(parts) if p.wrong.any()]
    if not right or not wrong or not all(p.known.any() for p in parts):
        return
    empty = all(not parts[n].hand.any() for n in wrong)
    are = "zero" if empty else "wrong"
    perhaps = "" if size > 2 else "perhaps "
    if word == "time" and min(right) > max(wrong):
        if min(right) == size - 1:
            carried = "not carried" if empty else "not carried, or carried wrongly,"
            yield Coincidence(
                f"It is right at the last time step only and {are} before: {perhaps}what arrives "
                f"from later steps is {carried} to the step before."
            )
        else:
            yield Coincidence(
                f"It is right from time step {min(right)} on and {are} before: what arrives from "
                "later steps is cut off or spoilt there."
            )
    elif word == "time" and max(right) < min(wrong):
        yield Coincidence(
            f"It is right up to time step {max(right)} and {are} from step {min(wrong)} on: "
            "perhaps a mask, a length or the last step is treated wrongly."
        )
    elif len(wrong) == 1 and size > 2:
        yield Pattern(f"it is {are} at {case.at(axis, wrong[0])} only; the others are right")
    elif any((p.signal & ~p.wrong).any() for p in (parts[n] for n in wrong)):
        return  # right and wrong entries are mixed: the axis has nothing to do with it
    elif empty and len(right) == 1:
        which = {0: "first", size - 1: "last"}.get(right[0], "")
        only = f"the {which} one" if which else case.at(axis, right[0])
        yield f"Of {case.along(axis).removeprefix('along ')}, only {only} counts; others are zero."
    elif len(right) == 1 and size > 2:
        yield Pattern(f"it is right at {case.at(axis, right[0])} only")
    elif empty:
        what = case.along(axis)
        yield Pattern(f"it is zero at {len(wrong)} of {size} places {what}; others are right")
