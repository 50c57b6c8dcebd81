"""Checks of the calls rather than the numbers: repeated, mixed, ragged, in another dtype, extreme.
What an LSTM gives must depend on its arguments alone.

Axes: B batch, T time, D features, H hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minilstm.proof.causes.recognition.arrangements import same
from minilstm.proof.conformance.subject import OUTPUTS, Sizes, Subject, Upstream
from minilstm.proof.conformance.verdicts import Examination, Finding
from minilstm.proof.derivatives.problem import Array, Gradients


def _problem(exam: Examination, scale: float = 1.0) -> tuple[dict[str, Array], Upstream]:
    """Arrays, and upstream gradients of the shapes that the outputs must have."""
    rng = np.random.default_rng([exam.seed, 3, *Sizes()])
    arrays = exam.subject.draw(Sizes(), rng, scale)
    return arrays, exam.subject.draw_upstream(exam.subject.run(arrays), rng)


def _given(gradients: Gradients, wrong: set[str] | None = None) -> dict[str, Array]:
    """The gradients that there are, without those of arrays that are wrong anyway."""
    left = {n: a for n, a in gradients.items() if a is not None and n not in (wrong or ())}
    return {f"the gradient of {n}": a for n, a in left.items()}


def _copied(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: a.copy() for name, a in arrays.items()}


def same_bits(exam: Examination) -> Finding:
    """Forward and backward twice with the same arguments."""
    subject, (arrays, upstream) = exam.subject, _problem(exam)
    runs = []
    for _ in range(2):
        outputs = subject.run(arrays)
        results = _copied(outputs.named())
        runs.append(results | _copied(_given(subject.gradients(upstream, outputs.cache))))
    first, second = runs
    for name, a in first.items():
        b = second[name]
        if a.shape == b.shape and np.array_equal(a, b, equal_nan=True):
            continue
        left = "forward starts from a state that an earlier call left behind."
        cause = left if a.shape == b.shape else ""
        if name not in ("h", "hT", "cT"):
            cause = (
                "the gradients of an earlier call are still in there; set them to zero at the "
                "start of backward."
            )
        return Finding(False, f"{name} is another the second time", cause)
    return Finding(True, f"{len(first)} arrays")


def calls_do_not_mix(exam: Examination) -> Finding:
    """Forward of one problem, forward of another, then backward of both."""
    subject, wrong = exam.subject, exam.wrong
    problems = [_problem(replace(exam, seed=exam.seed + k)) for k in range(2)]
    alone = [
        _copied(_given(subject.gradients(upstream, subject.run(arrays).cache), wrong))
        for arrays, upstream in problems
    ]
    caches = [subject.run(arrays).cache for arrays, _ in problems]
    for (_, upstream), cache, before in zip(problems, caches, alone, strict=True):
        mixed = _given(subject.gradients(upstream, cache), wrong)
        for name, a in before.items():
            if not _close(subject, mixed[name], a):
                return Finding(
                    False,
                    f"{name} changes when another forward pass comes before backward",
                    "what backward needs is kept outside the cache and overwritten by the next "
                    "forward pass.",
                )
    return Finding(True, "forward A, forward B, backward A, backward B")


def arguments_stay(exam: Examination) -> Finding:
    """Neither function writes into what it is given."""
    subject, (arrays, upstream) = exam.subject, _problem(exam)
    above = {f"d{name}": a for name, a in zip(OUTPUTS, upstream, strict=False)}
    before = _copied(arrays | above)
    cache = subject.run(arrays, copy=False).cache
    after_forward = [n for n in arrays if not np.array_equal(arrays[n], before[n])]
    if after_forward:
        return Finding(False, f"forward writes into {', '.join(after_forward)}")
    subject.gradients(upstream, cache, copy=False)
    changed = [n for n, a in (arrays | above).items() if not np.array_equal(a, before[n])]
    if not changed:
        return Finding(True)
    cause = "an array is changed in place (+= or out=) that was taken without a copy."
    return Finding(False, f"backward writes into {', '.join(changed)}", cause)


def stays(dtype: Any, exam: Examination) -> Finding:
    """Outputs and gradients have the dtype of the arrays."""
    if exam.subject.dtype == np.float32 and dtype != np.float32:
        return Finding(None, "dtype=np.float32")
    narrow = replace(exam.subject, dtype=dtype)
    arrays, upstream = _problem(replace(exam, subject=narrow))
    outputs = narrow.run(arrays)
    results = outputs.named() | _given(narrow.gradients(upstream, outputs.cache))
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
    if subject.batch_axis is None:
        return Finding(None, "no batches")
    if not subject.takes_lengths:
        return Finding(None, "forward has no argument lengths")
    lengths = np.array([4, 6, 2])
    arrays, (laid_out, *dstate) = _problem(exam)
    dh = subject.time_major(laid_out).copy()  # (T, B, H)
    for b, n in enumerate(lengths):
        dh[n:, b] = 0  # padding has no gradient
    outputs = subject.run(arrays, lengths)
    together = subject.gradients((subject.laid_out(dh), *dstate), outputs.cache)
    judged = {n: a for n, a in together.items() if a is not None and n not in wrong}
    sums = {n: np.zeros_like(judged[n]) for n in ("W", "R", "b") if n in judged}

    def cut(name: str, array: Array, b: int, n: int | None = None) -> Array:
        """The part of one sequence, of what has steps or of a state."""
        return subject.time_major(array)[:n, b] if name in ("x", "h") else array[b]

    for b, n in enumerate(lengths):
        x = subject.laid_out(subject.time_major(arrays["x"])[:n, b : b + 1])
        state = {name: arrays[name][b : b + 1] for name in ("h0", "c0")}
        single = subject.run({**arrays, **state, "x": np.ascontiguousarray(x)})
        for name, batch in outputs.named().items():
            if _close(subject, cut(name, batch, b, n), cut(name, single.named()[name], 0)):
                continue
            what = f"{name} of sequence {b} ({n} of 6 steps) is"
            if name == "h":
                return Finding(False, f"{what} not what it is alone")
            cause = "the final state is taken at the end of the padding."
            return Finding(False, f"{what} another alone", cause)
        above = subject.laid_out(dh[:n, b : b + 1]), *(a[b : b + 1] for a in dstate)
        grads = subject.gradients(above, single.cache)
        for name in sums:
            sums[name] = sums[name] + np.asarray(grads[name])
        for name in ("x", "h0", "c0"):
            alone = grads[name]
            if name not in judged or alone is None:
                continue
            if not _close(subject, cut(name, judged[name], b, n), cut(name, alone, 0)):
                detail = f"the gradient of {name} in sequence {b} is not what it is alone"
                return Finding(False, detail)
    for name, total in sums.items():
        if not _close(subject, judged[name], total):
            detail = f"the gradient of {name} is not the sum over the sequences"
            return Finding(False, detail, "padded steps add to it.")
    return Finding(True, "lengths 4, 6, 2")


def large_inputs(exam: Examination) -> Finding:
    """Saturated gates give finite outputs and gradients."""
    subject, (arrays, upstream) = exam.subject, _problem(exam, scale=1e3)
    outputs = subject.run(arrays)
    results = outputs.named() | _given(subject.gradients(upstream, outputs.cache))
    wrong = [name for name, a in results.items() if not np.isfinite(a).all()]
    if not wrong:
        return Finding(True, "inputs of 1000 give finite gradients")
    cause = "exp overflows; use the sign of its argument, or tanh, for the sigmoid."
    return Finding(False, f"not finite: {', '.join(wrong)}", cause)


def nan_is_seen(exam: Examination) -> Finding:
    """NaN in one step is in the outputs from there on and nowhere else, and in the gradients."""
    subject, (arrays, upstream) = exam.subject, _problem(exam)
    x = subject.time_major(arrays["x"].copy())  # (T, B, D)
    x[2, 0, 0] = np.nan
    outputs = subject.run({**arrays, "x": np.ascontiguousarray(subject.laid_out(x))})
    h = subject.time_major(np.asarray(outputs.h))  # (T, B, H)
    hit = np.zeros(h.shape, bool)
    hit[2:, 0] = True
    replaced = "something replaces NaN by a number."
    if h.shape[:2] != x.shape[:2]:
        return Finding(False, f"h has shape {np.shape(outputs.h)}, so its steps cannot be told")
    if not np.isnan(h[2:, 0]).any():
        return Finding(False, "a NaN in x leaves no trace in h", replaced)
    if np.isnan(h[~hit]).any():
        return Finding(False, "a NaN in x is also in earlier steps or other sequences")
    W = subject.gradients(upstream, outputs.cache)["W"]
    if W is not None and not np.isnan(W).any():
        return Finding(False, "a NaN in x leaves no trace in the gradient of W", replaced)
    return Finding(True, "a NaN in x is in the outputs after it and in the gradient of W")


def _close(subject: Subject, a: Any, b: Any) -> bool:
    """Equal but for the order of sums."""
    return same(a, b, 1e-4 if subject.dtype == np.float32 else 1e-9)
