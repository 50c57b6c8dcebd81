"""Mutants: a backward pass with a mistake must be caught, with the right arrays and its cause.
Each is checked inside a network and as a plain pair of functions, which know nothing of each other.
"""

import mutants
import numpy as np
import pytest
from mutant_problems import NETWORKS, PAIRS, D, H, as_a_pair, in_a_network, lstm_pair

import minilstm as ml
from minilstm.functional import lstm


def errors_in_a_network(mutant):
    """What was found for each array under its name in the pair, and for the other arrays."""
    found = {e.name: e for e in in_a_network(mutant).errors}
    named = NETWORKS[mutant.function][1]
    return {short: found.pop(long) for short, long in named.items()}, found


def errors_as_a_pair(mutant, pair=None):
    return {e.name: e for e in as_a_pair(mutant, pair).errors}, {}


def judge(mutant, found, others):
    """Whether the wrong arrays were named and no others; causes, where the right one is missing."""
    wrong = {name for name, error in found.items() if not error.passed}
    named_right = wrong == mutant.wrong and all(e.passed for e in others.values())
    said = [cause for name in sorted(wrong) for cause in found[name].causes]
    told = any(mutant.cause in cause for cause in said) if mutant.cause else True
    return named_right, [] if told else said


MUTANTS = {**mutants.LSTM, **mutants.OTHERS}
IN_NETWORKS = {n: m for n, m in MUTANTS.items() if m.function in NETWORKS}
AS_PAIRS = {n: m for n, m in {**MUTANTS, **mutants.LSTM_PAIRS}.items() if m.function in PAIRS}


@pytest.mark.parametrize("name", IN_NETWORKS)
def test_a_mutant_in_a_network_is_caught_and_explained(name):
    mutant = IN_NETWORKS[name]
    assert judge(mutant, *errors_in_a_network(mutant)) == (True, [])


@pytest.mark.parametrize("name", AS_PAIRS)
def test_a_mutant_as_a_pair_of_functions_is_caught_and_explained(name):
    mutant = AS_PAIRS[name]
    assert judge(mutant, *errors_as_a_pair(mutant)) == (True, [])


def test_an_lstm_that_was_recognised_has_places_in_its_own_words():
    found, _ = errors_as_a_pair(mutants.LSTM["forget gate's derivative missing"])
    assert {name: error.gate for name, error in found.items() if error.gate} == dict.fromkeys(
        "WRb", "forget gate"
    )
    assert found["R"].place.startswith("forget gate, unit ") and ", from unit " in found["R"].place
    assert "sequence " in found["x"].place and "time step " in found["x"].place


@pytest.mark.parametrize("name", mutants.RAGGED)
def test_a_mutant_that_shows_in_a_ragged_batch_only(name):
    mutant = mutants.RAGGED[name]
    assert errors_as_a_pair(mutant)[0]["x"].passed
    assert judge(mutant, *errors_as_a_pair(mutant, lstm_pair((6, 4, 1))))[0]


def test_a_gate_that_forward_leaves_out_is_found():
    """ddbourgin/numpy-ml#42: forget and update gates used the output gate's bias."""
    forward = mutants.FORWARD.make()
    _, named, inputs, _ = lstm_pair()

    def faulty(x, **others):
        h, state, cache = forward(x.reshape(-1, D), **others, active=np.full(4, 3))
        return h.reshape(4, 3, H), tuple(state), cache

    report = ml.gradcheck(
        faulty, named(lstm.lstm_backward), inputs, cached=True, raises=False,
        axes={"b": ("gates",)},
    )  # fmt: skip
    assert report.wrong == ["b"]
    error = next(e for e in report.errors if e.name == "b")
    assert "forward pass does not use this block" in error.causes[0]


def test_few_mutants_stay_without_a_cause():
    """Three and more mistakes at once, another order of the steps, and parts of a window."""
    assert sum(not m.cause for m in MUTANTS.values()) <= 9


def test_the_mutants_are_many_and_have_the_public_bugs_among_them():
    assert len(MUTANTS) >= 60
    threads = {m.thread for m in [*MUTANTS.values(), mutants.FORWARD]} - {""}
    assert threads == {
        "CaptainE/RNN-LSTM-in-numpy#1",
        "apache/mxnet#4057",
        "ddbourgin/numpy-ml#42",
        "elixir-nx/axon#646",
        "explosion/thinc 9.1.1",
        "hanbt/learn_dl#53",
        "lmnt-com/haste#17",
        "lmnt-com/haste#43",
        "nicklashansen/rnn_lstm_from_scratch#1",
        "nicodjimenez/lstm#49",
        "tracel-ai/burn#5235",
        "wvabrinskas/Neuron#181",
    }
