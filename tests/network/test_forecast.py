"""Forecasting: the closed and the open loop are the explicit loops written with predict.
On the Numba backend they are those loops to the bit, on NumPy to rounding."""

import re

import numpy as np
import pytest
from agreement import refuses

import minilstm as ml

LAYERS = [ml.SequenceInput(2), ml.LSTM(5), ml.LSTM(3), ml.FullyConnected(2)]


def network(layers=LAYERS, dtype="float64", seed=0):
    return ml.Network(layers, rng=np.random.default_rng(seed), dtype=dtype)


def histories(lengths=(7, 1, 4), dtype=np.float64, features=2, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, features)).astype(dtype) for n in lengths]


def explicit_loop(net, history, steps, actual=None, state=None):
    """The loop of a user who has predict alone."""
    y, state = net.predict(history, state=state or net.initial_state(), return_state=True)
    out = [y[-1]]
    for k in range(1, steps):
        x = out[-1] if actual is None else actual[k - 1]
        y, state = net.predict(x[None], state=state, return_state=True)
        out.append(y[0])
    return np.stack(out), state


def same(name, a, b):
    if name == "numba":
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    else:
        np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loop", ["closed", "open"])
def test_it_is_the_explicit_loop_with_predict(backend, dtype, loop):
    with ml.use_backend(backend.name):
        net = network(dtype=dtype)
        x = histories(dtype=dtype)
        actual = histories((9, 8, 12), dtype, seed=2) if loop == "open" else None
        many, after = ml.forecast(net, x, 9, actual=actual, return_state=True)
        assert isinstance(many, list) and [a.shape for a in many] == [(9, 2)] * 3
        for b, history in enumerate(x):
            truth = None if actual is None else actual[b]
            want, state = explicit_loop(net, history, 9, truth)
            one = ml.forecast(net, history, 9, actual=truth)
            assert one.dtype == many[b].dtype == net.dtype
            same(backend.name, one, want)
            same(backend.name, many[b], want)
            for key, pair in state.items():
                same(backend.name, after[key].hidden[b], pair.hidden[0])
                same(backend.name, after[key].cell[b], pair.cell[0])


def test_the_two_loops_agree_where_the_truth_is_the_forecast():
    net, (x, *_) = network(), histories()
    closed = ml.forecast(net, x, 12)
    same("numba", ml.forecast(net, x, 12, actual=closed), closed)
    other = ml.forecast(net, x, 12, actual=closed + 1)
    assert (other[0] == closed[0]).all() and (other[1:] != closed[1:]).any(axis=1).all()
    # Each forecast sees the true values before it, and none after.
    late = closed.copy()
    late[5] += 1
    changed = (ml.forecast(net, x, 12, actual=late) != closed).any(axis=1)
    assert changed.tolist() == [False] * 6 + [True] * 6


def test_one_step_is_the_last_output_of_the_warm_up():
    net, (x, *_) = network(), histories()
    same("numba", ml.forecast(net, x, 1), net.predict(x)[-1:])


def test_a_dense_batch_gives_a_dense_batch():
    net, x = network(), np.stack(histories((6, 6, 6, 6)))
    y = ml.forecast(net, x, 3)
    assert y.shape == (4, 3, 2)
    same("numba", y, np.stack(ml.forecast(net, list(x), 3)))
    same(
        "numba",
        ml.forecast(net, x, 3, actual=x),
        np.stack(ml.forecast(net, list(x), 3, actual=x[:])),
    )


def test_a_forecast_goes_on_from_its_state():
    net, x = network(), histories()
    whole, end = ml.forecast(net, x, 10, return_state=True)
    first, state = ml.forecast(net, x, 4, return_state=True)
    rest, after = ml.forecast(net, [y[-1:] for y in first], 6, state=state, return_state=True)
    for a, b, c in zip(first, rest, whole, strict=True):
        same("numba", np.concatenate([a, b]), c)
    assert all((after[k].cell == end[k].cell).all() for k in end)
    ahead, middle = net.predict([a[:1] for a in x], return_state=True)
    assert len(ahead) == 3
    long = [a for a in x if len(a) > 1]
    picked = {k: (s.hidden[[0, 2]], s.cell[[0, 2]]) for k, s in middle.items()}
    again = ml.forecast(net, [a[1:] for a in long], 5, state=picked)
    for a, b in zip(again, ml.forecast(net, long, 5), strict=True):
        same("numba", a, b)


