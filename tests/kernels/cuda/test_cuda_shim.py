"""What the stand-in for a device finds in wrong kernels, and that right ones give right numbers.
Each wrong kernel is one that a device would run without a word."""

import re
from pathlib import Path

import cuda_shim
import numpy as np
import nvrtc
import pytest
from cuda_shim import LaunchError, thread_order

ROOT = Path(__file__).parents[3]
SHIM = (Path(__file__).parent / "cuda_shim" / "shim.h").read_text()

ORDERS = [("forward", 0), ("reverse", 0), ("random", 1), ("random", 2)]
BARRIER, LOOP = " BLOCK_BARRIER();", "while (load_and_acquire(arrived)"
AHEAD = [(order, seed) for order in ("blocks", "warps") for seed in (1, 2, 3)]

RIGHT = """
KERNEL twice(const REAL *RESTRICT x, REAL *RESTRICT y, int64 n, REAL factor)
{
    FOR_EACH(i, n) y[i] = factor * x[i];
}

DEVICE REAL warp_sum(REAL value)
{
    UNROLL for (int lanes = 16; lanes > 0; lanes /= 2) value += WARP_XOR(value, lanes);
    return value;
}

KERNEL block_sums(const REAL *RESTRICT x, REAL *RESTRICT y, int64 n)
{
    SHARED_MEMORY(memory);
    REAL *parts = (REAL *)memory, sum = 0;
    for (int64 i = threadIdx.x; i < n; i += blockDim.x) sum += x[blockIdx.x * n + i];
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    BLOCK_BARRIER();
    if (threadIdx.x > 0) return;
    for (unsigned w = 1; w < blockDim.x / 32; w++) sum += parts[w];
    y[blockIdx.x] = sum;
}

KERNEL from_lane(int *y)
{
    y[threadIdx.x] = WARP_FROM((int)threadIdx.x, (threadIdx.x + 1) % 32);
}

#if __CUDA_ARCH__ >= 900
KERNEL CLUSTER(BLOCKS) BLOCK_OF((BLOCKS * 64 + 31) / 32 * 32) ring(REAL *RESTRICT y)
{
    SHARED_MEMORY(memory);
    REAL *received = (REAL *)memory;
    cluster_arrive();
    cluster_wait();
    for (int i = 0; i < 3; i++) {
        if (threadIdx.x == 0)
            cluster_store(received + i, (blockIdx.x + 1) % BLOCKS, i ? received[i - 1] : blockIdx.x);
        cluster_arrive();
        cluster_wait();
    }
    if (threadIdx.x == 0) y[blockIdx.x] = received[2];
}
#endif

KERNEL neighbours(unsigned *RESTRICT arrived, REAL *RESTRICT y)
{
    for (unsigned step = 1; step <= 3; step++) {
        REAL before = step > 1 ? LOAD_FROM_L2(&y[(step - 1) * gridDim.x + (blockIdx.x + 1) % gridDim.x])
                               : (REAL)0;
        if (threadIdx.x == 32) y[step * gridDim.x + blockIdx.x] = before + blockIdx.x;
        BLOCK_BARRIER();
        if (threadIdx.x == 0) {
            add_and_release(arrived, 1);
            while (load_and_acquire(arrived) < gridDim.x * step) {
            }
        }
        BLOCK_BARRIER();
    }
}

KERNEL smallest(REAL *x) { x[0] = x[0] / 4; }
"""  # noqa: E501


def module(cupy, text, dtype="float64", **constants):
    from minilstm.kernels.cuda import compiling

    return cupy.RawModule(
        code=compiling.source("device.cuh") + text,
        options=compiling.options(dtype, constants),
    )


@pytest.fixture(scope="module")
def cupy():
    """The stand-in for CuPy."""
    if not cuda_shim.can_compile():
        pytest.skip("the kernels run on a CPU through gcc on Linux")
    with cuda_shim.installed() as cupy:
        yield cupy


