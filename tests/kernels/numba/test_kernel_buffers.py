"""Memory that is used again: never while anything else looks at it, never more than is needed.
Outside of `reuse_memory` every array is a fresh one."""

import threading

import numpy as np
import pytest

pytest.importorskip("numba")
from minilstm.kernels.numba.machinery import buffers

SHAPE = (500, 100)


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_begin_at_a_cache_line(dtype):
    for rows in (1, 3, 1000):
        array = buffers.empty((rows, 7), dtype)
        assert array.shape == (rows, 7) and array.dtype == dtype
        assert place(array) % buffers.LINE_BYTES == 0
        assert array.flags.c_contiguous and array.flags.writeable
        assert (buffers.zeros((rows, 7), dtype) == 0).all()


def test_a_freed_array_is_used_again_and_one_in_use_is_not():
    with buffers.reuse_memory():
        first = buffers.empty(SHAPE, np.float32)
        second = buffers.empty(SHAPE, np.float32)
        assert not np.shares_memory(first, second)
        at, part = place(first), first[3:]
        del first
        assert place(buffers.empty(SHAPE, np.float32)) != at  # a part of it is still seen
        del part
        assert place(buffers.empty(SHAPE, np.float32)) == at
        assert not np.shares_memory(buffers.empty(SHAPE, np.float32), second)


def test_what_grows_does_not_leave_its_past_behind():
    with buffers.reuse_memory():
        for rows in range(500, 5000, 250):
            array = buffers.empty((rows, 100), np.float32)
            del array
        held = sum(size * len(b) for size, b in buffers._local.stored.items())
    assert held < 2.1 * 4 * 5000 * 100
    assert getattr(buffers._local, "stored", None) is None


def test_each_thread_has_its_own():
    with buffers.reuse_memory():
        at = place(buffers.empty(SHAPE, np.float32))
        seen = []
        work = threading.Thread(target=lambda: seen.append(buffers.empty(SHAPE, np.float32)))
        work.start()
        work.join()
        assert place(buffers.empty(SHAPE, np.float32)) == at
        assert place(seen[0]) != at
