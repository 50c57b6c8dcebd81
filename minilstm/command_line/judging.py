"""How a training is judged: on a test, on what was held out, or fold by fold; and the report files.
What trains is handed in, so this page knows no training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilstm.command_line.material import Material, part_of
from minilstm.evaluation import ClassReport, CrossValidation, judge, pool, report
from minilstm.evaluation.predictions import predict
from minilstm.files import write_atomically
from minilstm.network.network import Network

REPORTS = ("report.md", "report.json")
PICTURES = {
    True: ("confusion.png", "roc.png", "precision-recall.png", "calibration.png"),
    False: ("regression.png", "residuals.png", "residual-histogram.png"),
}  # of classes, and of numbers


class Judged(NamedTuple):
    """A report, and what it is of."""

    whose: str  # "test" or "held-out"
    report: Any
    text: str  # for people
    plain: dict[str, Any]  # for scripts
    scores: dict[str, float]  # by name


def judge_test(net: Network, material: Material) -> Judged | None:
    """The report on the test; None without one."""
    test = material.test
    if test is None:
        return None
    how = {"groups": test.groups, "ids": test.recordings or test.ids, "times": test.times}
    found = report(net, test.x, test.y, ignored_labels=material.ignored, **how)
    return Judged("test", found, str(found), found.to_plain(), scores_of(found))


def judge_folds(
    fit: Callable[[Any], Network], material: Material, options: argparse.Namespace
) -> Judged | None:
    """The report on all that was left out in turn, by networks that never saw it."""
    data, found, told = material.data, [], []
    if not material.folds:
        return None
    for k, (train, test) in enumerate(material.folds):
        held = part_of(data, test)
        whose = sorted(set(held.groups or [])) if options.leave_one_group_out else []
        named = f" without {whose[0]!r}" if whose else ""
        if not options.quiet:
            counts = f"{len(train)} sequences train, {len(test)} test"
            print(f"fold {k + 1} of {len(material.folds)}{named}: {counts}", flush=True)
        net = fit(part_of(data, train))
        names = held.recordings or held.ids
        how = held.groups, names, held.times, material.ignored
        found.append(judge(predict(net, held.x, held.y, *how)))
        told.append({"test": whose or [*dict.fromkeys(names)], **scores_of(found[-1])})
    every = pool([one.predictions for one in found])
    if every.classes is not None:  # all of them train the network that is saved
        often = np.bincount(every.true[every.true >= 0], minlength=every.trained)  # (K,)
        every = every._replace(usual=every.classes[int(often[: every.trained].argmax())])
    pooled = judge(every)
    text = str(CrossValidation(found, pooled))
    plain = {**pooled.to_plain(), "folds": told}
    return Judged("held-out", pooled, text, plain, scores_of(pooled))


def scores_of(found: Any) -> dict[str, float]:
    """The scores of a report that stand in one line, without those that are not defined."""
    names = {"rmse": "rmse", "mae": "mae", "r2": "r2"}
    if isinstance(found, ClassReport):
        names = {name: name for name in ("accuracy", "balanced_accuracy")}
        names["loss"] = "cross_entropy"
    scores = {name: getattr(found, attribute) for name, attribute in names.items()}
    return {name: value for name, value in scores.items() if value is not None}


def card_scores(judged: Judged) -> dict[str, Any]:
    """What a model card says of a report."""
    by_class = {}
    if isinstance(judged.report, ClassReport):
        for one in judged.report.classes:
            measured = {"precision": one.precision, "recall": one.recall, "f1": one.f1}
            by_class[str(one.label)] = {**measured, "support": one.support}
    more = {"by_class": by_class} if by_class else {}
    return {"measured_on": judged.whose, **judged.scores, **more}


def write_report(judged: Judged, folder: Path, draw: bool) -> list[Path]:
    """Write the report into a folder that exists, with pictures where they can be drawn."""
    page = f"# {judged.whose.capitalize()} data\n\n{judged.report.to_markdown()}"
    if "folds" in judged.plain:
        page += "\n" + _folds_page(judged.plain["folds"])
    paths = [folder / name for name in REPORTS]
    texts = [page, json.dumps(judged.plain, indent=1) + "\n"]
    for path, text in zip(paths, texts, strict=True):
        write_atomically(path, partial(_write, text))
    return [*paths, *(judged.report.plot(folder) if draw else [])]


def _write(text: str, file: Any) -> None:
    file.write(text.encode())


def _folds_page(folds: list[dict[str, Any]]) -> str:
    """A table of the folds as Markdown."""
    names = list(dict.fromkeys(name for fold in folds for name in fold if name != "test"))
    rows = [["fold", "tested on", *names], ["---"] * (len(names) + 2)]
    for k, fold in enumerate(folds):
        shown = ", ".join(map(str, fold["test"][:6])) + (", ..." if len(fold["test"]) > 6 else "")
        rows.append([str(k + 1), shown, *(f"{fold[n]:.4f}" if n in fold else "-" for n in names)])
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"## Scores by fold\n\n{table}"
