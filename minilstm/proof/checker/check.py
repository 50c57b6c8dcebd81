"""One gradient check from beginning to end: the oracle, the comparison, kinks, causes, the report.
Entry by entry or along random directions; both end in the same report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from minilstm.proof.checker.comparison import Comparison, Settings, compare
from minilstm.proof.checker.explanation import explained
from minilstm.proof.checker.silence import with_silence
from minilstm.proof.derivatives.claims import Claims, claims_of
from minilstm.proof.derivatives.complex_step import Derivative, exact_along
from minilstm.proof.derivatives.directional import directions_of, slope_by_hand
from minilstm.proof.derivatives.kinks import Kink, find_kink, find_tie
from minilstm.proof.derivatives.oracle import (
    LOST,
    Oracle,
    complex_along,
    inside,
    loses_somewhere,
    try_complex,
    two_slopes,
)
from minilstm.proof.derivatives.problem import Array, Problem
from minilstm.proof.derivatives.randomness import generator
from minilstm.proof.derivatives.tolerances import (
    LARGEST_NOISE,
    LARGEST_PROOF,
    Noise,
    base_tolerance,
)
from minilstm.proof.reports.report import (
    CANNOT_BE_JUDGED,
    NOT_TESTED,
    GradientReport,
    ParameterError,
    or_infinite,
)

UNCONFIRMED = (
    "the complex step finds no slope here, and differences are too inexact to say whether there is "
    "one; let f take complex numbers without abs, conj or .real, or make this array's part of the "
    "loss larger"
)
COARSE = (
    "the values of f have few digits, because it computes in float32 or rounds somewhere, so wider "
    "steps were used; computing in the dtype of its inputs would make the check exact"
)
UNSEEN = (
    "its derivatives are zero, or too small beside those of the other arrays to be seen along a "
    "direction that all share; a check entry by entry sees them"
)
SECOND = (
    "one number throughout may hide a factor, so a second point was checked too, at which {} moved "
    "to drawn numbers nearby: {} is wrong there"
)
METHODS = ("auto", "complex", "difference", "directional")


class _Run(NamedTuple):
    """One check under way."""

    problem: Problem
    settings: Settings
    base: float  # the loss at the arrays
    rng: np.random.Generator  # of entries and directions

    def kinks(self, names: Iterable[str]) -> list[Kink]:
        found = [find_kink(self.problem, name, self.base, self.rng) for name in names]
        return [kink for kink in found if kink is not None]

    def report(
        self, errors: list[ParameterError], method: str, kinks: list[Kink], notes: list[str]
    ) -> GradientReport:
        problem = self.problem
        written = [f"f or backward writes into its argument {name}" for name in problem.spoiled]
        return GradientReport(
            errors,
            problem.backward,
            method,
            self.settings.seed,
            problem.forward_passes + sum(other.forward_passes for other in problem.others),
            problem.backward_passes + sum(other.backward_passes for other in problem.others),
            tuple(kinks),
            (*problem.notes, *notes, *sorted(written)),
        )


def check(problem: Problem, settings: Settings) -> GradientReport:
    """Check every gradient; a scale of ones may hide a factor, so perhaps at two points."""
    report = _at_one_point(problem, settings)
    moved = _unequal(problem)
    if not moved or problem.again is None or any(e.verdict == "wrong" for e in report.errors):
        return report
    try:
        second = _at_one_point(problem.again(moved), settings._replace(method="directional"))
    except Exception:  # of functions that take no other numbers
        return report
    errors = {e.name: e for e in second.errors if e.verdict == "wrong"}
    names = f"{' and '.join(moved)} {'are' if len(moved) > 1 else 'is'}"
    return replace(
        report, errors=[errors.get(e.name, e) for e in report.errors],
        forward_passes=report.forward_passes + second.forward_passes,
        backward_passes=report.backward_passes + second.backward_passes,
        notes=(*report.notes, SECOND.format(names, ", ".join(errors) or "nothing")),
    )  # fmt: skip


def _unequal(problem: Problem) -> dict[str, Array]:
    """Arrays of one number throughout, moved to drawn ones nearby; a single number if 0 or 1."""
    arrays = problem.arrays.items() if problem.gradients_by else ()
    same = {k: a for k, a in arrays if a.size and np.ptp(a) == 0 and (a.size > 1 or a in (0, 1))}
    unit, rng = {k: problem.size(k) for k in same}, generator(3, "moves")
    ways = (
        {k: a + (unit[k] * rng.uniform(*part, a.shape)).astype(a.dtype) for k, a in same.items()}
        for part in ((-0.5, 0.5), (0.1, 0.5), (-0.5, -0.1))
    )
    return (inside(problem, ways) or {}) if same else {}


def _at_one_point(problem: Problem, settings: Settings) -> GradientReport:
    """The same at these numbers alone."""
    rng = generator(settings.seed, "entries and directions")
    base = problem.value({}).real if problem.base is None else problem.base
    run = _Run(problem, settings, base, rng)
    if settings.method == "directional":
        return _by_direction(run)
    if settings.method == "complex" and not problem.analytic:
        everywhere = {name: np.ones(a.shape) for name, a in problem.arrays.items()}
        why_not = complex_along(problem, everywhere)[1]
        if why_not:
            raise ValueError(
                f"method is 'complex', but {why_not}; make buffers in the dtype of the inputs, or "
                "choose 'auto' or 'difference'."
            )
    claims = claims_of(problem, base, twice=True)
    method, notes, unseen = settings.method, list[str](), dict[str, float]()
    if method == "auto":
        method = "complex"
        if not problem.analytic:
            everywhere = directions_of(problem, claims.grads, 1, rng, bounded=True)[0]
            # An array of small effect would not be seen among the others, so each is tried alone.
            if loses_somewhere(problem):
                method, notes, everywhere = "difference", [LOST], {}
            for name, direction in everywhere.items():
                trial = try_complex(problem, {name: direction})
                unseen[name] = trial.unseen / (abs(trial.slope) or np.inf)
                if trial.why_not:
                    method, notes = "difference", [trial.why_not]
                    break
    return _by_entry(run, claims, method, method, notes, unseen)


def _by_entry(
    run: _Run,
    claims: Claims,
    method: str,
    title: str,
    notes: list[str],
    unseen: Mapping[str, float] | None = None,
) -> GradientReport:
    """Every array by itself; a large one at random entries and along one direction.

    `unseen` is the part of each slope that the complex step may have lost without being seen.
    """
    problem, settings, base, rng = run
    oracle = Oracle(problem, method)
    noise = Noise(oracle, rng)
    if method == "difference":
        problem.measure_noise(claims.grads)
        notes = [*notes, *([COARSE] if problem.coarse else [])]
    found: dict[str, Comparison] = {
        name: compare(oracle, name, claims.grads, noise, base, settings, rng)
        for name, hand in claims.grads.items()
        if hand is not None
    }
    if method == "complex" and not problem.analytic:
        for name, comparison in found.items():
            error, part = comparison.error, (unseen or {}).get(name, 0.0)
            if error.verdict == "right" and part > LARGEST_NOISE and not comparison.silent:
                comparison.error = _open(error, part, settings)
            if error.verdict == "right" or not np.isfinite(error.by_hand):
                continue
            if not np.isfinite(error.reference):
                notes = [*notes, "the complex step gives NaN, so differences were used"]
                return _by_entry(run, claims, "difference", "difference", notes)
            # What looks wrong may be the complex step: a part of f may lose the imaginary part.
            trial = try_complex(problem, {name: comparison.direction})
            if trial.why_not and settings.method == "complex":  # it was asked for
                notes = [*notes, trial.why_not.replace(", so differences were used", "")]
                break
            if trial.why_not:
                title = title.replace("complex", "difference")
                return _by_entry(run, claims, "difference", title, [*notes, trial.why_not])
            if abs(error.by_hand - error.reference) <= trial.unseen:
                comparison.error = _open(error, trial.unseen / comparison.scale, settings)
    kinks = run.kinks(found)
    at_kinks = [kink.name for kink in kinks if found[kink.name].error.passed]
    tie = find_tie(problem, claims.grads, at_kinks, base, settings.max_entries)
    if tie is not None:
        for name in tie.names:
            claims.faults[name] = str(tie)
            off = or_infinite(abs(tie.hand - tie.slope) / found[name].scale)
            found[name].error = replace(
                found[name].error, relative_error=off, by_hand=tie.hand, reference=tie.slope,
                where=tie.where[tie.names.index(name)], note="",
            )  # fmt: skip
    found = with_silence(oracle, found, rng)
    errors = explained(oracle, claims, found)
    return run.report(errors, title, kinks, notes + claims.notes)


def _open(error: ParameterError, part: float, settings: Settings) -> ParameterError:
    """An error where the complex step may have lost a part of the derivative, relative, unseen."""
    if settings.tolerance or part > LARGEST_PROOF:
        return replace(error, undecided=CANNOT_BE_JUDGED, note=UNCONFIRMED)
    note = f"the complex step may have lost {part:.0e} unseen" if part > LARGEST_NOISE else ""
    return replace(error, tolerance=max(error.tolerance, part), note=note)


def _by_direction(run: _Run) -> GradientReport:
    """All arrays at once; where that fails, entry by entry to find out which and where."""
    problem, settings, base, rng = run
    claims = claims_of(problem, base, twice=False)
    gentle = directions_of(problem, claims.grads, 1, rng, bounded=True)[0]
    if not gentle:  # arrays without entries
        return _by_entry(run, claims, "complex", "complex", [])
    trial = try_complex(problem, gentle, base)
    plain = trial.plain
    method = "difference" if trial.why_not else "complex"
    title, notes = f"directional, {method}", [trial.why_not] if trial.why_not else []
    kinks = run.kinks(gentle) if plain is not None and plain.turns(base) else []
    if method == "complex":
        first, count = Derivative(trial.slope, 0.0), settings.directions - 1
    else:
        first = two_slopes(problem, gentle, plain)
        count = settings.directions // 3 - 1
    drawn = directions_of(problem, claims.grads, count, rng, bounded=method == "difference")
    measured = [(gentle, first)]
    slope_along = exact_along if method == "complex" else two_slopes
    measured += [(direction, slope_along(problem, direction)) for direction in drawn]
    tolerance = settings.tolerance or base_tolerance(problem)
    worst, hand, true, allowed = 0.0, 0.0, 0.0, tolerance
    for direction, slope in measured:
        by_hand, size = slope_by_hand(claims.grads, direction)
        size = max(size, abs(slope.value)) or 1.0
        relative = or_infinite(abs(by_hand - slope.value) / size)
        room = tolerance if settings.tolerance else max(tolerance, 2 * slope.error / size)
        if relative / room >= worst / allowed:
            worst, hand, true, allowed = relative, by_hand, slope.value, room
    # Differences that leave so much open prove nothing; f may even give other values each time.
    proves = settings.tolerance or allowed <= LARGEST_PROOF
    if not worst <= allowed or claims.faults or not proves:
        claims = claims_of(problem, base, twice=True)
        return _by_entry(run, claims, method, title, notes)
    found = {}
    for name, along in gentle.items():
        error = ParameterError(name, worst, (), hand, true, 0, allowed)
        gradient = claims.grads[name]
        silent = gradient is not None and not gradient.any()
        if (
            method == "difference"
            and not silent
            and _is_unseen(name, claims.grads, measured, allowed)
        ):
            error = replace(error, undecided=NOT_TESTED, note=UNSEEN)
        found[name] = Comparison(error, along, 1.0, along, 0.0, silent)
    found = with_silence(Oracle(problem, method), found, rng)
    errors = [comparison.error for comparison in found.values()]
    return run.report(errors, title, kinks, notes + claims.notes)


def _is_unseen(
    name: str,
    grads: Mapping[str, Array | None],
    measured: list[tuple[dict[str, Array], Derivative]],
    allowed: float,
) -> bool:
    """Whether an array's share of the slopes is too small to be seen in them."""
    shares = [
        (slope_by_hand(grads, {name: direction[name]})[1], slope_by_hand(grads, direction)[1])
        for direction, _ in measured
    ]
    return all(share <= allowed * everything for share, everything in shares)
