"""A call of the equations whose shapes fit by accident, or whose values are impossible, is refused.
The table has the call and the whole sentence; both backends on a CPU say the same one.
"""

import re

import numpy as np
import pytest

from minilstm.backend import is_installed, load_backend
from minilstm.errors import DataError
from minilstm.functional.absolute_error import absolute_error_forward
from minilstm.functional.adam import AdamRule
from minilstm.functional.binary_cross_entropy import binary_cross_entropy_forward
from minilstm.functional.combine import addition_forward
from minilstm.functional.gradient_norm import gradient_scale
from minilstm.functional.huber import huber_forward
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import active_counts, pack, pack_with_targets
from minilstm.functional.shapes import declaration, fitted
from minilstm.functional.squared_error import squared_error_forward

ones = np.ones
RULE = AdamRule(0.1, 0.9, 0.99, 1e-8)
SEEN = "x (5, 3), h0 (1, 2), c0 (1, 2)"
CLASSES = "give numbers of classes from 0 to 2, or -1 for a row without a class."


def loss(be, targets=(0, 1, 2, 1, -1), weights=None):
    return be.softmax_cross_entropy_forward(ones((5, 3)), np.array(targets), None, weights)


def lstm(be, h0=(1, 2), c0=(1, 2), W=(8, 3), R=(8, 2), b=(8,), active=None, **options):
    h0 = h0 and ones(h0)
    given = h0, ones(c0), ones(W), ones(R), ones(b), active and np.array(active)
    return be.lstm_forward(ones((5, 3)), *given, **options)


