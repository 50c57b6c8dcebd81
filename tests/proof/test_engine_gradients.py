"""Every kind of layer, every loss, and the networks of the examples: backward against complex step.
Lists come from the package itself, so that a new layer or loss without a case here fails.

Shapes and ragged lengths are drawn, gradients that arrive from above are random, and all is in
float64 on both backends. What single layers do at their edges stands in their own tests.
"""

import numpy as np
import pytest
from agreement import NUMPY
from hypothesis import given, settings
from hypothesis import strategies as st

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import active_counts
from minilstm.functional.sequence_input import USES
from minilstm.layers import KINDS, Recurrent, Run, Signal, Training
from minilstm.losses import NAMES, CrossEntropy, FunctionLoss, Loss, find_loss

LAYER, NETWORK = 1e-12, 1e-10  # relative to the largest derivative of an array
STEP = 1e-30

few, size = st.integers(1, 3), st.integers(1, 7)
lengths = st.lists(st.integers(1, 9), min_size=1, max_size=4)
vector = st.tuples(size)
image = st.tuples(st.integers(2, 5), st.integers(2, 5), few)
volume = st.tuples(*[st.integers(2, 4)] * 3, few)
anything = st.one_of(vector, image, volume)


# ---------------------------------------------------------------- layers


def one(layer, shape):
    """A layer with one input of a shape."""
    return st.tuples(layer, st.tuples(shape))


@st.composite
def recurrent(draw, kind):
    """An LSTM or BiLSTM with any activations and ports, and the shapes of its inputs."""
    H, ports = draw(size), draw(st.booleans())
    layer = kind(
        H, draw(st.sampled_from(["sequence", "last"])),
        draw(st.sampled_from(["tanh", "softsign", "relu"])),
        draw(st.sampled_from(["sigmoid", "hard-sigmoid"])),
        has_state_inputs=ports and draw(st.booleans()), has_state_outputs=ports,
    )  # fmt: skip
    width = (H if kind is ml.LSTM else 2 * H,)
    return layer, (draw(vector), width, width)[: len(layer.input_names)]


@st.composite
def convolution(draw, kind, shape):
    shape, dimensions = draw(shape), 2 if kind is ml.Convolution2D else 3
    several = st.tuples(*[st.integers(1, 2)] * dimensions)
    pads = st.one_of(st.just("same"), st.integers(0, 2))
    layer = kind(draw(several), draw(few), stride=draw(several), padding=draw(pads))
    return layer, (shape,)


@st.composite
def joined(draw, kind):
    shape, inputs = draw(anything), draw(st.integers(2, 3))
    shapes = [shape] * inputs
    if kind is ml.Concatenation:
        shapes = [(*shape[:-1], draw(few)) for _ in range(inputs)]
    return kind(inputs), tuple(shapes)


@st.composite
def normalized(draw):
    kind, shape = draw(st.sampled_from(list(USES))), draw(anything)
    data = np.random.default_rng(0).uniform(1, 2, (9, *shape))
    over = draw(st.sampled_from(["channel", "element", "all"]))
    layer = ml.SequenceInput(
        shape[0] if len(shape) == 1 else shape, kind, normalization_dimension=over
    )
    return layer.with_statistics([data]), (shape,)


CASES = {
    "addition": joined(ml.Addition),
    "batch_normalization": one(st.builds(ml.BatchNormalization), anything),
    "bilstm": recurrent(ml.BiLSTM),
    "classification_output": one(st.builds(ml.ClassificationOutput), vector),
    "concatenation": joined(ml.Concatenation),
    "convolution_2d": convolution(ml.Convolution2D, image),
    "convolution_3d": convolution(ml.Convolution3D, volume),
    "dropout": one(st.builds(ml.Dropout, st.sampled_from([0.1, 0.5])), anything),
    "flatten": one(st.builds(ml.Flatten), anything),
    "fully_connected": one(st.builds(ml.FullyConnected, size), vector),
    "lstm": recurrent(ml.LSTM),
    "regression_output": one(st.builds(ml.RegressionOutput), vector),
    "relu": one(st.builds(ml.ReLU), anything),
    "sequence_folding": one(st.builds(ml.SequenceFolding), anything),
    "sequence_input": normalized(),
    "sequence_unfolding": one(st.builds(ml.SequenceUnfolding), anything),
    "sigmoid": one(st.builds(ml.Sigmoid), anything),
    "softmax": one(st.builds(ml.Softmax), st.tuples(st.integers(2, 7))),
}  # fmt: skip


