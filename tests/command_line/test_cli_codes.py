"""Every exit code and every variable that a page or --help names does what is said of it.
The pages are read, so one without a case fails the test.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import two_movements

import minilstm as ml
from minilstm.command_line import cli
from minilstm.command_line.words.parser import build_parser
from minilstm.data import write_csv

ROOT = Path(__file__).parents[2]
MODEL = "model.safetensors"


def stop(*_):
    raise KeyboardInterrupt


CODES = {
    0: ["info"],
    1: [
        "train",
        "train.csv",
        "--learn-rate",
        "1e38",
        "--epochs",
        "20",
        "--hidden",
        "4",
        "--backend",
        "numpy",
        "--quiet",
    ],
    2: ["info", "none.safetensors"],
    130: ["plot", MODEL],
}


def test_exit_codes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv("train.csv", *two_movements(0))
    layers = [ml.SequenceInput(2), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    ml.Network(layers, classes=["a", "b"], rng=np.random.default_rng(0)).save(MODEL)
    pages = [ROOT / "README.md", ROOT / "minilstm/command_line/README.md"]
    texts = [*(page.read_text() for page in pages), build_parser().format_help()]
    told = [re.findall(r"[Ee]xit codes: ([^.]*)\.", " ".join(text.split())) for text in texts]
    for sentence in (part for parts in told[1:] for part in parts):
        assert [int(n) for n in re.findall(r"\b\d+\b", sentence)] == list(CODES)
    assert all(told[1:])
    monkeypatch.setattr("minilstm.network.network.Network.plot", stop)
    for code, words in CODES.items():
        assert cli.main([*words, "--json"]) == code
        assert json.loads(capsys.readouterr().out.splitlines()[-1]).get("exit_code", 0) == code


def variable(name, value, command=("-m", "minilstm", "info", "--json")):
    """What a program prints last with a variable set."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300,
        env={**os.environ, name: value},
    )  # fmt: skip
    return done.stdout.splitlines()[-1], done.stderr


def vector_bytes():
    pytest.importorskip("numba")
    code = "from minilstm.kernels.numba.machinery import hardware; print(hardware.REGISTER_BYTES)"
    assert variable("MINILSTM_VECTOR_BYTES", "16", ("-c", code))[0] == "16"


def cache_home(folder="/somewhere"):
    code = "from minilstm.training.crossover import cache_folder; print(cache_folder())"
    assert variable("XDG_CACHE_HOME", folder, ("-c", code))[0] == str(Path(folder, "minilstm"))


def threads_of_all(name):
    """One thread, where the machine would have more and nobody asks minilstm for another number."""
    pytest.importorskip("numba")
    code = (
        "import os, minilstm as ml; os.environ.pop('MINILSTM_NUM_THREADS', 0); "
        "print(ml.get_num_threads())"
    )
    assert variable(name, "1", ("-c", code))[0] == "1"


def debug():
    for value, shown in (("1", True), ("0", False)):
        words = ("-m", "minilstm", "info", "none", "--json")
        last, err = variable("MINILSTM_DEBUG", value, words)
        assert ("Traceback" in err) == shown and err.splitlines()[-1].startswith("minilstm: ")
        assert json.loads(last)["exit_code"] == 2


VARIABLES = {
    "MINILSTM_BACKEND": lambda: json.loads(variable("MINILSTM_BACKEND", "numpy")[0])["backend"]
    == "numpy" or pytest.fail("another backend"),
    "MINILSTM_NUM_THREADS": lambda: json.loads(variable("MINILSTM_NUM_THREADS", "3")[0])["threads"]
    == 3 or pytest.fail("other threads"),
    "MINILSTM_VECTOR_BYTES": vector_bytes,
    "MINILSTM_DEBUG": debug,
    "XDG_CACHE_HOME": cache_home,
    "OMP_NUM_THREADS": lambda: threads_of_all("OMP_NUM_THREADS"),
    "NUMBA_NUM_THREADS": lambda: threads_of_all("NUMBA_NUM_THREADS"),
}  # fmt: skip
# Set by our bench for PyTorch, not read; and what only Windows has.
NOT_OURS = {"CUBLAS_WORKSPACE_CONFIG", "LOCALAPPDATA"}


def test_every_variable_that_a_page_names_has_a_case():
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("minilstm/*/README.md")]
    pages += ROOT.glob("kernels/**/README.md")
    text = build_parser().format_help() + "".join(page.read_text() for page in pages)
    found = set(re.findall(r"\b(?:MINILSTM|XDG|NUMBA|CUBLAS|OMP)_[A-Z_]*[A-Z]|LOCALAPPDATA", text))
    assert found - NOT_OURS == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_does_what_it_says(name):
    VARIABLES[name]()
