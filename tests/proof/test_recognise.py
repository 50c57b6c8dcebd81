"""Functions are recognised by trial: every usual layout of an LSTM, and nothing that is not one.
The replay of the right backward pass must be the complex-step gradient in the user's layout."""

import time
from itertools import permutations

import numpy as np
import pytest
from agreement import flat

from minilstm.functional.batch_normalization import batch_normalization_backward
from minilstm.functional.convolution import convolution_backward, convolution_forward
from minilstm.functional.cross_entropy import softmax_cross_entropy_backward
from minilstm.functional.fully_connected import fully_connected_backward
from minilstm.functional.lstm import LSTMState, lstm_backward, lstm_forward
from minilstm.functional.softmax import softmax_backward
from minilstm.gradcheck import complex_step
from minilstm.proof.causes.recognition import recognise

T, B, D, H = 5, 3, 2, 4
ORDERS = ["".join(order) for order in permutations("ifgo")]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def steps(x, h, c, gates):
    """h and c of all steps from x (T, B, D) and a function that gives the four pre-activations."""
    hs, cs = [], []
    for x_t in x:
        i, f, g, o = gates(x_t, h)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.stack(hs), np.stack(cs)


def in_order(z, order):
    parts = dict(zip(order, np.split(z, 4, axis=1), strict=True))
    return [parts[gate] for gate in "ifgo"]


