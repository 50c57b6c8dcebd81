"""A thousand right backward passes, of any size and scale: not one may be called wrong.
The tolerances are derived and not chosen, so this is where a wrong derivation would show.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minilstm as ml
from minilstm.functional import (
    absolute_error,
    batch_normalization,
    bilstm,
    binary_cross_entropy,
    convolution,
    cross_entropy,
    dropout,
    fully_connected,
    huber,
    lstm,
    relu,
    sigmoid,
    softmax,
    squared_error,
)
from minilstm.functional.ragged import active_counts

# Eleven tests, so 1,100 examples; derandomised, as everywhere (tests/conftest.py).
many = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
METHODS = ("auto", "complex", "difference", "directional")


class Case(NamedTuple):
    """What is drawn for each example."""

    seed: int
    method: str
    scale: float  # of the inputs
    weight: float  # of the weights
    dtype: Any
    sizes: tuple[int, int, int, int]


cases = st.builds(
    Case,
    seed=st.integers(0, 2**31),
    method=st.sampled_from(METHODS),
    scale=st.floats(-3, 3).map(lambda e: 10.0**e),
    weight=st.floats(-3, 1).map(lambda e: 10.0**e),
    dtype=st.sampled_from((np.float64, np.float64, np.float32)),
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
)


def right(case, f, backward, inputs, **options):
    """The check of a pair that is right must say so and name no cause.

    Unless nothing of the gradient arrives, as of one class or of a sigmoid far out.
    """
    inputs = {
        k: v.astype(case.dtype) if isinstance(v, np.ndarray) and v.dtype == np.float64 else v
        for k, v in inputs.items()
    }
    report = ml.gradcheck(
        f, backward, inputs, method=case.method, seed=case.seed % 1000, max_entries=12,
        raises=False, **options,
    )  # fmt: skip
    assert report.verdict in ("right", "not tested")
    assert all(not e.causes for e in report.errors)
    return report


def cached(case, forward, backward, inputs, *options, loss=False):
    """The same of a function of minilstm.functional: it returns a cache, and dx before the rest."""

    def f(**inputs):
        return forward(*inputs.values(), *options)

    def by_name(*arguments):
        result = backward(*arguments)
        if not isinstance(result, tuple):
            return {next(iter(inputs)): result}
        return {"x": result[0], **result[1]._asdict()}

    right(case, f, by_name, inputs, cached=True, **({"upstream": None} if loss else {}))


# ---------------------------------------------------------------- recurrent functions


def recurrent(case, directions, lengths, **activations):
    rng = np.random.default_rng(case.seed)
    D, H = case.sizes[:2]
    B, N, K = len(lengths), sum(lengths), directions * H
    active = active_counts(np.array(sorted(lengths, reverse=True)))
    module = lstm if directions == 1 else bilstm
    forward = lstm.lstm_forward if module is lstm else bilstm.bilstm_forward
    backward = lstm.lstm_backward if module is lstm else bilstm.bilstm_backward
    inputs = {"x": case.scale * rng.standard_normal((N, D))}
    inputs |= {"h0": rng.standard_normal((B, K)), "c0": rng.standard_normal((B, K))}
    sizes = {"W": (4 * K, D), "R": (4 * K, H), "b": (4 * K,)}
    inputs |= {k: case.weight * rng.standard_normal(size) for k, size in sizes.items()}

    def f(**inputs):
        return forward(**inputs, active=active, **activations)

    def by_name(dh, dstate, cache):
        dx, grads = backward(dh, dstate, cache)
        return {"x": dx, **grads._asdict()}

    right(case, f, by_name, inputs, cached=True)


ragged = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@many
@given(cases, ragged)
def test_lstm(case, lengths):
    recurrent(case, 1, lengths)


@many
@given(cases, ragged)
def test_bilstm(case, lengths):
    recurrent(case, 2, lengths)


@many
@given(
    cases,
    ragged,
    st.sampled_from(sorted(lstm.GATE_ACTIVATIONS)),
    st.sampled_from(sorted(lstm.STATE_ACTIVATIONS)),
)
def test_lstm_with_other_activations(case, lengths, gate, state):
    recurrent(case, 1, lengths, gate_activation=gate, state_activation=state)


# ---------------------------------------------------------------- functions of rows and images


@many
@given(cases)
def test_fully_connected(case):
    rng = np.random.default_rng(case.seed)
    N, D, C, _ = case.sizes
    sizes = {"x": (3 * N, D), "W": (C, D), "b": (C,)}
    inputs = {k: case.weight * rng.standard_normal(size) for k, size in sizes.items()}
    inputs["x"] *= case.scale
    cached(
        case,
        fully_connected.fully_connected_forward,
        fully_connected.fully_connected_backward,
        inputs,
    )


@many
@given(cases, st.sampled_from(("softmax", "sigmoid", "relu", "dropout")))
def test_functions_of_one_array(case, name):
    rng = np.random.default_rng(case.seed)
    x = {"x": case.scale * rng.standard_normal(case.sizes[:2])}
    module = {"softmax": softmax, "sigmoid": sigmoid, "relu": relu, "dropout": dropout}[name]
    options = (0.4, 7) if name == "dropout" else ()
    forward, backward = (getattr(module, f"{name}_{way}") for way in ("forward", "backward"))
    cached(case, forward, backward, x, *options)


@many
@given(cases, st.booleans())
def test_cross_entropies(case, fused):
    rng = np.random.default_rng(case.seed)
    N, C = 2 * case.sizes[0], 1 + case.sizes[1]
    logits = case.scale * rng.standard_normal((N, C))
    targets, weights = rng.integers(-1, C, N), rng.uniform(0.1, 3, N)
    name = "softmax_cross_entropy" if fused else "cross_entropy"
    x = logits if fused else softmax.softmax_forward(np.clip(logits, -3, 3))[0]
    forward, backward = (getattr(cross_entropy, f"{name}_{way}") for way in ("forward", "backward"))
    cached(case, forward, backward, {"x": x}, targets, None, weights.astype(case.dtype), loss=True)


@many
@given(cases, st.sampled_from(("squared", "absolute", "huber", "binary", "sigmoid")))
def test_losses_of_numbers(case, name):
    rng = np.random.default_rng(case.seed)
    size = 2 * case.sizes[0], case.sizes[1]
    x = case.scale * rng.standard_normal(size)
    t = case.scale * rng.standard_normal(size)
    if name in ("binary", "sigmoid"):
        t = rng.uniform(0, 1, size)
    if name == "binary":
        x = rng.uniform(0.01, 0.99, size)
    module, full = {
        "squared": (squared_error, "squared_error"),
        "absolute": (absolute_error, "absolute_error"),
        "huber": (huber, "huber"),
        "binary": (binary_cross_entropy, "binary_cross_entropy"),
        "sigmoid": (binary_cross_entropy, "sigmoid_binary_cross_entropy"),
    }[name]
    forward, backward = (getattr(module, f"{full}_{way}") for way in ("forward", "backward"))
    cached(case, forward, backward, {"x": x}, t.astype(case.dtype), float(len(x)), loss=True)


@many
@given(cases, st.tuples(*[st.integers(0, 2)] * 4), st.integers(1, 2), st.integers(1, 2))
def test_convolution(case, pads, stride, dilation):
    rng = np.random.default_rng(case.seed)
    fh, fw, Cin, F = (min(n, 3) for n in case.sizes)
    size = (fh - 1) * dilation + 2, (fw - 1) * dilation + 1
    inputs = {
        "x": case.scale * rng.standard_normal((2, *size, Cin)),
        "W": case.weight * rng.standard_normal((fh, fw, Cin, F)),
        "b": rng.standard_normal(F),
    }
    cached(
        case, convolution.convolution_forward, convolution.convolution_backward, inputs,
        (stride, 1), (pads[:2], pads[2:]), (dilation, dilation),
    )  # fmt: skip


@many
@given(cases, st.booleans(), st.floats(-3, 3))
def test_batch_normalization(case, given_statistics, offset):
    rng = np.random.default_rng(case.seed)
    N, h, C, _ = case.sizes
    x = case.scale * (offset + rng.standard_normal((N + 1, h, C)))
    scale, shift = rng.standard_normal((2, C))
    inputs = {"x": x, "scale": scale, "offset": shift}
    if given_statistics:
        mean, variance = rng.standard_normal(C), rng.uniform(0.1, 2, C)
        cached(
            case, batch_normalization.batch_normalization_apply,
            batch_normalization.batch_normalization_apply_backward, inputs,
            mean.astype(case.dtype), variance.astype(case.dtype), 1e-5,
        )  # fmt: skip
    else:
        cached(
            case, batch_normalization.batch_normalization_forward,
            batch_normalization.batch_normalization_backward, inputs, 1e-5,
        )  # fmt: skip


# ---------------------------------------------------------------- functions as users write them

A = np.array([[2.0, -1.0, 0.5], [0.3, 1.0, -2.0], [1.5, 0.2, 1.0]])
#: f(x, y) and its gradients with x and y (N, 3)
USERS = {
    "squares": (
        lambda x, y: (x * x + x * y).sum(axis=1),
        lambda d, x, y: (d[:, None] * (2 * x + y), d[:, None] * x),
    ),
    "exponentials": (
        lambda x, y: np.exp(0.001 * x) * np.sin(y),
        lambda d, x, y: (
            d * 0.001 * np.exp(0.001 * x) * np.sin(y), d * np.exp(0.001 * x) * np.cos(y),
        ),
    ),
    "products": (lambda x, y: x @ A.astype(x.dtype) * y, None),
    "quotients": (
        lambda x, y: x / (1 + y * y),
        lambda d, x, y: (d / (1 + y * y), -2 * d * x * y / (1 + y * y) ** 2),
    ),
    "norms": (
        lambda x, y: np.sqrt((x * x).sum() + (y * y).sum()),
        lambda d, x, y: tuple(d * a / np.sqrt((x * x).sum() + (y * y).sum()) for a in (x, y)),
    ),
    "differences": (
        lambda x, y: x.mean(axis=0) - y.mean(axis=0),
        lambda d, x, y: (np.tile(d / len(x), (len(x), 1)), np.tile(-d / len(y), (len(y), 1))),
    ),
    "powers": (
        lambda x, y: (x**3, np.arctan(y)),
        lambda d, x, y: (3 * x**2 * d[0], d[1] / (1 + y * y)),
    ),
    "sums": (
        lambda x, y: np.cumsum(x, axis=0) * np.tanh(y),
        lambda d, x, y: (
            np.cumsum((d * np.tanh(y))[::-1], axis=0)[::-1],
            d * np.cumsum(x, axis=0) * (1 - np.tanh(y) ** 2),
        ),
    ),
    "absolute values": (
        lambda x, y: np.abs(x) + np.maximum(y, 0),
        lambda d, x, y: (d * np.sign(x), d * (y > 0)),
    ),
    "linear": (lambda x, y: 3 * x - y, lambda d, x, y: (3 * d, -d)),
    "one that ignores y": (lambda x, y: np.tanh(x), lambda d, x, y: (d / np.cosh(x) ** 2, 0 * y)),
}  # fmt: skip


def products_backward(d, x, y):
    M = A.astype(x.dtype)
    return (d * y) @ M.T, d * (x @ M)


@many
@given(cases, st.sampled_from(list(USERS)), st.floats(-3, 3))
def test_functions_as_users_write_them(case, name, exponent):
    rng = np.random.default_rng(case.seed)
    size = case.sizes[0], 3
    x, y = case.scale * rng.standard_normal(size), 10**exponent * rng.standard_normal(size)
    if name == "one that ignores y":
        x = np.clip(x, -20, 20)
    f, backward = USERS[name]
    if name == "absolute values" and case.method == "complex":
        case = case._replace(method="auto")  # it is not analytic, which "complex" is told to trust
    right(case, f, backward or products_backward, {"x": x, "y": y})


# ---------------------------------------------------------------- networks

LAYERS = {
    "LSTM": lambda n: ml.LSTM(n),
    "BiLSTM": lambda n: ml.BiLSTM(n),
    "fully connected": lambda n: ml.FullyConnected(n),
    "batch normalisation": lambda n: ml.BatchNormalization(),
    "ReLU": lambda n: ml.ReLU(),
    "sigmoid": lambda n: ml.Sigmoid(),
    "dropout": lambda n: ml.Dropout(0.3),
}


@many
@given(
    cases,
    st.lists(st.sampled_from(list(LAYERS)), min_size=1, max_size=2),
    ragged,
    st.booleans(),
)
def test_networks(case, kinds, lengths, classes):
    rng = np.random.default_rng(case.seed)
    D, n, C = case.sizes[0], case.sizes[1], 1 + case.sizes[2]
    layers = [ml.SequenceInput(D), *[LAYERS[k](n) for k in kinds], ml.FullyConnected(C)]
    net = ml.Network([*layers, ml.Softmax() if classes else ml.RegressionOutput()], rng=rng)
    x = [min(case.scale, 30) * rng.standard_normal((t, D)) for t in lengths]
    y = [rng.integers(0, C, t) if classes else rng.standard_normal((t, C)) for t in lengths]
    with ml.use_backend("numpy"):
        report = ml.gradcheck(net, x, y, method=case.method, max_entries=8, raises=False)
    assert report.verdict in ("right", "not tested") and all(not e.causes for e in report.errors)


# ---------------------------------------------------------------- what once was a false alarm


def test_an_array_of_little_effect_that_loses_its_imaginary_part():
    x, y = 1e-3 * np.array([1.0, -2.0, 0.5]), np.array([3.0, -1.0, 2.0])
    f, backward = USERS["absolute values"]
    for method in ("auto", "directional"):
        report = ml.gradcheck(f, backward, {"x": x, "y": 1e3 * y}, method=method)
        assert report.passed and "difference" in report.method


def test_and_a_wrong_gradient_beside_it_is_still_found():
    x, y = 1e-3 * np.array([1.0, -2.0, 0.5]), 1e3 * np.array([3.0, -1.0, 2.0])
    f, _ = USERS["absolute values"]
    report = ml.gradcheck(f, lambda d, x, y: (0 * d, d * (y > 0)), {"x": x, "y": y}, raises=False)
    assert report.wrong == ["x"]


def test_two_values_in_batch_normalization_cancel():
    x = {"x": np.array([[1.0], [4.0]]), "scale": np.ones(1), "offset": np.zeros(1)}
    case = Case(0, "auto", 1.0, 1.0, np.float64, (1, 1, 1, 1))
    forward = batch_normalization.batch_normalization_forward
    cached(case, forward, batch_normalization.batch_normalization_backward, x, 1e-5)


def test_a_saturated_sigmoid_has_few_digits_left():
    case = Case(0, "auto", 1.0, 1.0, np.float32, (1, 1, 1, 1))
    x = {"x": np.array([[9.0, 12.0], [15.0, 80.0]])}
    cached(case, sigmoid.sigmoid_forward, sigmoid.sigmoid_backward, x)


def test_a_mistake_does_not_hide_in_the_rounding_of_float32():
    x = np.array([[9.0, 12.0], [15.0, 0.3]], np.float32)

    def backward(dy, cache):
        return dy * cache.y * (1 - cache.y * cache.y)

    report = ml.gradcheck(sigmoid.sigmoid_forward, backward, [x], cached=True, raises=False)
    assert len(report.wrong) == 1
