"""The invariants of clipping, the L2 term, and Adam against its equations worked out by hand.
No function may change an argument or the dtype of what it is given."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from separate_steps import (
    CLIPPING,
    adam_update,
    add_l2,
    clip_absolute_value,
    clip_global_l2norm,
    clip_l2norm,
    l2norm,
)

import minilstm as ml
from minilstm.network.graph.parameters import parameter_slots
from minilstm.training.solvers import adam_init

DTYPES = (np.float32, np.float64)
methods = pytest.mark.parametrize("method", CLIPPING)
thresholds = st.floats(1e-3, 1e3)


@st.composite
def gradient_dicts(draw):
    """Dicts of one to three arrays of one dtype, from nearly nothing to enormous."""
    dtype = draw(st.sampled_from(DTYPES))
    values = st.floats(-1, 1, width=32)
    names = ["a/weights", "a/bias", "b/weights"][: draw(st.integers(1, 3))]
    scale = dtype(10.0 ** draw(st.integers(-8, 8)))
    return {k: scale * draw(arrays(dtype, draw(st.sampled_from([(3,), (2, 4)])), elements=values))
            for k in names}  # fmt: skip


def size_of(gradients, method):
    """What the method bounds: the largest of these numbers may not exceed the threshold."""
    norms = [l2norm(g) for g in gradients.values()]
    return {
        "l2norm": max(norms),
        "global-l2norm": float(np.sqrt(sum(n**2 for n in norms))),
        "absolute-value": max(float(np.abs(g).max()) for g in gradients.values()),
    }[method]


@methods
@given(gradients=gradient_dicts(), threshold=thresholds)
def test_clipping_bounds_what_it_says(method, gradients, threshold):
    before = copy.deepcopy(gradients)
    clipped = CLIPPING[method](gradients, threshold)
    rounding = 1e-6 if gradients["a/weights"].dtype == np.float32 else 1e-14
    size = size_of(gradients, method)
    assert size_of(clipped, method) == pytest.approx(min(size, threshold), rel=rounding)
    again = CLIPPING[method](clipped, threshold)
    for name, g in gradients.items():
        assert (g == before[name]).all(), "an argument was changed"
        assert clipped[name].dtype == g.dtype and clipped[name].shape == g.shape
        assert (clipped[name] * g >= 0).all(), "a sign was changed"
        np.testing.assert_allclose(again[name], clipped[name], rtol=rounding)
        if size <= threshold:
            assert (clipped[name] == g).all(), "a gradient within the bound was changed"


@methods
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_zero_gradient_survives(method, dtype):
    clipped = CLIPPING[method]({"a": np.zeros((2, 3), dtype), "b": np.zeros(1, dtype)}, 1e-3)
    assert all((g == 0).all() and g.dtype == dtype for g in clipped.values())


@methods
def test_nan_is_not_hidden(method):
    assert np.isnan(CLIPPING[method]({"a": np.array([np.nan, 1.0])}, 0.5)["a"][0])


@methods
@pytest.mark.parametrize("threshold", [1, 1.0, np.float32(1), np.float64(1)])
def test_the_kind_of_the_threshold_does_not_change_the_dtype(method, threshold):
    clipped = CLIPPING[method]({"a": np.array([3.0, 4.0], np.float32)}, threshold)["a"]
    assert clipped.dtype == np.float32
    assert np.abs(clipped).max() <= 1


def test_the_three_methods_differ_as_documented():
    g = {"a": np.array([3.0, 4.0]), "b": np.array([0.0, 12.0]), "c": np.array([0.5])}
    own, common, each = (clip(g, 2.0) for clip in CLIPPING.values())
    assert list(CLIPPING.values()) == [clip_l2norm, clip_global_l2norm, clip_absolute_value]
    np.testing.assert_allclose(own["a"], [1.2, 1.6], rtol=1e-15)
    np.testing.assert_allclose(own["b"], [0, 2], rtol=1e-15)
    assert own["c"].tolist() == [0.5]
    norm = np.sqrt(25 + 144 + 0.25)
    for name, value in g.items():
        np.testing.assert_allclose(common[name], value * 2 / norm, rtol=1e-15)
    assert [each[k].tolist() for k in "abc"] == [[2, 2], [0, 2], [0.5]]


def test_l2norm_sums_float32_in_float64():
    # In float32 the squares overflow, or vanish beside the large one.
    assert l2norm(np.array([3e30, 4e30], np.float32)) == pytest.approx(5e30, rel=1e-7)
    many = np.full(10_000, 1e-4, np.float32)
    many[0] = 1
    assert l2norm(many) == pytest.approx(np.sqrt(1 + 9_999e-8), rel=1e-9)


def test_l2_touches_weights_and_leaves_biases():
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2, weights_l2_factor=3)]
    net = ml.Network([*layers, ml.Softmax()], rng=np.random.default_rng(0))
    parameters = {k: p + 1 for k, p in net.parameters.items()}
    gradients = {k: np.full_like(p, 0.5) for k, p in parameters.items()}
    factors = {key: 0.25 * p.l2_factor for key, p in parameter_slots(net.wiring).items()}
    new = add_l2(gradients, parameters, factors)
    assert (gradients["fc/weights"] == 0.5).all()
    for key, g in new.items():
        factor = 0 if key.endswith("bias") else 0.75 if key == "fc/weights" else 0.25
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, 0.5 + factor * parameters[key], rtol=1e-6)
    assert add_l2(gradients, parameters, {}).keys() == gradients.keys()


# ------------------------------------------------------------------------------------- Adam


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_by_hand(dtype):
    a, b1, b2, e = 0.1, 0.8, 0.9, 0.01
    p, g1, g2 = 1.0, 0.5, -2.0
    m1, v1 = 0.2 * g1, 0.1 * g1**2
    p1 = p - a * np.sqrt(1 - b2) / (1 - b1) * m1 / (np.sqrt(v1) + e)
    m2, v2 = 0.8 * m1 + 0.2 * g2, 0.9 * v1 + 0.1 * g2**2
    p2 = p1 - a * np.sqrt(1 - b2**2) / (1 - b1**2) * m2 / (np.sqrt(v2) + e)

    parameters = {"w": np.array([p], dtype)}
    state = adam_init(parameters)
    rounding = 1e-6 if dtype == np.float32 else 1e-14
    for t, g, want in [(1, g1, (p1, m1, v1)), (2, g2, (p2, m2, v2))]:
        parameters, state = adam_update(
            parameters, {"w": np.array([g], dtype)}, state, a, b1, b2, e
        )
        got = parameters["w"], state.m["w"], state.v["w"]
        assert state.t == t and {x.dtype for x in got} == {np.dtype(dtype)}
        np.testing.assert_allclose(np.ravel(got), want, rtol=rounding)


@given(gradients=gradient_dicts())
def test_the_first_step_of_adam_is_the_learning_rate_in_each_entry(gradients):
    parameters = {k: np.zeros_like(g) for k, g in gradients.items()}
    new, _ = adam_update(parameters, gradients, adam_init(parameters), 0.01, epsilon=1e-30)
    for key, g in gradients.items():
        seen = np.abs(g) > 1e-15  # the squares of smaller ones underflow
        np.testing.assert_allclose(new[key][seen], -0.01 * np.sign(g[seen]), rtol=1e-5)
        assert np.isfinite(new[key]).all()
        assert (new[key][g == 0] == 0).all()


def test_epsilon_joins_the_uncorrected_root():
    p = {"w": np.zeros(1)}
    new, _ = adam_update(p, {"w": np.ones(1)}, adam_init(p), 1.0, 0.9, 0.999, epsilon=1.0)
    root = np.sqrt(0.001)
    assert new["w"][0] == pytest.approx(-root / (root + 1), rel=1e-13)
    assert new["w"][0] != pytest.approx(-1 / (1 + 1), rel=1e-2)  # PyTorch's place


def test_learn_rate_factors_scale_steps_of_one_array():
    rng = np.random.default_rng(0)
    p = {key: rng.standard_normal((2, 3)) for key in ("a", "b", "c")}
    g = {key: rng.standard_normal((2, 3)) for key in p}
    plain, _ = adam_update(p, g, adam_init(p), 0.1)
    scaled, state = adam_update(p, g, adam_init(p), 0.1, learn_rate_factors={"a": 2.0, "b": 0.0})
    np.testing.assert_allclose(scaled["a"] - p["a"], 2 * (plain["a"] - p["a"]), rtol=1e-12)
    assert (scaled["b"] == p["b"]).all() and (state.m["b"] != 0).all()
    assert (scaled["c"] == plain["c"]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_changes_no_argument_and_remembers_nothing(dtype):
    rng = np.random.default_rng(1)
    p = {"a": rng.standard_normal((2, 3)).astype(dtype), "b": np.ones(2, dtype)}
    g = {key: rng.standard_normal(value.shape).astype(dtype) for key, value in p.items()}
    _, state = adam_update(p, g, adam_init(p), 0.1)
    before = copy.deepcopy((p, g, state))
    first, second = (adam_update(p, g, state, np.float64(0.1)) for _ in range(2))
    for key in p:
        for now, then in zip((p, g, state.m, state.v), (*before[:2], *before[2][1:]), strict=True):
            assert (now[key] == then[key]).all()
        assert (first[0][key] == second[0][key]).all()
        assert {first[0][key].dtype, first[1].m[key].dtype} == {np.dtype(dtype)}
    assert state.t == before[2].t == 1 and first[1].t == 2


@pytest.mark.filterwarnings("ignore:training runs on NumPy alone")
def test_training_applies_the_factors_of_the_layers():
    """A learning-rate factor of 0 freezes an array; nothing else may hold it still."""
    x = list(np.random.default_rng(2).standard_normal((3, 6, 2)))
    y = [np.arange(6) % 2 for _ in x]
    fc = ml.FullyConnected(2, bias_learn_rate_factor=0)
    layers = [ml.SequenceInput(2), ml.LSTM(3, recurrent_weights_learn_rate_factor=0), fc]
    net = ml.Network([*layers, ml.Softmax()], rng=np.random.default_rng(0), dtype="float64")
    options = ml.TrainingOptions(max_epochs=2, dtype="float64", verbose=False)
    trained, _ = ml.train(x, y, net, options=options)
    still = {k for k, p in trained.parameters.items() if (p == net.parameters[k]).all()}
    assert still == {"lstm/recurrent_weights", "fc/bias"}


def test_every_clipping_method_is_an_option():
    for method in CLIPPING:
        assert ml.TrainingOptions(gradient_threshold_method=method).gradient_threshold == np.inf
