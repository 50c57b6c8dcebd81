"""Writing files so that a reader never meets half of one.
The content goes to a temporary file in the same folder, which then takes the final name."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from minilstm.paths import check_target, in_words

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed, which serves as well
    fcntl = None


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> Path:
    """Write a file whole or not at all.

    A symbolic link stays, and the file it leads to is replaced. An existing file keeps its mode
    and, where the system allows it, its owner. Another hard link to it keeps the old content: the
    name gets a new file, as only that is whole at every moment. What is no regular file (a device,
    a pipe, /dev/stdout) is not replaced: the content, complete by then, is written into it.

    Parameters
    ----------
    path : the file to create or replace; its folder must exist
    write : called with a binary file open for writing

    Returns
    -------
    Path of the file

    Raises
    ------
    DataError
        The path is a folder, a socket, or no path.
    OSError
        The folder does not exist (FileNotFoundError), nothing may be written there
        (PermissionError), or the disk is full. The old file is whole then, and nothing else stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a.bin", lambda f: f.write(b"abc")).read_bytes()
    b'abc'
    """
    path = check_target(path)
    try:
        if path.exists() and (_descriptor(path) is not None or not path.is_file()):
            _write_into(path, write)
        else:
            _replace(Path(os.path.realpath(path)), write)
    except OSError as error:
        raise in_words(error, f"path is {str(path)!r}, but it could not be written") from error
    return path


def _write_into(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write into a device, a pipe, or a file that this process has open."""
    content = BytesIO()
    write(content)
    number = _descriptor(path)
    if number is None:
        with open(path, "wb") as file:
            file.write(content.getvalue())
        return
    for stream in (sys.stdout, sys.stderr):  # what was printed before comes before
        if stream is not None:
            stream.flush()
    # The same open file, so what is printed next goes on behind it.
    with open(os.dup(number), "wb") as file:
        file.write(content.getvalue())


def _descriptor(path: Path) -> int | None:
    """The number of the open file of this process that a path stands for, as /dev/stdout does."""
    own = rf"/(?:proc/(?:self|thread-self|{os.getpid()})(?:/task/\d+)?|dev)/fd/(\d+)"
    for _ in range(40):  # the most links that Linux follows
        here = os.path.join(os.path.realpath(path.parent), path.name)
        if match := re.fullmatch(own, here):
            return int(match[1])
        if not path.is_symlink():
            return None
        path = Path(os.path.dirname(here), os.readlink(here))
    return None


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a new file, and give it the name; `path` is no link."""
    old = path.stat() if path.exists() else None
    # Of the same length for every name, as a name may be as long as the file system allows.
    prefix = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}."
    remove_abandoned(path.parent, prefix)
    beside = path.parent / f"{prefix}{os.urandom(6).hex()}.part"
    try:
        with _new_file(beside, 0o666 if old is None else 0o600) as file:
            write(file)
            file.flush()
            if old is not None:
                _take_over(file.fileno(), old)
            os.fsync(file.fileno())
            if fcntl is not None:  # under the lock, so that no other writer takes it for abandoned
                os.replace(beside, path)
        if fcntl is None:  # an open file cannot be renamed on Windows
            os.replace(beside, path)
        with suppress(OSError):  # not every system can: the file is whole, its name may be late
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        try:
            beside.unlink(missing_ok=True)
        except KeyboardInterrupt:  # a second Ctrl-C while the first was on its way
            beside.unlink(missing_ok=True)
            raise


def _new_file(beside: Path, mode: int) -> IO[bytes]:
    """A file, locked as long as it is open; its mode is the given one, cut by the umask."""
    while True:
        file = open(beside, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
        if fcntl is None:
            return file
        with suppress(OSError):  # a file system without locks: nobody tidies up there
            fcntl.flock(file, fcntl.LOCK_EX)
        if beside.exists():  # else another writer was quicker than our lock
            return file
        file.close()


def remove_abandoned(folder: Path, prefix: str) -> None:
    """Remove temporary files whose writers were killed: nobody locks them."""
    with suppress(OSError):  # a folder that cannot be listed
        for name in os.listdir(folder):
            if not (name.startswith(prefix) and name.endswith(".part")):
                continue
            with suppress(OSError):  # its writer lives, or it is not ours
                if fcntl is None:
                    os.unlink(folder / name)
                    continue
                with open(folder / name, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    # Its writer may have made a new file of the name, after another tidied up.
                    if os.path.samestat(os.fstat(file.fileno()), os.stat(folder / name)):
                        os.unlink(folder / name)


def _take_over(number: int, old: os.stat_result) -> None:
    """Owner and mode of the file that is replaced; the mode last, as a new owner may change it."""
    if hasattr(os, "fchown"):
        new = os.fstat(number)
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            with suppress(OSError):
                os.fchown(number, old.st_uid, old.st_gid)
        os.fchmod(number, stat.S_IMODE(old.st_mode))
