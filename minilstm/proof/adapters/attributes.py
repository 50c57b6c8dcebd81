"""What is in an object: its two methods, and every array of floats with the path that leads to it.
Which of them is a parameter, and which a gradient, is told by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np

from minilstm.proof.adapters.frameworks import FOREIGN, home_of
from minilstm.proof.adapters.names import Path, differentiated, key, label

FORWARD = ("forward", "forward_pass", "forward_propagation", "fprop", "feedforward", "__call__")
BACKWARD = (
    "backward", "backward_pass", "backward_propagation", "backprop", "backpropagation", "bprop",
)  # fmt: skip
_CLEAR = ("flush_gradients", "zero_grad", "zero_grads", "zero_gradients", "cleargrads")


def methods_of(thing: Any) -> tuple[str, str] | None:
    """Names of the forward and the backward method of an object; None where it has not both."""
    if isinstance(thing, type):
        return None
    names = [
        next((n for n in words if callable(getattr(thing, n, None))), "")
        for words in (FORWARD, BACKWARD)
    ]
    if all(names):
        return names[0], names[1]
    return ("loss", "") if callable(getattr(thing, "loss", None)) and vars_of(thing) else None


def vars_of(thing: Any) -> dict[str, Any]:
    """The attributes of an object that Python code made; of others none."""
    if isinstance(thing, (type, ModuleType)) or hasattr(thing, "__code__"):
        return {}
    slots = [n for c in type(thing).__mro__ for n in getattr(c, "__slots__", ()) if n != "__dict__"]
    found = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    return found | getattr(thing, "__dict__", {})


def arrays_in(thing: Any, path: Path = (), above: tuple[int, ...] = ()) -> Iterator[Any]:
    """(path, array) of all floats in attributes, dicts and lists, each under all of its paths."""
    if is_no_array(thing) or isinstance(thing, np.ndarray) or home_of(thing) in FOREIGN:
        if is_no_array(thing) or "float" in str(getattr(thing, "dtype", "")):
            yield path, thing
        return
    if id(thing) in above or len(path) > 8:
        return
    parts: Any = thing.items() if isinstance(thing, Mapping) else vars_of(thing).items()
    if isinstance(thing, (list, tuple)):
        parts = enumerate(thing)
    for name, part in list(parts):
        if isinstance(name, (str, int)):
            yield from arrays_in(part, (*path, name), (*above, id(thing)))


def is_no_array(thing: Any) -> bool:
    """Whether an attribute is a number, which has no identity."""
    return isinstance(thing, (float, np.floating))


def name_of(path: Path) -> str:
    """What a parameter is called; one of a list keeps the name of the list."""
    short = key(path)
    return label(short if any(isinstance(step, str) for step in short) else path)


def likeness(gradient: Path, path: Path) -> int:
    """How much one path looks like that of a gradient of another; 0 for not at all.

    3 for dW of W, in any of the ways to say it, 2 for dw of W, 1 for dW of weights in one object,
    or for an equal key of another dict.
    """
    found = [*differentiated(gradient)]
    if key(path) in found:
        return 3
    if label(key(path)).lower() in (label(one).lower() for one in found):
        return 2
    if any(one and one == key(path)[-len(one) :] for one in found if len(gradient) > 1):
        return 1  # grads["W"] of model["W"]: the same key in another dict
    words = {str(one[-1]).lower() for one in found if one}
    return int(
        gradient[:-1] == path[:-1] and isinstance(path[-1], str) and path[-1].lower()[:1] in words
    )


def clear(layer: Any) -> None:
    """Set the gradients of an object to zero, where earlier passes left some."""
    for name in _CLEAR:
        if callable(clear := getattr(layer, name, None)):
            with suppress(Exception):  # whatever a method of someone else's raises
                clear()
    arrays = dict(arrays_in(layer))
    keys = {key(path) for path in arrays}
    for path, a in arrays.items():
        if not is_no_array(a) and any(found in keys for found in differentiated(path)):
            a[...] = 0


def set_number(layer: Any, path: Path, value: Any) -> None:
    """Put a number into an attribute, a dict or a list of an object."""
    for step in path[:-1]:
        inside = isinstance(layer, (dict, list, tuple))
        layer = layer[step] if inside else getattr(layer, str(step))
    if isinstance(layer, (dict, list)):
        layer[path[-1]] = value  # type: ignore[index]
    else:
        setattr(layer, str(path[-1]), value)
