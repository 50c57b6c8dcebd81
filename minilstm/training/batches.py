"""Cuts checked training data into the mini-batches of an epoch.
Batches are ragged unless the options ask for the padding of the reference.

Axes: B batch, T time, C classes, R responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.data.padding import pad_batch, split_sequences
from minilstm.data.stored import Stored, lengths_of, part_of
from minilstm.functional.ragged import IntArray, active_counts
from minilstm.layers import Signal
from minilstm.network.evaluation import counted_rows
from minilstm.network.passes.heads import Head
from minilstm.network.passes.mini_batch import MiniBatch, mini_batch, pack_targets
from minilstm.training.options import TrainingOptions

Array = NDArray[Any]


class TrainingData(NamedTuple):
    """Checked sequences with their targets."""

    # Those of a list are in memory, those of a `Stored` are read when one is asked for.
    sequences: list[Sequence[Array]]  # for each input B arrays (T_b, *shape)
    targets: list[Sequence[Array]]  # for each output B arrays (T_b,) or (1,), (T_b, R) or (1, R)
    weights: list[Sequence[Array] | None]  # for each output B arrays (T_b,) or (1,)
    class_weights: list[Array | None]  # for each output (C,), or None

    def __len__(self) -> int:
        return len(self.sequences[0])

    def part(self, chosen: IntArray) -> TrainingData:
        """The data of some sequences, by number."""
        return TrainingData(
            [part_of(part, chosen) for part in self.sequences],
            [part_of(part, chosen) for part in self.targets],
            [None if part is None else part_of(part, chosen) for part in self.weights],
            self.class_weights,
        )

    @property
    def stored(self) -> bool:
        """Whether something of it stays on disk."""
        return any(isinstance(part, Stored) for part in self.sequences)


class Joined(NamedTuple):
    """The same with every list as one array, from which a shuffled mini-batch is gathered."""

    sequences: list[Array]  # for each input (N, *shape), the steps of all sequences
    targets: list[Array]  # for each output (N,) or (B,), (N, R) or (B, R)
    weights: list[Array | None]  # for each output (N,) or (B,)
    lengths: IntArray  # (B,) steps of each sequence
    first: IntArray  # (B,) where each begins


def joined(data: TrainingData) -> Joined | None:
    """Everything as one array each; None where dtypes differ, or something stays on disk."""
    lists = [*data.sequences, *data.targets, *(w for w in data.weights if w is not None)]
    if data.stored or any(len({a.dtype for a in arrays}) > 1 for arrays in lists):
        return None
    lengths = lengths_of(data.sequences[0])  # (B,)
    return Joined(
        [np.concatenate(s) for s in data.sequences],
        [np.concatenate(t) for t in data.targets],
        [None if w is None else np.concatenate(w) for w in data.weights],
        lengths,
        np.cumsum(lengths) - lengths,
    )


def gathered(heads: Sequence[Head], data: Joined, chosen: IntArray) -> MiniBatch:
    """The mini-batch of the chosen sequences, as `mini_batch` packs it."""
    lengths = data.lengths[chosen]  # (B,)
    order = np.argsort(-lengths, kind="stable")  # (B,) longest sequence first
    lengths, chosen = lengths[order], chosen[order]
    active = active_counts(lengths)  # (T,)
    first, T = data.first[chosen], len(active)  # (B,)
    if lengths[-1] == T:
        rows = np.add.outer(np.arange(T), first).ravel()  # (N,)
    else:
        start = np.cumsum(active) - active  # (T,) first row of each step
        place = np.arange(int(lengths.sum())) - np.repeat(start, active)  # (N,) of the sequence
        rows = np.repeat(np.arange(T), active) + first[place]  # (N,)

    def taken(array: Array | None, steps: bool) -> Any:
        return None if array is None else array.take(rows if steps else chosen, axis=0)

    return pack_targets(
        heads,
        [Signal(taken(s, True), active) for s in data.sequences],
        [taken(t, h.steps) for t, h in zip(data.targets, heads, strict=True)],
        [taken(w, h.steps) for w, h in zip(data.weights, heads, strict=True)],
    )


class Piece(NamedTuple):
    """A mini-batch, and whether it goes on where the one before stopped."""

    batch: MiniBatch  # where the backend computes
    goes_on: bool
    targets: tuple[Array, ...]  # of the batch, on the host, with all their digits
    counts: tuple[int, ...]  # of each output, the rows that have a class or a number


def cuts(order: IntArray, options: TrainingOptions) -> list[IntArray]:
    """The sequences of each mini-batch of an epoch."""
    size = options.mini_batch_size
    parts = [order[n : n + size] for n in range(0, len(order), size)]
    if options.drop_partial_batch and len(parts) > 1 and len(parts[-1]) < size:
        parts.pop()
    return parts


def pieces_of(data: TrainingData, chosen: IntArray, options: TrainingOptions) -> int:
    """How many mini-batches the chosen sequences make: several where they are split in time."""
    if isinstance(options.sequence_length, str):
        return 1
    longest = int(lengths_of(data.sequences[0])[chosen].max())
    return -(-longest // int(options.sequence_length))


def label_counts(targets: Sequence[Array], classes: int) -> IntArray:
    """Rows of each class (C,) among class numbers; those without a class do not count."""
    parts = targets if isinstance(targets, Stored) else [np.concatenate(targets)]
    counts = np.zeros(classes, np.int64)
    for part in parts:
        counts += np.bincount(part[part >= 0], minlength=classes)
    return counts


def pieces(
    data: TrainingData,
    heads: Sequence[Head],
    chosen: IntArray,
    options: TrainingOptions,
    backend: Backend,
    dtype: Any,
    together: Joined | None = None,
) -> Iterator[Piece]:
    """The chosen sequences as one mini-batch, or as one after another where they are split.

    Numbers that are targets come in the dtype of the network, and with all digits for metrics. The
    data may come `together` as well, which is quicker where nothing is padded.
    """

    def piece(n: int, batch: MiniBatch) -> Piece:
        exact = batch.targets
        rounded = (t if t.ndim == 1 else t.astype(dtype, copy=False) for t in exact)
        batch = batch._replace(targets=tuple(rounded))
        counts = tuple(map(counted_rows, exact))
        return Piece(batch.moved(backend.to_device), n > 0, exact, counts)

    if together is not None and options.sequence_length == "ragged":
        yield piece(0, gathered(heads, together, chosen))
        return
    sequences = [[s[b] for b in chosen] for s in data.sequences]
    targets = [[t[b] for b in chosen] for t in data.targets]
    weights = [None if w is None else [w[b] for b in chosen] for w in data.weights]
    if options.sequence_length == "ragged":
        yield piece(0, mini_batch(heads, sequences, targets, weights))
        return
    length, direction = options.sequence_length, options.sequence_padding_direction
    unpadded = sequences[0]
    how = length, direction, options.sequence_padding_value
    sequences = [pad_batch(s, [], *how, last=True).sequences for s in sequences]
    for k, head in enumerate(heads):
        if head.steps:
            targets[k] = pad_batch(unpadded, targets[k], *how).targets
            row_weights = weights[k]
            if row_weights is not None:
                weights[k] = pad_batch(unpadded, row_weights, length, direction, 1.0).targets
    steps = len(sequences[0][0])
    size = steps if isinstance(length, str) else int(length)  # steps of a piece
    for n in range(-(-steps // size)):

        def part(arrays: Any, steps: bool, n: int = n) -> Any:
            return split_sequences(arrays, size)[n] if steps and arrays is not None else arrays

        batch = mini_batch(
            heads,
            [part(s, True) for s in sequences],
            [part(t, h.steps) for t, h in zip(targets, heads, strict=True)],
            [part(w, h.steps) for w, h in zip(weights, heads, strict=True)],
            padded=True,
        )
        yield piece(n, batch)
