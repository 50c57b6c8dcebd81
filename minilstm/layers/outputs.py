"""Output layers, for lists of layers that end in their loss as those of older releases do.
They pass rows through and compute nothing; `minilstm.losses` reads the loss from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from minilstm.checks import shown
from minilstm.layers.base import Array, Gradients, RowLayer, Run, Shape, check_vector
from minilstm.layers.class_weights import checked_class_weights, checked_labels


class _PassThrough(RowLayer):
    """A layer whose output is its input."""

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """The rows as they came."""
        return x, None

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """The gradient as it came."""
        return dy if run.need_dx else None, {}

    def used_per_row(self, input_shape: Shape, itemsize: int) -> int:
        """Nothing: no array is made."""
        return 0


@dataclass(frozen=True, eq=False)
class ClassificationOutput(_PassThrough):
    """The end of a classifier, after Softmax: train with the cross-entropy.

    Parameters
    ----------
    classes : labels, in whose order `class_weights` are; or "auto", those of the training data
    class_weights : None; a dict of a weight by label; weights in the order of `classes`, which
        then have to be given; or "inverse-frequency". See `minilstm.CrossEntropy`

    Raises
    ------
    ValueError, TypeError
        A label is repeated, or the weights do not fit the classes.

    Examples
    --------
    >>> ClassificationOutput(["run", "walk"], class_weights=[2, 1]).class_weights
    (2.0, 1.0)
    >>> ClassificationOutput().label
    'crossentropyex'
    """

    kind: ClassVar[str] = "classification_output"
    label = "crossentropyex"
    classes: Any = "auto"
    class_weights: Any = None

    def __post_init__(self) -> None:
        owner = self.name or "ClassificationOutput"
        auto = isinstance(self.classes, str) and self.classes == "auto"
        if not auto and isinstance(self.classes, str):
            raise ValueError(
                f"{owner}: classes is {shown(self.classes)}; give a list of labels, or 'auto'."
            )
        classes = None if auto else checked_labels(owner, "classes", self.classes)
        if classes is not None and len(classes) < 2:
            raise ValueError(
                f"{owner}: classes holds {len(classes)} labels; a classifier needs at least two."
            )
        weights = checked_class_weights(owner, self.class_weights, classes)
        if isinstance(weights, tuple) and classes is None:
            raise ValueError(
                f"{owner}: class_weights is a list of {len(weights)} numbers, but classes is "
                "'auto'; give the classes in the same order, or a dict of a weight by label."
            )
        object.__setattr__(self, "classes", "auto" if classes is None else classes)
        object.__setattr__(self, "class_weights", weights)

    def output_shape(self, input_shape: Shape) -> Shape:
        """One score for each class."""
        size = check_vector(self, input_shape)
        if self.classes != "auto" and size != len(self.classes):
            raise ValueError(
                f"{self.title} has {len(self.classes)} classes, but its input has shape "
                f"{input_shape}; use FullyConnected({len(self.classes)})."
            )
        return input_shape

    def config(self) -> dict[str, Any]:
        """The options as plain values; weights by label as pairs, for labels may be numbers."""
        weights = self.class_weights
        if isinstance(weights, dict):
            weights = [list(pair) for pair in weights.items()]
        return {"name": self.name, "classes": self.classes, "class_weights": weights}


@dataclass(frozen=True, eq=False)
class RegressionOutput(_PassThrough):
    """The end of a network that predicts numbers: train with half the mean squared error.

    The loss is 1/(2N) times the sum over N rows and all responses, not divided by the responses.

    Examples
    --------
    >>> RegressionOutput().label
    'mean-squared-error'
    """

    kind: ClassVar[str] = "regression_output"
    label = "mean-squared-error"
