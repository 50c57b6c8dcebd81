"""Reading .npz files: the three layouts, the way back through the writer, every refusal.
A refusal is asserted word for word, with FILE in place of the path."""

import zipfile

import numpy as np
import pytest
from agreement import assert_same_arrays, refusal, refuses_data

from minilstm.data import read_sequences, write_npz
from minilstm.data.files.read_npz import read_npz
from minilstm.errors import DataError

X = [np.array([[0.1, 2.0], [-3.5, 1e-30], [7.0, 8.0]]), np.array([[1 / 3, 5.0]])]
STEPS = [np.array(["go", "stop", "go"]), np.array(["stop"])]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [None, STEPS, np.array([4, 7]), np.array(["a", "b"])])
def test_npz_round_trip(tmp_path, dtype, y):
    x = [values.astype(dtype) for values in X]
    path = tmp_path / "a.npz"
    write_npz(path, x, y, feature_names=["p", "q"], ids=["one", "two"])
    data = read_sequences(path)
    assert_same_arrays(data.x, x)
    assert [values.dtype for values in data.x] == [dtype] * 2
    assert data.feature_names == ["p", "q"]
    assert data.ids == ["one", "two"]
    if y is None:
        assert data.y is None
    else:
        assert isinstance(data.y, type(y))
        assert_same_arrays(data.y, y)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("per_step", [True, False])
def test_npz_keeps_the_kind_of_labels_when_all_sequences_are_one_step(tmp_path, per_step):
    y = [np.array([1]), np.array([2])] if per_step else np.array([1, 2])
    write_npz(tmp_path / "a.npz", [np.ones((1, 2)), np.zeros((1, 2))], y)
    assert isinstance(read_sequences(tmp_path / "a.npz").y, list) is per_step


def test_npz_layouts(tmp_path):
    path = tmp_path / "a.npz"
    dense = np.arange(12).reshape(2, 3, 2)
    np.savez(path, x=dense, y=np.array([[1, 2, 3], [4, 5, 6]]))
    data = read_sequences(path)  # labels a step: the shape tells which axis is time
    assert_same_arrays(data.x, list(dense.astype(float)))
    assert_same_arrays(data.y, [np.array([1, 2, 3]), np.array([4, 5, 6])])
    np.savez(path, x=dense, y=np.array([8, 9]))
    assert read_sequences(path).y.tolist() == [8, 9]
    np.savez(path, x=dense[0], y=np.array(["a", "b", "c"]))
    assert read_sequences(path, layout="TC").y[0].tolist() == ["a", "b", "c"]
    # Ten sequences and two: numbers count, not the order of the text.
    numbered = {f"x_{k}": np.full((k + 1, 1), float(k)) for k in (10, 2)}
    np.savez(path, **numbered, y=np.array([2, 10]))
    assert [len(x) for x in read_sequences(path).x] == [3, 11]
    np.savez(path, **numbered, y_2=np.array([1, 2, 3]), y_10=np.arange(11))
    assert [len(y) for y in read_sequences(path).y] == [3, 11]


