"""What all tests share: the backends, a way to set threads, commands, a profile for hypothesis.
Everything is seeded, so two runs of the tests draw the same examples."""

import importlib
import subprocess
import sys
from contextlib import contextmanager

import cuda_shim
import numpy as np
import pytest
from agreement import bits
from device_arrays import on_host
from hypothesis import settings

import minilstm as ml
from minilstm import backend as switch
from minilstm.backend import is_installed, load_backend
from minilstm.command_line.cli import main
from minilstm.proof.causes import elsewhere

# CuPy's arrays: on the CPU, or where there is a device.
WHERE = ["shim", pytest.param("device", marks=pytest.mark.gpu)]

# A slow first example is Numba compiling, not a fault.
settings.register_profile("minilstm", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("minilstm")


# Long files go first, so that no process is left with one when the other has nothing more to do.
LONG = ("test_kernel_widths.py", "test_activations_exhaustive.py")


def pytest_sessionstart(session):
    """Compile the kernels before several processes run tests and ask for the same one at once."""
    if session.config.getoption("numprocesses", None) and is_installed("numba"):
        warm = [sys.executable, "-m", "minilstm", "warmup", "--dtype", "both"]
        if subprocess.run(warm, stdout=subprocess.DEVNULL).returncode:
            pytest.exit("the kernels do not compile", returncode=1)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_report_header():
    numba = "not installed"
    if is_installed("numba"):
        import numba as package

        numba = f"{package.__version__} on {ml.get_num_threads()} threads"
    return f"minilstm {ml.__version__}, numpy {np.__version__}, numba {numba}"


@pytest.fixture(autouse=True)
def nothing_stays_chosen(monkeypatch):
    """The backend that a test sets for the whole process, as a page of docs does, ends with it."""
    monkeypatch.setattr(switch, "_everywhere", switch._everywhere)


@pytest.fixture(autouse=True, scope="session")
def time_for_causes():
    """A machine that is busy with other tests stops no search for a cause."""
    elsewhere.MOST_SECONDS = 120.0


@pytest.fixture(scope="session", params=["numpy", "numba"])
def backend(request):
    """The record of each backend that computes on the CPU."""
    with record_of(request.param) as record:
        yield record


@pytest.fixture
def on_numpy():
    """The NumPy backend is in force."""
    with ml.use_backend("numpy"):
        yield


@pytest.fixture
def own_folder(tmp_path, monkeypatch, on_numpy):
    """Work in an empty folder, on NumPy, in processes that are started as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINILSTM_BACKEND", "numpy")


@pytest.fixture
def run(capsys):
    """Exit code, printed lines and complaint lines of a command."""

    def command(*words):
        code = main([*map(str, words)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return command


@pytest.fixture(scope="session")
def numba_backend():
    """The record of the Numba backend."""
    pytest.importorskip("numba")
    return load_backend("numba")


@pytest.fixture(scope="module", params=WHERE)
def cuda_kernels(request):
    """The package `minilstm.kernels.cuda`, on a device or on what stands for one."""
    with cuda_for_tests(request.param):
        yield importlib.import_module("minilstm.kernels.cuda")


@pytest.fixture(scope="module", params=WHERE)
def cupy_backend(request):
    """The record of the CuPy backend, on a device or on what stands for one."""
    with record_of(request.param) as record:
        yield record


@pytest.fixture(scope="module", params=["numpy", "numba", *WHERE])
def every_backend(request):
    """The record of each backend."""
    with record_of(request.param) as record:
        yield record


@pytest.fixture(scope="module", params=["numba", *WHERE])
def fast_backend(request):
    """Each backend but NumPy, for arrays of the host."""
    with record_of(request.param) as record:
        yield on_host(record)


@pytest.fixture(scope="module")
def any_backend(every_backend):
    """Each backend, for arrays of the host."""
    return on_host(every_backend)


@contextmanager
def record_of(name):
    """The record of a backend within a ``with`` block; "shim" and "device" are the CuPy backend."""
    if name not in ("numpy", "numba"):
        with cuda_for_tests(name):
            yield load_backend("cupy")
    elif is_installed(name):
        yield load_backend(name)
    else:
        pytest.skip(f"{name} is not installed")


@contextmanager
def cuda_for_tests(where):
    """CuPy and the CUDA kernels within a ``with`` block, and nothing of them left after it."""
    if where == "device":
        cupy = pytest.importorskip("cupy")
        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            pytest.skip(f"no device: {error}")
    elif not cuda_shim.can_compile():
        pytest.skip("the kernels run on a CPU through gcc on Linux")
    entered = cuda_shim.fresh_kernels() if where == "device" else cuda_shim.installed()
    with entered:
        forget_backends()
        try:
            yield
        finally:
            forget_backends()


def forget_backends():
    """Let the switch look anew for what is installed; the other records stay as they are."""
    is_installed.cache_clear()
    switch._cupy.cache_clear()


@pytest.fixture
def set_threads():
    """`minilstm.set_num_threads`, undone after the test."""
    before = ml.get_num_threads()
    yield ml.set_num_threads
    ml.set_num_threads(before)


@pytest.fixture
def on_any_threads(set_threads):
    """A function that gives what another one gives, with the same bits for any thread count."""

    def results(do, counts=(1, 2, 4)):
        found = []
        for count in counts:
            set_threads(count)
            found.append(do())
        assert all(bits(one) == bits(found[0]) for one in found)
        return found[0]

    return results
