"""A step of a solver in separate steps: the L2 term, the three ways to bound gradients, and Adam.
`minilstm.training.solvers.update` fuses them into one pass; tests compare it with these.

Every function takes and returns dicts of arrays by "layer/parameter" and changes no argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import load_backend
from minilstm.training.solvers import AdamState, update

Array = NDArray[Any]
Arrays = Mapping[str, Array]


def add_l2(gradients: Arrays, parameters: Arrays, factors: Mapping[str, float]) -> dict[str, Array]:
    """Gradient of the penalty (factor / 2) |p|^2, added: g + factor p.

    Parameters
    ----------
    gradients, parameters : arrays by name
    factors : regularisation times the factor of the parameter; 0 or absent leaves it alone

    Examples
    --------
    >>> add_l2({"w": np.array([1.0])}, {"w": np.array([2.0])}, {"w": 0.5})["w"].tolist()
    [2.0]
    """
    return {
        key: g + g.dtype.type(factors[key]) * parameters[key] if factors.get(key) else g
        for key, g in gradients.items()
    }


def clip_l2norm(gradients: Arrays, threshold: float) -> dict[str, Array]:
    """Scale each array whose own L2 norm exceeds the threshold down to it.

    This is the reference's default: one norm an array, not one for all of them.

    Examples
    --------
    >>> clipped = clip_l2norm({"a": np.array([3.0, 4.0]), "b": np.array([0.1])}, 1.0)
    >>> clipped["a"].round(6).tolist(), clipped["b"].tolist()
    ([0.6, 0.8], [0.1])
    """
    return {key: _scaled(g, l2norm(g), threshold) for key, g in gradients.items()}


def clip_global_l2norm(gradients: Arrays, threshold: float) -> dict[str, Array]:
    """Scale all arrays by one factor if the L2 norm of all of them together exceeds the threshold.

    Examples
    --------
    >>> clipped = clip_global_l2norm({"a": np.array([3.0]), "b": np.array([4.0])}, 1.0)
    >>> clipped["a"].round(6).tolist(), clipped["b"].round(6).tolist()
    ([0.6], [0.8])
    """
    norm = float(np.sqrt(sum(l2norm(g) ** 2 for g in gradients.values())))
    return {key: _scaled(g, norm, threshold) for key, g in gradients.items()}


def clip_absolute_value(gradients: Arrays, threshold: float) -> dict[str, Array]:
    """Set each entry beyond the threshold to the threshold, keeping its sign.

    Examples
    --------
    >>> clip_absolute_value({"a": np.array([-3.0, 0.5])}, 1.0)["a"].tolist()
    [-1.0, 0.5]
    """
    bound = float(threshold)  # a NumPy float64 would widen float32 gradients
    return {key: np.clip(g, -bound, bound) for key, g in gradients.items()}


CLIPPING = {
    "l2norm": clip_l2norm,
    "global-l2norm": clip_global_l2norm,
    "absolute-value": clip_absolute_value,
}


def l2norm(g: Array) -> float:
    """Euclidean norm over all entries, summed in float64 in NumPy's fixed order.

    Examples
    --------
    >>> l2norm(np.array([3.0, 4.0]))
    5.0
    """
    wide = g.astype(np.float64)
    with np.errstate(over="ignore"):
        norm = float(np.sqrt(np.sum(wide * wide)))
    if norm != np.inf:
        return norm
    largest = float(np.abs(wide).max())  # the squares overflowed; the norm itself may not
    return largest * l2norm(wide / largest) if largest < np.inf else norm


def adam_update(
    parameters: Arrays,
    gradients: Arrays,
    state: AdamState,
    learn_rate: float,
    gradient_decay_factor: float = 0.9,
    squared_gradient_decay_factor: float = 0.999,
    epsilon: float = 1e-8,
    **options: Any,
) -> tuple[dict[str, Array], AdamState]:
    """One step of Adam in NumPy, without L2 or a bound; see `functional.adam.adam_step`.

    Examples
    --------
    >>> from minilstm.training.solvers import adam_init
    >>> p = {"w": np.array([1.0])}
    >>> new, state = adam_update(p, {"w": np.array([0.3])}, adam_init(p), learn_rate=0.1)
    >>> round(float(new["w"][0]), 6), state.t
    (0.9, 1)
    """
    new, after, _ = update(
        load_backend("numpy"),
        parameters,
        gradients,
        state,
        learn_rate,
        gradient_decay_factor=gradient_decay_factor,
        squared_gradient_decay_factor=squared_gradient_decay_factor,
        epsilon=epsilon,
        **options,
    )
    return new, after


def _scaled(g: Array, norm: float, threshold: float) -> Array:
    return g * g.dtype.type(threshold / norm) if norm > threshold else g
