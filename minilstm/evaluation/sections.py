"""The tables of a report, once for text and for Markdown.
A number that is not defined is written as "-".
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.checks import counted
from minilstm.evaluation.bouts import BoutScore
from minilstm.evaluation.scores import NumberScore, Part
from minilstm.pages import as_page, as_table

_MOST_PARTS = 10  # recordings, or groups, that a table lists
_WIDTH = 98  # letters of a sentence in text
_MOST_CLASSES = 20  # of a confusion matrix in text


class Section(NamedTuple):
    """Sentences, and a table under them."""

    title: str
    sentences: list[str]
    heads: list[str]
    rows: list[list[str]]


def class_sections(report: Any) -> list[Section]:
    """The tables of a `ClassReport`."""
    p = report.predictions
    label, share = report.majority
    sentences = [
        f"accuracy {number(report.accuracy)} of {_sizes(p, report)}",
        f"balanced accuracy {number(report.balanced_accuracy)}, mean F1 {number(report.mean_f1)}",
        f"always saying {label!r}, the most frequent of the {report.majority_of}: accuracy "
        f"{number(share)}",
    ]
    heads = ["class", "precision", "recall", "F1", "support", "AUC", "average precision"]
    rows = [
        [
            f"{c.label}{'' if c.trained else ' (never trained)'}",
            *map(number, (c.precision, c.recall, c.f1)),
            f"{c.support:,}",
            *map(number, (c.auc, c.average_precision)),
        ]
        for c in report.classes
    ]
    sections = [Section("Scores by class", sentences, heads, rows)]
    if len(report.classes) <= _MOST_CLASSES:
        names = [str(c.label) for c in report.classes]
        table = [
            [name, *(f"{n:,}" for n in row)]
            for name, row in zip(names, report.confusion.tolist(), strict=True)
        ]
        sections.append(Section("Confusion", ["true down, predicted across"], ["", *names], table))
    if report.by_group is not None:
        sections.append(_parts("Errors by group", report.by_group, p))
    sections.append(_parts("Errors by recording", report.by_recording, p))
    if report.bouts is not None:
        sections.append(_bouts(report.bouts, "steps" if p.times is None else "s"))
    if report.calibration is not None:
        found = report.calibration
        told = (
            f"expected calibration error {number(found.expected_error)}, Brier score "
            f"{number(found.brier)} (0 is best, 2 worst)"
        )
        sections.append(Section("Calibration", [told], [], []))
    return sections


def number_sections(report: Any) -> list[Section]:
    """The tables of a `NumberReport`."""
    told = [
        f"RMSE {number(report.rmse)}, MAE {number(report.mae)}, R2 {number(report.r2)} of "
        f"{_sizes(report.predictions, report)}",
        "the deviation is the RMSE of always saying the mean of these data",
    ]
    first = _numbers("Scores by response", told, report.responses)
    if report.persistence is not None:
        told.append("the persistence is the RMSE of carrying the last value forward")
        bases = [number(score.rmse) for score in report.persistence]
        rows = [[*row, base] for row, base in zip(first.rows, bases, strict=False)]
        first = first._replace(heads=[*first.heads, "persistence"], rows=rows)
        first = first._replace(sentences=[*told, *first.sentences[len(told) - 1 :]])
    sections = [first]
    if report.by_group is not None:
        sections.append(_numbers("Errors by group", [], report.by_group))
    return [*sections, _numbers("Errors by recording", [], report.by_recording)]


def as_text(sections: Sequence[Section], notes: Sequence[str]) -> str:
    """Sections as plain text, with columns under each other."""
    blocks = []
    for section in sections:
        lines = [line for told in section.sentences for line in textwrap.wrap(told, _WIDTH)]
        if section.heads:
            cells = [section.heads, *section.rows]
            widths = [max(len(row[k]) for row in cells) for k in range(len(section.heads))]
            lines += [_aligned(row, widths) for row in cells]
        blocks.append("\n".join([section.title, *(f"  {line}" for line in lines)]))
    return "\n\n".join([*blocks, *(["Notes\n" + "\n".join(f"  {n}" for n in notes)] * bool(notes))])


def as_markdown(sections: Sequence[Section], notes: Sequence[str]) -> str:
    """Sections as Markdown."""
    lines = ["# Evaluation", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        lines += [f"- {_escaped(told)}" for told in section.sentences]
        lines += [""] * bool(section.sentences)
        if section.heads:
            rule = [":--", *["--:"] * (len(section.heads) - 1)]
            cells = [section.heads, rule, *section.rows]
            lines += ["| " + " | ".join(map(_escaped, row)) + " |" for row in cells] + [""]
    if notes:
        lines += ["## Notes", "", *(f"- {_escaped(note)}" for note in notes), ""]
    return "\n".join(lines)


def as_html(sections: Sequence[Section], notes: Sequence[str]) -> str:
    """Sections as HTML."""
    parts = [
        as_page(s.title, [as_table(s.heads, s.rows)] if s.heads else [], s.sentences)
        for s in sections
    ]
    return as_page("Evaluation", parts, notes)


def number(value: float | None) -> str:
    """Four digits behind the point, or four that matter of a large or tiny number.

    Examples
    --------
    >>> number(0.5), number(None), number(12345.678), number(0.00001234)
    ('0.5000', '-', '1.235e+04', '1.234e-05')
    """
    if value is None:
        return "-"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"


def _sizes(p: Any, report: Any) -> str:
    """What the scores are of, in words."""
    rows = int((p.true >= 0).sum()) if p.classes is not None else len(p.true)
    grouped = "" if p.groups is None else f" of {counted(len(set(p.groups)), 'group')}"
    within = f" in {counted(len(set(p.ids)), 'recording')}" if p.unit == "step" else ""
    return f"{counted(rows, p.unit)}{within}{grouped}"


def _parts(title: str, parts: Sequence[Part], p: Any) -> Section:
    """Errors of the worst recordings or groups."""
    grouped = any(part.group is not None for part in parts)
    labelled = any(part.predicted is not None for part in parts)
    heads = [title.rpartition(" ")[2], *["group"] * grouped, f"{p.unit}s", "errors", "accuracy"]
    rows = [
        [
            part.name,
            *[str(part.group)] * grouped,
            f"{part.rows:,}",
            f"{part.errors:,}",
            number(part.accuracy),
            *[_dash(part.true), _dash(part.predicted)] * labelled,
        ]
        for part in parts[:_MOST_PARTS]
    ]
    known = [part.accuracy for part in parts if part.accuracy is not None]
    told = [f"mean accuracy {number(float(np.mean(known)))}, lowest {number(min(known))}"]
    told += [f"the worst {_MOST_PARTS} of {len(parts):,}"] * (len(parts) > _MOST_PARTS)
    return Section(title, told, [*heads, *["true", "predicted"] * labelled], rows)


def _bouts(bouts: Sequence[BoutScore], unit: str) -> Section:
    told = [
        "a bout is detected where a predicted bout of its class shares at least half of the steps "
        "that either of the two has; missed: none touches it; split: several do; merged: touches "
        "several true ones; spurious: touches none"
    ]
    heads = ["class", "true", "predicted", "detected", "missed", "split", "merged", "spurious"]
    heads += ["precision", "recall", "F1", f"onset ({unit})"]
    rows = [
        [
            "all" if b.label is None else str(b.label),
            *(f"{n:,}" for n in b[1:8]),
            *map(number, b[8:11]),
            "-" if b.onset_delay is None else f"{b.onset_delay:.4g}",
        ]
        for b in bouts
    ]
    return Section("Bouts", told, heads, rows)


def _numbers(title: str, told: list[str], scores: Sequence[NumberScore]) -> Section:
    heads = [title.rpartition(" ")[2], "rows", "RMSE", "MAE", "R2", "mean error", "deviation"]
    rows = [[s.name, f"{s.rows:,}", *map(number, s[2:])] for s in scores[:_MOST_PARTS]]
    told = [*told, *[f"the worst {_MOST_PARTS} of {len(scores):,}"] * (len(scores) > _MOST_PARTS)]
    return Section(title, told, heads, rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """The first cell to the left, the others to the right."""
    cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def _dash(label: Any) -> str:
    return "-" if label is None else str(label)


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
