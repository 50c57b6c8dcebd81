"""The first line of every function here: what comes in becomes arrays of one dtype to compute with.
Integers are computed as float64, mixed dtypes in the widest, and an index is a whole number.

The annotations of a function say what its arguments are: `Array`, `IntArray`, a sequence of them,
or an `LSTMState`. Arrays that are as they should be pass in a fraction of a microsecond.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import INEXACT, as_numbers, floating
from minilstm.errors import DataError
from minilstm.functional.shapes import MOST, Declared, Sizes, declaration, fitted

Array = NDArray[Any]
P = ParamSpec("P")
R = TypeVar("R")

#: types of arrays that need no conversion; a backend with arrays of its own adds theirs
PLAIN: set[type] = {np.ndarray}
SINGLE_DOUBLE = frozenset(map(np.dtype, "fd"))
_INT64 = np.dtype(np.int64)
#: what the equations declared of shapes, by name of the function; their twins share it
_DECLARED: dict[str, tuple[Declared, ...]] = {}
_SHARED, _APART, _WHOLE, _SEVERAL, _STATE = range(5)
_KINDS = {
    "Array": _SHARED,
    "IntArray": _WHOLE,
    "Sequence[Array]": _SEVERAL,
    "LSTMState": _STATE,
}


class _Argument(NamedTuple):
    place: int
    name: str
    kind: int


@overload
def gated(function: Callable[P, R]) -> Callable[P, R]: ...


@overload
def gated(function: Callable[P, R], *, shapes: str = "", kernel: bool) -> Callable[P, R]: ...


@overload
def gated(
    *, shapes: str = "", apart: Sequence[str] = (), kernel: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def gated(
    function: Any = None, *, shapes: str = "", apart: Sequence[str] = (), kernel: bool = False
) -> Any:
    """Decorate a function whose arguments are arrays, by their annotations.

    Parameters
    ----------
    function : with arguments `Array`, `IntArray`, `Sequence[Array]` or `LSTMState`, each also with
        ``| None``. It gets floats and complex numbers of one dtype, the widest that came, and
        int64
    shapes : of the arguments, as `shapes.declaration` reads it; a kernel has that of the function
        of the equations that has its name
    apart : names of arrays that keep a dtype of their own, such as statistics
    kernel : the function is compiled for float32 and float64 alone: others are refused, and where
        a cache or packed weights are given, their dtype counts

    Raises
    ------
    DataError
        An argument is no array of numbers, has a masked or missing value, is no whole number
        where an index is wanted, or has a shape that does not fit the others.

    Examples
    --------
    >>> @gated
    ... def half(x: Array) -> Array:
    ...     return x / x.dtype.type(2)
    >>> half([[3]]).tolist(), half(np.ones(2, np.float32)).dtype
    ([[1.5]], dtype('float32'))
    """
    if function is None:
        return functools.partial(gated, shapes=shapes, apart=apart, kernel=kernel)
    arguments = _arguments(function, apart)
    allowed = SINGLE_DOUBLE if kernel else INEXACT
    signature = inspect.signature(function)
    settled = functools.partial(_settled, signature, arguments, kernel, allowed)
    inner = function.func if isinstance(function, functools.partial) else function
    declared = declaration(shapes) or _DECLARED.get(inner.__name__ if kernel else "", ())
    if not kernel:
        _DECLARED[inner.__name__] = declared
    measured = functools.partial(_measured, signature, declared)
    names = list(signature.parameters)
    shaped = {d.name for d in declared}
    parts = [(names.index(c), p) for c, dot, p in (n.partition(".") for n in shaped) if dot]
    checks = tuple((names.index(d.name), d.name, d.values) for d in declared if d.values)
    known: dict[Any, Sizes] = {}
    look, most, fewest = bool(declared), MOST, max((n for n, _ in parts), default=-1)
    given = tuple(n for n, a in enumerate(_parameters(function)) if a in ("cache", "packed"))
    plain, int64, dtype_of, fit = PLAIN, _INT64, _dtype_of, given if kernel else ()
    shared, whole, several, state, array = _SHARED, _WHOLE, _SEVERAL, _STATE, np.ndarray

    def gate(*args: Any, **kwargs: Any) -> Any:
        count, dtype = len(args), None
        key: list[Any] = []
        for n in fit:
            if n < count and args[n] is not None:
                dtype = dtype_of(args[n])
        for n, name, kind in arguments:
            a = args[n] if n < count else kwargs.get(name)
            if a is None:
                key.append(None)
                continue
            if type(a) in plain:
                found = a.dtype
                if look:
                    key.append(a.shape)
            elif kind == state and type(a[0]) is type(a[1]) and type(a[0]) in plain:
                found = a[0].dtype
                if a[1].dtype != found:
                    break
                key += a[0].shape, a[1].shape
                kind = shared
            elif kind == several and a and plain.issuperset(map(type, a)):
                found = a[0].dtype
                if len({part.dtype for part in a}) > 1:
                    break
                key += [part.shape for part in a]
                kind = shared
            else:
                break
            if kind == whole:
                if found != int64 or (kernel and type(a) is array and not a.flags.carray):
                    break
            elif found not in allowed:
                break
            elif kind == shared:
                if dtype is None:
                    dtype = found
                elif found is not dtype and found != dtype:
                    break
        else:
            if not look:
                return function(*args, **kwargs)
            if count > fewest:
                for n, part in parts:
                    key.append(getattr(getattr(args[n], part, None), "shape", None))
                shapes = tuple(key)
                sizes = known.get(shapes)
                if sizes is None:
                    sizes = measured(args, kwargs)
                    if len(known) >= most:
                        known.clear()
                    known[shapes] = sizes
            else:
                sizes = measured(args, kwargs)
            for n, name, check in checks:
                a = args[n] if n < count else kwargs.get(name)
                check(name, a, sizes)
            return function(*args, **kwargs)
        args, kwargs = settled(args, kwargs)
        if look:
            sizes = measured(args, kwargs)
            for n, name, check in checks:
                a = args[n] if n < len(args) else kwargs.get(name)
                check(name, a, sizes)
        return function(*args, **kwargs)

    # A function of the module that it stands in, where doctest looks for it.
    made = types.FunctionType(
        gate.__code__, inner.__globals__, inner.__name__, None, gate.__closure__
    )
    return functools.wraps(function)(made)


def _measured(
    signature: inspect.Signature, declared: tuple[Declared, ...], args: Any, kwargs: Any
) -> Sizes:
    """The sizes of a call's axes, or a DataError."""
    values = signature.bind(*args, **kwargs).arguments
    for name, _, text, _ in declared:
        whole = signature.parameters.get(name)
        if whole is None or str(whole.annotation).endswith("| None"):
            continue
        if values.get(name) is None:
            raise DataError(f"{name} is None; give an array of shape {text}.")

    def value_of(name: str) -> Any:
        whole, _, part = name.partition(".")
        # A plain tuple, which does as a cache, has no names to look at.
        return getattr(values[whole], part, None) if part else values.get(whole)

    return fitted(declared, value_of)


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def _arguments(function: Any, apart: Sequence[str]) -> tuple[_Argument, ...]:
    """The arguments that hold arrays, as the annotations say."""
    found = []
    for n, (name, parameter) in enumerate(_parameters(function).items()):
        kind = _KINDS.get(str(parameter.annotation).removesuffix(" | None"))
        if kind is not None:
            found.append(_Argument(n, name, _APART if name in apart else kind))
    return tuple(found)


