"""Training of networks with several outputs, of steps that count more or less, and of pieces.
The gradients are compared with formulas and with smaller networks."""

import math

import numpy as np
import pytest
from builders import gradient_of, start
from builders import regressor as layers
from builders import running_sums as data
from builders import train_regressor as train

import minilstm as ml
from minilstm.network.passes import memory

# ---------------------------------------------------------------- several outputs


def two_headed():
    graph = ml.LayerGraph([ml.SequenceInput(2, name="x"), ml.LSTM(4, name="lstm")])
    graph.add([ml.FullyConnected(3, name="scores"), ml.Softmax(name="class")])
    graph.add([ml.FullyConnected(2, name="level")])
    return graph.connect("lstm", "scores").connect("lstm", "level")


def test_two_outputs_add_their_losses_and_their_gradients(backend):
    x, levels = data(responses=2)
    labels = [np.arange(len(a)) % 3 for a in x]
    weights = [np.linspace(0, 1, len(a)) for a in x]
    both = start(two_headed(), classes={"class": np.arange(3)})
    parts = {}
    for name, gone in (("class", ["level"]), ("level", ["scores", "class"])):
        graph = two_headed()
        for layer in gone:
            graph.remove(layer)
        kept = {k: p for k, p in both.parameters.items() if k.split("/")[0] not in gone}
        parts[name] = ml.Network(
            graph, kept, dtype="float64", classes=np.arange(3) if name == "class" else None
        )
    with ml.use_backend(backend.name):
        g, loss = gradient_of(
            x, {"class": labels, "level": levels}, both, {"class": "crossentropy", "level": "mae"},
            step_weights={"class": weights, "level": weights},
        )  # fmt: skip
        g_class, of_class = gradient_of(
            x, labels, parts["class"], "crossentropy", step_weights=weights
        )
        g_level, of_level = gradient_of(x, levels, parts["level"], "mae", step_weights=weights)
    assert loss == pytest.approx(of_class + of_level, rel=1e-12)
    for key in g:
        want = g_class.get(key, 0) + g_level.get(key, 0)
        np.testing.assert_allclose(g[key], want, rtol=1e-8, atol=1e-13)


def test_metrics_of_two_outputs_stand_under_their_names():
    x, levels = data(responses=2)
    labels = [np.array(["a", "b", "c"])[np.arange(len(a)) % 3] for a in x]
    y = {"class": labels, "level": levels}
    net, info = train(
        x, y, two_headed(), {"class": "crossentropy", "level": "mse"}, max_epochs=2,
        validation_data=(x, y), validation_frequency=1, output_network="best-validation",
    )  # fmt: skip
    measured = net.evaluate(x, y)
    assert set(measured) == {"loss", "class/accuracy", "level/rmse"}
    assert measured["loss"] == pytest.approx(info.history["validation_loss"][-1], rel=1e-9)
    scores, numbers = net.predict(x)
    right = np.concatenate([np.argmax(s, axis=1) == np.arange(len(s)) % 3 for s in scores])
    assert measured["class/accuracy"] == pytest.approx(right.mean())
    errors = np.concatenate([n - t for n, t in zip(numbers, levels, strict=True)])
    assert measured["level/rmse"] == pytest.approx(math.sqrt((errors**2).mean()), rel=1e-9)


