"""What a training shows: validation columns, the printed table, the bar, the picture, the history.
The table is compared as text, with a clock that stands still."""

import os
import re
import sys
import time

import numpy as np
import pytest
from agreement import bits
from builders import CLASSIFIER
from builders import train_classifier as train
from builders import up_or_down as data

import minilstm as ml
from minilstm.training import progress, watch

pytestmark = pytest.mark.usefixtures("on_numpy")


@pytest.fixture
def losses(monkeypatch):
    """Give the validations these losses, one after the other."""

    def give(*values):
        queue = list(values)
        result = lambda *arguments: {"loss": queue.pop(0), "accuracy": 0.5}  # noqa: E731
        monkeypatch.setattr(watch, "measure_outputs", result)
        return queue

    return give


# ---------------------------------------------------------------- validation


def test_validation_is_measured_at_its_frequency_and_at_the_end():
    held_out = data(4, seed=9)
    net, info = train(
        max_epochs=5, validation_data=held_out, validation_frequency=2, metrics=["accuracy"]
    )
    assert list(info.history)[-2:] == ["validation_loss", "validation_accuracy"]
    for column in ("validation_loss", "validation_accuracy"):
        measured = np.isfinite(info.history[column])
        assert measured.tolist() == [True, False, True, False, True, True]
    first = ml.Network(CLASSIFIER, rng=np.random.default_rng(0).spawn(3)[0], classes=net.classes)
    for row in (0, 2, 4, 5):
        then = train(max_epochs=row)[0] if row else first
        result = then.evaluate(*held_out)
        assert info.history["validation_loss"][row] == result["loss"]
        assert info.history["validation_accuracy"][row] == result["accuracy"]
    assert info.history["iteration"].tolist() == [0, 1, 2, 3, 4, 5]
    assert info.history["epoch"].tolist() == [0, 1, 2, 3, 4, 5]
    for column in ("loss", "accuracy", "learning_rate"):  # of a mini-batch, so not before training
        assert np.isfinite(info.history[column]).tolist() == [False, *[True] * 5]
    assert (np.diff(info.history["time"]) >= 0).all() and info.history["time"][0] >= 0
    assert bits(net) == bits(train(max_epochs=5)[0])  # validation changes nothing


def test_validation_at_the_end_of_every_epoch():
    options = {"mini_batch_size": 4, "max_epochs": 3, "validation_data": data(2)}
    _, info = train(validation_frequency="epoch", **options)  # of two mini-batches
    measured = np.isfinite(info.history["validation_loss"])
    assert info.history["iteration"][measured].tolist() == [0, 2, 4, 6]
    _, by_iteration = train(validation_frequency=2, **options)
    for column in set(info.history) - {"time"}:
        np.testing.assert_array_equal(info.history[column], by_iteration.history[column])


def test_validation_data_in_any_form_and_of_every_step():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 1))
    y = (x[:, :, 0] > 0).astype(int)
    layers = [ml.SequenceInput(1), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax()]
    seen = []
    for held_out in ((x, y), [list(x), list(y)], (list(x), y.tolist())):
        _, info = train(layers, (x, y), max_epochs=2, validation_data=held_out)
        seen.append(info.history["validation_loss"][-1])
    assert seen[0] == seen[1] == seen[2]


def test_patience_counts_validations_not_below_the_best(losses):
    options = {"validation_data": data(2), "validation_frequency": 1, "max_epochs": 9}
    rest = losses(0.9, 0.7, 0.7, 0.8, 0.6, 0.6, 0.65, 0.5, 0.4)
    _, info = train(**options, validation_patience=2)
    assert info.history["iteration"].tolist() == [0, 1, 2, 3]
    assert rest == [0.6, 0.6, 0.65, 0.5, 0.4]
    assert info.output_iteration == 3 and info.stop_reason == (
        "Stopped after epoch 3: the validation loss has not fallen for 2 validations."
    )
    losses(0.9, 0.7, 0.7, 0.8, 0.6, 0.6, 0.65, 0.7, 0.4, 0.3)
    _, info = train(**options, validation_patience=3)
    assert len(info.history["loss"]) == 8
    losses(*[0.9] * 10)
    _, info = train(**options)  # without a bound
    assert info.stop_reason == "All 9 epochs are done."


def test_the_best_validation_network_is_returned_on_request(losses):
    options = {"validation_data": data(2), "validation_frequency": 1, "max_epochs": 4}
    for values, best in (((0.9, 0.7, 0.5, 0.5, 0.6), 2), ((0.1, 0.7, 0.5, 0.4, 0.3), 0)):
        losses(*values)
        net, info = train(**options, output_network="best-validation")
        assert info.output_iteration == best and len(info.history["loss"]) == 5
        start = ml.Network(CLASSIFIER, rng=np.random.default_rng(0).spawn(3)[0])
        assert bits(net) == (bits(train(max_epochs=best)[0]) if best else bits(start))
    for choice in ("auto", "last-iteration"):
        losses(0.9, 0.7, 0.5, 0.5, 0.6)
        net, info = train(**options, output_network=choice)
        assert info.output_iteration == 4 and bits(net) == bits(train(max_epochs=4)[0])


# ---------------------------------------------------------------- what is printed


