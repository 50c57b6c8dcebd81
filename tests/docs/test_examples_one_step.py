"""The example that shows one training step: it agrees with the engine, and shows what it says.
Its steps are worth showing only if the gradients are clipped and the sequences are ragged."""

import ast
import runpy
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.functional.gradient_norm import gradient_norm

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "one_step_in_the_open.py"


@pytest.mark.parametrize("backend_name", ["numpy", "numba"])
def test_the_steps_are_those_of_train(backend_name, capsys):
    if backend_name == "numba":
        pytest.importorskip("numba")
    with ml.use_backend(backend_name):
        done = runpy.run_path(str(EXAMPLE))  # it asserts the agreement itself
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == done["STEPS"] + 1 and shown[-1].startswith("largest difference")
    assert done["apart"] < 1e-12 and len(done["losses"]) >= 3
    assert np.diff(done["losses"]).max() < 0
    p, g = done["p"], done["g"]
    clipped = [k for k in p if gradient_norm(p[k], g[k], 0.0) > done["LARGEST_NORM"]]
    assert clipped and len(clipped) < len(p)  # some are bounded, some are not
    assert len({len(x) for x in done["x"]}) == len(done["x"])
    assert all(abs(p[k] - done["start"][k]).max() > 1e-3 for k in p)  # everything learned


def test_it_is_short_and_uses_the_functions_alone():
    text = EXAMPLE.read_text("utf-8")
    assert len(text.splitlines()) <= 80
    modules = {
        node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
    }
    assert modules and all(m.startswith("minilstm.functional.") for m in modules)
    steps = text[: text.index("# The same five steps")]
    assert "ml." not in steps.replace("`ml.train`", "")


def test_the_readme_shows_it():
    assert "(examples/one_step_in_the_open.py)" in (ROOT / "README.md").read_text("utf-8")
