"""Arrays as users have them: 70 kinds of objects that hold the numbers of one array, or nearly do.
Each says what comes through the gate: the numbers of a float64 array, or one sentence."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from builders import WIDTHS
from scipy import sparse

A = np.array([[0.0, 1.0], [1.0, 1.0], [4.0, 0.0], [3.0, 2.0], [1.0, 5.0]])  # (5, 2)


# ---------------------------------------------------------------- kinds of arrays


class Tensor:
    """An object of another library: it has numbers, and a way of its own to refuse them."""

    def __init__(self, a, error=None, dtype="float32"):
        self.a, self.error, self.dtype, self.shape = a, error, dtype, a.shape

    def __array__(self, dtype=None, copy=None):
        if self.error is not None:
            raise self.error
        return self.a

    def __len__(self):
        return len(self.a)

    def detach(self):
        return Tensor(self.a)

    cpu = float = detach

    def numpy(self):
        return self.a


class Interface:
    """An object with the oldest protocol alone."""

    def __init__(self, a):
        self.a = a
        self.__array_interface__ = a.__array_interface__


class Kind(NamedTuple):
    make: object  # from an array (5, 2)
    says: str = ""  # the sentence; "" where the numbers come through
    numbers: object = None  # the array whose numbers are meant, where it is not A


def changed(value, dtype=object):
    array = A.astype(dtype)
    array[1, 0] = value
    return array


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def mapped(a):
    """A file of the current folder, which is a temporary one."""
    np.save("a.npy", a)
    return np.load("a.npy", mmap_mode="r")


def masked(a, where=((1, 0),)):
    mask = np.zeros(a.shape, bool)
    for place in where:
        mask[place] = True
    return np.ma.masked_array(a, mask)


def fields(a):
    return np.rec.fromarrays(list(a.T), names="ax,ay")


def frame(a, dtype=None, **columns):
    return pd.DataFrame({"ax": a[:, 0], "ay": a[:, 1]}, dtype=dtype).assign(**columns)


def polars_frame(a):
    return pytest.importorskip("polars").DataFrame({"ax": a[:, 0], "ay": a[:, 1]})


def polars_with_null(a):
    polars = pytest.importorskip("polars")
    return polars.DataFrame({"ax": [1, None, 3], "ay": ["a", "b", "c"]})


def torch_tensor(a, **options):
    return pytest.importorskip("torch").tensor(a, **options)


MASKED = (
    "{x} has a masked value at [1, 0] (1 in all), but no value may be missing; remove it, or fill "
    "it, such as with {code}.filled(0)."
)
MISSING = (
    "{{x}} holds {} at [1, 0], a missing value (1 in all), but {{what}} are real numbers; remove "
    "or fill it first."
)
STRANGE = (
    "{{x}} holds {} at [{}], a {}, but {{what}} are real numbers; leave it out, or convert it to a "
    "number."
)
DTYPE = "{{x}} has dtype {}, but {{what}} are real numbers; {}."
READS = "if it is numbers, np.asarray({code}).astype(float) reads them"
FIELDS = (
    "{x} has the fields ax, ay, but one plain array was wanted; pass np.stack([{code}[n] for n in "
    "{code}.dtype.names], axis=-1)."
)
NEEDS_GRAD = "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
NO_SCALAR = "Got unsupported ScalarType BFloat16"
NO_NUMPY = "{{x}} is a Tensor that NumPy cannot read ({}: {}); pass {{code}}.{}."
BOOL = DTYPE.format("bool", "convert it to a float or integer array")

KINDS = {
    **{name: Kind(lambda a, t=name: a.astype(t)) for name in WIDTHS},
    "big-endian float": Kind(lambda a: a.astype(">f8")),
    "big-endian integer": Kind(lambda a: a.astype(">i4")),
    "read-only": Kind(read_only),
    "negative strides": Kind(lambda a: a[::-1].copy()[::-1]),
    "Fortran order": Kind(np.asfortranarray),
    "not contiguous": Kind(lambda a: np.repeat(a, 2, axis=1)[:, ::2]),
    "strides of zero": Kind(lambda a: np.broadcast_to(a[0], a.shape), numbers=A[[0] * 5]),
    "memory-mapped": Kind(mapped),
    "matrix": Kind(np.matrix),
    "plain record array": Kind(lambda a: a.view(np.recarray)),
    "objects that are numbers": Kind(lambda a: a.astype(object)),
    "mixed objects": Kind(lambda a: changed(np.float32(1))),
    "object None": Kind(lambda a: changed(None), MISSING.format("None")),
    "object NaN": Kind(lambda a: changed(pd.NA), MISSING.format("<NA>")),
    "object text": Kind(lambda a: changed("4"), STRANGE.format("'4'", "1, 0", "str")),
    "fields": Kind(fields, FIELDS),
    "masked": Kind(masked, MASKED),
    "masked nowhere": Kind(lambda a: masked(a, ())),
    "masked in a list": Kind(
        lambda a: [*a[:1], np.ma.masked_array(a[1], [True, False]), *a[2:]],
        "{x}[1] has a masked value at [0] (1 in all), but no value may be missing; remove it, or "
        "fill it, such as with {code}[1].filled(0).",
    ),
    "the masked constant in a list": Kind(
        lambda a: [[0.0, 1.0], [np.ma.masked, 1.0], *a[2:].tolist()],
        "{x}[1][0] has a masked value, but no value may be missing; remove it, or fill it, such "
        "as with {code}[1][0].filled(0).",
    ),
    "bool": Kind(lambda a: a > 1, BOOL, (A > 1).astype(float)),
    "complex": Kind(
        lambda a: a.astype(complex),
        DTYPE.format(
            "complex128", "take the real part, np.real({code}), or the size, np.abs({code})"
        ),
    ),
    "dates": Kind(
        lambda a: a.astype("M8[s]"),
        DTYPE.format(
            "datetime64[s]",
            "give seconds, np.asarray({code}).astype('M8[ms]').astype(float) / 1000",
        ),
    ),
    "durations": Kind(
        lambda a: a.astype("m8[s]"),
        DTYPE.format("timedelta64[s]", "give seconds, np.asarray({code}) / np.timedelta64(1, 's')"),
    ),
    "text": Kind(lambda a: a.astype(int).astype("U1"), DTYPE.format("<U1", READS)),
    "big-endian text": Kind(lambda a: a.astype(int).astype(">U1"), DTYPE.format("<U1", READS)),
    "bytes": Kind(lambda a: a.astype(int).astype("S1"), DTYPE.format("|S1", READS)),
    "list of lists": Kind(lambda a: a.tolist()),
    "tuple of tuples": Kind(lambda a: tuple(map(tuple, a.tolist()))),
    "list of arrays": Kind(list),
    "list of a range": Kind(lambda a: [range(2)] * 5, numbers=np.array([[0.0, 1.0]] * 5)),
    "memory view": Kind(lambda a: memoryview(a.copy())),
    "array interface": Kind(Interface),
    "foreign array": Kind(Tensor),
    "foreign arrays in a list": Kind(lambda a: [Tensor(row) for row in a]),
    "needs a gradient": Kind(
        lambda a: Tensor(a, RuntimeError(NEEDS_GRAD)),
        NO_NUMPY.format("RuntimeError", NEEDS_GRAD.partition(". ")[0], "detach().cpu().numpy()"),
    ),
    "brain float": Kind(
        lambda a: Tensor(a, TypeError(NO_SCALAR), "torch.bfloat16"),
        NO_NUMPY.format("TypeError", NO_SCALAR, "detach().cpu().float().numpy()"),
    ),
    "torch": Kind(torch_tensor),
    "torch float32": Kind(lambda a: torch_tensor(a).float()),
    "sparse": Kind(
        sparse.csr_array, "{x} is a csr_array, but an array was wanted; pass {code}.toarray()."
    ),
    "generator": Kind(
        lambda a: (row for row in a),
        "{x} is a generator, but an array was wanted; pass list({code}).",
    ),
    "set": Kind(lambda a: {1, 2}, "{x} is a set, but an array was wanted; pass list({code})."),
    "None": Kind(
        lambda a: None, "{x} is None, but an array was wanted; pass a NumPy array or a list."
    ),
    "frame": Kind(frame),
    "frame without names": Kind(pd.DataFrame),
    "frame of Float64": Kind(lambda a: frame(a, "Float64")),
    "frame of Int64": Kind(lambda a: frame(a, "Int64")),
    "frame of Int64 and float": Kind(lambda a: frame(a, "Int64").astype({"ay": float})),
    "frame of categories": Kind(lambda a: frame(a).astype("category")),
    "frame with NA": Kind(
        lambda a: frame(a).assign(ax=pd.array([0, None, 1, 2, 3])),
        MISSING.format("<NA>"),
    ),
    "frame with text": Kind(
        lambda a: frame(a).assign(ay=["a"] * 5), STRANGE.format("'a'", "0, 1", "str")
    ),
    "frame with dates": Kind(
        lambda a: frame(a).assign(ax=pd.to_datetime(["2026-01-01"] * 5)),
        STRANGE.format("Timestamp('2026-01-01 00:00:00')", "0, 0", "Timestamp"),
    ),
    "polars frame": Kind(polars_frame),
    "polars frame with null": Kind(polars_with_null, MISSING.format("nan")),
    "tiny numbers": Kind(lambda a: a * 5e-324, numbers=A * 5e-324),
    "huge numbers": Kind(lambda a: a * 1e300, numbers=A * 1e300),
}
