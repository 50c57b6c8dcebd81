"""What tests are made of: random arrays, sequences and labels, layers, networks, whole problems.
Everything is drawn from a seed, so two runs of the tests see the same numbers."""

import numpy as np
import pytest

import minilstm as ml
from minilstm.functional.convolution import convolution_size
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack
from minilstm.layers import Run, Training
from minilstm.network.passes.heads import find_heads
from minilstm.network.passes.mini_batch import mini_batch

LENGTHS = (6, 1, 4)
# Every type of real numbers that data may have.
WIDTHS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "longdouble"]


def draw(*shape, seed=0, dtype=np.float64):
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def sequences(*shape, lengths=LENGTHS, seed=0):
    """Sequences of normal numbers, each (T, *shape)."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, *shape)) for n in lengths]


def labels(classes, lengths=LENGTHS, seed=1):
    """A class number for each step of each sequence."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, classes, n) for n in lengths]


def shifted_sequences(shape, lengths=(5, 1, 3), dtype=np.float64, seed=0):
    """Sequences whose features differ in mean and scale."""
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.5, 9, shape), rng.uniform(-50, 50, shape)
    return [(shift + scale * rng.standard_normal((T, *shape))).astype(dtype) for T in lengths]


def up_or_down(count=6, seed=0):
    """Sequences of different lengths, around 1 where the label is "up", around -1 elsewhere."""
    rng = np.random.default_rng(seed)
    y = np.array(["up", "down"] * count)[:count]
    centres = np.where(y == "up", 1.0, -1.0)
    return [c + rng.standard_normal((rng.integers(2, 6), 1)) for c in centres], y


def running_sums(lengths=(3, 5, 2, 4, 6, 3), responses=1, seed=0):
    """Sequences, and numbers that hang on all steps before."""
    x = sequences(2, lengths=lengths, seed=seed)
    mix = np.random.default_rng(9).standard_normal((2, responses))
    return x, [np.cumsum(a, axis=0) @ mix for a in x]


def two_movements(seed):
    """Sequences of two features, with a label a step that the sign of the first decides."""
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(T, 2)) for T in (40, 25, 33)]
    return x, [np.where(a[:, 0] > 0, "up", "down") for a in x]


# ---------------------------------------------------------------- layers and networks


ACTIVE = np.array([2, 2, 1], np.int64)  # two sequences, of 3 and 2 steps
TRAINING = Training(key=2**63 + 11, row=40)
modes = pytest.mark.parametrize("training", [None, TRAINING], ids=["prediction", "training"])


def layer_values(layer, shape, dtype=np.float64, seed=5):
    """Random learnables and statistics of a layer, by name."""
    rng = np.random.default_rng(seed)
    slots = (*layer.parameters(shape), *layer.statistics(shape))
    drawn = {p.name: rng.uniform(0.5, 1.5, p.shape) for p in slots}
    return {name: value.astype(dtype) for name, value in drawn.items()}


def layer_forward(layer, backend, p, x, training=None, active=ACTIVE):
    """Output and cache of a layer; ports beside the first stay empty."""
    several = len(layer.input_names) > 1
    y, cache = layer.forward(Run(backend, p, (active,), training), (x, None) if several else x)
    return y[0] if len(layer.output_names) > 1 else y, cache


def layer_backward(layer, backend, dy, cache, need_dx=True):
    """Gradients of the first input, from that of the first output, and of learnables."""
    dys = (dy, None) if len(layer.output_names) > 1 else dy
    dx, grads = layer.backward(Run(backend, need_dx=need_dx), dys, cache)
    return dx[0] if len(layer.input_names) > 1 else dx, grads


def two_in_two_out():
    """Sound and motion, each with its LSTM; a class a step, and a number from both together."""
    graph = ml.LayerGraph([ml.SequenceInput(2, name="sound"), ml.LSTM(4, name="ear")])
    graph.add(
        [ml.SequenceInput(3, "zscore", [1, 2, 3], standard_deviation=[1, 2, 4], name="motion")]
    )
    graph.add([ml.LSTM(3, name="body"), ml.Concatenation(2, name="both")])
    graph.add([ml.FullyConnected(2, name="fc"), ml.Softmax(name="activity")])
    graph.add(ml.FullyConnected(1, name="speed"))
    graph.connect("motion", "body").connect("ear", "both/in2").connect("both", "fc")
    return graph.connect("both", "speed")


