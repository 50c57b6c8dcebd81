"""The history of a training as table and CSV, whatever its metrics are called.
Columns that no other training has are printed like the rest, and none is lost."""

import csv
import math

import numpy as np
import pytest

import minilstm as ml
from minilstm.training.history import format_heading, format_row


def history(count=3):
    n = np.arange(1, count + 1)
    return {
        "iteration": n, "epoch": n, "time": n * 1.5, "learning_rate": n * 0 + 0.001,
        "loss": 12_345.0 / n, "speed/rmse": 0.5 / n, "mood/fscore": n / count, "mean_gap": -n * 1.0,
        "validation_loss": np.where(n == count, 0.25, np.nan),
        "validation_speed/rmse": np.where(n == count, 0.125, np.nan),
        "validation_auc": np.where(n == count, 1e-7, np.nan),
    }  # fmt: skip


def test_every_column_is_in_the_table():
    lines = str(ml.TrainingInfo(history(), "done", 3, 4.5)).splitlines()
    assert lines[0].split() == [
        "Iteration", "Epoch", "Seconds", "LearnRate", "Loss", "speed/RMSE", "mood/Fscore",
        "mean_gap", "ValidationLoss", "Validation", "speed/RMSE", "ValidationAUC",
    ]  # fmt: skip
    assert lines[3].split() == [
        "3", "3", "4.5", "0.001", "4115", "0.1667", "1.0000", "-3.0000", "0.2500", "0.1250",
        "1.0e-07",
    ]  # fmt: skip
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[4] == "done"


def test_every_column_is_in_the_csv(tmp_path):
    path = ml.TrainingInfo(history(), "done", 3, 4.5).to_csv(tmp_path / "history.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(history())
    assert rows[0]["validation_auc"] == "" and float(rows[2]["validation_auc"]) == 1e-7
    assert [float(r["speed/rmse"]) for r in rows] == history()["speed/rmse"].tolist()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"), (1.2345678, "1.2346"), (99.99994, "99.9999"), (99.99996, "100"),
        (123.456, "123.46"), (12345.6, "12346"), (1e5, "1.0e+05"), (-4.0, "-4.0000"),
        (5e-5, "5.0e-05"), (1e-4, "0.0001"), (math.nan, ""), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_numbers_of_any_size_fit_their_column(value, text):
    assert format_row({"loss": value}) == text.rjust(7)
    assert format_row({"accuracy": value}) == text.rjust(len(format_heading(["accuracy"])))


def test_a_regression_of_two_outputs_prints_and_saves_its_metrics(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    graph = ml.LayerGraph([ml.SequenceInput(2), ml.LSTM(3, name="lstm")])
    for name in ("a", "b"):
        graph.add(ml.FullyConnected(1, name=name)).connect("lstm", name)
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(T, 2)) for T in (4, 6)]
    y = {name: [rng.normal(size=(len(s), 1)) for s in x] for name in ("a", "b")}
    options = ml.TrainingOptions(
        "adam", max_epochs=2, metrics=["rmse"], validation_data=(x, y), validation_frequency=1,
        plots="training-progress", plot_file=tmp_path / "progress.png",
    )  # fmt: skip
    with ml.use_backend("numpy"):
        _, info = ml.train(x, y, graph, loss=["mse", "mse"], options=options)
    head = capsys.readouterr().out.splitlines()
    (head,) = [line for line in head if line.startswith("Iteration")]
    assert "a/RMSE" in head and "Validation b/RMSE" in head
    assert {"a/rmse", "b/rmse", "validation_a/rmse"} <= set(info.history)
    assert "b/RMSE" in str(info) and (tmp_path / "progress.png").stat().st_size > 10_000
