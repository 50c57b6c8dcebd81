"""Adam, the L2 term and the three ways to bound gradients, each a pure function.
The order of a step is: add L2, bound the gradients, let Adam move the parameters.

`update` is the whole step, in one pass a parameter on the backend that is handed in; the other
functions are its parts, one by one. Every function takes and returns dicts of arrays by
"layer/parameter" and changes no argument.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.adam import AdamRule

Array = NDArray[Any]
Arrays = Mapping[str, Array]


class AdamState(NamedTuple):
    """What Adam remembers between steps."""

    t: int  # steps taken
    m: dict[str, Array]  # running mean of the gradient, shape of the parameter
    v: dict[str, Array]  # running mean of its square, shape of the parameter


def adam_init(parameters: Arrays) -> AdamState:
    """Adam before its first step: both running means are zero.

    Examples
    --------
    >>> adam_init({"fc/bias": np.ones(2)}).m["fc/bias"].tolist()
    [0.0, 0.0]
    """
    zeros = {key: np.zeros_like(value) for key, value in parameters.items()}
    return AdamState(0, zeros, {key: value.copy() for key, value in zeros.items()})


def adam_update(
    parameters: Arrays,
    gradients: Arrays,
    state: AdamState,
    learn_rate: float,
    gradient_decay_factor: float = 0.9,
    squared_gradient_decay_factor: float = 0.999,
    epsilon: float = 1e-8,
    learn_rate_factors: Mapping[str, float] | None = None,
) -> tuple[dict[str, Array], AdamState]:
    """One step of Adam.

    ::

        m = b1 m + (1 - b1) g                                     (1)
        v = b2 v + (1 - b2) g^2                                   (2)
        p = p - a sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + e) (3)

    The bias correction is folded into the step, so e is added to the uncorrected root; PyTorch
    adds it to the corrected one.

    Parameters
    ----------
    parameters, gradients : p and g, arrays by name
    state : AdamState, from `adam_init` or an earlier step
    learn_rate : a
    gradient_decay_factor : b1
    squared_gradient_decay_factor : b2
    epsilon : e
    learn_rate_factors : multiplies `learn_rate` for some parameters, 1 where not given

    Returns
    -------
    parameters : new arrays
    state : AdamState after the step

    Notes
    -----
    Kingma and Ba, "Adam: a method for stochastic optimization" (2015), end of section 2.

    Examples
    --------
    >>> p = {"w": np.array([1.0])}
    >>> new, state = adam_update(p, {"w": np.array([0.3])}, adam_init(p), learn_rate=0.1)
    >>> round(float(new["w"][0]), 6), state.t
    (0.9, 1)
    """
    b1, b2 = gradient_decay_factor, squared_gradient_decay_factor
    t = state.t + 1
    correction = np.sqrt(1 - b2**t) / (1 - b1**t)
    new: dict[str, Array] = {}
    m: dict[str, Array] = {}
    v: dict[str, Array] = {}
    for key, p in parameters.items():
        g = gradients[key]
        number = p.dtype.type
        m[key] = number(b1) * state.m[key] + number(1 - b1) * g  # (1)
        v[key] = number(b2) * state.v[key] + number(1 - b2) * (g * g)  # (2)
        factor = 1.0 if learn_rate_factors is None else learn_rate_factors.get(key, 1.0)
        step = number(learn_rate * factor * correction)
        new[key] = p - step * m[key] / (np.sqrt(v[key]) + number(epsilon))  # (3)
    return new, AdamState(t, m, v)


def update(
    backend: Any,
    parameters: Arrays,
    gradients: Arrays,
    state: AdamState,
    learn_rate: float,
    *,
    gradient_decay_factor: float = 0.9,
    squared_gradient_decay_factor: float = 0.999,
    epsilon: float = 1e-8,
    gradient_threshold: float = math.inf,
    gradient_threshold_method: str = "l2norm",
    l2: Mapping[str, float] | None = None,
    learn_rate_factors: Mapping[str, float] | None = None,
) -> tuple[dict[str, Array], AdamState, float]:
    """Add L2, bound the gradients, take one step of Adam: one fused pass a parameter.

    Parameters
    ----------
    backend : Backend, whose `gradient_norm` and `adam_step` compute
    parameters, gradients, state, learn_rate, gradient_decay_factor, \
squared_gradient_decay_factor, epsilon, learn_rate_factors : as for `adam_update`
    gradient_threshold : bound; inf means none
    gradient_threshold_method : "l2norm", "global-l2norm" or "absolute-value"; see `CLIPPING`
    l2 : as the factors of `add_l2`; None means none

    Returns
    -------
    parameters : new arrays
    state : AdamState after the step
    norm : Euclidean norm over all gradients, L2 term included, before they were bounded

    Examples
    --------
    >>> from minilstm.backend import load_backend
    >>> p = {"w": np.array([1.0])}
    >>> new, _, norm = update(load_backend("numpy"), p, {"w": np.array([0.3])}, adam_init(p), 0.1)
    >>> round(float(new["w"][0]), 6), round(norm, 6)
    (0.9, 0.3)
    """
    l2 = l2 or {}
    norms = {
        key: backend.gradient_norm(p, gradients[key], l2.get(key, 0.0))
        for key, p in parameters.items()
    }
    norm = math.hypot(*norms.values())
    t = state.t + 1
    b1, b2 = gradient_decay_factor, squared_gradient_decay_factor
    correction = math.sqrt(1 - b2**t) / (1 - b1**t)
    by_value = gradient_threshold_method == "absolute-value"
    new: dict[str, Array] = {}
    m: dict[str, Array] = {}
    v: dict[str, Array] = {}
    for key, p in parameters.items():
        bounded = norm if gradient_threshold_method == "global-l2norm" else norms[key]
        scale = 1.0
        if not by_value and bounded > gradient_threshold:
            scale = gradient_threshold / bounded
        factor = 1.0 if learn_rate_factors is None else learn_rate_factors.get(key, 1.0)
        rule = AdamRule(
            learn_rate * factor * correction,
            b1,
            b2,
            epsilon,
            l2.get(key, 0.0),
            scale,
            float(gradient_threshold) if by_value else math.inf,
        )
        new[key], m[key], v[key] = backend.adam_step(
            p, gradients[key], state.m[key], state.v[key], rule
        )
    return new, AdamState(t, m, v), norm


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


def _scaled(g: Array, norm: float, threshold: float) -> Array:
    return g * g.dtype.type(threshold / norm) if norm > threshold else g
