"""The benchmark on a GPU, or on what stands for one: every work is run, checked and timed.
What it measures is never a condition of a test, and without a GPU its times mean nothing."""

import dataclasses
import importlib
import json

import numpy as np
import pytest
from cuda_shim import executor

import minilstm as ml
from minilstm import bench
from minilstm.backend import current_backend, is_installed, load_backend
from minilstm.bench import crossover as bench_crossover
from minilstm.bench import gpu as bench_gpu
from minilstm.bench import gpu_checks
from minilstm.bench import stream as bench_stream
from minilstm.bench import turns as bench_turns
from minilstm.bench import works as bench_works
from minilstm.command_line.cli import main
from minilstm.network import network, predictor
from minilstm.training import crossover, environment

CLOCKS = ["us a step", "us a step, events"]
SCALE = 0.0001
DERIVED = ["exchanges a step", "MiB of the device"]


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    # A grid of 132 blocks takes long where threads are fibres.
    monkeypatch.setattr(executor, "MULTIPROCESSORS", 9)
    monkeypatch.setattr(bench_works, "HIDDEN", 6)
    monkeypatch.setattr(bench_works, "CHECKED_STEPS", 5)
    monkeypatch.setattr(bench_gpu, "BATCHES", (3,))
    monkeypatch.setattr(bench_gpu, "BATCH_HIDDEN", 7)
    monkeypatch.setattr(bench_gpu, "BATCH_STEPS", 4)
    monkeypatch.setattr(bench_stream, "GPU_STEPS", 12)
    monkeypatch.setattr(bench_stream, "CHECKED_STEPS", 5)
    monkeypatch.setattr(bench_gpu, "EXCHANGES", 2)
    monkeypatch.setattr(bench_crossover, "LENGTHS", (2, 4))
    monkeypatch.setattr(bench_crossover, "BATCHES", (1, 3))
    monkeypatch.setattr(bench_crossover, "HIDDEN_SIZES", (4, 6))
    monkeypatch.setattr(bench_turns, "PAUSE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(*arguments, capsys):
    """The lines a command prints, and the JSON after them."""
    assert main(["bench", "--backend", "cupy", "--json", *arguments]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def quick(*arguments, capsys):
    return run("--repeats", "1", "--scale", str(SCALE), *arguments, capsys=capsys)


# ---------------------------------------------------------------- the works


def test_every_work_is_timed_on_both_clocks_beside_its_floor(cupy_backend, capsys):
    lines, found = quick("--repeats", "2", capsys=capsys)
    groups = importlib.import_module("minilstm.kernels.cuda.measuring").exchange_groups()
    training, inference = ["minilstm", "minilstm, all kept"], ["minilstm"]

    def rows(work, engines):
        timed = [(work, engine, unit) for engine in engines for unit in CLOCKS]
        floor = [(work, f"exchange, {group}", "us an exchange") for group in groups]
        return timed + floor + [(work, engine, unit) for engine in engines for unit in DERIVED]

    longest = max(len(a) for a in bench_works.random_sequences(SCALE)[0])
    assert [(t["work"], t["engine"], t["unit"]) for t in found["timings"]] == [
        *rows(f"training step, B 6, H 6, T {longest}", training),
        *rows("training step, B 3, H 7, T 4", training),
        *rows("inference, B 3, H 7, T 4", inference),
        *rows(f"inference, B 6, H 6, T {longest}", inference),
        *[("streaming, H 6", "minilstm", u) for u in ("us, p50", "us, p99", "us, first call")],
    ]
    for t in found["timings"]:
        assert t["low"] <= t["median"] <= t["high"]
        assert t["median"] > 0 or t["unit"] == "MiB of the device"
        assert len(t["turns"]) == 2
    assert found["backend"] == found["machine"]["backend"] == "cupy"
    assert set(found["machine"]["gpu"]) >= {"device", "driver", "cuda_driver", "cuda_runtime"}
    heading = lines[2]
    assert found["machine"]["gpu"]["device"] in heading and "cupy" in heading and "CUDA" in heading


def test_the_floor_is_the_fastest_exchange_of_the_same_turn():
    class Device:
        def synchronize(self):
            pass

        def event_seconds(self, run):
            run()
            return 1e-3

        def exchange_groups(self):
            return ["slow", "fast"]

        def exchange_seconds(self, values, steps, group):
            assert values == 7
            return {"slow": 4e-6, "fast": 2e-6}[group]

    def times(monkeypatch_run):
        return bench_gpu._work("w", 7, [np.zeros((5, 3)), np.zeros((4, 3))], monkeypatch_run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_gpu, "measuring", Device)
        work = times({"minilstm": bench_gpu.Engine(lambda: None, 12.0)})
        turns = {
            "minilstm": {"us a step": [10.0, 30.0]},
            "exchange, slow": {"us an exchange": [4.0, 4.0]},
            "exchange, fast": {"us an exchange": [2.0, 5.0]},
        }
        assert work.derive(turns) == {
            "minilstm": {"exchanges a step": [5.0, 7.5], "MiB of the device": [12.0, 12.0]}
        }
        assert work.engines["exchange, fast"]() == {"us an exchange": pytest.approx(2.0)}
        assert work.engines["minilstm"]()["us a step, events"] == pytest.approx(1e3 / 5)
        assert work.name == "w, B 2, H 7, T 5"


# ---------------------------------------------------------------- checked before anything is timed


def test_a_wrong_gradient_is_refused(cupy_backend, monkeypatch):
    def forgets_the_bias(*arguments):
        dx, grads = cupy_backend.lstm_backward(*arguments)
        return dx, grads._replace(b=0 * grads.b)

    refused(monkeypatch, "db of the LSTM .* further from the NumPy twin", "training",
            lstm_backward=forgets_the_bias)  # fmt: skip


def test_another_result_in_the_next_run_is_refused(cupy_backend, monkeypatch):
    runs = []

    def drifts(*arguments, **named):
        h, state, cache = cupy_backend.lstm_forward(*arguments, **named)
        runs.append(1)
        return h * (1 + 2.0**-23 * len(runs)), state, cache

    refused(monkeypatch, "differs from run to run; nothing", "training", lstm_forward=drifts)


def test_wrong_scores_are_refused(cupy_backend, monkeypatch):
    def flat(z):
        return z * 0 + 0.2, None

    refused(monkeypatch, "scores differ from the NumPy twin", "inference", softmax_forward=flat)


def refused(monkeypatch, words, work, **faulty):
    record = dataclasses.replace(load_backend("cupy"), **faulty)

    def in_force():
        honest = current_backend()
        return record if honest.name == "cupy" else honest

    for module in (gpu_checks, bench_works, network, predictor):
        monkeypatch.setattr(module, "current_backend", in_force)
    said = []
    settings = bench.Settings(works=[work], scale=SCALE)
    with pytest.raises(AssertionError, match=words), ml.use_backend("cupy"):
        bench.run_bench(settings, say=said.append)
    assert not any("median" in line for line in said)


# ---------------------------------------------------------------- wrong words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--against", "onnxruntime"], "'onnxruntime', which is measured on the CPU only"),
        (["--against", "jax"], "--against has 'jax'; choose from torch"),
        (["--works", "vowels"], "--works has 'vowels'; choose from training, batches, inference"),
    ],
)
def test_what_a_gpu_does_not_measure_is_refused(cupy_backend, arguments, words, capsys):
    assert main(["bench", "--backend", "cupy", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""


@pytest.mark.skipif(is_installed("torch"), reason="PyTorch is installed")
def test_an_absent_engine_is_one_clear_error(cupy_backend, capsys):
    assert main(["bench", "--backend", "cupy", "--against", "torch"]) == 2
    assert "pip install torch" in capsys.readouterr().err


# ---------------------------------------------------------------- PyTorch's part


@pytest.fixture
def torch_gpu(monkeypatch):
    """PyTorch's works, computed wherever this machine can."""
    torch = pytest.importorskip("torch")
    from minilstm.bench import torch_gpu as module

    if not torch.cuda.is_available():
        monkeypatch.setattr(module, "DEVICE", "cpu")
    return module


@pytest.mark.parametrize("way", ["packed", "padded"])
def test_pytorch_gives_the_same_results_in_both_ways(torch_gpu, way):
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 3)).astype(np.float32) for n in (7, 11, 4)]
    y = [rng.integers(0, 5, len(a)) for a in x]
    net = bench_works.network(8)
    with ml.use_backend("numpy"):
        exact, expected = bench_works.exact_gradients(net, x, y), net.predict(x)
    torch_gpu.check_training(net, x, y, exact, way)
    torch_gpu.check_inference(net, x, expected, way)
    with pytest.raises(AssertionError, match=f"on torch, {way}; nothing was timed"):
        torch_gpu.check_inference(net, x, [scores[::-1] for scores in expected], way)
    with pytest.raises(AssertionError, match="differs from the NumPy twin"):
        torch_gpu.check_training(net, x, [labels[::-1].copy() for labels in y], exact, way)
    for start in (torch_gpu.training(net, x, y, way, 2.0), torch_gpu.inference(net, x, way)):
        start[0]()


