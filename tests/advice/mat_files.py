"""Advice about .mat files; what it says to do in MATLAB is done here with SciPy and NumPy.
A call `mat(X=..., Y=...)` writes the variables and reads the file.
"""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

import minilstm as ml
from advice.computing import pip

X = np.arange(8.0).reshape(2, 4)  # D x T
STEPS = [[1.0, 2.0, 1.0, 2.0], [2.0, 2.0, 1.0, 1.0, 1.0]]
PAGES = np.arange(18.0).reshape(3, 3, 2)


def mat(options=None, damage=None, **variables):
    """What is read from a file of these variables."""
    import scipy.io

    scipy.io.savemat("d.mat", variables)
    if damage is not None:
        Path("d.mat").write_bytes(damage(Path("d.mat").read_bytes()))
    return ml.read_sequences("d.mat", **(options or {}))


def cells(*values):
    """A cell array."""
    out = np.empty(len(values), object)
    out[:] = [np.array(v) if isinstance(v, list) else v for v in values]
    return out


def two(y=None, **options):
    """Two sequences of 4 and 5 steps, with labels."""
    both = cells(X, np.arange(10.0).reshape(2, 5))
    return mat(options, **({"X": both} if y is None else {"X": both, "Y": y}))


def inflated(data):
    """A file whose variable packs more than a thousand times."""
    import scipy.io

    scipy.io.savemat("z.mat", {"X": np.zeros((4, 2**23))}, do_compression=True)
    return Path("z.mat").read_bytes()


def newer(data):
    """The header of version 7.3, which is HDF5."""
    return data[:124] + b"\0\2IM" + data[128:]


TABLE = [
    ("two(np.zeros((3, 3)), numeric_targets=True)",
     "give a row for each, or a cell array with an R x T matrix for each",
     "two(np.zeros((2, 3)), numeric_targets=True); "
     "two(cells(np.zeros((1, 4)), np.zeros((1, 5))), numeric_targets=True)"),
    ("two(cells(np.zeros((2, 3)), np.zeros((2, 5))), numeric_targets=True)",
     "give each an R x T matrix, or give one B x R matrix",
     "two(cells(np.zeros((2, 4)), np.zeros((2, 5))), numeric_targets=True); "
     "two(np.zeros((2, 3)), numeric_targets=True)"),
    ("mat(damage=lambda data: data[:100], X=X)", "again in MATLAB with the option '-v7'",
     "mat(X=X)"),
    ("mat(damage=inflated, X=X)", "with the option '-v6', which packs nothing",
     "mat(X=np.zeros((4, 9)))"),
    ("with patch('importlib.util.find_spec', lambda name: None): mat(damage=newer, X=X)",
     r": (pip install .*)\.", "pip(\"$1\")"),
    ("two(x_name='Z')", "are (X): name one of them", "len(two(x_name='$1').x) == 2"),
    ("mat(Z=X)", "choose with (x_name)", "mat({'$1': 'Z'}, Z=X)"),
    ("mat(X=X, Yb=[1])", "choose with (y_name), or give (y_name='') to read none",
     "mat({'$1': 'Yb'}, X=X, Yb=[1]).y.tolist() == [1]; mat(dict($2), X=X, Yb=[1]).y is None"),
    ("two(layout='T')", "give ('.*), say", "mat({'layout': 'TC'}, X=X).x[0].shape == (2, 4)"),
    ("mat({'layout': 'BCT'}, X=X)", "give one letter for each axis", "mat({'layout': 'CT'}, X=X)"),
    ("mat(X=np.empty(0, object))", "fill it", "mat(X=cells(X, X))"),
    ("mat(X=cells(X, np.zeros((2, 0))))", "remove or reshape it", "mat(X=cells(X, X))"),
    ("mat(X=X + 1j)", r"convert it in MATLAB with X = \[real\(X\); imag\(X\)\]",
     "mat({'layout': 'CT'}, X=np.vstack([X, 0 * X])).x[0].shape == (4, 4)"),
    ("two([[1j, 2.0]])", "choose another variable, or store plain class names in its place",
     "two(y_name=''); two(np.array(['a', 'b'], object))"),
    ("two(cells(STEPS[0]))",
     "a cell for each sequence with a label for each step, or one label for",
     "two(cells(*STEPS)); two([1.0, 2.0])"),
    ("two([1.0, 2.0, 3.0])",
     "a cell for each sequence with a label for each step, or one label for",
     "two(cells(*STEPS)); two([1.0, 2.0])"),
    ("two(cells(STEPS[0], np.array(['a'] * 5, object)))",
     r"cellfun\(@string, Y, 'UniformOutput', f",
     "two(cells(np.array(['1', '2', '1', '2'], object), np.array(['a'] * 5, object)))"),
    ("two(cells(STEPS[0], STEPS[1][:4]))", "correct the labels, or give the other layout",
     "two(cells(*STEPS)); mat({'layout': 'TC'}, X=cells(X.T, X.T), Y=cells(STEPS[0], STEPS[0]))"),
    ("mat({'layout': 'TC'}, X=cells(X, X[:, :3]))", "correct them, or give the other layout",
     "mat({'layout': 'TC'}, X=cells(X, X)); mat({'layout': 'CT'}, X=cells(X, X[:, :3]))"),
    ("mat(X=PAGES)", r"give (layout='.*') where that is right, or (layout='.*') for",
     "mat(dict($1), X=PAGES); mat(dict($2), X=PAGES)"),
]  # fmt: skip
