"""What all readers of foreign files share: the bytes, how much may grow out of them, and refusals.
A reader says what is wrong as a clause; the door that knows the path makes a sentence of it."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import shortened
from minilstm.errors import ModelFileError
from minilstm.paths import check_readable, in_words

Array = NDArray[Any]
Bytes = bytes | memoryview
#: what Python and NumPy raise for contents that make no sense
NONSENSE = (
    ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError,
    struct.error,
)  # fmt: skip
#: those of them that bytes make which are not all there, or not as they were
_DAMAGE = (EOFError, IndexError, ArithmeticError, UnicodeError, json.JSONDecodeError, struct.error)
#: how a file begins that only stands for one
_STAND_INS = {
    b"version https://git-lfs": "a pointer of Git LFS, not the file; run git lfs pull",
    b"<!doctype html": "a web page, not the file; download the file itself",
}
#: what a file is by its bytes, how it may end, and what reads it
_KINDS = (
    (rb"PK.*/data\.pkl|\x80\x02\x8a\n", "a file of torch.save", (".pt", ".pth", ".bin", ".ckpt"),
     "ml.from_pytorch(path, layers)"),
    (rb"PK.*(config\.json|\.weights\.h5)", "a Keras archive", (".keras",), "ml.from_keras(path)"),
    (rb"\x89HDF\r\n", "an HDF5 file", (".h5", ".hdf5"), "ml.from_keras(path)"),
    (rb"PK.*\.npy", "an archive of NumPy", (".npz",), "ml.from_pytorch(path, layers)"),
    (rb".{8}\{.*\\\"format_version", "a model file of minilstm", (".safetensors",),
     "ml.load(path)"),
    (rb".{8}\{\s*\"", "a file of safetensors", (".safetensors",), "ml.from_pytorch(path, layers)"),
    (rb"\s*\{", "a file of JSON", (".json", ".nam"), "ml.from_rtneural(path)"),
    (rb"\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]", "a file of ONNX", (".onnx",),
     "ml.from_onnx(path)"),
)  # fmt: skip
_ROOM = 1 << 16  # bytes that even the smallest file may grow by


class Refused(Exception):
    """Why a file is refused: a clause about it, then what to do.

    `place` says how far the work had come, where several ways are tried, and `length` the number of
    the sequences that it had come to.
    """

    def __init__(self, why: str, place: int = -1) -> None:
        super().__init__(why)
        self.place, self.length = place, 0


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into one ModelFileError that names it."""
    try:
        with np.errstate(all="ignore"):  # numbers without sense are found where they matter
            yield
    except ModelFileError:
        raise
    except (Refused, *NONSENSE) as error:
        check_kind(path, path.read_bytes())
        raise _in_words(path, error) from (None if isinstance(error, Refused) else error)


def check_kind(path: Path | str, data: bytes, wanted: str = "") -> None:
    """Refuse what is of another kind than was wanted, or else than its name says."""
    ending = Path(path).suffix.lower()
    for begin, what, endings, door in _KINDS:
        if re.match(begin, data[: 1 << 16] + data[-(1 << 16) :], re.DOTALL):
            if ".safetensors" in endings if wanted else ending in endings:
                return
            fits = "" if ending in endings else f"let its name end in {endings[0]}, and "
            other = wanted or f"what {ending} says"
            raise ModelFileError(f"{path} is {what}, not {other}; {fits}read it with {door}.")


def _in_words(path: Path, error: Exception) -> ModelFileError:
    """One sentence on what is wrong with a file."""
    said = " ".join(str(error).split())
    if isinstance(error, Refused):
        return ModelFileError(f"{path} {shortened(said, 800)}")  # names in it may be of any length
    said = said.replace(". ", ", ").rstrip(".")
    what = "it lacks " * isinstance(error, KeyError) + shortened(said, 200)
    what = what or type(error).__name__
    told = f"holds what files of its kind do not ({what}); write it again."
    if isinstance(error, _DAMAGE):
        told = f"is no whole file of its kind ({what}); copy it again, or write it again."
    return ModelFileError(f"{path} {told}")


def file_bytes(path: Any) -> tuple[Path, bytes]:
    """The path of a file, and all its bytes."""
    found = check_readable(path)
    try:
        data = found.read_bytes()
    except OSError as error:
        raise in_words(error, f"path is {str(found)!r}, but it could not be read") from error
    for begin, what in _STAND_INS.items():
        if data[:99].lstrip().lower().startswith(begin):
            raise ModelFileError(f"{found} is {what}.")
    return found, data


def most(size: int) -> int:
    """Bytes that may grow out of so many of a file: four times as many, and a little room."""
    return 4 * size + _ROOM


def check_growth(
    grown: int, size: int, what: str,
    told: str = "no program writes; get the file from a source that you trust",
) -> None:  # fmt: skip
    """Refuse what would fill the memory."""
    if grown > most(size):
        raise Refused(f"holds {what} of {grown} bytes in a file of {size}, which {told}.")


def part(data: Bytes, start: int, size: int, what: str) -> Bytes:
    """Some bytes, all of which must be there."""
    if not 0 <= start <= start + size <= len(data):
        raise Refused(f"ends within {what}; copy it again, or write it again.")
    return data[start : start + size]


def array_of(raw: Bytes, dtype: str, shape: Sequence[int]) -> Array:
    """A new array from raw numbers, which must be as many as the shape says.

    Examples
    --------
    >>> array_of(bytes([128, 63, 0, 192]), "bfloat16", [2]).tolist()
    [1.0, -2.0]
    """
    kind = np.dtype("<u2" if dtype == "bfloat16" else dtype)
    if len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
        raise Refused("holds an array without a sensible shape; write it again.")
    if math.prod(shape) * kind.itemsize != len(raw):
        raise Refused(
            f"holds an array of shape {tuple(shape)} in {len(raw)} bytes; write it again."
        )
    array = np.frombuffer(raw, kind)
    if dtype == "bfloat16":  # the upper half of a float32
        wide = array.astype("<u4")
        wide <<= 16
        array = wide.view("<f4")
    else:
        array = array.astype(kind.newbyteorder("="))  # a copy, in the order of this machine
    return array.reshape(shape)


def plain_json(data: Bytes) -> Any:
    """JSON without repeated names, NaN or infinity, and without more brackets than numbers.

    Examples
    --------
    >>> plain_json(b'{"a": [1.5]}')
    {'a': [1.5]}
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise Refused("has a name twice in its JSON; write it again.")
        return found

    def never(constant: str) -> Any:
        raise Refused(f"holds {constant}, which is no JSON; give it finite numbers.")

    text = bytes(data)
    # What Python makes of it: a list or a dict takes 64 bytes at least, a number 32.
    objects = 64 * (text.count(b"[") + 2 * text.count(b"{")) + 32 * text.count(b",")
    if objects > 9 * len(text) + _ROOM:
        raise Refused("holds little but brackets; get the file from a source that you trust.")
    return json.loads(text, object_pairs_hook=once, parse_constant=never)
