"""`make gpu`: what it says where there is no GPU, and its report where parts fail or take too long.
Nothing here needs a GPU; what the parts find on one is theirs to say."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends groups of processes")
SCRIPT = Path(__file__).parents[1] / ".ci" / "gpu.py"
NO_CUPY = importlib.util.find_spec("cupy") is None


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """The script as a module, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.skipif(not NO_CUPY, reason="CuPy is installed")
def test_without_cupy_it_says_so_in_a_sentence_and_writes_nothing(gpu, capsys):
    assert gpu.main() == 2
    assert capsys.readouterr().err == (
        "minilstm: the backend 'cupy' needs CuPy, which is not installed: pip install "
        "'minilstm[cuda12]' (or 'minilstm[cuda13]' for a driver of CUDA 13), or choose the backend "
        "'numba' or 'numpy'.\n"
    )
    assert not gpu.REPORT.exists()


def test_all_parts_together_take_at_most_ten_minutes(gpu):
    assert sum(seconds + 2 * gpu.ENDING_SECONDS for _, seconds, _ in gpu.PARTS) <= 600


@pytest.mark.skipif(not NO_CUPY, reason="CuPy is installed")
def test_the_commands_are_ones_that_minilstm_takes(gpu, run):
    words = [command[3:] for *_, command in gpu.PARTS if command[:3] == gpu.MINILSTM]
    assert len(words) == 3
    for command in words[1:]:
        code, _, complaint = run(*command)
        assert code == 2 and complaint[0].startswith("minilstm: the backend 'cupy' needs CuPy")


def test_each_part_is_started_and_its_end_is_noted(gpu, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "load_backend", lambda name: None)
    monkeypatch.setattr(gpu, "ENDING_SECONDS", 0.2)
    deaf = "import signal, time; signal.signal(2, signal.SIG_IGN); print(1, flush=True)"
    programs = ["print('found')", "raise SystemExit(3)", f"{deaf}; time.sleep(60)", "print('last')"]
    limits = [60, 60, 1.5, 60]
    parts = [
        (f"part {n}", seconds, (sys.executable, "-c", program))
        for n, (program, seconds) in enumerate(zip(programs, limits, strict=True))
    ]
    monkeypatch.setattr(gpu, "PARTS", parts)
    assert gpu.main() == 1
    ends = [line for line in capsys.readouterr().out.splitlines() if ": " in line]
    assert [line.rpartition(",")[0] for line in ends] == [
        "part 0: done",
        "part 1: failed with exit code 3",
        "part 2: stopped at its limit of time",
        "part 3: done",
    ]
    report = gpu.REPORT.read_text()
    assert all(f"== {line}\n" in report for line in ends)
    assert "\nfound\n" in report and "\nlast\n" in report
    monkeypatch.setattr(gpu, "PARTS", parts[:1])
    assert gpu.main() == 0
