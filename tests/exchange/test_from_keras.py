"""Files of Keras 2 and 3 as networks of ours: the outputs that Keras gave, within 1e-6.
Every option that our layers have not is refused by its name."""

import json
import zipfile

import numpy as np
import pytest
from other_files import FILES, agrees

import minilstm as ml
from minilstm.exchange.incoming import from_keras
from minilstm.exchange.incoming.formats.hdf5 import Hdf5

pytestmark = pytest.mark.usefixtures("on_numpy")
DROPPED = "the layer 'a' (LSTM) has dropout=0.1, which is left out, as it acts in training alone."


def labels(net):
    return [layer.label for layer in net.layers]


def test_a_sequential_model():
    net = ml.from_keras(FILES / "sequential.keras", classes=["a", "b"])
    assert labels(net) == [
        "Sequence input with 3 dimensions", "LSTM with 4 hidden units",
        "BiLSTM with 3 hidden units, last step only", "Batch normalization", "Dropout, 30 %",
        "2 fully connected layer", "Softmax",
    ]  # fmt: skip
    assert net.layers[1].state_activation_function == "softsign"
    assert net.layers[3].epsilon == 1e-3 and net.classes.tolist() == ["a", "b"]
    assert agrees(net, "keras", "sequential")


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_functional_model_of_both_formats(ending):
    with pytest.warns(UserWarning, match="dropout") as told:
        net = ml.from_keras(FILES / f"functional.{ending}")
    assert [str(w.message) for w in told] == [DROPPED] and told[0].filename == __file__
    assert labels(net)[1:] == ["LSTM with 3 hidden units"] * 2 + [
        "2 fully connected layer",
        "Sigmoid",
    ]
    assert agrees(net, "keras", "functional")


def test_the_hard_sigmoid_of_keras_2_is_ours():
    net = ml.from_keras(FILES / "keras2.h5")
    assert net.layers[1].gate_activation_function == "hard-sigmoid"
    arrays = ml.read_weights(FILES / "hard.keras")
    for name, k in (("input_weights", 0), ("recurrent_weights", 1), ("bias", 2)):
        wanted = arrays[f"layers/lstm/cell/vars/{k}"].T
        assert np.array_equal(net.parameters[f"lstm/{name}"], wanted)


