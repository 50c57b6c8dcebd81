"""Ragged batches without padding: sequences of different lengths as one array of rows, time-major.
Packing and unpacking only move rows, so each is the other's backward pass.

Axes: B batch, T longest sequence, N = sum of all lengths, D features.

Sequences are sorted from longest to shortest and laid out step by step::

    lengths 3, 2, 1         rows          active
    a0 a1 a2                a0 b0 c0      3   step 0
    b0 b1            ->     a1 b1         2   step 1
    c0                      a2            1   step 2

Step t owns the next ``active[t]`` rows, and its sequences are always the first ones, so a time
loop reads and writes plain slices and never meets a padded step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import REAL, Sequences, as_array
from minilstm.errors import DataError
from minilstm.functional.gate import gated, ungated, whole

Array = NDArray[Any]
IntArray = NDArray[np.int64]

_SMALL_BATCH = 1 << 14  # steps of a batch, those beyond an end included
_BLOCK_ROWS = 1 << 14  # steps of short sequences that are moved together


class Packed(NamedTuple):
    """A ragged batch as rows.

    Attributes
    ----------
    rows : (N, D) the steps of all sequences, time-major
    active : (T,) int64, how many sequences are still running at each step (never increasing)
    order : (B,) int64, ``order[j]`` is the place in the batch of the j-th longest sequence
    """

    rows: Array  # (N, D)
    active: IntArray  # (T,)
    order: IntArray  # (B,)


class Layout(NamedTuple):
    """Where the steps of a few sequences lie as rows; kept for those of the same lengths."""

    active: IntArray  # (T,)
    order: IntArray  # (B,)
    places: IntArray  # (N,) where each row stands among the steps laid one sequence after the other


def pack(sequences: Sequences, together: Array | None = None) -> Packed:
    """Lay a list of sequences out as time-major rows.

    Parameters
    ----------
    sequences : list of B arrays (T_b, D) or (T_b,), each with at least one step, or (B, T, D)
    together : the same steps as one array, one sequence after the other, where there is one already

    Returns
    -------
    Packed, of the dtype that holds all sequences
        Sequences of equal length keep their order. A single sequence is not copied.

    Examples
    --------
    >>> a, b = np.array([[1.0], [2.0]]), np.array([[7.0], [8.0], [9.0]])
    >>> packed = pack([a, b])
    >>> packed.rows.ravel().tolist(), packed.active.tolist(), packed.order.tolist()
    ([7.0, 1.0, 8.0, 2.0, 9.0], [2, 2, 1], [1, 0])
    """
    if (
        type(sequences) is np.ndarray
        and sequences.dtype in REAL
        and sequences.ndim > 1
        and min(len(sequences) - 1, sequences.shape[1]) > 0
    ):
        B, T, *step = sequences.shape
        rows = np.ascontiguousarray(sequences.swapaxes(0, 1)).reshape(B * T, *step)
        return Packed(rows, np.full(T, B, np.int64), np.arange(B))
    if together is None:
        sequences = list(sequences)
        plain = set(map(type, sequences)) == {np.ndarray}
        if not (plain and REAL.issuperset([s.dtype for s in sequences])):
            sequences = [as_array(s, f"sequences[{b}]") for b, s in enumerate(sequences)]
        shapes = {s.shape[1:] for s in sequences}
        if len(shapes) != 1:
            raise DataError(
                f"sequences has {len(sequences)} sequences of {len(shapes)} shapes of a step; give "
                "at least one sequence, all of the same features."
            )
    lengths = tuple(map(len, sequences))
    few = len(lengths) > 1 and len(lengths) * max(lengths) <= _SMALL_BATCH
    if not (few and min(lengths)):
        return _packed(sequences, np.array(lengths, np.int64))
    # Few numbers move in one call: one for each block would cost more than its steps.
    kept = layout(lengths)
    together = np.concatenate(sequences) if together is None else together
    return Packed(together.take(kept.places, axis=0), kept.active.copy(), kept.order.copy())


@lru_cache(maxsize=64)
def layout(lengths: tuple[int, ...]) -> Layout:
    """The layout of sequences of these lengths, each at least 1; its arrays are not written into.

    Examples
    --------
    >>> layout((2, 3)).places.tolist()
    [2, 0, 3, 1, 4]
    """
    steps = np.array(lengths, np.int64)  # (B,)
    order = np.argsort(-steps, kind="stable")  # (B,)
    time = np.arange(max(lengths))[:, None]  # (T, 1)
    runs = time < steps[order]  # (T, B)
    places = (time + (np.cumsum(steps) - steps)[order])[runs]  # (N,)
    return Layout(np.count_nonzero(runs, axis=1), order, places)


def _packed(sequences: Sequences, lengths: IntArray) -> Packed:
    """`pack` for a single sequence, and for many numbers."""
    shape = sequences[0].shape[1:]
    order = np.argsort(-lengths, kind="stable")  # (B,)
    active = active_counts(lengths[order])  # (T,)
    if len(sequences) == 1:
        return Packed(np.ascontiguousarray(sequences[0]), active, order)
    if active[-1] == len(sequences):  # of one length, they stand side by side
        flat = [s.reshape(len(active), math.prod(shape)) for s in sequences]
        rows = np.concatenate(flat, axis=1).reshape(int(lengths.sum()), *shape)
        return Packed(rows, active, order)
    dtype = np.result_type(*{s.dtype for s in sequences})
    rows = np.empty((int(lengths.sum()), *shape), dtype)  # (N, D)
    for ranks, places, _ in _blocks(active):
        rows[places] = np.concatenate([sequences[b] for b in order[ranks]])
    return Packed(rows, active, order)


def pack_with_targets(sequences: Sequences, targets: Sequence[IntArray]) -> tuple[Packed, IntArray]:
    """Pack sequences and their class numbers so that the targets are in the order of the rows.

    Parameters
    ----------
    sequences : list of B arrays (T_b, D)
    targets : list of B arrays: (T_b,), one a step, or (1,), one a sequence

    Returns
    -------
    packed : Packed
    targets : (N,) one a row, or (B,) one a sequence, longest first

    Examples
    --------
    >>> a, b = np.array([[1.0], [2.0]]), np.array([[7.0], [8.0], [9.0]])
    >>> pack_with_targets([a, b], [np.array([4]), np.array([5])])[1].tolist()
    [5, 4]
    """
    packed = pack(sequences)
    targets = [whole(t, f"targets[{b}]") for b, t in enumerate(targets)]
    lengths, counts = [len(s) for s in sequences], [t.shape for t in targets]
    if counts == [(n,) for n in lengths]:
        return packed, pack(targets).rows  # (N,)
    if counts != [(1,)] * len(lengths):
        raise DataError(
            f"targets has the shapes {counts!s:.99} for sequences of {lengths!s:.99} steps; "
            "give one class number a step, or one for each sequence."
        )
    return packed, np.concatenate([targets[j] for j in packed.order])  # (B,)


def unpack(rows: Array, active: IntArray, order: IntArray) -> list[Array]:
    """Give rows back as a list of sequences in the order of the batch.

    Parameters
    ----------
    rows : (N, ...) time-major rows
    active : (T,) int64, sequences running at each step
    order : (B,) int64, as `pack` returned it

    Returns
    -------
    list of B arrays (T_b, ...)

    Examples
    --------
    >>> a, b = np.array([[1.0], [2.0]]), np.array([[7.0], [8.0], [9.0]])
    >>> [s.ravel().tolist() for s in unpack(*pack([a, b]))]
    [[1.0, 2.0], [7.0, 8.0, 9.0]]
    """
    rows = as_array(rows, "rows")
    if len(order) == 1:
        return [rows]
    out: list[Array] = [rows] * len(order)
    for ranks, places, lengths in _blocks(active):
        moved, at = rows.take(places, axis=0), 0  # the steps of one sequence after the other
        for b, n in zip(order[ranks].tolist(), lengths.tolist(), strict=True):
            out[b] = moved[at : at + n]
            at += n
    return out


def _blocks(active: IntArray) -> Iterator[tuple[slice, IntArray, IntArray]]:
    """Some sequences at a time, longest first: their ranks, the rows of their steps, their lengths.

    Many short ones are moved together, as a call for each would cost more than its steps.
    """
    start = np.cumsum(active) - active  # (T,) first row of each step
    every = sequence_lengths(active)  # (B,)
    first = 0
    while first < len(every):
        longest = int(every[first])
        ranks = slice(first, first + max(1, _BLOCK_ROWS // longest))
        lengths = every[ranks]
        runs = np.arange(longest) < lengths[:, None]  # (sequences, T)
        places = start[:longest] + np.arange(first, first + len(lengths))[:, None]
        yield ranks, places[runs], lengths
        first = ranks.stop


@gated
def active_counts(lengths: IntArray) -> IntArray:
    """Sequences still running at each step, from lengths sorted longest first.

    Examples
    --------
    >>> active_counts(np.array([3, 2, 1])).tolist()
    [3, 2, 1]
    """
    if not len(lengths) or lengths[-1] < 1 or (lengths[1:] > lengths[:-1]).any():
        raise DataError(
            f"lengths is {lengths.tolist()!r:.99}; give lengths of at least 1, longest first."
        )
    steps = np.arange(int(lengths[0]))  # (T,)
    running = len(lengths) - np.searchsorted(lengths[::-1], steps, side="right")
    return running.astype(np.int64)  # (T,)


@gated(shapes="active (T,) sums to N")
def sequence_lengths(active: IntArray) -> IntArray:
    """Lengths of the sequences, longest first: the inverse of `active_counts`.

    Examples
    --------
    >>> sequence_lengths(np.array([3, 2, 1])).tolist()
    [3, 2, 1]
    """
    ranks = np.arange(int(active[0]))  # (B,)
    steps = len(active) - np.searchsorted(active[::-1], ranks, side="right")
    return steps.astype(np.int64)  # (B,)


@gated(shapes="active (T,) sums to N")
def state_slots(active: IntArray) -> IntArray:
    """First row of each slot of a state array that also holds the initial state.

    A state array has B + N rows: slot 0 holds the B initial states, slot t + 1 the states after
    step t. With it the first step is no special case in either direction.

    Returns
    -------
    (T + 1,) int64
        ``slots[t]`` is where step t finds the previous state, ``slots[t + 1]`` where it writes.

    Examples
    --------
    >>> state_slots(np.array([3, 2, 1])).tolist()
    [0, 3, 6, 8]
    """
    sizes = np.concatenate((active[:1], active))  # (T + 1,)
    return (np.cumsum(sizes) - sizes).astype(np.int64)


@gated(shapes="active (T,) sums to N")
def last_rows(active: IntArray) -> IntArray:
    """Row of each sequence's last step, longest sequence first.

    Examples
    --------
    >>> last_rows(np.array([3, 2, 1])).tolist()
    [5, 4, 2]
    """
    start = np.cumsum(active) - active  # (T,)
    lengths = ungated(sequence_lengths)(active)  # (B,)
    return (start[lengths - 1] + np.arange(int(active[0]))).astype(np.int64)


@gated(shapes="active (T,) sums to N")
def previous_rows(active: IntArray) -> IntArray:
    """Row of a state array (`state_slots`) that holds the state before each step's row.

    Examples
    --------
    >>> previous_rows(np.array([3, 2, 1])).tolist()
    [0, 1, 2, 3, 4, 6]
    """
    slots = ungated(state_slots)(active)  # (T + 1,)
    n_rows = int(active.sum())
    step = np.repeat(np.arange(len(active)), active)  # (N,)
    within = np.arange(n_rows) - (slots[1:] - slots[1])[step]  # (N,) place inside the step
    return (slots[step] + within).astype(np.int64)


@gated(shapes="active (T,) sums to N")
def reversed_rows(active: IntArray) -> IntArray:
    """Rows in the order that reverses every sequence in time, within the same layout.

    The order is its own inverse: ``rows[order][order]`` is `rows` again.

    Returns
    -------
    (N,) int64
        Row n of the reversed batch is row ``order[n]`` of the batch.

    Examples
    --------
    >>> reversed_rows(np.array([3, 2, 1])).tolist()
    [5, 4, 2, 3, 1, 0]
    """
    start = np.cumsum(active) - active  # (T,)
    step = np.repeat(np.arange(len(active)), active)  # (N,)
    place = np.arange(len(step)) - start[step]  # (N,) which sequence
    mirrored = ungated(sequence_lengths)(active)[place] - 1 - step  # (N,)
    return (start[mirrored] + place).astype(np.int64)
