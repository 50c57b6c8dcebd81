"""The gradient checker at points without a derivative: kinks and jumps are named, not passed over.
A slope between the two sides passes there, if backward is right a little way off as well."""

import numpy as np
import pytest
from agreement import failing

import minilstm as ml
from minilstm.proof.derivatives.kinks import kind_of

RNG = np.random.default_rng(5)


def relu(x):
    return np.maximum(x, 0)


def relu_backward(dy, x):
    return dy * (x > 0)


def maximum_backward(dy, x):
    return dy * (np.arange(x.size) == x.argmax())


KINKS = {
    "relu": (relu, relu_backward, [0.0, 1, -1], "ReLU"),
    "abs": (np.abs, lambda dy, x: dy * np.sign(x), [0.0, 1, -1], "absolute value"),
    "clip": (lambda x: np.clip(x, -1, 2), lambda dy, x: dy * (abs(x - 0.5) < 1.5),
             [2.0, 1, -3], "upper end of a clipping"),
    "hinge": (lambda x: np.maximum(1 - x, 0), lambda dy, x: -dy * (x < 1),
              [1.0, 3, -1], "negated value"),
    "leaky": (lambda x: np.where(x > 0, x, 0.1 * x), lambda dy, x: dy * np.where(x > 0, 1, 0.1),
              [0.0, 1, -1], "the slope changes"),
    "max": (np.max, maximum_backward, [3.0, 3, 1], "ReLU at 0"),
    "floor": (np.floor, lambda dy, x: 0 * dy, [2.0, 1.3, -1.2], "jump"),
    "round": (lambda x: x + np.round(x), lambda dy, x: dy, [0.5, 1.3, -1.2], "jump"),
    "heaviside": (lambda x: x * np.heaviside(x - 1, 0.5), lambda dy, x: dy * (x > 1),
                  [1.0, 3, 0.5], "jump"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("method", ["auto", "difference"])
@pytest.mark.parametrize("seed", range(3))
def test_a_kink_is_named_and_a_subgradient_passes(name, method, seed):
    f, backward, x, kind = KINKS[name]
    report = ml.gradcheck(f, backward, [np.array(x)], method=method, seed=seed)
    assert report.passed
    (kink,) = report.kinks
    assert kink.where == (0,) or (name == "max" and kink.where == (1,))
    assert kink.value == x[0]
    assert kind in kink.kind or (name == "max" and "flat" in kink.kind)
    assert "at or next to a point without a derivative" in str(report)


@pytest.mark.parametrize("name", [n for n in KINKS if n not in ("floor", "round", "heaviside")])
def test_a_slope_outside_a_kink_is_wrong(name):
    f, backward, x, _ = KINKS[name]
    beyond = np.array([2.5, 0, 0])
    report = failing(f, lambda dy, x: backward(dy, x) + dy * beyond, [np.array(x)])
    assert report.errors[0].where == (0,)


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
@pytest.mark.parametrize("size", [(1,), (4,), (5, 20)], ids=str)
def test_a_kink_at_every_entry(method, size):
    x = np.zeros(size)
    assert ml.gradcheck(relu, relu_backward, [x], method=method).passed
    assert ml.gradcheck(relu, lambda dy, x: dy * (x >= 0), [x], method=method).passed
    failing(relu, lambda dy, x: -relu_backward(dy, x) - 2 * dy * (x == 0), [x], method=method)
    # Zero lies between the slopes, but is wrong a little way off.
    failing(relu, lambda dy, x: 0 * dy, [x], method=method)


@pytest.mark.parametrize("method", ["auto", "directional"])
def test_a_mistake_does_not_hide_behind_a_kink_elsewhere(method):
    x = RNG.normal(size=(60, 60))
    x[7, 9] = 0

    def wrong(dy, x):
        dx = relu_backward(dy, x)
        dx[20, 30] += 0.05
        return dx

    for seed in range(4):
        options = {"method": method, "seed": seed, "max_entries": 5}
        assert ml.gradcheck(relu, relu_backward, [x], **options).passed
        report = failing(relu, wrong, [x], **options)
        assert report.errors[0].where == (20, 30)


def test_a_kink_far_away_is_not_mentioned():
    report = ml.gradcheck(relu, relu_backward, [np.array([0.3, 1, -1])])
    assert report.kinks == () and "kink" not in str(report)


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_a_network_with_relus_at_zero(method):
    layers = [ml.SequenceInput(3), ml.FullyConnected(4), ml.ReLU()]
    layers += [ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    x = RNG.normal(size=(6, 3))
    x[[2, 4]] = 0
    report = ml.gradcheck(net, x, np.array([0, 1, 1, 0, 1, 0]), method=method)
    assert "input" in {kink.name for kink in report.kinks}


@pytest.mark.parametrize(("kinks", "where"), [(0, (33,)), (2, (35,)), (3, ()), (60, ())])
def test_a_mistake_among_many_kinks_is_caught_though_not_placed(kinks, where):
    def backward(dy, x):
        slope = np.where(x == 0, 0.5, np.sign(x))  # lies between the sides of each kink
        slope[-7] = 3.0
        return dy * slope

    x = np.r_[np.zeros(kinks), np.linspace(1, 2, 40)]
    report = ml.gradcheck(lambda x: abs(x), backward, {"x": x}, raises=False, max_entries=5)
    assert not report.passed and report.errors[0].where == where


@pytest.mark.parametrize(
    ("left", "right", "jump", "says"),
    [
        (0.0, 3.0, True, "a jump: a threshold, a rounding, a comparison"),
        (1e-3, 3000.0, False, "flat below: a ReLU at 0 or the lower end of a clipping"),
        (3000.0, -1e-3, False, "flat above: the upper end of a clipping, or a ReLU of a negated v"),
        (-300.0, 300.2, False, "the sign of the slope turns: an absolute value at 0"),
        (-0.003, 0.003002, False, "the sign of the slope turns: an absolute value at 0"),
        (-0.003, 0.0031, False, "the slope changes: a maximum of two equal values, or another"),
        (
            1.0,
            1e-5,
            False,
            "the slope changes: a maximum of two equal values, or another change of",
        ),
    ],
)
def test_a_kink_is_named_by_its_slopes_whatever_their_size(left, right, jump, says):
    assert kind_of(left, right, jump).startswith(says)
