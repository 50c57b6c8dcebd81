"""A full disk and signals: a training loses checkpoints at most, and says how to go on.
What it writes meanwhile goes on to the bits of a training that nothing disturbed."""

import os
import signal
import warnings

import numpy as np
import pytest
from agreement import bits
from interrupted import EVERY, SHORT, X, Y, files, iterations, known, train

import minilstm as ml


def test_a_full_disk_costs_checkpoints_alone(tmp_path, on_numpy):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(told):
        size = 3000 if 3 <= told.iteration < 6 else before[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    try:
        with pytest.warns(RuntimeWarning, match=r"^the checkpoint of iteration 4 could not be wri"):
            net, info = train(tmp_path, **EVERY, output_fcn=limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert info.stop_reason == "All 4 epochs are done; 3 checkpoints could not be written."
    assert bits(net) == bits(train()[0])
    assert iterations(tmp_path) == [1, 2, 3, 7, 8, 9, 10, 11, 12]
    assert all(path.suffix == ".safetensors" for path in files(tmp_path))
    back = ml.resume(files(tmp_path)[2], X, Y, options=ml.TrainingOptions(**SHORT))
    assert bits(back[0]) == bits(net)


def stopping(*numbers):
    """An output function that sends signals to this process in the second epoch."""

    def send(told):
        if (told.state, told.iteration) == ("iteration", 5):
            for number in numbers:
                os.kill(os.getpid(), number)

    return send


def stopped(folder, capsys, *numbers):
    """What a training says that signals stop."""
    how = {"checkpoint_frequency": np.inf, "output_fcn": stopping(*numbers)}
    if numbers[0] == signal.SIGINT:
        return train(folder, **how)[1].stop_reason
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        train(folder, **how)
    assert ended.value.code == 143
    return capsys.readouterr().err.strip()


@pytest.fixture
def usual_handlers():
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {n: signal.signal(n, handler) for n, handler in usual.items()}
    yield
    assert {n: signal.getsignal(n) for n in usual} == usual
    for n, handler in before.items():
        signal.signal(n, handler)


@pytest.mark.skipif(os.name == "nt", reason="no signals to a process")
@pytest.mark.parametrize(
    ("first", "name", "second", "at_once"),
    [
        (signal.SIGINT, "Ctrl-C", signal.SIGINT, "Stopped by Ctrl-C after 5 of 12 iterations."),
        (signal.SIGTERM, "SIGTERM", signal.SIGTERM, ""),
        (signal.SIGTERM, "SIGTERM", signal.SIGINT, "Stopped by Ctrl-C after 5 of 12 iterations."),
    ],
)
def test_a_signal_ends_the_step_and_writes_a_checkpoint(
    first, name, second, at_once, tmp_path, capsys, on_numpy, usual_handlers
):
    assert stopped(tmp_path, capsys, first, second) == at_once
    assert files(tmp_path) == []
    assert stopped(tmp_path, capsys, first) == (
        f"Stopped by {name} after 5 of 12 iterations; go on from '{tmp_path}' with "
        "minilstm.resume, or train --resume."
    )
    assert iterations(tmp_path) == [5]
    sentence = f"^the training of {files(tmp_path)[0]} had the output_fcn send, which no file holds"
    with pytest.warns(UserWarning, match=sentence):
        assert known(ml.resume(tmp_path, X, Y)) == known(train())


def test_the_table_goes_on(tmp_path, capsys, on_numpy):
    train(tmp_path, verbose=True, verbose_frequency=1)
    capsys.readouterr()
    middle = files(tmp_path)[2]
    ml.resume(middle, X, Y)
    said = capsys.readouterr().out.splitlines()
    assert said[2] == f"going on after 9 iterations, from {middle}"
    assert [line.split()[0] for line in said[4:-1]] == ["10", "11", "12"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ml.resume(tmp_path, X, Y, options=ml.TrainingOptions(**SHORT, checkpoint_path=tmp_path))
    assert capsys.readouterr().out == ""
