"""The table of measured times: what follows from it, its file, and who asks it.
No time in these tests was measured; they ask what is concluded from given ones."""

from __future__ import annotations

import dataclasses
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minilstm as ml
from minilstm.backend import gpu_devices
from minilstm.training import crossover, environment
from minilstm.training.crossover import Point, Table, faster_side

LENGTHS, BATCHES, HIDDEN = (10, 100, 1000), (1, 16, 256), (32, 512)


def table(ratio, work="training", device="a GPU", **keys):
    """A table whose GPU takes ratio(T, B, H) times as long as its CPU."""
    points = [
        Point(work, T, B, H, 1e-3 * T, 1e-3 * T * ratio(T, B, H))
        for T in LENGTHS for B in BATCHES for H in HIDDEN
    ]  # fmt: skip
    return Table(device, *keys.get("of", ("a CPU", "1.0, numba")), tuple(points))


# ---------------------------------------------------------------- what follows from it


@given(st.lists(st.floats(1e-3, 1e3), min_size=18, max_size=18))
def test_at_measured_points_the_choice_is_the_faster_side(ratios):
    given_ratios = iter(ratios)
    measured = table(lambda T, B, H: next(given_ratios))
    for p in measured.points:
        assert faster_side(measured, "training", p.T, p.B, p.H) == p.faster


sizes = st.tuples(st.floats(1, 1e6), st.floats(1, 1e4), st.floats(1, 1e4))


@given(
    st.floats(-3, 3), st.tuples(*[st.floats(0, 2)] * 3), sizes, st.integers(0, 2), st.floats(1, 50)
)
def test_where_more_work_favours_the_gpu_it_does_so_between_the_points_too(
    at, slopes, size, axis, factor
):
    def ratio(T, B, H):
        return math.exp(at - sum(s * math.log(n) for s, n in zip(slopes, (T, B, H), strict=True)))

    measured = table(ratio)
    larger = tuple(n * factor if k == axis else n for k, n in enumerate(size))
    if faster_side(measured, "training", *size) == "gpu":
        assert faster_side(measured, "training", *larger) == "gpu"


@given(sizes, st.integers(0, 2**32))
def test_another_size_counts_as_the_nearest_measured_one(size, seed):
    rng = np.random.default_rng(seed)
    measured = table(lambda T, B, H: float(np.exp(rng.normal())))
    # The points form a grid, so the nearest one is the nearest along every axis.
    nearest = [
        min(axis, key=lambda n, wanted=wanted: abs(math.log(n / wanted)))
        for axis, wanted in zip((LENGTHS, BATCHES, HIDDEN), size, strict=True)
    ]
    assert faster_side(measured, "training", *size) == faster_side(measured, "training", *nearest)


def test_the_border_between_two_points_is_in_the_middle_of_their_logarithms():
    measured = table(lambda T, B, H: 4.0 if T < 1000 else 0.25)
    assert faster_side(measured, "training", 310, 1, 32) == "cpu"
    assert faster_side(measured, "training", 320, 1, 32) == "gpu"


def test_a_size_that_was_left_out_counts_as_the_nearest_one():
    whole = table(lambda T, B, H: 1.0)
    points = tuple(
        p._replace(gpu=p.cpu / 2 if p.T == 100 else p.cpu * 2)
        for p in whole.points if (p.T, p.B, p.H) != (1000, 256, 512)
    )  # fmt: skip
    part = whole._replace(points=points)
    # T = 100 is a factor of 10 away, B = 16 one of 16.
    assert faster_side(part, "training", 1000, 256, 512) == "gpu"
    assert faster_side(part, "training", 1000, 16, 512) == "cpu"


def test_equal_times_and_works_without_points_are_the_cpus():
    same = table(lambda T, B, H: 1.0)
    assert faster_side(same, "training", 100, 16, 100) == "cpu"
    fast = table(lambda T, B, H: 0.1)
    assert faster_side(fast, "training", 100, 16, 100) == "gpu"
    assert faster_side(fast, "inference", 100, 16, 100) == "cpu"


# ---------------------------------------------------------------- its file


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Where tables are kept, with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "minilstm").mkdir()
    return tmp_path / "minilstm"


