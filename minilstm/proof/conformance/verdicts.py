"""Is a gradient of somebody's LSTM right, and if not, where and why?
The gradient checker judges it; known mistakes, made on purpose, name the cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.conformance.subject import NAMES, Arrays, Sizes, Subject, Upstream
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.reports.places import worst_place
from minilstm.proof.reports.report import GradientReport, ParameterError

# Relative errors that pass: of outputs in float64, and of a few hundred sums in float32.
FLOAT64_ERROR = 1e-12
FLOAT32_ERROR = 2e-4
# A mistake made on purpose agrees to this part of the largest entry; a look-alike is far above it.
REPLAY_ERROR = 1e-7


class Finding(NamedTuple):
    """What a check found, of the gradient of one array or of all that a row looks at."""

    passed: bool | None  # None for "not offered"
    detail: str = ""
    cause: str = ""


Paths = tuple[bool, bool, bool]  # whether gradient arrives through h, hT and cT
STEPS = (True, False, False)


@dataclass(frozen=True)
class Examination:
    """What several checks share, computed when first asked for."""

    subject: Subject
    seed: int

    def arrays(self, sizes: Sizes) -> dict[str, Array]:
        """Random arrays, the same for the same sizes."""
        return self.subject.draw(sizes, np.random.default_rng([self.seed, 2]))

    @cached_property
    def judged(self) -> dict[str, Finding]:
        """The gradients of the first problem."""
        return verdicts(self.subject, self.arrays(Sizes()), self.seed)

    @cached_property
    def wrong(self) -> set[str]:
        """Arrays that lost their points already."""
        return {name for name, verdict in self.judged.items() if not verdict.passed}

    @cached_property
    def forward_is_right(self) -> bool:
        """Whether the outputs of the first problem are those of the NumPy twin."""
        return disagreement(self.subject, self.arrays(Sizes())) == ""


def tolerance_of(subject: Subject) -> float:
    """Relative error of an output that passes."""
    return FLOAT32_ERROR if subject.dtype == np.float32 else FLOAT64_ERROR


def disagreement(subject: Subject, arrays: dict[str, Array]) -> str:
    """Where the outputs are not those of the NumPy twin; "" where they are."""
    found, twin = subject.run(arrays).named(), subject.twin(arrays).named()
    for name, has in found.items():
        want = twin[name]
        if has.shape != want.shape:
            return f"{name} has shape {has.shape}, expected {want.shape}"
        off = np.abs(has - want) / np.abs(want).max()
        k = worst_place(off)
        if not off[k] <= tolerance_of(subject):
            return f"{name}{list(k)} is {has[k]:.9g}, the NumPy twin gives {want[k]:.9g}"
    return ""


def verdicts(
    subject: Subject,
    arrays: Arrays,
    seed: int,
    *,
    paths: Paths = STEPS,
    names: Sequence[str] = NAMES,
    **how: Any,
) -> dict[str, Finding]:
    """Judge the gradients of all arrays for which backward gives one.

    Gradient arrives by `paths`, drawn by `seed`; elsewhere it is zero. `names` are those to judge.
    `how` are options of `minilstm.gradcheck.gradcheck`.
    """
    here = _scene(subject, arrays, seed, paths)
    names = [n for n in names if n in subject.checked and here.hand[n] is not None]
    if subject.dtype == np.float32 or not names:
        found = _beside_the_twin(here, names)
    else:
        report = _report(subject, arrays, seed, paths, names, **how)
        found = {e.name: _verdict(e) for e in report.errors}
    return found


def _report(
    subject: Subject, arrays: Arrays, seed: int, paths: Paths, names: Sequence[str], **how: Any
) -> GradientReport:
    """The report of the gradient checker, for outputs chosen by `paths`."""
    fixed = {n: a for n, a in arrays.items() if n not in names}
    zeros: list[Any] = []  # of the outputs that take no part

    def f(**given: Array) -> tuple[Any, ...]:
        outputs = subject.run({**fixed, **given})
        zeros[:] = [np.zeros(np.shape(a), subject.dtype) for a in outputs.all]
        chosen = [a for a, wanted in zip(outputs.all, paths, strict=False) if wanted]
        return *chosen, outputs.cache

    def backward(*given: Any) -> dict[str, Array | None]:
        *above, cache = given
        arriving = iter(above)
        upstream = tuple(next(arriving) if p else z for z, p in zip(zeros, paths, strict=False))
        found = subject.gradients(upstream, cache)
        return {name: found[name] for name in names}

    backward.__name__ = getattr(subject.backward, "__name__", "backward")
    inputs = {name: arrays[name] for name in names}
    axes = {name: subject.axes[name] for name in names}
    options = {"max_entries": 16, **how}
    return gradcheck(
        f, backward, inputs, cached=True, axes=axes, seed=seed, raises=False, **options
    )


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


def _beside_the_twin(here: _Scene, names: Sequence[str]) -> dict[str, Finding]:
    """For an LSTM in float32 alone: gradients of the NumPy twin in float64, a coarse tolerance."""
    found = {}
    for name in names:
        gradient, wanted = here.hand[name], here.right[name]
        assert gradient is not None
        if gradient.shape != wanted.shape:
            found[name] = Finding(False, f"shape {gradient.shape} where {name} has {wanted.shape}")
            continue
        off = np.abs(gradient - wanted) / (np.abs(wanted).max() or 1.0)
        k = worst_place(off)
        values = float(gradient[k]), float(wanted[k])
        found[name] = _verdict(
            ParameterError(name, float(off[k]), k, *values, off.size, FLOAT32_ERROR)
        )
    return found


class _Scene(NamedTuple):
    """One problem: what the subject gives for it, and what is right."""

    arrays: Arrays
    upstream: Upstream
    hand: dict[str, Array | None]
    right: dict[str, Array]


def _scene(subject: Subject, arrays: Arrays, seed: int, paths: Paths) -> _Scene:
    """Random upstream gradients where gradient arrives, zeros elsewhere, and what they give."""
    outputs = subject.run(arrays)
    drawn = subject.draw_upstream(outputs, np.random.default_rng([seed, 1]))
    upstream = tuple(a * subject.dtype(p) for a, p in zip(drawn, paths, strict=False))
    hand = subject.gradients(upstream, outputs.cache)
    return _Scene(arrays, upstream, hand, subject.replay(arrays, upstream))
