"""The second process that compiles: its kernels are found on disk, and it is never left behind.
Whatever becomes of it, the first process compiles what is missing and goes on."""

import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("numba")
from minilstm.kernels.numba.machinery import second_compiler
from minilstm.kernels.numba.machinery.second_compiler import SecondCompiler

JOB, OTHER = ("a.kernel", "float32"), ("another.kernel", "float32")
TWO_KERNELS = """
    import numpy as np
    from minilstm.backend import load_backend
    load_backend("numba")
    from minilstm.kernels.numba.gradient_norm import _sums_of_squares
    from minilstm.kernels.numba.machinery.second_compiler import second
    from minilstm.kernels.numba.softmax import _forward
    _sums_of_squares.followers = (_forward,)
    _sums_of_squares.of(np.dtype(float))
    with second.changed:
        assert second.changed.wait_for(lambda: second.finished, 60)
    print(*second.finished, sum(_forward.of(np.dtype(float)).stats.cache_hits.values()))
    print(second._process.pid)
"""


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(second_compiler, "cores", lambda: 2)


@pytest.fixture
def second(two_cores):
    """A second compiler that is ended after the test."""
    made = SecondCompiler()
    yield made
    made.give_up()


def test_what_it_compiles_is_read_from_the_disk_and_it_ends_with_the_first(tmp_path):
    if not second_compiler.can_start():
        pytest.skip("one core")
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TWO_KERNELS)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    found, pid = result.stdout.splitlines()
    assert found == "('softmax.forward', 'float64') 1"
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


READY = "print('minilstm is ready', flush=True)\n"
LOST = {
    "does not start": "raise SystemExit(1)",
    "says something else": "print('hello', flush=True); input()",
    "ends at its first job": READY + "input()",
    "cannot compile it": READY + "input()\nprint('no', flush=True)\ninput()",
    "hangs": READY + "input()\nimport time\ntime.sleep(60)",
}


@pytest.mark.parametrize("program", LOST.values(), ids=LOST)
def test_a_process_that_is_lost_leaves_its_jobs_to_the_first(second, program, monkeypatch):
    monkeypatch.setattr(second_compiler, "PROGRAM", program)
    monkeypatch.setattr(second_compiler, "LONGEST_SECONDS", 1.0)
    second.add([JOB, OTHER])
    feeder = second._feeder
    if READY in program:
        with second.changed:
            second.changed.wait_for(lambda: second.at_work or second._failed, 20)
    while second.take(JOB):
        pass
    feeder.join(20)
    assert not feeder.is_alive()
    assert (second.waiting, second.at_work, second.finished) == ([], None, set())
    assert second._process.returncode is not None
    second.add([JOB])  # it is not tried again
    assert second.waiting == []


def test_the_first_takes_what_the_second_has_not_begun(second, monkeypatch):
    monkeypatch.setattr(second_compiler, "PROGRAM", "input()")
    second.add([JOB, OTHER, JOB])
    assert second.waiting == [JOB, OTHER]
    assert second.take(JOB) is None
    assert second.waiting == [OTHER]


def test_while_the_second_is_at_a_job_the_first_compiles_another_one(second, monkeypatch):
    monkeypatch.setattr(second_compiler, "PROGRAM", READY + "input()\nimport time\ntime.sleep(60)")
    second.add([JOB, OTHER])
    with second.changed:
        assert second.changed.wait_for(lambda: second.at_work == JOB, 20)
    assert second.take(JOB) == OTHER
    second.add([OTHER])  # it is not wanted twice
    assert second.waiting == []


def test_an_idle_process_ends_and_a_later_job_starts_another(second, monkeypatch):
    program = READY + f"for line in open(0):\n    {READY}"
    monkeypatch.setattr(second_compiler, "PROGRAM", program)
    monkeypatch.setattr(second_compiler, "IDLE_SECONDS", 0.1)
    for job in (JOB, OTHER):
        second.add([job])
        feeder = second._feeder
        feeder.join(20)
        assert job in second.finished and second._process.returncode == 0
    assert second.finished == {JOB, OTHER}


@pytest.mark.parametrize("where", ["one core", "frozen", "another program", "no thread"])
def test_where_it_would_not_help_it_is_not_started(second, where, monkeypatch):
    if where == "one core":
        monkeypatch.setattr(second_compiler, "cores", lambda: 1)
    elif where == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    elif where == "another program":
        monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")
    else:
        monkeypatch.setattr(second_compiler.threading.Thread, "start", _refuse)
    second.add([JOB])
    assert second.waiting == [] and second._process is None
    second.take(JOB)  # returns at once


def _refuse(self):
    raise RuntimeError("can't start new thread")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process")
def test_a_forked_child_waits_for_nobody(second, monkeypatch):
    monkeypatch.setattr(second_compiler, "second", second)
    second.at_work = JOB
    child = os.fork()
    if child == 0:
        os._exit(second_compiler.second.at_work is not None)
    assert os.waitpid(child, 0)[1] == 0
