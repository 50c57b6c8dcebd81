"""The gate for arrays: what a user hands in becomes one plain NumPy array, or one clear sentence.
Nothing is lost on the way in silence: no mask, no missing value, no byte order, no imaginary part.

No library of tables or tensors is imported here; their objects are known by what they can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError

Array = NDArray[Any]
Sequences = Sequence[Array] | Array  # B arrays (T_b, ...) in a list, or one array (B, T, ...)

ONE_ARRAY = "one full array was wanted; make them equally long, or pass one after the other."
SCALARS = frozenset(
    {bool, int, float, complex, str, bytes, type(None)}
    | {np.dtype(code).type for code in "?bhilqBHILQefdgFDGUS"}
)
# Dtypes of native byte order; those of a foreign order are other objects, and not equal to them.
INEXACT = frozenset(map(np.dtype, "fdgFDG"))  # float32, float64, longdouble, and complex
REAL = frozenset(map(np.dtype, "?bhilqBHILQefdg"))


def as_array(
    x: Any, name: str = "x", wanted: str = ONE_ARRAY, of: str = "rows", axes: str = ""
) -> Array:
    """A plain array of native byte order from anything that holds one; a plain one itself.

    Parameters
    ----------
    x : array, subclass of it, list, nested list, frame, series, tensor, or any object that NumPy
        can read
    name : of the argument, for the messages
    wanted : ends the message where `x` holds `of` of different lengths; "{axes}" in it is `axes`

    Returns
    -------
    array of booleans, numbers, dates, text, or of objects as they are

    Raises
    ------
    DataError
        A value is masked, the rows have different lengths, or `x` is no array at all; also fields
        (structured arrays).

    Examples
    --------
    >>> as_array([[1, 2]]).shape, as_array(np.ones(2, ">f4")).dtype
    ((1, 2), dtype('float32'))
    >>> as_array([1.0, np.ma.masked], "x")
    Traceback (most recent call last):
        ...
    minilstm.errors.DataError: x[1] has a masked value, but no value may be missing; remove it, or \
fill it, such as with x[1].filled(0).
    """
    if type(x) is np.ndarray and x.dtype in REAL:
        return x
    if isinstance(x, np.ndarray):
        _refuse_fields(x, name)
        refuse_masked(x, name)
    elif isinstance(x, (list, tuple)) and not _is_simple(x):
        x = [_part(p, f"{name}[{n}]", wanted, of, axes) for n, p in enumerate(x)]
    try:
        array = np.asarray(x)
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign __array__ raises
        if isinstance(x, (list, tuple)) and "inhomogeneous" in str(error):
            wanted = wanted.replace("{axes}", axes)
            raise DataError(f"{name} holds {of} of different lengths, but {wanted}") from error
        told = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
        raise DataError(
            f"{name} is a {type(x).__name__} that NumPy cannot read ({type(error).__name__}: "
            f"{told}); pass {_way_out(x, name, told)}."
        ) from error
    if array.dtype.kind == "V":
        _refuse_fields(array, name)
        if not issubclass(array.dtype.type, np.void):  # such as the bfloat16 of another library
            array = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    elif array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype.kind == "O":
        return _objects(array, x, name, wanted, of, axes)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_numbers(
    x: Any,
    name: str = "x",
    what: str = "its values",
    kinds: str = "biuf",
    wanted: str = ONE_ARRAY,
    axes: str = "",
    advice: str = "",
) -> Array:
    """An array of numbers, as `as_array` gives it; objects that are numbers become float64.

    Parameters
    ----------
    x, name, wanted, axes : as for `as_array`
    what : the plural of what the numbers are, for the messages
    kinds : letters of the dtypes that are allowed: b bool, i and u integers, f floats, c complex
    advice : ends the message about a dtype; "" says how that dtype becomes numbers

    Raises
    ------
    DataError
        As `as_array`; or there are missing values (None, NA), dates, text or complex numbers.

    Examples
    --------
    >>> as_numbers([[1, True], [2.5, 3]]).tolist()
    [[1.0, 1.0], [2.5, 3.0]]
    >>> as_numbers([1.0, None], "x")
    Traceback (most recent call last):
        ...
    minilstm.errors.DataError: x holds None at [1], a missing value (1 in all), but its values \
