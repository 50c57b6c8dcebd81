"""The sequence input layer: sizes, normalisations, the statistics of training data, wrong options.
Expected statistics come from NumPy on all real steps joined together."""

from __future__ import annotations

import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import load_backend
from minilstm.functional import sequence_input as functional
from minilstm.layers import Signal

WIDTHS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "longdouble"]
SHAPES = [(3,), (1,), (4, 3, 2), (1, 1, 2), (2, 3, 2, 2)]
KINDS = ["zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"]
DIMENSIONS = ["channel", "element", "all"]


def draw(shape, lengths=(5, 1, 3), dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.5, 9, shape), rng.uniform(-50, 50, shape)
    return [(shift + scale * rng.standard_normal((T, *shape))).astype(dtype) for T in lengths]


def size(shape):
    return shape[0] if len(shape) == 1 else list(shape)


def run(layer, rows):
    signal = Signal(rows, np.ones(len(rows), np.int64))
    out, state, cache = layer.forward(load_backend("numpy"), {}, signal, None)
    assert state is None and out.active is signal.active
    return out.rows, cache


def refuses(message, error=ValueError):
    assert message.endswith(".") and re.search(r"[.!?]\s", message) is None
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def pooled(shape, dimension):
    """Axes of (N, *shape) that statistics are taken over."""
    if dimension == "all":
        return None
    return 0 if dimension == "element" else tuple(range(len(shape)))


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
    "value", [[28, 28], [1, 2, 3, 4, 5], [28, 28, 0], [28, 28, -1], [28.0, 28.0, 1.0], [2, 2, True]]
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


# ---------------------------------------------------------------- statistics


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_statistics_are_those_of_all_real_steps(shape, dimension):
    x = draw(shape)
    joined, axes = np.concatenate(x), pooled(shape, dimension)
    wanted = functional.statistics_shape(shape, dimension)
    found = {**functional.statistics(x, dimension, "zscore")}
    found |= functional.statistics(x, dimension, "rescale-symmetric")
    for name, reference in (
        ("mean", np.mean), ("standard_deviation", np.std), ("min", np.min), ("max", np.max),
    ):  # fmt: skip
        assert found[name].shape == wanted and found[name].dtype == np.float64
        np.testing.assert_allclose(
            found[name].ravel(), np.ravel(reference(joined, axis=axes)), rtol=1e-13
        )


@pytest.mark.parametrize("dtype", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_every_dtype_are_float64(dtype, kind):
    x = [np.array([[1, 5], [2, 4]], dtype), np.array([[6, 0]], dtype)]
    found = functional.statistics(x, "channel", kind)
    expected = {"mean": [3, 3], "min": [1, 0], "max": [6, 5], "standard_deviation": [14 / 3] * 2}
    for name, value in found.items():
        assert value.dtype == np.float64
        given = value**2 if name == "standard_deviation" else value
        np.testing.assert_allclose(given, expected[name], rtol=1e-14)


def test_blocks_change_nothing(monkeypatch):
    x = draw((4, 3, 2), (40, 7, 1))
    whole = [functional.statistics(x, "channel", kind) for kind in KINDS]
    monkeypatch.setattr(functional, "_BLOCK", 50)  # two steps at a time
    for kind, expected in zip(KINDS, whole, strict=True):
        for name, value in functional.statistics(x, "channel", kind).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-13)


def test_two_passes_see_a_small_deviation_beside_a_large_mean():
    rng = np.random.default_rng(0)
    small = rng.standard_normal((1000, 1))
    found = functional.statistics([small + 1e9], "channel", "zscore")["standard_deviation"]
    assert found[0] == pytest.approx((small + 1e9 - 1e9).std(), rel=1e-9)


def test_statistics_do_not_copy_the_data():
    import tracemalloc

    x = [np.ones((200_000, 8), np.float32)]  # 6 MB, 13 MB as float64
    tracemalloc.start()
    functional.statistics(x, "channel", "zscore")
    functional.statistics(x, "channel", "rescale-symmetric")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6


def test_constant_data_have_no_deviation_at_all():
    for value in (0.1, 1 / 3, 1e300, -7e-300):
        x = [np.full((n, 2), value) for n in (1000, 77)]
        found = functional.statistics(x, "channel", "zscore")
        assert found["mean"].tolist() == [value] * 2
        assert found["standard_deviation"].tolist() == [0, 0]


