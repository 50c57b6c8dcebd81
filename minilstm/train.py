"""The training loop: batch, forward, loss, backward, bound the gradient, step.
Everything is checked before the first step, and an interruption returns the network so far."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend, current_backend, is_installed, reuse_memory
from minilstm.data.batch import Batch, as_batch
from minilstm.data.labels import as_labels, find_classes, to_targets
from minilstm.errors import DivergedError
from minilstm.functional.ragged import IntArray, active_counts, pack_with_targets
from minilstm.functional.sequence_input import channel_mean
from minilstm.layers import Layer, SequenceInput, Signal
from minilstm.memory import MemoryPlan
from minilstm.network import Network
from minilstm.optimizers import adam_init, update
from minilstm.options import TrainingOptions
from minilstm.progress import Progress
from minilstm.structure import check_classifier, name_layers, output_mode, parameter_slots
from minilstm.training_info import TrainingInfo

Array = NDArray[Any]


class _Data(NamedTuple):
    sequences: list[Array]  # B arrays (T_b, D)
    targets: list[IntArray]  # B arrays (T_b,), or (1,) for output mode "last"


def train(
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Network,
    loss: str = "crossentropy",
    options: TrainingOptions | None = None,
) -> tuple[Network, TrainingInfo]:
    """Train a network on sequences of any lengths.

    Parameters
    ----------
    x : list of B arrays (T_b, D), (B, T, D), or one (T, D); integers or floats, no NaN
    y : labels, strings or integers: for output mode "sequence" a list of (T_b,) arrays, for
        "last" one (B,) array
    layers : list of layers, SequenceInput first; or a Network, whose training goes on
    loss : "crossentropy", the mean over all real steps (or sequences) of a mini-batch
    options : TrainingOptions; None means the defaults

    Returns
    -------
    net : Network, with `classes` the sorted distinct labels
    info : TrainingInfo, the history and the reason why training stopped

    Raises
    ------
    DataError
        The data do not fit the layers; nothing was computed.
    ValueError
        The layers do not form a classifier for these labels.
    DivergedError
        The loss became NaN or infinite; it carries the last good network.

    Notes
    -----
    Ctrl-C ends the training and returns the network so far; `info.stop_reason` says so.

    Examples
    --------
    >>> import minilstm as ml
    >>> rng = np.random.default_rng(0)
    >>> x = [rng.normal(size=(20, 1)) for _ in range(8)]
    >>> y = [np.where(a[:, 0] > 0, "up", "down") for a in x]
    >>> layers = [ml.SequenceInput(1), ml.LSTM(8), ml.FullyConnected(2), ml.Softmax()]
    >>> options = ml.TrainingOptions(max_epochs=40, initial_learn_rate=0.05, verbose=False)
    >>> net, info = ml.train(x, y, layers, options=options)
    >>> net.evaluate(x, y)["accuracy"] > 0.95
    True
    """
    options = TrainingOptions() if options is None else options
    if not isinstance(options, TrainingOptions):
        raise TypeError(
            f"options is {type(options).__name__}; give TrainingOptions('adam', max_epochs=60)."
        )
    if loss != "crossentropy":
        raise ValueError(f"loss is {loss!r}; choose 'crossentropy'.")
    backend = _backend(options)
    net, data = _prepare(x, y, layers, options)
    validation = _checked_validation(net, options)
    return _Training(net, data, validation, options, backend).run()


def _backend(options: TrainingOptions) -> Backend:
    if options.execution_environment == "gpu":
        raise ImportError(
            "execution_environment is 'gpu', but this version of minilstm computes on the CPU "
            "only; choose 'cpu' or 'auto'."
        )
    backend = current_backend()
    if backend.name == "numpy" and not is_installed("numba"):
        warnings.warn(
            "training runs on NumPy alone because Numba is not installed; it is several times "
            "faster with it: pip install 'minilstm[fast]'.",
            UserWarning,
            stacklevel=3,
        )
    return backend


def _prepare(
    x: Any, y: Any, layers: Sequence[Layer] | Network, options: TrainingOptions
) -> tuple[Network, _Data]:
    """Check everything, and build the network that training starts from."""
    old = layers if isinstance(layers, Network) else None
    chain = old.layers if old else name_layers(layers)  # type: ignore[arg-type]
    first = chain[0]
    assert isinstance(first, SequenceInput)  # name_layers has checked
    dtype = options.dtype
    if dtype == "auto":
        dtype = old.dtype.name if old else "float32"
    batch = as_batch(x, first.input_size, dtype)
    labels = as_labels(y, batch, output_mode(chain))
    classes = find_classes(labels) if old is None or old.classes is None else old.classes
    targets = to_targets(labels, classes)
    check_classifier(chain, len(classes))
    chain = (_with_statistics(first, batch, options), *chain[1:])
    rng = _generators(options)[0]
    net = Network(chain, old.parameters if old else None, classes=classes, dtype=dtype, rng=rng)
    return net, _Data(batch.sequences, targets)


def _generators(options: TrainingOptions) -> list[np.random.Generator]:
    """One generator for initial parameters, one for shuffling: neither disturbs the other."""
    return np.random.default_rng(options.seed).spawn(2)


def _with_statistics(first: SequenceInput, batch: Batch, options: TrainingOptions) -> Layer:
    wanted = first.normalization == "zerocenter"
    if not wanted or (first.mean is not None and not options.reset_input_normalization):
        return first
    return dataclasses.replace(first, mean=channel_mean(batch.sequences))


def _checked_validation(net: Network, options: TrainingOptions) -> tuple[Any, Any] | None:
    if options.validation_data is None:
        return None
    assert net.classes is not None  # _prepare has set them
    x, y = options.validation_data
    batch = as_batch(x, net.input_size, net.dtype, "validation x")
    labels = as_labels(y, batch, net.output_mode, "validation y")
    to_targets(labels, net.classes, "validation y")
    plain = np.concatenate(labels) if net.output_mode == "last" else labels
    return batch.sequences, plain


class _Training:
    """The state of one training: what the loop changes from step to step."""

    def __init__(
        self,
        net: Network,
        data: _Data,
        validation: tuple[Any, Any] | None,
        options: TrainingOptions,
        backend: Backend,
    ) -> None:
        self.net, self.data, self.validation = net, data, validation
        self.options, self.backend = options, backend
        self.adam = adam_init(net.parameters)
        self.shuffler = _generators(options)[1]
        self.history: dict[str, list[float]] = {c: [] for c in self._columns()}
        self.per_epoch = len(self._cuts(np.arange(len(data.sequences))))
        self.best_loss, self.best_net, self.best_iteration, self.waited = math.inf, net, 0, 0
        self.good_net = net
        self.last_norm = 0.0
        slots = parameter_slots(net.layers)
        self.l2 = {k: options.l2_regularization * p.l2_factor for k, p in slots}  # type: ignore
        self.rate_factors: dict[str, Any] = {k: p.learn_rate_factor for k, p in slots}

    def run(self) -> tuple[Network, TrainingInfo]:
        """Train, and show it."""
        total = self.options.max_epochs * self.per_epoch
        progress = Progress(self.options, total, list(self.history), str(self._largest_plan()))
        try:
            with reuse_memory(self.backend):
                reason = self._loop(progress, total)
            self._check_last_update()
        except DivergedError as error:
            assert isinstance(error.info, TrainingInfo)
            progress.finish(error.info)
            raise
        except BaseException:
            progress.close()
            raise
        net, output_iteration = self._output()
        info = self._info(reason, output_iteration)
        progress.finish(info)
        return net, info

    # A step that overflows is seen and reported once, by its loss, not in warnings on the way.
    @np.errstate(over="ignore", invalid="ignore")
    def _loop(self, progress: Progress, total: int) -> str:
        """All epochs, or until something stops them; returns the reason."""
        options = self.options
        self.started = time.perf_counter()
        try:
            if self.validation is not None:
                start = self._validate(0)
                loss = start.pop("validation_loss")
                progress.validation_before_training(
                    loss, {k.removeprefix("validation_"): v for k, v in start.items()}
                )
            for iteration, epoch, rate, signal, targets in self._batches():
                row = self._step(iteration, epoch, rate, signal, targets)
                if self.validation is not None and (
                    iteration % options.validation_frequency == 0 or iteration == total
                ):
                    row.update(self._validate(iteration))
                for column, values in self.history.items():
                    values.append(row.get(column, math.nan))
                progress.iteration({c: v[-1] for c, v in self.history.items()}, self.history)
                if self.waited >= options.validation_patience:
                    return (
                        f"Stopped after epoch {epoch}: the validation loss has not fallen for "
                        f"{self.waited} validations."
                    )
        except KeyboardInterrupt:
            return f"Stopped by Ctrl-C after {self.adam.t} of {total} iterations."
        return f"All {options.max_epochs} epochs are done."

    def _step(
        self, iteration: int, epoch: int, rate: float, signal: Signal, targets: IntArray
    ) -> dict[str, float]:
        options, net = self.options, self.net
        loss, correct, grads = net.loss_and_gradients(
            signal,
            targets,
            backend=self.backend,
            memory_budget=options.memory_budget,
            truncation=options.bptt_truncation,
        )
        if not math.isfinite(loss):
            raise self._diverged(iteration, epoch, rate, f"the loss became {loss}")
        self.good_net = net
        row = {
            "iteration": iteration,
            "epoch": epoch,
            "learning_rate": rate,
            "loss": float(loss),
        }
        if "accuracy" in options.metrics:
            row["accuracy"] = correct / len(targets)
        parameters, adam, self.last_norm = update(
            self.backend,
            net.parameters,
            grads,
            self.adam,
            rate,
            gradient_decay_factor=options.gradient_decay_factor,
            squared_gradient_decay_factor=options.squared_gradient_decay_factor,
            epsilon=options.epsilon,
            gradient_threshold=options.gradient_threshold,
            gradient_threshold_method=options.gradient_threshold_method,
            l2=self.l2,
            learn_rate_factors=self.rate_factors,
        )
        # Both change together, so Ctrl-C between any two lines leaves a whole network.
        self.net, self.adam = net.updated(parameters), adam
        row["time"] = time.perf_counter() - self.started
        return row

    def _batches(self) -> Iterator[tuple[int, int, float, Signal, IntArray]]:
        """Iteration, epoch, learning rate and packed mini-batch, over and over."""
        options = self.options
        order = np.arange(len(self.data.sequences))  # (B,)
        packed: list[tuple[Signal, IntArray]] = []
        iteration = 0
        for epoch in range(1, options.max_epochs + 1):
            if options.shuffle == "every-epoch" or (options.shuffle == "once" and epoch == 1):
                order = self.shuffler.permutation(order)
                packed = []
            drops = (epoch - 1) // options.learn_rate_drop_period
            scheduled = options.learn_rate_schedule == "piecewise"
            rate = options.initial_learn_rate
            rate *= options.learn_rate_drop_factor**drops if scheduled else 1.0
            packed = packed or [self._packed(cut) for cut in self._cuts(order)]
            for signal, targets in packed:
                iteration += 1
                yield iteration, epoch, rate, signal, targets

    def _largest_plan(self) -> MemoryPlan:
        """Of the mini-batch that needs the most memory."""
        lengths = np.array([len(s) for s in self.data.sequences], np.int64)  # (B,)
        plans = [
            self.net.plan_memory(
                active_counts(-np.sort(-lengths[cut])),
                self.options.memory_budget,
                self.options.bptt_truncation,
            )
            for cut in self._cuts(np.arange(len(lengths)))
        ]
        return max(plans, key=lambda plan: plan.kept + plan.used)

    def _cuts(self, order: IntArray) -> list[IntArray]:
        size = self.options.mini_batch_size
        cuts = [order[n : n + size] for n in range(0, len(order), size)]
        if self.options.drop_partial_batch and len(cuts) > 1 and len(cuts[-1]) < size:
            cuts.pop()
        return cuts

    def _packed(self, chosen: IntArray) -> tuple[Signal, IntArray]:
        sequences, targets = self.data
        packed, rows = pack_with_targets(
            [sequences[b] for b in chosen], [targets[b] for b in chosen]
        )
        return Signal(packed.rows, packed.active), rows

    def _validate(self, iteration: int) -> dict[str, float]:
        assert self.validation is not None  # the caller has checked
        result = self.net.evaluate(*self.validation)
        if result["loss"] < self.best_loss:
            self.best_loss, self.best_net, self.waited = result["loss"], self.net, 0
            self.best_iteration = iteration
        else:
            self.waited += 1
        row = {"validation_loss": result["loss"]}
        if "accuracy" in self.options.metrics:
            row["validation_accuracy"] = result["accuracy"]
        return row

    def _columns(self) -> list[str]:
        columns = ["iteration", "epoch", "time", "learning_rate", "loss"]
        columns += list(self.options.metrics)
        if self.validation is not None:
            columns += ["validation_loss", *(f"validation_{m}" for m in self.options.metrics)]
        return columns

    def _output(self) -> tuple[Network, int]:
        if self.options.output_network == "best-validation":
            return self.best_net, self.best_iteration
        return self.net, self.adam.t

    def _info(self, reason: str, output_iteration: int) -> TrainingInfo:
        whole = ("iteration", "epoch")
        rows = min(map(len, self.history.values()))  # Ctrl-C may have come within a row
        history = {
            c: np.array(v[:rows], np.int64 if c in whole else np.float64)
            for c, v in self.history.items()
        }
        seconds = time.perf_counter() - self.started
        return TrainingInfo(
            history, reason, output_iteration, seconds, self.backend.name, self.options.seed
        )

    def _broken(self) -> list[str]:
        return [k for k, p in self.net.parameters.items() if not np.isfinite(p).all()]

    def _check_last_update(self) -> None:
        """Raise if the last update, which no loss follows, made a parameter NaN or infinite."""
        if self.history["iteration"] and self._broken():
            iteration, epoch, rate = (
                self.history[c][-1] for c in ("iteration", "epoch", "learning_rate")
            )
            what = f"the last update made {self._broken()[0]} infinite"
            raise self._diverged(int(iteration), int(epoch), rate, what)

    def _diverged(self, iteration: int, epoch: int, rate: float, what: str) -> DivergedError:
        losses = self.history["loss"]
        good = f"the last good loss was {losses[-1]:.4g}" if losses else "no step had a finite loss"
        broken = self._broken()
        largest = max(float(np.abs(s).max()) for s in self.data.sequences)
        if not losses and broken:
            cause = f"{broken[0]} of the network handed in is not finite: start from another"
        elif not losses or (largest > 1e4 and self.net.dtype == np.float32):
            cause = (
                f"the data reach {largest:.3g}: scale them, or use "
                "SequenceInput(..., normalization='zerocenter')"
            )
        elif self.options.gradient_threshold == math.inf and self.last_norm > 1e3:
            cause = (
                f"the gradient grew to a norm of {self.last_norm:.3g}: set gradient_threshold, "
                "such as 1"
            )
        else:
            cause = (
                f"a learning rate of {rate:.3g} is too large"
                + (f" and made {broken[0]} infinite" if broken else "")
                + ": lower initial_learn_rate"
            )
        reason = f"{what} in epoch {epoch}, iteration {iteration}; {good}; likely cause: {cause}."
        # The network before the last update is the last whose loss is known to be finite.
        info = self._info(reason[0].upper() + reason[1:], max(0, self.adam.t - 1))
        return DivergedError(reason, self.good_net, info)
