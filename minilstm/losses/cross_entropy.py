"""The cross-entropy with its options: class weights, and labels that are no class.
The equations are in `minilstm.functional.cross_entropy`.

Axes: N rows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minilstm.backend import Backend
from minilstm.functional.ragged import IntArray
from minilstm.layers.class_weights import (
    checked_class_weights,
    checked_labels,
    weights_of_classes,
)
from minilstm.losses.base import Array, Functions, Loss


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy for classes: the mean over all real steps (or sequences) of -log(score).

    With class weights each row counts as often as the weight of its class says. The sum is still
    divided by the number of rows N and not by the sum of the weights, as in the reference.

    Parameters
    ----------
    class_weights : None; a dict of a weight by label; weights in the order of the sorted classes
        (or of `classes`); or "inverse-frequency", which is N / (C n_k) for the n_k rows of class k
        in the training data
    classes : labels in whose order `class_weights` are given; None means the sorted classes
    ignored_labels : labels that are no class: their steps count neither in the loss, nor in its
        divisor, nor in any metric

    Raises
    ------
    ValueError, TypeError
        A weight is negative or not finite, a label is repeated or unknown, or there are too few.

    Examples
    --------
    >>> loss = CrossEntropy(class_weights={"idle": 1, "run": 3}, ignored_labels=["unknown"])
    >>> loss.weights_of_classes(["idle", "run"], counts=[90, 10]).tolist()
    [1.0, 3.0]
    >>> CrossEntropy("inverse-frequency").weights_of_classes(["idle", "run"], [90, 10])[1].item()
    5.0
    """

    name: str = field(default="crossentropy", init=False, repr=False)
    kind: str = field(default="classes", init=False, repr=False)
    normalization: str = field(default="mean over all real steps", init=False, repr=False)
    whole: bool = field(default=False, init=False, repr=False)
    fuses_with: str = field(default="softmax", init=False, repr=False)
    class_weights: Any = None
    classes: Any = None
    ignored_labels: Any = ()

    def __post_init__(self) -> None:
        owner = "CrossEntropy"
        classes = self.classes
        if classes is not None:
            classes = checked_labels(owner, "classes", classes)
            if not classes:
                raise ValueError(f"{owner}: classes holds no label; name all, or leave it out.")
        ignored = checked_labels(owner, "ignored_labels", self.ignored_labels)
        weights = checked_class_weights(owner, self.class_weights, classes)
        weighted = weights if isinstance(weights, dict) else ()
        both = [label for label in ignored if label in (classes or ()) or label in weighted]
        if both:
            raise ValueError(
                f"CrossEntropy: ignored_labels holds {both[0]!r}, which is a class as well; "
                "leave it out of one of the two."
            )
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "ignored_labels", ignored)
        object.__setattr__(self, "class_weights", weights)
        if weights is not None:
            words = "weighted sum over all real steps, divided by their number"
            object.__setattr__(self, "normalization", words)

    def weights_of_classes(self, classes: ArrayLike, counts: ArrayLike) -> Array | None:
        """The weight of each class, in the order of the network's classes.

        Parameters
        ----------
        classes : (C,) labels of the network
        counts : (C,) rows of each in the training data

        Returns
        -------
        (C,) float64, or None without class weights

        Raises
        ------
        ValueError
            A class has no weight, or a weight is for a label that is no class.
        """
        return weights_of_classes("CrossEntropy", self.class_weights, self.classes, classes, counts)

    def functions(self, backend: Backend, fused: bool = False) -> Functions:
        """From scores (N, C), or from the logits that go into the softmax."""
        if fused:
            return backend.softmax_cross_entropy_forward, backend.softmax_cross_entropy_backward
        return backend.cross_entropy_forward, backend.cross_entropy_backward


def row_weights(targets: IntArray, class_weights: Array | None, dtype: Any) -> Array | None:
    """The weight (N,) of each row from that of its class, or None where every row weighs 1.

    `targets` (N,) are class numbers, -1 for a row without a class, which weighs 0. `class_weights`
    (C,) are from `Loss.weights_of_classes`, or None. The result has the given dtype.
    """
    if class_weights is None:
        return None
    return np.append(class_weights, 0).astype(dtype)[targets]  # (N,)
