"""Advice about what a user hands in: arrays of every kind, sequences, labels, targets, formats.
Files of sequences are in `files`, what stands in paths in `paths`.
"""

import os

import numpy as np

import minilstm as ml
from advice.world import build, train
from minilstm.arrays import as_numbers
from minilstm.data.datasets import human_activity
from minilstm.data.labels import find_classes, to_targets
from minilstm.data.padding import pad_sequences
from minilstm.functional.lstm import lstm_forward


class Tensor:
    """What a tensor of another library is to the gate: it must be detached first."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def __iter__(self):
        return iter(self.values)

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.values


class ByIndex:
    """Sequences that a function gives, and one by one only."""

    def __init__(self, give, count=2):
        self.give, self.count = give, count

    def __len__(self):
        return self.count

    def __getitem__(self, b):
        return self.give(b)


def shrinks(x):
    """Sequences that are shorter each time."""
    given = []
    return ByIndex(lambda b: given.append(b) or x[b][len(given) // 4 :])


def mapped(x, does=lambda path: None):
    """Sequences in a file, to which something is done whenever one is read."""
    np.save("a.npy", np.stack([a[:4] for a in x]))
    whole = np.load("a.npy", mmap_mode="r")
    return ByIndex(lambda b: does("a.npy") or whole[b])


def written(path):
    """Let a file look as if it had been written an hour later than before."""
    at = os.stat(path).st_mtime
    os.utime(path, (at + 3600, at + 3600))


class Sparse:
    """A matrix that NumPy sees as one object."""

    def __init__(self, values):
        self.values = values

    def toarray(self):
        return self.values


class Frame:
    """A table with names, as far as the gate asks for them."""

    def __init__(self, names, values):
        self.columns, self.values, self.shape = names, values, values.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def named():
    """A network of two features with names."""
    return build(ml.SequenceInput(2, feature_names=["a", "b"]), ml.LSTM(2))


def images(shape=(8, 8, 1)):
    """A network of images."""
    return build(ml.Flatten(), ml.LSTM(2), features=list(shape))


def shifted(x, at, value):
    """The sequences with one number replaced."""
    x = [a.copy() for a in x]
    x[1][at] = value
    return x


def numbers(x, y, **options):
    """A short training on numbers, of an LSTM with two units."""
    return train(x, y, build(ml.LSTM(2)), loss="mse", **options)


LSTM_ARRAYS = [np.ones(s) for s in ((2, 3), (1, 2), (1, 2), (8, 3), (8, 2), 8)]
LAST = [ml.SequenceInput(3), ml.LSTM(2, "last")]
EMPTY_WORD = ["run", "", "walk", "run", "walk"]
TABLE = [
    ("n = build(ml.FullyConnected(1), features=1); n.predict(10**18 + np.arange(1, 4)[:, None])",
     r"subtract the first value as integers, (x - x\[0\])",
     "x = 10**18 + np.arange(1, 4)[:, None]; n = build(ml.FullyConnected(1), features=1);"
     "same(n.predict($1), n.predict(np.arange(3.0)[:, None]))"),
    # ------------------------------------------------------------ the gate
    ("x = np.ma.masked_invalid([[1.0, np.nan, 2.0]]); build().predict(x)",
     r"such as with (x.filled\(0\))",
     "x = np.ma.masked_invalid([[1.0, np.nan, 2.0]]); build().predict($1)"),
    ("x = np.zeros(4, [('a', float), ('b', float), ('c', float)]); build().predict(x)",
     r"pass (np.stack\(.*\))\.",
     "x = np.zeros(4, [('a', float), ('b', float), ('c', float)]); build().predict($1)"),
    ("x = Tensor(x[0]); build().predict(x)", r"pass (x\.detach\(\)\.cpu\(\)\.numpy\(\))",
     "x = Tensor(x[0]); build().predict($1)"),
    ("x = Sparse(x[0]); build().predict(x)", r"pass (x\.toarray\(\))",
     "x = Sparse(x[0]); build().predict($1)"),
    ("x = {3, 4}; as_numbers(x)", r"pass (list\(x\))",
     "x = {3, 4}; sorted(as_numbers($1)) == [3, 4]"),
    ("build().predict(None)", "pass a NumPy array or a list",
     "build().predict(x[0]); build().predict(x)"),
    ("build().predict([[[1, 2, 3], [4, 5]]])", "pass a list of arrays for sequences of different",
     "build().predict([np.ones((1, 3)), np.ones((2, 3))])"),
    ("as_numbers([[1, 2], [3]])", "equally long, or pass one after the other",
     "as_numbers([[1, 2], [3, 4]]); as_numbers([1, 2]); as_numbers([3])"),
    ("as_numbers([10**400])", "give smaller numbers", "as_numbers([10**40])[0] == 1e40"),
    ("as_numbers([1.0, None])", "remove or fill it first",
     "as_numbers([1.0]); as_numbers([1.0, 0])"),
    ("as_numbers(np.array([1.0, 'a'], object))", "leave it out, or convert it to a number",
     "as_numbers([1.0]); as_numbers([1.0, 2])"),
    ("x = np.array(['1', '2']); as_numbers(x)", r"(np\.asarray\(x\)\.astype\(float\))",
     "x = np.array(['1', '2']); same(as_numbers($1), [1, 2])"),
    ("x = x[0] + 1j; build().predict(x)", r"(np\.real\(x\)), or the size, (np\.abs\(x\))",
     "x = x[0] + 1j; same(build().predict($1), build().predict(x.real)); build().predict($2)"),
    ("x = np.array([['2020-01-01'] * 3], 'M8[s]'); build().predict(x)", r"seconds, (np\..*1000)",
     "x = np.array(['1970-01-02'], 'M8[s]'); $1 == 86400"),
    ("x = np.array([[90] * 3], 'm8[s]'); build().predict(x)", r"seconds, (np\..*)\.",
     "x = np.array([90], 'm8[s]'); $1 == 90"),
    ("x = x[0] > 0; build().predict(x)", r"(np\.asarray\(x\)\.astype\(float\))|(float or integer)",
     "x = x[0] > 0; build().predict(np.asarray(x).astype(float))"),
    # ------------------------------------------------------------ sequences
    ("x = x[0].T; build().predict(x)", r"pass (x\.T)", "x = x[0].T; build().predict($1)"),
    ("build().predict([x[0], t[1]])", r"build the network with (SequenceInput\(2\))",
     "build($1, LSTM(2)).predict(t)"),
    ("x = np.ones(9); build(features=1).predict(x)", r"pass (x\[:, None\])",
     "x = np.ones(9); build(features=1).predict($1).shape == (9, 2)"),
    ("build().predict([np.ones(3)])", "two axes, time then features",
     "build().predict([np.ones((1, 3))])"),
    ("x = np.ones((5, 1, 8, 8)); images().predict(x)", r"pass (np.moveaxis\(x, 1, -1\))",
     "x = np.ones((5, 1, 8, 8)); images().predict($1).shape == (5, 2)"),
    ("x = np.ones((5, 8, 8)); images().predict(x)", r"pass (x\[\.\.\., None\])",
     "x = np.ones((5, 8, 8)); images().predict($1).shape == (5, 2)"),
    ("x = np.ones((8, 8, 2)); images((8, 8, 2)).predict(x)", r"pass (x\[None\])",
     "x = np.ones((8, 8, 2)); images((8, 8, 2)).predict($1).shape == (1, 2)"),
    ("x = np.ones((8, 8, 2, 5)); images((8, 8, 2)).predict(x)", r"pass (np.moveaxis\(x, -1, 0\))",
     "x = np.ones((8, 8, 2, 5)); images((8, 8, 2)).predict($1).shape == (5, 2)"),
    ("x = np.ones((5, 9, 9, 1)); images().predict(x)", r"with SequenceInput\((\[9, 9, 1\])\)",
     "x = np.ones((5, 9, 9, 1)); images($1).predict(x).shape == (5, 2)"),
    ("images().predict(np.ones(4))", r"the axes \(T, h, w, c\), channels last",
     "images().predict(np.ones((5, 8, 8, 1)))"),
    ("build().predict([])", r"pass one or more arrays \(T, 3\)",
     "build().predict([np.ones((2, 3))])"),
    ("build().predict(np.zeros((0, 4, 3)))", "pass at least one",
     "build().predict(np.zeros((1, 4, 3)))"),
    ("build().predict(np.zeros((0, 3)))", "remove it or give it a step",
     "build().predict(np.ones((1, 3)))"),
    ("build(SequenceInput(3, min_length=9), LSTM(2)).predict(x)",
     "remove it, or lower (min_length) in", "build(SequenceInput(3, $1=4), LSTM(2)).predict(x)"),
    ("build().stream().step([1, 2])", "pass one number for each feature",
     "build().stream().step([1, 2, 3])"),
    ("build().stream(2).step([1, 2, 3])", "pass one row for each stream",
     "build().stream(2).step([[1, 2, 3], [4, 5, 6]])"),
    ("build().predict(shifted(x, (1, 2), np.nan))", "remove or fill them first",
     "build().predict(shifted(x, (1, 2), 0)); build().predict([x[0], np.delete(x[1], 1, 0)])"),
    ("train(shifted(x, (1, 2), 1e39), y)", "scale the data or train with (dtype='float64')",
     "train(shifted(x, (1, 2), 1e39), y, $1)"),
    ("numbers(x, [1e39 * a for a in t])", "scale the targets or train with",
     "numbers(x, [1e3 * a for a in t])"),
    # ------------------------------------------------------------ formats and names
    ("build(data_format=3).predict(x)", "such as ('.*')", "build(data_format=$1).predict("
     "np.ones((3, 4, 2))).shape == (2, 4, 2)"),
    ("build(data_format='XT').predict(x)", "such as ('.*')",
     "build(data_format=$1).predict(np.ones((3, 4, 2))).shape == (2, 4, 2)"),
    ("build(data_format='TT').predict(x)", "such as ('.*')",
     "build(data_format=$1).predict(np.ones((3, 4, 2))).shape == (2, 4, 2)"),
    ("build(data_format='CT').predict(np.ones((3, 4, 2)))",
     "one letter for each axis, in the order",
     "build(data_format='CTB').predict(np.ones((3, 4, 2)))"),
    ("named().predict([Frame(['a', 'b'], t[0]), t[1]])", "give frames only, or arrays only",
     "named().predict([Frame(['a', 'b'], a) for a in t]); named().predict(t)"),
    ("named().predict(Frame(['a', 'c'], t[0]))", "rename, add or drop columns",
     "same(named().predict(Frame(['b', 'a'], t[0][:, ::-1])), named().predict(t[0]))"),
    # ------------------------------------------------------------ labels
    ("train(x, 'run')", "give a list with one array of labels for each", "train(x, y)"),
    ("train(x, y[:1])", "give one array of labels for each sequence", "train(x, y)"),
    ("train(x, [y[0], y[1][:2]])", r"one label a step, shape (\(4,\))",
     "train(x, [y[0], np.resize(y[1], $1)])"),
    ("train(x, [y_last], *LAST, *classifier()[2:])", "give one label for each sequence",
     "train(x, y_last, *LAST, *classifier()[2:])"),
    ("train(x, [['run', 'walk'], ['run']], *LAST, *classifier()[2:])",
     "check (output_mode): 'sequence' takes a label a step, 'last' a label a sequence",
     "train(x, y, SequenceInput(3), LSTM(2, $1='sequence'), *classifier()[2:]);"
     "train(x, y_last, SequenceInput(3), LSTM(2, $1='last'), *classifier()[2:])"),
    ("train(x, y_last[:1], *LAST, *classifier()[2:])", "give one label for each sequence",
     "train(x, y_last, *LAST, *classifier()[2:])"),
    ("train(x, [y[0], np.ones(4, int)])", "use one kind for all sequences", "train(x, y)"),
    ("train(x, [EMPTY_WORD, y[1]])", r"ignore it with (loss=minilstm\..*), or fill it in",
     "import minilstm; train(x, [EMPTY_WORD, y[1]], $1); train(x, y)"),
    ("train(x, y, train(x, [[1, 2, 1, 2, 1], [1] * 4]))", "use one kind for both",
     "train(x, y, train(x, y))"),
    ("find_classes([np.array(['a', 'b'])], ignored=['a', 'b'])", "check which labels are ignored",
     "find_classes([np.array(['a', 'b', 'c'])], ignored=['c'])"),
    ("train(x, [['run'] * 5, ['run'] * 4])", "check that the right labels were read",
     "train(x, y)"),
    ("train(x, y).evaluate(x, [y[0], ['sit'] * 4])", "remove it, or train with it",
     "train(x, y).evaluate(x, y); z = [y[0], ['sit'] * 4];"
     "train(x, z, *classifier(3)).evaluate(x, z)"),
    ("train(x, [y[0], [1, 'run', 1, 1]])", "convert them", "train(x, [[1, 2, 1, 2, 1], [1] * 4])"),
    ("train(x, [y[0], np.full(4, 1j)])", "convert them, and remove missing ones",
     "train(x, [[1, 2, 1, 2, 1], [1] * 4])"),
    ("train(x, [np.full(5, 1.5), [1, 2, 1, 2]])",
     "round it, or train on numbers with (loss='mse')",
     "train(x, [np.round([1.5] * 5), [1, 2, 1, 2]], *classifier(2));"
     "train(x, [np.full(5, 1.5), [1, 2, 1, 2]], build(LSTM(2), FullyConnected(1)), $1)"),
    ("train(x, [np.eye(2)[[0, 1, 0, 1, 1]], y[1]])", r"pass (np.argmax\(y\[0\], axis=1\))",
     "y = [np.eye(2)[[0, 1, 0, 1, 1]], [0, 1, 1, 0]]; train(x, [$1, y[1]])"),
    ("train(x, [y[0], np.full(4, 1e19)])", "use smaller numbers, or strings", "train(x, y)"),
    ("train(x, [y[0], np.full(4, 2**64 - 1, np.uint64)])", "use smaller numbers, or strings",
     "train(x, [[1, 2, 1, 2, 1], [2] * 4]); train(x, y)"),
    ("train(x, [y[0], ['run', None, 'run', 'walk']])",
     r"put '\?' in its .* (minilstm.CrossEntropy\(ign.*=)",
     "import minilstm; train(x, [y[0], ['run', '?', 'run', 'walk']], loss=$1['?']))"),
    ("train(x, [y[0], ['run', 'a\\0', 'run', 'walk']])", r"such as with (label.rstrip\('\\0'\))",
     "label = 'a\\0'; $1 == 'a'"),
    ("to_targets([np.array([1, 2])], np.array(['run', 'walk']))", "use one kind for both",
     "to_targets([np.array(['run'])], np.array(['run', 'walk']))[0] == [0]"),
    ("find_classes([np.array(['a', 'b'])], ignored=[1.5])", "give strings or whole numbers, like",
     "find_classes([np.array(['a', 'b', 'c'])], ignored=['c'])"),
    ("train(x, [y[0], ['?'] * 4]).evaluate(x, [['?'] * 5, ['?'] * 4])", "is left|classes",
     "train(x, y).evaluate(x, y)"),
    ("train(x, y, train(x, y), loss=CrossEntropy(ignored_labels=['run', 'walk']))",
     "check which labels are ignored",
     "train(x, y, train(x, y), loss=CrossEntropy(ignored_labels=['run']))"),
    ("train(x, y, step_weights=[np.ones(5), np.full(4, 1e39)])",
     "give smaller weights to the steps and classes, or train with (dtype='float64')",
     "train(x, y, step_weights=[np.ones(5), np.full(4, 1e3)]);"
     "train(x, y, step_weights=[np.ones(5), np.full(4, 1e39)], $1)"),
    ("train(x, y, step_weights=[np.zeros(5), np.zeros(4)])", "give a weight above (0) to a step",
     "train(x, y, step_weights=[np.zeros(5), np.full(4, $1 + 1)])"),
    ("scores_to_labels(np.ones((4, 2)), None)", "pass the classes of a trained network",
     "scores_to_labels(np.ones((4, 2)), train(x, y).classes)"),
    ("scores_to_labels(np.ones((4, 3)), ['a', 'b'])",
     "scores whose last axis is (2), and the classes",
     "scores_to_labels(np.ones((4, $1)), ['a', 'b'])"),
    ("scores_to_labels([np.nan, 1.0], ['a', 'b'])", "check the network's input",
     "scores_to_labels([0.5, 1.0], ['a', 'b']) == 'b'"),
    # ------------------------------------------------------------ targets
    ("numbers(x, [t[0], t[1].T])", r"pass (y\[1\]\.T)",
     "y = [t[0], t[1].T]; numbers(x, [t[0], $1])"),
    ("numbers(x, [t[0], t[1][:2]])", r"one row a step, shape (\(4, 2\))",
     "numbers(x, [t[0], np.ones($1)])"),
    ("train(x, t, *LAST, loss='mse')",
     r"one row a sequence, shape (\(2, 2\))|equally|one row of numbers",
     "train(x, np.ones((2, 2)), *LAST, loss='mse')"),
    ("train(x, np.ones((2, 3)), *LAST, loss='mse')", r"one row a sequence, shape (\(2, 2\))",
     "train(x, np.ones($1), *LAST, loss='mse')"),
    ("numbers(x, y)", "convert them, or train on labels with (loss='crossentropy')",
     "train(x, y, $1)"),
    ("train(x, t, build(LSTM(2), Sigmoid()), loss='binary-crossentropy')", "one column of 0 and 1",
     "train(x, [(a > 0) * 1 for a in t], build(LSTM(2), Sigmoid()), loss='binary-crossentropy')"),
    ("lstm_forward(*LSTM_ARRAYS, np.array([1.5, 1.0]))", "round it, or give integers",
     "lstm_forward(*LSTM_ARRAYS, np.round([1.0, 1.0])); lstm_forward(*LSTM_ARRAYS, [1, 1])"),
    # ------------------------------------------------------------ padding
    ("pad_sequences(3)", r"pass (\[array\]) for a single", "array = np.ones(3); pad_sequences($1)"),
    ("pad_sequences([np.ones((2, 3)), np.ones((2, 4))])", "differ in their first axis only",
     "pad_sequences([np.ones((2, 3)), np.ones((4, 3))]).data.shape == (2, 4, 3)"),
    ("pad_sequences([np.ones(2, int), np.ones(3, int)], value=0.5)",
     "convert them to (float64) first",
     "pad_sequences([np.ones(2, '$1'), np.ones(3, '$1')], value=0.5).data[0, 2] == 0.5"),
    ("pad_sequences([[1.0], [2.0, 3.0]], 'all')", "choose (.*), or a whole number of at least",
     "pad_sequences([[1.0], [2.0, 3.0]], $each)"),
    ("build().predict(x, sequence_length=0)", "choose (.*), or a whole number of at least (1)",
     "build().predict(x, sequence_length=$2); build().predict(x, sequence_length=$each)"),
    ("build().predict(x, sequence_padding_direction='up')", "choose one of (.*)",
     "build().predict(x, sequence_padding_direction=$each)"),
    ("pad_sequences([[1.0], [2.0, 3.0]], value=np.nan)", "give one finite number",
     "pad_sequences([[1.0], [2.0, 3.0]], value=0)"),
    ("pad_sequences([1.0, 2.0])", "pass one array for each sequence",
     "pad_sequences([[1.0], [2.0]])"),
    # ------------------------------------------------------------ simulated data
    ("human_activity(seed=-1)", "a whole number from (0) was wanted",
     "human_activity(seed=$1, scale=0.05)"),
    ("human_activity(scale=0)", r"from (\S+) to 1 was wanted: (0.05) makes",
     "human_activity(scale=$1); human_activity(scale=$2)"),
    ("human_activity(path='.', seed=1)", "leave them out", "human_activity(seed=1, scale=0.05)"),
    ("human_activity(path='.')", "leave path out for simulated data", "human_activity(scale=0.05)"),
    ("train(ByIndex(lambda b: x[b], 0), y)", "pass one or more",
     "train(ByIndex(lambda b: x[b]), y)"),
    ("train(ByIndex(lambda b: x[b + 9]), y)", r"cannot be read \(IndexError.* check what gives it",
     "train(ByIndex(lambda b: x[b]), y)"),
    ("train(shrinks(x), y)", "before; give data that stay as they are",
     "train(ByIndex(lambda b: x[b]), y)"),
    ("train(mapped(x, lambda path: os.truncate(path, 200)), [y[0][:4]] * 2)",
     "write it again, and give data that stay",
     "train(mapped(x), [y[0][:4]] * 2)"),
    ("train(mapped(x, written), [y[0][:4]] * 2)", "written meanwhile; give data that stay",
     "train(mapped(x), [y[0][:4]] * 2)"),
]  # fmt: skip
