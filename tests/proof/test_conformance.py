"""The conformance kit gives the reference full marks in any layout.
Each planted fault costs exactly the rows that it should, and a known one is named."""

import json

import numpy as np
import pytest
from mutant_problems import Plain

import minilstm as ml
from minilstm.errors import GradientError
from minilstm.functional.lstm import LSTMState, lstm_backward, lstm_forward
from minilstm.functional.ragged import pack
from minilstm.proof.conformance import conformance
from minilstm.proof.conformance.checks import CHECKS
from minilstm.proof.conformance.lstm import NAMES as ARRAYS
from minilstm.proof.conformance.subject import named_gradients

NAMES = [check.name for check in CHECKS]
BATCH_ROWS = {"a batch of one", "ragged batches"}


def reference(order="ifgo", columns=False, batch_axis=1, lengths=False):
    """The functions of minilstm.functional behind another layout."""
    places = [order.index(gate) for gate in "ifgo"]
    back = np.argsort(places)

    def blocks(a, which):
        a = a.T if columns and a.ndim == 2 else a
        a = a.reshape(4, -1, *a.shape[1:])[which].reshape(a.shape)
        return a

    def unblocked(a):
        a = blocks(a.T if columns and a.ndim == 2 else a, back)
        return a.T if columns and a.ndim == 2 else a

    def steps(a):
        return {None: lambda: a[:, None], 0: lambda: a.swapaxes(0, 1), 1: lambda: a}[batch_axis]()

    def own(a):
        return {None: lambda: a[:, 0], 0: lambda: a.swapaxes(0, 1), 1: lambda: a}[batch_axis]()

    def single(a):
        return a[0] if batch_axis is None else a

    def forward(x, h0, c0, W, R, b, lengths=None):
        x = steps(x)
        T, B, _ = x.shape
        counts = np.full(B, T) if lengths is None else lengths
        packed = pack([np.ascontiguousarray(x[:n, k]) for k, n in enumerate(counts)])
        h0, c0 = (np.atleast_2d(s)[packed.order] for s in (h0, c0))
        h, state, cache = lstm_forward(
            packed.rows, h0, c0, *(blocks(a, places) for a in (W, R, b)), packed.active
        )
        seat = np.argsort(packed.order)
        where = [(t, packed.order[k]) for t, n in enumerate(packed.active) for k in range(n)]
        out = np.zeros((T, B, h.shape[1]), h.dtype)
        for row, (t, k) in enumerate(where):
            out[t, k] = h[row]
        state = tuple(single(s[seat]) for s in state)
        return own(out), state, (cache, where, packed.order, x.shape)

    def backward(dh, dstate, kept):
        cache, where, sequence, shape = kept
        dh = steps(dh)
        rows = np.array([dh[t, k] for t, k in where])
        d = LSTMState(*(np.atleast_2d(s)[sequence] for s in dstate))
        dx, g = lstm_backward(rows, d, cache)
        out = np.zeros(shape, dx.dtype)
        for row, (t, k) in enumerate(where):
            out[t, k] = dx[row]
        seat = np.argsort(sequence)
        return (own(out), *(unblocked(a) for a in g[:3]), *(single(s[seat]) for s in g[3:]))

    if not lengths:
        return (lambda x, h0, c0, W, R, b: forward(x, h0, c0, W, R, b)), backward
    return forward, backward


@pytest.mark.parametrize(
    ("order", "columns", "batch_axis", "lengths"),
    [
        ("ifgo", False, 1, True),
        ("fiog", True, 0, True),
        ("gofi", False, 0, False),
        ("ogif", True, None, False),
    ],
)
def test_the_reference_gets_full_marks(order, columns, batch_axis, lengths):
    functions = reference(order, columns, batch_axis, lengths)
    orientation = "columns" if columns else "rows"
    card = conformance(
        *functions, gate_order=order, orientation=orientation, batch_axis=batch_axis, seed=3
    )
    assert card.score == card.total and card.passed, str(card)
    open_rows = {row.name for row in card.rows if row.passed is None}
    assert open_rows == (
        set() if lengths else BATCH_ROWS if batch_axis is None else {"ragged batches"}
    )
    assert card.total == sum(c.points for c in CHECKS if c.name not in open_rows)
    card.raise_for_failures()


# ---------------------------------------------------------------- planted faults


