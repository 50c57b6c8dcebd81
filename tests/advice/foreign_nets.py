"""Advice about networks in files of PyTorch, Keras and RTNeural: what they hold and what is ours.
A changed file of Keras is its Sequential model with other options.
"""

import json
import zipfile

import numpy as np
from safetensors.numpy import save_file

import minilstm as ml
from advice.command_line import command
from advice.foreign_files import FILES, wrote
from minilstm.command_line.words import importing as words
from minilstm.exchange.incoming.from_pytorch import recognise

CELL = {"weight_ih_l0": np.zeros((8, 3)), "weight_hh_l0": np.zeros((8, 2))}
NORM = {"running_mean": np.zeros(2), "running_var": np.ones(2)}
SQUARES = {f"{name}.weight": np.ones((2, 2)) for name in ("a", "z")}
DENSE = {"weight": np.ones((2, 2))}


def torch(arrays, *layers, **options):
    """The network of a state dict; an LSTM of two units without other layers."""
    if isinstance(arrays, str):
        return ml.from_pytorch(FILES / arrays, list(layers), **options)
    save_file({name: a.copy() for name, a in arrays.items()}, "a.safetensors")
    return ml.from_pytorch("a.safetensors", list(layers) or [ml.LSTM(2)], **options)


def ordered(*layers):
    """The network of a file of numpy, whose arrays have an order."""
    np.savez("a.npz", **SQUARES)
    return ml.from_pytorch("a.npz", list(layers))


def imported(what):
    """What the command import prints."""
    return command(f"import {FILES}/{what} --out m.safetensors")


def without(arrays, key):
    """The arrays but one."""
    return {k: a for k, a in arrays.items() if k != key}


def keras(layer=None, kind=None, drop=(), name="sequential.keras", of_model=None, **options):
    """The network of a file of Keras with other options of one of its layers."""
    with zipfile.ZipFile(FILES / name) as old, zipfile.ZipFile("a.keras", "w") as new:
        config = json.loads(old.read("config.json"))
        config.update(of_model or {})
        layers = config["config"]["layers"]
        if layer is not None:
            layers[layer]["config"].update(options)
            layers[layer]["class_name"] = kind or layers[layer]["class_name"]
        config["config"]["layers"] = [a for k, a in enumerate(layers) if k not in drop]
        for member in old.namelist():
            data = json.dumps(config) if member == "config.json" else old.read(member)
            new.writestr(member, data)
    return ml.from_keras("a.keras")


def rtneural(*layers, **more):
    """The network of a file of RTNeural with some layers."""
    return ml.from_rtneural(wrote("a.json", json.dumps({"layers": layers, **more})))


def layer(kind="dense", *weights, activation=""):
    """A layer of such a file."""
    weights = weights or ([[1.0]], [0.0])
    return {"type": kind, "activation": activation, "weights": list(weights)}


