"""The figures of signals, predictions and forecasts: what they show, and that no peak is lost.
Everything is drawn without a window, and wrong input is met with one sentence."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from agreement import is_one_sentence, legend_texts

from minilstm import plots
from minilstm.errors import DataError

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

RNG = np.random.default_rng(7)
ACTIVITIES = ["Dancing", "Running", "Sitting", "Standing", "Walking"]


def record(columns):
    return SimpleNamespace(history=columns, stop_reason="max epochs completed")


def test_envelope_keeps_every_peak_and_both_ends():
    signal = RNG.normal(size=60_000)
    peaks = RNG.choice(60_000, 40, replace=False)
    signal[peaks] += np.where(np.arange(40) % 2, 50.0, -50.0)
    kept = plots.envelope(signal, columns=300)
    assert kept.size <= 1200
    assert (np.diff(kept) > 0).all() and kept[0] == 0 and kept[-1] == 59_999
    for start, stop in pairwise((np.arange(301) * 60_000 // 300).tolist()):
        inside = signal[kept[(kept >= start) & (kept < stop)]]
        assert inside.min() == signal[start:stop].min()
        assert inside.max() == signal[start:stop].max()


def test_envelope_leaves_short_signals_whole_and_sees_gaps():
    assert plots.envelope(np.zeros(40), columns=10).tolist() == list(range(40))
    signal = np.zeros(1000)
    signal[333] = np.nan
    signal[700:] = np.nan
    kept = plots.envelope(signal, columns=10)
    assert 333 in kept and np.isnan(signal[kept[kept >= 700]]).all()
    assert plots.envelope(np.zeros(0)).size == 0


def test_envelope_pixels_equal_those_of_the_whole_signal():
    signal = np.cumsum(RNG.normal(size=40_000))

    def pixels(steps):
        figure = Figure(figsize=(5, 2), dpi=100)
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set_axis_off()
        (line,) = ax.plot(steps, signal[steps], linewidth=1, antialiased=False)
        line.get_path().should_simplify = False
        ax.set(xlim=(0, 39_999), ylim=(signal.min(), signal.max()))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., 0] < 128

    whole, thinned = pixels(np.arange(40_000)), pixels(plots.envelope(signal, columns=2000))
    assert whole.any()
    assert (whole != thinned).sum() <= 0.01 * whole.sum()


def test_sequence_shows_every_extreme_in_the_colour_of_its_class():
    x = RNG.normal(size=(50_000, 3))
    labels = np.repeat(ACTIVITIES, 10_000)
    x[25_000, 1], x[45_000, 1] = 90.0, -90.0
    ax = plots.plot_sequence(x, labels, feature=1, title="Training sequence 1")
    assert isinstance(ax, Axes) and isinstance(ax.figure.canvas, FigureCanvasAgg)
    assert legend_texts(ax) == ACTIVITIES
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time step", "Acceleration")
    assert ax.get_title() == "Training sequence 1"
    lines = dict(zip(ACTIVITIES, ax.lines, strict=True))
    assert len({line.get_color() for line in ax.lines}) == 5
    assert np.nanmax(lines["Sitting"].get_ydata()) == 90.0
    assert np.nanmin(lines["Walking"].get_ydata()) == -90.0
    assert sum(line.get_xdata().size for line in ax.lines) < 10_000
    running = lines["Running"].get_xdata()
    assert np.nanmin(running) == 9_999.5 and np.nanmax(running) == 19_999.5


def test_sequence_breaks_between_runs_of_a_class_and_shows_single_steps():
    x = np.arange(9.0)[:, None]
    ax = plots.plot_sequence(x, [1, 1, 1, 2, 1, 1, 1, 1, 1])
    one, two = ax.lines[0], ax.lines[1]
    assert one.get_xdata()[:4].tolist() == [0, 1, 2, 2.5] and np.isnan(one.get_xdata()[4])
    assert one.get_ydata()[3] == 2.5 and two.get_xdata()[:3].tolist() == [2.5, 3.0, 3.5]
    dots = [line for line in ax.lines if line.get_marker() == "."]
    assert sum(line.get_xdata().size for line in dots) == 9
    assert legend_texts(ax) == ["1", "2"]


def test_sequence_zoom_brings_back_every_step():
    x = RNG.normal(size=(60_000, 1))
    ax = plots.plot_sequence(x, sample_rate=10.0, unit="g")
    assert ax.lines[0].get_xdata().size < 9_000
    ax.set_xlim(100.0, 110.0)
    seen, value = ax.lines[0].get_data()
    inside = (seen >= 100) & (seen <= 110)
    assert inside.sum() == 101
    np.testing.assert_array_equal(value[inside], x[1000:1101, 0])
    ax.set_xlim(-50.0, 1e6)
    assert ax.lines[0].get_xdata()[-1] == 5999.9
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Acceleration (g)")


def test_sequence_of_one_step_and_with_gaps():
    ax = plots.plot_sequence([[1.0, 2.0]], ["a"])
    assert ax.lines[-1].get_marker() == "." and ax.lines[-1].get_ydata().tolist() == [1.0]
    x = np.zeros((5, 1))
    x[2] = np.nan
    assert np.isnan(plots.plot_sequence(x).lines[0].get_ydata()[2])


def test_classes_fix_the_colours_and_absent_ones_are_not_listed():
    first = plots.plot_sequence(np.zeros((4, 1)), ["b"] * 4, classes=["a", "b"])
    assert legend_texts(first) == ["b"]
    assert first.lines[0].get_color() == plots.colours(2)[1]


def test_features_have_a_line_each_and_wide_ones_lie_below():
    x = RNG.normal(size=(20_000, 3)) * [1.0, 30.0, 5.0]
    ax = plots.plot_features(x)
    assert legend_texts(ax) == ["Feature 1", "Feature 2", "Feature 3"]
    assert ax.get_title() == "Test data"
    height = [line.get_zorder() for line in ax.lines]
    assert height[1] < height[2] < height[0]
    for column, line in enumerate(ax.lines):
        assert line.get_ydata().max() == x[:, column].max()
    assert legend_texts(plots.plot_features(x, names=["x", "y", "z"])) == ["x", "y", "z"]


def test_predictions_mark_the_wrong_steps():
    true = np.repeat(ACTIVITIES, 200)
    predicted = true.copy()
    predicted[[5, 700]] = "Standing", "Dancing"
    ax = plots.plot_predictions(predicted, true)
    assert ax.get_title() == "Predicted activities: accuracy 99.80%, 2 of 1,000 steps wrong"
    assert [text.get_text() for text in ax.get_yticklabels()] == ACTIVITIES
    assert legend_texts(ax) == ["Predicted", "Test data", "Wrong steps"]
    marks = next(line for line in ax.lines if line.get_marker() == "x")
    assert marks.get_xdata().tolist() == [5, 700] and marks.get_ydata().tolist() == [3, 0]
    band = ax.collections[0].get_paths()
    assert len(band) == 5
    assert band[1].vertices[:, 0].min() == 199.5 and band[1].vertices[:, 0].max() == 399.5
    assert 0.2 < np.ptp(band[1].vertices[:, 1]) < 0.9  # bands of neighbouring classes stay apart


def test_predictions_all_right_say_so_and_almost_all_do_not():
    true = np.repeat([3, 1], 20_000)
    ax = plots.plot_predictions(true, true, sample_rate=50.0, title="")
    assert ax.get_title() == "accuracy 100.00%, 0 of 40,000 steps wrong"
    assert legend_texts(ax) == ["Predicted", "Test data"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["1", "3"]
    assert ax.get_xlim() == (-0.01, 799.99)
    almost = true.copy()
    almost[0] = 1
    assert "accuracy 99.99%, 1 of" in plots.plot_predictions(almost, true).get_title()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.plot_sequence(np.zeros(5)), "x has shape (5,)"),
        (lambda: plots.plot_sequence(np.zeros((0, 3))), "at least one step"),
        (lambda: plots.plot_sequence(np.zeros((5, 3)), feature=3), "feature is 3"),
        (lambda: plots.plot_sequence(np.zeros((5, 3)), feature=-1), "feature is -1"),
        (lambda: plots.plot_sequence(np.zeros((5, 3)), ["a"] * 4), "labels has 4 entries"),
        (lambda: plots.plot_sequence(np.zeros((3, 5)), ["a"] * 5), "transpose x to x.T"),
        (lambda: plots.plot_sequence(np.zeros((2, 1)), ["a", "b"], classes=["a"]), "labels[1]"),
        (lambda: plots.plot_sequence(np.zeros((2, 1)), [1.5, 2.0]), "strings or integers"),
        (lambda: plots.plot_sequence(np.zeros((2, 1)), [[1], [2]]), "shape (2, 1)"),
        (lambda: plots.plot_sequence(np.zeros((2, 1)), sample_rate=0), "sample_rate is 0"),
        (lambda: plots.plot_features(np.zeros((5, 3)), names=["x"]), "names has 1 entries"),
        (lambda: plots.plot_predictions(["a"], ["a", "b"]), "predicted has 1 labels and true has"),
        (lambda: plots.plot_predictions([], []), "no steps"),
        (lambda: plots.plot_confusion([], []), "empty"),
        (lambda: plots.plot_confusion(["a"], ["b"], classes=["a"]), "predicted[0] is 'b'"),
        (lambda: plots.plot_confusion(["a"], ["a"], classes=["a", "a"]), "classes"),
        (
            lambda: plots.confusion_matrix(np.array(["a", None], dtype=object), ["a", "a"]),
            "NoneType, str",
        ),
        (lambda: plots.plot_training_progress(record({"loss": [1.0]})), "'iteration'"),
        (
            lambda: plots.plot_training_progress(record({"loss": [1.0], "iteration": [1, 2]})),
            "equal length",
        ),
        (lambda: plots.envelope(np.zeros((2, 2))), "values has shape (2, 2)"),
        (lambda: plots.envelope(np.zeros(2), columns=0), "columns is 0"),
        (lambda: plots.save_figure(Figure(), "figure.jpg"), "'figure.jpg'"),
        (lambda: plots.save_figure(Figure(), "no/such/figure.png"), "does not exist"),
        (lambda: plots.save_figure(Figure(), "figure.png", dpi=0), "dpi is 0"),
        (lambda: plots.LiveTrainingProgress("no/such/figure.png"), "does not exist"),
    ],
)
def test_errors_are_one_sentence_that_names_the_argument(call, words):
    with pytest.raises(DataError) as error:
        call()
    assert words in str(error.value) and is_one_sentence(str(error.value)), str(error.value)
    assert not list(Path().glob("figure.*"))


# ---------------------------------------------------------------- numbers that a network predicts


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def test_forecast_goes_on_from_the_last_known_step():
    series = np.sin(0.3 * np.arange(60.0))
    forecast, opened = series[50:] + 0.3, series[50:] - 0.1
    ax = plots.plot_forecast(series[:50], forecast, series[50:], open_loop=opened, unit="V")
    drawn = lines(ax)
    assert legend_texts(ax) == ["Observed", "Actual", "Open loop", "Closed loop"]
    np.testing.assert_array_equal(drawn["Observed"].get_ydata(), series[:50])
    for label, values in (
        ("Closed loop", forecast),
        ("Open loop", opened),
        ("Actual", series[50:]),
    ):
        assert drawn[label].get_xdata().tolist() == list(range(49, 60))
        np.testing.assert_array_equal(drawn[label].get_ydata(), [series[49], *values])
    assert ax.get_title() == "Forecast of 10 steps: RMSE 0.3 in closed loop, 0.1 in open loop"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time step", "Value (V)")
    low, high = ax.get_xlim()
    assert low < 0 and high > 59
    shade = ax.patches[0]
    assert (shade.get_x(), shade.get_width()) == (49.0, 10.0)
    dots = {label: line.get_marker() for label, line in drawn.items()}
    assert (dots["Actual"], dots["Open loop"], dots["Closed loop"]) == ("", "o", "o")
    assert [name for name, side in ax.spines.items() if side.get_visible()] == ["left", "bottom"]


def test_forecast_alone_of_one_feature_in_seconds_and_only_the_end():
    series, forecast = RNG.normal(size=(50_000, 2)), RNG.normal(size=(1, 2))
    series[49_000, 1] = 99.0
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    got = plots.plot_forecast(
        series, forecast, feature=1, last=2_000, sample_rate=10, title="", ax=ax
    )
    assert got is ax and ax.get_title() == "" and legend_texts(ax) == ["Observed", "Forecast"]
    observed = lines(ax)["Observed"]
    assert observed.get_xdata()[0] == 4_800.0 and observed.get_ydata().max() == 99.0
    assert lines(ax)["Forecast"].get_xdata().tolist() == [4_999.9, 5_000.0]
    assert plots.plot_forecast(series, forecast).get_title() == "Forecast of 1 step"
    assert lines(plots.plot_forecast(series, forecast))["Observed"].get_xdata().size < 20_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"actual": np.zeros(3)}, "actual has 3 steps and forecast has 4"),
        ({"open_loop": np.zeros(5)}, "open_loop has 5 steps"),
        ({"feature": 1}, "feature is 1 and history has 1 features"),
        ({"history": np.zeros((2, 2, 2))}, r"history has shape \(2, 2, 2\)"),
        ({"history": []}, "history has shape"),
        ({"forecast": ["a"]}, "forecast has dtype <U1, but its values are real numbers"),
        ({"last": 0}, "last is 0"),
        ({"sample_rate": -1}, "sample_rate"),
    ],
)
def test_forecast_refuses_what_does_not_fit(change, words):
    given = {"history": np.zeros(9), "forecast": np.zeros(4), **change}
    with pytest.raises(DataError, match=words) as error:
        plots.plot_forecast(given.pop("history"), given.pop("forecast"), **given)
    assert is_one_sentence(str(error.value))


def test_regression_draws_each_row_and_the_line_where_both_are_equal():
    true = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
    predicted = np.array([1.5, 2.5, 2.5, 4.5, 7.0])
    ax = plots.plot_regression(true, predicted, quantity="speed", unit="m/s")
    drawn = lines(ax)
    np.testing.assert_array_equal(
        drawn["Predictions"].get_xydata(), np.stack([true, predicted], 1)[:4]
    )
    equal = drawn["Equal"].get_xydata()
    np.testing.assert_array_equal(equal[:, 0], equal[:, 1])
    assert ax.get_xlim() == ax.get_ylim() == tuple(equal[:, 0])
    assert ax.get_xlim()[0] < 1 and ax.get_xlim()[1] > 4.5 and ax.get_aspect() == 1
    assert ax.get_title() == "Predicted against true: RMSE 0.5, R² 0.8"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("True speed (m/s)", "Predicted speed (m/s)")


def test_regression_of_several_responses_and_sequences():
    true = [RNG.normal(size=(T, 2)) for T in (5, 9)]
    ax = plots.plot_regression(true, [a + 0.25 for a in true], names=["left", "right"], title="")
    assert legend_texts(ax) == ["Equal", "left", "right"]
    np.testing.assert_array_equal(lines(ax)["right"].get_xdata(), np.concatenate(true)[:, 1])
    t = np.concatenate(true)
    of_each = 1 - 0.25**2 / t.var(axis=0)  # (2,); the title has their mean, as the report has
    assert ax.get_title() == f"RMSE 0.25, R² {of_each.mean():.3g}"
    assert lines(ax)["left"].get_color() != lines(ax)["right"].get_color()
    constant = plots.plot_regression([2, 2], [2, 2])
    assert constant.get_title().endswith("RMSE 0, R² n/a")


@pytest.mark.parametrize(
    ("true", "predicted", "options", "words"),
    [
        (np.zeros(3), np.zeros(4), {}, "true has 3 rows of 1 and predicted has 4 of 1"),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"names": ["a"]}, "names has 1 entries"),
        (np.full(3, np.nan), np.zeros(3), {}, "no row that is finite"),
        (["a", "b"], np.zeros(2), {}, "true has dtype <U1, but its values are real numbers"),
        ([np.zeros(3), np.zeros((3, 2))], np.zeros(3), {}, "true holds arrays of different"),
    ],
)
def test_regression_refuses_what_does_not_fit(true, predicted, options, words):
    with pytest.raises(DataError, match=words) as error:
        plots.plot_regression(true, predicted, **options)
    assert is_one_sentence(str(error.value))


def test_neither_changes_what_it_is_given():
    arrays = [RNG.normal(size=12) for _ in range(3)]
    copies = [a.copy() for a in arrays]
    plots.plot_forecast(arrays[0], arrays[1], arrays[2])
    plots.plot_regression(arrays[0], arrays[1])
    for a, b in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(a, b)
