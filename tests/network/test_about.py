"""What a network knows of its data: it comes back from the file, or is refused in one sentence.
A change of the file is in `test_model_file.py`, which changes every part of it.
"""

import dataclasses
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
from minilstm.data import DataDescription
from minilstm.data.feature_names import column_order
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


FIELDS = ", ".join(field.name for field in dataclasses.fields(DataDescription))
NO_JSON = "which JSON does not hold; give text, finite numbers of Python, lists and dicts."


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ([], "about is []; give a dict, or None."),
        ({1: 2}, "about has the name 1; give names as text."),
        ({"card": {"a": [np.nan]}}, f"about['card']['a'][0] is nan, {NO_JSON}"),
        ({"rate": np.float32(1)}, f"about['rate'] is {np.float32(1)!r}, {NO_JSON}"),
        ({"unit": "g"}, "about has 'unit'; it may have features, targets, forecast, rate, "
         "description, shaping, card."),
        ({"forecast": {"horizon": 0}}, "about['forecast'] is {'horizon': 0}; give {'horizon': 1} "
         "or more steps, or None."),
        ({"forecast": 5}, "about['forecast'] is 5; give {'horizon': 1} or more steps, or None."),
        ({"forecast": {"horizon": 2}}, "about['forecast'] is of a network that gives as many "
         "numbers a step as it takes; leave it out, as this one does not."),
        ({"rate": True}, "about['rate'] is True; give steps a second, or None."),
        ({"rate": 0.0}, "about['rate'] is 0.0; give steps a second, or None."),
        ({"card": []}, "about['card'] is []; give a dict, or None."),
        ({"card": {"data": []}}, "about['card']['data'] is []; give a dict, or None."),
        ({"description": {"id_colunm": "x"}}, "about['description'] holds what it cannot: a data "
         f"description has no field 'id_colunm', but {FIELDS}; did you mean 'id_column'."),
        ({"description": {"fill": "x"}}, "about['description'] holds what it cannot: fill is 'x', "
         "but 'error', 'previous', 'linear' or 'split' was wanted: choose one of them."),
        ({"shaping": {"window_length": 0}}, "about['shaping'] holds what it cannot: window_length "
         "is 0; give a whole number of at least 1."),
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
        reason = re.escape(message.removesuffix(".")[:150]) if 1 not in about else ""
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


# ---------------------------------------------------------------- columns that are no features

X = np.random.default_rng(1).normal(size=(5, 3))
KNOWN = {
    "description": {
        "id_column": "run", "time_column": "t", "label_column": "label", "group_column": "who",
        "drop": ["note"], "features": ["ax", "ay", "az"],
    }
}  # fmt: skip


@pytest.fixture(scope="module")
def knowing():
    layers = [ml.SequenceInput(3, feature_names=["ax", "ay", "az"]), ml.LSTM(2)]
    layers += [ml.FullyConnected(2), ml.Softmax()]
    rng = np.random.default_rng(0)
    return ml.Network(layers, rng=rng, classes=["a", "b"], about=KNOWN)


def whole_frame(library):
    """The features in another order, beside text, times and labels."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["ax", "ay", "az"]).assign(label="a", who="ann", note="")
    frame["t"] = pandas.date_range("2026-01-01", periods=5)
    frame = frame[["label", "az", "t", "ax", "who", "ay", "note"]]
    if library == "pandas":
        return frame
    return pytest.importorskip("polars").DataFrame({c: frame[c].tolist() for c in frame})


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_may_hold_what_the_description_knows(knowing, library):
    frame, wanted = whole_frame(library), knowing.predict(X)
    assert np.array_equal(knowing.predict(frame), wanted)
    assert np.array_equal(knowing.predict([frame, frame])[1], wanted)
    labels = np.array(["a"] * 5)
    assert knowing.evaluate([frame], [labels]) == knowing.evaluate([X], [labels])
    stream, names = knowing.stream(), {"ay": "AY"}
    steps = [stream.step(frame[n : n + 1]) for n in range(5)]
    np.testing.assert_allclose(steps, wanted, rtol=1e-6)
    renamed = frame.rename(columns=names) if library == "pandas" else frame.rename(names)
    with refuses(
        "x has the features az, ax, AY, but the network learned ax, ay, az (missing: ay; unknown: "
        "AY; is 'AY' meant for 'ay'?); rename, add or drop columns.",
        ml.DataError,
    ):
        knowing.predict(renamed)


def test_steps_of_a_stream_come_by_name_in_every_form(knowing):
    frame, wanted = whole_frame("pandas"), knowing.predict(X)
    rows = {
        "named tuples": frame.itertuples(index=False),
        "series": (frame.iloc[n] for n in range(5)),
        "dicts": (dict(row) for _, row in frame.iterrows()),
    }
    for steps in rows.values():
        stream = knowing.stream()
        np.testing.assert_allclose([stream.step(row) for row in steps], wanted, rtol=1e-6)
    with refuses(
        "x_t has the features ax, ay, but the network learned ax, ay, az (missing: az); rename, "
        "add or drop columns.",
        ml.DataError,
    ):
        knowing.stream().step({"ax": 1.0, "ay": 2.0, "who": "ann"})


def test_names_in_thousands_are_not_all_listed():
    names = [f"f{n}" for n in range(1000)]
    with refuses(
        f"x has the features {', '.join(names[1:13])} and 987 more, but the network learned "
        f"{', '.join(names[:12])} and 988 more (missing: f0); rename, add or drop columns.",
        ml.DataError,
    ):
        column_order(names[1:], names, "x")
