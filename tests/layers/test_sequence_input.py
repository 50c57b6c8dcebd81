"""The sequence input layer: sizes, the statistics of training, wrong options, printed forms.
The normalisations themselves are in `test_input_normalization.py`."""

import numpy as np
import pytest
from agreement import refuses
from builders import WIDTHS, shifted_sequences

import minilstm as ml
from minilstm.backend import load_backend
from minilstm.functional import sequence_input as functional
from minilstm.layers import Run

KINDS = ["zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"]


def run(layer, rows):
    return layer.forward(Run(load_backend("numpy")), rows)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("given", [[28, 20, 1], (28, 20, 1), np.array([28, 20, 1], np.uint8)])
def test_images_have_a_tuple_as_size(given):
    layer = ml.SequenceInput(given)
    assert layer.input_size == layer.shape == layer.output_shape(()) == (28, 20, 1)
    assert type(layer.input_size) is tuple and {type(n) for n in layer.input_size} == {int}
    assert layer.label == "Sequence input with 28x20x1 dimensions"
    assert layer.config()["input_size"] == [28, 20, 1]
    assert ml.SequenceInput(**layer.config()).shape == (28, 20, 1)


def test_vectors_have_a_number_as_size_and_volumes_four():
    layer = ml.SequenceInput(np.int16(12))
    assert layer.input_size == 12 and type(layer.input_size) is int and layer.shape == (12,)
    assert ml.SequenceInput([4, 5, 6, 2]).shape == (4, 5, 6, 2)


@pytest.mark.parametrize(
    "value",
    [
        [28, 28],
        [1, 2, 3, 4, 5],
        [28, 28, 0],
        [28, 28, -1],
        [28.0, 28.0, 1.0],
        [2, 2, True],
        [[1], [2, 3]],
    ],
)
def test_sizes_that_are_no_images(value):
    with refuses(
        f"SequenceInput: input_size is {value!r}; give a whole number of features, or [h, w, c] "
        "for images, [h, w, d, c] for volumes, all at least 1."
    ):
        ml.SequenceInput(value)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, None])
def test_minimum_lengths_are_whole_numbers(value):
    with refuses(f"SequenceInput: min_length is {value!r}; give a whole number of at least 1."):
        ml.SequenceInput(3, min_length=value)


# ---------------------------------------------------------------- training's statistics


def test_reset_computes_anew_and_no_reset_only_what_is_missing():
    x = shifted_sequences((2,))
    joined = np.concatenate(x)
    given = ml.SequenceInput(2, "zscore", mean=[7.0, 8.0])
    anew = given.with_statistics(x, True)
    np.testing.assert_allclose(anew.mean, joined.mean(axis=0))
    np.testing.assert_allclose(anew.standard_deviation, joined.std(axis=0))
    kept = given.with_statistics(x, False)
    assert kept.mean.tolist() == [7.0, 8.0]
    np.testing.assert_allclose(kept.standard_deviation, joined.std(axis=0))
    assert given.standard_deviation is None and given.mean.tolist() == [7.0, 8.0]
    assert kept.with_statistics(x, False) is kept
    assert kept.mean.flags.writeable is False


@pytest.mark.parametrize("reset", [True, False])
def test_nothing_to_compute_gives_the_layer_itself(reset):
    for layer in (ml.SequenceInput(2), ml.SequenceInput(2, lambda rows: rows)):
        assert layer.with_statistics(shifted_sequences((2,)), reset) is layer


@pytest.mark.parametrize(
    ("given", "reset", "shape"),
    [
        ({}, True, (1, 1, 2)),
        ({"mean": np.zeros((1, 1, 2))}, True, (1, 1, 2)),
        ({"mean": np.zeros((4, 3, 2))}, True, (4, 3, 2)),
        ({"mean": np.zeros((4, 3, 2))}, False, (4, 3, 2)),
        ({"mean": 0}, False, ()),
        ({"mean": 0}, True, (1, 1, 2)),
        ({"normalization_dimension": "element"}, True, (4, 3, 2)),
        ({"normalization_dimension": "all"}, True, ()),
        ({"normalization_dimension": "channel"}, True, (1, 1, 2)),
    ],
)
def test_what_auto_means(given, reset, shape):
    layer = ml.SequenceInput([4, 3, 2], "zscore", **given)
    found = layer.with_statistics(shifted_sequences((4, 3, 2)), reset)
    assert found.standard_deviation.shape == shape
    assert reset is False or found.mean.shape == shape
    run(found, np.ones((2, 4, 3, 2)))


