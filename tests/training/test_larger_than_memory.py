"""Sequences that stay on disk give the bits of those in memory, and are never copied as a whole.
What changes while it is in use is refused by its index, before or within the training."""

import os
import re
import subprocess
import sys
from pathlib import Path

import builders
import numpy as np
import pytest
from agreement import bits

import minilstm as ml

LENGTHS = (7, 3, 5, 9, 4, 6, 8, 2, 5, 7)
X = [a.astype("f4") for a in builders.shifted_sequences((2,), LENGTHS)]
Y = [np.where(a[:, 0] > a[:, 0].mean(), "up", "down") for a in X]
NUMBERS = [np.cumsum(a, axis=0)[:, :1].astype(np.float64) for a in X]
DENSE = np.stack([a[:2] for a in X])
END = [ml.FullyConnected(2), ml.Softmax()]
STAY = "give data that stay as they are while they are in use."


class Pairs:
    """As a data set of PyTorch: a pair for each index."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, b):
        return self.x[b], self.y[b]


class ByIndex(Pairs):
    """Sequences alone; `later` changes what is given from the second call on."""

    def __init__(self, x, later=None):
        self.x, self.later, self.calls = x, later, {}

    def __getitem__(self, b):
        self.calls[b] = self.calls.get(b, 0) + 1
        return self.x[b] if self.calls[b] == 1 or self.later is None else self.later(b, self.x[b])


def maps(folder, arrays):
    for n, a in enumerate(arrays):
        np.save(f"{folder}/{n}.npy", a)
    return [np.load(f"{folder}/{n}.npy", mmap_mode="r") for n in range(len(arrays))]


def on_disk(kind, folder, x, y):
    if kind == "maps":
        (folder / "y").mkdir()
        return maps(folder, x), maps(folder / "y", y) if isinstance(y, list) else y
    if kind == "pairs":
        return Pairs(x, y), None
    return ByIndex(x), ByIndex(y)


def layers(outputs, mode="sequence"):
    first = ml.SequenceInput(2, normalization="zscore")
    return [first, ml.LSTM(4, mode), ml.Dropout(0.2), *outputs]


def told(net, info):
    history = {k: v for k, v in info.history.items() if k != "time"}
    return bits(net.parameters), bits(history), info.hints


SHUFFLED = {"shuffle": "every-epoch", "validation_share": 0.3, "validation_frequency": "epoch"}
TRAININGS = {
    "labels a step": (X, Y, END, {"loss": ml.CrossEntropy("inverse-frequency")}, SHUFFLED),
    "labels a sequence": (X, np.array(["a", "b"] * 5), END, {}, {"sequence_length": 4}),
    "numbers": (X, NUMBERS, [ml.FullyConnected(1)], {"loss": "mse"}, {"shuffle": "never"}),
    "other metrics": (X, Y, END, {}, {**SHUFFLED, "metrics": ["accuracy", "fscore"]}),
    "step weights": (X, Y, END, {"step_weights": [np.arange(len(a)) + 1.0 for a in X]}, {}),
    "a dense batch": (DENSE, [y[:2] for y in Y], END, {}, {}),
    "numbers of another dtype": ([a.astype("f8") * 1e9 for a in X], Y, END, {}, {}),
}


@pytest.mark.parametrize("kind", ["maps", "pairs", "by index"])
@pytest.mark.parametrize("name", TRAININGS)
def test_the_bits_are_those_of_data_in_memory(name, kind, backend, tmp_path):
    x, y, outputs, how, options = TRAININGS[name]
    mode = "sequence" if isinstance(y, list) else "last"
    given = {"max_epochs": 3, "mini_batch_size": 4, "verbose": False, **options}
    with ml.use_backend(backend.name):

        def train(x, y):
            return ml.train(x, y, layers(outputs, mode), options=ml.TrainingOptions(**given), **how)

        wanted, stored = train(x, y), on_disk(kind, tmp_path, x, y)
        if name == "a dense batch" and kind == "maps":
            np.save(tmp_path / "dense.npy", x)
            stored = np.load(tmp_path / "dense.npy", mmap_mode="r"), stored[1]
        assert told(*train(*stored)) == told(*wanted)
        net = wanted[0]
        assert net.evaluate(*stored) == net.evaluate(x, y)
        assert bits(dict(enumerate(net.predict(stored[0])))) == bits(
            dict(enumerate(net.predict(x)))
        )


def test_a_training_goes_on_with_its_data_on_disk(tmp_path):
    folder = tmp_path / "checkpoints"
    (tmp_path / "x").mkdir(), folder.mkdir()
    options = {"max_epochs": 3, "mini_batch_size": 4, "verbose": False}
    wanted, _ = ml.train(
        X, Y, layers(END), options=ml.TrainingOptions(checkpoint_path=folder, **options)
    )
    middle = sorted(folder.iterdir())[0]
    again, _ = ml.resume(middle, maps(tmp_path / "x", X), Y)
    assert bits(again.parameters) == bits(wanted.parameters)


def longer(b, a):
    return np.concatenate([a, a]) if b == 3 else a


FAULTS = {
    "another length": (longer, f"x[3] has 18 time steps now, but had 9 time steps before; {STAY}"),
    "another dtype": (
        lambda b, a: a.astype("f8") if b == 3 else a,
        f"x[3] has 9 time steps of float64 now, but had 9 time steps of float32 before; {STAY}",
    ),
    "NaN": (
        lambda b, a: a * np.nan if b == 3 else a,
        "x[3] holds nan at time step 0, feature 0 (18 such values), but every value must be "
        "finite; remove or fill them first.",
    ),
    "an error of its own": (
        lambda b, a: {}["gone"] if b == 3 else a,
        "x[3] cannot be read (KeyError: 'gone'); check what gives it.",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_gives_something_else_later_is_refused_by_its_index(name):
    later, sentence = FAULTS[name]
    options = ml.TrainingOptions(max_epochs=2, verbose=False)
    with pytest.raises(ml.DataError) as error:
        ml.train(ByIndex(X, later), Y, layers(END), options=options)
    assert str(error.value) == sentence


def test_nan_is_found_before_work_starts():
    bad = [*X[:3], X[3] * np.nan, *X[4:]]
    seen = []
    options = ml.TrainingOptions(max_epochs=1, verbose=False, output_fcn=seen.append)
    with pytest.raises(ml.DataError, match=r"^x\[3\] holds nan at time step 0, feature 0 "):
        ml.train(ByIndex(bad), Y, layers(END), options=options)
    assert not seen


@pytest.mark.skipif(os.name == "nt", reason="a mapped file cannot be written there")
@pytest.mark.parametrize("when", ["before", "within"])
@pytest.mark.parametrize("what", ["shrank", "changed"])
def test_a_file_that_is_written_meanwhile_is_refused(what, when, tmp_path):
    x, path = maps(tmp_path, X), tmp_path / "3.npy"
    size = path.stat().st_size

    def spoil(_):
        if what == "shrank":
            os.truncate(path, 80)
        else:
            os.utime(path, ns=(1, 1))

    if when == "before":
        spoil(None)
    options = ml.TrainingOptions(max_epochs=2, verbose=False, output_fcn=spoil)
    sentence = f"x[3] lies in {path}, which was written meanwhile; {STAY}"
    if what == "shrank":
        sentence = (
            f"x[3] is mapped to {size} bytes of {path}, which has 80 now; write it again, and "
            f"{STAY}"
        )
    if (what, when) == ("changed", "before"):
        options = ml.TrainingOptions(max_epochs=2, verbose=False)
        assert ml.train(x, Y, layers(END), options=options)[1].stop_reason.startswith("All 2")
        return
    with pytest.raises(ml.DataError) as error:
        ml.train(x, Y, layers(END), options=options)
    assert str(error.value) == sentence


def test_a_file_of_savez_is_mapped_where_nothing_packs_it(tmp_path):
    named = {f"x_{n:04}": a for n, a in enumerate(X)}
    layouts = {"numbered": named, "flat": {"x": np.concatenate(X), "lengths": LENGTHS},
               "dense": {"x": DENSE}}  # fmt: skip
    path = tmp_path / "a.npz"
    for name, arrays in layouts.items():
        layout = "BTC" if name == "dense" else "TC"
        np.savez(path, **arrays, y=np.array(["a", "b"] * 5))
        plain, stays = (
            ml.data.read_sequences(path, layout=layout, mapped=m) for m in (False, True)
        )
        assert {type(a) for a in stays.x} == {np.memmap}
        assert bits(dict(enumerate(stays.x))) == bits(dict(enumerate(plain.x)))
        stays.x[0][:] = 0  # not in the file
        again = ml.data.read_sequences(path, layout=layout).x[0]
        assert np.array_equal(again, plain.x[0])
    np.savez_compressed(path, **named, y=np.arange(10))
    assert type(ml.data.read_sequences(path, mapped=True).x[0]) is np.ndarray
    np.savez(path, **named)
    text = bytearray(path.read_bytes())
    text[200] ^= 1
    path.write_bytes(text)
    with pytest.raises(ml.DataError, match=r"is broken at x_0000, but a whole \.npz file"):
        ml.data.read_sequences(path, mapped=True)


SCRIPT = """
import re, sys, threading, time
import numpy as np
import minilstm as ml

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