are real numbers; remove or fill it first.
    """
    if type(x) is np.ndarray and x.dtype in REAL and x.dtype.kind in kinds:
        return x
    array = as_array(x, name, wanted, axes=axes)
    if array.dtype.kind == "O":
        array = _from_objects(array, name, what)
    if array.dtype.kind in kinds:
        return array
    code = as_code(name)
    ways = {
        "c": f"take the real part, np.real({code}), or the size, np.abs({code})",
        "M": f"give seconds, np.asarray({code}).astype('M8[ms]').astype(float) / 1000",
        "m": f"give seconds, np.asarray({code}) / np.timedelta64(1, 's')",
    }
    ways["U"] = ways["S"] = f"if it is numbers, np.asarray({code}).astype(float) reads them"
    advice = advice or ways.get(array.dtype.kind, "convert it to a float or integer array")
    raise DataError(f"{name} has dtype {array.dtype}, but {what} are real numbers; {advice}.")


def floating(x: Any, name: str = "x") -> Array:
    """An array to compute with: floats or complex numbers of a precision that NumPy computes in.

    Parameters
    ----------
    x : numbers in any form that `as_numbers` takes, complex ones too
    name : of the argument, for the messages

    Returns
    -------
    float32, float64, longdouble and complex as they are (a plain array itself); float16 as
    float32; integers, bools and objects as float64

    Examples
    --------
    >>> floating([[3]]).dtype, floating(np.ones(2, np.float16)).dtype
    (dtype('float64'), dtype('float32'))
    """
    if type(x) is np.ndarray and x.dtype in INEXACT:
        return x
    array = as_numbers(x, name, kinds="biufc")
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def column_labels(x: Any) -> list[Any] | None:
    """Labels of the columns of a frame, whatever they are; None for anything else.

    Examples
    --------
    >>> column_labels(np.ones((3, 2))) is None
    True
    """
    if isinstance(x, (np.ndarray, list, tuple)) or not hasattr(x, "__array__"):
        return None
    named: Any = getattr(x, "column_names", None)
    named = getattr(x, "columns", ()) if named is None else named
    return (list(named) if hasattr(named, "__iter__") else []) or None


def parts_of(x: Any) -> list[Any] | None:
    """The arrays of a list, or of an object array or series of arrays; None for one array.

    Examples
    --------
    >>> len(parts_of(np.array([np.ones(2), np.ones(3)], dtype=object)))
    2
    >>> parts_of(np.ones((2, 3))) is None
    True
    """
    if isinstance(x, (list, tuple)):
        return list(x)
    if isinstance(x, np.ndarray):
        held = x.dtype.kind == "O" and x.ndim == 1
    else:
        shape = getattr(x, "shape", None)
        held = isinstance(shape, tuple) and len(shape) == 1 and hasattr(x, "__iter__")
        held = held and str(getattr(x, "dtype", "")).startswith(("object", "List", "Array"))
    if held and all(_is_array_like(part) for part in x):
        return list(x)
    return None


def axes_of(x: Any) -> int:
    """How many axes something seems to have, from its type and first entries; it is not read.

    Examples
    --------
    >>> axes_of(np.ones((2, 3))), axes_of([[1, 2], [3]]), axes_of("ab")
    (2, 2, 0)
    """
    if isinstance(x, (list, tuple)):
        return 1 + (axes_of(x[0]) if x else 0)
    axes = getattr(x, "ndim", None)
    return axes if isinstance(axes, int) else int(_is_array_like(x))


def is_missing(value: Any) -> bool:
    """Whether a value says that there is none: None, NaN, or the NA and NaT of other libraries.

    Examples
    --------
    >>> [is_missing(v) for v in (None, float("nan"), np.datetime64("NaT"), 0, "", "nan")]
    [True, True, True, False, False, False]
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    return isinstance(value, (Number, np.datetime64, np.timedelta64)) and bool(value != value)


def refuse_masked(x: Any, name: str) -> None:
    """Raise DataError where a value is masked by `np.ma`, or by a mask of another subclass."""
    if not isinstance(x, np.ndarray) or type(x) is np.ndarray:
        return
    mask = np.asarray(getattr(x, "mask", False))
    if mask.dtype.kind != "b" or not mask.any():
        return
    fill = "0" if x.dtype.kind in "biufc" else "'missing'"
    where = f" at {np.argwhere(mask)[0].tolist()} ({int(mask.sum())} in all)" if mask.ndim else ""
    raise DataError(
        f"{name} has a masked value{where}, but no value may be missing; remove it, or fill it, "
        f"such as with {as_code(name)}.filled({fill})."
    )


