"""The figures of numbers that a network predicts: forecasts, and predicted against true.
The curves hold what was handed in, the titles the errors computed here by hand."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import is_one_sentence, legend_texts

from minilstm import plots
from minilstm.errors import DataError

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402

RNG = np.random.default_rng(11)


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
        ({"forecast": ["a"]}, "forecast has shape"),
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
    assert ax.get_title().startswith("RMSE 0.25, R² ")
    assert lines(ax)["left"].get_color() != lines(ax)["right"].get_color()
    constant = plots.plot_regression([2, 2], [2, 2])
    assert constant.get_title().endswith("RMSE 0, R² n/a")


@pytest.mark.parametrize(
    ("true", "predicted", "options", "words"),
    [
        (np.zeros(3), np.zeros(4), {}, "true has 3 rows of 1 and predicted has 4 of 1"),
        (np.zeros((3, 2)), np.zeros((3, 2)), {"names": ["a"]}, "names has 1 entries"),
        (np.full(3, np.nan), np.zeros(3), {}, "no row that is finite"),
        (["a", "b"], np.zeros(2), {}, "true has shape"),
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