@pytest.fixture
def still_clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_the_table_has_the_first_the_last_and_every_nth_iteration(still_clock, capsys):
    options = {"max_epochs": 5, "verbose_frequency": 2, "memory_budget": 2**30}
    _, info = train(verbose=True, metrics=["accuracy"], **options)
    out, err = capsys.readouterr()
    loss, memory, *lines = out.splitlines()
    assert loss == "loss: crossentropy, mean over all real steps"
    assert memory == "memory for gradients: 0 MiB (budget 1,024 MiB), nothing is computed twice"
    assert lines[0] == ("Iteration    Epoch  Seconds  LearnRate     Loss  Accuracy  TimeLeft")
    for line, n in zip(lines[1:5], (1, 2, 4, 5), strict=True):
        loss, accuracy = (f"{info.history[c][n - 1]:.4f}" for c in ("loss", "accuracy"))
        assert line == (
            f"        {n}        {n}      0.0      0.001   {loss}    {accuracy}      0:00"
        )
    assert lines[5:] == ["All 5 epochs are done."] and err == ""


def test_validation_has_a_row_before_training_and_wherever_it_is_measured(still_clock, capsys):
    _, info = train(
        verbose=True, max_epochs=4, validation_data=data(4), validation_frequency=3,
        metrics=["accuracy"],
    )  # fmt: skip
    lines = capsys.readouterr().out.splitlines()[2:]
    assert lines[0] == (
        "Iteration    Epoch  Seconds  LearnRate     Loss  Accuracy  ValidationLoss  "
        "ValidationAccuracy  TimeLeft"
    )
    assert re.fullmatch(r"        0        0      0\.0 {32,}0\.\d{4} {14}0\.\d{4}", lines[1])
    assert [line.split()[0] for line in lines[2:5]] == ["1", "3", "4"]
    assert len(lines[2].split()) == 7 and len(lines[3].split()) == 9  # blank where not measured
    assert lines[3].split()[6] == f"{info.history['validation_loss'][3]:.4f}"
    assert lines[1].split()[3] == f"{info.history['validation_loss'][0]:.4f}"
    assert lines[5:] == ["All 4 epochs are done."]


def test_a_line_comes_at_least_every_few_seconds_with_the_time_left(still_clock, capsys):
    real, compiled = ml.Network.loss_and_gradients, [7.0]

    def slow(self, *arguments, **options):
        compiles = 50.0 if compiled == [7.0] else 0.0  # the first alone waits for kernels
        still_clock[0] += 4.0 + compiles
        compiled[0] += compiles
        return real(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ml.Network, "loss_and_gradients", slow)
        patch.setattr(progress, "kernel_seconds", lambda: compiled[0])
        patch.setattr(progress, "SECONDS_BETWEEN_LINES", 10.0)
        train(verbose=True, max_epochs=9)
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines[1:-1]] == ["1", "4", "7", "9"]
    assert [line.split()[-1] for line in lines[1:-1]] == ["0:32", "0:20", "0:08", "0:00"]


def test_a_terminal_gets_a_bar_beside_the_same_table(still_clock, monkeypatch, capsys):
    train(verbose=True, max_epochs=3)
    plain = capsys.readouterr().out
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    train(verbose=True, max_epochs=3)
    out, err = capsys.readouterr()
    assert out == plain and "/3 [" in err and "loss 0." in err
    monkeypatch.setattr(progress, "is_installed", lambda package: False)
    train(verbose=True, max_epochs=3)
    assert capsys.readouterr() == (plain, "")  # without tqdm


def test_without_verbose_nothing_at_all_is_printed(capfd):
    train(max_epochs=3, validation_data=data(2), validation_frequency=1, metrics=["accuracy"])
    with pytest.raises(ml.DivergedError):
        train(max_epochs=3, initial_learn_rate=1e40)
    assert capfd.readouterr() == ("", "")


def test_the_picture_of_the_training_is_saved(tmp_path, capfd, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    train(max_epochs=2, plots="training-progress", metrics=["accuracy"])
    train(max_epochs=2, plots="training-progress", plot_file=tmp_path / "curve.svg")
    with pytest.raises(ml.DivergedError):
        train(max_epochs=2, plots="training-progress", plot_file="nan.png", initial_learn_rate=1e40)
    assert sorted(os.listdir(tmp_path)) == ["curve.svg", "nan.png", "training-progress.png"]
    assert (tmp_path / "training-progress.png").read_bytes()[:4] == b"\x89PNG"
    assert capfd.readouterr() == ("", "")


def test_info_prints_a_table_and_writes_csv(tmp_path):
    _, info = train(max_epochs=3, validation_data=data(2), validation_frequency=2)
    lines = str(info).splitlines()
    assert len(lines) == 6 and lines[-1] == "All 3 epochs are done."
    assert lines[0].split() == [
        "Iteration", "Epoch", "Seconds", "LearnRate", "Loss", "ValidationLoss",
    ]  # fmt: skip
    rows = info.to_csv(tmp_path / "history.csv").read_text().splitlines()
    assert rows[0] == "iteration,epoch,time,learning_rate,loss,validation_loss"
    before, first, second = (row.split(",") for row in rows[1:4])
    assert before[:2] == ["0", "0"] and before[3:5] == ["", ""]
    assert float(before[-1]) == info.history["validation_loss"][0]
    assert first[-1] == "" and float(second[-1]) == info.history["validation_loss"][2]
    assert float(first[4]) == info.history["loss"][1] and len(rows) == 5
    _, long = train(max_epochs=100)
    lines = str(long).splitlines()
    assert lines[1].split()[0] == "1" and lines[60].split()[0] == "100"
    assert lines[61:] == ["(60 of 100 iterations shown)", "All 100 epochs are done."]
