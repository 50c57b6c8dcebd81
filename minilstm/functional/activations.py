"""The activations of gates and states, and their derivatives written in terms of their outputs.
All take complex numbers, so complex-step gradient checks run through them.

Each takes an array of any shape, real or complex, and gives one of the same shape and dtype. A
derivative takes y, what the function returned, and not its argument z. Where a function has a
kink, a complex number counts on the side of its real part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import DataError
from minilstm.functional.gate import gated, ungated

Array = NDArray[Any]
A = TypeVar("A")


@gated
def sigmoid(z: Array) -> Array:
    """Logistic function 1 / (1 + exp(-z)).

    Computed as (1 + tanh(z / 2)) / 2, the same function, which cannot overflow.

    The result is in (0, 1) for real z.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    half = z.dtype.type(0.5)
    out: Array = half + half * np.tanh(half * z)
    return out


@gated
def tanh(z: Array) -> Array:
    """Hyperbolic tangent.

    The result is in (-1, 1) for real z.

    Examples
    --------
    >>> tanh(np.array([0.0])).tolist()
    [0.0]
    """
    out: Array = np.tanh(z)
    return out


@gated
def softsign(z: Array) -> Array:
    """z / (1 + |z|), a tanh with slow tails (Glorot and Bengio, 2010).

    The result is in (-1, 1) for real z.

    Examples
    --------
    >>> softsign(np.array([-3.0, 0.0, 1.0])).tolist()
    [-0.75, 0.0, 0.5]
    """
    return z / (1 + _size(z))


@gated
def relu(z: Array) -> Array:
    """z where it is positive, else 0.

    NaN stays NaN.

    Examples
    --------
    >>> relu(np.array([-3.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    out: Array = np.where(z.real <= 0, z.dtype.type(0), z)
    return out


@gated
def hard_sigmoid(z: Array) -> Array:
    """0.2 z + 0.5 cut off at 0 and 1: a sigmoid of three straight lines.

    The result is in [0, 1] for real z; NaN stays NaN.

    Examples
    --------
    >>> hard_sigmoid(np.array([-3.0, 0.0, 1.0, 3.0])).tolist()
    [0.0, 0.5, 0.7, 1.0]
    """
    number = z.dtype.type
    line = number(0.2) * z + number(0.5)
    cut = np.where(line.real <= 0, number(0), line)
    out: Array = np.where(line.real >= 1, number(1), cut)
    return out


@gated
def dsigmoid_from_output(y: Array) -> Array:
    """Derivative of the sigmoid, from its output: y (1 - y).

    Examples
    --------
    >>> dsigmoid_from_output(np.array([0.5])).tolist()
    [0.25]
    """
    return y * (1 - y)


@gated
def dtanh_from_output(y: Array) -> Array:
    """Derivative of tanh, from its output: 1 - y^2.

    Examples
    --------
    >>> dtanh_from_output(np.array([0.0])).tolist()
    [1.0]
    """
    return 1 - y * y


@gated
def dsoftsign_from_output(y: Array) -> Array:
    """Derivative of softsign, from its output: (1 - |y|)^2.

    Examples
    --------
    >>> dsoftsign_from_output(np.array([-0.75, 0.0])).tolist()
    [0.0625, 1.0]
    """
    rest = 1 - _size(y)
    return rest * rest


@gated
def drelu_from_output(y: Array) -> Array:
    """Derivative of relu, from its output: 1 where y is positive, else 0.

    Examples
    --------
    >>> drelu_from_output(np.array([0.0, 2.0])).tolist()
    [0.0, 1.0]
    """
    out: Array = (y.real > 0).astype(y.dtype)
    return out


@gated
def dhard_sigmoid_from_output(y: Array) -> Array:
    """Derivative of hard-sigmoid, from its output: 0.2 between the ends, 0 at 0 and at 1.

    Examples
    --------
    >>> dhard_sigmoid_from_output(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.2, 0.0]
    """
    slope = y.dtype.type(0.2)
    out: Array = np.where((y.real > 0) & (y.real < 1), slope, y.dtype.type(0))
    return out


def _size(z: Array) -> Array:
    """|z| for a real array, continued along the sign of the real part for a complex one."""
    out: Array = np.where(z.real < 0, -z, z)
    return out


class Activation(NamedTuple):
    """A function and its derivative as a function of the output."""

    forward: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


def find_activations(
    gate_activation: str, state_activation: str, gates: Mapping[str, A], states: Mapping[str, A]
) -> tuple[A, A]:
    """What tables have for the two names of an LSTM.

    Raises
    ------
    DataError
        A table has no such name.

    Examples
    --------
    >>> find_activations("sigmoid", "relu", {"sigmoid": 1}, {"tanh": 2, "relu": 3})
    (1, 3)
    """
    try:
        return gates[gate_activation], states[state_activation]
    except (KeyError, TypeError):
        wrong = state_activation if gate_activation in [*gates] else gate_activation
        option, table = ("state", states) if gate_activation in [*gates] else ("gate", gates)
        raise DataError(
            f"{option}_activation is {wrong!r}; choose one of {', '.join(map(repr, table))}."
        ) from None


def all_gates(
    gate: Activation, state: Activation, H: int, dtype: np.dtype[Any]
) -> Callable[[Array], None]:
    """A function that activates the gates z (n, 4H) of an LSTM where they stand: i, f, g, o.

    Usually that is one tanh: sigmoid(z) = 0.5 + 0.5 tanh(0.5 z) on i, f and o, where tanh(z) on g
    is 0 + 1 tanh(1 z).

    Examples
    --------
    >>> z = np.array([[0.0, 1000.0, 1000.0, -1000.0]])
    >>> all_gates(GATE_ACTIVATIONS["sigmoid"], STATE_ACTIVATIONS["tanh"], 1, z.dtype)(z)
    >>> z.tolist()
    [[0.5, 1.0, 1.0, 0.0]]
    """
    scale = np.repeat(np.array([0.5, 0.5, 1, 0.5], dtype), H)  # (4H,)
    shift = np.repeat(np.array([0.5, 0.5, 0, 0.5], dtype), H)  # (4H,)

    def one_tanh(z: Array) -> None:
        z *= scale
        np.tanh(z, out=z)
        z *= scale
        z += shift

    def block_by_block(z: Array) -> None:
        z[:, : 2 * H] = gate.forward(z[:, : 2 * H])
        z[:, 2 * H : 3 * H] = state.forward(z[:, 2 * H : 3 * H])
        z[:, 3 * H :] = gate.forward(z[:, 3 * H :])

    return one_tanh if gate is _SIGMOID and state is _TANH else block_by_block


def _activation(*functions: Callable[[Array], Array]) -> Activation:
    """Without their gates, as a time loop calls them on arrays of its own."""
    return Activation(*map(ungated, functions))


_SIGMOID = _activation(sigmoid, dsigmoid_from_output)
_TANH = _activation(tanh, dtanh_from_output)
#: what an LSTM may use on its gates i, f and o, by name; the first is the default
GATE_ACTIVATIONS = {
    "sigmoid": _SIGMOID,
    "hard-sigmoid": _activation(hard_sigmoid, dhard_sigmoid_from_output),
}
#: what an LSTM may use on the cell candidate g and on the cell; the first is the default
STATE_ACTIVATIONS = {
    "tanh": _TANH,
    "softsign": _activation(softsign, dsoftsign_from_output),
    "relu": _activation(relu, drelu_from_output),
}
