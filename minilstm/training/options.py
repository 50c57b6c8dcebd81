"""The training options, with the names and defaults of the reference in snake case.
Everything random in a training comes from `seed`."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass
from functools import cached_property, partial, wraps
from typing import Any, TypeVar

import numpy as np

from minilstm.checks import (
    as_functions,
    as_metrics,
    check_choice,
    check_data_format,
    check_finite,
    check_flag,
    check_number,
    check_pair,
    check_positive,
    check_sequence_length,
    check_share,
    check_whole,
    did_you_mean,
    is_whole,
    metric_name,
)
from minilstm.paths import as_path
from minilstm.training.learn_rate import as_schedule
from minilstm.training.schedules import Schedule
from minilstm.training.solvers import (
    GRADIENT_THRESHOLD_METHODS,
    LEARN_RATES,
    SOLVERS,
    SQUARED_DECAYS,
)

_Class = TypeVar("_Class")
_Check = Callable[[str, Any], object]  # raises for a wrong value of the option of that name


def _option(default: Any, check: _Check, none: bool = False) -> Any:
    """An option: its default, what checks its value, and whether it may be None as well."""
    return dataclasses.field(default=default, metadata={"check": check, "none": none})


def _one_of(*choices: str) -> _Check:
    return partial(check_choice, choices=choices)


def _decay(name: str, value: Any) -> None:
    """The share of a running mean that stays: from 0 to below 1."""
    check_share(name, value)
    check_number(name, value, "below 1", lambda v: v < 1)


def _part(name: str, value: Any) -> None:
    check_number(name, value, "above 0 and below 1", lambda v: 0 < v < 1)


def _memory_budget(name: str, value: Any) -> None:
    if value != "auto":
        check_number(name, value, "of bytes above 0, or 'auto'", lambda v: v > 0)


def _path(name: str, value: Any) -> None:
    as_path(value, name)


def _frequency(name: str, value: Any) -> None:
    if not (isinstance(value, float) and value == math.inf):
        check_whole(name, value, at_least=1)


def _validation_frequency(name: str, value: Any) -> None:
    if value != "epoch" and not is_whole(value, 1):
        raise ValueError(
            f"{name} is {value!r}; give a whole number of iterations, at least 1, or 'epoch'."
        )


_COUNT = partial(check_whole, at_least=1)
_LIMIT = partial(check_number, wanted="above 0 (inf for none)", fits=lambda v: v > 0)
_FINITE = partial(check_number, wanted="that is finite", fits=math.isfinite)
_TARGET_FORMAT = partial(check_data_format, channels=False)


def _by_known_names(cls: type[_Class]) -> type[_Class]:
    """The class, but an option that it does not have is refused with the nearest that it has."""
    plain: Any = cls.__init__

    @wraps(plain)
    def init(self: Any, *values: Any, **options: Any) -> None:
        known = inspect.signature(plain).parameters
        for name in options.keys() - known.keys():
            near = did_you_mean(name, known)
            raise TypeError(f"there is no training option {name!r}{near}; see {cls.__name__}.")
        plain(self, *values, **options)

    cls.__init__ = init  # type: ignore[assignment]
    return cls


@_by_known_names
@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    solver : "adam", "sgdm" (gradient descent with momentum) or "rmsprop"
    max_epochs : passes over the training set
    mini_batch_size : sequences an update; a set smaller than this is one full batch
    initial_learn_rate : step size of the solver; None is 0.01 for "sgdm", else 0.001
    learn_rate_schedule : how the rate changes: "none", "piecewise" (multiply it by
        `learn_rate_drop_factor` after every `learn_rate_drop_period` epochs), "warmup", "cosine",
        "cyclical", "exponential", "polynomial"; an object of `minilstm.schedules`; a function
        (epoch, iteration) -> rate, not a factor; or a list of these, one after another
    learn_rate_drop_factor, learn_rate_drop_period : of "piecewise"
    momentum : of "sgdm", the share of the velocity that stays
    gradient_decay_factor : of "adam"
    squared_gradient_decay_factor : of "adam" (None is 0.999) and "rmsprop" (None is 0.9)
    epsilon : of "adam" and "rmsprop"
    l2_regularization : penalty on weights (not biases), added to the gradient; the loss that is
        shown excludes it
    gradient_threshold : bound on the gradient; inf means none
    gradient_threshold_method : "l2norm" bounds each array by its own norm, "global-l2norm" all by
        their common norm, "absolute-value" each entry
    shuffle : "once", "never" or "every-epoch"
    drop_partial_batch : leave out the sequences that do not fill the last mini-batch of an epoch,
        as the reference does; by default they are used
    data_format : the axes of an array of the training data, a letter each: S spatial, C channel, T
        time, B batch, such as "CTB" or "SSCTB" (the arrays of a list have no B); "auto" is "TC" for
        the arrays of a list and "BTC" for one array. The network remembers it for prediction
    input_data_formats : the reference's name of the same option
    target_data_formats : the same for targets
    sequence_length : "ragged" computes each sequence at its own length; "longest" and "shortest"
        (of the mini-batch) are the reference's; a whole number pads to a multiple, then splits
    sequence_padding_direction, sequence_padding_value : "right" or "left", and a number; without
        effect on "ragged"
    validation_data : (x, y) to evaluate while training, or None
    validation_share : part of the sequences, such as 0.2, that is not trained on but evaluated in
        the place of `validation_data`; drawn by `seed`, class by class where a sequence has one,
        and whole `groups` of `train` at a time. None takes none
    validation_frequency : iterations between validations, or "epoch" for one after every epoch;
        also before the first iteration and at the end
    validation_patience : stop after this many validations whose loss is not below the best
    objective_metric_name : what tells the best network: "loss", or the name of one of the metrics
    objective_direction : "minimize" or "maximize" it; "auto" knows the loss and the named metrics,
        and a function of your own needs one of the others (`Maximize` of the reference's metrics)
    output_network : "last-iteration", "best-validation" (lowest validation loss), or "auto": last
    metrics : list of "accuracy", "fscore", "precision", "recall", "auc", "rmse" and functions
    output_fcn : function or list of functions of an info record; one that returns True stops
    checkpoint_path : folder for checkpoints, from which `minilstm.resume` goes on; each loads as a
        network as well. None writes none
    checkpoint_frequency, checkpoint_frequency_unit : a checkpoint after every so many "epoch" or
        "iteration"; inf for none
    checkpoint_seconds : a checkpoint in between as well, so many seconds after the last one; inf
        for none
    checkpoints_kept : how many of the newest stay; None keeps all of `checkpoint_frequency`, and
        the newest two of those in between
    reset_input_normalization : compute the statistics of the input layer anew even if given
    batch_normalization_statistics : "population" computes them over the whole training set at the
        end, "moving" keeps the running ones; "auto" is "population"
    memory_budget : bytes for what the backward pass needs, or "auto" (a sixteenth of the memory
        that the process may use, 240 MiB at least; half of the memory of a GPU); what does not fit
        is computed twice. The gradients have the same bits for every budget
    bptt_truncation : cut gradients at multiples of so many steps (truncated backpropagation through
        time); None means that they flow through whole sequences
    execution_environment : "gpu" trains on the backend "cupy", "cpu" on one of the others; "auto"
        takes the backend that was chosen or, where none was, the GPU if it was the faster side in
        times measured on this machine (`minilstm bench --backend cupy --crossover`), else the CPU.
        To choose a backend of the other kind as well is an error
    plots : "training-progress" shows accuracy and loss live where there is a screen, and always
        saves the picture to `plot_file`
    plot_file : where that picture goes
    verbose : print a table, and a progress bar with the time left
    verbose_frequency : iterations between rows of the table
    dtype : "float32" or "float64", of parameters and arithmetic; "auto" is float32, or the dtype of
        the Network whose training goes on
    seed : number from which everything random is drawn, at least 0
    shards : parts of each mini-batch whose gradients are summed in a fixed order, so that several
        processes train one network (`mpiexec -n 4`), each some of them. The bits depend on the
        shards, and not on the processes. None cuts nothing, and trains in this process alone

    Raises
    ------
    ValueError
        An option is out of range, or two contradict each other; the message names them.
    TypeError
        There is no such option.

    Notes
    -----
    Differences from the reference: batches are ragged, never padded, unless `sequence_length` asks
    for it; the last partial mini-batch is used (`drop_partial_batch`). Options about where and how
    MATLAB runs its code are not accepted, since nothing here corresponds to them:
    PreprocessingEnvironment, Acceleration, DispatchInBackground, and the parallel and multi-GPU
    values of ExecutionEnvironment.

    Examples
    --------
    >>> options = TrainingOptions("adam", max_epochs=60, gradient_threshold=2)
    >>> options.initial_learn_rate, options.mini_batch_size, options.l2_regularization
    (0.001, 128, 0.0001)
    >>> TrainingOptions("sgdm").initial_learn_rate
    0.01
    """

    solver: str = _option("adam", _one_of(*SOLVERS))
    max_epochs: int = _option(30, _COUNT)
    mini_batch_size: int = _option(128, _COUNT)
    initial_learn_rate: float = _option(None, check_positive, none=True)  # see _resolve
    learn_rate_schedule: str | Schedule | Callable[[int, int], float] | Sequence[Any] = "none"
    learn_rate_drop_factor: float = _option(0.1, check_share)
    learn_rate_drop_period: int = _option(10, _COUNT)
    momentum: float = _option(0.9, _decay)
    gradient_decay_factor: float = _option(0.9, _decay)
    squared_gradient_decay_factor: float = _option(None, _decay, none=True)  # see _resolve
    epsilon: float = _option(1e-8, check_positive)
    l2_regularization: float = _option(1e-4, check_finite)
    gradient_threshold: float = _option(math.inf, _LIMIT)
    gradient_threshold_method: str = _option("l2norm", _one_of(*GRADIENT_THRESHOLD_METHODS))
    shuffle: str = _option("once", _one_of("once", "never", "every-epoch"))
    drop_partial_batch: bool = _option(False, check_flag)
    data_format: str = _option("auto", check_data_format)
    input_data_formats: InitVar[str | None] = None
    target_data_formats: str = _option("auto", _TARGET_FORMAT)
    sequence_length: str | int = _option("ragged", check_sequence_length)
    sequence_padding_direction: str = _option("right", _one_of("right", "left"))
    sequence_padding_value: float = _option(0.0, _FINITE)
    validation_data: tuple[Any, Any] | None = _option(None, check_pair, none=True)
    validation_share: float | None = _option(None, _part, none=True)
    validation_frequency: int | str = _option(50, _validation_frequency)
    validation_patience: float = _option(math.inf, _LIMIT)
    objective_metric_name: str = "loss"
    objective_direction: str = _option("auto", _one_of("auto", "maximize", "minimize"))
    output_network: str = _option("auto", _one_of("auto", "last-iteration", "best-validation"))
    metrics: Sequence[Any] = ()
    output_fcn: Callable[..., Any] | Sequence[Callable[..., Any]] | None = ()
    checkpoint_path: str | os.PathLike[str] | None = _option(None, _path, none=True)  # noqa: RUF009
    checkpoint_frequency: float = _option(1, _frequency)
    checkpoint_frequency_unit: str = _option("epoch", _one_of("epoch", "iteration"))
    checkpoint_seconds: float = _option(300.0, _LIMIT)
    checkpoints_kept: int | None = _option(None, _COUNT, none=True)
    reset_input_normalization: bool = _option(True, check_flag)
    batch_normalization_statistics: str = _option("auto", _one_of("auto", "population", "moving"))
    memory_budget: float | str = _option("auto", _memory_budget)
    bptt_truncation: int | None = _option(None, _COUNT, none=True)
    execution_environment: str = _option("auto", _one_of("auto", "cpu", "gpu"))
    plots: str = _option("none", _one_of("none", "training-progress"))
    plot_file: str | os.PathLike[str] = _option("training-progress.png", _path)  # noqa: RUF009
    verbose: bool = _option(True, check_flag)
    verbose_frequency: int = _option(50, _COUNT)
    dtype: str = _option("auto", _one_of("auto", "float32", "float64"))
    seed: int = _option(0, partial(check_whole, at_least=0))
    shards: int | None = _option(None, _COUNT, none=True)

    def __post_init__(self, input_data_formats: str | None) -> None:
        for field in dataclasses.fields(self):
            value, how = getattr(self, field.name), field.metadata
            if isinstance(value, np.generic):  # as a checkpoint holds it, to the same bits
                value = value.item()
                object.__setattr__(self, field.name, value)
            if how and not (value is None and how["none"]):
                how["check"](field.name, value)
        as_schedule(self.learn_rate_schedule)
        self._resolve(input_data_formats)
        self._check_validation()

    def _resolve(self, input_data_formats: str | None) -> None:
        """Fill in what depends on other options, and give lists one form."""
        values: dict[str, Any] = {
            "metrics": as_metrics(self.metrics),
            "output_fcn": as_functions("output_fcn", self.output_fcn),
        }
        if self.initial_learn_rate is None:
            values["initial_learn_rate"] = LEARN_RATES[self.solver]
        if self.squared_gradient_decay_factor is None:
            decay = SQUARED_DECAYS.get(self.solver, SQUARED_DECAYS["adam"])
            values["squared_gradient_decay_factor"] = decay
        if input_data_formats is not None:
            check_data_format("input_data_formats", input_data_formats)
            if self.data_format not in ("auto", input_data_formats):
                raise ValueError(
                    f"input_data_formats is {input_data_formats!r}, but data_format is "
                    f"{self.data_format!r}; give one of them."
                )
            values["data_format"] = input_data_formats
        if isinstance(self.learn_rate_schedule, list):
            values["learn_rate_schedule"] = tuple(self.learn_rate_schedule)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_validation(self) -> None:
        if self.validation_data is not None and self.validation_share is not None:
            raise ValueError(
                f"validation_share is {self.validation_share!r}, but validation_data is given as "
                "well; leave one of them out."
            )
        if not self.validates and self.output_network == "best-validation":
            raise ValueError(
                "output_network is 'best-validation', but validation_data is None; give (x, y), or "
                "validation_share=0.2."
            )
        if self.shards is not None and self.sequence_length != "ragged":
            raise ValueError(
                f"shards is {self.shards}, but sequence_length is {self.sequence_length!r}, which "
                "pads a whole mini-batch; leave one of them out."
            )
        names = ("loss", *self.metric_names)
        if self.objective_metric_name not in names:
            raise ValueError(
                f"objective_metric_name is {self.objective_metric_name!r}; choose one of "
                f"{', '.join(map(repr, names))}, which are 'loss' and the metrics"
                f"{did_you_mean(self.objective_metric_name, names)}."
            )
        if self.objective_direction == "auto" and not self._objective_is_known():
            raise ValueError(
                f"objective_metric_name is {self.objective_metric_name!r}, a function of your own, "
                "of which objective_direction='auto' does not know whether large or small is good; "
                "give objective_direction='maximize' or 'minimize'."
            )

    def _objective_is_known(self) -> bool:
        """Whether it is the loss or a metric of the package, not a function of a user."""
        return self.objective_metric_name == "loss" or self.objective_metric_name in self.metrics

    @property
    def validates(self) -> bool:
        """Whether there are validation data, of a user's or held out."""
        return self.validation_data is not None or self.validation_share is not None

    @property
    def maximizes(self) -> bool:
        """Whether a large value of the objective metric is a good one.

        Examples
        --------
        >>> TrainingOptions(metrics=["auc"], objective_metric_name="auc").maximizes
        True
        """
        if self.objective_direction == "auto":
            return self.objective_metric_name not in ("loss", "rmse")
        return self.objective_direction == "maximize"

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What the metrics are called in the history.

        Examples
        --------
        >>> TrainingOptions(metrics=["rmse", max]).metric_names
        ('rmse', 'max')
        """
        return tuple(map(metric_name, self.metrics))

    @property
    def solver_options(self) -> dict[str, Any]:
        """The options of a step, by the names that `minilstm.training.solvers.update` has for them.

        Examples
        --------
        >>> TrainingOptions("rmsprop").solver_options["squared_gradient_decay_factor"]
        0.9
        """
        names = (
            "momentum", "gradient_decay_factor", "squared_gradient_decay_factor", "epsilon",
            "gradient_threshold", "gradient_threshold_method",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def learn_rate(self, epoch: int, iteration: int, total_iterations: int) -> float:
        """The learning rate of one iteration, as the schedule has it.

        Parameters
        ----------
        epoch, iteration : from 1
        total_iterations : of the whole training

        Examples
        --------
        >>> options = TrainingOptions(learn_rate_schedule="piecewise", learn_rate_drop_period=2)
        >>> [round(options.learn_rate(epoch, epoch, 30), 6) for epoch in (1, 2, 3)]
        [0.001, 0.001, 0.0001]
        """
        epochs, initial = self.max_epochs, self.initial_learn_rate
        return self._schedule.rate(initial, epoch, iteration, epochs, total_iterations)

    @cached_property
    def _schedule(self) -> Schedule:
        how = self.learn_rate_drop_factor, self.learn_rate_drop_period
        return as_schedule(self.learn_rate_schedule, *how)