@pytest.fixture(scope="module")
def launch(cupy):
    """Compile a text and run one of its kernels."""
    from minilstm.kernels.cuda import compiling

    def launch(
        text, name, blocks, threads, *arguments, shared=0, dtype="float64", together=False, **sizes
    ):
        function = module(cupy, text, dtype, **sizes).get_function(name)
        options = {"shared": shared, "cooperative": together}
        compiling.launch(function, blocks, threads, *arguments, **options)

    return launch


# ---------------------------------------------------------------- right kernels


@pytest.mark.parametrize("order", ORDERS + AHEAD, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_kernels_give_the_right_numbers_in_every_order(cupy, launch, order, dtype):
    with thread_order(*order):
        x = cupy.arange(3000, dtype=dtype)
        y, sums = cupy.empty_like(x), cupy.empty(10, dtype)
        launch(RIGHT, "twice", 7, 96, x, y, 3000, y.dtype.type(2), dtype=dtype, BLOCKS=4)
        assert y.get().tolist() == [2.0 * i for i in range(3000)]
        launch(RIGHT, "block_sums", 10, 128, x, sums, 300, shared=256, dtype=dtype, BLOCKS=4)
        assert sums.get().tolist() == [sum(range(i, i + 300)) for i in range(0, 3000, 300)]
        lanes = cupy.empty(64, np.int32)
        launch(RIGHT, "from_lane", 1, 64, lanes, dtype=dtype, BLOCKS=4)
        assert lanes.get().tolist() == [*range(1, 32), 0, *range(33, 64), 32]
        told = cupy.empty(8, dtype)
        launch(RIGHT, "ring", 8, 256, told, shared=64, dtype=dtype, BLOCKS=4)
        assert told.get().tolist() == [1, 2, 3, 0, 5, 6, 7, 4]
        arrived, told = cupy.zeros(1, np.uint32), cupy.empty((4, 8), dtype)
        options = {"dtype": dtype, "together": True, "BLOCKS": 4}
        launch(RIGHT, "neighbours", 8, 256, arrived, told, **options)
        own = np.arange(8)
        two = own + np.roll(own, -1)
        np.testing.assert_array_equal(told[1:].get(), [own, two, own + np.roll(two, -1)])


@pytest.mark.parametrize(("part", "which"), [(BARRIER, 0), (LOOP, 0), (BARRIER, 1)])
def test_a_meeting_with_a_part_missing_shows_where_some_run_ahead(cupy, launch, part, which):
    at = RIGHT.index("KERNEL neighbours")
    for _ in range(which + 1):
        at = RIGHT.index(part, at + 1)
    text = RIGHT[:at] + RIGHT[at:].replace(part, " if (0" if part == LOOP else " ;", 1)
    wrong = []
    for order in AHEAD:
        arrived, told = cupy.zeros(1, np.uint32), cupy.empty((4, 8))
        with thread_order(*order):
            launch(text, "neighbours", 8, 256, arrived, told, together=True, BLOCKS=4)
        own = np.arange(8)
        two = own + np.roll(own, -1)
        wrong.append(not np.array_equal(told[1:].get(), [own, two, own + np.roll(two, -1)]))
    assert any(wrong)


def test_float32_loses_numbers_too_small_to_be_normal_as_cupy_tells_the_compiler(cupy, launch):
    for dtype, left in [("float32", False), ("float64", True)]:
        x = cupy.full(1, np.finfo(dtype).tiny, dtype)
        launch(RIGHT, "smallest", 1, 1, x, dtype=dtype, BLOCKS=4)
        assert bool(x[0] != 0) == left
    assert np.float32(1e-40) != 0  # and outside of kernels nothing has changed


def test_two_thousand_threads_live_at_once(cupy, launch):
    arrived, told = cupy.zeros(1, np.uint32), cupy.empty((4, 16))
    launch(RIGHT, "neighbours", 16, 128, arrived, told, together=True, BLOCKS=4)
    assert int(arrived[0]) == 3 * 16 and bool(cupy.isfinite(told[1:]).all())


def test_it_has_all_that_only_an_nvidia_compiler_understands():
    header = (ROOT / "kernels" / "cuda" / "device.cuh").read_text()
    theirs = header[header.index("#ifdef __CUDACC__") : header.index("#endif  // ---")]
    names = re.findall(r"(?m)^#define (\w+)|^DEVICE \w+ (\w+)\(", theirs)
    assert len(names) > 15
    # A part of cluster_store, which checks for itself where it writes.
    missing = (
        {a or b for a, b in names} - set(re.findall(r"#define (\w+)", SHIM)) - {"cluster_place"}
    )
    assert not missing


@pytest.mark.parametrize("architecture", [70, 90])
def test_nvidias_compiler_takes_the_same_text(cupy, architecture):
    from minilstm.kernels.cuda import compiling

    if nvrtc.library() is None:
        pytest.skip(f"{nvrtc.WHEEL} is not installed")
    options = compiling.options("float32", {"BLOCKS": 4})
    text = compiling.source("device.cuh") + RIGHT
    names = {
        used.kernel for used in nvrtc.usage(nvrtc.compile_text(text, options, architecture)[1])
    }
    always = {"twice", "block_sums", "from_lane", "neighbours", "smallest"}
    assert names == always | ({"ring"} if architecture == 90 else set())


# ---------------------------------------------------------------- wrong kernels

WRONG = """
KERNEL no_barrier(REAL *RESTRICT y)
{
    SHARED_MEMORY(memory);
    REAL *all = (REAL *)memory;
    all[threadIdx.x] = (REAL)threadIdx.x;
    y[threadIdx.x] = all[(threadIdx.x + 1) % blockDim.x];
}
KERNEL one_too_many(REAL *y, int64 n) { FOR_EACH(i, n) y[i] = 1; }
KERNEL leaves(REAL *y) { if (threadIdx.x == 3) return; BLOCK_BARRIER(); y[threadIdx.x] = 1; }
KERNEL two_places(REAL *y)
{
    if (threadIdx.x < 32) { BLOCK_BARRIER(); y[0] = 1; }
    else { BLOCK_BARRIER(); y[1] = 1; }
}
KERNEL half_a_warp(REAL *y)
{
    if (threadIdx.x < 16) y[threadIdx.x] = WARP_XOR((REAL)threadIdx.x, 1);
}
KERNEL two_shuffles(REAL *y)
{
    if (threadIdx.x < 16) y[0] = WARP_XOR((REAL)threadIdx.x, 1);
    else y[1] = WARP_XOR((REAL)threadIdx.x, 2);
}
KERNEL lane_33(REAL *y) { y[threadIdx.x] = WARP_FROM((REAL)threadIdx.x, 33); }
KERNEL waits(unsigned *count)
{
    add_and_release(count, 1);
    while (load_and_acquire(count) < blockDim.x * gridDim.x) {
    }
}
KERNEL shared_too_far(int n)
{
    SHARED_MEMORY(memory);
    memory[n] = 1;
}
KERNEL uninitialised(REAL *y)
{
    SHARED_MEMORY(memory);
    y[threadIdx.x] = ((REAL *)memory)[threadIdx.x];
}
KERNEL wild(REAL *y, int64 far) { y[far] = 1; }
KERNEL overflows(int *y) { y[0] = 2147483647 + y[1]; }
KERNEL divides(int *y) { y[0] = 1 / y[1]; }
KERNEL local_array(int *y, int n)
{
    int part[4] = {1, 2, 3, 4};
    y[0] = part[n];
}
KERNEL deep(int *y)
{
    volatile int much[1 << 15];
    for (int i = 0; i < 1 << 15; i++) much[i] = i;
    y[0] = much[y[0]];
}
KERNEL misaligned(REAL *x, real4 *y) { *y = *(real4 *)(x + 1); }
KERNEL copies(const REAL *RESTRICT x, REAL *RESTRICT y) { y[threadIdx.x] = x[threadIdx.x]; }
KERNEL no_cluster(void) { cluster_arrive(); }
KERNEL CLUSTER(2) BLOCK_OF(512) no_wait(void) { cluster_arrive(); cluster_arrive(); }
KERNEL CLUSTER(2) BLOCK_OF(512) no_arrival(void) { cluster_wait(); }
KERNEL CLUSTER(2) store_far(int n)
{
    SHARED_MEMORY(memory);
    cluster_store((REAL *)memory + n, 1, 0);
    cluster_arrive();
    cluster_wait();
}
KERNEL CLUSTER(2) store_late(int n)
{
    SHARED_MEMORY(memory);
    if (blockIdx.x == 0) BLOCK_BARRIER();
    if (blockIdx.x == 0) cluster_store((REAL *)memory + n, 1, 0);
}
"""


def zeros(*shape, dtype="float64"):
    import cupy

    return cupy.zeros(shape, dtype)


def test_a_missing_barrier_shows_between_two_orders(cupy, launch):
    seen = []
    for order in ORDERS:
        y = cupy.empty(64)
        with thread_order(*order):
            launch(WRONG, "no_barrier", 1, 64, y, shared=512)
        seen.append(y.get().tobytes())
    assert len(set(seen)) == len(ORDERS)


def test_shared_memory_new_arrays_and_what_lies_around_them_hold_nan(cupy, launch):
    y = cupy.zeros(8)
    launch(WRONG, "copies", 1, 8, zeros(4), y)  # from behind the end of its first argument
    assert y[:4].get().tolist() == [0] * 4 and bool(cupy.isnan(y[4:]).all())
    y = zeros(32)
    launch(WRONG, "uninitialised", 1, 32, y, shared=256)
    assert bool(cupy.isnan(y).all()) and bool(cupy.isnan(cupy.empty(5)).all())


FAILURES = [
    ("one_too_many", 1, 32, lambda: (zeros(7), 8), "has written outside of y"),
    (
        "leaves",
        1,
        64,
        lambda: (zeros(64),),
        r"deadlock: .* waits at BLOCK_BARRIER.* thread 3 has r",
    ),
    ("two_places", 1, 64, lambda: (zeros(2),), "while others are at that of line"),
    ("half_a_warp", 1, 32, lambda: (zeros(32),), "deadlock: .*thread 0 waits for its warp"),
    ("half_a_warp", 1, 48, lambda: (zeros(32),), "deadlock"),
    ("half_a_warp", 1, 16, lambda: (zeros(32),), "fewer than 32 threads"),
    ("two_shuffles", 1, 32, lambda: (zeros(32),), "while its warp is at that of line"),
    ("lane_33", 1, 32, lambda: (zeros(32),), "lane 33 of a warp"),
    ("waits", 2, 32, lambda: (zeros(1, dtype="uint32"),), "deadlock: .*spins in load_and_acq"),
    ("shared_too_far", 1, 1, lambda: (np.int32(64),), "outside of its 64 bytes of shared"),
    ("wild", 1, 1, lambda: (zeros(1), 1 << 40), "an access to no memory"),
    ("overflows", 1, 1, lambda: (zeros(2, dtype="int32") + 1,), "what C leaves undefined"),
    ("divides", 1, 1, lambda: (zeros(2, dtype="int32"),), "1 / y"),
    ("local_array", 1, 1, lambda: (zeros(2, dtype="int32"), np.int32(4)), "part.n."),
    ("deep", 1, 1, lambda: (zeros(1, dtype="int32"),), "an access to no memory"),
    ("misaligned", 1, 1, lambda: (zeros(8), zeros(8)), "x . 1"),
    ("no_cluster", 1, 1, tuple, "without CLUSTER"),
    ("no_wait", 2, 32, tuple, "arrives twice"),
    ("no_arrival", 2, 512, tuple, "without having arrived"),
    ("no_arrival", 3, 512, tuple, "in clusters of 2"),
    ("no_arrival", 2, 544, tuple, "at most 512"),
    ("store_far", 2, 1, lambda: (np.int32(8),), "outside of the shared memory"),
    ("store_late", 2, 2, lambda: (np.int32(0),), "block 1, which has ended"),
    ("copies", 1, 1, lambda: (*[zeros(4)] * 2,), "x and y overlap"),
    ("copies", 1, 1025, lambda: (zeros(4), zeros(4)), "1025 threads"),
    ("copies", 1, 288, lambda: (zeros(4), zeros(4)), "at most 256"),
    ("copies", 0, 1, lambda: (zeros(4), zeros(4)), "0 blocks"),
    ("copies", 1, 1, lambda: (zeros(4),), "takes 2 arguments"),
    ("copies", 1, 1, lambda: (zeros(4, dtype="float32"), zeros(4)), "x is declared double"),
    ("copies", 1, 1, lambda: (zeros(4), np.float64(0)), "y is declared double"),
    ("copies", 1, 1, lambda: (zeros(4), np.zeros(4)), "y is declared double"),
    ("one_too_many", 1, 1, lambda: (zeros(4), np.int32(4)), "n is declared int64"),
    ("shared_too_far", 1, 1, lambda: (1,), "n is declared int"),
    ("misaligned", 1, 1, lambda: (zeros(8), zeros(8)[1:]), "not aligned"),
    ("copy", 1, 1, tuple, "no such kernel"),
]


@pytest.mark.parametrize(("name", "blocks", "threads", "arguments", "message"), FAILURES)
def test_a_wrong_kernel_or_launch_raises_and_says_where(
    cupy, launch, name, blocks, threads, arguments, message
):
    with pytest.raises(LaunchError, match=f"(?s){name}.*{message}"):
        launch(WRONG, name, blocks, threads, *arguments(), shared=64)
    # Afterwards the next kernel runs as if nothing had been.
    y = cupy.empty(32)
    launch(WRONG, "copies", 1, 32, zeros(32), y)
    assert not y.get().any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("KERNEL k(int *y) { int unused; y[0] = 1; }", "unused"),
        ("KERNEL k(int *y) { y[0] = nothing; }", r"(?s)line \d+.*nothing.*\n *\d+: KERNEL k\(int"),
        ("SHARED_MEMORY(all); KERNEL k(int *y) { y[0] = all[0]; }", "initializer|constant"),
        ("KERNEL k(short *y) { y[0] = WARP_XOR(y[1], 1); }", "_Generic"),
    ],
)
def test_a_text_with_errors_or_warnings_raises(launch, text, message):
    with pytest.raises(LaunchError, match=message):
        launch(text, "k", 1, 1)


def test_memory_and_grids_have_the_limits_of_the_device(cupy):
    from minilstm.kernels.cuda import compiling

    def function():
        return module(cupy, "KERNEL none(void) { }\n").get_function("none")

    most = 227 << 10
    assert cupy.cuda.Device().compute_capability == "90"
    compiling.launch(function(), 1, 32, shared=most)
    with pytest.raises(LaunchError, match="at most"):
        compiling.launch(function(), 1, 32, shared=most + 1)
    with pytest.raises(LaunchError, match="max_dynamic_shared_size_bytes"):
        function()((1,), (32,), (), shared_mem=(48 << 10) + 1)
    sms = cupy.cuda.Device().attributes["MultiProcessorCount"]
    compiling.launch(function(), sms, 256, shared=200 << 10, cooperative=True)
    with pytest.raises(LaunchError, match="at the same time"):
        compiling.launch(function(), sms + 1, 256, shared=200 << 10, cooperative=True)
    with pytest.raises(LaunchError, match="cudadevrt"):
        cupy.RawModule(code="", enable_cooperative_groups=True)