EVERY = [f"gradient of {name}" for name in ("x", "W", "R", "b", "h0", "c0")]
STATE_ROWS = ["gradient from the final state alone", "gradient from the final cell alone"]
FAULTS = {
    "": ([], ""),
    "forget derivative": (EVERY, "sigmoid(f) itself stands where the derivative of sigmoid"),
    "i for g": (EVERY, "i itself stands where g belongs"),
    "h_t for h_{t-1}": (["gradient of R"], "h is that of the step after"),
    "db copied": (["gradient of b"], "gate: a copy of forget gate"),
    "mean over the batch": (
        ["gradient of W"],
        "is 0.333333 times what it should be",
    ),
    "dR transposed": (["gradient of R"], ""),
    "dW left over": (["gradient of W", "same bits twice"], "earlier call"),
    "no db": (["gradient of b"], ""),
    "no state gradients": ([], ""),
    "no dcT": ([*STATE_ROWS], "upstream gradient of output 2 (np.where(on, c_new, c)) is left out"),
    "no final state": ([*STATE_ROWS], "Only the upstream gradient of output 0"),
    "h of the last step only": (["shapes of outputs", "outputs"], ""),
    "no h0": (["outputs from an initial state"], "passes it over"),
    "fails for one step": (["one step"], ""),
    "runs through padding": (["ragged batches"], "end of the padding"),
    "one cache for all": (["calls do not mix"], "outside the cache"),
    "keeps its state": (["same bits twice"], "state that an earlier call left"),
    "writes into c0": (["arguments stay as they are"], ""),
    "adds in place": (["arguments stay as they are"], "in place"),
    "always float64": (["float32 stays float32"], "without a dtype"),
    "exp overflows": (["large inputs"], "overflows"),
    "hides NaN": (["NaN is seen"], "replaces NaN"),
}


def card_of(fault, **options):
    plain = Plain(fault)
    return conformance(plain.forward, plain.backward, batch_axis=1, **options)


WRONG_ALREADY = ["one step", "a batch of one", "one unit", "one feature",
                 "as many features as units", *STATE_ROWS, "200 steps"]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_the_rows_it_should(fault):
    card = card_of(fault)
    rows, words = FAULTS[fault]
    if set(EVERY[:4]) <= set(rows):  # nothing is left that could be judged
        rows = [*rows, *WRONG_ALREADY]
    if fault in ("keeps its state", "h of the last step only"):  # and hardly anything works
        assert set(rows) < set(card.failed)
    elif fault == "no h0":
        assert set(card.failed) == {*rows, "gradient of h0", "gradient of c0"}
    else:
        assert set(card.failed) == set(rows), str(card)
    causes = [row.cause for row in card.rows if row.passed is False]
    assert not rows or any(words in cause for cause in causes), causes
    assert card.score == sum(row.points for row in card.rows if row.passed)
    assert (card.score == card.total) == card.passed == (not rows)


def test_the_row_names_place_values_and_cause():
    row = card_of("h_t for h_{t-1}")["gradient of R"]
    assert (
        row.detail.startswith("R[") and "by hand" in row.detail and "true derivative" in row.detail
    )
    assert row.points == 3 and row.cause.endswith(" h is that of the step after.")
    with pytest.raises(KeyError, match="is no row; the rows are shapes of outputs"):
        card_of("")["gradient of everything"]


def test_what_is_not_offered_costs_nothing():
    plain = Plain()

    def without_state(x, h0, c0, W, R, b):
        h, state, cache = plain.forward(x, 0 * h0, 0 * c0, W, R, b)
        return h, None, (cache, state)

    def backward(dh, dstate, cache):
        assert dstate is None
        zeros = [np.zeros(s.shape, dh.dtype) for s in cache[1]]
        found = plain.backward(dh, zeros, cache[0])
        return found["x"], found["W"], found["R"], found["b"]

    card = conformance(without_state, backward, batch_axis=1, initial_state=False)
    assert card.passed and card.score == card.total, str(card)
    offered = [row.name for row in card.rows if row.passed is None]
    assert offered == ["outputs from an initial state", "gradient of h0", "gradient of c0",
                       *STATE_ROWS, "ragged batches"]  # fmt: skip
    assert all(row.detail.startswith("not offered: ") for row in card.rows if row.passed is None)


def test_the_wrong_order_of_gates_is_named():
    functions = reference("fiog")
    card = conformance(*functions, batch_axis=1)
    assert card["outputs"].cause == "the gates are in the order fiog, not ifgo."


