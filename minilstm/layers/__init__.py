"""What a user writes in a list: small immutable records with sizes, options and initialisers.
Each calls its function through the backend it is handed; none of them holds learned values."""

from minilstm.layers.base import Layer, Parameter, Shape, Signal, Training
from minilstm.layers.convolution import Convolution2D, Convolution3D
from minilstm.layers.fully_connected import FullyConnected
from minilstm.layers.lstm import LSTM
from minilstm.layers.sequence_input import SequenceInput
from minilstm.layers.softmax import Softmax

__all__ = [
    "LSTM",
    "Convolution2D",
    "Convolution3D",
    "FullyConnected",
    "Layer",
    "Parameter",
    "SequenceInput",
    "Shape",
    "Signal",
    "Softmax",
    "Training",
]
