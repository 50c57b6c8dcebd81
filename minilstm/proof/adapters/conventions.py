"""How a backward function wants to be called: with the inputs, with a cache, or for a loss.
Its signature, beside what the forward function returned, tells; where both fit, it asks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.derivatives.trees import is_number, leaves

CACHE = re.compile(r"\w*(cache|ctx|context|memory|saved|residual|intermediate|tape)\w*|res|mem")
GRADIENT = re.compile(r"d(?!ata|im|epth|t$)\w*|grad\w*|g|up\w*|delta\w*|ct|cotangent")


class Parameters(NamedTuple):
    """The parameters of a function; of those by keyword alone the ones without a default."""

    names: tuple[str, ...]
    required: int  # the first so many have no default
    more: bool  # it takes any number, or does not say

    def fit(self, count: int) -> bool:
        """Whether it can be called with so many arguments by position."""
        return self.more or self.required <= count <= len(self.names)


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """The parameters of a function; of a built-in one nothing is known."""
    try:
        found = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):
        return Parameters((), 0, True)
    plain = [
        p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        or (p.kind is p.KEYWORD_ONLY and p.default is p.empty)
    ]  # fmt: skip
    required = sum(p.default is p.empty for p in plain)
    more = any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found)
    return Parameters(tuple(p.name for p in plain), required, more)


class Convention(NamedTuple):
    """How backward is called."""

    # "inputs": (dy, *inputs); "cache": (dy, cache); "alone": (dy); "derivative": (*inputs)
    kind: str
    upstream: bool = True  # whether it takes upstream gradients; a loss has none
    cache_first: bool = False
    outputs: int | None = None  # so many of the results are outputs with an upstream gradient
    each: bool = False  # several upstream gradients are arguments of their own, and no tuple

    def first(self, upstream: Any) -> tuple[Any, ...]:
        """The arguments in which backward takes the upstream gradients."""
        return () if upstream is None else tuple(upstream) if self.each else (upstream,)

    def split(self, result: Any) -> tuple[Any, Any]:
        """The outputs, alone or in a tuple, and the cache of what forward returned."""
        if self.kind != "cache":
            kept = result if self.outputs is None else result[: self.outputs]
            return (kept[0] if self.outputs == 1 else kept), None
        if not isinstance(result, tuple) or len(result) < 2:
            raise TypeError(
                f"f returned {type(result).__name__}; with cached=True it has to return a tuple "
                "of the output, or several, and the cache that backward takes."
            )
        outputs = result[:-1] if self.outputs is None else result[: self.outputs]
        return (outputs[0] if len(outputs) == 1 else outputs), result[-1]

    def cuts(self, result: Any) -> bool:
        """Whether some outputs have no upstream gradient."""
        return self.outputs is not None and self.outputs < len(result) - 1

    def note(self, result: Any) -> str:
        """What to say of outputs that were left out."""
        if self.kind == "derivative":
            return (
                "backward takes no upstream gradient; it was taken for the derivative of each entry"
            )
        if not self.cuts(result):
            return ""
        return (
            f"backward takes {self.outputs} upstream gradient{'s' * (self.outputs != 1)} and f "
            f"returns {len(result) - 1} outputs; the first of them were checked"
        )


def convention(
    taken: Parameters,
    named: Mapping[str, Any],
    result: Any,
    cached: bool | None,
    upstream: str | None,
) -> Convention:
    """How backward is called, from what it takes and what f returned for the inputs.

    Options that are not None or "auto" are taken as they are; ValueError asks where both a cache
    and another output would fit.
    """
    names, required, more = taken
    count = len(named)
    several = isinstance(result, tuple) and not hasattr(result, "_fields") and len(result) > 1
    if cached is None:
        kept = 0  # results at the end that are inputs, handed to backward
        if several and not more and not any(map(is_gradient, names[1:required])):
            while kept < len(result) - 1 and _are_inputs(result[-1 - kept], named):
                kept += 1
        if kept and not taken.fit(2) and taken.fit(1 + count):
            return Convention("inputs", upstream is not None, outputs=len(result) - kept)
        cached = kept == 1 and taken.fit(2)
        cached = cached or (several and not more and _has_cache(taken, named, result))
    if cached:
        most = len(result) - 1 if several else 1
        loss = upstream is None or (upstream == "auto" and taken.fit(1) and not taken.fit(2))
        first = _cache_first(names)
        fitting = [k for k in range(most, 0, -1) if taken.fit(k + 1)]
        return Convention("cache", not loss, first, fitting[0] if fitting and not loss else None)
    if taken.fit(1) and not more and is_gradient(names[0]) and names[0] not in named:
        return Convention("alone" if upstream is not None else "inputs", upstream is not None)
    if several and not taken.fit(count + 1) and taken.fit(count + len(result)):
        return Convention("inputs", upstream is not None, each=True)
    if upstream != "auto" or more or taken.fit(count + 1) or not taken.fit(count):
        return Convention("inputs", upstream is not None)
    numbers = [np.asarray(y) for y in leaves(result) if is_number(y)]
    if len(numbers) == 1 and numbers[0].size == 1:
        return Convention("inputs", upstream=False)
    if all(np.shape(result) == np.shape(value) for value in named.values()):
        return Convention("derivative")
    raise TypeError(
        f"backward takes ({', '.join(names)}), as f does, but f returns several numbers; add the "
        "upstream gradient in front, as backward(dy, ...), or let f return a loss, one number."
    )


def _are_inputs(result: Any, named: Mapping[str, Any]) -> bool:
    """Whether a result is an input, or several: kept for backward, and no output."""
    inputs = [np.asarray(v) for v in named.values() if is_number(v)]
    parts = [np.asarray(leaf) for leaf in leaves(result) if is_number(leaf)]
    return bool(parts) and all(any(np.array_equal(a, v) for v in inputs) for a in parts)


def _has_cache(taken: Parameters, named: Mapping[str, Any], result: tuple[Any, ...]) -> bool:
    """Whether the last of several results is a cache that backward takes."""
    names, required, _ = taken
    if any(map(_is_cache, names[:required])) or (_cache_first(names) and names[0] not in named):
        return True
    fits = any(taken.fit(k + 1) for k in range(is_gradient(names[0]), len(result)))
    if not fits or set(names[:required]) & set(named):
        return False
    if not taken.fit(len(named) + 1) and not taken.fit(len(named)):
        return True
    if not all(is_number(leaf) for leaf in leaves(result[-1])) or isinstance(result[-1], tuple):
        return True
    raise ValueError(
        f"f returns {len(result)} results and backward takes ({', '.join(names)}), so the last "
        "result may be an output or the cache; say cached=True, or cached=False."
    )


def is_gradient(name: str) -> bool:
    """Whether a parameter of backward is called like an upstream gradient."""
    return GRADIENT.fullmatch(name.lower()) is not None


def _cache_first(names: Sequence[str]) -> bool:
    """Whether a cache comes before the upstream gradient, as in f_bwd(r, g) of JAX."""
    if len(names) < 2 or _is_cache(names[-1]):
        return False
    return _is_cache(names[0]) or (names[0] in ("r", "rs") and is_gradient(names[-1]))


def _is_cache(name: str) -> bool:
    return CACHE.fullmatch(name.lower()) is not None
