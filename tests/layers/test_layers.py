"""The layers as records: options, printed forms, wrong arguments, and how learnables start.
Nothing here runs a network; sizes and distributions are checked against their formulas."""

import dataclasses

import numpy as np
import pytest
from agreement import refuses

import minilstm as ml
from minilstm.layers import initializers

HIDDEN, FEATURES = 50, 3


def drawn(layer, input_size, seed=0):
    """First value of every learnable of a layer, by name."""
    rng = np.random.default_rng(seed)
    return {p.name: p.initializer(p.shape, rng) for p in layer.parameters((input_size,))}


# ---------------------------------------------------------------- initialisers


@pytest.mark.parametrize(("inputs", "hidden"), [(3, 200), (12, 100), (1, 1), (100, 7)])
def test_lstm_input_weights_are_glorot_with_4h_outputs(inputs, hidden):
    weights = drawn(ml.LSTM(hidden), inputs)["input_weights"]
    bound = np.sqrt(6 / (inputs + 4 * hidden))
    assert weights.shape == (4 * hidden, inputs) and weights.dtype == np.float64
    assert abs(weights).max() <= bound
    if weights.size > 1000:  # uniform up to the bound: one gate's bound would be much wider
        assert abs(weights).max() > 0.99 * bound
        assert weights.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        assert abs(weights.mean()) < 0.1 * bound


def test_the_reference_networks_glorot_bound_is_0_0864():
    weights = drawn(ml.LSTM(200), 3)["input_weights"]
    assert abs(weights).max() == pytest.approx(0.0864, abs=2e-4)


def test_fully_connected_is_glorot_with_a_zero_bias():
    values = drawn(ml.FullyConnected(20), 200)
    bound = np.sqrt(6 / 220)
    assert values["weights"].shape == (20, 200)
    assert 0.99 * bound < abs(values["weights"]).max() <= bound
    assert values["bias"].shape == (20,) and not values["bias"].any()


@pytest.mark.parametrize("hidden", [1, 2, 7, 50])
def test_recurrent_weights_have_orthonormal_columns_as_one_matrix(hidden):
    weights = drawn(ml.LSTM(hidden), 3)["recurrent_weights"]
    assert weights.shape == (4 * hidden, hidden)
    np.testing.assert_allclose(weights.T @ weights, np.eye(hidden), atol=1e-13)
    if hidden == 50:  # not each gate by itself, whose columns are shorter than 1
        gate = weights[:hidden]
        assert abs(gate.T @ gate - np.eye(hidden)).max() > 0.1


def test_orthogonal_moves_the_signs_of_r_into_q():
    # Without the sign fix LAPACK's Householder QR gives columns that oppose the draw; with it
    # the first column is the first column of the draw, only shorter.
    for seed in range(8):
        first = np.random.default_rng(seed).standard_normal((8, 2))[:, 0]
        column = initializers.orthogonal((8, 2), np.random.default_rng(seed))[:, 0]
        np.testing.assert_allclose(column, first / np.linalg.norm(first), rtol=1e-12)


def test_bias_is_one_for_the_forget_gate_only():
    bias = drawn(ml.LSTM(HIDDEN), FEATURES)["bias"]
    blocks = bias.reshape(4, HIDDEN)  # i, f, g, o
    assert (blocks[1] == 1).all() and not blocks[[0, 2, 3]].any()


def test_the_same_generator_gives_the_same_draw_and_another_seed_another():
    layer = ml.LSTM(HIDDEN)
    first, again, other = drawn(layer, FEATURES), drawn(layer, FEATURES), drawn(layer, FEATURES, 1)
    for name in first:
        assert first[name].tobytes() == again[name].tobytes()
    assert (first["input_weights"] != other["input_weights"]).all()
    assert (first["recurrent_weights"] != other["recurrent_weights"]).any()


# ---------------------------------------------------------------- sizes and options


def test_sizes_of_outputs_and_learnables():
    assert ml.LSTM(200).output_shape((3,)) == (200,)
    assert ml.FullyConnected(5).output_shape((200,)) == (5,)
    assert ml.Softmax().output_shape((5,)) == (5,) and ml.Softmax().parameters((5,)) == ()
    assert ml.SequenceInput(3).parameters((3,)) == ()
    sizes = [int(np.prod(p.shape)) for p in ml.LSTM(200).parameters((3,))]
    sizes += [int(np.prod(p.shape)) for p in ml.FullyConnected(5).parameters((200,))]
    assert sizes == [2400, 160_000, 800, 1000, 5] and sum(sizes) == 164_205


def test_only_the_lstm_has_a_state_and_it_starts_at_zero():
    state = ml.LSTM(np.int32(4)).initial_state(3, np.dtype("float64"))
    for value in state:
        assert value.shape == (3, 4) and value.dtype == np.float64 and not value.any()
    for layer in (ml.SequenceInput(3), ml.FullyConnected(2), ml.Softmax()):
        assert layer.initial_state(3, np.dtype("float32")) is None


