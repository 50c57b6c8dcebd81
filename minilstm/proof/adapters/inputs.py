"""Inputs as a user hands them in: by name or in order, nested, of NumPy or of another library.
They become NumPy arrays by name; both functions get them back in the form that they know."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from minilstm.arrays import as_array, as_numbers, refuse_masked
from minilstm.errors import DataError
from minilstm.proof.adapters.conventions import parameters_of
from minilstm.proof.adapters.frameworks import library_of
from minilstm.proof.adapters.names import Path, label, paths_of
from minilstm.proof.adapters.pair import Pair
from minilstm.proof.derivatives.trees import leaves, replaced


def pair_of_functions(
    f: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Any,
    cached: bool | None,
    upstream: str | None,
) -> Pair:
    """The pair of two functions as they are, their inputs named, flat and of NumPy.

    TypeError is raised where f does not take the inputs.
    """
    given, by_keyword = named_inputs(f, inputs)
    library = library_of(given)
    taken, written = parameters_of(backward), backward
    if library is not None:
        f, backward = library.wrapped(f), library.wrapped(backward)
        given = replaced(given, library.to_numpy)
    pair = flat_pair(f, backward, given, by_keyword)
    return replace(
        pair, cached=cached, upstream=upstream, taken=taken, written=written,
        wrap=pair.nest if library is None else lambda g: pair.nest(library.wrapped(g)),
    )  # fmt: skip


def flat_pair(
    f: Callable[..., Any], backward: Callable[..., Any], given: dict[str, Any], by_keyword: bool
) -> Pair:
    """The pair of two functions of NumPy, the inputs of which may be nested."""
    flat: dict[str, Any] = {}
    paths: dict[str, Path] = {}
    nested = [name for name, tree in given.items() if _is_nested(tree)]
    for name, value in given.items():
        for path, leaf in paths_of(value, (name,)) if name in nested else [((name,), value)]:
            flat[label(path)], paths[label(path)] = as_input(label(path), leaf), path
    taken = parameters_of(backward)

    def nest(function: Callable[..., Any]) -> Callable[..., Any]:
        return _rebuilding(function, given, nested, by_keyword) if nested else function

    by_keyword_too = by_keyword or bool(nested)
    return Pair(nest(f), nest(backward), flat, given, taken, by_keyword_too, paths=paths, nest=nest)


def named_inputs(f: Callable[..., Any], inputs: Any) -> tuple[dict[str, Any], bool]:
    """Inputs by name, and whether they are passed by keyword.

    TypeError is raised where f does not take them.
    """
    if not isinstance(inputs, Mapping):
        values = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
        taken = parameters_of(f)
        if isinstance(inputs, list) and not taken.fit(len(values)) and taken.fit(1):
            values = [np.array(inputs)] if _is_numbers(inputs) else values
        return dict(zip(_names(f, len(values)), values, strict=True)), _by_keyword_alone(f)
    named = {str(k): v for k, v in inputs.items()}
    try:
        inspect.signature(f).bind(**named)
    except TypeError as error:
        raise TypeError(
            f"f does not take the inputs {', '.join(named)} by keyword ({error}); name them "
            "as f does, or pass a list to have them passed in order."
        ) from None
    except ValueError:  # a built-in function without a signature
        pass
    return named, True


def _is_numbers(value: Any) -> bool:
    """Whether a list is one of numbers, or of equally long lists of them: an array written out."""
    rows = [value] if not isinstance(value[:1] and value[0], list) else value
    flat = [number for row in rows if isinstance(row, list) for number in row]
    return len({len(row) for row in rows}) == 1 and all(isinstance(n, int | float) for n in flat)


def _by_keyword_alone(f: Callable[..., Any]) -> bool:
    """Whether a function has parameters that are not passed by position."""
    with suppress(TypeError, ValueError):
        found = inspect.signature(f).parameters.values()
        return any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in found)
    return False


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of f's parameters where it has that many in order, else numbers."""
    names = parameters_of(f).names
    return [*names[:count]] if len(names) >= count else [f"input {k}" for k in range(count)]


def as_input(name: str, value: Any) -> Any:
    """Floats in any form as a plain array, so that they are checked; anything else as it is."""
    refuse_masked(value, name)
    if isinstance(value, np.ndarray):
        array, foreign = value, value.dtype.kind == "O" or not value.dtype.isnative
    else:
        array, foreign = None, isinstance(value, list) or hasattr(value, "__array__")
    if not foreign or isinstance(value, np.generic):
        return value
    try:
        array = np.asarray(as_array(value, name))
        array = as_numbers(array, name) if array.dtype.kind == "O" else array
    except DataError:
        if isinstance(value, (list, np.ndarray)):  # sequences of unequal lengths, or objects
            return value
        raise
    return array if array.dtype.kind == "f" else value


def _is_nested(value: Any) -> bool:
    """Whether an input is a tree of arrays of floats alone; with a word in it, it is an option."""
    if not isinstance(value, (Mapping, tuple, list)):
        return False
    parts = leaves(value)
    return bool(parts) and all(isinstance(p, np.ndarray) and p.dtype.kind == "f" for p in parts)


def _rebuilding(
    function: Callable[..., Any], given: Mapping[str, Any], nested: Sequence[str],
    by_keyword: bool,
) -> Callable[..., Any]:  # fmt: skip
    """A function that takes nested inputs flat, by name."""

    def call(*first: Any, **flat: Any) -> Any:
        whole = {name: flat[name] for name in given if name in flat}
        for name in nested if flat else ():
            parts = [flat[label(path)] for path, _ in paths_of(given[name], (name,))][::-1]
            whole[name] = replaced(given[name], lambda _, left=parts: left.pop())  # type: ignore[misc]
        whole = {name: whole[name] for name in given if name in whole}
        return function(*first, **whole) if by_keyword else function(*first, *whole.values())

    call.__name__ = getattr(function, "__name__", "backward")
    return call


def copied(value: Any) -> Any:
    """A copy of an input that a function may write into."""
    if isinstance(value, np.ndarray):
        return value.copy()
    return copy.deepcopy(value) if isinstance(value, (dict, list)) else value


def takes_keywords(backward: Callable[..., Any], named: Mapping[str, Any]) -> bool:
    """Whether a backward function takes the inputs by their names."""
    found = parameters_of(backward)
    return found.more or set(named) <= set(found.names)
