"""The model card: facts of data with a fingerprint, what they warn of, and a page for people.
The same training gives the same card, whatever machine, thread count or time of day.
"""

import numpy as np
import pytest
from agreement import refuses
from builders import two_in_two_out

import minilstm as ml
from minilstm.network.card import data_facts, fingerprint, make_card, utc_day
from minilstm.network.card_page import card_markdown, card_text

pytestmark = pytest.mark.usefixtures("on_numpy")

X = [np.arange(6.0).reshape(3, 2), -np.ones((1, 2))]
Y = [np.array(["run", "sit", "sit"]), np.array(["sit"])]
WHOLE = fingerprint(X, Y)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([np.asfortranarray(X[0]), X[1]], Y),
        ([X[0].astype(">f8"), X[1]], Y),
        ([np.repeat(X[0], 2, axis=1)[:, ::2], X[1]], Y),
        (X, [labels.astype("U9") for labels in Y]),
        (X, [labels.astype(object) for labels in Y]),
        (tuple(X), tuple(labels.tolist() for labels in Y)),
    ],
)
def test_the_same_data_have_the_same_fingerprint(x, y):
    assert fingerprint(x, y) == WHOLE and len(WHOLE) == 64


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X[::-1], Y[::-1]),
        ([X[0].reshape(2, 3), X[1]], Y),
        ([np.nextafter(X[0], 9), X[1]], Y),
        ([a.astype(np.float32) for a in X], Y),
        (X, None),
        (X, [Y[0][::-1], Y[1]]),
        (X, [np.array(["run", "sit", "sits"]), Y[1]]),
        (X, [np.array(["runs", "it", "sit"]), Y[1]]),
        (X, np.array(["run", "sit"])),
        ([*X, np.ones((1, 2))], Y),
    ],
)
def test_other_data_have_another_fingerprint(x, y):
    assert fingerprint(x, y) != WHOLE


def test_numbers_and_labels_of_sequences_have_their_fingerprint_too():
    one = np.array([0, 1])
    found = {fingerprint(X, y) for y in (one, one.astype(float), one.astype("U1"), one[::-1])}
    assert len(found) == 4


def test_facts_of_data():
    facts = data_facts(X, Y, ["ann", "ann"])
    assert facts == {
        "sequences": 2, "steps": 4, "shortest": 1, "longest": 3, "groups": 1,
        "ranges": [[-1.0, 4.0], [-1.0, 5.0]], "label_per": "step", "labels": {"run": 1, "sit": 3},
        "target_ranges": None, "fingerprint": WHOLE,
    }  # fmt: skip
    numbers = data_facts(X, [np.array([[1.0, 5.0]] * 3), np.array([[0.5, 7.0]])])
    assert numbers["target_ranges"] == [[0.5, 1.0], [5.0, 7.0]] and numbers["labels"] is None
    assert data_facts(X, np.array([3, 3]))["labels"] == {"3": 2}


TRAINING = {**data_facts(X, Y), "groups": 1, "labels": {"run": 1, "sit": 300, "up": 40}}


def test_what_the_data_say_against_a_network():
    scores = {"measured_on": "test", "accuracy": 0.5}
    data = {"training": TRAINING, "test": {"labels": {"sit": 3, "up": 1, "lie": 2, "": 5}}}
    assert make_card(None, data, scores, date=None, limits=["Only for pockets."])["limits"] == [
        "Only for pockets.",
        "The class 'run' is rare: 1 of 341 labels.",
        "All training data are of one group.",
        "The class 'run' was never tested.",
        "The class 'lie' was tested, but never trained.",
    ]
    assert make_card(None, {"training": data_facts(X, Y)}, {"measured_on": "training"}, date=None)[
        "limits"
    ] == ["It was measured on the data that it was trained on; others may do worse."]
    assert make_card(date=None)["limits"] == []


