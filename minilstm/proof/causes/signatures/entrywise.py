"""Mistakes that act on each entry alone: a wrong sign, a factor, a bound, a rounding.
Each function returns the sentences that hold for one array, best first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import NamedTuple

import numpy as np

from minilstm.functional.activations import sigmoid
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
        yield from _norm(case, constant) or name_factor(constant, case)
    yield from _signs(case)
    yield from _bounded(case)
    yield from _plus_value(case)
    yield from _function_of_value(case)
    yield from _rounded(case)


def name_factor(c: float, case: Case) -> Iterator[str]:
    """What a factor c may come from; a pattern alone where it has no name.

    Nothing where a single entry makes any factor fit.
    """
    reasons = [r for r in _common(case.counts) if _same(abs(c), r.size, case.close)]
    several = int((case.wrong & case.signal).sum()) >= case.needed(1)
    if several and not (reasons and case.factors is None):
        reasons += [r for r in _rare(case.counts) if _same(abs(c), r.size, case.close)]
    told = _held(reasons, c, case)
    sign = "the sign is wrong, and " if c < 0 else ""
    if _same(c, -1.0, case.close):
        yield "It is minus the right gradient: the sign is wrong."
    elif told:
        yield f"It is {times(c)} the right gradient: {sign}{', or '.join(told)}."
    elif several:
        yield Pattern(f"it is {times(c)} the right gradient everywhere")


class _Reason(NamedTuple):
    """A mistake that leaves a factor: its size here, as a function of sizes and constants."""

    size: float
    sentence: str
    used: tuple[str, ...]
    of: Callable[..., float]


def factor_reasons(c: float, counts: Mapping[str, float], close: float) -> list[str]:
    """Mistakes that multiply a gradient by c; those with a name only."""
    if _same(c, -1.0, close):
        return ["the sign is wrong"]
    return [r.sentence for r in _common(counts) if _same(abs(c), r.size, close)]


def _held(reasons: list[_Reason], c: float, case: Case) -> list[str]:
    """Sentences of those reasons that give the factors at other inputs and sizes, too."""
    if case.factors is None:
        # Of rarer ones the first says enough.
        common = [r.sentence for r in reasons if len(r.used) < 2]
        return common or [r.sentence for r in reasons[:1]]
    told: dict[tuple[float, ...], str] = {}
    for reason in reasons:
        others = case.factors(case.name, list(reason.used))
        made = [reason.of(*(lengths[n] for n in reason.used)) for lengths, _ in others]
        found = [abs(factor) for _, factor in others]
        if others and np.allclose(found, made, rtol=1e-5, atol=0.0):
            told.setdefault((*made, float(len(reason.used))), reason.sentence)
    for kind in (1.0, 0.0, 2.0):  # one size or constant; a fixed number; two of them
        said = [sentence for key, sentence in told.items() if key[-1] == kind]
        if said:
            break
    return said[:2] if told else []


def _shown(n: float) -> str:
    return f"{n:.6g}"


def _common(counts: Mapping[str, float]) -> Iterator[_Reason]:
    """Factors that a mistake leaves often."""
    for name, n in counts.items():
        shown, mean = f"{name} ({_shown(n)})", ", or a mean is missing" if "the " in name else ""
        yield _Reason(n, f"it is multiplied by {shown}{mean}", (name,), lambda n: n)
        mean = ", as for a mean where the loss has a sum" if "the " in name else ""
        yield _Reason(1 / n, f"it is divided by {shown}{mean}", (name,), lambda n: 1 / n)
    twice = (
        "it is added up twice (are gradients of an earlier call still in the buffer?), or has the "
        "2 of a square too often"
    )
    yield _Reason(2.0, twice, (), lambda: 2.0)
    yield _Reason(0.5, "the 2 of a square is missing", (), lambda: 0.5)


def _rare(counts: Mapping[str, float]) -> Iterator[_Reason]:
    """Rarer ones: the square or the root of a count, or one count where another belongs."""
    for name, n in counts.items():
        of = f"of {name} ({_shown(n)})"
        for power, what in ((2.0, "square"), (0.5, "square root")):
            yield _Reason(
                n**power, f"it is multiplied by the {what} {of}", (name,),
                lambda n, power=power: n**power,
            )  # fmt: skip
            yield _Reason(
                n**-power, f"it is divided by the {what} {of}", (name,),
                lambda n, power=power: n**-power,
            )  # fmt: skip
    for (one, n), (two, m) in permutations(counts.items(), 2):
        both = f"{one} ({_shown(n)})", f"{two} ({_shown(m)})"
        if n != m:
            said = f"it is divided by {both[0]} where {both[1]} belongs"
            yield _Reason(m / n, said, (one, two), lambda n, m: m / n)
            said = f"it is divided by the square root of {both[0]} where that of {both[1]} belongs"
            yield _Reason((m / n) ** 0.5, said, (one, two), lambda n, m: (m / n) ** 0.5)
        if one < two:
            said = f"by {both[0]} and by {both[1]}"
            yield _Reason(n * m, f"it is multiplied {said}", (one, two), lambda n, m: n * m)
            yield _Reason(
                1 / (n * m), f"it is divided {said}", (one, two), lambda n, m: 1 / (n * m)
            )


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


def _norm(case: Case, constant: float) -> list[str]:
    """A norm that is a round number, though the constant is none that has a name."""
    norm = float(np.sqrt((case.hand**2).sum()))
    if constant < 0 or case.hand.size < 2 or not is_round(norm):
        return []
    if factor_reasons(constant, case.counts, case.close):
        return []
    return [
        f"It is {number(constant)} times the right gradient and its norm is {number(norm)} "
        "exactly: it is normalised, or clipped to this norm, before it is checked."
    ]


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


def _dsigmoid(x: Array) -> Array:
    return sigmoid(x) * (1.0 - sigmoid(x))


def _dtanh(x: Array) -> Array:
    return 1.0 - np.tanh(x) ** 2


# What each entry may be multiplied by, as a function of the array's own entry x: a factor that is
# too many or is missing, and other functions.
_FACTORS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("the factor x (its own value)", lambda x: x),
    ("the factor 2 x of a square", lambda x: 2 * x),
    ("the factor 1 - x^2", lambda x: 1 - x * x),
    ("the factor x (1 - x)", lambda x: x * (1 - x)),
    ("tanh'(x)", _dtanh),
    ("sigmoid'(x)", _dsigmoid),
)
_OF_VALUE: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    *((f"{what} is too many", f) for what, f in _FACTORS),
    *((f"{what} is missing", lambda x, f=f: 1 / f(x)) for what, f in _FACTORS),
    ("sigmoid(x) stands where its derivative belongs", lambda x: sigmoid(x) / _dsigmoid(x)),
    ("tanh(x) stands where its derivative belongs", lambda x: np.tanh(x) / _dtanh(x)),
    (
        "tanh' is taken of tanh(x), which went through tanh already",
        lambda x: _dtanh(np.tanh(x)) / _dtanh(x),
    ),
    (
        "sigmoid' is taken of sigmoid(x), which went through the sigmoid already",
        lambda x: _dsigmoid(sigmoid(x)) / _dsigmoid(x),
    ),
    (
        "x (1 - x) is taken of x itself, not of sigmoid(x)",
        lambda x: x * (1 - x) / _dsigmoid(x),
    ),
    ("1 - x^2 is taken of x itself, not of tanh(x)", lambda x: (1 - x * x) / _dtanh(x)),
    ("entries where x < 0 are zero, as behind a rectifier", lambda x: (x > 0).astype(float)),
)  # fmt: skip


def _function_of_value(case: Case) -> Iterator[str]:
    with np.errstate(all="ignore"):
        for reason, f in _OF_VALUE:
            if case.explains(case.exact * f(case.value), None, None, 1):
                yield f"Each entry is off by a function of the array's own entry x: {reason}."
                return


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
