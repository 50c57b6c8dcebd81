"""From a user's list of layers to a checked, named chain with sizes and first parameter values.
Every problem is found here, by layer name, before anything is computed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.layers import LSTM, FullyConnected, Layer, Parameter, SequenceInput, Shape, Softmax

Array = NDArray[Any]

_SHORT_NAMES = {"sequence_input": "input", "fully_connected": "fc"}


class Slot(NamedTuple):
    """One learnable array of the network: its key and its description."""

    key: str  # "lstm/input_weights"
    parameter: Parameter


def name_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Check that the layers form a network, and name the unnamed ones.

    Parameters
    ----------
    layers : SequenceInput first, then any LSTM, FullyConnected and Softmax layers

    Returns
    -------
    tuple of layers, each with a unique name

    Raises
    ------
    ValueError
        The list is empty, does not begin with SequenceInput, repeats a name, or puts an LSTM
        after one that keeps the last step only.
    TypeError
        It is not a list, or an entry is not a layer.

    Examples
    --------
    >>> [layer.name for layer in name_layers([SequenceInput(3), LSTM(8), LSTM(4), Softmax()])]
    ['input', 'lstm_1', 'lstm_2', 'softmax']
    """
    example = "give a list such as [SequenceInput(3), LSTM(200), FullyConnected(5), Softmax()]."
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"layers is {type(layers).__name__}, not a list of layers; {example}")
    layers = tuple(layers)
    for n, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers[{n}] is {layer!r}, not a layer; {example}")
    if not layers or not isinstance(layers[0], SequenceInput):
        first = type(layers[0]).__name__ if layers else "nothing"
        raise ValueError(f"layers begins with {first}; begin with SequenceInput(features).")
    for n, layer in enumerate(layers[1:], 1):
        if isinstance(layer, SequenceInput):
            raise ValueError(f"layers[{n}] is a second SequenceInput; keep only the first.")
    kinds = Counter(layer.kind for layer in layers)
    seen: Counter[str] = Counter()
    named = []
    for layer in layers:
        seen[layer.kind] += 1
        short = _SHORT_NAMES.get(layer.kind, layer.kind)
        automatic = short if kinds[layer.kind] == 1 else f"{short}_{seen[layer.kind]}"
        named.append(dataclasses.replace(layer, name=layer.name or automatic))
    _check_names(named)
    _check_order(named)
    return tuple(named)


def parameter_slots(layers: Sequence[Layer]) -> list[Slot]:
    """Every learnable array of a named chain, in order.

    Examples
    --------
    >>> chain = name_layers([SequenceInput(3), LSTM(200), FullyConnected(5), Softmax()])
    >>> [(slot.key, slot.parameter.shape) for slot in parameter_slots(chain)][-2:]
    [('fc/weights', (5, 200)), ('fc/bias', (5,))]
    """
    slots: list[Slot] = []
    shape: Shape = ()
    for layer in layers:
        shape = layer.shape if isinstance(layer, SequenceInput) else shape
        slots += [Slot(f"{layer.name}/{p.name}", p) for p in layer.parameters(shape)]
        shape = layer.output_shape(shape)
    return slots


def initial_parameters(
    layers: Sequence[Layer], rng: np.random.Generator, dtype: Any
) -> dict[str, Array]:
    """First value of every learnable array, drawn in float64 and rounded to the dtype."""
    return {key: p.initializer(p.shape, rng).astype(dtype) for key, p in parameter_slots(layers)}


def checked_parameters(
    layers: Sequence[Layer], parameters: Mapping[str, ArrayLike], dtype: Any
) -> dict[str, Array]:
    """Column-major copies of arrays by "layer/parameter", which must be those of the layers.

    Raises
    ------
    ValueError
        An array is missing, unknown, or of another shape; the message names it.
    """
    slots = {key: p.shape for key, p in parameter_slots(layers)}
    strangers = sorted(set(parameters) ^ set(slots))
    if strangers:
        raise ValueError(
            f"parameters has {sorted(parameters)}, but the layers have {sorted(slots)}; "
            f"mend {strangers}."
        )
    out = {}
    for key, shape in slots.items():
        value = np.asarray(parameters[key])
        if value.shape != shape:
            raise ValueError(f"{key} has shape {value.shape}, but its layer wants {shape}.")
        out[key] = np.array(value, dtype, order="F")  # a copy: callers keep theirs
    return out


def output_size(layers: Sequence[Layer]) -> int:
    """Features that the last layer puts out."""
    shape: Shape = ()
    for layer in layers:
        shape = layer.shape if isinstance(layer, SequenceInput) else layer.output_shape(shape)
    return shape[-1]


def output_mode(layers: Sequence[Layer]) -> str:
    """ "last" if a layer keeps only the last step, else "sequence"."""
    return "last" if any(_is_last(layer) for layer in layers) else "sequence"


def check_classifier(layers: Sequence[Layer], num_classes: int) -> None:
    """Raise unless the network ends in one score for each class.

    Parameters
    ----------
    layers : a named chain
    num_classes : C, distinct labels in the training data
    """
    if not isinstance(layers[-1], Softmax):
        raise ValueError(
            f"the last layer is {layers[-1].name!r} ({layers[-1].label}), but "
            "loss='crossentropy' wants scores that sum to 1; end the network with Softmax()."
        )
    size = output_size(layers)
    if size != num_classes:
        wide = next((a for a in reversed(layers) if isinstance(a, FullyConnected)), None)
        where = f"{wide.name!r} is FullyConnected({size})" if wide else f"it puts out {size}"
        raise ValueError(
            f"the network puts out {size} scores a step ({where}), but the labels have "
            f"{num_classes} classes; use FullyConnected({num_classes})."
        )


def summary_table(
    layers: Sequence[Layer],
    parameters: Mapping[str, Array],
    dtype: np.dtype[Any],
    classes: Array | None,
) -> str:
    """Layers, what they put out and what they learn, as lines of text."""
    lines = [f"{'':>3}  {'Name':<10} {'Layer':<44} {'Output':>6}  {'Learnables':>10}"]
    shape: Shape = ()
    for n, layer in enumerate(layers, 1):
        shape = layer.shape if isinstance(layer, SequenceInput) else layer.output_shape(shape)
        size = shape[-1]
        count = sum(v.size for k, v in parameters.items() if k.startswith(f"{layer.name}/"))
        lines.append(f"{n:>3}  {layer.name:<10} {layer.label:<44} {size:>6}  {count:>10,}")
    lines.append(f"{sum(v.size for v in parameters.values()):,} learnables, {dtype}")
    if classes is not None:
        lines.append("classes: " + ", ".join(str(c) for c in classes))
    return "\n".join(lines)


def _check_names(layers: Sequence[Layer]) -> None:
    for name, count in Counter(layer.name for layer in layers).items():
        if not isinstance(name, str):
            raise TypeError(f"a layer is named {name!r}; give it a name in quotes, or none.")
        if count > 1:
            raise ValueError(f"{count} layers are named {name!r}; give each its own name.")
        if "/" in name:
            raise ValueError(f"a layer is named {name!r}; '/' separates layer and parameter names.")


def _check_order(layers: Sequence[Layer]) -> None:
    last = None
    for layer in layers:
        if last is not None and isinstance(layer, LSTM):
            raise ValueError(
                f"the LSTM {layer.name!r} follows {last.name!r}, which keeps the last step only; "
                f"set output_mode='sequence' in {last.name!r}."
            )
        last = layer if _is_last(layer) else last


def _is_last(layer: Layer) -> bool:
    return isinstance(layer, LSTM) and layer.output_mode == "last"
