"""Arrays that write down what a NumPy function does with them, on a tape.
The function runs as it is: nothing in its source has to be changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.machinery import ExtensionFileLoader
from threading import get_ident
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from minilstm.proof.causes.equations.functions import method, of_function, of_ufunc
from minilstm.proof.causes.equations.tape import CannotRecord, Node, Tape, is_recorded, plain
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.derivatives.trees import leaves


class Recorded(NDArrayOperatorsMixin):
    """An array that records what is done with it. Writing into it makes it the new array."""

    __array_priority__ = 1e6

    def __init__(self, tape: Tape, node: Node, base: tuple[Recorded, Any] | None = None) -> None:
        self.tape, self.node, self.base = tape, node, base  # and its place in it, where it has one

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray  # for isinstance(x, np.ndarray)

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        result = of_ufunc(self.tape, ufunc, method, inputs, options)
        if out is None:
            return result
        if not is_recorded(out[0]):
            raise CannotRecord("the result is written into a plain array")
        out[0].becomes(self.tape.lift(result))
        return out[0]

    def becomes(self, node: Node) -> None:
        """What it is after it was written into, and so is what it is a part of."""
        self.node = node
        if self.base is not None:
            whole, index = self.base
            whole[index] = self

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        before, self.tape.busy = self.tape.busy, True
        try:
            return of_function(self.tape, function, args, kwargs)
        finally:
            self.tape.busy = before

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise CannotRecord("a recorded array cannot become a plain one")

    def __getitem__(self, index: Any) -> Any:
        index = plain(index)
        found = self.tape.record("getitem", [self], self.node.value[index], index=index)
        parts = index if isinstance(index, tuple) else (index,)
        found.base = None if any(np.ndim(p) for p in parts) else (self, index)
        return found

    def __setitem__(self, index: Any, value: Any) -> None:
        index = plain(index)
        after = self.node.value.copy()
        after[index] = plain(value)
        self.becomes(self.tape.record("setitem", [self, value], after, index=index).node)

    def __len__(self) -> int:
        return len(self.node.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[n] for n in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.node.value)

    def __float__(self) -> float:
        number = float(self.node.value)
        self.tape.floats[number] = self.node
        return number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        return method(self, name)


def recorded(
    forward: Callable[[Mapping[str, Any]], Any],
    arrays: Mapping[str, Array],
) -> Tape:
    """The tape of a forward pass on these arrays, computed in float64."""
    tape = Tape(Recorded)
    for name, array in arrays.items():
        tape.inputs[name] = node = tape.node("input", (), array.astype(np.float64), name=name)
        node.live = True
    tape.top = sys._getframe()
    with _buffers(tape), np.errstate(all="ignore"):
        outputs = forward({name: Recorded(tape, node) for name, node in tape.inputs.items()})
    tape.outputs = [tape.lift(leaf) for leaf in leaves(outputs)]
    return tape


@contextmanager
def _buffers(tape: Tape) -> Iterator[None]:
    """Arrays that the function makes for itself can be written into: they record, too."""
    mine = get_ident()

    def kept(original: Any) -> Any:
        def make(*args: Any, **kwargs: Any) -> Any:
            if tape.busy or get_ident() != mine:
                return original(*args, **kwargs)
            made = original(*plain(args), **plain(kwargs))
            return Recorded(tape, tape.lift(made)) if made.dtype.kind == "f" else made

        return make

    def converted(original: Any) -> Any:
        def convert(x: Any, *args: Any, **kwargs: Any) -> Any:
            if tape.busy or get_ident() != mine or not any(is_recorded(part) for part in _flat(x)):
                return original(x, *args, **kwargs)
            return Recorded(tape, tape.lift(x)) if is_recorded(x) else stacked(x)

        def stacked(x: Any) -> Any:
            return np.stack([stacked(p) for p in x]) if type(x) in (list, tuple) else x

        return convert

    makers = [
        f"{name}{like}" for name in ("zeros", "ones", "empty", "full") for like in ("", "_like")
    ]
    replaced = {name: kept(getattr(np, name)) for name in makers}
    converters = ("array", "asarray", "ascontiguousarray", "asanyarray", "copy")
    replaced |= {name: converted(getattr(np, name)) for name in converters}
    untouched = SimpleNamespace(**vars(np))
    with ExitStack() as stack:
        for module, name in _compiled():
            stack.enter_context(patch.object(module, name, untouched))
        stack.enter_context(patch.multiple(np, **replaced))
        yield


def _compiled() -> Iterator[tuple[ModuleType, str]]:
    """Compiled modules that know NumPy, and by which name.

    They write into the memory of the arrays that they make, without asking what these are.
    """
    for module in list(sys.modules.values()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if isinstance(loader, ExtensionFileLoader):
            yield from ((module, n) for n in ("np", "numpy") if vars(module).get(n) is np)


def _flat(x: Any) -> Iterator[Any]:
    if type(x) in (list, tuple):
        for part in x:
            yield from _flat(part)
    else:
        yield x
