"""Writing files so that a reader never meets half of one.
The content goes to a temporary file in the same folder, which then takes the final name."""

from __future__ import annotations

import os
import threading
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
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with open(beside, "xb") as file:
            write(file)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return path
