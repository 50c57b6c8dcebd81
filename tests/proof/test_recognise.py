"""An LSTM is recognised in what it computes, in every usual layout.
Nothing that is not one is taken for one."""

from itertools import permutations

import numpy as np
import pytest

from minilstm.functional.lstm import lstm_forward
from minilstm.functional.ragged import active_counts
from minilstm.proof.causes.lstm import lstm_equations
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


def found_in(f, arrays):
    return recognise(lambda values: f(*(arrays | values).values()), arrays)


def labels(found):
    """Gates along the axes of all arrays in which they are stacked."""
    return {"".join(word) for axes in found.axes.values() for word in axes if type(word) is tuple}


@pytest.mark.parametrize("case", CASES)
def test_an_lstm_in_any_layout(case):
    f, shapes = CASES[case]
    found = found_in(f, draw(shapes))
    if "matrices" in case or "listed" in case or case == "one feature":
        words = found.title.removeprefix("an LSTM with gates ").split(", ")
        assert sorted(w[0] for w in words) == sorted("ifgo") and not found.axes
        assert all(w == f"{w[0]} (W{w[0].replace('g', 'c')})" for w in words)
        return
    (order,) = labels(found)
    assert found.title == f"an LSTM with gates in the order {', '.join(order)}"
    if case.startswith("stacked"):
        assert order == case.split()[1]
    for name, axes in found.axes.items():
        assert [n for n, word in zip(shapes[name], axes, strict=True) if type(word) is tuple] == [
            4 * H
        ]


def test_a_single_step_and_zero_states():
    f, _ = stacked("ofig", out="cells")
    shapes = {"x": (B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,), "h": (B, H)}

    def step(x, W, R, b, h, c):
        hs, cs = f(x[None], W, R, b, h, c)
        return hs[0], cs[0]

    arrays = draw(shapes | {"c": (B, H)})
    for scale in (1, 0):
        given = arrays | {"h": scale * arrays["h"], "c": scale * arrays["c"]}
        assert labels(found_in(step, given)) == {"ofig"}


def test_the_reference_itself():
    arrays = draw({"x": (7, D), "h0": (1, H), "c0": (1, H), "W": (16, D), "R": (16, H), "b": (16,)})
    found = found_in(lambda *six: lstm_equations(*six, np.ones(7, int))[:2], arrays)
    gates = tuple("ifgo")
    assert found == (
        "an LSTM with gates in the order i, f, g, o",
        {"W": (gates, "feature"), "R": (gates, "unit"), "b": (gates,)},
    )


def test_the_equations_are_those_of_the_twin():
    lengths = np.array([4, 3, 3, 1])
    arrays = draw({"x": (11, D), "h0": (4, H), "c0": (4, H), "W": (16, D), "R": (16, H), "b": 16})
    for gate, state in (("sigmoid", "tanh"), ("hard-sigmoid", "softsign")):
        how = {"gate_activation": gate, "state_activation": state}
        active = active_counts(lengths)
        ours, right = (f(*arrays.values(), active, **how) for f in (lstm_equations, lstm_forward))
        np.testing.assert_allclose(ours[0], right[0], rtol=1e-12)
        np.testing.assert_allclose(ours[1], right[1], rtol=1e-12)


# ---------------------------------------------------------------- what is not an LSTM


def gru(x, W, R, b):
    h, hs = np.zeros((B, H)), []
    for x_t in x:
        z, r, _, _ = np.split(x_t @ W.T + h @ R.T + b, 4, axis=1)
        _, _, n, _ = np.split(x_t @ W.T + (sigmoid(r) * h) @ R.T + b, 4, axis=1)
        h = (1 - sigmoid(z)) * h + sigmoid(z) * np.tanh(n)
        hs.append(h)
    return np.stack(hs)


def plain(x, W, R, b):
    h, hs = np.zeros((B, H)), []
    for x_t in x:
        h = np.tanh(x_t @ W[:H].T + h @ R[:H].T + b[:H])
        hs.append(h)
    return np.stack(hs)


def coupled(x, W, R, b):
    h, c, hs = np.zeros((B, H)), np.zeros((B, H)), []
    for x_t in x:
        f, g, o, _ = np.split(x_t @ W.T + h @ R.T + b, 4, axis=1)
        c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.stack(hs)


@pytest.mark.parametrize("f", [gru, plain, coupled])
def test_what_is_not_an_lstm_is_not_taken_for_one(f):
    arrays = draw({"x": (T, B, D), "W": (4 * H, D), "R": (4 * H, H), "b": (4 * H,)})
    assert found_in(f, arrays) is None


def test_what_cannot_be_recorded_is_not_recognised():
    arrays = draw({"x": (3, 2)})
    assert recognise(lambda a: np.sort(a["x"]) * np.linalg.svd(a["x"])[1], arrays) is None
    assert recognise(lambda a: "text", arrays) is None


def test_nothing_is_written_into():
    f, shapes = stacked()
    arrays = draw(shapes)
    for a in arrays.values():
        a.flags.writeable = False
    assert found_in(f, arrays) is not None
