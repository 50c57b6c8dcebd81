"""A score card for a GRU, or for any function with a cache whose arrays its author gives.
The gradient checker judges every gradient; a reference, where there is one, judges the outputs.

Axes: B batch, T time, D features, H hidden; a GRU's gates are three blocks of H rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from minilstm.functional.activations import sigmoid
from minilstm.proof.causes.recognition.arrangements import same
from minilstm.proof.checker.gradcheck import gradcheck
from minilstm.proof.conformance.card import Row
from minilstm.proof.conformance.verdicts import Finding
from minilstm.proof.derivatives.problem import Array

Arrays = Mapping[str, Array]
OUTPUT_ERROR = 1e-9  # relative; outputs of two right programs differ by the order of their sums
# Where r acts, on h or on R h, and which part of h is kept, z or 1 - z.
GRU_KINDS = tuple((before, kept) for before in (False, True) for kept in ("z", "1 - z"))


class Cell(NamedTuple):
    """The functions under test, arrays to try them on, and what the outputs should be."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    arrays: dict[str, Array]
    reference: Callable[..., Iterator[tuple[str, tuple[Array, ...]]]] | None = None

    def run(self, arrays: Arrays) -> tuple[tuple[Array, ...], Any]:
        """The outputs and the cache."""
        with np.errstate(all="ignore"):
            *outputs, cache = self.forward(*(a.copy() for a in arrays.values()))
        return tuple(outputs), cache

    def gradients(self, upstream: tuple[Array, ...], cache: Any) -> list[Array]:
        """What backward returns, as a list of arrays in the order of the inputs."""
        with np.errstate(all="ignore"):
            found = self.backward(*(a.copy() for a in upstream), cache)
        found = list(found.values()) if isinstance(found, dict) else found
        return [np.array(a) for a in (found if isinstance(found, tuple | list) else [found])]

    def upstream(self, outputs: tuple[Array, ...], seed: int) -> tuple[Array, ...]:
        """Random gradients of the outputs."""
        rng = np.random.default_rng([seed, 11])
        return tuple(rng.standard_normal(np.shape(y)).astype(np.asarray(y).dtype) for y in outputs)


def other_signature(functions: tuple[Callable[..., Any], ...], wanted: tuple[str, str]) -> str:
    """One sentence where forward or backward takes other arguments; "" where both take these."""
    for name, function, arguments in zip(("forward", "backward"), functions, wanted, strict=True):
        try:
            takes = inspect.signature(function)
        except (TypeError, ValueError):  # a built-in function
            continue
        try:
            takes.bind(*arguments.split(", ")) if arguments else None
        except TypeError:
            return (
                f"{name} takes {takes}, but is called as {name}({arguments}); wrap it in a "
                "function that takes these and hands them on as yours needs them"
            )
    return ""


