"""How kernels are put together, compiled and launched, and how moved arrays are counted.
On a device, and on what stands for one."""

import importlib
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minilstm as ml

TEXT = """
KERNEL add(const REAL *RESTRICT x, const REAL *RESTRICT y, REAL *RESTRICT z, int64 n, REAL scale)
{
    FOR_EACH(i, n) z[i] = x[i] + (y ? y[i] * scale : (REAL)OFFSET);
}
KERNEL fill(REAL *x, int64 n)
{
    SHARED_MEMORY(memory);
    REAL *all = (REAL *)memory;
    for (int64 i = threadIdx.x; i < n; i += blockDim.x) all[i] = (REAL)i;
    BLOCK_BARRIER();
    for (int64 i = threadIdx.x; i < n; i += blockDim.x) x[i] = all[n - 1 - i];
}
"""


@pytest.fixture
def compiling(cuda_kernels, monkeypatch):
    """The module, to which the file "text.cu" is known."""
    module = importlib.import_module("minilstm.kernels.cuda.compiling")
    source = module.source
    text = source("device.cuh") + TEXT
    monkeypatch.setattr(module, "source", lambda name: text if name == "text.cu" else source(name))
    module._module.cache_clear()
    yield module
    module._module.cache_clear()
    module._function.cache_clear()


def test_headers_are_written_in_the_place_of_their_names(cuda_kernels):
    compiling = importlib.import_module("minilstm.kernels.cuda.compiling")
    header = compiling.source("device.cuh")
    assert header.startswith("// What every kernel here starts with")
    for path in importlib.resources.files("minilstm.kernels.cuda").iterdir():
        if path.name.endswith(".cu"):
            text = compiling.source(path.name)
            assert "#include" not in text and text.count("#define KERNEL") == 1, path.name


def test_options_name_the_number_type_and_the_sizes(cuda_kernels):
    options = importlib.import_module("minilstm.kernels.cuda.compiling").options
    assert options("float32", {"H": 3}) == (
        "-std=c++17", "-DREAL=float", "-DREAL_BITS=32", "-DH=3",
    )  # fmt: skip
    assert options(np.float64, {})[1:] == ("-DREAL=double", "-DREAL_BITS=64")
    with pytest.raises(KeyError):
        options("float16", {})


def test_a_kernel_is_made_once_for_a_dtype_and_sizes(compiling):
    made = compiling.kernel("text.cu", "add", "float32", OFFSET=1)
    assert compiling.kernel("text.cu", "add", np.float32, OFFSET=1) is made
    for other in [("float64", 1), ("float32", 2)]:
        assert compiling.kernel("text.cu", "add", other[0], OFFSET=other[1]) is not made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 255, 256, 257, 3 * 4096 * 256 // 2])
def test_arrays_numbers_and_nothing_arrive(compiling, dtype, n):
    import cupy

    x = cupy.arange(n, dtype=dtype)
    z = cupy.empty_like(x)
    add = compiling.kernel("text.cu", "add", dtype, OFFSET=3)
    compiling.launch_each(add, n, x, x, z, n, x.dtype.type(0.5))
    np.testing.assert_array_equal(z.get(), np.arange(n, dtype=dtype) * x.dtype.type(1.5))
    compiling.launch_each(add, n, x, None, z, n, x.dtype.type(0))
    np.testing.assert_array_equal(z.get(), np.arange(n, dtype=dtype) + 3)


def test_no_work_is_no_launch(compiling):
    compiling.launch_each(None, 0)


def test_shared_memory_beyond_48_kib_is_asked_for(compiling):
    import cupy

    fill = compiling.kernel("text.cu", "fill", "float64", OFFSET=0)
    for n in (10, 8192):  # 64 KiB
        x = cupy.empty(n)
        compiling.launch(fill, 1, 128, x, n, shared=8 * n)
        np.testing.assert_array_equal(x.get(), np.arange(n)[::-1])


def test_arguments_that_would_be_misread_are_refused(compiling):
    import cupy

    add = compiling.kernel("text.cu", "add", "float64", OFFSET=0)
    x = cupy.zeros(8)
    with pytest.raises(TypeError, match="stated width"):
        compiling.launch_each(add, 8, x, x, x, 8, 1.0)
    with pytest.raises(ValueError, match="contiguous"):
        compiling.launch_each(add, 4, x[::2], None, x, 4, np.float64(1))


class Slow:
    """A kernel in which any number of threads can come between asking for memory and launching."""

    def __init__(self):
        self.most, self.refused = 48 << 10, []

    @property
    def max_dynamic_shared_size_bytes(self):
        return self.most

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size):
        self.most = size
        time.sleep(0.05)

    def __call__(self, grid, block, args, *, shared_mem=0):
        if shared_mem > self.most:
            self.refused.append(shared_mem)


def test_threads_may_want_different_memory_of_the_same_kernel(compiling):
    kernel = Slow()
    with ThreadPoolExecutor(2) as threads:
        for size in (100 << 10, 60 << 10) * 2:
            threads.submit(compiling.launch, kernel, 1, 32, shared=size)
    assert kernel.refused == []


# ---------------------------------------------------------------- transfers


def test_transfers_are_counted_where_they_happen(cuda_kernels):
    import cupy

    host = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    with ml.count_transfers() as outer:
        x = cuda_kernels.to_device(host)
        with ml.count_transfers() as inner:
            assert cuda_kernels.to_device(x) is x
            back = cuda_kernels.to_host(x)
            assert cuda_kernels.to_host(back) is back
            y = cuda_kernels.to_device(np.ones((1, 3), np.float32))
        z = cuda_kernels.to_device([1, 2])
    assert (inner.to_device, inner.to_device_bytes) == (1, 12)
    assert (inner.to_host, inner.to_host_bytes) == (1, 48)
    assert (outer.to_device, outer.to_device_bytes) == (3, 48 + 12 + 16)
    assert (outer.to_host, outer.to_host_bytes) == (1, 48)
    assert isinstance(x, cupy.ndarray) and x.flags.f_contiguous and back.flags.f_contiguous
    assert y.flags.c_contiguous and y.dtype == np.float32 and z.dtype == np.int64
    np.testing.assert_array_equal(back, host)
    cuda_kernels.to_device(host)  # not counted any more
    assert outer.to_device == 3