def stacked(order="ifgo", arrange=(0, 1, 2), turned=False, two=False, state=True, out="all"):
    """W (4H, D) and R (4H, H), or both turned."""

    def f(x, W, R, *rest):
        W, R = (W.T, R.T) if turned else (W, R)
        b = rest[0].reshape(-1) + (rest[1] if two else 0)
        h0, c0 = rest[-2:] if state else (np.zeros((B, H)), np.zeros((B, H)))
        x = x.transpose(arrange)
        hs, cs = steps(x, h0, c0, lambda x, h: in_order(x @ W.T + h @ R.T + b, order))
        h = hs.transpose(np.argsort(arrange))
        last = hs[-1], cs[-1]
        return {"all": h, "last": hs[-1], "both": (h, last), "cells": (hs, cs)}[out]

    shape = tuple(np.array((T, B, D))[np.argsort(arrange)])
    shapes = {"x": shape, "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)}
    if turned:
        shapes |= {"W": (D, 4 * H), "R": (H, 4 * H), "b": (1, 4 * H)}
    if two:
        shapes["b_hh"] = (4 * H,)
    if state:
        shapes |= {"h0": (B, H), "c0": (B, H)}
    return f, shapes


def joined(order="ifgo", h_first=False, turned=False, bias="own"):
    """One matrix for [x, h], with b beside it or as its first or last row or column."""

    def f(x, K, *b):
        K = K.T if turned else K

        def gates(x, h):
            one = np.ones((len(x), 1))
            parts = [h, x] if h_first else [x, h]
            parts = {"first": [one, *parts], "last": [*parts, one]}.get(bias, parts)
            z = np.concatenate(parts, axis=1) @ K.T
            return in_order(z + b[0] if b else z, order)

        return steps(x, np.zeros((B, H)), np.zeros((B, H)), gates)[0]

    width = D + H + (bias in ("first", "last"))
    shapes = {"x": (T, B, D), "K": (width, 4 * H) if turned else (4 * H, width)}
    return f, shapes | ({"b": (4 * H,)} if bias == "own" else {})


def one_sequence(order="figo", eight=False, D=D, mixed=False):
    """A matrix for each gate and column vectors, x (T, D), initial state at the end."""
    own = dict(zip(order, order.replace("g", "c"), strict=True))
    listed = order[::-1] if mixed else order
    shapes = {"x": (T, D)}
    for gate in order:
        shapes |= (
            {f"W{own[gate]}": (H, D), f"U{own[gate]}": (H, H)}
            if eight
            else {f"W{own[gate]}": (H, H + D)}
        )
    shapes |= {f"b{own[gate]}": (H, 1) for gate in listed}
    shapes |= {"h_prev": (H, 1), "c_prev": (H, 1)}
    names = list(shapes)

    def f(*values):
        p = dict(zip(names, values, strict=True))
        h, c, hs = p["h_prev"], p["c_prev"], []
        for x in p["x"]:
            x = x[:, None]
            z = {}
            for gate, name in own.items():
                W, b = p[f"W{name}"], p[f"b{name}"]
                z[gate] = W @ x + p[f"U{name}"] @ h + b if eight else W @ np.concatenate([h, x]) + b
            c = sigmoid(z["f"]) * c + sigmoid(z["i"]) * np.tanh(z["g"])
            h = sigmoid(z["o"]) * np.tanh(c)
            hs.append(h)
        return np.stack(hs), h, c

    return f, shapes


CASES = {
    **{f"stacked {order}": stacked(order) for order in ORDERS},
    "batch first": stacked("fiog", (1, 0, 2), turned=True),
    "features first": stacked("figo", (2, 1, 0), turned=True, state=False),
    "last h": stacked("ifog", state=False, out="last"),
    "h and the last state": stacked("igfo", turned=True, out="both"),
    "h and c of all steps": stacked("gofi", out="cells"),
    "two biases": stacked(two=True),
    "x, h": joined("fiog"),
    "h, x, turned": joined("ogfi", h_first=True, turned=True),
    "bias row first": joined("ifog", turned=True, bias="first"),
    "bias column last": joined("iofg", h_first=True, bias="last"),
    "no bias": joined("ofig", bias="none"),
    "four matrices": one_sequence("figo"),
    "eight matrices": one_sequence("igof", eight=True),
    "biases listed in another order": one_sequence("fogi", mixed=True),
    "eight square matrices": one_sequence("figo", eight=True, D=H),
    "one feature": one_sequence("figo", D=1),
}


def draw(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def like(tree, rng):
    if isinstance(tree, tuple | list):
        return tuple(like(part, rng) for part in tree)
    return rng.standard_normal(np.shape(tree))


def check(f, arrays, others, backward, name, tolerance=1e-12):
    """Recognised as what it is, and the replay is the derivative of every array."""
    outputs = f(*arrays.values(), *others.values())
    upstream = like(outputs, np.random.default_rng(1))
    found = recognise(arrays | others, outputs, upstream)
    assert found is not None and found.function == name
    replayed = found.replay(backward)
    assert set(replayed) == set(arrays)
    for key, array in arrays.items():

        def loss(p, key=key):
            outputs = f(*(arrays | {key: p}).values(), *others.values())
            return sum((u * y).sum() for u, y in zip(flat(upstream), flat(outputs), strict=True))

        exact = complex_step(loss, array)
        assert replayed[key].shape == array.shape
        np.testing.assert_allclose(
            replayed[key], exact, rtol=0, atol=tolerance * (abs(exact).max() + 1e-3)
        )
    return found


@pytest.mark.parametrize("case", CASES)
def test_an_lstm_in_any_layout(case):
    f, shapes = CASES[case]
    found = check(f, draw(shapes), {}, lstm_backward, "lstm_backward")
    assert found.title.startswith("an LSTM with gates")
    if case.startswith("stacked"):
        assert f"in the order {', '.join(case.split()[1])};" in found.title


def test_a_single_step():
    f, _ = stacked("ofig", out="cells")
    shapes = {"x": (B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,), "h": (B, H)}

    def step(x, W, R, b, h, c):
        hs, cs = f(x[None], W, R, b, h, c)
        return hs[0], cs[0]

    check(step, draw(shapes | {"c": (B, H)}), {}, lstm_backward, "lstm_backward")


def test_as_many_features_as_units_and_zero_states():
    f, shapes = stacked("figo", turned=True)
    arrays = draw(shapes | {"x": (T, B, H), "W": (H, 4 * H)})
    arrays |= {"h0": np.zeros((B, H)), "c0": np.zeros((B, H))}
    check(f, arrays, {}, lstm_backward, "lstm_backward")


@pytest.mark.parametrize("order", ["ifgo", "igfo"])
def test_a_one_added_to_the_forget_gate(order):
    f, shapes = stacked(order)
    one = np.repeat([gate == "f" for gate in order], H)

    def plus(x, W, R, b, h0, c0):
        return f(x, W, R, b + one, h0, c0)

    found = check(plus, draw(shapes), {}, lstm_backward, "lstm_backward")
    assert found.title.endswith("; 1 is added to z_f")


def test_names_do_not_matter():
    f, shapes = stacked("figo")
    arrays = draw({f"a{k}": shape for k, shape in enumerate(shapes.values())})
    check(f, arrays, {}, lstm_backward, "lstm_backward")


def test_the_reference_itself():
    arrays = draw({"x": (7, D), "h0": (1, H), "c0": (1, H), "W": (16, D), "R": (16, H), "b": (16,)})
    h, state, cache = lstm_forward(*arrays.values())
    upstream = like((h, tuple(state)), np.random.default_rng(1))
    found = recognise(arrays, (h, state), upstream)
    assert found.title.endswith("in the order i, f, g, o; x (T, D), W (4H, D), R (4H, H)")
    dx, grads = lstm_backward(upstream[0], LSTMState(*upstream[1]), cache)
    for name, gradient in {"x": dx, **grads._asdict()}.items():
        np.testing.assert_allclose(found.replay(lstm_backward)[name], gradient, rtol=1e-12)


# ---------------------------------------------------------------- what is not an LSTM


def gru(x, W, R, b):
    h, hs = np.zeros((B, H)), []
    for x_t in x:
        z, r, _, _ = np.split(x_t @ W.T + h @ R.T + b, 4, axis=1)
        _, _, n, _ = np.split(x_t @ W.T + (sigmoid(r) * h) @ R.T + b, 4, axis=1)
        h = (1 - sigmoid(z)) * h + sigmoid(z) * np.tanh(n)
        hs.append(h)
    return np.stack(hs)


def peephole(x, W, R, b):
    h, c, hs = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W.T + h @ R.T + b, 4, axis=1)
        c = sigmoid(f + 0.1 * c) * c + sigmoid(i + 0.1 * c) * np.tanh(g)
        h = sigmoid(o + 0.1 * c) * np.tanh(c)
        hs.append(h)
    return np.stack(hs)


def plain(x, W, R, b):
    h, hs = np.zeros((B, H)), []
    for x_t in x:
        h = np.tanh(x_t @ W[:H].T + h @ R[:H].T + b[:H])
        hs.append(h)
    return np.stack(hs)


def almost(x, W, R, b):
    h, _ = steps(x, np.zeros((B, H)), np.zeros((B, H)),
                 lambda x, h: np.split(x @ W.T + h @ R.T + b, 4, axis=1))  # fmt: skip
    return h * (1 + 1e-7)


@pytest.mark.parametrize("f", [gru, peephole, plain, almost])
def test_what_is_not_an_lstm_is_not_taken_for_one(f):
    arrays = draw({"x": (T, B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)})
    out = f(*arrays.values())
    assert recognise(arrays, out, np.ones_like(out)) is None


@pytest.mark.alone
@pytest.mark.parametrize("case", [CASES["two biases"], CASES["eight matrices"], gru, almost])
def test_a_search_ends_in_time(case):
    stacked_shapes = {"x": (T, B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)}
    f, shapes = case if isinstance(case, tuple) else (case, stacked_shapes)
    arrays = draw(shapes)
    out = f(*arrays.values())
    start = time.perf_counter()
    recognise(arrays, out, out)
    assert time.perf_counter() - start < 2  # a few hundredths of a second when nothing else runs


def test_all_arrays_must_have_a_part():
    f, shapes = stacked(state=False)
    arrays = draw(shapes)
    out = f(*arrays.values())
    assert recognise(arrays, out, out) is not None
    assert recognise(arrays | {"unused": np.ones(3)}, out, out) is None
    assert recognise(arrays | {"lengths": np.array([5, 5, 5])}, out, out) is None


@pytest.mark.alone
def test_twenty_arrays_of_one_number_end_in_time():
    arrays = {f"a{k}": np.array([0.1 * k]) for k in range(20)}
    start = time.perf_counter()
    assert recognise(arrays, np.array([0.3]), np.ones(1)) is None
    assert time.perf_counter() - start < 5


# ---------------------------------------------------------------- the simpler functions


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (lambda x, W, b: x @ W.T + b, {"x": (5, 3), "W": (2, 3), "b": (2,)}),
        (lambda x, W, b: x @ W + b, {"x": (2, 5, 3), "W": (3, 2), "b": (1, 2)}),
        (lambda W, a, b: W @ a + b, {"W": (2, 3), "a": (3, 5), "b": (2, 1)}),
        (lambda x, W: x @ W, {"x": (4, 4), "W": (4, 4)}),
        (lambda x, W, b: W @ x + b, {"x": (3,), "W": (2, 3), "b": (2,)}),
    ],
)
def test_fully_connected(f, shapes):
    check(f, draw(shapes), {}, fully_connected_backward, "fully_connected_backward")