def test_every_kind_of_layer_has_a_case():
    assert set(CASES) == set(KINDS)


def relative_error(hand, slope, rng, floor):
    """Worst disagreement along one random direction and some coordinates, beside the largest."""
    scale, worst = max(abs(hand).max(), floor), 0.0
    for entry in (None, *rng.integers(0, hand.size, 4)):
        direction = rng.standard_normal(hand.shape)
        if entry is not None:
            direction = np.zeros(hand.shape)
            direction.flat[entry] = 1
        size = max(abs(hand * direction).sum(), scale * abs(direction).max())
        worst = max(worst, abs((hand * direction).sum() - slope(direction)) / size)
    return worst


def forward(layer, run, xs, state):
    """Outputs, state and cache of any layer; without a state for a layer that has none."""
    if layer.kind == "sequence_unfolding" and len(xs) == 1:
        xs = [*xs, None]
    x = xs[0] if len(xs) == 1 else tuple(xs)
    stateful = isinstance(layer, Recurrent)
    y, *after, cache = layer.forward(run, x, state) if stateful else layer.forward(run, x)
    return y if len(layer.output_names) > 1 else (y,), after[0] if after else None, cache


def backward(layer, run, dys, dstate, cache):
    """Gradients of all inputs, of learnables, and of the state before the first step."""
    dy = dys if len(layer.output_names) > 1 else dys[0]
    arguments = (dy, dstate, cache) if isinstance(layer, Recurrent) else (dy, cache)
    dx, grads, *dstate0 = layer.backward(run, *arguments)
    return dx if len(layer.input_names) > 1 else (dx,), grads, dstate0[0] if dstate0 else None


def gradients(backend, layer, p, inputs, state, training, rng):
    """Upstream gradients, and by name what backward makes of them and the value it belongs to."""
    run = Run(backend, p, tuple(s.active for s in inputs), training)
    outs, after, cache = forward(layer, run, [s.rows for s in inputs], state)
    shapes = layer.output_shapes([s.rows.shape[1:] for s in inputs])
    assert [out.shape[1:] for out in outs] == list(shapes)
    # Nothing flows back through the number of sequences that a folding hands on.
    douts = tuple(
        None if name == "mini_batch_size" else rng.standard_normal(out.shape)
        for name, out in zip(layer.output_names, outs, strict=True)
    )
    dafter = None if after is None else LSTMState(*(rng.standard_normal(a.shape) for a in after))
    dxs, grads, dstate = backward(layer, run, douts, dafter, cache)
    without, same, _ = backward(layer, run._replace(need_dx=False), douts, dafter, cache)
    assert without[0] is None and all((same[name] == g).all() for name, g in grads.items())
    hands = {f"input {n}": (dx, s.rows) for n, (dx, s) in enumerate(zip(dxs, inputs, strict=False))
             if dx is not None}  # fmt: skip
    hands |= {name: (g, p[name]) for name, g in grads.items()}
    if state is not None:
        hands |= {f"state {n}": pair for n, pair in enumerate(zip(dstate, state, strict=True))}
    assert set(grads) == {a.name for a in layer.parameters(tuple(inputs[0].rows.shape[1:]))}
    assert sum(name.startswith("input ") for name in hands) == len(inputs)
    return douts, dafter, hands


def total(layer, p, inputs, state, training, douts, dafter, moved):
    """The sum of all results times their upstream gradients, with one array replaced."""
    values = {k: a.astype(complex) for k, a in p.items()}
    ports = [Signal(s.rows.astype(complex), s.active) for s in inputs]
    before = None if state is None else [a.astype(complex) for a in state]
    for name, value in moved.items():
        place = int(name.split()[1]) if " " in name else 0
        if name.startswith("input "):
            ports[place] = Signal(value, ports[place].active)
        elif name.startswith("state "):
            before[place] = value
        else:
            values[name] = value
    state = None if before is None else LSTMState(*before)
    run = Run(NUMPY, values, tuple(s.active for s in ports), training)
    outs, after, _ = forward(layer, run, [s.rows for s in ports], state)
    used = [(d, o) for d, o in zip(douts, outs, strict=True) if d is not None]
    used += [] if after is None else list(zip(dafter, after, strict=True))
    return sum((d * a).sum() for d, a in used)


