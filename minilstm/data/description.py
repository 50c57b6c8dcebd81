"""One description of a data set: what its columns are and how its files are written.
It is the same in Python, on the command line, in a TOML file and in a model file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataDescription:
    """What the columns of a data set are. None, or nothing, means that it was not said."""

    id_column: str | None = None  # names the recording; "" for one recording a file
    time_column: str | None = None  # "" for none
    time_unit: str | None = None  # of numbers in it: "s", "ms", "us" or "ns"
    label_column: str | None = None  # "" for none
    label_per: str | None = None  # "step" or "sequence"
    target_columns: tuple[str, ...] | None = None  # numbers to be predicted
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    group_column: str | None = None  # the person, machine or place: kept together in every split
    channel_column: str | None = None  # of the long form: the name of the channel
    value_column: str | None = None  # of the long form: its value
    sort_by: str | None = None
    separator: str | None = None  # one letter
    decimal: str | None = None  # "." or ","
    encoding: str | None = None
    sheet: str | None = None  # of a workbook
    file_pattern: str | None = None  # of names of files: {id}, {group}, {label} and * for the rest
    fill: str | None = None  # of gaps: "error", "previous", "linear" or "split"
    missing_labels: tuple[str, ...] | None = None
    on_bad_line: str | None = None  # "error" or "skip"
