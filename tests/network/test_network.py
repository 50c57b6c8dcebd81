"""The network as a user meets it: names, structure errors, predict in every form, state, tables.
Everything runs on the NumPy backend; the maths itself is tested elsewhere."""

import re
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from agreement import refuses, refuses_data
from builders import doubled

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.losses.named import find_loss
from minilstm.network.graph.naming import name_layers
from minilstm.network.passes import prediction_pass
from minilstm.network.passes.mini_batch import pack_targets

FEATURES, HIDDEN, CLASSES = 3, 5, 4
LENGTHS = (7, 4, 9)


pytestmark = pytest.mark.usefixtures("on_numpy")


def network(output_mode="sequence", dtype="float64", classes=("a", "b", "c", "d")):
    layers = [
        ml.SequenceInput(FEATURES),
        ml.LSTM(HIDDEN),
        ml.LSTM(HIDDEN + 1, output_mode),
        ml.FullyConnected(CLASSES),
        ml.Softmax(),
    ]
    return doubled(layers, dtype, classes=classes)


def batch(lengths=LENGTHS, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((T, FEATURES)) for T in lengths]


# ---------------------------------------------------------------- names and structure


def test_unnamed_layers_are_named_by_kind_and_counted_when_repeated():
    layers = [ml.SequenceInput(3), ml.LSTM(2), ml.FullyConnected(4), ml.LSTM(2, "last")]
    layers += [ml.FullyConnected(2, name="head"), ml.Softmax()]
    names = [layer.name for layer in name_layers(layers)]
    assert names == ["input", "lstm_1", "fc_1", "lstm_2", "head", "softmax"]
    assert [layer.name for layer in layers] == ["", "", "", "", "head", ""]  # not the user's own


def test_parameters_are_keyed_by_layer_and_name():
    assert {k: v.shape for k, v in network().parameters.items()} == {
        "lstm_1/input_weights": (20, 3),
        "lstm_1/recurrent_weights": (20, 5),
        "lstm_1/bias": (20,),
        "lstm_2/input_weights": (24, 5),
        "lstm_2/recurrent_weights": (24, 6),
        "lstm_2/bias": (24,),
        "fc/weights": (4, 6),
        "fc/bias": (4,),
    }


EXAMPLE = "give a list such as [SequenceInput(3), LSTM(200), FullyConnected(5), Softmax()]."


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([], ValueError, "layers begins with nothing; begin with SequenceInput(features)."),
        ([ml.LSTM(2)], ValueError, "layers begins with LSTM; begin with SequenceInput(features)."),
        (
            [ml.SequenceInput(2), ml.SequenceInput(2)],
            ValueError,
            "layers[1] is a second SequenceInput; keep only the first, or use a LayerGraph.",
        ),
        ([ml.SequenceInput(2), "lstm"], TypeError, f"layers[1] is 'lstm', not a layer; {EXAMPLE}"),
        (None, TypeError, f"layers is NoneType, not a list of layers; {EXAMPLE}"),
        ("lstm", TypeError, f"layers is str, not a list of layers; {EXAMPLE}"),
        (
            [ml.SequenceInput(2), ml.LSTM(2, name="m"), ml.LSTM(2, name="m")],
            ValueError,
            "2 layers are named 'm'; give each its own name.",
        ),
    ],
)
def test_structure_errors_name_the_layer(layers, error, message):
    with refuses(message, error):
        ml.Network(layers, rng=np.random.default_rng(0))


def test_a_name_made_for_a_layer_is_never_one_that_was_given():
    layers = [ml.SequenceInput(2), ml.LSTM(2, name="lstm_2"), ml.LSTM(2), ml.LSTM(2)]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    assert [a.name for a in net.layers] == ["input", "lstm_2", "lstm_3", "lstm_4"]


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (list("aabc"), "the network would have classes ['a', 'a', 'b', 'c'], of which some are "
         "equal; give a different label for each score."),
        (list("abc"), "the network would have 3 classes for 4 scores of 'softmax'; give a "
         "different label for each score."),
        (np.arange(4.0) + 0.5, "classes holds the label 0.5, but labels are strings or whole "
         "numbers; round it, or train on numbers with loss='mse'."),
        (np.array([True, False] * 2), "classes has dtype bool, but labels are strings or whole "
         "numbers; pass np.asarray(classes).astype(int)."),
        (np.array(list("abcd"), "S"), "classes has dtype |S1, but labels are strings or whole "
         "numbers; pass np.asarray(classes).astype(str)."),
    ],
)  # fmt: skip
def test_classes_are_different_labels_for_the_scores(classes, says):
    layers = [ml.SequenceInput(1), ml.FullyConnected(4, weights=np.ones((4, 1)), bias=np.ones(4)),
              ml.Softmax()]  # fmt: skip
    for call in (network().replace, lambda classes: ml.assemble(layers, classes)):
        with pytest.raises(ValueError, match="^" + re.escape(says) + "$"):
            call(classes=classes)


