"""The benchmark: every work is run, checked and timed, and wrong words are refused.
What it measures is never a condition of a test."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest

from minilstm import bench, network
from minilstm.backend import is_installed, load_backend
from minilstm.cli import main


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(bench, "INFERENCE_STEPS", 60)
    monkeypatch.setattr(bench, "STREAM_STEPS", 60)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_bench_times_every_work(capsys):
    arguments = ["bench", "--repeats", "2", "--scale", "0.001", "--backend", "numpy", "--json"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    timings = json.loads(lines[-1])["timings"]
    assert [t["work"].split(",")[0] for t in timings] == [
        "training step", "inference", "inference", "streaming", "streaming", "streaming",
    ]  # fmt: skip
    for t in timings:
        assert t["engine"] == "minilstm"
        assert 0 < t["low"] <= t["median"] <= t["high"]
        assert t["ratio"] is None
    assert len(lines) == 2 + len(timings) + 1


def test_ratios_come_from_pairs_of_turns(monkeypatch):
    clock = iter([0, 9, 100, 102, 102, 106, 110, 111, 111, 113])
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    work = bench.Work("w", "us a step", 1_000_000, {"minilstm": int, "other": int})
    ours, theirs = bench._timed(work, 2)
    assert (ours.low, ours.high, ours.ratio) == (1.0, 2.0, None)
    assert (theirs.low, theirs.high, theirs.ratio) == (2.0, 4.0, 2.0)


def test_a_wrong_engine_is_not_timed(monkeypatch):
    honest = load_backend("numpy")

    def forgets_the_bias(*arguments):
        dx, grads = honest.lstm_backward(*arguments)
        return dx, grads._replace(b=0 * grads.b)

    faulty = dataclasses.replace(honest, lstm_backward=forgets_the_bias)
    monkeypatch.setattr(network, "current_backend", lambda: faulty)
    with pytest.raises(AssertionError, match="lstm/bias differs from the reference"):
        bench.run_bench(repeats=1, scale=0.001)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--against", "tensorflow"], "--against has 'tensorflow'"),
        (["--scale", "0"], "--scale is 0.0"),
        (["--scale", "2"], "--scale is 2.0"),
    ],
)
def test_wrong_words_are_refused(arguments, words, capsys):
    assert main(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.skipif(is_installed("torch"), reason="PyTorch is installed")
def test_an_absent_engine_is_one_clear_error(capsys):
    assert main(["bench", "--against", "torch", "--scale", "0.001", "--repeats", "1"]) == 2
    assert "pip install torch" in capsys.readouterr().err
