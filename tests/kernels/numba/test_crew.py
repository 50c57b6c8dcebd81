"""The crew of threads: what a member is told of a call, and how it leaves a core that it shares.
Where the system does not tell cores, members stay where they are."""

import os

import numpy as np
import pytest

pytest.importorskip("numba")

from minilstm.kernels.numba.machinery import barrier, threads


def core_of_this_thread():
    """Its number; -1 where the system does not tell."""
    counts = barrier.make_counts(1)
    barrier.publish(counts, 0, 1)
    return int(counts[1])


TELLS = core_of_this_thread() >= 0 and hasattr(os, "sched_setaffinity")


@pytest.fixture
def one_core():
    """This thread on one core, whose number it gets; afterwards where it was allowed before."""
    if not TELLS:
        pytest.skip("the system does not tell cores")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield min(allowed)
    os.sched_setaffinity(0, allowed)


def test_a_member_is_told_whether_it_was_called_and_from_where(one_core):
    answered, called = barrier.make_counts(1), barrier.make_counts(1)
    assert barrier.answer_and_await(answered, called, 0, 1, 100) == barrier.NOT_CALLED
    barrier.publish(called, 0, 1)
    assert called[1] == one_core
    assert barrier.answer_and_await(answered, called, 0, 1, 100) == barrier.CALLED_FROM_HERE
    called[1] = one_core + 1
    assert barrier.answer_and_await(answered, called, 0, 1, 100) == barrier.CALLED
    assert answered[0] == 0
    assert barrier.answer_and_await(answered, called, 0, 2, 100) == barrier.NOT_CALLED
    assert answered[0] == 1


@pytest.mark.skipif(not TELLS or threads.cores() < 2, reason="there is one core")
def test_a_thread_leaves_its_core_and_stays_free_to_return():
    allowed, left = os.sched_getaffinity(0), 0
    for _ in range(20):  # the system may bring it back at once
        before = core_of_this_thread()
        threads.leave_core(before)
        left += core_of_this_thread() != before
        assert os.sched_getaffinity(0) == allowed
    assert left >= 10


def test_a_thread_with_one_core_stays_there(one_core):
    threads.leave_core(one_core)
    assert os.sched_getaffinity(0) == {one_core}
    assert core_of_this_thread() == one_core


def test_members_that_sleep_and_members_that_watch_are_called(monkeypatch):
    for watch in (0, threads.READS_BEFORE_SLEEP):
        monkeypatch.setattr(threads, "READS_BEFORE_SLEEP", watch)
        monkeypatch.setattr(threads, "cores", lambda: 3)
        crew, counts = threads._Crew(2), np.zeros(3 * barrier.COUNT_DISTANCE, np.int64)
        for n in range(1, 301):
            crew.run(barrier.publish, [(counts, k, n) for k in range(3)], lambda: None)
            assert counts[:: barrier.COUNT_DISTANCE].tolist() == [n] * 3
