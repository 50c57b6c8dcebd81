"""How the learning rate changes while a network trains: each schedule is a small frozen object.
Its method `rate` is a pure function of the initial rate and of where the training is.

Epochs and iterations count from 1, iterations through all epochs. With unit "epoch" the rate is
the same through an epoch; a step k counts from 0 in either unit. Every schedule multiplies the
initial rate by a factor, which stays at its last value once its steps are done.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from minilstm.checks import (
    check_choice,
    check_finite,
    check_number,
    check_positive,
    check_share,
    check_whole,
)


@runtime_checkable
class Schedule(Protocol):
    """Anything with this method can be given as `learn_rate_schedule`."""

    def rate(
        self,
        initial_rate: float,
        epoch: int,
        iteration: int,
        total_epochs: int,
        total_iterations: int,
    ) -> float:
        """The learning rate of one iteration.

        Parameters
        ----------
        initial_rate : of the options
        epoch, iteration : where the training is, from 1
        total_epochs, total_iterations : how long it will be
        """
        ...


class _Factor:
    """A schedule that multiplies the initial rate by a function of the step."""

    steps: int | None = None  # None: it has no end
    unit: str = "epoch"

    def rate(
        self,
        initial_rate: float,
        epoch: int,
        iteration: int,
        total_epochs: int,
        total_iterations: int,
    ) -> float:
        """See `Schedule.rate`."""
        by_epoch = self.unit == "epoch"
        k, total = (epoch, total_epochs) if by_epoch else (iteration, total_iterations)
        return initial_rate * self.factor(k - 1, total)

    def factor(self, k: int, total: int) -> float:
        """By which step k of `total` multiplies the initial rate."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # subclasses are
            value = getattr(self, field.name)
            if isinstance(value, np.generic):  # as a checkpoint holds it, to the same bits
                value = value.item()
                object.__setattr__(self, field.name, value)
            if not (value is None and field.default is None):
                _FIELDS[field.name](f"{field.name} of {type(self).__name__}", value)


