"""Who computes what: every sequence and every unit belongs to one thread, in fair shares.
Where threads own sequences, none waits for another."""

import numpy as np
import pytest

pytest.importorskip("numba")

from minilstm.kernels.numba.machinery.division import NEAR_BYTES, sequence_spans, shares


def active_of(*lengths):
    """Sequences that run at each step, for lengths that fall."""
    return np.array([sum(n > t for n in lengths) for t in range(lengths[0])], np.int64)


@pytest.mark.parametrize(
    ("lengths", "parts", "spans"),
    [
        ((5,), 2, [(0, 1)]),
        ((5, 5), 2, [(0, 1), (1, 2)]),
        ((7,) * 64, 2, [(0, 32), (32, 64)]),
        ((9, 3, 3, 3), 2, [(0, 1), (1, 4)]),
        ((10, 1, 1), 3, [(0, 1), (1, 3)]),
        ((4, 4, 4, 2, 2, 2, 2), 3, [(0, 2), (2, 4), (4, 7)]),
    ],
)
def test_sequences_are_cut_into_spans_of_as_many_steps(lengths, parts, spans):
    assert sequence_spans(active_of(*lengths), parts) == spans


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 100])
def test_every_sequence_has_one_thread(parts):
    rng = np.random.default_rng(parts)
    for B in (1, 2, 5, 33):
        lengths = sorted(rng.integers(1, 30, B).tolist(), reverse=True)
        spans = sequence_spans(active_of(*lengths), parts)
        assert [n for a, b in spans for n in range(a, b)] == list(range(B))
        assert len(spans) <= parts


def who(B, T, weights, threads, set_threads, **how):
    set_threads(threads)
    with shares(np.full(T, B, np.int64), 40, weights, **how) as (_, parts):
        return [(size, *spans) for _, size, _, *spans in parts]


def test_a_share_is_of_sequences_or_of_units(set_threads):
    near, far = np.empty((12, 53, 16), "f4"), np.empty((12, 4000, 16), "f4")
    assert near.nbytes < NEAR_BYTES < far.nbytes
    assert who(64, 100, near, 2, set_threads) == [(1, 0, 40, 0, 32), (1, 0, 40, 32, 64)]
    assert who(64, 100, near, 1, set_threads) == [(1, 0, 40, 0, 64)]
    assert who(64, 1, near[:1, :1], 2, set_threads) == [(1, 0, 40, 0, 64)], "too little to share"
    assert who(64, 100, far, 2, set_threads) == [(1, 0, 40, 0, 32), (1, 0, 40, 32, 64)]
    for B, weights, how in ((1, far, {}), (64, near, {"meet": True})):
        parts = who(B, 100, weights, 2, set_threads, **how)
        size = len(parts)  # no more than there are cores
        assert all(p[0] == size and p[3:] == (0, B) for p in parts)
        assert (parts[0][1], parts[-1][2]) == (0, 40)
