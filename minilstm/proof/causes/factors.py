"""What a factor may come from: sizes and constants that give it wherever it was measured.
One that is the batch at a single input alone is a coincidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

_POWERS = ((1, ""), (0.5, "the square root of "), (2, "the square of "))
_FIXED = {
    2.0: "is added up twice (are gradients of an earlier call still in the buffer?), or has the 2 "
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
    factors = [m.factor for m in measured]

    def is_factor(numbers: Sequence[float]) -> bool:
        return all(_near(f, n, close) for f, n in zip(factors, numbers, strict=True))

    known = [n for n in measured[0].lengths if all(n in m.lengths for m in measured)]
    all_values = {name: tuple(float(m.lengths[name]) for m in measured) for name in known}
    # Where some sizes could be changed, one that is the same at all inputs proves nothing.
    changed = any(len(set(values)) > 1 for values in all_values.values())
    sizes: dict[tuple[float, ...], str] = {}
    for name, values in all_values.items():  # those that are equal at all inputs are one
        if min(values) > 0 and values[0] != 1 and (len(set(values)) > 1 or not changed):
            sizes.setdefault(values, name)
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
        for two, other in sizes.items():
            if one != two and is_factor([b / a for a, b in zip(one, two, strict=True)]):
                yield f"is divided by {name} where {other} belongs"


def is_constant(measured: Sequence[Measured], close: float = 1e-6) -> bool:
    """Whether it is one number at all inputs."""
    first = measured[0].factor
    return all(math.isclose(first, m.factor, rel_tol=close, abs_tol=1e-9) for m in measured)


def _near(factor: float, size: float, close: float) -> bool:
    return math.isclose(abs(factor), size, rel_tol=close)