def test_a_card_is_plain_and_holds_no_option_that_changes_no_number():
    def loss(y, t):
        return y

    scores = {"f1": np.float32(0.5), "none": float("nan"), "confusion": np.eye(2, dtype=int)}
    options = ml.TrainingOptions("sgdm", seed=3, metrics=[loss, "accuracy"])
    card = make_card(options, {}, scores, date="2026-11-30")
    assert card["scores"] == {"f1": 0.5, "none": None, "confusion": [[1, 0], [0, 1]]}
    assert (card["seed"], card["date"]) == (3, "2026-11-30")
    assert card["options"]["metrics"] == ["loss", "accuracy"]
    assert card["options"]["gradient_threshold"] == "inf" and "seed" not in card["options"]
    silent = {"validation_data": (X, Y), "verbose": False, "plot_file": "a.svg"}
    other = ml.TrainingOptions(
        "sgdm", seed=3, metrics=[loss, "accuracy"], memory_budget=1e6, **silent
    )
    assert make_card(other, {}, scores, date="2026-11-30") == card
    assert ml.Network(LAYERS, rng=np.random.default_rng(0), about={"card": card}).about["card"] == (
        card
    )


def test_the_day_is_that_of_the_variable(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86399")
    assert utc_day() == "1970-01-01"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert utc_day() == "1970-01-02"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    with refuses("SOURCE_DATE_EPOCH is 'today'; set it to the seconds since 1970, or not at all."):
        utc_day()


LAYERS = [ml.SequenceInput(2, feature_names=["ax", "a|y"]), ml.LSTM(2), ml.FullyConnected(2)]
SOFTMAX = [*LAYERS, ml.Softmax()]
PAGE = """# m.safetensors

For every time step it gives one of 2 classes: run, sit.

## Input

- 50 time steps a second (Hz)

| feature | unit | smallest | largest |
| --- | --- | --- | --- |
| ax | g | -1 | 4 |
| a\\|y |  | -1 | 5 |

## Layers

- 46 learnables, float32

| layer | what |
| --- | --- |
| input | Sequence input with 2 dimensions |
| lstm | LSTM with 2 hidden units |
| fc | 2 fully connected layer |
| softmax | Softmax |

## How data are read

- id column: who
- drop: t, u

## Windows and rate

- rate: 50

## Training

- date: 2026-11-30
- seed: 3
- versions: minilstm 1, numpy 2

| option | value |
| --- | --- |
| solver | adam |
| drop_partial_batch | no |

## Data: training

- path: a b.csv
- sequences: 2
- steps: 4
- shortest: 1
- longest: 3
- fingerprint: FINGERPRINT

| label of a step | count |
| --- | --- |
| run | 1 |
| sit | 3 |

## Scores on the training data

- accuracy: 0.75

## Scores by class on the training data

|  | f1 | support |
| --- | --- | --- |
| run | 0.5 | 1 |
| sit |  | 3 |

## Limits

- It was measured on the data that it was trained on; others may do worse.

## How to use it

- `minilstm predict m.safetensors DATA`
- `minilstm evaluate m.safetensors DATA`
- `minilstm stream m.safetensors < LINES`
- `net = minilstm.load('m.safetensors'); scores = net.predict(x)`
""".replace("FINGERPRINT", WHOLE)


def carded():
    scores = {"measured_on": "training", "accuracy": 0.75, "confusion": [[1, 0], [1, 2]],
              "by_class": {"run": {"f1": 0.5, "support": 1}, "sit": {"support": 3}}}  # fmt: skip
    data = {"training": {"path": "a\nb.csv", **data_facts(X, Y)}}
    options = {"solver": "adam", "drop_partial_batch": False, "verbose": True}
    card = make_card(options, data, scores, date="2026-11-30", seed=3)
    card["versions"] = {"minilstm": "1", "numpy": "2"}
    about = {
        "features": [{"name": "ax", "unit": "g"}, {"name": "a|y", "unit": None}], "rate": 50,
        "description": {"id_column": "who", "drop": ["t", "u"]}, "shaping": {"rate": 50},
        "card": card,
    }  # fmt: skip
    return ml.Network(SOFTMAX, rng=np.random.default_rng(0), classes=["run", "sit"], about=about)


def test_the_page_of_a_network():
    net = carded()
    assert card_markdown(net, "m.safetensors") == PAGE
    text = card_text(net, "m.safetensors")
    assert text.startswith(net.summary() + "\n\nFor every time step it gives one of 2 classes: run")
    assert "\n  feature  unit  smallest  largest\n  ax       g     -1        4\n" in text
    assert "\n  minilstm stream m.safetensors < LINES\n" in text and "## " not in text
    below = card_markdown(net, "a b/m.safetensors")
    assert below == PAGE.replace("minilstm.load('", "minilstm.load('a b/").replace(
        " m.safetensors DATA", " 'a b/m.safetensors' DATA").replace(
        " m.safetensors <", " 'a b/m.safetensors' <")  # fmt: skip


def test_pages_of_networks_that_know_little():
    bare = ml.Network(LAYERS, rng=np.random.default_rng(0))
    titles = [line for line in card_markdown(bare).splitlines() if line.startswith("#")]
    assert titles == ["# MODEL", "## Input", "## Layers", "## How to use it"]
    assert "For every time step it gives 2 numbers.\n" in card_markdown(bare)
    named = bare.replace(about={"targets": ["speed", "load"]})
    assert "it gives 2 numbers: speed, load." in card_text(named)
    graph = ml.Network(two_in_two_out(), rng=np.random.default_rng(0), classes=["a", "b"])
    said = card_markdown(graph)
    for output in graph.output_names:
        assert f"\n{output}: for every time step it gives " in said
    assert "minilstm predict" not in said
    both = [LAYERS[0], ml.BiLSTM(2, "last"), *SOFTMAX[2:]]
    page = card_markdown(ml.Network(both, rng=np.random.default_rng(0), classes=list("ab")))
    assert "For every sequence it gives one of 2 classes: a, b." in page
    assert "minilstm predict" in page and "minilstm stream" not in page


@pytest.mark.parametrize("value", [None, [], [[1, 2], 3], {"a": {"b": [1]}}, {"a": {}}, 10**30, ""])
def test_a_card_of_other_contents_has_a_page_too(value):
    card = {"data": {"training": value, "x": {"labels": value, "ranges": value}}, "seed": value,
            "options": {"a": value}, "scores": {"a": value, "measured_on": value},
            "versions": {"a": value}, "limits": [value]}  # fmt: skip
    net = ml.Network(SOFTMAX, rng=np.random.default_rng(0), about={"card": card})
    assert card_markdown(net).startswith("# MODEL\n") and card_text(net)


def test_long_tables_and_lists_end_with_a_count():
    names = [f"f{n}" for n in range(50)]
    layers = [ml.SequenceInput(50, feature_names=names), ml.FullyConnected(60)]
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=list(range(60)))
    assert "| f39 |\n| and 10 more |\n" in card_markdown(net)
    assert "38, 39 and 20 more.\n" in card_markdown(net)


def test_one_training_twice_on_one_day_is_one_file(tmp_path):
    def train(name, **how):
        options = ml.TrainingOptions(max_epochs=2, verbose=False, seed=1, **how)
        net, _ = ml.train(X, Y, SOFTMAX, options=options)
        scores = {"measured_on": "training", **net.evaluate(X, Y)}
        card = make_card(options, {"training": data_facts(X, Y)}, scores, date="2026-11-30")
        return net.replace(about={"card": card}).save(tmp_path / name).read_bytes()

    assert train("a") == train("b", verbose_frequency=9, memory_budget=10**9)
    assert train("c", l2_regularization=0) != train("a")
