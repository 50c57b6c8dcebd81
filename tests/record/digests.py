"""What is kept of an array or a text: a hash of its bits, and a few numbers of its values.
Bits are compared on the kind of machine that made the record, and values on every machine.
"""

import hashlib
import math
import os
import platform
import re

import numpy as np

from minilstm.backend import is_installed

#: largest difference of values, relative to the norm of their array
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
HASH_DIGITS = 16  # hexadecimal digits of SHA-256 that are kept
#: A number below this is rounding in a report: a relative error of a right gradient.
ROUNDING = 1e-9
#: the norm of an array counts as this at least, since gradients that should be 0 are rounding
LEAST_NORM = 0.1


def flat(value, name=""):
    """The arrays in nested dicts and sequences, by their path, such as "state/lstm/0"."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    else:
        return {name: np.asarray(value)}
    return {k: a for key, part in parts for k, a in flat(part, f"{name}/{key}".strip("/")).items()}


def sha(data):
    data = data.encode() if isinstance(data, str) else data
    return hashlib.sha256(data).hexdigest()[:HASH_DIGITS]


def bits(arrays):
    """A hash of each array: of its dtype, its shape and its bytes."""
    return {k: sha(f"{a.dtype.str}{a.shape}".encode() + a.tobytes()) for k, a in arrays.items()}


def values(arrays):
    """A list for each array: its sum, its norm, its first and its middle number."""
    return {k: _values(a) for k, a in arrays.items()}


def _values(a):
    if a.dtype.kind not in "fiub":
        return [str(a.dtype), *map(str, a.ravel()[:2])]
    a, digits = a.ravel().astype(np.float64), 9 if a.dtype == np.float32 else 14
    found = [a.sum(), math.sqrt((a * a).sum()), *(a[[0, len(a) // 2]] if len(a) else ())]
    return [float(f"{v:.{digits}g}") for v in found]


def differing(arrays, recorded, tolerance):
    """Names of arrays whose values are not those recorded."""
    found = values(arrays)
    common = found.keys() & recorded.keys()
    wrong = [k for k in common if not _same(found[k], recorded[k], tolerance, arrays[k].size)]
    return sorted([*wrong, *(found.keys() ^ recorded.keys())])


def _same(new, old, tolerance, size):
    if len(new) != len(old) or isinstance(old[0], str) or isinstance(new[0], str):
        return new == old
    allowed = tolerance * max(old[1] if math.isfinite(old[1]) else 1, LEAST_NORM)
    # The sum of so many numbers may be further off than their norm.
    allowed = np.array([allowed * math.sqrt(size), *[allowed] * (len(old) - 1)])
    close = np.abs(np.subtract(new, old)) <= allowed
    return bool(np.all(close | (np.isnan(new) & np.isnan(old))))


def canonical(text):
    """A text whose numbers have six digits, and 0 for those that are mere rounding."""

    def rounded(match):
        number = float(match[0])
        return "0" if abs(number) < ROUNDING else f"{number:.6g}"

    return re.sub(r"(?<![\w.])\d+(\.\d+)?(e[-+]?\d+)?(?![\w.]*\w)", rounded, text)


def machine():
    """What the bits of a result may depend on; None where there is no Numba to compile."""
    if not is_installed("numba"):
        return None
    import llvmlite
    import llvmlite.binding as llvm
    import numba

    features = sorted(name for name, there in llvm.get_host_cpu_features().items() if there)
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "processor": numba.config.CPU_NAME or llvm.get_host_cpu_name(),
        "features": sha(numba.config.CPU_FEATURES or " ".join(features)),
        "vector_bytes": os.environ.get("MINILSTM_VECTOR_BYTES", ""),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
    }
