"""The report on a network: every score of its predictions for recordings whose answers are known.
It prints as text, and becomes Markdown, JSON or pictures.

Axes: N rows (steps or sequences), C classes, R responses, M recordings.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import counted
from minilstm.evaluation import scores as of
from minilstm.evaluation.bouts import BoutScore, bout_scores
from minilstm.evaluation.curves import Calibration, Curve, calibration, class_curves
from minilstm.evaluation.predictions import Predictions, predict
from minilstm.evaluation.sections import (
    as_html,
    as_markdown,
    as_text,
    class_sections,
    number,
    number_sections,
)
from minilstm.network.network import Network
from minilstm.paths import make_folder


@dataclass(frozen=True)
class Report:
    """What the reports on classes and on numbers share."""

    predictions: Predictions = field(repr=False)
    notes: list[str]  # sentences on what to keep in mind

    def to_plain(self) -> dict[str, Any]:
        """The report for `json.dump`: what is not defined is None, never NaN."""
        raise NotImplementedError

    def to_markdown(self) -> str:
        """The report as a page of Markdown, with a heading for each table."""
        return as_markdown(self._sections(), self.notes)

    def plot(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draw the report into a folder, which is made if it is missing; the files are returned.

        For classes confusion.png, and where scores allow roc.png, precision-recall.png and
        calibration.png; for numbers regression.png, residuals.png and residual-histogram.png.
        Raises ImportError without Matplotlib.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(self._sections(), self.notes)

    def _repr_html_(self) -> str:
        return as_html(self._sections(), self.notes)

    def _sections(self) -> list[Any]:
        raise NotImplementedError

    def _facts(self) -> dict[str, Any]:
        p = self.predictions
        return {
            "unit": p.unit,
            "rows": len(p.true),
            "recordings": len(set(p.ids)),
            "groups": None if p.groups is None else len(set(p.groups)),
        }


@dataclass(frozen=True)
class ClassReport(Report):
    """How well a classifier does.

    Attributes
    ----------
    accuracy : share of rows whose class is right
    balanced_accuracy : mean recall of the classes that occur
    mean_f1 : mean F1 of the classes that occur
    cross_entropy : mean of -log(score of the true class) in nats; None where a class was never
        trained, or scores are no probabilities
    majority : a class, and the accuracy of always saying it: the most frequent of the training
        data where the network's model card knows it, else of these data
    classes : a `ClassScore` each; those that the network was not trained on come last
    confusion : (K, K) rows; true classes down, predicted ones across, in the order of `classes`
    by_recording, by_group : the worst first; None without groups
    bouts : a `BoutScore` for each class and one for all; None for a label a sequence
    calibration, curves : None where scores are no probabilities, or scikit-learn is missing
    """

    accuracy: float
    balanced_accuracy: float
    mean_f1: float
    cross_entropy: float | None
    majority: tuple[Any, float]
    classes: list[of.ClassScore]
    confusion: NDArray[np.int64] = field(repr=False)
    by_recording: list[of.Part] = field(repr=False)
    by_group: list[of.Part] | None = field(repr=False)
    bouts: list[BoutScore] | None = field(repr=False)
    calibration: Calibration | None = field(repr=False)
    curves: list[Curve] | None = field(repr=False)

    @property
    def majority_of(self) -> str:
        """Whose most frequent class `majority` is: "training data" or "evaluation data"."""
        return f"{'evaluation' if self.predictions.usual is None else 'training'} data"

    def to_plain(self) -> dict[str, Any]:
        """The report for `json.dump`: what is not defined is None, never NaN."""
        label, share = self.majority
        return {
            "kind": "classes",
            **self._facts(),
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "mean_f1": self.mean_f1,
            "cross_entropy": self.cross_entropy,
            "majority": {"label": label, "accuracy": share, "of": self.majority_of},
            "classes": _plain(self.classes),
            "confusion": self.confusion.tolist(),
            "by_recording": _plain(self.by_recording),
            "by_group": _plain(self.by_group),
            "bouts": _plain(self.bouts),
            "calibration": _plain(self.calibration),
            "curves": _plain(self.curves),
            "notes": self.notes,
        }

    def plot(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draw confusion, curves and calibration into a folder; see `Report.plot`."""
        from minilstm.plots import evaluation as draw
        from minilstm.plots.confusion import plot_counts

        names = [score.label for score in self.classes]
        drawn = {"confusion.png": plot_counts(self.confusion, names)}
        if self.curves:
            roc = [
                (c.label, c.false_positive_rate, c.true_positive_rate, c.auc) for c in self.curves
            ]
            hits = [(c.label, c.recall, c.precision, c.average_precision) for c in self.curves]
            drawn["roc.png"] = draw.plot_roc(roc)
            drawn["precision-recall.png"] = draw.plot_precision_recall(hits)
        if self.calibration is not None:
            found = self.calibration
            how = found.rows, found.confidence, found.accuracy
            drawn["calibration.png"] = draw.plot_calibration(*how, found.expected_error)
        return _saved(drawn, folder)

    def _sections(self) -> list[Any]:
        return class_sections(self)


