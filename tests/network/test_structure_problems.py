"""Every fault of a network is one sentence that names the layers and the shapes, before training.
And a summary lists all of them at once, with the sizes and the memory of what is right."""

import re

import numpy as np
import pytest
from agreement import refuses

import minilstm as ml
from minilstm.training.loop import TrainingLoop


@pytest.fixture(autouse=True)
def no_training_starts(monkeypatch):
    """Whatever is refused here is refused before the first step."""

    def run(self):
        raise AssertionError("training has started")

    monkeypatch.setattr(TrainingLoop, "run", run)


def sequences(*shape, lengths=(5, 3)):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((n, *shape)) for n in lengths]


def labels(*lengths):
    return [np.arange(n) % 2 for n in lengths]


def tail(classes=2):
    return [ml.FullyConnected(classes, name="fc"), ml.Softmax(name="softmax")]


def circle():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.Addition(2, name="sum"), ml.LSTM(3), *tail()])
    return graph.connect("lstm", "sum/in2")


def dangling():
    return ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(3), ml.Addition(2, name="sum"), *tail()])


def different_shapes():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(4), ml.Addition(2, name="sum"), *tail()])
    return graph.connect("input", "sum/in2")


def different_images():
    graph = ml.LayerGraph(
        [ml.SequenceInput([6, 6, 1]), ml.Convolution2D(3, 2), ml.Concatenation(2, name="join")]
    )
    graph.connect("input", "join/in2")
    graph.add([ml.Flatten(), ml.LSTM(2), *tail()]).connect("join", "flatten")
    return graph


def mixed_modes():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(3, "last"), ml.Addition(2, name="sum")])
    graph.connect("input", "sum/in2").add(tail()).connect("sum", "fc")
    return graph


def narrow_state():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(4, has_state_outputs=True, name="encoder")])
    graph.add([ml.LSTM(5, has_state_inputs=True, name="decoder"), *tail()])
    graph.connect("input", "decoder")
    graph.connect("encoder/hidden", "decoder/hidden").connect("encoder/cell", "decoder/cell")
    return graph


def with_image(*layers, size=(6, 6, 1)):
    return lambda: [ml.SequenceInput(size), *layers, *tail()]