CASES = [
    # -------------------------------------------------------------- losses
    (lambda be: loss(be, [[0]] * 5),
     "targets has shape (5, 1); give shape (N,), which is (5,) beside logits (5, 3)."),
    (lambda be: loss(be, weights=ones((5, 1))), "weights has shape (5, 1); give shape (N,), which "
     "is (5,) beside logits (5, 3), targets (5,)."),
    (lambda be: loss(be, [0, 1, 2, 3, 0]), f"targets holds 3; {CLASSES}"),
    (lambda be: loss(be, [0, 1, 2, -2, 0]), f"targets holds -2; {CLASSES}"),
    (lambda be: be.classifier_loss(ones((2, 3)), ones((3, 3)), ones(3), np.array([0, 9]), 2.0),
     f"targets holds 9; {CLASSES}"),
    *((lambda be, f=f: f(ones((5, 1)), ones(5), 5),
       "t has shape (5,); give shape (N, ...), which is (5, 1) beside y (5, 1).")
      for f in (squared_error_forward, absolute_error_forward, huber_forward)),
    (lambda be: huber_forward(ones(2), ones(2), 2, None, 0.0),
     "transition is 0.0; give a number above 0."),
    (lambda be: binary_cross_entropy_forward(ones((1, 2)), [[0.5, 2]], 1),
     "t holds 2.0; give targets from 0 to 1."),
    # -------------------------------------------------------------- LSTM
    (lambda be: lstm(be, active=[1, 1, 1]), "active counts 3 steps of all sequences, but there are "
     "5 rows; give one row for each step of each sequence."),
    (lambda be: lstm(be, active=[1, 2, 2]), "active is to count the sequences that still run at "
     "each step; give whole numbers of at least 1 that never rise, as active_counts makes them of "
     "the lengths."),
    (lambda be: lstm(be, active=[2, 2, 1]), "active begins with 2 sequences, but the state has 1 "
     "rows; give one row of the state for each sequence."),
    (lambda be: lstm(be, (2, 2), (2, 2)), "active is None, so the rows are one sequence, but the "
     "state has 2 rows; give active, or one row of the state."),
    (lambda be: lstm(be, b=(1,)), "b has shape (1,); give shape (4H,), which is (8,) beside "
     f"{SEEN}, W (8, 3), R (8, 2)."),
    (lambda be: lstm(be, c0=(1, 1)),
     "c0 has shape (1, 1); give shape (B, H), which is (1, 2) beside x (5, 3), h0 (1, 2)."),
    (lambda be: lstm(be, W=(3, 8)),
     f"W has shape (3, 8); give shape (4H, D), which is (8, 3) beside {SEEN}."),
    (lambda be: lstm(be, R=(4, 2)),
     f"R has shape (4, 2); give shape (4H, H), which is (8, 2) beside {SEEN}, W (8, 3)."),
    (lambda be: lstm(be, (2,)), "h0 has shape (2,); give shape (B, H)."),
    (lambda be: lstm(be, None), "h0 is None; give an array of shape (B, H)."),
    (lambda be: lstm(be, gate_activation="tanhh"),
     "gate_activation is 'tanhh'; choose one of 'sigmoid', 'hard-sigmoid'."),
    (lambda be: be.lstm_backward(ones((5, 1)), None, lstm(be)[2]), "dh has shape (5, 1); give "
     "shape (N, H), which is (5, 2) beside cache.x (5, 3), cache.R (8, 2), cache.h (6, 2)."),
    (lambda be: be.lstm_backward(None, LSTMState(ones((2, 2)), ones((2, 2))), lstm(be)[2]),
     "dstate[0] has shape (2, 2); give shape (B, H), which is (1, 2) beside cache.x (5, 3), "
     "cache.R (8, 2), cache.h (6, 2)."),
    (lambda be: be.bilstm_forward(*map(ones, [(5, 3), (1, 4), (1, 4), (16, 3), (16, 2), 1])),
     "b has shape (1,); give shape (8H,), which is (16,) beside x (5, 3), h0 (1, 4), c0 (1, 4), "
     "W (16, 3), R (16, 2)."),
    # -------------------------------------------------------------- other layers and solvers
    (lambda be: be.fully_connected_forward(ones((5, 3)), ones((2, 3)), 0.0),
     "b has shape (); give shape (C,), which is (2,) beside x (5, 3), W (2, 3)."),
    (lambda be: be.fully_connected_forward(ones((5, 3)), ones((2, 4)), ones(2)),
     "W has shape (2, 4); give shape (C, D), which is (C, 3) beside x (5, 3)."),
    (lambda be: be.batch_normalization_forward(ones((5, 3)), ones((5, 1)), ones(3), 0.1),
     "scale has shape (5, 1); give shape (C,), which is (3,) beside x (5, 3)."),
    (lambda be: addition_forward([ones((5, 3)), ones((1, 3))]),
     "xs[1] has shape (1, 3); give shape (...), which is (5, 3) beside xs[0] (5, 3)."),
    (lambda be: be.adam_step(*map(ones, [(3, 1), 3, (3, 1), (3, 1)]), RULE),
     "g has shape (3,); give shape (...), which is (3, 1) beside p (3, 1)."),
    (lambda be: gradient_scale([1], -2), "threshold is -2; give a number of at least 0."),
    (lambda be: be.dropout_forward(ones((2, 2)), 1.0, 7),
     "probability is 1.0; give a number of at least 0 and below 1."),
    (lambda be: be.dropout_forward(ones((2, 2)), 0.5, 7.5), "key is 7.5; give a whole number."),
    # -------------------------------------------------------------- ragged batches
    *((lambda be, n=n: active_counts(n),
       f"lengths is {n}; give lengths of at least 1, longest first.")
      for n in ([1, 3, 2], [2, 0], [-1], [])),
    (lambda be: pack([]), "sequences has 0 sequences of 0 shapes of a step; give at least one "
     "sequence, all of the same features."),
    (lambda be: pack([ones((2, 3)), ones((2, 1))]), "sequences has 2 sequences of 2 shapes of a "
     "step; give at least one sequence, all of the same features."),
    (lambda be: pack_with_targets([ones((2, 3)), ones((1, 3))], [[0, 1], [0, 1]]),
     "targets has the shapes [(2,), (2,)] for sequences of [2, 1] steps; give one class number a "
     "step, or one for each sequence."),
    (lambda be: pack_with_targets([ones((2, 3))], [[0, 0.5]]),
     "targets[0] holds 0.5, but it is to hold whole numbers; round it, or give integers."),
]  # fmt: skip


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize(("call", "sentence"), CASES, ids=[f"{s[:40]}" for _, s in CASES])
def test_what_does_not_fit_is_refused_in_one_sentence(name, call, sentence):
    if not is_installed(name):
        pytest.skip(f"needs {name}")
    for _ in range(2):  # what was refused is not known to fit
        with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
            call(load_backend(name))


def test_shapes_that_fitted_once_hide_no_values():
    be = load_backend("numpy")
    loss(be)
    with pytest.raises(DataError, match=r"^targets holds 3;"):
        loss(be, [0, 1, 2, 3, 0])
    lstm(be, (2, 2), (2, 2), active=[2, 2, 1])
    with pytest.raises(DataError, match=r"^active is to count"):
        lstm(be, (2, 2), (2, 2), active=[2, 1, 2])


def test_sizes_are_those_of_the_letters():
    arrays = {"cache.h": ones((7, 4)), "x": ones((5, 3)), "w": ones((5, 1)), "i": ones((5, 6, 2))}
    text = "x (N, D), cache.h (B+N, 2H), w (N,) or (N, 1), i (N, ..., C)"
    assert fitted(declaration(text), arrays.get) == {
        "N": 5, "D": 3, "B": 2, "H": 2, "...": (6,), "C": 2,
    }  # fmt: skip
