"""Files of Keras 2 and 3 as networks of ours: the outputs that Keras gave, within 1e-6.
Every option that our layers have not is refused by its name."""

import json
import zipfile

import numpy as np
import pytest
from other_files import FILES, agrees

import minilstm as ml
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


def called(*more, **given):
    """A call of the second LSTM with other arguments."""

    def change(config, layers):
        node = config["config"]["layers"][2]["inbound_nodes"][0]
        node["args"] += more
        node["kwargs"] |= given

    return change


FUNCTIONAL = "functional.keras"
SEQUENTIAL = "sequential.keras"
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
    "axis": (SEQUENTIAL, option(3, axis=2), "has the layer 'batch_normalization' "
             "(BatchNormalization) with axis=2, which minilstm has not; train it without."),
    "no bias": (SEQUENTIAL, option(5, use_bias=False), "holds layers/dense/vars/1 (2,), which "
                "belongs to no layer; save it anew."),
    "one layer less": (SEQUENTIAL, lambda c, layers: c["config"]["layers"].pop(1),
                       "holds layers/lstm/cell/vars/0 (3, 16), which belongs to no layer; save it "
                       "anew."),
    "units": (SEQUENTIAL, option(5, units=3), "has the layer 'dense' (Dense) with an array of "
              "shape (6, 2); save it anew."),
    "subclass": (SEQUENTIAL, lambda c, layers: c.update(class_name="MyModel"),
                 "holds a MyModel, not a Sequential or functional model."),
    "two outputs": (FUNCTIONAL, lambda c, layers: c["config"].update(
        output_layers=[["a", 0, 0], ["activation", 0, 0]]), "has the outputs of 'a', 'activation', "
        "not of its last layer 'activation' alone; save a model of one output."),
    "inner output": (FUNCTIONAL, lambda c, layers: c["config"].update(output_layers=["a", 0, 0]),
                     "has the outputs of 'a', not of its last layer 'activation' alone; save a "
                     "model of one output."),
    **{name: (FUNCTIONAL, called(*more, **given), f"has the layer 'a' (LSTM) called with {said}, "
              "which minilstm has not; call it without.")
       for name, more, given, said in (
           ("training", (), {"training": True}, "training=True"),
           ("state", (), {"initial_state": [9]}, "initial_state=[9]"),
           ("masked call", (), {"mask": {"a": 1}}, "mask={'a': 1}"),
           ("in its place", (None, None, [9]), {}, "argument 4=[9]"))},
    "call of keras 2": (FUNCTIONAL, lambda c, layers: c["config"]["layers"][2].update(
        inbound_nodes=[[["b", 0, 0, {"training": True}]]]), "has the layer 'a' (LSTM) called with "
        "training=True, which minilstm has not; call it without."),
    "timed": (SEQUENTIAL, lambda c, layers: c["config"]["layers"][1].update(
        class_name="TimeDistributed", config={"name": "t", "layer": {**c["config"]["layers"][1]}}),
        "has the layer 't' (TimeDistributed) of the layer 'LSTM'; only Dense, BatchNormalization, "
        "Dropout, Activation, ReLU, Softmax may stand in it."),
    "last axis in a list": (SEQUENTIAL, option(3, axis=[2]), "has the layer 'batch_normalization' "
                            "(BatchNormalization) with axis=[2], which minilstm has not; train it "
                            "without."),
    "time_major": (SEQUENTIAL, option(1, time_major=[2]), "has the layer 'lstm' (LSTM) with "
                   "time_major=[2], which minilstm has not; train it without."),
    "directions": (SEQUENTIAL, lambda c, layers: layers[2]["backward_layer"]["config"].update(
        return_sequences=True), f"{BOTH} whose directions differ in return_sequences."),
    "no units": (SEQUENTIAL, option(1, units=4.0), "has the layer 'lstm' (LSTM) with units=4.0, "
                 "which is no whole number from 1; save it anew."),
    "maybe a bias": (SEQUENTIAL, option(5, use_bias=None), "has the layer 'dense' (Dense) with "
                     "use_bias=None, which is neither true nor false; save it anew."),
    "a text": (SEQUENTIAL, option(1, return_sequences="false"), "has the layer 'lstm' (LSTM) with "
               "return_sequences='false', which is neither true nor false; save it anew."),
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


@pytest.mark.parametrize("axis", [-1, 1, [1], [-1]])
def test_the_last_axis_of_single_rows_is_the_second(axis, tmp_path):
    path = changed(tmp_path, SEQUENTIAL, option(3, axis=axis))
    assert agrees(ml.from_keras(path), "keras", "sequential")


@pytest.mark.parametrize("twice", ["layers/lstm/vars/0", "_layer_checkpoint_dependencies/lstm"])
def test_an_array_of_two_places_is_refused(twice, monkeypatch):
    twice += "/cell/vars/0" * twice.startswith("_")
    whole = Hdf5.arrays
    monkeypatch.setattr(Hdf5, "arrays", lambda self: whole(self) | {twice: np.ones((3, 16))})
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_keras(FILES / SEQUENTIAL)
    said = "has the kernel of the layer 'lstm' (LSTM) twice; save it anew."
    assert str(caught.value) == f"{FILES / SEQUENTIAL} {said}"


def test_a_version_that_is_none_is_refused(monkeypatch):
    attributes = Hdf5.attributes
    monkeypatch.setattr(
        Hdf5, "attributes", lambda self, of: attributes(self, of) | {"keras_version": "x"}
    )
    with pytest.raises(ml.ModelFileError, match=r"has keras_version 'x', not one like '3.5.0'; sa"):
        ml.from_keras(FILES / "keras2.h5")


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
