"""Predicting in every way that there is: mini-batches, padding, formats, states, activations.
Each option is compared with another way to the same numbers; nothing but a state is remembered."""

import re

import numpy as np
import pytest
from agreement import refuses, refuses_data
from builders import doubled

import minilstm as ml

LENGTHS = (7, 2, 5, 1, 4)
modes = pytest.mark.parametrize("mode", ["sequence", "last"])


def network(mode="sequence", dtype="float64", lstm=ml.LSTM):
    layers = [
        ml.SequenceInput(3, "zerocenter", [1, 2, 3]),
        lstm(4, name="lower"),
        ml.Dropout(0.5),
        lstm(5, mode, name="upper"),
        ml.FullyConnected(3),
        ml.Softmax(),
    ]
    return doubled(layers, dtype, classes=["run", "sit", "walk"])


def draw(lengths=LENGTHS, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, 3)) + np.arange(1, 4) for n in lengths]


def close(a, b):
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)


# ---------------------------------------------------------------- mini-batches


@modes
def test_the_mini_batch_size_changes_nothing_where_nothing_is_padded(backend, mode):
    net, x = network(mode), draw()
    with ml.use_backend(backend.name):
        whole, state = net.predict(x, return_state=True)
        for size in (1, 2, 3, 5, 99, np.int64(2)):
            scores, after = net.predict(x, mini_batch_size=int(size), return_state=True)
            assert type(scores) is type(whole)
            close(scores, whole)
            assert list(after) == list(state)
            for name, pair in state.items():
                close(after[name], pair)
                assert after[name].hidden.shape == (5, 4 if name == "lower" else 5)


@modes
def test_a_prediction_sees_what_was_written_into_the_weights(backend, mode):
    net, x = network(mode), draw()
    with ml.use_backend(backend.name):
        for key in net.parameters:
            before = net.predict(x)
            net.parameters[key].flat[1] += 0.5
            after, fresh = net.predict(x), net.replace().predict(x)
            for one, same in zip(after, fresh, strict=True):
                np.testing.assert_array_equal(one, same)
            assert (after[0] != before[0]).any(), key  # that of a sequence of many steps


def test_weights_may_be_lists(backend):
    net, x = network(), draw()
    expected = net.predict(x)
    net.parameters["lower/bias"] = net.parameters["lower/bias"].tolist()
    for got, wanted in zip(net.predict(x), expected, strict=True):
        assert np.array_equal(got, wanted)


@pytest.mark.parametrize("shape", [(7, 3), (1, 7, 3), (7, 1, 3), (2, 7, 3)])
def test_an_output_is_never_the_memory_of_the_input(backend, shape):
    # Dropout does nothing here, so no layer computes.
    net = ml.Network([ml.SequenceInput(3), ml.Dropout(0.5)], rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    before = x.copy()
    out = net.predict(x)
    assert np.array_equal(out, x)
    out[...] = 7
    assert np.array_equal(x, before)


def test_a_state_is_cut_into_the_mini_batches_too():
    net, x = network(), draw()
    _, state = net.predict(draw(seed=2), return_state=True)
    close(net.predict(x, state=state, mini_batch_size=2), net.predict(x, state=state))


def test_a_dense_batch_stays_dense_in_mini_batches():
    net, x = network(), np.stack(draw((4, 4, 4)))
    scores = net.predict(x, mini_batch_size=2)
    assert scores.shape == (3, 4, 3)
    close(scores, net.predict(x))


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "2"])
def test_a_wrong_mini_batch_size_is_refused(size):
    with refuses_data(f"mini_batch_size is {size!r}; give a whole number of at least 1, or None."):
        network().predict(draw(), mini_batch_size=size)


# ---------------------------------------------------------------- padding


def padded(x, length, direction, value):
    data, _ = ml.pad_sequences(x, length, direction, value)
    return list(data)


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("value", [0.0, -3.5])
def test_the_last_step_of_padded_sequences_is_that_of_their_mini_batch(direction, value):
    net, x = network("last"), draw()
    options = {"sequence_padding_direction": direction, "sequence_padding_value": value}
    got = net.predict(x, sequence_length="longest", **options)
    close(got, net.predict(padded(x, "longest", direction, value)))
    assert np.abs(got[1] - net.predict(x)[1]).max() > 1e-4  # the network ran through padding
    parts = [net.predict(padded(x[n : n + 2], "longest", direction, value)) for n in (0, 2, 4)]
    got = net.predict(x, sequence_length="longest", mini_batch_size=2, **options)
    close(got, np.concatenate(parts))