def residual():
    graph = ml.LayerGraph([ml.SequenceInput(4), ml.LSTM(4, name="a"), ml.LSTM(4, name="b")])
    graph.add([ml.Addition(3, name="sum"), ml.FullyConnected(3), ml.Softmax()])
    return graph.connect("b", "sum").connect("a", "sum/in2").connect("input", "sum/in3")


def encoder_decoder():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(4, has_state_outputs=True, name="encoder")])
    graph.add(
        [ml.LSTM(4, has_state_inputs=True, name="decoder"), ml.FullyConnected(3), ml.Softmax()]
    )
    graph.connect("input", "decoder/in")
    return graph.connect("encoder/hidden", "decoder/hidden").connect("encoder/cell", "decoder/cell")


def video():
    return [
        ml.SequenceInput([6, 5, 2]), ml.SequenceFolding(), ml.Convolution2D([3, 2], 3, stride=2),
        ml.BatchNormalization(), ml.ReLU(), ml.SequenceUnfolding(), ml.Flatten(), ml.BiLSTM(3),
        ml.Dropout(0.3), ml.FullyConnected(3), ml.Softmax(),
    ]  # fmt: skip


def camera():
    return [
        ml.SequenceInput([7, 6, 2], "zerocenter", [[[0.1, -0.2]]]), ml.SequenceFolding(),
        ml.Convolution2D([3, 2], 3, stride=2), ml.BatchNormalization(), ml.ReLU(),
        ml.SequenceUnfolding(), ml.Flatten(), ml.LSTM(5, "last"), ml.Dropout(0.3),
        ml.FullyConnected(3), ml.Softmax(),
    ]  # fmt: skip


def volumes():
    return [
        ml.SequenceInput([4, 4, 3, 1]), ml.Convolution3D(2, 2), ml.Sigmoid(), ml.Flatten(),
        ml.LSTM(3, "last"), ml.FullyConnected(1), ml.RegressionOutput(),
    ]  # fmt: skip


def chain(*inner, features=3, ends=(ml.Softmax,), out=4):
    return [ml.SequenceInput(features), *inner, ml.FullyConnected(out), *(end() for end in ends)]


def built(layers, dtype="float64", seed=0, **options):
    """A network whose biases are not zero and whose gates are not all alike."""
    rng = np.random.default_rng(seed)
    net = ml.Network(layers, rng=rng, dtype=dtype, **options)
    moved = {k: p + 0.3 * rng.standard_normal(p.shape) for k, p in net.parameters.items()}
    statistics = {k: s + rng.uniform(0.1, 1, s.shape) for k, s in net.statistics.items()}
    return net.replace(parameters=moved, statistics=statistics)


def batch_of(net, x):
    """A mini-batch of sequences of one input or of several, with targets that each output wants."""
    rng = np.random.default_rng(7)
    heads = find_heads(net.wiring, net.losses)
    inputs = x if isinstance(x[0], list) else [x]
    inputs = [[a.astype(net.dtype) for a in part] for part in inputs]
    targets = []
    for head in heads:
        rows = [len(a) if head.steps else 1 for a in inputs[0]]
        if head.loss.kind == "classes":
            targets.append([rng.integers(-1, head.columns, n) for n in rows])
        elif head.loss.kind == "multilabel":
            targets.append([rng.integers(0, 2, (n, head.columns)).astype(float) for n in rows])
        else:
            targets.append([rng.standard_normal((n, head.columns)) for n in rows])
    weights = [[rng.uniform(0.5, 2, len(t)).astype(net.dtype) for t in part] for part in targets]
    return mini_batch(heads, inputs, targets, weights)


def doubled(layers, dtype="float64", **options):
    """A network of twice its first weights, so that gates do not all sit near one half."""
    net = ml.Network(layers, rng=np.random.default_rng(0), dtype=dtype, **options)
    return net.replace(parameters={k: 2 * p for k, p in net.parameters.items()})


# ---------------------------------------------------------------- trainings


CLASSIFIER = [ml.SequenceInput(1), ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax()]


