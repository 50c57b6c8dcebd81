"""The training options, with the names and defaults of the reference in snake case.
Everything random in a training comes from `seed`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_CHOICES = {
    "solver": ("adam",),
    "gradient_threshold_method": ("l2norm", "global-l2norm", "absolute-value"),
    "learn_rate_schedule": ("none", "piecewise"),
    "shuffle": ("once", "never", "every-epoch"),
    "plots": ("none", "training-progress"),
    "execution_environment": ("auto", "cpu", "gpu"),
    "output_network": ("auto", "last-iteration", "best-validation"),
    "dtype": ("auto", "float32", "float64"),
}
_METRICS = ("accuracy",)


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    solver : "adam"
    max_epochs : passes over the training set
    mini_batch_size : sequences an update; a set smaller than this is one full batch
    initial_learn_rate : step size of the solver
    learn_rate_schedule : "none", or "piecewise": multiply the rate by `learn_rate_drop_factor`
        after every `learn_rate_drop_period` epochs
    learn_rate_drop_factor, learn_rate_drop_period : see above
    gradient_decay_factor, squared_gradient_decay_factor, epsilon : of Adam
    l2_regularization : penalty on weights (not biases), added to the gradient; the loss that is
        shown excludes it
    gradient_threshold : bound on the gradient; inf means none
    gradient_threshold_method : "l2norm" bounds each array by its own norm, "global-l2norm" all by
        their common norm, "absolute-value" each entry
    shuffle : "once", "never" or "every-epoch"
    drop_partial_batch : leave out the sequences that do not fill the last mini-batch of an epoch,
        as the reference does; by default they are used
    validation_data : (x, y) to evaluate while training, or None
    validation_frequency : iterations between validations; also before the first and at the end
    validation_patience : stop after this many validations whose loss is not below the best
    output_network : "last-iteration", "best-validation" (lowest validation loss), or "auto": last
    metrics : ["accuracy"] or []
    reset_input_normalization : compute the statistics of the input layer anew even if given
    memory_budget : bytes for what the backward pass needs, or "auto" (240 MiB); what does not fit
        is computed twice. The gradients have the same bits for every budget
    bptt_truncation : cut gradients at multiples of so many steps (truncated backpropagation
        through time); None means that they flow through whole sequences
    execution_environment : "auto", "cpu" or "gpu"
    plots : "training-progress" shows accuracy and loss live where there is a screen, and always
        saves the picture to `plot_file`
    plot_file : where that picture goes
    verbose : print a table, and a progress bar with the time left
    verbose_frequency : iterations between rows of the table
    dtype : "float32" or "float64", of parameters and arithmetic; "auto" is float32, or the dtype
        of the Network whose training goes on
    seed : whole number from which initial parameters and shuffling are drawn

    Raises
    ------
    ValueError
        An option is unknown or out of range; the message names it.

    Notes
    -----
    Differences from the reference: batches are ragged, never padded, so no option pads; the last
    partial mini-batch is used (`drop_partial_batch`).

    Examples
    --------
    >>> options = TrainingOptions("adam", max_epochs=60, gradient_threshold=2)
    >>> options.initial_learn_rate, options.mini_batch_size, options.l2_regularization
    (0.001, 128, 0.0001)
    """

    solver: str = "adam"
    max_epochs: int = 30
    mini_batch_size: int = 128
    initial_learn_rate: float = 1e-3
    learn_rate_schedule: str = "none"
    learn_rate_drop_factor: float = 0.1
    learn_rate_drop_period: int = 10
    gradient_decay_factor: float = 0.9
    squared_gradient_decay_factor: float = 0.999
    epsilon: float = 1e-8
    l2_regularization: float = 1e-4
    gradient_threshold: float = math.inf
    gradient_threshold_method: str = "l2norm"
    shuffle: str = "once"
    drop_partial_batch: bool = False
    validation_data: tuple[Any, Any] | None = None
    validation_frequency: int = 50
    validation_patience: float = math.inf
    output_network: str = "auto"
    metrics: Sequence[str] = ()
    reset_input_normalization: bool = True
    memory_budget: float | str = "auto"
    bptt_truncation: int | None = None
    execution_environment: str = "auto"
    plots: str = "none"
    plot_file: str | os.PathLike[str] = "training-progress.png"
    verbose: bool = True
    verbose_frequency: int = 50
    dtype: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                known = ", ".join(map(repr, choices))
                raise ValueError(f"{name} is {value!r}; choose one of {known}.")
        metrics = [self.metrics] if isinstance(self.metrics, str) else self.metrics
        if not isinstance(metrics, (list, tuple)):
            raise ValueError(f"metrics is {metrics!r}; give a list, such as ['accuracy'] or [].")
        object.__setattr__(self, "metrics", tuple(metrics))
        for metric in metrics:
            if metric not in _METRICS:
                raise ValueError(f"metrics holds {metric!r}; choose from {list(_METRICS)}.")
        for name in (
            "max_epochs",
            "mini_batch_size",
            "learn_rate_drop_period",
            "validation_frequency",
            "verbose_frequency",
        ):
            _check_whole(name, getattr(self, name), at_least=1)
        _check_whole("seed", self.seed, at_least=0)
        if self.bptt_truncation is not None:
            _check_whole("bptt_truncation", self.bptt_truncation, at_least=1)
        if self.memory_budget != "auto":
            _check_number(
                "memory_budget", self.memory_budget, "of bytes above 0, or 'auto'", lambda v: v > 0
            )
        for name in ("drop_partial_batch", "reset_input_normalization", "verbose"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give True or False.")
        for name in ("initial_learn_rate", "epsilon"):
            _check_number(name, getattr(self, name), "above 0", lambda v: 0 < v < math.inf)
        for name in ("gradient_threshold", "validation_patience"):
            _check_number(name, getattr(self, name), "above 0 (inf for none)", lambda v: v > 0)
        _check_number(
            "l2_regularization", self.l2_regularization, "at least 0", lambda v: 0 <= v < math.inf
        )
        for name in (
            "learn_rate_drop_factor",
            "gradient_decay_factor",
            "squared_gradient_decay_factor",
        ):
            _check_number(name, getattr(self, name), "from 0 to 1", lambda v: 0 <= v <= 1)
        for name in ("gradient_decay_factor", "squared_gradient_decay_factor"):
            _check_number(name, getattr(self, name), "below 1", lambda v: v < 1)
        if self.validation_data is not None:
            pair = self.validation_data
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(
                    f"validation_data is {type(pair).__name__} of {_count(pair)}; give (x, y)."
                )
        elif self.output_network == "best-validation":
            raise ValueError(
                "output_network is 'best-validation', but validation_data is None; give (x, y)."
            )


def _check_whole(name: str, value: Any, at_least: int) -> None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < at_least:
        raise ValueError(f"{name} is {value!r}; give a whole number of at least {at_least}.")


def _check_number(name: str, value: Any, wanted: str, fits: Any) -> None:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not fits(value):
        raise ValueError(f"{name} is {value!r}; give a number {wanted}.")


def _count(value: Any) -> str:
    return f"{len(value)} items" if hasattr(value, "__len__") else "no items"
