"""The bidirectional LSTM against an explicit loop over sequences; gradients are in `proof`.
On both backends, for ragged batches, states that come in, and any number of threads."""

import numpy as np
import pytest
from builders import lstm_arrays
from hypothesis import given
from hypothesis import strategies as st

from minilstm.functional.ragged import active_counts, reversed_rows, unpack

SHAPES = {
    "ragged": (3, 4, [2, 5, 1, 5]),
    "one sequence": (2, 3, [6]),
    "T = 1": (2, 3, [1, 1]),
    "H = 1": (3, 1, [3, 5]),
    "D = 1": (1, 4, [5, 2]),
    "all ones": (1, 1, [1]),
    "wider than a vector": (2, 19, [4, 3]),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_direction(x, h, c, W, R, b):
    """The definition, step after step of one sequence."""
    out = []
    for x_t in x:
        i, f, g, o = np.split(W @ x_t + R @ h + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out), h, c


@shapes
def test_outputs_are_those_of_a_loop_over_sequences(backend, shape):
    arrays, packed, _, _ = lstm_arrays(*shape, directions=2)
    h, state, _ = backend.bilstm_forward(**arrays, active=packed.active)
    _, h0, c0, W, R, b = arrays.values()
    H = R.shape[1]
    ranks = np.arange(len(h0))
    sequences = unpack(packed.rows, packed.active, ranks)
    outputs = unpack(h, packed.active, ranks)
    for j, x in enumerate(sequences):
        first = one_direction(x, h0[j, :H], c0[j, :H], W[: 4 * H], R[: 4 * H], b[: 4 * H])
        second = one_direction(x[::-1], h0[j, H:], c0[j, H:], W[4 * H :], R[4 * H :], b[4 * H :])
        want = np.concatenate((first[0], second[0][::-1]), axis=1)
        np.testing.assert_allclose(outputs[j], want, rtol=1e-12, atol=1e-14)
        # Forward after its own last step, backward after it has read the first.
        ends = np.concatenate((outputs[j][-1, :H], outputs[j][0, H:]))
        assert (state.hidden[j] == ends).all()
        cells = np.concatenate((first[2], second[2]))
        np.testing.assert_allclose(state.cell[j], cells, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(numba_backend, on_any_threads, dtype):
    # Long enough that the rows are shared out too.
    arrays, packed, dh, dstate = lstm_arrays(5, 65, [900, 700, 3], 1, directions=2, dtype=dtype)

    def run():
        h, state, cache = numba_backend.bilstm_forward(**arrays, active=packed.active)
        dx, grads = numba_backend.bilstm_backward(dh, dstate, cache)
        return h, *state, dx, *grads

    assert all(a.dtype == dtype for a in on_any_threads(run))


def test_a_batch_gives_what_its_sequences_give_one_by_one(numba_backend):
    arrays, packed, _, _ = lstm_arrays(3, 17, [4, 9, 9, 1, 2], 2, directions=2, dtype=np.float32)
    h, state, _ = numba_backend.bilstm_forward(**arrays, active=packed.active)
    ranks = np.arange(5)
    parts = zip(*(unpack(a, packed.active, ranks) for a in (packed.rows, h)), strict=True)
    for j, (x, want) in enumerate(parts):
        own = {**arrays, "x": x, "h0": arrays["h0"][[j]], "c0": arrays["c0"][[j]]}
        alone, after, _ = numba_backend.bilstm_forward(**own)
        assert alone.tobytes() == np.ascontiguousarray(want).tobytes()
        assert (after.hidden[0] == state.hidden[j]).all()


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=7))
def test_reversed_rows_reverse_each_sequence(lengths):
    lengths = np.sort(lengths)[::-1]
    active = active_counts(lengths)
    order = reversed_rows(active)
    rows, ranks = np.arange(lengths.sum()), np.arange(len(lengths))
    assert order.dtype == np.int64 and (order[order] == rows).all()
    for straight, mirrored in zip(
        unpack(rows, active, ranks), unpack(rows[order], active, ranks), strict=True
    ):
        assert (straight[::-1] == mirrored).all()


def test_arranged_weights_give_the_same_bits(backend):
    arrays, packed, _, _ = lstm_arrays(3, 17, [4, 2], 3, directions=2)
    W, R, b = (arrays[k] for k in "WRb")
    packs = tuple(backend.lstm_pack(W[s], R[s], b[s]) for s in (slice(68), slice(68, None)))
    want, _, _ = backend.bilstm_forward(**arrays, active=packed.active)
    got, _, _ = backend.bilstm_forward(**arrays, active=packed.active, packed=packs)
    assert (want == got).all()
