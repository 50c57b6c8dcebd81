"""What a cause has to prove: a length is told from another of the same size, and a search ends.
Two mistakes in different lines are both named, each for its array."""

import time

import numpy as np
import pytest

import minilstm as ml
from minilstm.proof.causes import elsewhere, find

RNG = np.random.default_rng(23)


def mean_of_words(idx, E, W):
    return np.tanh(E[idx].mean(axis=1) @ W)


def mean_of_words_backward(dy, idx, E, W):
    h = E[idx].mean(axis=1)
    dz = dy * (1 - np.tanh(h @ W) ** 2)
    dh = dz @ W.T
    dE = np.zeros_like(E)
    np.add.at(dE, idx, np.repeat(dh[:, None], idx.shape[1], 1))
    return {"E": dE, "W": h.T @ dz}


WORDS = {
    "idx": np.array([[0, 1, 1], [4, 1, 2], [3, 3, 0], [2, 4, 4]]),  # 3 words and 3 numbers for each
    "E": RNG.normal(size=(5, 3)),
    "W": RNG.normal(size=(3, 2)),
}


def test_axes_of_the_same_length_by_chance_are_told_apart():
    report = ml.gradcheck(mean_of_words, mean_of_words_backward, WORDS, raises=False)
    (error,) = [e for e in report.errors if not e.passed]
    line = mean_of_words_backward.__code__.co_firstlineno + 3
    assert error.name == "E"
    assert error.causes == (
        f"With line {line} of mean_of_words_backward: `dh = dz @ W.T / idx.shape[-1]` in place of "
        "`dh = dz @ W.T`, all gradients are right.",
        "It is 3 times the right gradient: it is multiplied by the length of axis 1 of idx (3), a "
        "sum where a mean belongs.",
    )


@pytest.mark.parametrize("seconds", [0.2, elsewhere.MOST_SECONDS])
def test_a_search_that_is_stopped_says_so(seconds, monkeypatch):
    monkeypatch.setattr(elsewhere, "MOST_SECONDS", seconds)

    def slow(x):
        time.sleep(0.02 * (seconds < 1))
        return np.tanh(x)

    def backward(dy, x):
        return 0.37 * dy * np.sin(3 * x)

    report = ml.gradcheck(slow, backward, {"x": RNG.normal(size=(3, 2))}, raises=False)
    assert report.wrong == ["x"] and not report.errors[0].causes
    assert (find.STOPPED in report.notes) is (seconds < 1)


def affine(x, W, b):
    return np.sinh(x @ W + b)


def affine_backward(dy, x, W, b):
    dz = dy * np.cosh(x @ W + b)
    dW = x.T @ dz / len(x)
    return dz @ W.T, dW, dz[0]


def test_two_mistakes_in_two_lines_are_both_named():
    inputs = {name: RNG.normal(size=n) for name, n in (("x", (5, 3)), ("W", (3, 2)), ("b", 2))}
    report = ml.gradcheck(affine, affine_backward, inputs, raises=False)
    causes = {e.name: e.causes[:1] for e in report.errors if not e.passed}
    line = affine_backward.__code__.co_firstlineno + 2
    assert causes["W"] == (
        f"With line {line} of affine_backward: `dW = x.T @ dz` in place of `dW = x.T @ dz / "
        "len(x)`, its gradient is right.",
    )