def test_pytorch_streams_the_same_scores(torch_gpu):
    x = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    net = bench_works.network(8)
    with ml.use_backend("numpy"):
        expected = net.predict(x[:5])
    found = torch_gpu.streaming(net, x, expected)()
    assert all(microseconds > 0 for microseconds in found.values())
    with pytest.raises(AssertionError, match="on torch; nothing was timed"):
        torch_gpu.streaming(net, x, expected[::-1])


def test_pytorch_is_exact_and_wastes_no_time(torch_gpu):
    import torch

    try:
        torch_gpu.be_exact(torch)
        assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)


def test_pytorch_without_a_gpu_is_one_clear_error(torch_gpu):
    if torch_gpu.DEVICE != "cpu":
        pytest.skip("PyTorch has a GPU here")
    with pytest.raises(ImportError, match="needs a PyTorch that computes on this GPU"):
        torch_gpu.import_cuda()


# ---------------------------------------------------------------- the crossover table


def test_the_crossover_is_measured_printed_and_kept(cupy_backend, capsys):
    lines, found = run("--crossover", capsys=capsys)
    table = found["crossover"]
    sizes = [(p["work"], p["T"], p["B"], p["H"]) for p in table["points"]]
    assert sizes == [
        (work, T, B, H)
        for H in (4, 6) for B in (1, 3) for work in crossover.WORKS for T in (2, 4)
    ]  # fmt: skip
    assert all(p["cpu"] > 0 and p["gpu"] > 0 for p in table["points"])
    rows = lines[next(n for n, line in enumerate(lines) if line.startswith("work")) + 1 :]
    for point, row in zip(table["points"], rows, strict=False):
        assert row.split()[:4] == [str(point[key]) for key in ("work", "T", "B", "H")]
        assert row.split()[6] == ("GPU" if point["gpu"] < point["cpu"] else "CPU")
    (kept,) = crossover.read_tables(*environment.measured_as())
    assert json.loads(json.dumps(crossover.to_plain(kept))) == table
    assert kept.device == found["machine"]["gpu"]["device"]
    for p in kept.points:
        assert crossover.faster_side(kept, p.work, p.T, p.B, p.H) == p.faster
        if p.work == "training":
            assert environment.choose_side(p.T, p.B, p.H).name == p.faster


def test_sizes_that_would_take_too_long_are_left_out(cupy_backend, monkeypatch):
    monkeypatch.setattr(bench_crossover, "MOST_SECONDS", 0.0)
    with ml.use_backend("cupy"):
        table = bench_crossover.run_crossover(1, say=lambda line: None).table
    assert {p.T for p in table.points} == {2} and len(table.points) == 2 * 2 * 2


def test_sizes_that_do_not_fit_are_left_out(cupy_backend, monkeypatch):
    honest = bench_crossover._seconds

    def short_of_memory(work, net, batch, steps, backend):
        if steps == 4 and backend.name == "cupy":
            raise MemoryError("out of memory")
        return honest(work, net, batch, steps, backend)

    monkeypatch.setattr(bench_crossover, "_seconds", short_of_memory)
    with ml.use_backend("cupy"):
        table = bench_crossover.run_crossover(1, say=lambda line: None).table
    assert {p.T for p in table.points} == {2}
