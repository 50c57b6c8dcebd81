"""Is a gradient of somebody's LSTM right, and if not, where and why?
The gradient checker judges it; known mistakes, made on purpose, name the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.proof.causes.mistakes import mistakes_of
from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.conformance.subject import NAMES, Arrays, Subject, Upstream
from minilstm.proof.reports.report import GradientReport

Array = NDArray[Any]
COARSE = 2e-4  # relative; a few hundred sums in float32
REPLAYED = 1e-7  # relative agreement of a mistake made on purpose; a look-alike is far above it


class Verdict(NamedTuple):
    """On the gradient of one array."""

    passed: bool
    detail: str
    cause: str = ""


class Paths(NamedTuple):
    """Outputs through which gradient arrives."""

    steps: bool = True
    hidden: bool = True
    cell: bool = True


STEPS = Paths(True, False, False)


def verdicts(
    subject: Subject,
    arrays: Arrays,
    seed: int,
    *,
    paths: Paths = STEPS,
    names: Sequence[str] = NAMES,
    witness: Arrays | None = None,
    max_entries: int = 16,
    method: str = "auto",
) -> dict[str, Verdict]:
    """Judge the gradients of all arrays for which backward gives one.

    Parameters
    ----------
    subject : functions and layout
    arrays : in that layout
    seed : of the upstream gradients
    paths : where gradient arrives; elsewhere it is zero
    names : of arrays to judge
    witness : arrays of another problem; a known mistake is no cause if it is not seen there
    max_entries, method : as in `minilstm.gradcheck.gradcheck`

    Returns
    -------
    dict of Verdict, without the arrays for which backward gives None
    """
    names = [name for name in names if name in subject.checked]
    if subject.dtype == np.float32:
        found = _beside_the_twin(_scene(subject, arrays, seed, paths), names)
    else:
        report = _report(subject, arrays, seed, paths, names, max_entries, method)
        found = {e.name: _verdict(e) for e in report.errors}
    if all(v.passed for v in found.values()):
        return found
    wrong = [name for name, verdict in found.items() if not verdict.passed]
    here = _scene(subject, arrays, seed, paths)
    there = None if witness is None else _scene(subject, witness, seed, STEPS)
    causes = _causes(subject, wrong, here, there)
    return {name: v._replace(cause=causes.get(name, v.cause)) for name, v in found.items()}


def _report(
    subject: Subject,
    arrays: Arrays,
    seed: int,
    paths: Paths,
    names: Sequence[str],
    max_entries: int,
    method: str,
) -> GradientReport:
    """The report of the gradient checker, for outputs chosen by `paths`."""
    fixed = {n: a for n, a in arrays.items() if n not in names}
    zeros: list[Any] = []  # of the outputs that take no part

    def f(**given: Array) -> tuple[Any, ...]:
        h, state, cache = subject.run({**fixed, **given})
        zeros[:] = [np.zeros(np.shape(h), subject.dtype)]
        if state is None:
            return h, cache
        zeros[1:] = [np.zeros(np.shape(a), subject.dtype) for a in state]
        outputs = [a for a, wanted in zip((h, *state), paths, strict=True) if wanted]
        return *outputs, cache

    def chosen(found: Mapping[str, Array | None]) -> dict[str, Array | None]:
        return {name: found[name] for name in names}

    def backward(*given: Any) -> dict[str, Array | None]:
        *above, cache = given
        if len(zeros) == 1:
            return chosen(subject.gradients(Upstream(above[0], None), cache))
        arriving = iter(above)
        dh, dhT, dcT = (next(arriving) if p else z for p, z in zip(paths, zeros, strict=True))
        return chosen(subject.gradients(Upstream(dh, (dhT, dcT)), cache))

    backward.__name__ = getattr(subject.backward, "__name__", "backward")
    inputs = {name: arrays[name] for name in names}
    axes = {name: subject.axes[name] for name in names}
    return gradcheck(
        f, backward, inputs, cached=True, axes=axes, seed=seed, raises=False,
        max_entries=max_entries, method=method,
    )  # fmt: skip


def _verdict(error: Any) -> Verdict:
    if error.passed:
        return Verdict(True, f"relative error {error.relative_error:.0e}")
    cause = error.causes[0] if error.causes else ""
    numbers = _numbers(error.by_hand, error.reference, error.relative_error)
    return Verdict(False, f"{_place(error.name, error.where, error.place)}: {numbers}", cause)


def _place(name: str, where: tuple[int, ...], words: str) -> str:
    index = f"{list(map(int, where))}" if where else " along a random direction"
    return f"{name}{index}" + (f" ({words})" if words else "")


def _numbers(hand: float, reference: float, error: float) -> str:
    return f"by hand {hand:.9g}, reference {reference:.9g}, relative error {error:.0e}"


def _beside_the_twin(here: _Scene, names: Sequence[str]) -> dict[str, Verdict]:
    """For an LSTM in float32 alone: gradients of the NumPy twin in float64, a coarse tolerance."""
    found = {}
    for name in names:
        gradient, wanted = here.hand[name], here.right[name]
        if gradient is None:
            continue
        if gradient.shape != wanted.shape:
            found[name] = Verdict(False, f"shape {gradient.shape} where {name} has {wanted.shape}")
            continue
        off = np.abs(gradient - wanted) / (np.abs(wanted).max() or 1.0)
        k = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), off.shape)
        place = _place(name, tuple(map(int, k)), "")
        numbers = _numbers(float(gradient[k]), float(wanted[k]), float(off[k]))
        right = bool(off[k] <= COARSE)
        found[name] = Verdict(
            right, f"relative error {off[k]:.0e}" if right else f"{place}: {numbers}"
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
    dh, dstate = subject.draw_upstream(outputs, np.random.default_rng([seed, 1]))
    dh = dh * subject.dtype(paths.steps)
    if dstate is not None:
        hidden, cell = (subject.dtype(p) for p in paths[1:])
        dstate = (dstate[0] * hidden, dstate[1] * cell)
    upstream = Upstream(dh, dstate)
    hand = subject.gradients(upstream, outputs.cache)
    return _Scene(arrays, upstream, hand, subject.replay(arrays, upstream))


def _causes(
    subject: Subject, wrong: list[str], here: _Scene, there: _Scene | None
) -> dict[str, str]:
    """The mistake that gives the very same wrong gradients, for each array where there is one.

    A mistake that explains all wrong arrays at once goes before one that explains a single array.
    """
    tolerance = COARSE if subject.dtype == np.float32 else REPLAYED
    best: dict[str, tuple[int, str]] = {}
    for mistake in mistakes_of("lstm_backward"):
        made = _made(subject, mistake.wrong, here)
        hits = [
            name
            for name in wrong
            if made is not None
            and _near(here.hand[name], made[name], tolerance)
            and not _near(here.right[name], made[name], tolerance)
        ]
        hits = [name for name in hits if len(hits) > best.get(name, (0, ""))[0]]
        if not hits:
            continue
        if there is not None:
            elsewhere = _made(subject, mistake.wrong, there)
            if elsewhere is None or not all(
                _near(there.hand[name], elsewhere[name], tolerance) for name in hits
            ):
                continue
        best.update({name: (len(hits), mistake.cause) for name in hits})
    return {name: cause for name, (_, cause) in best.items()}


def _made(subject: Subject, wrong: Callable[..., Any], scene: _Scene) -> dict[str, Array] | None:
    """Gradients with a mistake; None where these sizes do not allow it."""
    try:
        return subject.replay(scene.arrays, scene.upstream, wrong)
    except (ValueError, IndexError):
        return None


def _near(hand: Array | None, made: Array, tolerance: float) -> bool:
    if hand is None or hand.shape != made.shape:
        return False
    largest = np.abs(made).max()
    return bool(np.abs(hand - made).max() <= tolerance * (largest or 1e-12))
