"""Networks that are more than a chain: several inputs and outputs, joins, states between layers.
What they predict, stream, save and learn is checked against other ways to the same numbers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from agreement import bits, refuses
from builders import (
    LENGTHS,
    built,
    encoder_decoder,
    labels,
    residual,
    sequences,
    two_in_two_out,
    video,
    volumes,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import minilstm as ml
from minilstm.layers import KINDS

GOLDEN = Path(__file__).parents[1] / "golden"


NETWORKS = {
    "chain": (
        lambda: [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(3), ml.Softmax(),
                 ml.ClassificationOutput()],
        (3,),
    ),
    "residual": (residual, (4,)),
    "encoder-decoder": (encoder_decoder, (3,)),
    "video": (video, (6, 5, 2)),
    "volumes": (volumes, (4, 4, 3, 1)),
}  # fmt: skip
networks = pytest.mark.parametrize("network", NETWORKS)


# ---------------------------------------------------------------- several inputs and outputs


def test_several_inputs_and_outputs_by_name_or_in_order():
    net = built(two_in_two_out(), losses=["crossentropy", "mse"], classes=["sit", "walk"])
    assert net.input_names == ["sound", "motion"] and net.output_names == ["activity", "speed"]
    x = {"motion": sequences(3), "sound": sequences(2, seed=5)}
    activity, speed = net.predict(x)
    assert [a.shape for a in activity] == [(n, 2) for n in LENGTHS]
    assert [a.shape for a in speed] == [(n, 1) for n in LENGTHS]
    assert bits(net.predict([x["sound"], x["motion"]])) == bits((activity, speed))
    single = net.predict([x["sound"][0], x["motion"][0]])
    np.testing.assert_allclose(single[1], speed[0], rtol=1e-12)
    with pytest.raises(
        ml.DataError, match=r"^x is a dict of \['sound'\], but the network's inputs"
    ):
        net.predict({"sound": x["sound"]})
    with pytest.raises(ml.DataError, match="give every input of the network as many sequences"):
        net.predict({"sound": sequences(2, lengths=(6, 2, 4)), "motion": x["motion"]})


def test_several_outputs_by_hand(backend):
    net = built(two_in_two_out(), losses=["crossentropy", "mse"], classes=["sit", "walk"])
    sound, motion = sequences(2), sequences(3, seed=5)
    p = net.parameters
    with ml.use_backend(backend.name):
        _, speed = net.predict([sound, motion])
        parts = []
        for name, data, D, H in (("body", motion, 3, 3), ("ear", sound, 2, 4)):
            alone = ml.Network(
                [ml.SequenceInput(D), ml.LSTM(H, name=name)],
                {k: v for k, v in p.items() if k.startswith(name)}, dtype="float64",
            )  # fmt: skip
            if name == "body":
                data = [(a - [1, 2, 3]) / [1, 2, 4] for a in data]
            parts.append(alone.predict(data))
    for body, ear, got in zip(*parts, speed, strict=True):
        want = np.concatenate([body, ear], axis=1) @ p["speed/weights"].T + p["speed/bias"]
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_network_of_several_inputs_and_outputs_is_trained_measured_and_saved(tmp_path):
    x = {"sound": sequences(2), "motion": sequences(3, seed=5)}
    y = {"activity": [np.where(a[:, 0] > 0, "walk", "sit") for a in x["sound"]]}
    y["speed"] = [a[:, :1] for a in x["motion"]]
    options = ml.TrainingOptions(
        max_epochs=3, verbose=False, metrics=["accuracy"], validation_data=(x, y),
        initial_learn_rate=0.05,
    )  # fmt: skip
    loss = {"activity": "crossentropy", "speed": "mse"}
    with pytest.raises(ValueError, match="metrics holds 'accuracy', which is for classes"):
        ml.train(x, y, two_in_two_out(), loss, options)
    options = ml.TrainingOptions(
        max_epochs=40, verbose=False, validation_data=(x, y), initial_learn_rate=0.05
    )
    net, info = ml.train(x, y, two_in_two_out(), loss, options)
    assert info.history["loss"][-1] < 0.5 * info.history["loss"][1]  # after iteration 0
    measured = net.evaluate(x, y)
    assert set(measured) == {"loss", "activity/accuracy", "speed/rmse"}
    activity, speed = net.predict(x)
    squares = np.concatenate(speed) - np.concatenate(y["speed"])
    assert measured["speed/rmse"] == pytest.approx(np.sqrt((squares**2).mean()), rel=1e-5)
    assert info.history["validation_loss"][-1] == pytest.approx(measured["loss"], rel=1e-5)
    again = ml.load(net.save(tmp_path / "model.safetensors"))
    assert bits(again.predict(x)) == bits((activity, speed))
    assert again.evaluate(x, y) == measured
    with pytest.raises(ValueError, match=r"^the network has 2 inputs, .* a stream has one of each"):
        net.stream()


# ---------------------------------------------------------------- joins and states


def test_a_skip_connection_adds_what_the_layers_put_out(backend):
    net, x = built(residual()), sequences(4)
    with ml.use_backend(backend.name):
        total, a, b = (net.activations(x, name) for name in ("sum", "a", "b"))
        scores = net.predict(x)
    for t, one, two, own, s in zip(total, a, b, x, scores, strict=True):
        np.testing.assert_allclose(t, one + two + own, rtol=1e-13)
        logits = t @ net.parameters["fc/weights"].T + net.parameters["fc/bias"]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_allclose(s, e / e.sum(axis=1, keepdims=True), rtol=1e-12)


def test_a_decoder_starts_from_the_state_of_the_encoder(backend):
    net, x = built(encoder_decoder()), sequences(3)
    p = net.parameters
    parts = []
    for name in ("encoder", "decoder"):
        own = {k: v for k, v in p.items() if k.startswith(name)}
        layers = [ml.SequenceInput(3), ml.LSTM(4, name=name)]
        parts.append(ml.Network(layers, own, dtype="float64"))
    encoder, decoder = parts
    with ml.use_backend(backend.name):
        _, state = encoder.predict(x, return_state=True)
        want = decoder.predict(x, state={"decoder": state["encoder"]})
        got = net.activations(x, "decoder")
        np.testing.assert_allclose(net.activations(x, "encoder/cell"), state["encoder"].cell)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(ValueError, match=r"'encoder'.* needs whole sequences"):
        net.stream()


@pytest.mark.parametrize("outputs", [True, False])
def test_a_state_between_layers_is_no_other_in_long_sequences(monkeypatch, outputs):
    """Prediction runs in spans of time where it can; a state that comes from a layer forbids it."""
    if outputs:
        graph = encoder_decoder()
    else:
        graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(4, "last", name="encoder")])
        graph.add(ml.LSTM(4, has_state_inputs=True, name="decoder")).connect("input", "decoder")
        graph.connect("encoder", "decoder/hidden").connect("encoder", "decoder/cell")
    net, x = built(graph), sequences(3, lengths=(40, 25))
    whole = net.predict(x)
    monkeypatch.setattr("minilstm.network.passes.memory.SPAN_ROWS", 8)
    monkeypatch.setattr("minilstm.network.passes.prediction_pass.SPAN_BYTES", 0)
    for a, b in zip(net.predict(x), whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(ValueError, match="needs whole sequences"):
        net.stream()


# ---------------------------------------------------------------- gradients


@networks
def test_gradients_of_whole_networks(backend, network):
    layers, shape = NETWORKS[network]
    net, x = built(layers()), sequences(*shape)
    y = np.random.default_rng(2).standard_normal((3, 1)) if network == "volumes" else labels(3)
    with ml.use_backend(backend.name):
        assert ml.gradcheck(net, x, y, tolerance=1e-9, max_entries=6).passed


def test_gradients_of_several_inputs_and_outputs(backend):
    net = built(two_in_two_out(), losses=["crossentropy", "mse"])
    x, y = [sequences(2), sequences(3, seed=5)], [labels(2), sequences(1, seed=6)]
    with ml.use_backend(backend.name):
        report = ml.gradcheck(net, x, y, tolerance=1e-9, max_entries=6)
    checked = {e.name for e in report.errors}
    assert {"input", "input_2", "speed/weights", "ear/bias", "body/initial_cell"} <= checked


@st.composite
def random_graphs(draw_one):
    """A few layers in a row; now and then two branches that are joined again."""
    graph = ml.LayerGraph([ml.SequenceInput(draw_one(st.integers(1, 3)), name="x")])
    end, width = "x", graph["x"].input_size
    for n in range(draw_one(st.integers(1, 4))):
        H = draw_one(st.integers(1, 4))
        kind = draw_one(
            st.sampled_from(
                ["lstm", "bilstm", "fc", "relu", "sigmoid", "dropout", "bn", "add", "cat"]
            )
        )
        single = {
            "lstm": ml.LSTM(H, name=f"n{n}"),
            "bilstm": ml.BiLSTM(H, name=f"n{n}"),
            "fc": ml.FullyConnected(H, name=f"n{n}"),
            "relu": ml.ReLU(name=f"n{n}"),
            "sigmoid": ml.Sigmoid(name=f"n{n}"),
            "dropout": ml.Dropout(0.4, name=f"n{n}"),
            "bn": ml.BatchNormalization(name=f"n{n}"),
        }
        if kind in single:
            graph.add(single[kind]).connect(end, f"n{n}")
            width = {"lstm": H, "bilstm": 2 * H, "fc": H}.get(kind, width)
        else:
            same = kind == "add"
            graph.add(ml.LSTM(width if same else H, name=f"branch{n}")).connect(end, f"branch{n}")
            graph.add(ml.Addition(2, name=f"n{n}") if same else ml.Concatenation(2, name=f"n{n}"))
            graph.connect(end, f"n{n}/in1").connect(f"branch{n}", f"n{n}/in2")
            width += 0 if same else H
        end = f"n{n}"
    last = draw_one(st.booleans())
    if last:
        graph.add(ml.LSTM(2, "last", name="end")).connect(end, "end")
        end = "end"
    graph.add([ml.FullyConnected(3, name="out"), ml.Softmax(name="scores")]).connect(end, "out")
    lengths = draw_one(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    return graph, lengths, last, draw_one(st.integers(0, 99))


@settings(max_examples=20)
@given(random_graphs())
def test_gradients_of_random_graphs(backend, problem):
    graph, lengths, last, seed = problem
    net = built(graph, seed=seed)
    x = sequences(graph["x"].input_size, lengths=lengths, seed=seed)
    y = labels(3, (1,) * len(lengths) if last else lengths, seed)
    y = np.concatenate(y) if last else y
    with ml.use_backend(backend.name):
        assert ml.gradcheck(net, x, y, tolerance=1e-9, max_entries=4).passed


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@networks
def test_a_network_comes_back_from_its_file_bit_for_bit(tmp_path, network, dtype, backend):
    layers, shape = NETWORKS[network]
    net, x = built(layers(), dtype), sequences(*shape)
    again = ml.load(net.save(tmp_path / "model.safetensors"))
    with ml.use_backend(backend.name):
        assert bits(again.predict(x)) == bits(net.predict(x))
    tables = [repr(n.wiring.graph).splitlines()[1:] for n in (again, net)]
    assert tables[0] == tables[1]
    assert again.parameters.keys() == net.parameters.keys()
    assert all(bits(v) == bits(again.statistics[k]) for k, v in net.statistics.items())


def test_every_kind_of_layer_is_among_the_networks_that_are_saved():
    saved = {a.kind for build, _ in NETWORKS.values() for a in built(build()).layers}
    saved |= {a.kind for a in built(two_in_two_out()).layers}
    assert set(KINDS) == saved


def test_a_file_of_format_version_1_still_loads():
    net = ml.load(GOLDEN / "model_v1.safetensors")
    assert [a.name for a in net.layers] == ["in", "memory", "lstm_2", "fc", "softmax"]
    assert net.classes.tolist() == ["run", "walk"] and net.layers[1].bias_l2_factor == 0.25
    x = np.arange(15.0).reshape(5, 3) / 7
    want = [0.47403863072395325, 0.5259613394737244]
    np.testing.assert_allclose(net.predict(x), want, rtol=1e-6)
    np.testing.assert_allclose(net.layers[0].mean, [1.05376935, 2.05963183, 3.23387136], rtol=1e-8)


# ---------------------------------------------------------------- given values


def with_values(net):
    """The layers of a trained network with its values as options."""
    layers = []
    for layer in net.wiring.graph.layers:
        own = net.by_layer()[layer.name]
        options = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
        layers.append(type(layer)(**{**options, **own}))
    return net.wiring.graph.named(layers)


@networks
def test_an_assembled_network_predicts_what_the_trained_one_does(network, backend):
    layers, shape = NETWORKS[network]
    net, x = built(layers(), "float32"), sequences(*shape)
    classes = list(range(5, 5 + net.wiring.shape(net.wiring.outputs[0])[-1]))
    other = ml.assemble(with_values(net), classes=classes)
    assert other.classes.tolist() == classes and other.dtype == np.float32
    with ml.use_backend(backend.name):
        assert bits(other.predict(x)) == bits(net.predict(x))


def test_assembling_without_values_names_what_is_missing():
    W, b = np.ones((2, 4)), np.zeros(2)
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2, weights=W), ml.Softmax()]
    with refuses(
        "the layers were given no values for lstm/input_weights, lstm/recurrent_weights, "
        "lstm/bias, fc/bias; give each layer its arrays, such as FullyConnected(5, weights=W, "
        "bias=b)."
    ):
        ml.assemble(layers)
    layers = [ml.SequenceInput(3), ml.FullyConnected(2, weights=W, bias=b)]
    with pytest.raises(ValueError, match=r"^the layer 'fc' .*weights of shape \(2, 4\).*\(2, 3\)"):
        ml.assemble(layers)
    lstm = ml.LSTM(
        1, input_weights=np.ones((4, 2)), recurrent_weights=np.ones((4, 1)), bias=[0] * 4
    )
    with pytest.raises(ValueError, match=r"^the layer 'lstm' .*shape \(4, 2\).*\(4, 3\)"):
        ml.assemble([ml.SequenceInput(3), lstm])
