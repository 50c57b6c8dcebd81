"""Convolution: outputs against a loop that follows the definition, gradients by complex step.
Then the same bits for any threads and any batch, and the layers' sizes, padding and errors."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import load_backend
from minilstm.functional.convolution import (
    convolution_backward,
    convolution_forward,
    convolution_size,
    same_padding,
)
from minilstm.functional.ragged import pack
from minilstm.layers import Signal

NUMPY = load_backend("numpy")
# image (N, S, Cin), filter, F, stride, padding, dilation
CASES = {
    "plain": ((3, 6, 5, 2), (3, 2), 4, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "one of all": ((1, 1, 1, 1), (1, 1), 1, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "everything": ((2, 9, 10, 3), (3, 2), 5, (2, 3), ((1, 2), (0, 3)), (2, 1)),
    "filter of one, stride": ((2, 5, 7, 3), (1, 1), 2, (3, 2), ((0, 0), (0, 0)), (1, 1)),
    "stride shares a factor": ((2, 9, 8, 1), (3, 3), 3, (2, 4), ((0, 1), (2, 2)), (2, 2)),
    "padding wider than the filter": ((2, 3, 3, 2), (1, 2), 9, (1, 2), ((4, 0), (5, 5)), (1, 1)),
    "a place that no filter sees": ((1, 7, 7, 2), (2, 2), 2, (3, 3), ((0, 0), (0, 0)), (1, 1)),
    "wide": ((2, 4, 4, 17), (3, 3), 41, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "volume": ((2, 4, 5, 3, 2), (2, 3, 2), 3, (1, 1, 1), ((0, 0),) * 3, (1, 1, 1)),
    "volume, everything": (
        (2, 5, 6, 7, 2), (2, 3, 2), 17, (1, 2, 2), ((1, 0), (0, 1), (2, 0)), (1, 1, 2),
    ),
}  # fmt: skip
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-14}


def draw(case, dtype=np.float64, seed=0):
    """x, W, b and an upstream gradient, and the three options."""
    shape, filter_size, F, *options = case
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((*filter_size, shape[-1], F))
    x, b = rng.standard_normal(shape), rng.standard_normal(F)
    size = convolution_size(shape[1:-1], filter_size, *options)
    dy = rng.standard_normal((shape[0], *size, F))
    return [a.astype(dtype) for a in (x, W, b, dy)], options


def slow(x, W, b, stride, padding, dilation):
    """The definition, one product of two numbers at a time."""
    spatial = range(W.ndim - 2)
    size = [
        len(range(0, x.shape[1 + a] + sum(padding[a]) - (W.shape[a] - 1) * dilation[a], stride[a]))
        for a in spatial
    ]
    y = np.zeros((len(x), *size, W.shape[-1]))
    for n, *o, f in np.ndindex(y.shape):
        y[(n, *o, f)] = b[f]
        for *k, c in np.ndindex(W.shape[:-1]):
            at = [stride[a] * o[a] + dilation[a] * k[a] - padding[a][0] for a in spatial]
            if all(0 <= at[a] < x.shape[1 + a] for a in spatial):
                y[(n, *o, f)] += x[(n, *at, c)] * W[(*k, c, f)]
    return y


def run(backend, arrays, options, need_dx=True):
    """y, dx, dW and db."""
    x, W, b, dy = arrays
    y, cache = backend.convolution_forward(x, W, b, *options)
    dx, grads = backend.convolution_backward(dy, cache, need_dx)
    return [y, dx, *grads]


def assert_close(got, want, tolerance):
    assert got.shape == want.shape
    scale = abs(want).max() + 1e-300
    assert abs(got - want).max() <= tolerance * scale, f"{abs(got - want).max() / scale:.1e}"


def bits(arrays):
    return [None if a is None else (a.dtype.str, a.shape, a.tobytes()) for a in arrays]


# ---------------------------------------------------------------- values


@cases
def test_outputs_follow_the_definition(backend, case):
    (x, W, b, _), options = draw(case)
    assert_close(backend.convolution_forward(x, W, b, *options)[0], slow(x, W, b, *options), 1e-14)


@cases
def test_gradients_by_complex_step(backend, case):
    arrays, options = draw(case, seed=1)
    dy = arrays[3]
    _, *hand = run(backend, arrays, options)
    # The output is linear in each array, so one step in a random direction and one in each of
    # some coordinates tell of every entry.
    rng = np.random.default_rng(2)
    for n, gradient in enumerate(hand):
        for entry in [None, *rng.integers(0, gradient.size, 25)]:
            direction = rng.standard_normal(gradient.shape)
            if entry is not None:
                direction = np.zeros(gradient.shape)
                direction.flat[entry] = 1
            moved = [a.astype(complex) for a in arrays[:3]]
            moved[n] += 1e-30j * direction
            slope = (dy * convolution_forward(*moved, *options)[0]).sum().imag / 1e-30
            scale = abs(gradient * direction).sum() + abs(gradient).max()
            assert abs((gradient * direction).sum() - slope) <= 1e-12 * scale


@cases
@dtypes
def test_the_kernel_agrees_with_numpy_and_keeps_the_dtype(numba_backend, case, dtype):
    arrays, options = draw(case, dtype)
    before = bits(arrays)
    exact = run(NUMPY, [a.astype(np.float64) for a in arrays], options)
    for backend in (NUMPY, numba_backend):
        for got, want in zip(run(backend, arrays, options), exact, strict=True):
            assert got.dtype == dtype
            assert_close(got, want, TOLERANCE[dtype])
        assert run(backend, arrays, options, need_dx=False)[1] is None
    assert bits(arrays) == before


def test_complex_numbers_without_an_imaginary_part_give_the_real_results():
    arrays, options = draw(CASES["everything"])
    wide = run(NUMPY, [a.astype(complex) for a in arrays], options)
    for got, want in zip(wide, run(NUMPY, arrays, options), strict=True):
        assert got.dtype == np.complex128
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-14)


def test_long_sums_keep_their_digits(numba_backend):
    rng = np.random.default_rng(0)
    # All of one sign, 200 000 windows: added one by one in float32 it would be wrong by 1e-5.
    x = rng.uniform(0.5, 1.5, (50, 64, 64, 1)).astype(np.float32)
    W, dy = np.ones((2, 1, 1, 3), np.float32), rng.uniform(0.5, 1.5, (50, 63, 64, 3))
    arrays, options = [x, W, W[0, 0, 0], dy.astype(np.float32)], [(1, 1), ((0, 0),) * 2, (1, 1)]
    exact = run(NUMPY, [a.astype(np.float64) for a in arrays], options)
    for got, want in zip(run(numba_backend, arrays, options)[2:], exact[2:], strict=True):
        assert_close(got, want, 1e-6)


def test_bad_numbers_stay_where_they_are(backend):
    arrays, options = draw(((3, 6, 6, 1), (3, 3), 5, (1, 1), ((1, 1), (1, 1)), (1, 1)), np.float32)
    arrays[0][1, 0, 0] = np.nan
    y, _ = backend.convolution_forward(*arrays[:3], *options)
    bad = np.zeros(y.shape, bool)
    bad[1, :2, :2] = True
    assert (np.isnan(y) == bad).all()


# ---------------------------------------------------------------- the same bits


@cases
@dtypes
def test_any_number_of_threads_gives_the_same_bits(numba_backend, set_threads, case, dtype):
    arrays, options = draw(case, dtype)
    results = []
    for n in (1, 2, 4):
        set_threads(n)
        results.append(bits(run(numba_backend, arrays, options)))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("images", [1, 3, 40])
def test_a_sum_over_many_windows_does_not_depend_on_threads(numba_backend, set_threads, images):
    # Parts of the batch shared among threads, or rows of the weights where there are few parts.
    case = ((images, 20, 30, 3), (3, 3), 7, (1, 1), ((1, 1), (1, 1)), (1, 1))
    arrays, options = draw(case, np.float32)
    results = []
    for n in (1, 2, 3, 4):
        set_threads(n)
        results.append(bits(run(numba_backend, arrays, options)))
    assert all(r == results[0] for r in results)


@cases
@dtypes
def test_a_batch_gives_what_its_images_give_one_by_one(numba_backend, case, dtype):
    (shape, *rest) = case
    (x, W, b, dy), options = draw(((5, *shape[1:]), *rest), dtype)
    y, dx, *_ = run(numba_backend, [x, W, b, dy], options)
    for cuts in ([0, 1, 2, 3, 4, 5], [0, 2, 5]):
        for n, end in itertools.pairwise(cuts):
            part = run(numba_backend, [x[n:end], W, b, dy[n:end]], options)
            assert bits(part[:2]) == bits([y[n:end], dx[n:end]])


def test_any_memory_layout_gives_the_same_bits(numba_backend):
    arrays, options = draw(CASES["everything"], np.float32)
    want = bits(run(numba_backend, arrays, options))
    frozen = [a.copy() for a in arrays]
    for a in frozen:
        a.flags.writeable = False
    for other in ([np.asfortranarray(a) for a in arrays], frozen):
        assert bits(run(numba_backend, other, options)) == want


def test_no_images_give_no_outputs(backend):
    arrays, options = draw(((0, 5, 5, 2), (3, 3), 4, (1, 1), ((1, 1), (1, 1)), (1, 1)))
    y, dx, dW, db = run(backend, arrays, options)
    assert y.shape == (0, 5, 5, 4) and dx.shape == (0, 5, 5, 2)
    assert dW.shape == (3, 3, 2, 4) and not dW.any() and not db.any()


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
    signal, _, _ = layer.forward(backend, p, Signal(x, np.array([2])), None)
    assert signal.rows.shape == (2, *layer.output_shape((height, height, 1)))
    total = max(0, (-(-height // stride) - 1) * stride + filters - height)
    side = (total // 2, -(-total // 2))
    padded = np.pad(x, ((0, 0), side, side, (0, 0)))
    first = padded[:, :filters, :filters].sum(axis=(1, 2))
    np.testing.assert_allclose(signal.rows[:, 0, 0], first, rtol=0, atol=1e-13)


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


def test_an_initialiser_may_be_a_function_and_factors_arrive():
    layer = ml.Convolution3D(
        2, 3, weights_initializer=lambda shape, rng: np.full(shape, 7.0),
        bias_initializer="ones", weights_learn_rate_factor=2, bias_learn_rate_factor=3,
        weights_l2_factor=4, bias_l2_factor=5,
    )  # fmt: skip
    weights, bias = layer.parameters((4, 4, 4, 1))
    rng = np.random.default_rng(0)
    assert (weights.initializer(weights.shape, rng) == 7).all()
    assert (bias.initializer(bias.shape, rng) == 1).all()
    assert (weights.learn_rate_factor, weights.l2_factor) == (2, 4)
    assert (bias.learn_rate_factor, bias.l2_factor) == (3, 5)
    default = ml.Convolution2D(2, 3).parameters((4, 4, 1))
    assert [(p.learn_rate_factor, p.l2_factor) for p in default] == [(1, 1), (1, 0)]


def test_a_layer_runs_steps_of_sequences_forward_and_back(backend):
    rng = np.random.default_rng(0)
    packed = pack([rng.standard_normal((n, 6, 5, 2)) for n in (3, 1, 2)])
    layer = ml.Convolution2D(3, 4, padding=[1, 0])
    p = {q.name: rng.standard_normal(q.shape) for q in layer.parameters((6, 5, 2))}
    signal, state, cache = layer.forward(backend, p, Signal(packed.rows, packed.active), None)
    assert signal.rows.shape == (6, 6, 3, 4) and state is None
    assert (signal.active == packed.active).all()
    dy = rng.standard_normal(signal.rows.shape)
    dx, grads, _ = layer.backward(backend, dy, None, cache, need_dx=True)
    options = (1, 1), ((1, 1), (0, 0)), (1, 1)
    want_dx, want = convolution_backward(
        dy, convolution_forward(packed.rows, p["weights"], p["bias"], *options)[1]
    )
    np.testing.assert_allclose(dx, want_dx, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(grads["weights"], want.W, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(grads["bias"], want.b, rtol=1e-12, atol=1e-13)


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
