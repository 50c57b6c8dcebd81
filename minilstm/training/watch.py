"""What happens beside the steps of a training: validation and output functions.
It keeps the best network so far, and changes nothing in the training itself."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minilstm.arrays import read_only
from minilstm.backend import Backend
from minilstm.data.stored import lengths_of
from minilstm.functional.ragged import active_counts
from minilstm.logs import log
from minilstm.network.evaluation import measure_outputs, predicted
from minilstm.network.network import Network
from minilstm.network.passes.heads import Head
from minilstm.network.passes.memory import MemoryPlan
from minilstm.network.passes.placement import moved_network
from minilstm.training.batches import TrainingData, cuts
from minilstm.training.history import STEP_COLUMNS
from minilstm.training.options import TrainingOptions


class Progressed(NamedTuple):
    """What `output_fcn` is called with."""

    state: str  # "start", "iteration" or "done"
    epoch: int
    iteration: int
    time_elapsed: float  # seconds
    learn_rate: float
    training_loss: float
    validation_loss: float  # NaN where it was not measured
    metrics: dict[str, float]  # everything else in the row of the history
    network: Network


@dataclass(eq=False)
class Watch:
    """Everything beside the steps of one training, and the best network so far."""

    best_net: Network  # at first the one to start from
    heads: Sequence[Head]
    validation: TrainingData | None
    options: TrainingOptions
    backend: Backend
    predict: Callable[..., Sequence[Any]] = predicted
    best_value: float = math.inf
    best_iteration: int = 0
    unmeasured: bool = False  # whether a validation gave NaN, of which there was a warning
    waited: int = 0  # validations since the best one

    def __post_init__(self) -> None:
        outputs = [self.best_net.layers[head.output].name for head in self.heads]
        # Before the name of a metric: nothing for one output, "OUTPUT/" for several.
        self.prefixes = [f"{name}/" for name in outputs] if len(outputs) > 1 else [""]

    def columns(self) -> list[str]:
        """Columns of the history, in the order of the table."""
        names = [c for metric in self.options.metric_names for c in self.columns_of(metric)]
        validated = ["loss", *names] if self.validation is not None else []
        return [*STEP_COLUMNS, *names, *(f"validation_{name}" for name in validated)]

    def columns_of(self, metric: str) -> list[str]:
        """Columns of a metric: one, or one for each of several outputs."""
        return [prefix + metric for prefix in self.prefixes]

    def shown(self, net: Network) -> Network:
        """A network as users see it: with NumPy arrays."""
        return moved_network(net, self.backend.to_host)

    def _lent(self, net: Network) -> Network:
        """A network for output functions, which share its arrays and must not write into them."""
        net = self.shown(net)
        parts = net.parameters, net.statistics
        return net.updated(*({k: read_only(a) for k, a in part.items()} for part in parts))

    def validate(self, net: Network, iteration: int) -> dict[str, float]:
        """Measure a network, and keep it if it is the best; nothing without validation data."""
        data = self.validation
        if data is None:
            return {}
        given = data.sequences, data.targets, data.weights, self.options.metrics
        result = measure_outputs(net, self.heads, *given, self.predict)
        objective = self.options.objective_metric_name
        value = result[objective if objective in result else self.columns_of(objective)[0]]
        value = -value if self.options.maximizes else value
        if math.isnan(value):  # neither better nor worse
            # A network that is not finite any more ends the training with an error of its own.
            if not self.unmeasured and (iteration == 0 or math.isfinite(result["loss"])):
                self.unmeasured = True
                warnings.warn(_not_measured(objective, iteration), UserWarning, stacklevel=2)
        elif value < self.best_value:
            self.best_value, self.best_net, self.waited = value, net, 0
            log.debug("the validation %s is the best after %d iterations", objective, iteration)
            self.best_iteration = iteration
        else:
            self.waited += 1
        return {f"validation_{key}": v for key, v in result.items()}

    def validates(self, iteration: int, epoch_ends: bool) -> bool:
        """Whether there is a validation after this iteration."""
        every = self.options.validation_frequency
        return epoch_ends if isinstance(every, str) else iteration % every == 0

    def takes_best(self) -> bool:
        """Whether the training gives back the best network in the place of the last."""
        options = self.options
        if self.best_value == math.inf:  # there is none
            return False
        if options.output_network == "auto":
            return self.validation is not None and options.objective_metric_name != "loss"
        return options.output_network == "best-validation"

    def call_output_functions(self, state: str, row: dict[str, float], net: Network) -> bool:
        """Call every output function; whether one of them wants to stop."""
        functions: Any = self.options.output_fcn
        if not functions:
            return False
        usual = (*STEP_COLUMNS, "validation_loss")
        progressed = Progressed(
            state,
            int(row.get("epoch", 0)),
            int(row.get("iteration", 0)),
            row.get("time", 0.0),
            row.get("learning_rate", math.nan),
            row.get("loss", math.nan),
            row.get("validation_loss", math.nan),
            {k: v for k, v in row.items() if k not in usual},
            self._lent(net),
        )
        return any([bool(function(progressed)) for function in functions])

    def preface(self, net: Network, data: TrainingData, note: str) -> str:
        """Lines above the table: what the loss is divided by, the memory, and a note."""
        losses = "; ".join(
            f"{prefix}{head.loss.name}, {head.loss.normalization}"
            for prefix, head in zip(self.prefixes, self.heads, strict=True)
        )
        padding = self.options.sequence_length
        counts = "cut to the shortest" if padding == "shortest" else "padding counts"
        how = "" if padding == "ragged" else f" (sequence_length {padding!r}: {counts})"
        plan = str(self._largest_plan(net, data))
        return "\n".join([f"loss: {losses}{how}", plan, *([note] if note else [])])

    def _largest_plan(self, net: Network, data: TrainingData) -> MemoryPlan:
        """The plan of the mini-batch that needs the most memory."""
        options = self.options
        lengths = lengths_of(data.sequences[0])  # (B,)
        plans = []
        for chosen in cuts(np.arange(len(lengths)), options):
            steps = -np.sort(-lengths[chosen])  # of this mini-batch, longest first
            if options.sequence_length != "ragged":
                same = steps[-1] if options.sequence_length == "shortest" else steps[0]
                if not isinstance(options.sequence_length, str):
                    same = options.sequence_length
                steps = np.full(len(steps), same, np.int64)
            how = options.memory_budget, options.bptt_truncation, self.backend
            plans.append(net.plan_memory(active_counts(steps), *how))
        return max(plans, key=lambda plan: plan.kept + plan.used)


def _not_measured(objective: str, iteration: int) -> str:
    return (
        f"the validation {objective} is NaN after {iteration} iterations; such a validation "
        "chooses no network and does not count for validation_patience: give validation_data of "
        "which it can be computed, or another objective_metric_name."
    )
