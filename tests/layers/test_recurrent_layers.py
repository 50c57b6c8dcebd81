"""Options of the LSTM and BiLSTM layers: initialisers, given values, initial states, state ports.
Gradients that pass through the ports are held against the complex step."""

import json
import re

import numpy as np
import pytest
from agreement import NUMPY, refuses

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack
from minilstm.gradcheck import complex_step
from minilstm.layers import Run, Signal, initializers

LAYERS = [ml.LSTM, ml.BiLSTM]
layers = pytest.mark.parametrize("layer", LAYERS, ids=["LSTM", "BiLSTM"])
modes = pytest.mark.parametrize("mode", ["sequence", "last"])


def drawn(layer, D, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return {p.name: scale * p.initializer(p.shape, rng) for p in layer.parameters((D,))}


def batch(D, lengths, seed=1):
    rng = np.random.default_rng(seed)
    return Signal(*pack([rng.standard_normal((n, D)) for n in lengths])[:2])


ONCE = np.array([3])  # one row for each of three sequences


# ---------------------------------------------------------------- initialisers


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        ("glorot", 0, np.sqrt(2 / 450)),
        ("he", 0, np.sqrt(2 / 50)),
        ("narrow-normal", 0, 0.01),
        ("zeros", 0, 0),
        ("ones", 1, 0),
    ],
)
def test_statistics_of_initialisers(name, mean, deviation):
    weights = drawn(ml.LSTM(100, input_weights_initializer=name), 50)["input_weights"]
    assert weights.shape == (400, 50) and weights.dtype == np.float64
    assert weights.mean() == pytest.approx(mean, abs=0.02 * deviation + 1e-12)
    assert weights.std() == pytest.approx(deviation, rel=0.02, abs=1e-12)


def test_bilstm_draws_both_directions_as_one_matrix():
    p = drawn(ml.BiLSTM(50), 12)
    assert {k: v.shape for k, v in p.items()} == {
        "input_weights": (400, 12),
        "recurrent_weights": (400, 50),
        "bias": (400,),
    }
    assert 0.99 * np.sqrt(6 / 412) < abs(p["input_weights"]).max() <= np.sqrt(6 / 412)
    R = p["recurrent_weights"]
    np.testing.assert_allclose(R.T @ R, np.eye(50), atol=1e-13)
    blocks = p["bias"].reshape(2, 4, 50)  # i, f, g, o of each direction
    assert (blocks[:, 1] == 1).all() and not blocks[:, [0, 2, 3]].any()


def test_windows_count_in_the_fans():
    assert initializers.fans((5, 5, 3, 20)) == (75, 500)
    assert initializers.fans((3, 3, 3, 2, 4)) == (54, 108)
    he = initializers.he((5, 5, 8, 200), np.random.default_rng(0))
    assert he.std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    q = initializers.orthogonal((3, 8), np.random.default_rng(0))
    np.testing.assert_allclose(q @ q.T, np.eye(3), atol=1e-13)


@layers
def test_a_users_own_function_is_called_and_checked(layer):
    own = layer(3, bias_initializer=lambda shape, rng: rng.uniform(2, 3, shape), name="memory")
    bias = drawn(own, 2)["bias"]
    assert bias.min() >= 2 and bias.dtype == np.float64 and "bias_initializer" not in own.config()
    wrong = layer(3, bias_initializer=lambda shape, rng: np.zeros(5), name="memory")
    size = 12 if layer is ml.LSTM else 24
    text = (
        f"{layer.__name__} 'memory': the function given as bias_initializer returned shape (5,) "
        f"and dtype float64; return real numbers of shape ({size},)."
    )
    with refuses(text):
        drawn(wrong, 2)


@layers
@pytest.mark.parametrize("value", ["xavier", None, 3])
def test_unknown_initialisers_are_named(layer, value):
    text = f"{layer.__name__}: recurrent_weights_initializer is {value!r}; choose one of 'glorot', "
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        layer(3, recurrent_weights_initializer=value)
    assert "'he', 'orthogonal', 'narrow-normal', 'zeros', 'ones'" in str(error.value)


# ---------------------------------------------------------------- options


@layers
def test_factors_may_be_one_for_each_gate(layer):
    gates = 4 if layer is ml.LSTM else 8
    several = layer(2, bias_l2_factor=list(range(gates)), input_weights_learn_rate_factor=0.5)
    factors = {p.name: (p.learn_rate_factor, p.l2_factor) for p in several.parameters((1,))}
    assert factors["bias"] == (1.0, tuple(map(float, range(gates))))
    assert factors["input_weights"] == (0.5, 1.0) and factors["recurrent_weights"] == (1.0, 1.0)
    with pytest.raises(ValueError, match=rf"bias_l2_factor has 3 numbers; .* or {gates}, one for"):
        layer(2, bias_l2_factor=(1, 2, 3))
    with pytest.raises(ValueError, match=r"bias_l2_factor is \[.*\]; give a number of at least 0"):
        layer(2, bias_l2_factor=[1, 2, -3] + (gates - 3) * [1])


