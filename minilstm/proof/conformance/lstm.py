"""Somebody's LSTM in its own layout, and the NumPy twin beside it on the same arrays.
Rows of W, R and b are in the order of the subject's gates; sequences lie as its user keeps them.

Axes: B batch, T time, D features, H hidden, G = 4H gate rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilstm.functional.lstm import lstm_forward
from minilstm.proof.conformance.subject import (
    Arrays,
    Outputs,
    Sizes,
    Subject,
    named_gradients,
    quietly,
)
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.reports.places import FULL_NAMES

NAMES = ("x", "W", "R", "b", "h0", "c0")
OUTPUTS = ("h", "hT", "cT")


@dataclass(frozen=True)
class LSTMSubject(Subject):
    """The two functions of an LSTM and their layout; see `conformance`."""

    gate_order: str
    orientation: str
    batch_axis: int | None
    initial_state: bool

    taken = "x, h0, c0, W, R, b", "dh, dstate, cache"
    output_error = 1e-12
    through = ("h",)
    optional = ("x", "h0", "c0")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays that may have gradients."""
        return NAMES if self.initial_state else NAMES[:4]

    @property
    def takes_lengths(self) -> bool:
        """Whether forward has an argument for the lengths of the sequences."""
        try:
            return "lengths" in inspect.signature(self.forward).parameters
        except (TypeError, ValueError):
            return False

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """What the axes of each array are, for reports."""
        gates = tuple(FULL_NAMES[g] for g in self.gate_order)
        rows: dict[str, tuple[Any, ...]] = {"W": (gates, "feature"), "R": (gates, "unit")}
        if self.orientation == "columns":
            rows = {name: pair[::-1] for name, pair in rows.items()}
        x = {None: ("time", "feature"), 0: ("batch", "time", "feature")}
        state = ("unit",) if self.batch_axis is None else ("batch", "unit")
        return {
            "x": x.get(self.batch_axis, ("time", "batch", "feature")),
            **rows, "b": (gates,), "h0": state, "c0": state,
        }  # fmt: skip

    def draw(self, sizes: Sizes, rng: np.random.Generator) -> dict[str, Array]:
        """Random arrays in the layout of the subject."""
        T, B, D, H = sizes._replace(B=1 if self.batch_axis is None else sizes.B)
        R = rng.standard_normal((4 * H, H)) / np.sqrt(H)  # (G, H) so that long sequences stay tame
        W, b = rng.standard_normal((4 * H, D)), 0.5 * rng.standard_normal(4 * H)
        columns = self.orientation == "columns"
        h0, c0 = 0.5 * rng.standard_normal((2, B, H)) * self.initial_state
        arrays = {
            "x": self.laid_out(rng.standard_normal((T, B, D))),
            "h0": h0[0] if self.batch_axis is None else h0,
            "c0": c0[0] if self.batch_axis is None else c0,
            "W": W.T if columns else W, "R": R.T if columns else R, "b": b,
        }  # fmt: skip
        return {name: np.array(a, self.dtype, order="C") for name, a in arrays.items()}

    def laid_out(self, steps: Array) -> Array:
        """(T, B, ...) as the subject keeps it."""
        if self.batch_axis is None:
            return steps[:, 0]
        return steps.swapaxes(0, 1) if self.batch_axis == 0 else steps

    def time_major(self, steps: Array) -> Array:
        """The inverse: (T, B, ...)."""
        return steps[:, None] if self.batch_axis is None else self.laid_out(steps)

    def run(self, arrays: Arrays, copy: bool = True, **extra: Any) -> Outputs:
        """Call forward on copies of the arrays and take what it returns apart."""
        given = (arrays[name] for name in ("x", "h0", "c0", "W", "R", "b"))
        found = quietly(self.forward, *(a.copy() if copy else a for a in given), **extra)
        if not isinstance(found, tuple) or len(found) != 3:
            size = f" of {len(found)}" if isinstance(found, tuple | list) else ""
            raise TypeError(
                f"forward returned {type(found).__name__}{size}; it has to return (h, (hT, cT), "
                "cache), or (h, None, cache) where it gives no final state"
            )
        h, state, cache = found
        if state is not None and len(state) != 2:
            raise TypeError(f"forward returned {len(state)} final states; return (hT, cT) or None")
        outputs = map(np.asarray, (h, *(() if state is None else state)))
        return Outputs(dict(zip(OUTPUTS, outputs, strict=False)), cache)

    def gradients(self, upstream: Arrays, cache: Any, copy: bool = True) -> dict[str, Any]:
        """Call backward on copies of the upstream gradients and give its gradients names."""
        dh, *dstate = (a.copy() if copy else a for a in upstream.values())
        found = named_gradients(quietly(self.backward, dh, tuple(dstate) or None, cache), NAMES)
        return {name: found[name] for name in self.names}

    def right(self, arrays: Arrays) -> Iterator[tuple[str, dict[str, Array]]]:
        """The outputs of the NumPy twin in the layout of the subject, real or complex."""
        arrays = {n: a.astype(np.result_type(a, np.float64)) for n, a in arrays.items()}
        turned = {n: a.T if self.orientation == "columns" else a for n, a in arrays.items()}
        gates = [self.gate_order.index(gate) for gate in "ifgo"]
        H = arrays["b"].size // 4
        W, R, b = (turned[n].reshape(4, H, -1)[gates].reshape(4 * H, -1) for n in ("W", "R", "b"))
        x = np.ascontiguousarray(self.time_major(arrays["x"]))  # (T, B, D)
        T, B, D = x.shape
        h0, c0 = (arrays[name].reshape(B, H) for name in ("h0", "c0"))
        seven: Any = (x.reshape(T * B, D), h0, c0, W, R, b[:, 0], np.full(T, B))
        h, state, _ = lstm_forward(*seven)
        ends = (s[0] if self.batch_axis is None else s for s in state)
        outputs = self.laid_out(h.reshape(T, B, H)), *ends
        yield "the NumPy twin", dict(zip(OUTPUTS, outputs, strict=True))
