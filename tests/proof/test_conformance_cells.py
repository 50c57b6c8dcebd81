"""Score cards of cells beside the LSTM: a GRU, and any step with arrays of its author's.
A signature other than asked for is said in one sentence."""

import numpy as np
import pytest
from planted.gated import gru, gru_backward
from planted.recurrent import lstm_step, lstm_step_backward

import minilstm as ml

SHAPES = {"x": (3, 4), "h": (3, 5), "c": (3, 5), "Wx": (4, 20), "Wh": (5, 20), "b": 20}
ARRAYS = {k: np.random.default_rng(2).normal(size=s) for k, s in SHAPES.items()}


def gru_forward(x, h0, W, R, b):
    h, cache = gru(x, h0, W.T, R.T, b)
    return h, h[-1], cache


def gru_back(dh, dhT, cache):
    dh = dh.copy()
    dh[-1] += dhT
    dx, dh0, dW, dR, db = gru_backward(dh, cache)
    return dx, dh0, dW.T, dR.T, db


def test_a_gru_gets_its_marks_and_says_which_kind_it_is():
    card = ml.conformance(gru_forward, gru_back, cell="gru")
    assert card.failed == ["float32 stays float32"]  # its buffers are made without a dtype
    assert card["outputs"].detail == (
        "as a GRU with gates z, r, n, r before the product, 1 - z keeps the state, to 1e-09"
    )


def test_a_wrong_gru_loses_the_rows_of_its_mistake():
    def backward(dh, dhT, cache):
        dx, dh0, dW, dR, db = gru_back(dh, dhT, cache)
        return dx, dh0, dW, dR, db / 3

    card = ml.conformance(gru_forward, backward, cell="gru")
    assert card.failed[0] == "gradient of b"
    assert card["gradient of b"].cause.endswith(
        " of backward: `db` in place of `db / 3`, all gradients are right."
    )


def test_a_step_with_states_of_ones_own():
    card = ml.conformance(lstm_step, lstm_step_backward, cell="step", arrays=ARRAYS)
    assert card.passed and card["outputs"].passed is None
    assert [r.name for r in card.rows if r.name.startswith("gradient")] == [
        f"gradient of {name}" for name in ARRAYS
    ]

    def leaky(dh, dc, cache, left=[]):  # noqa: B006
        grads = lstm_step_backward(dh, dc, cache)
        left.append(grads[-1])
        return *grads[:-1], sum(left)

    card = ml.conformance(lstm_step, leaky, cell="step", arrays=ARRAYS)
    assert "same bits twice" in card.failed


@pytest.mark.parametrize(("shift", "failed"), [(0.0, []), (0.5, ["outputs"])])
def test_a_reference_judges_the_outputs(shift, failed):
    def reference(*arrays):
        h, c, _ = lstm_step(*arrays)
        return h + shift, c

    card = ml.conformance(lstm_step, lstm_step_backward, cell=reference, arrays=ARRAYS)
    assert card.failed == failed


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_another_signature_is_said_once(cell):
    card = ml.conformance(lambda x, W: (x @ W, x), lambda dy, cache: dy, cell=cell)
    wanted = {"lstm": "x, h0, c0, W, R, b", "gru": "x, h0, W, R, b"}[cell]
    assert len(card.rows) == 1 and card.score == 0
    assert card.rows[0].detail == (
        f"forward takes (x, W), but is called as forward({wanted}); wrap it in a function that "
        "takes these and hands them on as yours needs them"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cell": "rnn"}, "cell is 'rnn'; choose 'lstm', 'gru', 'step', or a function"),
        ({"cell": "step"}, "arrays is missing; give the arguments of forward as arrays by name"),
        ({"cell": "gru", "arrays": ARRAYS}, "a GRU is given its own arrays; leave arrays out"),
        ({"arrays": ARRAYS}, 'arrays are for cell="step" or a reference'),
    ],
)
def test_options_that_do_not_fit(options, says):
    with pytest.raises(ValueError, match=r".") as caught:
        ml.conformance(lstm_step, lstm_step_backward, **options)
    assert says in str(caught.value)
