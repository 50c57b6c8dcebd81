"""The LSTM of the CUDA kernels against its NumPy twin, on every kind of device that plans know.
Each kind is asked for the same bits, with threads in several orders, run after run."""

import importlib
import sys

import numpy as np
import pytest
from agreement import BROAD, NUMPY, TOLERANCE, assert_agree, bits, dtypes, widened
from builders import lstm_problem, run_lstm
from device_arrays import in_every_order, moved

import minilstm as ml
from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMState

# Kinds of devices: clusters, multiprocessors, bytes of shared memory a block. There are few
# multiprocessors, so that groups have several passes of sequences and tests have few threads; with
# hardly any memory, only steps remain.
DEVICES = {
    "clusters": (True, 20, 227 << 10),
    "grid": (False, 20, 163 << 10),
    "small grid": (False, 9, 96 << 10),
    "little memory": (False, 9, 8 << 10),
    "steps": (False, 4, 64),
}
LARGE_DEVICES = {
    "clusters": (True, 132, 227 << 10),
    "grid": (False, 108, 163 << 10),
    "old grid": (False, 80, 96 << 10),
    "small grid": (False, 40, 64 << 10),
    "desktop": (True, 84, 99 << 10),
    "part": (True, 7, 227 << 10),
}
# Lengths, D, H: units that fill no team, no warp, no round; teams of 8, 16 and 32 lanes.
PROBLEMS = [
    ([3], 1, 1),
    ([7, 5, 5, 1], 3, 5),
    ([9, 9, 9, 2, 1, 1, 1], 3, 32),
    ([6, 6, 6, 6, 5, 5, 4, 4, 4, 2, 1], 2, 33),
    ([12, 1], 4, 100),
    ([5] * 40, 2, 40),
    (list(range(31, 0, -1)), 1, 17),
    ([4, 3, 3], 3, 200),
    ([3] * 18, 2, 257),
]


def on_shim():
    return not hasattr(sys.modules["cupy"], "__file__")


def transfer():
    return importlib.import_module("minilstm.kernels.cuda.transfer")


def device_of(kind, kinds=DEVICES):
    return importlib.import_module("minilstm.kernels.cuda.lstm_plan").Device(*kinds[kind])


@pytest.fixture
def kernels(cuda_kernels):
    return importlib.import_module("minilstm.kernels.cuda.lstm")


@pytest.fixture(params=DEVICES)
def kind(request, kernels, monkeypatch):
    """Plans are made for this kind of device; a real one keeps to itself and to steps."""
    wanted, own = device_of(request.param), kernels.device(0)
    if wanted != own and not on_shim() and request.param != "steps":
        pytest.skip("this device is of another kind")
    monkeypatch.setattr(kernels, "device", lambda number: wanted)
    return request.param


def on_device(kernels, value):
    """The same nested tuples with their real numbers on the device; counts stay on the host."""
    real = lambda a: np.asarray(a).dtype.kind == "f" and not np.isscalar(a)  # noqa: E731
    return moved(value, lambda a: transfer().to_device(a) if real(a) else a)


def run(kernels, arguments, dh, dstate, names=()):
    """`run_lstm` there and back again."""
    arguments, dh, dstate = on_device(kernels, (arguments, dh, dstate))
    arguments = (*arguments, None, *names) if names else arguments
    return moved(run_lstm(kernels, arguments, dh, dstate), transfer().to_host)


def plan_of(kernels, lengths, H, dtype):
    active = np.array([sum(n > t for n in lengths) for t in range(max(lengths))])
    return kernels._plan(active, H, dtype)


@dtypes
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_outputs_and_gradients(kernels, kind, dtype, problem):
    lengths, D, H = problem
    arguments, dh, dstate = lstm_problem(lengths, D, H, 0, dtype)
    orders = ("reverse", "random", "blocks", "warps")
    got = in_every_order(lambda: run(kernels, arguments, dh, dstate), "", orders, seed=2)
    assert_agree(got, run_lstm(NUMPY, arguments, dh, dstate), TOLERANCE[dtype])
    if dtype == np.float32:
        exact = run_lstm(NUMPY, *widened((arguments, dh, dstate)))
        assert_agree(got, exact, TOLERANCE[dtype], "against float64:")
    assert kind != "steps" or plan_of(kernels, lengths, H, dtype) is None


def test_teams_of_a_whole_warp(kernels, monkeypatch):
    monkeypatch.setattr(kernels, "device", lambda number: device_of("old grid", LARGE_DEVICES))
    lengths, H = [3], 520
    assert plan_of(kernels, lengths, H, np.float32).lanes == 32
    problem = lstm_problem(lengths, 1, H, 0, np.float32)
    assert_agree(run(kernels, *problem), run_lstm(NUMPY, *problem), TOLERANCE[np.float32])


