"""The cores that a process may use: those it may run on, the limits of containers, the environment.
The folders of control groups are made up, as they are on systems of every kind.
"""

import os
import subprocess
import sys

import pytest
from builders import write_control_groups

import minilstm as ml
from minilstm.kernels import host

GROUPS = {
    "version 2": ("0::/a/b", {"a/b/cpu.max": "250000 100000", "a/cpu.max": "max 100000"}, [2]),
    "a parent's limit": (
        "0::/a/b",
        {"a/b/cpu.max": "800000 100000", "a/cpu.max": "300000 100000"},
        [8, 3],
    ),
    "no limit": ("0::/a", {"a/cpu.max": "max 100000"}, []),
    "less than a core": ("0::/a", {"a/cpu.max": "50000 100000"}, [0]),
    "version 1": (
        "4:memory:/\n3:cpu:/a",
        {"cpu/a/cpu.cfs_quota_us": "600000", "cpu/a/cpu.cfs_period_us": "100000"},
        [6],
    ),
    "version 1, no limit": (
        "3:cpu:/a",
        {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"},
        [],
    ),
    "version 1, kinds together": (
        "3:cpu,cpuacct:/docker/1f",
        {"cpu,cpuacct/cpu.cfs_quota_us": "400000", "cpu,cpuacct/cpu.cfs_period_us": "200000"},
        [2],
    ),
    "damaged": ("nothing\n0::/a", {"a/cpu.max": "100 0", "cpu.max": "100000"}, []),
    "no control groups": ("", {}, []),
}


@pytest.mark.parametrize("groups", GROUPS)
def test_quotas_of_control_groups(tmp_path, groups):
    lines, files, wanted = GROUPS[groups]
    write_control_groups(tmp_path, lines, files)
    assert list(host.core_quotas(tmp_path)) == wanted


@pytest.mark.parametrize(
    ("allowed", "quotas", "wanted"),
    [(8, [], 8), (8, [6, 3], 3), (2, [6], 2), (8, [0], 1), (1, [0, 4], 1)],
)
def test_the_lowest_limit_counts_and_one_core_is_always_there(monkeypatch, allowed, quotas, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(allowed)), raising=False)
    monkeypatch.setattr(host, "core_quota", host.core_quota.__wrapped__)
    monkeypatch.setattr(host, "core_quotas", lambda root: quotas)
    assert host.cores() == wanted


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, 8),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "4,2", "NUMBA_NUM_THREADS": "6"}, 4),
        ({"OMP_NUM_THREADS": "16"}, 8),
        ({"OMP_NUM_THREADS": "0"}, 8),
        ({"OMP_NUM_THREADS": "all", "NUMBA_NUM_THREADS": "-1"}, 8),
        ({"OMP_NUM_THREADS": "1", "MINILSTM_NUM_THREADS": "5"}, 5),
    ],
)
def test_the_environment_may_want_fewer_threads(monkeypatch, variables, wanted):
    pytest.importorskip("numba")
    from minilstm.kernels.numba.machinery import threads

    for name in (*host.THREAD_VARIABLES, "MINILSTM_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(threads, "_num_threads", None)
    monkeypatch.setattr(threads, "cores", lambda: 8)
    assert ml.get_num_threads() == wanted


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_held_to_one_core_computes_with_one_thread():
    pytest.importorskip("numba")
    code = (
        "import os, minilstm as ml\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "print(ml.get_num_threads())"
    )
    names = {*host.THREAD_VARIABLES, "MINILSTM_NUM_THREADS"}
    environment = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
