"""What the history of a training shows, and what may help: each hint is one sentence.
A hint is a guess about the next training, never about the numbers of this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.stored import lengths_of
from minilstm.functional.sequence_input import statistics
from minilstm.training.batches import TrainingData, label_counts
from minilstm.training.options import TrainingOptions

Array = NDArray[Any]
_FEW_UPDATES = 1000  # so many are enough, whatever an epoch is
_FAR_MEAN, _FAR_DEVIATION = 3.0, 10.0  # of a feature
_FEW_STEPS = 100_000  # that may be copied to look at them
_EPOCHS = 10  # of fewer no course is told


def find_hints(
    options: TrainingOptions,
    history: Mapping[str, Array],
    per_epoch: int,
    classes: Any,
    data: TrainingData,
    validation: TrainingData | None,
    plain: Sequence[tuple[int, Sequence[str] | None]] = (),
) -> tuple[str, ...]:
    """The hints of one training, the weightiest first.

    Parameters
    ----------
    options, history, classes, data, validation : of the training
    per_epoch : iterations of an epoch
    plain : inputs of vectors that are not normalized: their numbers, and names of their features

    Examples
    --------
    >>> losses = np.linspace(1, 0.5, 20)
    >>> history = {"iteration": np.arange(1, 21), "epoch": np.arange(1, 21), "loss": losses}
    >>> data = TrainingData([[np.zeros((9, 1))] * 2], [[np.zeros(9, int)] * 2], [None], [None])
    >>> for hint in find_hints(TrainingOptions(max_epochs=20), history, 1, None, data, None):
    ...     print(hint)
    Every epoch was one update, as the mini-batch takes all 2 sequences; set mini_batch_size=1 \
for more updates an epoch.
    The loss was still falling at the end, from 0.579 to 0.5 over the last 4 epochs; set a \
