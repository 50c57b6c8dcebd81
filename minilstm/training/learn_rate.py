"""What the option `learn_rate_schedule` may hold, made into one schedule.
A name, an object of `minilstm.schedules`, a function, or a list of them, one after another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minilstm.checks import did_you_mean
from minilstm.training.schedules import SCHEDULES, Piecewise, Schedule


@dataclass(frozen=True)
class InTurn:
    """Schedules one after another, each counting epochs and iterations from where it begins.

    Each but the last needs an end: a number of `steps`. An epoch of a schedule that began within
    one is as many iterations as an epoch of the training.
    """

    schedules: tuple[Any, ...]

    def __post_init__(self) -> None:
        for schedule in self.schedules[:-1]:
            if getattr(schedule, "steps", None) is None:
                raise ValueError(
                    f"learn_rate_schedule holds {schedule!r}, which has no end, before another; "
                    f"give it a number of steps, or put it last."
                )

    def rate(
        self,
        initial_rate: float,
        epoch: int,
        iteration: int,
        total_epochs: int,
        total_iterations: int,
    ) -> float:
        """See `Schedule.rate`."""
        per_epoch = max(1, total_iterations // total_epochs)
        now = self.schedules[-1]
        for schedule in self.schedules[:-1]:
            length = schedule.steps * (per_epoch if schedule.unit == "epoch" else 1)
            if iteration <= length:
                now = schedule
                break
            iteration, total_iterations = iteration - length, total_iterations - length
            epoch, total_epochs = -(-iteration // per_epoch), -(-total_iterations // per_epoch)
        return float(now.rate(initial_rate, epoch, iteration, total_epochs, total_iterations))


@dataclass(frozen=True)
class Function:
    """The rate (not a factor) that a function of (epoch, iteration) returns."""

    function: Callable[[int, int], float]

    def rate(
        self,
        initial_rate: float,
        epoch: int,
        iteration: int,
        total_epochs: int,
        total_iterations: int,
    ) -> float:
        """See `Schedule.rate`; the initial rate plays no part."""
        rate = float(self.function(epoch, iteration))
        if not 0 <= rate < math.inf:
            raise ValueError(
                f"learn_rate_schedule gave the rate {rate} for epoch {epoch}, iteration "
                f"{iteration}; let the function return a finite number of at least 0."
            )
        return rate


def as_schedule(given: Any, drop_factor: float = 0.1, drop_period: int = 10) -> Schedule:
    """The schedule that a value of the option `learn_rate_schedule` means.

    The value is one of the names of `SCHEDULES`, a schedule, a function (epoch, iteration) -> rate,
    or a list of names and schedules that follow one another; anything else raises ValueError. The
    drop factor and period are those of "piecewise" given by its name.
    """
    if isinstance(given, (list, tuple)) and given:
        parts = tuple(as_schedule(one, drop_factor, drop_period) for one in given)
        return parts[0] if len(parts) == 1 else InTurn(parts)
    if isinstance(given, str) and given in SCHEDULES:
        made = SCHEDULES[given]
        return Piecewise(drop_factor, drop_period) if made is Piecewise else made()
    if not isinstance(given, type):
        if isinstance(given, Schedule):
            return given
        if callable(given):
            return Function(given)
    raise ValueError(
        f"learn_rate_schedule is {given!r}; choose one of {', '.join(map(repr, SCHEDULES))}, or "
        "give an object of minilstm.schedules, a list, or a function of (epoch, iteration)"
        f"{did_you_mean(given, SCHEDULES)}."
    )
