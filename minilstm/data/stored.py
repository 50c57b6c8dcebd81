"""Sequences that stay on disk: each is read when it is wanted, and checked whenever it is read.
They are memory maps, or any object that gives arrays by index, such as a data set of PyTorch.

Only one sequence is in memory at a time, whatever they are together, and what gives other shapes
than before, or lies in a file that was changed meanwhile, is refused by its index.
"""

from __future__ import annotations

import os
from array import array as array_of_numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from mmap import ALLOCATIONGRANULARITY, mmap
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from minilstm.data.arrays import Array
from minilstm.errors import DataError

_MOST_NUMBERS = 1 << 22  # of stored sequences that run together
_STAY = "give data that stay as they are while they are in use"
# What is read as one array.
_HELD = ("__array__", "__array_interface__", "__array_struct__", "toarray")
_IN_MEMORY = (list, tuple, np.ndarray, Mapping, str, bytes, bytearray, memoryview, range)


class Stored(Sequence[Array]):
    """B arrays in the place of a list of them: each is read when it is asked for.

    Parameters
    ----------
    read : gives array b, checked
    lengths : (B,) rows of each

    Examples
    --------
    >>> stored = Stored(lambda b: np.full(b + 1, b), np.array([1, 2, 3]))
    >>> stored[1].tolist(), [a.tolist() for a in part_of(stored, np.array([2, 0]))]
    ([1, 1], [[2, 2, 2], [0]])
    """

    def __init__(self, read: Callable[[int], Array], lengths: NDArray[np.int64]) -> None:
        self.read, self.lengths = read, lengths

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, b: int) -> Array: ...

    @overload
    def __getitem__(self, b: slice) -> list[Array]: ...

    def __getitem__(self, b: Any) -> Any:
        if isinstance(b, slice):
            return [self.read(n) for n in range(*b.indices(len(self)))]
        return self.read(range(len(self))[b])  # an IndexError behind the end


def lengths_of(arrays: Sequence[Array] | Array) -> NDArray[np.int64]:
    """Rows of each array, (B,); nothing is read."""
    if isinstance(arrays, Stored):
        return arrays.lengths
    return np.fromiter(map(len, arrays), np.int64, len(arrays))


def part_of(arrays: Sequence[Array] | Array, chosen: NDArray[np.int64]) -> Sequence[Array]:
    """Some of the arrays, by number; nothing is read."""
    if isinstance(arrays, Stored):
        return Stored(lambda b: arrays.read(int(chosen[b])), arrays.lengths[chosen])
    return [arrays[n] for n in chosen]


def mapped(function: Callable[..., Any], *arrays: Sequence[Array]) -> Sequence[Array]:
    """What a function that keeps rows makes of each array, or of one of each; read when wanted."""
    stored = [a for a in arrays if isinstance(a, Stored)]
    if not stored:
        return [function(*some) for some in zip(*arrays, strict=True)]
    return Stored(lambda b: function(*(a[b] for a in arrays)), stored[0].lengths)


def listed(arrays: Sequence[Array] | Array) -> Sequence[Array]:
    """A list, where the arrays are in memory."""
    return arrays if isinstance(arrays, Stored) else list(arrays)


