"""Mistakes in the rows of a packed ragged batch, seen as sequences of time steps.
Rows are laid out as a grid, last steps under one another, where backward passes begin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minilstm.proof.causes.signatures.evidence import Case, Evidence
from minilstm.proof.causes.signatures.layouts import layouts
from minilstm.proof.derivatives.problem import Array


def packed_rows(case: Case) -> tuple[int, list[str]] | None:
    """The axis of the rows and what is said about it; None where no axis has rows."""
    if case.rows is None or "row" not in case.axes:
        return None
    axis = case.axes.index("row")
    if np.shape(case.rows) != (case.hand.shape[axis], 2):
        return None
    said = [*_reordered(case, axis)]
    if not said:
        grid = _grid(case, axis)
        others = [n for n in range(grid.hand.ndim) if n not in (axis, axis + 1)]
        said = list(layouts(grid, others, turned=False))
    return axis, said


def _reordered(case: Case, axis: int) -> Iterator[str]:
    sequence, step = np.asarray(case.rows).T
    source = case.sources()
    if case.moved(np.take(source, np.lexsort((step, sequence)), axis)):
        yield "Its rows stand sequence after sequence, where time step after time step is right."
    elif case.moved(np.take(source, np.lexsort((sequence, step)), axis)):
        yield "Its rows stand time step after time step, where sequence after sequence is right."
    elif case.moved(np.take(source, _reversed(case), axis)):
        yield (
            "Each sequence is reversed in time: one of two loops runs in forward order where the "
            "other runs backwards."
        )


def _reversed(case: Case) -> Array:
    """For each row, the row as far from the end of its sequence as it is from the start."""
    sequence, step = np.asarray(case.rows).T
    back = np.empty(len(step), np.int64)
    for s in np.unique(sequence):
        of = np.flatnonzero(sequence == s)
        of = of[np.argsort(step[of])]
        back[of] = of[::-1]
    return back


def _grid(case: Case, axis: int) -> Case:
    """The array with the axes (..., sequence, time, ...) in place of rows; gaps are unknown."""
    sequence, step = np.asarray(case.rows).T
    names, sequence = np.unique(sequence, return_inverse=True)
    last = np.array([step[sequence == n].max() for n in range(len(names))])
    aligned = step + last.max() - last[sequence]
    shape = (len(names), int(aligned.max()) + 1)

    def spread(rows: Array, gap: float) -> Array:
        rows = np.moveaxis(rows, axis, 0)
        grid = np.full((*shape, *rows.shape[1:]), gap)
        grid[sequence, aligned] = rows
        return np.moveaxis(grid, (0, 1), (axis, axis + 1))

    axes = (*case.axes[:axis], "sequence", "time", *case.axes[axis + 1 :])
    hand, exact, value = spread(case.hand, 0.0), spread(case.exact, np.nan), spread(case.value, 0.0)
    grid = Case(Evidence(case.name, hand, exact, value, axes, case.tolerance), case.counts)
    grid.scale = case.scale
    grid.real = spread(np.ones_like(case.hand), 0.0) > 0
    return grid
