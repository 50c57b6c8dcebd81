"""What `write_csv` refuses, because it would read back as something else.
A label keeps its meaning, a feature stays a feature, and a heading stays a name.
"""

import numpy as np
import pytest
from agreement import refuses_data

from minilstm.data import read_sequences, write_csv

X = [np.array([[0.1, 2.0], [-3.5, 1e-30], [7.0, 8.0]]), np.array([[1 / 3, 5.0]])]
STEPS = [np.array(["go", "stop", "go"]), np.array(["stop"])]


@pytest.mark.parametrize(
    ("label", "read"),
    [("1.0", "the label '1'"), ("-0.0", "the label '0'"),
     ("0.5", "a fraction, which is no label")],
)  # fmt: skip
def test_labels_that_would_read_back_as_others_are_not_written(tmp_path, label, read):
    for y in ([label, "1"], [label, "2.0"], [[label] * 3, ["go"]]):
        with refuses_data(
            f"y[0] has the label {label!r}, but a .csv file of it reads back as {read}: rename "
            "it, or use write_npz."
        ):
            write_csv(tmp_path / "a.csv", X, y)
    assert not list(tmp_path.iterdir())
    write_csv(tmp_path / "a.csv", X, ["007", "1"])
    assert read_sequences(tmp_path / "a.csv", label_per="sequence").y.tolist() == ["007", "1"]


@pytest.mark.parametrize("name", ["label", "class", "y"])
def test_a_feature_called_like_a_label_is_not_written_alone(tmp_path, name):
    path = tmp_path / "a.csv"
    with refuses_data(
        f"feature_names has {name!r}, but read_sequences takes a column of that name for labels: "
        f"give it a name such as 'feature_{name}', or use write_npz."
    ):
        write_csv(path, X, feature_names=["p", name])
    if name != "label":
        write_csv(path, X, STEPS, feature_names=["p", name])
        assert read_sequences(path).feature_names == ["p", name]


@pytest.mark.parametrize("name", ["nan", "inf", "1_0", "-2.5", "\u0663"])
def test_a_heading_that_reads_as_a_number_is_not_written(tmp_path, name):
    with refuses_data(
        f"feature_names has {name!r}, but a header of names was wanted, which no reader takes for "
        f"numbers: give it a name such as 'feature_{name}'."
    ):
        write_csv(tmp_path / "a.csv", X, feature_names=["p", name])
    write_csv(tmp_path / "a.csv", X, feature_names=["p", f"feature_{name}"])
    assert read_sequences(tmp_path / "a.csv").feature_names == ["p", f"feature_{name}"]
