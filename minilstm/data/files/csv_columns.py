"""Which column of a .csv file is taken for what, by its name or as the user says.
Reader and writer ask here, so what is written for a feature is not read as a label.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from minilstm.data.files.checks import finite_number
from minilstm.data.files.csv_text import Record
from minilstm.errors import DataError

# The names by which a column is taken without being asked for, in this order.
ID_NAMES = ("sequence", "sequence_id", "recording", "recording_id")
LABEL_NAMES = ("label", "class", "y")


class Columns(NamedTuple):
    """Which column of a file was taken for what; None where there is none."""

    id: str | None
    label: str | None
    features: list[str]
    lines: Sequence[int] = ()  # N numbers of the lines of the steps
    empty: int = 0  # lines of empty cells alone, which were skipped


def columns_of(
    name: str,
    header: list[str],
    id_column: str | None = None,
    label_column: str | None = None,
    records: Iterable[Record] = (),
    known: Collection[str] = (),
) -> Columns:
    """Which columns are the id, the label and the features; those of `known` are features.

    `records` are read for advice only.
    """
    for argument, column in (("id_column", id_column), ("label_column", label_column)):
        if column is not None and column not in ("", *header):
            raise DataError(
                f"{argument} is {column!r}, but the columns are {', '.join(header)}: name one of "
                "them."
            )
    if label_column is None:
        usual = LABEL_NAMES[:2] if "z" in header else LABEL_NAMES
        label_column = _usual(usual, header, {id_column, *known}) or ""
    if id_column is None:
        id_column = _usual(ID_NAMES, header, {label_column, *known})
    if id_column is None:
        ids = [f"id_column={c!r}" for c in _possible_ids(header, {label_column, *known}, records)]
        other = f" other than label_column={label_column!r}" if label_column in ID_NAMES else ""
        whole = "say id_column='' where the whole file is one sequence"
        column = "name the column that tells sequences apart"
        raise DataError(
            f"id_column was not given, and none of the columns {', '.join(header)} of {name}"
            f"{other} is called {', '.join(ID_NAMES[:-1])} or {ID_NAMES[-1]}: "
            + (
                f"{column}, such as {' or '.join(ids)}, or {whole}."
                if ids
                else f"{whole}, or {column}."
            )
        )
    features = [c for c in header if c not in (id_column, label_column)]
    if not features or (id_column == label_column != ""):
        raise DataError(
            f"path {name} has the columns {', '.join(header)}, but a sequence id and at "
            "least one feature, separated by commas, were wanted: add them, or give id_column."
        )
    found_id, found_label = (None if c == "" else c for c in (id_column, label_column))
    return Columns(found_id, found_label, features)


def _usual(usual: Sequence[str], header: list[str], taken: Collection[str | None]) -> str | None:
    """The column that has one of the usual names; a word counts in capitals as well."""
    free = [c for c in header if c not in taken]
    alike = {c.lower(): c for c in reversed(free) if len(c) > 1}
    exact = (c for c in usual if c in free)
    return next(exact, next((alike[c] for c in usual if c in alike), None))


def _possible_ids(
    header: list[str], taken: Collection[str], records: Iterable[Record]
) -> list[str]:
    """The columns whose cells stand together in runs, as names of sequences do, text first."""
    rows = [cells for _, cells in islice(records, 1000) if len(cells) == len(header)]
    found = []
    for k, column in enumerate(header):
        cells = [row[k] for row in rows]
        runs = [cell for cell, _ in groupby(cells)]
        together = len(set(runs)) == len(runs) < len(cells) and "" not in runs
        numbers = [finite_number(cell) for cell in runs]
        text = None in numbers
        fraction = any(value is not None and value % 1 for value in numbers)
        if column not in taken and together and not fraction and (text or len(runs) > 1):
            found.append((not text, column))
    return [column for _, column in sorted(found, key=itemgetter(0))]