@pytest.mark.parametrize("kind", CASES)
def test_a_layer(backend, kind):
    worst = 0.0

    @given(CASES[kind], lengths, st.integers(0, 999), st.booleans())
    def check(case, lengths, seed, learning):
        nonlocal worst
        (layer, shapes), rng = case, np.random.default_rng(seed)
        try:
            layer.output_shapes(shapes)
        except ValueError:  # a filter wider than the image
            return
        if kind == "batch_normalization" and learning:
            lengths = [*lengths, 4]  # statistics of one number are no statistics
        active = active_counts(np.sort(lengths)[::-1])
        once, B = np.array([len(lengths)]), len(lengths)
        inputs = [
            Signal(rng.standard_normal((B if n else sum(lengths), *s)), once if n else active)
            if kind in ("lstm", "bilstm")
            else Signal(rng.standard_normal((sum(lengths), *s)), active)
            for n, s in enumerate(shapes)
        ]
        slots = (*layer.parameters(shapes[0]), *layer.statistics(shapes[0]))
        p = {q.name: 0.5 * rng.standard_normal(q.shape) for q in slots}
        if "trained_variance" in p:
            p["trained_variance"] = 0.5 + p["trained_variance"] ** 2
        state = layer.initial_state(B, np.dtype(float))
        state = state and LSTMState(*(rng.standard_normal(a.shape) for a in state))
        training = Training(seed, 5) if learning else None
        douts, dafter, hands = gradients(backend, layer, p, inputs, state, training, rng)
        largest = max((abs(hand).max() for hand, _ in hands.values()), default=0.0)
        for name, (hand, value) in hands.items():
            assert hand.shape == value.shape and hand.dtype == np.float64

            def slope(direction, name=name, value=value):
                moved = {name: value + STEP * 1j * direction}
                rest = (layer, p, inputs, state, training, douts, dafter)
                return total(*rest, moved).imag / STEP

            error = relative_error(hand, slope, rng, 1e-3 * largest + 1e-12)
            assert error < LAYER, f"{layer} {name}: {error:.1e}"
            worst = max(worst, error)

    check()
    print(f"{kind} on {backend.name}: {worst:.1e}")
    assert worst > 0 or kind in {
        "addition", "classification_output", "concatenation", "dropout", "flatten",
        "regression_output", "relu", "sequence_folding", "sequence_input", "sequence_unfolding",
    }, "nothing was compared"  # fmt: skip


# ---------------------------------------------------------------- losses


def fourth_powers(y, t):
    return ((y - t) ** 4).sum() / len(y)


def fourth_powers_gradient(y, t):
    return 4 * (y - t) ** 3 / len(y)


LOSSES = {name: find_loss(name) for name in NAMES}
LOSSES["classes with weights"] = CrossEntropy()
LOSSES["a pair of functions"] = find_loss((fourth_powers, fourth_powers_gradient))


def test_every_loss_has_a_case():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    assert {type(loss) for loss in LOSSES.values()} == below(Loss) - {Loss}
    assert FunctionLoss in below(Loss)


def loss_problem(loss, rows, columns, rng):
    """What a network put out, and targets of the loss's kind; no error is at a kink."""
    if loss.kind == "classes":
        y, t = rng.uniform(0.1, 1, (rows, columns)), rng.integers(-1, columns, rows)
        t[0] = 0
        return y / y.sum(axis=1, keepdims=True), t
    if loss.kind == "multilabel":
        return rng.uniform(0.1, 0.9, (rows, columns)), rng.integers(0, 2, (rows, columns)) * 1.0
    t = rng.standard_normal((rows, columns))
    away = rng.choice([-3.0, -1.2, -0.8, -0.1, 0.1, 0.8, 1.2, 3.0], t.shape)
    return t + away * rng.uniform(0.9, 1.1, t.shape), t


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss(backend, name):
    loss, worst = LOSSES[name], 0.0

    @given(st.integers(1, 150), st.integers(1, 12), st.booleans(), st.integers(0, 999))
    def check(rows, columns, weighted, seed):
        nonlocal worst
        rng = np.random.default_rng(seed)
        y, t = loss_problem(loss, rows, columns, rng)
        weights = rng.uniform(0.2, 3, rows) if weighted and loss.kind != "any" else None
        ways = [(loss.forward, loss.backward, y)]
        if loss.fuses_with:
            z = 3 * rng.standard_normal(y.shape)
            ways.append((loss.fused_forward, loss.fused_backward, z))
        for forward, backward, value in ways:
            hand = backward(backend, forward(backend, value, t, 7.5, weights)[1])

            def slope(direction, forward=forward, value=value):
                moved = value + STEP * 1j * direction
                return forward(NUMPY, moved, t, 7.5, weights)[0].imag / STEP

            # One class has the score 1, whatever its logit is: there the gradient is 0.
            error = relative_error(hand, slope, rng, 1e-3 if columns == 1 else 0.0)
            assert error < LAYER, f"{name}: {error:.1e}"
            worst = max(worst, error)

    check()
    print(f"{name} on {backend.name}: {worst:.1e}")


