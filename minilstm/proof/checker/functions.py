"""A problem made of two plain functions: a forward pass and the backward pass written for it.
The loss is the sum of the outputs times random numbers, which are the upstream gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minilstm.arrays import refuse_masked
from minilstm.proof.adapters.conventions import convention
from minilstm.proof.adapters.inputs import copied, takes_keywords
from minilstm.proof.adapters.names import sorted_gradients, with_gradients
from minilstm.proof.adapters.pair import Pair
from minilstm.proof.causes.recognition import recognise
from minilstm.proof.derivatives.problem import Array, Axes, Problem
from minilstm.proof.derivatives.randomness import generator
from minilstm.proof.derivatives.trees import is_number, leaves, replaced


def problem_of(
    pair: Pair,
    *,
    axes: Mapping[str, Axes] | None,
    wrt: str | Sequence[str] | None,
    rng: np.random.Generator,
    equations: Callable[..., Any] | None = None,
) -> Problem:
    """The problem of a pair of functions, whose arrays are the floating-point inputs.

    TypeError or ValueError is raised where they, the inputs and the options do not fit together.
    """
    f, backward, named = pair.f, pair.backward, pair.named
    arrays = {k: v for k, v in named.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    numbers = [k for k, v in named.items() if isinstance(v, float | np.floating)]
    if numbers and not arrays:
        arrays = {k: np.array(named[k]) for k in numbers}
        named, numbers = {**named, **arrays}, []
    if not arrays:
        raise ValueError(
            "inputs holds no array of floating-point numbers, so there is nothing to "
            "differentiate; pass a dict of float64 arrays by name."
        )
    _check_axes(axes or {}, named)
    wanted = [wrt] if isinstance(wrt, str) else list(arrays if wrt is None else wrt)
    spoiled: set[str] = set()

    def call(
        function: Callable[..., Any], first: tuple[Any, ...], values: Mapping[str, Any]
    ) -> Any:
        given = {**named, **values}
        before = {k: v for k, v in given.items() if isinstance(v, np.ndarray)}
        given = {k: copied(v) for k, v in given.items()}
        by_keyword = pair.by_keyword and (function is f or keywords_fit)
        result = function(*first, **given) if by_keyword else function(*first, *given.values())
        spoiled.update(k for k, v in before.items() if not _same(v, given[k]))
        return result

    def takes_all() -> bool:
        """Whether backward takes a gradient of every result: what it then gives fits the arrays."""
        up = replaced(result, lambda y: np.ones_like(y) if is_number(y) else None)
        try:
            found = call(backward, (up,), {})
            grads = sorted_gradients(found, arrays, pair.paths, None, wanted)
        except Exception:  # of a function that was given another structure than it takes
            return False
        return all(np.shape(g) == arrays[n].shape for n, g in grads.items() if g is not None)

    keywords_fit = takes_keywords(backward, named)
    result = call(f, (), {})
    how = pair.how or convention(pair.taken, pair.arguments, result, pair.cached, pair.upstream)
    kept = how.kind == "cache" and len(named) == 1 and pair.cached is None
    if pair.how is None and (kept or (how.kind == "inputs" and how.outputs)) and takes_all():
        # The last results are inputs, but outputs as well.
        how = how._replace(kind="inputs", outputs=None, cache_first=False)
    cached, upstream = how.kind == "cache", "random" if how.upstream else None

    def forward(values: Mapping[str, Any]) -> tuple[Any, Any]:
        return how.split(call(f, (), values))

    outputs, first_cache = how.split(result)
    unspent = [first_cache] if cached else []  # backward may overwrite a cache: used once
    _check_outputs(outputs, upstream)
    dy = None if upstream is None else replaced(outputs, lambda y: _random_like(y, rng))
    while any(_is_multiple(d, a) for d in leaves(dy) for a in arrays.values()):
        dy = replaced(outputs, lambda y: _random_like(y, rng))

    def loss(values: Mapping[str, Array]) -> Any:
        # A function may make its buffers of the dtype of any of its inputs.
        wide = np.result_type(*values.values(), np.float64)
        filled = {k: a.astype(wide) for k, a in {**arrays, **values}.items()}
        return _loss_of(forward(filled)[0], dy)

    def returned(values: Mapping[str, Any], backward: Callable[..., Any]) -> Any:
        backward = backward if backward is pair.backward else pair.wrap(backward)
        filled = {**arrays, **values}
        up = _widened(dy, values)
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
            found = backward(*((cache, *first) if how.cache_first else (*first, cache)))
        elif how.kind == "alone":
            found = backward(given)
        elif how.kind == "derivative":
            found = replaced(call(backward, (), filled), lambda d: given * d)
        else:
            found = call(backward, how.first(given), filled)
        if not all(_same(a, b) for a, b in zip(leaves(up), leaves(given), strict=True)):
            spoiled.add("dy, the upstream gradient")
        return found

    def gradients(
        values: Mapping[str, Any], backward: Callable[..., Any] = backward
    ) -> dict[str, Array | None]:
        found = returned(values, backward)
        by_name = sorted_gradients(found, arrays, pair.paths, named, wanted)
        if how.cuts(result):  # what only the other outputs depend on needs no gradient
            base = loss(values)
            for name in [name for name, gradient in by_name.items() if gradient is None]:
                moved = 1 + 2 * arrays[name].astype(np.float64)
                by_name[name] = 0 * moved if loss({**values, name: moved}) == base else None
        return {name: _gradient(name, gradient) for name, gradient in by_name.items()}

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
    )
    if all(a.dtype == np.longdouble for a in arrays.values()):
        problem.digit = float(np.finfo(np.longdouble).eps)
    # The true derivative is computed in float64 at least, where the loss of others is another one.
    if all(a.dtype == np.float64 for a in arrays.values()):
        problem.base = float(np.real(_loss_of(outputs, dy)))
    problem.forward_passes, problem.backward_passes = 1 + pair.passes[0], pair.passes[1]
    problem.spoiled = spoiled
    problem.notes += [note for note in (*pair.notes, how.note(result)) if note]
    if numbers:  # those that backward gives gradients of are arrays, too
        passes = problem.forward_passes, problem.backward_passes + 1
        found = returned({}, backward)
        both = {*arrays, *numbers}
        given = with_gradients(found, [n for n in named if n in both], numbers, pair.paths, wanted)
        if given:
            named = {**named, **{name: np.array(named[name]) for name in given}}
            pair = replace(pair, named=named, how=how, passes=passes)
            return problem_of(pair, axes=axes, wrt=wrt, rng=rng, equations=equations)
        problem.backward_passes += 1
    problem.inputs, problem.written, problem.gradients_by = named, pair.written, gradients
    problem.lengths, problem.upstream = _lengths(named, outputs), dy

    def again(moved: Mapping[str, Any]) -> Problem:
        other = replace(pair, named={**named, **moved}, how=how, notes=[], passes=(0, 0))
        fresh = generator(1, "upstream gradients")
        made = problem_of(other, axes=axes, wrt=wrt, rng=fresh, equations=equations)
        made.compare_only(wrt)
        return made

    def plain(values: Mapping[str, Any]) -> Any:
        given = {k: copied(v) for k, v in {**named, **values}.items()}
        function = f if equations is None else pair.nest(equations)
        result = function(**given) if pair.by_keyword else function(*given.values())
        return how.split(result)[0] if equations is None else result

    problem.again, problem.forward = again, plain

    def recognised() -> Any:
        problem.forward_passes += 2
        return recognise(plain, arrays)

    problem.recognise = recognised
    return problem


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


def _is_multiple(d: Any, a: Array) -> bool:
    """Whether an upstream gradient is a multiple of an input, along which lengths have no slope."""
    if d is None or np.size(d) != a.size or a.size < 2:
        return False
    d, a = (np.ravel(v).astype(np.float64) / (np.abs(v).max() or 1.0) for v in (d, a))
    return bool(abs(d @ a) >= (1 - 1e-9) * np.sqrt((d @ d) * (a @ a)) > 0)


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


def _gradient(name: str, found: Any) -> Array | None:
    """A copy of one gradient, because backward may use its buffer again."""
    if found is None:
        return None
    refuse_masked(found, f"the gradient of {name}")
    gradient = np.array(found)
    if gradient.dtype.kind not in "bifuc":
        raise TypeError(
            f"backward gives {type(found).__name__} as the gradient of {name}; return an array of "
            "numbers."
        )
    return gradient if gradient.dtype.kind in "fc" else gradient.astype(np.float64)


def _same(a: Any, b: Any) -> bool:
    """Whether two arrays or numbers are equal, NaN to NaN."""
    if a is None or b is None:
        return a is b
    return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind in "fc"))


def _lengths(named: Mapping[str, Any], outputs: Any) -> dict[str, float]:
    """Every size, and every constant among the inputs, that may have become a factor."""
    found: dict[str, float] = {}
    outs = {f"output {n}": y for n, y in enumerate(leaves(outputs))}
    for name, value in {**named, **outs}.items():
        if isinstance(value, np.ndarray) and value.ndim:
            found |= {f"the length of axis {k} of {name}": d for k, d in enumerate(value.shape)}
            if value.ndim > 1:
                found[f"the count of numbers in {name}"] = value.size
        elif name in named and np.size(value) == 1 and isinstance(value, float | np.ndarray):
            found[name] = float(value)
    return found
