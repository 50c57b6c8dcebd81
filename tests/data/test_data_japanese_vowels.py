"""The embedded Japanese Vowels: the published sizes, counts and first values.
The converter is run on a small file of the same format, as the originals are not shipped."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from minilstm.data.datasets.japanese_vowels import japanese_vowels

ROOT = Path(__file__).parents[2]


def test_sizes_and_types():
    x_train, y_train, x_test, y_test = japanese_vowels()
    assert (len(x_train), len(x_test)) == (270, 370)
    for batch, labels, shortest, longest in ((x_train, y_train, 7, 26), (x_test, y_test, 7, 29)):
        lengths = [len(x) for x in batch]
        assert (min(lengths), max(lengths)) == (shortest, longest)
        assert all(x.shape[1] == 12 and x.dtype == np.float32 for x in batch)
        assert all(np.isfinite(x).all() and x.flags.c_contiguous for x in batch)
        assert labels.shape == (len(batch),)
        assert labels.dtype == np.int64


def test_counts_of_the_nine_speakers():
    _, y_train, _, y_test = japanese_vowels()
    assert np.bincount(y_train).tolist() == [0] + [30] * 9
    assert np.bincount(y_test).tolist() == [0, 31, 35, 88, 44, 29, 24, 40, 50, 29]


def test_first_step_is_the_first_line_of_the_original():
    # The first line of ae.train in the UCI archive: one step, twelve coefficients.
    line = [1.860936, -0.207383, 0.261557, -0.214562, -0.171253, -0.118167,
            -0.277557, 0.025668, 0.126701, -0.306756, -0.213076, 0.088728]  # fmt: skip
    first = japanese_vowels()[0][0][0]
    assert np.round(first.astype(np.float64), 6).tolist() == line
    assert first.tolist() == np.array(line, dtype=np.float32).tolist()


def test_no_utterance_is_padded():
    x_train, _, x_test, _ = japanese_vowels()
    for x in x_train + x_test:
        assert not np.array_equal(x[-1], x[-2])
        assert np.abs(x[-1]).max() > 0


def test_calls_do_not_share_memory():
    x_train = japanese_vowels()[0]
    x_train[0][:] = 0
    assert japanese_vowels()[0][0][0, 0] != 0
    assert x_train[1].any()


def test_licence_lies_beside_the_data():
    text = (ROOT / "minilstm" / "data" / "datasets" / "japanese_vowels_LICENSE.md").read_text()
    for wanted in ("10.24432/C5NS47", "CC BY 4.0", "Kudo", "Toyama", "Shimbo", "1103-1111"):
        assert wanted in text


def test_converter_is_deterministic_and_counts(tmp_path):
    header = "@univariate false\n@dimensions 12\n@equalLength false\n@classLabel true 1 2\n@data\n"
    for part, count in (("train", 270), ("test", 370)):
        row = ":".join(["0.1,0.200001"] * 12)
        lines = "".join(f"{row}:{k % 2 + 1}\n" for k in range(count))
        (tmp_path / part).write_text(header + lines)
    tool = ROOT / "tests" / "tools" / "embed_japanese_vowels.py"
    for out in ("a.npz", "b.npz"):
        subprocess.run([sys.executable, tool, "train", "test", out], cwd=tmp_path, check=True,
                       env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as file:
        assert file["x_test"].shape == (740, 12)
        assert file["lengths_train"].tolist() == [2] * 270
        assert file["y_train"][:3].tolist() == [1, 2, 1]
    wrong = [sys.executable, tool, "test", "train", "c.npz"]
    done = subprocess.run(wrong, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 1
    assert "test: 370 sequences of 12 features." in done.stderr
    assert not (tmp_path / "c.npz").exists()
