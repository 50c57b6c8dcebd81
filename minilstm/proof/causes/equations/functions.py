"""What NumPy's functions become on a tape: one operation, or several simple ones.
Functions that only move entries are all one operation, found by sending numbers through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.proof.causes.equations.operations import PULLS
from minilstm.proof.causes.equations.tape import CannotRecord, Tape, is_recorded, plain


def _words(text: str) -> set[str]:
    return set(text.split())


# They move, repeat or leave out entries, and put zeros between them.
_MOVES = _words(
    "reshape transpose permute_dims matrix_transpose ravel squeeze expand_dims swapaxes "
    "moveaxis rollaxis broadcast_to broadcast_arrays repeat tile concatenate concat stack "
    "vstack hstack dstack column_stack split array_split hsplit vsplit take take_along_axis "
    "pad flip fliplr flipud roll rot90 diag diagonal diagflat tril triu sliding_window_view "
    "atleast_1d atleast_2d atleast_3d delete compress resize unstack block append as_strided "
    "insert"
)
_PLAIN_UFUNCS = _words("sign floor ceil rint trunc heaviside signbit spacing")
_PLAIN = _words(
    "shape ndim size argmax argmin argsort argpartition nonzero flatnonzero argwhere allclose "
    "isclose array_equal any all count_nonzero sign round around result_type can_cast "
    "iscomplexobj isrealobj searchsorted digitize unique may_share_memory shares_memory"
)
_METHODS = _words(
    "sum mean max min prod var std cumsum dot squeeze swapaxes repeat take clip argmax argmin "
    "argsort diagonal any all round ravel trace"
)


def of_ufunc(
    tape: Tape, ufunc: Any, method: str, inputs: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """The result of a ufunc or of one of its methods."""
    name = {"true_divide": "divide", "float_power": "power", "abs": "absolute"}.get(
        ufunc.__name__, ufunc.__name__
    )
    if method == "reduce":
        named: dict[str, Any] = {
            "add": np.sum, "multiply": np.prod, "maximum": np.max, "minimum": np.min,
        }  # fmt: skip
        axis = options.get("axis", inputs[1] if len(inputs) > 1 else 0)
        return named[name](inputs[0], axis=axis, keepdims=options.get("keepdims", False))
    if method == "accumulate" and name == "add":
        return np.cumsum(inputs[0], options.get("axis", 0))
    if method == "outer":
        a, b = (x if is_recorded(x) else np.asarray(x) for x in inputs)
        return ufunc(a.reshape(a.shape + (1,) * b.ndim), b)
    if method == "at" and name == "add":
        return _add_at(tape, *inputs)
    if method != "__call__":
        raise CannotRecord(f"{name}.{method}")
    if "where" in options:
        raise CannotRecord(f"{name} with where=")
    value = ufunc(*map(plain, inputs))
    if type(value) is tuple or value.dtype.kind != "f" or name in _PLAIN_UFUNCS:
        return value
    if name in ("maximum", "fmax", "minimum", "fmin"):
        name = name.replace("fmax", "maximum").replace("fmin", "minimum")
    if name in PULLS:
        return tape.record(name, inputs, value)
    return tape.record("elementwise", inputs, value, ufunc=ufunc)


def _add_at(tape: Tape, into: Any, index: Any, values: Any) -> None:
    index = plain(index)
    total = np.zeros(into.shape)
    np.add.at(total, index, plain(values))
    numbers = np.arange(total.size).reshape(total.shape)[index]  # where each value goes
    values = np.broadcast_to(values, numbers.shape)
    added = tape.record("scatter", [values], plain(total), numbers=numbers)
    into.node = (into + added).node


PULLS["scatter"] = lambda k, g, y, args, options: g.ravel()[options["numbers"]]


def of_function(tape: Tape, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The result of a function of NumPy that is no ufunc."""
    name = function.__name__
    known = _FUNCTIONS.get(function)
    if known is not None:
        outermost = tape.part < 0 and name not in _SINGLE
        tape.part = 0 if outermost else tape.part
        try:
            return known(tape, *args, **kwargs)
        finally:
            tape.part = -1 if outermost else tape.part
    if name in _MOVES:
        return _moved(tape, function, args, kwargs)
    value = function(*plain(tuple(args)), **plain(dict(kwargs)))
    if name in _PLAIN or np.asarray(value).dtype.kind != "f":
        return value
    raise CannotRecord(name)