def test_an_lstm_that_takes_no_complex_numbers():
    plain = Plain()

    def real(*arrays, lengths=None):
        h, state, cache = plain.forward(*(np.asarray(a, float) for a in arrays), lengths=lengths)
        return h, state, cache

    def real_forward(x, h0, c0, W, R, b):
        if any(np.iscomplexobj(a) for a in (x, h0, c0, W, R, b)):
            raise TypeError("no complex numbers")
        return real(x, h0, c0, W, R, b)

    card = conformance(real_forward, plain.backward, batch_axis=1)
    assert card.failed == ["float32 stays float32"], str(card)


@pytest.mark.parametrize("fault", ["", "db copied"])
def test_an_lstm_in_float32_alone(fault):
    plain = Plain(fault)

    def forward(*arrays):
        return plain.forward(*(a.astype(np.float32) for a in arrays))

    def backward(dh, dstate, cache):
        found = plain.backward(dh.astype(np.float32), dstate, cache)
        return {name: a.astype(np.float32) for name, a in found.items()}

    card = conformance(forward, backward, batch_axis=1, dtype=np.float32)
    assert card.failed == (["gradient of b"] if fault else []), str(card)
    assert card["float64 stays float64"].passed is None


def test_a_crash_fails_a_row_and_nothing_else():
    def forward(x, h0, c0, W, R, b):
        raise RuntimeError("out of luck")

    def backward(dh, dstate, cache):
        raise RuntimeError("out of luck")

    card = conformance(forward, backward)
    assert card.score == 0 and len(card.failed) == len(card.rows) - 1  # no batches
    assert {card[name].detail for name in card.failed} == {
        "RuntimeError: out of luck", f"the same as in {card.failed[0]!r}",
    }  # fmt: skip
    card = conformance(lambda *a: 1.0, backward)
    assert "it has to return (h, (hT, cT), cache)" in card["shapes of outputs"].detail


def test_the_card_for_people_and_for_machines():
    card = card_of("db copied")
    lines = str(card).splitlines()
    assert lines[0] == f"conformance of forward and backward: {card.score} of {card.total} points"
    assert card.total - card.score == 3
    marks = [line.split()[0] for line in lines[1:] if "likely cause" not in line]
    assert marks.count("FAILED") == 1 and marks.count("passed") == len(card.rows) - 1
    assert sum("likely cause: In input gate: a copy of forget gate" in line for line in lines) == 1
    found = json.loads(card.to_json())
    assert found == card.to_dict() and found["score"] == card.score and not found["passed"]
    assert [row["name"] for row in found["rows"]] == NAMES
    with pytest.raises(GradientError, match="gradient of b"):
        card.raise_for_failures()


def test_the_same_seed_gives_the_same_card():
    assert card_of("i for g", seed=5).to_dict() == card_of("i for g", seed=5).to_dict()
    first, second = (card_of("i for g", seed=s)["gradient of W"].detail for s in (5, 6))
    assert first != second


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gate_order": "ifg"}, "gate_order is 'ifg'"),
        ({"gate_order": "iffo"}, "gate_order is 'iffo'"),
        ({"orientation": "transposed"}, "orientation is 'transposed'"),
        ({"batch_axis": 2}, "batch_axis is 2"),
        ({"dtype": np.float16}, "choose np.float64 or np.float32"),
    ],
)
def test_options_are_checked(options, words):
    plain = Plain()
    with pytest.raises(ValueError, match=words):
        conformance(plain.forward, plain.backward, **options)
    with pytest.raises(TypeError, match="forward is int; it has to be a function"):
        conformance(1, plain.backward)


def test_gradients_come_as_dicts_tuples_or_both():
    assert named_gradients({"W": 1.0, "other": 2.0}, ARRAYS)["W"] == 1
    some = named_gradients((1.0, 2.0, None, 4.0), ARRAYS)
    assert [n for n, a in some.items() if a is not None] == ["x", "W", "b"]
    zero = np.zeros((4, 1))
    _, _, cache = lstm_forward(np.ones((2, 1)), *np.zeros((2, 1, 1)), zero, zero, np.zeros(4))
    found = named_gradients(lstm_backward(np.ones((2, 1)), None, cache), ARRAYS)
    assert [a.shape for a in found.values()] == [(2, 1), (4, 1), (4, 1), (4,), (1, 1), (1, 1)]


def test_it_is_public():
    assert ml.conformance is conformance
