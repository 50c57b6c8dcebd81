"""Functions under test as the checks see them: arrays for them, their outputs, their gradients.
Each kind draws its arrays, says which outputs would be right, and names what goes in and out.

Axes: B batch, T time, D features, H hidden.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from minilstm.arrays import as_array
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.derivatives.trees import named_leaves

Arrays = Mapping[str, Array]


class Sizes(NamedTuple):
    """Sizes of one check."""

    T: int = 6
    B: int = 3
    D: int = 2
    H: int = 4


USUAL = Sizes()


class Outputs(NamedTuple):
    """What forward returned: arrays by name, and what it keeps for backward."""

    named: dict[str, Array]
    cache: Any


@dataclass(frozen=True)
class Subject:
    """The two functions under test; see `conformance`."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    dtype: Any = field(default=np.float64, kw_only=True)

    output_error: ClassVar[float] = 1e-9  # relative, by the order of sums
    through: ClassVar[tuple[str, ...]] = ()  # outputs at which gradients arrive; () for all
    optional: ClassVar[tuple[str, ...]] = ()  # arrays whose gradients backward may leave out

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays that have gradients, in the order in which backward gives them."""
        raise NotImplementedError

    @property
    def taken(self) -> tuple[str, str]:
        """What the two functions are called with, in words; "" for anything."""
        raise NotImplementedError

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """What the axes of each array are, for reports."""
        return {}

    def draw(self, sizes: Sizes, rng: np.random.Generator) -> dict[str, Array]:
        """Arrays for forward, in the order in which it takes them."""
        raise NotImplementedError

    def right(self, arrays: Arrays) -> Iterator[tuple[str, dict[str, Array]]]:
        """(what it is, the outputs by name) of everything that forward may compute."""
        yield from ()

    def run(self, arrays: Arrays, copy: bool = True, **extra: Any) -> Outputs:
        """Call forward on copies of the arrays and take what it returns apart."""
        given = [a.copy() if copy else a for a in arrays.values()]
        *outputs, cache = quietly(self.forward, *given, **extra)
        return Outputs(numbered(outputs), cache)

    def gradients(self, upstream: Arrays, cache: Any, copy: bool = True) -> dict[str, Any]:
        """Call backward on copies of the upstream gradients and give its gradients names."""
        given = [a.copy() if copy else a for a in upstream.values()]
        return named_gradients(quietly(self.backward, *given, cache), self.names)

    def draw_upstream(self, outputs: Outputs, rng: np.random.Generator) -> dict[str, Array]:
        """Random gradients of the outputs, of their shapes and dtypes."""
        named = outputs.named.items()
        return {n: rng.standard_normal(y.shape).astype(y.dtype) for n, y in named}

    def other_signature(self) -> str:
        """One sentence where a function takes other arguments; "" where both take these."""
        both = ("forward", "backward"), (self.forward, self.backward), self.taken
        for name, function, arguments in zip(*both, strict=True):
            try:
                takes = inspect.signature(function)
            except (TypeError, ValueError):  # a built-in function
                continue
            try:
                takes.bind(*arguments.split(", ")) if arguments else None
            except TypeError:
                return (
                    f"{name} takes {takes}, but is called as {name}({arguments}); wrap it in a "
                    "function that takes these and hands them on as yours needs them"
                )
        return ""


def numbered(outputs: Sequence[Any]) -> dict[str, Array]:
    """Outputs with numbers as their names."""
    return {f"output {k}": np.asarray(y) for k, y in enumerate(outputs)}


def named_gradients(found: Any, names: Sequence[str]) -> dict[str, Any]:
    """Gradients by name from a dict, a tuple in the order of the names, or nested ones."""
    parts = list(named_leaves(found))
    named = {name: part for name, part in parts if name in names}
    missing = (name for name in names if name not in named)
    named |= zip(missing, (part for name, part in parts if name is None), strict=False)
    return {n: None if named.get(n) is None else as_array(named[n], n) for n in names}


def quietly(function: Callable[..., Any], *given: Any, **extra: Any) -> Any:
    """What a function returns, without warnings of its numbers."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*given, **extra)
