"""The recipes for more than one machine run as files of their own, and print what their page says.
Sweeps run on processes and on a cluster of dask; their results are those of one process alone."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
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