def test_parameters_must_be_those_of_the_layers():
    net = network()
    with refuses("parameters and rng are both missing; give one of them."):
        ml.Network(net.layers)
    with refuses("fc/bias has shape (5,), but its layer wants (4,); give an array of that shape."):
        net.replace(parameters={**net.parameters, "fc/bias": np.zeros(5)})
    with refuses("fc/bias holds NaN or infinity; give finite numbers."):
        net.replace(parameters={**net.parameters, "fc/bias": [0, 1, np.nan, 2]})
    missing = {k: v for k, v in net.parameters.items() if k != "fc/bias"}
    with pytest.raises(ValueError, match=r"; mend \['fc/bias'\]\.$"):
        net.replace(parameters=missing)
    with pytest.raises(ValueError, match=r"; mend \['fc/colour'\]\.$"):
        net.replace(parameters={**net.parameters, "fc/colour": np.zeros(1)})


# ---------------------------------------------------------------- predict: forms


def test_one_sequence_gives_t_by_c_scores_that_sum_to_one():
    scores = network().predict(batch()[0])
    assert scores.shape == (7, CLASSES) and scores.dtype == np.float64
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-12)
    assert scores.std(axis=0).min() > 1e-3  # the scores do follow the input


def test_a_list_gives_a_list_and_each_sequence_what_it_gives_alone():
    net, x = network(), batch()
    scores = net.predict(x)
    assert isinstance(scores, list) and [s.shape for s in scores] == [(T, 4) for T in LENGTHS]
    for together, one in zip(scores, x, strict=True):
        np.testing.assert_allclose(together, net.predict(one), rtol=1e-12)
    assert [s.shape for s in net.predict([x[0][:1]])] == [(1, CLASSES)]


def test_a_dense_batch_gives_a_dense_array():
    net, x = network(), np.stack(batch((6, 6)))
    scores = net.predict(x)
    assert scores.shape == (2, 6, CLASSES)
    np.testing.assert_allclose(scores[1], net.predict(x[1]), rtol=1e-12)


def test_last_gives_one_row_a_sequence_and_a_vector_for_one():
    net, x = network("last"), batch()
    assert net.predict(x[0]).shape == (CLASSES,)
    assert net.predict(np.stack(batch((6, 6)))).shape == (2, CLASSES)
    scores = net.predict(x)
    assert scores.shape == (3, CLASSES)
    every_step = network()  # the same weights
    for b, one in enumerate(x):
        np.testing.assert_allclose(scores[b], net.predict(one), rtol=1e-12)
        np.testing.assert_allclose(scores[b], every_step.predict(one)[-1], rtol=1e-12)


def test_integers_and_either_memory_order_are_fine():
    net, x = network(), batch()[0]
    whole = np.arange(21).reshape(7, 3) - 10
    assert (net.predict(whole) == net.predict(whole.astype(float))).all()
    np.testing.assert_array_equal(net.predict(np.asfortranarray(x)), net.predict(x))
    np.testing.assert_array_equal(net.predict(x[::-1])[0], net.predict(x[::-1].copy())[0])


def test_predict_changes_neither_network_nor_input():
    net, x = network(), batch()
    before = {k: v.tobytes() for k, v in net.parameters.items()}
    inputs = [a.tobytes() for a in x]
    first = net.predict(x)
    assert all((a == b).all() for a, b in zip(net.predict(x), first, strict=True))
    assert {k: v.tobytes() for k, v in net.parameters.items()} == before
    assert [a.tobytes() for a in x] == inputs


def test_float32_is_kept_through_and_through():
    net = network(dtype="float32")
    scores, state = net.predict(batch(), return_state=True)
    assert all(s.dtype == np.float32 for s in scores)
    assert all(a.dtype == np.float32 for pair in state.values() for a in pair)


# ---------------------------------------------------------------- predict: state


