"""Exchanges between blocks, whose time is the floor of a recurrent kernel's step.
Every number must be where so many exchanges bring it, for any split over blocks."""

import importlib

import cuda_shim
import numpy as np
import pytest
from agreement import dtype_names as dtypes

from minilstm.backend import gpu_devices


@pytest.fixture(scope="module")
def exchange(cuda_kernels):
    return importlib.import_module("minilstm.kernels.cuda.exchange")


@pytest.fixture(scope="module")
def measuring(cuda_kernels):
    return importlib.import_module("minilstm.kernels.cuda.measuring")


sizes = pytest.mark.parametrize(("values", "steps"), [(1, 3), (5, 1), (600, 4), (300, 0), (12, 25)])


def brought(exchange, cuda_kernels, group, values, steps, dtype):
    numbers = np.random.default_rng(0).standard_normal(values).astype(dtype)
    given = cuda_kernels.to_device(numbers)
    orders = [("forward", 0), ("blocks", 1), *(("warps", seed) for seed in range(3))]
    for order, seed in orders:
        with cuda_shim.thread_order(order, seed):
            moved = cuda_kernels.to_host(exchange.exchange(given, steps, group))
        assert moved.dtype == dtype
        assert np.array_equal(moved, np.roll(numbers, -steps))
    assert np.array_equal(cuda_kernels.to_host(given), numbers)


@dtypes
@sizes
@pytest.mark.parametrize("blocks", [1, 2, 7])
def test_a_grid_brings_every_number_where_it_belongs(
    exchange, cuda_kernels, values, steps, blocks, dtype
):
    brought(exchange, cuda_kernels, exchange.Group(blocks, False), values, steps, dtype)


@dtypes
@sizes
@pytest.mark.parametrize("blocks", [2, 8])
def test_a_cluster_does_the_same(exchange, measuring, cuda_kernels, values, steps, blocks, dtype):
    if not any(group.cluster for group in measuring.exchange_groups()):
        pytest.skip("this device has no clusters")
    brought(exchange, cuda_kernels, exchange.Group(blocks, True), values, steps, dtype)


def test_a_device_that_refuses_a_cluster_has_none(exchange, monkeypatch):
    def refused(*arguments, **options):
        raise RuntimeError("CUDA_ERROR_INVALID_CLUSTER_SIZE: cluster misconfiguration")

    monkeypatch.setattr(exchange, "launch", refused)
    assert exchange.has_clusters() is False
    plans = importlib.import_module("minilstm.kernels.cuda.lstm_plan")
    plans.device.cache_clear()
    refusing = plans.device(0)
    plans.device.cache_clear()
    assert not refusing.has_clusters
    assert plans.make_plan(refusing, 200, 6, 1000, "float32").exchange == 2


def test_an_exchange_that_loses_numbers_is_not_timed(exchange, measuring, monkeypatch):
    monkeypatch.setattr(exchange, "exchange", lambda numbers, steps, group: numbers)
    with pytest.raises(AssertionError, match=r"^an exchange .* lost numbers; nothing was timed\.$"):
        measuring.exchange_seconds(10, 3, exchange.Group(2, False))


def test_every_group_that_the_device_has_is_timed(exchange, measuring):
    groups = measuring.exchange_groups()
    facts = measuring.describe()
    assert max(g.blocks for g in groups if not g.cluster) == facts["multiprocessors"]
    has_clusters = float(facts["compute_capability"]) >= 9
    assert [g.blocks for g in groups if g.cluster] == [2, 8] * has_clusters
    assert len({str(g) for g in groups}) == len(groups)
    for group in groups:
        if group.blocks <= 8:  # more take long where threads are fibres
            assert measuring.exchange_seconds(10**6, 2, group) > 0


def test_the_device_describes_itself(measuring):
    facts = measuring.describe()
    assert facts["device"] == gpu_devices()[0].name != ""
    assert all(facts[key].replace(".", "").isdigit() for key in ("cuda_runtime", "cuda_driver"))
    assert "." in facts["compute_capability"] and facts["device_gib"] > 0
    assert measuring._version(12090) == "12.9" and measuring._version(13000) == "13.0"


def test_memory_is_counted_from_the_pool(measuring, cuda_kernels):
    before = measuring.used_bytes()
    array = cuda_kernels.to_device(np.zeros(2**18))
    assert measuring.held_bytes() >= before + array.nbytes
    assert measuring.used_bytes() >= before + array.nbytes
