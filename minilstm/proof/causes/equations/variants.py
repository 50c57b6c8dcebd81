"""Wrong forms of the derivative of each operation, such as people write.
Each has a sentence, and gives what goes to one parent in place of the right thing.

In a sentence {y} is the operation as it is written, {x} the parent and {other} the other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from minilstm.proof.causes.equations.operations import SLOPES, put, spread
from minilstm.proof.causes.equations.tape import Node
from minilstm.proof.derivatives.problem import Array

Variant = tuple[str, Callable[[Node, Array], Array]]

# Derivatives that are written with the result y alone, and the functions themselves.
OF_RESULT: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (lambda y: 1 - y * y, np.tanh),
    "sigmoid": (lambda y: y * (1 - y), lambda x: 1 / (1 + np.exp(-x))),
    "exp": (lambda y: y, np.exp),
    "sqrt": (lambda y: 0.5 / y, np.sqrt),
    "reciprocal": (lambda y: -y * y, lambda x: 1 / x),
}
FORMS = {"tanh": "1 - y^2", "sigmoid": "y (1 - y)", "exp": "y", "sqrt": "1 / (2 y)", "reciprocal": "-1 / x^2"}


def one_number(node: Node, k: int, op: str = "") -> Iterator[Variant]:
    """A function of single numbers."""
    op = op or node.op

    def times(f: Callable[[Array, Array], Array]) -> Callable[[Node, Array], Array]:
        return lambda n, g: g * f(n.parents[k].value, n.value)

    yield f"the derivative of {op} is missing", times(lambda x, y: np.ones_like(x))
    if op in SLOPES or op == "sigmoid":
        slope_of = SLOPES["expit" if op == "sigmoid" else op]
        yield f"the derivative of {op} is there twice", times(lambda x, y: slope_of(x, y) ** 2)
    if op not in ("exp", "negative"):
        yield f"{{y}} itself stands where the derivative of {op} belongs", times(lambda x, y: y)
        yield f"{{x}} itself stands where the derivative of {op} belongs", times(lambda x, y: x)
    if op in OF_RESULT:
        slope, f = OF_RESULT[op]
        yield (
            f"the derivative of {op} is taken of {{y}}, which went through {op} already",
            times(lambda x, y: slope(f(y))),
        )
        yield (
            f"the derivative {FORMS[op]} of {op} is written for its result y and is given {{x}}",
            times(lambda x, y: slope(x)),
        )
    if op in ("tanh", "sigmoid"):
        other = "sigmoid" if op == "tanh" else "tanh"
        yield f"the derivative of {other} stands where that of {op} belongs", times(
            lambda x, y: OF_RESULT[other][0](y)
        )
        yield f"1 - y stands where the derivative of {op} belongs", times(lambda x, y: 1 - y)
        yield f"1 + y stands where the derivative of {op} belongs", times(lambda x, y: 1 + y)
        yield f"y^2 stands where the derivative of {op} belongs", times(lambda x, y: y * y)
        yield f"1 - |y| stands where the derivative of {op} belongs", times(lambda x, y: 1 - np.abs(y))
    if op == "log":
        yield "the logarithm stands in the denominator of its derivative", times(lambda x, y: 1 / y)
    if op == "sqrt":
        yield "1 / (2 y) is multiplied by where it divides", times(lambda x, y: 2 * y)
        yield "the square root is missing in its derivative", times(lambda x, y: 0.5 / (y * y))
    if op == "reciprocal":
        yield "1 / x stands where 1 / x^2 belongs", times(lambda x, y: -y)
    if op == "square":
        yield "the square itself stands where 2 x belongs", times(lambda x, y: 2 * y)
        yield "the factor {x} is missing: 2 stands where 2 x belongs", times(lambda x, y: 0 * x + 2)


def multiply(node: Node, k: int) -> Iterator[Variant]:
    """A product."""
    j = 1 - k
    yield "the factor {other} is missing", lambda n, g: g
    yield "{x} itself stands where {other} belongs", lambda n, g: g * n.parents[k].value
    yield "the whole product stands where {other} belongs", lambda n, g: g * n.value
    yield "the factor {other} is there twice", lambda n, g: g * n.parents[j].value ** 2
    yield "{other} divides where it should multiply", lambda n, g: g / n.parents[j].value


def divide(node: Node, k: int) -> Iterator[Variant]:
    """A quotient."""
    if k == 0:
        yield "the denominator {other} is missing", lambda n, g: g
        yield "{other} multiplies where it should divide", lambda n, g: g * n.parents[1].value
        yield "{other} divides twice", lambda n, g: g / n.parents[1].value ** 2
        yield "the root of {other} divides", lambda n, g: g / np.sqrt(np.abs(n.parents[1].value))
        return
    yield "the square of the denominator is missing: it divides once", (
        lambda n, g: -g * n.parents[0].value / n.parents[1].value
    )
    yield "the numerator {other} is missing", lambda n, g: -g / n.parents[1].value ** 2
    yield "the denominator is missing", lambda n, g: -g * n.parents[0].value
    yield "the denominator has the power 3 where 2 belongs", (
        lambda n, g: -g * n.parents[0].value / n.parents[1].value ** 3
    )
    yield "it is treated as the numerator", lambda n, g: g / n.parents[1].value


def power(node: Node, k: int) -> Iterator[Variant]:
    """A power with a constant exponent."""
    if k == 1:
        return
    a, p = (lambda n: n.parents[0].value), (lambda n: n.parents[1].value)
    yield "the exponent {other} is missing as a factor", lambda n, g: g * a(n) ** (p(n) - 1)
    yield "the exponent is not lowered by 1", lambda n, g: g * p(n) * n.value
    yield "the exponent is lowered by 2", lambda n, g: g * p(n) * a(n) ** (p(n) - 2)
    yield "the derivative of the power is missing", lambda n, g: g
    yield "the base is missing: only the exponent is left", lambda n, g: g * p(n)
    yield "the power itself stands where its derivative belongs", lambda n, g: g * n.value
    yield "the exponent is lowered in the factor, too", lambda n, g: g * (p(n) - 1) * a(n) ** (p(n) - 1)


def extreme_of_two(node: Node, k: int) -> Iterator[Variant]:
    """A rectifier, a clipping, a maximum of two."""
    yield "the mask is missing: the gradient passes everywhere", lambda n, g: g
    yield "the gradient is cut off where it is negative itself", lambda n, g: g * (g > 0)
    yield "the mask is turned round", (
        lambda n, g: g * (n.value != np.broadcast_to(n.parents[k].value, g.shape))
    )
    yield "the value itself stands where 1 belongs", lambda n, g: g * n.value
    yield "the mask is that of the sign", lambda n, g: g * np.sign(n.parents[k].value)


def where(node: Node, k: int) -> Iterator[Variant]:
    """A choice by a mask."""
    yield "the mask is missing: the gradient passes everywhere", lambda n, g: g
    yield "the mask is turned round", lambda n, g: np.where(n.options["where"] == (k == 1), g, 0)


def extreme(node: Node, k: int) -> Iterator[Variant]:
    """The largest of many."""

    def along(n: Node, g: Array) -> Array:
        return spread(g, n.parents[0].value, n.options)

    yield "every entry gets the gradient, not the largest one alone", along
    yield "the gradient is shared among all entries, as for a mean", (
        lambda n, g: along(n, g) * (n.value.size / n.parents[0].value.size)
    )
    yield "the first entry gets the gradient, not the largest one", partial(_at_end, at=0)
    yield "the last entry gets the gradient, not the largest one", partial(_at_end, at=-1)


def _at_end(n: Node, g: Array, at: int) -> Array:
    x, axis = n.parents[0].value, n.options["axis"]
    out = np.zeros(x.shape)
    if axis is None:
        out.flat[at] = g.sum()
    elif isinstance(axis, int):
        out[(slice(None),) * (axis % x.ndim) + (at,)] = g if not n.options["keepdims"] else g.squeeze(axis)
    return out


def getitem(node: Node, k: int) -> Iterator[Variant]:
    """A part of an array: rows that were looked up, a slice, one step of a sequence."""
    index = node.options["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(p, np.ndarray | list) for p in parts):
        yield "a row that is looked up several times gets one gradient only (= where += belongs)", (
            lambda n, g: _assigned(n, g, last=True)
        )
        yield "a row that is looked up several times gets the first gradient only", (
            lambda n, g: _assigned(n, g, last=False)
        )
        yield "a row that is looked up several times gets the mean of its gradients", _averaged
    for axis, part in enumerate(parts):
        moves = isinstance(part, int | np.integer | slice)
        if moves and not any(isinstance(p, type(Ellipsis) | None.__class__) for p in parts):
            for by, word in ((1, "behind"), (-1, "before")):
                yield (
                    f"it is written one index {word} its place along axis {axis}",
                    partial(_off, axis=axis, by=by),
                )
    yield "the gradient goes to every index", lambda n, g: np.broadcast_to(
        g if g.ndim == n.parents[0].value.ndim else g[None], n.parents[0].value.shape
    )


def _off(n: Node, g: Array, axis: int, by: int) -> Array:
    right = put(g, n.options["index"], n.parents[0].value.shape)
    moved = np.roll(right, by, axis)
    edge = [slice(None)] * right.ndim
    edge[axis] = 0 if by > 0 else -1  # type: ignore[call-overload]
    moved[tuple(edge)] = 0
    return moved


def _assigned(n: Node, g: Array, last: bool) -> Array:
    numbers = np.arange(n.parents[0].value.size).reshape(n.parents[0].value.shape)[n.options["index"]]
    out = np.zeros(n.parents[0].value.size)
    flat, values = numbers.ravel(), g.ravel()
    if not last:
        flat, values = flat[::-1], values[::-1]
    out[flat] = values
    return out.reshape(n.parents[0].value.shape)


def _averaged(n: Node, g: Array) -> Array:
    shape, index = n.parents[0].value.shape, n.options["index"]
    return put(g, index, shape) / np.maximum(put(np.ones_like(g), index, shape), 1)


def cumsum(node: Node, k: int) -> Iterator[Variant]:
    """A running sum."""
    yield "the running sum is not turned round", lambda n, g: np.cumsum(g, n.options["axis"])
    yield "the running sum is missing", lambda n, g: g
    yield "the running sum is one place off", lambda n, g: (
        np.flip(np.cumsum(np.flip(g, n.options["axis"]), n.options["axis"]), n.options["axis"]) - g
    )


def move(node: Node, k: int) -> Iterator[Variant]:
    """Entries were moved."""
    shape = node.parents[k].value.shape
    called = node.options.get("called", "")
    if called in ("transpose", "swapaxes", "moveaxis", "matrix_transpose"):
        yield "the gradient is reshaped and should be transposed", lambda n, g: g.reshape(shape)
    if called in ("flip", "roll", "fliplr", "flipud"):
        yield f"the {called} is not undone", lambda n, g: g
    if len(node.parents) > 1:
        for j, other in enumerate(node.parents):
            if j != k and other.value.shape == shape:
                yield f"it gets the part of {{}}[{j}]".replace("{}", called), (
                    lambda n, g, j=j: n.pull(j, g)
                )


def total(node: Node, k: int) -> Iterator[Variant]:
    """A sum or a mean."""
    if isinstance(node.options["axis"], int) and node.parents[0].value.ndim > 1:
        yield "only the last entry along the axis gets it", partial(_at_end, at=-1)


def elementwise(node: Node, k: int) -> Iterator[Variant]:
    """Any other function of single numbers."""
    yield "the derivative is missing", lambda n, g: g
    yield "{y} itself stands where its derivative belongs", lambda n, g: g * n.value


VARIANTS: dict[str, Callable[[Node, int], Iterator[Variant]]] = {
    **dict.fromkeys(SLOPES, one_number),
    "expit": partial(one_number, op="sigmoid"),
    "multiply": multiply,
    "divide": divide,
    "power": power,
    "maximum": extreme_of_two,
    "minimum": extreme_of_two,
    "where": where,
    "max": extreme,
    "min": extreme,
    "getitem": getitem,
    "cumsum": cumsum,
    "move": move,
    "sum": total,
    "mean": total,
    "elementwise": elementwise,
}
