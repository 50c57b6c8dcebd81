"""How the checker finds derivatives: the complex step, differences, directions, tolerances.
Each on functions whose derivative is known, and on wrong ones that another method would pass."""

import math

import numpy as np
import pytest
from agreement import failing

import minilstm as ml
from minilstm.errors import GradientError
from minilstm.proof.derivatives.complex_step import difference_along
from minilstm.proof.derivatives.problem import Problem

RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 3))


def square(x):
    return x * x


def square_backward(dy, x):
    return 2 * dy * x


def real_buffer(x):
    y = np.zeros(x.shape)
    y[...] = x * x
    return y


def real_part(x):
    return x.real * x.real


def scalar_maths(x):
    return np.array([math.exp(v) for v in x.ravel()]).reshape(x.shape)


# ------------------------------------------------------------------ complex step and differences


@pytest.mark.parametrize(
    ("f", "backward"),
    [
        (np.exp, lambda dy, x: dy * np.exp(x)),
        (lambda x: x**5 - 3 * x, lambda dy, x: dy * (5 * x**4 - 3)),
        (lambda x: 1 / (1 + np.exp(-x)), lambda dy, x: dy / (2 + 2 * np.cosh(x))),
        (lambda x: np.where(x > 0, x, np.expm1(x)), lambda dy, x: dy * np.exp(np.minimum(x, 0))),
        (np.cumsum, lambda dy, x: np.cumsum(dy[::-1])[::-1].reshape(x.shape)),
    ],
    ids=["exp", "polynomial", "sigmoid", "elu", "cumsum"],
)
@pytest.mark.parametrize("scale", [1e-25, 1e-6, 1.0, 3.0])
def test_the_complex_step_is_exact(f, backward, scale):
    report = ml.gradcheck(f, backward, scale * X)
    assert report.method == "complex" and report.max_error < 1e-14
    assert ml.gradcheck(f, backward, scale * X, method="complex").max_error < 1e-14


REFUSING = [
    (real_buffer, square_backward, "ComplexWarning"),
    (scalar_maths, lambda dy, x: dy * np.exp(x), ""),
    (np.cbrt, lambda dy, x: dy / (3 * np.cbrt(x) ** 2), "TypeError"),
]
LOSING = [
    (np.abs, lambda dy, x: dy * np.sign(x)),
    (lambda x: x.real * 2, lambda dy, x: 2 * dy),
    (lambda x: (x * np.conj(x)).real, square_backward),
]


@pytest.mark.parametrize("pair", REFUSING, ids=["buffer", "math", "cbrt"])
def test_functions_that_take_no_complex_numbers(pair):
    f, backward, kind = pair
    report = ml.gradcheck(f, backward, X)
    assert report.method == "difference" and report.max_error < 1e-9
    assert f"f takes no complex numbers ({kind}" in str(report)
    assert ml.gradcheck(f, backward, X, method="directional").passed
    with pytest.raises(ValueError, match="method is 'complex', but f takes no complex numbers"):
        ml.gradcheck(f, backward, X, method="complex")
    for method in ("auto", "directional"):
        failing(f, lambda dy, x: backward(dy, x) * (1 + 1e-6), X, method=method)


@pytest.mark.parametrize("pair", LOSING, ids=["abs", "real", "conj"])
def test_functions_that_lose_the_imaginary_part(pair):
    for method in ("auto", "directional"):
        report = ml.gradcheck(*pair, X, method=method)
        assert report.method.endswith("difference") and report.max_error < 1e-8
        assert "f loses the imaginary part somewhere" in str(report)
        failing(pair[0], lambda dy, x: 0 * dy, X, method=method)
    told = failing(*pair, X, method="complex")
    assert "f loses the imaginary part" in str(told) and "differences were used" not in str(told)


@pytest.mark.parametrize("weight", [1e-3, 1e-5, 3e-7])
@pytest.mark.parametrize("method", ["auto", "directional"])
def test_a_small_part_of_f_that_loses_the_imaginary_part(weight, method):
    def f(x):
        return (x * x).sum() + weight * np.abs(x).sum()

    options = {"upstream": None, "method": method}
    report = ml.gradcheck(f, lambda x: 2 * x + weight * np.sign(x), X, **options)
    assert report.method.endswith("difference")
    failing(f, lambda x: 2 * x, X, **options)  # complex steps agree with this one


def test_an_even_smaller_part_gives_no_false_alarm():
    def f(x):
        return (x * x).sum() + 1e-9 * np.abs(x).sum()

    assert ml.gradcheck(f, lambda x: 2 * x + 1e-9 * np.sign(x), X, upstream=None).passed


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (np.exp, np.exp),
        (np.sin, np.cos),
        (lambda z: z**7 - z, lambda z: 7 * z**6 - 1),
        (lambda z: 1 / (1 + 25 * z * z), lambda z: -50 * z / (1 + 25 * z * z) ** 2),
    ],
    ids=["exp", "sin", "polynomial", "runge"],
)
def test_the_error_of_differences_is_not_underestimated(f, slope, scale):
    for z in RNG.uniform(-2, 2, 20):
        x = np.array([z * scale])
        problem = Problem(
            {"x": x}, lambda a, x=x: f(a.get("x", x) / scale).sum(), dict, "", abs(f(z)) + 1
        )
        found = difference_along(problem, {"x": np.ones(1)})
        true = slope(z) / scale
        assert abs(found.value - true) <= found.error < 1e-3 * max(1, abs(slope(z))) / scale


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_float32_backward_passes(method):
    x = X.astype(np.float32)
    report = ml.gradcheck(square, square_backward, x, method=method)
    assert report.passed and 1e-8 < report.tolerance < 1e-4
    failing(square, lambda dy, x: square_backward(dy, x) * np.float32(1.001), x, method=method)

    def in_float32(dy, x):
        return square_backward(dy.astype(np.float32), x.astype(np.float32))

    assert "float32" in str(failing(square, in_float32, X, method=method))


