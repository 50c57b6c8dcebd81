"""What a user writes in a list: small immutable records with sizes, options and initialisers.
Each calls its function through the backend it is handed; none of them holds learned values."""

from minilstm.layers.base import Layer, Parameter, Shape, Signal, Training
from minilstm.layers.batch_normalization import BatchNormalization
from minilstm.layers.bilstm import BiLSTM
from minilstm.layers.combine import Addition, Concatenation
from minilstm.layers.convolution import Convolution2D, Convolution3D
from minilstm.layers.dropout import Dropout
from minilstm.layers.flatten import Flatten
from minilstm.layers.fully_connected import FullyConnected
from minilstm.layers.lstm import LSTM
from minilstm.layers.outputs import ClassificationOutput, RegressionOutput
from minilstm.layers.relu import ReLU
from minilstm.layers.sequence_folding import SequenceFolding, SequenceUnfolding
from minilstm.layers.sequence_input import SequenceInput
from minilstm.layers.sigmoid import Sigmoid
from minilstm.layers.softmax import Softmax

#: every layer by its kind, as model files name it
KINDS: dict[str, type[Layer]] = {
    a.kind: a
    for a in Layer.__subclasses__()
    for a in (a, *a.__subclasses__())
    if hasattr(a, "kind")
}

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
    "RegressionOutput",
    "SequenceFolding",
    "SequenceInput",
    "SequenceUnfolding",
    "Shape",
    "Sigmoid",
    "Signal",
    "Softmax",
    "Training",
]