# ---------------------------------------------------------------- networks


def built(layers, seed=0):
    """A network in float64 whose biases are not zero and whose gates are not all alike."""
    rng = np.random.default_rng(seed)
    net = ml.Network(layers, rng=rng, dtype="float64")
    noise = {k: rng.standard_normal(p.shape) for k, p in net.parameters.items()}
    moved = {k: p + 0.3 / np.sqrt(p.shape[-1]) * noise[k] for k, p in net.parameters.items()}
    statistics = {k: s + rng.uniform(0.1, 1, s.shape) for k, s in net.statistics.items()}
    return net.replace(parameters=moved, statistics=statistics)


def checked(backend, net, shape, lengths, tolerance, entries, last=False, classes=3):
    """The worst relative error over all arrays of a network, its states and its input."""
    rng = np.random.default_rng(1)
    x = [rng.standard_normal((n, *shape)) for n in lengths]
    y = [rng.integers(0, classes, n) for n in lengths]
    y = np.array([labels[0] for labels in y]) if last else y
    with ml.use_backend(backend.name):
        report = ml.gradcheck(net, x, y, tolerance=tolerance, max_entries=entries)
    assert report.passed and {e.name for e in report.errors} >= set(net.parameters)
    assert report.backend == backend.name
    return {e.name: e.relative_error for e in report.errors}


def end(classes):
    return [ml.FullyConnected(classes), ml.Softmax()]


def video(H):
    return [
        ml.SequenceInput([8, 8, 1]), ml.SequenceFolding(), ml.Convolution2D(3, 4),
        ml.BatchNormalization(), ml.ReLU(), ml.SequenceUnfolding(), ml.Flatten(),
        ml.BiLSTM(H, "last"), *end(3),
    ]  # fmt: skip


SEEDS = {
    "human activity": ([ml.SequenceInput(3), ml.LSTM(200), *end(5)], (3,), False, 5),
    "vowels": ([ml.SequenceInput(12), ml.LSTM(100, "last"), *end(9)], (12,), True, 9),
    "vowels, both ways": ([ml.SequenceInput(12), ml.BiLSTM(100, "last"), *end(9)], (12,), True, 9),
    "video": (video(20), (8, 8, 1), True, 3),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_the_networks_of_the_examples_through_200_steps(backend, seed):
    layers, shape, last, classes = SEEDS[seed]
    errors = checked(backend, built(layers), shape, [200, 9], NETWORK, 1, last, classes)
    print(seed, backend.name, {name: f"{e:.1e}" for name, e in errors.items()})
    # The mean of a batch normalisation takes the bias before it away: its gradient is 0 in truth.
    errors.pop("conv/bias", None)
    assert max(errors.values()) < LAYER


@st.composite
def random_videos(draw):
    """Convolutions with what may stand around them, then layers that look along time."""
    shape = draw(st.one_of(image, volume))
    dimensions = len(shape) - 1
    kind = ml.Convolution2D if dimensions == 2 else ml.Convolution3D
    layers = [ml.SequenceInput(list(shape)), ml.SequenceFolding()]
    for _ in range(draw(st.integers(1, 2))):
        sizes = st.tuples(*[st.integers(1, 2)] * dimensions)
        layers.append(kind(draw(sizes), draw(few), stride=draw(sizes), padding="same"))
        layers += draw(st.sampled_from([[], [ml.BatchNormalization()]]))
        layers += draw(st.sampled_from([[], [ml.ReLU()], [ml.Sigmoid()], [ml.Dropout(0.3)]]))
    layers += [ml.SequenceUnfolding(), ml.Flatten()]
    last = draw(st.booleans())
    memory = draw(st.sampled_from([ml.LSTM, ml.BiLSTM]))
    layers += [memory(draw(few), "last" if last else "sequence"), *end(3)]
    return layers, shape, draw(st.lists(st.integers(1, 5), min_size=2, max_size=3)), last


@settings(max_examples=15)
@given(random_videos(), st.integers(0, 99))
def test_random_networks_with_convolution(backend, problem, seed):
    layers, shape, lengths, last = problem
    checked(backend, built(layers, seed), shape, lengths, NETWORK, 3, last)