def changed(tmp_path, name, change):
    """A file of Keras with another config."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(FILES / name) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "config.json":
                config = json.loads(data)
                change(config, [layer["config"] for layer in config["config"]["layers"]])
                data = json.dumps(config).encode()
            new.writestr(member, data)
    return path


def option(layer, **options):
    return lambda config, layers: layers[layer].update(options)


def kind(layer, name):
    return lambda config, layers: config["config"]["layers"][layer].update(class_name=name)


SEQUENTIAL = "sequential.keras"
FUNCTIONAL = "functional.keras"
NODE = ["b", 0, 0]
TENSOR = {"keras_history": NODE}
CALLS = [
    ([{"args": [TENSOR], "kwargs": {"mask": None, "training": True}}], "training"),
    ([{"args": [TENSOR], "kwargs": {"initial_state": [9]}}], "initial_state"),
    ([{"args": [TENSOR, None, False, [9]], "kwargs": {}}], "argument 4"),
    ([[[*NODE, {"mask": [[True]]}]]], "mask"),  # of Keras 2
]
BOTH = "has the layer 'bidirectional' (Bidirectional)"
REFUSED = {
    "hard sigmoid": ("hard.keras", None, "has the layer 'cell' (LSTM) with Keras 3's hard "
                     "sigmoid, z/6 + 0.5, where minilstm has 0.2 z + 0.5; train it with "
                     "recurrent_activation='sigmoid'."),
    "go_backwards": ("backwards.keras", None, "has the layer 'cell' (LSTM) with "
                     "go_backwards=True, which minilstm has not; train it without."),
    "mask": ("masked.keras", None, "has the layer 'masking' (Masking), which minilstm has not; "
             "build the network without it."),
    "weights alone": ("sequential.weights.h5", None, "holds arrays alone, not the layers; save the "
                      "whole model, with model.save('model.keras'), or read them with "
                      "read_weights."),
    "return_state": (SEQUENTIAL, option(1, return_state=True), "has the layer 'lstm' (LSTM) with "
                     "return_state=True, which minilstm has not; train it without."),
    "merge": (SEQUENTIAL, option(2, merge_mode="sum"), f"{BOTH} with merge_mode=sum, which "
              "minilstm has not; train it without."),
    "dense": (SEQUENTIAL, option(5, activation="gelu"), "has the layer 'dense' (Dense) with the "
              "function 'gelu', which minilstm has not; use relu, sigmoid or softmax."),
    "states": (SEQUENTIAL, option(1, activation="elu"), "has the layer 'lstm' (LSTM) with the "
               "functions ['elu', 'sigmoid'], which minilstm has not; train it with "
               "activation='tanh' and recurrent_activation='sigmoid'."),
    "gru": (SEQUENTIAL, kind(1, "GRU"), "has the layer 'lstm' (GRU), which minilstm has not; build "
            "the network without it."),
    **{f"axis {axis}": (SEQUENTIAL, option(3, axis=axis), "has the layer 'batch_normalization' "
       f"(BatchNormalization) with axis={axis}, which minilstm has not; train it without.")
       for axis in (2, [2], 0)},
    "time_major": (SEQUENTIAL, option(1, time_major=[2]), "has the layer 'lstm' (LSTM) with "
                   "time_major=[2], which minilstm has not; train it without."),
    **{f"outputs {ends}": (FUNCTIONAL, lambda c, layers, ends=ends: c["config"].update(
        output_layers=ends), "has several inputs, or more outputs than its last layer's; only "
        "chains of layers are imported.")
       for ends in (["a", 0, 0], [["a", 0, 0], ["activation", 0, 0]])},
    **{f"called {call}": (FUNCTIONAL, lambda c, layers, call=call: c["config"]["layers"][2].update(
        inbound_nodes=call), f"has the layer 'a' (LSTM) called with {said}, which is not read; "
        "call it without.") for call, said in CALLS},
    "timed": (SEQUENTIAL, lambda c, layers: c["config"]["layers"][1].update(
        class_name="TimeDistributed", config={"name": "t", "layer": {**c["config"]["layers"][1]}}),
        "has the layer 't' (LSTM) in TimeDistributed; build the network without."),
    "directions": (SEQUENTIAL, lambda c, layers: layers[2]["backward_layer"]["config"].update(
        return_sequences=True), "has the layer 'bidirectional' (LSTM) with return_sequences=True, "
        "which minilstm has not; train it without."),
    **{f"{name}={value}": (SEQUENTIAL, option(1, **{name: value}), f"has the layer 'lstm' (LSTM) "
       f"with {name}={value!r}, which is no {kind}; save it anew.") for name, value, kind in (
           ("units", 4.0, "int"), ("use_bias", None, "bool"), ("return_sequences", "no", "bool"))},
    "no bias": (SEQUENTIAL, option(5, use_bias=False), "holds layers/dense/vars/1 (2,), which "
                "belongs to no layer; save it anew."),
    "one layer less": (SEQUENTIAL, lambda c, layers: c["config"]["layers"].pop(1),
                       "holds layers/lstm/cell/vars/0 (3, 16), which belongs to no layer; save it "
                       "anew."),
    "units": (SEQUENTIAL, option(5, units=3), "has the layer 'dense' (Dense) with an array of "
              "shape (6, 2); save it anew."),
    "subclass": (SEQUENTIAL, lambda c, layers: c.update(class_name="MyModel"),
                 "holds a MyModel, not a Sequential or functional model."),
    "two branches": ("functional.keras", lambda c, layers: c["config"]["layers"][2].update(
        inbound_nodes=c["config"]["layers"][1]["inbound_nodes"]),
        "has the layer 'a' (LSTM), which is not in a chain; only chains are imported."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_represented_is_named(case, tmp_path):
    name, change, sentence = REFUSED[case]
    path = FILES / name if change is None else changed(tmp_path, name, change)
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_keras(path)
    assert str(caught.value) == f"{path} {sentence}"


def test_the_last_axis_of_single_rows_is_the_second(tmp_path):
    for axis in (1, [1], [-1]):
        net = ml.from_keras(changed(tmp_path, SEQUENTIAL, option(3, axis=axis)))
        assert agrees(net, "keras", "sequential")


@pytest.mark.parametrize(
    "key", ["layers/lstm/vars/0", "_layer_checkpoint_dependencies/lstm/vars/0"]
)
def test_an_array_that_is_there_twice_is_refused(key, monkeypatch):
    whole = Hdf5.arrays
    monkeypatch.setattr(Hdf5, "arrays", lambda self: whole(self) | {key: np.ones((3, 16))})
    with pytest.raises(
        ml.ModelFileError, match=r"has the kernel of the layer 'lstm' \(LSTM\) twice; save it anew."
    ):
        ml.from_keras(FILES / SEQUENTIAL)


def test_a_version_that_is_none_is_refused(monkeypatch):
    monkeypatch.setattr(from_keras, "plain_json", lambda data: {"keras_version": "x"})
    with pytest.raises(ml.ModelFileError, match=r"has keras_version 'x', no number; save it anew."):
        ml.from_keras(FILES / SEQUENTIAL)


def test_a_stateful_layer_is_told(tmp_path):
    path = changed(tmp_path, SEQUENTIAL, option(1, stateful=True))
    with pytest.warns(UserWarning, match="stateful") as told:
        ml.from_keras(path)
    assert [str(w.message) for w in told] == [
        "the layer 'lstm' (LSTM) has stateful=True, which is not kept; predict_and_update_state "
        "goes on from a state."
    ]


def test_what_training_keeps_beside_the_network_is_not_needed():
    with pytest.warns(UserWarning, match="has dropout=0.5, which is left out"):
        net = ml.from_keras(FILES / "trained.keras")
    beside = {key.split("/")[0] for key in ml.read_weights(FILES / "trained.keras")}
    assert beside == {"layers", "optimizer"} and agrees(net, "keras", "trained")