FLAT = {"x": np.zeros((4, 2)), "lengths": np.array([3, 1])}
ARRAYS = (
    "but x (or x_0000, x_0001, ...) with lengths, y, label_per, feature_names, ids were wanted: "
    "rename or remove the others."
)
LENGTHS = (
    "lengths has shape (2,), type int64 and sum {}, but positive integers that add up to the 4 "
    "rows of x were wanted: correct it."
)
NPZ_REFUSALS = {
    "unknown": (
        {"x": np.zeros((2, 2)), "label": np.zeros(2)},
        f"path FILE holds the arrays label, x, {ARRAYS}",
    ),
    "nothing": ({}, f"path FILE holds the arrays none, {ARRAYS}"),
    "objects": (
        {"x": np.array([np.zeros((2, 2)), None], dtype=object)},
        "path FILE holds Python objects in x, which are never loaded as they can run code: write "
        "numbers and strings only, with minilstm.data.write_npz.",
    ),
    "sum": ({**FLAT, "lengths": np.array([3, 2])}, LENGTHS.format(5)),
    "zero": ({**FLAT, "lengths": np.array([4, 0])}, LENGTHS.format(4)),
    "flat y": (
        {**FLAT, "y": np.zeros(3, int)},
        "y has shape (3,), but (4,), one label for each step, or (2,), one for each sequence, was "
        "wanted: correct it, or say with layout which axis of x is which.",
    ),
    "both": (
        {"x": np.zeros((2, 2)), "lengths": np.array([1, 1]), "y": np.array([1, 2])},
        "y has shape (2,), which is both the number of steps and of sequences: add label_per, "
        "'step' or 'sequence', to the file.",
    ),
    "label_per": (
        {**FLAT, "y": np.zeros(2, int), "label_per": np.array("step")},
        "label_per is 'step' beside a y of shape (2,), but 'step' with (4,) or 'sequence' with "
        "(2,) was wanted: correct it.",
    ),
    "dense lengths": (
        {"x": np.zeros((2, 3, 1)), "lengths": np.array([3, 2])},
        "lengths in FILE belongs to a flat x (N, D), but x is (2, 3, 1): remove lengths, or "
        "write the sequences flat.",
    ),
    "four axes": (
        {"x": np.zeros((2, 3, 1, 1))},
        "x has shape (2, 3, 1, 1), but (N, D) with lengths, or (B, T, D), was wanted: reshape it.",
    ),
    "dense y": (
        {"x": np.zeros((2, 3, 1)), "y": np.zeros((2, 4), int)},
        "y has shape (2, 4), but x has 2 sequences of 3 steps: give labels of shape (2, 3) for "
        "each step, or (2,) for each sequence, or say with layout which axis of x is which.",
    ),
    "more rows of y": (
        {"x": np.zeros((4, 6, 3)), "y": np.zeros((6, 4), int)},
        "y has shape (6, 4), but x has 4 sequences of 6 steps: give labels of shape (4, 6) for "
        "each step, or (4,) for each sequence, or say with layout which axis of x is which.",
    ),
    "one row": (
        {"x": np.zeros((1, 3)), "y": np.zeros(1, int)},
        "y has shape (1,), which is both the number of steps and of sequences: add label_per, "
        "'step' or 'sequence', to the file, or give layout='BT' where its row is a sequence.",
    ),
    "a row for each sequence": (
        {"x": np.zeros((4, 50)), "y": np.zeros(4, int), "label_per": np.array("sequence")},
        "label_per is 'sequence' beside a y of shape (4,), but 'step' with (4,) or 'sequence' with "
        "(1,) was wanted: correct it, or give layout='BT' where each row of x is a sequence.",
    ),
    "numbered y": (
        {"x_0": np.zeros((2, 1)), "x_1": np.zeros((2, 1)), "y_0": np.zeros(2, int)},
        "y has the arrays y_0, but x has x_0, x_1: give each x_ its y_, or one y for all.",
    ),
    "float y": (
        {**FLAT, "y": np.zeros(2)},
        "y holds labels of type float64, but strings or integers were wanted: write class names "
        "or class numbers, or say numeric_targets=True (--task regress) for numbers to be "
        "predicted.",
    ),
    "complex": (
        {"x": np.zeros((2, 2), complex)},
        "x[0] has type complex128, but real numbers were wanted: convert it.",
    ),
    "nan": (
        {**FLAT, "x": np.array([[0.0, 1], [2, 3], [4, np.nan], [6, 7]])},
        "x[0] of FILE has nan at step 2, feature 1, but only finite numbers can be used: fill in "
        "or remove that step, or say fill='linear' or fill='previous'.",
    ),
    "features": (
        {"x_0": np.zeros((2, 1)), "x_1": np.zeros((2, 3))},
        "x_1 of FILE has 3 features, but x_0 of FILE has 1 and all sequences of a file need the "
        "same: correct the odd one, or give layout='CT' where the 2 rows are features.",
    ),
    "empty": (
        {"x_0": np.zeros((0, 1))},
        "x_0 of FILE has shape (0, 1), but a sequence (T, D) of at least one step and one feature "
        "was wanted: remove or reshape it.",
    ),
    "names": (
        {**FLAT, "feature_names": np.array(["a", "a"])},
        "feature_names has 1 different names, but there are 2 features: give each a name of its "
        "own.",
    ),
}


@pytest.mark.parametrize("name", NPZ_REFUSALS)
def test_npz_refusal(tmp_path, name):
    arrays, sentence = NPZ_REFUSALS[name]
    np.savez(tmp_path / "a.npz", **arrays)
    assert refusal(tmp_path / "a.npz") == sentence


def test_npz_broken(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, X, STEPS)
    whole = path.read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert refusal(path) == (
            "path FILE is broken at the index, but a whole .npz file was wanted: write it again."
        )
    spot = whole.index(b"x.npy") + 60
    path.write_bytes(whole[:spot] + bytes([whole[spot] ^ 255]) + whole[spot + 1 :])
    assert refusal(path) == (
        "path FILE is broken at x, but a whole .npz file was wanted: write it again."
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"no array")
    assert "is broken at x," in refusal(path)


