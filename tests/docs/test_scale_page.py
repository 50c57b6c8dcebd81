"""The recipes for more than one machine run as files of their own, and print what their page says.
Sweeps run on processes and on a cluster of dask; their results are those of one process alone."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.training.ranks.shards import Shards
from minilstm.training.ranks.world import World

ROOT = Path(__file__).parents[2]
SCALING = ROOT / "examples" / "scaling.py"
PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")
RECIPES = re.findall(
    r"^```python\n# (\w+\.py)\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.S | re.M
)


THREADS = """
import minilstm as ml
from dask.distributed import Client
from joblib import Parallel, delayed, parallel_config

def found(engine):
    with parallel_config(engine, n_jobs=2):
        return set(Parallel()(delayed(ml.get_num_threads)() for _ in range(4)))

if __name__ == "__main__":
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        print(found("loky"), found("dask"))
"""


def run_alone(folder, name, code):
    """Run it as a file in a process that nobody has told how many threads to use."""
    pytest.importorskip("distributed")
    pytest.importorskip("numba")
    (folder / name).write_text(code)
    environment = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=300,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("name", "code", "said"), RECIPES, ids=[name for name, *_ in RECIPES])
def test_a_recipe_prints_what_the_page_says(tmp_path, name, code, said):
    assert run_alone(tmp_path, name, code) == said


def test_all_recipes_are_run():
    assert len(RECIPES) == PAGE.count("```python\n# ") >= 2


def test_a_worker_uses_one_thread(tmp_path):
    assert run_alone(tmp_path, "threads.py", THREADS) == "{1} {1}\n"


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("scaling")


def test_the_table_of_the_model_is_what_it_says(scaling, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["scaling.py"])
    scaling.main()
    assert f"```text\n{capsys.readouterr().out}```" in PAGE
    P = scaling.learnables(scaling.H)
    assert f"{P:,}" in PAGE
    layers = [ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    assert sum(p.size for p in net.parameters.values()) == P
    here = scaling.Costs(latency=2e-6, rate=1e10)
    for n, said in re.findall(r"^\| ([1-4])\D.*\| (\d+) \|$", PAGE, re.M):
        assert round(1e3 * scaling.step_seconds(here, int(n), 12, P, cores=2)) == int(said)


class _Counting:
    """A communicator that counts what its rank sends to the others."""

    def __init__(self, rank, size):
        self.rank, self.size, self.sent = rank, size, 0
        self.Dup = lambda: self

    def Alltoallv(self, send, receive):
        receive[0][:] = 0
        array, counts = send
        self.sent += (sum(counts) - counts[self.rank]) * array.itemsize

    def Allgatherv(self, send, _):
        self.sent += (self.size - 1) * send.nbytes


@pytest.mark.parametrize(("n", "S"), [(2, 4), (4, 4), (4, 12), (8, 64)])
def test_the_bytes_of_the_model_are_those_that_are_sent(scaling, n, S):
    P = 64 * 5
    counting = _Counting(n - 1, n)
    shards = Shards.__new__(Shards)
    shards.count, shards.world = S, World(counting)
    shards._total(np.zeros((S // n, P), np.float32))
    assert counting.sent == scaling.exchanged_bytes(n, S, P)


def test_a_step_is_measured(tmp_path):
    pytest.importorskip("mpi4py")
    words = ["--measure", "--shards", "2", "--length", "20", "--steps", "3"]
    run = f"runpy.run_path({str(SCALING)!r}, run_name='__main__')"
    code = f"import runpy, sys\nsys.argv[1:] = {words}\n{run}"
    found = json.loads(run_alone(tmp_path, "measured.py", code))
    assert found["ranks"] == 1 and 0 < found["told"] < 1e-3 and found["adding"] > 1e7
