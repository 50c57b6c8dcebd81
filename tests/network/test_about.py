"""What a network knows of its data: it comes back from the file, or is refused in one sentence.
A change of the file is in `test_model_file.py`, which changes every part of it.
"""

import json
import re
from contextlib import suppress

import numpy as np
import pytest
from agreement import refuses
from builders import ABOUT
from record.models import contents
from safetensors.numpy import save_file

import minilstm as ml
from minilstm.network.model_contents import checksum

pytestmark = pytest.mark.usefixtures("on_numpy")

FEATURES = ABOUT["features"]


def network(about=None, names=None):
    layers = [
        ml.SequenceInput(3, feature_names=names), ml.LSTM(2, "last"), ml.FullyConnected(2),
        ml.Softmax(),
    ]  # fmt: skip
    return ml.Network(layers, rng=np.random.default_rng(0), classes=["a", "b"], about=about)


def test_what_a_network_knows_of_its_data_comes_back(tmp_path):
    net = network({**ABOUT, "targets": ("speed", "rate")})  # a tuple is a list in JSON
    again = ml.load(net.save(tmp_path / "model.safetensors"))
    assert again.about == net.about == ABOUT
    assert again.replace(dtype="float64").about == again.updated(again.parameters).about == ABOUT
    assert network().about is None and network().replace(about=ABOUT).about == ABOUT
    assert "about" not in contents(network().save(tmp_path / "old"))[1]
    x = [np.random.default_rng(0).standard_normal((4, 3))]
    options = ml.TrainingOptions("adam", max_epochs=1, verbose=False)
    further, _ = ml.train(x, np.array(["a"]), net, options=options)
    assert further.about == {k: v for k, v in ABOUT.items() if k != "card"}  # of other data


NO_JSON = "which JSON does not hold; give text, finite numbers of Python, lists and dicts."


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ([], "about is []; give a dict, or None."),
        ({1: 2}, "about has the name 1; give names as text."),
        ({"card": {"a": [np.nan]}}, f"about['card']['a'][0] is nan, {NO_JSON}"),
        ({"rate": np.float32(1)}, f"about['rate'] is {np.float32(1)!r}, {NO_JSON}"),
        ({"unit": "g"}, "about has 'unit'; it may have features, targets, rate, description, "
         "shaping, card."),
        ({"rate": True}, "about['rate'] is True; give steps a second, or None."),
        ({"rate": 0.0}, "about['rate'] is 0.0; give steps a second, or None."),
        ({"card": []}, "about['card'] is []; give a dict, or None."),
        ({"card": {"data": []}}, "about['card']['data'] is []; give a dict, or None."),
        ({"description": {"id": "x"}}, "about['description'] has 'id'; give what "
         "DataDescription.to_plain() gave."),
        ({"description": {"drop": [1]}}, "about['description']['drop'] is [1]; give text, or a "
         "list of text."),
        ({"features": FEATURES[:2]}, f"about['features'] is {FEATURES[:2]}; give a list of 3 "
         "dicts."),
        ({"features": [*FEATURES[:2], {"name": "x"}]}, "about['features'][2] is {'name': 'x'}; "
         "give a dict with a name, and a unit or None."),
        ({"features": FEATURES[:1] * 3}, "about['features'] has the names ['ax', 'ax', 'ax']; "
         "give different names."),
        ({"targets": ["a", "a"]}, "about['targets'] is ['a', 'a']; give 2 different names, or "
         "None."),
        ({"targets": "ab"}, "about['targets'] is 'ab'; give 2 different names, or None."),
    ],
)  # fmt: skip
def test_what_a_network_cannot_know_is_refused_also_in_a_file(tmp_path, about, message):
    with refuses(message):
        network(about)
    path = tmp_path / "model.safetensors"
    arrays, metadata = contents(network().save(path))
    with suppress(TypeError, ValueError):  # what JSON cannot hold reaches no file
        metadata["about"] = json.loads(json.dumps(about, allow_nan=False))
        text = json.dumps({**metadata, "sha256": checksum(arrays, metadata)})
        save_file(arrays, path, metadata={"minilstm": text})
        reason = re.escape(message.removesuffix(".")) if 1 not in about else ""
        with pytest.raises(ml.ModelFileError, match=f"does not describe a network \\({reason}"):
            ml.load(path)


def test_names_agree_with_those_of_the_first_layer_and_nothing_lies_too_deep():
    with refuses("about['features'] has the names ['ax', 'ay', 'Höhe']; give the names a, b, c."):
        network({"features": FEATURES}, names=["a", "b", "c"])
    deep = []
    for _ in range(21):
        deep = [deep]
    with refuses(
        "about['card']['a']" + "[0]" * 19 + " lies deeper than 20 levels; make it flatter."
    ):
        network({"card": {"a": deep}})