def test_names_and_sizes_are_looked_at_before_anything_is_unpacked(tmp_path):
    path = tmp_path / "a.npz"
    zeros = np.zeros((20_000_000, 1))
    np.savez_compressed(path, x=np.ones((3, 1)), junk=zeros)
    assert refusal(path) == f"path FILE holds the arrays junk, x, {ARRAYS}"
    np.savez_compressed(path, x=zeros)
    packed = f"{path.stat().st_size:,}"
    assert refusal(path) == (
        f"path FILE grows from {packed} to 160,000,128 bytes, which real data does not: write it "
        "with numpy.savez, which packs nothing."
    )
    np.savez(path, x=zeros[:10])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x.npy", b"")
    assert refusal(path) == (
        "path FILE holds x twice, but one array of each name was wanted: write it again."
    )


def test_npz_numbers_of_another_byte_order_and_missing_labels(tmp_path):
    path = tmp_path / "a.npz"
    x = np.arange(6.0).reshape(3, 2).astype(">f4")
    np.savez(path, x=x, y=np.array([1.0, np.nan, 2.0]), lengths=np.array([3]))
    assert refusal(path) == (
        "y[0] at step 1 has the missing label 'NaN', but every label has to be known: fill it in, "
        "or give missing_labels=['NaN'] to read it as '', and train with "
        "loss=minilstm.CrossEntropy(ignored_labels=[''])."
    )
    data = read_sequences(path, missing_labels=["NaN"])
    assert data.y[0].tolist() == ["1", "", "2"]
    assert data.x[0].dtype == np.float32 and data.x[0].dtype.isnative
    np.savez(path, x=x, y=np.array([[2**64 - 1, 1, 1]], np.uint64)[0], lengths=np.array([3]))
    assert refusal(path) == (
        "y[0] at step 0 has the label 18446744073709551615, but whole numbers within 64 bits were "
        "wanted: number the classes from 1, or write their names, or say numeric_targets=True "
        "(--task regress) for numbers to be predicted."
    )


RAGGED = {"x": np.zeros((3, 2)), "lengths": np.array([2, 1])}
DENSE = {"x": np.zeros((2, 3, 1))}
SIX = np.arange(6.0)


@pytest.mark.parametrize(
    ("arrays", "y", "wanted"),
    [
        (RAGGED, SIX[:3], [[[0], [1]], [[2]]]),
        (RAGGED, SIX.reshape(3, 2), [[[0, 1], [2, 3]], [[4, 5]]]),
        (RAGGED, SIX[:2], [[0], [1]]),
        (RAGGED, SIX[:4].reshape(2, 2), [[0, 1], [2, 3]]),
        (DENSE, SIX.reshape(2, 3), [[[0], [1], [2]], [[3], [4], [5]]]),
        (DENSE, SIX.repeat(2).reshape(2, 3, 2),
         [[[0, 0], [1, 1], [2, 2]], [[3, 3], [4, 4], [5, 5]]]),
        (DENSE, SIX[:4].reshape(2, 2), [[0, 1], [2, 3]]),
    ],
)  # fmt: skip
def test_numeric_targets(tmp_path, arrays, y, wanted):
    np.savez(tmp_path / "a.npz", y=y, **arrays)
    read = read_npz(tmp_path / "a.npz", numeric_targets=True).y
    assert [part.tolist() for part in read] == wanted


def test_numeric_targets_of_numbered_arrays(tmp_path):
    x = {"x_0": np.zeros((2, 1)), "x_1": np.zeros((1, 1)), "y_0": SIX[:4].reshape(2, 2)}
    np.savez(tmp_path / "a.npz", y_1=SIX[None, 4:], **x)
    read = read_npz(tmp_path / "a.npz", numeric_targets=True).y
    assert [part.tolist() for part in read] == [[[0, 1], [2, 3]], [[4, 5]]]
    np.savez(tmp_path / "a.npz", y_1=SIX[:1], **x)
    with refuses_data(
        "y_1 has shape (1,), but y_0 has targets of 2, and all sequences need the same: correct "
        "the odd one."
    ):
        read_npz(tmp_path / "a.npz", numeric_targets=True)


def test_targets_that_are_no_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 2, 2)), y=np.array([np.nan]))
    with pytest.raises(DataError, match=r"^y has nan at .0., but numeric targets are finite: fill"):
        read_npz(tmp_path / "a.npz", numeric_targets=True)
