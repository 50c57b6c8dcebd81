"""The gradient checker is checked: faults planted in a backend must be found and rightly named.
And both backends must pass it, from one unit and one step to 200 units and 200 steps."""

import dataclasses

import numpy as np
import pytest
from agreement import NUMPY
from mutants import Mutant

import minilstm as ml
from minilstm.errors import GradientError
from minilstm.functional import classifier_loss, cross_entropy, fully_connected, lstm
from minilstm.functional.lstm import LSTMState
from minilstm.proof.checker.networks import problem_of_network

LEARNABLES = {"input_weights", "recurrent_weights", "bias"}
STATES = {"initial_hidden", "initial_cell"}
LSTM = {f"lstm/{name}" for name in LEARNABLES | STATES}
FC = {"fc/weights", "fc/bias"}


def problem(mode="sequence", zerocenter=False, lstms=1, D=3, H=4, C=3, lengths=(6, 1, 4)):
    """A network, sequences and labels."""
    options = {"normalization": "zerocenter", "mean": np.arange(1.0, D + 1)} if zerocenter else {}
    chain = [ml.SequenceInput(D, **options), *[ml.LSTM(H + 1) for _ in range(lstms - 1)]]
    chain += [ml.LSTM(H, output_mode=mode), ml.FullyConnected(C), ml.Softmax()]
    rng = np.random.default_rng(0)
    net = ml.Network(chain, rng=rng)
    # At the start biases are 0 and all gates alike; a check there could miss something.
    noise = {k: rng.standard_normal(p.shape) / np.sqrt(H) for k, p in net.parameters.items()}
    net = net.replace(parameters={k: p + 0.5 * noise[k] for k, p in net.parameters.items()})
    x = [rng.standard_normal((n, D)) for n in lengths]
    y = rng.integers(0, C, len(x)) if mode == "last" else [rng.integers(0, C, n) for n in lengths]
    return net, x, y


# -------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("zerocenter", [False, True], ids=["none", "zerocenter"])
@pytest.mark.parametrize("lstms", [1, 2])
@pytest.mark.parametrize("mode", ["sequence", "last"])
def test_both_backends_pass(backend, mode, lstms, zerocenter):
    net, x, y = problem(mode, zerocenter, lstms)
    with ml.use_backend(backend.name):
        report = ml.gradcheck(net, x, y)
    assert report.passed and report.max_error < 1e-12 and report.backend == backend.name
    names = LSTM if lstms == 1 else {n.replace("lstm", f"lstm_{k}") for n in LSTM for k in (1, 2)}
    assert {e.name for e in report.errors} == names | FC | {"input"}
    lines = str(report).splitlines()
    assert lines[0].split() == ["array", "checked", "relative", "error", "allowed"]
    assert len(lines) == len(report.errors) + 2
    for line, error in zip(lines[1:], report.errors, strict=False):
        assert line.split()[:2] == [error.name, str(error.checked)]
    assert f"gradients by {backend.name}" in lines[-1] and "WRONG" not in str(report)


def test_labels_are_class_numbers_or_classes():
    net, x, y = problem()
    named = ml.Network(net.layers, net.parameters, classes=["a", "b", "c"])
    texts = [np.array(["a", "b", "c"])[n] for n in y]
    assert str(ml.gradcheck(named, x, texts)) == str(ml.gradcheck(net, x, y))


# --------------------------------------------------------------------------- what is wrong


def mutant(module, function, old, new):
    """The function of a maths file with one of its lines changed."""
    return {function: Mutant(function, module, ((old, new),), frozenset(), "").make()}


def changed(name, index, change):
    """lstm_backward with one of its results changed: index 0 is dx, else a field of the grads."""

    def lstm_backward(dh, dstate, cache, need_dx=True, spend_cache=False):
        dx, grads = lstm.lstm_backward(dh, dstate, cache, need_dx)
        if index == 0:
            return change(dx), grads
        return dx, grads._replace(**{name: change(getattr(grads, name))})

    return {"lstm_backward": lstm_backward}


def swapped_gates(g):
    i, f, c, o = np.split(g, 4)
    return np.concatenate([f, i, c, o])


def added(number, *index):
    """A change that adds a number to one entry."""

    def change(g):
        g = g.copy()
        g[index] += number
        return g

    return change


@pytest.fixture
def plant(monkeypatch):
    """Puts functions in the place of those of the NumPy backend, which a check then uses."""

    def plant(**functions):
        faulty = dataclasses.replace(NUMPY, name="faulty", **functions)
        monkeypatch.setattr("minilstm.proof.checker.networks.current_backend", lambda: faulty)

    return plant