larger max_epochs.
    """
    if not len(history["loss"]):
        return ()
    return (
        *_accuracy(history, classes, data, validation),
        *_numbers(history, classes, data, validation),
        *_updates(options, per_epoch, len(data)),
        *_validation(options, history),
        *_scales(data, plain),
        *_course(options, history),
    )


def _accuracy(
    history: Mapping[str, Array], classes: Any, data: TrainingData, validation: TrainingData | None
) -> Iterator[str]:
    """Where the network says no more than the most frequent class."""
    column, judged = "accuracy", data
    if validation is not None:
        column, judged = "validation_accuracy", validation
    if column not in history or not isinstance(classes, np.ndarray) or len(judged.targets) > 1:
        return
    measured = history[column][history["epoch"] == history["epoch"][-1]]
    measured = measured[~np.isnan(measured)]
    targets = judged.targets[0]
    if not len(measured) or targets[0].ndim > 1 or len(classes) < 2:
        return
    counts = label_counts(targets, len(classes))  # (C,)
    accuracy, most = float(measured.mean()), float(counts.max() / counts.sum())
    if accuracy <= most < 1:
        name = column.replace("_", " ")
        yield (
            f"The {name} is {accuracy:.3f}, but always to say {classes[counts.argmax()].item()!r} "
            f"gives {most:.3f}; train for more epochs, or try another initial_learn_rate or "
            "normalization='zscore'."
        )


def _numbers(
    history: Mapping[str, Array], classes: Any, data: TrainingData, validation: TrainingData | None
) -> Iterator[str]:
    """Where numbers are predicted no better than by their mean."""
    column, whose, judged = "rmse", "training", data
    if validation is not None:
        column, whose, judged = "validation_rmse", "validation", validation
    if column not in history or classes is not None or len(judged.targets) > 1:
        return
    measured = history[column][history["epoch"] == history["epoch"][-1]]
    measured = measured[~np.isnan(measured)]
    targets = _together(judged.targets[0])  # arrays (N, R)
    spread = float(np.square(statistics(targets, "channel", "zscore")["standard_deviation"]).mean())
    if not len(measured) or spread == 0:
        return
    explained = 1.0 - float((measured**2).mean()) / spread
    if explained <= 0:
        yield (
            f"The {whose} numbers are predicted no better than by their mean (R2 {explained:.3f}); "
            "train for more epochs, or try another initial_learn_rate or normalization='zscore'."
        )


def _scales(data: TrainingData, plain: Sequence[tuple[int, Sequence[str] | None]]) -> Iterator[str]:
    """The feature that is furthest from mean 0 and deviation 1, where that is far."""
    for k, names in plain:
        x = _together(data.sequences[k])  # arrays (N, D)
        mean, deviation = statistics(x, "channel", "zscore").values()  # (D,) each
        d = int(np.argmax(np.maximum(abs(mean) / _FAR_MEAN, deviation / _FAR_DEVIATION)))
        if abs(mean[d]) > _FAR_MEAN or deviation[d] > _FAR_DEVIATION:
            name = names[d] if names else d + 1
            yield (
                f"The feature {name!r} has the mean {mean[d]:.3g} and the "
                f"standard deviation {deviation[d]:.3g}, and nothing normalizes it; train with "
                "normalization='zscore'."
            )


def _together(arrays: Sequence[Array]) -> Sequence[Array]:
    """Few steps as one array, as many short sequences are slow one by one."""
    few = lengths_of(arrays).sum() <= _FEW_STEPS
    return [np.concatenate(arrays)] if few else arrays


def _updates(options: TrainingOptions, per_epoch: int, count: int) -> Iterator[str]:
    if per_epoch == 1 < count and options.max_epochs < _FEW_UPDATES:
        yield (
            f"Every epoch was one update, as the mini-batch takes all {count} sequences; set "
            f"mini_batch_size={max(1, count // 8)} for more updates an epoch."
        )


def _validation(options: TrainingOptions, history: Mapping[str, Array]) -> Iterator[str]:
    """Where a network on the way was better than the one that was kept."""
    losses = history.get("validation_loss", np.empty(0))
    measured = np.flatnonzero(np.isfinite(losses))
    kept_best = options.output_network == "best-validation"
    if len(measured) < 3 or kept_best or options.objective_metric_name != "loss":
        return
    best, last = measured[losses[measured].argmin()], measured[-1]
    if losses[last] > 1.1 * losses[best]:
        yield (
            f"The validation loss was lowest after iteration {history['iteration'][best]}, "
            f"{losses[best]:.3g}, and is {losses[last]:.3g} at the end; set "
            "output_network='best-validation' to keep that network."
        )


def _course(options: TrainingOptions, history: Mapping[str, Array]) -> Iterator[str]:
    """Where the loss still falls, or has not fallen for long."""
    known = np.isfinite(history["loss"])
    epochs = history["epoch"][known]
    done = int(epochs[-1]) if len(epochs) else 0
    counts = np.bincount(epochs)[1:]  # (E,) iterations
    if done < max(_EPOCHS, options.max_epochs) or not counts.all():  # something stopped it
        return
    losses = np.bincount(epochs, history["loss"][known])[1:] / counts  # (E,) mean of each epoch
    k = max(2, done // 5)  # a fifth
    before, after = float(losses[-2 * k : -k].mean()), float(losses[-k:].mean())
    if losses[-1] < 0.95 * losses[-k]:
        if not np.any(history.get("accuracy", np.zeros(1))[-1:] == 1):
            yield (
                f"The loss was still falling at the end, from {losses[-k]:.3g} to "
                f"{losses[-1]:.3g} over the last {k} epochs; set a larger max_epochs."
            )
    elif after >= 0.999 * before and losses[-k:].min() >= losses[:-k].min():
        best = int(losses.argmin()) + 1
        yield (
            f"The loss has not fallen since epoch {best} of {done}; fewer epochs do, or try a "
            "lower initial_learn_rate or learn_rate_schedule='piecewise'."
        )