@pytest.mark.parametrize("output_mode", ["sequence", "last"])
def test_every_split_of_a_sequence_gives_what_the_whole_gives(output_mode):
    net, x = network(output_mode), batch()[0]
    whole, end = net.predict(x, return_state=True)
    for cut in range(1, len(x)):
        first, state = net.predict(x[:cut], return_state=True)
        rest, state = net.predict(x[cut:], state=state, return_state=True)
        joined = rest if output_mode == "last" else np.concatenate([first, rest])
        np.testing.assert_allclose(joined, whole, rtol=1e-12)
        for name, pair in state.items():
            np.testing.assert_allclose(pair, end[name], rtol=1e-12)


def test_states_of_a_batch_are_in_its_order_whatever_the_lengths():
    net, x = network(), batch((4, 9, 7, 9, 1))
    _, state = net.predict(x, return_state=True)
    assert {k: v.hidden.shape for k, v in state.items()} == {"lstm_1": (5, 5), "lstm_2": (5, 6)}
    more = batch((2, 5, 3, 1, 6), seed=2)
    scores, after = net.predict(more, state=state, return_state=True)
    for b in range(5):
        _, alone = net.predict(x[b], return_state=True)
        expected, alone = net.predict(more[b], state=alone, return_state=True)
        np.testing.assert_allclose(scores[b], expected, rtol=1e-12)
        for name, pair in alone.items():
            np.testing.assert_allclose(after[name].hidden[b], pair.hidden[0], rtol=1e-12)
            np.testing.assert_allclose(after[name].cell[b], pair.cell[0], rtol=1e-12)


def test_a_state_that_was_handed_in_is_not_changed():
    net, x = network(), batch()
    _, state = net.predict(x, return_state=True)
    before = {k: [a.tobytes() for a in pair] for k, pair in state.items()}
    net.predict(x, state=state, return_state=True)
    assert {k: [a.tobytes() for a in pair] for k, pair in state.items()} == before


def test_no_state_is_the_zero_state_of_the_batch():
    net, x = network(), batch()
    zero = net.initial_state(3)
    assert isinstance(zero["lstm_1"], LSTMState)
    assert zero["lstm_2"].cell.shape == (3, 6) and not zero["lstm_2"].cell.any()
    for a, b in zip(net.predict(x, state=zero), net.predict(x), strict=True):
        np.testing.assert_array_equal(a, b)


STATE = "pass a state that this network returned."
ONE = (np.zeros((1, 5)), np.zeros((1, 6)))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (5, f"state is int, but a dict of (hidden, cell) by layer name is wanted; {STATE}"),
        ({}, f"state is for the layers [], but this network has ['lstm_1', 'lstm_2']; {STATE}"),
        (
            {"lstm_1": (ONE[0], ONE[0])},
            "state is for the layers ['lstm_1'], but this network has ['lstm_1', 'lstm_2']; "
            + STATE,
        ),
        (
            {"lstm_1": (ONE[0], ONE[0]), "lstm_2": (np.zeros((2, 6)), ONE[1])},
            "state['lstm_2'].hidden has shape (2, 6), but this batch wants (1, 6); pass the state "
            "of the same sequences.",
        ),
        (
            {"lstm_1": (ONE[0], np.zeros((1, 4))), "lstm_2": (ONE[1], ONE[1])},
            "state['lstm_1'].cell has shape (1, 4), but this batch wants (1, 5); pass the state "
            "of the same sequences.",
        ),
        (
            {"lstm_1": (ONE[0], ONE[0] + np.nan), "lstm_2": (ONE[1], ONE[1])},
            f"state['lstm_1'].cell holds NaN or infinity; {STATE}",
        ),
        (
            {"lstm_1": ONE[0], "lstm_2": (ONE[1], ONE[1])},
            f"state['lstm_1'] is ndarray, not a pair of arrays (hidden, cell); {STATE}",
        ),
        (
            {"lstm_1": None, "lstm_2": (ONE[1], ONE[1])},
            f"state['lstm_1'] is NoneType, not a pair of arrays (hidden, cell); {STATE}",
        ),
    ],
)
def test_wrong_states_are_refused(state, message):
    with refuses_data(message):
        network().predict(batch()[0], state=state)


# ---------------------------------------------------------------- predict: long sequences


