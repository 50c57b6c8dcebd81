"""The solvers Adam, gradient descent with momentum, and RMSProp, each a pure function.
The order of a step is: add L2, bound the gradients, let the solver move the parameters.

`update` is the whole step, in one pass a parameter on the backend that is handed in. Every function
takes and returns dicts of arrays by "layer/parameter" and changes no argument. The equations stand
in `functional/adam.py`, `functional/sgdm.py` and `functional/rmsprop.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import check_choice
from minilstm.functional.adam import AdamRule
from minilstm.functional.rmsprop import RmspropRule
from minilstm.functional.sgdm import SgdmRule
from minilstm.training.factors import Block, Factor, assembled, blocks

Array = NDArray[Any]
Arrays = Mapping[str, Array]

GRADIENT_THRESHOLD_METHODS = ("l2norm", "global-l2norm", "absolute-value")
LEARN_RATES = {"adam": 1e-3, "sgdm": 1e-2, "rmsprop": 1e-3}
SQUARED_DECAYS = {"adam": 0.999, "rmsprop": 0.9}


class AdamState(NamedTuple):
    """What Adam remembers between steps."""

    t: int  # steps taken
    m: dict[str, Array]  # running mean of the gradient, shape of the parameter
    v: dict[str, Array]  # running mean of its square, shape of the parameter


class SgdmState(NamedTuple):
    """What gradient descent with momentum remembers between steps."""

    t: int  # steps taken
    v: dict[str, Array]  # velocity, which holds the learning rate; shape of the parameter


class RmspropState(NamedTuple):
    """What RMSProp remembers between steps."""

    t: int  # steps taken
    v: dict[str, Array]  # running mean of the squared gradient, shape of the parameter


SolverState: TypeAlias = AdamState | SgdmState | RmspropState
State = TypeVar("State", bound=SolverState)

SOLVERS: dict[str, type[AdamState] | type[SgdmState] | type[RmspropState]] = {
    "adam": AdamState,
    "sgdm": SgdmState,
    "rmsprop": RmspropState,
}


def solver_init(solver: str, parameters: Arrays) -> SolverState:
    """The state of a solver before its first step: all that it remembers is zero.

    The solver is "adam", "sgdm" or "rmsprop"; any other raises ValueError. `t` of the state is the
    number of steps taken.
    """
    check_choice("solver", solver, tuple(SOLVERS))
    kind = SOLVERS[solver]
    memories = ({k: np.zeros_like(p) for k, p in parameters.items()} for _ in kind._fields[1:])
    return kind(0, *memories)


def adam_init(parameters: Arrays) -> AdamState:
    """Adam before its first step: both running means are zero."""
    state = solver_init("adam", parameters)
    assert isinstance(state, AdamState)
    return state


def update(
    backend: Any,
    parameters: Arrays,
    gradients: Arrays,
    state: State,
    learn_rate: float,
    *,
    momentum: float = 0.9,
    gradient_decay_factor: float = 0.9,
    squared_gradient_decay_factor: float | None = None,
    epsilon: float = 1e-8,
    gradient_threshold: float = math.inf,
    gradient_threshold_method: str = "l2norm",
    l2: Mapping[str, Factor] | None = None,
    learn_rate_factors: Mapping[str, Factor] | None = None,
) -> tuple[dict[str, Array], State, float]:
    """Add L2, bound the gradients, take one step of a solver: one fused pass a parameter.

    The backend computes by its `gradient_norm`, `gradient_scale` and `adam_step`, `sgdm_step` or
    `rmsprop_step`, or by `solver_steps`, which does all of it at once. The type of `state`, which
    `solver_init` or an earlier step gave, tells the solver. Parameters and gradients are arrays by
    name.

    In the equations a is `learn_rate`, b1 is `gradient_decay_factor` (of "adam"), b2 is
    `squared_gradient_decay_factor` (None means 0.999 for "adam", 0.9 for "rmsprop"), and e is
    `epsilon` (of "adam" and "rmsprop"). `momentum` is that of the velocity of "sgdm".

    A `gradient_threshold` of inf bounds nothing; its methods are "l2norm", "global-l2norm" and
    "absolute-value", see `TrainingOptions`. The norm that "l2norm" bounds is that of the whole
    array, of all its blocks together.

    `l2` holds the weight of the L2 term by name, 0 where not given; `learn_rate_factors` multiply
    the rate by name, 1 where not given. A tuple holds one for each of equal blocks of rows, such as
    the gates of an LSTM; rows that do not divide into them raise ValueError. A parameter (or a
    block) whose rate factor is 0 keeps its bits.

    Returned are the parameters, as new column-major arrays; the state after the step; and the
    Euclidean norm over all gradients, L2 term included, before they were bounded. The norm is a
    float, or on a GPU an array () that stays there until it is looked at.
    """
    b1, b2 = gradient_decay_factor, squared_gradient_decay_factor
    step, rule = _solver(backend, state, momentum, b1, b2, epsilon)
    l2, rates = l2 or {}, learn_rate_factors or {}
    by_value = gradient_threshold_method == "absolute-value"
    bound = float(gradient_threshold) if by_value else math.inf
    limit = math.inf if by_value else gradient_threshold  # of norms
    cuts: list[tuple[Block, ...]] = []  # of each parameter
    arrays: list[tuple[Array, ...]] = []  # of each block of rows
    for key, p in parameters.items():
        cut = blocks(key, len(p), l2.get(key, 0.0), rates.get(key, 1.0))
        of_key = (p, gradients[key], *[memory[key] for memory in state[1:]])
        arrays += [of_key] if len(cut) == 1 else [tuple(a[b.rows] for a in of_key) for b in cut]
        cuts.append(cut)
    total: list[Any] = []  # the norm of everything

    def rules_of(norms: Sequence[Any]) -> list[Any]:
        """The numbers of the step of each block, from the norms of the blocks."""
        of_blocks = iter(norms)
        by_array = [backend.gradient_scale([next(of_blocks) for _ in cut], limit) for cut in cuts]
        norm, common_scale = backend.gradient_scale([n for n, _ in by_array], limit)
        total.append(norm)
        together = gradient_threshold_method == "global-l2norm"
        return [
            rule(learn_rate * b.rate, b.l2, common_scale if together else scale, bound)
            for cut, (_, scale) in zip(cuts, by_array, strict=True)
            for b in cut
        ]

    weights = [b.l2 for cut in cuts for b in cut]
    if backend.solver_steps is not None:
        moved = backend.solver_steps(arrays, weights, rules_of)
    else:
        norms = [backend.gradient_norm(a[0], a[1], w) for a, w in zip(arrays, weights, strict=True)]
        moved = [step(*a, r) for a, r in zip(arrays, rules_of(norms), strict=True)]
    steps = zip(arrays, moved, strict=True)
    new: list[dict[str, Array]] = [{} for _ in state]
    for (key, p), cut in zip(parameters.items(), cuts, strict=True):
        parts = []
        for b, (given, after) in zip(cut, steps, strict=False):
            # p - 0 m is not always p: it turns -0 into 0, and an infinite m into NaN.
            parts.append((given[0].copy(order="F"), *after[1:]) if b.rate == 0 else after)
        for kept, value in zip(new, assembled(parts, p), strict=True):
            kept[key] = value
    return new[0], type(state)(state.t + 1, *new[1:]), total[0]


def _solver(
    backend: Any, state: SolverState, momentum: float, b1: float, b2: float | None, epsilon: float
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The step of the solver whose state this is, and its rule for a learning rate."""
    if isinstance(state, SgdmState):
        return backend.sgdm_step, lambda rate, *rest: SgdmRule(rate, momentum, *rest)
    if isinstance(state, RmspropState):
        decay = SQUARED_DECAYS["rmsprop"] if b2 is None else b2
        return backend.rmsprop_step, lambda rate, *rest: RmspropRule(rate, decay, epsilon, *rest)
    decay = SQUARED_DECAYS["adam"] if b2 is None else b2
    t = state.t + 1
    correction = math.sqrt(1 - decay**t) / (1 - b1**t)
    return backend.adam_step, lambda rate, *rest: AdamRule(
        rate * correction, b1, decay, epsilon, *rest
    )
