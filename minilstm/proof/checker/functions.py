"""A problem made of two plain functions: a forward pass and the backward pass written for it.
The loss is the sum of the outputs times random numbers, which are the upstream gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minilstm.arrays import as_array, as_numbers, refuse_masked
from minilstm.errors import DataError, GradientError
from minilstm.proof.causes.recognition import recognise
from minilstm.proof.derivatives.problem import Array, Axes, Problem
from minilstm.proof.derivatives.trees import is_number, leaves, named_leaves, replaced


def problem_of(
    f: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Any,
    *,
    cached: bool,
    upstream: str | None,
    axes: Mapping[str, Axes] | None,
    rng: np.random.Generator,
    equations: Callable[..., Any] | None = None,
) -> Problem:
    """The problem of a pair of functions, whose arrays are the floating-point inputs.

    TypeError or ValueError is raised where they, the inputs and the options do not fit together.
    """
    for name, function in (("f", f), ("backward", backward)):
        if not callable(function):
            raise TypeError(
                f"{name} is {type(function).__name__}, not a function; pass f, backward and "
                "inputs, or a network, its sequences and its answers."
            )
    if upstream not in ("random", None):
        raise ValueError(
            f"upstream is {upstream!r}; pass 'random', or None where f is a loss and backward "
            "takes no upstream gradient."
        )
    named, by_keyword = _named(f, inputs)
    arrays = {k: v for k, v in named.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    if not arrays:
        raise ValueError(
            "inputs holds no array of floating-point numbers, so there is nothing to "
            "differentiate; pass a dict of float64 arrays by name."
        )
    _check_axes(axes or {}, named)
    spoiled: set[str] = set()

    def call(
        function: Callable[..., Any], first: tuple[Any, ...], values: Mapping[str, Any]
    ) -> Any:
        given = {**named, **values}
        before = {k: v for k, v in given.items() if isinstance(v, np.ndarray)}
        given |= {k: v.copy() for k, v in before.items()}
        result = function(*first, **given) if by_keyword else function(*first, *given.values())
        spoiled.update(k for k, v in before.items() if not _same(v, given[k]))
        return result

    def forward(values: Mapping[str, Any]) -> tuple[Any, Any]:
        result = call(f, (), values)
        if not cached:
            return result, None
        if not isinstance(result, tuple) or len(result) < 2:
            raise TypeError(
                f"f returned {type(result).__name__}; with cached=True it has to return a tuple "
                "of the output, or several, and the cache that backward takes."
            )
        outputs = result[:-1]
        return (outputs[0] if len(outputs) == 1 else outputs), result[-1]

    outputs, first_cache = forward({})
    unspent = [first_cache] if cached else []  # backward may overwrite a cache: used once
    _check_outputs(outputs, upstream)
    dy = None if upstream is None else replaced(outputs, lambda y: _random_like(y, rng))

    def loss(values: Mapping[str, Array]) -> Any:
        # A function may make its buffers of the dtype of any of its inputs.
        wide = np.result_type(*values.values(), np.float64)
        filled = {k: a.astype(wide) for k, a in {**arrays, **values}.items()}
        return _loss_of(forward(filled)[0], dy)

    def gradients(values: Mapping[str, Any], upstream: Any = None) -> dict[str, Array | None]:
        filled = {**arrays, **values}
        up = _widened(dy if upstream is None else upstream, values)
        # Backward may write into it.
        given = replaced(up, lambda d: d.copy() if isinstance(d, np.ndarray) else d)
        cache = unspent.pop() if unspent and not values else None
        if cache is None and (cached or values):
            # Also where nothing is handed over: an object may keep its cache to itself.
            cache = forward(filled)[1]
            problem.forward_passes += 1
        if cached:
            several = isinstance(outputs, tuple) and not hasattr(outputs, "_fields")
            first = () if up is None else tuple(given) if several else (given,)
            found = backward(*first, cache)
        else:
            found = call(backward, () if up is None else (given,), filled)
        if not all(_same(a, b) for a, b in zip(leaves(up), leaves(given), strict=True)):
            spoiled.add("dy, the upstream gradient")
        return _by_name(found, arrays, [name for name in named if name not in arrays])

    sizes = [np.asarray(y).size for y in leaves(outputs) if is_number(y)]
    magnitude = sum(
        float(np.abs(np.asarray(y) * (1 if dy is None else d)).sum())
        for d, y in zip(leaves(outputs if dy is None else dy), leaves(outputs), strict=True)
        if is_number(y)
    )
    problem = Problem(
        arrays,
        loss,
        gradients,
        getattr(backward, "__name__", "backward"),
        # Outputs that are exactly zero may be what rounding left of numbers near one.
        magnitude=magnitude or float(sum(sizes)),
        terms=sum(sizes) + sum(a.size for a in arrays.values()),
        axes=axes or {},
        counts=_counts(arrays, outputs, axes or {}),
    )
    # The true derivative is computed in float64, where the loss of float32 inputs is another one.
    if problem.eps <= np.finfo(np.float64).eps:
        problem.base = float(np.real(_loss_of(outputs, dy)))
    problem.forward_passes = 1
    problem.spoiled = spoiled
    problem.recognise = lambda: recognise(named, outputs, dy)
    problem.upstream, problem.inputs = dy, named

    def plain(values: Mapping[str, Any]) -> Any:
        given = {**named, **values}
        given = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in given.items()}
        result = (equations or f)(**given) if by_keyword else (equations or f)(*given.values())
        several = cached and equations is None
        return (result[0] if len(result) == 2 else result[:-1]) if several else result

    problem.forward = plain
    return problem


def _named(f: Callable[..., Any], inputs: Any) -> tuple[dict[str, Any], bool]:
    """Inputs by name, lists as arrays, and whether they are passed by keyword."""
    if isinstance(inputs, Mapping):
        named, by_keyword = {str(k): v for k, v in inputs.items()}, True
        try:
            inspect.signature(f).bind(**named)
        except TypeError as error:
            raise TypeError(
                f"f does not take the inputs {', '.join(named)} by keyword ({error}); name them "
                "as f does, or pass a list to have them passed in order."
            ) from None
        except ValueError:  # a built-in function without a signature
            pass
    else:
        values = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
        named, by_keyword = dict(zip(_names(f, len(values)), values, strict=True)), False
    return {k: _as_input(k, v) for k, v in named.items()}, by_keyword


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of f's parameters where it has that many in order, else numbers."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    in_order = [
        p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return in_order[:count] if len(in_order) >= count else [f"input {k}" for k in range(count)]


def _check_axes(axes: Mapping[str, Axes], named: Mapping[str, Any]) -> None:
    unknown = set(axes) - set(named)
    if unknown:
        raise ValueError(
            f"axes names {sorted(unknown)[0]!r}, which is no input; the inputs are "
            f"{', '.join(named)}."
        )
    for name, words in axes.items():
        if isinstance(words, str) or len(words) > np.ndim(named[name]):
            raise ValueError(
                f"axes[{name!r}] is {words!r}, but {name} has {np.ndim(named[name])} axes; give a "
                "tuple with a word, or a tuple of labels, for each axis."
            )


def _as_input(name: str, value: Any) -> Any:
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


def _check_outputs(outputs: Any, upstream: str | None) -> None:
    for y in leaves(outputs):
        refuse_masked(y, "the output of f")
    numbers = [np.asarray(y) for y in leaves(outputs) if is_number(y)]
    if not numbers:
        raise TypeError(
            "f returns no floating-point numbers, so it has no gradient; with cached=True its "
            "last result is taken as the cache."
        )
    if any(np.iscomplexobj(y) for y in numbers):
        raise TypeError(
            "f returns complex numbers for real inputs, whose derivatives are not defined here; "
            "return the real and the imaginary parts as two arrays."
        )
    if any(not np.isfinite(y).all() for y in numbers):
        raise ValueError(
            "f gives NaN or infinite numbers at these inputs, so there is no gradient to compare; "
            "choose other inputs."
        )
    if upstream is None and (len(numbers) != 1 or numbers[0].size != 1):
        raise ValueError(
            f"f returns {sum(y.size for y in numbers)} numbers, but with upstream=None it has to "
            "be a loss, one number; leave upstream at 'random' for any other function."
        )


def _loss_of(outputs: Any, dy: Any) -> Any:
    """The outputs times the upstream gradients, summed; the output itself of a loss."""
    if dy is None:
        return next(np.asarray(y).reshape(-1)[0] for y in leaves(outputs) if is_number(y))
    parts = zip(leaves(dy), leaves(outputs), strict=True)
    return sum((np.asarray(d) * np.asarray(y)).sum() for d, y in parts if d is not None)


def _random_like(y: Any, rng: np.random.Generator) -> Any:
    """A random upstream gradient of the shape and dtype of an output."""
    if not is_number(y):
        return None
    array = np.asarray(y)
    drawn = rng.standard_normal(array.shape).astype(array.dtype)
    return drawn if isinstance(y, np.ndarray) else array.dtype.type(drawn)


def _widened(dy: Any, values: Mapping[str, Array]) -> Any:
    """Upstream gradients in the dtype of the arrays, where that is the wider one."""
    if dy is None or not values:
        return dy
    dtype = np.result_type(*(a for a in values.values() if np.asarray(a).dtype.kind == "f"))

    def wide(d: Any) -> Any:
        if d is None or np.result_type(d, dtype) == np.asarray(d).dtype:
            return d
        return np.asarray(d).astype(dtype)

    return replaced(dy, wide)


def _by_name(found: Any, arrays: Mapping[str, Array], others: list[str]) -> dict[str, Array | None]:
    """What backward returned, sorted to the arrays it belongs to, by name or else in order."""
    if found is None:
        return dict.fromkeys(arrays)
    parts = list(named_leaves(found))
    if len(parts) == 1 and len(arrays) == 1:
        parts = [(next(iter(arrays)), parts[0][1])]
    named = {name: part for name, part in parts if name in arrays}
    rest = [part for name, part in parts if name not in arrays]
    open_names = [name for name in arrays if name not in named]
    if len(rest) > len(open_names) and any(part is None for part in rest):
        rest = [part for part in rest if part is not None]  # None stood for an integer input
    if len(rest) not in (0, len(open_names)):
        none_for = f", not counting {', '.join(others)} (no arrays of floats)" if others else ""
        raise GradientError(
            f"backward returned {len(parts)} gradients for {len(arrays)} inputs "
            f"({', '.join(arrays)}{none_for}); return one for each in this order, None for one "
            "that is missing, or a dict by name."
        )
    named.update(zip(open_names, rest, strict=False))
    return {name: _gradient(name, named.get(name)) for name in arrays}


def _gradient(name: str, found: Any) -> Array | None:
    """A copy of one gradient, because backward may use its buffer again."""
    if found is None:
        return None
    refuse_masked(found, f"the gradient of {name}")
    gradient = np.array(found)
    if gradient.dtype.kind not in "bifuc":
        raise TypeError(
            f"backward gives {type(found).__name__} as the gradient of {name}; return an array of "
            "numbers, or None if it is missing."
        )
    return gradient if gradient.dtype.kind in "fc" else gradient.astype(np.float64)


def _same(a: Any, b: Any) -> bool:
    """Whether two arrays or numbers are equal, NaN to NaN."""
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind in "fc"))


def _counts(arrays: Mapping[str, Array], outputs: Any, axes: Mapping[str, Axes]) -> dict[str, int]:
    """Lengths that may have become a factor: named axes first, then every other length once."""
    counts: dict[str, int] = {}
    words = {"batch": "the batch", "sequence": "the batch", "time": "the time steps"}
    for name, array in arrays.items():
        for word, length in zip(axes.get(name, ()), array.shape, strict=False):
            if isinstance(word, str) and word != "gates":
                counts.setdefault(words.get(word, f"the number of {word}s"), length)
    if "the batch" in counts and "the time steps" in counts:
        counts["the batch times the time steps"] = counts["the batch"] * counts["the time steps"]
    outs = [(n, np.asarray(y)) for n, y in enumerate(leaves(outputs)) if is_number(y)]
    lengths = [
        *((f"axis {k} of {n}", d) for n, a in arrays.items() for k, d in enumerate(a.shape)),
        *((f"axis {k} of output {n}", d) for n, y in outs for k, d in enumerate(y.shape)),
    ]
    for axis, length in lengths:
        if length not in counts.values():
            counts[f"the length of {axis}"] = length
    for n, y in outs:
        if y.size not in counts.values():
            counts[f"the count of numbers in output {n}"] = y.size
    return counts