@pytest.mark.alone
def test_memory_stays_flat_over_a_hundred_thousand_steps():
    layers = [ml.SequenceInput(1), ml.LSTM(16), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))

    def peak(T):
        x = np.zeros((25, T, 1), np.float32)
        tracemalloc.start()
        scores = net.predict(x)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert scores.shape == (25, T, 2)
        return highest - x.nbytes - 4 * scores.nbytes  # the packed input, the scores on their way

    # 1 + 16 + 2 + 2 numbers of 4 bytes are written for a row.
    one_span = peak(prediction_pass.SPAN_BYTES // (4 * 21) // 25)
    # The states and scores of 25 x 4000 steps at once would be 4 times those of one span.
    assert 0 < peak(4000) < 1.2 * one_span


# ---------------------------------------------------------------- evaluate, replace, tables


def test_evaluate_is_mean_cross_entropy_and_accuracy_over_all_real_steps():
    net, x = network(), batch()
    rng = np.random.default_rng(3)
    y = [rng.choice(list("abcd"), T) for T in LENGTHS]
    scores = np.concatenate(net.predict(x))  # (N, C)
    targets = np.searchsorted(net.classes, np.concatenate(y))  # (N,)
    true = scores[np.arange(20), targets]
    result = net.evaluate(x, y)
    assert result["loss"] == pytest.approx(-np.log(true).mean(), rel=1e-12)
    assert result["accuracy"] == np.mean(scores.argmax(axis=1) == targets)
    assert set(result) == {"loss", "accuracy"}
    best = [ml.scores_to_labels(s, net.classes) for s in net.predict(x)]
    assert net.evaluate(x, best)["accuracy"] == 1.0
    assert net.evaluate(x[0], best[0])["accuracy"] == 1.0


def test_evaluate_of_last_takes_one_label_a_sequence_and_any_class_order():
    x = batch()
    for classes in (list("abcd"), list("dbca"), [30, 10, 20, 40]):
        net = network("last", classes=classes)
        best = ml.scores_to_labels(net.predict(x), net.classes)
        assert net.evaluate(x, best)["accuracy"] == 1.0
        assert net.evaluate(x, list(best))["accuracy"] == 1.0
        assert net.evaluate(x[0], best[0])["accuracy"] == 1.0


def test_evaluate_wants_a_class_for_every_score():
    x, y = batch(), [np.array(["a"] * T) for T in LENGTHS]
    with refuses_data(
        "the network has no classes; train it on labels, or name those of its scores, in their "
        "order, with net.replace(classes=[...])."
    ):
        network(classes=None).evaluate(x, y)
    with refuses(
        "the network puts out 4 scores a step ('fc' is FullyConnected(4)), but the labels have 2 "
        "classes; use FullyConnected(2)."
    ):
        network(classes=["a", "b"]).evaluate(x, y)


def test_replace_leaves_the_old_network_alone():
    net = network()
    bias = net.parameters["fc/bias"].copy()
    moved = net.replace(parameters={**net.parameters, "fc/bias": bias + 1})
    assert (net.parameters["fc/bias"] == bias).all()
    assert (moved.parameters["fc/bias"] == bias + 1).all()
    assert moved.classes.tolist() == net.classes.tolist()
    assert repr(moved) == repr(net)
    narrow = net.replace(dtype="float32")
    assert narrow.dtype == np.float32 and narrow.predict(batch()[0]).dtype == np.float32
    assert net.dtype == np.float64


@pytest.mark.parametrize(
    ("loss", "targets", "padded", "divisor"),
    [
        ("crossentropy", [1, -1, 0, -1, -1], False, 2.0),  # those with a class
        ("crossentropy", [1, -1, 0, -1, -1], True, 5.0),
        ("half-mse", -np.ones((5, 2)), False, 5.0),  # numbers below 0 are numbers
    ],
)
def test_a_loss_is_divided_by_the_rows_that_count(loss, targets, padded, divisor):
    head = SimpleNamespace(loss=find_loss(loss), columns=2)
    batch = pack_targets([head], [], [np.array(targets)], padded=padded)
    assert batch.divisors == (divisor,)


def test_summary_is_a_table_of_layers_and_learnables():
    layers = [ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()]
    classes = ["Dancing", "Running", "Sitting", "Standing", "Walking"]
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=classes)
    assert net.summary().splitlines() == [
        "   Name     Layer                             Output  Learnables  State",
        "1  input    Sequence input with 3 dimensions       3           0",
        "2  lstm     LSTM with 200 hidden units           200     163,200    400",
        "3  fc       5 fully connected layer                5       1,005",
        "4  softmax  Softmax                                5           0",
        "164,205 learnables, float32",
        "activations of 1 x 100 steps: 83.2 KiB",
        "classes: Dancing, Running, Sitting, Standing, Walking",
    ]
    assert repr(net) == f"Network\n{net.summary()}"
