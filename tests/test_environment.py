"""Environments that users have: odd variables, few threads, an archive, too little memory.
Each gives the right numbers or one sentence; a process of its own sees the variables."""

import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from agreement import bits, refuses

import minilstm as ml
from minilstm import checks
from minilstm.layers import initializers

ROOT = Path(__file__).parents[1]
DATA_FILES = (".npz", ".md", ".typed", ".cu", ".cuh")
USE = """
import numpy as np, minilstm as ml
layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
x, y = [np.ones((5, 3)), np.zeros((5, 3))], [["a"] * 5, ["b"] * 5]
options = ml.TrainingOptions("adam", max_epochs=2, verbose=False)
net, info = ml.train(x, y, layers, options=options)
stream = net.stream()
scores = [stream.step(row) for row in x[0]]
assert np.allclose(scores, net.predict(x[0]), atol=1e-6)
assert ml.gradcheck(net, x, y).passed
ml.set_num_threads(2)
print(ml.use_backend.__name__, ml.get_num_threads())
"""
LAST = "import numpy as np, minilstm as ml; print(ml.backend.current_backend().name, {})"


def run(code, *flags, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    environment = {k: v for k, v in environment.items() if v is not None}
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)


FALLS_BACK = {
    "NUMBA_DISABLE_JIT": "the environment variable NUMBA_DISABLE_JIT switches Numba off",
    "NUMBA_NUM_THREADS": "Numba cannot be imported with NUMBA_NUM_THREADS=0 (Number of threads "
    "specified must be > 0)",
}


@pytest.mark.parametrize("name", FALLS_BACK)
def test_numpy_computes_where_numba_cannot_and_one_line_says_so(name):
    pytest.importorskip("numba")
    value = "1" if name == "NUMBA_DISABLE_JIT" else "0"
    done = run(USE, "-W", "error", **{name: value})
    line = f"minilstm: {FALLS_BACK[name]}, so the slower NumPy backend computes\n"
    assert (done.returncode, done.stderr) == (0, line)
    assert done.stdout == "use_backend 1\n"
    asked = run("import minilstm as ml; ml.set_backend('numba')", **{name: value})
    assert asked.stderr.splitlines()[-1] == (
        f"ImportError: the backend is 'numba', but {FALLS_BACK[name]}; unset that environment "
        "variable, or choose the backend 'numpy'."
    )


def test_odd_variables_that_change_nothing(tmp_path):
    """Those of Numba, Python and the system, in one process: no home, no cache, optimised away."""
    cannot = tmp_path / "file"
    cannot.write_text("no folder")
    done = run(
        "import numpy as np, minilstm as ml\n"
        "layers = [ml.SequenceInput(3), ml.FullyConnected(2), ml.Softmax()]\n"
        "net = ml.Network(layers, rng=np.random.default_rng(0))\n"
        "print(net.predict(np.ones((4, 3))).shape)",
        "-OO",
        HOME=None,
        NUMBA_CACHE_DIR=str(cannot / "cache"),
        NUMBA_THREADING_LAYER="nonsense",
        XDG_CACHE_HOME=str(cannot),
        PYTHONHASHSEED="1",
        LC_ALL="C",
        MINILSTM_VECTOR_BYTES="nonsense",
    )
    assert (done.returncode, done.stdout) == (0, "(4, 2)\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "MINILSTM_BACKEND",
            "nonsense",
            "choose one of 'auto', 'numpy', 'numba', 'cupy', or unset it.",
        ),
        ("MINILSTM_NUM_THREADS", "0", "give a whole number from 1 to 256."),
        ("MINILSTM_NUM_THREADS", "2.5", "give a whole number from 1 to 256."),
        ("MINILSTM_NUM_THREADS", "-1", "give a whole number from 1 to 256."),
        ("MINILSTM_NUM_THREADS", "9" * 60, "give a whole number from 1 to 256."),
    ],
)
def test_nonsense_in_our_own_variables_is_named(monkeypatch, name, value, sentence):
    from minilstm.backend import chosen_backend
    from minilstm.kernels import host

    monkeypatch.setattr(host, "cores", lambda: 2)
    monkeypatch.setenv(name, value)
    with refuses(f"{name} is {checks.shown(value)}; {sentence}"):
        chosen_backend() if name.endswith("BACKEND") else host.checked_threads(name, value)


# ---------------------------------------------------------------- threads


