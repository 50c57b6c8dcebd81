"""The arrays of a network: which there are, their first values, and the check of given ones.
Learnables are trained; statistics are carried and saved beside them, but not learned.

Every array has a key "layer/parameter", such as "lstm/input_weights".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import as_numbers
from minilstm.checks import check_memory, shown
from minilstm.layers import Parameter
from minilstm.network.graph.wiring import Node, Wiring

Array = NDArray[Any]


def parameter_slots(wiring: Wiring) -> dict[str, Parameter]:
    """Every learnable array, in order.

    Examples
    --------
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput
    >>> from minilstm.network.graph.wiring import wire
    >>> slots = parameter_slots(wire([SequenceInput(3), LSTM(200), FullyConnected(5)]))
    >>> [(key, p.shape) for key, p in slots.items()][-2:]
    [('fc/weights', (5, 200)), ('fc/bias', (5,))]
    """
    return _slots(wiring, lambda node: node.layer.parameters(node.in_shapes[0]))


def statistic_slots(wiring: Wiring) -> dict[str, Parameter]:
    """Every array that is carried but not learned, in order."""
    return _slots(wiring, lambda node: node.layer.statistics(node.in_shapes[0]))


def _slots(
    wiring: Wiring, arrays_of: Callable[[Node], Sequence[Parameter]]
) -> dict[str, Parameter]:
    nodes = [node for node in wiring.nodes if node.in_shapes]
    return {f"{node.layer.name}/{p.name}": p for node in nodes for p in arrays_of(node)}


def first_values(
    wiring: Wiring, slots: Mapping[str, Parameter], rng: np.random.Generator | None, dtype: Any
) -> dict[str, Array]:
    """Given values of layers, else drawn ones: in float64, rounded to the dtype, column-major.

    Raises ValueError where a given value has another shape; or where it is missing, and there is no
    generator; MemoryError, before anything is drawn, where the machine cannot hold them.
    """
    layers = {layer.name: layer for layer in wiring.layers}
    out, missing = {}, []
    sizes = [math.prod(p.shape) for p in slots.values()]
    if rng is not None and sizes:  # each is drawn in float64
        need = sum(sizes) * np.dtype(dtype).itemsize + max(sizes) * 8
        check_memory(
            f"to draw {sum(sizes):,} numbers", need, "make the layers or the input smaller"
        )
    for key, p in slots.items():
        name = key.partition("/")[0]
        given = getattr(layers[name], p.name, None)
        if given is not None:
            value = np.asarray(given, np.float64)
            if value.shape != p.shape:
                raise ValueError(
                    f"the layer {name!r} was given {p.name} of shape {value.shape}, but wants "
                    f"{p.shape}; give an array of that shape."
                )
            out[key] = _rounded(value, dtype, key)
        elif rng is None:
            missing.append(key)
        else:
            value = np.asarray(p.initializer(p.shape, rng))
            if value.shape != p.shape:
                raise ValueError(
                    f"the initializer of {key} returned shape {value.shape}, but {p.shape} is "
                    "wanted; let it return an array of the shape that it is given."
                )
            out[key] = np.array(value, dtype, order="F")
    if missing:
        raise ValueError(
            f"the layers were given no values for {', '.join(missing)}; give each layer its "
            "arrays, such as FullyConnected(5, weights=W, bias=b)."
        )
    return out


def checked_values(
    slots: Mapping[str, Parameter], given: Mapping[str, ArrayLike], dtype: Any
) -> dict[str, Array]:
    """Column-major copies of arrays by "layer/parameter", which must be those of the layers.

    Raises ValueError, which names the array, where one is missing, unknown, or of another shape.
    """
    strangers = sorted(set(given) ^ set(slots))
    if strangers:
        raise ValueError(
            f"parameters has {shown(sorted(given))}, but the layers have {shown(sorted(slots))}; "
            f"mend {shown(strangers)}."
        )
    kinds = "biufc" if np.dtype(dtype).kind == "c" else "biuf"
    out = {}
    for key, p in slots.items():
        value = as_numbers(given[key], key, "parameters", kinds)
        if value.shape != p.shape:
            raise ValueError(
                f"{key} has shape {value.shape}, but its layer wants {p.shape}; give an array of "
                "that shape."
            )
        out[key] = _rounded(value, dtype, key)
    return out


def _rounded(value: Array, dtype: Any, key: str) -> Array:
    """A column-major copy in a dtype; a number that is finite stays so, or is refused."""
    with np.errstate(over="ignore"):
        out = np.array(value, dtype, order="F")
    if value.dtype == out.dtype:
        return out
    lost = np.isfinite(value) & ~np.isfinite(out)
    if lost.any():
        raise ValueError(
            f"{key} holds {value[lost][0]:.3g}, beyond the range of {out.dtype}; give smaller "
            "numbers, or the dtype='float64'."
        )
    return out
