"""The examples of classification: each runs, reaches its target and leaves its pictures.
The targets lie below what small runs reach, the defaults of the examples reach more."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import current_backend

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytest.importorskip("matplotlib")


@pytest.fixture
def example(monkeypatch):
    """Load an example as a script finds itself: with its own folder to import from."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return lambda name: runpy.run_path(str(EXAMPLES / f"{name}.py"))


def check_picture(path: Path) -> None:
    """A PNG of a reasonable size that is more than one colour."""
    from matplotlib.image import imread

    pixels = imread(path)  # (height, width, 4)
    assert min(pixels.shape[:2]) > 400
    assert pixels[:, :, :3].std() > 0.02


def test_human_activity(example, tmp_path):
    out = tmp_path / "activity.png"
    assert example("human_activity")["main"](scale=0.02, out=str(out)) >= 0.97
    check_picture(out)


def test_japanese_vowels(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert example("japanese_vowels")["main"](max_epochs=40) >= 0.92
    assert "test accuracy 0.9" in capsys.readouterr().out
    check_picture(tmp_path / "speakers.png")  # the default lies beside where it runs


def test_deeper_networks(example, tmp_path):
    out = tmp_path / "deeper.png"
    assert example("deeper_networks")["main"](max_epochs=15, out=str(out)) >= 0.8
    check_picture(out)


def test_moving_digits(example):
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_digits

    digits = example("moving_digits")
    x_train, y_train, x_test, y_test = digits["moving_digits"](12, 8, frames=5, seed=3)
    assert (len(x_train), len(y_train), len(x_test), len(y_test)) == (12, 12, 8, 8)
    for clip in x_train + x_test:
        assert clip.shape == (5, 28, 28, 1) and clip.dtype == np.float32
        assert clip.min() == 0 and 0.5 < clip.max() <= 1
        assert abs(np.diff(clip.sum(axis=(1, 2, 3)))).max() < 1e-2  # whole in every frame
        assert (clip[1:] != clip[:-1]).any(axis=(1, 2, 3)).mean() > 0.5  # it moves
    again = digits["moving_digits"](12, 8, frames=5, seed=3)
    assert all((a == b).all() for a, b in zip(x_train + x_test, again[0] + again[2], strict=True))
    other = digits["moving_digits"](12, 8, frames=5, seed=4)
    assert any((a != b).any() for a, b in zip(x_train, other[0], strict=True))
    # Averages of the pixels that an image was enlarged to tell the images of the two halves apart.
    images = load_digits().images / 16.0
    totals = digits["enlarged"](images, 20).sum(axis=(1, 2))  # (1797,)
    for clips, known in ((x_train, totals[:1400]), (x_test, totals[1400:])):
        assert all(abs(known - clip[0].sum()).min() < 1e-3 for clip in clips)


def test_video_network_is_that_of_the_document(example):
    pytest.importorskip("sklearn")
    analysis = ml.analyze(example("video_classification")["video_network"]())
    assert [layer.name for layer in analysis.layers] == [
        "input", "fold", "conv", "bn", "relu", "unfold", "flatten", "lstm", "fc", "softmax",
        "classification",
    ]  # fmt: skip
    assert ("fold/mini_batch_size", "unfold/mini_batch_size") in analysis.connections


def test_video_classification(example, tmp_path):
    pytest.importorskip("sklearn")
    out = tmp_path / "video.png"
    main = example("video_classification")["main"]
    assert (
        main(clips=200, frames=3, max_epochs=4, out=str(out)) >= 0.35
    )  # chance is 0.1, three seeds reach 0.5 to 0.58
    for name in ("video.png", "video-graph.png", "video-training.png"):
        check_picture(tmp_path / name)


def test_missing_scikit_learn_is_one_clear_error(example, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'minilstm\[examples\]'"):
        example("moving_digits")["moving_digits"](1, 1)


def test_class_imbalance(example, tmp_path):
    out = tmp_path / "imbalance.png"
    assert example("class_imbalance")["main"](out=str(out)) >= 0.1  # 0.16 to 0.35 over seeds
    check_picture(out)


def test_recordings_to_report(example, tmp_path, capsys):
    folder, out = tmp_path / "walks", tmp_path / "report"
    folder.mkdir()
    main = example("recordings_to_report")["main"]
    # Chance is 0.25; three seeds reach 0.73 to 0.82 here, and 0.88 to 0.93 with the defaults.
    assert main(max_epochs=8, bouts=4, folder=str(folder), out=str(out)) >= 0.7
    assert len(list(folder.iterdir())) == 16
    said = capsys.readouterr().out
    assert said.startswith("16 files, 16 sequences, ") and "groups 'Ada' 2, 'Ben' 2" in said
    assert "empty cells filled (fill='linear')" in said and "Errors by group" in said
    check_picture(out / "confusion.png")


def test_streaming(example, tmp_path, capsys):
    out = tmp_path / "streaming.png"
    difference = example("streaming")["main"](scale=0.01, max_epochs=20, out=str(out))
    assert difference <= (0.0 if current_backend().name == "numba" else 1e-6)
    assert "latency of a step: p50" in capsys.readouterr().out
    assert (tmp_path / "streaming.safetensors").is_file()
    check_picture(out)


def test_writing_text(example, tmp_path, capsys):
    names = example("writing_text")
    out = tmp_path / "text.png"
    found = names["main"](hidden=64, max_epochs=20, letters_read=40_000, out=str(out))
    assert found["bits"] < 3.6  # letters drawn by their frequency cost 4.5
    written = capsys.readouterr().out.split("temperature 0.3:\n")[1]
    assert written.startswith("Alice ") and " the " in written[:247]
    check_picture(out)


def test_what_units_of_a_text_may_follow(example):
    names = example("writing_text")
    text = "a `b'c, d' e\n\n`f\n\ng"
    assert names["within_quotes"](text).astype(int).tolist() == [
        *[0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], 1, 1, 1, 0, 0,
    ]  # fmt: skip
    assert names["since_line_break"]("ab\nc").tolist() == [0, 1, 0, 1]
    cells = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    assert names["follower"](cells, -cells[:, 1]) == (1, pytest.approx(-1.0))
