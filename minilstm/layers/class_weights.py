"""Weights of classes: checked as a user gives them, and as numbers in the order of the classes.
They tell the cross-entropy which classes matter more, for instance because they are rare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.checks import shown

INVERSE_FREQUENCY = "inverse-frequency"

Label = str | int
#: None, a number by label, numbers in the order of the classes, or "inverse-frequency"
ClassWeights = None | str | dict[Label, float] | tuple[float, ...]


def inverse_frequency_weights(counts: ArrayLike) -> NDArray[np.float64]:
    """Weights (K,) float64 that let every class count the same in all: w_k = N / (K n_k).

    `counts` holds the rows n_k of each class, of N in all. The mean of the weights over the N rows
    is 1. A class without a row has weight 0.
    """
    n = np.asarray(counts, np.float64)  # (K,)
    weights = np.zeros_like(n)  # (K,)
    np.divide(n.sum(), len(n) * n, out=weights, where=n > 0)
    return weights


def checked_labels(owner: str, argument: str, labels: Any) -> tuple[Label, ...]:
    """Labels as a tuple of strings or whole numbers, none of them twice.

    One label counts as a list of one. `owner` and `argument` are for the messages.
    """
    if isinstance(labels, (str, int, np.integer)):
        labels = [labels]
    labels = labels.tolist() if hasattr(labels, "tolist") else labels
    if not isinstance(labels, (list, tuple)):
        raise TypeError(
            f"{owner}: {argument} is {type(labels).__name__}; give a list of labels, such as "
            "['run', 'walk']."
        )
    plain = tuple(_plain(label) for label in labels)
    strange = [label for label in plain if not _is_label(label)]
    if strange:
        raise TypeError(
            f"{owner}: {argument} holds {shown(strange[0])}, but labels are strings or whole "
            "numbers; put a label such as '?' or -1 where one is missing, and list that."
        )
    repeated = sorted({str(label) for label in plain if plain.count(label) > 1})
    if repeated:
        raise ValueError(
            f"{owner}: {argument} names {shown(repeated[0])} more than once; give every label once."
        )
    return plain


def checked_class_weights(
    owner: str, class_weights: Any, classes: tuple[Label, ...] | None
) -> ClassWeights:
    """Class weights in one of their four plain forms.

    They are None; a dict of a weight by label, or pairs (label, weight); weights in the order of
    the classes; or "inverse-frequency". `classes` are the labels, where they are known already.

    Raises ValueError where a weight is negative or not finite, all are 0, there are too few or too
    many, or a label is not one of the classes; TypeError where it has none of the forms.
    """
    forms = (
        f"give a dict of a weight by label, a list in the order of the classes, "
        f"{INVERSE_FREQUENCY!r}, or None."
    )
    if class_weights is None:
        return None
    if isinstance(class_weights, str):
        if class_weights != INVERSE_FREQUENCY:
            raise ValueError(f"{owner}: class_weights is {shown(class_weights)}; {forms}")
        return INVERSE_FREQUENCY
    if hasattr(class_weights, "to_dict"):  # a series of weights by label
        class_weights = class_weights.to_dict()
    several = isinstance(class_weights, (list, tuple, np.ndarray)) and np.ndim(class_weights) > 0
    if not several and not isinstance(class_weights, Mapping):
        raise TypeError(f"{owner}: class_weights is {shown(class_weights)}; {forms}")
    pairs = class_weights if several else list(class_weights.items())
    given: dict[Label, float] | tuple[float, ...]
    if several and not (len(pairs) and all(map(_is_pair, pairs))):
        given = tuple(_checked_weight(owner, w, f"[{k}]") for k, w in enumerate(pairs))
    else:
        labels = checked_labels(owner, "class_weights", [label for label, _ in pairs])
        named = zip(labels, [weight for _, weight in pairs], strict=True)
        given = {label: _checked_weight(owner, w, f"[{shown(label)}]") for label, w in named}
    if not any(given.values() if isinstance(given, dict) else given):
        raise ValueError(
            f"{owner}: class_weights holds no weight above 0; nothing would be learned, so give "
            "at least one."
        )
    if classes is not None:
        _check_fit(owner, given, classes)
    return given


def weights_of_classes(
    owner: str,
    class_weights: ClassWeights,
    declared: tuple[Label, ...] | None,
    classes: ArrayLike,
    counts: ArrayLike,
) -> NDArray[np.float64] | None:
    """The weight of every class of a network: (C,) float64, or None where every class weighs 1.

    A list of weights is in the order of the labels `declared`; None means the order of `classes`,
    the labels (C,) of the network. `counts` (C,) are the rows of each class in the training data.

    Raises ValueError where a class has no weight, a weight is for a label that is no class, or
    `declared` has other labels than `classes`.
    """
    labels = tuple(_plain(label) for label in np.asarray(classes))
    if declared is not None and set(declared) != set(labels):
        raise ValueError(
            f"{owner}: classes is {list(declared)}, but the labels have the classes "
            f"{_shown(labels)}; name these, in any order."
        )
    if class_weights is None:
        return None
    if class_weights == INVERSE_FREQUENCY:
        return inverse_frequency_weights(counts)
    given: Any = class_weights
    if isinstance(given, tuple):
        order = labels if declared is None else declared
        _check_fit(owner, given, order)
        given = dict(zip(order, given, strict=True))
    _check_fit(owner, given, labels)
    return np.array([given[label] for label in labels])  # (C,)


def _check_fit(
    owner: str, given: Mapping[Any, float] | tuple[float, ...], classes: Sequence[Label]
) -> None:
    """Raise unless there is one weight for each class."""
    problem, order = "", ""
    if isinstance(given, tuple):
        if len(given) != len(classes):
            problem = f"{len(given)} weights, but there are {len(classes)} classes"
            order = ", in this order"
    elif strangers := [label for label in given if label not in classes]:
        problem = f"a weight for {strangers[0]!r}, which is no class"
    elif missing := [label for label in classes if label not in given]:
        problem = f"no weight for the class {missing[0]!r}"
    if problem:
        raise ValueError(
            f"{owner}: class_weights has {problem}; give one for each of {_shown(classes)}{order}."
        )


def _checked_weight(owner: str, weight: Any, where: str) -> float:
    number = isinstance(weight, (int, float, np.integer, np.floating))
    if not number or isinstance(weight, bool) or not 0 <= weight < math.inf:
        raise ValueError(
            f"{owner}: class_weights{where} is {shown(weight)}; give a finite number of at least 0."
        )
    return float(weight)


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, (list, tuple)) and len(entry) == 2


def _is_label(label: Any) -> bool:
    return isinstance(label, (str, int)) and not isinstance(label, bool)


def _plain(label: Any) -> Any:
    """A number of Python for one of NumPy, and 2 for 2.0."""
    label = label.item() if isinstance(label, np.generic) else label
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _shown(classes: Sequence[Label]) -> str:
    shown = ", ".join(repr(label) for label in classes[:12])
    return shown + (", ..." if len(classes) > 12 else "")
