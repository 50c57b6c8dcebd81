"""The losses with a name, each with its scale, and which loss a user means.
Those on numbers are sums over elements; the cross-entropy has options and a file of its own.

Axes: N rows, C classes, R responses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from minilstm.backend import Backend
from minilstm.checks import did_you_mean
from minilstm.layers import ClassificationOutput, Layer, RegressionOutput
from minilstm.losses.base import Array, Functions, Loss
from minilstm.losses.cross_entropy import CrossEntropy
from minilstm.losses.functions import FunctionLoss


@dataclass(frozen=True)
class ElementLoss(Loss):
    """A loss that is a sum over rows and columns of a function of prediction and target."""

    # Forward and backward of rows, of a backend.
    pair: Callable[[Backend], Functions] = field(kw_only=True, repr=False)
    # The same of what goes into the layer `fuses_with`, or None.
    fused_pair: Callable[[Backend], Functions] | None = field(default=None, repr=False)
    # Passed to the forward function.
    options: Mapping[str, float] = field(default_factory=dict)  # by name
    per_element: bool = True  # divide by rows times columns; else by rows

    def divisor(self, rows: int, responses: int) -> float:
        """Rows, times columns for a mean over all elements."""
        return float(max(rows, 1) * (responses if self.per_element else 1))

    def functions(self, backend: Backend, fused: bool = False) -> Functions:
        """From predictions (N, R) or probabilities (N, C), or from what `fuses_with` gets."""
        pair = self.fused_pair if fused else self.pair
        assert pair is not None  # a loss without one fuses with nothing
        forward, backward = pair(backend)

        def in_dtype(y: Array, t: Array, *rest: Any) -> Any:
            return forward(y, t.astype(y.real.dtype, copy=False), *rest, **self.options)

        return in_dtype, backward


_SQUARED = attrgetter("squared_error_forward", "squared_error_backward")
_ELEMENTS = "mean over all elements"
#: Losses by name. Their scales: "mse", "mae" and "huber" are means over rows and responses;
#: "half-mse" is 1/(2N) times the sum over N rows and all responses, not divided by R;
#: "binary-crossentropy" is summed over the classes, and a mean over rows.
_NAMED: Mapping[str, Loss] = MappingProxyType(
    {
        "crossentropy": CrossEntropy(),
        "binary-crossentropy": ElementLoss(
            "binary-crossentropy",
            "multilabel",
            "sum over classes, mean over all real steps",
            fuses_with="sigmoid",
            pair=attrgetter("binary_cross_entropy_forward", "binary_cross_entropy_backward"),
            fused_pair=attrgetter(
                "sigmoid_binary_cross_entropy_forward", "sigmoid_binary_cross_entropy_backward"
            ),
            per_element=False,
        ),
        "mse": ElementLoss("mse", "numbers", _ELEMENTS, pair=_SQUARED),
        "mae": ElementLoss(
            "mae",
            "numbers",
            _ELEMENTS,
            pair=attrgetter("absolute_error_forward", "absolute_error_backward"),
        ),
        "huber": ElementLoss(
            "huber", "numbers", _ELEMENTS, pair=attrgetter("huber_forward", "huber_backward")
        ),
        "half-mse": ElementLoss(
            "half-mse",
            "numbers",
            "half the sum over responses, mean over all real steps",
            pair=_SQUARED,
            options={"factor": 0.5},
            per_element=False,
        ),
    }
)
_ALIASES = {
    "index-crossentropy": "crossentropy",
    "mean-squared-error": "mse",
    "l2loss": "mse",
    "mean-absolute-error": "mae",
    "l1loss": "mae",
}
NAMES = (*_NAMED, *_ALIASES)


def find_loss(loss: Any) -> Loss:
    """The loss that a user means.

    It is a `CrossEntropy`, a pair of functions (value, gradient), or a name:

    - "crossentropy" (also "index-crossentropy"): mean over all real steps, or sequences
    - "binary-crossentropy": sum over classes, mean over steps; each class is true or false
    - "mse" ("mean-squared-error", "l2loss"), "mae" ("mean-absolute-error", "l1loss"),
      "huber" (transition at an error of 1): means over all steps and responses
    - "half-mse": 1/(2N) times the sum over N steps and all responses, as `RegressionOutput`

    Anything else raises ValueError or TypeError.
    """
    choices = ", ".join(map(repr, NAMES))
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in NAMES:
            raise ValueError(
                f"loss is {loss!r}; choose one of {choices}, or give a pair of functions "
                f"(value, gradient){did_you_mean(loss, NAMES)}."
            )
        return _NAMED[_ALIASES.get(loss, loss)]
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and all(map(callable, loss)):
        value, gradient = loss
        name = getattr(value, "__name__", type(value).__name__)
        words = "as the function says"
        return FunctionLoss(name, "any", words, whole=True, value=value, gradient=gradient)
    if callable(loss):
        raise TypeError(
            "loss is one function, but its gradient is wanted as well; give a pair "
            "(value, gradient) of functions of y and t."
        )
    raise TypeError(
        f"loss is {type(loss).__name__}; choose one of {choices}, or give ml.CrossEntropy(...) or "
        "a pair of functions (value, gradient)."
    )


def loss_of_output_layer(layer: Layer) -> Loss:
    """The loss of a ClassificationOutput (cross-entropy) or a RegressionOutput ("half-mse")."""
    if isinstance(layer, ClassificationOutput):
        classes = None if layer.classes == "auto" else layer.classes
        return CrossEntropy(layer.class_weights, classes)
    if isinstance(layer, RegressionOutput):
        return _NAMED["half-mse"]
    raise TypeError(
        f"the layer {layer.name!r} ({layer.label}) is no output layer; end the layers with "
        "ClassificationOutput() or RegressionOutput(), or give a loss."
    )
