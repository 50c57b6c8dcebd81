"""NumPy alone is enough: models load, predict, stream, train and are saved with nothing beside it.
They give the bits of the NumPy backend in a full house, as fast as a plain loop, and start at once.
"""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml

ABSENT = ("safetensors", "tqdm", "numba", "scipy", "matplotlib", "pandas", "sklearn")
START = f"""
import importlib.util, sys, time, warnings
began = time.perf_counter()
sys.path.insert(0, sys.argv[1])
import numpy as np
of_numpy = time.perf_counter() - began
import minilstm as ml
assert not any(map(importlib.util.find_spec, {ABSENT}))
"""
WORK = """
net, x = ml.load("model.safetensors"), np.load("x.npy")
stream = net.stream()
np.savez("found.npz", whole=net.predict(x), streamed=[stream.step(row) for row in x])
net.save("again.safetensors")
y = net.classes[np.arange(len(x)) % 5]
warnings.simplefilter("ignore", UserWarning)  # that Numba would be faster
ml.train([x], [y], net.layers, options=ml.TrainingOptions(max_epochs=1))
"""
FIRST_STEP = """
ml.load("model.safetensors").stream().step([0.1, 0.2, 0.3])
print(time.perf_counter() - began, of_numpy)
"""


def classifier(H):
    layers = [ml.SequenceInput(3, "zerocenter", [0.5, -1.0, 9.8]), ml.LSTM(H)]
    layers += [ml.FullyConnected(5), ml.Softmax()]
    return ml.Network(layers, rng=np.random.default_rng(0), classes=list("abcde"))


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder from which NumPy and minilstm can be imported, and nothing else."""
    folder = tmp_path_factory.mktemp("house")
    numpy, package = Path(np.__file__).parent, Path(ml.__file__).parent
    for path in (numpy, numpy.with_name("numpy.libs")):
        if path.exists():
            (folder / path.name).symlink_to(path)
    (folder / "minilstm").mkdir()
    kernels = Path(importlib.util.find_spec("minilstm.kernels").origin).parent
    for path in {p.name: p for p in (*package.iterdir(), kernels)}.values():
        (folder / "minilstm" / path.name).symlink_to(path)
    return folder


def run(house, program, cwd):
    words = [sys.executable, "-I", "-S", "-W", "error", "-c", START + program, str(house)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_model_gives_the_bits_of_a_full_house(house, tmp_path, on_numpy):
    net, x = classifier(32), np.random.default_rng(1).standard_normal((40, 3)).astype("float32")
    model = net.save(tmp_path / "model.safetensors")
    np.save(tmp_path / "x.npy", x)
    assert "All 1 epochs are done." in run(house, WORK, tmp_path)
    stream = net.stream()
    with np.load(tmp_path / "found.npz") as found:
        assert found["whole"].tobytes() == net.predict(x).tobytes()
        assert found["streamed"].tobytes() == np.array([stream.step(row) for row in x]).tobytes()
    assert (tmp_path / "again.safetensors").read_bytes() == model.read_bytes()


@pytest.mark.alone
def test_the_first_step_comes_soon_after_numpy(house, tmp_path):
    """0.25 s on a still machine, NumPy 0.08 of them, which tells how still a machine is."""
    classifier(200).save(tmp_path / "model.safetensors")
    first, of_numpy = zip(
        *(map(float, run(house, FIRST_STEP, tmp_path).split()) for _ in range(7)), strict=True
    )
    assert min(first) <= max(0.25, 4 * min(of_numpy))


def plain_loop(net, x):
    """Scores as a reader of the equations would write them first."""
    W, R, b, V, a = net.parameters.values()
    H = R.shape[1]

    def sig(z):
        return 1 / (1 + np.exp(-z))

    h = c = np.zeros(H, np.float32)
    out = []
    for x_t in x:
        z = W @ x_t + R @ h + b
        i, f, g, o = sig(z[:H]), sig(z[H : 2 * H]), np.tanh(z[2 * H : 3 * H]), sig(z[3 * H :])
        c = f * c + i * g
        h = o * np.tanh(c)
        y = V @ h + a
        e = np.exp(y - y.max())
        out.append(e / e.sum())
    return np.array(out)


@pytest.mark.alone
@pytest.mark.parametrize("H", [32, 200])
@pytest.mark.parametrize(("how", "most"), [("stream", 1.3), ("whole", 1.1)])
def test_a_step_takes_little_more_than_in_a_plain_loop(how, most, H, on_numpy):
    layers = [ml.SequenceInput(3), ml.LSTM(H), ml.FullyConnected(5), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((300, 3)).astype("float32")
    stream = net.stream()

    def ours():
        if how == "whole":
            return net.predict(x)
        stream.reset()
        return np.array([stream.step(x_t) for x_t in x])

    np.testing.assert_allclose(ours(), plain_loop(net, x), atol=1e-5)
    ratios = []
    for _ in range(25):  # side by side, so that whatever else runs slows both
        times = [time.perf_counter()]
        for work in (ours, lambda: plain_loop(net, x)):
            work()
            times.append(time.perf_counter())
        ratios.append((times[1] - times[0]) / (times[2] - times[1]))
    assert np.quantile(ratios, 0.25) <= most