def train_classifier(net=None, given=None, **options):
    """A quiet training of a small classifier on sequences that go up or down."""
    x, y = given or up_or_down()
    options = ml.TrainingOptions(**{"verbose": False, **options})
    return ml.train(x, y, net or CLASSIFIER, options=options)


def regressor(*middle, outputs=1):
    """Layers that put out numbers at every step."""
    return [ml.SequenceInput(2), ml.LSTM(4), *middle, ml.FullyConnected(outputs)]


def start(net, seed=3, **options):
    """A network in float64 with its first values."""
    return ml.Network(net, rng=np.random.default_rng(seed), dtype="float64", **options)


def train_regressor(x, y, net, loss="mse", **options):
    """A quiet training on numbers, in float64 and in the order of the data."""
    step_weights = options.pop("step_weights", None)
    options = {"verbose": False, "dtype": "float64", "shuffle": "never", **options}
    return ml.train(x, y, net, loss, ml.TrainingOptions(**options), step_weights=step_weights)


def gradient_of(x, y, net, loss="mse", **options):
    """What one step of gradient descent with a rate of 1 subtracts, and the loss before it."""
    after, info = train_regressor(
        x, y, net, loss, solver="sgdm", max_epochs=1, initial_learn_rate=1.0,
        **{"l2_regularization": 0.0, **options},
    )  # fmt: skip
    gradients = {k: net.parameters[k] - p for k, p in after.parameters.items()}
    return gradients, info.history["loss"][0]


def interrupt_at(monkeypatch, call, where=ml.Network, name="loss_and_gradients"):
    """Let a function be interrupted at one of its calls, as by Ctrl-C."""
    real, calls = getattr(where, name), []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(where, name, interrupted)


# ---------------------------------------------------------------- arguments of functions


def lstm_problem(lengths, D, H, seed, dtype):
    """Arguments of forward, and upstream gradients, of one random ragged batch."""
    rng = np.random.default_rng(seed)
    B, N = len(lengths), sum(lengths)
    packed = pack([rng.standard_normal((n, D)) for n in lengths])
    state = rng.standard_normal((2, B, H))
    weights = [rng.standard_normal((4 * H, n)) / np.sqrt(n) for n in (D, H)]
    arguments = (packed.rows, *state, *weights, rng.standard_normal(4 * H))
    dh, (dhidden, dcell) = rng.standard_normal((N, H)), rng.standard_normal((2, B, H))
    arguments = (*(a.astype(dtype) for a in arguments), packed.active)
    return arguments, dh.astype(dtype), LSTMState(dhidden.astype(dtype), dcell.astype(dtype))


def lstm_arrays(D, H, lengths, seed=0, directions=1, scale=0.7, dtype=np.float64):
    """Arrays by name, the packed batch, dh and dstate of a random problem; K = directions H."""
    rng = np.random.default_rng(seed)
    B, K = len(lengths), directions * H
    packed = pack([rng.standard_normal((n, D)).astype(dtype) for n in lengths])
    sizes = {"h0": (B, K), "c0": (B, K), "W": (4 * K, D), "R": (4 * K, H), "b": (4 * K,)}
    arrays = {"x": packed.rows}
    arrays |= {k: (scale * rng.standard_normal(size)).astype(dtype) for k, size in sizes.items()}
    dh = rng.standard_normal((len(packed.rows), K)).astype(dtype)
    hidden, cell = rng.standard_normal((2, B, K)).astype(dtype)
    return arrays, packed, dh, LSTMState(hidden, cell)


def run_lstm(backend, arguments, dh, dstate):
    """Outputs and gradients, for each way in which a gradient may arrive."""
    h, state, cache = backend.lstm_forward(*arguments)
    ways = [(dh, dstate), (dh, None), (None, dstate)]
    return (h, state), tuple(backend.lstm_backward(*way, cache) for way in ways)


