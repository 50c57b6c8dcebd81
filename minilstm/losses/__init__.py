"""What a network is trained for: each loss by name, with the number its sum is divided by.
A loss looks at rows of predictions and targets, and knows nothing of layers or of time."""

from minilstm.losses.base import Loss
from minilstm.losses.cross_entropy import CrossEntropy, row_weights
from minilstm.losses.functions import FunctionLoss
from minilstm.losses.named import NAMES, ElementLoss, find_loss, loss_of_output_layer

__all__ = [
    "NAMES",
    "CrossEntropy",
    "ElementLoss",
    "FunctionLoss",
    "Loss",
    "find_loss",
    "loss_of_output_layer",
    "row_weights",
]
