"""What is asked where a column is not clear: the option that answers, and why it is asked.
Each question proposes an answer, so that all of a file can be asked at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minilstm.data.description import DataDescription
from minilstm.data.files.csv_columns import ID_NAMES, listed, usual_column
from minilstm.data.recordings.columns import (
    Array,
    Rows,
    as_numbers,
    as_words,
    bad_cell,
    count_of_values,
    rises,
    run_starts,
)
from minilstm.data.recordings.names import (
    CHANNEL_NAMES,
    COUNTER_NAMES,
    GROUP_NAMES,
    LABEL_NAMES,
    RECORDING_NAMES,
    VALUE_NAMES,
)
from minilstm.data.recordings.times import TIME_NAMES, is_iso

MOST_CLASSES = 20  # different numbers that are taken for classes without being asked for


class Need(NamedTuple):
    """What a file needs so that it can be read: an option, and why."""

    option: str  # such as "fill='linear'"
    reason: str  # a clause, for a sentence that lists several
    sentence: str  # what is said where it is the only need


class Roles(NamedTuple):
    """Which column is what; None where there is none."""

    id: str | None
    time: str | None
    label: str | None
    group: str | None
    targets: tuple[str, ...]
    features: tuple[str, ...]
    channel: str | None
    value: str | None
    unused: tuple[str, ...]


def doubt_of_label(rows: Rows, label: str, header: list[str]) -> list[Need]:
    """What has to be said of numbers that were taken for labels by the name of their column."""
    numbers = as_numbers(rows.columns[label])
    if numbers is None or np.isnan(numbers).all():
        return []
    known = numbers[~np.isnan(numbers)]
    fraction = bool((known != np.round(known)).any())
    many = count_of_values(known, MOST_CLASSES) > MOST_CLASSES
    if label == "y" and not many and (fraction or "x" in header):
        what = "fractions" if fraction else "numbers beside a column 'x'"
        sentence = (
            f"label_column was not given, and the column 'y' of {rows.name} holds {what}, so it "
            "may be a label or a feature: say label_column='y', or label_column='' for a feature"
            + (", or target_columns=['y'] for numbers to be predicted." if fraction else ".")
        )
        option = "target_columns=['y']" if fraction else "label_column='y'"
        return [Need(option, f"'y' holds {what}", sentence)]
    if not many:
        return []  # a fraction among few is refused with its line
    what = "fractions" if fraction else f"more than {MOST_CLASSES} different numbers"
    return [
        Need(
            f"target_columns=[{label!r}]",
            f"{label!r} holds {what}",
            f"the column {label!r} of {rows.name} holds {what}, so it may be numbers to be "
            f"predicted or classes: say target_columns=[{label!r}], or label_column={label!r} for "
            "classes.",
        )
    ]


def ask_for_id(
    rows: Rows, header: list[str], rest: list[str], label: str | None, time: str | None
) -> tuple[str, Need]:
    """The column that may tell recordings apart, and the question."""
    # The only column of numbers is a feature.
    numbers = [c for c in rest if as_numbers(rows.columns[c]) is not None]
    found = [c for c in _possible_ids(rows, rest) if RECORDING_NAMES.fullmatch(c) or [c] != numbers]
    ids = [f"id_column={c!r}" for c in found]
    other = f" other than label_column={label!r}" if label in ID_NAMES else ""
    whole = "say id_column='' where the whole file is one sequence"
    column = "name the column that tells sequences apart"
    sentence = (
        f"id_column was not given, and none of the columns {listed(header)} of {rows.name}"
        f"{other} is called {', '.join(ID_NAMES[:-1])} or {ID_NAMES[-1]}: "
        + (
            f"{column}, such as {' or '.join(ids)}, or {whole}."
            if ids
            else f"{whole}, or {column}."
        )
    )
    best = found[0] if found else ""
    return best, Need(f"id_column={best!r}", "no column is called 'recording'", sentence)


def _possible_ids(rows: Rows, rest: list[str]) -> list[str]:
    """Columns that may name recordings: named so first, then those whose cells stand in runs."""
    found = []
    for column in rest:
        cells = rows.columns[column]
        runs = run_starts(rows.file, cells)
        named = RECORDING_NAMES.fullmatch(column) is not None
        if len(runs) == len(cells) and not named:
            continue
        words = as_words(cells[runs]).tolist()
        numbers = as_numbers(cells)
        together = len(set(words)) == len(runs) and "" not in words
        whole = numbers is None or bool((cells[runs] == np.round(numbers[runs])).all())
        if whole and (named or (together and (numbers is None or len(runs) > 1))):
            person = GROUP_NAMES.fullmatch(column) is not None
            kind = LABEL_NAMES.fullmatch(column) is not None
            found.append((not named, person, kind, numbers is not None, column))
    return [column for *_, column in sorted(found, key=lambda f: f[:-1])]


def questions(
    rows: Rows, roles: Roles, said: DataDescription, rest: list[str], starts: Array
) -> tuple[Roles, list[Need], list[str]]:
    """The columns that are no plain features, and what they may be."""
    needs: list[Need] = []
    dropped: list[str] = []
    long_form = roles.channel is not None
    texts = [c for c in rest if as_numbers(rows.columns[c]) is None]
    values = [c for c in rest if VALUE_NAMES.fullmatch(c) and c not in texts]
    channels = [c for c in texts if CHANNEL_NAMES.fullmatch(c)]
    if not long_form and len(values) == 1 and len(channels) == 1:
        channel, value = channels[0], values[0]
        options = f"channel_column={channel!r} and value_column={value!r}"
        needs.append(_need(rows, options, channel, "seems to name channels"))
        roles, long_form = roles._replace(channel=channel, value=value), True
    out = []
    for c in rest:
        cells = rows.columns[c]
        if c in (roles.channel, roles.value):
            continue
        if GROUP_NAMES.fullmatch(c) and said.group_column is None and roles.group is None:
            needs.append(_need(rows, f"group_column={c!r}", c, "seems to name persons or places"))
            roles = roles._replace(group=c)
        elif c in texts and is_iso(cells):
            if roles.time is None and said.time_column is None:
                needs.append(_need(rows, f"time_column={c!r}", c, "holds times"))
                roles = roles._replace(time=c)
        elif c in texts and bad_cell(cells) is None:
            if roles.label is None and said.label_column is None and not roles.targets:
                needs.append(_need(rows, f"label_column={c!r}", c, "holds text"))
                roles = roles._replace(label=c)
            elif said.id_column == "" and usual_column(ID_NAMES, [c]):
                needs.append(_need(rows, f"id_column={c!r}", c, "holds text"))
            else:
                dropped.append(c)
        elif c not in texts and TIME_NAMES.fullmatch(c) and roles.time is not None:
            continue  # a second one; which one is in use is told
        elif (
            c not in texts and LABEL_NAMES.fullmatch(c) and roles.label is None
            and said.label_column is None and not roles.targets
            and count_of_values(numbers := _numbers(cells), MOST_CLASSES) <= MOST_CLASSES
            and bool((numbers == np.round(numbers)).all())
        ):  # fmt: skip
            needs.append(_need(rows, f"label_column={c!r}", c, "may be the label"))
            roles = roles._replace(label=c)
        elif (
            c not in texts
            and c != said.sort_by
            and said.time_column != ""
            and rises(_numbers(cells), starts)
        ):
            if COUNTER_NAMES.fullmatch(c) and rises(_numbers(cells), starts, counting=True):
                continue  # it is told with the columns that are not used
            if roles.time is None and said.time_column is None:
                needs.append(_need(rows, f"time_column={c!r}", c, "rises as a clock does"))
                roles = roles._replace(time=c)
            else:
                dropped.append(c)
        elif c != said.sort_by:
            out.append(c)
    if dropped:
        needs.append(_need(rows, f"drop={dropped!r}", dropped[0], "is no plain measurement"))
    return roles, needs, [] if long_form else out


def _numbers(cells: Array) -> Array:
    numbers = as_numbers(cells)
    assert numbers is not None  # the caller has looked
    return numbers


def _need(rows: Rows, option: str, column: str, what: str) -> Need:
    """A question about one column."""
    if what in ("rises as a clock does", "may be the label"):
        others = f", or {option.partition('=')[0]}='' where it is a feature"
    elif option.startswith("drop"):
        others = ", or name all features with features="
    else:
        others = f", or drop=[{column!r}]"
    return Need(
        option,
        f"{column!r} {what}",
        f"{rows.name} has the columns {listed(rows.columns)}, but {column!r} {what}: say "
        f"{option}{others}.",
    )
