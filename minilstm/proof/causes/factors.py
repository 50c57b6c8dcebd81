"""What a factor may come from: sizes and constants that give it wherever it was measured.
One that is the batch at a single input alone is a coincidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_POWERS = ((1, ""), (0.5, "the square root of "), (2, "the square of "))
_FIXED = {
    2.0: "is counted twice (as where gradients of an earlier call are in the buffer), or has the 2 "
    "of a square too often",
    0.5: "lacks the 2 of a square",
}
MOST_SAID = 2


class Measured(NamedTuple):
    """What a gradient is multiplied by at one input, and the sizes and constants there by name."""

    factor: float
    lengths: Mapping[str, float]


def reasons(measured: Sequence[Measured], close: float = 1e-6, simple: bool = False) -> list[str]:
    """Ends of the sentence "it ...", the simplest first.

    With `simple` a factor has to be a size or one over it.
    """
    found = list(_by_sizes(measured, close, simple))
    if is_constant(measured, close):
        fixed = (said for c, said in _FIXED.items() if _near(measured[0].factor, c, close))
        found = [*fixed, *found]
    return found[:MOST_SAID]


def _by_sizes(measured: Sequence[Measured], close: float, simple: bool) -> Iterator[str]:
    known = [n for n in measured[0].lengths if all(n in m.lengths for m in measured)]
    sizes: dict[tuple[float, ...], str] = {}
    for name in known:  # those that are equal at all inputs are one
        values = tuple(float(m.lengths[name]) for m in measured)
        if min(values) > 0 and values[0] != 1:
            sizes.setdefault(values, name)
    changed = any(len(set(values)) > 1 for values in sizes)

    def is_factor(numbers: Sequence[float]) -> bool:
        # Where some sizes could be changed, a number that is the same at all inputs proves nothing.
        constant = math.isclose(min(numbers), max(numbers)) and changed
        pairs = zip(measured, numbers, strict=True)
        return not constant and all(_near(m.factor, n, close) for m, n in pairs)

    said = False
    for values, name in sizes.items():
        of = f"{name} ({values[0]:.6g})"
        for power, word in _POWERS[: 3 if changed or len(measured) == 1 else 1]:
            for verb, by, more in (("multiplied", power, "sum where a mean"),
                                   ("divided", -power, "mean where a sum")):  # fmt: skip
                if is_factor([v**by for v in values]):
                    said = True
                    more = f", a {more} belongs" if power == 1 and "the " in name else ""
                    yield f"is {verb} by {word}{of}{more}"
    for one, name in sizes.items() if not (said or simple) else ():
        less = [v / (v - 1) for v in one if v > 1]
        if len(less) == len(one) and (is_factor(less) or is_factor([1 / v for v in less])):
            yield f"has n - 1 and n mixed up, n being {name} ({one[0]:.6g})"
        for two, other in sizes.items():
            if one != two and is_factor([b / a for a, b in zip(one, two, strict=True)]):
                yield f"is divided by {name} where {other} belongs"


def is_constant(measured: Sequence[Measured], close: float = 1e-6) -> bool:
    """Whether it is one number at all inputs."""
    first = measured[0].factor
    return all(math.isclose(first, m.factor, rel_tol=close, abs_tol=1e-9) for m in measured)


def _near(factor: float, size: float, close: float) -> bool:
    return math.isclose(abs(factor), size, rel_tol=close)
