"""Running the layers of a network: forward is a walk along the wiring, backward the same reversed.
What flows into a layer from several users is added up; a layer that nothing reached is left out.

Axes: B batch, T time, N rows of a packed ragged batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Layer, Recurrent, RowLayer, Run, Signal, Training
from minilstm.network.graph.wiring import Port, Wiring

Array = NDArray[Any]
State = dict[str, LSTMState]
Parameters = Mapping[str, Mapping[str, Any]]  # of each layer, by its name


class Part(NamedTuple):
    """Which part of a batch runs: all of it, or a span of time."""

    row: int = 0  # number in the whole batch of the first row
    ending: slice | None = None  # sequences whose last step lies in the part; None means all
    key: int | None = None  # random bits of this training step; None means prediction
    across: Any = None  # see `minilstm.layers.Run`


WHOLE = Part()


class Forward(NamedTuple):
    """What a forward walk leaves."""

    values: dict[Port, Signal]  # outputs, of those nodes that nothing has used up
    state: State  # after each sequence's last step
    caches: dict[int, Any]  # of each node that ran, as `keep` says


def prepared(
    layers: Sequence[Layer],
    backend: Backend,
    parameters: Parameters,
    arrange: Callable[[Recurrent, Backend, Any], Any] = lambda layer, *how: layer.prepare(*how),
) -> Parameters:
    """Arrays of each layer by its name, those of recurrent layers arranged for many calls."""
    return {
        layer.name: arrange(layer, backend, parameters[layer.name])
        if isinstance(layer, Recurrent)
        else parameters[layer.name]
        for layer in layers
    }


def run_forward(
    wiring: Wiring,
    backend: Backend,
    parameters: Parameters,
    signals: Sequence[Signal],
    state: Mapping[str, LSTMState],
    *,
    dtype: Any = None,
    nodes: Collection[int] | None = None,
    part: Part = WHOLE,
    keep: str = "caches",
    kept: Mapping[int, Any] | None = None,
    want: Collection[int] = (),
) -> Forward:
    """Run layers over a packed batch, or over a span of it.

    Parameters
    ----------
    parameters : arrays of each layer, by its name: from `prepared`, unless caches are kept
    signals : one for each input of the network
    state : hidden and cell state before the first row, (B, H) each, by layer name; a layer that is
        not among them starts from its initial state
    dtype : of the network, into which its inputs bring their rows; None keeps that of the rows
    nodes : those that run; None means all
    part : which part of the batch this is
    keep : "caches" for `run_backward`, or "gates", from which recurrent layers are restored, or
        "nothing"; without caches a recurrent layer whose output nothing uses gives its state alone
    kept : the gates of some nodes, from which they are restored now
    want : nodes whose values stay to the end besides those that nothing uses
    """
    chosen = tuple(range(len(wiring.nodes)) if nodes is None else sorted(nodes))
    nobody_ends = part.ending is not None and part.ending.start == part.ending.stop
    values: dict[Port, Signal] = {}
    after: State = {}
    caches: dict[int, Any] = {}
    for stop in _route(wiring, chosen, tuple(want)):
        n, layer, name = stop.node, stop.layer, stop.layer.name
        if not stop.steps and not stop.keeps_last and nobody_ends:
            continue  # one row a sequence, but no sequence ends in this part
        if stop.enters is not None:
            taken: list[Any] = [signals[stop.enters]]
        else:
            taken = [None if port is None else values[port] for port in stop.inputs]
        if len(taken) == 1:
            x, active = taken[0]
            steps = (active,)
        else:
            x = tuple(None if signal is None else signal.rows for signal in taken)
            steps = tuple(signal.active for signal in taken if signal is not None)
        training = None if part.key is None else _training(part, name, stop.steps)
        run = Run(backend, parameters[name], steps, training, dtype=dtype, across=part.across)
        last: LSTMState | None = None
        if isinstance(layer, Recurrent):
            before = state.get(name)
            if kept is not None and n in kept:
                y, cache = layer.restore(run, x, before, kept[n])
            elif keep == "caches":
                y, last, cache = layer.forward(run, x, before)
            else:
                gates = keep == "gates"
                y, last, cache = layer.advance(run, x, before, keep=gates, need_output=stop.used)
        else:
            assert isinstance(layer, RowLayer)  # there are these two
            y, cache = layer.forward(run, x)
        if last is not None:
            after[name] = last
        if keep == "caches" or (keep == "gates" and stop.has_state):
            caches[n] = cache
        for port, rows in zip(stop.outputs, y if len(stop.outputs) > 1 else (y,), strict=False):
            if rows is None:
                continue  # nothing uses it
            if port.output == 0 and not stop.keeps_last:
                values[port] = Signal(rows, steps[0])
            else:  # one row a sequence
                if port.output == 0 and part.ending is not None:
                    rows = rows[part.ending]
                values[port] = Signal(rows, np.array([len(rows)], np.int64))
        for port in stop.spent:
            values.pop(port, None)
    return Forward(values, after, caches)


def run_backward(
    wiring: Wiring,
    backend: Backend,
    gradients: Mapping[Port, Array],
    dstate: Mapping[str, LSTMState],
    caches: dict[int, Any],
    *,
    need_dx: Sequence[bool],
    batch: int,
    rows: int,
    part: Part = WHOLE,
    spend_caches: bool = False,
    left: dict[Port, Array] | None = None,
) -> tuple[dict[str, Array], State, dict[int, Array]]:
    """Gradients of everything that ran, from gradients of some of its outputs.

    Parameters
    ----------
    gradients : of the loss with respect to outputs of nodes
    dstate : gradients with respect to the states after the last row, by layer name
    caches : from `run_forward`; emptied on the way, so memory falls
    need_dx : for each node, whether the gradient of its input is of use
    batch, rows : B and N of the part
    part : the part that ran
    spend_caches : caches may be overwritten
    left : gets what arrives at outputs of nodes without a cache

    Returns
    -------
    grads : of learnables, by "layer/parameter"
    dstate0 : of the states before the first row, by layer name
    dinputs : of what enters each node that data enter, where asked for
    """
    arrived: dict[Port, Array] = dict(gradients)
    grads: dict[str, Array] = {}
    dstate0: State = {}
    dinputs: dict[int, Array] = {}
    for n in sorted(caches, reverse=True):
        node, cache = wiring.nodes[n], caches.pop(n)
        layer, name = node.layer, node.layer.name
        douts = [arrived.pop(Port(n, k), None) for k in range(len(node.shapes))]
        later = dstate.get(name)
        some = douts[0] if later is None else later.hidden
        if layer.keeps_last and part.ending is not None and some is not None:
            short, full = douts[0], zeros(some, (batch, *node.shapes[0]))  # (B, H)
            if short is not None:
                full[part.ending] = short
            douts[0] = full
        if all(d is None for d in douts):
            if some is None:
                continue  # nothing of the loss depends on it
            size = rows if node.steps[0] else batch
            douts[0] = zeros(some, (size, *node.shapes[0]))
        run = Run(backend, need_dx=need_dx[n])
        dy = douts[0] if len(douts) == 1 else tuple(douts)
        if isinstance(layer, Recurrent):
            arriving = lengthened(later, batch)
            dx, layer_grads, first = layer.backward(run, dy, arriving, cache, spend_caches)
            if first is not None:
                dstate0[name] = first
        else:
            assert isinstance(layer, RowLayer)  # there are these two
            dx, layer_grads = layer.backward(run, dy, cache)
        del cache
        grads.update({f"{name}/{key}": g for key, g in layer_grads.items()})
        dxs = dx if len(node.inputs) > 1 else (dx,)
        if not node.inputs and dxs[0] is not None:
            dinputs[n] = dxs[0]
        for port, d in zip(node.inputs, dxs, strict=False):
            if port is not None and d is not None:
                arrived[port] = d if port not in arrived else arrived[port] + d
    if left is not None:
        left |= arrived
    return grads, dstate0, dinputs


def needed_gradients(wiring: Wiring, learning_layers: Collection[str]) -> list[bool]:
    """For each node, whether something before it learns, so that it must pass a gradient on."""
    learning: list[bool] = []
    need: list[bool] = []
    for node in wiring.nodes:
        need.append(any(learning[port.node] for port in node.inputs if port is not None))
        learning.append(need[-1] or node.layer.name in learning_layers)
    return need


def lengthened(state: LSTMState | None, B: int) -> LSTMState | None:
    """A gradient of states, with zeros for sequences that ended before it arose."""
    if state is None or len(state.hidden) == B:
        return state
    out = LSTMState(*(zeros(a, (B, a.shape[1])) for a in state))
    for target, source in zip(out, state, strict=True):
        target[: len(source)] = source
    return out


def first_states(states: Mapping[str, LSTMState], n: int) -> State:
    """States of the first n sequences, which are the longest: those that reach the next span."""
    return {name: LSTMState(s.hidden[:n], s.cell[:n]) for name, s in states.items()}


def write_states(final: State, after: Mapping[str, LSTMState]) -> None:
    """Overwrite the state of the sequences that reached a span: the first ones, at first all."""
    for name, (hidden, cell) in after.items():
        if name not in final:
            final[name] = LSTMState(hidden.copy(), cell.copy())
        final[name].hidden[: len(hidden)], final[name].cell[: len(cell)] = hidden, cell


def zeros(like: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape, in the dtype and the memory of another array."""
    return np.zeros_like(like, order="C", shape=shape)