# ------------------------------------------------------------------ directions


class Counted:
    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


def cached_square(x):
    return x * x, x


@pytest.mark.parametrize("size", [(1,), (4, 3), (1000, 1000)], ids=str)
@pytest.mark.parametrize("kind", ["complex", "difference", "losing", "cached"])
def test_directional_takes_six_forward_passes_and_one_backward(size, kind):
    f = {"complex": square, "difference": real_buffer, "losing": real_part}.get(kind, cached_square)
    f, backward = Counted(f), Counted(square_backward)
    x = RNG.normal(size=size)
    report = ml.gradcheck(f, backward, [x], method="directional", cached=kind == "cached")
    assert report.passed and f.calls <= 6 and backward.calls == 1
    assert (report.forward_passes, report.backward_passes) == (f.calls, backward.calls)


@pytest.mark.parametrize("method", ["auto", "difference"])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("factor", [1, 1 + 1e-7])
def test_passes_are_counted_as_they_are(method, cached, factor):
    f = Counted(cached_square if cached else square)
    backward = Counted(lambda dy, x: factor * square_backward(dy, x))
    report = ml.gradcheck(f, backward, [X], method=method, cached=cached, raises=False)
    assert report.passed == (factor == 1)
    assert (report.forward_passes, report.backward_passes) == (f.calls, backward.calls)


def test_directional_on_networks():
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    report = ml.gradcheck(net, X, np.array([0, 1, 1, 0]), method="directional")
    assert report.passed and report.forward_passes <= 6 and report.backward_passes == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("f", [square, real_buffer], ids=["complex", "difference"])
def test_directional_finds_one_wrong_entry_among_many(f, seed):
    x = RNG.normal(size=(300, 300))
    at = tuple(int(n) for n in RNG.integers(0, 300, 2))

    def backward(dy, x):
        dx = square_backward(dy, x)
        dx[at] += 1e-2
        return dx

    error = failing(f, backward, [x], method="directional", seed=seed, max_entries=3).errors[0]
    assert error.where == at and error.by_hand - error.reference == pytest.approx(1e-2, rel=1e-3)


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_directional_finds_a_whole_array_of_zeros(size):
    report = failing(
        lambda x, y: x * x + size * np.sin(y),
        lambda dy, x, y: (2 * dy * x, 0 * dy),
        [X, X + 1],
        method="directional",
    )
    assert "y" in report.wrong


# ------------------------------------------------------------------ tolerances


def test_the_tolerance_is_derived_printed_and_can_be_given():
    report = ml.gradcheck(square, square_backward, [X])
    (error,) = report.errors
    assert 1e-16 < error.tolerance < 1e-13 and f"{error.tolerance:.0e}" in str(report)
    wrong = (square, lambda dy, x: square_backward(dy, x) * (1 + 1e-9), [X])
    with pytest.raises(GradientError, match=r"relative error 1\.0e-09"):
        ml.gradcheck(*wrong)
    for method in ("auto", "difference", "directional"):
        assert ml.gradcheck(*wrong, tolerance=1e-8, method=method).tolerance == 1e-8
    # Differences are not that exact, and what is given is not widened.
    report = failing(real_buffer, square_backward, [X], tolerance=1e-16)
    assert report.tolerance == 1e-16


def test_an_array_too_small_to_be_proved_is_told():
    def f(a, b):
        return 1e20 * a, b

    report = ml.gradcheck(f, lambda d, a, b: (1e20 * d[0], 0 * b), [X, X], raises=False)
    assert "zeros would pass as well" in report.errors[1].note and not report.errors[0].note
    assert report.undecided == ["b"] and report.wrong == [] and not report.passed
    assert failing(f, lambda d, a, b: (0 * a, d[1]), [X, X]).wrong == ["a"]


@pytest.mark.parametrize("method", ["auto", "directional"])
def test_an_error_below_the_last_digit_of_the_loss_is_found(method):
    def f(a, b):
        return 1e8 * a * a, 1e-3 * np.sin(b)

    def backward(factor):
        return lambda d, a, b: (2e8 * d[0] * a, factor * 1e-3 * d[1] * np.cos(b))

    assert ml.gradcheck(f, backward(1), [X, X], method=method).passed
    assert failing(f, backward(1.001), [X, X], method=method).wrong == ["b"]


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_numbers_whose_squares_are_out_of_range(method, scale):
    def f(x):
        return scale * x * x

    assert ml.gradcheck(f, lambda dy, x: 2 * scale * dy * x, [X], method=method).passed
    failing(f, lambda dy, x: scale * dy * x, [X], method=method)


def test_a_share_too_small_to_be_seen_along_a_direction_is_told():
    def f(a, b):
        return 1e12 * np.cbrt(a), np.cbrt(b)

    def backward(d, a, b):
        return 1e12 * d[0] / (3 * np.cbrt(a) ** 2), 0 * b

    report = ml.gradcheck(f, backward, [X, X], method="directional", raises=False)
    assert report.undecided == ["b"] and report.wrong == [] and not report.errors[0].note
    assert "beside those of the other arrays" in report.errors[1].note
    report = ml.gradcheck(f, lambda d, a, b: (backward(d, a, b)[0], 5 + 0 * b), [X, X],
                          method="directional", raises=False)  # fmt: skip
    assert report.undecided == ["b"] and "check entry by entry" in report.errors[1].note


def test_the_same_seed_gives_the_same_report():
    texts = {str(ml.gradcheck(real_buffer, square_backward, [X], seed=s)) for s in (3, 3, 4)}
    assert len(texts) == 2
