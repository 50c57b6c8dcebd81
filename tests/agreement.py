"""What tests compare with: tolerances of each number type, and comparisons of nested results.
Every comparison looks at shapes and types too, and says what differs."""

import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import load_backend

NUMPY = load_backend("numpy")
# Largest difference allowed, relative to the largest entry of the array. A drawn array may be a
# single number in which large terms cancel; where there are many, BROAD holds.
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-4}
BROAD = {np.float64: 1e-14, np.float32: 3e-6}

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
dtype_names = pytest.mark.parametrize("dtype", ["float32", "float64"])


def widened(value):
    """The same nested tuple with every array in float64."""
    if isinstance(value, tuple):
        parts = [widened(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    wide = value is None or value.dtype.kind != "f"
    return value if wide else value.astype(np.float64)


def flat(value):
    """The arrays of nested sequences, one after the other."""
    if isinstance(value, (list, tuple)):
        return [a for part in value for a in flat(part)]
    return [value]


def bits(value):
    """All numbers of a network or of nested dicts and sequences, as bytes with shape and type."""
    if isinstance(value, ml.Network):
        value = {**value.parameters, **value.statistics}
    if isinstance(value, dict):
        return {key: bits(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, map)):
        return [bits(part) for part in value]
    if value is None:
        return None
    array = np.asarray(value)
    return array.shape, array.dtype.str, array.tobytes()


def assert_agree(got, want, tolerance, what=""):
    """Nested tuples of arrays of one shape and dtype, equal to a tolerance."""
    if isinstance(want, tuple):
        assert type(got) is type(want) and len(got) == len(want), what
        names = getattr(want, "_fields", range(len(want)))
        for name, g, w in zip(names, got, want, strict=True):
            assert_agree(g, w, tolerance, f"{what} {name}")
    elif want is None or isinstance(want, str):
        assert got == want, what
    else:
        g, w = np.asarray(got), np.asarray(want)
        assert g.shape == w.shape and np.isfinite(w).all(), what
        scale = max(float(np.abs(w).max()), 1e-30)
        error = np.abs(g.astype(np.float64) - w).max() / scale
        assert error <= tolerance, f"{what}: relative difference {error:.1e}"


def assert_close(got, want, tolerance):
    """Arrays of one shape, equal to a tolerance relative to the largest entry."""
    assert got.shape == want.shape
    scale = abs(want).max() + 1e-300
    assert abs(got - want).max() <= tolerance * scale, f"{abs(got - want).max() / scale:.1e}"


def assert_gradient(hand, exact, what="", tolerance=1e-12):
    """A gradient beside the true derivative, which does not vanish."""
    assert hand.shape == exact.shape, what
    scale = np.abs(exact).max()
    assert scale > 1e-6, f"{what}: the true derivative vanishes, so this checks nothing"
    assert np.abs(hand - exact).max() <= tolerance * scale, what


def assert_same_arrays(left, right):
    """Lists of equal arrays of the same kind."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.dtype.kind == b.dtype.kind
        assert np.array_equal(a, b)


def assert_streamed(got, want, backend, dtype):
    """The same bits on Numba; BLAS sums in another order for another number of rows."""
    assert got.shape == want.shape and got.dtype == want.dtype == dtype
    if backend == "numba":
        assert got.tobytes() == want.tobytes()
    else:
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def assert_near(got, want, dtype, times=1.0):
    """Nested results of the same types, equal to so many times the rounding of a network."""
    tolerance = {"float64": 1e-12, "float32": 3e-5}[dtype]
    if isinstance(want, dict):
        assert list(got) == list(want)
        got, want = list(got.values()), list(want.values())
    if isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            assert_near(g, w, dtype, times)
        return
    assert type(got) is type(want), (type(got), type(want))
    if isinstance(want, np.ndarray):
        assert got.dtype == want.dtype and got.shape == want.shape and np.isfinite(want).all()
        scale = max(1.0, float(np.abs(want).max(initial=0.0)))
        np.testing.assert_allclose(got, want, rtol=0, atol=times * tolerance * scale)
    else:
        assert got == pytest.approx(want, rel=10 * tolerance)


def on_both(do):
    """What a function gives on the CuPy backend and on the NumPy one."""
    with ml.use_backend("cupy"):
        got = do()
    with ml.use_backend("numpy"):
        return got, do()


# ---------------------------------------------------------------- messages


def is_one_sentence(message):
    """Whether a message is one sentence on one line."""
    ends = message.endswith(".") and not message.endswith("..") and "\n" not in message
    return ends and re.search(r"[.!?]\s", message) is None


def refuses(message, error=ValueError):
    """Within this block an error is raised that says one sentence, word for word."""
    assert is_one_sentence(message), message
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def refuses_data(message):
    """The same where data is at fault."""
    return refuses(message, ml.DataError)


def legend_texts(ax):
    """The words of a figure's legend."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def refusal(path, **options):
    """What is said of a file that cannot be read, with FILE for its name."""
    with pytest.raises(ml.DataError) as error:
        ml.data.read_sequences(path, **options)
    return str(error.value).replace(repr(str(path)), "FILE")


def failing(*args, **options):
    """The report of a gradient check that must not pass."""
    report = ml.gradcheck(*args, raises=False, **options)
    assert not report.passed
    return report


def causes(report, name):
    """What a report says of one array."""
    return " ".join(next(e for e in report.errors if e.name == name).causes)
