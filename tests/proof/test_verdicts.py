"""Four verdicts: right, wrong, not tested, cannot be judged; only the first of them passes.
Data around a large offset, beside the edge of a domain, and gradients of which nothing arrives.
"""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from agreement import failing

import minilstm as ml
from minilstm.errors import GradientError, UndecidedError
from minilstm.proof.checker.functions import _is_multiple
from minilstm.proof.derivatives.randomness import PURPOSES, generator

RNG = np.random.default_rng(8)


def normalised(x):
    c = x - x.mean(axis=-1, keepdims=True)
    return c / np.sqrt((c * c).mean(axis=-1, keepdims=True))


def normalised_backward(dy, x):
    c = x - x.mean(axis=-1, keepdims=True)
    std = np.sqrt((c * c).mean(axis=-1, keepdims=True))
    y = c / std
    return (dy - dy.mean(-1, keepdims=True) - y * (dy * y).mean(-1, keepdims=True)) / std


def undecided(*arguments, **options):
    """The report of a check that is neither right nor wrong, and the sentence that it raises."""
    with pytest.raises(UndecidedError) as raised:
        ml.gradcheck(*arguments, **options)
    assert isinstance(raised.value, GradientError)  # nobody who catches that lets it pass
    report = raised.value.report
    assert not report.passed and report.wrong == [] and report.undecided
    assert all(not e.causes for e in report.errors)
    return report, str(raised.value)


# ------------------------------------------------------------------ random numbers


@pytest.mark.parametrize("seed", range(4))
def test_upstream_gradients_are_none_of_the_inputs_of_a_user(seed):
    for key in (seed, [seed, 0], [seed, 1], np.random.SeedSequence(seed, spawn_key=(0,))):
        x = np.random.default_rng(key).normal(size=(4, 5))
        failing(normalised, lambda dy, x: 7 * normalised_backward(dy, x), [x], seed=seed)
    streams = [generator(seed, purpose).normal() for purpose in PURPOSES]
    assert len({*streams, np.random.default_rng(seed).normal()}) == len(PURPOSES) + 1


def test_a_multiple_of_an_input_is_no_upstream_gradient():
    x = generator(0, "upstream gradients").normal(size=(4, 5))  # what would be drawn
    assert _is_multiple(-3 * x, x) and not _is_multiple(x + 1e-3, x)
    assert not _is_multiple(np.ones(1), np.ones(1)) and not _is_multiple(None, x)
    failing(normalised, lambda dy, x: 7 * normalised_backward(dy, x), [x])


# ------------------------------------------------------------------ large offsets

