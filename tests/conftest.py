"""What all tests share: the two backends, a way to set threads, one profile for hypothesis.
Everything is seeded, so two runs of the tests draw the same examples."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import settings

import minilstm as ml
from minilstm.backend import is_installed, load_backend

# A slow first example is Numba compiling, not a fault.
settings.register_profile("minilstm", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("minilstm")


# Every kernel for both dtypes, except those that another process has taken.
COMPILE = """
import sys
from pathlib import Path
from minilstm.backend import load_backend
load_backend("numba")
from minilstm.kernels.numba.compiling import kernels
for one in kernels:
    try:
        Path(sys.argv[1], one.name).touch(exist_ok=False)
    except FileExistsError:
        continue
    for dtype in ("float32", "float64"):
        one.of(dtype)
"""
# Long files go first, so that no process is left with one when the other has nothing more to do.
LONG = ("test_kernel_widths.py", "test_activations_exhaustive.py")


def pytest_sessionstart(session):
    """Compile the kernels before several processes run tests and ask for the same one at once."""
    if session.config.getoption("numprocesses", None) and is_installed("numba"):
        with tempfile.TemporaryDirectory() as taken:
            command = [sys.executable, "-c", COMPILE, taken]
            compilers = [subprocess.Popen(command) for _ in range(2)]
            if any([compiler.wait() for compiler in compilers]):
                pytest.exit("the kernels do not compile", returncode=1)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_report_header():
    numba = "not installed"
    if is_installed("numba"):
        import numba as package

        numba = f"{package.__version__} on {ml.get_num_threads()} threads"
    return f"minilstm {ml.__version__}, numpy {np.__version__}, numba {numba}"


@pytest.fixture(scope="session", params=["numpy", "numba"])
def backend(request):
    """The record of each backend that is installed."""
    if not is_installed(request.param):
        pytest.skip(f"{request.param} is not installed")
    return load_backend(request.param)


@pytest.fixture(scope="session")
def numba_backend():
    """The record of the Numba backend."""
    pytest.importorskip("numba")
    return load_backend("numba")


@pytest.fixture
def set_threads():
    """`minilstm.set_num_threads`, undone after the test."""
    before = ml.get_num_threads()
    yield ml.set_num_threads
    ml.set_num_threads(before)