def test_a_table_comes_back_as_it_went(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not" / "there yet"))
    rng = np.random.default_rng(0)
    measured = table(lambda T, B, H: float(np.exp(rng.normal())))
    path = crossover.write_table(measured)
    assert path.parent == crossover.cache_folder() and path.parent.name == "minilstm"
    assert crossover.read_tables("a CPU", "1.0, numba") == [measured]
    assert crossover.read_tables("a CPU", "1.1, numba") == []
    assert crossover.read_tables("another CPU", "1.0, numba") == []
    newer = measured._replace(points=measured.points[:1])
    assert crossover.write_table(newer) == path
    other = measured._replace(device="another GPU")
    assert crossover.write_table(other) != path
    found = crossover.read_tables("a CPU", "1.0, numba")
    assert sorted(found) == sorted([newer, other])
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(
        p.name for p in path.parent.glob("crossover-*.json")
    )


def test_the_folder_is_where_the_system_keeps_such_files(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(crossover.Path, "home", lambda: tmp_path)
    monkeypatch.setattr(crossover.sys, "platform", "linux")
    assert crossover.cache_folder() == tmp_path / ".cache" / "minilstm"
    monkeypatch.setattr(crossover.sys, "platform", "darwin")
    assert crossover.cache_folder() == tmp_path / "Library" / "Caches" / "minilstm"
    monkeypatch.setattr(crossover.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert crossover.cache_folder() == tmp_path / "local" / "minilstm"


def plain():
    return {"format": 1, **crossover.to_plain(table(lambda T, B, H: 2.0))}


def spoiled(change):
    content = plain()
    change(content)
    return json.dumps(content).encode()


DAMAGED = {
    "empty": b"",
    "cut": spoiled(lambda c: None)[:200],
    "not JSON": b"\xff\xfe\x00",
    "a number": b"3",
    "a list": b"[]",
    "nested": b"[" * 100_000,
    "another format": spoiled(lambda c: c.update(format=2)),
    "a key missing": spoiled(lambda c: c.pop("device")),
    "a key too many": spoiled(lambda c: c.update(more=1)),
    "a name that is none": spoiled(lambda c: c.update(device=3)),
    "no points": spoiled(lambda c: c.update(points=[])),
    "points of another shape": spoiled(lambda c: c["points"].append({"T": 3})),
    "points that are none": spoiled(lambda c: c.update(points="many")),
    "an unknown work": spoiled(lambda c: c["points"][0].update(work="sleep")),
    "a size of 0": spoiled(lambda c: c["points"][0].update(T=0)),
    "a broken size": spoiled(lambda c: c["points"][0].update(B=1.5)),
    "a size that is true": spoiled(lambda c: c["points"][0].update(B=True)),
    "a time of 0": spoiled(lambda c: c["points"][0].update(cpu=0.0)),
    "a time that is NaN": spoiled(lambda c: c["points"][0].update(gpu=math.nan)),
    "a time without end": spoiled(lambda c: c["points"][0].update(gpu=math.inf)),
    "a time in words": spoiled(lambda c: c["points"][0].update(gpu="long")),
}


def test_the_spoiled_files_are_spoiled_and_nothing_else(folder):
    (folder / "crossover-0.json").write_bytes(spoiled(lambda c: None))
    assert len(crossover.read_tables("a CPU", "1.0, numba")) == 1


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_or_foreign_file_is_no_table(folder, content):
    (folder / "crossover-0.json").write_bytes(content)
    assert crossover.read_tables("a CPU", "1.0, numba") == []
    kept = crossover.write_table(table(lambda T, B, H: 2.0))
    assert kept.exists() and len(crossover.read_tables("a CPU", "1.0, numba")) == 1


def test_a_folder_that_cannot_be_read_holds_no_table(folder, monkeypatch):
    (folder / "crossover-0.json").mkdir()
    assert crossover.read_tables("a CPU", "1.0, numba") == []
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "crossover-0.json" / "no"))
    assert crossover.read_tables("a CPU", "1.0, numba") == []
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(crossover.sys, "platform", "linux")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(crossover.Path, "home", homeless)
    assert crossover.read_tables("a CPU", "1.0, numba") == []


# ---------------------------------------------------------------- who asks it


@dataclasses.dataclass
class Machine:
    """A machine as `environment` sees it."""

    cupy: bool = True
    gpus: tuple[str, ...] = ("a GPU",)
    device_file: bool = True
    asked: int = 0  # how often CuPy was loaded

    def devices(self):
        self.asked += 1
        return [type("Device", (), {"name": name}) for name in self.gpus]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = Machine()
    monkeypatch.setattr(environment, "is_installed", lambda package: found.cupy)
    monkeypatch.setattr(environment, "gpu_devices", found.devices)
    monkeypatch.setattr(environment, "seems_to_have_gpu", lambda: found.device_file)
    return found


def keep(ratio, device="a GPU"):
    crossover.write_table(table(lambda T, B, H: ratio, device=device, of=environment.measured_as()))


def test_the_measured_side_is_taken(machine):
    keep(0.5)
    choice = environment.choose_side(100, 16, 64)
    assert choice.name == "gpu" and "GPU" in choice.note
    keep(2.0)
    choice = environment.choose_side(100, 16, 64)
    assert choice.name == "cpu" and "CPU" in choice.note


def test_without_cupy_or_a_gpu_it_is_the_cpu_without_a_word(machine):
    machine.gpus = ()
    keep(0.5)
    assert environment.choose_side(100, 16, 64) == ("cpu", "")
    machine.cupy = False
    assert environment.choose_side(100, 16, 64) == ("cpu", "")


def test_without_a_table_cupy_is_not_even_loaded(machine):
    assert environment.choose_side(100, 16, 64) == ("cpu", environment.NO_TABLE)
    machine.device_file = False
    assert environment.choose_side(100, 16, 64) == ("cpu", "")
    assert machine.asked == 0
    assert "minilstm bench --backend cupy --crossover" in environment.NO_TABLE


def test_a_table_of_another_gpu_or_version_does_not_count(machine, monkeypatch):
    keep(0.5, device="another GPU")
    assert environment.choose_side(100, 16, 64) == ("cpu", environment.NO_TABLE)
    keep(0.5)
    monkeypatch.setattr(environment, "__version__", "99")
    assert environment.choose_side(100, 16, 64) == ("cpu", environment.NO_TABLE)


@pytest.fixture
def learnable():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 2)) for n in (5, 8, 3)]
    return x, [np.where(a[:, 0] > 0, "up", "down") for a in x]


