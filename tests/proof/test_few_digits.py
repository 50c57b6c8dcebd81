"""Functions that hide their derivative: few digits, offsets, ties, edges, small beside large.
A right gradient is never called wrong; a wrong one that passes is within its printed tolerance.
"""

import numpy as np
import pytest
from agreement import failing
from campaigns import cases

import minilstm as ml

RNG = np.random.default_rng(19)


def verdict(f, backward, inputs, **options):
    return ml.gradcheck(f, backward, inputs, raises=False, **options)


def tanh_backward(dy, x):
    return dy * (1 - np.tanh(x) ** 2)


def buffered(x):
    out = np.empty(x.shape, np.float32)
    out[:] = np.tanh(x)
    return out


FEW_DIGITS = {
    "cast": lambda x: np.tanh(x.astype(np.float32)),
    "buffer": buffered,
    "rounded": lambda x: np.round(np.tanh(x), 6),
    "half": lambda x: np.tanh(x.astype(np.float16)),
    "two decimals": lambda x: np.round(np.tanh(x), 2),
}


@pytest.mark.parametrize("name", FEW_DIGITS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_a_function_of_few_digits_is_judged_at_wide_steps_or_not_at_all(name, seed):
    x = np.random.default_rng(seed).normal(size=5)
    report = verdict(FEW_DIGITS[name], tanh_backward, [x])
    wanted = ("cannot be judged",) if name in ("half", "two decimals") else ("right",)
    assert report.verdict in wanted and not any(e.causes for e in report.errors)
    if report.passed:
        assert any("the values of f have few digits" in note for note in report.notes)
        assert report.tolerance < 1e-2
        failing(FEW_DIGITS[name], lambda dy, x: 1.05 * tanh_backward(dy, x), [x])
    else:
        assert "round" in report.errors[0].note
    assert verdict(FEW_DIGITS[name], lambda dy, x: -tanh_backward(dy, x), [x]).verdict != "right"


@pytest.mark.parametrize("f", [np.round, np.sign, np.floor])
def test_a_function_of_steps_has_the_slope_zero(f):
    failing(f, lambda dy, x: dy, [np.array([0.3, 1.2, -2.4])])


def layer_norm(eps):
    def f(x):
        return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)

    def backward(dy, x, factor=1.0):
        s = 1 / np.sqrt(x.var(1, keepdims=True) + eps)
        h = (x - x.mean(1, keepdims=True)) * s
        return s * (dy - dy.mean(1, keepdims=True) - factor * h * (dy * h).mean(1, keepdims=True))

    return f, backward


def relative(found, right):
    """The error of one gradient beside another, in units of the largest entry."""
    return float(np.abs(found - right).max() / np.abs(right).max())


@pytest.mark.campaign
def test_a_variance_whose_imaginary_part_is_dropped():
    for number in range(cases(400)):
        rng = np.random.default_rng([number, 7])
        eps, scale = 10.0 ** rng.uniform(-5, -3), 10.0 ** rng.uniform(-8, 1)
        offset = rng.choice([0, 1]) * scale * 10.0 ** rng.uniform(0, 11)
        x = offset + scale * rng.normal(size=(4, 5))
        f, backward = layer_norm(eps)
        assert verdict(f, backward, [x]).verdict == "right", number
        report = verdict(f, lambda dy, x: backward(dy, x, 0.0), [x])  # noqa: B023
        if report.verdict == "right":
            dy = RNG.normal(size=x.shape)
            assert relative(backward(dy, x, 0.0), backward(dy, x)) < 30 * report.tolerance, number


@pytest.mark.campaign
def test_small_beside_large():
    for number in range(cases(400)):
        rng = np.random.default_rng([number, 8])
        large, small, weight = 10.0 ** rng.uniform([0, -8, -8], [8, 0, 0])
        inputs = {"a": large * rng.normal(size=4), "b": small * rng.normal(size=4)}
        sums = (
            (lambda a, b: a + weight * b, lambda dy, a, b, k: (dy, k * weight * dy)),  # noqa: B023
            (lambda a, b: (a * a, weight * b * b),  # noqa: B023
             lambda dy, a, b, k: (2 * a * dy[0], k * 2 * weight * b * dy[1])),  # noqa: B023
        )  # fmt: skip
        f, backward = sums[number % 2]
        assert verdict(f, lambda dy, a, b: backward(dy, a, b, 1), inputs).verdict != "wrong"  # noqa: B023
        for factor in (1.05, 2.0, -1.0, 0.0):
            found = verdict(f, lambda dy, a, b, k=factor: backward(dy, a, b, k), inputs)  # noqa: B023
            assert found.verdict != "right", (number, factor)
            assert found.wrong in ([], ["b"])


