"""What a user writes in a list: small immutable records with sizes, options and initialisers.
Each calls its function through the backend of a `Run`; none of them holds learned values."""

from minilstm.layers.activations import ReLU, Sigmoid, Softmax
from minilstm.layers.base import Layer, Parameter, RowLayer, Run, Shape, Signal, Training
from minilstm.layers.batch_normalization import BatchNormalization
from minilstm.layers.bilstm import BiLSTM
from minilstm.layers.combine import Addition, Concatenation
from minilstm.layers.convolution import Convolution2D, Convolution3D
from minilstm.layers.dropout import Dropout
from minilstm.layers.flatten import Flatten
from minilstm.layers.fully_connected import FullyConnected
from minilstm.layers.lstm import LSTM
from minilstm.layers.outputs import ClassificationOutput, RegressionOutput
from minilstm.layers.recurrent import Recurrent
from minilstm.layers.sequence_folding import SequenceFolding, SequenceUnfolding
from minilstm.layers.sequence_input import SequenceInput


def _kinds(layer: type[Layer]) -> dict[str, type[Layer]]:
    found = {layer.kind: layer} if hasattr(layer, "kind") else {}
    for below in layer.__subclasses__():
        found |= _kinds(below)
    return found


#: every layer by its kind, as model files name it
KINDS: dict[str, type[Layer]] = _kinds(Layer)

__all__ = [
    "KINDS",
    "LSTM",
    "Addition",
    "BatchNormalization",
    "BiLSTM",
    "ClassificationOutput",
    "Concatenation",
    "Convolution2D",
    "Convolution3D",
    "Dropout",
    "Flatten",
    "FullyConnected",
    "Layer",
    "Parameter",
    "ReLU",
    "Recurrent",
    "RegressionOutput",
    "RowLayer",
    "Run",
    "SequenceFolding",
    "SequenceInput",
    "SequenceUnfolding",
    "Shape",
    "Sigmoid",
    "Signal",
    "Softmax",
    "Training",
]
