"""The arrays of the device that the shim stands for: NumPy arrays that NumPy cannot touch.
Each lies between guard words, starts as NaN, and counts what would make the host wait for it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from .promotion import check_promotion

GUARD = 1024  # bytes in front of and behind every array
PAGE = 512  # bytes that the memory pool of CuPy rounds up to


@dataclass
class Counts:
    """What happened since the last `reset`."""

    synchronisations: int = 0  # the host waited for a value
    uploads: int = 0  # arrays, from the host to the device
    downloads: int = 0  # arrays, from the device to the host
    used_bytes: int = 0  # of the arrays that are alive; `reset` keeps it

    def reset(self):
        self.synchronisations = self.uploads = self.downloads = 0


counts = Counts()
_alive = weakref.WeakSet()


class Allocation:
    """Memory of one array, all bits 1 (NaN, or -1), with guards that show whether they changed."""

    def __init__(self, size):
        self.bytes = np.full(size + 2 * GUARD + 64, 0xFF, np.uint8)
        self.start = GUARD + -(self.bytes.ctypes.data + GUARD) % 64
        self.size = size
        self.charged = -(-size // PAGE) * PAGE
        counts.used_bytes += self.charged
        _alive.add(self)

    def __del__(self):
        counts.used_bytes -= self.charged

    def is_sound(self):
        front, end = self.bytes[: self.start], self.start + self.size
        return bool((front == 0xFF).all() and (self.bytes[end:] == 0xFF).all())

    def array(self, shape, dtype, order):
        memory = self.bytes[self.start : self.start + self.size]
        return np.ndarray(shape, dtype, memory.data, order=order)


def check_guards():
    """Raise if anything has been written around any array that is alive."""
    assert all(allocation.is_sound() for allocation in list(_alive)), "memory around an array"


def new(shape, dtype, order="C"):
    """An array of the device that nobody has written."""
    dtype = np.dtype(dtype)
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    owner = Allocation(int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
    return _make(owner.array(shape, dtype, order), owner)


def new_like(array, dtype, order="K"):
    """An array of the shape of a NumPy array, and of its order of axes, that nobody has written."""
    fortran, c = array.flags.f_contiguous, array.flags.c_contiguous
    if order in "CF" or c or fortran:
        order = order if order in "CF" else "C" if c else "F"
        return new(array.shape, dtype, order)
    if order == "A":
        return new(array.shape, dtype)
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    packed = new([array.shape[axis] for axis in axes], dtype)
    return _make(packed._a.transpose(np.argsort(axes)), packed._owner)


def copy_in(array, order="K"):
    """An array of the device with the values of a NumPy array."""
    array = np.asarray(array)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {array.dtype}")
    made = new_like(array, array.dtype, order)
    made._a[...] = array
    return made


def _make(array, owner):
    made = object.__new__(ndarray)
    made._a, made._owner = array, owner
    return made


def wrap(value, sources=()):
    """What NumPy gave, as CuPy gives it: arrays, also of no axes; new ones are row-major."""
    if isinstance(value, np.ndarray):
        for source in sources:
            if value.size and np.may_share_memory(value, source._owner.bytes):
                return _make(value, source._owner)
        return copy_in(value, "C")
    if isinstance(value, np.generic):
        return copy_in(np.asarray(value))
    if isinstance(value, (tuple, list)):
        return type(value)(wrap(part, sources) for part in value)
    return value


def unwrap(value, sources, what):
    """Arguments for NumPy; an array of the host among them is an error, as in CuPy."""
    if isinstance(value, ndarray):
        sources.append(value)
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"{what}: Unsupported type {np.ndarray}")
    if type(value) in (tuple, list):
        return type(value)(unwrap(part, sources, what) for part in value)
    return value


def forward(function, what):
    """A function of NumPy, for arrays of the device, with what CuPy knows of its arguments."""
    is_ufunc = isinstance(function, np.ufunc)

    def call(*args, **kwargs):
        unknown = set(kwargs) & {"where", "initial", "subok", "signature", "like", "order"}
        if is_ufunc:
            unknown |= set(kwargs) - {"out", "dtype", "casting"}
        if unknown and what not in ("reshape", "ravel", "flatten"):
            raise TypeError(f"{what}: Wrong arguments {unknown}")
        if is_ufunc and any(type(value) in (tuple, list) for value in args):
            raise TypeError(f"{what}: Unsupported type {list}")
        if is_ufunc or what.startswith("__") or what in ("where", "clip"):
            check_promotion(args, what, ndarray)
        sources = []
        args = [unwrap(value, sources, what) for value in args]
        kwargs = {key: unwrap(value, sources, what) for key, value in kwargs.items()}
        with np.errstate(all="ignore"):  # a device raises no warnings
            return wrap(function(*args, **kwargs), sources)

    call.__name__ = call.__qualname__ = what
    return call


class ndarray:
    """`cupy.ndarray`, as strict; what would copy to the host without saying so is counted."""

    __slots__ = ("__weakref__", "_a", "_owner")
    __array_priority__ = 100
    __hash__ = None

    def __new__(cls, shape, dtype=float, memptr=None, strides=None, order="C"):
        assert memptr is None and strides is None
        return new(shape, dtype, order)

    # ------------------------------------------------------------ what it is

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: _Flags(self._a.flags))
    T = property(lambda self: _make(self._a.T, self._owner))
    real = property(lambda self: _make(self._a.real, self._owner))

    @property
    def data(self):
        return SimpleNamespace(ptr=self._a.ctypes.data if self.size else 0)

    # ------------------------------------------------------------ what reaches the host

    def _number(self):
        if self.ndim:  # NumPy, by way of which CuPy goes, is about to forbid it
            raise TypeError(f"an array with {self.ndim} axes is not a number")
        return self.item()

    def __float__(self):
        return float(self._number())

    def __int__(self):
        return int(self._number())

    def __bool__(self):
        if self.size == 0:  # CuPy says False, with a warning
            raise ValueError("the truth value of an empty array")
        return bool(self.item())

    def item(self, *index):
        counts.synchronisations += 1
        return self._a.item(*index)

    def tolist(self):
        counts.synchronisations += 1
        return self._a.tolist()

    def __repr__(self):
        counts.synchronisations += 1
        return repr(self._a)

    __str__ = __repr__

    def get(self, stream=None, order="C", out=None, blocking=True):
        counts.downloads += 1
        counts.synchronisations += 1
        if out is not None:
            if (out.dtype, out.shape) != (self.dtype, self.shape):
                raise TypeError(f"{self.dtype} array cannot be obtained from {out.dtype} array")
            out[...] = self._a
            return out
        return self._a.copy(order="F" if order == "F" or self._keeps_columns(order) else "C")

    def _keeps_columns(self, order):
        return order == "A" and self._a.flags.f_contiguous and not self._a.flags.c_contiguous

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        import cupy

        if method != "__call__" or not hasattr(cupy, ufunc.__name__):
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        return getattr(cupy, ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, function, types, args, kwargs):
        import cupy

        if not hasattr(cupy, function.__name__):
            return NotImplemented
        return getattr(cupy, function.__name__)(*args, **kwargs)

    # ------------------------------------------------------------ places in it

    def _place(self, key):
        parts = []
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, (np.ndarray, list)):
                raise TypeError("an index must be on the device already; see transfer.to_device")
            if isinstance(part, ndarray) and part.dtype == bool:
                counts.synchronisations += 1  # how many there are decides the shape
            elif isinstance(part, ndarray) and part.size:
                axis = len(parts)
                indices, n = part._a, self.shape[axis] if axis < self.ndim else 0
                # A device wraps indices that are too large around, without a word.
                if axis == 0 and not ((-n <= indices) & (indices < n)).all():
                    raise IndexError(f"index out of bounds for an axis of {n}")
            parts.append(part._a if isinstance(part, ndarray) else part)
        return tuple(parts) if isinstance(key, tuple) else parts[0]

    def __getitem__(self, key):
        return wrap(self._a[self._place(key)], [self])

    def __setitem__(self, key, value):
        value = unwrap(value, [], "ndarray.__setitem__")
        with np.errstate(all="ignore"):
            self._a[self._place(key)] = value

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __reduce__(self):
        raise TypeError("the shim does not pickle arrays of the device")


class _Flags:
    """What CuPy shows of an array's flags; it knows no read-only arrays."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata

    def __getitem__(self, name):
        return getattr(self, name.lower())


_OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod "
    "radd rsub rmul rtruediv rfloordiv rmod rpow rmatmul rand ror rxor rlshift rrshift "
    "eq ne lt le gt ge neg pos abs invert"
)
_IN_PLACE = "add sub mul truediv floordiv mod pow and or xor lshift rshift"
_METHODS = "all any argmax max mean min prod ravel reshape sum transpose"


def _operator(name):
    apply = getattr(np.ndarray, name)
    call = forward(apply, name)

    def operator(self, *others):
        for other in others:
            known = isinstance(other, (ndarray, np.generic, np.ndarray, bool, int, float, complex))
            if not known:
                return NotImplemented
        return call(self, *others)

    return operator


def _in_place(name):
    apply = getattr(np.ndarray, name)

    def operator(self, other):
        check_promotion((self, other), name, ndarray)
        with np.errstate(all="ignore"):
            apply(self._a, unwrap(other, [], name))
        return self

    return operator


for _name in _OPERATORS.split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in _IN_PLACE.split():
    setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in _METHODS.split():
    setattr(ndarray, _name, forward(getattr(np.ndarray, _name), _name))


def _astype(self, dtype, order="K", casting=None, subok=None, copy=True):
    if not copy and self.dtype == np.dtype(dtype):
        return self
    with np.errstate(all="ignore"):
        return copy_in(self._a.astype(dtype), order)


def _copy(self, order="C"):
    return copy_in(self._a, order)


def _fill(self, value):
    self._a.fill(value._a if isinstance(value, ndarray) else value)


for _name, _function in {"astype": _astype, "copy": _copy, "fill": _fill}.items():
    setattr(ndarray, _name, _function)
