"""Mini-batches that are gathered from one array are those that are packed one sequence at a time.
So a shuffled training has the bits of one whose order was given."""

import numpy as np
import pytest

import minilstm as ml
from minilstm.network.graph.wiring import wire
from minilstm.network.passes.heads import find_heads
from minilstm.network.passes.mini_batch import mini_batch
from minilstm.training.batches import TrainingData, gathered, joined

LENGTHS = {"ragged": (5, 1, 7, 7, 3), "equal": (4, 4, 4), "one": (6,)}


def problem(lengths, steps, weighted):
    """Heads of a network with two outputs, classes and numbers, and data for it."""
    mode = "sequence" if steps else "last"
    layers = [ml.SequenceInput(3), ml.LSTM(2, output_mode=mode), ml.FullyConnected(2), ml.Softmax()]
    graph = ml.LayerGraph([*layers, ml.ClassificationOutput()])
    graph = graph.add([ml.FullyConnected(2, name="numbers"), ml.RegressionOutput()])
    graph = graph.connect("lstm", "numbers")
    rng = np.random.default_rng(0)
    rows = [n if steps else 1 for n in lengths]
    data = TrainingData(
        [[rng.standard_normal((n, 3)).astype("f") for n in lengths]],
        [[rng.integers(-1, 2, n) for n in rows], [rng.standard_normal((n, 2)) for n in rows]],
        [[rng.random(n).astype("f") for n in rows] if weighted else None, None],
        [None, None],
    )
    return find_heads(wire(graph)), data


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gathered_is_packed(lengths, steps, weighted):
    heads, data = problem(lengths, steps, weighted)
    chosen = np.random.default_rng(1).permutation(len(lengths))[: max(1, len(lengths) - 1)]

    def of(arrays):
        return None if arrays is None else [arrays[b] for b in chosen]

    parts = [[of(arrays) for arrays in kind] for kind in data[:3]]
    want, got = mini_batch(heads, *parts), gathered(heads, joined(data), chosen)
    assert got.divisors == want.divisors
    pairs = [
        *(
            (a, b)
            for one, two in zip(got.signals, want.signals, strict=True)
            for a, b in zip(one, two, strict=True)
        ),
        *zip(got.targets, want.targets, strict=True),
        *zip(got.weights, want.weights, strict=True),
    ]
    for one, two in pairs:
        assert (one is None) == (two is None)
        if one is not None:
            assert one.dtype == two.dtype and one.flags.c_contiguous
            np.testing.assert_array_equal(one, two)


def test_mixed_dtypes_are_not_joined():
    _, data = problem((3, 2), True, False)
    mixed = [[a.astype(np.float64) if b else a for b, a in enumerate(data.sequences[0])]]
    assert joined(TrainingData(mixed, *data[1:])) is None


def test_a_shuffled_training_takes_the_order_that_the_seed_gives():
    """Two epochs shuffled by hand, each a training of one epoch, against one training of both."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 2)) for n in (3, 9, 4, 9, 1, 6, 2)]
    y = np.arange(7) % 2
    layers = [
        ml.SequenceInput(2),
        ml.LSTM(3, output_mode="last"),
        ml.FullyConnected(2),
        ml.Softmax(),
    ]
    how = {"mini_batch_size": 3, "verbose": False, "initial_learn_rate": 0.1}
    options = ml.TrainingOptions("sgdm", momentum=0, max_epochs=2, shuffle="every-epoch", **how)
    net, info = ml.train(x, y, layers, options=options)
    _, shuffler, _ = np.random.default_rng(options.seed).spawn(3)
    order, losses, by_hand = np.arange(7), [], layers
    for _ in range(2):
        order = shuffler.permutation(order)
        told = ml.TrainingOptions("sgdm", momentum=0, max_epochs=1, shuffle="never", **how)
        by_hand, part = ml.train([x[b] for b in order], y[order], by_hand, options=told)
        losses += part.history["loss"].tolist()
    assert info.history["loss"].tolist() == losses
    for key, p in net.parameters.items():
        assert p.tobytes() == by_hand.parameters[key].tobytes(), key
