"""Mistakes that act on each entry alone: a wrong sign, a factor, a bound, a rounding.
Each function returns the sentences that hold for one array, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from minilstm.proof.causes.factors import Measured, is_constant, reasons
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
    if constant is not None:
        yield from name_factor(constant, case)
    yield from _signs(case)
    yield from _bounded(case)
    yield from _plus_value(case)
    yield from _rounded(case)


def name_factor(c: float, case: Case) -> Iterator[str]:
    """What a factor c may come from; a pattern alone where it has no name.

    Nothing where a single entry makes any factor fit.
    """
    others = case.factors(case.name) if case.factors else []
    several = int((case.wrong & case.signal).sum()) >= case.needed(1)
    told = list[str]()
    if others or not case.factors:
        told = factor_reasons(c, case.counts, case.close, others, simple=not (several or others))
    sign = "the sign is wrong, and it " if c < 0 else "it "
    if _same(c, -1.0, case.close):
        yield "It is minus the right gradient: the sign is wrong."
    elif told:
        yield f"It is {times(c)} the right gradient: {sign}{', or it '.join(told)}."
    elif several:
        yield Pattern(f"it is {times(c)} the right gradient everywhere")


def factor_reasons(
    c: float, counts: Mapping[str, float], close: float, others: Sequence[Measured] = (),
    simple: bool = False,
) -> list[str]:  # fmt: skip
    """Mistakes that multiply a gradient by c here, and by as much as was measured at `others`."""
    measured = [Measured(c, counts), *others]
    found = []
    if is_constant(measured):
        found = [said for size, said in _FIXED if _same(abs(c), size, close)]
    # What stays as it is at all inputs is told from a size by nothing.
    proved = not others or not is_constant(measured)
    return [*found, *(reasons(measured, 2 * close, simple) if proved else ())][:2]


_FIXED = (
    (2.0, "is added up twice (are gradients of an earlier call still in the buffer?), or has the 2 "
     "of a square too often"),
    (0.5, "lacks the 2 of a square"),
)  # fmt: skip


def _same(c: float, target: float, close: float) -> bool:
    return abs(c - target) <= 2 * close * abs(target)


def times(c: float) -> str:
    """A factor in words: minus, twice, half, 0.25 times."""
    if abs(c + 1) <= 1e-3:
        return "minus"
    digits = f"{c:.12g}" if abs(abs(c) - 1) < 1e-3 else number(c)
    return {"2": "twice", "0.5": "half"}.get(digits, f"{digits} times")


def is_round(c: float) -> bool:
    """Whether c is such as people choose: at most two digits, as 0.25 or 5."""
    return c > 0 and abs(c - float(f"{c:.1e}")) <= 1e-9 * c


def _signs(case: Case) -> Iterator[str]:
    exact = case.exact
    kept = bool((exact[case.known] > case.close * case.scale).any())
    if kept and case.explains(np.abs(exact)):
        yield "It is the absolute value of the right gradient: negative entries lost their sign."
    elif kept and case.explains(np.maximum(exact, 0.0)):
        yield "Its negative entries are zero: a rectifier or a maximum with 0 acts on the gradient."
    if case.largest >= 1 and case.explains(np.trunc(exact)):
        yield "It is cut to whole numbers: it is kept in an array of integers."


def _bounded(case: Case) -> Iterator[str]:
    """Entries equal up to a bound, and the bound beyond it."""
    bound = float(np.abs(case.hand).max())
    beyond = case.known & (np.abs(np.where(case.known, case.exact, 0.0)) > bound)
    below = case.known & ~beyond & (np.abs(case.hand) < bound)
    constants = 0 if is_round(bound) else 1
    if below.any() and case.explains(np.clip(case.exact, -bound, bound), None, None, constants):
        yield (
            f"It is clipped at {number(bound)}: smaller entries are right, the {int(beyond.sum())} "
            "larger ones compared have this size; check the gradient before it is clipped."
        )
    elif np.ptp(case.hand[case.known]) and case.explains(bound * np.sign(case.exact), needed=3):
        yield f"Only the sign is right: every entry has the size {number(bound)}."


def _plus_value(case: Case) -> Iterator[str]:
    """The right gradient plus a multiple of the array; or the updated array."""
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
    square = float((exact[known] ** 2).sum())
    if square == 0:
        return
    c = float(((case.hand - value)[known] * exact[known]).sum()) / square
    if abs(c) * case.largest > case.close * np.abs(value).max() and case.explains(
        value + c * exact, None, None, 2
    ):
        yield f"It is the array after an update (itself {c:+.4g} times the gradient)."


def _rounded(case: Case) -> Iterator[str]:
    """Numbers that hold in float32 or float16 exactly, though the right ones do not."""
    if case.tolerance > 1e-7:
        return
    error = float(np.abs((case.hand - case.exact)[case.known]).max()) / case.scale
    with np.errstate(over="ignore"):
        for kind, allowed in ((np.float16, 2e-2), (np.float32, 1e-5)):
            rounds = (case.hand == case.hand.astype(kind)).all()
            if rounds and error <= allowed and (case.exact != case.exact.astype(kind)).any():
                yield (
                    f"All its numbers are {np.dtype(kind).name} numbers and the error is small "
                    f"({error:.0e}): it is computed in {np.dtype(kind).name}."
                )
                return
    small = np.abs((case.hand - case.exact)[case.known]) / case.scale
    if 1e-9 < error < 3e-6 and case.known.sum() > 4 and np.mean(small > 1e-11) > 0.5:
        yield (
            f"The error is small everywhere ({error:.0e} at most): perhaps a part of it is "
            "computed in float32."
        )