@dtypes
def test_every_way_of_sharing_gives_the_same_bits(kernels, monkeypatch, dtype):
    for lengths, D, H in (([6, 6, 5, 4, 4, 4, 2, 1] * 3, 2, 40), ([4, 3, 3], 3, 200)):
        problem = lstm_problem(lengths, D, H, 1, dtype)
        own = kernels.device(0)
        devices = [device_of(kind) for kind in DEVICES] if on_shim() else [own]
        results, plans = [], set()
        for device in devices:
            monkeypatch.setattr(kernels, "device", lambda number, device=device: device)
            plan = plan_of(kernels, lengths, H, dtype)
            if plan is not None:
                plans.add(plan)
                results.append(bits(run(kernels, *problem)))
        assert all(result == results[0] for result in results)
        assert len(plans) > 2 or not on_shim()
        assert len(lengths) < 24 or any(p.rows_back < p.rows for p in plans) or not on_shim()


@pytest.mark.parametrize("state", STATE_ACTIVATIONS)
@pytest.mark.parametrize("gate", GATE_ACTIVATIONS)
def test_other_activations(kernels, kind, gate, state):
    names = gate, state
    arguments, dh, dstate = lstm_problem([7, 6, 2], 3, 12, 3, np.float64)
    got = run(kernels, arguments, dh, dstate, names)
    want = run_lstm(NUMPY, (*arguments, None, *names), dh, dstate)
    assert_agree(got, want, TOLERANCE[np.float64])


@dtypes
def test_a_large_lstm_is_as_accurate_as_its_dtype(kernels, kind, dtype):
    problem = lstm_problem([30, 25, 1, 30], 3, 200, 0, dtype)
    got, exact = run(kernels, *problem), run_lstm(NUMPY, *widened(problem))
    assert_agree(got, exact, BROAD[dtype])


@dtypes
def test_a_span_that_is_kept_is_restored(kernels, kind, dtype):
    for lengths, H in (([9, 9, 3, 1], 5), ([4, 3], 70)):
        arguments, _, _ = lstm_problem(lengths, 2, H, 0, dtype)
        x, h0, c0, W, R, b, active = on_device(kernels, arguments)
        packed = kernels.lstm_pack(W, R, b)
        host = lambda value: moved(value, transfer().to_host)  # noqa: E731
        h, state = host(kernels.lstm_forward(x, h0, c0, W, R, b, active, packed)[:2])
        cache = host(kernels.lstm_forward(x, h0, c0, W, R, b, active)[2])
        for keep, want in (
            ("output", (h, state, None)),
            ("state", (None, state, None)),
            ("gates", (None, state, cache.gates)),
        ):
            assert_agree(host(kernels.lstm_advance(x, h0, c0, active, packed, keep)), want, 0, keep)
        gates = transfer().to_device(cache.gates)
        assert_agree(host(kernels.lstm_restore(gates, h0, c0, active)), (cache.h, cache.c), 0)


def test_what_is_not_asked_for(kernels, kind):
    arguments, dh, dstate = lstm_problem([5, 4, 2], 3, 7, 0, np.float64)
    args, dh_there, dstate_there = on_device(kernels, (arguments, dh, dstate))
    want = NUMPY.lstm_backward(dh, dstate, NUMPY.lstm_forward(*arguments)[2])
    cache = kernels.lstm_forward(*args)[2]
    before = bits(moved(cache, transfer().to_host))
    dx, grads = kernels.lstm_backward(dh_there, dstate_there, cache, need_dx=False)
    assert dx is None and bits(moved(cache, transfer().to_host)) == before
    assert_agree(moved(grads, transfer().to_host), want[1], 1e-13)
    got = kernels.lstm_backward(dh_there, dstate_there, cache, spend_cache=True)
    assert_agree(moved(got, transfer().to_host), want, 1e-13)


def test_any_memory_layout_gives_the_same_results(kernels, kind):
    arguments, dh, dstate = lstm_problem([5, 9, 1, 9], 3, 17, 0, np.float64)
    want = run_lstm(NUMPY, arguments, dh, dstate)
    arrays = (*arguments[:-1], dh, *dstate)
    halves = on_device(kernels, tuple(np.repeat(a, 2, axis=0) for a in arrays))
    columns = on_device(kernels, tuple(np.asfortranarray(a) for a in arrays))
    for case in (tuple(a[::2] for a in halves), columns):
        got = run_lstm(kernels, (*case[:6], arguments[-1]), case[6], LSTMState(*case[7:]))
        assert_agree(moved(got, transfer().to_host), want, 1e-12)


