"""Paths that users hand in: one gate for every function that reads or writes a file.
Whatever cannot be used is refused in one sentence that names the argument, before work starts."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from minilstm.checks import shown
from minilstm.errors import DataError


def as_path(value: Any, name: str = "path") -> Path:
    """A path as an object; the disk is not asked.

    Parameters
    ----------
    value : text, or an object with `__fspath__` that gives text
    name : of the argument

    Raises
    ------
    DataError
        It is no text, is empty, or holds what no path can hold.

    Examples
    --------
    >>> as_path("models/a.safetensors").name
    'a.safetensors'
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, Mapping):
        raise DataError(
            f"{name} is a {type(text).__name__}, but a file was wanted; write it first, as "
            "torch.save does with a state dict, and give the path."
        )
    if not isinstance(text, str):
        raise DataError(f"{name} is {shown(value)}; give a path as text or as a pathlib.Path.")
    if not text:
        raise DataError(f"{name} is '', which is no path; give the name of a file or folder.")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        fault = "holds letters that no path can hold"
    else:
        fault = "holds a NUL character" if "\0" in text else ""
    if fault:
        raise DataError(f"{name} is {text!r}, which {fault}; take them out.")
    return Path(value)


def check_readable(value: Any, name: str = "path", what: str = "file") -> Path:
    """The path of a regular file that this user may read.

    Parameters
    ----------
    value, name : of the argument, see `as_path`
    what : was wanted, such as "data file"

    Raises
    ------
    FileNotFoundError
        There is no such file.
    PermissionError
        It is there, but not for this user.
    DataError
        It is a folder, a device or a pipe, or no path at all.
    """
    path = as_path(value, name)
    found = _status(path, name)
    if found is None:
        raise FileNotFoundError(
            f"{name} is {str(path)!r}, but there is no such {what}; check its name."
        )
    if not stat.S_ISREG(found.st_mode):
        raise DataError(
            f"{name} is {str(path)!r}, which is {_kind(found)}, but a {what} was wanted; "
            "name a regular file."
        )
    if not os.access(path, os.R_OK):
        raise PermissionError(
            f"{name} is {str(path)!r}, which this user may not read; change its permissions."
        )
    return path


def check_target(value: Any, name: str = "path", advice: str = "name a file") -> Path:
    """The path of a file that can be written: it may exist, its folder must.

    Parameters
    ----------
    value, name : of the argument, see `as_path`
    advice : where a folder or a socket is in the place of the file

    Raises
    ------
    FileNotFoundError
        Its folder does not exist.
    PermissionError
        This user may not write there.
    DataError
        It is a folder or a socket, or no path at all.
    """
    path = as_path(value, name)
    found = _status(path, name)
    if found is not None:
        if stat.S_ISDIR(found.st_mode) or stat.S_ISSOCK(found.st_mode):
            raise DataError(
                f"{name} is {str(path)!r}, which is {_kind(found)}, but a file is to be written; "
                f"{advice}."
            )
        if not os.access(path, os.W_OK):
            raise PermissionError(
                f"{name} is {str(path)!r}, which is write-protected; change its permissions, or "
                "choose another name."
            )
    # A link may lead to a file that is still to be made.
    folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
    if found is None and not folder.is_dir():
        raise FileNotFoundError(
            f"{name} is {str(path)!r}, but the folder {str(folder)!r} does not exist; create it "
            "first or choose another."
        )
    if (found is None or stat.S_ISREG(found.st_mode)) and not os.access(folder, os.W_OK):
        raise PermissionError(
            f"{name} is {str(path)!r}, but no file can be written in the folder {str(folder)!r}; "
            "change its permissions, or choose another."
        )
    return path


def check_apart(target: Path, read: Iterable[Path | None], name: str = "--out") -> None:
    """Refuse a target that is one of the files that are read, whatever name or link leads to it.

    Raises DataError; a None among the files counts as none.
    """
    for path in read:
        same = False
        with suppress(OSError):  # one of them is not there
            same = path is not None and os.path.samefile(target, path)
        if same:
            raise DataError(
                f"{name} would write {str(target)!r}, but that is the file {str(path)!r}, which is "
                "read; choose another name."
            )


def check_folder(value: Any, name: str = "path") -> Path:
    """The absolute path of a folder that exists, and in which a file was written on trial.

    Raises DataError where it is no folder; OSError of the same kind where the trial failed.
    """
    path = as_path(value, name)
    found = _status(path, name)
    if found is None or not stat.S_ISDIR(found.st_mode):
        what = "there is no such folder; make the folder first"
        if found is not None or path.is_symlink():
            there = "a link to nothing" if found is None else _kind(found)
            what = f"that is {there}; choose another name"
        raise DataError(f"{name} is {str(path)!r}, but {what}.")
    path = path.absolute()
    try:
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"trial")
    except OSError as error:
        raise in_words(
            error, f"{name} is {str(path)!r}, but no file can be written there"
        ) from error
    return path


def make_folder(value: Any, name: str = "path") -> Path:
    """Make a folder where there is none, with those above it, and check it as `check_folder`."""
    path = as_path(value, name)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        pass  # something else is there, of which check_folder speaks
    except OSError as error:
        raise in_words(error, f"{name} is {str(path)!r}, but it cannot be made") from error
    check_folder(path, name)
    return path


def in_words(error: OSError, what: str) -> OSError:
    """The same error with a sentence: what could not be done, why, and what to do."""
    kind = type(error) if type(error).__module__ == "builtins" else OSError
    said = kind(
        f"{what} ({error.strerror or error}); free some space, change the permissions, or choose "
        "another place."
    )
    said.errno = error.errno
    return said


def _status(path: Path, name: str) -> os.stat_result | None:
    """What the system says of a path, links followed; None where nothing is there."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if isinstance(error, PermissionError):
            raise PermissionError(
                f"{name} is {str(path)!r}, but this user may not look into its folder; change the "
                "permissions, or choose another place."
            ) from error
        raise DataError(
            f"{name} is {str(path)!r}, which the system refuses ({error.strerror}); choose another "
            "name."
        ) from error


def _kind(found: os.stat_result) -> str:
    kinds = {
        stat.S_ISREG: "a file", stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
    }  # fmt: skip
    return next((word for is_kind, word in kinds.items() if is_kind(found.st_mode)), "a device")
