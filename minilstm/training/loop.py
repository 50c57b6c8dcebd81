"""The training loop: batch, forward, loss, backward, bound the gradient, step.
Parameters and what the solver remembers change together, so any interruption leaves a whole."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend, reuse_memory
from minilstm.errors import DataError, DivergedError
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import active_counts
from minilstm.network.evaluation import measure_outputs, measure_rows
from minilstm.network.graph.parameters import parameter_slots
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head
from minilstm.network.passes.memory import MemoryPlan
from minilstm.network.passes.placement import moved_network
from minilstm.training.batches import Piece, TrainingData, cuts, pieces, pieces_of
from minilstm.training.divergence import diverged
from minilstm.training.factors import weighted
from minilstm.training.final_statistics import population_statistics
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
from minilstm.training.progress import Progress
from minilstm.training.solvers import solver_init, update

Array = NDArray[Any]
SMALLER_IS_BETTER = ("loss", "rmse")


class Progressed(NamedTuple):
    """What `output_fcn` is told."""

    state: str  # "start", "iteration" or "done"
    epoch: int
    iteration: int
    time_elapsed: float  # seconds
    learn_rate: float
    training_loss: float
    validation_loss: float  # NaN where it was not measured
    metrics: dict[str, float]  # everything else in the row of the history
    network: Network


class TrainingLoop:
    """The state of one training: what the loop changes from step to step.

    Parameters
    ----------
    net : to start from
    heads : of the network
    data : checked
    validation : checked, or None
    options : TrainingOptions
    backend : computes
    shuffler, noise : generators of the order of sequences, and of dropout
    note : a line to print above the table, or ""
    """

    def __init__(
        self,
        net: Network,
        heads: Sequence[Head],
        data: TrainingData,
        validation: TrainingData | None,
        options: TrainingOptions,
        backend: Backend,
        shuffler: np.random.Generator,
        noise: np.random.Generator,
        note: str = "",
    ) -> None:
        self.heads, self.data, self.validation = heads, data, validation
        self.options, self.backend = options, backend
        self.shuffler, self.noise, self.note = shuffler, noise, note
        # The arrays of these networks, and what the solver remembers, stay where the backend
        # computes; `_shown` gives a network as users see it.
        self.net = net = moved_network(net, backend.to_device)
        self.solver = solver_init(options.solver, net.parameters)
        self.columns = self._columns()
        self.history: dict[str, list[float]] = {c: [] for c in self.columns}
        first = cuts(np.arange(len(data)), options)
        self.per_epoch = sum(pieces_of(data, chosen, options) for chosen in first)
        self.best, self.best_net, self.best_iteration, self.waited = math.inf, net, 0, 0
        self.good_net = net
        self.last_norm = 0.0
        slots = parameter_slots(net.wiring)
        self.l2 = {k: weighted(p.l2_factor, options.l2_regularization) for k, p in slots}
        self.rate_factors = {k: p.learn_rate_factor for k, p in slots}
        self.carried: dict[str, LSTMState] | None = None  # between the pieces of a split batch
        self.want_outputs = any(name != "accuracy" for name in options.metric_names)

    def run(self) -> tuple[Network, TrainingInfo]:
        """Train, and show it."""
        options = self.options
        total = options.max_epochs * self.per_epoch
        progress = Progress(options, total, self.columns, self._preface())
        try:
            with reuse_memory(self.backend):
                reason = self._loop(progress, total)
                self._finish_statistics()
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
        self._tell("done", {c: v[-1] for c, v in self.history.items() if v})
        return net, info

    # A step that overflows is seen and reported once, by its loss, not in warnings on the way.
    @np.errstate(over="ignore", invalid="ignore")
    def _loop(self, progress: Progress, total: int) -> str:
        """All epochs, or until something stops them; returns the reason."""
        options = self.options
        self.started = time.perf_counter()
        try:
            start: dict[str, float] = {}
            if self.validation is not None:
                start = self._validate(0)
                progress.validation_before_training(
                    start["validation_loss"],
                    {
                        k.removeprefix("validation_"): v
                        for k, v in start.items()
                        if k != "validation_loss"
                    },
                )
            if self._tell("start", start):
                return "Stopped by output_fcn before the first iteration."
            for iteration, epoch, rate, piece, epoch_ends in self._batches(total):
                row = self._step(iteration, epoch, rate, piece)
                if self.validation is not None and (
                    iteration % options.validation_frequency == 0 or iteration == total
                ):
                    row.update(self._validate(iteration))
                for column, values in self.history.items():
                    values.append(row.get(column, math.nan))
                shown = {c: v[-1] for c, v in self.history.items()}
                progress.iteration(shown, self.history)
                self._checkpoint(iteration, epoch, epoch_ends)
                if self._tell("iteration", shown):
                    return f"Stopped by output_fcn after {iteration} of {total} iterations."
                if self.waited >= options.validation_patience:
                    return (
                        f"Stopped after epoch {epoch}: the validation loss has not fallen for "
                        f"{self.waited} validations."
                    )
        except KeyboardInterrupt:
            return f"Stopped by Ctrl-C after {self.solver.t} of {total} iterations."
        return f"All {options.max_epochs} epochs are done."

    def _step(self, iteration: int, epoch: int, rate: float, piece: Piece) -> dict[str, float]:
        options, net = self.options, self.net
        result = net.loss_and_gradients(
            piece.batch,
            state=self.carried if piece.goes_on else None,
            backend=self.backend,
            memory_budget=options.memory_budget,
            truncation=options.bptt_truncation,
            key=int(self.noise.integers(2**63)),
            want_outputs=self.want_outputs,
        )
        if not math.isfinite(result.loss):
            self._raise_diverged(iteration, epoch, rate, f"the loss became {result.loss}")
        self.good_net = net
        self.carried = result.state
        row = {
            "iteration": iteration,
            "epoch": epoch,
            "learning_rate": rate,
            "loss": result.loss,
        }
        row.update(self._metrics(piece, result))
        parameters, solver, self.last_norm = update(
            self.backend,
            net.parameters,
            result.gradients,
            self.solver,
            rate,
            l2=self.l2,
            learn_rate_factors=self.rate_factors,
            **options.solver_options,
        )
        # Both change together, so Ctrl-C between any two lines leaves a whole network.
        self.net, self.solver = net.updated(parameters, result.statistics), solver
        row["time"] = time.perf_counter() - self.started
        return row

    def _metrics(self, piece: Piece, result: Any) -> dict[str, float]:
        """Metrics of a mini-batch before the update."""
        found: dict[str, float] = {}
        names = self.options.metric_names
        for k, (head, targets) in enumerate(zip(self.heads, piece.targets, strict=True)):
            prefix = self._prefix(head)
            if result.outputs is not None:
                rows = self.backend.to_host(result.outputs[k])  # (N, C)
                other = measure_rows(head, rows, targets, metrics=self.options.metrics)
                found.update({prefix + name: other[name] for name in names if name in other})
            elif "accuracy" in names and targets.ndim == 1:
                found[f"{prefix}accuracy"] = result.correct[k] / max(1, int((targets >= 0).sum()))
        return found

    def _batches(self, total: int) -> Iterator[tuple[int, int, float, Piece, bool]]:
        """Iteration, epoch, learning rate, mini-batch, and whether the epoch ends with it."""
        options, data = self.options, self.data
        order = np.arange(len(data))  # (B,)
        ready: list[Piece] = []
        iteration = 0
        for epoch in range(1, options.max_epochs + 1):
            if options.shuffle == "every-epoch" or (options.shuffle == "once" and epoch == 1):
                order = self.shuffler.permutation(order)
                ready = []
            if not ready:
                parts = cuts(order, options)
                ready = [
                    piece
                    for part in parts
                    for piece in pieces(data, self.heads, part, options, self.backend)
                ]
            for n, piece in enumerate(ready):
                iteration += 1
                rate = options.learn_rate(epoch, iteration, total)
                yield iteration, epoch, rate, piece, n + 1 == len(ready)

    def _preface(self) -> str:
        """Lines above the table: what the loss is divided by, and the memory."""
        losses = "; ".join(
            f"{self._prefix(head)}{head.loss.name}, {head.loss.normalization}"
            for head in self.heads
        )
        padding = self.options.sequence_length
        counts = "cut to the shortest" if padding == "shortest" else "padding counts"
        how = "" if padding == "ragged" else f" (sequence_length {padding!r}: {counts})"
        note = f"\n{self.note}" if self.note else ""
        return f"loss: {losses}{how}\n{self._largest_plan()}{note}"

    def _largest_plan(self) -> MemoryPlan:
        """Of the mini-batch that needs the most memory."""
        lengths = np.array([len(s) for s in self.data.sequences[0]], np.int64)  # (B,)
        options = self.options
        plans = []
        for chosen in cuts(np.arange(len(lengths)), options):
            own = -np.sort(-lengths[chosen])
            if options.sequence_length != "ragged":
                same = own[-1] if options.sequence_length == "shortest" else own[0]
                if not isinstance(options.sequence_length, str):
                    same = options.sequence_length
                own = np.full(len(own), same, np.int64)
            how = options.memory_budget, options.bptt_truncation, self.backend
            plans.append(self.net.plan_memory(active_counts(own), *how))
        return max(plans, key=lambda plan: plan.kept + plan.used)

    def _validate(self, iteration: int) -> dict[str, float]:
        assert self.validation is not None  # the caller has checked
        data = self.validation
        result = measure_outputs(
            self.net, self.heads, data.sequences, data.targets, self.options.metrics, data.weights
        )
        objective = self.options.objective_metric_name
        value = result[objective if objective in result else self.columns_of(objective)[0]]
        value = value if objective in SMALLER_IS_BETTER else -value
        if value < self.best:
            self.best, self.best_net, self.waited = value, self.net, 0
            self.best_iteration = iteration
        else:
            self.waited += 1
        return {f"validation_{key}": v for key, v in result.items()}

    def _checkpoint(self, iteration: int, epoch: int, epoch_ends: bool) -> None:
        options = self.options
        if not options.checkpoint_path:
            return
        by_epoch = options.checkpoint_frequency_unit == "epoch"
        count = epoch if by_epoch else iteration
        if (by_epoch and not epoch_ends) or count % options.checkpoint_frequency:
            return
        name = f"checkpoint-epoch-{epoch:04d}-iteration-{iteration:06d}.safetensors"
        self._shown(self.net).save(Path(options.checkpoint_path) / name)

    def _tell(self, state: str, row: dict[str, float]) -> bool:
        """Call every output function; whether one of them wants to stop."""
        functions: Any = self.options.output_fcn
        if not functions:
            return False
        usual = ("iteration", "epoch", "time", "learning_rate", "loss", "validation_loss")
        told = Progressed(
            state,
            int(row.get("epoch", 0)),
            int(row.get("iteration", 0)),
            row.get("time", 0.0),
            row.get("learning_rate", math.nan),
            row.get("loss", math.nan),
            row.get("validation_loss", math.nan),
            {k: v for k, v in row.items() if k not in usual},
            self._shown(self.net),
        )
        return any([bool(function(told)) for function in functions])

    def _columns(self) -> list[str]:
        columns = ["iteration", "epoch", "time", "learning_rate", "loss"]
        names = [c for metric in self.options.metric_names for c in self.columns_of(metric)]
        columns += names
        if self.validation is not None:
            columns += ["validation_loss", *(f"validation_{m}" for m in names)]
        return columns

    def columns_of(self, metric: str) -> list[str]:
        """Columns of a metric: one, or one for each of several outputs."""
        return [self._prefix(head) + metric for head in self.heads]

    def _prefix(self, head: Head) -> str:
        return f"{self.net.layers[head.output].name}/" if len(self.heads) > 1 else ""

    def _finish_statistics(self) -> None:
        """Statistics over the whole training set in the place of running ones."""
        if self.options.batch_normalization_statistics != "moving":
            inputs = self.data.sequences
            self.net = population_statistics(self.net, inputs, self.options, self.backend)
            if self.best_iteration and self._takes_best():
                self.best_net = population_statistics(
                    self.best_net, inputs, self.options, self.backend
                )

    def _takes_best(self) -> bool:
        options = self.options
        if options.output_network == "auto":
            return self.validation is not None and options.objective_metric_name != "loss"
        return options.output_network == "best-validation"

    def _output(self) -> tuple[Network, int]:
        if self._takes_best():
            return self._shown(self.best_net), self.best_iteration
        return self._shown(self.net), self.solver.t

    def _shown(self, net: Network) -> Network:
        """A network with NumPy arrays."""
        moved: Network = moved_network(net, self.backend.to_host)
        return moved

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

    def _check_last_update(self) -> None:
        """Raise if the last update, which no loss follows, made a parameter NaN or infinite."""
        self.net = self._shown(self.net)
        broken = [k for k, p in self.net.parameters.items() if not np.isfinite(p).all()]
        if self.history["iteration"] and broken:
            iteration, epoch, rate = (
                self.history[c][-1] for c in ("iteration", "epoch", "learning_rate")
            )
            what = f"the last update made {broken[0]} infinite"
            self._raise_diverged(int(iteration), int(epoch), rate, what)

    def _raise_diverged(self, iteration: int, epoch: int, rate: float, what: str) -> None:
        reason = diverged(
            f"{what} in epoch {epoch}, iteration {iteration}",
            self._shown(self.net),
            self.data.sequences,
            self.history["loss"],
            rate,
            float(self.backend.to_host(self.last_norm)),
            self.options.gradient_threshold,
        )
        # The network before the last update is the last whose loss is known to be finite.
        info = self._info(reason[0].upper() + reason[1:], max(0, self.solver.t - 1))
        raise DivergedError(reason, self._shown(self.good_net), info)


def check_checkpoints(options: TrainingOptions) -> None:
    """Raise if checkpoints could not be written."""
    path = options.checkpoint_path
    if path and not Path(path).is_dir():
        raise DataError(
            f"checkpoint_path is {str(path)!r}, but there is no such folder; make it, or leave "
            "checkpoint_path empty."
        )