def _settled(
    signature: inspect.Signature,
    arguments: Sequence[_Argument],
    kernel: bool,
    allowed: frozenset[np.dtype[Any]],
    args: Any,
    kwargs: Any,
) -> tuple[Any, Any]:
    """The arguments of a call with their arrays brought to one dtype, or a DataError."""
    bound = signature.bind(*args, **kwargs)
    values = bound.arguments
    dtypes: list[Any] = []
    for _, name, kind in arguments:
        value = values.get(name)
        if value is None:
            continue
        if kind == _WHOLE:
            values[name] = whole(value, name)
        elif kind in (_SEVERAL, _STATE):
            parts = [_floating(part, f"{name}[{n}]") for n, part in enumerate(value)]
            values[name] = parts if kind == _SEVERAL else _like(value, parts)
            dtypes += [part.dtype for part in parts]
        else:
            values[name] = _floating(value, name)
            dtypes += [values[name].dtype] if kind == _SHARED else []
    dtype = np.result_type(*dtypes) if dtypes else None
    if kernel:
        forced = [_dtype_of(values[n]) for n in ("cache", "packed") if values.get(n) is not None]
        dtype = next((d for d in forced if d is not None), dtype)
    if dtype is not None and dtype not in allowed:
        raise DataError(
            f"{arguments[0].name} is {dtype} here, but these kernels compute in float32 and "
            "float64; convert it, or use the backend 'numpy'."
        )
    for _, name, kind in arguments:
        value = values.get(name)
        if value is None or kind == _WHOLE:
            continue
        if kind == _APART:
            if value.dtype not in allowed:
                values[name] = value.astype(dtype)
        elif kind == _SHARED:
            values[name] = _cast(value, dtype)
        else:
            parts = [_cast(part, dtype) for part in value]
            values[name] = parts if kind == _SEVERAL else _like(value, parts)
    return bound.args, bound.kwargs


def _like(value: Any, parts: Any) -> Any:
    """A named tuple around new parts."""
    return getattr(type(value), "_make", tuple)(parts)


def _cast(array: Any, dtype: Any) -> Any:
    return array if array.dtype == dtype else array.astype(dtype)


def _is_plain(x: Any) -> bool:
    """Whether it is an array of a backend's own, which stays where it is."""
    return type(x) in PLAIN and not isinstance(x, np.ndarray)


def _floating(x: Any, name: str) -> Any:
    if _is_plain(x):
        return x if x.dtype in INEXACT else x.astype(np.float64)
    return floating(x, name)


def whole(x: Any, name: str) -> Any:
    """Whole numbers as int64."""
    if _is_plain(x):
        return x if x.dtype == _INT64 else x.astype(_INT64)
    array = as_numbers(x, name, "its values")
    with np.errstate(invalid="ignore"):
        whole = array.astype(_INT64)
    if not (wrong := whole != array).any():
        return np.require(whole, requirements=["C", "A", "W"])
    raise DataError(
        f"{name} holds {array[wrong].flat[0]}, but it is to hold whole numbers; round it, or give "
        "integers."
    )


def _dtype_of(cache: Any) -> Any:
    """The dtype of the first array of floats in a cache or in packed weights; None without any."""
    for part in cache:
        if type(part) in PLAIN:
            if part.dtype in INEXACT:
                return part.dtype
        elif isinstance(part, tuple) and (found := _dtype_of(part)) is not None:
            return found
    return None


def ungated(function: Callable[P, R]) -> Callable[P, R]:
    """The function without its gate, for loops whose arrays have passed one."""
    return cast("Callable[P, R]", inspect.unwrap(function))
