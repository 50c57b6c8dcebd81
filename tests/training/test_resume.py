"""A training goes on from any of its checkpoints as if nothing had interrupted it.
What would have other bits is refused by its name; a broken checkpoint is passed over."""

import json
import shutil

import builders
import numpy as np
import pytest
from interrupted import EVERY, HELD, LAYERS, MANY, SHORT, X, Y, files, iterations, known, train

import minilstm as ml
from minilstm.network.model_file import read_training, to_bytes
from minilstm.network.network import Network
from minilstm.training.checkpoints import folder as folders
from minilstm.training.checkpoints import sameness

ANEW = "start the training anew with minilstm.train."


class Spread:
    """A schedule of a user."""

    def rate(self, initial_rate, epoch, iteration, total_epochs, total_iterations):
        return initial_rate / iteration


def furthest(y, t):
    return float(np.abs(y - t).max())


ENDS = [*LAYERS[:5], ml.FullyConnected(2, weights_learn_rate_factor=0), ml.Softmax()]
TRAININGS = {
    "shuffled, validated, on a schedule": ({}, MANY),
    "in pieces of two steps": ({}, {**MANY, "sequence_length": 2}),
    "stopped by patience": (
        {}, {**MANY, "validation_patience": 2, "initial_learn_rate": 0.5, "max_epochs": 9},
    ),
    "the best network": (
        {"loss": ml.CrossEntropy({"up": 1.0, "down": 3.0})},
        {"validation_share": 0.3, "objective_metric_name": "auc", "metrics": ["auc", "fscore"],
         "solver": "sgdm", "validation_frequency": "epoch"},
    ),
    "initialised by a function, with numbers of NumPy": (
        {"layers": [*LAYERS[:5],
                    ml.FullyConnected(2, weights_initializer=lambda s, r: r.normal(size=s)),
                    ml.Softmax()]},
        {"initial_learn_rate": np.float32(0.01), "max_epochs": np.int64(2),
         "learn_rate_schedule": [ml.schedules.Warmup(np.float32(0.3))]},
    ),
    "a network that trains on": (
        {"layers": builders.start(ENDS, classes=["down", "up"])},
        {"solver": "rmsprop", "shuffle": "never", "drop_partial_batch": True,
         "batch_normalization_statistics": "moving", "gradient_threshold": 0.1,
         "learn_rate_schedule": [ml.schedules.Piecewise(0.5, 1), "none"][:1]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_every_checkpoint_goes_on_to_the_same_bits(name, backend, tmp_path):
    given, options = TRAININGS[name]
    loss, layers = given.get("loss"), given.get("layers", LAYERS)
    layers = layers if isinstance(layers, ml.Network) else list(layers)
    with ml.use_backend(backend.name):
        how = {**SHORT, **options}
        whole = known(ml.train(X, Y, layers, loss, ml.TrainingOptions(**how)))
        again = ml.train(
            X, Y, layers, loss, ml.TrainingOptions(**how, **EVERY, checkpoint_path=tmp_path)
        )
        assert known(again) == whole
        written = files(tmp_path)
        assert len(written) == again[1].history["iteration"][-1]
        for path in written[:: len(written) // 5]:
            back = ml.resume(path, X, Y, validation_data=options.get("validation_data"))
            assert known(back) == whole, path.name


def test_what_no_file_holds_is_given_again(tmp_path):
    x, y = builders.running_sums()
    layers = [ml.SequenceInput(2), ml.LSTM(3), ml.FullyConnected(1)]

    def value(y, t):
        return float(((y - t) ** 2).mean())

    def gradient(y, t):
        return 2 * (y - t) / y.size

    weights = [np.linspace(0, 1, len(a)) for a in x]
    seen = []
    how = {"metrics": [furthest], "learn_rate_schedule": Spread(), "output_fcn": seen.append}
    loss = value, gradient
    whole = known(train(tmp_path, x, y, layers, loss, **how))
    options = ml.TrainingOptions(**SHORT, **how)
    path = files(tmp_path)[1]
    for name, function, given in (("options", "(Spread|furthest)", {}),
                                  ("loss", "value", {"options": options})):  # fmt: skip
        sentence = (
            f"^{name} is None, but the training of {path} had {function}, which no file holds; "
            f"give {name} as that training had it.$"
        )
        with pytest.raises(ValueError, match=sentence):
            ml.resume(path, x, y, **given)
    seen.clear()
    assert known(ml.resume(path, x, y, loss=loss, options=options)) == whole
    # The step of the checkpoint may not have been seen by whoever was interrupted.
    assert [(t.state, t.iteration) for t in seen][:3] == [
        ("start", 0), ("iteration", 4), ("iteration", 5),
    ]  # fmt: skip
    with pytest.raises(ml.DataError, match=r"^the weights \(step_weights, or class_weights of "):
        ml.resume(path, x, y, loss=loss, options=options, step_weights=weights)


# ---------------------------------------------------------------- what is refused

REFUSED = {
    "x": ({"x": [X[0] + 1, *X[1:]]}, r"x is 12 sequences, 45 rows, SHA-256 \w+, but it was 12 "
          r"sequences, 45 rows, SHA-256 \w+ in the training of {}; give the data that it began "
          r"with\."),
    "a file that shrank": ({"x": X[:-1], "y": Y[:-1]}, r"x is 11 sequences, \d+ rows, SHA-256 \w+, "
                           r"but it was 12 sequences, 45 rows, .*; give the data that it began "
                           r"with\."),
    "y": ({"y": Y[::-1]}, r"y is 12 sequences, 12 rows, .* but it was .*; give the data that it "
          r"began with\."),
    "validation": ({"validation_data": builders.up_or_down(6)}, r"x of validation_data is 6 .*"),
    "no validation": ({"validation_data": None}, r"validation_data is None, but the training of {} "
                      r"had \(x, y\), which no file holds; give validation_data as that training "
                      r"had it\."),
    "an option": ({"options": {"mini_batch_size": 5}}, r"mini_batch_size is 5, but it was 4 in the "
                  r"training of {}; give that of that training, or leave options out\."),
    "the seed": ({"options": {"seed": 6}}, r"seed is 6, but it was 5 in the training of {}; .*"),
    "options without validation": ({"options": {"validation_data": None}}, r"x of validation_data "
                                   r"is none, but it was .* in the training of {}; .*"),
    "a layer": ({"layers": [*LAYERS[:4], ml.LSTM(5, "last"), *LAYERS[5:]]}, r"the layer 'lstm_2' "
                r"is .*, but it was .* in the training of {}; give those of that training, or "
                r"leave layers out\."),
    "names of classes": ({"y": np.where(Y == "up", "u", "d"), "layers": list(LAYERS),
                          "validation_data": (HELD[0], np.where(HELD[1] == "up", "u", "d"))},
                         r"the set of classes is \['d', 'u'\], but it was \['down', 'up'\] .*"),
    "the loss": ({"loss": ml.CrossEntropy("inverse-frequency")}, r"the loss is .*, but it was .* "
                 r"in the training of {}; give that of that training, or leave loss out\."),
    "both": ({"options": {}, "validation_data": HELD}, r"validation_data is given beside options; "
             r"give it as TrainingOptions\(validation_data=\(x, y\)\)\."),
}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder with one checkpoint of a training of two epochs."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with ml.use_backend("numpy"):
        train(
            folder, max_epochs=2, checkpoint_frequency=2, loss="crossentropy", validation_data=HELD
        )
    return files(folder)[0]


@pytest.mark.parametrize("what", REFUSED)
def test_another_training_is_refused_by_name(what, checkpoint, on_numpy):
    given, sentence = REFUSED[what]
    given = {"x": X, "y": Y, "validation_data": HELD, **given}
    if "options" in given:
        own = {**SHORT, "max_epochs": 2, "validation_data": HELD, **given["options"]}
        given["options"] = ml.TrainingOptions(**own)
        given["validation_data"] = HELD if what == "both" else None
    with pytest.raises(ValueError, match=f"^{sentence.format(checkpoint)}$"):
        ml.resume(checkpoint, **given)


def test_another_array_of_a_layer_is_refused(tmp_path, on_numpy):
    how = {"reset_input_normalization": False}
    first, other = ([ml.SequenceInput(1, "zscore", mean=[m], standard_deviation=[1.0]), *LAYERS[1:]]
                    for m in (0.0, 3.0))  # fmt: skip
    train(tmp_path, layers=first, **how)
    with pytest.raises(ValueError, match=r"^the array 'input/mean' is .*3\.0.*, but it was .*0\.0"):
        ml.resume(tmp_path, X, Y, other)


def test_another_backend_is_refused(checkpoint):
    pytest.importorskip("numba")
    sentence = (
        f"^the backend is 'numba', but it was 'numpy' in the training of {checkpoint}; choose that "
        "one with minilstm.set_backend.$"
    )
    with ml.use_backend("numba"), pytest.raises(ValueError, match=sentence):
        ml.resume(checkpoint, X, Y, validation_data=HELD)


def rewritten(path, facts=None, arrays=None):
    """A checkpoint with other facts or arrays, as another version or machine may write them."""
    net, held, told = read_training(path, Network)
    path.write_bytes(
        to_bytes(net, {**held, **(arrays or {})}, json.dumps({**told, **(facts or {})}))
    )
    return path


@pytest.fixture
def copied(checkpoint, tmp_path):
    return shutil.copy(checkpoint, tmp_path / checkpoint.name)


def test_another_machine_is_warned_of(copied, on_numpy):
    rewritten(copied, {"machine": "Z80"})
    with pytest.warns(UserWarning, match=r" was written on another machine \(Z80; this ") as caught:
        ml.resume(copied, X, Y, validation_data=HELD)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("facts", "arrays", "says"),
    [
        ({"version": "0.0"}, {}, "is of minilstm '0.0', but this is "),
        ({"columns": ["loss"]}, {}, "does not describe its training (ValueError("),
        ({}, {"/order": np.zeros(12, np.int64)}, "does not describe its training (ValueError("),
        ({}, {"/solver/m/fc/bias": np.zeros(9, "f4")}, "does not describe its training (ValueErr"),
        ({"noise": {}}, {}, "does not describe its training ("),
        ({"iteration": -3}, {}, "does not describe its training (ValueError("),
        ({"watch": ["a", 0, 0, False]}, {}, "does not describe its training (ValueError("),
        ({"options": {"epsilon": {"float": "q"}}}, {}, "does not describe its training ("),
        ({"loss": {"the loss": 5}}, {}, "does not describe its training (TypeError("),
        ({"options": {"newopt": 3}}, {}, "does not describe its training ("),
        ({"iteration": np.inf}, {}, "is no whole checkpoint, and there is no other; "),
        ({"options": 5}, {}, "is no whole checkpoint, and there is no other; "),
        ({"loss": None}, {}, "is no whole checkpoint, and there is no other; "),
    ],
)  # fmt: skip
def test_a_checkpoint_without_sense_is_refused(facts, arrays, says, copied, on_numpy):
    rewritten(copied, facts, arrays)
    with pytest.raises(ml.ModelFileError) as error:
        ml.resume(copied, X, Y, validation_data=HELD)
    assert str(error.value).startswith(f"{copied} {says}")


# ---------------------------------------------------------------- the folder


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def flip(path, _):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def another_version(path, _):
    """One bit is another: a digit of the version."""
    data = path.read_bytes()
    told = b'version\\": \\"' + ml.__version__[:1].encode()
    assert told in data
    path.write_bytes(data.replace(told, told[:-1] + bytes([told[-1] ^ 1]), 1))


def link_to_nothing(path, _):
    path.unlink()
    path.symlink_to(path.parent / "nothing")


@pytest.mark.parametrize(
    ("damage", "share"),
    [(cut, 0), (cut, 0.1), (cut, 0.99), (flip, 0), (another_version, 0), (link_to_nothing, 0)],
)
def test_a_broken_checkpoint_is_passed_over(damage, share, tmp_path, on_numpy):
    whole = known(train(tmp_path))
    first, *_, third, last = files(tmp_path)
    damage(last, share)
    sentence = (
        f"{last} is no whole checkpoint, so the training goes on from {third}; remove what is "
        "broken."
    )
    with pytest.warns(RuntimeWarning) as caught:
        assert known(ml.resume(tmp_path, X, Y)) == whole
    assert [str(w.message) for w in caught] == [sentence] and caught[0].filename == __file__
    assert known(ml.resume(tmp_path, X, Y)) == whole  # it was written anew
    for path in files(tmp_path):
        damage(path, share)
    with pytest.raises(ml.ModelFileError) as error:
        ml.resume(tmp_path, X, Y)
    assert str(error.value) in [
        f"{path} is no whole checkpoint, and there is no other; {ANEW}" for path in (first, last)
    ]


def test_a_folder_without_checkpoints(tmp_path, on_numpy):
    with pytest.raises(FileNotFoundError) as error:
        ml.resume(tmp_path, X, Y)
    assert str(error.value) == (
        f"path is {str(tmp_path)!r}, where there is no checkpoint; start the training with "
        "minilstm.train, and give it this folder as its option checkpoint_path."
    )
    old = train()[0].save(tmp_path / "checkpoint-epoch-0004-iteration-000012.safetensors")
    with pytest.raises(ml.ModelFileError) as error:
        ml.resume(tmp_path, X, Y)
    assert str(error.value) == (
        f"{old} holds a network without its training; train it further with minilstm.train(x, y, "
        "minilstm.load(path))."
    )
    with pytest.raises(FileNotFoundError, match=r", but there is no such checkpoint; check its"):
        ml.resume(tmp_path / "none", X, Y)


def test_the_newest_training_of_a_folder_goes_on(tmp_path, monkeypatch, on_numpy):
    (tmp_path / ".0123.part").write_text("")  # of a writer that was killed
    train(tmp_path, max_epochs=9)
    monkeypatch.setattr(sameness.time, "time", lambda: 1.0)  # the clock was set back
    later = known(train(tmp_path, seed=6))
    assert len(files(tmp_path)) == 9
    assert known(ml.resume(tmp_path, X, Y)) == later


def test_as_many_are_kept_as_asked_for(tmp_path, monkeypatch, on_numpy):
    train(tmp_path, **EVERY, checkpoints_kept=3)
    assert iterations(tmp_path) == [10, 11, 12]
    ml.resume(files(tmp_path)[0], X, Y)
    assert iterations(tmp_path) == [10, 11, 12]
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    now = []
    monkeypatch.setattr(folders.time, "monotonic", lambda: now.append(1) or len(now))
    train(tmp_path, checkpoint_frequency=2, checkpoint_seconds=0.5)
    assert iterations(tmp_path) == [6, 10, 11, 12]  # all at the ends of epochs, two between
    assert [path.stem.endswith("-between") for path in files(tmp_path)] == [
        False,
        True,
        True,
        False,
    ]


def test_the_default_interval_is_five_minutes(tmp_path, monkeypatch, on_numpy):
    now = [0.0]
    monkeypatch.setattr(folders.time, "monotonic", lambda: now[0])

    def later(told):  # 100 seconds a step, and as long before the first
        now[0] += 100 * (told.state != "done")

    train(tmp_path, checkpoint_frequency=np.inf, checkpoints_kept=9, output_fcn=later)
    assert iterations(tmp_path) == [3, 6, 9, 12]