def _training(part: Part, name: str, steps: bool) -> Training:
    """Random bits of a layer: those of the step, mixed with its name."""
    assert part.key is not None  # the caller has checked
    row = part.row if steps or part.ending is None else part.ending.start
    return Training((part.key * 0x9E3779B97F4A7C15 + _crc32(name)) % 2**64, row)


@lru_cache(maxsize=1024)
def _crc32(name: str) -> int:
    return zlib.crc32(name.encode())


class _Stop(NamedTuple):
    """A node on the way through a network, with all that is the same for every batch."""

    node: int
    layer: Layer
    keeps_last: bool
    has_state: bool  # of its own
    enters: int | None  # the input of the network that enters here
    inputs: tuple[Port | None, ...]
    steps: bool  # its output has a row a step
    outputs: tuple[Port, ...]
    used: bool  # some output has a user, or is wanted
    spent: tuple[Port, ...]  # outputs of nodes that nothing uses from here on


@lru_cache(maxsize=256)
def _route(wiring: Wiring, chosen: tuple[int, ...], want: tuple[int, ...]) -> tuple[_Stop, ...]:
    """The chosen nodes in order; `want` are those whose values stay."""
    feeds = {n: {port.node for port in wiring.nodes[n].inputs if port is not None} for n in chosen}
    last_user = {feeder: n for n in chosen for feeder in feeds[n]}
    used = {*last_user, *want}
    outputs = {n: tuple(Port(n, k) for k in range(len(wiring.nodes[n].shapes))) for n in chosen}
    stops = []
    for n in chosen:
        node = wiring.nodes[n]
        enters = wiring.inputs.index(n) if n in wiring.inputs else None
        spent = [f for f in feeds[n] if last_user[f] == n and f not in want]
        stops.append(
            _Stop(
                n,
                node.layer,
                node.layer.keeps_last,
                node.state_size > 0,
                enters,
                node.inputs,
                node.steps[0],
                outputs[n],
                n in used,
                tuple(port for f in spent for port in outputs[f]),
            )
        )
    return tuple(stops)