@pytest.mark.parametrize("shape", [(6, 3), (2, 4, 4, 3)])
@pytest.mark.parametrize("epsilon", [0.0, 1e-8, 1e-5, 0.00123456])
def test_batch_normalisation(shape, epsilon):
    axes = tuple(range(len(shape) - 1))

    def f(x, gamma, beta):
        centred = x - x.mean(axis=axes)
        variance = (centred * centred).mean(axis=axes)
        return gamma * centred / np.sqrt(variance + epsilon) + beta

    name = "batch_normalization_backward"
    shapes = {"x": shape, "gamma": (3,), "beta": (3,)}
    check(f, draw(shapes), {}, batch_normalization_backward, name, 1e-8)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax(axis):
    def f(z):
        e = np.exp(z)
        return e / e.sum(axis=axis, keepdims=True)

    check(f, draw({"z": (4, 3)}), {}, softmax_backward, "softmax_backward")


@pytest.mark.parametrize("divisor", [6, 1])
def test_cross_entropy_of_classes(divisor):
    classes = np.array([0, 2, 1, 1, 0, 2])

    def f(z, classes):
        log_sum = np.log(np.exp(z).sum(axis=1))
        return (log_sum - z[np.arange(6), classes]).sum() / divisor

    name = "softmax_cross_entropy_backward"
    arrays, others = draw({"z": (6, 3)}), {"classes": classes}
    check(f, arrays, others, softmax_cross_entropy_backward, name)
    found = recognise(arrays | others, float(f(arrays["z"], classes)), None)
    assert found.replay(softmax_cross_entropy_backward)["z"].sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("stride", "padding"),
    [((1, 1), ((0, 0), (0, 0))), ((2, 2), ((1, 1), (1, 1))), ((2, 1), ((0, 1), (1, 0)))],
)
@pytest.mark.parametrize("first", [False, True])
def test_convolution(stride, padding, first):
    def f(x, W, b):
        kind = np.result_type(x, W, b)
        if first:
            x, W = np.moveaxis(x, 1, 3), W.transpose(2, 3, 1, 0)
        y, _ = convolution_forward(x.astype(kind), W, b, stride, padding, (1, 1))
        return np.moveaxis(y, 3, 1) if first else y

    shapes = {"x": (2, 6, 5, 3), "W": (3, 2, 3, 4), "b": (4,)}
    if first:
        shapes |= {"x": (2, 3, 6, 5), "W": (4, 3, 3, 2)}
    check(f, draw(shapes), {}, convolution_backward, "convolution_backward")


def test_nothing_is_written_into():
    f, shapes = stacked()
    arrays = draw(shapes)
    for a in arrays.values():
        a.flags.writeable = False
    out = f(*arrays.values())
    assert recognise(arrays, out, np.ones_like(out)).replay(lstm_backward)
