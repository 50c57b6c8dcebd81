"""An LSTM is recognised by trial in every usual layout, and nothing that is not one.
The gradient of its equations must be the complex-step gradient in the user's layout."""

import time
from itertools import permutations

import numpy as np
import pytest
from agreement import flat

from minilstm.functional.lstm import lstm_forward
from minilstm.gradcheck import complex_step
from minilstm.proof.causes.equations.arrays import recorded
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


def check(f, arrays, tolerance=1e-12):
    """Recognised as an LSTM, and the gradient of its equations is the derivative of every array."""
    outputs = f(*arrays.values())
    upstream = like(outputs, np.random.default_rng(1))
    found = recognise(arrays, outputs)
    assert found is not None
    gradients = recorded(found.equations, arrays).gradients(found.upstream(upstream))
    assert set(gradients) == set(arrays)
    for key, array in arrays.items():

        def loss(p, key=key):
            outputs = f(*(arrays | {key: p}).values())
            return sum((u * y).sum() for u, y in zip(flat(upstream), flat(outputs), strict=True))

        exact = complex_step(loss, array)
        assert gradients[key].shape == array.shape
        np.testing.assert_allclose(
            gradients[key], exact, rtol=0, atol=tolerance * (abs(exact).max() + 1e-3)
        )
    return found


@pytest.mark.parametrize("case", CASES)
def test_an_lstm_in_any_layout(case):
    f, shapes = CASES[case]
    found = check(f, draw(shapes))
    assert found.title.startswith("an LSTM with gates")
    if case.startswith("stacked"):
        assert f"in the order {', '.join(case.split()[1])};" in found.title


def test_a_single_step():
    f, _ = stacked("ofig", out="cells")
    shapes = {"x": (B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,), "h": (B, H)}

    def step(x, W, R, b, h, c):
        hs, cs = f(x[None], W, R, b, h, c)
        return hs[0], cs[0]

    check(step, draw(shapes | {"c": (B, H)}))


def test_as_many_features_as_units_and_zero_states():
    f, shapes = stacked("figo", turned=True)
    arrays = draw(shapes | {"x": (T, B, H), "W": (H, 4 * H)})
    arrays |= {"h0": np.zeros((B, H)), "c0": np.zeros((B, H))}
    check(f, arrays)


@pytest.mark.parametrize("order", ["ifgo", "igfo"])
def test_a_one_added_to_the_forget_gate(order):
    f, shapes = stacked(order)
    one = np.repeat([gate == "f" for gate in order], H)

    def plus(x, W, R, b, h0, c0):
        return f(x, W, R, b + one, h0, c0)

    found = check(plus, draw(shapes))
    assert found.title.endswith("; 1 is added to z_f")


def test_names_do_not_matter():
    f, shapes = stacked("figo")
    arrays = draw({f"a{k}": shape for k, shape in enumerate(shapes.values())})
    check(f, arrays)


def test_the_reference_itself():
    arrays = draw({"x": (7, D), "h0": (1, H), "c0": (1, H), "W": (16, D), "R": (16, H), "b": (16,)})
    found = check(lambda *six: lstm_forward(*six)[:2], arrays)
    assert found.title.endswith("in the order i, f, g, o; x (T, D), W (4H, D), R (4H, H)")


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
    assert recognise(arrays, out) is None


@pytest.mark.alone
@pytest.mark.parametrize("case", [CASES["two biases"], CASES["eight matrices"], gru, almost])
def test_a_search_ends_in_time(case):
    stacked_shapes = {"x": (T, B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)}
    f, shapes = case if isinstance(case, tuple) else (case, stacked_shapes)
    arrays = draw(shapes)
    out = f(*arrays.values())
    start = time.perf_counter()
    recognise(arrays, out)
    assert time.perf_counter() - start < 2  # a few hundredths of a second when nothing else runs


def test_all_arrays_must_have_a_part():
    f, shapes = stacked(state=False)
    arrays = draw(shapes)
    out = f(*arrays.values())
    assert recognise(arrays, out) is not None
    assert recognise(arrays | {"unused": np.ones(3)}, out) is None
    assert recognise(arrays | {"lengths": np.array([5, 5, 5])}, out) is None


@pytest.mark.alone
def test_twenty_arrays_of_one_number_end_in_time():
    arrays = {f"a{k}": np.array([0.1 * k]) for k in range(20)}
    start = time.perf_counter()
    assert recognise(arrays, np.array([0.3])) is None
    assert time.perf_counter() - start < 5


def test_nothing_is_written_into():
    f, shapes = stacked()
    arrays = draw(shapes)
    for a in arrays.values():
        a.flags.writeable = False
    out = f(*arrays.values())
    assert recognise(arrays, out).equations(arrays)