PROBLEMS = {
    "a circle": (
        circle,
        "the layers 'lstm' -> 'sum' -> 'lstm' form a circle; disconnect one of these connections.",
    ),
    "a dangling input": (
        dangling,
        "the input 'in2' of 'sum' (Addition of 2 inputs) is fed by nothing; connect an output to "
        "'sum/in2', or remove the layer.",
    ),
    "addition of different shapes": (
        different_shapes,
        "the layer 'sum' (Addition of 2 inputs) has inputs of shapes (4,), (3,) (fed by 'lstm', "
        "'input'); give it 2 inputs of one shape.",
    ),
    "concatenation of images of different sizes": (
        different_images,
        "the layer 'join' (Concatenation of 2 inputs) has inputs of shapes (4, 4, 2), (6, 6, 1) "
        "(fed by 'conv', 'input'); give it 2 inputs that differ in the last axis only.",
    ),
    "a filter larger than the image": (
        with_image(ml.Convolution2D(5, 2), ml.Flatten(), size=(4, 4, 1)),
        "the layer 'conv' (2 5x5 convolutions with stride [1 1] and padding [0 0 0 0]) has filters "
        "that reach over (5, 5), but its input of shape (4, 4, 1) is (4, 4) with its padding (fed "
        "by 'input'); use smaller filters, more padding, or larger images.",
    ),
    "a convolution of vectors": (
        with_image(ml.Convolution2D(5, 2), ml.Flatten(), size=3),
        "the layer 'conv' (2 5x5 convolutions with stride [1 1] and padding [0 0 0 0]) wants an "
        "input of shape (h, w, c), but its input has shape (3,) (fed by 'input'); give it images "
        "or volumes with channels last.",
    ),
    "a convolution of volumes": (
        with_image(ml.Convolution2D(3, 2), ml.Flatten(), size=(4, 4, 4, 1)),
        "the layer 'conv' (2 3x3 convolutions with stride [1 1] and padding [0 0 0 0]) wants an "
        "input of shape (h, w, c), but its input has shape (4, 4, 4, 1) (fed by 'input'); give it "
        "images or volumes with channels last.",
    ),
    "an LSTM after an image": (
        with_image(ml.Convolution2D(3, 2), ml.LSTM(3)),
        "the layer 'lstm' (LSTM with 3 hidden units) wants vectors (D,), but its input has shape "
        "(4, 4, 2) (fed by 'conv'); put Flatten() before it.",
    ),
    "an LSTM behind the last step": (
        with_image(ml.LSTM(3, "last"), ml.ReLU(), ml.LSTM(2), size=3),
        "the LSTM 'lstm_2' follows 'lstm_1', which keeps the last step only; set "
        "output_mode='sequence' in 'lstm_1'.",
    ),
    "steps and last steps together": (
        mixed_modes,
        "'sum' joins ['lstm', 'input'], of which some give a row a step and some a row a "
        "sequence; give all of them the same output_mode.",
    ),
    "a state of another width": (
        narrow_state,
        "the layer 'decoder' (LSTM with 5 hidden units) wants shape (5,) at its input 'hidden', "
        "but what arrives there has shape (4,) (fed by 'input', 'encoder', 'encoder'); make both "
        "layers equally wide.",
    ),
    "an output layer in the middle": (
        lambda: [ml.SequenceInput(3), ml.ClassificationOutput(name="output"), ml.LSTM(3), *tail()],
        "'output' is an output layer, but feeds others; put it at the end.",
    ),
    "no input": (
        lambda: ml.LayerGraph([ml.LSTM(3), *tail()]),
        "the graph has no SequenceInput; add one, such as SequenceInput(3).",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", PROBLEMS)
def test_a_fault_is_one_sentence_before_anything_runs(fault):
    build, message = PROBLEMS[fault]
    layers = build()
    problems = ml.analyze(layers).problems
    first = (layers if isinstance(layers, list) else layers.layers)[0]
    x = sequences(*(first.shape if isinstance(first, ml.SequenceInput) else (3,)))
    options = ml.TrainingOptions(verbose=False)
    for attempt in (
        lambda: ml.train(x, labels(5, 3), layers, options=options),
        lambda: ml.Network(layers, rng=np.random.default_rng(0)),
        lambda: ml.assemble(layers),
    ):
        with pytest.raises(ValueError, match=";") as caught:
            attempt()
        said = re.sub(r" \(and \d+ more; see summary\(\)\)$", "", str(caught.value))
        assert said == problems[0] == message
        assert "\n" not in said and said.endswith(".") and said.count("; ") >= 1
    for name in re.findall(r"'(\w+)'", problems[0]):
        assert name in re.findall(r"\w+", ml.analyze(layers).text())


# ---------------------------------------------------------------- all problems at once


def four_faults():
    graph = ml.LayerGraph([ml.SequenceInput([4, 4, 1], name="video"), ml.LSTM(3, name="memory")])
    graph.add([ml.SequenceInput(2, name="sound"), ml.LSTM(3, name="ear")])
    graph.add([ml.Addition(3, name="sum"), *tail()])
    graph.add([ml.SequenceInput(7, name="third"), ml.Addition(2, name="other")])
    graph.connect("ear", "sum/in1").connect("sound", "sum/in2").connect("ear", "other/in2")
    return graph


def test_a_summary_lists_every_problem_of_a_graph():
    graph = four_faults()
    problems = ml.analyze(graph).problems
    assert len(problems) == 4
    assert problems[0].startswith("the input 'in3' of 'sum' (Addition of 3 inputs) is fed by nothi")
    assert any(
        p.startswith("the layer 'memory' (LSTM with 3 hidden units) wants") for p in problems
    )
    assert any("'sum'" in p and "(3,), (2,) (fed by 'ear', 'sound')" in p for p in problems)
    assert any("'other'" in p and "(7,), (3,)" in p for p in problems)
    text = graph.summary()
    assert "4 problems:" in text
    assert all(f"  - {problem}" in text.splitlines() for problem in problems)
    for layer in graph.layers:
        assert layer.name in text
    with pytest.raises(ValueError, match=r"fed by nothing.*\(and 3 more; see summary\(\)\)$"):
        ml.Network(graph, rng=np.random.default_rng(0))


def test_a_circle_does_not_hide_other_problems():
    graph = circle().add([ml.SequenceInput([4, 4, 1], name="video"), ml.LSTM(3, name="memory")])
    problems = ml.analyze(graph).problems
    assert len(problems) == 2
    assert any("form a circle" in p for p in problems) and any("'memory'" in p for p in problems)
    assert "2 problems:" in graph.summary()


def test_what_follows_a_fault_is_no_fault_of_its_own():
    layers = [ml.SequenceInput([6, 6, 1]), ml.LSTM(3), ml.LSTM(3), ml.Convolution2D(3, 2), *tail()]
    assert len(ml.analyze(layers).problems) == 1


# ---------------------------------------------------------------- sizes and memory by hand


def test_shapes_learnables_states_and_memory_are_those_computed_by_hand():
    layers = [
        ml.SequenceInput([28, 28, 1]),
        ml.SequenceFolding(),
        ml.Convolution2D(5, 20),
        ml.BatchNormalization(),
        ml.ReLU(),
        ml.SequenceUnfolding(),
        ml.Flatten(),
        ml.LSTM(200, "last"),
        ml.FullyConnected(10),
        ml.Softmax(),
    ]
    B, T = 3, 7
    facts = ml.analyze(layers, batch_size=B, sequence_length=T)
    assert facts.problems == ()
    assert [layer.shape for layer in facts.layers] == [
        (28, 28, 1), (28, 28, 1), (24, 24, 20), (24, 24, 20), (24, 24, 20), (24, 24, 20),
        (11520,), (200,), (10,), (10,),
    ]  # fmt: skip
    assert [layer.steps for layer in facts.layers] == [True] * 7 + [False] * 3
    assert [layer.learnables for layer in facts.layers] == [
        0, 0, 5 * 5 * 1 * 20 + 20, 2 * 20, 0, 0, 0, 800 * 11520 + 800 * 200 + 800, 2010, 0,
    ]  # fmt: skip
    assert facts.learnables == 520 + 40 + 9_376_800 + 2010
    assert [layer.states for layer in facts.layers] == [0] * 7 + [400, 0, 0]
    steps, image, big = B * T * 4, 28 * 28, 24 * 24 * 20  # float32
    number = B * 4  # the number of sequences that folding puts out beside the steps
    assert [layer.memory for layer in facts.layers] == [
        steps * image, steps * image + number, *[steps * big] * 5, B * 200 * 4, B * 40, B * 40,
    ]  # fmt: skip
    assert facts.memory == sum(layer.memory for layer in facts.layers)
    double = ml.analyze(layers, B, T, "float64")
    assert double.memory == 2 * facts.memory and double.learnables == facts.learnables
    text = facts.text()
    assert "9,379,370 learnables, float32" in text
    assert text.splitlines()[-1].startswith("activations of 3 x 7 steps: 4.7 MiB")


def test_memory_grows_with_batch_and_length():
    layers = [ml.SequenceInput(3), ml.LSTM(8), *tail()]
    one = ml.analyze(layers, 1, 1).memory
    assert one == 4 * (3 + 8 + 2 + 2)
    assert ml.analyze(layers, 5, 100).memory == 500 * one
    for name in ("batch_size", "sequence_length"):
        for bad in (0, -1, 1.5, True, "3"):
            with refuses(f"{name} is {bad!r}; give a whole number of at least 1."):
                ml.analyze(layers, **{name: bad})


def test_the_summary_of_a_network_is_that_of_its_graph():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(8), *tail()])
    net = ml.Network(graph, rng=np.random.default_rng(0), classes=["run", "walk"])
    assert net.summary(5, 100) == graph.summary(5, 100) + "\nclasses: run, walk"
    learnables = sum(p.size for p in net.parameters.values())
    assert ml.analyze(graph).learnables == learnables
    assert f"{learnables:,} learnables" in net.summary()


