"""Compilation: only when a kernel is first used, for the types it declares, kept on disk if it can.
A cache that cannot be written or read costs time and nothing else; nobody waits without a word."""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import kernel_seconds
from minilstm.command_line.cli import main

pytest.importorskip("numba")
from minilstm.kernels.numba.machinery import compiling
from minilstm.kernels.numba.machinery.compiling import Kernel, kernel, kernels

DTYPES = ("float32", "float64")


def doubled(x, y):
    for n in range(len(x)):
        y[n] = x[n] + x[n]


@pytest.fixture
def small():
    """A kernel that compiles in a moment, and is forgotten afterwards."""
    before = list(kernels)
    yield kernel("void(F[::1], F[::1])")(doubled)
    kernels[:] = before


def test_a_kernel_compiles_once_for_each_dtype_and_for_nothing_else(small):
    for dtype in DTYPES:
        x = np.arange(5, dtype=dtype)
        y = np.empty_like(x)
        small(x, y)
        assert (y == 2 * x).all()
        assert small.of(np.dtype(dtype)) is small.of(np.dtype(dtype))
        assert len(small.of(np.dtype(dtype)).signatures) == 1
    x = np.arange(10.0)
    with pytest.raises(TypeError):
        small(x[::2], np.empty(5))  # not contiguous: an error, not another compilation
    with pytest.raises(KeyError, match="float16"):
        small(x.astype(np.float16), x.astype(np.float16))
    assert [len(small.of(np.dtype(d)).signatures) for d in DTYPES] == [1, 1]