TABLE = [
    # ------------------------------------------------------------ PyTorch
    ("torch('plain.pt', 'lstm')", r"such as (\[.*\])\.",
     "from minilstm import LSTM, FullyConnected; [type(a).__name__ for a in $1]; "
     "torch('plain.pt', LSTM(4), FullyConnected(2))"),
    ("torch(build().parameters | {'self_test/x': np.ones(2)})", "load it with minilstm.load",
     "ml.load(build().save('a.safetensors'))"),
    ("torch('checkpoint.pt', ml.BiLSTM(4), prefix='lstm')", "choose from .*(model_state_dict)",
     "torch('checkpoint.pt', ml.BiLSTM(4), ml.BiLSTM(4), prefix='$1.module.lstm')"),
    ("torch('checkpoint.pt', ml.BiLSTM(4), ml.BiLSTM(4))",
     "add the layers, or choose a part of the file with (prefix)",
     "torch('checkpoint.pt', ml.BiLSTM(4), ml.BiLSTM(4), $1='model_state_dict.module.lstm');"
     "torch('checkpoint.pt', ml.BiLSTM(4), ml.BiLSTM(4), ml.BatchNormalization(), "
     "ml.FullyConnected(2))"),
    ("recognise(FILES / 'checkpoint.pt')", "with layers, such as lstm:32,relu,dense:5,(softmax)",
     "imported('plain.pt --layers lstm:4,dense:2,$1')"),
    ("imported('checkpoint.pt')", "say it with --layers, such as .*relu,dense:5,(softmax)",
     "imported('plain.pt --layers lstm:4,dense:2,$1')"),
    ("imported('sequential.keras --prefix lstm')", "leave them out",
     "imported('sequential.keras')"),
    ("imported('plain.pt --layers gru:4')",
     "write lstm:32, bilstm:32, (lstm:32:last), dense:5, or one of (.*)\\.",
     "words.layers('$1,lstm:32,bilstm:32,dense:5,' + '$2'.replace(' ', ''))"),
    ("torch('plain.pt', ml.BiLSTM(4))", "give layers of these kinds and sizes, in their order",
     "torch('plain.pt', ml.LSTM(4), ml.FullyConnected(2))"),
    ("torch(SQUARES, ml.FullyConnected(2), ml.FullyConnected(2))",
     r"like its module, such as (FullyConnected)\(..., (name='a')\)",
     "torch(SQUARES, ml.$1(2, $2), ml.$1(2, name='z'))"),
    ("ordered(ml.FullyConnected(2), ml.FullyConnected(2))",
     r"like its module, such as (FullyConnected)\(..., (name='a')\)",
     "ordered(ml.$1(2, $2), ml.FullyConnected(2))"),
    ("torch(DENSE, ml.FullyConnected(2, bias=np.ones(2)))", "give the layer without it",
     "torch(DENSE, ml.FullyConnected(2))"),
    ("torch({})", "save the state dict of a trained network", "torch(CELL)"),
    ("torch(DENSE, ml.FullyConnected(2), ml.FullyConnected(2))", "leave it out",
     "torch(DENSE, ml.FullyConnected(2))"),
    ("torch({'weight': np.ones((1, 1), 'i1')}, ml.FullyConnected(1))", "save it as (float32)",
     "torch({'weight': np.ones((1, 1), '$1')}, ml.FullyConnected(1))"),
    ("torch({'weight': np.full((1, 1), 1e300), 'bias': np.zeros(1, 'f4')}, ml.FullyConnected(1))",
     "save all of it as (float64)",
     "torch({'weight': np.full((1, 1), 1e300), 'bias': np.zeros(1, '$1')}, ml.FullyConnected(1))"),
    ("torch(CELL, ml.LSTM(2), ml.Convolution2D(1, 1))", "leave it out", "torch(CELL, ml.LSTM(2))"),
    ("torch({'weight': np.full((2, 2), np.inf)}, ml.FullyConnected(2))", "give it finite numbers",
     "torch(DENSE, ml.FullyConnected(2))"),
    ("torch('projection.pt', ml.LSTM(4))", "train the network without it", "torch(CELL)"),
    *((call, "save the whole state dict", "torch(CELL); torch(NORM, ml.BatchNormalization())")
      for call in ("torch(without(CELL, 'weight_hh_l0'))",
                   "torch(without(NORM, 'running_var'), ml.BatchNormalization())",
                   "torch({'bias': np.ones(2)})")),
    *((call, "with (prefix), or leave that out",
       "torch({**{f'net.{k}': a for k, a in CELL.items()}, 'b': np.ones(3)}, $1='net');"
       "torch(CELL)")
      for call in ("torch({**CELL, 'mean': np.ones(3)})",
                   "torch({**NORM, 'mean': np.ones(2)}, ml.BatchNormalization())",
                   "torch({**CELL, 'norm.weight': np.ones(3)})")),
    # ------------------------------------------------------------ Keras
    ("ml.from_keras(FILES / 'sequential.weights.h5')",
     r"save the whole model, .*, or read them with (read_weights)",
     "ml.$1(FILES / 'sequential.weights.h5'); ml.from_keras(FILES / 'sequential.keras')"),
    ("ml.from_keras(wrote('a.keras', 'hello'))", "check its name", "keras()"),
    *((call, "save it anew", "keras()") for call in (
        "keras(5, use_bias=False)", "keras(5, units=3)")),
    *((call, "save the whole trained model", "keras()") for call in (
        "keras(3, 'Dense', units=2)",)),
    ("keras(1, 'GRU')", "build the network without it", "keras()"),
    ("ml.from_keras(FILES / 'hard.keras')", r"train it with (recurrent_activation)='(sigmoid)'",
     "keras(1, $1='$2')"),
    ("keras(1, activation='elu')", r"(activation)='(tanh)' and (recurrent_activation='sigmoid')",
     "keras(1, $1='$2', $3)"),
    ("keras(5, activation='gelu')", r"use (\w+), (\w+) or (\w+)",
     "[keras(5, activation=f) for f in ('$1', '$2', '$3')]"),
    ("keras(1, return_state=True)", "train it without", "keras(1, return_state=False)"),
    ("keras(1, stateful=True)", r"(predict_and_update_state) goes on",
     "keras().$1(np.ones((4, 3)))"),
    # ------------------------------------------------------------ the command import
    ("command(f'import {FILES}/plain.pt --out m.pt')", r"let the name end in (\.safetensors)",
     "command(f'import {FILES}/plain.pt --out m$1'); ml.load('m$1')"),
    # ------------------------------------------------------------ RTNeural
    ("rtneural(layer('activation', activation='relu') | {'weights': []})",
     "save the whole trained model", "rtneural(layer(activation='relu'))"),
    *((call, "write it again", "rtneural(layer())") for call in (
        "rtneural(layer('dense', [[1.0]]))", "rtneural(layer() | {'shape': [9]})",
        "rtneural(layer(), in_shape=[7])")),
    ("ml.from_rtneural(FILES / 'rtneural.json', dtype='int8')", "give ('float32') or ('float64')",
     "[ml.from_rtneural(FILES / 'rtneural.json', dtype=d) for d in ($1, $2)]"),
    ("rtneural(layer(activation='tanh'))", r"use (\w+), (\w+) or (\w+)",
     "[rtneural(layer(activation=f)) for f in ('$1', '$2', '$3')]"),
    ("rtneural(layer('gru'))", "train the network without it", "rtneural(layer())"),
]  # fmt: skip
