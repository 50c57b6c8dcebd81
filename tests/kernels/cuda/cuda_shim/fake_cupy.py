"""A module that stands for `cupy` where there is no device: its names, over NumPy.
Only names that the real module has, and of those only what is listed here, so nothing slips in."""

from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np

from . import device, executor
from .arrays import copy_in, counts, forward, ndarray, new, new_like

# These do to arrays of the device what NumPy does to its own.
_FORWARDED = (
    "abs absolute add all allclose any append arccos arcsin arctan arctan2 argmax argmin "
    "argpartition argsort array_equal around atleast_1d atleast_2d average bincount bitwise_and "
    "bitwise_or bitwise_xor broadcast_arrays broadcast_to ceil clip column_stack concatenate "
    "copysign cos cosh count_nonzero cumprod cumsum diag diagonal diff divide dot dstack einsum "
    "equal exp exp2 expand_dims expm1 flip floor floor_divide fmax fmin fmod greater "
    "greater_equal hstack hypot inner interp invert isclose isfinite isinf isnan kron less "
    "less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or "
    "logical_xor matmul max maximum mean median min minimum mod moveaxis multiply nan_to_num "
    "nanmax nanmin nansum negative nextafter not_equal outer pad percentile positive power prod "
    "ptp quantile ravel reciprocal remainder repeat reshape right_shift left_shift rint roll "
    "round searchsorted signbit sin sinh split sqrt square squeeze stack std subtract sum "
    "swapaxes take take_along_axis tan tanh tensordot tile trace transpose tri tril triu "
    "true_divide trunc unravel_index var vdot vstack where arange eye identity amax amin "
    "logspace rot90 fabs cbrt divmod iscomplexobj"
)
# These also make the host wait: the shape of what they give depends on values.
_WAITING = "nonzero argwhere flatnonzero unique extract compress"
# Copied from NumPy as they are: types, constants and questions about types and shapes.
_SAME = (
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ complex64 "
    "complex128 intp dtype finfo iinfo inf nan pi e newaxis floating integer number generic "
    "issubdtype result_type promote_types can_cast ndim shape size isscalar broadcast_shapes "
    "min_scalar_type common_type"
)
_COMPARED = ("array_equal", "allclose")  # 0-d arrays in CuPy, truth values in NumPy


def _waiting(name):
    call = forward(getattr(np, name), name)

    def wait(*args, **kwargs):
        counts.synchronisations += 1
        return call(*args, **kwargs)

    return wait


def _scalar(name):
    def call(*args, **kwargs):
        return np.asarray(getattr(np, name)(*args, **kwargs))

    return forward(call, name)


def sign(x, out=None, dtype=None):
    """0 for NaN, as in CuPy before version 14."""
    made = forward(np.sign, "sign")(x, out=out, dtype=dtype)
    made._a[np.isnan(made._a)] = 0
    return made


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


def get_array_module(*args):
    import cupy

    return cupy if any(isinstance(arg, ndarray) for arg in args) else np


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
    return full_like(a, 0, dtype, order, subok, shape)


def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    return full_like(a, 1, dtype, order, subok, shape)


def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    made = empty_like(a, dtype, order, subok, shape)
    made.fill(fill_value)
    return made


def copyto(dst, src, casting="same_kind", where=None):
    assert where is None
    dst[...] = src


def may_share_memory(a, b, max_work=None):
    return np.may_share_memory(a._a, b._a)


shares_memory = may_share_memory


def copy(a, order="K"):
    return a.copy(order)


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
        made = _scalar(name) if name in _COMPARED else forward(getattr(np, name), name)
        setattr(module, name, made)
    for name in _WAITING.split():
        setattr(module, name, _waiting(name))
    for name in _SAME.split():
        setattr(module, name, getattr(np, name))
    for function in (
        array, asarray, ascontiguousarray, asfortranarray, asnumpy, get_array_module, empty, zeros,
        ones, full, empty_like, zeros_like, ones_like, full_like, copyto, copy, may_share_memory,
        shares_memory, get_default_memory_pool, sign,
    ):  # fmt: skip
        setattr(module, function.__name__, function)
    module.is_available = lambda: True
    made = {"cupy": module, "cupy.cuda": module.cuda, "cupy.cuda.runtime": module.cuda.runtime}
    for name, part in made.items():
        part.__spec__ = ModuleSpec(name, None)
    return made
