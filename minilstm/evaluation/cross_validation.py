"""Cross-validation: a network for each split, judged on the recordings that it has not seen.
What trains is handed in as a function, since this room knows networks but no training."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.evaluation.predictions import pool, predict
from minilstm.evaluation.report import ClassReport, judge
from minilstm.evaluation.sections import Section, as_text, number
from minilstm.evaluation.splits import Split
from minilstm.network.network import Network


class CrossValidation(NamedTuple):
    """The reports of all folds, and one on all their held-out predictions together."""

    folds: list[Any]
    pooled: Any

    def __str__(self) -> str:
        names = ["accuracy", "balanced_accuracy", "mean_f1"]
        names = names if isinstance(self.pooled, ClassReport) else ["rmse", "mae", "r2"]
        values = [[getattr(fold, name) for name in names] for fold in self.folds]
        rows = [[str(f + 1), *map(number, row)] for f, row in enumerate(values)]
        columns = [[v for v in column if v is not None] for column in zip(*values, strict=True)]
        for word, of in (("mean", np.mean), ("standard deviation", np.std)):
            rows.append([word, *(number(float(of(c)) if c else None) for c in columns)])
        heads = ["fold", *(re.sub("_", " ", name) for name in names)]
        told = as_text([Section("Scores by fold", [], heads, rows)], [])
        return f"{told}\n\nAll held-out predictions together\n\n{self.pooled}"


def cross_validate(
    fit: Callable[[Any, Any], Network],
    x: Sequence[Any],
    y: Any,
    folds: Sequence[Split],
    *,
    groups: Sequence[Any] | None = None,
    ids: Sequence[Any] | None = None,
    times: Sequence[Any] | None = None,
    ignored_labels: Sequence[str | int] = (),
) -> CrossValidation:
    """Train a network for each split, and judge it on the recordings held out.

    With ``ml.train``::

        fit = lambda x, y: ml.train(x, y, layers, options=options)[0]
        cross_validate(fit, x, y, k_fold(len(x), 5, groups=people), groups=people)

    Parameters
    ----------
    fit : called with the recordings and the answers that train; returns a network
    x : M recordings (T, D)
    y : labels or numbers: a list of M arrays (T,) or (T, R), or one array (M,) or (M, R)
    folds : what `k_fold`, `leave_one_group_out` or `split_share` gave
    groups, ids, times, ignored_labels : as for `minilstm.evaluation.report`, of all M recordings

    Returns
    -------
    CrossValidation

    Examples
    --------
    >>> import minilstm as ml
    >>> from minilstm.evaluation import leave_one_group_out
    >>> x, y = [np.full((4, 1), v) for v in (1.0, -1.0, 2.0, -2.0)], ["up", "down"] * 2
    >>> layers = [ml.SequenceInput(1), ml.LSTM(2, "last"), ml.FullyConnected(2), ml.Softmax()]
    >>> how = ml.TrainingOptions(max_epochs=200, initial_learn_rate=0.05, verbose=False)
    >>> fit = lambda x, y: ml.train(x, y, layers, options=how)[0]
    >>> found = cross_validate(fit, x, y, leave_one_group_out(["ann", "ann", "bob", "bob"]))
    >>> [fold.accuracy for fold in found.folds], found.pooled.accuracy
    ([1.0, 1.0], 1.0)
    """
    names = [str(m) for m in range(len(x))] if ids is None else ids
    reports = []
    for train, test in folds:
        net = fit(_chosen(x, train), _chosen(y, train))
        held, true, of, named, clock = (_chosen(v, test) for v in (x, y, groups, names, times))
        reports.append(judge(predict(net, held, true, of, named, clock, ignored_labels)))
    return CrossValidation(reports, judge(pool([report.predictions for report in reports])))


def _chosen(values: Any, numbers: Any) -> Any:
    """Some of the recordings, in the form in which all came."""
    if values is None or isinstance(values, np.ndarray):
        return None if values is None else values[numbers]
    values = list(values)
    return [values[i] for i in numbers]
