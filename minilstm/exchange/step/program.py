"""A network's time step as a list of operations on vectors of float32, each with its arrays.
Every emitter walks this list; whatever is not on it cannot leave the house.

Every sum runs over k = 0, 1, ... in this order, one product and one sum at a time, so the bits of
a step are the same in every language that rounds each operation to float32. Weights stand
transposed, inputs first: then a compiler computes many outputs at once, and no sum is torn apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import check_whole, is_whole, shown
from minilstm.layers import (
    LSTM,
    BatchNormalization,
    BiLSTM,
    ClassificationOutput,
    Dropout,
    FullyConnected,
    Layer,
    RegressionOutput,
    ReLU,
    SequenceInput,
    Sigmoid,
    Softmax,
)
from minilstm.network.network import Network

Array = NDArray[Any]


class Weights(NamedTuple):
    """A matrix, inputs first; whole numbers have one factor for each output."""

    values: Array  # (K, M) float32, int16 or int8
    factors: Array | None  # (M,) float32; None for float32 values


class Normalize(NamedTuple):
    """y = ((x - high) - low) * factor + offset.

    high + low is the shift in the digits of two float32, so that numbers far from zero, such as
    times, keep the digits in which they differ.
    """

    high: Array  # (D,)
    low: Array  # (D,)
    factor: Array  # (D,)
    offset: Array  # (D,)


class Cell(NamedTuple):
    """An LSTM: gates in blocks i, f, g, o; see `minilstm.functional.lstm`."""

    W: Weights  # (D, 4H)
    R: Weights  # (H, 4H)
    b: Array  # (4H,)
    h0: Array  # (H,)
    c0: Array  # (H,)
    gate: str  # "sigmoid" or "hard-sigmoid"
    state: str  # "tanh", "softsign" or "relu"


class Both(NamedTuple):
    """A bidirectional LSTM: one cell reads the window forward, one back."""

    forward: Cell
    back: Cell


class Dense(NamedTuple):
    """y = W x + b."""

    W: Weights  # (K, M)
    b: Array  # (M,)


class Scale(NamedTuple):
    """y = x * factor + offset: batch normalisation with its trained statistics."""

    factor: Array  # (C,)
    offset: Array  # (C,)


class Pointwise(NamedTuple):
    """A function of a vector: "relu", "sigmoid" or "softmax"."""

    function: str


Operation = Normalize | Cell | Both | Dense | Scale | Pointwise


class Step(NamedTuple):
    """One operation in its place."""

    operation: Operation
    name: str  # of the layer
    inputs: int
    outputs: int
    last: bool  # whether it gives one row for a whole window: its last state


class Program(NamedTuple):
    """All operations of a network, in order."""

    steps: tuple[Step, ...]
    inputs: int  # D
    outputs: int  # C
    window: int | None  # steps of a window; None where the network takes one step at a time
    classes: tuple[str, ...] | None = None  # (C,), or targets; None where they have no names
    features: tuple[str, ...] | None = None  # (D,)
    ids: tuple[str, ...] = ()  # columns of the data that told recordings apart
    others: tuple[str, ...] = ()  # columns of the data that were no features, ids among them

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The LSTMs that carry a state from step to step."""
        return tuple(s.operation for s in self.steps if isinstance(s.operation, Cell))

    @property
    def every_cell(self) -> tuple[Cell, ...]:
        """All LSTMs, of a bidirectional one both."""
        found = (s.operation for s in self.steps if isinstance(s.operation, (Cell, Both)))
        return tuple(c for op in found for c in ([op] if isinstance(op, Cell) else op))

    @property
    def bytes(self) -> int:
        """Those of the arrays of all operations."""
        return sum(int(a.nbytes) for s in self.steps for a in arrays_of(s.operation))

    @property
    def functions(self) -> list[str]:
        """The functions that the operations need, sorted."""
        points = {s.operation.function for s in self.steps if isinstance(s.operation, Pointwise)}
        return sorted(points.union(*({c.gate, c.state} for c in self.every_cell)))

    @property
    def reads_back(self) -> bool:
        """Whether a layer reads a window from its end, so that there are no single steps."""
        return any(isinstance(s.operation, Both) for s in self.steps)


_CAN = "LSTM, BiLSTM, FullyConnected, Softmax, Sigmoid, ReLU, BatchNormalization and Dropout"
LONGEST = 100_000  # steps of a window
#: bits of a whole number
BITS = {"int16": 15, "int8": 7}