@layers
def test_config_is_plain_and_builds_the_layer_again(layer):
    width = 3 if layer is ml.LSTM else 6
    given = layer(
        3, "last", "softsign", "hard-sigmoid", "he", "narrow-normal", "ones",
        bias=np.ones(4 * width), hidden_state=np.arange(width), cell_state=[0.5] * width,
        bias_l2_factor=(4 if layer is ml.LSTM else 8) * (0.1,), name="memory",
    )  # fmt: skip
    config = json.loads(json.dumps(given.config()))
    assert "bias" not in config and config["hidden_state"] == list(range(width))
    again = layer(**config)
    assert again.config() == given.config()
    assert again.hidden_state.tolist() == list(range(width))
    assert again.bias_l2_factor == given.bias_l2_factor and given.without_values().bias is None


@layers
def test_wrong_options_are_named(layer):
    kind, width = layer.__name__, 3 if layer is ml.LSTM else 6
    cases = {
        f"{kind}: state_activation_function is 'elu'; choose one of 'tanh', 'softsign', 'relu' "
        "(did you mean 'relu'?).": {"state_activation_function": "elu"},
        f"{kind}: gate_activation_function is 'tanh'; choose one of 'sigmoid', 'hard-sigmoid'.": {
            "gate_activation_function": "tanh"
        },
        f"{kind}: bias has shape (5,); give finite numbers of shape ({4 * width},).": {
            "bias": np.zeros(5)
        },
        f"{kind}: input_weights has shape (5,); give finite numbers of shape "
        f"({4 * width}, inputs).": {"input_weights": np.zeros(5)},
        f"{kind}: cell_state holds nan; give finite numbers of shape ({width},).": {
            "cell_state": [np.nan] * width
        },
        f"{kind}: has_state_inputs is 1; give True or False.": {"has_state_inputs": 1},
        f"{kind}: hidden_state was given but has_state_inputs is True; leave out one of them, "
        "since the state comes from the inputs.": {
            "has_state_inputs": True,
            "hidden_state": np.zeros(width),
        },
    }
    for message, options in cases.items():
        with refuses(message):
            layer(3, **options)


@layers
def test_given_weights_must_fit_the_input(layer):
    width = 3 if layer is ml.LSTM else 6
    given = layer(3, input_weights=np.zeros((4 * width, 5)), name="memory")
    assert given.parameters((5,))[0].shape == (4 * width, 5)
    with pytest.raises(ValueError, match=r"'memory' .* its input has shape \(2,\); give shape"):
        given.parameters((2,))
    with pytest.raises(ValueError, match="read-only"):
        given.input_weights[0] = 1


# ---------------------------------------------------------------- states


@layers
def test_every_sequence_starts_from_the_given_state(backend, layer):
    width = 3 if layer is ml.LSTM else 6
    hidden, cell = np.random.default_rng(0).standard_normal((2, width))
    plain, given = layer(3), layer(3, hidden_state=hidden, cell_state=cell)
    p, signal = drawn(plain, 2), batch(2, [4, 1, 3])
    zero, start = (a.initial_state(3, np.dtype("float64")) for a in (plain, given))
    assert not zero.hidden.any() and not zero.cell.any()
    assert (start.hidden == hidden).all() and (start.cell == cell).all()
    x, run = signal.rows, Run(backend, p, (signal.active,))
    got, _, _ = given.forward(run, x, None)
    want, _, _ = plain.forward(run, x, start)
    assert got.tobytes() == want.tobytes() != b""
    assert got.tobytes() != plain.forward(run, x, None)[0].tobytes()
    single = given.initial_state(2, np.dtype("float32"))
    assert single.hidden.dtype == single.cell.dtype == np.float32


@modes
def test_a_stream_and_its_reset_start_from_the_given_state(backend, mode):
    rng = np.random.default_rng(0)
    memory = ml.LSTM(3, mode, hidden_state=rng.standard_normal(3), cell_state=rng.uniform(size=3))
    chain = [ml.SequenceInput(2), memory, ml.FullyConnected(4), ml.Softmax()]
    net = ml.Network(chain, rng=rng, dtype="float64", classes=range(4))
    x = rng.standard_normal((5, 2))
    with ml.use_backend(backend.name):
        stream = net.stream()
        steps = [stream.step(x_t) for x_t in x]
        stream.reset()
        again = [stream.step(x_t) for x_t in x]
        whole = np.atleast_2d(net.predict(x))
    np.testing.assert_allclose(steps[-len(whole) :], whole, rtol=1e-12)
    assert np.array(steps).tobytes() == np.array(again).tobytes()


