"""Normalisations of the input and their statistics, in every shape, dimension and dtype.
Expected statistics come from NumPy on all real steps joined together."""

import numpy as np
import pytest
from builders import WIDTHS, shifted_sequences

import minilstm as ml
from minilstm.backend import load_backend
from minilstm.functional import sequence_input as functional
from minilstm.layers import Run

SHAPES = [(3,), (1,), (4, 3, 2), (1, 1, 2), (2, 3, 2, 2)]
KINDS = ["zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"]
DIMENSIONS = ["channel", "element", "all"]


def size(shape):
    return shape[0] if len(shape) == 1 else list(shape)


def run(layer, rows):
    return layer.forward(Run(load_backend("numpy")), rows)


def pooled(shape, dimension):
    """Axes of (N, *shape) that statistics are taken over."""
    if dimension == "all":
        return None
    return 0 if dimension == "element" else tuple(range(len(shape)))


# ---------------------------------------------------------------- statistics


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_statistics_are_those_of_all_real_steps(shape, dimension):
    x = shifted_sequences(shape)
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
    x = shifted_sequences((4, 3, 2), (40, 7, 1))
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


@pytest.mark.alone
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
    x = shifted_sequences(shape, dtype=dtype)
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
    dx, _ = layer.backward(Run(load_backend("numpy")), np.ones_like(y), cache)
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
    rows = shifted_sequences((4, 3, 2))[0]
    layer = ml.SequenceInput([4, 3, 2], "zscore", mean=1.5, standard_deviation=2)
    np.testing.assert_allclose(run(layer, rows)[0], (rows - 1.5) / 2)


def test_backward_without_need_gives_nothing():
    layer = ml.SequenceInput(2, "zscore", mean=[0, 0], standard_deviation=[2, 4])
    _, cache = run(layer, np.ones((1, 2)))
    how = Run(load_backend("numpy"))
    assert layer.backward(how._replace(need_dx=False), np.ones((1, 2)), cache) == (None, {})
    dx, grads = layer.backward(how, np.ones((1, 2)), cache)
    assert dx.tolist() == [[0.5, 0.25]] and grads == {}
