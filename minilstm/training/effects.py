"""Options that cannot act in the training to come: each is one sentence that says what to set.
Nothing is said of a value that another one makes needless without a loss to the user."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from minilstm.training.learn_rate import Function, InTurn, as_schedule
from minilstm.training.options import TrainingOptions
from minilstm.training.schedules import Piecewise
from minilstm.training.solvers import SOLVERS

# Options that belong to some solvers, and those solvers.
OF_SOLVERS = {
    "momentum": ("sgdm",),
    "gradient_decay_factor": ("adam",),
    "squared_gradient_decay_factor": ("adam", "rmsprop"),
    "epsilon": ("adam", "rmsprop"),
}

OF_VALIDATION = {
    "validation_patience", "objective_metric_name", "objective_direction",
}  # fmt: skip


def without_effect(
    options: TrainingOptions, per_epoch: int, longest: int, decays: bool
) -> list[str]:
    """A sentence for each option that was set and cannot act.

    Parameters
    ----------
    options : of the training
    per_epoch : iterations of an epoch
    longest : steps of the longest sequence of a mini-batch
    decays : whether any learnable has an L2 factor above 0
    """
    changed = _changed(options)
    return [
        f"{name} is {getattr(options, name)!r}, but {why}."
        for name, why in [
            *_of_validation(options, per_epoch, changed),
            *_of_learn_rate(options, per_epoch, changed),
            *_of_others(options, per_epoch, longest, decays, changed),
        ]
    ]


def _changed(options: TrainingOptions) -> set[str]:
    """Names of the options that differ from the defaults; some hang on the solver."""
    return {name for name, usual in _usual().items() if getattr(options, name) not in usual}


@cache
def _usual() -> dict[str, list[Any]]:
    """The defaults of each option, one for each solver."""
    usual = [TrainingOptions(solver) for solver in SOLVERS]
    names = [f.name for f in dataclasses.fields(TrainingOptions)]
    names.remove("validation_data")  # arrays
    return {name: [getattr(options, name) for options in usual] for name in names}


def _of_validation(
    options: TrainingOptions, per_epoch: int, changed: set[str]
) -> Iterator[tuple[str, str]]:
    total, patience = options.max_epochs * per_epoch, options.validation_patience
    if not options.validates:
        for name in sorted(changed & OF_VALIDATION):
            yield (
                name,
                (
                    "validation_data is None; give validation_data=(x, y) or validation_share=0.2, "
                    "or leave it out"
                ),
            )
        return
    every = options.validation_frequency
    # Those after which there is still something to stop.
    count = (total - 1) // (per_epoch if isinstance(every, str) else every)
    possible = (total - 1) // patience if patience < math.inf else 0  # the longest interval
    if possible and count < patience:
        by_epoch = options.max_epochs - 1 >= patience
        yield (
            "validation_patience",
            f"with validation_frequency {every!r} there are {count} validations before the last of "
            f"{total} iterations, so it cannot stop the training; set validation_frequency="
            + ("'epoch'" if by_epoch else f"{int(possible)}"),
        )
    unused = options.output_network == "last-iteration" and patience == math.inf
    if unused and "objective_metric_name" in changed:
        yield (
            "objective_metric_name",
            "output_network is 'last-iteration' and validation_patience is inf, so no network "
            "is chosen by it; set output_network='best-validation'",
        )


def _of_learn_rate(
    options: TrainingOptions, per_epoch: int, changed: set[str]
) -> Iterator[tuple[str, str]]:
    given, total = options.learn_rate_schedule, options.max_epochs * per_epoch
    names = given if isinstance(given, tuple) else (given,)
    if "piecewise" not in [name for name in names if isinstance(name, str)]:
        for name in sorted(changed & {"learn_rate_drop_factor", "learn_rate_drop_period"}):
            yield (
                name,
                "learn_rate_schedule does not hold 'piecewise', to which alone it belongs; set "
                "learn_rate_schedule='piecewise', or leave it out",
            )
    schedule = as_schedule(given, options.learn_rate_drop_factor, options.learn_rate_drop_period)
    if isinstance(schedule, Piecewise):
        by_epoch = schedule.unit == "epoch"
        steps = options.max_epochs if by_epoch else total
        if 1 < steps <= schedule.period:
            name = "learn_rate_drop_period" if given == "piecewise" else "learn_rate_schedule"
            yield (
                name,
                f"there are only {steps} {schedule.unit}s, so the learning rate never drops; set a "
                f"period of at most {steps - 1}, or another schedule",
            )
    if isinstance(schedule, InTurn):
        lengths = [
            s.steps * (per_epoch if s.unit == "epoch" else 1) for s in schedule.schedules[:-1]
        ]
        if sum(lengths) >= total:
            yield (
                "learn_rate_schedule",
                f"the last begins after {sum(lengths)} of {total} iterations; give those before it "
                "fewer steps, or set a larger max_epochs",
            )
    if isinstance(schedule, Function) and "initial_learn_rate" in changed:
        yield (
            "initial_learn_rate",
            "learn_rate_schedule is a function, which gives the rate itself; leave one of them out",
        )


def _of_others(
    options: TrainingOptions, per_epoch: int, longest: int, decays: bool, changed: set[str]
) -> Iterator[tuple[str, str]]:
    for name, solvers in OF_SOLVERS.items():
        if name in changed and options.solver not in solvers:
            which = " or ".join(map(repr, solvers))
            yield name, f"solver is {options.solver!r}; leave it out, or choose the solver {which}"
    if "gradient_threshold_method" in changed and options.gradient_threshold == math.inf:
        yield (
            "gradient_threshold_method",
            "gradient_threshold is inf, so nothing is bounded; set gradient_threshold, such as 1",
        )
    if "l2_regularization" in changed and options.l2_regularization and not decays:
        yield (
            "l2_regularization",
            "every L2 factor of the network is 0; give layers factors above 0, or leave it out",
        )
    for name in sorted(changed & {"sequence_padding_direction", "sequence_padding_value"}):
        if options.sequence_length == "ragged":
            yield (
                name,
                "sequence_length is 'ragged', so nothing is padded; set sequence_length='longest', "
                "or leave it out",
            )
    if options.bptt_truncation is not None and options.bptt_truncation >= longest:
        yield (
            "bptt_truncation",
            f"no sequence is longer than {longest} steps, so no gradient is cut; set fewer, or "
            "leave it out",
        )
    unit = options.checkpoint_frequency_unit
    steps = options.max_epochs if unit == "epoch" else options.max_epochs * per_epoch
    if options.checkpoint_path is None:
        for name in sorted(changed & {"checkpoint_frequency", "checkpoint_frequency_unit"}):
            yield name, "checkpoint_path is None, so none is saved; set checkpoint_path to a folder"
    elif options.checkpoint_frequency > steps:
        yield (
            "checkpoint_frequency",
            f"there are only {steps} {unit}s, so no checkpoint is saved; set at most {steps}",
        )
    if "plot_file" in changed and options.plots == "none":
        yield (
            "plot_file",
            "plots is 'none', so no picture is saved; set plots='training-progress'",
        )
