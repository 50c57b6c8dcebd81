"""Are the outputs and gradients of somebody's functions right, and if not, where and why?
Outputs are held beside those that are right; the gradient checker judges gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.adapters.conventions import parameters_of
from minilstm.proof.adapters.pair import Pair
from minilstm.proof.checker.check import check
from minilstm.proof.checker.comparison import Settings
from minilstm.proof.checker.functions import problem_of
from minilstm.proof.conformance.subject import USUAL, Arrays, Outputs, Sizes, Subject
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.derivatives.randomness import generator
from minilstm.proof.reports.places import worst_place
from minilstm.proof.reports.report import ParameterError

FLOAT32_ERROR = 2e-4  # relative error that passes, of a few hundred sums in float32


class Finding(NamedTuple):
    """What a check found, of the gradient of one array or of all that a row looks at."""

    passed: bool | None  # None for "not offered"
    detail: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Examination:
    """What several checks share, computed when first asked for."""

    subject: Subject
    seed: int

    def arrays(self, sizes: Sizes = USUAL) -> dict[str, Array]:
        """Random arrays, the same for the same sizes."""
        return self.subject.draw(sizes, np.random.default_rng([self.seed, 2]))

    def upstream(self, outputs: Outputs) -> dict[str, Array]:
        """Random gradients of the outputs, the same for the same shapes."""
        return self.subject.draw_upstream(outputs, np.random.default_rng([self.seed, 3]))

    @cached_property
    def judged(self) -> dict[str, Finding]:
        """The gradients of the first problem."""
        return verdicts(self.subject, self.arrays(), self.seed)

    @cached_property
    def wrong(self) -> set[str]:
        """Arrays that lost their points already."""
        return {name for name, verdict in self.judged.items() if not verdict.passed}

    @cached_property
    def forward_is_right(self) -> bool:
        """Whether the outputs of the first problem are right."""
        return not disagreement(self.subject, self.arrays())[0]


def tolerance_of(subject: Subject) -> float:
    """Relative error of an output that passes."""
    return FLOAT32_ERROR if subject.dtype == np.float32 else subject.output_error


def disagreement(subject: Subject, arrays: Arrays) -> tuple[str, str]:
    """Where the outputs are not those that are right, "" where they are; and what these are."""
    found, unlike, title = subject.run(arrays).named, "", ""
    for k, (title, right) in enumerate(subject.right(arrays)):
        said = (_unlike(subject, has, name, right[name], title) for name, has in found.items())
        here = next(filter(None, said), "")
        if not here:
            return "", title
        unlike = "they are of no kind, whatever the order of gates" if k else here
    return unlike, title


def _unlike(subject: Subject, has: Array, name: str, want: Array, title: str) -> str:
    if has.shape != want.shape:
        return f"{name} has shape {has.shape}, expected {want.shape}"
    off = np.abs(has - want) / (np.abs(want).max() or 1.0)
    k = worst_place(off)
    if off[k] <= tolerance_of(subject):
        return ""
    return f"{name}{list(k)} is {has[k]:.9g}, {title} gives {want[k]:.9g}"


def verdicts(
    subject: Subject,
    arrays: Arrays,
    seed: int,
    *,
    names: Sequence[str] = (),
    through: Sequence[str] = (),
    method: str = "auto",
    max_entries: int = 16,
) -> dict[str, Finding]:
    """Judge the gradients of all arrays, or of some, for which backward gives one.

    Gradient arrives `through` some outputs; at the others it is zero. A forward pass in float32
    alone has no exact derivative, so that of the right one is compared, to a coarse tolerance.
    """
    narrow = subject.dtype == np.float32
    outputs = subject.run(arrays)
    through = through or subject.through or tuple(outputs.named)
    zeros = {name: np.zeros(y.shape, y.dtype) for name, y in outputs.named.items()}
    given = subject.gradients(zeros, outputs.cache)
    names = [n for n in names or subject.names if given[n] is not None]
    if not names:
        return {}

    def f(**values: Array) -> tuple[Array, ...]:
        named = subject.run(values).named if not narrow else next(subject.right(values))[1]
        return tuple(named[name] for name in through)

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        tested = replace(subject, backward=function)

        def backward(above: tuple[Array, ...], **values: Array) -> dict[str, Any]:
            kept = {n: a.astype(subject.dtype) if narrow else a for n, a in values.items()}
            upstream = zeros | dict(zip(through, above, strict=True))
            found = tested.gradients(upstream, tested.run(kept).cache)
            return {name: found[name] for name in names}

        return backward

    named = dict(arrays)
    backward = wrap(subject.backward)
    taken = parameters_of(backward)
    pair = Pair(f, backward, named, named, taken, written=subject.backward, wrap=wrap)
    rng, axes = generator(seed, "upstream gradients"), subject.axes
    problem = problem_of(pair, axes=axes, wrt=names, rng=rng)
    problem.compare_only(names)
    tolerance = FLOAT32_ERROR if narrow else None
    report = check(problem, Settings(method, tolerance, max_entries, directions=3, seed=seed))
    verdicts = {error.name: _verdict(error) for error in report.errors}
    order = f"; a tuple is taken in the order {', '.join(subject.names)}, a dict by its names"
    return {
        name: found._replace(cause=found.cause.rstrip(".") + f"{order}.")
        if "the gradient has shape" in found.cause else found
        for name, found in verdicts.items()
    }  # fmt: skip


def _verdict(error: ParameterError) -> Finding:
    if error.passed:
        return Finding(True, f"relative error {error.relative_error:.0e}")
    place = f"{list(map(int, error.where))}" if error.where else " along a random direction"
    words = f" ({error.place})" if error.place else ""
    return Finding(
        False,
        f"{error.name}{place}{words}: by hand {error.by_hand:.9g}, true "
        f"derivative {error.reference:.9g}, relative error {error.relative_error:.0e}",
        error.causes[0] if error.causes else "",
    )