def reference(function: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
    """A user's reference in the form of `gru_outputs`."""

    def outputs(*arrays: Array) -> Iterator[tuple[str, tuple[Array, ...]]]:
        found = function(*arrays)
        name = getattr(function, "__name__", "the reference")
        yield f"as {name}", found if isinstance(found, tuple) else (found,)

    return outputs


def cell_rows(cell: Cell, seed: int, gru: bool) -> tuple[Row, ...]:
    """All rows of the card; an exception fails the row in which it is raised."""
    checks: list[tuple[str, int, Callable[[], Finding]]] = [
        ("outputs", 3, lambda: _outputs(cell)),
        ("same bits twice", 2, lambda: _twice(cell, seed)),
        ("calls do not mix", 2, lambda: _mixed(cell, seed)),
        ("arguments stay as they are", 1, lambda: _arguments(cell, seed)),
        ("float32 stays float32", 1, lambda: _stays(cell, seed)),
        ("large inputs", 1, lambda: _large(cell, seed)),
        ("NaN is seen", 1, lambda: _nan(cell)),
    ]
    report: list[Any] = []

    def gradient(name: str) -> Finding:
        if not report:
            report.append(_report(cell, cell.arrays, seed))
        error = next(e for e in report[0].errors if e.name == name)
        where = f"{name}{list(error.where)}" + (f" ({error.place})" if error.place else "")
        said = f"{where}: by hand {error.by_hand:.9g}, true derivative {error.reference:.9g}"
        passed = f"relative error {error.relative_error:.0e}"
        cause = error.causes[0] if error.causes else ""
        return Finding(error.passed, passed if error.passed else said, cause)

    checks[1:1] = [(f"gradient of {n}", 3, partial(gradient, n)) for n in cell.arrays]
    if gru:
        for title, sizes in (
            ("one step", {"T": 1}), ("a batch of one", {"B": 1}), ("one unit", {"H": 1}),
            ("one feature", {"D": 1}), ("200 steps", {"T": 200}),
        ):  # fmt: skip
            checks.append((title, 1, partial(_at, cell, seed, sizes)))
    rows = []
    for name, points, run in checks:
        try:
            passed, detail, cause = run()
        except Exception as error:  # of the functions under test, whatever it may be
            text = " ".join(str(error).split())
            passed, detail, cause = False, f"{type(error).__name__}: {text}", ""
        said = f"not offered: {detail}" if passed is None else detail
        rows.append(Row(name, passed, 0 if passed is None else points, said, cause))
    return tuple(rows)


def gru_arrays(seed: int, T: int = 5, B: int = 3, D: int = 2, H: int = 4) -> dict[str, Array]:
    """Random x (T, B, D), h0 (B, H), W (3H, D), R (3H, H), b (3H,)."""
    rng = np.random.default_rng([seed, 5])
    return {
        "x": rng.standard_normal((T, B, D)), "h0": 0.5 * rng.standard_normal((B, H)),
        "W": rng.standard_normal((3 * H, D)), "R": rng.standard_normal((3 * H, H)) / np.sqrt(H),
        "b": 0.5 * rng.standard_normal(3 * H),
    }  # fmt: skip


def gru_outputs(
    x: Array, h0: Array, W: Array, R: Array, b: Array
) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """(what it is, (h, hT)) of each kind of GRU in each order of its gates."""
    blocks = [np.split(a, 3) for a in (W, R, b)]
    for order in permutations("rzn"):
        Wr, Wz, Wn, Rr, Rz, Rn, br, bz, bn = (p[order.index(g)] for p in blocks for g in "rzn")
        for before, kept in GRU_KINDS:
            h, steps = h0, []
            for xt in x:
                r = sigmoid(xt @ Wr.T + h @ Rr.T + br)
                z = sigmoid(xt @ Wz.T + h @ Rz.T + bz)
                reset = (r * h) @ Rn.T if before else r * (h @ Rn.T)
                n = np.tanh(xt @ Wn.T + reset + bn)
                z = z if kept == "z" else 1 - z
                h = z * h + (1 - z) * n
                steps.append(h)
            where = "before" if before else "after"
            title = f"gates {', '.join(order)}, r {where} the product, {kept} keeps the state"
            yield title, (np.array(steps), h)


def _report(cell: Cell, arrays: Arrays, seed: int, **how: Any) -> Any:
    def forward(**given: Array) -> Any:
        return cell.forward(*given.values())

    return gradcheck(
        forward, cell.backward, dict(arrays), cached=True, seed=seed, raises=False, max_entries=16,
        **how,
    )  # fmt: skip


def _outputs(cell: Cell) -> Finding:
    outputs, _ = cell.run(cell.arrays)
    outputs = tuple(np.asarray(y) for y in outputs)
    if cell.reference is None:
        shapes = ", ".join(str(y.shape) for y in outputs)
        return Finding(None, f"no reference; they have the shapes {shapes}")
    for title, right in cell.reference(*cell.arrays.values()):
        kept = right[: len(outputs)]
        if all(same(y, wanted, OUTPUT_ERROR) for y, wanted in zip(outputs, kept, strict=True)):
            return Finding(True, title)
    return Finding(False, "they are not those of the reference, whatever the order of gates")


def _twice(cell: Cell, seed: int) -> Finding:
    runs = []
    for _ in range(2):
        outputs, cache = cell.run(cell.arrays)
        kept = [np.array(y) for y in outputs]
        runs.append([*kept, *cell.gradients(cell.upstream(outputs, seed), cache)])
    for a, b in zip(*runs, strict=True):
        if not np.array_equal(a, b, equal_nan=True):
            return Finding(False, "a second call gives other numbers", "a state is left behind.")
    return Finding(True, f"{len(runs[0])} arrays")


def _mixed(cell: Cell, seed: int) -> Finding:
    other = {name: a * 1.25 for name, a in cell.arrays.items()}
    outputs, cache = cell.run(cell.arrays)
    alone = cell.gradients(cell.upstream(outputs, seed), cache)
    outputs, cache = cell.run(cell.arrays)
    cell.run(other)
    mixed = cell.gradients(cell.upstream(outputs, seed), cache)
    if all(same(a, b, OUTPUT_ERROR) for a, b in zip(alone, mixed, strict=True)):
        return Finding(True, "forward A, forward B, backward A")
    cause = "what backward needs is kept outside the cache and overwritten by the next forward."
    return Finding(False, "gradients change when another forward pass comes before backward", cause)


def _arguments(cell: Cell, seed: int) -> Finding:
    given = {name: a.copy() for name, a in cell.arrays.items()}
    *outputs, cache = cell.forward(*given.values())
    upstream = cell.upstream(tuple(outputs), seed)
    kept = [a.copy() for a in upstream]
    cell.backward(*upstream, cache)
    changed = [n for n, a in given.items() if not np.array_equal(a, cell.arrays[n])]
    if not all(np.array_equal(a, b) for a, b in zip(upstream, kept, strict=True)):
        changed.append("the upstream gradient")
    return Finding(not changed, f"written into: {', '.join(changed)}" if changed else "")


def _stays(cell: Cell, seed: int) -> Finding:
    narrow = {name: a.astype(np.float32) for name, a in cell.arrays.items()}
    outputs, cache = cell.run(narrow)
    results = [*outputs, *cell.gradients(cell.upstream(outputs, seed), cache)]
    wrong = [np.asarray(a).dtype for a in results if np.asarray(a).dtype != np.float32]
    detail = f"{len(wrong)} of {len(results)} arrays are {wrong[0]}" if wrong else ""
    return Finding(not wrong, detail, "a buffer is made without a dtype." if wrong else "")


def _large(cell: Cell, seed: int) -> Finding:
    first = next(iter(cell.arrays))
    outputs, cache = cell.run({**cell.arrays, first: 1e3 * cell.arrays[first]})
    results = [*outputs, *cell.gradients(cell.upstream(outputs, seed), cache)]
    finite = all(np.isfinite(a).all() for a in results)
    return Finding(finite, f"{first} of 1000 {'gives' if finite else 'does not give'} finite ones")


def _nan(cell: Cell) -> Finding:
    first = next(iter(cell.arrays))
    spoilt = cell.arrays[first].copy()
    spoilt[(0,) * spoilt.ndim] = np.nan
    outputs, _ = cell.run({**cell.arrays, first: spoilt})
    seen = any(np.isnan(y).any() for y in outputs)
    return Finding(
        seen, f"a NaN in {first} {'is in' if seen else 'leaves no trace in'} the outputs"
    )


def _at(cell: Cell, seed: int, sizes: dict[str, int]) -> Finding:
    arrays = gru_arrays(seed, **sizes)
    long = {"method": "directional"} if sizes.get("T", 0) > 50 else {}
    report = _report(cell, arrays, seed, **long)
    wrong = ", ".join(report.wrong)
    return Finding(report.passed, f"wrong: {wrong}" if wrong else f"{report.max_error:.0e}")
