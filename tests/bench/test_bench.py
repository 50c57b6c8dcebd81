"""The benchmark: every work is run, checked and timed, and wrong words are refused.
What it measures is never a condition of a test."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

import minilstm as ml
from minilstm import bench
from minilstm.backend import is_installed, load_backend
from minilstm.bench import crossover as bench_crossover
from minilstm.bench import process as bench_process
from minilstm.bench import stream as bench_stream
from minilstm.bench import turns as bench_turns
from minilstm.bench import works as bench_works
from minilstm.command_line.cli import main
from minilstm.network import network, stream
from minilstm.training.crossover import Point

QUICK = ["--repeats", "1", "--scale", "0.001", "--backend", "numpy"]
STREAM_UNITS = ["us, p50", "us, p99", "us, first call"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(bench_works, "INFERENCE_STEPS", 60)
    monkeypatch.setattr(bench_works, "CHECKED_STEPS", 50)
    monkeypatch.setattr(bench_works, "SHORT", (20, 40, 80))
    monkeypatch.setattr(bench_works, "LONGEST", 160)
    monkeypatch.setattr(bench_works, "SIZES", (1, 9))
    monkeypatch.setattr(bench_works, "BATCH_STEPS", 10)
    monkeypatch.setattr(bench_stream, "STEPS", 60)
    monkeypatch.setattr(bench_process, "STREAMED_STEPS", 2000)
    monkeypatch.setattr(bench_turns, "PAUSE", 0)
    monkeypatch.setattr(bench_process, "TURNS", 1)
    monkeypatch.setattr(bench_process, "SCALE", 0.001)
    monkeypatch.setattr(bench_process, "CHECKED_SCALE", 0.001)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(*arguments, capsys):
    """The lines a command prints, and the JSON after them."""
    assert main(["bench", *QUICK, "--json", *arguments]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def test_bench_times_every_work(capsys):
    lines, found = run("--repeats", "2", capsys=capsys)
    rows = [(t["work"].split(",")[0], t["engine"], t["unit"]) for t in found["timings"]]
    assert rows == [
        ("training step", "minilstm", "us a step"),
        ("training step", "minilstm, all kept", "us a step"),
        ("Japanese Vowels", "minilstm", "us a mini-batch"),
        *[("inference", "minilstm", "us a step")] * 2,
        *[("streaming", "minilstm", unit) for unit in STREAM_UNITS * 3],
        *[("cost against length", f"minilstm, T {T}", "us a step") for T in (20, 40, 80)],
        *[("cost against batch", f"minilstm, B {B}", "us a step and sequence") for B in (1, 9)],
        ("cold start", "minilstm, prediction", "s"),
        ("cold start", "minilstm, streamed step", "s"),
    ]
    for t in found["timings"]:
        assert 0 < t["low"] <= t["median"] <= t["high"]
        assert len(t["turns"]) == 2
    assert found["ratios"] == []
    assert found["machine"]["backend"] == "numpy"
    assert found["settings"]["works"] == []
    table = lines[lines.index("") :]
    assert len(table) == 2 + len(rows)


def test_what_takes_long_runs_only_when_asked(capsys):
    works = "length,streaming,cold,memory"
    _, found = run("--long", "--works", works, capsys=capsys)
    rows = {(t["work"].split(",")[-1].strip(), t["engine"]): t for t in found["timings"]}
    engines = {engine for _, engine in rows}
    assert "minilstm, T 160" in engines
    assert {"minilstm, training step", "minilstm, smallest budget"} <= engines
    assert ("2000 steps", "minilstm") in rows
    assert {t["unit"] for t in found["timings"]} >= {"MiB, peak", "MiB grown", "s, last epoch"}


def test_the_share_of_the_peak_stands_beside_the_training(capsys):
    pytest.importorskip("numba")
    _, found = run("--works", "training", "--backend", "numba", capsys=capsys)
    by_unit = {t["unit"]: t for t in found["timings"] if t["engine"] == "minilstm"}
    peak = next(t for t in found["timings"] if t["unit"] == "GFLOP/s")
    steps = [max(1, round(T * 0.001)) for T in bench_works.LENGTHS]
    flops = 3 * 2 * 800 * 203 * sum(steps)
    seconds = by_unit["us a step"]["median"] * max(steps) / 1e6
    share = 100 * flops / seconds / (peak["median"] * 1e9)
    assert by_unit["% of peak"]["median"] == pytest.approx(share)
    assert found["machine"]["vector_bits"] in (128, 256, 512)


def test_ratios_come_from_pairs_of_turns():
    order = []

    def engine(name, values):
        values = iter(values)

        def measure():
            order.append(name)
            return {"us a step": next(values)}

        return measure

    engines = {"minilstm": engine("a", [9, 1, 4, 2]), "torch": engine("b", [100, 4, 4, 6])}
    ours, theirs = bench_turns.take_turns(bench_turns.Work("w", engines), 3)
    assert order == ["a", "b"] * 4
    assert (ours.median, ours.low, ours.high, ours.ratio) == (2, 1, 4, None)
    assert (theirs.median, theirs.low, theirs.high, theirs.ratio) == (4, 4, 6, 3)
    assert theirs.turns == (4, 4, 6)


def test_a_work_gives_back_what_it_holds_when_an_engine_fails():
    closed = []

    def fails():
        raise OSError("no")

    work = bench_turns.Work("w", {"minilstm": fails}, close=lambda: closed.append(True))
    with pytest.raises(OSError, match=r"^no$"):
        bench_turns.take_turns(work, 1)
    assert closed == [True]


def test_the_trainer_updates_as_train_does():
    x, y = bench_works.random_sequences(0.001)
    net = bench_works.network(7)
    options = ml.TrainingOptions(
        max_epochs=3, gradient_threshold=2, shuffle="never", verbose=False, memory_budget=1
    )
    expected, _ = ml.train(x, y, net, options=options)
    trainer = bench_works.Trainer(net, [bench_works.packed_batch(x, y)], 1, 2.0)
    for _ in range(3):
        trainer.epoch()
    trainer.close()
    for key, p in expected.parameters.items():
        assert np.array_equal(trainer.net.parameters[key], p), key


def test_a_wrong_gradient_is_refused_before_anything_is_timed(monkeypatch):
    honest = load_backend("numpy")

    def forgets_the_bias(*arguments):
        dx, grads = honest.lstm_backward(*arguments)
        return dx, grads._replace(b=0 * grads.b)

    faulty = dataclasses.replace(honest, lstm_backward=forgets_the_bias)
    monkeypatch.setattr(network, "current_backend", lambda: faulty)
    refused("training", "lstm/bias differs from the NumPy twin")


def test_a_wrong_update_is_refused(monkeypatch):
    honest = load_backend("numpy")

    def goes_uphill(p, *arguments):
        new, m, v = honest.adam_step(p, *arguments)
        return 2 * p - new, m, v

    faulty = dataclasses.replace(honest, adam_step=goes_uphill)
    monkeypatch.setattr(bench_works, "current_backend", lambda: faulty)
    refused("vowels", "the update of .* differs from the NumPy twin")


def test_wrong_scores_are_refused(monkeypatch):
    monkeypatch.setattr(stream.Stream, "step", lambda self, x_t: np.full(5, 0.2))
    refused("streaming", "scores differ from the NumPy twin")


def refused(work, words):
    """The benchmark of a work ends with these words, and without a table."""
    said = []
    with pytest.raises(AssertionError, match=words), ml.use_backend("numpy"):
        bench.run_bench(bench.Settings(works=["inference", work], scale=0.001), say=said.append)
    assert not any("median" in line for line in said)


def test_a_process_that_fails_says_why():
    with pytest.raises(ChildProcessError, match=r"failed: ValueError: because$"):
        bench_process.run_python("raise ValueError('because')", [], 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--against", "tensorflow"], "--against has 'tensorflow'; choose from torch"),
        (["--works", "training,sleep"], "--works has 'sleep'; choose from training"),
        (["--works", "memory"], "--works has 'memory', which takes minutes; add --long"),
        (["--scale", "0"], "--scale is 0.0"),
        (["--scale", "2"], "--scale is 2.0"),
        (["--works", "batches"], "--works has 'batches'; choose from training, vowels"),
        (["--crossover"], "--crossover compares a GPU with the CPU; add --backend cupy"),
        (["--crossover", "--against", "torch"], "--crossover measures works and sizes of its own"),
    ],
)
def test_wrong_words_are_refused(arguments, words, capsys):
    assert main(["bench", "--backend", "numpy", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""


def test_help_names_every_work(capsys):
    assert main(["bench", "--help"]) == 0
    words = capsys.readouterr().out
    assert all(name in words for name in bench.WORKS + bench.LONG_WORKS + bench.GPU_WORKS)
    assert "--crossover" in words


# ---------------------------------------------------------------- other engines


@pytest.mark.skipif(is_installed("torch"), reason="PyTorch is installed")
def test_an_absent_engine_is_one_clear_error(capsys):
    assert main(["bench", *QUICK, "--against", "torch"]) == 2
    assert "pip install torch" in capsys.readouterr().err


@pytest.mark.skipif(not is_installed("torch"), reason="PyTorch is not installed")
def test_pytorch_does_the_same_works(capsys):
    works = "training,vowels,inference,streaming,memory"
    _, found = run("--against", "torch", "--long", "--works", works, capsys=capsys)
    ratios = {r["work"].split(",")[0] for r in found["ratios"]}
    assert {*works.split(",")[2:4], "training step", "Japanese Vowels", "whole training"} == ratios
    assert all(r["engine"].startswith("torch") and r["ratio"] > 0 for r in found["ratios"])


@pytest.mark.skipif(not is_installed("onnxruntime"), reason="ONNX Runtime is not installed")
def test_onnx_runtime_is_compared_at_its_best_thread_count(capsys, set_threads):
    set_threads(2)
    arguments = ["--against", "onnxruntime", "--works", "inference,streaming", "--repeats", "3"]
    _, found = run(*arguments, capsys=capsys)
    for r in found["ratios"]:
        rows = [
            t for t in found["timings"]
            if (t["work"], t["unit"]) == (r["work"], r["unit"]) and t["engine"] != "minilstm"
        ]  # fmt: skip
        assert len(rows) == 2
        assert min(rows, key=lambda t: t["median"])["engine"] == r["engine"]


def test_nothing_of_it_loads_other_engines_unasked():
    program = (
        "import sys, minilstm.bench; print({'torch', 'onnxruntime', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_memory_budgets_that_lose_different_numbers_are_not_timed(monkeypatch):
    losses = [[1.0, 0.5], [1.0, 0.5], [1.0, 0.5], [1.0, 0.25]]  # two checks, then a turn of each
    found = iter([{"losses": one, "MiB": 100.0, "seconds": 2.0} for one in losses * 2])
    monkeypatch.setattr(bench_process, "run_python", lambda *_: (0.0, next(found)))
    monkeypatch.setattr(bench_process, "whole_training", lambda *_: {"losses": losses[0]})
    ours, smallest = bench_process.memory((), 1).engines.values()
    assert ours() == {"MiB, peak": 100.0, "s, last epoch": 2.0}
    with pytest.raises(AssertionError, match=r"^losses are \[1.0, 0.25\] and \[1.0, 0.5\], not e"):
        smallest()


def test_cost_against_length_is_checked_before_it_is_timed(monkeypatch):
    def wrong(*_):
        raise AssertionError("the gradients are wrong")

    monkeypatch.setattr(bench_works, "check_gradients", wrong)
    with pytest.raises(AssertionError, match="the gradients are wrong"):
        bench_works.length(False)


def test_a_line_of_the_crossover_says_both_times_a_step_and_how_many_times_one_is_the_other():
    line = bench_crossover._line(Point("training", 100, 8, 200, 0.004, 0.001))
    assert line.split() == ["training", "100", "8", "200", "40.00", "10.00", "GPU", "4.00"]
