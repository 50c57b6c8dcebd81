"""The gradient checker on plain functions as people write them: structures, shapes, odd inputs.
No type of this library takes part; how derivatives are found is in test_gradcheck_methods.py."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from agreement import causes, failing

import minilstm as ml
from minilstm.errors import GradientError

RNG = np.random.default_rng(3)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)


def dense(x, W, b):
    return np.tanh(x @ W + b)


def dense_backward(dy, x, W, b):
    dz = dy * (1 - dense(x, W, b) ** 2)
    return dz @ W.T, x.T @ dz, dz.sum(axis=0)


class Grads(NamedTuple):
    W: np.ndarray
    b: np.ndarray
    x: np.ndarray


# ------------------------------------------------------------------ inputs and gradients


@pytest.mark.parametrize("inputs", [{"x": X, "W": W, "b": B}, [X, W, B], (X, W, B)], ids=type)
@pytest.mark.parametrize("form", ["tuple", "list", "dict", "named", "nested"])
def test_inputs_and_gradients_in_any_form(inputs, form):
    def backward(dy, x, W, b):
        dx, dW, db = dense_backward(dy, x, W, b)
        return {
            "tuple": (dx, dW, db),
            "list": [dx, dW, db],
            "dict": {"b": db, "x": dx, "W": dW},
            "named": Grads(dW, db, dx),
            "nested": (dx, {"W": dW, "b": db}),
        }[form]

    report = ml.gradcheck(dense, backward, inputs)
    assert [e.name for e in report.errors] == ["x", "W", "b"]
    assert report.max_error < 1e-14 and report.method == "complex"


def test_a_single_array_and_names_of_inputs():
    report = ml.gradcheck(np.tanh, lambda dy, a: dy / np.cosh(a) ** 2, X)
    assert report.passed and len(report.errors) == 1

    def anything(*arrays):
        return arrays[0] * arrays[1]

    report = ml.gradcheck(anything, lambda dy, a, b: (dy * b, dy * a), [X, X + 1])
    assert [e.name for e in report.errors] == ["input 0", "input 1"]


def test_integers_text_and_options_are_handed_on():
    labels = np.array(["a", "b"])

    def f(x, rows, mode, names):
        assert mode == "sum" and names.tolist() == ["a", "b"] and rows.dtype.kind == "i"
        return x[rows].sum(axis=0)

    def backward(dy, x, rows, mode, names):
        dx = np.zeros_like(x)
        np.add.at(dx, rows, dy)
        return dx

    rows = np.array([0, 2, 2])
    report = ml.gradcheck(f, backward, {"x": X, "rows": rows, "mode": "sum", "names": labels})
    assert report.passed and [e.name for e in report.errors] == ["x"]
    with pytest.raises(GradientError, match=r"2 gradients for 1 inputs.*mode"):
        ml.gradcheck(lambda x, mode: x.copy(), lambda dy, x, mode: (dy, dy), [X, "sum"])


def scaled(x, W):
    return np.tanh(x * W)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (lambda dx, dW: (dx, dW), ["x", "W"]),
        (lambda dx, dW: {"dW": dW, "dx": dx}, ["x", "W"]),
        (lambda dx, dW: (None, dW), ["W"]),
        (lambda dx, dW: dW, ["W"]),
    ],
)
@pytest.mark.parametrize("number", [0.5, np.float64(0.5)])
def test_plain_numbers_are_checked_where_backward_gives_their_gradients(answer, names, number):
    def backward(dy, x, W):
        dz = dy * (1 - scaled(x, W) ** 2)
        return answer((dz * W).sum(), dz * x)

    report = ml.gradcheck(scaled, backward, {"x": number, "W": W})
    assert [e.name for e in report.errors] == names

    def wrong(dy, x, W):
        dz = dy * (1 - scaled(x, W) ** 2)
        return answer(dz.sum(), dz)

    assert ml.gradcheck(scaled, wrong, {"x": number, "W": W}, raises=False).wrong == names


def test_numbers_alone():
    def area(width, height):
        return width * height

    report = ml.gradcheck(
        area, lambda width, height: (height, width), {"width": 2.0, "height": 3.0}
    )
    assert [e.name for e in report.errors] == ["width", "height"]


def test_names_that_f_does_not_take_are_told():
    with pytest.raises(TypeError, match="f does not take the inputs x, V by keyword"):
        ml.gradcheck(lambda x, W: x @ W, lambda dy, x, W: (dy, dy), {"x": X, "V": W})


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
@pytest.mark.parametrize("missing", ["None", "absent"])
def test_a_missing_gradient_is_wrong_unless_wrt_leaves_it_out(method, missing):
    def backward(dy, x, W, b):
        found = dict(zip("xW", dense_backward(dy, x, W, b), strict=False))
        return found if missing == "absent" else (*found.values(), None)

    inputs = {"x": X, "W": W, "b": B}
    report = failing(dense, backward, inputs, method=method)
    assert report.wrong == ["b"]
    assert "backward gives no gradient for b; return one, or name in wrt=" in str(report)
    report = ml.gradcheck(dense, backward, inputs, wrt=["x", "W"], method=method)
    assert report.passed and [e.name for e in report.errors] == ["x", "W"]


def test_a_backward_that_returns_what_wrt_names_alone():
    for wrt in ("W", ["W", "b"]):
        count = 1 if wrt == "W" else 2

        def backward(dy, x, W, b, count=count):
            return dense_backward(dy, x, W, b)[1 : 1 + count]

        report = ml.gradcheck(dense, backward, [X, W, B], wrt=wrt)
        assert [e.name for e in report.errors] == list(wrt)
        with pytest.raises(GradientError, match="or name those that are to be compared in wrt="):
            ml.gradcheck(dense, backward, [X, W, B])
    for wrt in ("V", [], ["W", "V"]):
        with pytest.raises(ValueError, match="the arrays of floating-point numbers are x, W, b"):
            ml.gradcheck(dense, dense_backward, [X, W, B], wrt=wrt)


def test_no_gradient_at_all():
    with pytest.raises(GradientError, match="no gradient at all"):
        ml.gradcheck(dense, lambda dy, x, W, b: None, [X, W, B])


def test_the_wrong_number_of_gradients():
    with pytest.raises(GradientError, match=r"returned 2 gradients for 3 inputs \(x, W, b\)"):
        ml.gradcheck(dense, lambda *a: dense_backward(*a)[:2], [X, W, B])


# ------------------------------------------------------------------ outputs


class State(NamedTuple):
    h: np.ndarray
    c: np.ndarray


def split(x):
    return x * x, State(np.tanh(x[0]), {"mean": x.mean(), "none": None, "count": 3})


def split_backward(dy, x):
    first, state = dy
    assert isinstance(state, State) and state.c["none"] is None and state.c["count"] is None
    assert isinstance(state.c["mean"], float) and first.shape == x.shape
    dx = 2 * x * first + state.c["mean"] / x.size
    dx[0] += state.h / np.cosh(x[0]) ** 2
    return dx


def test_upstream_gradients_have_the_structure_of_the_outputs():
    assert ml.gradcheck(split, split_backward, X).max_error < 1e-14


@pytest.mark.parametrize(
    "scalar", [lambda v: v, float, np.asarray, lambda v: v.reshape(1, 1)], ids=range(4)
)
def test_scalar_outputs(scalar):
    def f(x):
        return scalar((x**3).sum()) if np.isrealobj(x) else (x**3).sum()

    report = ml.gradcheck(f, lambda dy, x: 3 * x * x * np.sum(dy), X)
    assert report.max_error < 1e-14
    assert ml.gradcheck(f, lambda x: 3 * x * x, X, upstream=None).max_error < 1e-14


def test_caches_with_one_output_and_with_several():
    def one(x):
        y = np.tanh(x)
        return y, y

    def several(x):
        y = np.tanh(x)
        return y, State(y[0], x * y), y

    def several_backward(dy, dstate, y):
        assert isinstance(dstate, State)
        dx = dy + dstate.c * X
        dx[0] += dstate.h
        return dx * (1 - y * y) + dstate.c * y

    assert ml.gradcheck(one, lambda dy, y: dy * (1 - y * y), X, cached=True).passed
    assert ml.gradcheck(several, several_backward, X, cached=True).max_error < 1e-14
    with pytest.raises(TypeError, match="tuple of the output, or several, and the cache"):
        ml.gradcheck(np.tanh, lambda dy, y: dy, X, cached=True)


def test_outputs_that_have_no_gradient_are_refused():
    with pytest.raises(TypeError, match="no floating-point numbers"):
        ml.gradcheck(lambda x: x > 0, lambda dy, x: dy, X)
    with pytest.raises(TypeError, match="complex numbers for real inputs"):
        ml.gradcheck(np.fft.fft, lambda dy, x: dy, X)
    with pytest.raises(ValueError, match="returns 15 numbers, but with upstream=None"):
        ml.gradcheck(np.tanh, lambda x: x, X, upstream=None)
    with pytest.raises(ValueError, match="NaN or infinite"):
        ml.gradcheck(lambda x: x * np.nan, lambda dy, x: dy, X)


def test_upstream_gradients_are_random():
    def softmax(x):
        e = np.exp(x)
        return e / e.sum(axis=1, keepdims=True)

    # With ones upstream the gradient of a softmax is zero.
    report = failing(softmax, lambda dy, x: np.zeros_like(x), X)
    assert "zero everywhere" in causes(report, "x")


# ------------------------------------------------------------------ shapes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda dx, dW, db, dz: (dx, dW.T, db), "transposed"),
        (lambda dx, dW, db, dz: (dx, dW.ravel(), db), "flattened"),
        (lambda dx, dW, db, dz: (dx, dW, dz), "not summed over the rows"),
        (
            lambda dx, dW, db, dz: (dx[:2], dW, db),
            r"shape \(2, 3\) where the array",
        ),
    ],
    ids=["transposed", "flattened", "not summed", "cut"],
)
@pytest.mark.parametrize("method", ["auto", "directional"])
def test_a_wrong_shape_is_the_cause(change, said, method):
    def backward(dy, x, W, b):
        return change(*dense_backward(dy, x, W, b), dy * (1 - dense(x, W, b) ** 2))

    with pytest.raises(GradientError, match=said) as caught:
        ml.gradcheck(dense, backward, [X, W, B], method=method)
    assert len(caught.value.report.wrong) == 1


def test_axes_of_length_one_are_passed_over():
    def backward(dy, x, W, b):
        dx, dW, db = dense_backward(dy, x, W, b)
        return dx, dW, db[None]

    report = ml.gradcheck(dense, backward, [X, W, B])
    assert report.passed and "axes of length 1 were passed over" in str(report)


def test_empty_single_and_zero_dimensional_arrays():
    def f(e, s, a):
        return e.sum() + s * a

    inputs = {"e": np.zeros((0, 3)), "s": np.array(1.5), "a": np.array([2.0])}

    def backward(dy, e, s, a):
        return np.zeros_like(e), (dy * a).sum(), dy * s

    for method in ("auto", "difference", "directional"):
        report = ml.gradcheck(f, backward, inputs, method=method)
        assert report.passed
    report = failing(f, lambda dy, e, s, a: (e, 2 * (dy * a).sum(), dy * s), inputs)
    assert report.wrong == ["s"] and "at its only number" in report.message()
    for method in ("auto", "directional"):
        x = np.zeros((0, 2))
        empty = ml.gradcheck(np.tanh, lambda dy, x: 7 * dy, x, method=method, raises=False)
        assert empty.verdict == "not tested" and empty.errors[0].checked == 0
        assert empty.errors[0].note.startswith("it has no entries, so nothing was tested")


def test_strided_and_read_only_inputs():
    wide = np.asfortranarray(RNG.normal(size=(10, 6)))
    x, fixed = wide[::2, ::2], W.copy()
    fixed.flags.writeable = False
    assert ml.gradcheck(dense, dense_backward, [x, fixed, B]).passed
    assert not fixed.flags.writeable


@pytest.mark.parametrize("kind", [int, bool])
def test_gradients_of_whole_numbers_are_numbers(kind):
    report = ml.gradcheck(
        lambda x: np.maximum(x, 0).sum(), lambda x: (x > 0).astype(kind), X, upstream=None
    )
    assert report.passed


def test_gradients_that_are_no_real_numbers():
    report = failing(lambda x: 2 * x, lambda dy, x: 2 * dy + 0j, X)
    assert "complex" in causes(report, "x")
    with pytest.raises(TypeError, match="backward gives str as the gradient of x"):
        ml.gradcheck(lambda x: 2 * x, lambda dy, x: "2", X)


def test_a_loss_may_come_with_what_is_no_number():
    x = np.array([1.0, -2.0, 0.5])
    report = ml.gradcheck(lambda x: ((x * x).sum(), None), lambda x: 2 * x, [x], upstream=None)
    assert report.passed and report.max_error < 1e-12
