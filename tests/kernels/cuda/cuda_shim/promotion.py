"""Which dtype comes of an array and a number: versions of CuPy do not all say the same.
The product must not depend on it, so the shim refuses what they answer differently."""

import numpy as np


def check_promotion(values, what, ndarray):
    """Raise where the dtype of a result depends on the version of CuPy.

    Before 14 the value of a number of the host decides whether it widens the array beside it, as in
    NumPy 1; from 14 on the type of a NumPy number does, and numbers of Python never.
    """
    dtypes = [value.dtype for value in values if isinstance(value, ndarray)]
    if not dtypes:
        return
    wide, kinds = np.result_type(*dtypes), "biufc"
    for value in values:
        if isinstance(value, np.generic):
            lower = kinds.index(value.dtype.kind) <= kinds.index(wide.kind)
            differs = lower and np.promote_types(wide, value.dtype) != wide
        elif type(value) in (int, float) and wide.kind in "fc":
            differs = not np.can_cast(np.min_scalar_type(value), wide)
        else:
            continue
        if differs:
            said = f"{type(value).__name__} {value!r} beside {wide}"
            raise TypeError(f"{what}: {said} has another dtype in CuPy 13 than in CuPy 14")
