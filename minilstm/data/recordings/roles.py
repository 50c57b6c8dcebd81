"""Which column is what: as the description says, by its name, or by asking, never in silence.
A column that is not clear becomes a question with the option that answers it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from minilstm.data.description import DataDescription, did_you_mean
from minilstm.data.files.csv_columns import ID_NAMES, label_names, usual_column
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
from minilstm.data.recordings.times import SHORT_TIME_NAMES, TIME_NAMES, is_iso
from minilstm.errors import DataError

MOST_CLASSES = 20  # different numbers that are taken for classes without being asked for

_GROUP = re.compile(
    r"(?:.*_)?(person|subject|subj|participant|user|patient|proband|volunteer|athlete|driver|animal|"
    r"machine|device|site|group|who)s?(?:[_ ]?(?:id|nr|no|number|name|code))?",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(activity|activities|state|target|condition|event|category|annotation|gesture|action|"
    r"movement|behaviou?r|task|fault|status|(?:.*_)(?:label|class|activity|state|target))",
    re.IGNORECASE,
)
_ID = re.compile(
    r"(id|session|trial|run|file|filename|rec|record|episode|segment|take|bout|window|track|"
    r"measurement|experiment|series|(?:.*_)(?:id|session|trial|run|file|recording|sequence))",
    re.IGNORECASE,
)
# Counters of rows: a column of such a name that counts by one says nothing, and is left out.
_COUNTER = re.compile(r"(step|index|idx|frame|sample|row|counter|count|line|n|nr|no|i)", re.I)
_CHANNEL = re.compile(
    r"(channel|sensor|signal|variable|axis|key|feature|measure|metric|tag|name|quantity|parameter)"
    r"(?:[_ ]?(?:id|name))?",
    re.IGNORECASE,
)
_VALUE = re.compile(r"(value|values|reading|val|measurement)", re.IGNORECASE)


def read_as(name: str) -> str | None:
    """What a column of numbers is taken for by its name alone; None for a feature."""
    if TIME_NAMES.fullmatch(name):
        return "times"
    return "persons" if _GROUP.fullmatch(name) else "labels" if _LABEL.fullmatch(name) else None


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
    _check_names(said, header)
    needs: list[Need] = []
    taken = {said.id_column, said.time_column, said.group_column, said.channel_column}
    taken |= {said.value_column, *(said.target_columns or ()), *(said.features or ()), *said.drop}
    taken |= {*known}
    free = [c for c in header if c not in taken]

    label = said.label_column
    if label is None:
        label = "" if said.target_columns else usual_column(label_names(header), free)
        if label is None:
            texts = [c for c in free if _LABEL.fullmatch(c) and as_numbers(rows.columns[c]) is None]
            label = texts[0] if len(texts) == 1 else None
        if label:
            needs += _doubt_of_label(rows, label, header)
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
        identity, found = _ask_for_id(rows, header, rest, label, time)
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
        roles, more, rest = _questions(rows, roles, said, rest, starts)
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
                f"{argument} is {column!r}, but the columns are {', '.join(header)}: name one of "
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
        if TIME_NAMES.fullmatch(column) and (as_numbers(cells) is not None or is_iso(cells)):
            return column
    for column in rest:
        numbers = as_numbers(rows.columns[column])
        if SHORT_TIME_NAMES.fullmatch(column) and numbers is not None and len(numbers) > 1:
            steps = np.diff(numbers) >= 0  # (N - 1,)
            steps[starts[1:] - 1] = True
            if steps.all() and numbers[-1] > numbers[starts[-1]]:
                return column
    return None


def _doubt_of_label(rows: Rows, label: str, header: list[str]) -> list[Need]:
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


def _ask_for_id(
    rows: Rows, header: list[str], rest: list[str], label: str | None, time: str | None
) -> tuple[str, Need]:
    """The column that may tell recordings apart, and the question."""
    found = _possible_ids(rows, rest)
    ids = [f"id_column={c!r}" for c in found]
    other = f" other than label_column={label!r}" if label in ID_NAMES else ""
    whole = "say id_column='' where the whole file is one sequence"
    column = "name the column that tells sequences apart"
    sentence = (
        f"id_column was not given, and none of the columns {', '.join(header)} of {rows.name}"
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
        named = _ID.fullmatch(column) is not None
        if 2 * len(runs) > len(cells) and not named:
            continue
        words = as_words(cells[runs]).tolist()
        numbers = as_numbers(cells)
        together = len(set(words)) == len(runs) and "" not in words
        whole = numbers is None or bool((cells[runs] == np.round(numbers[runs])).all())
        if whole and (named or (together and (numbers is None or len(runs) > 1))):
            person = _GROUP.fullmatch(column) is not None
            kind = _LABEL.fullmatch(column) is not None
            found.append((not named, person, kind, numbers is not None, column))
    return [column for *_, column in sorted(found, key=lambda f: f[:-1])]


def _questions(
    rows: Rows, roles: Roles, said: DataDescription, rest: list[str], starts: Array
) -> tuple[Roles, list[Need], list[str]]:
    """The columns that are no plain features, and what they may be."""
    needs: list[Need] = []
    dropped: list[str] = []
    long_form = roles.channel is not None
    texts = [c for c in rest if as_numbers(rows.columns[c]) is None]
    values = [c for c in rest if _VALUE.fullmatch(c) and c not in texts]
    channels = [c for c in texts if _CHANNEL.fullmatch(c)]
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
        if _GROUP.fullmatch(c) and said.group_column is None and roles.group is None:
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
            c not in texts and _LABEL.fullmatch(c) and roles.label is None
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
            if _COUNTER.fullmatch(c) and rises(_numbers(cells), starts, counting=True):
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
        f"{rows.name} has the columns {', '.join(rows.columns)}, but {column!r} {what}: say "
        f"{option}{others}.",
    )


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
        raise DataError(
            f"path {rows.sources[0]} has the columns {', '.join(rows.columns)}, but a sequence id "
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