# ---------------------------------------------------------------- networks that do not fit the data


def refused_by_train(message, x, y, layers, loss=None):
    with refuses(message):
        ml.train(x, y, layers, loss, ml.TrainingOptions(verbose=False))


def test_labels_outside_the_classes():
    layers = [ml.SequenceInput(3), ml.LSTM(4), *tail(), ml.ClassificationOutput([0, 7])]
    with pytest.raises(
        ml.DataError, match=r"^y holds the label 1 \(sequence 0\), which is not amo"
    ):
        ml.train(sequences(3), labels(5, 3), layers)


def test_a_loss_that_the_end_of_the_network_has_no_numbers_for():
    refused_by_train(
        "the last layer is 'lstm' (LSTM with 4 hidden units), but loss='crossentropy' wants scores "
        "that sum to 1; end the network with Softmax().",
        sequences(3), labels(5, 3), [ml.SequenceInput(3), ml.LSTM(4)],
    )  # fmt: skip
    refused_by_train(
        "a loss was given, but the output layer 'classification' (crossentropyex) has its own; "
        "leave loss out, or remove the output layer.",
        sequences(3), labels(5, 3),
        [ml.SequenceInput(3), ml.LSTM(4), *tail(), ml.ClassificationOutput()], "crossentropy",
    )  # fmt: skip
    refused_by_train(
        "the output 'conv' has shape (4, 4, 2) a step, but a loss wants vectors; put Flatten() or "
        "FullyConnected(...) at the end.",
        sequences(6, 6, 1), labels(5, 3),
        [ml.SequenceInput([6, 6, 1]), ml.Convolution2D(3, 2)], "mse",
    )  # fmt: skip
