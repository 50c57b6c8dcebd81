"""Streaming: one time step at a time gives what the whole sequence gives, and errors cost nothing.
A stream carries its own state; neither the network nor another stream ever sees it."""

import dataclasses

import numpy as np
import pytest
from agreement import assert_streamed, refuses_data
from agreement import dtype_names as dtypes
from builders import doubled

import minilstm as ml
from minilstm.backend import load_backend

FEATURES = 3
STEPS = 40


@pytest.fixture
def backend(backend):
    with ml.use_backend(backend.name):
        yield backend.name


def network(dtype="float32"):
    layers = [
        ml.SequenceInput(FEATURES),
        ml.LSTM(7),
        ml.LSTM(5),
        ml.FullyConnected(4),
        ml.Softmax(),
    ]
    return doubled(layers, dtype)


def signal(steps=STEPS, seed=1):
    return np.random.default_rng(seed).standard_normal((steps, FEATURES))


def test_scores_and_states_handed_out_stay_what_they_were(backend):
    stream, x = network().stream(), signal(4)
    first = stream.step(x[0])
    state = stream.state
    copies = first.copy(), {k: [a.copy() for a in pair] for k, pair in state.items()}
    for x_t in x[1:]:
        stream.step(x_t)
    np.testing.assert_array_equal(first, copies[0])
    for name, pair in state.items():
        for value, copy in zip(pair, copies[1][name], strict=True):
            np.testing.assert_array_equal(value, copy)


def test_reset_starts_a_new_sequence(backend):
    stream, x = network().stream(), signal(5)
    first = [stream.step(x_t).tobytes() for x_t in x]
    assert stream.step(x[0]).tobytes() != first[0]  # still the old sequence
    stream.reset()
    assert [stream.step(x_t).tobytes() for x_t in x] == first


def test_state_can_be_taken_from_one_stream_to_another(backend):
    net, x = network(), signal(8)
    one = net.stream()
    for x_t in x[:5]:
        one.step(x_t)
    other = net.stream()
    other.state = one.state
    for x_t in x[5:]:
        assert other.step(x_t).tobytes() == one.step(x_t).tobytes()


def test_state_goes_to_and_from_predict(backend):
    net, x = network(dtype="float64"), signal(8)
    whole, end = net.predict(x, return_state=True)
    _, state = net.predict(x[:5], return_state=True)
    stream = net.stream()
    stream.state = state
    steps = [stream.step(x_t) for x_t in x[5:]]
    np.testing.assert_allclose(steps, whole[5:], rtol=1e-12)
    for name, pair in stream.state.items():
        assert pair.hidden.shape == (1, 7 if name == "lstm_1" else 5)
        np.testing.assert_allclose(pair, end[name], rtol=1e-12)
    more = net.predict(x[:1], state=stream.state)
    np.testing.assert_allclose(more[0], stream.step(x[0]), rtol=1e-12)


def test_a_state_handed_in_is_copied(backend):
    net, x = network(), signal(2)
    state = net.initial_state(1)
    stream = net.stream()
    stream.state = state
    state["lstm_1"].hidden[:] = 99
    assert stream.step(x[0]).tobytes() == net.stream().step(x[0]).tobytes()


def test_two_streams_do_not_disturb_each_other_or_the_network(backend):
    net, x, y = network(), signal(6), signal(6, seed=2)
    alone = net.stream()
    expected = [alone.step(x_t).tobytes() for x_t in x]
    before = {k: v.tobytes() for k, v in net.parameters.items()}
    one, other = net.stream(), net.stream()
    seen = []
    for x_t, y_t in zip(x, y, strict=True):
        seen.append(one.step(x_t).tobytes())
        other.step(y_t)
        net.predict(y)
    assert seen == expected
    assert {k: v.tobytes() for k, v in net.parameters.items()} == before


def test_a_stream_keeps_the_backend_it_was_made_with(monkeypatch):
    calls = []
    numpy_backend = load_backend("numpy")

    def lstm_advance(*arguments):
        calls.append("lstm")
        return numpy_backend.lstm_advance(*arguments)

    recording = dataclasses.replace(numpy_backend, make_stepper=None, lstm_advance=lstm_advance)
    monkeypatch.setattr("minilstm.network.stream.current_backend", lambda: recording)
    stream = network().stream()
    monkeypatch.undo()
    with ml.use_backend("numpy"):
        stream.step(signal(1)[0])
    assert calls == ["lstm", "lstm"]


ONE_STEP = "but one time step of this network is (3,); pass one number for each feature."


@pytest.mark.parametrize(
    ("x_t", "message"),
    [
        ([1.0, 2.0], f"x_t has shape (2,), {ONE_STEP}"),
        (np.zeros((1, 3)), f"x_t has shape (1, 3), {ONE_STEP}"),
        (1.0, f"x_t has shape (), {ONE_STEP}"),
        (
            [1.0, np.nan, 2.0],
            "x_t holds nan at time step 0, feature 1 (1 such values), but every value must be "
            "finite; remove or fill them first.",
        ),
        (
            [1e300, 0.0, 0.0],
            "x_t holds 1e+300 at time step 0, feature 0, beyond the range of float32; scale the "
            "data or train with dtype='float64'.",
        ),
        (
            ["1", "2", "3"],
            "x_t has dtype <U1, but sequences are real numbers; if it is numbers, "
            "np.asarray(x_t).astype(float) reads them.",
        ),
        (
            None,
            "x_t is None, but an array was wanted; pass a NumPy array or a list.",
        ),
    ],
)
def test_a_wrong_step_is_refused_and_leaves_the_state(backend, x_t, message):
    net, x = network(), signal(2)
    stream, undisturbed = net.stream(), net.stream()
    stream.step(x[0])
    undisturbed.step(x[0])
    with refuses_data(message):
        stream.step(x_t)
    assert stream.step(x[1]).tobytes() == undisturbed.step(x[1]).tobytes()


def test_a_wrong_state_is_refused_and_leaves_the_old_one(backend):
    net, x = network(), signal(2)
    stream, undisturbed = net.stream(), net.stream()
    stream.step(x[0])
    undisturbed.step(x[0])
    message = (
        "state['lstm_1'].hidden has shape (2, 7), but this batch wants (1, 7); pass the state of "
        "the same sequences."
    )
    with refuses_data(message):
        stream.state = net.initial_state(2)
    assert stream.step(x[1]).tobytes() == undisturbed.step(x[1]).tobytes()


# ---------------------------------------------------------------- every network, every cut

CHAINS = {
    "wide input": [ml.SequenceInput(19), ml.LSTM(33), ml.FullyConnected(5), ml.Softmax()],
    "dense first": [
        ml.SequenceInput(3, "zerocenter", [0.5, -1.0, 9.8]), ml.FullyConnected(6), ml.LSTM(9),
        ml.FullyConnected(11), ml.FullyConnected(2), ml.Softmax(),
    ],
    "three LSTMs": [
        ml.SequenceInput(1), ml.LSTM(1), ml.LSTM(16), ml.LSTM(40, "last"), ml.FullyConnected(3),
    ],
    "softmax of states": [ml.SequenceInput(2), ml.LSTM(5), ml.Softmax(), ml.LSTM(3), ml.Softmax()],
    "softmax of the input": [ml.SequenceInput(10), ml.Softmax()],
    "states alone": [ml.SequenceInput(3), ml.LSTM(200)],
    "other activations": [
        ml.SequenceInput(3, "zscore", [1, 2, 3], standard_deviation=[1, 2, 3]),
        ml.LSTM(6, gate_activation_function="hard-sigmoid"),
        ml.LSTM(5, state_activation_function="softsign"),
        ml.LSTM(4, gate_activation_function="hard-sigmoid", state_activation_function="relu"),
    ],
    "input alone": [ml.SequenceInput(3, "zerocenter", [1, 2, 3])],
}  # fmt: skip


@pytest.fixture(params=CHAINS)
def chain(request):
    return CHAINS[request.param]


@dtypes
def test_a_sequence_may_be_cut_anywhere_between_predict_and_a_stream(backend, dtype, chain):
    net = doubled(chain, dtype)
    x = np.random.default_rng(1).standard_normal((9, net.input_size))
    wholes = [net.predict(x[: t + 1], return_state=True) for t in range(9)]
    scores = [s if s.ndim == 1 else s[-1] for s, _ in wholes]
    for cut in range(9):
        stream = net.stream()
        if cut:
            stream.state = wholes[cut - 1][1]
        for t in range(cut, 9):
            assert_streamed(stream.step(x[t]), scores[t], backend, dtype)
            state = stream.state
            assert list(state) == list(wholes[t][1])
            for name, pair in state.items():
                for value, want in zip(pair, wholes[t][1][name], strict=True):
                    assert_streamed(value, want, backend, dtype)


def test_the_one_call_agrees_with_layer_by_layer(numba_backend, chain):
    net, streams = doubled(chain, "float64"), []
    for name in ("numpy", "numba"):
        with ml.use_backend(name):
            streams.append(net.stream())
    for x_t in np.random.default_rng(1).standard_normal((9, net.input_size)):
        one, other = (stream.step(x_t) for stream in streams)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_parameters_that_a_user_replaced_by_a_list_are_streamed_as_they_are_predicted():
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2)]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    net.parameters["fc/bias"] = [0.5, 1.0]
    wanted = net.predict(np.ones((1, 3)))
    np.testing.assert_allclose(net.stream().step(np.ones(3)), wanted[0], 1e-6)
    np.testing.assert_allclose(net.pool().step(["a"], np.ones((1, 3))), wanted, 1e-6)
    weights = net.parameters["lstm/recurrent_weights"]  # (4H, H), of the same bits from here on:
    net.parameters["lstm/recurrent_weights"] = weights.T.reshape(weights.shape)
    x = np.random.default_rng(1).normal(size=(3, 3))
    stream = net.stream()
    found = [stream.step(row) for row in x]
    np.testing.assert_allclose(found, net.predict(x), 1e-5, 1e-7)
