"""The checks, in the order of the card: what an LSTM has to do, one function a row.
An array whose gradient is wrong in its row is left out of later rows: a fault costs once.

Axes: B batch, T time, D features, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.conformance import calls
from minilstm.proof.conformance.card import Row
from minilstm.proof.conformance.subject import NAMES, Sizes, Subject
from minilstm.proof.conformance.verdicts import (
    Examination,
    Finding,
    Paths,
    disagreement,
    tolerance_of,
    verdicts,
)
from minilstm.proof.derivatives.problem import Array


def run_checks(subject: Subject, seed: int) -> tuple[Row, ...]:
    """All rows of the card; an exception fails the row in which it is raised."""
    exam, rows = Examination(subject, seed), []
    for check in CHECKS:
        try:
            passed, detail, cause = check.run(exam)
        except Exception as error:  # of the functions under test, whatever it may be
            text = str(error).strip().splitlines()
            passed, detail, cause = False, f"{type(error).__name__}: {' '.join(text)}", ""
        if passed is None:
            rows.append(Row(check.name, None, 0, f"not offered: {detail}", cause))
        else:
            rows.append(Row(check.name, passed, check.points, detail, cause))
    return tuple(rows)


# ---------------------------------------------------------------- outputs


def shapes_of_outputs(exam: Examination) -> Finding:
    """H and (hT, cT) are laid out like x and like h0."""
    arrays = exam.arrays(Sizes())
    shapes = {name: a.shape for name, a in exam.subject.run(arrays).named().items()}
    twin = exam.subject.twin(arrays).named()
    wrong = [
        f"{n} has shape {has}, expected {twin[n].shape}"
        for n, has in shapes.items()
        if has != twin[n].shape
    ]
    listed = ", ".join(f"{n} {has}" for n, has in shapes.items())
    return Finding(not wrong, "; ".join(wrong) or listed)


def outputs_agree(exam: Examination) -> Finding:
    """The outputs from a zero state are those of the NumPy twin."""
    from_zero = _from_zero(exam.arrays(Sizes()))
    detail = disagreement(exam.subject, from_zero)
    cause = _other_order(exam.subject, from_zero) if detail else ""
    agrees = f"as the NumPy twin, to {tolerance_of(exam.subject):.0e}"
    return Finding(not detail, detail or agrees, cause)


def initial_state(exam: Examination) -> Finding:
    """The outputs from another state are those of the NumPy twin too."""
    if not exam.subject.initial_state:
        return Finding(None, "initial_state=False")
    arrays = exam.arrays(Sizes())
    detail = disagreement(exam.subject, arrays)
    ignored = detail and not disagreement(exam.subject, _from_zero(arrays))
    cause = "forward uses one of h0 and c0 wrongly, or passes it over." if ignored else ""
    return Finding(not detail, detail or "as the NumPy twin", cause)


def _from_zero(arrays: dict[str, Array]) -> dict[str, Array]:
    return arrays | {name: np.zeros_like(arrays[name]) for name in ("h0", "c0")}


def _other_order(subject: Subject, arrays: dict[str, Array]) -> str:
    """The order of the gates in which the outputs would be right."""
    orders = ("".join(p) for p in permutations("ifgo"))
    for order in orders:
        if not disagreement(replace(subject, gate_order=order), arrays):
            return f"the gates are in the order {order}, not {subject.gate_order}."
    return ""


# ---------------------------------------------------------------- gradients


def shapes_of_gradients(exam: Examination) -> Finding:
    """Each gradient has the shape of its array."""
    arrays = exam.arrays(Sizes())
    outputs = exam.subject.run(arrays)
    upstream = exam.subject.draw_upstream(outputs, np.random.default_rng(exam.seed))
    found = exam.subject.gradients(upstream, outputs.cache)
    given = {n: a for n, a in found.items() if a is not None and n in exam.subject.checked}
    wrong = [
        f"that of {n} has shape {a.shape}, expected {arrays[n].shape}"
        for n, a in given.items()
        if a.shape != arrays[n].shape
    ]
    return Finding(not wrong, "; ".join(wrong) or f"of {', '.join(given)}")


def gradient_of(name: str, exam: Examination) -> Finding:
    """The gradient of one array of the first problem, arriving at the outputs of all steps."""
    if name not in exam.subject.checked:
        return Finding(None, "initial_state=False")
    if name not in exam.judged:
        needed = name in ("W", "R", "b")
        return Finding(False if needed else None, f"backward gives no gradient of {name}")
    return exam.judged[name]


def final_state(paths: Paths, exam: Examination) -> Finding:
    """All gradients where nothing but a final state matters."""
    arrays = exam.arrays(Sizes())
    if exam.subject.run(arrays).state is None:
        return Finding(None, "forward gives no final state")
    return _rest(exam, arrays, paths=paths, max_entries=4)


def at_sizes(sizes: Sizes, exam: Examination, **how: Any) -> Finding:
    """Outputs and gradients of another problem."""
    if sizes.B == 1 and exam.subject.batch_axis is None:
        return Finding(None, "no batches")
    arrays = exam.arrays(sizes)
    unlike = disagreement(exam.subject, arrays) if exam.forward_is_right else ""
    return Finding(False, unlike) if unlike else _rest(exam, arrays, **how)


def _rest(exam: Examination, arrays: dict[str, Array], **how: Any) -> Finding:
    """The gradients of the arrays that have been right so far."""
    names = [name for name in exam.judged if name not in exam.wrong]
    if not names:
        return Finding(False, "not judged: every gradient is wrong already")
    found = verdicts(exam.subject, arrays, exam.seed, names=names, **how)
    for verdict in found.values():
        if not verdict.passed:
            return verdict
    out = sorted(exam.wrong, key=NAMES.index)
    note = f"; left out, as wrong already: {', '.join(out)}" if out else ""
    return Finding(True, f"gradients of {', '.join(found)}{note}")


class Check(NamedTuple):
    """A row of the card before it is filled in."""

    name: str
    points: int
    run: Callable[[Examination], Finding]


CHECKS = (
    Check("shapes of outputs", 1, shapes_of_outputs),
    Check("outputs", 3, outputs_agree),
    Check("outputs from an initial state", 1, initial_state),
    Check("shapes of gradients", 1, shapes_of_gradients),
    Check("same bits twice", 2, calls.same_bits),
    *(Check(f"gradient of {name}", 3, partial(gradient_of, name)) for name in NAMES[:4]),
    *(Check(f"gradient of {name}", 2, partial(gradient_of, name)) for name in NAMES[4:]),
    Check("gradient from the final state alone", 2, partial(final_state, (False, True, True))),
    Check("gradient from the final cell alone", 1, partial(final_state, (False, False, True))),
    Check("one step", 1, partial(at_sizes, Sizes(T=1), max_entries=4)),
    Check("a batch of one", 1, partial(at_sizes, Sizes(B=1), max_entries=4)),
    Check("one unit", 1, partial(at_sizes, Sizes(H=1), max_entries=4)),
    Check("one feature", 1, partial(at_sizes, Sizes(D=1), max_entries=4)),
    Check("as many features as units", 1, partial(at_sizes, Sizes(D=4), max_entries=4)),
    Check("ragged batches", 3, calls.ragged_batches),
    Check("calls do not mix", 2, calls.calls_do_not_mix),
    Check("arguments stay as they are", 1, calls.arguments_stay),
    Check("float32 stays float32", 1, partial(calls.stays, np.float32)),
    Check("float64 stays float64", 1, partial(calls.stays, np.float64)),
    Check("200 steps", 2, partial(at_sizes, Sizes(T=200, B=2), method="directional")),
    Check("large inputs", 1, calls.large_inputs),
    Check("NaN is seen", 1, calls.nan_is_seen),
)
