"""A loss that a user wrote, as a pair of functions: its value and its gradient.
They are called with all rows of a mini-batch, and what they return is checked.

Axes: N rows, C columns of the predictions, R of the targets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from minilstm.arrays import refuse_masked
from minilstm.backend import Backend
from minilstm.losses.base import Array, Functions, Loss


@dataclass(frozen=True)
class FunctionLoss(Loss):
    """A loss that a user wrote: one function for its value, one for its gradient.

    Both get all rows of a mini-batch at once: predictions y (N, C), in the time-major order in
    which batches are computed, and targets t (N, R); class labels come as one-hot rows (N, C).
    Rows without a class are left out. The value is not divided by anything.
    """

    value: Callable[[Array, Array], Any] = field(kw_only=True)  # f(y, t) -> number
    gradient: Callable[[Array, Array], Any] = field(kw_only=True)  # g(y, t) -> dy, of y's shape

    def __reduce__(self) -> Any:
        """Pickled, it is None where its functions cannot be, as it is None in a model file."""
        names = [getattr(f, "__qualname__", "") for f in (self.value, self.gradient)]
        if any("<" in name for name in names):  # a lambda, or made within another function
            return type(None), ()
        return super().__reduce__()

    def __deepcopy__(self, memo: Any) -> FunctionLoss:
        """Itself: it never changes, and its functions need not be copied."""
        return self

    def __copy__(self) -> FunctionLoss:
        """Itself."""
        return self

    def divisor(self, rows: int, responses: int) -> float:
        """1: the function itself decides what it divides by."""
        return 1.0

    def functions(self, backend: Backend, fused: bool = False) -> Functions:
        """The user's functions, which get and give NumPy arrays; what they return is checked."""
        return partial(self._value, backend), partial(self._gradient, backend)

    def _value(
        self, backend: Backend, y: Array, t: Array, divisor: float, weights: Array | None = None
    ) -> tuple[Any, Any]:
        """The value, as a float (or complex)."""
        if weights is not None:
            raise ValueError(
                f"the loss {self.name!r} is a pair of functions, which take no weights; weigh the "
                "rows inside the functions."
            )
        y, t = backend.to_host(y), backend.to_host(t)
        if t.ndim == 1:
            rows = np.flatnonzero(t >= 0)  # (N',) those with a class
            t = np.eye(y.shape[1], dtype=y.real.dtype)[t[rows]]  # (N', C)
        else:
            rows = np.arange(len(y))  # (N,)
            t = t.astype(y.real.dtype, copy=False)
        value = self.value(y[rows], t)
        refuse_masked(value, f"what the loss {self.name!r} returned")
        value = np.asarray(value)
        if value.size != 1 or value.dtype.kind not in "iufc":
            raise ValueError(
                f"the loss {self.name!r} returned an array of shape {value.shape} and dtype "
                f"{value.dtype}, but one number is wanted; return the sum or mean over the rows."
            )
        return value.reshape(())[()] / divisor, (y, t, rows, divisor)

    def _gradient(self, backend: Backend, cache: Any) -> Array:
        """The gradient, with zeros for rows without a class."""
        y, t, rows, divisor = cache
        part = self.gradient(y[rows], t)  # (N', C)
        refuse_masked(part, f"the gradient of the loss {self.name!r}")
        part = np.asarray(part)
        if part.shape != (len(rows), *y.shape[1:]):
            raise ValueError(
                f"the gradient of the loss {self.name!r} has shape {part.shape}, but the "
                f"predictions have {(len(rows), *y.shape[1:])}; return one derivative for each."
            )
        dy = np.zeros_like(y)  # (N, C)
        dy[rows] = part / divisor
        return backend.to_device(dy)
