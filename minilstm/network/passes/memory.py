"""How a batch goes through training in a stated memory: which spans of time keep their gates.
The cut into spans does not depend on the budget, so no sum and no bit of a gradient does.

Axes: B batch, T time, N rows of a packed ragged batch, D features, H hidden units.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from minilstm.functional.ragged import IntArray
from minilstm.layers import Recurrent
from minilstm.network.graph.wiring import Wiring
from minilstm.network.passes.host_memory import host_memory

SPAN_ROWS = 16_384  # rows of a span at most
FEWER_ROWS = 4096  # where rows are wide: the arrays stay in the last-level cache, the calls few
CACHED_BYTES, WHOLE_ROWS = 32 * 2**20, 512  # up to here more rows fit; rows that come together
SHORT = 1024  # steps of a batch, at most, whose plan is kept for the next of the same lengths
SPAN_BYTES = 256 * 2**20  # at most, of what one span needs while it is computed
AUTO_SHARE = 1 / 16  # of the memory that this process may use: the budget "auto"
AUTO_LEAST = 240 * 2**20  # bytes; with Python and Numba around it, less than 600 MB
# A GPU has no cache for the arrays of a span, and each span costs it launches: where there is room,
# a batch is one span. The bits of its gradients follow the memory of the device, not the budget.
GPU_SPAN = 1 / 4  # of its memory, for a span while it is computed
GPU_BUDGET = 1 / 2  # for what backward needs


class Span(NamedTuple):
    """Steps first to last of a batch, which are rows row to row_end."""

    first: int
    last: int
    row: int
    row_end: int


class MemoryPlan(NamedTuple):
    """How a batch goes through training."""

    spans: tuple[Span, ...]
    first_kept: int  # spans from here on keep their gates
    kept: int  # bytes of what is kept from forward to backward
    used: int  # bytes that one span needs while it is computed
    everything: int  # bytes that keeping all spans would take
    budget: float  # bytes asked for

    def __str__(self) -> str:
        need = self.kept + self.used
        rows = self.spans[-1].row_end
        again = self.spans[self.first_kept].row if self.first_kept < len(self.spans) else rows
        text = f"memory for gradients: {_megabytes(need)} (budget {_megabytes(self.budget)})"
        if again == 0 or len(self.spans) == 1:
            return f"{text}, nothing is computed twice"
        text += f"; {again / rows:.0%} of the steps are computed twice"
        text += f" (keeping all would take {_megabytes(self.everything + self.used)})"
        if need > self.budget:
            text += "; the budget is less than the least possible"
        return text


def plan_memory(
    wiring: Wiring,
    active: IntArray,
    dtype: Any,
    budget: float | str = "auto",
    truncation: int | None = None,
    whole: bool = False,
    gpu_bytes: int | None = None,
) -> MemoryPlan:
    """Cut a batch into spans of time, and choose which of them keep their gates.

    `active` (T,) int64 has the sequences running at each step. `budget` is in bytes, for what
    backward needs, or "auto": a sixteenth of the memory that this process may use, 240 MiB at
    least, or half of the memory of a GPU. `truncation` is the steps after which gradients are cut,
    or None; spans end there. `whole` says that the loss, or a layer, needs all of the batch at
    once: there is one span. `gpu_bytes` is the memory of the GPU that computes; None means a CPU.
    The plan's `kept + used` exceeds a budget that is less than the least possible.

    Examples
    --------
    >>> from minilstm.layers import LSTM, SequenceInput
    >>> from minilstm.network.graph.wiring import wire
    >>> layers = [SequenceInput(3), LSTM(200)]
    >>> plan = plan_memory(wire(layers), np.full(60_000, 6), "float32", budget=2e8)
    >>> len(plan.spans), plan.spans[1].first, plan.first_kept > 0
    (64, 938, True)
    """
    if budget == "auto":
        budget = auto_budget(host_memory()) if gpu_bytes is None else GPU_BUDGET * gpu_bytes
    how = np.dtype(dtype).itemsize, float(budget), truncation, whole, gpu_bytes
    if len(active) > SHORT:
        return _plan(wiring, active, *how)
    return _kept_plan(wiring, active.tobytes(), *how, SPAN_ROWS)


@lru_cache(maxsize=256)
def _kept_plan(wiring: Wiring, active: bytes, *how: Any) -> MemoryPlan:
    return _plan(wiring, np.frombuffer(active, np.int64), *how[:-1])


def _plan(
    wiring: Wiring,
    active: IntArray,
    itemsize: int,
    budget: float,
    truncation: int | None,
    whole: bool,
    gpu_bytes: int | None,
) -> MemoryPlan:
    ends = np.cumsum(active)  # (T,)
    T, B = len(active), int(active[0])
    per_row, per_sequence = used_bytes(wiring, itemsize)
    cuts = {0}
    kept_per_row, states, uncut = _facts(wiring, itemsize)
    if not (whole or uncut):
        cuts |= set(range(0, T, max(1, span_rows(per_row, gpu_bytes) // B)))
        if truncation is not None:
            cuts |= set(range(0, T, truncation))
    spans = tuple(
        Span(a, b, int(ends[a - 1]) if a else 0, int(ends[b - 1]))
        for a, b in pairwise(sorted({*cuts, T}))
    )
    longest = max(s.row_end - s.row for s in spans)
    used = longest * per_row + B * per_sequence + len(spans) * B * states
    # The last span goes straight from forward to backward: it is never kept.
    first_kept, kept = len(spans) - 1, 0
    while first_kept > 0:
        span = spans[first_kept - 1]
        more = (span.row_end - span.row) * kept_per_row
        if kept + more + used > budget:
            break
        first_kept, kept = first_kept - 1, kept + more
    everything = spans[-1].row * kept_per_row
    return MemoryPlan(spans, first_kept, kept, used, everything, budget)


def auto_budget(memory: int) -> float:
    """Bytes that "auto" means on a CPU, from those that this process may use.

    Examples
    --------
    >>> [auto_budget(n << 30) / 2**20 for n in (0, 2, 16)]
    [240.0, 240.0, 1024.0]
    """
    return max(AUTO_LEAST, AUTO_SHARE * memory)


@lru_cache(maxsize=64)
def _facts(wiring: Wiring, itemsize: int) -> tuple[int, int, bool]:
    """Bytes kept for a row, bytes of the states of a sequence, and whether a batch is one span."""
    recurrent = [layer for layer in wiring.layers if isinstance(layer, Recurrent)]
    kept_per_row = sum(layer.kept_per_row(itemsize) for layer in recurrent)
    states = sum(2 * node.state_size * itemsize for node in wiring.nodes)
    return kept_per_row, states, wiring.cannot_be_cut(training=True)


@lru_cache(maxsize=64)
def used_bytes(wiring: Wiring, itemsize: int) -> tuple[int, int]:
    """Bytes that training needs for each row of one span, and for each sequence, about."""
    per_row = per_sequence = 0
    for node in wiring.nodes:
        shape = node.in_shapes[0] if node.in_shapes else node.shapes[0]
        need = node.layer.used_per_row(shape, itemsize)
        if node.steps[0] or node.layer.keeps_last:
            per_row += need
        else:
            per_sequence += need
    return per_row, per_sequence


def span_rows(bytes_per_row: int, gpu_bytes: int | None) -> int:
    """Rows of a span: fewer where a row is large, such as a picture."""
    if gpu_bytes is not None:
        return max(1, int(GPU_SPAN * gpu_bytes) // max(1, bytes_per_row))
    bytes_per_row = max(1, bytes_per_row)
    cached = CACHED_BYTES // bytes_per_row // WHOLE_ROWS * WHOLE_ROWS
    return max(1, min(SPAN_ROWS, max(FEWER_ROWS, cached), SPAN_BYTES // bytes_per_row))


def _megabytes(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