def started_anew(net: Any) -> Network:
    """The network as a file has it: from its first state, for (T, D) of any length.

    Raises ValueError where it is no network, or one of complex numbers.
    """
    if not isinstance(net, Network):
        raise ValueError(
            f"net is {type(net).__name__}; give a Network, the first of the two that ml.train "
            "returns."
        )
    if net.dtype.kind == "c":
        raise ValueError(
            f"the network computes in {net.dtype}, which no file holds; build it with "
            "dtype='float64', from the real parts of its parameters."
        )
    graph = net.wiring.graph
    graph = graph.named([replace(a, min_length=1) if isinstance(a, SequenceInput) else a
                         for a in graph.layers])  # fmt: skip
    return Network(graph, net.parameters, statistics=net.statistics, classes=net.classes,
                   dtype=net.dtype, losses=net.losses, about=net.about)  # fmt: skip


def program_of(
    net: Network, weights: str = "float32", window: int | None = None, bits: int | None = None
) -> Program:
    """The step of a network.

    Parameters
    ----------
    net : a chain of layers with one input of vectors
    weights : "float32", or "int16" or "int8" with a factor for each row; biases stay float32
    window : steps of a window; a network with a BiLSTM needs one
    bits : of a whole number with its sign, fewer than those of `weights`; None takes them all

    Raises
    ------
    ValueError
        A layer, an option or a value cannot be written so; the message names it.

    Examples
    --------
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(2), Softmax()]
    >>> program = program_of(Network(layers, rng=np.random.default_rng(0)))
    >>> [(type(s.operation).__name__, s.inputs, s.outputs) for s in program.steps]
    [('Cell', 3, 8), ('Dense', 8, 2), ('Pointwise', 2, 2)]
    """
    if window is not None:
        check_whole("window", window, 1, LONGEST)
        window = int(window)
    most = BITS.get(weights, 0) + 1
    if bits is not None and not (is_whole(bits, 2) and bits <= most):
        wanted = f"; give a whole number from 2 to {most}, or None for all of them."
        if weights not in BITS:
            wanted = ", but weights is 'float32'; choose weights='int8' or 'int16'."
        raise ValueError(f"bits is {shown(bits)}{wanted}")
    matrix = _matrix(weights, most if bits is None else int(bits))
    _check_chain(net)
    steps: list[Step] = []
    by_layer = net.by_layer()
    for node in net.wiring.nodes:
        layer = node.layer
        arrays = {k: np.asarray(a, np.float64) for k, a in by_layer[layer.name].items()}
        with np.errstate(over="ignore"):  # it is told
            operations = _operations(layer, arrays, matrix)
        for operation in operations:
            if not all(np.isfinite(a).all() for a in arrays_of(operation)):
                raise ValueError(
                    f"{layer.title} works with a number that float32 cannot hold; train it again "
                    "with a lower learning rate, or scale its data."
                )
            inputs = node.in_shapes[0][0] if node.in_shapes else node.shapes[0][0]
            steps.append(Step(operation, layer.name, inputs, node.shapes[0][0], layer.keeps_last))
    both = next((s.name for s in steps if isinstance(s.operation, Both)), None)
    if both is not None and window is None:
        raise ValueError(
            f"the layer {both!r} reads a sequence from both ends, so it needs a whole window; give "
            "window=128, say, the steps of one."
        )
    if not steps:
        raise ValueError(
            f"the network gives what it gets, as it has none of these: {_CAN}; add a layer."
        )
    first = net.wiring.nodes[0].shapes[0][0]
    outputs = net.wiring.shape(net.wiring.outputs[0])[0]
    return Program(tuple(steps), first, outputs, window, *_names(net))


def arrays_of(part: Any) -> Iterator[Array]:
    """The arrays of an operation, those of its parts as well."""
    if isinstance(part, np.ndarray):
        yield part
    elif isinstance(part, tuple):
        for inner in part:
            yield from arrays_of(inner)


def _names(net: Network) -> tuple[Any, ...]:
    """What is known of names: classes, features, columns of ids, columns that are no features."""
    about = net.about or {}
    described = about.get("description") or {}
    ids = [described.get(key) for key in ("id_column", "group_column")]
    layer: Any = net.layers[net.wiring.inputs[0]]
    classes = about.get("targets") if net.classes is None else np.asarray(net.classes).tolist()
    features = layer.feature_names or [f["name"] for f in about.get("features") or ()]
    return (
        tuple(map(str, classes)) if classes else None,
        tuple(features) if features else None,
        tuple(name for name in ids if name),
        tuple(sorted(net.others)),
    )


