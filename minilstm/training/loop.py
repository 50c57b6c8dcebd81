"""The training loop: batch, loss, gradients, update.
Parameters and what the solver remembers change together, so any interruption leaves a network."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np

from minilstm.backend import Backend, reuse_memory
from minilstm.errors import DivergedError
from minilstm.functional.lstm import LSTMState
from minilstm.network.evaluation import measure_rows
from minilstm.network.graph.parameters import parameter_slots
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head
from minilstm.network.passes.placement import moved_network
from minilstm.training.batches import Piece, TrainingData, cuts, pieces, pieces_of
from minilstm.training.divergence import diverged
from minilstm.training.factors import weighted
from minilstm.training.final_statistics import population_statistics
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
from minilstm.training.progress import Progress
from minilstm.training.solvers import solver_init, update
from minilstm.training.watch import Watch


@dataclass(eq=False)
class TrainingLoop:
    """The state of one training: what the loop changes from step to step."""

    net: Network  # at first the one to start from
    heads: Sequence[Head]
    data: TrainingData
    validation: InitVar[TrainingData | None]
    options: TrainingOptions
    backend: Backend
    shuffler: np.random.Generator  # of the order of sequences
    noise: np.random.Generator  # of dropout
    note: str  # a line to print above the table, or ""

    def __post_init__(self, validation: TrainingData | None) -> None:
        options, backend, data = self.options, self.backend, self.data
        # The arrays of these networks, and what the solver remembers, stay where the backend
        # computes; `Watch.shown` gives a network as users see it.
        self.net = net = moved_network(self.net, backend.to_device)
        self.watch = Watch(net, self.heads, validation, options, backend)
        self.solver = solver_init(options.solver, net.parameters)
        self.history: dict[str, list[float]] = {c: [] for c in self.watch.columns()}
        first = cuts(np.arange(len(data)), options)
        self.per_epoch = sum(pieces_of(data, chosen, options) for chosen in first)
        self.good_net = net  # the last whose loss is known to be finite
        self.last_norm: Any = 0.0  # of the gradient
        slots = parameter_slots(net.wiring)
        self.l2 = {k: weighted(p.l2_factor, options.l2_regularization) for k, p in slots.items()}
        self.rate_factors = {k: p.learn_rate_factor for k, p in slots.items()}
        self.carried: dict[str, LSTMState] | None = None  # between the pieces of a split batch
        self.want_outputs = any(name != "accuracy" for name in options.metric_names)

    def run(self) -> tuple[Network, TrainingInfo]:
        """Train, and show it."""
        watch = self.watch
        total = self.options.max_epochs * self.per_epoch
        preface = watch.preface(self.net, self.data, self.note)
        progress = Progress(self.options, total, list(self.history), preface)
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
        net, output_iteration = self.net, self.solver.t
        if watch.takes_best():
            net, output_iteration = watch.best_net, watch.best_iteration
        net = watch.shown(net)
        info = self._info(reason, output_iteration)
        progress.finish(info)
        last_row = {c: v[-1] for c, v in self.history.items() if v}
        watch.call_output_functions("done", last_row, self.net)
        return net, info

    # A step that overflows is seen and reported once, by its loss, not in warnings on the way.
    @np.errstate(over="ignore", invalid="ignore")
    def _loop(self, progress: Progress, total: int) -> str:
        """All epochs, or until something stops them; returns the reason."""
        options, watch = self.options, self.watch
        self.started = time.perf_counter()
        try:
            start = watch.validate(self.net, 0)
            if start:
                progress.validation_before_training(start)
            if watch.call_output_functions("start", start, self.net):
                return "Stopped by output_fcn before the first iteration."
            for iteration, epoch, rate, piece, epoch_ends in self._batches(total):
                row = self._step(iteration, epoch, rate, piece)
                if iteration % options.validation_frequency == 0 or iteration == total:
                    row.update(watch.validate(self.net, iteration))
                for column, values in self.history.items():
                    values.append(row.get(column, math.nan))
                shown = {c: v[-1] for c, v in self.history.items()}
                progress.iteration(shown, self.history)
                watch.checkpoint(self.net, iteration, epoch, epoch_ends)
                if watch.call_output_functions("iteration", shown, self.net):
                    return f"Stopped by output_fcn after {iteration} of {total} iterations."
                if watch.waited >= options.validation_patience:
                    return (
                        f"Stopped after epoch {epoch}: the validation loss has not fallen for "
                        f"{watch.waited} validations."
                    )
        except KeyboardInterrupt:
            return f"Stopped by Ctrl-C after {self.solver.t} of {total} iterations."
        return f"All {options.max_epochs} epochs are done."

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
                ready = [
                    piece
                    for part in cuts(order, options)
                    for piece in pieces(data, self.heads, part, options, self.backend)
                ]
            for n, piece in enumerate(ready):
                iteration += 1
                rate = options.learn_rate(epoch, iteration, total)
                yield iteration, epoch, rate, piece, n + 1 == len(ready)

    def _step(self, iteration: int, epoch: int, rate: float, piece: Piece) -> dict[str, float]:
        """Loss, gradients and step of one mini-batch; returns its row of the history."""
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
        row = {"iteration": iteration, "epoch": epoch, "learning_rate": rate, "loss": result.loss}
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
        # Both change together, so Ctrl-C between any two lines leaves a valid network.
        self.net, self.solver = net.updated(parameters, result.statistics), solver
        row["time"] = time.perf_counter() - self.started
        return row

    def _metrics(self, piece: Piece, result: Any) -> dict[str, float]:
        """Metrics of a mini-batch before the update."""
        found: dict[str, float] = {}
        names = self.options.metric_names
        by_head = zip(self.heads, piece.targets, self.watch.prefixes, strict=True)
        for k, (head, targets, prefix) in enumerate(by_head):
            if result.outputs is not None:
                rows = self.backend.to_host(result.outputs[k])  # (N, C)
                other = measure_rows(head, rows, targets, self.options.metrics)
                found.update({prefix + name: other[name] for name in names if name in other})
            elif "accuracy" in names and targets.ndim == 1:
                found[f"{prefix}accuracy"] = result.correct[k] / max(1, int((targets >= 0).sum()))
        return found

    def _finish_statistics(self) -> None:
        """Statistics over the whole training set in the place of running ones."""
        watch = self.watch
        if self.options.batch_normalization_statistics != "moving":
            others = self.data.sequences, self.options, self.backend
            self.net = population_statistics(self.net, *others)
            if watch.best_iteration and watch.takes_best():
                watch.best_net = population_statistics(watch.best_net, *others)

    def _info(self, reason: str, output_iteration: int) -> TrainingInfo:
        rows = min(map(len, self.history.values()))  # Ctrl-C may have come within a row
        history = {
            c: np.array(v[:rows], np.int64 if c in ("iteration", "epoch") else np.float64)
            for c, v in self.history.items()
        }
        seconds = time.perf_counter() - self.started
        return TrainingInfo(
            history, reason, output_iteration, seconds, self.backend.name, self.options.seed
        )

    def _check_last_update(self) -> None:
        """Raise if the last update, which no loss follows, made a parameter NaN or infinite."""
        self.net = self.watch.shown(self.net)
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
            self.watch.shown(self.net),
            self.data,
            self.history["loss"],
            rate,
            float(self.backend.to_host(self.last_norm)),
            self.options.gradient_threshold,
        )
        # The network before the last update is the last whose loss is known to be finite.
        info = self._info(reason[0].upper() + reason[1:], max(0, self.solver.t - 1))
        raise DivergedError(reason, self.watch.shown(self.good_net), info)
