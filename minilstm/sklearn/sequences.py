"""Every form in which X comes becomes checked sequences, and scikit-learn's attributes are set.
A table (n, D) is n sequences of one step, which is what scikit-learn's own tools hand in.

Axes: n samples, T time, D features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from minilstm.arrays import as_array, axes_of, parts_of, refuse_masked
from minilstm.data.feature_names import frame_names, in_order
from minilstm.data.sequences import as_batch


def holds_sequences(x: Any) -> bool:
    """Whether x is more than one table of numbers.

    Examples
    --------
    >>> [holds_sequences(x) for x in (np.ones((4, 2)), np.ones((4, 3, 2)), [np.ones((3, 2))])]
    [False, True, True]
    """
    parts = parts_of(x)
    return axes_of(x) > 2 if parts is None else bool(parts) and axes_of(parts[0]) > 1


def read(estimator: Any, x: Any, y: Any = "no_validation", *, reset: bool, **checks: Any) -> Any:
    """Checked sequences, as a list of (T, D) or one array (n, T, D), and y.

    Parameters
    ----------
    estimator : whose attributes `n_features_in_` and `feature_names_in_` are set or compared
    x : (n, D), (n, T, D), or a list of (T, D); frames in the place of (T, D)
    y : "no_validation" in a prediction; checked with `checks` beside a table only
    reset : set the attributes anew
    """
    refuse_masked(x, "X")
    if not holds_sequences(x):
        checks = {} if isinstance(y, str) else checks
        found = validate_data(
            estimator, x, y, reset=reset, dtype=[np.float64, np.float32], **checks
        )
        rows, y = found if isinstance(found, tuple) else (found, y)
        return rows[:, None], y  # (n, 1, D)
    name = type(estimator).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    parts = parts_of(x)
    shape = (as_array(parts[0], "X[0]") if parts else as_array(x, "X")[0]).shape[1:]
    if reset:
        _learn_names(estimator, frame_names(x, "X"))
        estimator.n_features_in_ = shape[-1]
    elif shape[-1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {shape[-1]} features, but {name} is expecting {estimator.n_features_in_} "
            "features as input."
        )
    else:
        size = estimator.network_.input_size
        shape = size if isinstance(size, tuple) else (size,)
    names = getattr(estimator, "feature_names_in_", None)
    ordered = in_order(x, None if names is None else names.tolist(), "X")
    dtype = "float64" if estimator.dtype == "float64" else "float32"
    return as_batch(ordered, shape, dtype, "X", digits=True).sequences, y


def _learn_names(estimator: Any, names: list[str] | None) -> None:
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)  # (D,)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