@pytest.mark.parametrize("n", [0, -1, 2.5, 2.0, "2", True, None, np.float64(2), 10**9, 1000])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, n):
    from minilstm.kernels import host

    monkeypatch.setattr(host, "cores", lambda: 2)
    with refuses(f"the number of threads is {n!r}; give a whole number from 1 to 256."):
        ml.set_num_threads(n)


@pytest.mark.parametrize("n", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_any_kind_are_numbers_of_threads(set_threads, n):
    pytest.importorskip("numba")
    set_threads(n)
    assert ml.get_num_threads() == 3 and type(ml.get_num_threads()) is int


@pytest.mark.parametrize("started", [0, 1, 2])
def test_threads_that_cannot_be_started_are_done_without(monkeypatch, set_threads, started):
    pytest.importorskip("numba")
    from minilstm.kernels.numba.machinery import threads

    layers = [ml.SequenceInput(3), ml.LSTM(48), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((64, 30, 3))
    with ml.use_backend("numba"):
        set_threads(1)
        alone = net.predict(x)
        monkeypatch.setattr(threads, "_crew", None)
        real, count = threading.Thread.start, [0]

        def start(thread):
            count[0] += 1
            if count[0] > started:
                raise RuntimeError("can't start new thread")
            real(thread)

        monkeypatch.setattr(threading.Thread, "start", start)
        monkeypatch.setattr(threads, "cores", lambda: 4)
        set_threads(4)
        assert bits(net.predict(x)) == bits(alone)
        assert threads._crew.size == started
        tried = count[0]
        net.predict(x)
        assert count[0] == tried  # it is not tried again and again
    monkeypatch.setattr(threads, "_crew", None)
    monkeypatch.setattr(threads, "_most_members", None)


# ---------------------------------------------------------------- an archive


def test_every_packaged_file_is_read_from_an_archive(tmp_path):
    archive = tmp_path / "minilstm.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for top, inside in (
            (ROOT / "minilstm", "minilstm"),
            (ROOT / "kernels", "minilstm/kernels"),
        ):
            for path in sorted(top.rglob("*")):
                if path.suffix in {".py", *DATA_FILES} and "minilstm/kernels" not in str(path):
                    file.write(path, f"{inside}/{path.relative_to(top)}")
    done = run(
        "import minilstm as ml\n"
        "assert '.zip' in ml.__file__\n"
        "from importlib.resources import files\n"
        "x, y, *_ = ml.datasets.japanese_vowels()\n"
        "text = files('minilstm.kernels').joinpath('cuda/softmax.cu').read_text()\n"
        "print(len(x), x[0].shape, y[:2], len(text) > 100)",
        "-P",
        PYTHONPATH=str(archive),
    )
    assert done.stdout == "270 (20, 12) [1 1] True\n", done.stderr


# ---------------------------------------------------------------- sizes


def test_what_the_machine_cannot_hold_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(checks, "machine_memory", lambda: 2**30)
    smaller = "make the layers or the input smaller."
    end = [ml.FullyConnected(2), ml.Softmax()]
    rng = np.random.default_rng(0)
    for layers, numbers, need in (
        ([ml.SequenceInput(3), ml.LSTM(10**8), *end], "40,000,001,800,000,002", "447,034,842.5"),
        ([ml.SequenceInput(10**9), ml.LSTM(4), *end], "16,000,000,090", "178.8"),
        ([ml.SequenceInput(3), ml.FullyConnected(10**9)], "4,000,000,000", "37.3"),
    ):
        sentence = (
            f"to draw {numbers} numbers {need} GiB of memory are needed, but this machine has 1.0; "
        )
        with refuses(sentence + smaller, MemoryError):
            ml.Network(layers, rng=rng)
    net = ml.Network([ml.SequenceInput(3), ml.LSTM(4), *end], rng=rng)
    for make in (net.stream, net.initial_state):
        with refuses(
            "for the state of 1,000,000,000 sequences 29.8 GiB of memory are needed, but this "
            "machine has 1.0; give fewer at once.",
            MemoryError,
        ):
            make(10**9)


def test_wide_orthogonal_matrices_are_those_of_qr(monkeypatch):
    shape = (160, 40)
    wanted = initializers.orthogonal(shape, np.random.default_rng(0))
    monkeypatch.setattr(initializers, "WIDE", 30)
    monkeypatch.setattr(initializers, "BLOCK", 16)
    found = initializers.orthogonal(shape, np.random.default_rng(0))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-15)
    assert found.flags.c_contiguous and not np.array_equal(found, wanted)  # it went the other way
    np.testing.assert_allclose(found.T @ found, np.eye(40), rtol=0, atol=1e-14)
