"""Moving arrays between the memory of the host and that of the device, and counting it.
Nothing else in this folder moves data, so the counts are complete."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cupy
import numpy as np

from minilstm.functional.gate import PLAIN
from minilstm.functional.ragged import IntArray, active_counts, sequence_lengths
from minilstm.kernels.transfers import moved_to_device, moved_to_host

PLAIN.add(cupy.ndarray)  # the functions of the equations take them as they are


def to_device(array: Any) -> Any:
    """An array in the memory of the device: itself if it is there, else a copy.

    A copy is column-major if the array is, else row-major.
    """
    if isinstance(array, cupy.ndarray):
        return array
    array = np.asarray(array)
    moved_to_device(array.nbytes)
    return cupy.asarray(array, order="K")


def kept(make: Callable[[IntArray], IntArray], most: int = 1024) -> Callable[[IntArray], Any]:
    """A function of `active` whose results lie in the memory of the device, where they are kept.

    A training sees the same few batches again and again, and a stream the same step.

    Parameters
    ----------
    make : a function of `active` alone, (T,) int64 sequences running at each step, on the host
    most : results that are kept, for as many batches of other lengths
    """

    @lru_cache(maxsize=most)
    def there(lengths: bytes, device: int) -> Any:
        return to_device(make(active_counts(np.frombuffer(lengths, np.int64))))

    return lambda active: there(sequence_lengths(active).tobytes(), cupy.cuda.Device().id)


def to_host(array: Any) -> Any:
    """An array in the memory of the host: itself if it is there, else a copy."""
    if not isinstance(array, cupy.ndarray):
        return array
    moved_to_host(array.nbytes)
    return cupy.asnumpy(array, order="A")