def cuts(arrays: Sequence[Sequence[Array] | Array], size: int | None = None) -> Iterator[slice]:
    """The sequences that run together: so many, or all, or of stored ones a few million numbers.

    `arrays` has the sequences of each input.
    """
    B = len(arrays[0])
    stored = [a for a in arrays if isinstance(a, Stored)]
    if size is not None or not stored:
        step = B if size is None else size
        yield from (slice(n, min(n + step, B)) for n in range(0, B, step))
        return
    numbers = sum(a.lengths * (a[0].size // a.lengths[0]) for a in stored)  # (B,)
    first, total = 0, 0
    for b, n in enumerate(numbers.tolist()):
        if b > first and total + n > _MOST_NUMBERS:
            yield slice(first, b)
            first, total = b, 0
        total += n
    yield slice(first, B)


def is_by_index(x: Any) -> bool:
    """Whether an object gives one array after the other by its index, and is no array itself.

    Arrays that are in a file, as those of h5py and Zarr, count too: they have `chunks`.
    """
    if isinstance(x, (*_IN_MEMORY, array_of_numbers)):
        return False
    if not (hasattr(x, "__getitem__") and hasattr(x, "__len__")):
        return False
    return _in_file(x) or not any(hasattr(x, name) for name in _HELD)


def is_stored(x: Any, axes: int, data_format: str = "auto") -> bool:
    """Whether sequences, each of so many axes, are to stay where they are.

    `data_format` has a letter for each axis of the data; where B is not the first, one index does
    not give a sequence.
    """
    if isinstance(x, (list, tuple)):
        return any(issubclass(kind, np.memmap) or _in_file(kind) for kind in set(map(type, x)))
    if not (isinstance(x, np.memmap) or is_by_index(x)):
        return False
    if hasattr(x, "ndim") and (x.ndim != axes + 1 or len(x) == 0):
        return False
    return data_format == "auto" or "B" not in data_format[1:]


def stored_sequences(source: Any, checked: Callable[[Any, int], Array], name: str) -> Stored:
    """Sequences by index, each of which has been read and checked once.

    Parameters
    ----------
    source : has a length, and gives something for each index
    checked : what it gives, and its number, to an array of at least one row; raises DataError
    name : of the argument, for the messages

    Raises
    ------
    DataError
        There is none, one cannot be read, or does not pass; later also if one has changed.
    """
    B = len(source)
    if B == 0:
        raise DataError(f"{name} holds no sequence, but at least one is wanted; pass one or more.")
    lengths, kinds = np.zeros(B, np.int64), [None] * B
    files: dict[str, tuple[int, int, int]] = {}

    def read(b: int) -> Array:
        raw = sequence_in(one_of(source, b, name))
        if isinstance(raw, np.memmap):
            _check_file(raw, files, f"{name}[{b}]")
        rows, kind = checked(raw, b), getattr(raw, "dtype", None)
        if not lengths[b]:
            lengths[b], kinds[b] = len(rows), kind
        elif (len(rows), kind) != (lengths[b], kinds[b]):
            now, before = (
                f"{n} time steps" + (f" of {k}" if kind != kinds[b] else "")
                for n, k in ((len(rows), kind), (lengths[b], kinds[b]))
            )
            raise DataError(f"{name}[{b}] has {now} now, but had {before} before; {_STAY}.")
        return rows

    for b in range(B):
        read(b)
    return Stored(read, lengths)


def one_of(source: Any, b: int, name: str) -> Any:
    """What a source gives for an index; DataError where it fails."""
    try:
        return source[b]
    except (DataError, MemoryError):
        raise
    except Exception as error:  # whatever a user's own class raises
        told = " ".join(str(error).split()).rstrip(".")
        raise DataError(
            f"{name}[{b}] cannot be read ({type(error).__name__}: {told}); check what gives it."
        ) from error


def sequence_in(raw: Any) -> Any:
    """The sequence of a pair (sequence, answers); anything else as it is."""
    return raw[0] if type(raw) is tuple and len(raw) == 2 else raw


class Beside(Sequence[Any]):
    """The answers of an object that gives pairs (sequence, answers) by index."""

    def __init__(self, pairs: Any) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, b: Any) -> Any:
        return self.pairs[b][1]


def _in_file(x: Any) -> bool:
    """Whether an array, or arrays of a type, are read by parts."""
    return hasattr(x, "chunks") and hasattr(x, "shape") and hasattr(x, "__getitem__")


def _check_file(x: Any, files: dict[str, tuple[int, int, int]], name: str) -> None:
    """Refuse an array whose file is shorter than its map, which would end the process, or changed.

    A file that was replaced or removed still stands behind the map, whole.
    """
    base: Any = x
    while isinstance(base, np.ndarray):
        base = base.base
    if not isinstance(base, mmap):
        return  # a copy
    start = x.offset - x.offset % ALLOCATIONGRANULARITY
    if base.size() < start + len(base):
        raise DataError(
            f"{name} is mapped to {start + len(base):,} bytes of {x.filename}, which has "
            f"{base.size():,} now; write it again, and {_STAY}."
        )
    try:
        info = os.stat(x.filename)
    except (OSError, TypeError):  # removed, or it never had a name
        return
    now = info.st_ino, info.st_size, info.st_mtime_ns
    before = files.setdefault(x.filename, now)
    if now != before and now[0] == before[0]:
        raise DataError(f"{name} lies in {x.filename}, which was written meanwhile; {_STAY}.")