@dataclass(frozen=True)
class NumberReport(Report):
    """How far predicted numbers are off.

    Attributes
    ----------
    rmse, mae : over all responses
    r2 : mean over the responses; None where no true numbers vary
    responses : a `NumberScore` for each
    by_recording, by_group : the largest error first; None without groups
    persistence : of a forecast, a `NumberScore` for each response of carrying the last value
        forward; else None
    """

    rmse: float
    mae: float
    r2: float | None
    responses: list[of.NumberScore]
    by_recording: list[of.NumberScore] = field(repr=False)
    by_group: list[of.NumberScore] | None = field(repr=False)
    persistence: list[of.NumberScore] | None = field(default=None, repr=False)

    def to_plain(self) -> dict[str, Any]:
        """The report for `json.dump`: what is not defined is None, never NaN."""
        return {
            "kind": "numbers",
            **self._facts(),
            "rmse": self.rmse,
            "mae": self.mae,
            "r2": self.r2,
            "responses": _plain(self.responses),
            "by_recording": _plain(self.by_recording),
            "by_group": _plain(self.by_group),
            "persistence": _plain(self.persistence),
            "notes": self.notes,
        }

    def plot(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draw predicted against true numbers, and residuals, into a folder; see `Report.plot`."""
        from minilstm.plots import evaluation as draw
        from minilstm.plots.regression import plot_regression

        pair = self.predictions.true, self.predictions.output.astype(np.float64)
        names = [score.name for score in self.responses]
        quantity = names[0] if len(names) == 1 and self.predictions.targets else ""
        drawn = {
            "regression.png": plot_regression(*pair, names=names, quantity=quantity),
            "residuals.png": draw.plot_residuals(*pair, names),
            "residual-histogram.png": draw.plot_residual_histogram(*pair, names),
        }
        return _saved(drawn, folder)

    def _sections(self) -> list[Any]:
        return number_sections(self)


def report(
    net: Network,
    x: Any,
    y: Any,
    *,
    groups: Any = None,
    ids: Any = None,
    times: Any = None,
    ignored_labels: Sequence[str | int] = (),
) -> ClassReport | NumberReport:
    """Judge a network on recordings whose answers are known, from the initial state.

    Parameters
    ----------
    net : trained network with one output, of classes or of numbers
    x : M recordings (T, D), as for `net.predict`
    y : labels, a list of M arrays (T,) or one (M,) array; for a regression numbers (T, R) or
        (M, R). A label that the network was never trained on counts as wrong
    groups : M names (of persons, machines, places), for errors by group; None: no groups
    ids : M names of the recordings; None: 0, 1, ...
    times : M arrays (T,) in seconds, for onset delays in seconds; None: in steps
    ignored_labels : labels that count nowhere, beside those of the network's loss

    Returns
    -------
    `ClassReport` or `NumberReport`

    Raises
    ------
    DataError
        The data do not fit the network, or it has several outputs, or no classes for its scores.

    Examples
    --------
    >>> import minilstm as ml
    >>> layers = [ml.SequenceInput(1), ml.LSTM(2, "last"), ml.FullyConnected(2), ml.Softmax()]
    >>> net = ml.Network(layers, rng=np.random.default_rng(0), classes=["run", "walk"])
    >>> found = report(net, [np.ones((4, 1)), np.zeros((3, 1))], ["walk", "fall"])
    >>> [(score.label, score.trained, score.support, score.recall) for score in found.classes]
    [('run', True, 0, None), ('walk', True, 1, 1.0), ('fall', False, 1, 0.0)]
    """
    return judge(predict(net, x, y, groups, ids, times, ignored_labels))


def judge(predictions: Predictions) -> ClassReport | NumberReport:
    """The report on predictions, which may be those of several networks; see `report`."""
    if predictions.classes is None:
        return _judge_numbers(predictions)
    return _judge_classes(predictions, predictions.classes)


def _judge_classes(p: Predictions, labels: list[Any]) -> ClassReport:
    said = p.output.argmax(axis=1)  # (N,)
    known = p.true >= 0  # (N,)
    true, scores = p.true[known], p.output[known]
    counts = of.confusion(true, said[known], len(labels))
    notes = []
    curves = None
    try:
        curves = class_curves(true, scores, labels)
    except ImportError as error:
        notes.append(str(error))
    areas = {curve.label: (curve.auc, curve.average_precision) for curve in curves or []}
    classes = of.class_scores(counts, labels, p.trained)
    classes = [
        c._replace(auc=areas[c.label][0], average_precision=areas[c.label][1])
        if c.label in areas
        else c
        for c in classes
    ]
    occurring = [c for c in classes if c.support > 0]
    most = max(occurring, key=lambda c: c.support)
    most = next((c for c in classes if c.trained and c.label == p.usual), most)
    strangers = [c for c in occurring if not c.trained]
    notes += [
        f"{c.label!r} was never trained, so it is never right ({counted(c.support, p.unit)})"
        for c in strangers
    ]
    if len(true) < len(p.true):
        left_out = counted(len(p.true) - len(true), p.unit)
        notes.append(f"left out, as without a label: {left_out}")
    calibrated = calibration(true, scores)
    entropy = None
    if calibrated is not None and not strangers:
        own = scores[np.arange(len(true)), true]  # (N,)
        # A score that underflowed to 0 counts as the smallest number there is, not as infinite.
        own = np.maximum(own, np.finfo(own.dtype).tiny).astype(np.float64)
        entropy = float(-np.log(own).mean()) + 0.0
    own, names = _recordings(p)
    alone = p.unit == "sequence" and len(names) == len(p.ids)
    groups = None if p.groups is None else dict(zip(p.ids, p.groups, strict=True))
    by_recording = of.parts_of_classes(p.true, said, own, names, groups, labels if alone else None)
    by_group = None
    if p.groups is not None:
        own, names = _groups(p)
        by_group = of.parts_of_classes(p.true, said, own, names)
    return ClassReport(
        p,
        notes,
        accuracy=float(np.trace(counts) / len(true)),
        balanced_accuracy=of.mean_of([c.recall for c in occurring]) or 0.0,
        mean_f1=of.mean_of([c.f1 for c in occurring]) or 0.0,
        cross_entropy=entropy,
        majority=(most.label, most.support / len(true)),
        classes=classes,
        confusion=counts,
        by_recording=by_recording,
        by_group=by_group,
        bouts=bout_scores(p.true, said, p.lengths, labels, p.times) if p.unit == "step" else None,
        calibration=calibrated,
        curves=curves,
    )


def _judge_numbers(p: Predictions) -> NumberReport:
    true, output = p.true, p.output.astype(np.float64)  # (N, R)
    names = p.targets or [f"response {r + 1}" for r in range(true.shape[1])]
    responses = [of.number_score(n, true[:, r], output[:, r]) for r, n in enumerate(names)]
    r2 = of.mean_of([score.r2 for score in responses])
    by_group, persistence = None, None
    notes = [
        f"{s.name} is predicted no better than by the mean of these data (R2 {number(s.r2)})"
        for s in responses
        if s.r2 is not None and s.r2 <= 0
    ]
    if p.last is not None:
        last = p.last.astype(np.float64)  # (N, R)
        persistence = [of.number_score(n, true[:, r], last[:, r]) for r, n in enumerate(names)]
        notes += [
            f"{s.name} is predicted no better than by its last value (RMSE {number(s.rmse)}, and "
            f"{number(base.rmse)} of the last value)"
            for s, base in zip(responses, persistence, strict=True)
            if s.rmse >= base.rmse
        ]
    if p.groups is not None:
        by_group = of.parts_of_numbers(true, output, *_groups(p))
    errors = output - true
    return NumberReport(
        p,
        notes,
        rmse=float(np.sqrt((errors * errors).mean())),
        mae=float(np.abs(errors).mean()),
        r2=r2,
        responses=responses,
        by_recording=of.parts_of_numbers(true, output, *_recordings(p)),
        by_group=by_group,
        persistence=persistence,
    )


def _recordings(p: Predictions) -> tuple[NDArray[np.int64], list[str]]:
    """The recording of each row, (N,), and the different names: windows of one may share it."""
    names = list(dict.fromkeys(p.ids))
    place = {name: n for n, name in enumerate(names)}
    return np.array([place[name] for name in p.ids])[p.recording], names


def _groups(p: Predictions) -> tuple[NDArray[np.int64], list[str]]:
    """The group of each row, (N,), and the sorted names."""
    names, group = np.unique(p.groups or [], return_inverse=True)
    return group.ravel()[p.recording], names.tolist()


def _saved(drawn: dict[str, Any], folder: str | os.PathLike[str]) -> list[Path]:
    from minilstm.plots.files import save_figure

    to = make_folder(folder, "folder")
    return [save_figure(ax, to / name) for name, ax in drawn.items()]


def _plain(value: Any) -> Any:
    """Named tuples as dicts, arrays as lists, what is not finite as None."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
