"""The long form: a line for each time and channel, turned into a row for each time.
A value that is there twice is an error; one that is missing is a gap."""

from __future__ import annotations

import numpy as np

from minilstm.data.files.csv_columns import listed
from minilstm.data.recordings.columns import Array, Rows, as_numbers, as_words, factorized
from minilstm.data.recordings.order import Ordered
from minilstm.data.recordings.questions import Roles
from minilstm.errors import DataError


def pivoted(found: Ordered, roles: Roles) -> tuple[Ordered, Roles]:
    """A row for each recording and time; the channels are the features, in their first order.

    Parameters
    ----------
    found : rows in the order of recording and time
    roles : with a channel and a value column
    """
    rows, starts, times = found.rows, found.starts, found.times
    assert roles.channel is not None and roles.value is not None
    if times is None:
        raise DataError(
            f"{rows.name} has a line for each channel but no time, so nothing tells which lines "
            f"belong together: say time_column= with one of {listed(rows.columns)}."
        )
    names, channel, _ = factorized(as_words(rows.columns[roles.channel]))  # codes (N,)
    order = np.argsort(rows.lines, kind="stable") if len(rows.sources) == 1 else None
    if order is not None:  # channels in the order in which the file names them
        names = factorized(as_words(rows.columns[roles.channel])[order])[0]
        rank = {name: k for k, name in enumerate(names.tolist())}
        words = as_words(rows.columns[roles.channel])
        values, codes, _ = factorized(words)
        channel = np.array([rank[v] for v in values.tolist()])[codes]
    new = np.diff(times.seconds, prepend=np.nan) != 0  # (N,) a time begins
    new[starts] = True
    step = np.cumsum(new) - 1  # (N,) the row that a line goes to
    values_in = as_numbers(rows.columns[roles.value])
    assert values_in is not None  # the roles were checked
    cell = step * len(names) + channel
    order = np.argsort(cell, kind="stable")
    twice = np.flatnonzero(np.diff(cell[order]) == 0)
    if twice.size:
        first, k = sorted(int(order[n]) for n in (twice[0], twice[0] + 1))
        raise DataError(
            f"{rows.place(k)} has channel {str(names[channel[k]])!r} at a time that line "
            f"{rows.lines[first]} has already, but each channel was wanted once a time: remove one "
            "of the two lines, or name the column that tells recordings apart with id_column=."
        )
    table: Array = np.full(((step[-1] + 1), len(names)), np.nan)
    table.ravel()[cell] = values_in
    heads = np.flatnonzero(new)  # the first line of each time
    for column in (roles.label, roles.group, *roles.targets):
        if column is not None:
            _check_same(rows, column, step, heads)
    kept = rows.taken(heads)
    columns = {**kept.columns, **{name: table[:, k] for k, name in enumerate(names.tolist())}}
    return (
        found._replace(
            rows=kept._replace(columns=columns),
            starts=step[starts],
            times=times._replace(seconds=times.seconds[heads]),
        ),
        roles._replace(features=tuple(names.tolist())),
    )


def _check_same(rows: Rows, column: str, step: Array, heads: Array) -> None:
    """Refuse two values of a column at one time."""
    words = as_words(rows.columns[column])
    odd = np.flatnonzero(words != words[heads][step])
    if odd.size:
        k = int(odd[0])
        raise DataError(
            f"{rows.place(k)} has {str(words[k])!r} in column {column!r}, but line "
            f"{rows.lines[heads[step[k]]]} has {str(words[heads[step[k]]])!r} at the same time: "
            "make them equal."
        )
