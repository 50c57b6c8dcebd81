"""The backward of each operation that a tape can hold, by its name.
A pull gives what one parent gets of the gradient g of a result y, before sums over broadcast axes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.proof.derivatives.problem import Array

Options = Mapping[str, Any]
Pull = Callable[[int, Array, Array, Sequence[Array], Options], Array]

# Derivatives of functions of one number, from the number x and the result y.
SLOPES: dict[str, Callable[[Array, Array], Any]] = {
    "negative": lambda x, y: -np.ones_like(x),
    "tanh": lambda x, y: 1 - y * y,
    "exp": lambda x, y: y,
    "log": lambda x, y: 1 / x,
    "sqrt": lambda x, y: 0.5 / y,
    "square": lambda x, y: 2 * x,
    "reciprocal": lambda x, y: -y * y,
    "absolute": lambda x, y: np.sign(x),
    "fabs": lambda x, y: np.sign(x),
    "sin": lambda x, y: np.cos(x),
    "cos": lambda x, y: -np.sin(x),
    "expit": lambda x, y: y * (1 - y),
}


def _axes(array: Array, options: Options) -> tuple[int, ...]:
    axis = options["axis"]
    axes = range(array.ndim) if axis is None else np.atleast_1d(axis).tolist()
    return tuple(int(a) % array.ndim for a in axes)


def spread(g: Array, like: Array, options: Options) -> Array:
    """The gradient of a reduced array, repeated along the axes that were reduced."""
    if not options["keepdims"]:
        g = np.expand_dims(g, _axes(like, options))
    return np.broadcast_to(g, like.shape)


def _matmul(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    a, b = args
    left, right = a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b
    g = g[..., None] if b.ndim == 1 else g
    g = np.expand_dims(g, -2) if a.ndim == 1 else g
    if k == 0:
        part = g @ right.swapaxes(-1, -2)
        return part[..., 0, :] if a.ndim == 1 else part
    part = left.swapaxes(-1, -2) @ g
    return part[..., 0] if b.ndim == 1 else part


def _einsum(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    ins, out = options["ins"], options["out"]
    others = [n for n in range(len(args)) if n != k]
    known = "".join([out, *(ins[n] for n in others)])
    kept = "".join(c for c in ins[k] if c in known)
    part = np.einsum(
        f"{','.join([out, *(ins[n] for n in others)])}->{kept}", g, *(args[n] for n in others)
    )
    for axis, letter in enumerate(ins[k]):  # what is summed over in this array alone
        part = part if letter in kept else np.expand_dims(part, axis)
    return np.broadcast_to(part, args[k].shape)


def _extreme(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    hit = args[0] == spread(y, args[0], options)
    return spread(g, args[0], options) * hit / hit.sum(_axes(args[0], options), keepdims=True)


def _product(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    return spread(g * y, args[0], options) / args[0]


def _mean(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    return spread(g, args[0], options) * (y.size / args[0].size)


def _cumsum(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    axis = options["axis"]
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


def put(g: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros with g added at an index."""
    out = np.zeros(shape)
    if any(
        isinstance(p, np.ndarray | list) for p in (index if isinstance(index, tuple) else (index,))
    ):
        np.add.at(out, index, g)  # an index may be there twice
    else:
        out[index] = g
    return out


def _getitem(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    return put(g, options["index"], args[0].shape)


def _setitem(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    if k == 1:
        return g[options["index"]]
    rest = g.copy()
    rest[options["index"]] = 0
    return rest


def _move(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    """Entries were only moved, repeated or left out; `source` numbers them from 1 on, 0 is none."""
    start = 1 + sum(a.size for a in args[:k])
    all_parts = np.bincount(options["source"].ravel(), g.ravel(), 1 + sum(a.size for a in args))
    return all_parts[start : start + args[k].size].reshape(args[k].shape)


def _elementwise(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    """Any other function of single numbers: by a complex step, else by two differences."""
    f, rest = options["ufunc"], list(args)

    def at(step: Any) -> Any:
        return f(*rest[:k], rest[k] + step, *rest[k + 1 :])

    try:
        return g * (at(1e-30j).imag / 1e-30)
    except TypeError:
        h = 1e-3 * np.maximum(np.abs(rest[k]), 1e-2)
        a, b, c = ((at(s * h) - at(-s * h)) / (2 * s * h) for s in (1, 0.5, 0.25))
        return g * ((64 * c - 20 * b + a) / 45)  # Richardson


def _of_slope(slope: Callable[[Array, Array], Any]) -> Pull:
    return lambda k, g, y, args, options: g * slope(args[0], y)


def _binary(*parts: Callable[..., Any]) -> Pull:
    return lambda k, g, y, args, options: parts[k](g, y, *args)


def _inverse(k: int, g: Array, y: Array, args: Sequence[Array], options: Options) -> Array:
    turned = y.swapaxes(-1, -2)
    return -turned @ g @ turned


PULLS: dict[str, Pull] = {
    **{name: _of_slope(slope) for name, slope in SLOPES.items()},
    "add": _binary(lambda g, y, a, b: g, lambda g, y, a, b: g),
    "subtract": _binary(lambda g, y, a, b: g, lambda g, y, a, b: -g),
    "multiply": _binary(lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    "divide": _binary(lambda g, y, a, b: g / b, lambda g, y, a, b: -g * a / (b * b)),
    "power": _binary(
        lambda g, y, a, b: g * b * a ** np.where(b == 0, 1.0, b - 1.0),
        lambda g, y, a, b: g * y * np.log(np.where(a > 0, a, 1)),
    ),
    "maximum": _binary(lambda g, y, a, b: g * (a > b), lambda g, y, a, b: g * (a <= b)),
    "minimum": _binary(lambda g, y, a, b: g * (a < b), lambda g, y, a, b: g * (a >= b)),
    "where": lambda k, g, y, args, options: np.where(options["where"] == (k == 0), g, 0),
    "matmul": _matmul,
    "einsum": _einsum,
    "sum": lambda k, g, y, args, options: spread(g, args[0], options),
    "mean": _mean,
    "max": _extreme,
    "min": _extreme,
    "prod": _product,
    "cumsum": _cumsum,
    "getitem": _getitem,
    "setitem": _setitem,
    "move": _move,
    "elementwise": _elementwise,
    "inv": _inverse,
    "det": lambda k, g, y, args, options: (g * y)[..., None, None]
    * np.linalg.inv(args[0]).swapaxes(-1, -2),
}  # fmt: skip


def fitted(g: Array, shape: tuple[int, ...], reduce: Any = np.sum) -> Array:
    """A gradient summed over the axes along which its array was broadcast."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    g = reduce(g, axis=tuple(range(lead))) if lead > 0 else g
    axes = tuple(a for a, n in enumerate(shape) if n == 1 and g.shape[a] != 1)
    g = reduce(g, axis=axes, keepdims=True) if axes else g
    return np.broadcast_to(g, shape)
