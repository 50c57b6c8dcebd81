"""The gradient checker and functions that have effects, and what it says of a wrong gradient.
Random functions, buffers that are used again, arguments written into, NaN, places and reports."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from agreement import causes, failing

import minilstm as ml
from minilstm.errors import GradientError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, 3))


def square(x):
    return x * x


# ------------------------------------------------------------------ functions with side effects


def test_random_functions_are_refused():
    noise = np.random.default_rng()

    def f(x):
        return np.maximum(x, 0).astype(float) + 1e-3 * noise.normal(size=x.shape)

    for method in ("auto", "difference", "directional"):
        with pytest.raises(GradientError, match="for the same inputs, so it has no derivative"):
            ml.gradcheck(f, lambda dy, x: dy * (x > 0), X, method=method)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("same_buffer", [False, True])
def test_gradients_added_to_those_of_an_earlier_call(dtype, same_buffer):
    left = [np.zeros(X.shape, dtype)]

    def backward(dy, x):
        if not same_buffer:
            left[0] = left[0].copy()
        left[0] += 2 * dy * x
        return left[0]

    report = failing(square, backward, X.astype(dtype))
    assert "adds to what an earlier call left behind" in causes(report, "x")


def test_a_buffer_that_is_used_again_is_no_mistake():
    buffer = np.empty_like(X)

    def backward(dy, x):
        np.multiply(2 * dy, x, out=buffer)
        return buffer

    assert ml.gradcheck(square, backward, X).max_error < 1e-14


def test_functions_that_write_into_their_arguments():
    def f(x):
        x *= x
        return x

    def backward(dy, x):
        x *= 2 * dy
        return x

    mine = X.copy()
    report = ml.gradcheck(f, backward, {"x": mine})
    assert "writes into its argument x" in str(report) and np.array_equal(mine, X)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("method", ["auto", "directional"])
def test_a_backward_that_writes_into_dy(method, cached):
    def f(x):
        return (x * x, x) if cached else x * x

    def right(dy, x):
        dy *= 2 * x
        return dy

    def wrong(dy, x):  # a loss of zeros would agree with it
        dy *= 0
        return dy

    report = ml.gradcheck(f, right, X, cached=cached, method=method)
    assert "writes into its argument dy" in str(report)
    assert "zero" in causes(failing(f, wrong, X, cached=cached, method=method), "x")


def test_objects_that_keep_their_cache_to_themselves():
    class Square:
        factor = 2.0

        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, dy):
            return self.factor * dy * self.x

    layer = Square()
    pair = (lambda x: layer.forward(x), lambda dy, x: layer.backward(dy))
    assert ml.gradcheck(*pair, X).max_error < 1e-14
    layer.factor = 2 + 1e-9
    assert failing(*pair, X).wrong == ["x"]


# ------------------------------------------------------------------ NaN, places, reports


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_numbers_that_are_not_finite_in_a_gradient(bad, method):
    large = RNG.normal(size=(20, 20))

    def backward(dy, x):
        dx = 2 * dy * x
        dx[11, 7] = bad
        return dx

    report = failing(square, backward, large, method=method, max_entries=5)
    assert report.errors[0].where == (11, 7) and report.max_error == np.inf


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_functions_that_are_not_finite_beside_the_point(method):
    # No derivative at 0; that of the other entries is not zero either, and must not pass.
    report = failing(np.sqrt, lambda dy, x: 0 * dy, np.array([0.0, 1.0, 2.0]), method=method)
    assert not report.passed


def test_gates_units_and_time_steps_have_names():
    def f(x, R):
        return np.tanh(x @ R.T)

    def backward(dy, x, R):
        dz = dy * (1 - f(x, R) ** 2)
        dx, dR = dz @ R, dz.T @ x
        dx[4, 1] += 1
        dR[6, 2] += 1
        return dx, dR

    inputs = {"x": X, "R": RNG.normal(size=(16, 3))}
    axes = {"x": ("time", "feature"), "R": ("gates", "feature")}
    first, second = failing(f, backward, inputs, axes=axes).errors
    assert (first.time_step, first.place) == (4, "time step 4, feature 1")
    assert (second.gate, second.unit) == ("forget gate", 2)
    labels = {"R": (("o", "f", "g", "i"), "unit")}
    assert failing(f, backward, inputs, axes=labels).errors[1].place.startswith("forget gate, unit")
    blocks = {"R": (("reset", "update"), "unit")}
    assert failing(f, backward, inputs, axes=blocks).errors[1].gate == "reset"


@pytest.mark.parametrize("words", ["time", ("time", "feature", "unit")])
def test_axes_that_do_not_fit_are_told(words):
    with pytest.raises(ValueError, match=r"axes\['x'\] is .*, but x has 2 axes"):
        ml.gradcheck(square, lambda dy, x: 2 * dy * x, {"x": X}, axes={"x": words})


def test_a_failing_report_is_the_error_s_and_can_be_parsed():
    pair = (square, lambda dy, x: dy * x * np.where(x > 0, 2, np.nan))
    with pytest.raises(GradientError) as caught:
        ml.gradcheck(*pair, X)
    report = caught.value.report
    assert str(report) == str(ml.gradcheck(*pair, X, raises=False)) and report.wrong == ["x"]
    assert json.loads(report.to_json())["wrong"] == report.to_dict()["wrong"] == ["x"]
    assert ET.fromstring(report.to_junit().encode()).find(".//failure") is not None
    assert str(ml.gradcheck(*pair, X, raises=False, seed=1)) != str(report)
