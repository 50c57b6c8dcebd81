"""The checks of the installed engine, one after the other: what `minilstm gradcheck` runs.
Each layer, loss and solver is checked on each backend, and each check is a line of a table.

Gradients that a backend computes in float64 are compared with the complex step on the NumPy twin.
Steps of a solver are compared with the formula, worked out one number at a time. Results in float32
are compared with float64, entry by entry, within the bound that rounding leaves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np

from minilstm.backend import (
    Backend,
    gpu_devices,
    is_installed,
    numba_works,
    ready_kernels,
    use_backend,
)
from minilstm.checks import did_you_mean
from minilstm.layers import KINDS
from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.engine import formulas, networks
from minilstm.proof.engine.single import SINGLE
from minilstm.proof.reports.places import worst_place
from minilstm.proof.reports.report import or_infinite
from minilstm.training.solvers import SOLVERS

BACKENDS = ("numpy", "numba", "cupy")
FLOAT32 = "float32"
# Relative error of a parameter after three steps, each of which rounds it a dozen times.
SOLVER_TOLERANCE = 64 * float(np.finfo(np.float64).eps)


class Row(NamedTuple):
    """One check: a line of the table. A check that breaks off leaves the defaults."""

    part: str = ""  # "layer", "loss", "solver", "float32" or "network"
    name: str = ""  # of the layer, by kind, or of the loss ...
    case: str = ""
    backend: str = ""
    arrays: int = 0
    entries: int = 0  # compared one by one; 0 where all of them are, but along directions
    error: float = np.inf  # the worst, relative to the largest of its array; of float32, its bound
    worst: str = "it broke off"  # array that has it
    tolerance: float = 0.0
    seconds: float = 0.0
    kernels: tuple[str, ...] = ()  # made ready for this check, and in how many seconds
    kernel_seconds: float = 0.0
    passed: bool = False
    report: str = ""  # of a check that failed, with place and cause

    @property
    def title(self) -> str:
        """What is checked, in a few words."""
        return f"{self.part} {self.name}" + (f", {self.case}" if self.case else "")


_Check = Callable[[Backend, int], Row]


def prove(
    backends: Sequence[str] = (),
    layers: Sequence[str] = (),
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> list[Row]:
    """Check all there is, or some layers only, and say each line of the table as it is known.

    `backends` are "numpy", "numba", "cupy"; none means all that can compute here. `layers` are
    kinds ("lstm") or names of classes ("LSTM"), in any case; none means every layer, loss and
    solver, and some networks of several layers; ValueError where there is no such layer. `seed` is
    that of all numbers and of the choice of entries. The rows come back, right or wrong.

    Examples
    --------
    >>> rows = prove(["numpy"], ["softmax"], say=lambda line: None)
    >>> [(row.title, row.entries, row.passed) for row in rows]
    [('layer softmax, vectors', 27, True)]
    """
    checks = _checks(find_layers(layers), everything=not layers)
    if not checks:
        raise ValueError(f"layers is {list(layers)}, which have no check; add one in networks.py.")
    width = max(len(f"{part} {name}, {case}") for part, name, case, _ in checks)
    say(f"{'check':<{width}}  backend  arrays  entries  relative error  allowed  seconds")
    rows = []
    for backend in backends or [name for name in BACKENDS if missing_part(name) is None]:
        for part, name, case, check in checks:
            row = _run(part, name, case, backend, check, seed)
            if row.kernels:
                say(f"  {row.kernel_seconds:.1f} s to compile or load {', '.join(row.kernels)}")
            entries = row.entries or "all"
            say(
                f"{row.title:<{width}}  {row.backend:<7}  {row.arrays:>6}  {entries:>7}  "
                f"{row.error:>14.1e}  {row.tolerance:>7.0e}  {row.seconds:>7.2f}"
                + ("" if row.passed else "  WRONG\n" + indent(row.report, "  "))
            )
            rows.append(row)
    return rows


def missing_part(backend: str) -> str | None:
    """What a backend lacks to compute here, in words; None for nothing."""
    if backend != "numpy" and not is_installed(backend):
        return "which is not installed"
    works: dict[str, Callable[[], Any]] = {"numba": numba_works, "cupy": gpu_devices}
    return None if works.get(backend, lambda: True)() else "which cannot compute here"


def find_layers(names: Sequence[str]) -> list[str]:
    """Kinds of the layers that a user names; none means all of them."""
    known = {word.lower(): kind for kind, a in KINDS.items() for word in (kind, a.__name__)}
    for name in names:
        if name.lower() not in known:
            names = sorted(a.__name__ for a in KINDS.values())
            classes, near = ", ".join(names), did_you_mean(name, names)
            raise ValueError(f"layer is {name!r}, which is none; choose among {classes}{near}.")
    chosen = [known[name.lower()] for name in names] or sorted(KINDS)
    return list(dict.fromkeys(chosen))


# ---------------------------------------------------------------- the checks


def _checks(kinds: Sequence[str], everything: bool) -> list[tuple[str, str, str, _Check]]:
    """(part, name, case, what to run), in the order of the table."""
    found: list[tuple[str, str, str, _Check]] = [
        ("layer", kind, case, _network(graph))
        for kind in kinds
        for case, graph in networks.LAYERS.get(kind, {}).items()
    ]
    if "batch_normalization" in kinds:
        # As in prediction, which no training of a network comes past.
        given = _gradients(formulas.given_statistics_problem)
        found.append(("layer", "batch_normalization", "given statistics", given))
    if everything:
        found += [
            ("loss", name, "", _gradients(partial(formulas.loss_problem, name), upstream=None))
            for name in formulas.loss_names()
        ]
        found += [("solver", name, "three steps", _solver(name)) for name in SOLVERS]
        found += [(FLOAT32, name, "share of its rounding bound", _single(name)) for name in SINGLE]
        found += [
            ("network", name, "", _network(graph, lengths, **options))
            for name, (graph, lengths, options) in networks.NETWORKS.items()
        ]
    return found


def _run(part: str, name: str, case: str, backend: str, check: _Check, seed: int) -> Row:
    ready = ready_kernels() if backend == "numba" else frozenset()
    kernels: tuple[str, ...] = ()
    first = 0.0
    with use_backend(backend) as record:
        found, seconds = _timed(check, record, seed)
        if backend == "numba" and (new := ready_kernels() - ready):
            kernels, first = tuple(sorted(new)), seconds
            found, seconds = _timed(check, record, seed)
    found = found._replace(part=part, name=name, case=case, backend=backend, kernels=kernels)
    return found._replace(seconds=seconds, kernel_seconds=max(first - seconds, 0.0))


def _timed(check: _Check, backend: Backend, seed: int) -> tuple[Row, float]:
    started = time.perf_counter()
    try:
        found = check(backend, seed)
    except Exception as error:  # a backend that breaks is wrong, and the other checks go on
        found = Row(report=f"{type(error).__name__}: {error}")
    return found, time.perf_counter() - started


def _gradients(draw: Callable[[Backend, np.random.Generator], Any], **options: Any) -> _Check:
    """A check of the three first arguments of `gradcheck` that are drawn."""

    def check(backend: Backend, seed: int) -> Row:
        problem = draw(backend, np.random.default_rng(seed))
        return _of_report(gradcheck(*problem, seed=seed, raises=False, **options))

    return check


def _network(
    graph: Callable[[], Any], lengths: tuple[int, ...] = networks.LENGTHS, **options: Any
) -> _Check:
    return _gradients(lambda _, rng: networks.problem(graph(), rng, lengths), **options)


def _of_report(report: Any) -> Row:
    worst = max(report.errors, key=lambda e: (not e.passed, or_infinite(e.relative_error)))
    return Row(
        arrays=len(report.errors),
        entries=sum(e.checked for e in report.errors),
        error=or_infinite(worst.relative_error),
        worst=worst.name,
        tolerance=worst.tolerance,
        passed=report.passed,
        report="" if report.passed else str(report),
    )


def _solver(name: str) -> _Check:
    who = f"after {formulas.STEPS} steps, the formula gives"

    def check(backend: Backend, seed: int) -> Row:
        found, formula = formulas.solver_problem(name, backend, np.random.default_rng(seed))
        scale = {key: np.full(want.shape, np.abs(want).max()) for key, want in formula.items()}
        return _compared(found, formula, scale, SOLVER_TOLERANCE, who)

    return check


def _single(name: str) -> _Check:
    who = "in float32, the NumPy twin in float64 gives"
    return lambda backend, seed: _compared(
        *SINGLE[name](backend, np.random.default_rng(seed)), 1.0, who
    )


def _compared(
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    scale: Mapping[str, Any],
    tolerance: float,
    who: str,
) -> Row:
    """All entries of some arrays beside those wanted; errors in units of `scale`."""
    errors, places = {}, {}
    for key, want in wanted.items():
        apart = np.abs(found[key] - want)
        # Where all that is summed is 0, so are the result and its scale.
        off = np.where(apart == 0, 0.0, apart / np.maximum(scale[key], 1e-300))
        places[key] = worst_place(off)
        errors[key] = or_infinite(float(off[places[key]]))
    worst = max(errors, key=lambda key: errors[key])
    where = places[worst]
    report = f"{worst}{list(where)} is {found[worst][where]:.17g} {who} {wanted[worst][where]:.17g}"
    passed = errors[worst] <= tolerance
    return Row(
        arrays=len(errors),
        entries=sum(want.size for want in wanted.values()),
        error=errors[worst],
        worst=worst,
        tolerance=tolerance,
        passed=passed,
        report="" if passed else report,
    )