def train(x, y, *layers, **options):
    layers = [ml.SequenceInput(2), *(layers or [ml.LSTM(3)]), ml.FullyConnected(2), ml.Softmax()]
    options = {"max_epochs": 1, "verbose": False, **options}
    return ml.train(x, y, layers, options=ml.TrainingOptions(**options))[1].backend


def test_training_goes_where_it_was_measured_faster(
    cupy_backend, learnable, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cpu, gpu = ml_auto(), gpu_devices()[0].name
    monkeypatch.setattr(environment, "seems_to_have_gpu", lambda: True)
    assert train(*learnable, verbose=True) == cpu
    assert environment.NO_TABLE in capsys.readouterr().out
    keep(2.0, gpu)
    assert train(*learnable, verbose=True) == cpu
    assert "computing on the CPU: the faster side" in capsys.readouterr().out
    keep(0.5, gpu)
    assert train(*learnable, verbose=True) == "cupy"
    assert "computing on the GPU: the faster side" in capsys.readouterr().out
    assert train(*learnable) == "cupy"
    assert capsys.readouterr().out == ""


def test_what_was_chosen_or_not_measured_stays_where_it_is(
    cupy_backend, learnable, monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep(0.5, gpu_devices()[0].name)
    assert train(*learnable) == "cupy"
    assert train(*learnable, execution_environment="cpu") == ml_auto()
    assert train(*learnable, dtype="float64") == ml_auto()
    with ml.use_backend("numpy"):
        assert train(*learnable) == "numpy"
    assert train(*learnable, ml.FullyConnected(3)) == ml_auto()


def test_the_size_that_is_asked_is_that_of_a_mini_batch(machine, learnable, monkeypatch):
    asked = []
    monkeypatch.setattr(
        sys.modules["minilstm.training.train"],
        "choose_side",
        lambda *size: asked.append(size) or environment.Side("cpu"),
    )
    train(*learnable, ml.LSTM(3), ml.LSTM(5), mini_batch_size=2)
    train(*learnable)
    assert asked == [(16 / 3, 2, 5), (16 / 3, 3, 3)]


def test_the_processor_has_a_name_and_a_gpu_leaves_a_file(monkeypatch, tmp_path):
    assert environment.measured_as() == (environment.processor(), f"{ml.__version__}, {ml_auto()}")
    monkeypatch.setattr(environment, "DEVICE_FILES", (str(tmp_path / "nvidiactl"),))
    assert not environment.seems_to_have_gpu()
    (tmp_path / "nvidiactl").touch()
    assert environment.seems_to_have_gpu()


def ml_auto():
    with ml.use_backend("auto") as backend:
        return backend.name