def test_two_outputs_may_each_have_classes_of_their_own(tmp_path):
    x, _ = data()
    graph = two_headed()
    graph.add([ml.Softmax(name="which")]).connect("level", "which")
    y = {
        "class": [np.array(["a", "b", "c"])[np.arange(len(a)) % 3] for a in x],
        "which": [np.where(a[:, 0] > 0, 10, 20) for a in x],
    }
    net, _ = train(
        x, y, graph, {"class": "crossentropy", "which": "crossentropy"}, max_epochs=60,
        initial_learn_rate=0.05, metrics=["accuracy"], validation_data=(x, y),
    )  # fmt: skip
    assert {k: c.tolist() for k, c in net.classes.items()} == {
        "class": ["a", "b", "c"],
        "which": [10, 20],
    }
    assert "classes of which: 10, 20" in net.summary()
    net.save(tmp_path / "model.safetensors")
    for one in (net, ml.load(tmp_path / "model.safetensors"), net.replace(dtype="float64")):
        labels, which = one.classify(x)
        right = [(a == b).mean() for a, b in zip(which, y["which"], strict=True)]
        assert set(np.concatenate(labels)) <= set("abc") and np.mean(right) > 0.9
        assert one.evaluate(x, y)["which/accuracy"] > 0.9
    more, _ = train(x, y, net, None, max_epochs=1)
    assert more.classes.keys() == net.classes.keys()


# ---------------------------------------------------------------- ignored labels and weights


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_labels_and_weights_change_the_gradient_as_the_formula_says(
    backend, padded, weighted
):
    x, _ = data()
    rng = np.random.default_rng(2)
    labels = [rng.choice(["no", "run", "walk", "?"], len(a)) for a in x]
    by_step = [rng.uniform(0, 2, len(a)) for a in x]
    by_class = {"no": 1.0, "run": 3.0, "walk": 0.5} if weighted else None
    net = start(
        [ml.SequenceInput(2), ml.FullyConnected(3), ml.Softmax()], classes=["no", "run", "walk"]
    )
    options = {"sequence_length": "longest"} if padded else {}
    if weighted:
        options["step_weights"] = by_step
    loss = ml.CrossEntropy(class_weights=by_class, ignored_labels=["?"])
    with ml.use_backend(backend.name):
        g, value = gradient_of(x, labels, net, loss, **options)

    rows, names = np.concatenate(x), np.concatenate(labels)
    counted = names != "?"
    rows, names = rows[counted], names[counted]
    truth = (names[:, None] == ["no", "run", "walk"]).astype(float)  # (N, 3)
    z = rows @ net.parameters["fc/weights"].T + net.parameters["fc/bias"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    w = np.ones(len(rows))
    if weighted:
        w = np.concatenate(by_step)[counted] * (truth @ [1.0, 3.0, 0.5])
    divisor = len(x) * max(map(len, x)) if padded else len(rows)
    want = -(w * np.log(p[truth == 1])).sum() / divisor
    assert value == pytest.approx(want, rel=1e-12)
    dz = w[:, None] * (p - truth) / divisor
    np.testing.assert_allclose(g["fc/weights"], dz.T @ rows, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(g["fc/bias"], dz.sum(axis=0), rtol=1e-9, atol=1e-13)


def test_a_weight_of_zero_is_a_step_that_is_not_there():
    x, y = data()
    weights = [np.where(np.arange(len(a)) % 2, 0.0, 1.0) for a in x]
    net = start(layers())
    g, loss = gradient_of(x, y, net, step_weights=weights)
    other = [np.where(w[:, None] == 0, 1e6, t) for t, w in zip(y, weights, strict=True)]
    same, again = gradient_of(x, other, net, step_weights=weights)
    assert loss == again and all((g[k] == v).all() for k, v in same.items())


# ---------------------------------------------------------------- time


def test_a_pair_of_functions_sees_all_rows_of_a_long_batch(monkeypatch):
    monkeypatch.setattr(memory, "SPAN_ROWS", 6)  # a loss that can be cut goes in several spans
    x, y = data()
    net = start(layers())
    seen = []

    def mean_squares(y, t):
        seen.append(len(y))
        return ((y - t) ** 2).mean()

    gradients, loss = gradient_of(x, y, net, (mean_squares, lambda y, t: 2 * (y - t) / y.size))
    expected, named = gradient_of(x, y, net, "mse")
    assert set(seen) == {23}
    assert loss == pytest.approx(named, rel=1e-12)
    for key, g in expected.items():
        np.testing.assert_allclose(gradients[key], g, rtol=1e-9, atol=1e-12)