def method(array: Any, name: str) -> Any:
    """An attribute or a method of an array."""
    value = array.node.value
    match name:
        case "T":
            return np.transpose(array)
        case "mT":
            return np.swapaxes(array, -1, -2)
        case "real":
            return array
        case "shape" | "ndim" | "size" | "dtype" | "nbytes" | "strides" | "flags":
            return getattr(value, name)
        case "flat":
            return np.ravel(array)
        case "copy" | "astype" | "conj" | "view":
            return lambda *args, **kwargs: array.tape.make(array.tape, array.node)
        case "item":
            return lambda *at: np.reshape(array, -1)[at[0] if at else 0]
        case "flatten":
            return lambda *args: np.ravel(array)
        case "fill":
            return lambda number: array.__setitem__(Ellipsis, number)
        case "reshape":
            return lambda *shape, **kwargs: np.reshape(array, _one(shape), **kwargs)
        case "transpose":
            return lambda *axes: np.transpose(array, _one(axes) if axes else None)
    if name in _METHODS:
        return lambda *args, **kwargs: getattr(np, name)(array, *args, **kwargs)
    raise CannotRecord(name)


def _one(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 and np.ndim(values[0]) == 1 else values


def _moved(tape: Tape, function: Any, args: Any, kwargs: Any) -> Any:
    """Numbers sent through a function say where each entry goes."""
    parents: list[Any] = []

    def numbered(x: Any) -> Any:
        if is_recorded(x):
            start = 1 + sum(p.size for p in parents)
            parents.append(x)
            return np.arange(start, start + x.size, dtype=np.float64).reshape(x.shape)
        if type(x) in (list, tuple):
            return type(x)(map(numbered, x))
        return np.zeros_like(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x

    source = function(*map(numbered, args), **{k: numbered(v) for k, v in kwargs.items()})
    value = function(*plain(tuple(args)), **plain(dict(kwargs)))
    name = function.__name__
    if type(value) in (list, tuple):
        tape.part, before = 0, tape.part  # each result is a place of its own
        found = [
            tape.record("move", parents, v, source=np.rint(s).astype(np.int64), called=name)
            for v, s in zip(value, source, strict=True)
        ]
        tape.part = before
        return found
    return tape.record("move", parents, value, source=np.rint(source).astype(np.int64), called=name)


def _reduction(op: str, f: Any) -> Callable[..., Any]:
    def reduce(
        tape: Tape, a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
        keepdims: bool = False, **rest: Any,
    ) -> Any:  # fmt: skip
        keepdims = keepdims is True
        value = f(plain(a), axis=axis, keepdims=keepdims)
        if value.dtype.kind != "f":
            return value
        return tape.record(op, [a], value, axis=axis, keepdims=keepdims)

    return reduce


def _var(
    tape: Tape, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0,
    keepdims: bool = False, **rest: Any,
) -> Any:  # fmt: skip
    squares = np.square(a - np.mean(a, axis=axis, keepdims=True))
    mean = np.mean(squares, axis=axis, keepdims=keepdims is True)
    ddof = rest.get("correction", ddof)
    n = a.size / mean.size
    return mean * (n / (n - ddof)) if ddof else mean


def _norm(tape: Tape, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord in (None, 2, "fro") and (ord != 2 or axis is not None or x.ndim == 1):
        return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
    if ord == 1 and (x.ndim == 1 or isinstance(axis, int)):
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    raise CannotRecord("norm")


def _einsum(tape: Tape, subscripts: Any, *operands: Any, **options: Any) -> Any:
    if not isinstance(subscripts, str):
        raise CannotRecord("einsum with lists")
    ins, _, out = subscripts.replace(" ", "").partition("->")
    if "->" not in subscripts:
        letters = ins.replace(",", "")
        out = "".join(c for c in sorted(set(letters)) if letters.count(c) == 1 and c != ".")
    parts = ins.split(",")
    if "..." in ins or any(len(set(p)) < len(p) for p in parts):
        raise CannotRecord("einsum along a diagonal, or of any number of axes")
    value = np.einsum(f"{','.join(parts)}->{out}", *plain(operands))
    return tape.record("einsum", operands, value, ins=parts, out=out)


def _tensordot(tape: Tape, a: Any, b: Any, axes: Any = 2) -> Any:
    letters = "abcdefghijklmnopqrstuvwxyz"
    here = letters[: a.ndim]
    if isinstance(axes, int):
        pairs = list(zip(range(a.ndim - axes, a.ndim), range(axes), strict=True))
    else:
        pairs = list(zip(*(np.atleast_1d(x).tolist() for x in axes), strict=True))
    there = list(letters[a.ndim : a.ndim + b.ndim])
    for i, j in pairs:
        there[j] = here[i]
    shared = {here[i] for i, _ in pairs}
    out = "".join(c for c in [*here, *there] if c not in shared)
    return np.einsum(f"{here},{''.join(there)}->{out}", a, b)


def _dot(tape: Tape, a: Any, b: Any, out: Any = None) -> Any:
    many = np.ndim(plain(a)), np.ndim(plain(b))
    if 0 in many:
        return np.multiply(a, b)
    if max(many) > 2:
        return np.tensordot(a, b, (-1 % many[0], -2 % many[1] if many[1] > 1 else 0))
    return np.matmul(a, b)


def _cumsum(tape: Tape, a: Any, axis: Any = None, **rest: Any) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    return tape.record("cumsum", [a], np.cumsum(plain(a), axis), axis=axis)


def _diff(tape: Tape, a: Any, n: int = 1, axis: int = -1, **rest: Any) -> Any:
    at = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*at, slice(1, None))] - a[(*at, slice(None, -1))]
    return a


def _where(tape: Tape, condition: Any, *both: Any) -> Any:
    if not both:
        return np.where(plain(condition))
    condition = np.asarray(plain(condition), bool)
    value = np.where(condition, *plain(both))
    where = np.broadcast_to(condition, value.shape)
    return tape.record("where", both, value, where=where) if value.dtype.kind == "f" else value


def _clip(
    tape: Tape, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **rest: Any
) -> Any:
    low, high = rest.get("min", a_min), rest.get("max", a_max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _outer(tape: Tape, a: Any, b: Any, out: Any = None) -> Any:
    return np.einsum("i,j->ij", np.reshape(a, -1), np.reshape(b, -1))


def _inner(tape: Tape, a: Any, b: Any) -> Any:
    return np.tensordot(a, b, (-1 % a.ndim, -1 % b.ndim))


def _average(tape: Tape, a: Any, axis: Any = None, weights: Any = None, **rest: Any) -> Any:
    if weights is None:
        return np.mean(a, axis=axis)
    return np.sum(a * weights, axis=axis) / np.sum(weights + np.zeros(a.shape), axis=axis)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _reduction("sum", np.sum),
    np.mean: _reduction("mean", np.mean),
    np.max: _reduction("max", np.max),
    np.min: _reduction("min", np.min),
    np.prod: _reduction("prod", np.prod),
    np.cumsum: _cumsum,
    np.var: _var,
    np.std: lambda tape, *args, **kwargs: np.sqrt(_var(tape, *args, **kwargs)),
    np.average: _average,
    np.linalg.norm: _norm,
    np.linalg.inv: lambda tape, a: tape.record("inv", [a], np.linalg.inv(plain(a))),
    np.linalg.det: lambda tape, a: tape.record("det", [a], np.linalg.det(plain(a))),
    np.linalg.solve: lambda tape, a, b: np.matmul(np.linalg.inv(a), b),
    np.einsum: _einsum,
    np.tensordot: _tensordot,
    np.dot: _dot,
    np.vdot: lambda tape, a, b: _dot(tape, np.reshape(a, -1), np.reshape(b, -1)),
    np.inner: _inner,
    np.outer: _outer,
    np.trace: lambda tape, a, *args: np.sum(np.diagonal(a, *args), axis=-1),
    np.where: _where,
    np.clip: _clip,
    np.diff: _diff,
    np.copy: lambda tape, a, *args, **kwargs: tape.make(tape, a.node),
    np.nan_to_num: lambda tape, a, *args, **kwargs: a,
}
# One operation each, whose site needs no number of its own.
_SINGLE = _words("sum mean max min amax amin prod cumsum where einsum inv det copy")
