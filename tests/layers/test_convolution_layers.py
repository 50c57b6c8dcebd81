"""Convolution layers: sizes, every form of padding, how they start, and wrong arguments.
What they compute is checked in tests/functional/test_convolution.py."""

import itertools
import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.functional.convolution import (
    convolution_size,
    same_padding,
)
from minilstm.layers import Run

# ---------------------------------------------------------------- sizes


def test_same_padding_has_every_parity():
    for n, f, s, d in itertools.product(range(1, 9), range(1, 6), range(1, 4), range(1, 4)):
        ((before, after),) = pads = same_padding((n,), (f,), (s,), (d,))
        assert convolution_size((n,), (f,), (s,), pads, (d,)) == (-(-n // s),)
        assert after - before in (0, 1) and before >= 0
        if before:  # no more than is needed
            fewer = ((before - 1, after),)
            assert convolution_size((n,), (f,), (s,), fewer, (d,))[0] < -(-n // s)


@pytest.mark.parametrize(
    ("height", "filters", "stride"), list(itertools.product((5, 6), (2, 3), (1, 2)))
)
def test_a_same_layer_puts_the_odd_zero_at_the_end(backend, height, filters, stride):
    layer = ml.Convolution2D(filters, 1, stride=stride, padding="same")
    x = np.random.default_rng(0).standard_normal((2, height, height, 1))
    p = {"weights": np.ones((filters, filters, 1, 1)), "bias": np.zeros(1)}
    y, _ = layer.forward(Run(backend, p), x)
    assert y.shape == (2, *layer.output_shape((height, height, 1)))
    total = max(0, (-(-height // stride) - 1) * stride + filters - height)
    side = (total // 2, -(-total // 2))
    padded = np.pad(x, ((0, 0), side, side, (0, 0)))
    first = padded[:, :filters, :filters].sum(axis=(1, 2))
    np.testing.assert_allclose(y[:, 0, 0], first, rtol=0, atol=1e-13)


# ---------------------------------------------------------------- layers


def test_shapes_and_labels():
    layer = ml.Convolution2D(5, 20)
    assert layer.label == "20 5x5 convolutions with stride [1 1] and padding [0 0 0 0]"
    assert layer.output_shape((28, 28, 1)) == (24, 24, 20)
    assert [(p.name, p.shape) for p in layer.parameters((28, 28, 1))] == [
        ("weights", (5, 5, 1, 20)),
        ("bias", (20,)),
    ]
    layer = ml.Convolution2D((3, 2), 4, stride=(2, 1), dilation=[1, 2], padding=[1, 2, 0, 3])
    assert layer.label == (
        "4 3x2 convolutions with stride [2 1], dilation [1 2] and padding [1 2 0 3]"
    )
    assert layer.output_shape((8, 8, 3)) == (5, 9, 4)
    assert ml.Convolution2D(3, 8, padding="same", stride=2).output_shape((7, 8, 1)) == (4, 4, 8)
    assert ml.Convolution2D(3, 8, padding="same").label.endswith("and padding 'same'")
    volume = ml.Convolution3D((3, 3, 1), 6, padding=[[1, 0, 0], [2, 0, 4]])
    assert volume.label == "6 3x3x1 convolutions with stride [1 1 1] and padding [1 0 0; 2 0 4]"
    assert volume.output_shape((6, 5, 4, 2)) == (7, 3, 8, 6)
    assert volume.parameters((6, 5, 4, 2))[0].shape == (3, 3, 1, 2, 6)


@pytest.mark.parametrize(
    ("layer", "padding", "want"),
    [
        (ml.Convolution2D, 2, ((2, 2), (2, 2))),
        (ml.Convolution2D, np.array([1, 2]), ((1, 1), (2, 2))),
        (ml.Convolution2D, [1, 2, 3, 4], ((1, 2), (3, 4))),
        (ml.Convolution2D, ((1, 2), (3, 4)), ((1, 2), (3, 4))),
        (ml.Convolution3D, 2, ((2, 2),) * 3),
        (ml.Convolution3D, [1, 2, 3], ((1, 1), (2, 2), (3, 3))),
        (ml.Convolution3D, [[1, 2, 3], [4, 5, 6]], ((1, 4), (2, 5), (3, 6))),
        (ml.Convolution3D, [(1, 4), (2, 5), (3, 6)], ((1, 4), (2, 5), (3, 6))),
    ],
)
def test_forms_of_padding(layer, padding, want):
    made = layer(3, 2, padding=padding)
    assert made.padding == want
    assert type(made)(**made.config()).padding == want


def test_the_options_make_the_layer_again():
    layer = ml.Convolution2D(
        3, 2, stride=2, padding="same", bias=[1.0, 2.0], weights_initializer=lambda s, r: np.ones(s)
    )
    config = layer.config()
    assert not {"bias", "weights", "weights_initializer"} & set(config)
    again = ml.Convolution2D(**config)
    assert (again.filter_size, again.stride, again.padding) == ((3, 3), (2, 2), "same")
    assert again.label == layer.label and again.bias is None
    assert layer.without_values().bias is None


@pytest.mark.parametrize("name", ["glorot", "he", "narrow-normal", "zeros", "ones"])
def test_initialisers(name):
    layer = ml.Convolution2D((5, 4), 300, weights_initializer=name)
    parameter = layer.parameters((9, 9, 2))[0]
    weights = parameter.initializer(parameter.shape, np.random.default_rng(0))
    assert weights.shape == (5, 4, 2, 300) and weights.dtype == np.float64
    bound = np.sqrt(6 / (20 * 2 + 20 * 300))
    want = {"glorot": bound / np.sqrt(3), "he": np.sqrt(2 / 40), "narrow-normal": 0.01}
    assert weights.std() == pytest.approx(want.get(name, 0.0), rel=0.03)
    if name == "glorot":
        assert 0.99 * bound < abs(weights).max() <= bound
    if name in ("zeros", "ones"):
        assert (weights == (name == "ones")).all()


def test_an_initialiser_may_be_a_function():
    layer = ml.Convolution3D(
        2, 3, weights_initializer=lambda shape, rng: np.full(shape, 7.0), bias_initializer="ones"
    )
    weights, bias = layer.parameters((4, 4, 4, 1))
    rng = np.random.default_rng(0)
    assert (weights.initializer(weights.shape, rng) == 7).all()
    assert (bias.initializer(bias.shape, rng) == 1).all()
    default = ml.Convolution2D(2, 3).parameters((4, 4, 1))
    assert [(p.learn_rate_factor, p.l2_factor) for p in default] == [(1, 1), (1, 0)]


# ---------------------------------------------------------------- errors


def refused(call, *parts):
    with pytest.raises(ValueError, match=r"\.$") as error:
        call()
    message = str(error.value)
    assert message.endswith(".") and not re.search(r"\.\s", message), "one sentence"
    for part in parts:
        assert part in message, message


def test_inputs_that_do_not_fit():
    layer = ml.Convolution2D(5, 20, name="conv")
    for shape in [(12,), (4, 4), (9, 9, 9, 1)]:
        refused(lambda s=shape: layer.output_shape(s), "'conv'", "(h, w, c)", str(shape))
        refused(lambda s=shape: layer.parameters(s), "'conv'", "(h, w, c)", str(shape))
    refused(lambda: layer.output_shape((4, 9, 1)), "'conv'", "(5, 5)", "(4, 9, 1)", "(4, 9)")
    dilated = ml.Convolution2D(3, 2, dilation=4, padding=1, name="wide")
    refused(lambda: dilated.output_shape((6, 7, 1)), "'wide'", "(9, 9)", "(6, 7, 1)", "(8, 9)")
    volume = ml.Convolution3D(2, 2, name="vol")
    refused(lambda: volume.output_shape((9, 9, 1)), "'vol'", "(h, w, d, c)", "(9, 9, 1)")
    given = ml.Convolution2D(3, 2, weights=np.ones((3, 3, 1, 2)), name="given")
    assert given.output_shape((5, 5, 1)) == (3, 3, 2)
    refused(lambda: given.output_shape((5, 5, 4)), "'given'", "(3, 3, 1, 2)", "(5, 5, 4)")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"filter_size": 0}, ["filter_size", "0"]),
        ({"filter_size": (3, 3, 3)}, ["filter_size", "(3, 3, 3)", "2"]),
        ({"filter_size": 2.5}, ["filter_size", "2.5"]),
        ({"filter_size": True}, ["filter_size", "True"]),
        ({"num_filters": -1}, ["num_filters", "-1"]),
        ({"stride": [1, 0]}, ["stride", "[1, 0]"]),
        ({"dilation": "2"}, ["dilation", "'2'"]),
        ({"padding": -1}, ["padding", "-1"]),
        ({"padding": [1, 2, 3]}, ["padding", "[1, 2, 3]"]),
        ({"padding": [[1, 2], [3]]}, ["padding", "[[1, 2], [3]]"]),
        ({"padding": "full"}, ["padding", "'full'", "'same'"]),
        ({"padding": None}, ["padding", "None"]),
        ({"weights_initializer": "uniform"}, ["weights_initializer", "'uniform'", "'glorot'"]),
        ({"bias_initializer": "glorot"}, ["bias_initializer", "'glorot'", "'zeros'"]),
        ({"weights": np.ones((3, 3, 2))}, ["weights", "(3, 3, 2)", "(3, 3, channels, 4)"]),
        ({"weights": np.ones((2, 3, 1, 4))}, ["weights", "(2, 3, 1, 4)"]),
        ({"bias": [1.0, 2.0]}, ["bias", "(2,)", "(4,)"]),
        ({"bias": [1.0, 2.0, 3.0, np.nan]}, ["bias", "finite"]),
        ({"bias_l2_factor": -1}, ["bias_l2_factor", "-1"]),
    ],
    ids=str,
)
def test_options_that_are_not_meant(options, parts):
    arguments = {"filter_size": 3, "num_filters": 4, **options}
    refused(lambda: ml.Convolution2D(**arguments), "Convolution2D", *parts)
