"""Mistakes that move entries: transposed, turned round, one step off.
Each function returns the sentences that hold for one array, best first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilstm.proof.causes.signatures.evidence import Case


def layouts(case: Case) -> Iterator[str]:
    """All sentences of this file that hold for an array whose gradient is finite."""
    if case.hand.size < 2:
        return
    yield from _transposed(case)
    for axis in sorted(range(case.hand.ndim), key=lambda n: case.word(n) == ""):
        if case.hand.shape[axis] > 1:
            yield from [*_flipped(case, axis)] or _shifted(case, axis)


def _transposed(case: Case) -> Iterator[str]:
    source = case.sources()
    shape, axes = source.shape, range(source.ndim)
    for a in axes:
        for b in range(a):
            turned = source.swapaxes(a, b)
            if turned.shape == shape and case.moved(turned):
                two = source.ndim == 2
                yield "It is transposed." if two else f"Its axes {b} and {a} are exchanged."
                return
    if source.ndim > 1 and case.moved(source.ravel().reshape(shape, order="F")):
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
    """One step off; at the end that nothing moves to may stand anything."""
    size = case.hand.shape[axis]
    for by in (1, -1) if size > 2 else ():
        source = np.roll(case.sources(), by, axis)
        source[(*(slice(None),) * axis, 0 if by == 1 else size - 1)] = -1
        if case.moved(source):
            late, sign = ("late", "-") if by == 1 else ("early", "+")
            yield (
                f"It is one step {late} {case.along(axis)}: at index t of axis {axis} stands what "
                f"belongs to t {sign} 1."
            )
