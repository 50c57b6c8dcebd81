"""Graphs trained in spans of time: every cut has the gradients of the whole, every budget its bits.
Joins, outputs of both kinds, dropout and images, each cut where sequences of a batch end."""

import numpy as np
import pytest
from builders import batch_of, doubled, sequences

import minilstm as ml
from minilstm.network.passes import memory

LENGTHS = (21, 3, 1, 21, 9, 13)


def chain(*layers):
    return ml.LayerGraph([ml.SequenceInput(3, "zerocenter", [1, 2, 3], name="x"), *layers])


def scores(name="scores"):
    return [ml.FullyConnected(3, name=f"{name}_fc"), ml.Softmax(name=name)]


def residual():
    graph = chain(ml.LSTM(3, name="a"), ml.LSTM(3, name="b"), ml.Addition(3, name="sum"), *scores())
    return graph.connect("a", "sum/in2").connect("x", "sum/in3"), ["crossentropy"]


def last_and_every_step():
    graph = chain(ml.LSTM(4, name="a"), ml.LSTM(3, "last", name="b"), ml.Dropout(0.4), *scores())
    graph.add(ml.FullyConnected(2, name="numbers")).connect("a", "numbers")
    return graph, ["crossentropy", "mse"]


def two_last_steps_joined():
    graph = chain(ml.LSTM(4, "last", name="a"), ml.Concatenation(2, name="both"))
    graph.add([ml.Dropout(0.3), ml.LSTM(2, "last", name="b")]).connect("x", "dropout")
    graph.add([ml.FullyConnected(4, name="wide"), ml.ReLU(), *scores()])
    return graph.connect("b", "both/in2").connect("both", "wide"), ["crossentropy"]


def two_outputs_of_one_layer():
    graph = chain(ml.LSTM(4, name="a"), ml.Sigmoid(), *scores("first"))
    graph.add(scores("second")).connect("sigmoid", "second_fc")
    return graph, ["crossentropy", "crossentropy"]


def softmax_used_inside():
    graph = chain(ml.LSTM(3, name="a"), *scores("inner"), ml.LSTM(4, name="b"), *scores())
    return graph, ["crossentropy"]


def images():
    layers = [
        ml.SequenceInput([4, 4, 1], name="x"), ml.SequenceFolding(name="fold"),
        ml.Convolution2D(3, 2), ml.ReLU(), ml.SequenceUnfolding(name="unfold"), ml.Flatten(),
        ml.LSTM(3, "last"), *scores(),
    ]  # fmt: skip
    graph = ml.LayerGraph(layers).connect("fold/mini_batch_size", "unfold/mini_batch_size")
    return graph, ["crossentropy"]


def without_states():
    return chain(ml.FullyConnected(4), ml.Dropout(0.5), ml.ReLU(), *scores()), ["crossentropy"]


GRAPHS = [
    residual, last_and_every_step, two_last_steps_joined, two_outputs_of_one_layer,
    softmax_used_inside, images, without_states,
]  # fmt: skip


def problem(build):
    graph, losses = build()
    net = doubled(graph, losses=losses)
    return net, batch_of(net, sequences(*net.layers[0].shape, lengths=LENGTHS))


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("rows", [6, 11, 40])
def test_every_cut_gives_the_gradients_of_the_whole(monkeypatch, backend, build, rows):
    net, batch = problem(build)
    options = {"backend": backend, "key": 12345, "want_outputs": True}
    whole = net.loss_and_gradients(batch, **options)
    assert len(net.plan_memory(batch.signals[0].active).spans) == 1
    monkeypatch.setattr(memory, "SPAN_ROWS", rows)
    assert len(net.plan_memory(batch.signals[0].active).spans) > 2
    cut = [net.loss_and_gradients(batch, memory_budget=b, **options) for b in (1, 1e12)]
    for result in cut:
        assert result.loss == pytest.approx(whole.loss, rel=1e-13)
        assert result.loss == cut[0].loss and result.correct == whole.correct
        assert result.gradients.keys() == whole.gradients.keys() == net.parameters.keys()
        for key, g in result.gradients.items():
            size = max(np.abs(whole.gradients[key]).max(), 1e-3)
            assert np.abs(g - whole.gradients[key]).max() < 1e-12 * size, key
            assert g.tobytes() == cut[0].gradients[key].tobytes(), key
        for name, pair in result.state.items():
            np.testing.assert_allclose(pair, whole.state[name], rtol=1e-11, atol=1e-14)
        for got, want in zip(result.outputs, whole.outputs, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_prediction_in_spans_gives_what_one_run_gives(monkeypatch, backend, build):
    net, _ = problem(build)
    rng = np.random.default_rng(3)
    x = [rng.standard_normal((n, *net.layers[0].shape)) for n in LENGTHS]
    with ml.use_backend(backend.name):
        whole, state = net.predict(x, return_state=True)
        monkeypatch.setattr("minilstm.network.passes.memory.SPAN_ROWS", 7)
        monkeypatch.setattr("minilstm.network.passes.prediction_pass.SPAN_BYTES", 0)
        cut, after = net.predict(x, return_state=True)
    for many, others in zip(cut, whole, strict=True):
        for a, b in zip(many, others, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)
    for name, pair in state.items():
        np.testing.assert_allclose(after[name], pair, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("build", GRAPHS, ids=lambda build: build.__name__)
def test_streams_of_graphs_give_the_last_step_of_what_came_so_far(backend, build):
    net, _ = problem(build)
    if len(net.output_names) > 1:
        pytest.skip("a stream has one output")
    x = np.random.default_rng(3).standard_normal((6, *net.layers[0].shape))
    with ml.use_backend(backend.name):
        stream = net.stream()
        for t, x_t in enumerate(x):
            so_far = net.predict(x[: t + 1])
            want = so_far[-1] if so_far.ndim == 2 else so_far
            np.testing.assert_allclose(stream.step(x_t), want, rtol=1e-11, atol=1e-14)