def _check_chain(net: Network) -> None:
    """Refuse what is no chain of layers over vectors."""
    nodes = net.wiring.nodes
    if len(net.wiring.inputs) > 1 or len(net.wiring.outputs) > 1:
        raise ValueError(
            "the network has several inputs or outputs, but an exported one has one of each; "
            "export the part between one input and one output as a network of its own."
        )
    for n, node in enumerate(nodes):
        ports = [port for port in node.inputs if port is not None]
        one_way = len(node.shapes) == 1 and (
            n == 0 or [(p.node, p.output) for p in ports] == [(n - 1, 0)]
        )
        vectors = all(len(shape) == 1 for shape in (*node.in_shapes, *node.shapes))
        known = isinstance(node.layer, _KNOWN) and one_way and vectors
        if not known or getattr(node.layer, "has_state_inputs", False):
            raise ValueError(
                f"{node.layer.title} cannot be exported: a chain of {_CAN} over vectors can; "
                "export the part of the network that is one."
            )


def _operations(
    layer: Layer, p: dict[str, Array], matrix: Callable[[Array], Weights]
) -> list[Operation]:
    """What a layer does in one step; nothing where it only acts in training."""
    if isinstance(layer, SequenceInput):
        return _normalization(layer)
    if isinstance(layer, (LSTM, BiLSTM)):
        cells = [_cell(layer, p, matrix, d) for d in range(layer.directions)]
        return [cells[0] if len(cells) == 1 else Both(*cells)]
    if isinstance(layer, FullyConnected):
        return [Dense(matrix(p["weights"]), _single(p["bias"]))]
    if isinstance(layer, BatchNormalization):
        factor = p["scale"] / np.sqrt(p["trained_variance"] + layer.epsilon)
        return [Scale(_single(factor), _single(p["offset"] - p["trained_mean"] * factor))]
    return [] if isinstance(layer, PASSING) else [Pointwise(layer.kind)]


#: layers that give what they get when a network predicts
PASSING = (Dropout, ClassificationOutput, RegressionOutput)
_KNOWN = (
    SequenceInput, LSTM, BiLSTM, FullyConnected, BatchNormalization, ReLU, Sigmoid, Softmax,
    *PASSING,
)  # fmt: skip


def _normalization(layer: SequenceInput) -> list[Operation]:
    if callable(layer.normalization):
        raise ValueError(
            f"{layer.title} normalises by a function, which no file can hold; choose an equation, "
            "such as 'zscore', or normalise the data before training."
        )
    affine = layer.affine()
    if affine is None:
        return []
    shift = np.broadcast_to(affine.shift, layer.shape).astype(np.float64)  # (D,)
    factor = np.ones(layer.shape) if affine.scale is None else 1.0 / affine.scale
    offset = 0.0 if affine.offset is None else affine.offset
    high = shift.astype(np.float32)
    low = _single(shift - high)
    full = [_single(np.broadcast_to(a, layer.shape)) for a in (factor, offset)]
    return [Normalize(high, low, *full)]


def _cell(
    layer: LSTM | BiLSTM, p: dict[str, Array], matrix: Callable[[Array], Weights], direction: int
) -> Cell:
    """One direction of a recurrent layer."""
    H = layer.num_hidden_units
    rows = slice(direction * 4 * H, (direction + 1) * 4 * H)
    units = slice(direction * H, (direction + 1) * H)
    h0, c0 = (
        np.zeros(H, np.float32) if a is None else _single(np.asarray(a, np.float64)[units])
        for a in (layer.hidden_state, layer.cell_state)
    )
    names = ("input_weights", "recurrent_weights")
    W, R = (matrix(p[name][rows]) for name in names)
    return Cell(
        W, R, _single(p["bias"][rows]), h0, c0,
        layer.gate_activation_function, layer.state_activation_function,
    )  # fmt: skip


def _single(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32)


def _matrix(kind: str, bits: int) -> Callable[[Array], Weights]:
    """How a matrix (M, K) is written: as it is, or as whole numbers with a factor a row."""

    def plain(rows: Array) -> Weights:
        return Weights(_single(rows.T), None)

    def whole(rows: Array) -> Weights:
        most = 2 ** (bits - 1) - 1
        # Largest magnitude of a row; a row of zeros has any factor.
        size = np.abs(rows).max(axis=1)  # (M,)
        # A factor below the normal numbers has few digits left.
        least = np.finfo(np.float32).tiny
        factors = _single(np.maximum(np.where(size > 0, size, 1.0) / most, least))  # (M,)
        numbers = np.round(rows / factors[:, None].astype(np.float64))  # (M, K)
        return Weights(
            np.ascontiguousarray(np.clip(numbers, -most, most).T, np.dtype(kind)), factors
        )

    return plain if kind == "float32" else whole
