"""The page on deployment: every block of commands runs, and its files are those of the examples.
A block whose tool is missing is left out; they share one folder, as a reader would work."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minilstm.data import write_csv
from minilstm.exchange.export import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
TOOLS = ("gcc", "g++", "node", "chromium", "arm-none-eabi-gcc", "qemu-system-arm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data, and the command minilstm."""
    made = tmp_path_factory.mktemp("deploy")
    bin_folder = made / "bin"
    bin_folder.mkdir()
    for name, words in (("minilstm", "-m minilstm"), ("python", "")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (bin_folder / name).chmod(0o755)
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((30, 3)) for _ in range(6)]
    y = [np.where(a[:, 0] > 0, "walk", "run") for a in x]
    write_csv(made / "walk.csv", x, y, feature_names=["ax", "ay", "az"])
    return made


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_commands_runs(number, folder):
    text = BLOCKS[number].replace("--epochs 20", "--epochs 2 --quiet")
    for tool in TOOLS:
        if re.search(rf"(?m)^{re.escape(tool)} ", text) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if "wasm" in text and not any(shutil.which(f"clang-{n}") for n in range(14, 24)):
        pytest.skip("clang is not installed")
    known = {**os.environ, "EXAMPLES": str(ROOT / "examples"), "PYTHONPATH": str(ROOT),
             "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}  # fmt: skip
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=known,
                          capture_output=True, text=True, timeout=150)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    if "--to c" in text:
        assert re.search(r"trained/model\.c: [\d,]+ bytes, float32 weights; proved by gcc", said)
    if "qemu" in text:
        assert "the bits of the network\nafter 10 steps the highest score is that of class" in said
    if "live.py" in text:
        assert re.match(r"(walk|run)\n(walk|run)\n", done.stdout)
    if "./live" in text:
        assert re.fullmatch(r"0\.\d{3}\n0\.\d{3}\n", done.stdout)


def test_the_table_has_every_kind_of_file():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(f".{row}" for row in rows) == sorted(KINDS)


def test_the_page_on_deployment_is_found():
    assert "(docs/deploy.md" in (ROOT / "README.md").read_text("utf-8")
