"""A gradient report as a table, as JSON and as JUnit XML.
The table is for people, JSON for programs, and JUnit XML for the pages of test servers.

JSON knows no NaN and no infinity. A number that is not finite is written as null, and a second
field beside it, its name followed by "_text", holds "nan", "inf" or "-inf"::

    {"name": "R", "relative_error": null, "relative_error_text": "nan", ...}
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.files import write_atomically
from minilstm.pages import as_page, as_table

FORMAT = "minilstm gradient report 1"
_METHODS = {
    "complex": "the complex step",
    "difference": "central differences",
    "directional, complex": "the complex step along random directions",
    "directional, difference": "central differences along random directions",
}
_DERIVED = ("passed", "verdict", "max_error", "wrong", "undecided")
# What XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(report: Any) -> str:
    """The report as a table, with places and likely causes below what is wrong."""
    errors = report.errors
    width = max([len("array"), *(len(e.name) for e in errors)])
    lines = [f"{'array':<{width}}  {'checked':>7}  {'relative error':>14}  {'allowed':>7}"]
    for e in errors:
        ends = "" if e.passed else f"  {e.verdict.upper()}"
        row = f"{e.name:<{width}}  {e.checked:>7}  {e.relative_error:>14.1e}  {e.tolerance:>7.0e}"
        lines.append(row + ends)
        indent = " " * (width + 2)
        if e.verdict == "wrong" or e.undecided == "cannot be judged":
            lines.append(f"{indent}{_where(e)}: {_both(e, report)}")
            lines += [f"{indent}likely cause: {cause}" for cause in e.causes]
        if e.note:
            lines.append(f"{indent}note: {e.note}")
    return "\n".join([*lines, _sum(report), *_remarks(report)])


def html(report: Any) -> str:
    """The report as a table for notebooks, with what is wrong in bold."""
    heads = ["array", "checked", "relative error", "allowed", "verdict", "where", "likely cause"]
    rows = []
    for e in report.errors:
        where = (
            "" if e.passed or e.undecided == "not tested" else f"{_where(e)}: {_both(e, report)}"
        )
        sizes = f"{e.relative_error:.1e}", f"{e.tolerance:.0e}"
        rows.append([e.name, e.checked, *sizes, e.verdict, where, " ".join([*e.causes, e.note])])
    loud = [n for n, e in enumerate(report.errors) if not e.passed]
    return as_page("Gradients", [as_table(heads, rows, loud)], [_sum(report), *_remarks(report)])


def to_dict(report: Any) -> dict[str, Any]:
    """The report as plain dicts, lists, numbers and words, ready for JSON.

    Returns
    -------
    dict
        "format", the fields of the report, and what it derives from them, such as "passed" and
        "wrong"; so each of its "errors". A number that is not finite is None, beside a "..._text".
    """
    return {"format": FORMAT, **_plain(report)}


def to_json(report: Any, path: str | os.PathLike[str] | None = None) -> str:
    """The report as JSON; numbers that are not finite become null (see the top of this file).

    Parameters
    ----------
    path : a file to write it to as well, whole or not at all

    Raises
    ------
    FileNotFoundError
        The folder of path does not exist.
    """
    return _written(json.dumps(to_dict(report), indent=2, allow_nan=False) + "\n", path)


def to_junit(
    report: Any, name: str = "gradcheck", path: str | os.PathLike[str] | None = None
) -> str:
    """The report as JUnit XML, with one test case for each array.

    A wrong array is a failure that names place, both values, relative error, tolerance and likely
    causes; one that was not tested or cannot be judged is an error, so neither passes. Notes are
    the output of a test case; kinks and notes on the check are that of the suite.

    Parameters
    ----------
    name : of the test suite, such as the name of the function or network
    path : a file to write it to as well, whole or not at all

    Raises
    ------
    FileNotFoundError
        The folder of path does not exist.
    """
    counts = {"tests": len(report.errors), "failures": len(report.wrong)}
    counts["errors"] = len(report.undecided)
    top = element(None, "testsuites", counts)
    suite = element(top, "testsuite", {"name": name, **counts, "skipped": 0})
    properties = element(suite, "properties")
    for field in ("backend", "method", "seed", "forward_passes", "backward_passes"):
        element(properties, "property", {"name": field, "value": getattr(report, field)})
    for e in report.errors:
        case = element(suite, "testcase", {"classname": name, "name": e.name})
        if e.undecided:
            said = [f"the gradient of {e.name}: {e.undecided}"]
            element(case, "error", {"message": said[0], "type": "UndecidedError"}, said)
        elif not e.passed:
            said = [
                f"the gradient of {e.name} is wrong {_where(e)}: {_both(e, report)}",
                f"relative error {e.relative_error:.3g}, tolerance {e.tolerance:.3g}, {e.checked} "
                "entries compared",
                *(f"likely cause: {cause}" for cause in e.causes),
            ]
            element(case, "failure", {"message": said[0], "type": "GradientError"}, said)
        if e.note:
            element(case, "system-out", said=[e.note])
    if remarks := _remarks(report):
        element(suite, "system-out", said=remarks)
    return _written(xml_text(top), path)


def message(report: Any) -> str:
    """One sentence that says what is wrong or left open, for an error."""
    if not report.wrong:
        first = next(e for e in report.errors if e.undecided)
        verb = "was" if first.undecided == "not tested" else "here"
        return (
            f"the gradient of {first.name} {verb} {first.undecided}: {first.note}; neither right "
            f"nor wrong: {', '.join(report.undecided)}."
        )
    first = next(e for e in report.errors if e.verdict == "wrong")
    cause = f", likely cause: {first.causes[0].rstrip('.')}" if first.causes else ""
    return (
        f"the gradient of {first.name} is wrong {_where(first)}: {_both(first, report)} "
        f"(relative error {first.relative_error:.1e}, allowed {first.tolerance:.0e}){cause}; "
        f"wrong arrays: {', '.join(report.wrong)}."
    )


def element(
    parent: ET.Element | None, tag: str, attributes: Mapping[str, Any] | None = None,
    said: Sequence[str] = (),
) -> ET.Element:  # fmt: skip
    """A new XML element at the end of another, with attributes and lines of text."""
    plain = {name: _NOT_XML.sub("?", str(value)) for name, value in (attributes or {}).items()}
    new = ET.Element(tag, plain) if parent is None else ET.SubElement(parent, tag, plain)
    new.text = _NOT_XML.sub("?", "\n".join(said)) or None
    return new


def xml_text(root: ET.Element) -> str:
    """An XML document, indented."""
    ET.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return head + ET.tostring(root, encoding="unicode") + "\n"


def _sum(report: Any) -> str:
    """The verdict, and how it was found."""
    ends = "passed" if report.passed else report.verdict.upper()
    return (
        f"gradients by {report.backend} against {_method(report)}: largest relative error "
        f"{report.max_error:.1e}, {ends}; seed {report.seed}, "
        f"{report.forward_passes} forward and {report.backward_passes} backward passes"
    )


def _where(e: Any) -> str:
    """Where an array is wrong: the index, and what it means."""
    if not e.where:
        return f"at {e.place}" if e.place else "along a random direction"
    return f"at index {e.where}" + (f" ({e.place})" if e.place else "")


def _both(e: Any, report: Any) -> str:
    """Both values, and where the second one comes from."""
    oracle = _method(report).split(" along")[0]
    return f"backward gives {e.by_hand:.12g}, {oracle} {e.reference:.12g}"


def _method(report: Any) -> str:
    return _METHODS.get(report.method, report.method)


def _remarks(report: Any) -> list[str]:
    return [f"kink: {kink}" for kink in report.kinks] + [f"note: {note}" for note in report.notes]


def _plain(value: Any) -> Any:
    """What JSON can hold, the fields of a record by name, and what some records derive."""
    if dataclasses.is_dataclass(value) or hasattr(value, "_asdict"):
        derived = {n: getattr(value, n) for n in _DERIVED if hasattr(value, n)}
        fields = vars(value) if dataclasses.is_dataclass(value) else value._asdict()
        plain: dict[str, Any] = {}
        for key, field in {**derived, **fields}.items():
            plain[key] = _plain(field)
            if isinstance(field, (float, np.floating)) and plain[key] is None:
                plain[f"{key}_text"] = str(float(field))
        return plain
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _written(said: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        write_atomically(Path(path), lambda file: file.write(said.encode()))
    return said
