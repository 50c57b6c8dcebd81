"""The files of a data set: one, several, those of a folder, or those that a pattern of names takes.
The name of a file, or a part of it, may say the recording, the group and the label."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.errors import DataError
from minilstm.paths import as_path

TABLES = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".xlsx")
ARRAYS = (".mat", ".npz", ".ts")
_COUNTED = TABLES[:2] + TABLES[4:] + ARRAYS  # what is taken from a folder; remarks are often .txt


class Source(NamedTuple):
    """A file of a data set, and what its name says."""

    path: str
    name: str  # of the recording where no column names it
    group: str | None = None
    label: str | None = None


def kind_of(path: str) -> str:
    """The ending that says what a file is; ".csv" of a packed "a.csv.gz", and for "-"."""
    if path == "-":
        return ".csv"
    name = path.lower().removesuffix(".gz")
    return os.path.splitext(name)[1]


def sources_of(given: Any, pattern: str | None = None) -> list[Source]:
    """The files that one path, or each of several, stands for.

    Parameters
    ----------
    given : a path: a file, a folder, a pattern with *, or "-" for standard input; or a list of them
    pattern : of the files' names, such as "{group}_{label}_*"

    Raises
    ------
    DataError
        A folder has no file that can be read, a pattern fits no file, or a name not the pattern.
    """
    many = isinstance(given, (list, tuple))
    paths: list[str] = []
    for one in given if many else [given]:
        paths += _expanded(str(as_path(one)))
    if not paths:
        raise DataError("path is an empty list, but at least one file was wanted: name one.")
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise DataError(
            f"path names {min(twice)!r} twice, but each file was wanted once: leave one out."
        )
    kinds = {kind_of(path) in ARRAYS for path in paths}
    if len(kinds) > 1:
        odd = [next(p for p in paths if (kind_of(p) in ARRAYS) == kind) for kind in (False, True)]
        raise DataError(
            f"path names {odd[0]!r} and {odd[1]!r}, but tables and arrays are not read together: "
            "name one kind, such as *.csv."
        )
    alone = not many and paths == [str(as_path(given))]
    names = ["0"] if alone else _names(paths)
    if pattern is None:
        return [Source(path, name) for path, name in zip(paths, names, strict=True)]
    stems = _names(paths)
    found = [_by_pattern(p, pattern, n) for p, n in zip(paths, stems, strict=True)]
    if len({source.name for source in found}) < len(found):  # {id} counts within a group, say
        found = [s._replace(name=stem) for s, stem in zip(found, stems, strict=True)]
    return found


def _expanded(path: str) -> list[str]:
    """The files that one path stands for, in the order of their names."""
    if path != "-" and os.path.isdir(path):
        within = sorted(
            str(p) for p in Path(path).rglob("*")
            if p.is_file() and not any(q.startswith(".") for q in p.relative_to(path).parts)
        )  # fmt: skip
        found = [p for p in within if kind_of(p) in _COUNTED]
        if not found:
            raise DataError(
                f"path {path!r} is a folder of {len(within)} files, none of which is called as a "
                f"file of sequences is ({', '.join(_COUNTED)}): name another folder, or the files."
            )
        return found
    if any(letter in path for letter in "*?[") and not os.path.exists(path):
        found = sorted(p for p in glob(path, recursive=True) if os.path.isfile(p))
        if not found:
            raise DataError(f"path is {path!r}, but no file is called so: check its name.")
        return found
    return [path]


def _names(paths: Sequence[str]) -> list[str]:
    """The stem of each file, with its folders where stems are alike."""
    plain = [Path(path).with_suffix("") if path != "-" else Path("0") for path in paths]
    plain = [p.with_suffix("") if kind_of(p.name) in TABLES else p for p in plain]
    stems = [p.name for p in plain]
    if len(set(stems)) == len(stems):
        return stems
    root = os.path.commonpath([str(p.parent.absolute()) for p in plain])
    names = [Path(os.path.relpath(p.absolute(), root)).as_posix() for p in plain]
    return names if len(set(names)) == len(names) else [str(p) for p in paths]


def _by_pattern(path: str, pattern: str, name: str) -> Source:
    """What a file's name says where it is as a pattern wants it."""
    levels = pattern.strip("/").count("/") + 1
    parts = Path(path).absolute().parts[-levels:]
    stem = "/".join(parts)
    ending = stem[: len(stem) - len(Path(path).name)] + _names([path])[0]
    exact = "".join(
        f"(?P<{piece[1:-1]}>[^/]+?)" if piece[:1] == "{" else "[^/]*" if piece == "*"
        else re.escape(piece)
        for piece in re.split(r"(\{(?:id|group|label)\}|\*)", pattern.strip("/"))
    )  # fmt: skip
    match = re.fullmatch(exact, ending) or re.fullmatch(exact, stem)
    if match is None:
        raise DataError(
            f"{path!r} is not called as file_pattern={pattern!r} wants: rename it, leave it out, "
            "or write * for what does not matter."
        )
    said = match.groupdict()
    return Source(path, said.get("id") or name, said.get("group"), said.get("label"))
