"""Advice about the options of layers and about how layers fit together.
The checks of single options, which every room shares, are in `checks`.
"""

import numpy as np

import minilstm as ml
from advice.world import start
from minilstm.backend import load_backend
from minilstm.layers.base import Run


def joined(how, one, other, features=3):
    """The network of an input that two layers take, whose outputs are joined."""
    graph = ml.LayerGraph([ml.SequenceInput(features, name="x"), one, how])
    graph.add(other).connect("x", graph.layers[-1].name)
    return start(graph.connect(graph.layers[-1].name, f"{graph.layers[2].name}/in2"))


def handed_on(one, other):
    """The network of two layers in a row that pass their state on."""
    graph = ml.LayerGraph([ml.SequenceInput(3), one, other])
    first, second = (layer.name for layer in graph.layers[1:])
    for port in ("hidden", "cell"):
        graph.connect(f"{first}/{port}", f"{second}/{port}")
    return start(graph)


def unfolded(number):
    """Rows of one sequence behind a SequenceUnfolding that is told so many sequences."""
    run = Run(load_backend("numpy"), steps=(np.array([1, 1]),))
    return ml.SequenceUnfolding().forward(run, (np.ones((2, 3)), np.array([number])))


FAR = [np.array([[1e308] * 3, [-1e308] * 3])] * 2


def drawn(shape, rng):
    """An initialiser of a user's own."""
    return rng.uniform(size=shape)


