"""The checks, in the order of the card: what the functions have to do, one check a row.
An array whose gradient is wrong in its row is left out of later rows: a fault costs once.

Axes: B batch, T time, D features, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.conformance import calls
from minilstm.proof.conformance.card import Row
from minilstm.proof.conformance.cells import GRU
from minilstm.proof.conformance.lstm import NAMES, LSTMSubject
from minilstm.proof.conformance.lstm import OUTPUTS as OUTPUT_NAMES
from minilstm.proof.conformance.subject import Arrays, Sizes, Subject
from minilstm.proof.conformance.verdicts import (
    Examination,
    Finding,
    disagreement,
    tolerance_of,
    verdicts,
)
from minilstm.proof.derivatives.problem import Array


class Check(NamedTuple):
    """A row of the card before it is filled in."""

    name: str
    points: int
    run: Callable[[Examination], Finding]


def run_checks(subject: Subject, seed: int) -> tuple[Row, ...]:
    """All rows of the card; an exception fails the row in which it is raised."""
    exam, rows, checks = Examination(subject, seed), [], checks_of(subject)
    if other := subject.other_signature():
        return (Row("signature", False, sum(check.points for check in checks), other),)
    said: dict[str, str] = {}  # each exception, and the row that quotes it
    for check in checks:
        try:
            passed, detail, cause = check.run(exam)
        except Exception as error:  # of the functions under test, whatever it may be
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            first = said.setdefault(text, check.name)
            detail = text if first == check.name else f"the same as in {first!r}"
            passed, cause = False, ""
        if passed is None:
            rows.append(Row(check.name, None, 0, f"not offered: {detail}", cause))
        else:
            rows.append(Row(check.name, passed, check.points, detail, cause))
    return tuple(rows)


# ---------------------------------------------------------------- outputs


def shapes_of_outputs(exam: Examination) -> Finding:
    """H and (hT, cT) are laid out like x and like h0."""
    arrays = exam.arrays()
    shapes = {name: a.shape for name, a in exam.subject.run(arrays).named.items()}
    right = {name: a.shape for name, a in next(exam.subject.right(arrays))[1].items()}
    wrong = [f"{n} has shape {s}, expected {right[n]}" for n, s in shapes.items() if s != right[n]]
    listed = ", ".join(f"{n} {has}" for n, has in shapes.items())
    return Finding(not wrong, "; ".join(wrong) or listed)


def outputs_agree(exam: Examination) -> Finding:
    """The outputs, of an LSTM from a zero state, are those that are right."""
    subject, arrays = exam.subject, exam.arrays()
    if isinstance(subject, LSTMSubject):
        arrays = _from_zero(arrays)
    detail, title = disagreement(subject, arrays)
    if not title:
        shapes = (str(y.shape) for y in subject.run(arrays).named.values())
        return Finding(None, f"no reference; they have the shapes {', '.join(shapes)}")
    wrong = isinstance(subject, LSTMSubject) and detail
    cause = _other_order(subject, arrays) if wrong else ""
    return Finding(not detail, detail or f"as {title}, to {tolerance_of(subject):.0e}", cause)


def initial_state(exam: Examination) -> Finding:
    """The outputs from another state are those of the NumPy twin too."""
    if "h0" not in exam.subject.names:
        return Finding(None, "initial_state=False")
    arrays = exam.arrays()
    detail, title = disagreement(exam.subject, arrays)
    ignored = detail and not disagreement(exam.subject, _from_zero(arrays))[0]
    cause = "forward uses one of h0 and c0 wrongly, or passes it over." if ignored else ""
    return Finding(not detail, detail or f"as {title}", cause)


def _from_zero(arrays: Arrays) -> dict[str, Array]:
    return {**arrays} | {name: np.zeros_like(arrays[name]) for name in ("h0", "c0")}


def _other_order(subject: Any, arrays: Arrays) -> str:
    """The order of the gates in which the outputs would be right."""
    for order in map("".join, permutations("ifgo")):
        if not disagreement(replace(subject, gate_order=order), arrays)[0]:
            return f"the gates are in the order {order}, not {subject.gate_order}."
    return ""


# ---------------------------------------------------------------- gradients


def shapes_of_gradients(exam: Examination) -> Finding:
    """Each gradient has the shape of its array."""
    arrays = exam.arrays()
    outputs = exam.subject.run(arrays)
    found = exam.subject.gradients(exam.upstream(outputs), outputs.cache)
    shapes = {n: (a.shape, arrays[n].shape) for n, a in found.items() if a is not None}
    wrong = [
        f"that of {n} has shape {has}, expected {wanted}"
        for n, (has, wanted) in shapes.items()
        if has != wanted
    ]
    return Finding(not wrong, "; ".join(wrong) or f"of {', '.join(shapes)}")


def gradient_of(name: str, exam: Examination) -> Finding:
    """The gradient of one array of the first problem."""
    if name not in exam.subject.names:
        return Finding(None, "initial_state=False")
    if name not in exam.judged:
        passed = None if name in exam.subject.optional else False
        return Finding(passed, f"backward gives no gradient of {name}")
    return exam.judged[name]


def final_state(through: Sequence[str], exam: Examination) -> Finding:
    """All gradients where nothing but a final state matters."""
    if "hT" not in exam.subject.run(exam.arrays()).named:
        return Finding(None, "forward gives no final state")
    found = _rest(exam, exam.arrays(), through=through, max_entries=4)
    if found.passed:
        return found
    # Many mistakes give zeros here; where gradient arrives at all outputs they differ.
    return found._replace(cause=_rest(exam, exam.arrays(), through=OUTPUT_NAMES).cause)


def at_sizes(sizes: Sizes, exam: Examination, **how: Any) -> Finding:
    """Outputs and gradients of another problem."""
    if sizes.B == 1 and getattr(exam.subject, "batch_axis", 0) is None:
        return Finding(None, "no batches")
    arrays = exam.arrays(sizes)
    unlike = disagreement(exam.subject, arrays)[0] if exam.forward_is_right else ""
    return Finding(False, unlike) if unlike else _rest(exam, arrays, **how)


def _rest(exam: Examination, arrays: Arrays, **how: Any) -> Finding:
    """The gradients of the arrays that have been right so far."""
    names = [name for name in exam.judged if name not in exam.wrong]
    if not names:
        return Finding(False, "not judged: every gradient is wrong already")
    found = verdicts(exam.subject, arrays, exam.seed, names=names, **how)
    for verdict in found.values():
        if not verdict.passed:
            return verdict
    out = [name for name in exam.subject.names if name in exam.wrong]
    note = f"; left out, as wrong already: {', '.join(out)}" if out else ""
    return Finding(True, f"gradients of {', '.join(found)}{note}")


# ---------------------------------------------------------------- the card

OUTPUTS = Check("outputs", 3, outputs_agree)
TWICE = Check("same bits twice", 2, calls.same_bits)
FINAL_CALLS = (
    Check("calls do not mix", 2, calls.calls_do_not_mix),
    Check("arguments stay as they are", 1, calls.arguments_stay),
    Check("float32 stays float32", 1, partial(calls.stays, np.float32)),
)
LARGE = Check("large inputs", 1, calls.large_inputs)
AT_SIZES = (
    Check("one step", 1, partial(at_sizes, Sizes(T=1), max_entries=4)),
    Check("a batch of one", 1, partial(at_sizes, Sizes(B=1), max_entries=4)),
    Check("one unit", 1, partial(at_sizes, Sizes(H=1), max_entries=4)),
    Check("one feature", 1, partial(at_sizes, Sizes(D=1), max_entries=4)),
)
LONG = Check("200 steps", 2, partial(at_sizes, Sizes(T=200, B=2), method="directional"))
# Of an LSTM.
CHECKS = (
    Check("shapes of outputs", 1, shapes_of_outputs),
    OUTPUTS,
    Check("outputs from an initial state", 1, initial_state),
    Check("shapes of gradients", 1, shapes_of_gradients),
    TWICE,
    *(Check(f"gradient of {name}", 3, partial(gradient_of, name)) for name in NAMES[:4]),
    *(Check(f"gradient of {name}", 2, partial(gradient_of, name)) for name in NAMES[4:]),
    Check("gradient from the final state alone", 2, partial(final_state, ("hT", "cT"))),
    Check("gradient from the final cell alone", 1, partial(final_state, ("cT",))),
    *AT_SIZES,
    Check("as many features as units", 1, partial(at_sizes, Sizes(D=4), max_entries=4)),
    Check("ragged batches", 3, calls.ragged_batches),
    *FINAL_CALLS,
    Check("float64 stays float64", 1, partial(calls.stays, np.float64)),
    LONG,
    LARGE,
    Check("NaN is seen", 1, calls.nan_is_seen),
)


def checks_of(subject: Subject) -> tuple[Check, ...]:
    """The checks of an LSTM, of a GRU, or of any step."""
    if isinstance(subject, LSTMSubject):
        return CHECKS
    gradients = (Check(f"gradient of {n}", 3, partial(gradient_of, n)) for n in subject.names)
    sizes = (*AT_SIZES, LONG) if isinstance(subject, GRU) else ()
    trace = Check("NaN is seen", 1, calls.nan_leaves_a_trace)
    return OUTPUTS, *gradients, TWICE, *FINAL_CALLS, LARGE, trace, *sizes