@pytest.mark.parametrize("exponent", range(-7, -2))
@pytest.mark.parametrize("term", ["norm", "abs", "square"])
def test_a_forgotten_weight_decay(term, exponent):
    weight, x, W = 10.0**exponent, RNG.normal(size=(8, 4)), RNG.normal(size=(4, 3))
    decay, slope = {
        "norm": (np.linalg.norm, lambda W: W / np.linalg.norm(W)),
        "abs": (lambda W: np.abs(W).sum(), np.sign),
        "square": (lambda W: (W * W).sum(), lambda W: 2 * W),
    }[term]

    def f(x, W):
        return ((x @ W) ** 2).sum() + weight * decay(W)

    def backward(lam):
        return lambda x, W: (2 * (x @ W) @ W.T, 2 * x.T @ (x @ W) + lam * slope(W))

    assert verdict(f, backward(weight), {"x": x, "W": W}).passed
    assert failing(f, backward(0.0), {"x": x, "W": W}).wrong == ["W"]


# ------------------------------------------------------------------ ties


def whole(dy, x):
    return (x == x.max(1, keepdims=True)) * dy[:, None]


def shared(dy, x):
    return whole(dy, x) / (x == x.max(1, keepdims=True)).sum(1, keepdims=True)


def first(dy, x):
    return dy[:, None] * (np.arange(x.shape[1]) == x.argmax(1)[:, None])


@pytest.mark.parametrize("method", ["auto", "difference"])
@pytest.mark.parametrize("seed", range(6))
def test_each_of_equal_numbers_given_the_whole_gradient_is_wrong(method, seed):
    x = np.random.default_rng(seed).integers(0, 3, size=(4, 5)).astype(float)
    for right in (first, shared):
        assert ml.gradcheck(lambda x: x.max(1), right, [x], method=method).passed
    report = failing(lambda x: x.max(1), whole, [x], method=method)
    assert "at a tie, as of equal numbers in a maximum" in report.errors[0].causes[0]
    assert "together the slope is" in report.errors[0].causes[0]


def test_a_tie_of_two_arrays():
    a = np.array([1.0, 2.0, 3.0])
    inputs = [a, np.array([1.0, 3.0, 3.0])]
    report = failing(
        lambda a, b: np.maximum(a, b), lambda dy, a, b: (dy * (a >= b), dy * (b >= a)), inputs
    )
    assert report.wrong == ["a", "b"]
    assert ml.gradcheck(
        lambda a, b: np.maximum(a, b), lambda dy, a, b: (dy * (a >= b), dy * (b > a)), inputs
    ).passed


def test_relus_at_zero_are_no_tie():
    def f(x, W):
        return np.maximum(x @ W, 0)

    x, W = np.zeros((3, 2)), np.array([[1.0, -2.0, 0.5], [3.0, -1.0, 1.0]])
    for at_zero in (0.0, 1.0):

        def backward(dy, x, W, k=at_zero):
            dz = dy * np.where(x @ W == 0, k, x @ W > 0)
            return dz @ W.T, x.T @ dz

        assert verdict(f, backward, {"x": x, "W": W}).wrong in ([], ["W"])


# ------------------------------------------------------------------ edges, state, types


@pytest.mark.parametrize(
    ("f", "backward", "x"),
    [
        (np.sqrt, lambda dy, x: dy / 2 / np.sqrt(x), [0.0, 1.0]),
        (np.sqrt, lambda dy, x: dy / 2 / np.sqrt(x + 1e-12), [0.0, 1.0]),
        (np.cbrt, lambda dy, x: dy / 3 / np.cbrt(x) ** 2, [0.0, 1.0]),
        (np.exp, lambda dy, x: dy * np.exp(x), [709.78, 1.0]),
    ],
    ids=["sqrt", "guarded sqrt", "cbrt", "overflow"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_slope_without_end_cannot_be_judged(f, backward, x):
    report = verdict(f, backward, [np.array(x)])
    assert report.verdict == "cannot be judged"
    assert "choose inputs inside the domain of f" in report.errors[0].note


def test_a_function_that_keeps_its_first_result_is_said_to():
    kept = {}

    def f(x):
        return kept.setdefault("y", x * x)

    report = verdict(f, lambda dy, x: 2 * x * dy, [np.array([1.0, 2.0])])
    assert report.verdict == "cannot be judged"
    assert "it keeps what an earlier call gave" in report.errors[0].note


@pytest.mark.parametrize("size", range(4, 8))
def test_extended_precision_goes_in_and_out(size):
    x = RNG.normal(size=size).astype(np.longdouble)
    assert ml.gradcheck(np.tanh, tanh_backward, [x]).passed
    failing(np.tanh, lambda dy, x: 1.001 * tanh_backward(dy, x), [x])