def train(x, y):
    options = ml.TrainingOptions(
        max_epochs=1, mini_batch_size=32, verbose=False, shuffle="every-epoch",
        validation_share=0.1, validation_frequency="epoch", checkpoint_path=sys.argv[1],
    )
    layers = [
        ml.SequenceInput(512, normalization="zscore"), ml.LSTM(4), ml.FullyConnected(2),
        ml.Softmax(),
    ]
    return ml.train(x, y, layers, ml.CrossEntropy("inverse-frequency"), options)[0]

x, y = (np.load(f"{sys.argv[1]}/{name}.npy", mmap_mode="r") for name in "xy")
train(np.array(x[:64]), np.array(y[:64]))
before, most = anonymous(), [0]

def watch():
    while True:
        most[0] = max(most[0], anonymous())
        time.sleep(0.002)

threading.Thread(target=watch, daemon=True).start()
train(x, y).evaluate(x, y)
print(most[0] - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="measured by Linux")
def test_a_gigabyte_is_learned_in_a_twentieth_of_it(tmp_path):
    new = np.lib.format.open_memmap
    x = new(tmp_path / "x.npy", "w+", "f4", (8192, 64, 512))  # 1 GiB, most of it a hole
    x[:, 0, 0] = np.arange(8192) % 7
    y = new(tmp_path / "y.npy", "w+", "i1", (8192, 64))
    y[:, ::2] = 1
    del x, y
    run = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert 0 < int(re.search(r"\d+", out)[0]) <= 51  # MiB, beside what a small training takes
