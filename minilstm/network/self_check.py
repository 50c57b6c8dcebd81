"""The self-test of a model file: an input, the scores that were saved for it, and how near is near.
Machines round differently, and a network may enlarge that: how much, it tells by itself."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import load_backend
from minilstm.layers import Signal
from minilstm.layers.base import count
from minilstm.network.graph.wiring import Wiring

Array = NDArray[Any]

TEST_STEPS = 16
# Of scores between 0 and 1: thousands of roundings, and far below any visible change.
LEAST_TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
DRAWS = 8  # times that every weight is moved by one rounding, up or down
MARGIN = 10.0  # another machine moves scores less than so many times as far as the furthest draw
# A layer may put out so many numbers in the self-test, or so many for each number of the file.
MOST_NUMBERS, MOST_FOR_EACH = 2**24, 256


def draw_inputs(net: Any) -> list[Array]:
    """Numbers (16, *shape) for each input, such as the network has learned from.

    They are float64 where the input normalises them, else of the network's dtype.
    """
    rng = np.random.default_rng(0)
    inputs = []
    for n in net.wiring.inputs:
        layer = net.layers[n]
        x = rng.standard_normal((TEST_STEPS, *layer.shape))  # (16, *shape)
        mean, least, most = layer.mean, layer.min, layer.max
        if mean is not None:
            deviation = 1.0 if layer.standard_deviation is None else layer.standard_deviation
            x = mean + x * deviation  # where the network has learned
        elif least is not None and most is not None:
            x = least + (most - least) / (1 + np.exp(-x))
        inputs.append(x.astype(np.float64 if layer.normalizes else net.dtype))
    return inputs


def numpy_scores(net: Any, inputs: Sequence[Array]) -> list[Array]:
    """Outputs for one sequence (T, *shape), on the NumPy backend, whichever is in force."""
    signals = [Signal(x, np.ones(len(x), np.int64)) for x in inputs]
    with np.errstate(all="ignore"):  # what is not finite is refused by those who ask
        output = net.forward(signals, backend=load_backend("numpy"))[0]
    return [output.rows] if isinstance(output, Signal) else [a.rows for a in output]


def score_shapes(wiring: Wiring) -> list[tuple[int, ...]]:
    """Shape of the scores of each output: (16, *shape), or (1, *shape) of a last step."""
    ends = [wiring.nodes[n] for n in wiring.outputs]
    return [(TEST_STEPS if end.steps[0] else 1, *end.shapes[0]) for end in ends]


def check_extent(wiring: Wiring, arrays: Sequence[Array]) -> None:
    """Raise ValueError where a small file asks for a large computation, before it begins."""
    most = max(MOST_NUMBERS, MOST_FOR_EACH * sum(a.size for a in arrays))
    for node in wiring.nodes:
        padded = [node.layer.padded_shape(shape) for shape in node.in_shapes[:1]]
        numbers = TEST_STEPS * max(map(count, [*node.shapes, *padded]))
        if numbers > most:
            raise ValueError(
                f"{node.layer.title} needs more than {most:,} numbers in the self-test, far more "
                "than the file has"
            )


def check_scores(net: Any, inputs: Sequence[Array], saved: Sequence[Array]) -> str | None:
    """What is wrong with the scores of a loaded network, in words; None where nothing is."""
    outputs = numpy_scores(net, inputs)
    least = LEAST_TOLERANCE[net.dtype.name]
    if not all(np.isfinite(scores).all() for scores in outputs):
        return "it gives scores that are NaN or infinite"
    grown: list[Array] | None = None
    for k, (now, before) in enumerate(zip(outputs, saved, strict=True)):
        error = _moved(now, before)  # (rows,)
        if (error <= least).all():
            continue
        grown = _growth(net, inputs, outputs) if grown is None else grown
        allowed = np.maximum(least, MARGIN * grown[k])  # (rows,)
        beyond = error - allowed
        if not (beyond <= 0).all():
            n = int(beyond.argmax())
            return f"scores differ from the saved ones by {error[n]:.1e} (allowed {allowed[n]:.0e})"
    return None


def _growth(net: Any, inputs: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    """How far roundings of the input and the weights move each row of each output, (rows,) each.

    What is lost at one step stays lost: no row counts as nearer than a row before it.
    """
    rng = np.random.default_rng(0)

    def rounded(a: Array) -> Array:
        moved: Array = a + a * rng.choice([-1, 1], a.shape).astype(a.dtype) * np.finfo(a.dtype).eps
        return moved

    worst = [np.zeros(len(scores)) for scores in outputs]
    for _ in range(DRAWS):
        other = copy.copy(net)
        other.parameters = {k: rounded(p) for k, p in net.parameters.items()}
        moved = numpy_scores(other, [rounded(x) for x in inputs])
        for k, (one, two) in enumerate(zip(moved, outputs, strict=True)):
            worst[k] = np.maximum(worst[k], _moved(one, two))
    return [np.maximum.accumulate(row) for row in worst]


def _moved(scores: Array, before: Array) -> Array:
    """Largest difference in each row (rows,), relative to the largest number if that is above 1."""
    one, two = (a.reshape(len(a), -1).astype(np.float64) for a in (scores, before))
    size = max(1.0, float(np.abs(two).max()))
    with np.errstate(all="ignore"):
        difference: Array = np.abs(one / size - two / size).max(axis=1)
    return difference
