"""minilstm: an LSTM engine from scratch, with every backward pass written by hand.
Names are loaded when first used, so importing the package costs little more than NumPy."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from minilstm.version import __version__ as __version__

if TYPE_CHECKING:
    from minilstm import data as data
    from minilstm import evaluation as evaluation
    from minilstm import plots as plots
    from minilstm.backend import count_transfers as count_transfers
    from minilstm.backend import get_num_threads as get_num_threads
    from minilstm.backend import set_backend as set_backend
    from minilstm.backend import set_num_threads as set_num_threads
    from minilstm.backend import use_backend as use_backend
    from minilstm.backend import warmup as warmup
    from minilstm.data import datasets as datasets
    from minilstm.data import read_sequences as read_sequences
    from minilstm.data.padding import pad_sequences as pad_sequences
    from minilstm.data.scores import scores_to_labels as scores_to_labels
    from minilstm.errors import DataError as DataError
    from minilstm.errors import DeviceError as DeviceError
    from minilstm.errors import DivergedError as DivergedError
    from minilstm.errors import GradientError as GradientError
    from minilstm.errors import ModelFileError as ModelFileError
    from minilstm.exchange.export import export as export
    from minilstm.exchange.incoming.from_keras import from_keras as from_keras
    from minilstm.exchange.incoming.from_onnx import from_onnx as from_onnx
    from minilstm.exchange.incoming.from_pytorch import from_pytorch as from_pytorch
    from minilstm.exchange.incoming.from_rtneural import from_rtneural as from_rtneural
    from minilstm.exchange.incoming.read_weights import read_weights as read_weights
    from minilstm.exchange.quantisation import quantisation_report as quantisation_report
    from minilstm.layers import LSTM as LSTM
    from minilstm.layers import Addition as Addition
    from minilstm.layers import BatchNormalization as BatchNormalization
    from minilstm.layers import BiLSTM as BiLSTM
    from minilstm.layers import ClassificationOutput as ClassificationOutput
    from minilstm.layers import Concatenation as Concatenation
    from minilstm.layers import Convolution2D as Convolution2D
    from minilstm.layers import Convolution3D as Convolution3D
    from minilstm.layers import Dropout as Dropout
    from minilstm.layers import Flatten as Flatten
    from minilstm.layers import FullyConnected as FullyConnected
    from minilstm.layers import RegressionOutput as RegressionOutput
    from minilstm.layers import ReLU as ReLU
    from minilstm.layers import SequenceFolding as SequenceFolding
    from minilstm.layers import SequenceInput as SequenceInput
    from minilstm.layers import SequenceUnfolding as SequenceUnfolding
    from minilstm.layers import Sigmoid as Sigmoid
    from minilstm.layers import Softmax as Softmax
    from minilstm.losses import CrossEntropy as CrossEntropy
    from minilstm.network.forecast import forecast as forecast
    from minilstm.network.graph.analysis import analyze as analyze
    from minilstm.network.graph.layer_graph import LayerGraph as LayerGraph
    from minilstm.network.network import Network as Network
    from minilstm.network.network import assemble as assemble
    from minilstm.network.network import load as load
    from minilstm.proof.checker.gradcheck import gradcheck as gradcheck
    from minilstm.proof.conformance import conformance as conformance
    from minilstm.training import schedules as schedules
    from minilstm.training.history import TrainingInfo as TrainingInfo
    from minilstm.training.options import TrainingOptions as TrainingOptions
    from minilstm.training.resume import resume as resume
    from minilstm.training.train import train as train

# The public names by the module that holds them.
_NAMES = {
    "backend": "count_transfers get_num_threads set_backend set_num_threads use_backend warmup",
    "data": "datasets read_sequences",
    "data.scores": "scores_to_labels",
    "data.padding": "pad_sequences",
    "errors": "DataError DeviceError DivergedError GradientError ModelFileError",
    "exchange.export": "export",
    "exchange.incoming.from_keras": "from_keras",
    "exchange.incoming.from_onnx": "from_onnx",
    "exchange.incoming.from_pytorch": "from_pytorch",
    "exchange.incoming.from_rtneural": "from_rtneural",
    "exchange.incoming.read_weights": "read_weights",
    "exchange.quantisation": "quantisation_report",
    "layers": "LSTM Addition BatchNormalization BiLSTM ClassificationOutput Concatenation "
    "Convolution2D Convolution3D Dropout Flatten FullyConnected ReLU RegressionOutput "
    "SequenceFolding SequenceInput SequenceUnfolding Sigmoid Softmax",
    "losses": "CrossEntropy",
    "network.forecast": "forecast",
    "network.graph.analysis": "analyze",
    "network.graph.layer_graph": "LayerGraph",
    "network.network": "Network assemble load",
    "proof.checker.gradcheck": "gradcheck",
    "proof.conformance": "conformance",
    "training.history": "TrainingInfo",
    "training.options": "TrainingOptions",
    "training.resume": "resume",
    "training.train": "train",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}
_MODULES = {
    "data": "data",
    "evaluation": "evaluation",
    "plots": "plots",
    "schedules": "training.schedules",
}

__all__ = ["__version__", *_HOME]


class _Package(ModuleType):
    """Keeps `gradcheck` the function, though the door `minilstm/gradcheck.py` is named so too.

    Importing the door would otherwise rebind the name to the module.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "gradcheck" or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"minilstm.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"minilstm.{_MODULES[name]}")
    else:
        # With both Python can say "Did you mean" of a misspelt layer.
        message = f"module 'minilstm' has no attribute {name!r}"
        raise AttributeError(message, name=name, obj=sys.modules[__name__])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