TABLE = [
    ("build(LSTM(2), features=[8, 8, 1])", r"put (Flatten\(\)) before",
     "build($1, LSTM(2), features=[8, 8, 1])"),
    ("build(LSTM(2, input_weights=np.ones((8, 4))))", r"give shape (\(8, 3\))",
     "build(LSTM(2, input_weights=np.ones($1)))"),
    ("build(BatchNormalization(scale=[1, 2]))", "one number for each of the (3) channels",
     "build(BatchNormalization(scale=[1] * $1))"),
    ("BatchNormalization(trained_variance=[1, -1])", "variances of at least (0)",
     "BatchNormalization(trained_variance=[1, $1])"),
    # ------------------------------------------------------------ classes and weights
    ("CrossEntropy(classes=3.5)", r"give a list of labels, such as (\['run', 'walk'\])",
     "CrossEntropy(classes=$1)"),
    ("CrossEntropy(classes=[1.5, 2])", "labels are strings or whole numbers",
     "CrossEntropy(classes=['a', 'b']); CrossEntropy(classes=[1, 2])"),
    ("CrossEntropy(classes=['run', 'run', 'walk'])", "give every label once",
     "CrossEntropy(classes=['run', 'walk'])"),
    ("CrossEntropy('rare')", "a dict .*, a list in the order of the classes, ('.*'), or (None)",
     "train(x, y, loss=CrossEntropy($1)); CrossEntropy($2);"
     "train(x, y, loss=CrossEntropy([1, 2]));"
     "train(x, y, loss=CrossEntropy({'run': 1, 'walk': 2}))"),
    ("CrossEntropy(2.0)", "a list in the order of the classes, ('.*'), or (None)",
     "CrossEntropy($1); CrossEntropy($2)"),
    ("CrossEntropy([0, 0])", "give at least one", "CrossEntropy([0, 1])"),
    ("CrossEntropy([1, np.nan])", r"class_weights\[1\] .* a finite number of at least (0)",
     "CrossEntropy([1, $1])"),
    ("CrossEntropy([1, 2, 3], classes=['run', 'walk'])", r"one for each of ('.*'), in this order",
     "weights = CrossEntropy([1, 2], classes=[$1]); train(x, y, loss=weights)"),
    ("train(x, y, loss=CrossEntropy({'run': 1, 'sit': 2}))", r"one for each of ('run', 'walk')\.",
     "train(x, y, loss=CrossEntropy(dict.fromkeys([$1], 2)))"),
    ("train(x, y, loss=CrossEntropy({'run': 1}))", r"one for each of ('run', 'walk')\.",
     "train(x, y, loss=CrossEntropy(dict.fromkeys([$1], 2)))"),
    ("train(x, y, train(x, y), loss=CrossEntropy([1, 2], ['run', 'sit']))",
     r"classes ('.*'); name these, in any",
     "train(x, y, train(x, y), loss=CrossEntropy([1, 2], [$1][::-1]))"),
    ("ClassificationOutput('run')", r"give a list of labels, or ('auto')",
     "ClassificationOutput($1); ClassificationOutput(['run', 'walk'])"),
    ("ClassificationOutput(['run'])", "needs at least two", "ClassificationOutput(['run', 'sit'])"),
    ("ClassificationOutput(class_weights=[1, 2])", "give the classes in the same order, or a dict",
     "ClassificationOutput(['a', 'b'], [1, 2]); ClassificationOutput(class_weights={'a': 1})"),
    ("build(*classifier(3)[1:], ClassificationOutput(['run', 'walk']))",
     r"use (FullyConnected\(2\))",
     "build(LSTM(4), $1, Softmax(), ClassificationOutput(['run', 'walk']))"),
    # ------------------------------------------------------------ several inputs
    ("joined(Addition(), LSTM(4), LSTM(5))", "give it 2 inputs of one shape",
     "joined(Addition(), LSTM(4), LSTM(4))"),
    ("joined(Concatenation(), Flatten(), ReLU(), [4, 4, 2])", "that differ in the last axis only",
     "joined(Concatenation(), Flatten(), Flatten(), [4, 4, 2])"),
    ("joined(Addition(), LSTM(4, name='a'), LSTM(4, 'last', name='b'))",
     "give all of them the same output_mode",
     "joined(Addition(), LSTM(4, 'last'), LSTM(4, 'last')); joined(Addition(), LSTM(4), LSTM(4))"),
    # ------------------------------------------------------------ convolution
    ("Convolution2D(0, 2)", "a whole number of at least (1), or (2) of them",
     "Convolution2D($1, 2); Convolution2D([$1] * $2, 2)"),
    ("Convolution2D(2, 3, padding='full')", r"at least (0), one for each axis, .*\], or ('same')",
     "Convolution2D(2, 3, padding=$1); Convolution2D(2, 3, padding=[1, 0]);"
     "Convolution2D(2, 3, padding=[1, 2, 3, 4]); Convolution2D(2, 3, padding=$2)"),
    ("Convolution3D(2, 3, padding=-1)", r"\[\[top, left, front\], \[bottom, ...\]\]",
     "Convolution3D(2, 3, padding=[[1, 2, 3], [4, 5, 6]])"),
    ("build(Convolution2D(3, 2))", r"shape \(h, w, c\).* images or volumes with channels last",
     "build(Convolution2D(3, 2), features=[8, 8, 1]);"
     "build(Convolution3D(3, 2), features=[8, 8, 8, 1])"),
    ("build(Convolution2D(5, 2), features=[4, 4, 1])", "smaller filters, more padding, or larger",
     "build(Convolution2D(4, 2), features=[4, 4, 1]);"
     "build(Convolution2D(5, 2), features=[5, 5, 1]);"
     "build(Convolution2D(5, 2, padding=1), features=[4, 4, 1])"),
    ("LSTM(2, input_weights_initializer='random')", r"choose one of (.*), or give a function",
     "LSTM(2, input_weights_initializer=$each)"),
    ("LSTM(2, input_weights_initializer='random')", r"a function \(shape, rng\) that returns",
     "build(LSTM(2, input_weights_initializer=drawn))"),
    ("build(LSTM(2, bias_initializer=lambda shape, rng: np.ones(3)))",
     r"return real numbers of shape (\(8,\))",
     "build(LSTM(2, bias_initializer=lambda shape, rng: np.ones($1)))"),
    ("Convolution2D(2, 3, bias_initializer='he')", "choose one of (.*), or",
     "build(Convolution2D(2, 3, bias_initializer=$each), features=[4, 4, 1])"),
    # ------------------------------------------------------------ the input
    ("SequenceInput([28, 28])", r"whole number of features, or \[h, w, c\].*, all at least (1)",
     "SequenceInput($1); SequenceInput([28, 28, $1]); SequenceInput([28, 28, 2, $1])"),
    ("SequenceInput(2, feature_names=['ax'])", "give (2) different names",
     "SequenceInput(2, feature_names=['ax', 'ay'][:$1])"),
    ("SequenceInput(2, feature_names=['ax', 'ay', 'ax'])", "give each name once",
     "SequenceInput(2, feature_names=['ax', 'ay'])"),
    ("SequenceInput(1, mean=[1])", r"set (normalization='zerocenter') to use it",
     "SequenceInput(1, $1, mean=[1])"),
    ("SequenceInput(1, 'zscore', standard_deviation=[1], min=[0])", "(normalization='.*') to use",
     "SequenceInput(1, $1, min=[0])"),
    ("SequenceInput(2, 'zscore', standard_deviation=[1], mean=[0, 0])",
     r"finite numbers of shape (\(2,\)) or (\(\))",
     "SequenceInput(2, 'zscore', standard_deviation=np.ones($1), mean=np.zeros($2))"),
    ("SequenceInput(2, 'zerocenter', mean=['1', '2'])",
     "dtype <U1, but .* real numbers; give finite", "SequenceInput(2, 'zerocenter', mean=[1, 2])"),
    ("SequenceInput(1, 'zerocenter', mean=[np.inf])", "holds inf; give finite numbers",
     "SequenceInput(1, 'zerocenter', mean=[1])"),
    ("SequenceInput(1, 'zscore', standard_deviation=[-1])", "give numbers of at least (0)",
     "SequenceInput(1, 'zscore', standard_deviation=[$1])"),
    ("SequenceInput(1, 'rescale-zero-one', min=[2], max=[1])", "give the smaller values as min",
     "SequenceInput(1, 'rescale-zero-one', min=[1], max=[2])"),
    ("build(features=2).predict(np.ones((3, 2))); "
     "build(SequenceInput(2, 'zerocenter'), LSTM(2)).predict(np.ones((3, 2)))",
     "train the network, or give SequenceInput its (mean)",
     "train([a[:, :2] for a in x], y, SequenceInput(2, 'zerocenter'), *classifier()[1:]).predict("
     "np.ones((3, 2))); build(SequenceInput(2, 'zerocenter', $1=[0, 0]), LSTM(2)).predict(t)"),
    ("build(SequenceInput(3, np.sign), LSTM(2)).save('n.safetensors')",
     "normalise the data first, and build the network without it",
     "build(LSTM(2)).predict([np.sign(a) for a in x]); build(LSTM(2)).save('n.safetensors')"),
    ("build(SequenceInput(3, lambda rows: rows / np.nan), LSTM(2)).predict(x)",
     "return finite real numbers of the same shape",
     "build(SequenceInput(3, np.sign), LSTM(2)).predict(x)"),
    ("build(SequenceInput(3, lambda rows: rows[:1]), LSTM(2)).predict(x)", "of the same shape",
     "build(SequenceInput(3, lambda rows: rows + 1), LSTM(2)).predict(x)"),
    ("train(FAR, [y_last, y_last], SequenceInput(3, 'zscore'), *classifier()[1:], dtype='float64')",
     "scale them first", "train([a / 1e308 for a in FAR], [y_last, y_last], "
     "SequenceInput(3, 'zscore'), *classifier()[1:], dtype='float64')"),
    ("build(SequenceInput(1, 'zscore', mean=[0], standard_deviation=[1e-30]), LSTM(2)).predict("
     "np.full((3, 1), 1e10))", "check the statistics of the layer and the units of the data",
     "build(SequenceInput(1, 'zscore', mean=[0], standard_deviation=[1e10]), LSTM(2)).predict("
     "np.full((3, 1), 1e10))"),
    # ------------------------------------------------------------ states
    ("LSTM(2, hidden_state=[1, 2], has_state_inputs=True)", "leave out one of them",
     "LSTM(2, has_state_inputs=True); LSTM(2, hidden_state=[1, 2])"),
    ("handed_on(LSTM(2, has_state_outputs=True), LSTM(3, has_state_inputs=True))",
     "make both layers equally wide",
     "handed_on(LSTM(3, has_state_outputs=True), LSTM(3, has_state_inputs=True)).predict(x)"),
    ("unfolded(2)", r"connect it to the output ('mini_batch_size') of the SequenceFolding",
     "unfolded(1)[0].shape == (2, 3)"),
]  # fmt: skip