ALL_BEFORE_FC = LSTM | {"input"}
FAULTS = {
    "zero gradient of W": (changed("W", 1, np.zeros_like), {"lstm/input_weights"}),
    "0.1 % in R": (changed("R", 1, lambda g: 1.001 * g), {"lstm/recurrent_weights"}),
    "one entry of R": (changed("R", 1, added(0.01, 8, 0)), {"lstm/recurrent_weights"}),
    "i and f swapped in b": (changed("b", 1, swapped_gates), {"lstm/bias"}),
    "i and f swapped in W": (changed("W", 1, swapped_gates), {"lstm/input_weights"}),
    "sign of c0": (changed("c0", 1, np.negative), {"lstm/initial_cell"}),
    "0.1 % in dx": (changed("x", 0, lambda g: 1.001 * g), {"input"}),
    "NaN in b": (changed("b", 1, lambda g: g * np.nan), {"lstm/bias"}),
    "transposed weights of the last fully connected layer": (
        mutant(classifier_loss, "classifier_loss", "dx, grads.W, ", "dx, grads.W[::-1], "),
        {"fc/weights"},
    ),
    "no mean in the loss": (
        mutant(classifier_loss, "classifier_loss", "_backward(entropy)",
               "_backward(entropy._replace(divisor=1))"),
        ALL_BEFORE_FC | FC,
    ),
    # The end of a network computes its loss in one call; these functions run in other networks.
    "transposed weights of a fully connected layer": (
        mutant(fully_connected, "fully_connected_backward", "dy.T @ x", "(dy.T @ x)[::-1]"),
        {"fc_1/weights"},
        ml.FullyConnected(4), ml.LSTM(3), ml.FullyConnected(3),
    ),
    "no mean in the loss of a network without a fully connected layer": (
        mutant(cross_entropy, "softmax_cross_entropy_backward", "/= divisor", "/= 1"),
        ALL_BEFORE_FC,
        ml.LSTM(3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_named(plant, fault):
    functions, wrong, *layers = FAULTS[fault]
    net, x, y = problem()
    if layers:
        rng = np.random.default_rng(0)
        net = ml.Network([ml.SequenceInput(3), *layers, ml.Softmax()], rng=rng)
        assert ml.gradcheck(net, x, y).passed
    plant(**functions)
    with pytest.raises(GradientError) as caught:
        ml.gradcheck(net, x, y)
    message = str(caught.value)
    named = set(message.rstrip(".").split("wrong arrays: ")[1].split(", "))
    assert named == wrong
    first = message.split("the gradient of ")[1].split()[0]
    assert first in wrong and ("at index (" in message or "along a random direction" in message)
    assert "backward gives" in message and "complex step" in message


@pytest.mark.parametrize("bad", [1e-3, np.nan])
def test_one_wrong_entry_among_many_is_found(plant, bad):
    # Only a few entries of a large array are compared one by one; the direction sees the rest,
    # and halving the array finds the place.
    plant(**changed("R", 1, added(bad, 37, 3)))
    net, x, y = problem(H=16)
    with pytest.raises(GradientError, match=r"lstm/recurrent_weights is wrong at index \(37, 3\)"):
        ml.gradcheck(net, x, y, max_entries=5)


def test_the_index_and_both_values_are_those_of_the_worst_entry(plant):
    net, x, y = problem()
    right = next(e for e in ml.gradcheck(net, x, y).errors if e.name == "lstm/bias")
    assert right.relative_error < 1e-12
    plant(**changed("b", 1, added(10, 5)))
    with pytest.raises(GradientError, match=r"lstm/bias is wrong at index \(5,\)") as caught:
        ml.gradcheck(net, x, y)
    by_hand, exact = (
        float(str(caught.value).split(w)[1].split()[0].rstrip(",")) for w in ("gives", "step")
    )
    assert by_hand - exact == pytest.approx(10, abs=1e-9)


def test_a_looser_tolerance_lets_a_small_fault_pass(plant):
    plant(**changed("R", 1, lambda g: g * (1 + 1e-7)))
    net, x, y = problem()
    assert 5e-8 < ml.gradcheck(net, x, y, tolerance=1e-5).max_error < 2e-7
    with pytest.raises(GradientError):
        ml.gradcheck(net, x, y)


def test_the_check_starts_from_a_state_that_is_not_zero():
    net, x, y = problem()  # from a zero state a wrong first step could hide
    arrays = problem_of_network(net, x, y).arrays
    for state in LSTMState._fields:
        assert (arrays[f"lstm/initial_{state}"] != 0).all()
