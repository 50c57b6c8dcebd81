"""Where a network ends in training: which rows each loss looks at.
A loss takes in the softmax before it, and the fully connected layer before that, where it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.layers import FullyConnected, Layer, RowLayer, Run
from minilstm.losses import CrossEntropy, Loss, find_loss, loss_of_output_layer
from minilstm.network.graph.wiring import OUTPUT_LAYERS, Port, Wiring

Array = NDArray[Any]


class Head(NamedTuple):
    """The end of one output of a network."""

    output: int  # node of the network's output
    loss: Loss
    source: Port  # whose rows the head starts from
    classifier: int | None  # fully connected node within the head
    fused: bool  # the loss takes in the activation before it
    swallowed: tuple[int, ...]  # nodes that do not run in training
    steps: bool  # a row a step; else a row a sequence
    columns: int  # numbers in a row of the output


class HeadResult(NamedTuple):
    """What some rows add to the loss, and its gradients."""

    loss: Any  # scalar; complex in a complex-step check
    correct: int  # rows whose largest score is the true class
    grads: dict[str, Array]  # of a classifier that ran within the head
    dy: Array | None  # of the rows that the head started from
    outputs: Array | None  # what the network puts out for the rows, if asked for


def find_heads(wiring: Wiring, losses: Sequence[Any] | None = None) -> tuple[Head, ...]:
    """The heads of a network, one for each output.

    `losses` has one for each output, as `minilstm.losses.find_loss` takes them; None asks the
    output layers, and takes cross-entropy for an output without one. Raises ValueError where a loss
    is given for an output layer, which has its own, or cross-entropy has no scores.
    """
    if losses is not None and len(losses) != len(wiring.outputs):
        names = [wiring.nodes[n].layer.name for n in wiring.outputs]
        raise ValueError(
            f"loss holds {len(losses)} losses, but the network has {len(names)} outputs, {names}; "
            "give one for each."
        )
    given = losses or [None] * len(wiring.outputs)
    return tuple(_head(wiring, n, loss) for n, loss in zip(wiring.outputs, given, strict=True))


def _head(wiring: Wiring, output: int, given: Any) -> Head:
    nodes = wiring.nodes
    layer = nodes[output].layer
    n, swallowed = output, []
    if layer.kind in OUTPUT_LAYERS:
        if given is not None:
            raise ValueError(
                f"a loss was given, but the output layer {layer.name!r} ({layer.label}) has its "
                "own; leave loss out, or remove the output layer."
            )
        loss = loss_of_output_layer(layer)
        swallowed.append(n)
        n = _feeder(wiring, n)
    else:
        loss = find_loss("crossentropy" if given is None else given)
    end = nodes[n].layer
    if isinstance(loss, CrossEntropy) and end.kind != "softmax":
        raise ValueError(
            f"the last layer is {end.name!r} ({end.label}), but loss='crossentropy' wants scores "
            "that sum to 1; end the network with Softmax()."
        )
    shape = wiring.shape(n)
    if len(shape) != 1:
        raise ValueError(
            f"the output {layer.name!r} has shape {shape} a step, but a loss wants vectors; put "
            "Flatten() or FullyConnected(...) at the end."
        )
    steps = nodes[n].steps[0]
    fused = end.kind == loss.fuses_with and len(wiring.users(n)) <= 1
    classifier = None
    if fused:
        swallowed.append(n)
        n = _feeder(wiring, n)
        vectors = [len(shape) for shape in nodes[n].in_shapes] == [1]
        dense = isinstance(nodes[n].layer, FullyConnected) and vectors
        if isinstance(loss, CrossEntropy) and dense and len(wiring.users(n)) == 1:
            classifier = n
            swallowed.append(n)
            n = _feeder(wiring, n)
    return Head(output, loss, Port(n, 0), classifier, fused, tuple(swallowed), steps, shape[0])


def _feeder(wiring: Wiring, n: int) -> int:
    port = wiring.nodes[n].inputs[0]
    assert port is not None  # the wiring has been checked
    return port.node


def run_head(
    head: Head,
    layers: Sequence[Layer],
    parameters: Any,
    backend: Backend,
    rows: Array,
    targets: Array,
    weights: Array | None,
    divisor: float,
    want_outputs: bool,
) -> HeadResult:
    """Loss and gradients of some rows (N, D) of the head's source.

    `layers` are those of the network, by node; `parameters` the arrays of each layer, by its name;
    `targets` and `weights` those of the same rows; `divisor` that of the whole batch. With
    `want_outputs` it also returns what the network puts out for the rows.
    """
    loss = head.loss
    if head.classifier is not None:
        name = layers[head.classifier].name
        W, b = parameters[name]["weights"], parameters[name]["bias"]
        if want_outputs:  # one function less at once, as the scores must exist
            logits, dense = backend.fully_connected_forward(rows, W, b)  # (N, C)
            rest = head._replace(classifier=None), layers, parameters, backend
            result = run_head(*rest, logits, targets, weights, divisor, want_outputs)
            dx, part = backend.fully_connected_backward(result.dy, dense)
            grads = {f"{name}/weights": part.W, f"{name}/bias": part.b}
            return result._replace(grads=grads, dy=dx)
        end = backend.classifier_loss(rows, W, b, targets, divisor, weights)
        grads = {f"{name}/weights": end.W, f"{name}/bias": end.b}
        return HeadResult(end.loss, end.correct, grads, end.dx, None)
    forward, backward = loss.functions(backend, head.fused)
    value, cache = forward(rows, targets, divisor, weights)
    outputs = rows if want_outputs else None
    if head.fused and want_outputs:
        ends = (layers[n] for n in head.swallowed)
        activation = next(layer for layer in ends if layer.kind == loss.fuses_with)
        assert isinstance(activation, RowLayer)  # it has no state
        outputs, _ = activation.forward(Run(backend), rows)  # (N, C)
    dy = backward(cache)
    correct = 0  # where targets are no classes
    if targets.ndim == 1:
        correct = int(backend.to_host((rows.real.argmax(axis=1) == targets).sum()))
    return HeadResult(value, correct, {}, dy, outputs)
