"""What fails beside the steps of a training: what the user keeps, and what he is told.
Files and tables cost a warning; an error of a user's function carries the network so far."""

import copy
import os
import pickle
import shutil
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import builders
import numpy as np
import pytest
from agreement import bits
from builders import train_classifier as train
from builders import up_or_down as data

import minilstm as ml
from minilstm.training import loop

pytestmark = pytest.mark.usefixtures("on_numpy")


# ---------------------------------------------------------------- checkpoints


def at(iteration, work):
    """An output function that does something after an iteration."""

    def function(told):
        if (told.state, told.iteration) == ("iteration", iteration):
            work()

    return function


def test_a_folder_that_vanishes_costs_the_checkpoints_alone(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    with pytest.warns(RuntimeWarning) as caught:
        net, info = train(
            max_epochs=6, checkpoint_path=folder, output_fcn=at(2, lambda: shutil.rmtree(folder))
        )
    (said,) = [str(w.message) for w in caught]  # once
    assert said.startswith("the checkpoint of iteration 3 could not be written (path is ")
    assert said.endswith("); the training goes on, and tries again at the next.")
    assert bits(net) == bits(train(max_epochs=6)[0])
    assert info.stop_reason == "All 6 epochs are done; 4 checkpoints could not be written."
    assert str(info).splitlines()[-1] == info.stop_reason


def test_checkpoints_are_written_again_when_the_folder_is_back(tmp_path):
    folder, away = tmp_path / "checkpoints", tmp_path / "away"
    folder.mkdir()
    work = [at(2, lambda: folder.rename(away)), at(3, lambda: away.rename(folder))]
    with pytest.warns(RuntimeWarning, match=r"^the checkpoint of iteration 3 could not be"):
        _, info = train(max_epochs=4, checkpoint_path=folder, output_fcn=work)
    assert sorted(int(p.name[17:21]) for p in folder.iterdir()) == [1, 2, 4]
    assert info.stop_reason == "All 4 epochs are done; 1 checkpoint could not be written."


def test_a_program_that_goes_elsewhere_keeps_its_files(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here/checkpoints").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    _, info = train(
        max_epochs=3, checkpoint_path="checkpoints", plots="training-progress", plot_file="p.png",
        output_fcn=at(1, lambda: os.chdir(tmp_path / "there")),
    )  # fmt: skip
    assert info.stop_reason == "All 3 epochs are done."
    assert len(os.listdir(tmp_path / "here/checkpoints")) == 3
    assert (tmp_path / "here/p.png").is_file() and os.listdir(tmp_path / "there") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", "there is no such folder; make the folder first."),
        ("file", "that is a file; choose another name."),
    ],
)
def test_a_folder_that_is_none_is_refused_before_work_starts(name, message, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / name)
    with pytest.raises(ml.DataError) as error:
        train(verbose=True, checkpoint_path=path)
    assert str(error.value) == f"checkpoint_path is {path!r}, but {message}"
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- the table


def test_a_table_that_cannot_be_printed_costs_a_warning(monkeypatch):
    said = []

    def closed(*words, **options):
        said.append(words)
        if len(said) > 3:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("builtins.print", closed)
    with pytest.warns(RuntimeWarning) as caught:
        net, info = train(verbose=True, max_epochs=4, verbose_frequency=1)
    assert [str(w.message) for w in caught] == [
        "the table of the training can be printed no more ([Errno 32] Broken pipe); the training "
        "goes on."
    ]
    assert len(said) == 4 and info.stop_reason == "All 4 epochs are done."
    assert bits(net) == bits(train(max_epochs=4)[0])


# ---------------------------------------------------------------- errors of users


def fails_at(call, result=None, error=ZeroDivisionError):
    """A function that fails at one of its calls, and gives the result at the others."""
    calls = []

    def function(*arguments):
        calls.append(1)
        if len(calls) == call:
            raise error
        return result

    return function


@pytest.mark.parametrize(
    ("options", "done"),
    [
        ({"output_fcn": fails_at(1)}, 0),
        ({"output_fcn": fails_at(3)}, 2),
        ({"output_fcn": fails_at(6)}, 4),  # told that the training is done
        ({"metrics": fails_at(3, 0.5)}, 2),
        ({"metrics": fails_at(4, 0.5), "validation_data": data(2), "validation_frequency": 2}, 2),
        ({"learn_rate_schedule": lambda epoch, iteration: [1, 1, 1][iteration] / 1000}, 2),
    ],
)
def test_an_error_of_a_users_function_carries_the_network_so_far(options, done):
    with pytest.raises((ZeroDivisionError, IndexError)) as caught:
        train(max_epochs=4, **options)
    error = caught.value
    so_far = dict(options, output_fcn=(), metrics=(), validation_data=None)
    start = ml.Network(builders.CLASSIFIER, rng=np.random.default_rng(0).spawn(3)[0])
    wanted = (
        train(**{**so_far, "max_epochs": done, "validation_frequency": 50})[0] if done else start
    )
    assert bits(error.network) == bits(wanted) and error.network.classes.tolist() == ["down", "up"]
    assert error.info.output_iteration == done
    assert error.info.stop_reason == f"{type(error).__name__} after {done} of 4 iterations."
    assert error.__notes__ == [
        f"The training stopped after {done} of 4 iterations; the network so far is `network` of "
        "this error, its history is `info`."
    ]


