"""The looks of the figures: confusion charts, colours, legends, files, and what is imported.
Files go to temporary folders only, and Matplotlib's settings stay as they were."""

import os
import subprocess
import sys
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from minilstm import plots

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.figure import Figure  # noqa: E402

RNG = np.random.default_rng(7)
ACTIVITIES = ["Dancing", "Running", "Sitting", "Standing", "Walking"]


def test_confusion_matrix_counts_rows_true_columns_predicted():
    counts = plots.confusion_matrix([1, 1, 2, 3], [1, 3, 2, 3], classes=[3, 2, 1])
    assert counts.dtype == np.int64
    assert counts.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert plots.confusion_matrix(["b"], ["b"], ["a", "b"]).tolist() == [[0, 0], [0, 1]]
    assert plots.confusion_matrix([], [], ["a"]).tolist() == [[0]]


def test_confusion_chart_shows_counts_shares_recall_and_precision():
    true = ["a"] * 8 + ["b"] * 2
    predicted = ["a"] * 6 + ["b"] * 2 + ["b"] * 2
    ax = plots.plot_confusion(true, predicted)
    texts = {(t.get_position()): t.get_text() for t in ax.texts}
    assert texts[(0.5, 0.5)] == "6\n75.0%" and texts[(1.5, 0.5)] == "2\n25.0%"
    assert texts[(1.5, 1.5)] == "2\n100.0%" and (0.5, 1.5) not in texts
    recall = [texts[p] for p in sorted(texts) if p[0] > 2]
    precision = [texts[p] for p in sorted(texts) if p[1] > 2]
    assert recall == ["75.0%", "100.0%"] and precision == ["100.0%", "50.0%"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "Recall"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "Precision"]
    corners = [path.vertices[:4] for path in ax.collections[0].get_paths()]
    assert {tuple(np.ptp(square, axis=0)) for square in corners} == {(1.0, 1.0)}
    assert (corners[0].min(axis=0) == 0).all() and (corners[0].mean(axis=0) == 0.5).all()
    shares = plots.plot_confusion(true, predicted, normalize=True)
    assert "6" not in [t.get_text() for t in shares.texts]
    assert "25.0%" in [t.get_text() for t in shares.texts]


def test_confusion_chart_of_a_class_never_seen():
    ax = plots.plot_confusion(["a", "b"], ["a", "b"], classes=["a", "b", "c"])
    assert [t.get_text() for t in ax.texts].count("n/a") == 2


@pytest.mark.parametrize("count", [2, 9, 20])
def test_confusion_chart_text_fits_its_cells_and_labels_do_not_meet(count):
    names = [f"Activity with a long name {i}" for i in range(count)]
    true = np.repeat(names, 1234)
    ax = plots.plot_confusion(true, np.roll(true, 3))
    figure = ax.get_figure()
    figure.draw_without_rendering()
    left, right = (ax.transData.transform((i, 0))[0] for i in (0, 1))
    assert ax.texts
    for text in ax.texts:
        assert text.get_window_extent().width < right - left
        assert text.get_window_extent().height < right - left
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    if count > 8:  # upright, so that boxes are what is drawn
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    assert all(figure.bbox.x0 <= box.x0 and figure.bbox.y0 <= box.y0 for box in boxes)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_files_are_the_same_each_time_and_hold_a_picture(tmp_path, suffix):
    x = RNG.normal(size=(30_000, 2))
    contents = []
    for name in ("one", "two"):
        ax = plots.plot_sequence(x, np.repeat(["a", "b"], 15_000))
        path = plots.save_figure(ax, tmp_path / (name + suffix))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] and 5_000 < len(contents[0]) < 400_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one" + suffix, "two" + suffix]


def test_files_have_the_asked_size_and_replace_what_was_there(tmp_path):
    import matplotlib.image

    target = tmp_path / "figure.PNG"
    target.write_text("old")
    ax = plots.plot_features(np.zeros((5, 2)))
    plots.save_figure(ax.get_figure(), str(target), dpi=120)
    assert matplotlib.image.imread(target, format="png").shape == (504, 1200, 4)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "figure.png"
    target.write_text("old")

    def refuse(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        plots.save_figure(plots.plot_features(np.zeros((5, 2))), target)
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def seen_as(colour, simulate):
    """CIELAB of a colour after a colour vision model (Machado, Oliveira, Fernandes, 2009)."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(simulate @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(
    "simulate",
    [
        np.eye(3),
        np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
        np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    ],
    ids=["normal", "deuteranope", "protanope"],
)
def test_colours_can_be_told_apart(simulate):
    seen = [seen_as(colour, simulate) for colour in [*plots.colours(20), "#FFFFFF"]]
    apart = np.linalg.norm(np.array(seen)[:, None] - np.array(seen), axis=2)
    apart[np.diag_indices(21)] = np.inf
    assert apart.min() > 12
    assert apart[:7, :7].min() > 15
    assert plots.colours(21)[20] == plots.colours(1)[0]


@pytest.mark.parametrize("layout", ["constrained", None])
@pytest.mark.parametrize("kind", ["sequence", "features", "predictions", "progress"])
def test_legends_cover_no_data_and_stay_in_the_figure(layout, kind):
    figure = Figure(figsize=(8, 4), layout=layout)
    ax = figure.subplots()
    x, labels = RNG.normal(size=(500, 3)), np.repeat(ACTIVITIES, 100)
    if kind == "sequence":
        assert plots.plot_sequence(x, labels, ax=ax) is ax
    elif kind == "features":
        assert plots.plot_features(x, ax=ax) is ax
    elif kind == "predictions":
        assert plots.plot_predictions(labels, np.roll(labels, 2), ax=ax) is ax
    else:
        columns = {"iteration": np.arange(60), "loss": np.linspace(1.7, 1.6, 60)}
        record = SimpleNamespace(history=columns, stop_reason="stopped")
        assert plots.plot_training_progress(record, axes=[ax]) == (None, ax)
    figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    points = np.concatenate([ax.transData.transform(line.get_xydata()) for line in ax.lines])
    inside = np.isfinite(points).all(axis=1)
    inside &= (points > [box.x0, box.y0]).all(axis=1) & (points < [box.x1, box.y1]).all(axis=1)
    assert not inside.any()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
    assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 + 1


def test_importing_is_light_and_drawing_needs_no_pyplot(tmp_path):
    program = (
        "import sys, numpy as np; from minilstm import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "ax = plots.plot_sequence(np.zeros((9, 1)), ['a'] * 9)\n"
        "plots.save_figure(ax, sys.argv[1])\n"
        "plots.plot_confusion([1, 2], [1, 2]); plots.plot_predictions([1, 2], [1, 2])\n"
        "plots.LiveTrainingProgress(None).close()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "sys.modules['matplotlib'] = None\n"
        "for call in (lambda: plots.plot_features(np.zeros((9, 1))),\n"
        "             lambda: plots.LiveTrainingProgress(None)):\n"
        "    try: call()\n"
        "    except ImportError as error: assert \"pip install 'minilstm[plot]'\" in str(error)\n"
        "    else: raise SystemExit('no error')\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "p.png")],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_no_warning_is_raised_by_many_classes_with_long_names():
    names = np.array([f"A rather long class name {i}" for i in range(20)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ax in (
            plots.plot_sequence(np.zeros((200, 1)), np.repeat(names, 10)),
            plots.plot_predictions(np.repeat(names, 10), np.repeat(names, 10)),
            plots.plot_features(np.zeros((50, 60))),
        ):
            ax.get_figure().draw_without_rendering()