def test_bad_numbers_are_seen(kernels, kind):
    arguments, dh, dstate = lstm_problem([4, 3], 3, 17, 0, np.float32)
    for bad in (np.nan, np.inf):
        x = arguments[0].copy()
        x[2] = bad  # step 1 of the first sequence
        args, dh_there, dstate_there = on_device(kernels, ((x, *arguments[1:]), dh, dstate))
        h, _, cache = kernels.lstm_forward(*args)
        dx = transfer().to_host(kernels.lstm_backward(dh_there, dstate_there, cache)[0])
        h = transfer().to_host(h)
        if np.isnan(bad):
            assert np.isnan(h[[2, 4, 6]]).all() and np.isnan(dx[2]).all()
        assert np.isfinite(h[[0, 1, 3, 5]]).all()


def test_nothing_is_moved_but_lengths(kernels):
    arguments, dh, dstate = lstm_problem([9, 9, 4, 2], 3, 40, 0, np.float32)
    args, dh, dstate = on_device(kernels, (arguments, dh, dstate))
    # Lengths, the places of the last states, the rows after an end; then they are there.
    for arrays, size in ((3, 8 * (4 + 4 + 2)), (0, 0)):
        with ml.count_transfers() as counts:
            _, _, cache = kernels.lstm_forward(*args)
            kernels.lstm_backward(dh, dstate, cache)
        assert (counts.to_device, counts.to_device_bytes, counts.to_host) == (arrays, size, 0)


# ------------------------------------------------------------------------ plans


def plan(device, H, B, dtype="float32", T=1000):
    module = importlib.import_module("minilstm.kernels.cuda.lstm_plan")
    return module.make_plan(device_of(device, LARGE_DEVICES), H, B, T, dtype)


@dtypes
@pytest.mark.parametrize("device", LARGE_DEVICES)
def test_plans_cover_all_units_and_rows_and_fit(cuda_kernels, device, dtype):
    clusters, processors, memory = LARGE_DEVICES[device]
    for H in (1, 5, 31, 32, 33, 64, 100, 128, 200, 256, 257, 300, 384, 500, 512, 600, 1024, 1500):
        for B in (1, 2, 6, 16, 17, 33, 64, 256, 1000):
            p = plan(device, H, B, dtype)
            if p is None:
                continue
            assert (p.blocks - 1) * p.units < H <= p.blocks * p.units or p.exchange == 1
            assert p.blocks * p.units >= H
            assert (p.groups - 1) * p.rows_of_group < B <= p.groups * p.rows_of_group
            assert p.threads % 32 == 0 and p.units * p.lanes <= p.threads <= 512
            assert max(p.shared, p.shared_back) <= memory
            assert p.rows in (1, p.lanes) and min(p.held, p.held_back) >= 0
            assert p.rows_back == p.rows or (p.exchange == 2 and p.rows % p.rows_back == 0)
            assert p.rows > 1 or -(-B // p.groups) <= 16
            if p.exchange == 0:
                assert p.blocks == 1
            if p.exchange == 1:
                assert clusters and p.blocks in (2, 4, 8)
            if p.exchange == 2:
                assert p.blocks * p.groups <= processors


def test_plans_of_the_sizes_that_matter(cuda_kernels):
    clusters, grid = "clusters", "grid"
    seed = plan(clusters, 200, 6)
    assert (seed.exchange, seed.blocks, seed.groups, seed.rows) == (1, 8, 6, 1)
    assert seed.held == 7  # all of it: no weight is read again
    assert plan(grid, 200, 6).exchange == 2
    assert plan(clusters, 32, 6).exchange == plan(grid, 32, 6).exchange == 0
    for B in (64, 256):
        large = plan(clusters, 512, B)
        assert (large.exchange, large.blocks, large.rows, large.held) == (2, 32, 16, 7)
    # Where memory is short, backward takes fewer sequences at a time than forward.
    for device, rows_back in ((grid, 16), ("desktop", 8), ("small grid", 4)):
        large = plan(device, 512, 256)
        assert (large.rows, large.rows_back) == (16, rows_back)
    assert plan("part", 200, 6).exchange == 2  # too few multiprocessors for a cluster of 8
    assert plan(clusters, 1024, 4) is not None
    assert plan(clusters, 1024, 64) is None  # one after another would take too long
    assert plan(clusters, 200, 6, T=2) is None  # not worth loading the weights
    assert plan("old grid", 3000, 6) is None
    assert plan(clusters, 200, 6, "float64") is not None
