"""Checks of the calls rather than the numbers: repeated, mixed, ragged, in another dtype, extreme.
What the functions under test give must depend on their arguments alone.

Axes: B batch, T time, D features, H hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minilstm.proof.conformance.lstm import LSTMSubject
from minilstm.proof.conformance.subject import Arrays, Subject
from minilstm.proof.conformance.verdicts import Examination, Finding
from minilstm.proof.derivatives.problem import Array


def _results(exam: Examination, arrays: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """Copies of the outputs, and of the gradients that there are, of both passes."""
    outputs = exam.subject.run(arrays)
    first = _copied(outputs.named)
    return first, _given(exam, outputs.cache, exam.upstream(outputs))


def _given(exam: Examination, cache: Any, upstream: Arrays) -> dict[str, Array]:
    found = exam.subject.gradients(upstream, cache)
    return {f"the gradient of {n}": a.copy() for n, a in found.items() if a is not None}


def _copied(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: a.copy() for name, a in arrays.items()}


def _scaled(arrays: Arrays, factor: float, names: Any = ()) -> dict[str, Array]:
    """The arrays, those of floats among them or some by name times a number."""
    return {
        n: (a * factor).astype(a.dtype) if a.dtype.kind == "f" and n in (names or arrays) else a
        for n, a in arrays.items()
    }


def same_bits(exam: Examination) -> Finding:
    """Forward and backward twice with the same arguments."""
    arrays = exam.arrays()
    (outputs, grads), again = (_results(exam, arrays) for _ in range(2))
    second = again[0] | again[1]
    for name, a in (outputs | grads).items():
        b = second[name]
        if a.shape == b.shape and np.array_equal(a, b, equal_nan=True):
            continue
        left = "forward starts from a state that an earlier call left behind."
        cause = left if a.shape == b.shape else ""
        if name in grads:
            cause = (
                "the gradients of an earlier call are still in there; set them to zero at the "
                "start of backward."
            )
        return Finding(False, f"{name} is another the second time", cause)
    return Finding(True, f"{len(second)} arrays")


def calls_do_not_mix(exam: Examination) -> Finding:
    """Forward of one problem, forward of another, then backward of both."""
    problems = [exam.arrays(), _scaled(exam.arrays(), 1.25)]
    alone = [_results(exam, arrays)[1] for arrays in problems]
    outputs = [exam.subject.run(arrays) for arrays in problems]
    for one, before in zip(outputs, alone, strict=True):
        mixed = _given(exam, one.cache, exam.upstream(one))
        for name in (n for n in exam.subject.names if n not in exam.wrong):
            name = f"the gradient of {name}"
            if name in before and not _close(exam.subject, mixed[name], before[name]):
                return Finding(
                    False,
                    f"{name} changes when another forward pass comes before backward",
                    "what backward needs is kept outside the cache and overwritten by the next "
                    "forward pass.",
                )
    return Finding(True, "forward A, forward B, backward A, backward B")


def arguments_stay(exam: Examination) -> Finding:
    """Neither function writes into what it is given."""
    subject, arrays = exam.subject, exam.arrays()
    upstream = exam.upstream(subject.run(arrays))
    given = arrays | {f"d{name}": a for name, a in upstream.items()}
    before = _copied(given)
    cache = subject.run(arrays, copy=False).cache
    after_forward = [n for n in arrays if not np.array_equal(arrays[n], before[n])]
    if after_forward:
        return Finding(False, f"forward writes into {', '.join(after_forward)}")
    subject.gradients(upstream, cache, copy=False)
    changed = [n for n, a in given.items() if not np.array_equal(a, before[n])]
    if not changed:
        return Finding(True)
    cause = "an array is changed in place (+= or out=) that was taken without a copy."
    return Finding(False, f"backward writes into {', '.join(changed)}", cause)


def stays(dtype: Any, exam: Examination) -> Finding:
    """Outputs and gradients have the dtype of the arrays."""
    if exam.subject.dtype == np.float32 and dtype != np.float32:
        return Finding(None, "dtype=np.float32")
    arrays = exam.arrays().items()
    outputs, grads = _results(
        exam, {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in arrays}
    )
    results = outputs | grads
    wrong = {n: a.dtype for n, a in results.items() if a.dtype != dtype}
    if not wrong:
        return Finding(True, f"{len(results)} arrays")
    name, has = next(iter(wrong.items()))
    count = "" if len(wrong) == 1 else f", and {len(wrong) - 1} others"
    cause = f"a buffer is made without a dtype, so it is {has}." if has == np.float64 else ""
    return Finding(False, f"{name} is {has}{count}", cause)


def ragged_batches(exam: Examination) -> Finding:
    """Sequences of several lengths in one batch give what they give one by one."""
    subject, wrong = exam.subject, exam.wrong
    assert isinstance(subject, LSTMSubject)
    if subject.batch_axis is None:
        return Finding(None, "no batches")
    if not subject.takes_lengths:
        return Finding(None, "forward has no argument lengths")
    lengths = np.array([4, 6, 2])
    arrays = exam.arrays()
    outputs = subject.run(arrays, lengths=lengths)
    upstream = exam.upstream(outputs)
    dh = subject.time_major(upstream["h"])  # (T, B, H), of which padding has no gradient
    for b, n in enumerate(lengths):
        dh[n:, b] = 0
    together = _given(exam, outputs.cache, upstream)
    judged = {n: a for n, a in together.items() if n.rpartition(" ")[2] not in wrong}
    sums = {n: np.zeros_like(a) for n, a in judged.items() if n[-1] in "WRb"}

    def cut(name: str, array: Array, b: int, n: int) -> Array:
        """The part of one sequence, of what has steps or of a state."""
        if name[-1] not in "xh":
            return array[b : b + 1]
        return np.ascontiguousarray(subject.laid_out(subject.time_major(array)[:n, b : b + 1]))

    for b, n in enumerate(lengths):
        parts = {name: cut(name, arrays[name], b, n) for name in ("x", "h0", "c0")}
        single = subject.run(arrays | parts)
        above = {name: cut(name, a, b, n) for name, a in upstream.items()}
        alone = single.named | _given(exam, single.cache, above)
        for name, whole in (outputs.named | judged).items():
            if name in sums:
                sums[name] = sums[name] + alone[name]
            elif name in alone and not _close(subject, cut(name, whole, b, n), alone[name]):
                what = f"{name} of sequence {b} ({n} of 6 steps) is not what it is alone"
                end = "the final state is taken at the end of the padding."
                return Finding(False, what, end if name in ("hT", "cT") else "")
    for name, total in sums.items():
        if not _close(subject, judged[name], total):
            detail = f"{name} is not the sum over the sequences"
            return Finding(False, detail, "padded steps add to it.")
    return Finding(True, "lengths 4, 6, 2")


def large_inputs(exam: Examination) -> Finding:
    """Saturated gates give finite outputs and gradients."""
    arrays = exam.arrays()
    first = next(iter(arrays))
    outputs, grads = _results(exam, _scaled(arrays, 1e3, [first]))
    wrong = [name for name, a in (outputs | grads).items() if not np.isfinite(a).all()]
    if not wrong:
        return Finding(True, "inputs of 1000 give finite gradients")
    cause = "exp overflows; use the sign of its argument, or tanh, for the sigmoid."
    return Finding(False, f"not finite: {', '.join(wrong)}", cause)


def nan_is_seen(exam: Examination) -> Finding:
    """NaN in one step is in the outputs from there on and nowhere else, and in the gradients."""
    subject, arrays = exam.subject, exam.arrays()
    assert isinstance(subject, LSTMSubject)
    x = subject.time_major(arrays["x"])  # (T, B, D)
    x[2, 0, 0] = np.nan
    outputs = subject.run(arrays)
    h = subject.time_major(outputs.named["h"])  # (T, B, H)
    hit = np.zeros(h.shape, bool)
    hit[2:, 0] = True
    replaced = "something replaces NaN by a number."
    if h.shape[:2] != x.shape[:2]:
        shape = outputs.named["h"].shape
        return Finding(False, f"h has shape {shape}, so its steps cannot be told")
    if not np.isnan(h[2:, 0]).any():
        return Finding(False, "a NaN in x leaves no trace in h", replaced)
    if np.isnan(h[~hit]).any():
        return Finding(False, "a NaN in x is also in earlier steps or other sequences")
    W = subject.gradients(exam.upstream(outputs), outputs.cache)["W"]
    if W is not None and not np.isnan(W).any():
        return Finding(False, "a NaN in x leaves no trace in the gradient of W", replaced)
    return Finding(True, "a NaN in x is in the outputs after it and in the gradient of W")


def nan_leaves_a_trace(exam: Examination) -> Finding:
    """NaN in the first array is in the outputs, whatever they are."""
    arrays = exam.arrays()
    first = next(iter(arrays))
    arrays[first].flat[0] = np.nan
    seen = any(np.isnan(y).any() for y in exam.subject.run(arrays).named.values())
    return Finding(seen, f"a NaN in {first} {'is' if seen else 'leaves no trace'} in the outputs")


def _close(subject: Subject, a: Any, b: Any) -> bool:
    """Equal but for the order of sums."""
    tolerance = 1e-4 if subject.dtype == np.float32 else 1e-9
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool((np.abs(a - b) <= tolerance * np.abs(b).max()).all())
