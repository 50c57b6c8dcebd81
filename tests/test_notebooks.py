"""What notebooks show of a network, a training, a check of gradients, a card and an evaluation.
Each is well-formed, says its numbers, and shows what users named as text."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minilstm as ml
from minilstm import pages
from minilstm.errors import GradientError
from minilstm.evaluation import report
from minilstm.proof.conformance.card import Row, ScoreCard


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(20, 2)) for _ in range(6)]
    y = [np.where(a[:, 0] > 0, "<up>", "down & out") for a in x]
    layers = [ml.SequenceInput(2), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    how = {
        "max_epochs": 5,
        "verbose": False,
        "validation_data": (x, y),
        "execution_environment": "cpu",
    }
    return *ml.train(x, y, layers, options=ml.TrainingOptions(**how)), x, y


def cells(part):
    """The table rows of one page, which has to be well-formed."""
    root = ET.fromstring(part._repr_html_())
    return root, [[c.text or "" for c in row] for row in root.iter("tr")]


def test_a_network_shows_its_layers_and_classes(trained):
    root, rows = cells(trained[0])
    assert rows[0] == ["Name", "Layer", "Output", "Learnables", "State"]
    assert rows[2] == ["lstm", "LSTM with 4 hidden units", "4", "112", "8"]
    assert [*root.itertext()][-1] == "classes: <up>, down & out"


def test_a_training_shows_its_losses_and_last_row(trained):
    info = trained[1]
    root, rows = cells(info)
    assert rows[1][:2] == ["5", "5"]
    assert rows[1][rows[0].index("Loss")] == f"{info.history['loss'][-1]:.4f}"
    lines = [line.get("points").split() for line in root.iter("polyline")]
    assert [*map(len, lines)] == [5, np.isfinite(info.history["validation_loss"]).sum()]
    assert root.find("svg").get("aria-label") == "losses by iteration"


def test_a_wrong_gradient_is_bold_and_has_its_cause():
    with pytest.raises(GradientError) as caught:
        ml.gradcheck(lambda x: (np.tanh(x), x), lambda dy, x: dy * (1 - np.tanh(x)), np.ones(3))
    root, rows = cells(caught.value.report)
    assert rows[1][0] == "x" and rows[1][4] == "wrong" and "derivative of tanh" in rows[1][6]
    assert all("font-weight:bold" in c.get("style") for c in root.iter("td"))


def test_a_card_shows_points_and_an_evaluation_its_classes(trained):
    card = ScoreCard((Row("shapes", True, 1), Row("bits", False, 2, "2 < 3", "Add it.")))
    root, rows = cells(card)
    assert root.find("strong").text == "conformance: 1 of 3 points"
    assert rows[2] == ["bits", "FAILED", "2", "2 < 3", "Add it."]
    found = report(trained[0], trained[2], trained[3])
    _, rows = cells(found)
    assert [row[0] for row in rows[:3]] == ["class", "<up>", "down & out"]


@pytest.mark.parametrize("values", [[], [np.nan], [1.0], [2.0, 2.0], [np.nan, 1e300, -np.inf]])
def test_curves_of_little_or_constant_or_infinite_values(values):
    drawn = pages.as_curves({"<a>": values}, 'of "a"')
    assert "nan" not in drawn and "inf" not in drawn
    ET.fromstring(f"<p>{drawn}</p>")
    assert bool(drawn) == bool(np.isfinite(values).any())


def test_long_curves_are_thinned():
    drawn = ET.fromstring(f"<p>{pages.as_curves({'a': np.arange(1e5)}, 'a')}</p>")
    assert len(drawn.find("svg/polyline").get("points").split()) == 400
