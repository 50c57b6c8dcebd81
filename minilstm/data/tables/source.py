"""The bytes of a table, from a file, from standard input or unpacked, as UTF-8 text.
What is in another encoding is decoded here, or refused with how to say which one it is."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from typing import NamedTuple, TextIO

from minilstm.data.files.checks import grows_too_much
from minilstm.errors import DataError

GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_BLOCK = 1 << 20  # bytes


class Source(NamedTuple):
    """A text in UTF-8: a file of that, or its bytes."""

    name: str  # for messages
    path: Path | None
    data: bytes = b""
    encoding: str = "utf-8"  # in which it came

    def open(self) -> TextIO:
        """The text from its start, with its line ends."""
        if self.path is not None:
            return open(self.path, encoding="utf-8", newline="")
        return io.TextIOWrapper(io.BytesIO(self.data), encoding="utf-8", newline="")

    def size(self) -> int:
        """How many bytes."""
        return len(self.data) if self.path is None else self.path.stat().st_size


def text_source(name: str, path: Path | None, data: bytes, encoding: str | None) -> Source:
    """The text of a file, or of bytes where `path` is None.

    Parameters
    ----------
    name : for messages
    encoding : what the user says; None recognises UTF-8 and, by their marks, UTF-16 and gzip

    Raises
    ------
    DataError
        The encoding is not known, or the bytes are not of it.
    """
    start = data[:4]
    if path is not None:
        with open(path, "rb") as file:
            start = file.read(4)
    if start.startswith(GZIP):
        data, path = _unpacked(name, path, data), None
        start = data[:4]
    marked = next((kind for mark, kind in _MARKS if start.startswith(mark)), None)
    if marked == "UTF-32":
        raise DataError(
            f"path {name} is text in UTF-32, but UTF-8 or UTF-16 was wanted: save it again as one "
            "of them, for example with iconv -f UTF-32 -t UTF-8."
        )
    wanted = encoding or marked or "utf-8"
    try:
        codec = codecs.lookup(wanted)
        text = codec._is_text_encoding  # "hex" and such turn bytes into bytes
    except LookupError:
        text = False
    if not text:
        raise DataError(
            f"encoding is {encoding!r}, but the name of an encoding was wanted, such as 'utf-8', "
            "'utf-16' or 'cp1252': choose one of them."
        )
    if codec.name in ("utf-8", "utf-8-sig", "ascii"):
        return Source(name, path, data)
    whole = data if path is None else path.read_bytes()
    try:
        decoded = whole.decode(codec.name)
    except UnicodeDecodeError as error:
        raise _not_text(name, whole, error, codec.name) from error
    # A lone surrogate has no form in UTF-8, and no text holds one.
    return Source(name, None, decoded.encode("utf-8", "replace"), codec.name)


def not_utf8(source: Source) -> DataError:
    """What to do about a text that turned out to be in another encoding."""
    data = source.data if source.path is None else source.path.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return _not_text(source.name, data, error, "UTF-8")
    return DataError(f"path {source.name} changed while it was read: read it again.")


def _not_text(name: str, data: bytes, error: UnicodeDecodeError, encoding: str) -> DataError:
    line = data.count(b"\n", 0, error.start) + 1
    advice = "say encoding='cp1252' (--encoding cp1252) where Excel on Windows wrote it"
    if encoding != "UTF-8":
        advice = "say another encoding (--encoding), such as 'utf-8' or 'cp1252'"
    return DataError(
        f"line {line} of {name} is not {encoding} text (byte 0x{data[error.start]:02X}): {advice}, "
        "or save it again as UTF-8."
    )


def _unpacked(name: str, path: Path | None, data: bytes) -> bytes:
    """What gzip packed."""
    packed = len(data) if path is None else path.stat().st_size
    out = io.BytesIO()
    try:
        with gzip.open(io.BytesIO(data) if path is None else path) as file:
            while block := file.read(_BLOCK):
                out.write(block)
                if grows_too_much(out.tell(), packed):
                    raise DataError(
                        f"path {name} grows from {packed:,} to more than {out.tell():,} bytes, "
                        "which real data does not: unpack it first, with gunzip."
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"path {name} is packed with gzip and is damaged or not whole: get it again."
        ) from error
    return out.getvalue()
