"""Wrong gradients of functions that no catalogue knows, explained from the lines of the functions.
Each backward pass is right as it stands; a mistake is made in its text, and has to be named."""

from __future__ import annotations

import equation_problems
import equation_steps
import numpy as np
import pytest
from equation_steps import normal, sigmoid, written

import minilstm as ml
from minilstm.proof.causes.equations import search
from minilstm.proof.causes.equations.tape import CannotRecord

RNG = np.random.default_rng(14)


@pytest.fixture(autouse=True)
def lines_of_forward_alone(monkeypatch):
    """No error is passed over, and changes of backward's lines do not come first."""

    def find(*args):
        try:
            with np.errstate(all="ignore"):
                return search._find(*args)
        except CannotRecord:
            return {}

    monkeypatch.setattr("minilstm.proof.causes.find.find_by_equations", find)
    monkeypatch.setattr("minilstm.proof.causes.find.repairs", lambda *args: {})


@pytest.mark.parametrize(
    ("f", "source", "inputs", "mistakes"),
    [*equation_steps.CASES, *equation_problems.CASES],
    ids=lambda a: getattr(a, "__name__", ""),
)
def test_mistakes_are_named_from_the_lines_of_forward(f, source, inputs, mistakes):
    assert ml.gradcheck(f, written(f, source, inputs), inputs).passed
    for old, new, words in mistakes:
        assert source.count(old) == 1, old
        report = ml.gradcheck(f, written(f, source.replace(old, new), inputs), inputs, raises=False)
        said = [cause for error in report.errors for cause in error.causes]
        print(f"{f.__name__}: {old} -> {new}: {report.wrong}", *dict.fromkeys(said), sep="\n      ")
        assert not report.passed and words in " ".join(said)


def said(f, backward, inputs, **options):
    """The first cause of each wrong array."""
    report = ml.gradcheck(f, backward, inputs, raises=False, **options)
    return {e.name: e.causes[0] if e.causes else "" for e in report.errors if not e.passed}


def two_layers(x, V, W):
    h = np.tanh(x @ V)
    return sigmoid(h @ W)


LAYERS = normal(x=(5, 3), V=(3, 4), W=(4, 2))


def test_two_mistakes_at_once_are_both_named():
    def backward(dy, x, V, W):
        h = np.tanh(x @ V)
        dz = dy * sigmoid(h @ W) * (1 - sigmoid(h @ W))
        dh = dz @ W.T  # the derivative of tanh is missing
        return dh @ V.T, x.T @ dh, (h.T @ dz) / 5

    causes = said(two_layers, backward, LAYERS)
    assert causes["x"] == causes["V"]
    assert causes["V"].endswith("the derivative of tanh is missing.") and "np.tanh" in causes["V"]
    assert causes["W"].startswith(
        "The gradient of W through h @ W (line: return sigmoid(h @ W)) is"
    )


def test_a_number_is_told_from_a_length_by_other_sizes():
    def by(number):
        def backward(dy, x, V, W):
            h = np.tanh(x @ V)
            dz = dy * sigmoid(h @ W) * (1 - sigmoid(h @ W))
            dh = dz @ W.T * (1 - h**2)
            return dh @ V.T, x.T @ dh, (h.T @ dz) / (number or len(x))

        return said(two_layers, backward, LAYERS)["W"]

    way = "The gradient of W through h @ W (line: return sigmoid(h @ W)) is "
    assert by(None) == f"{way}divided by the length of axis 0 of x (5), a mean where a sum belongs."
    assert by(5) == f"{way}0.2 times what it should be."


class Layer:
    """A layer with a buffer and methods, as courses have it."""

    def __init__(self, W):
        self.W = W

    def linear(self, x):
        out = np.empty((len(x), self.W.shape[1]))
        for n in range(len(x)):
            out[n] = x[n] @ self.W
        return out

    def forward(self, x):
        self.z = self.linear(x)
        return np.maximum(self.z, 0.1 * self.z)


def test_methods_with_buffers_are_recorded():
    layer = Layer(LAYERS["W"])

    def backward(dy, x):
        return (dy * np.where(x @ layer.W > 0, 1, 0.2)) @ layer.W.T

    causes = said(layer.forward, backward, {"x": RNG.normal(size=(5, 4))})
    assert causes == {
        "x": "The gradient of self.z through 0.1 * self.z (line: return np.maximum(self.z, "
        "0.1 * self.z)) is counted twice (as where gradients of an earlier call are in the "
        "buffer), or has the 2 of a square too often."
    }


def test_equations_stand_in_for_a_function_that_cannot_be_recorded():
    def compiled(x, W):  # a loop over numbers, as in C
        return np.array(
            [[np.tanh(sum(map(np.multiply, r.tolist(), c.tolist()))) for c in W.T] for r in x]
        )

    def equations(x, W):
        z = x @ W
        return np.tanh(z)

    def backward(dy, x, W):
        dz = dy * np.tanh(x @ W)
        return dz @ W.T, x.T @ dz

    inputs = {"x": LAYERS["x"], "W": LAYERS["V"]}
    assert set(said(compiled, backward, inputs).values()) == {""}
    assert set(said(compiled, backward, inputs, equations=equations).values()) == {
        "In the gradient of z through np.tanh(z), np.tanh(z) itself stands where the derivative of "
        "tanh belongs."
    }


def test_random_numbers_can_be_drawn_while_a_function_is_recorded():
    """NumPy's generators are compiled: what they fill are arrays that they make themselves."""

    def dropout(x):
        kept = np.random.default_rng(3).random(x.shape) > 0.5
        return np.tanh(x) * kept

    def backward(dy, x):
        return dy * (np.random.default_rng(3).random(x.shape) > 0.5)

    causes = said(dropout, backward, {"x": LAYERS["x"]})
    assert causes["x"].endswith("the derivative of tanh is missing.")


def test_nothing_is_named_where_nothing_gives_the_numbers():
    noise = RNG.normal(size=(4, 2))

    def backward(dy, x, V, W):
        h = np.tanh(x @ V)
        dz = dy * sigmoid(h @ W) * (1 - sigmoid(h @ W))
        dh = dz @ W.T * (1 - h**2)
        return dh @ V.T, x.T @ dh, h.T @ dz + noise

    assert said(two_layers, backward, LAYERS) == {"W": ""}
