"""Packing of ragged batches against definitions spelled out with loops over steps and sequences.
No padded row exists anywhere, and every row comes back where it belongs."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minilstm.functional import ragged

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=8)
edges = [[1], [7], [1, 1, 1], [4, 4], [1, 2, 3], [3, 2, 1], [9, 1, 9]]


def for_all_lengths(test):
    for case in edges:
        test = example(case)(test)
    return given(lengths)(test)


def numbered(lengths, width=2):
    """Sequences whose every value says where it came from: 100 b + t, and a fraction d."""
    return [100.0 * b + np.arange(n)[:, None] + np.arange(width) / 8 for b, n in enumerate(lengths)]


def layout(lengths):
    """(step, rank) of every row, by the definition: step by step, longest sequence first."""
    by_rank = sorted(lengths, reverse=True)
    return [
        (t, j) for t in range(max(lengths)) for j in range(len(lengths)) if t < by_rank[j]
    ], by_rank


@for_all_lengths
def test_every_row_is_where_the_definition_says(lengths):
    rows, active, order = ragged.pack(numbered(lengths))
    places, by_rank = layout(lengths)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert [lengths[b] for b in order] == by_rank
    # Sequences of equal length keep their order.
    assert order.tolist() == sorted(range(len(lengths)), key=lambda b: (-lengths[b], b))
    assert active.tolist() == [sum(n > t for n in lengths) for t in range(max(lengths))]
    assert len(rows) == sum(lengths) == len(places)
    assert [row[0] for row in rows] == [100 * order[j] + t for t, j in places]
    assert active.dtype == order.dtype == np.int64


@for_all_lengths
def test_unpack_undoes_pack(lengths):
    sequences = numbered(lengths)
    for case in (
        sequences,
        [s[:, 0] for s in sequences],
        [s.astype(np.float32) for s in sequences],
    ):
        back = ragged.unpack(*ragged.pack(case))
        assert len(back) == len(case)
        for got, want in zip(back, case, strict=True):
            assert got.dtype == want.dtype and got.shape == want.shape and (got == want).all()


@for_all_lengths
def test_pack_undoes_unpack(lengths):
    packed = ragged.pack(numbered(lengths))
    again = ragged.pack(ragged.unpack(*packed))
    assert all((a == b).all() for a, b in zip(packed, again, strict=True))


@for_all_lengths
def test_lengths_and_active_counts_are_inverse(lengths):
    active = ragged.pack(numbered(lengths)).active
    assert ragged.sequence_lengths(active).tolist() == sorted(lengths, reverse=True)
    assert (ragged.active_counts(ragged.sequence_lengths(active)) == active).all()


@for_all_lengths
def test_slots_last_rows_and_previous_rows(lengths):
    active = ragged.pack(numbered(lengths)).active
    places, by_rank = layout(lengths)
    B, T = len(lengths), max(lengths)
    # The state array by its definition: B initial states, called step -1, then one state a row.
    states = [(-1, j) for j in range(B)] + places
    slots = ragged.state_slots(active)
    assert slots.tolist() == [states.index((t, 0)) for t in range(-1, T)]
    previous = ragged.previous_rows(active)
    assert [states[n] for n in previous] == [(t - 1, j) for t, j in places]
    last = ragged.last_rows(active)
    assert [places[n] for n in last] == [(n - 1, j) for j, n in enumerate(by_rank)]
    assert {a.dtype for a in (slots, previous, last)} == {np.dtype(np.int64)}


@for_all_lengths
def test_targets_follow_their_rows(lengths):
    sequences = numbered(lengths)
    by_step = [100 * b + np.arange(n) for b, n in enumerate(lengths)]
    packed, targets = ragged.pack_with_targets(sequences, by_step)
    assert (targets == packed.rows[:, 0]).all()
    by_sequence = [np.array([b]) for b in range(len(lengths))]
    packed, targets = ragged.pack_with_targets(sequences, by_sequence)
    # Rows of step 0 are one a sequence; 100 b stands in them.
    assert (100 * targets == packed.rows[: len(lengths), 0]).all()


@for_all_lengths
def test_how_many_sequences_move_together_changes_nothing(lengths):
    sequences = numbered(lengths)
    packed = ragged.pack(sequences)
    with mock.patch.object(ragged, "_BLOCK_ROWS", 10):
        again = ragged.pack(sequences)
        back = ragged.unpack(*packed)
    assert all((a == b).all() for a, b in zip(packed, again, strict=True))
    assert all((a == b).all() for a, b in zip(back, sequences, strict=True))


SHAPES = [(3, 4, 2), (1, 4, 2), (3, 1, 2), (3, 4), (3, 4, 2, 5), (3, 4, 0)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128"])
def test_a_dense_batch_is_packed_as_the_list_of_its_sequences(shape, dtype):
    (B, T, *step), dense = shape, np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    wanted = dense.swapaxes(0, 1).reshape(B * T, *step), np.full(T, B), np.arange(B)
    for packed in (ragged.pack(dense), ragged.pack(list(dense))):
        for got, want in zip(packed, wanted, strict=True):
            np.testing.assert_array_equal(got, want, strict=True)


def test_one_sequence_is_not_copied():
    x = np.zeros((5, 2))
    assert ragged.pack([x]).rows is x


def test_pack_copies_a_batch_and_leaves_it_alone():
    sequences = numbered([2, 3])
    before = [s.copy() for s in sequences]
    rows = ragged.pack(sequences).rows
    rows[:] = -1
    assert all((s == b).all() for s, b in zip(sequences, before, strict=True))
