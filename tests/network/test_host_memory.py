"""The memory that a process may use: limits of containers, of the address space, of the machine.
The folders of control groups are made up, as they are on systems of every kind.
"""

import os
import resource

import pytest
from builders import write_control_groups

from minilstm.network.passes import host_memory, memory

UNLIMITED = "9223372036854771712"  # how version 1 says it

GROUPS = {
    "version 2": (
        "0::/user/job",
        {"user/job/memory.max": "7000", "user/memory.max": "max"},
        [7000],
    ),
    "a parent's limit": (
        "0::/user/job",
        {"user/job/memory.max": "7000", "user/memory.max": "5000"},
        [7000, 5000],
    ),
    "no limit": ("0::/job", {"job/memory.max": "max"}, []),
    "version 1": (
        "3:cpu:/elsewhere\n4:memory:/job",
        {"memory/job/memory.limit_in_bytes": "6000", "memory/memory.limit_in_bytes": UNLIMITED},
        [6000, int(UNLIMITED)],
    ),
    "version 1, kinds together": (
        "2:cpu,memory:/a",
        {"memory/a/memory.limit_in_bytes": "10"},
        [10],
    ),
    "both versions": ("1:cpu:/\n0::/job", {"unified/job/memory.max": "9000"}, [9000]),
    "the machine's path in a container": (
        "4:memory:/docker/1f",
        {"memory/memory.limit_in_bytes": "3000"},
        [3000],
    ),
    "a group of another kind": ("3:cpu:/job", {"job/memory.max": "1"}, []),
    "damaged": ("nothing\n0::/job", {"job/memory.max": "-1 \n", "memory.max": ""}, []),
}


@pytest.mark.parametrize("groups", GROUPS)
def test_limits_of_control_groups(tmp_path, groups):
    lines, files, wanted = GROUPS[groups]
    write_control_groups(tmp_path, lines, files)
    assert list(host_memory.group_limits(tmp_path)) == wanted


def test_a_system_without_control_groups_has_no_limits(tmp_path):
    assert list(host_memory.group_limits(tmp_path)) == []


def test_the_lowest_limit_counts(monkeypatch):
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert host_memory.physical_memory() == pages > 2**28
    monkeypatch.setattr(host_memory, "group_limits", lambda root: [9 << 40, 3 << 30])
    monkeypatch.setattr(resource, "getrlimit", lambda what: (2 << 30, 4 << 30))
    asked = host_memory.host_memory.__wrapped__
    assert asked() == min(pages, 2 << 30)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (resource.RLIM_INFINITY,) * 2)
    assert asked() == min(pages, 3 << 30)


def test_where_the_system_does_not_say_the_budget_is_the_least(monkeypatch):
    def unknown(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", unknown)
    monkeypatch.setattr(host_memory, "group_limits", lambda root: [])
    assert host_memory.physical_memory() == 0
    assert memory.auto_budget(host_memory.host_memory.__wrapped__()) == 240 * 2**20
