"""Which column is what: as the description says, by its name, or by asking, never in silence.
A column that is not clear becomes a question with the option that answers it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from minilstm.data.description import DataDescription, did_you_mean
from minilstm.data.files.csv_columns import ID_NAMES, label_names, listed, usual_column
from minilstm.data.recordings.columns import (
    Array,
    Rows,
    as_numbers,
    bad_cell,
    run_starts,
)
from minilstm.data.recordings.names import LABEL_NAMES
from minilstm.data.recordings.questions import Need, Roles, ask_for_id, doubt_of_label, questions
from minilstm.data.recordings.times import SHORT_TIME_NAMES, TIME_NAMES, is_iso
from minilstm.errors import DataError


def roles_of(
    rows: Rows, said: DataDescription, known: Collection[str], one_each: bool
) -> tuple[Roles, list[Need]]:
    """The roles of all columns, and what has to be said of those that are not clear.

    Parameters
    ----------
    rows : of all files
    said : what is known of the columns
    known : columns that are features, whatever else they may be
    one_each : whether a file is one recording where no column is called as an id is

    Returns
    -------
    roles, as they are where every need is met as it proposes; the needs
    """
    header = list(rows.columns)
    _check_names(said, [*header, *rows.gone])
    needs: list[Need] = []
    taken = {said.id_column, said.time_column, said.group_column, said.channel_column}
    taken |= {said.value_column, *(said.target_columns or ()), *(said.features or ()), *said.drop}
    taken |= {*known}
    free = [c for c in header if c not in taken]

    label = said.label_column
    if label is None:
        label = "" if said.target_columns else usual_column(label_names(header), free)
        if label is None:
            texts = [
                c for c in free if LABEL_NAMES.fullmatch(c) and as_numbers(rows.columns[c]) is None
            ]
            label = texts[0] if len(texts) == 1 else None
        if label:
            needs += doubt_of_label(rows, label, header)
    identity = said.id_column
    if identity is None:
        identity = usual_column(ID_NAMES, [c for c in free if c != label])
    rest = [c for c in free if c not in (label, identity)]
    starts = run_starts(rows.file, rows.columns[identity]) if identity else run_starts(rows.file)
    time = said.time_column
    if time is None:
        time = _time_by_name(rows, rest, starts)
        others = [c for c in (*rest, *known, said.value_column) if c not in (time, None)]
        if time is not None and not others:
            time = None if said.features is None else time  # nothing else would be a feature
    rest = [c for c in rest if c != time]
    if identity is None and not one_each:
        identity, found = ask_for_id(rows, header, rest, label, time)
        needs.append(found)
        rest = [c for c in rest if c != identity]
        if identity:
            starts = run_starts(rows.file, rows.columns[identity])
    roles = Roles(
        identity or None, time or None, label or None, said.group_column, said.target_columns or (),
        (), said.channel_column, said.value_column, (),
    )  # fmt: skip
    settled = said.features is not None
    if not settled:
        roles, more, rest = questions(rows, roles, said, rest, starts)
        needs += more
    features = [
        c for c in header
        if c in (said.features or ()) or (not settled and (c in rest or c in known))
    ]  # fmt: skip
    if roles.value is not None:
        features = [roles.value]
    used = {*features, *roles.targets, roles.id, roles.time, roles.label, roles.group}
    used |= {roles.channel}
    unused = tuple(c for c in header if c not in used)
    roles = roles._replace(features=tuple(features), unused=unused)
    _check_one_use(rows, roles, said)
    for c in features:
        _check_numbers(rows, c, roles)
    return roles, needs


def _check_names(said: DataDescription, header: list[str]) -> None:
    """Refuse a column that is not there."""
    one = ("id_column", "time_column", "label_column", "group_column", "channel_column")
    named = [(a, getattr(said, a)) for a in (*one, "value_column", "sort_by")]
    for argument in ("target_columns", "features", "drop"):
        named += [(argument, column) for column in getattr(said, argument) or ()]
    for argument, column in named:
        if column is not None and column not in ("", *header):
            raise DataError(
                f"{argument} is {column!r}, but the columns are {listed(header)}: name one of "
                f"them{did_you_mean(column, header)}."
            )
    for a, b in (("channel_column", "value_column"), ("value_column", "channel_column")):
        if getattr(said, a) and not getattr(said, b):
            raise DataError(
                f"{a} is {getattr(said, a)!r} without {b}, but the long form has both: say {b} as "
                "well."
            )


def _time_by_name(rows: Rows, rest: list[str], starts: Array) -> str | None:
    """The column whose name says time, and whose cells do not speak against it."""
    for column in rest:
        cells = rows.columns[column]
        if TIME_NAMES.fullmatch(column) and (
            as_numbers(cells) is not None or is_iso(cells) or bad_cell(cells) is not None
        ):
            return column
    for column in rest:
        numbers = as_numbers(rows.columns[column])
        if SHORT_TIME_NAMES.fullmatch(column) and numbers is not None and len(numbers) > 1:
            steps = np.diff(numbers) >= 0  # (N - 1,)
            steps[starts[1:] - 1] = True
            if steps.all() and numbers[-1] > numbers[starts[-1]]:
                return column
    return None


def _check_one_use(rows: Rows, roles: Roles, said: DataDescription) -> None:
    """Refuse a column with two uses, and a table without features."""
    uses: dict[str, list[str]] = {}
    named = (("id_column", roles.id), ("time_column", roles.time), ("label_column", roles.label))
    for argument, column in named:
        if column is not None:
            uses.setdefault(column, []).append(argument)
    for argument, columns in (("target_columns", roles.targets), ("features", roles.features)):
        for column in columns:
            uses.setdefault(column, []).append(argument)
    for column, arguments in uses.items():
        if len(arguments) > 1 and set(arguments) != {"time_column", "features"}:
            raise DataError(
                f"{arguments[0]} and {arguments[1]} of {rows.name} are both {column!r}, but a "
                "column has one use: name different ones."
            )
    if roles.label and roles.targets:
        raise DataError(
            f"label_column is {roles.label!r} and target_columns are {list(roles.targets)}, but a "
            "network learns classes or numbers: say one of the two."
        )
    if not roles.features:
        for c in roles.unused:
            if c not in said.drop and as_numbers(rows.columns[c]) is None:
                raise DataError(
                    f"{rows.name} has no column of numbers left for a feature, and {c!r} holds "
                    f"text such as {str(rows.columns[c][0])[:40]!r}: write numbers there, 1 and 0 "
                    "for True and False."
                )
        raise DataError(
            f"path {rows.sources[0]} has the columns {listed(rows.columns)}, but a sequence id "
            "and at least one feature, separated by commas, were wanted: add them, or give "
            "id_column."
        )


def _check_numbers(rows: Rows, column: str, roles: Roles) -> None:
    """Refuse text in a feature, by its line."""
    cells = rows.columns[column]
    if as_numbers(cells) is not None:
        return
    k = bad_cell(cells)
    k = 0 if k is None else k
    text = str(cells[k])
    if all(str(cell[k]) == name for name, cell in rows.columns.items() if cell.dtype.kind == "U"):
        raise DataError(
            f"{rows.place(k)} repeats the header, but numbers were wanted: remove the line."
        )
    advice = "correct or remove the line"
    if re.fullmatch(r"[-+]?\d*,\d+([eE][-+]?\d+)?", text):
        advice = "say decimal=',' where that is the decimal sign, or write it with a point"
    elif "," in text:
        advice = "write it with a point, and with nothing between thousands"
    elif text[:1].isalpha() and text.lower() not in ("inf", "infinity"):
        if roles.id is None:
            advice += f", or say id_column={column!r} where these name the sequences"
        if column.lower() not in ID_NAMES and (roles.label is None or roles.id is not None):
            advice += f", or say label_column={column!r} where these are the labels"
    raise DataError(
        f"{rows.place(k)} has {text!r} in column {column!r}, but a finite number was wanted: "
        f"{advice}."
    )
