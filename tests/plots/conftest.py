"""What every test of figures keeps to: nothing of Matplotlib's is changed.
Without Matplotlib the files themselves are skipped."""

import sys

import pytest


@pytest.fixture(autouse=True)
def untouched_settings():
    """Every test leaves Matplotlib's settings and its list of windows as they were."""
    import matplotlib

    before = list(dict.items(matplotlib.rcParams))  # past its look-up, which picks a backend
    yield
    assert list(dict.items(matplotlib.rcParams)) == before
    if "matplotlib.pyplot" in sys.modules:
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []
