"""What all tests share: the two backends, a way to set threads, one profile for hypothesis.
Everything is seeded, so two runs of the tests draw the same examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

import minilstm as ml
from minilstm.backend import is_installed, load_backend

# A slow first example is Numba compiling, not a fault.
settings.register_profile("minilstm", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("minilstm")


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
