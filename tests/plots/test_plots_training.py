"""The training progress figure, drawn at the end and live: what it says, and that it stops nothing.
No test opens a window; the notebook is a stand-in."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from agreement import legend_texts

from minilstm import plots
from minilstm.errors import DataError
from minilstm.plots.live import _open_window

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402


def history(count, per_epoch=1, accuracy=True, validation=False):
    iteration = np.arange(1, count + 1)
    columns = {
        "epoch": (iteration - 1) // per_epoch + 1,
        "iteration": iteration,
        "loss": 1.7 * np.exp(-iteration / 20),
        "time": iteration * 0.5,
    }
    if accuracy:
        columns["accuracy"] = 1 - 0.8 * np.exp(-iteration / 20)
    if validation:
        measured = np.where(iteration % 5 == 0, 1.0, np.nan)
        columns["validation_loss"] = columns["loss"] * measured * 1.1
        columns["validation_accuracy"] = columns["accuracy"] * measured * 0.9
    return columns


def info(columns, reason="max epochs completed"):
    return SimpleNamespace(history=columns, stop_reason=reason)


def test_progress_shows_both_curves_and_says_how_it_ended():
    accuracy, loss = plots.plot_training_progress(info(history(60, 10, validation=True)))
    assert accuracy.get_title() == (
        "Training progress: max epochs completed\n"
        "6 epochs, 60 iterations, 30.0 s: accuracy 96.02%, validation 86.42%"
    )
    assert loss.get_title() == "Loss 0.08464, validation 0.0931"
    assert legend_texts(loss) == ["Training", "Smoothed", "Validation"]
    assert loss.get_xlabel() == "Iteration (bands: epochs)" and len(loss.patches) == 3
    raw, _, checked = accuracy.lines
    np.testing.assert_allclose(raw.get_ydata(), 100 * history(60)["accuracy"])
    assert checked.get_xdata().tolist() == list(range(5, 61, 5))
    assert accuracy.get_ylim()[0] == 0 and loss.get_ylim()[0] == 0


def test_progress_without_accuracy_without_history_and_with_a_blown_up_loss():
    accuracy, loss = plots.plot_training_progress(info(history(20, accuracy=False)))
    assert accuracy is None and len(loss.figure.axes) == 1
    for empty in ({}, {"iteration": [], "loss": []}):
        accuracy, loss = plots.plot_training_progress(info(empty, "stopped at once"))
        assert accuracy is None and loss.get_title() == "Training progress: stopped at once"
        assert [t.get_text() for t in loss.texts] == ["No iterations recorded"]
    columns = history(20, accuracy=False)
    columns["loss"][7:] = np.nan
    _, loss = plots.plot_training_progress(info(columns))
    assert np.isnan(loss.lines[1].get_ydata()[7:]).all() and "loss nan" in loss.get_title()
    columns["loss"][:] = np.nan
    _, loss = plots.plot_training_progress(info(columns))
    assert [t.get_text() for t in loss.texts] == ["No finite values"]


def test_progress_of_a_regression_shows_its_metric_and_not_in_percent():
    columns = history(20, accuracy=False)
    columns |= {"rmse": columns["loss"] * 2, "learning_rate": np.full(20, 0.01)}
    columns["validation_rmse"] = np.where(columns["iteration"] % 5 == 0, 0.5, np.nan)
    first, loss = plots.plot_training_progress(info(columns))
    assert len(loss.figure.axes) == 2 and first.get_ylabel() == "RMSE"
    assert first.get_title().endswith("20 iterations, 10.0 s: RMSE 1.251, validation 0.5")
    assert legend_texts(first) == ["Training", "Smoothed", "Validation"]
    np.testing.assert_array_equal(first.lines[0].get_ydata(), columns["rmse"])
    assert loss.get_ylabel() == "Loss"


def test_progress_of_several_outputs_has_a_panel_for_each_metric():
    columns = history(20, accuracy=False)
    columns |= {"speed/rmse": np.ones(20), "mood/accuracy": np.full(20, 0.5), "my_gap": np.ones(20)}
    columns["validation_mood/accuracy"] = np.full(20, 0.25)
    first, loss = plots.plot_training_progress(info(columns))
    labels = [ax.get_ylabel() for ax in loss.figure.axes]
    assert labels == ["Accuracy of mood (%)", "RMSE of speed", "My gap", "Loss"]
    assert first.lines[-1].get_ydata().tolist() == [25.0] * 20 and first.get_ylim()[1] == 102
    assert loss.figure.axes[1].get_title() == "RMSE of speed 1"
    figure = Figure(layout="constrained")
    axes = figure.subplots(4, 1)
    assert plots.plot_training_progress(info(columns), axes=axes) == (axes[0], axes[3])
    with pytest.raises(DataError, match="axes has 2 entries and should have 4, for accuracy of"):
        plots.plot_training_progress(info(columns), axes=axes[:2])


def test_progress_bands_are_grouped_and_said_to_be():
    _, loss = plots.plot_training_progress(info(history(600, 3)))
    assert loss.get_xlabel() == "Iteration (bands: 10 epochs each)" and len(loss.patches) == 10
    band = loss.patches[0]
    assert (band.get_x(), band.get_width()) == (30.5, 30.0)


def test_progress_on_given_axes():
    figure = Figure(layout="constrained")
    axes = figure.subplots(2, 1)
    assert plots.plot_training_progress(info(history(5)), axes=axes) == tuple(axes)
    with pytest.raises(DataError, match="axes has 1 entries"):
        plots.plot_training_progress(info(history(5)), axes=axes[:1])


@pytest.fixture
def headless(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if sys.platform in ("win32", "darwin"):
        pytest.skip("a display is always there")


@pytest.mark.parametrize("display", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_a_window_opens_where_there_is_a_display_for_it(headless, monkeypatch, display):
    figure = SimpleNamespace(number=7)
    monkeypatch.setattr("matplotlib.get_backend", lambda **_: "TkAgg")
    monkeypatch.setattr("matplotlib.pyplot.figure", lambda **_: figure)
    assert _open_window(6.0) is None
    monkeypatch.setenv(display, ":987")
    assert _open_window(6.0)[:2] == ("window", figure)


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when it is told to."""
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr("minilstm.plots.live.time.monotonic", lambda: now.value)
    return now


