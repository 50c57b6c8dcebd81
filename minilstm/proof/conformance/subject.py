"""Somebody's LSTM as the checks see it: random arrays in its layout, its outputs, its gradients.
The NumPy twin, run on the same arrays, says what it should give.

Axes: B batch, T time, D features, H hidden, G = 4H gate rows in the subject's order.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilstm.arrays import as_array
from minilstm.functional.lstm import lstm_backward
from minilstm.proof.causes.recognition.arrangements import by_letters
from minilstm.proof.causes.recognition.lstm_layouts import Layout, Parts
from minilstm.proof.causes.recognition.lstm_layouts import Sizes as LayoutSizes
from minilstm.proof.causes.recognition.lstm_trial import FoundLSTM, Output, forward_of, replay_lstm
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.derivatives.trees import named_leaves
from minilstm.proof.reports.places import FULL_NAMES

Arrays = Mapping[str, Array]
# Gradients that arrive from above: dh, (T, H), (B, T, H) or (T, B, H), laid out like h; and, where
# a state is returned, dhT and dcT, (H,) or (B, H) each.
Upstream = tuple[Array, ...]
NAMES = ("x", "W", "R", "b", "h0", "c0")
OUTPUTS = ("h", "hT", "cT")


class Sizes(NamedTuple):
    """Sizes of one check."""

    T: int = 6
    B: int = 3
    D: int = 2
    H: int = 4


class Outputs(NamedTuple):
    """What forward returned."""

    h: Array
    state: tuple[Array, Array] | None
    cache: Any

    @property
    def all(self) -> tuple[Array, ...]:
        """The outputs alone, without a state where none is returned."""
        return self.h, *(self.state or ())

    def named(self) -> dict[str, Array]:
        """The same by name."""
        return dict(zip(OUTPUTS, map(np.asarray, self.all), strict=False))


@dataclass(frozen=True)
class Subject:
    """The two functions under test and their layout; see `conformance`."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    gate_order: str
    orientation: str
    batch_axis: int | None
    initial_state: bool
    dtype: Any

    @property
    def takes_lengths(self) -> bool:
        """Whether forward has an argument for the lengths of the sequences."""
        try:
            return "lengths" in inspect.signature(self.forward).parameters
        except (TypeError, ValueError):
            return False

    @property
    def checked(self) -> tuple[str, ...]:
        """Names of the arrays that may have gradients."""
        return NAMES if self.initial_state else NAMES[:4]

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

    def draw(self, sizes: Sizes, rng: np.random.Generator, scale: float = 1.0) -> dict[str, Array]:
        """Random arrays in the layout of the subject; `scale` stretches x."""
        T, B, D, H = sizes._replace(B=1 if self.batch_axis is None else sizes.B)
        R = rng.standard_normal((4 * H, H)) / np.sqrt(H)  # (G, H) so that long sequences stay tame
        W, b = rng.standard_normal((4 * H, D)), 0.5 * rng.standard_normal(4 * H)
        columns = self.orientation == "columns"
        h0, c0 = 0.5 * rng.standard_normal((2, B, H)) * self.initial_state
        arrays = {
            "x": self.laid_out(scale * rng.standard_normal((T, B, D))),
            "W": W.T if columns else W, "R": R.T if columns else R, "b": b,
            "h0": h0[0] if self.batch_axis is None else h0,
            "c0": c0[0] if self.batch_axis is None else c0,
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

    def run(self, arrays: Arrays, lengths: Array | None = None, copy: bool = True) -> Outputs:
        """Call forward on copies of the arrays and take what it returns apart."""
        extra = {} if lengths is None else {"lengths": lengths}
        given = (arrays[name] for name in ("x", "h0", "c0", "W", "R", "b"))
        six = [a.copy() if copy else a for a in given]
        found = _quietly(self.forward, *six, **extra)
        if not isinstance(found, tuple) or len(found) != 3:
            size = f" of {len(found)}" if isinstance(found, tuple | list) else ""
            raise TypeError(
                f"forward returned {type(found).__name__}{size}; it has to return (h, (hT, cT), "
                "cache), or (h, None, cache) where it gives no final state"
            )
        h, state, cache = found
        if state is not None and len(state) != 2:
            raise TypeError(f"forward returned {len(state)} final states; return (hT, cT) or None")
        return Outputs(h, None if state is None else (state[0], state[1]), cache)

    def gradients(
        self, upstream: Upstream, cache: Any, copy: bool = True
    ) -> dict[str, Array | None]:
        """Call backward on copies of the upstream gradients and give its gradients names."""
        dh, *dstate = (a.copy() if copy else a for a in upstream)
        return named_gradients(_quietly(self.backward, dh, tuple(dstate) or None, cache))

    def draw_upstream(self, outputs: Outputs, rng: np.random.Generator) -> Upstream:
        """Random gradients of the outputs, of their shapes and dtypes."""
        return tuple(rng.standard_normal(np.shape(a)).astype(self.dtype) for a in outputs.all)

    # ------------------------------------------------------------ the NumPy twin

    def layout(self, arrays: Arrays) -> FoundLSTM:
        """The layout of the subject, as recognition would find it."""
        T, B, D = self.time_major(arrays["x"]).shape
        H = arrays["b"].size // 4

        def build(arrays: Arrays) -> Parts:
            columns = self.orientation == "columns"
            W, R = (arrays[n].T if columns else arrays[n] for n in ("W", "R"))
            h0, c0 = (arrays[name].reshape(B, H) for name in ("h0", "c0"))
            gates = W.reshape(4, H, D), R.reshape(4, H, H), (arrays["b"].reshape(4, H),)
            return Parts(self.time_major(arrays["x"]), *gates, h0, c0)

        steps = {None: "TH", 0: "BTH"}.get(self.batch_axis, "TBH")
        sizes = {"T": T, "B": B, "H": H}
        h, state = by_letters(steps, "TBH", sizes), by_letters("BH", "BH", sizes)
        outputs = Output("h", h), Output("last h", state), Output("last c", state)
        order = tuple(self.gate_order.index(gate) for gate in "ifgo")
        return FoundLSTM(Layout(LayoutSizes(T, B, D, H, 1, 2), (), "", build), order, 0.0, outputs)

    def twin(self, arrays: Arrays) -> Outputs:
        """Outputs of the NumPy twin in the layout of the subject, in float64."""
        layout = self.layout(arrays)
        T, B, *_ = layout.layout.sizes
        h, state, cache = forward_of(layout.layout.build(arrays), layout.order, layout.forget)
        hidden, cell = (s[0] if self.batch_axis is None else s for s in state)
        return Outputs(self.laid_out(h.reshape(T, B, -1)), (hidden, cell), cache)

    def replay(
        self, arrays: Arrays, upstream: Upstream, backward: Callable[..., Any] = lstm_backward
    ) -> dict[str, Array]:
        """Gradients by a backward pass with the contract of `lstm_backward`, in this layout."""
        layout = self.layout(arrays)
        layout = layout._replace(outputs=layout.outputs[: len(upstream)])
        return replay_lstm(layout, arrays, upstream, backward)


def named_gradients(found: Any) -> dict[str, Array | None]:
    """Gradients by name from a dict, a tuple in the order of NAMES, or nested ones."""
    parts = list(named_leaves(found))
    named = {name: part for name, part in parts if name in NAMES}
    missing = (name for name in NAMES if name not in named)
    named |= zip(missing, (part for name, part in parts if name is None), strict=False)
    return {n: None if named.get(n) is None else as_array(named[n], n) for n in NAMES}


def _quietly(function: Callable[..., Any], *given: Any, **extra: Any) -> Any:
    """What a function returns, without warnings of its numbers."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*given, **extra)