AROUND = {
    "pressure": 101325 + RNG.normal(size=(6, 2)),
    "places": np.array([4_194_423.0, 1_162_702.0, 4_647_245.0]) + RNG.normal(size=(6, 3)),
    "times": 1.7e9 + 1e-3 * RNG.normal(size=(6, 2)),
}
OFFSETS = {
    "std": (lambda x: x.std(axis=0), lambda dy, x: dy * (x - x.mean(0)) / x.std(0) / len(x)),
    "var": (lambda x: x.var(axis=0), lambda dy, x: 2 * dy * (x - x.mean(axis=0)) / len(x)),
    "norm": (
        lambda x: np.linalg.norm(x - x[:1], axis=1)[1:],
        lambda dy, x: np.concatenate([
            -(t := dy[:, None] * (d := (x - x[:1])[1:]) / np.linalg.norm(d, axis=1)[:, None])
            .sum(axis=0, keepdims=True), t,
        ]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", AROUND)
@pytest.mark.parametrize("name", OFFSETS)
@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_data_around_a_large_offset(name, data, method):
    (f, backward), x = OFFSETS[name], AROUND[data]
    assert ml.gradcheck(f, backward, [x], method=method).passed
    for factor in (0, 1.001, -1):
        failing(f, lambda dy, x, k=factor: k * backward(dy, x), [x], method=method)


def test_where_rounding_hides_everything_the_verdict_says_so():
    def f(x):  # in float64 alone
        return np.array([np.float64(v) for v in x.std(axis=0)])

    backward = OFFSETS["std"][1]
    x = 1e8 + 3e-7 * RNG.normal(size=(4, 2))
    report, said = undecided(f, lambda dy, x: backward(np.float64(dy), np.float64(x)), [x])
    assert report.verdict == "cannot be judged"
    assert "here cannot be judged: rounding leaves" in said and "subtract the offset" in said


# ------------------------------------------------------------------ the edge of a domain

TINY = np.array([1e-6, 1.0, 3.0, 1e-12, 0.2])
EDGES = {
    "log": (lambda x: np.log(x), lambda dy, x: dy / x),
    "sqrt": (lambda x: np.sqrt(x), lambda dy, x: dy / (2 * np.sqrt(x))),
    "cbrt": (lambda x: np.cbrt(x), lambda dy, x: dy / (3 * np.cbrt(x) ** 2)),
    "real log": (lambda x: np.log(np.real(x)), lambda dy, x: dy / x),
    "entropy": (lambda x: -(x * np.log(x)).sum(), lambda dy, x: -dy * (np.log(x) + 1)),
    "both ends": (
        lambda x: np.log(x / 4) + np.log1p(-x / 4),
        lambda dy, x: dy * (1 / x - 1 / (4 - x)),
    ),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_beside_the_edge_of_a_domain(name, method):
    f, backward = EDGES[name]
    x = np.append(TINY, 4 - 1e-9)
    report = ml.gradcheck(f, backward, {"x": x}, method=method)
    assert report.kinks == () and np.isfinite(report.max_error)
    report = failing(f, lambda dy, x: backward(dy, x) * (1 + 1e-3 * (x < 1e-7)), {"x": x},
                     method=method if method != "directional" else "auto")  # fmt: skip
    assert report.errors[0].where == (3,) and np.isfinite(report.max_error)


def test_at_the_very_edge_there_is_no_derivative():
    def f(x):
        return np.where(x == 1, x * x, np.nan)

    report, said = undecided(f, lambda dy, x: 2 * dy * x, [np.ones(3)])
    assert report.verdict == "cannot be judged"
    assert "choose inputs inside the domain of f" in said


# ------------------------------------------------------------------ nothing arrives


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
@pytest.mark.parametrize(
    ("f", "backward"),
    [
        (lambda x: normalised(x).sum(), lambda dy, x: 0 * x),
        (lambda x: np.maximum(x - 9, 0), lambda dy, x: dy * (x > 9)),
        (lambda x: x / x, lambda dy, x: 0 * x),
    ],
    ids=["a constant sum", "a dead ReLU", "one"],
)
def test_a_gradient_of_which_nothing_arrives_is_not_tested(f, backward, method):
    report, said = undecided(f, backward, {"x": RNG.uniform(1, 2, (3, 4))}, method=method)
    assert report.verdict == "not tested" and report.undecided == ["x"]
    assert said.startswith("the gradient of x was not tested: ") and "choose other inputs" in said


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_an_array_that_f_ignores_has_a_gradient_of_zero(method):
    x, b = RNG.uniform(1, 2, (2, 3, 4))

    def ignoring(dy, x, b):
        return {"x": normalised_backward(dy, x), "b": 0 * b}

    report = ml.gradcheck(lambda x, b: normalised(x), ignoring, {"x": x, "b": b}, method=method)
    assert "f does not depend on b, neither here nor at other inputs" in report.errors[1].note
    failing(lambda x, b: normalised(x), lambda dy, x, b: (normalised_backward(dy, x), b),
            {"x": x, "b": b}, method=method)  # fmt: skip


@pytest.mark.parametrize("method", ["auto", "difference"])
@pytest.mark.parametrize("taken", [np.asarray, np.real, lambda z: np.float64(np.real(z))])
def test_a_bias_before_normalisation_passes_if_its_gradient_is_zero(taken, method):
    def backward(dy, x, b, off=0.0):
        d = normalised_backward(dy, x + b)
        return d, d.sum(axis=-1, keepdims=True) + off

    inputs = {"x": RNG.normal(size=(8, 5)), "b": np.zeros((8, 1))}
    f = lambda x, b: normalised(taken(x + b))  # noqa: E731
    report = ml.gradcheck(f, lambda dy, x, b: backward(dy, x, b), inputs, method=method)
    assert "f does not depend on b, neither here nor at other inputs" in report.errors[1].note
    report = failing(f, lambda dy, x, b: backward(dy, x, b, 1e-6), inputs, method=method)
    assert report.wrong == ["b"]


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_an_array_of_one_number_is_moved_as_it_may_hide_a_factor(method):
    def f(x, scale, shift):
        return scale * np.tanh(x) + shift

    def backward(dy, x, scale, shift):
        d = dy * (1 - np.tanh(x) ** 2)
        return d * scale, (dy * np.tanh(x)).sum(), dy.sum(axis=0)

    inputs = {"x": RNG.normal(size=(5, 3)), "scale": np.array(1.0), "shift": np.full(3, 2.0)}
    said = (
        "one number throughout may hide a factor, so a second point was checked too, at which "
        "scale and shift are moved to drawn numbers nearby: {} is wrong there"
    )
    assert said.format("nothing") in ml.gradcheck(f, backward, inputs, method=method).notes
    forgets = lambda dy, x, scale, shift: backward(dy, x, 1.0, shift)  # noqa: E731
    report = failing(f, forgets, inputs, method=method)
    assert report.wrong == ["x"] and said.format("x") in report.notes


@pytest.mark.parametrize("method", ["auto", "difference", "directional"])
def test_an_array_that_these_inputs_hide_is_not_tested(method):
    def f(x, W):
        return x + np.maximum(W - 9, 0)

    def backward(dy, x, W):
        return dy, dy * (W > 9)

    inputs = {"x": RNG.normal(size=(3, 4)), "W": RNG.normal(size=(3, 4)) * 9 - 30}
    report, said = undecided(f, backward, inputs, method=method)
    assert report.undecided == ["W"] and "it does at others" in said and "wrt=" in said
    assert ml.gradcheck(f, backward, inputs, method=method, wrt="x").passed


def test_the_reports_know_the_verdicts(tmp_path):
    report, _ = undecided(lambda x: x / x, lambda dy, x: 0 * x, {"x": np.ones(3)})
    assert "NOT TESTED" in str(report) and "WRONG" not in str(report)
    plain = json.loads(report.to_json())
    assert plain["verdict"] == plain["errors"][0]["verdict"] == "not tested"
    assert plain["undecided"] == ["x"] and plain["wrong"] == [] and plain["passed"] is False
    suite = ET.fromstring(report.to_junit().encode()).find("testsuite")
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")
    assert suite.find("testcase/error").get("message") == "the gradient of x: not tested"