def test_all_work_of_a_network_needs_one_compilation_a_dtype():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 3)) for n in (9, 4)]
    for array in x:
        array.flags.writeable = False
    layers = [ml.SequenceInput(3), ml.LSTM(5), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    with ml.use_backend("numba"):
        for dtype in DTYPES:
            options = ml.TrainingOptions(max_epochs=1, dtype=dtype, verbose=False)
            y = [rng.integers(0, 2, len(a)) for a in x]
            net, _ = ml.train(x, y, layers, options=options)
            net.predict(np.asfortranarray(x[0]))
            net.stream().step(x[0][0])
    for one in kernels:
        for compiled in one._compiled.values():
            assert len(compiled.signatures) == 1, one.name


def run(program, tmp_path, **environment):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


NORM = """
    import numpy as np
    from minilstm.backend import load_backend
    backend = load_backend("numba")
    from minilstm.kernels.numba.gradient_norm import _sums_of_squares
    from minilstm.kernels.numba.machinery import compiling
    assert not any(one._compiled for one in compiling.kernels)  # importing compiles nothing
    x = np.array([3.0, 4.0])
    print(backend.gradient_norm(x, x, 0.0))
    compiled = _sums_of_squares.of(np.dtype(float))
    print(sum(compiled.stats.cache_hits.values()))
"""


def test_the_second_process_finds_the_kernel_on_disk(tmp_path):
    folder = tmp_path / "cache"
    assert run(NORM, tmp_path, NUMBA_CACHE_DIR=str(folder)) == ["5.0", "0"]
    assert run(NORM, tmp_path, NUMBA_CACHE_DIR=str(folder)) == ["5.0", "1"]
    # Other registers, other code: what is on disk is not used for them.
    other = {"NUMBA_CACHE_DIR": str(folder), "MINILSTM_VECTOR_BYTES": "16"}
    assert run(NORM, tmp_path, **other) == ["5.0", "0"]


def test_a_kernel_from_before_a_change_of_any_source_is_not_run(tmp_path):
    package = tmp_path / "minilstm"
    shutil.copytree(Path(ml.__file__).parent, package)
    shutil.copytree(compiling.SOURCES.parent, package / "kernels", dirs_exist_ok=True)
    here = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    assert run(NORM, tmp_path, **here) == ["5.0", "0"]
    assert run(NORM, tmp_path, **here) == ["5.0", "1"]
    twins = package / "kernels" / "numba"
    for source in (twins / "softmax.py", twins / "machinery" / "simd.py"):
        source.write_text(source.read_text() + "# changed\n")
        assert run(NORM, tmp_path, **here) == ["5.0", "0"], source


def test_a_cache_that_does_not_work_only_costs_time(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    blocked = {"NUMBA_CACHE_DIR": str(tmp_path / "file" / "cache")}
    assert run(NORM, tmp_path, **blocked)[0] == "5.0"
    folder = tmp_path / "cache"
    run(NORM, tmp_path, NUMBA_CACHE_DIR=str(folder))
    damaged = [path for path in folder.rglob("*.nb?")]
    assert damaged
    for path in damaged:
        path.write_bytes(b"damaged")
    assert run(NORM, tmp_path, NUMBA_CACHE_DIR=str(folder))[0] == "5.0"


@pytest.mark.parametrize("error", [RuntimeError("no locator"), OSError("disk full")])
def test_no_folder_and_no_room_only_cost_time(small, monkeypatch, error):
    real = compiling.numba.njit

    def njit(cache=False, **options):
        if cache:
            raise error
        return real(**options)

    monkeypatch.setattr(compiling.numba, "njit", njit)
    y = np.empty(3)
    small(np.arange(3.0), y)
    assert y.tolist() == [0, 2, 4]


@pytest.fixture
def slow(small, monkeypatch):
    """A kernel that takes 0.3 s to compile, in a process that has compiled none before."""
    monkeypatch.setattr(compiling, "_counting", compiling._Counting())
    real = compiling._compile

    def compile_slowly(function, types):
        time.sleep(0.3)
        return real(function, types)

    monkeypatch.setattr(compiling, "_compile", compile_slowly)
    return small


@pytest.mark.alone
@pytest.mark.parametrize(
    ("seconds", "asked", "lines"), [(0.4, False, 1), (60, False, 0), (0, True, 0)]
)
def test_without_a_terminal_one_line_comes_after_a_while(
    seconds, asked, lines, slow, monkeypatch, capsys
):
    monkeypatch.setattr(compiling, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(compiling, "LOG_SECONDS", seconds)
    monkeypatch.setattr(compiling._at_work, "rest", [slow] if asked else ())
    before = kernel_seconds()
    for dtype in DTYPES:
        slow.of(np.dtype(dtype))
    assert 0.6 <= kernel_seconds() - before < 60
    assert capsys.readouterr().err == lines * (
        "minilstm: compiling kernels for this machine, once; `minilstm warmup` does it beforehand\n"
    )


@pytest.mark.alone
def test_a_line_on_the_terminal_says_why_nothing_happens(slow, monkeypatch, capsys):
    monkeypatch.setattr(compiling, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(compiling, "_begun", {0})
    monkeypatch.setattr(compiling, "_ready", {0})
    second = compiling.second_compiler.SecondCompiler()
    second.at_work = "another.kernel", "float32"
    monkeypatch.setattr(compiling.second_compiler, "second", second)
    for dtype in DTYPES:
        slow.of(np.dtype(dtype))
    err = capsys.readouterr().err
    assert err.count("minilstm: compiling kernels for this machine, once") == 1
    assert err.count("\n") == 1
    count = "minilstm: 1 of 2 kernels are compiled"
    assert count in err
    assert err.endswith("\r" + " " * len(count) + "\r")  # what counts goes away


def test_warmup_compiles_everything(small, monkeypatch, capsys):
    monkeypatch.setattr(compiling, "kernels", [small])
    seen = []
    ml.warmup("float64", lambda name, seconds: seen.append((name, seconds >= 0)))
    assert seen == [("test_kernel_compiling.doubled", True)]
    assert set(small._compiled) == {np.dtype("float64")}
    assert main(["warmup", "--dtype", "both"]) == 0
    out = capsys.readouterr().out
    assert set(small._compiled) == {np.dtype(d) for d in DTYPES}
    assert "test_kernel_compiling.doubled" in out and "2 kernels are ready" in out
    with pytest.raises(ValueError, match="dtype is 'float16'; choose 'float32' or 'float64'"):
        ml.warmup("float16")


def test_every_kernel_is_warmed_up():
    names = {one.name for one in kernels}
    for expected in ("lstm.forward", "lstm.backward", "product.multiply_rows", "softmax.forward"):
        assert expected in names
    assert all(isinstance(one, Kernel) for one in kernels)


def test_every_part_of_a_kernel_has_a_name_of_its_own():
    before = set(compiling._parts)
    message = "needs a name: give inner another"

    def anonymous(x):
        return x

    with pytest.raises(ValueError, match=message):
        compiling.inner(anonymous)
    try:
        compiling.inner(anonymous, "named_for_a_test")
        with pytest.raises(ValueError, match=message):
            compiling.inner(anonymous, "named_for_a_test")
    finally:
        compiling._parts.intersection_update(before)
    assert len(before) > 30


def test_a_part_is_compiled_once_for_all_constants():
    before = set(compiling._parts)
    part = compiling.inner(lambda a, b: a - b, "minus_for_a_test")
    compiling._parts.intersection_update(before)
    both = compiling.numba.njit(**compiling._KERNEL)(
        lambda a: part(a, 1) + part(7, a) + part(3, b=2)
    )
    assert (both(4), len(part.signatures)) == (7, 1)


def test_kernels_that_different_processes_cached_do_not_run_each_others_parts(tmp_path):
    # Each is the first that its process compiles, so Numba's counts of functions coincide.
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    program = """
        import numpy as np
        from minilstm.backend import load_backend
        backends = [load_backend(name) for name in ("numpy", "numba")]
        from minilstm.kernels.numba.machinery.compiling import kernels
        for name in {names}:
            next(k for k in kernels if k.name == name).of(np.dtype("float32"))
        rng = np.random.default_rng(0)
        x, W = (rng.standard_normal((n, 9)).astype("f4") for n in (20, 4))
        b, targets = np.zeros(4, "f4"), rng.integers(0, 4, 20)
        losses = [a.classifier_loss(x, W, b, targets, 20.0).loss for a in backends]
        assert abs(losses[0] - losses[1]) < 1e-5, losses
    """
    run(program.format(names=["classifier_loss.chunks"]), tmp_path, **cache)
    both = ["product.multiply_rows", "classifier_loss.chunks"]
    run(program.format(names=both), tmp_path, **cache)
