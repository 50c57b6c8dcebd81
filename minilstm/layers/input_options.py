"""The options of a sequence input: how they are checked, and how they are printed.
Every wrong one is refused when the layer is made, in one sentence that names it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers
from minilstm.checks import check_whole, shown
from minilstm.functional.sequence_input import USES, statistics_shape
from minilstm.layers.base import Layer, Shape


def checked_input_size(size: Any) -> int | Shape:
    """An int for vectors, a tuple of ints for images and volumes.

    Examples
    --------
    >>> checked_input_size(12), checked_input_size(np.array([28, 28, 1]))
    (12, (28, 28, 1))
    """
    several = isinstance(size, (list, tuple)) or (isinstance(size, np.ndarray) and size.ndim)
    if not several or len(size) < 2:
        check_whole("SequenceInput: input_size", size, 1)
        return int(size)
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in size)
    if len(size) not in (3, 4) or not whole or any(n < 1 for n in size):
        raise ValueError(
            f"SequenceInput: input_size is {shown(size)}; give a whole number of features, "
            "or [h, w, c] for images, [h, w, d, c] for volumes, all at least 1."
        )
    return tuple(int(n) for n in size)


def checked_feature_names(who: str, names: Any, count: int) -> tuple[str, ...]:
    """Different names, one for each of `count` features.

    Examples
    --------
    >>> checked_feature_names("SequenceInput", ["ax", "ay"], 2)
    ('ax', 'ay')
    """
    listed = [names] if isinstance(names, str) or not np.iterable(names) else list(names)
    if not all(isinstance(name, str) for name in listed) or len(set(listed)) != count:
        raise ValueError(
            f"{who}: feature_names is {shown(names)}; give {count} different names, one a feature."
        )
    if len(listed) != count:
        raise ValueError(f"{who}: feature_names is {shown(names)}; give each name once.")
    return tuple(listed)


def checked_statistic(
    who: str, field: str, given: Any, normalization: Any, shape: Shape, dimension: str
) -> NDArray[np.float64]:
    """A read-only float64 copy of a statistic that a user gave, of any integer or float dtype.

    `who` and `field` name the layer and the statistic in messages; `shape` is that of one step. The
    dimension "auto" allows every shape; "channel", "element" and "all" allow their own.
    """
    if callable(normalization) or field not in USES[normalization]:
        user = next(name for name, used in USES.items() if field in used)
        what = "a function" if callable(normalization) else repr(normalization)
        raise ValueError(
            f"{who}: a {field} was given but normalization is {what}; "
            f"set normalization={user!r} to use it."
        )
    dimensions = ("channel", "element", "all") if dimension == "auto" else (dimension,)
    allowed = list(dict.fromkeys(statistics_shape(shape, d) for d in dimensions))
    wanted = f"give finite numbers of shape {' or '.join(map(str, allowed))}"
    array = as_numbers(given, f"{who}: {field}", "statistics", "iuf", advice=wanted)
    if array.shape not in allowed:
        raise ValueError(f"{who}: {field} has shape {array.shape}; {wanted}.")
    with np.errstate(over="ignore"):
        value = np.array(array, np.float64)
    if not np.isfinite(value).all():
        raise ValueError(f"{who}: {field} holds {value[~np.isfinite(value)][0]}; {wanted}.")
    if field == "standard_deviation" and (value < 0).any():
        raise ValueError(f"{who}: {field} holds {value[value < 0][0]}; give numbers of at least 0.")
    value.flags.writeable = False
    return value


def property_block(layer: Layer, options: Sequence[str], hyperparameters: Sequence[str]) -> str:
    """The options of a layer below each other, as the reference prints them."""
    width = max(map(len, (*options, *hyperparameters))) + 1
    lines = [f"{type(layer).__name__} with properties:"]
    for name in options:
        lines.append(f"    {name + ':':<{width}} {getattr(layer, name)!r}")
    lines.append("  Hyperparameters")
    for name in hyperparameters:
        lines.append(f"    {name + ':':<{width}} {_shown(getattr(layer, name))}")
    return "\n".join(lines)


def one_line(layer: Layer, always: Sequence[str]) -> str:
    """A layer as the call that makes it: some options always, others if not the default."""
    texts = {name: "" for name in always}
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        array = isinstance(value, np.ndarray)
        if field.name in always or array or value != field.default:
            large = array and value.size > 24
            texts[field.name] = f"<array {value.shape}>" if large else repr(value)
    return f"{type(layer).__name__}({', '.join(f'{k}={v}' for k, v in texts.items())})"


def _shown(value: Any) -> str:
    """A value in one line: small arrays whole, large ones by shape and range."""
    if not isinstance(value, np.ndarray):
        return repr(value) if not callable(value) else str(getattr(value, "__name__", value))
    if value.size <= 6:
        return np.array2string(value, precision=4, separator=", ").replace("\n", "")
    return f"{value.shape} from {value.min():.4g} to {value.max():.4g}"