# ---------------------------------------------------------------- normalisations


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_data_come_out_normalised(kind, dimension, shape, dtype):
    x = draw(shape, dtype=dtype)
    layer = ml.SequenceInput(size(shape), kind, normalization_dimension=dimension)
    rows = np.concatenate(x)
    before = rows.copy()
    y, _ = run(layer.with_statistics(x), rows)
    np.testing.assert_array_equal(rows, before)
    assert y.dtype == dtype and y.shape == rows.shape
    axes, close = pooled(shape, dimension), 1e-4 if dtype == "float32" else 1e-12
    if kind in ("zerocenter", "zscore"):
        np.testing.assert_allclose(y.mean(axis=axes), 0, atol=close)
    if kind == "zscore":
        np.testing.assert_allclose(y.std(axis=axes), 1, rtol=close)
    if kind == "zerocenter":
        np.testing.assert_allclose(y.std(axis=axes), rows.std(axis=axes), rtol=close)
    if kind.startswith("rescale"):  # exactly, as 2 (x - min) / (max - min) is 2 at the maximum
        assert (y.min(axis=axes) == (-1 if kind.endswith("symmetric") else 0)).all()
        assert (y.max(axis=axes) == 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_never_changes_becomes_zero(kind, dtype):
    x = [np.array([[0.1, 1.0], [0.1, 3.0]]), np.array([[0.1, 2.0]])]
    layer = ml.SequenceInput(2, kind).with_statistics([a.astype("f8") for a in x])
    rows = np.concatenate(x).astype(dtype)
    y, cache = run(layer, rows)
    assert y.dtype == dtype and (abs(y[:, 0]) < 1e-8).all() and np.isfinite(y).all()
    assert (y[:, 1] != 0).any()
    other, _ = run(layer, rows + 2)  # nothing is divided there
    np.testing.assert_allclose(other[:, 0], 2, rtol=1e-6)
    dx, _, _ = layer.backward(load_backend("numpy"), np.ones_like(y), None, cache, True)
    assert (dx[:, 0] == 1).all() and dx.dtype == dtype


def test_a_deviation_that_is_zero_in_float32_counts_as_zero():
    layer = ml.SequenceInput(1, "zscore", mean=[1.0], standard_deviation=[1e-60])
    assert run(layer, np.ones((2, 1), np.float32))[0].tolist() == [[0], [0]]
    assert ml.SequenceInput(1, "zscore", mean=0, standard_deviation=0).standard_deviation == 0


def test_equations_in_numbers():
    rows = np.array([[1.0], [3.0], [9.0]])
    for layer, expected in (
        (ml.SequenceInput(1, "zerocenter", [2.0]), [-1, 1, 7]),
        (ml.SequenceInput(1, "zscore", mean=[3], standard_deviation=[2]), [-1, 0, 3]),
        (ml.SequenceInput(1, "rescale-symmetric", min=[1], max=[5]), [-1, 0, 3]),
        (ml.SequenceInput(1, "rescale-zero-one", min=[1], max=[5]), [0, 0.5, 2]),
        (ml.SequenceInput(1, lambda r: r * r), [1, 9, 81]),
        (ml.SequenceInput(1), [1, 3, 9]),
    ):
        assert run(layer, rows)[0].ravel().tolist() == expected


def test_one_number_serves_a_whole_image():
    rows = draw((4, 3, 2))[0]
    layer = ml.SequenceInput([4, 3, 2], "zscore", mean=1.5, standard_deviation=2)
    np.testing.assert_allclose(run(layer, rows)[0], (rows - 1.5) / 2)


def test_backward_without_need_gives_nothing():
    layer = ml.SequenceInput(2, "zscore", mean=[0, 0], standard_deviation=[2, 4])
    _, cache = run(layer, np.ones((1, 2)))
    backend = load_backend("numpy")
    assert layer.backward(backend, np.ones((1, 2)), None, cache, False) == (None, {}, None)
    dx, grads, dstate = layer.backward(backend, np.ones((1, 2)), None, cache, True)
    assert dx.tolist() == [[0.5, 0.25]] and grads == {} and dstate is None


# ---------------------------------------------------------------- training's statistics


def test_reset_computes_anew_and_no_reset_only_what_is_missing():
    x = draw((2,))
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
        assert layer.with_statistics(draw((2,)), reset) is layer


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
    found = layer.with_statistics(draw((4, 3, 2)), reset)
    assert found.standard_deviation.shape == shape
    assert reset is False or found.mean.shape == shape
    run(found, np.ones((2, 4, 3, 2)))


def test_options_survive_the_statistics():
    layer = ml.SequenceInput(2, "zscore", min_length=4, name="in").with_statistics(draw((2,)))
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


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ml.SequenceInput([4, 3, 2], "zerocenter", np.zeros(2)),
            "SequenceInput: mean has shape (2,); give finite numbers of shape (1, 1, 2) or "
            "(4, 3, 2) or ().",
        ),
        (
            lambda: ml.SequenceInput([4, 3, 2], "zerocenter", np.zeros((2, 4, 3)), name="video"),
            "SequenceInput 'video': mean has shape (2, 4, 3); give finite numbers of shape "
            "(1, 1, 2) or (4, 3, 2) or ().",
        ),
        (
            lambda: ml.SequenceInput(
                [4, 3, 2], "zscore", mean=np.zeros((4, 3, 2)), normalization_dimension="channel"
            ),
            "SequenceInput: mean has shape (4, 3, 2); give finite numbers of shape (1, 1, 2).",
        ),
        (
            lambda: ml.SequenceInput(3, "rescale-zero-one", min=[[0, 0, 0]]),
            "SequenceInput: min has shape (1, 3); give finite numbers of shape (3,) or ().",
        ),
        (
            lambda: ml.SequenceInput(3, "zscore", standard_deviation=[1, 1]),
            "SequenceInput: standard_deviation has shape (2,); give finite numbers of shape (3,) "
            "or ().",
        ),
        (
            lambda: ml.SequenceInput(2, "zscore", standard_deviation=[1, -2]),
            "SequenceInput: standard_deviation holds -2.0; give numbers of at least 0.",
        ),
        (
            lambda: ml.SequenceInput(2, "rescale-symmetric", max=[1, np.inf]),
            "SequenceInput: max holds inf; give finite numbers of shape (2,) or ().",
        ),
        (
            lambda: ml.SequenceInput(2, "rescale-symmetric", min=[1, 2], max=[2, 1], name="a"),
            "SequenceInput 'a': min is above max; give the smaller values as min.",
        ),
        (
            lambda: ml.SequenceInput(2, "zerocenter", ["1", "2"]),
            "SequenceInput: mean has dtype <U1; give finite numbers of shape (2,) or ().",
        ),
        (
            lambda: ml.SequenceInput(2, "zerocenter", np.ones(2, bool)),
            "SequenceInput: mean has dtype bool; give finite numbers of shape (2,) or ().",
        ),
        (
            lambda: ml.SequenceInput(2, "zerocenter", [1, [2]]),
            "SequenceInput: mean has dtype object; give finite numbers of shape (2,) or ().",
        ),
        (
            lambda: ml.SequenceInput(2, "zerocenter", standard_deviation=[1, 1]),
            "SequenceInput: a standard_deviation was given but normalization is 'zerocenter'; set "
            "normalization='zscore' to use it.",
        ),
        (
            lambda: ml.SequenceInput(2, lambda rows: rows, [1, 1]),
            "SequenceInput: a mean was given but normalization is a function; set "
            "normalization='zerocenter' to use it.",
        ),
        (
            lambda: ml.SequenceInput(2, normalization_dimension="space"),
            "SequenceInput: normalization_dimension is 'space'; choose one of 'auto', 'channel', "
            "'element', 'all'.",
        ),
    ],
)
def test_wrong_statistics_are_named(build, message):
    with refuses(message):
        build()


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
        dx, grads, _ = layer.backward(load_backend("numpy"), y, None, cache, True)
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
    assert str(ml.SequenceInput(1, spoil)).endswith("    normalization_dimension: 'auto'")


def test_repr_names_what_is_not_the_default():
    layer = ml.SequenceInput(1, "zscore", min_length=3, standard_deviation=[2.0])
    assert repr(layer) == (
        "SequenceInput(name='', input_size=1, normalization='zscore', mean=None, "
        "standard_deviation=array([2.]), min_length=3)"
    )


# ---------------------------------------------------------------- in a network


@pytest.mark.parametrize("kind", KINDS)
def test_prediction_and_streams_normalise_alike(kind):
    x = draw((3,), (9,))[0]
    first = ml.SequenceInput(3, kind).with_statistics([x])
    layers = [first, ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0), dtype="float64")
    plain = ml.Network([ml.SequenceInput(3), *layers[1:]], net.parameters, dtype="float64")
    expected = plain.predict(run(first, x)[0])
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-12)
    stream = net.stream()
    np.testing.assert_allclose([stream.step(row) for row in x], expected, rtol=1e-10)
    backwards = ml.gradcheck(net, [x[:4]], [["a", "b", "a", "b"]]) if net.classes is not None else 0
    assert backwards == 0
