"""How a training ends other than by its last epoch: Ctrl-C, NaN, no GPU, no Numba.
Each way leaves a usable network or a clear error, and never half of a history."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import warnings
from importlib import import_module

import builders
import numpy as np
import pytest
from agreement import bits, refuses
from builders import CLASSIFIER, interrupt_at
from builders import train_classifier as train
from builders import up_or_down as data

import minilstm as ml
from minilstm.training import watch

pytestmark = pytest.mark.usefixtures("on_numpy")


# ---------------------------------------------------------------- Ctrl-C


def test_ctrl_c_returns_the_network_so_far(monkeypatch, capsys):
    two, _ = train(max_epochs=2)
    interrupt_at(monkeypatch, 3)
    net, info = train(max_epochs=9, verbose=True)
    assert bits(net) == bits(two) and net.classes.tolist() == ["down", "up"]
    assert info.stop_reason == "Stopped by Ctrl-C after 2 of 9 iterations."
    assert info.history["iteration"].tolist() == [1, 2] and info.output_iteration == 2
    assert capsys.readouterr().out.splitlines()[-1] == info.stop_reason


def test_ctrl_c_before_the_first_step_returns_the_first_network(monkeypatch):
    start = ml.Network(CLASSIFIER, rng=np.random.default_rng(0).spawn(3)[0])
    interrupt_at(monkeypatch, 1, watch, "measure_outputs")
    net, info = train(max_epochs=9, validation_data=data(2))
    assert bits(net) == bits(start) and info.output_iteration == 0
    assert info.stop_reason == "Stopped by Ctrl-C after 0 of 9 iterations."
    assert all(len(column) == 0 for column in info.history.values())
    assert str(info).splitlines()[-1] == info.stop_reason


def test_ctrl_c_between_update_and_history_keeps_them_whole(monkeypatch):
    # The third is the validation after the second update.
    interrupt_at(monkeypatch, 3, watch, "measure_outputs")
    net, info = train(max_epochs=9, validation_data=data(2), validation_frequency=1)
    assert bits(net) == bits(train(max_epochs=2)[0])
    assert info.output_iteration == 2 and info.history["iteration"].tolist() == [0, 1]
    assert info.stop_reason == "Stopped by Ctrl-C after 2 of 9 iterations."


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to another process")
def test_a_real_ctrl_c_ends_a_running_program_in_order(tmp_path):
    program = """
        import signal
        import numpy as np, minilstm as ml
        signal.signal(signal.SIGINT, signal.default_int_handler)  # may be inherited as ignored
        x = [np.random.default_rng(b).normal(size=(50, 1)) for b in range(4)]
        layers = [ml.SequenceInput(1), ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax()]
        options = ml.TrainingOptions(max_epochs=10**7)
        with ml.use_backend("numpy"):
            net, info = ml.train(x, [0, 1, 0, 1], layers, options=options)
            net.save("model.safetensors")
        print("went on", len(info.history["loss"]) == info.output_iteration > 0)
    """
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        lines = [child.stdout.readline() for _ in range(4)]  # loss, memory, heading, iteration 1
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert lines[3].split()[0] == "1" and (child.returncode, err) == (0, "")
    assert re.search(r"Stopped by Ctrl-C after \d+ of 10000000 iterations\.\nwent on True\n$", out)
    assert ml.load(tmp_path / "model.safetensors").classes.tolist() == [0, 1]


# ---------------------------------------------------------------- divergence


def diverged(net=None, given=None, **options):
    with pytest.raises(ml.DivergedError) as caught:
        train(net, given, **{"max_epochs": 30, **options})
    error = caught.value
    assert not str(error).endswith("..") and "\n" not in str(error)
    assert error.info.stop_reason == str(error)[0].upper() + str(error)[1:]
    assert all(np.isfinite(p).all() for p in error.network.parameters.values())
    if len(error.info.history["loss"]):  # else no network ever gave a finite loss
        _, again = train(error.network, given, max_epochs=1, initial_learn_rate=1e-30)
        assert np.isfinite(again.history["loss"]).all()
    assert np.isfinite(error.info.history["loss"]).all()
    assert len(error.info.history["loss"]) - error.info.output_iteration <= 1
    return error


def test_a_learning_rate_that_blows_up_is_named_with_the_last_good_loss():
    error = diverged(initial_learn_rate=1e40)
    loss = error.info.history["loss"][-1]
    assert str(error) == (
        f"the loss became nan in epoch 2, iteration 2; the last good loss was {loss:.4g}; likely "
        "cause: a learning rate of 1e+40 is too large and made lstm/input_weights infinite: lower "
        "initial_learn_rate."
    )
    assert len(error.info.history["loss"]) == 1 and error.info.output_iteration == 0
    assert error.network.classes.tolist() == ["down", "up"]


def test_the_network_of_a_late_divergence_is_the_last_good_one(monkeypatch):
    before, _ = train(max_epochs=2)
    real, calls = ml.Network.loss_and_gradients, []

    def broken(self, *arguments, **options):
        calls.append(1)
        result = real(self, *arguments, **options)
        if len(calls) == 3:  # the third update makes every parameter NaN
            return result._replace(gradients={k: g * np.nan for k, g in result.gradients.items()})
        return result

    monkeypatch.setattr(ml.Network, "loss_and_gradients", broken)
    error = diverged()
    assert str(error).startswith("the loss became nan in epoch 4, iteration 4; the last good loss")
    assert bits(error.network) == bits(before) and error.info.output_iteration == 2
    assert error.info.history["iteration"].tolist() == [1, 2, 3]
    assert "made lstm/input_weights infinite" in str(error)
    calls.clear()
    error = diverged(max_epochs=3)  # no loss follows the last update, and yet
    assert str(error).startswith("the last update made lstm/input_weights infinite in epoch 3, ")
    assert bits(error.network) == bits(before)


def test_large_data_are_named_as_the_cause():
    x, y = data()
    huge = [np.sign(a) * 3.4e38 for a in x]
    layers = [ml.SequenceInput(1), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, {"fc/weights": [[2.0], [3.0]], "fc/bias": [0, 0]})
    y = [np.where(a[:, 0] > 0, 0, 1) for a in x]
    error = diverged(net, (huge, y))  # 2 x and 3 x are infinite, and so is no difference
    assert str(error) == (
        "the loss became nan in epoch 1, iteration 1; no step had a finite loss; likely cause: the "
        "data reach 3.4e+38: scale them, or use SequenceInput(..., normalization='zscore')."
    )


def test_a_large_gradient_without_a_bound_is_named_as_the_cause():
    x, y = data()
    layers = [ml.SequenceInput(1), ml.FullyConnected(2), ml.Softmax()]
    large = [a * 3000 for a in x]
    y = [np.where(a[:, 0] > 0, 0, 1) for a in x]
    wrong = [1 - labels for labels in y]
    start, _ = train(layers, (large, y), max_epochs=30, initial_learn_rate=1.0)
    error = diverged(start, (large, wrong), initial_learn_rate=1e38)
    assert re.search(
        r"likely cause: the gradient grew to a norm of \S+: set gradient_threshold, such as 1\.$",
        str(error),
    )


def test_a_broken_network_handed_in_is_named_as_the_cause():
    net = ml.Network(CLASSIFIER, rng=np.random.default_rng(0))
    net.parameters["fc/bias"][0] = np.nan
    with pytest.raises(ml.DivergedError) as error:
        train(net)
    assert str(error.value) == (
        "the loss became nan in epoch 1, iteration 1; no step had a finite loss; likely cause: "
        "fc/bias of the network handed in is not finite: start from another."
    )


# ---------------------------------------------------------------- where it runs


def test_a_gpu_beside_a_backend_of_the_cpu_is_a_clear_error_before_anything_runs(capfd):
    message = (
        "execution_environment is 'gpu', but the backend 'numpy' was chosen, which computes on the "
        "CPU; choose the backend 'cupy' or 'auto', or the environment 'cpu'."
    )
    with refuses(message):
        train(verbose=True, execution_environment="gpu")
    assert capfd.readouterr() == ("", "")
    assert bits(train(execution_environment="cpu", max_epochs=1)[0]) == bits(train(max_epochs=1)[0])


def test_training_without_numba_says_so_once_with_the_pip_line(monkeypatch):
    names = ("minilstm.backend", "minilstm.training.train")
    for module in [import_module(name) for name in names]:  # all imported before one is changed
        monkeypatch.setattr(module, "is_installed", lambda package: False)
    with ml.use_backend("auto") as backend, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net, _ = train(max_epochs=5, validation_data=data(2), validation_frequency=1)
        net.predict(data()[0])
    assert backend.name == "numpy"
    assert [str(w.message) for w in caught] == [
        "training runs on NumPy alone because Numba is not installed; it is several times faster "
        "with it: pip install 'minilstm[fast]'."
    ]
    assert caught[0].category is UserWarning and caught[0].filename == builders.__file__
