"""From tables to sequences: roles, order, long form, gaps, labels, in this order.
All that has to be asked is asked in one sentence, and nothing is guessed in silence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.data.description import DataDescription
from minilstm.data.files.checks import Sequences, label_array
from minilstm.data.files.csv_columns import ID_NAMES, listed, usual_column
from minilstm.data.recordings.answers import (
    groups_of,
    labels_of,
    need_of_labels,
    one_each,
    targets_of,
)
from minilstm.data.recordings.columns import Array, Rows, as_numbers, joined
from minilstm.data.recordings.facts import facts_of, rate_of
from minilstm.data.recordings.files import Source
from minilstm.data.recordings.gaps import Filled, filled, need_of_gaps
from minilstm.data.recordings.long_form import pivoted
from minilstm.data.recordings.order import Ordered, in_order
from minilstm.data.recordings.questions import Need, Roles
from minilstm.data.recordings.roles import roles_of
from minilstm.data.tables.table import Table
from minilstm.errors import DataError

_SAME_RATE = 1.1  # how many times the usual step of one recording may be that of another
_BLOCK = 4096  # rows


class Read(NamedTuple):
    """Sequences, and where each step of theirs stands in its file."""

    sequences: Sequences
    place: Callable[[int], str]  # of row k of all sequences together


def sequences_of(
    tables: Sequence[Table],
    sources: Sequence[Source],
    said: DataDescription,
    path: str,
    known: Collection[str] = (),
    learned: DataDescription | None = None,
) -> Read:
    """The sequences that tables hold.

    Parameters
    ----------
    tables : one for each file
    sources : the files, with what their names say
    said : what is known of the columns
    path : as the user gave it
    known : features of a network, which are features whatever else they may be
    learned : the description of the data that a network was trained on; what `said` leaves open is
        as it was there, but for columns that these tables do not have

    Raises
    ------
    DataError
        A column is not clear, a line cannot be used, or files do not go together.
    """
    rows = joined(tables, (*said.drop, *(() if learned is None else learned.drop)))
    if learned is not None:
        kept = _kept(learned, rows.columns)
        both = tuple(dict.fromkeys((*said.drop, *kept.drop)))  # one does not undo the other
        said = dataclasses.replace(said.over(kept), drop=both)
    named_group = [s.group or "" for s in sources] if sources[0].group is not None else None
    named_label = [s.label or "" for s in sources] if sources[0].label is not None else None
    if named_label is not None and said.label_column is None:
        said = dataclasses.replace(said, label_column="")
    own_names = any(source.name != "0" for source in sources)
    roles, needs = roles_of(rows, said, known, own_names)
    skip = said.on_bad_line == "skip"
    names = [source.name for source in sources]
    sure = not any(need.option == f"label_column={roles.label!r}" for need in needs)
    shown = roles if sure else roles._replace(label=None)
    found = in_order(rows, shown, said.sort_by, said.time_unit, names, skip)
    needs = _with_order(needs, found.needs)
    if roles.channel is not None:
        found, roles = pivoted(found, roles)
    x = _matrix(found.rows, roles.features)  # (N, D)
    gaps = need_of_gaps(found, roles.features, x)
    if said.fill in (None, "error"):
        needs += gaps
    labels = None
    if roles.label is not None and not any(n.option.startswith("target_col") for n in needs):
        labels = labels_of(found.rows, roles.label, said.missing_labels)
        if said.label_per == "sequence":
            needs += need_of_labels(found, labels)
    if needs:
        raise DataError(_asked(rows, needs))
    done = Filled()
    if gaps:
        before = found
        found, x, done = filled(found, roles.features, x, said.fill or "error")
        if found is not before and labels is not None and roles.label is not None:
            labels = labels_of(found.rows, roles.label, said.missing_labels)
    y, per = _answers(found, roles, labels, said.label_per)
    if labels is None and named_label is not None and not roles.targets:
        y, per = _named_labels(found, named_label, sources, said)
    groups = groups_of(found, roles.group, named_group)
    times = None if found.times is None else _parts(found.times.seconds, found)
    sequences = Sequences(_parts(x, found), y, list(roles.features), found.ids, groups, times)
    rate = rate_of([]) if times is None else rate_of(times)
    facts = facts_of(
        path,
        [source.path for source in sources],
        sequences,
        time_unit=None if found.times is None else found.times.unit,
        rate=rate.hertz,
        irregular=rate.uneven,
        longest_step=rate.longest,
        filled=done.cells,
        cut=done.rows,
        skipped=sum(table.skipped for table in tables) + found.doubled,
        empty_lines=sum(table.empty for table in tables),
        unused=roles.unused,
        told=tuple(_told(found, tables)),
        warnings=tuple(_warnings(found.ids, rate.usual)),
        description=_resolved(said, roles, found, per),
    )
    # Pieces of a recording resemble each other, so they stay together in every split.
    pieces = done.recordings
    sequences = sequences._replace(facts=facts, groups=groups or pieces, recordings=pieces)
    return Read(sequences, found.rows.place)


def _kept(learned: DataDescription, columns: Collection[str]) -> DataDescription:
    """What a network learned of columns, as far as other data have them."""
    plain = learned.to_plain()
    for name, value in learned.to_plain().items():
        if isinstance(value, list) and name != "missing_labels":
            plain[name] = [column for column in value if column in columns] or None
        elif name == "id_column" and value == "" and usual_column(ID_NAMES, list(columns)) is None:
            continue  # one recording a file, as it was
        elif (name.endswith("_column") or name == "sort_by") and value not in columns:
            lost = name == "label_column" and value != ""
            plain[name] = "" if lost else None
    return DataDescription.from_plain({k: v for k, v in plain.items() if v is not None})


def _with_order(needs: list[Need], of_order: list[Need]) -> list[Need]:
    """All needs; where a column is to pair with ids, nothing else is asked of it or of order."""
    pairs = [n for n in of_order if n.option.startswith("group_column='")]
    if not pairs:
        return needs + of_order
    column = pairs[0].option.removeprefix("group_column=").partition(" and ")[0]
    return [n for n in needs if column not in n.option] + pairs


def _asked(rows: Rows, needs: list[Need]) -> str:
    """One sentence for all that is needed."""
    different = list({need.option: need for need in needs}.values())
    if len(different) == 1:
        return different[0].sentence
    return (
        f"{rows.name} has the columns {listed(rows.columns)}, but "
        f"{_and([need.reason for need in different])}: say "
        f"{_and([need.option for need in different])}."
    )


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _matrix(rows: Rows, features: tuple[str, ...]) -> Array:
    """The features, (N, D) float64."""
    x = np.empty((len(rows.lines), len(features)))  # (N, D)
    columns = [as_numbers(rows.columns[name]) for name in features]
    for first in range(0, len(x), _BLOCK):  # so that the rows stay in the cache
        for d, numbers in enumerate(columns):
            assert numbers is not None  # the roles were checked
            x[first : first + _BLOCK, d] = numbers[first : first + _BLOCK]
    return x


def _parts(values: Array, found: Ordered) -> list[Array]:
    """The rows of each recording."""
    ends = [*found.starts[1:].tolist(), len(values)]
    return [values[a:b] for a, b in zip(found.starts.tolist(), ends, strict=True)]


def _answers(
    found: Ordered, roles: Roles, labels: Array | None, label_per: str | None
) -> tuple[Any, str]:
    """Labels or numbers to be predicted, and whose they are."""
    per = "step" if label_per is None else label_per
    if roles.targets:
        values, what = targets_of(found.rows, roles.targets), f"target ({', '.join(roles.targets)})"
    elif labels is not None:
        values, what = labels, "label"
    else:
        return None, per
    return (one_each(found, values, what) if per == "sequence" else _parts(values, found)), per


def _named_labels(
    found: Ordered, words: list[str], sources: Sequence[Source], said: DataDescription
) -> tuple[Any, str]:
    """The labels that the names of the files say: one a sequence where steps were not asked for."""
    whole = label_array(words, lambda k: f"the name of {sources[k].path!r}", said.missing_labels)
    labels = whole[found.rows.file]  # (N,)
    if said.label_per == "step":
        return _parts(labels, found), "step"
    return labels[found.starts], "sequence"


def _told(found: Ordered, tables: Sequence[Table]) -> list[str]:
    """What was found that a user may not expect."""
    told = []
    if found.paired:
        name = next(name for name in found.ids if "/" in name)
        told.append(f"ids repeat over the groups: both name a recording, such as {name!r}")
    if found.spread:
        told.append(
            f"the time stamps of {found.spread:,} recording{'s' * (found.spread > 1)} repeat, a "
            "fixed count each: their rows were spread evenly"
        )
    times = found.times
    if times is not None and times.why == "default" and len(times.seconds) > 1 and not found.spread:
        usual = float(np.median(np.abs(np.diff(times.seconds[:1000]))))
        if usual >= 1 and bool((times.seconds[:1000] == np.round(times.seconds[:1000])).all()):
            told.append("the times were taken for seconds: say time_unit='ms' where they are not")
    recognised = {k: v for t in tables for k, v in t.found.items()}
    if recognised:
        told.append("recognised: " + ", ".join(f"{k} {v!r}" for k, v in recognised.items()))
    return told


def _warnings(ids: list[str], usual: list[float]) -> list[str]:
    """A rate that is not the same in all recordings."""
    known = [(step, name) for step, name in zip(usual, ids, strict=False) if step > 0]
    if not known:
        return []
    (short, fast), (long, slow) = min(known), max(known)
    if long <= _SAME_RATE * short:
        return []
    return [
        f"the rate is not the same in all recordings, {1 / short:.4g} Hz in {fast!r} and "
        f"{1 / long:.4g} Hz in {slow!r}: bring them to one, with rate={1 / long:.4g} say"
    ]


def _resolved(said: DataDescription, roles: Roles, found: Ordered, per: str) -> DataDescription:
    """The description with what was found, by which other data are read the same way."""
    unit = None if found.times is None or found.times.unit == "text" else found.times.unit
    return dataclasses.replace(
        said,
        id_column=roles.id or "",
        time_column=roles.time or "",
        time_unit=unit,
        label_column=roles.label or "",
        label_per=per,
        group_column=roles.group,
        target_columns=roles.targets or None,
        channel_column=roles.channel,
        value_column=roles.value,
    )
