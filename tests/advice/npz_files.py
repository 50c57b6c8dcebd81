"""Advice about .npz files, about writers, and about what all kinds of files have in common.
A call `npz(x=..., y=...)` writes the arrays with NumPy alone, and reads the file.
"""

import warnings
import zipfile
from pathlib import Path

import numpy as np

import minilstm as ml
from advice.csv_files import BODY, HEAD, put, read
from minilstm.data import write_csv, write_npz
from minilstm.data.datasets import human_activity
from minilstm.data.files.checks import check_x, check_y, read_labels

X = np.arange(12.0).reshape(6, 2)  # (N, D), of two sequences
LENGTHS = [2, 4]
TWO = {"x_0": X[:2], "x_1": X[2:]}
DENSE = np.arange(24.0).reshape(2, 3, 4)  # (B, T, D)


def npz(options=None, **arrays):
    """What is read from a file of these arrays."""
    np.savez("d.npz", **arrays)
    return ml.read_sequences("d.npz", **(options or {}))


def flat(**arrays):
    """The same of two flat sequences."""
    return npz(**{"x": X, "lengths": LENGTHS, **arrays})


def right(data):
    """Whether these two sequences were read."""
    return len(data.x) == 2 and all(map(np.array_equal, data.x, (X[:2], X[2:])))


def packed(fill):
    """A file whose array packs a thousand times, or hardly."""
    x = np.zeros((2**22, 4)) if fill else X
    np.savez_compressed("d.npz", x=x)
    return ml.read_sequences("d.npz")


