"""Writing files so that a reader never meets half of one.
The content goes to a temporary file in the same folder, which then takes the final name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> Path:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : the file to create or replace; its folder must exist
    write : called with a binary file open for writing

    Returns
    -------
    Path of the file

    Raises
    ------
    FileNotFoundError
        The folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a.bin", lambda f: f.write(b"abc")).read_bytes()
    b'abc'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path is {str(path)!r}, but the folder {str(path.parent)!r} does not exist; "
            "create it first or choose another."
        )
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        # mkstemp makes private files; the result gets the permissions any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
