"""The training loop: batch, loss, gradients, update.
Parameters and what the solver remembers change together, so any interruption leaves a network."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np

from minilstm.backend import Backend, reuse_memory
from minilstm.data.stored import lengths_of
from minilstm.errors import DivergedError
from minilstm.functional.lstm import LSTMState
from minilstm.layers import BatchNormalization
from minilstm.network.evaluation import measure_rows, predicted
from minilstm.network.graph.parameters import parameter_slots
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head
from minilstm.network.passes.placement import moved_network
from minilstm.training.batches import Piece, TrainingData, cuts, joined, pieces, pieces_of
from minilstm.training.checkpoints.folder import Checkpoint, Checkpoints
from minilstm.training.divergence import diverged
from minilstm.training.factors import weighted
from minilstm.training.final_statistics import population_statistics
from minilstm.training.history import TrainingInfo
from minilstm.training.interruption import TERMINATED, Interruption
from minilstm.training.options import TrainingOptions
from minilstm.training.progress import Progress
from minilstm.training.ranks.shards import Shards
from minilstm.training.ranks.world import ALONE, World
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
    checkpoints: Checkpoints
    world: World = ALONE

    def __post_init__(self, validation: TrainingData | None) -> None:
        options, backend, data = self.options, self.backend, self.data
        # The arrays of these networks, and what the solver remembers, stay where the backend
        # computes; `Watch.shown` gives a network as users see it.
        self.net = net = moved_network(self.net, backend.to_device)
        self.shards = shards = options.shards and Shards(
            options.shards, self.world, net, self.heads, data
        )
        predict = shards.predict if shards else predicted
        self.watch = Watch(net, self.heads, validation, options, backend, predict)
        self.solver = solver_init(options.solver, net.parameters)
        self.history: dict[str, list[float]] = {c: [] for c in self.watch.columns()}
        first = cuts(np.arange(len(data)), options)
        self.per_epoch = sum(pieces_of(data, chosen, options) for chosen in first)
        self.total = options.max_epochs * self.per_epoch  # iterations
        self.error: DivergedError | None = None  # of this training
        self.reason = ""  # why training stopped
        self.place = 0, 0, math.nan  # iteration, epoch and learning rate of the last step
        self.spot = 0, -1, -1  # its epoch, its mini-batch, and the piece of that, from 0
        self.order = np.arange(len(data))  # (B,)
        self.started = time.perf_counter()
        self.good_net = net  # the last whose loss is known to be finite
        self.last_norm: Any = 0.0  # of the gradient
        slots = parameter_slots(net.wiring)
        self.l2 = {k: weighted(p.l2_factor, options.l2_regularization) for k, p in slots.items()}
        self.rate_factors = {k: p.learn_rate_factor for k, p in slots.items()}
        self.carried: dict[str, LSTMState] | None = None  # between the pieces of a split batch
        self.metric_names, self.solver_options = options.metric_names, options.solver_options
        self.want_outputs = any(name != "accuracy" for name in self.metric_names)
        self.goes_on = False  # whether it began in another process

    def go_on(self, found: Checkpoint) -> None:
        """Take up the training of a checkpoint where that was written."""
        found.put_back(self)
        done = f"going on after {self.solver.t} iterations, from {found.path}"
        self.note, self.goes_on = f"{self.note}\n{done}".lstrip(), True

    def facts(self) -> tuple[int, int, bool]:
        """Iterations of an epoch, steps of the longest batch, and whether anything decays."""
        longest = int(lengths_of(self.data.sequences[0]).max())
        size = self.options.sequence_length
        longest = longest if isinstance(size, str) else int(size)
        decays = any(np.any(factor) for factor in self.l2.values())
        return self.per_epoch, longest, decays or self.options.l2_regularization == 0

    def run(self, ctrl_c: Interruption) -> tuple[Network, TrainingInfo]:
        """Train, and show it."""
        told = self.net, self.data, self.note
        preface = self.watch.preface(*told) if self.options.verbose else ""
        progress = Progress(self.options, self.total, list(self.history), preface)
        if self.goes_on:
            progress.go_on(self.solver.t, time.perf_counter() - self.started)
        try:
            return self._run(ctrl_c, progress)
        except BaseException as error:
            if error is self.error:
                progress.finish(self.error.info)
            else:
                progress.close()
                with suppress(Exception):  # what went wrong may leave no network to show
                    self._lend_network(error)
            raise

    def _run(self, ctrl_c: Interruption, progress: Progress) -> tuple[Network, TrainingInfo]:
        with reuse_memory(self.backend):
            cut = ctrl_c.ends(lambda: self._loop(ctrl_c, progress), gently=True)
            if cut:  # within a step, so there is no checkpoint of it
                done, total = self.solver.t, self.total
                self.reason = f"Stopped by Ctrl-C after {done} of {total} iterations."
            if ctrl_c.asked == TERMINATED:
                said = self.reason if cut else self._asked(ctrl_c)
                ctrl_c.leave("" if self.world.rank else said)
            # What ranks do together is not cut off on one of them.
            gently = self.world.size > 1
            if ctrl_c.ends(self._finish_statistics, gently) and self._wants_statistics():
                self._add_to_reason("Ctrl-C kept the running statistics of batch normalization")
        self._check_last_update()
        net, info = self._outcome(self.reason)
        last_row = {c: v[-1] for c, v in self.history.items() if v}
        tell = self.watch.call_output_functions
        for work, what, wanted in (
            (lambda: progress.finish(info), "the training progress figure", progress.picture),
            (lambda: tell("done", last_row, self.net), "output_fcn", self.options.output_fcn),
        ):
            if ctrl_c.ends(work) and wanted:
                warnings.warn(
                    f"Ctrl-C cut off {what} after the training, which is whole.",
                    RuntimeWarning,
                    stacklevel=5,
                )
        return net, info

    # A step that overflows is seen and reported once, by its loss, not in warnings on the way.
    @np.errstate(over="ignore", invalid="ignore")
    def _loop(self, ctrl_c: Interruption, progress: Progress) -> None:
        """All epochs, or until something stops them; keeps the reason."""
        options, watch, total = self.options, self.watch, self.total
        start = {} if self.goes_on else watch.validate(self.net, 0)
        if start:
            now = time.perf_counter() - self.started
            self._add_row({"iteration": 0, "epoch": 0, "time": now, **start})
            progress.validation_before_training(start)
        if any(self.world.gather(watch.call_output_functions("start", start, self.net))):
            self.reason = "Stopped by output_fcn before the first iteration."
            return
        if self.goes_on:  # the end of its last step may not have been reached
            self.reason = self._end_of_step({c: v[-1] for c, v in self.history.items()}, ctrl_c)
        for iteration, epoch, rate, piece, epoch_ends in () if self.reason else self._batches():
            ctrl_c.check()
            row = self._step(iteration, epoch, rate, piece)
            if iteration == total or watch.validates(iteration, epoch_ends):
                row.update(watch.validate(self.net, iteration))
            shown = self._add_row(row)
            progress.iteration(shown, self.history)
            self.checkpoints.after_step(self, iteration, epoch, epoch_ends)
            self.reason = self._end_of_step(shown, ctrl_c)
            if self.reason:
                return
        self.reason = self.reason or f"All {options.max_epochs} epochs are done."

    def _end_of_step(self, row: dict[str, float], ctrl_c: Interruption) -> str:
        """Why the training stops after the step of this row; "" where it goes on."""
        watch, options = self.watch, self.options
        wants = not ctrl_c.asked and watch.call_output_functions("iteration", row, self.net)
        signals, wanted = zip(*self.world.gather((ctrl_c.asked, wants)), strict=True)
        ctrl_c.asked = max(signals)
        if ctrl_c.asked:
            return self._asked(ctrl_c)
        if any(wanted):
            return f"Stopped by output_fcn after {self.solver.t} of {self.total} iterations."
        if watch.waited >= options.validation_patience:
            measure = options.objective_metric_name
            worse = "loss has not fallen" if measure == "loss" else f"{measure} did not improve"
            return (
                f"Stopped after epoch {self.place[1]}: the validation {worse} for {watch.waited} "
                "validations."
            )
        return ""

    def _asked(self, ctrl_c: Interruption) -> str:
        """Write a checkpoint as a signal asked to stop, and give the reason, with how to go on."""
        saved = self.world.gather(self.checkpoints.write(self))[0]
        how = (
            f"; go on from {str(self.checkpoints.folder)!r} with minilstm.resume, or train --resume"
        )
        done = f"{self.solver.t} of {self.total} iterations"
        return f"Stopped by {ctrl_c.asked} after {done}{how if saved else ''}."

    def _add_row(self, row: dict[str, float]) -> dict[str, float]:
        """Add a row to the history, and give it with NaN for what was not measured."""
        shown = {column: row.get(column, math.nan) for column in self.history}
        for column, value in shown.items():
            self.history[column].append(value)
        return shown

    def _batches(self) -> Iterator[tuple[int, int, float, Piece, bool]]:
        """Iteration, epoch, learning rate, mini-batch, and whether the epoch ends with it."""
        options, data = self.options, self.data
        again = options.shuffle == "every-epoch"
        together = joined(data) if again and options.max_epochs > 1 else None
        how = options, self.backend, self.net.dtype, together
        cut = self.shards.pieces if self.shards else pieces
        kept: dict[int, list[Piece]] = {}  # of an order that stays
        iteration = self.solver.t
        for epoch in range(max(1, self.spot[0]), options.max_epochs + 1):
            if epoch > self.spot[0] and (again or (options.shuffle == "once" and epoch == 1)):
                self.order = self.shuffler.permutation(self.order)
            parts = cuts(self.order, options)
            for k, part in enumerate(parts):
                if (epoch, k) < self.spot[:2]:
                    continue
                ready = kept[k] if k in kept else list(cut(data, self.heads, part, *how))
                if not (again or data.stored):
                    kept[k] = ready
                for n, piece in enumerate(ready):
                    if (epoch, k, n) <= self.spot:
                        continue
                    self.spot = epoch, k, n
                    iteration += 1
                    rate = options.learn_rate(epoch, iteration, self.total)
                    last = k + 1 == len(parts) and n + 1 == len(ready)
                    yield iteration, epoch, rate, piece, last

    def _step(self, iteration: int, epoch: int, rate: float, piece: Piece) -> dict[str, float]:
        """Loss, gradients and step of one mini-batch; returns its row of the history."""
        options, net = self.options, self.net
        self.place = iteration, epoch, rate
        how: dict[str, Any] = {
            "backend": self.backend,
            "memory_budget": options.memory_budget,
            "truncation": options.bptt_truncation,
            "key": int(self.noise.integers(2**63)),
            "want_outputs": self.want_outputs,
        }
        if self.shards:
            result, piece = self.shards.loss_and_gradients(net, piece, **how)
        else:
            state = self.carried if piece.goes_on else None
            result = net.loss_and_gradients(piece.batch, state=state, **how)
        if not math.isfinite(result.loss):
            self._raise_diverged(f"the loss became {result.loss}")
        self.good_net = net
        self.carried = result.state
        loss = result.loss if any(piece.counts) else math.nan  # else there is nothing to measure
        row = {"iteration": iteration, "epoch": epoch, "learning_rate": rate, "loss": loss}
        row.update(self._metrics(piece, result))
        parameters, solver, self.last_norm = update(
            self.backend,
            net.parameters,
            result.gradients,
            self.solver,
            rate,
            l2=self.l2,
            learn_rate_factors=self.rate_factors,
            **self.solver_options,
        )
        # Both change together, so Ctrl-C between any two lines leaves a valid network.
        self.net, self.solver = net.updated(parameters, result.statistics), solver
        row["time"] = time.perf_counter() - self.started
        return row

    def _metrics(self, piece: Piece, result: Any) -> dict[str, float]:
        """Metrics of a mini-batch before the update."""
        found: dict[str, float] = {}
        names = self.metric_names
        by_head = zip(self.heads, piece.targets, self.watch.prefixes, strict=True)
        for k, (head, targets, prefix) in enumerate(by_head):
            if result.outputs is not None:
                rows = self.backend.to_host(result.outputs[k])  # (N, C)
                other = measure_rows(head, rows, targets, self.options.metrics)
                found.update({prefix + name: other[name] for name in names if name in other})
            elif "accuracy" in names and targets.ndim == 1:
                count = piece.counts[k]
                found[f"{prefix}accuracy"] = result.correct[k] / count if count else math.nan
        return found

    def _finish_statistics(self) -> None:
        """Statistics over the whole training set in the place of running ones."""
        watch = self.watch
        if self._wants_statistics():
            others = self.data.sequences, self.options, self.backend, self.world
            self.net = population_statistics(self.net, *others)
            if watch.best_iteration and watch.takes_best():
                watch.best_net = population_statistics(watch.best_net, *others)

    def _wants_statistics(self) -> bool:
        normalizes = any(isinstance(layer, BatchNormalization) for layer in self.net.layers)
        return normalizes and self.options.batch_normalization_statistics != "moving"

    def _add_to_reason(self, what: str) -> None:
        self.reason = f"{self.reason.removesuffix('.')}; {what}."

    def _outcome(self, reason: str) -> tuple[Network, TrainingInfo]:
        """The network that the options ask for, as users see it, and what is told of it."""
        watch = self.watch
        best = watch.takes_best()
        net = watch.shown(watch.best_net if best else self.net)
        iteration = watch.best_iteration if best else self.solver.t
        return net, self._info(reason, iteration)

    def _lend_network(self, error: Any) -> None:
        """Give an error that ends the training the network so far, unless it has one of its own."""
        given = getattr(error, "info", None)
        own = hasattr(error, "network") and not isinstance(given, TrainingInfo)
        if not own and not isinstance(error, DivergedError):
            done = f"{self.solver.t} of {self.total} iterations"
            error.network, error.info = self._outcome(f"{type(error).__name__} after {done}.")
            error.add_note(
                f"The training stopped after {done}; the network so far is `network` of this "
                "error, its history is `info`."
            )

    def _info(self, reason: str, output_iteration: int) -> TrainingInfo:
        rows = min(map(len, self.history.values()))  # Ctrl-C may have come within a row
        history = {
            c: np.array(v[:rows], np.int64 if c in ("iteration", "epoch") else np.float64)
            for c, v in self.history.items()
        }
        seconds = time.perf_counter() - self.started
        lost = self.checkpoints.lost
        if lost:
            many = "1 checkpoint" if lost == 1 else f"{lost} checkpoints"
            reason = f"{reason.removesuffix('.')}; {many} could not be written."
        return TrainingInfo(
            history, reason, output_iteration, seconds, self.backend.name, self.options.seed
        )

    def _check_last_update(self) -> None:
        """Raise if the last update, which no loss follows, made a parameter NaN or infinite."""
        self.net = self.watch.shown(self.net)
        broken = [k for k, p in self.net.parameters.items() if not np.isfinite(p).all()]
        if self.solver.t and broken:
            self._raise_diverged(f"the last update made {broken[0]} infinite")

    def _raise_diverged(self, what: str) -> None:
        iteration, epoch, rate = self.place
        reason = diverged(
            f"{what} in epoch {epoch}, iteration {iteration}",
            self.watch.shown(self.net),
            self.data,
            [loss for loss in self.history["loss"] if math.isfinite(loss)],
            rate,
            float(self.backend.to_host(self.last_norm)),
            self.options.gradient_threshold,
        )
        # The network before the last update is the last whose loss is known to be finite.
        info = self._info(reason[0].upper() + reason[1:], max(0, self.solver.t - 1))
        self.error = DivergedError(reason, self.watch.shown(self.good_net), info)
        raise self.error