def test_an_error_of_a_loss_or_of_the_last_statistics_carries_it_too(monkeypatch):
    x, y = builders.running_sums()
    pair = (fails_at(3, 0.5), lambda y, t: (y - t) / y.size)
    layers = [ml.SequenceInput(2), ml.FullyConnected(1)]
    options = ml.TrainingOptions(max_epochs=5, verbose=False)
    with pytest.raises(ZeroDivisionError) as caught:
        ml.train(x, y, layers, loss=pair, options=options)
    assert caught.value.info.output_iteration == 2
    assert pickle.loads(pickle.dumps(caught.value)).network.losses == (None,)  # lambdas stay here
    monkeypatch.setattr(loop, "population_statistics", fails_at(1, error=MemoryError))
    normal = [ml.SequenceInput(2), ml.BatchNormalization(), ml.FullyConnected(1)]
    with pytest.raises(MemoryError) as caught:
        ml.train(x, y, normal, loss="mse", options=options)
    assert caught.value.info.output_iteration == 5
    for stop in (SystemExit(3), KeyboardInterrupt()):
        if isinstance(stop, SystemExit):
            with pytest.raises(SystemExit) as caught:
                train(max_epochs=4, output_fcn=fails_at(4, error=stop))
            assert caught.value.info.output_iteration == 3
        else:
            _, info = train(max_epochs=4, output_fcn=fails_at(4, error=stop))
            assert info.stop_reason == "Stopped by Ctrl-C after 3 of 4 iterations."


def test_the_best_network_is_the_one_that_is_carried_where_it_was_asked_for():
    options = {"validation_data": data(4, seed=9), "validation_frequency": 1, "max_epochs": 9,
               "output_network": "best-validation", "initial_learn_rate": 0.1}  # fmt: skip
    with pytest.raises(ZeroDivisionError) as caught:
        train(output_fcn=fails_at(9), **options)
    info = caught.value.info
    best = int(np.nanargmin(info.history["validation_loss"]))
    assert info.output_iteration == info.history["iteration"][best]


# ---------------------------------------------------------------- other processes


def train_badly(rate):
    with ml.use_backend("numpy"):
        return train(max_epochs=5, initial_learn_rate=rate)


def check_badly(_):
    ml.gradcheck(lambda x: x**2, lambda dy, x: 3 * dy * x, {"x": np.arange(1.0, 4.0)})


def test_a_diverged_training_and_a_wrong_gradient_come_back_from_a_process_pool():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        diverged, wrong = pool.submit(train_badly, 1e40), pool.submit(check_badly, 0)
        good = pool.submit(train_badly, 0.001)
        error = diverged.exception(120)
        gradient = wrong.exception(120)
        net, info = good.result(120)
    with pytest.raises(ml.DivergedError) as caught:
        train_badly(1e40)
    here = caught.value
    assert type(error) is ml.DivergedError and str(error) == str(here)
    assert (
        bits(error.network) == bits(here.network)
        and str(error.info.stop_reason)[1:] == str(here)[1:]
    )
    assert type(gradient) is ml.GradientError and str(gradient).startswith("the gradient of x is ")
    assert gradient.report.max_error == pytest.approx(0.5)
    assert bits(net) == bits(train_badly(0.001)[0]) and info.output_iteration == 5


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_errors_networks_histories_and_options_can_be_copied_and_pickled(again):
    net, info = train(max_epochs=2, validation_data=data(2))
    for error in (
        ml.DivergedError("words", net, info), ml.GradientError("words", "report"),
        ml.DataError("words"), ml.ModelFileError("words"), ml.DeviceError("words"),
    ):  # fmt: skip
        other = again(error)
        assert type(other) is type(error) and str(other) == "words" and other.args == ("words",)
        assert vars(other).keys() == vars(error).keys()
    other = again(ml.DivergedError("words", net, info))
    assert bits(other.network) == bits(net) and str(other.info) == str(info)
    x, _ = data()
    assert (again(net).predict(x) == net.predict(x)).all()
    assert again(ml.TrainingOptions("sgdm", seed=3)) == ml.TrainingOptions("sgdm", seed=3)
    for layer in net.layers:
        assert repr(again(layer)) == repr(layer)
    graph = again(ml.LayerGraph(builders.CLASSIFIER))
    assert [layer.kind for layer in graph.layers] == [a.kind for a in net.layers]


def test_warnings_of_a_failure_that_are_errors_carry_the_network(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning) as caught:
            train(
                max_epochs=4,
                checkpoint_path=folder,
                output_fcn=at(1, lambda: shutil.rmtree(folder)),
            )
    assert caught.value.info.output_iteration == 2