@pytest.mark.parametrize(
    ("kind", "first", "shape"),
    [
        (ml.LSTM, (2,), (1,)), (ml.BiLSTM, (2,), (1,)), (ml.FullyConnected, (2,), (1,)),
        (ml.Convolution2D, (2, 3), (4, 4, 1)), (ml.Convolution3D, (2, 3), (4, 4, 4, 1)),
        (ml.BatchNormalization, (), (2,)),
    ],
)  # fmt: skip
def test_factors_reach_the_parameter_they_are_named_after(kind, first, shape):
    names = [p.name for p in kind(*first).parameters(shape)]
    rates, l2 = ({name: n + half for n, name in enumerate(names)} for half in (0.25, 9.5))
    factors = {f"{name}_learn_rate_factor": rate for name, rate in rates.items()}
    factors |= {f"{name}_l2_factor": factor for name, factor in l2.items()}
    slots = kind(*first, **factors).parameters(shape)
    assert {p.name: p.learn_rate_factor for p in slots} == rates
    assert {p.name: p.l2_factor for p in slots} == l2


def test_defaults_are_the_references_factor_one_and_no_l2_on_biases():
    for layer in (ml.LSTM(2), ml.FullyConnected(2)):
        for p in layer.parameters((1,)):
            assert p.learn_rate_factor == 1
            assert p.l2_factor == (0 if p.name == "bias" else 1)
    assert ml.LSTM(2).output_mode == "sequence"
    assert ml.SequenceInput(2).normalization == "none" and ml.SequenceInput(2).mean is None


@pytest.mark.parametrize(
    ("layer", "label", "start"),
    [
        (ml.SequenceInput(12), "Sequence input with 12 dimensions", "SequenceInput(name=''"),
        (
            ml.SequenceInput(3, "zerocenter"),
            "Sequence input with 3 dimensions, zerocenter",
            "SequenceInput(name='', input_size=3, normalization='zerocenter', mean=None)",
        ),
        (
            ml.SequenceInput([28, 28, 1], name="video"),
            "Sequence input with 28x28x1 dimensions",
            "SequenceInput(name='video', input_size=(28, 28, 1), normalization='none', mean=None)",
        ),
        (ml.LSTM(200), "LSTM with 200 hidden units", "LSTM(name='', num_hidden_units=200"),
        (
            ml.LSTM(100, "last", name="memory"),
            "LSTM with 100 hidden units, last step only",
            "LSTM(name='memory', num_hidden_units=100, output_mode='last'",
        ),
        (ml.FullyConnected(5), "5 fully connected layer", "FullyConnected(name='', num_outputs=5"),
        (ml.Softmax(name="scores"), "Softmax", "Softmax(name='scores')"),
    ],
)
def test_labels_and_repr(layer, label, start):
    assert layer.label == label
    assert repr(layer).startswith(start)


def test_config_builds_the_layer_again():
    given = ml.LSTM(7, "last", name="memory", bias_l2_factor=0.5)
    assert repr(ml.LSTM(**given.config())) == repr(given)
    mean = ml.SequenceInput(2, "zerocenter", [1, 2]).config().pop("mean")
    assert mean.tolist() == [1.0, 2.0]


def test_layers_cannot_be_changed_and_keep_their_own_mean():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ml.LSTM(3).num_hidden_units = 4
    values = np.array([1.0, 2.0])
    layer = ml.SequenceInput(2, "zerocenter", values)
    values[0] = 99
    assert layer.mean.tolist() == [1.0, 2.0] and layer.mean.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        layer.mean[0] = 5


# ---------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize("value", [0, -1, 2.5, 3.0, "3", None, True, np.nan, [3]])
@pytest.mark.parametrize(
    ("layer", "argument"),
    [
        (ml.SequenceInput, "input_size"),
        (ml.LSTM, "num_hidden_units"),
        (ml.FullyConnected, "num_outputs"),
    ],
)
def test_sizes_are_whole_numbers_of_at_least_one(layer, argument, value):
    text = f"{layer.__name__}: {argument} is {value!r}; give a whole number of at least 1."
    with refuses(text):
        layer(value)


def test_wrong_options_are_named():
    with refuses("LSTM: output_mode is 'first'; choose one of 'sequence', 'last'."):
        ml.LSTM(3, output_mode="first")
    with refuses(
        "SequenceInput: normalization is 'z-score'; choose one of 'none', 'zerocenter', 'zscore', "
        "'rescale-symmetric', 'rescale-zero-one' (did you mean 'zscore'?)."
    ):
        ml.SequenceInput(3, normalization="z-score")
    with refuses(
        "SequenceInput: normalization_dimension is 'space'; choose one of 'auto', 'channel', "
        "'element', 'all'."
    ):
        ml.SequenceInput(3, normalization_dimension="space")


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="outputmode"):
        ml.LSTM(3, outputmode="last")


@pytest.mark.parametrize("layer", [ml.LSTM, ml.FullyConnected])
@pytest.mark.parametrize("value", ["x", -1, np.nan, True])
def test_factors_are_numbers_of_at_least_0(layer, value):
    with pytest.raises(ValueError, match=r"bias_l2_factor is .*; give a number of at least 0\."):
        layer(3, bias_l2_factor=value)
