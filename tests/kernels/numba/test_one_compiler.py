"""Processes that start side by side with an empty cache: each kernel is compiled by one of them.
A process that dies at its work, or a system without locks, keeps nobody from compiling.
"""

import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("numba")
from minilstm.kernels.numba.machinery import one_compiler

pytestmark = pytest.mark.skipif(one_compiler.fcntl is None, reason="no file locks here")

COMPILE = """
import numpy as np
from minilstm.backend import load_backend
load_backend("numba")
from minilstm.kernels.numba.gradient_norm import _sums_of_squares
from minilstm.kernels.numba.machinery import compiling
print("ready", flush=True)
input()
kernel = _sums_of_squares.of(np.dtype(float))
print(len(compiling._begun), sum(kernel.stats.cache_hits.values()))
"""
HOLD = """
import sys
from pathlib import Path
from minilstm.kernels.numba.machinery.one_compiler import claim
print(claim(Path(sys.argv[1]), "a kernel"), flush=True)
input()
"""


def started(program, folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_of_several_processes_one_compiles_and_the_others_read_it(tmp_path):
    together = [started(COMPILE, tmp_path) for _ in range(3)]
    assert [process.stdout.readline() for process in together] == ["ready\n"] * 3
    for process in together:  # at once, with all that costs time behind them
        print(file=process.stdin, flush=True)
    compiled_and_read = sorted(process.communicate(timeout=120)[0] for process in together)
    assert compiled_and_read == ["0 1\n", "0 1\n", "1 0\n"]


def test_whoever_waits_goes_on_when_the_other_dies(tmp_path):
    holder = started(HOLD, tmp_path, str(tmp_path))
    assert holder.stdout.readline() == "True\n"
    waiting = started(HOLD, tmp_path, str(tmp_path))
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(2)
    holder.kill()
    holder.communicate()
    assert waiting.communicate("\n", timeout=60) == ("False\n", "")  # look at the disk again
    assert one_compiler.claim(tmp_path, "a kernel")
    assert one_compiler.claim(tmp_path, "another kernel")
    one_compiler.give_back(tmp_path, "a kernel")


def test_nobody_waits_for_ever(tmp_path, monkeypatch):
    holder = started(HOLD, tmp_path, str(tmp_path))
    assert holder.stdout.readline() == "True\n"
    monkeypatch.setattr(one_compiler, "LONGEST_SECONDS", 0.1)
    began = time.monotonic()
    assert one_compiler.claim(tmp_path, "a kernel")
    assert 0.1 <= time.monotonic() - began < 5
    holder.communicate("\n")


def test_where_no_lock_can_be_had_each_compiles(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    assert one_compiler.claim(tmp_path / "file" / "cache", "a kernel")
    one_compiler.give_back(tmp_path / "file" / "cache", "a kernel")
    monkeypatch.setattr(one_compiler, "fcntl", None)
    assert one_compiler.claim(tmp_path, "a kernel")