def _is_simple(x: Any) -> bool:
    """Whether a list holds plain numbers, text, arrays and such lists alone, so no mask."""
    return set(map(type, x)) <= SCALARS or all(
        type(p) in SCALARS
        or (type(p) in (list, tuple) and _is_simple(p))
        or (type(p) is np.ndarray and p.dtype.kind not in "OV")
        for p in x
    )


def _part(part: Any, *how: str) -> Any:
    """An entry of a list: what may hold values through the gate, anything else as it is."""
    return as_array(part, *how) if _is_array_like(part) else part


def _is_array_like(x: Any) -> bool:
    if isinstance(x, (np.generic, str, bytes)):
        return False
    holds = ("__array__", "__array_interface__", "__array_struct__", "__iter__", "toarray")
    return any(hasattr(x, what) for what in holds)


def _refuse_fields(x: Array, name: str) -> None:
    if x.dtype.names:
        code = as_code(name)
        raise DataError(
            f"{name} has the fields {', '.join(x.dtype.names)}, but one plain array was wanted; "
            f"pass np.stack([{code}[n] for n in {code}.dtype.names], axis=-1)."
        )


def _objects(array: Array, x: Any, name: str, *how: str) -> Array:
    """Objects as they came, unless they are arrays themselves or nothing that has values."""
    if array.ndim == 0:
        value = array[()]
        if value is x and not isinstance(x, (str, Number)):
            raise DataError(
                f"{name} is {_a(x)}, but an array was wanted; pass {_way_out(x, name)}."
            )
    elif array.ndim == 1 and any(_is_array_like(value) for value in array):
        return as_array([*array], name, *how)
    return array


def _from_objects(array: Array, name: str, what: str) -> Array:
    flat = array.ravel()  # (N,)
    kinds = set(map(type, flat))
    if all(issubclass(k, (Number, np.bool_)) for k in kinds):
        try:
            return array.astype(complex if any(map(_is_complex, kinds)) else np.float64)
        except OverflowError:
            raise DataError(
                f"{name} holds a number beyond the range of float64; give smaller numbers."
            ) from None
    missing = [n for n, value in enumerate(flat) if is_missing(value)]
    strange = [n for n, value in enumerate(flat) if not isinstance(value, (Number, np.bool_))]
    first = missing[0] if missing else strange[0]
    at = [int(i) for i in np.unravel_index(first, array.shape)]
    shown = f"{flat[first]!r} at {at}" if array.ndim else repr(flat[first])
    told = (
        f"a missing value ({len(missing)} in all)" if missing else f"a {type(flat[first]).__name__}"
    )
    advice = "remove or fill it first" if missing else "leave it out, or convert it to a number"
    raise DataError(f"{name} holds {shown}, {told}, but {what} are real numbers; {advice}.")


def _is_complex(kind: type) -> bool:
    return issubclass(kind, (complex, np.complexfloating))


def _a(x: Any) -> str:
    return "None" if x is None else f"a {type(x).__name__}"


def _way_out(x: Any, name: str, told: str = "") -> str:
    """How an object becomes an array, as far as its methods tell."""
    name = as_code(name)
    if hasattr(x, "detach"):
        narrow = "ScalarType" in told or "bfloat16" in str(getattr(x, "dtype", ""))
        return f"{name}.detach().cpu(){'.float()' if narrow else ''}.numpy()"
    for method in ("toarray", "todense", "collect", "get"):
        if not isinstance(x, dict) and hasattr(x, method):
            return f"{name}.{method}()"
    if hasattr(x, "__iter__") and not isinstance(x, dict):
        return f"list({name})"
    return "a NumPy array or a list"


def as_code(name: str) -> str:
    """What a user writes for an argument that a message calls by more words."""
    code = name.rpartition(": ")[2].removeprefix("validation ")
    return "it" if " " in code else code


def read_only(array: Array) -> Array:
    """A view of an array that cannot be written into, to lend it without a copy.

    Examples
    --------
    >>> read_only(np.zeros(2)).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view