def test_live_writes_the_file_at_most_once_a_second(tmp_path, headless, clock):
    target = tmp_path / "progress.png"
    live = plots.LiveTrainingProgress(target, ["accuracy"])
    assert live.shown_in == "file"
    live.update(history(1))
    assert not target.exists()
    clock.value += 1.0
    live.update(history(2))
    first = target.read_bytes()
    clock.value += 0.9
    live.update(history(3))
    assert target.read_bytes() == first
    clock.value += 0.2
    live.update({name: list(column) for name, column in history(4).items()})
    assert target.read_bytes() != first
    assert live.finish(info(history(5))) == target
    alone, _ = plots.plot_training_progress(info(history(5)))
    again = plots.save_figure(alone, tmp_path / "again.png")
    assert target.read_bytes() == again.read_bytes()
    live.close()
    assert live.finish(info(history(5))) is None


def test_live_never_stops_a_training(tmp_path, headless, clock):
    folder = tmp_path / "gone"
    folder.mkdir()
    live = plots.LiveTrainingProgress(folder / "progress.png")
    folder.rmdir()
    clock.value += 2.0
    live.update(history(2))
    live.update({"loss": [1.0]})
    with pytest.warns(RuntimeWarning, match="could not be saved"):
        assert live.finish(info(history(3))) is None


def test_live_without_a_path_draws_nothing(headless, clock):
    live = plots.LiveTrainingProgress(None)
    clock.value += 2.0
    live.update({"nonsense": object()})
    assert live.finish(info(history(2))) is None


def test_live_in_a_notebook_replaces_one_image(tmp_path, monkeypatch, clock):
    shown = []

    class Handle:
        def update(self, image):
            shown.append(("update", image))

    def display(image, display_id):
        shown.append(("display", image))
        return Handle()

    kernel = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: kernel, version_info=(8, 24))
    parts = SimpleNamespace(Image=lambda data, format: data, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", parts)
    live = plots.LiveTrainingProgress(tmp_path / "progress.svg")
    assert live.shown_in == "notebook"
    for count in (1, 2):
        live.update(history(count))
        clock.value += 10.0
    saved = live.finish(info(history(3)))
    assert [kind for kind, _ in shown] == ["display", "update", "update"]
    assert all(data.startswith(b"\x89PNG") for _, data in shown)
    assert saved.read_text().startswith("<?xml")


def test_a_display_that_refuses_falls_back_to_the_file(tmp_path):
    program = (
        "import sys; from types import SimpleNamespace as N; from minilstm import plots\n"
        "live = plots.LiveTrainingProgress(sys.argv[1])\n"
        "saved = live.finish(N(history={'iteration': [1], 'loss': [1.0]}, stop_reason='done'))\n"
        "print(live.shown_in, saved.name)\n"
    )
    if sys.platform in ("win32", "darwin"):
        pytest.skip("a display is always there")
    environment = {**os.environ, "DISPLAY": ":987", "MPLBACKEND": "TkAgg"}
    environment.pop("WAYLAND_DISPLAY", None)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "p.png")],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.stdout.split() == ["file", "p.png"], run.stderr


def test_what_was_measured_before_training_is_in_no_band():
    columns = history(60, per_epoch=10, validation=True)
    first = {name: np.append(column[:1], column) for name, column in columns.items()}
    first["epoch"][0] = first["iteration"][0] = 0
    plain, with_first = (plots.plot_training_progress(info(c))[1] for c in (columns, first))
    assert plain.get_xlabel() == with_first.get_xlabel() == "Iteration (bands: epochs)"
    starts = [[patch.get_x() for patch in ax.patches] for ax in (plain, with_first)]
    assert starts[0] == starts[1] == [10.5, 30.5, 50.5]