def test_the_network_keeps_the_state_that_it_carries():
    net, (x, *_) = network(), histories()
    want = ml.forecast(net, x, 5)
    net.predict_and_update_state(x)
    before = {k: s.cell.copy() for k, s in net.state.items()}
    same("numba", ml.forecast(net, x, 5), want)
    assert all((net.state[k].cell == c).all() for k, c in before.items())
    same("numba", ml.forecast(net, x, 5, state=net.state), ml.forecast(net, np.vstack([x, x]), 5))


def test_arguments_stay_as_they_are_and_results_own_their_memory():
    net, (x, *_) = network(), histories()
    actual, kept = x[::-1].copy(), x.copy()
    y = ml.forecast(net, x, 4, actual=actual)
    assert (x == kept).all() and (actual == kept[::-1]).all()
    y[:] = np.nan
    assert np.isfinite(ml.forecast(net, x, 4, actual=actual)).all()


def test_a_network_that_keeps_the_last_step_forecasts_as_well():
    net = network([ml.SequenceInput(2), ml.LSTM(4, "last"), ml.FullyConnected(2)])
    x = histories()
    y = ml.forecast(net, x, 3)
    for b, history in enumerate(x):
        out, state = net.predict(history, return_state=True)
        for k in range(3):
            same("numba", y[b][k], out)
            out, state = net.predict(out[None], state=state, return_state=True)


def test_a_network_that_cannot_be_fed_its_output_is_refused():
    for layers, takes, gives in (
        ([ml.SequenceInput(3), ml.FullyConnected(2)], "3 features", "2 features"),
        ([ml.SequenceInput([2, 3, 1]), ml.Flatten(), ml.FullyConnected(1)], "2x3x1 features",
         "1 feature"),
    ):  # fmt: skip
        with refuses(
            f"net takes in {takes} a step and puts out {gives} a step, but a network that "
            "forecasts is fed what it puts out; train one with as many outputs as inputs."
        ):
            ml.forecast(network(layers), np.ones((4, 3)), 2)


def test_a_network_that_needs_whole_sequences_is_refused():
    net = network([ml.SequenceInput(2), ml.BiLSTM(3, name="both"), ml.FullyConnected(2)])
    with pytest.raises(ValueError, match=r"'both' .* needs whole sequences"):
        ml.forecast(net, np.ones((4, 2)), 2)


@pytest.mark.parametrize("steps", [0, -1, 2.0, True, "3", None])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(ValueError, match=r"^steps is .*; give a whole number of at least 1\.$"):
        ml.forecast(network(), np.ones((4, 2)), steps)


def test_unfit_data_are_named():
    net, x = network(), np.ones((4, 2))
    cases = [
        ((np.ones((4, 3)), 2), {}, "history has shape (4, 3), but the network wants (T, 2)"),
        (
            (x, 5),
            {"actual": x[:3]},
            "actual has 3 steps, but an open loop of 5 forecasts is fed 4;",
        ),
        (([x, x], 3), {"actual": [x, x[:1]]}, "actual[1] has 1 steps, but an open loop of 3"),
        (([x, x], 3), {"actual": [x]}, "actual is a batch of 1, but history is a batch of 2;"),
        (([x], 3), {"actual": x}, "actual is one sequence, but history is a batch of 1;"),
        ((x, 3), {"actual": np.full((4, 2), np.nan)}, "actual holds nan at time step 0"),
        ((x, 3), {"state": {}}, "state is for the layers [], but this network has"),
        (([], 3), {}, "history is an empty list"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(ml.DataError, match=f"^{re.escape(message)}"):
            ml.forecast(net, *arguments, **options)
    with pytest.raises(
        TypeError,
        match=r"^net is list; give a Network, the first of the two that ml\.train returns\.$",
    ):
        ml.forecast(LAYERS, x, 2)


def test_a_closed_loop_that_grows_beyond_all_bounds_says_where(backend):
    values = {"fc/weights": [[1e30]], "fc/bias": [0.0]}
    net = ml.Network([ml.SequenceInput(1), ml.FullyConnected(1)], values)
    message = "the closed loop reached inf at step 2 of 4, which cannot be fed back; forecast fewer"
    with ml.use_backend(backend.name), np.errstate(over="ignore"):
        with pytest.raises(ml.DataError, match=f"^{re.escape(message)}"):
            ml.forecast(net, np.ones((1, 1)), 4)
        assert np.isinf(ml.forecast(net, np.ones((1, 1)), 2)).sum() == 1