def loss_calls(backend, y, targets, weights):
    """The losses that are one function for all backends, forward and backward."""
    scores = backend.softmax_forward(y)[0]
    forwards = [("cross_entropy", (scores, targets, 9, weights))]
    for name in ("squared_error", "absolute_error", "huber"):
        forwards.append((name, (y, y[::-1].copy(), 9.0, weights)))
    for name in ("binary_cross_entropy", "sigmoid_binary_cross_entropy"):
        forwards.append((name, (scores, (y > 0).astype(y.dtype), 9.0, weights)))
    for name, arguments in forwards:
        cache = getattr(backend, f"{name}_forward")(*arguments)[1]
        yield from ((f"{name}_forward", arguments), (f"{name}_backward", (cache,)))


# Of a convolution: image (N, S, Cin), filter, F, stride, padding, dilation.
CONVOLUTIONS = {
    "plain": ((3, 6, 5, 2), (3, 2), 4, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "one of all": ((1, 1, 1, 1), (1, 1), 1, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "everything": ((2, 9, 10, 3), (3, 2), 5, (2, 3), ((1, 2), (0, 3)), (2, 1)),
    "filter of one, stride": ((2, 5, 7, 3), (1, 1), 2, (3, 2), ((0, 0), (0, 0)), (1, 1)),
    "stride shares a factor": ((2, 9, 8, 1), (3, 3), 3, (2, 4), ((0, 1), (2, 2)), (2, 2)),
    "padding wider than the filter": ((2, 3, 3, 2), (1, 2), 9, (1, 2), ((4, 0), (5, 5)), (1, 1)),
    "a place that no filter sees": ((1, 7, 7, 2), (2, 2), 2, (3, 3), ((0, 0), (0, 0)), (1, 1)),
    "wide": ((2, 4, 4, 17), (3, 3), 41, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "volume": ((2, 4, 5, 3, 2), (2, 3, 2), 3, (1, 1, 1), ((0, 0),) * 3, (1, 1, 1)),
    "volume, everything": (
        (2, 5, 6, 7, 2), (2, 3, 2), 17, (1, 2, 2), ((1, 0), (0, 1), (2, 0)), (1, 1, 2),
    ),
}  # fmt: skip
SAME = ((1, 1), (1, 1))
MORE_CONVOLUTIONS = {
    **CONVOLUTIONS,
    # The two convolutions of the video network, and more windows than one part of a sum has.
    "video 1": ((2, 28, 28, 1), (5, 5), 20, (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "video 2": ((5, 12, 12, 20), (3, 3), 40, (1, 1), SAME, (1, 1)),
    "33 channels to 33": ((2, 5, 4, 33), (3, 3), 33, (1, 1), SAME, (1, 1)),
    "more filters than a block": ((1, 3, 3, 2), (2, 2), 150, (1, 1), SAME, (1, 1)),
    "more weights than a block": ((2, 3, 3, 40), (3, 3), 8, (2, 1), SAME, (1, 1)),
}


def convolution_problem(case, dtype=np.float64, seed=0):
    """x, W, b and an upstream gradient, and the three options."""
    shape, filter_size, F, *options = case
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((*filter_size, shape[-1], F))
    x, b = rng.standard_normal(shape), rng.standard_normal(F)
    size = convolution_size(shape[1:-1], filter_size, *options)
    dy = rng.standard_normal((shape[0], *size, F))
    return [a.astype(dtype) for a in (x, W, b, dy)], options


def run_convolution(backend, arrays, options, need_dx=True):
    """y, dx, dW and db of a convolution."""
    x, W, b, dy = arrays
    y, cache = backend.convolution_forward(x, W, b, *options)
    dx, grads = backend.convolution_backward(dy, cache, need_dx)
    return [y, dx, *grads]


def write_control_groups(root, lines, files):
    """A tree of control groups below a root: the lines of this process, and files of groups."""
    for name, text in {"proc/self/cgroup": lines, **files}.items():
        place = root / (name if name.startswith("proc") else f"sys/fs/cgroup/{name}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n")


#: all that a network of three features and two outputs may know of its data
ABOUT = {
    "features": [
        {"name": "ax", "unit": "g"},
        {"name": "ay", "unit": None},
        {"name": "Höhe", "unit": "m"},
    ],
    "targets": ["speed", "rate"],
    "rate": 50,
    "description": {"id_column": "", "features": ["ax", "ay", "Höhe"], "fill": None},
    "shaping": None,
    "card": {"seed": 0, "data": {"steps": 10**12, "range": [-1.5, 2e-300]}, "limits": []},
}
