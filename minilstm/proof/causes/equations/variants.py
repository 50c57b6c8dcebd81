"""Wrong forms of the derivative of each operation, such as people write, in tables.
A line has what is wrong and the wrong gradient of one parent: of g, that of the result.

In a sentence {y} is the operation as it is written, {x} the parent and {other} the other one. In a
formula y, x and other are their values; a and b are the first and the second parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from types import CodeType
from typing import Any

import numpy as np

from minilstm.proof.causes.equations.operations import SLOPES, put, spread
from minilstm.proof.causes.equations.tape import Node
from minilstm.proof.derivatives.problem import Array

Variant = tuple[str, Callable[[Node, Array], Array]]
Names = Callable[[Node, int, Array], Mapping[str, Any]]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


def _greater(a: Array, b: Any) -> Array:
    return a > b


# What every formula may have besides its values.
_FUNCTIONS = {
    "sigmoid": sigmoid, "abs": np.abs, "sign": np.sign, "greater": _greater, "differ": np.not_equal,
    "exp": np.exp, "sqrt": np.sqrt, "all_sum": np.sum, "all_mean": np.mean,
}  # fmt: skip


@cache
def _lines(text: str) -> list[tuple[str, CodeType]]:
    pairs = (line.rsplit(" | ", 1) for line in text.strip().splitlines() if line)
    return [(what.strip(), compile(formula.strip(), "", "eval")) for what, formula in pairs]


def forms(text: str, node: Node, k: int, names: Names | None = None) -> Iterator[Variant]:
    """The lines of a table; `names` has what its formulas have besides g, y, x, other, a and b."""
    for what, formula in _lines(text):

        def make(n: Node, g: Array, formula: CodeType = formula) -> Array:
            values = [p.value for p in n.parents]
            known: dict[str, Any] = {**_FUNCTIONS, "g": g, "y": n.value, "x": values[k]}
            known |= dict(zip("ab", values, strict=False))
            known["other"] = values[1 - k] if len(values) == 2 else None
            made: Array = eval(formula, known | dict(names(n, k, g) if names else {}))
            return made

        yield what, make


_ONE_NUMBER = """
the derivative of {op} is missing | g
the derivative of {op} is there twice | g * slope(x, y) ** 2
{y} itself stands where the derivative of {op} belongs | g * y
{x} itself stands where the derivative of {op} belongs | g * x
"""
_OF_RESULT = """
the derivative of {op} is taken of {y}, which went through {op} already | g * of(f(y))
the derivative of {op} is written for its result and is given {x} | g * of(x)
"""
_GATE = """
the derivative of {another} stands where that of {op} belongs | g * other_slope(y)
1 - y stands where the derivative of {op} belongs | g * (1 - y)
1 + y stands where the derivative of {op} belongs | g * (1 + y)
y^2 stands where the derivative of {op} belongs | g * y * y
1 - |y| stands where the derivative of {op} belongs | g * (1 - abs(y))
"""
# Derivatives that are written with the result alone, and the functions themselves.
OF_RESULT: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (lambda y: 1 - y * y, np.tanh),
    "sigmoid": (lambda y: y * (1 - y), sigmoid),
}


def one_number(node: Node, k: int, op: str = "") -> Iterator[Variant]:
    """A function of single numbers."""
    op = op or node.op
    slope = SLOPES["expit" if op == "sigmoid" else op]
    another = "sigmoid" if op == "tanh" else "tanh"
    of, f = OF_RESULT.get(op, (None, None))
    known = {"slope": slope, "of": of, "f": f, "other_slope": OF_RESULT[another][0]}
    text = _ONE_NUMBER + _OF_RESULT * (op in OF_RESULT) + _GATE * (op in ("tanh", "sigmoid"))
    for what, make in forms(text, node, k, lambda *_: known):
        yield what.replace("{op}", op).replace("{another}", another), make


_MULTIPLY = """
the factor {other} is missing | g
{x} itself stands where {other} belongs | g * x
the whole product stands where {other} belongs | g * y
the factor {other} is there twice | g * other ** 2
{other} divides where it should multiply | g / other
"""
_DIVIDE = """
the denominator {other} is missing | g
{other} multiplies where it should divide | g * b
{other} divides twice | g / b ** 2
the root of {other} divides | g / sqrt(abs(b))
"""
_DIVIDE_BY = """
the square of the denominator is missing: it divides once | -g * a / b
the numerator {other} is missing | -g / b ** 2
the denominator is missing | -g * a
the denominator has the power 3 where 2 belongs | -g * a / b ** 3
it is treated as the numerator | g / b
the quotient is turned round: the denominator divided by the numerator | -g * b / a
"""
_POWER = """
the exponent {other} is missing as a factor | g * a ** (b - 1)
the exponent is not lowered by 1 | g * b * y
the exponent is lowered by 2 | g * b * a ** (b - 2)
the derivative of the power is missing | g
the base is missing: only the exponent is left | g * b
the power itself stands where its derivative belongs | g * y
the exponent is lowered in the factor, too | g * (b - 1) * a ** (b - 1)
"""
_EXTREME_OF_TWO = """
the mask is missing: the gradient passes everywhere | g
the gradient is cut off where it is negative itself | g * greater(g, 0)
the mask is turned round | g * differ(y, x)
the value itself stands where 1 belongs | g * y
the sign stands in place of the mask | g * sign(x)
"""
_EXTREME = """
every entry gets the gradient, not the largest one alone | along
the gradient is shared among all entries, as for a mean | along * share
"""
_LOOKED_UP = """
a row that is looked up several times gets one gradient only (= where += belongs) | assigned
"""
_ELEMENTWISE = """
the derivative is missing | g
{y} itself stands where its derivative belongs | g * y
"""


def _ends(n: Node, k: int, g: Array) -> Mapping[str, Any]:
    x = n.parents[0].value
    return {"along": spread(g, x, n.options), "share": n.value.size / x.size}


def _rows(n: Node, k: int, g: Array) -> Mapping[str, Any]:
    assigned = np.zeros(n.parents[0].value.shape)
    assigned[n.options["index"]] = g
    return {"assigned": assigned}


def _getitem(node: Node, k: int) -> Iterator[Variant]:
    """A part of an array: rows that were looked up, a slice, one step of a sequence."""
    index = node.options["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if any(isinstance(p, np.ndarray | list) for p in parts):
        yield from forms(_LOOKED_UP, node, k, _rows)
    for axis, part in enumerate(parts):
        if isinstance(part, int | np.integer | slice) and not any(p is None for p in parts):
            for by, word in ((1, "behind"), (-1, "before")):
                what = f"it is written one index {word} its place along axis {axis}"
                yield what, partial(_off, axis=axis, by=by)


def _off(n: Node, g: Array, axis: int, by: int) -> Array:
    moved = np.roll(put(g, n.options["index"], n.parents[0].value.shape), by, axis)
    edge = (slice(None),) * axis + (0 if by > 0 else -1,)
    moved[edge] = 0
    return moved


def _move(node: Node, k: int) -> Iterator[Variant]:
    """Entries were moved."""
    shape, called = node.parents[k].value.shape, node.options.get("called", "")
    if called in ("transpose", "swapaxes", "moveaxis", "matrix_transpose"):
        yield "the gradient is reshaped and should be transposed", lambda n, g: g.reshape(shape)


def _divide(node: Node, k: int) -> Iterator[Variant]:
    return forms(_DIVIDE_BY if k else _DIVIDE, node, k)


VARIANTS: dict[str, Callable[[Node, int], Iterator[Variant]]] = {
    **dict.fromkeys(SLOPES, one_number),
    "expit": partial(one_number, op="sigmoid"),
    "multiply": partial(forms, _MULTIPLY),
    "matmul": partial(forms, "the product with {other} is missing | g"),
    "divide": _divide,
    "power": partial(forms, _POWER),
    "maximum": partial(forms, _EXTREME_OF_TWO),
    "minimum": partial(forms, _EXTREME_OF_TWO),
    "where": partial(forms, "the mask is missing: the gradient passes everywhere | g"),
    "max": partial(forms, _EXTREME, names=_ends),
    "min": partial(forms, _EXTREME, names=_ends),
    "getitem": _getitem,
    "cumsum": partial(forms, "the running sum is missing | g"),
    "move": _move,
    "elementwise": partial(forms, _ELEMENTWISE),
}