def test_options_survive_the_statistics():
    layer = ml.SequenceInput(2, "zscore", min_length=4, name="in").with_statistics(
        shifted_sequences((2,))
    )
    assert layer.min_length == 4 and layer.name == "in"


# ---------------------------------------------------------------- given statistics


@pytest.mark.parametrize("dtype", WIDTHS)
def test_statistics_of_every_dtype_are_taken(dtype):
    layer = ml.SequenceInput(
        2, "zscore", mean=np.array([1, 2], dtype), standard_deviation=np.array([3, 4], dtype)
    )
    assert layer.mean.tolist() == [1, 2] and layer.mean.dtype == np.float64
    assert layer.standard_deviation.tolist() == [3, 4]
    for rows in (np.ones((1, 2), np.float32), np.ones((1, 2))):
        assert run(layer, rows)[0].dtype == rows.dtype


STATISTICS = "but statistics are real numbers;"
VIDEO, OF_TWO = [4, 3, 2], "give finite numbers of shape (2,) or ()."


@pytest.mark.parametrize(
    ("size", "kind", "options", "message"),
    [
        (VIDEO, "zerocenter", {"mean": np.zeros(2)},
         "mean has shape (2,); give finite numbers of shape (1, 1, 2) or (4, 3, 2) or ()."),
        (VIDEO, "zerocenter", {"mean": np.zeros((2, 4, 3))},
         "mean has shape (2, 4, 3); give finite numbers of shape (1, 1, 2) or (4, 3, 2) or ()."),
        (VIDEO, "zscore", {"mean": np.zeros((4, 3, 2)), "normalization_dimension": "channel"},
         "mean has shape (4, 3, 2); give finite numbers of shape (1, 1, 2)."),
        (3, "rescale-zero-one", {"min": [[0, 0, 0]]},
         "min has shape (1, 3); give finite numbers of shape (3,) or ()."),
        (3, "zscore", {"standard_deviation": [1, 1]},
         "standard_deviation has shape (2,); give finite numbers of shape (3,) or ()."),
        (2, "zscore", {"standard_deviation": [1, -2]},
         "standard_deviation holds -2.0; give numbers of at least 0."),
        (2, "rescale-symmetric", {"max": [1, np.inf]}, f"max holds inf; {OF_TWO}"),
        (2, "zerocenter", {"mean": [1, np.nan]}, f"mean holds nan; {OF_TWO}"),
        (2, "rescale-symmetric", {"min": [1, 2], "max": [2, 1]},
         "min is above max; give the smaller values as min."),
        (2, "zerocenter", {"mean": ["1", "2"]}, f"mean has dtype <U1, {STATISTICS} {OF_TWO}"),
        (2, "zerocenter", {"mean": np.ones(2, bool)},
         f"mean has dtype bool, {STATISTICS} {OF_TWO}"),
        (
            2,
            "zerocenter",
            {"mean": [1, [2]]},
            "mean holds rows of different lengths, but one full array was wanted; make them "
            "equally long, or pass one after the other.",
        ),
        (
            2,
            "zerocenter",
            {"mean": np.ma.masked_array([1.0, 2.0], [False, True])},
            "mean has a masked value at [1] (1 in all), but no value may be missing; remove it, "
            "or fill it, such as with mean.filled(0).",
        ),
        (2, "zerocenter", {"standard_deviation": [1, 1]},
         "a standard_deviation was given but normalization is 'zerocenter'; set "
         "normalization='zscore' to use it."),
        (2, "none", {"mean": [1, 2]},
         "a mean was given but normalization is 'none'; set normalization='zerocenter' to use it."),
        (2, lambda rows: rows, {"mean": [1, 1]},
         "a mean was given but normalization is a function; set normalization='zerocenter' to use "
         "it."),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_wrong_statistics_are_named(size, kind, options, message):
    with refuses(f"SequenceInput: {message}"):
        ml.SequenceInput(size, kind, **options)
    with refuses(f"SequenceInput 'video': {message}"):
        ml.SequenceInput(size, kind, **options, name="video")


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_that_are_missing_are_an_error_not_nan(kind):
    name = functional.USES[kind][0]
    with refuses(
        f"the layer 'in' has normalization {kind!r} but no {name}; train the network, or give "
        f"SequenceInput its {name}."
    ):
        run(ml.SequenceInput(1, kind, name="in"), np.ones((1, 1)))


# ---------------------------------------------------------------- a function


def spoil(rows):
    rows -= 1
    return rows


def test_a_function_gets_rows_and_may_write_into_them():
    layer = ml.SequenceInput(2, spoil, name="in")
    for dtype in (np.float32, np.float64, np.complex128):
        rows = np.ones((3, 2), dtype)
        y, cache = run(layer, rows)
        assert (y == 0).all() and y.dtype == dtype and (rows == 1).all()
        dx, grads = layer.backward(Run(load_backend("numpy")), y, cache)
        assert dx is None and grads == {}
    assert layer.label == "Sequence input with 2 dimensions, spoil"
    assert layer.affine is not None
    with refuses(
        "SequenceInput 'in': normalization is the function spoil, which cannot be saved; "
        "normalise the data first, and build the network without it."
    ):
        layer.config()


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda rows: rows[:1], "float64 of shape (1, 2)"),
        (lambda rows: rows > 0, "bool of shape (3, 2)"),
        (lambda rows: None, "object of shape ()"),
        (lambda rows: np.full_like(rows, np.nan), "numbers that are not finite"),
    ],
)
def test_functions_that_give_something_else(function, what):
    with refuses(
        f"SequenceInput: the function <lambda> made {what} from rows of shape (3, 2); return "
        "finite real numbers of the same shape."
    ):
        run(ml.SequenceInput(2, function), np.ones((3, 2)))