def twice(name):
    """A file with a member of this name twice."""
    np.savez("d.npz", x=X)
    with zipfile.ZipFile("d.npz") as old, zipfile.ZipFile("e.npz", "w") as new:
        for member in ("x.npy", f"{name}.npy"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                new.writestr(member, old.read("x.npy"))
    return ml.read_sequences("e.npz")


def cut(size):
    """A file cut to a size."""
    np.savez("d.npz", x=X)
    Path("d.npz").write_bytes(Path("d.npz").read_bytes()[:size])
    return ml.read_sequences("d.npz")


def activity(x):
    """MathWorks' two files, with these sequences."""
    import scipy.io

    for part in ("Train", "Test"):
        cells = np.empty(2, object), np.empty(2, object)
        for k in range(2):
            cells[0][k], cells[1][k] = x.T, np.arange(len(x)) % 2 + 1.0
        names = {f"X{part}": cells[0], f"Y{part}": cells[1]}
        scipy.io.savemat(f"HumanActivity{part}.mat", names)
    return human_activity(path=".")


TABLE = [
    # ------------------------------------------------------------ all kinds of files
    ("ml.read_sequences(put(HEAD, 'd.txt'))", r"one of those, with (minilstm.data.write_npz) say",
     "import minilstm; import minilstm.data; $1('d.npz', [X]); ml.read_sequences('d.npz')"),
    ("npz({'fill': 'split'}, x=[[1.0], [np.nan], [3.0]])", "give ('linear') or ('previous')",
     "npz({'fill': $1}, x=[[1.0], [np.nan], [3.0]]); "
     "npz({'fill': $2}, x=[[1.0], [np.nan], [3.0]])"),
    ("npz({'fill': 'previous'}, x=[[np.nan], [1.0], [3.0]])", "say (fill='linear')",
     "npz(dict($1), x=[[np.nan], [1.0], [3.0]])"),
    ("npz({'numeric_targets': True, 'layout': 'TC'}, x=X, y=['a'] * len(X))",
     "write numbers, or read them as labels",
     "npz({'numeric_targets': True, 'layout': 'TC'}, x=X, y=[1.5] * len(X)); "
     "npz({'layout': 'TC'}, x=X, y=['a'] * len(X))"),
    ("read('recording,ax,label\\na,True,u\\na,False,v\\n')",
     "write numbers there, (1) and (0) for True",
     "read('recording,ax,label\\na,$1,u\\na,$2,v\\n')"),
    ("read('time,ax\\n0,1\\n1,2\\n0,5\\n1,6\\n', id_column='')",
     r"column that names the recordings, called (recording), or say (sort_by='time')",
     "read('$1,time,ax\\na,0,1\\na,1,2\\nb,0,5\\nb,1,6\\n'); "
     "read('time,ax\\n0,1\\n1,2\\n0,5\\n1,6\\n', id_column='', $2)"),
    ("read(HEAD + BODY, x_name='X')", "leave it out", "read(HEAD + BODY)"),
    ("npz({'missing_labels': 'NA'}, x=X)", r"give (\['NA'\]), say, or (\[\]) where",
     "npz({'missing_labels': $1}, x=X); npz({'missing_labels': $2}, x=X)"),
    ("read(HEAD + BODY.replace('walk', 'NA'))",
     r"give (missing_labels=\['NA'\]) .* with (loss=.*\[''\]\)); give (missing_labels=\[\]) where",
     "import minilstm; d = read(HEAD + BODY.replace('walk', 'NA') + 'r3,1,2,walk\\n', $1); "
     "train(d.x, d.y, *classifier(features=2), $2); "
     "read(HEAD + BODY.replace('walk', 'NA'), $3).y[0][1] == 'NA'"),
    ("flat(y=np.array([1, np.nan, 2, 1, 2, 1]))",
     r"give (missing_labels=\['NaN'\]) .* with (loss=.*)\.",
     "import minilstm; d = flat(options=dict($1), y=np.array([1, np.nan, 2, 1, 2, 1])); "
     "train(d.x, d.y, *classifier(features=2), $2)"),
    ("flat(y=np.array(['a', 'b\\0c', 'a', 'a', 'b', 'a']))", "remove that character",
     "flat(y=np.array(['a', 'bc', 'a', 'a', 'b', 'a']))"),
    ("flat(options={'missing_labels': ['NaN']}, y=[1, 2, 1, 1e300, 1, 2])",
     "number the classes from 1, or write their names",
     "flat(y=[1, 2, 1, 3, 1, 2]); flat(y=['a', 'b', 'a', 'c', 'a', 'b'])"),
    ("flat(y=np.array([1j] * 6))", "write class names or class numbers",
     "flat(y=['a'] * 3 + ['b'] * 3); flat(y=[1] * 6)"),
    # ------------------------------------------------------------ .npz
    ("flat(y=[1] * 5)", "one label for each step, or .*: correct it",
     "right(flat(y=[1] * 6)) and right(flat(y=[1, 2]))"),
    ("npz(x=X[:2], lengths=[1, 1], y=[1, 2])",
     "add (label_per), ('step' or 'sequence'), to the file",
     "npz(x=X[:2], lengths=[1, 1], y=[1, 2], $1='step');"
     "npz(x=X[:2], lengths=[1, 1], y=[1, 2], $1='sequence')"),
    ("flat(y=[1] * 6, label_per='sequence')", r"'step' with \((\d),\) or 'sequence' with \((\d),\)",
     "right(flat(y=[1] * $1, label_per='step')); right(flat(y=[1] * $2, label_per='sequence'))"),
    ("npz(x=X[:1], y=[1])", "or give (layout='BT') where its row is a sequence",
     "npz(dict($1), x=X[:1], y=[1]).x[0].shape == (2, 1)"),
    ("npz(x=X, y=[1] * 6, label_per='sequence')", "or give (layout='BT') where each row of x is a",
     "len(npz(dict($1), x=X, y=[1] * 6).x) == 6"),
    ("npz(x=DENSE, y=np.ones((4, 2), int))",
     r"shape (\(2, 3\)) for each step, or (\(2,\)) for each sequence",
     "npz({'layout': 'BTC'}, x=DENSE, y=np.ones($1, int)).y[1].shape == (3,);"
     "npz({'layout': 'BTC'}, x=DENSE, y=np.ones($2, int)).y.shape == (2,)"),
    ("npz(x_0=np.ones((2, 5)), x_1=np.ones((2, 6)))",
     "correct the odd one, or give (layout='CT') where the 2 rows are features",
     "npz(dict($1), x_0=np.ones((2, 5)), x_1=np.ones((2, 6))).x[1].shape == (6, 2)"),
    ("npz(x=np.ones((9, 3, 2)), y=np.arange(27).reshape(9, 3))",
     "give (layout='BTC') where that is right, or (layout='TBC') for 3 sequences of 9 steps",
     "a = {'x': np.ones((9, 3, 2)), 'y': np.arange(27).reshape(9, 3)};"
     "len(npz(dict($1), **a).x) == 9 and len(npz(dict($2), **a).x) == 3"),
    ("flat(lengths=[2, 3])", r"that add up to the (\d) rows", "right(flat(lengths=[2, $1 - 2]))"),
    ("npz(x=np.ones(3))", r"\(N, D\) with lengths, or \(B, T, D\), was wanted: reshape",
     "npz(x=np.ones((3, 1)), lengths=[2, 1]); npz({'layout': 'BTC'}, x=DENSE)"),
    ("npz(x=DENSE)", "give (layout='BTC') where that is right, or (layout='BCT') for 4 steps",
     "npz(dict($1), x=DENSE).x[0].shape == (3, 4) and "
     "npz(dict($2), x=DENSE).x[0].shape == (4, 3)"),
    ("npz(x=X, z=X)", "rename or remove the others", "npz(x=X); right(npz(**TWO))"),
    ("npz(x=DENSE, lengths=[1, 1])", "remove (lengths), or write the sequences flat",
     "npz({'layout': 'BTC'}, x=DENSE); right(flat())"),
    ("npz({'layout': 'BT'}, x=X, lengths=LENGTHS)", "give ('TC' or 'CT'), or remove lengths",
     "npz({'layout': 'TC'}, x=X, lengths=LENGTHS);"
     "npz({'layout': 'CT'}, x=X.T, lengths=LENGTHS); npz({'layout': 'BT'}, x=X)"),
    ("npz(**TWO, y_0=[1, 2])", "give each x_ its y_, or one y for all",
     "right(npz(**TWO, y_0=[1, 2], y_1=[1] * 4)) and right(npz(**TWO, y=[1, 2]))"),
    ("npz(**TWO, y_0=[1, 2], y_1=['a'] * 4)", r"convert the numbers with (astype\(str\))",
     "right(npz(**TWO, y_0=np.array([1, 2]).$1, y_1=['a'] * 4))"),
    ("npz(x=np.array(['a', 'b']).reshape(2, 1))", "real numbers were wanted: convert it",
     "npz(x=np.array(['1', '2']).reshape(2, 1).astype(float))"),
    ("npz(x=np.array([[1, None]], object))",
     "numbers and strings only, with (minilstm.data.write_npz)",
     "write_npz('d.npz', [np.array([[1.0, 0.0]])]); ml.read_sequences('d.npz')"),
    ("cut(100)", "write it again", "cut(None)"),
    ("twice('x')", "write it again", "npz(x=X)"),
    ("packed(True)", "write it with (numpy.savez), which packs nothing",
     "import numpy; $1('d.npz', x=X); ml.read_sequences('d.npz'); packed(False)"),
    ("npz({'layout': 'XY'}, x=X)", "give ('.*), say",
     "npz({'layout': 'TC'}, x=X); npz({'layout': 'CT'}, x=X); npz({'layout': 'BTC'}, x=DENSE);"
     "npz({'layout': 'BCT'}, x=DENSE).x[0].shape == (4, 3)"),
    ("npz({'layout': 'TC'}, x=DENSE)", "give one letter for each axis",
     "npz({'layout': 'BTC'}, x=DENSE).x[0].shape == (3, 4)"),
    # ------------------------------------------------------------ sequences and labels of any file
    ("write_npz('d.npz', [])", "check what was written", "write_npz('d.npz', [X])"),
    ("write_npz('d.npz', [X, np.ones((0, 2))])", "remove or reshape it",
     "write_npz('d.npz', [X, X])"),
    ("write_npz('d.npz', [X, X[:, :1]])", "correct the odd one", "write_npz('d.npz', [X, X[:1]])"),
    ("write_npz('d.npz', [X * np.nan])", "fill in or remove|finite", "write_npz('d.npz', [X * 0])"),
    ("write_npz('d.npz', [X, X], np.array([1, 2, 3]))", r"shape (\(2,\)), or a list with one array",
     "write_npz('d.npz', [X, X], np.ones($1, int)); write_npz('d.npz', [X, X], [[1] * 6] * 2)"),
    ("write_npz('d.npz', [X, X], [[1] * 6])", r"one array \(T,\) for each sequence",
     "write_npz('d.npz', [X, X], [[1] * 6, [2] * 6])"),
    ("write_npz('d.npz', [X], [[1] * 5])", r"shape (\(6,\))",
     "write_npz('d.npz', [X], [np.ones($1, int)])"),
    ("write_npz('d.npz', [X], feature_names=['a', 'a'])", "give each a name of its own",
     "write_npz('d.npz', [X], feature_names=['a', 'b'])"),
    ("write_npz('d.csv', [X])", "but (.npz) was wanted: rename it", "write_npz('d$1', [X])"),
    ("write_npz('d.npz', [X, X.astype('float32')])", "convert the arrays first",
     "write_npz('d.npz', [X, X.astype('float32').astype(float)])"),
    # ------------------------------------------------------------ MathWorks' recordings
    ("activity(np.ones((4, 2)))", r"use (read_sequences) for other data",
     "activity(np.ones((4, 3))); ml.$1('HumanActivityTrain.mat')"),
]  # fmt: skip
