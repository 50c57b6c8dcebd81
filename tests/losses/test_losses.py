"""Every loss against numbers worked out by hand, and in parts; ends of networks in one or in two.
Extreme scores, a user's own functions and the names stand at the end.
"""

import copy
import dataclasses

import numpy as np
import pytest
from agreement import NUMPY, assert_gradient

import minilstm as ml
from minilstm.functional.huber import huber_forward
from minilstm.gradcheck import complex_step
from minilstm.layers import Run
from minilstm.losses import (
    NAMES,
    CrossEntropy,
    Loss,
    find_loss,
    row_weights,
)

TOLERANCE = 1e-9  # relative to the largest derivative
SHAPES = {"rows": (7, 4), "one row": (1, 4), "one column": (6, 1), "one number": (1, 1)}
ON_NUMBERS = ("mse", "mae", "huber", "half-mse")
ALL = ("crossentropy", "binary-crossentropy", *ON_NUMBERS)
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
weighted = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def problem(loss, shape, dtype=np.float64, seed=0):
    """Predictions, targets and row weights for a loss, away from every kink."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 3, shape[0]).astype(dtype)
    if loss.kind == "numbers":
        t = rng.standard_normal(shape)
        # Errors on both sides of 0 and of Huber's transition at 1, and none of them near.
        d = np.sign(rng.standard_normal(shape)) * rng.choice([0.1, 0.8, 1.2, 3.0], shape)
        return (t + d).astype(dtype), t.astype(dtype), weights
    y = rng.uniform(0.1, 0.9, shape)
    if loss.kind == "multilabel":
        return y.astype(dtype), rng.integers(0, 2, shape).astype(dtype), weights
    y /= y.sum(axis=1, keepdims=True)
    t = rng.integers(0, shape[1], shape[0])
    t[1::3] = -1
    return y.astype(dtype), t, weights


# ---------------------------------------------------------------- gradients


@shapes
@weighted
@pytest.mark.parametrize(
    ("name", "layer"),
    [("crossentropy", ml.Softmax()), ("binary-crossentropy", ml.Sigmoid())],
    ids=["softmax", "sigmoid"],
)
def test_a_layer_and_its_loss_give_what_the_two_in_one_give(backend, name, layer, shape, weighted):
    loss, run = find_loss(name), Run(backend)
    _, t, weights = problem(loss, shape)
    z = 3 * np.random.default_rng(1).standard_normal(shape)
    weights = weights if weighted else None
    scores, cache = layer.forward(run, z)
    value, loss_cache = loss.forward(backend, scores, t, 2.0, weights)
    dz = layer.backward(run, loss.backward(backend, loss_cache), cache)[0]
    fused, fused_cache = loss.fused_forward(backend, z, t, 2.0, weights)
    assert value == pytest.approx(fused, rel=1e-13)
    tolerance = {"rtol": 1e-12} if name != "crossentropy" else {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(dz, loss.fused_backward(backend, fused_cache), **tolerance)
    assert loss.fuses_with == layer.kind
    assert name != "crossentropy" or (fused_cache.scores == scores).all()


def test_the_end_of_a_classifier_with_weights_and_rows_without_a_class(backend):
    rng = np.random.default_rng(2)
    x, W, b = rng.standard_normal((200, 6)), rng.standard_normal((3, 6)), rng.standard_normal(3)
    t, weights = rng.integers(-1, 3, 200), rng.uniform(0, 2, 200)

    def value(x, W, b):
        return NUMPY.classifier_loss(x, W, b, t, 150, weights).loss

    part = backend.classifier_loss(x, W, b, t, 150, weights)
    assert part.W.dtype == part.b.dtype == np.float64
    assert_gradient(part.W, complex_step(lambda p: value(x, p, b), W), "W", TOLERANCE)
    assert_gradient(part.b, complex_step(lambda p: value(x, W, p), b), "b", TOLERANCE)
    direction = rng.standard_normal(x.shape)
    slope = value(x + 1e-30j * direction, W, b).imag / 1e-30
    assert (part.dx * direction).sum() == pytest.approx(slope, rel=TOLERANCE)
    assert part.correct == ((x @ W.T + b).argmax(axis=1) == t).sum()
    assert not part.dx[t < 0].any() and part.dx[t >= 0].all()


def test_rows_without_a_class_are_as_if_they_were_not_there(backend):
    rng = np.random.default_rng(3)
    z, t, weights = rng.standard_normal((9, 4)), rng.integers(0, 4, 9), rng.random(9)
    t[[0, 4, 8]] = -1
    z[4] = np.inf, -np.inf, 900, 0  # whatever it holds
    kept = t >= 0
    loss = CrossEntropy()
    for w in (None, weights):
        some = None if w is None else w[kept]
        with np.errstate(invalid="ignore"):
            value, cache = loss.fused_forward(backend, z, t, 6, w)
        dz = loss.fused_backward(backend, cache)
        want, cache = loss.fused_forward(backend, z[kept], t[kept], 6, some)
        assert value == pytest.approx(want, rel=1e-14)
        np.testing.assert_allclose(dz[kept], loss.fused_backward(backend, cache), rtol=1e-14)
        assert (dz[~kept] == 0).all()


def test_no_weights_are_weights_of_one(backend):
    rng = np.random.default_rng(4)
    z, t = rng.standard_normal((300, 5)).astype(np.float32), rng.integers(0, 5, 300)
    x, W = rng.standard_normal((300, 8)).astype("f4"), rng.standard_normal((5, 8)).astype("f4")
    ones = np.ones(300)  # float64: a function takes them in its own dtype
    plain, same = (backend.softmax_cross_entropy_forward(z, t, 300, w) for w in (None, ones))
    assert plain[0] == pytest.approx(same[0], rel=1e-7)
    gradients = [backend.softmax_cross_entropy_backward(c) for _, c in (plain, same)]
    assert gradients[0].dtype == np.float32
    np.testing.assert_array_equal(*gradients)
    for a, b in zip(
        backend.classifier_loss(x, W, W[:, 0].copy(), t, 300),
        backend.classifier_loss(x, W, W[:, 0].copy(), t, 300, ones),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weighted_kernels_give_the_same_bits_for_any_threads(numba_backend, on_any_threads, dtype):
    rng = np.random.default_rng(5)
    x, W = rng.standard_normal((900, 20)).astype(dtype), rng.standard_normal((5, 20)).astype(dtype)
    t, weights = rng.integers(-1, 5, 900), rng.random(900).astype(dtype)
    on_any_threads(lambda: numba_backend.classifier_loss(x, W, W[:, 0].copy(), t, 900, weights))


# ---------------------------------------------------------------- scales, by hand


@pytest.mark.parametrize(
    ("name", "value", "normalization"),
    [
        ("mse", (4 + 1 + 0.25 + 0 + 9 + 1) / 6, "mean over all elements"),
        ("mae", (2 + 1 + 0.5 + 0 + 3 + 1) / 6, "mean over all elements"),
        ("huber", (1.5 + 0.5 + 0.125 + 0 + 2.5 + 0.5) / 6, "mean over all elements"),
        ("half-mse", (4 + 1 + 0.25 + 0 + 9 + 1) / (2 * 3), "half the sum over responses"),
    ],
)
def test_scale_of_losses_on_numbers(backend, name, value, normalization):
    y = np.array([[1.0, 5.0], [0.5, 2.0], [3.0, -1.0]])
    t = np.array([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]])
    loss = find_loss(name)
    assert loss.normalization.startswith(normalization)
    divisor = loss.divisor(rows=3, responses=2)
    assert loss.forward(backend, y, t, divisor)[0] == pytest.approx(value, rel=1e-15)


def test_scale_of_the_binary_cross_entropy(backend):
    y, t = np.array([[0.5, 0.25], [0.9, 0.5]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    loss = find_loss("binary-crossentropy")
    by_hand = -(np.log(0.5) + np.log(0.75) + np.log(0.9) + np.log(0.5)) / 2
    value = loss.forward(backend, y, t, loss.divisor(2, 2))[0]
    assert value == pytest.approx(by_hand, rel=1e-14)


def test_scale_of_the_cross_entropy_with_class_weights(backend):
    y = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1], [0.3, 0.7]])
    t = np.array([0, 1, 1, -1])
    loss = CrossEntropy([1, 3])
    weights = row_weights(t, loss.weights_of_classes(["a", "b"], [1, 2]), y.dtype)
    value = loss.forward(backend, y, t, loss.divisor(rows=3, responses=2), weights)[0]
    # Divided by the three rows that count, not by the sum 1 + 3 + 3 of their weights.
    by_hand = -(np.log(0.5) + 3 * np.log(0.8) + 3 * np.log(0.1)) / 3
    assert value == pytest.approx(by_hand, rel=1e-14)


def test_huber_with_another_transition():
    y, t = np.array([[3.0, 0.5]]), np.zeros((1, 2))
    assert huber_forward(y, t, 1, transition=2)[0] == 2 * (3 - 1) + 0.125
    both = [huber_forward(np.array([[2 + s]]), np.zeros((1, 1)), 1, None, 2)[0] for s in (0, 1e-12)]
    assert both[0] == pytest.approx(both[1], rel=1e-11)  # the pieces meet


def test_the_absolute_error_is_flat_where_target_and_prediction_meet(backend):
    y = np.array([[1.0, 2.0, -1.0]])
    _, cache = backend.absolute_error_forward(y, np.array([[1.0, 0.0, 0.0]]), 1)
    assert backend.absolute_error_backward(cache).tolist() == [[0, 1, -1]]


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary-crossentropy", "crossentropy"])
def test_a_batch_may_go_through_in_parts(backend, name):
    loss = find_loss(name)
    y, t, weights = problem(loss, (11, 3))
    value, cache = loss.forward(backend, y, t, 7.0, weights)
    dy = loss.backward(backend, cache)
    cuts = [slice(0, 1), slice(1, 6), slice(6, 11)]
    parts = [loss.forward(backend, y[c], t[c], 7.0, weights[c]) for c in cuts]
    assert sum(part for part, _ in parts) == pytest.approx(value, rel=1e-14)
    again = np.concatenate([loss.backward(backend, cache) for _, cache in parts])
    np.testing.assert_array_equal(again, dy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ALL)
def test_dtype_is_kept_even_for_wider_targets_and_weights(backend, name, dtype):
    loss = find_loss(name)
    y, t, weights = problem(loss, (4, 3), dtype)
    wide = t if loss.kind == "classes" else t.astype(np.float64)
    value, cache = loss.forward(backend, y, wide, np.float64(2), weights.astype(np.float64))
    assert np.asarray(value).dtype == np.float64
    assert loss.backward(backend, cache).dtype == dtype


def test_nothing_counts_where_no_row_has_a_class(backend):
    z, t = np.zeros((3, 2)), np.full(3, -1)
    for divisor in (None, CrossEntropy().divisor(0, 2)):
        value, cache = backend.softmax_cross_entropy_forward(z, t, divisor)
        assert value == 0 and not backend.softmax_cross_entropy_backward(cache).any()


# ---------------------------------------------------------------- extreme scores


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_survives_scores_of_0_and_1(backend, dtype):
    y, t = np.array([[0, 1, 0, 1]], dtype), np.array([[0, 1, 1, 0]], dtype)
    loss, cache = backend.binary_cross_entropy_forward(y, t, 1.0)
    step = np.finfo(dtype).eps
    # Two sure and wrong ones; 1 - step is rounded, hence the tolerance.
    assert loss == pytest.approx(-2 * np.log(step), rel=1e-6)
    dy = backend.binary_cross_entropy_backward(cache)
    assert np.isfinite(dy).all() and dy[0, 2] < -0.9 / step and dy[0, 3] > 0.9 / step
    z = np.array([[-5000, 5000, -5000, 5000]], dtype)
    loss, cache = backend.sigmoid_binary_cross_entropy_forward(z, t, 1.0)
    assert loss == 10000
    assert backend.sigmoid_binary_cross_entropy_backward(cache).tolist() == [[0, 0, -1, 1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_survives_a_score_of_0(backend, dtype):
    y, t = np.array([[0, 1]], dtype), np.array([0])
    loss, cache = backend.cross_entropy_forward(y, t)
    assert loss == pytest.approx(-np.log(np.finfo(dtype).tiny), rel=1e-6)
    assert np.isfinite(backend.cross_entropy_backward(cache)).all()


@pytest.mark.parametrize("name", ALL)
def test_nan_is_seen(backend, name):
    loss = find_loss(name)
    y, t, _ = problem(loss, (4, 3))
    y[0] = np.nan
    assert np.isnan(loss.forward(backend, y, t, 1.0)[0])


# ---------------------------------------------------------------- a user's functions


def cubes(y, t):
    return ((y - t) ** 3).sum() / len(y)


def cubes_gradient(y, t):
    return 3 * (y - t) ** 2 / len(y)


def test_a_pair_of_functions(backend):
    loss = find_loss((cubes, cubes_gradient))
    assert (loss.name, loss.kind, loss.whole) == ("cubes", "any", True)
    y, t = np.random.default_rng(6).standard_normal((2, 5, 3))
    assert loss.forward(backend, y, t, loss.divisor(5, 3))[0] == cubes(y, t)


def test_a_pair_of_functions_gets_classes_as_one_hot_rows(backend):
    y = np.random.default_rng(7).standard_normal((4, 3)).astype(np.float32)
    t = np.array([2, -1, 0, 1])
    value, cache = find_loss([cubes, cubes_gradient]).forward(backend, y, t, 4.0)
    onehot = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert value == pytest.approx(cubes(y[t >= 0], onehot) / 4, rel=1e-6)
    dy = find_loss([cubes, cubes_gradient]).backward(backend, cache)
    assert dy.dtype == np.float32 and not dy[1].any()
    np.testing.assert_allclose(dy[t >= 0], cubes_gradient(y[t >= 0], onehot) / 4, rtol=1e-6)


def test_a_pair_of_functions_that_returns_the_wrong_thing(backend):
    y, t = np.zeros((4, 3)), np.zeros((4, 3))
    rows = find_loss((lambda y, t: (y - t).sum(axis=1), cubes_gradient))
    with pytest.raises(ValueError, match=r"returned an array of shape \(4,\) .* one number"):
        rows.forward(backend, y, t, 1.0)
    short = find_loss((cubes, lambda y, t: y[:, 0]))
    _, cache = short.forward(backend, y, t, 1.0)
    with pytest.raises(ValueError, match=r"'cubes' has shape \(4,\), .* \(4, 3\)"):
        short.backward(backend, cache)
    with pytest.raises(ValueError, match="take no weights"):
        short.forward(backend, y, t, 1.0, np.ones(4))


# ---------------------------------------------------------------- names


def test_names():
    names = {
        "crossentropy": "crossentropy", "index-crossentropy": "crossentropy",
        "binary-crossentropy": "binary-crossentropy", "mse": "mse", "mean-squared-error": "mse",
        "l2loss": "mse", "mae": "mae", "mean-absolute-error": "mae", "l1loss": "mae",
        "huber": "huber", "half-mse": "half-mse",
    }  # fmt: skip
    assert set(NAMES) == set(names)
    assert {name: find_loss(name).name for name in NAMES} == names
    for loss in map(find_loss, NAMES):
        assert isinstance(loss, Loss) and loss.normalization and not loss.whole
        assert find_loss(loss) is loss
        with pytest.raises(dataclasses.FrozenInstanceError):
            loss.name = "another"
    assert ml.CrossEntropy is CrossEntropy and CrossEntropy() == find_loss("crossentropy")


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        ("mean squared error", ValueError, "'mse'"),
        (None, TypeError, "loss is NoneType; choose one of 'crossentropy'"),
        (cubes, TypeError, r"pair \(value, gradient\)"),
        ((cubes, cubes_gradient, cubes), TypeError, "loss is tuple"),
        ((cubes, "mse"), TypeError, "loss is tuple"),
    ],
)
def test_a_loss_that_is_none(loss, error, words):
    with pytest.raises(error, match=words) as caught:
        find_loss(loss)
    assert (str(caught.value).count(". ") == 0 and "choose one of" in str(caught.value)) or words


def test_what_a_loss_is_told_is_what_it_shows_and_a_copy_of_functions_is_the_loss_itself():
    shown = "CrossEntropy(class_weights=None, classes=None, ignored_labels=('idle',))"
    assert repr(CrossEntropy(ignored_labels=["idle"])) == shown
    loss = find_loss((cubes, cubes_gradient))
    assert copy.copy(loss) is loss and copy.deepcopy([loss])[0] is loss