# ---------------------------------------------------------------- printed forms


def test_printing_the_layer():
    layer = ml.SequenceInput(2, "zscore", [0.5, 2], standard_deviation=[1, 2], name="input")
    assert str(layer).splitlines() == [
        "SequenceInput with properties:",
        "    name:                    'input'",
        "    input_size:              2",
        "    min_length:              1",
        "  Hyperparameters",
        "    normalization:           'zscore'",
        "    normalization_dimension: 'auto'",
        "    mean:                    [0.5, 2. ]",
        "    standard_deviation:      [1., 2.]",
    ]
    assert str(ml.SequenceInput([28, 28, 1])).splitlines()[-2:] == [
        "  Hyperparameters",
        "    normalization: 'none'",
    ]
    large = ml.SequenceInput([9, 8, 1], "zerocenter", np.arange(72).reshape(9, 8, 1))
    assert str(large).endswith("mean:                    (9, 8, 1) from 0 to 71")
    assert repr(large) == (
        "SequenceInput(name='', input_size=(9, 8, 1), normalization='zerocenter', "
        "mean=<array (9, 8, 1)>)"
    )
    assert str(ml.SequenceInput(1, spoil)).endswith("    normalization: spoil")


def test_repr_names_what_is_not_the_default():
    layer = ml.SequenceInput(1, "zscore", min_length=3, standard_deviation=[2.0])
    assert repr(layer) == (
        "SequenceInput(name='', input_size=1, normalization='zscore', mean=None, "
        "standard_deviation=array([2.]), min_length=3)"
    )


# ---------------------------------------------------------------- in a network


@pytest.mark.parametrize("kind", [*KINDS, np.tanh])
def test_prediction_and_streams_normalise_alike(kind):
    x = shifted_sequences((3,), (9,))[0]
    first = ml.SequenceInput(3, kind).with_statistics([x])
    layers = [first, ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0), dtype="float64")
    plain = ml.Network([ml.SequenceInput(3), *layers[1:]], net.parameters, dtype="float64")
    expected = plain.predict(run(first, x)[0])
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-12)
    stream = net.stream()
    np.testing.assert_allclose([stream.step(row) for row in x], expected, rtol=1e-10)


def test_feature_names_are_kept_and_saved():
    layer = ml.SequenceInput(2, feature_names=["ax", "ay"])
    assert layer.feature_names == ("ax", "ay")
    assert layer.config()["feature_names"] == ["ax", "ay"]
    assert "feature_names" not in ml.SequenceInput(2).config()
    assert ml.SequenceInput([4, 4, 1], feature_names="grey").feature_names == ("grey",)


@pytest.mark.parametrize("names", [["ax"], ["ax", 1], ["a", "a"], 3, "ab", ["a", "b", "c"]])
def test_feature_names_that_do_not_fit_are_refused(names):
    with pytest.raises(ValueError, match=r"give 2 different names, one a feature\.$"):
        ml.SequenceInput(2, feature_names=names)


def test_a_feature_name_given_twice_is_refused():
    with pytest.raises(ValueError, match=r"give each name once\.$"):
        ml.SequenceInput(2, feature_names=["a", "a", "b"])
