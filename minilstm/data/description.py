"""One description of a data set: what its columns are and how its files are written.
It is the same in Python, on the command line, in a TOML file and in a model file."""

from __future__ import annotations

import codecs
import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from minilstm.checks import nearest
from minilstm.data.files.checks import check_missing_labels
from minilstm.errors import DataError
from minilstm.paths import check_readable

_CHOICES = {
    "time_unit": ("s", "ms", "us", "ns"),
    "label_per": ("step", "sequence"),
    "decimal": (".", ","),
    "fill": ("error", "previous", "linear", "split"),
    "on_bad_line": ("error", "skip"),
}
_LISTS = ("target_columns", "features", "drop")
_PARTS = re.compile(r"\{(.*?)\}")  # of a pattern of files' names


@dataclass(frozen=True)
class DataDescription:
    """What the columns of a data set are. None, or nothing, means that it was not said.

    Raises
    ------
    DataError
        A field has a value that it cannot have.

    Examples
    --------
    >>> DataDescription(id_column="run", features=["ax", "ay"]).to_plain()
    {'id_column': 'run', 'features': ['ax', 'ay']}
    """

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

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _checked(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> DataDescription:
        """The description that a TOML file holds: a line for each field that it says.

        Names may be those of the command line, such as ``id-column``.

        Raises
        ------
        DataError
            The file is no TOML, or holds what no description has.
        """
        import tomllib

        file = check_readable(path, "path", "TOML file")
        try:
            found = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError(
                f"path {str(file)!r} is not TOML ({error}), but lines such as id_column = 'run' "
                "were wanted: correct it."
            ) from error
        for name in [name for name in found if "-" in name]:
            if name.replace("-", "_") in found:
                raise DataError(
                    f"path {str(file)!r} says {name} and {name.replace('-', '_')}, which are one; "
                    "leave one of them out."
                )
            found[name.replace("-", "_")] = found.pop(name)
        return cls.from_plain(found)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> DataDescription:
        """The description that a dict holds, as `to_plain` gives it."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in plain:
            if name not in names:
                raise DataError(
                    f"a data description has no field {name!r}, but {', '.join(names)}"
                    f"{did_you_mean(name, names)}."
                )
        return cls(**plain)

    def to_plain(self) -> dict[str, Any]:
        """The fields that were said, as JSON and TOML can hold them."""
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in said.items()
            if value is not None and (value != () or name == "missing_labels")
        }

    def over(self, other: DataDescription) -> DataDescription:
        """This description, and that of `other` where this one says nothing."""
        return DataDescription.from_plain({**other.to_plain(), **self.to_plain()})


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """The end of a sentence that offers the name most like a word; "" where none is like it.

    Examples
    --------
    >>> did_you_mean("lable", ["label", "time"])
    "; did you mean 'label'"
    """
    near = nearest(str(word), names, 0.6)
    return "" if near is None else f"; did you mean {near!r}"


def _checked(name: str, value: Any) -> Any:
    """The value of one field, lists as tuples."""
    if value is None or (name == "drop" and value == ()):
        return value
    if name == "missing_labels":
        check_missing_labels(value)
        return tuple(value)
    if name in _LISTS:
        words = isinstance(value, (list, tuple)) and all(isinstance(v, str) and v for v in value)
        if not words or len(set(value)) < len(value) or (not value and name != "drop"):
            raise DataError(
                f"{name} is {value!r}, but a list of different columns was wanted: give "
                f"['ax', 'ay'], say."
            )
        return tuple(value)
    if name in _CHOICES and value not in _CHOICES[name]:
        *most, last = map(repr, _CHOICES[name])
        raise DataError(
            f"{name} is {value!r}, but {', '.join(most)} or {last} was wanted: choose one of them."
        )
    fault = "" if isinstance(value, str) else "text was wanted: give a name"
    known = name != "separator" or value in ("\t", "tab", "\\t")
    if not fault and not known and (len(value) != 1 or value in '"\n'):
        fault = "one letter was wanted: give ',', ';' or a tab"
    if not fault and name == "encoding":
        try:
            codecs.lookup(value)
        except LookupError:
            fault = "the name of an encoding was wanted: give 'utf-8', 'cp1252' or 'utf-16', say"
    if not fault and name == "file_pattern":
        parts = _PARTS.findall(value)
        if not parts or not set(parts) <= {"id", "group", "label"} or len(set(parts)) < len(parts):
            fault = (
                "one or more of {id}, {group} and {label} were wanted, each once, with * for what "
                "does not matter: give '{group}_{label}_*', say"
            )
    if fault:
        raise DataError(f"{name} is {value!r}, but {fault}.")
    return value
