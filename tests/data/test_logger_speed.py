"""Plain CSV is read about as fast as pandas reads it, in the same run, and in little memory.
A tenth of the million rows is read in every run of the tests, all of them in `make campaign`.
"""

import subprocess
import sys
from statistics import median
from time import perf_counter

import numpy as np
import pandas as pd
import pytest
from campaigns import WHOLE, cases
from logger_files import AXES

from minilstm.data import read_sequences

ROWS = cases(1_000_000)
# The smaller file has a bound with room for what starts once, and for noise.
MOST_TIME = 1.5 if WHOLE else 2.0
MOST_MEMORY = 2.0 if WHOLE else 4.0  # times the data

pytestmark = [pytest.mark.campaign, pytest.mark.alone]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A file of six columns of numbers, and those numbers."""
    x = np.random.default_rng(0).normal(size=(ROWS, 6)).round(6)
    path = tmp_path_factory.mktemp("plain") / "plain.csv"
    pd.DataFrame(x, columns=AXES).to_csv(path, index=False)
    return path, x


def test_a_million_rows_take_at_most_half_as_long_again_as_pandas(plain):
    path, x = plain

    def seconds(read):
        start = perf_counter()
        found = read()
        return perf_counter() - start, found

    ours, theirs = [], []
    for _ in range(3):
        taken, data = seconds(lambda: read_sequences(path, id_column=""))
        ours.append(taken)
        theirs.append(seconds(lambda: pd.read_csv(path))[0])
    assert np.array_equal(data.x[0], x) and data.feature_names == AXES
    assert median(ours) <= MOST_TIME * median(theirs), (ours, theirs)


def test_it_takes_at_most_twice_the_memory_of_the_data(plain):
    path, x = plain
    program = """
import resource, sys
from minilstm.data import read_sequences
def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open("small.csv", "w") as file:
    file.write("a,b\\n1,2\\n3,4\\n")
read_sequences("small.csv", id_column="")
before = peak()
data = read_sequences(sys.argv[1], id_column="")
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True, text=True, check=True, cwd=path.parent,
    )  # fmt: skip
    assert int(done.stdout) <= MOST_MEMORY * x.nbytes, int(done.stdout) / x.nbytes