@layers
@modes
def test_bilstm_and_lstm_shapes(backend, layer, mode):
    memory, signal = layer(3, mode), batch(2, [4, 1, 3])
    width = 3 if layer is ml.LSTM else 6
    run = Run(backend, drawn(memory, 2), (signal.active,))
    y, state, cache = memory.forward(run, signal.rows, None)
    B, N = 3, 8
    assert y.shape == ((N if mode == "sequence" else B), width)
    net = ml.Network([ml.SequenceInput(2), memory], rng=np.random.default_rng(0))
    out, _, _ = net.forward(Signal(signal.rows.astype("f4"), signal.active), backend=backend)
    assert out.active.tolist() == ([3, 2, 2, 1] if mode == "sequence" else [3])
    assert memory.output_shape((2,)) == (width,) and memory.keeps_last == (mode == "last")
    if mode == "last":
        assert (y == state.hidden).all()
    dx, grads, dstate0 = memory.backward(run, np.ones_like(y), None, cache)
    assert dx.shape == (N, 2) and dstate0.hidden.shape == (B, width)
    assert list(grads) == [p.name for p in memory.parameters((2,))]
    assert memory.whole == (layer is ml.BiLSTM)


@layers
@modes
@pytest.mark.parametrize("used", ["all", "out", "hidden", "cell"])
def test_gradients_pass_through_the_state_ports(backend, layer, mode, used):
    memory = layer(3, mode, "softsign", has_state_inputs=True, has_state_outputs=True)
    width, lengths = 3 if layer is ml.LSTM else 6, [4, 1, 3]
    assert memory.input_names == ("in", "hidden", "cell") and memory.whole
    assert memory.output_names == ("out", "hidden", "cell")
    assert memory.output_shapes([(2,), (width,), (width,)]) == ((width,),) * 3
    assert memory.initial_state(3, np.dtype("float64")) is None
    p, signal = drawn(memory, 2), batch(2, lengths)
    rng = np.random.default_rng(2)
    hidden, cell = rng.standard_normal((2, 3, width))
    run = Run(backend, p, (signal.active, ONCE, ONCE))
    outputs, state, cache = memory.forward(run, (signal.rows, hidden, cell), None)
    assert state is None and [len(o) for o in outputs[1:]] == [3, 3]
    douts = tuple(
        rng.standard_normal(o.shape) if used in ("all", name) else None
        for o, name in zip(outputs, memory.output_names, strict=True)
    )
    (dx, dhidden, dcell), grads, dstate0 = memory.backward(run, douts, None, cache)
    assert dstate0 is None
    values = {"x": signal.rows, "hidden": hidden, "cell": cell, **p}
    for name, hand in {"x": dx, "hidden": dhidden, "cell": dcell, **grads}.items():

        def loss(q, name=name):
            v = {k: a.astype(q.dtype) for k, a in values.items()} | {name: q}
            now = run._replace(backend=NUMPY, p={k: v[k] for k in p})
            outs, _, _ = memory.forward(now, (v["x"], v["hidden"], v["cell"]), None)
            return sum((d * o).sum() for d, o in zip(douts, outs, strict=True) if d is not None)

        exact = complex_step(loss, values[name])
        assert np.abs(hand - exact).max() <= 1e-11 * max(np.abs(exact).max(), 1e-3), name


def test_state_outputs_alone_carry_the_state_on(backend):
    memory = ml.LSTM(3, has_state_outputs=True)
    p, signal = drawn(memory, 2), batch(2, [4, 3])
    start = LSTMState(*np.random.default_rng(0).standard_normal((2, 2, 3)))
    run = Run(backend, p, (signal.active,))
    (y, hidden, cell), state, cache = memory.forward(run, signal.rows, start)
    assert (hidden == state.hidden).all() and (cell == state.cell).all()
    dh = np.ones_like(y)
    both = LSTMState(np.full((2, 3), 5.0), np.full((2, 3), 7.0))
    douts, dstate = (dh, both.hidden - 1, both.cell - 1), LSTMState(*np.ones((2, 2, 3)))
    ports = memory.backward(run, douts, dstate, cache)
    plain = memory.backward(run, (dh, None, None), both, cache)
    assert (ports[0] == plain[0]).all() and (ports[2].cell == plain[2].cell).all()


def test_a_state_of_another_width_is_refused():
    memory = ml.LSTM(3, has_state_inputs=True, name="decoder")
    with pytest.raises(ValueError, match=r"'decoder' .* wants shape \(3,\) at its input 'cell'"):
        memory.output_shapes([(2,), (3,), (4,)])