def test_padding_on_the_right_leaves_real_steps_alone_and_is_taken_off():
    net, x = network(), draw()
    got = net.predict(x, sequence_length="longest")
    assert [len(a) for a in got] == list(LENGTHS)
    close(got, net.predict(x))


def test_padding_on_the_left_comes_before_the_real_steps():
    net, x = network(), draw()
    got = net.predict(x, sequence_length="longest", sequence_padding_direction="left")
    whole = net.predict(padded(x, "longest", "left", 0.0))
    assert [len(a) for a in got] == list(LENGTHS)
    close(got, [a[7 - n :] for a, n in zip(whole, LENGTHS, strict=True)])


@pytest.mark.parametrize("direction", ["right", "left"])
def test_shortest_cuts_every_sequence_of_a_mini_batch(direction):
    net, x = network(), draw((7, 2, 5))
    got = net.predict(x, sequence_length="shortest", sequence_padding_direction=direction)
    cut = [a[:2] if direction == "right" else a[-2:] for a in x]
    close(got, net.predict(cut))


@modes
def test_a_whole_number_pads_to_a_multiple_of_it(mode):
    net, x = network(mode), draw()
    got = net.predict(x, sequence_length=3)
    want = net.predict(padded(x, 9, "right", 0.0))
    close(got, want if mode == "last" else [a[:n] for a, n in zip(want, LENGTHS, strict=True)])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"sequence_length": "long"}, "'long'"),
        ({"sequence_length": 0}, "0"),
        ({"sequence_length": "longest", "sequence_padding_direction": "up"}, "'up'"),
        ({"sequence_length": "longest", "sequence_padding_value": np.nan}, "nan"),
        ({"sequence_padding_direction": "up"}, "'up'"),
    ],
)
def test_wrong_padding_options_are_refused(options, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        network().predict(draw(), **options)


# ---------------------------------------------------------------- formats


def test_letters_for_the_axes_turn_arrays_to_time_by_features():
    net, x = network(), draw((4, 4))
    want = net.predict(x)
    close(net.predict([a.T for a in x], data_format="CT"), want)
    ctb = np.stack([a.T for a in x], axis=2)  # (C, T, B)
    close(net.predict(ctb, data_format="CTB"), want)
    close(net.replace(data_format="CTB").predict(ctb), want)
    close(net.activations(ctb, "lower", data_format="CTB"), net.activations(x, "lower"))


# ---------------------------------------------------------------- classes


@modes
def test_classify_gives_the_class_of_the_largest_score(mode):
    net, x = network(mode), draw()
    labels, scores = net.classify(x), net.predict(x)
    if mode == "last":
        assert labels.tolist() == net.classes[scores.argmax(axis=1)].tolist()
        assert net.classify(x[0]) == labels[0]
    else:
        for got, s in zip(labels, scores, strict=True):
            assert got.tolist() == net.classes[s.argmax(axis=1)].tolist()
    again, state = net.classify(x, return_state=True, mini_batch_size=2)
    assert [np.asarray(a).tolist() for a in again] == [np.asarray(a).tolist() for a in labels]
    assert set(state) == {"lower", "upper"}


# ---------------------------------------------------------------- the carried state


def test_pieces_of_a_sequence_with_the_state_carried_give_the_whole(backend):
    net, (x,) = network(), draw((9,))
    with ml.use_backend(backend.name):
        whole, labels = net.predict(x), net.classify(x)
        for _ in range(2):
            pieces = [net.predict_and_update_state(part) for part in (x[:2], x[2:3], x[3:])]
            close(np.concatenate(pieces), whole)
            net.reset_state()
        pieces = [net.classify_and_update_state(part) for part in (x[:4], x[4:])]
        assert np.concatenate(pieces).tolist() == labels.tolist()


def test_the_carried_state_is_that_of_the_last_step_and_predict_leaves_it():
    net, (x,) = network(), draw((9,))
    _, state = net.predict(x[:4], return_state=True)
    net.predict_and_update_state(x[:4])
    for _ in range(2):
        close(net.state["upper"], state["upper"])
        close(net.predict(x[4:]), net.predict(x[4:], state=state))
    net.reset_state()
    assert all((a == 0).all() for pair in net.state.values() for a in pair)


def test_a_state_can_be_set_and_taken_away():
    net, (x,) = network(), draw((9,))
    scores, state = net.predict(x[:4], return_state=True)
    net.state = state
    state["upper"].hidden[:] = 99  # the network has its own copy
    close(net.predict(x[4:]), network().predict(x)[4:])
    net.state = None
    close(net.predict(x[:4]), scores)
    with refuses_data(
        "state is for the layers ['upper'], but this network has ['lower', 'upper']; pass a state "
        "that this network returned."
    ):
        net.state = {"upper": state["upper"]}
    close(net.predict(x[:4]), scores)


def test_a_failing_call_leaves_the_carried_state():
    net, (x,) = network(), draw((9,))
    net.predict_and_update_state(x[:4])
    before = net.state["upper"].hidden.copy()
    with pytest.raises(ml.DataError, match="nan"):
        net.predict_and_update_state(np.full((2, 3), np.nan))
    close(net.state["upper"].hidden, before)


def test_a_carried_state_of_other_sequences_is_named_as_such():
    net, x = network(), draw()
    net.predict_and_update_state(x[0])
    with refuses_data(
        "the network carries the state of 1 sequence on, but there are 5; call reset_state(), or "
        "give state=."
    ):
        net.predict(x)
    net.predict(x, state=net.initial_state(5))
    net.predict_and_update_state(x, state=net.initial_state(5))
    with refuses_data(
        "the network carries the state of 5 sequences on, but there are 1; call reset_state(), or "
        "give state=."
    ):
        net.predict(x[0])


@modes
def test_measuring_streaming_and_saving_start_anew_whatever_state_is_carried(tmp_path, mode):
    net, x = network(mode), draw()
    y = [np.array(["run", "sit", "walk"])[np.arange(n) % 3] for n in LENGTHS]
    y = np.array([a[0] for a in y]) if mode == "last" else y
    measured, path = net.evaluate(x, y), net.save(tmp_path / "before.safetensors")
    first = net.stream().step(x[0][0])
    net.predict_and_update_state(x[0])
    assert net.evaluate(x, y) == measured
    np.testing.assert_array_equal(net.stream().step(x[0][0]), first)
    assert net.save(tmp_path / "after.safetensors").read_bytes() == path.read_bytes()
    assert net.replace().carried_state is None


# ---------------------------------------------------------------- activations


def test_activations_are_what_each_layer_puts_out(backend):
    net, x = network("last"), draw()
    p = net.parameters
    with ml.use_backend(backend.name):
        close(net.activations(x, "input"), [a - [1, 2, 3] for a in x])
        lower, upper = net.activations(x, "lower"), net.activations(x, "upper")
        assert [a.shape for a in lower] == [(n, 4) for n in LENGTHS] and upper.shape == (5, 5)
        close(net.activations(x, "dropout"), lower)  # nothing is dropped in prediction
        logits = net.activations(x, "fc")
        close(logits, upper @ p["fc/weights"].T + p["fc/bias"])
        close(net.activations(x, "softmax"), net.predict(x))
    assert net.activations(x[0], "lower").shape == (7, 4)
    assert net.activations(x[0], "fc").shape == (3,)
    assert net.activations(np.stack(draw((4, 4))), "lower").shape == (2, 4, 4)
    close(net.activations(x, "lower/out"), lower)


def test_activations_of_an_unknown_layer_or_output():
    names = "['input', 'lower', 'dropout', 'upper', 'fc', 'softmax']"
    with refuses(f"layer is 'lstm', but the network has {names}; name one of them."):
        network().activations(draw(), "lstm")
    with refuses("layer is 'lower/cell', but 'lower' has the outputs ['out']; name one of them."):
        network().activations(draw(), "lower/cell")


def test_a_bidirectional_network_predicts_ragged_lists_and_does_not_stream():
    net, x = network(lstm=ml.BiLSTM), draw()
    for alone, together in zip(x, net.predict(x), strict=True):
        close(net.predict(alone), together)
    close(net.predict(x, mini_batch_size=2), net.predict(x))
    with pytest.raises(ValueError, match=r"the layer 'lower' .* needs whole sequences"):
        net.stream()