@dataclass(frozen=True)
class Constant(_Factor):
    """The initial rate throughout: "none".

    Examples
    --------
    >>> Constant().rate(0.1, epoch=7, iteration=70, total_epochs=10, total_iterations=100)
    0.1
    """

    def factor(self, k: int, total: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class Piecewise(_Factor):
    """Multiply the rate by `drop_factor` after every `period` steps: drop_factor^floor(k / period).

    Examples
    --------
    >>> [Piecewise(0.5, 2).rate(0.8, epoch, 1, 6, 6) for epoch in (1, 2, 3, 4, 5)]
    [0.8, 0.8, 0.4, 0.4, 0.2]
    """

    drop_factor: float = 0.1
    period: int = 10
    unit: str = "epoch"

    def factor(self, k: int, total: int) -> float:
        """drop_factor^floor(k / period)."""
        return self.drop_factor ** (k // self.period)


@dataclass(frozen=True)
class Warmup(_Factor):
    """From `initial_factor` to `final_factor` along a line of `steps` steps, and stay there.

    Step 0 has the initial factor, step `steps` the final one. In a list of schedules the next one
    begins at step `steps`.

    Examples
    --------
    >>> [round(Warmup(steps=4).rate(1.0, 1, iteration, 1, 9), 3) for iteration in (1, 2, 3, 5, 9)]
    [0.1, 0.325, 0.55, 1.0, 1.0]
    """

    initial_factor: float = 0.1
    final_factor: float = 1.0
    steps: int = 5
    unit: str = "iteration"

    def factor(self, k: int, total: int) -> float:
        """initial + (final - initial) k / steps."""
        return _between(self.initial_factor, self.final_factor, min(1.0, k / self.steps))


@dataclass(frozen=True)
class Cosine(_Factor):
    """Half a wave of the cosine from `initial_factor` down to `final_factor`, again and again.

    A wave takes `period` steps, and each later one `period_growth` times the one before; None is
    the whole training (or what a list has left of it), so there is one wave.
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), section 3.

    Examples
    --------
    >>> wave = Cosine(period=4, final_factor=0.2, unit="iteration")
    >>> [round(wave.rate(1.0, 1, iteration, 1, 8), 3) for iteration in (1, 3, 4, 5, 7)]
    [1.0, 0.6, 0.317, 1.0, 0.6]
    """

    initial_factor: float = 1.0
    final_factor: float = 0.0
    period: int | None = None
    period_growth: float = 1.0
    unit: str = "iteration"

    def factor(self, k: int, total: int) -> float:
        """final + (initial - final) (1 + cos(pi k / period)) / 2."""
        if self.period is None and k >= total:
            return self.final_factor
        length: float = total if self.period is None else self.period
        place: float = k % length if self.period_growth == 1 else k
        while place >= length:
            place -= length
            length *= self.period_growth
        wave = (1 + math.cos(math.pi * place / length)) / 2
        return _between(self.final_factor, self.initial_factor, wave)


@dataclass(frozen=True)
class Cyclical(_Factor):
    """Along a line from 1 up to `max_factor` and back, once every `period` steps.

    `rise` is the share of the period that goes up.
    Smith, "Cyclical learning rates for training neural networks" (2017), section 3.

    Examples
    --------
    >>> saw = Cyclical(max_factor=3, period=4, rise=0.5)
    >>> [saw.rate(1.0, 1, iteration, 1, 8) for iteration in (1, 2, 3, 4, 5)]
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """

    max_factor: float = 2.0
    period: int = 10
    rise: float = 0.5
    unit: str = "iteration"

    def factor(self, k: int, total: int) -> float:
        """1 + (max - 1) times the share of the way up, or what is left of the way down."""
        place = k % self.period / self.period
        up = place / self.rise if place < self.rise else (1 - place) / (1 - self.rise)
        return _between(1.0, self.max_factor, up)


@dataclass(frozen=True)
class Exponential(_Factor):
    """A little less at every step, by `drop_factor` after `period` steps: drop_factor^(k / period).

    Examples
    --------
    >>> [Exponential(0.25, 2).rate(0.8, epoch, 1, 6, 6) for epoch in (1, 2, 3, 5)]
    [0.8, 0.4, 0.2, 0.05]
    """

    drop_factor: float = 0.1
    period: int = 10
    unit: str = "epoch"

    def factor(self, k: int, total: int) -> float:
        """drop_factor^(k / period)."""
        return self.drop_factor ** (k / self.period)


@dataclass(frozen=True)
class Polynomial(_Factor):
    """From `initial_factor` to `final_factor`, as a power of the share of the steps that is left.

    It takes `steps` steps; None is the whole training (or what a list has left of it).

    Examples
    --------
    >>> half = Polynomial(power=2, steps=4)
    >>> [half.rate(0.8, 1, iteration, 1, 8) for iteration in (1, 3, 5, 8)]
    [0.8, 0.2, 0.0, 0.0]
    """

    initial_factor: float = 1.0
    final_factor: float = 0.0
    power: float = 1.0
    steps: int | None = None
    unit: str = "iteration"

    def factor(self, k: int, total: int) -> float:
        """final + (initial - final) (1 - k / steps)^power."""
        left = 1 - min(1.0, k / (total if self.steps is None else self.steps))
        return _between(self.final_factor, self.initial_factor, left**self.power)


SCHEDULES: dict[str, type[_Factor]] = {
    "none": Constant,
    "piecewise": Piecewise,
    "warmup": Warmup,
    "cosine": Cosine,
    "cyclical": Cyclical,
    "exponential": Exponential,
    "polynomial": Polynomial,
}


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


# What each field of a schedule must be.
_FIELDS: dict[str, Callable[[str, Any], None]] = {
    "initial_factor": check_finite,
    "final_factor": check_finite,
    "max_factor": check_positive,
    "drop_factor": check_share,
    "power": check_positive,
    "rise": partial(check_number, wanted="between 0 and 1", fits=lambda v: 0 < v < 1),
    "period_growth": partial(check_finite, at_least=1),
    "steps": partial(check_whole, at_least=1),
    "period": partial(check_whole, at_least=1),
    "unit": partial(check_choice, choices=("epoch", "iteration")),
}
