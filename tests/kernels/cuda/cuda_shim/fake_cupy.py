"""A module that stands for `cupy` where there is no device: its names, over NumPy.
Only names that the real module has, and of those only what is listed here, so nothing slips in."""

from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np

from . import device, executor
from .arrays import copy_in, counts, forward, ndarray, new, new_like

# These do to arrays of the device what NumPy does to its own.
_FORWARDED = (
    "abs add arange concatenate cos divide equal exp expm1 fmax fmin greater greater_equal hypot "
    "isfinite isinf isnan less less_equal log log1p logical_and logical_not logical_or matmul "
    "maximum mean minimum multiply negative not_equal power prod reshape rint sin sqrt square "
    "stack subtract sum tanh tensordot transpose true_divide where iscomplexobj"
)
# Copied from NumPy as they are: types and constants.
_SAME = "float16 float32 float64 int8 int32 int64 uint8 uint32 uint64 bool_ complex64 complex128"


def _upload(value, dtype, order, copy):
    """What `array` and `asarray` do; arrays of the host are counted."""
    if isinstance(value, ndarray):
        same = (dtype is None or value.dtype == np.dtype(dtype)) and not copy
        wrong = (order == "C" and not value.flags.c_contiguous) or (
            order == "F" and not value.flags.f_contiguous
        )
        if same and not wrong:
            return value
        return value.astype(dtype or value.dtype, order="K" if order in (None, "A") else order)
    if isinstance(value, (list, tuple)) and any(isinstance(part, ndarray) for part in value):
        return forward(np.stack, "array")(list(value))
    counts.uploads += 1
    host = np.asarray(value, dtype)
    if order not in ("C", "F"):  # columns stay columns, and whatever else there is becomes rows
        order = "F" if host.flags.fnc else "C"
    return copy_in(host, order)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    assert ndmin == 0
    return _upload(obj, dtype, order, copy)


def asarray(a, dtype=None, order=None, *, blocking=False, copy=None):
    return _upload(a, dtype, order, bool(copy))


def ascontiguousarray(a, dtype=None):
    return _upload(a, dtype, "C", False)


def asfortranarray(a, dtype=None):
    return _upload(a, dtype, "F", False)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(order=order, out=out) if isinstance(a, ndarray) else np.asarray(a, order=order)


def empty(shape, dtype=float, order="C"):
    return new(shape, dtype, order)


def zeros(shape, dtype=float, order="C"):
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float, order="C"):
    return full(shape, 1, dtype, order)


def full(shape, fill_value, dtype=None, order="C"):
    if dtype is None:
        dtype = fill_value.dtype if isinstance(fill_value, ndarray) else np.array(fill_value).dtype
    made = new(shape, dtype, order)
    made.fill(fill_value)
    return made


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    array = prototype._a if isinstance(prototype, ndarray) else prototype
    if shape is not None:
        return new(shape, dtype or array.dtype, "F" if order == "F" else "C")
    return new_like(array, dtype or array.dtype, order)


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    made = empty_like(a, dtype, order, subok, shape)
    made.fill(0)
    return made


_pool = device.MemoryPool()


def get_default_memory_pool():
    return _pool


def make_modules():
    """{name: module} of a fresh fake, for `sys.modules`."""
    module = ModuleType("cupy", __doc__)
    module.__path__ = []
    module.__version__ = "13.4.0"
    module.cuda = device.make_module()
    module.ndarray = ndarray
    module.RawModule = executor.RawModule
    for name in _FORWARDED.split():
        setattr(module, name, forward(getattr(np, name), name))
    for name in _SAME.split():
        setattr(module, name, getattr(np, name))
    for function in (
        array, asarray, ascontiguousarray, asfortranarray, asnumpy, empty, zeros, ones, full,
        empty_like, zeros_like, get_default_memory_pool,
    ):  # fmt: skip
        setattr(module, function.__name__, function)
    made = {"cupy": module, "cupy.cuda": module.cuda, "cupy.cuda.runtime": module.cuda.runtime}
    for name, part in made.items():
        part.__spec__ = ModuleSpec(name, None)
    return made
