"""What a recurrent layer does inside: its gates and cells, and the gradients that reach its states.
Both are computed by the NumPy twins, as the page of the equations has them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import load_backend
from minilstm.functional.activations import STATE_ACTIVATIONS
from minilstm.functional.bilstm import BiLSTMCache
from minilstm.functional.lstm import LSTMCache, LSTMState, lstm_backward
from minilstm.layers import Recurrent, Signal
from minilstm.network.examples import as_answers, as_batches, classes_by_output
from minilstm.network.graph.wiring import Port, ancestors
from minilstm.network.passes.heads import find_heads, run_head
from minilstm.network.passes.mini_batch import mini_batch
from minilstm.network.passes.walk import run_backward, run_forward

Array = NDArray[Any]

MOST_ENDS = 32  # steps whose losses are followed back; of a longer sequence evenly spaced ones


class Gates(NamedTuple):
    """Gates, cell and output of a layer at each step of a sequence.

    With both directions the first H columns belong to the forward one, and every row to its step.
    """

    i: Array  # (T, H) input gate, 0 to 1
    f: Array  # (T, H) forget gate, 0 to 1
    g: Array  # (T, H) cell candidate
    o: Array  # (T, H) output gate, 0 to 1
    c: Array  # (T, H) cell state
    h: Array  # (T, H) hidden state


class GradientFlow(NamedTuple):
    """How much gradient reaches the states of a layer.

    All are Euclidean norms over the H units (2H with both directions).
    """

    hidden: Array  # (T,) of dL/dh_t, of the whole loss
    cell: Array  # (T,) of dL/dc_t
    spans: Array  # (T,) of dL_s/dh_{s-k}, by the span back k: the mean over the steps s followed


def find_recurrent(net: Any, layer: str) -> int:
    """The node of a recurrent layer by its name; raises ValueError where there is none."""
    names = {a.name: n for n, a in enumerate(net.layers) if isinstance(a, Recurrent)}
    if layer not in names:
        raise ValueError(
            f"layer is {layer!r}, but the recurrent layers of the network are {list(names)}; name "
            "one of them."
        )
    return names[layer]


def gates_of(net: Any, x: Any, layer: str) -> Gates | list[Gates]:
    """Gates and states of a layer; see `Network.gates`."""
    n = find_recurrent(net, layer)
    batches = as_batches(net.wiring, x, net.dtype, net.data_format, others=net.others)
    found = []
    for b in range(len(batches[0].sequences)):
        signals = [_signal(batch.sequences[b]) for batch in batches]
        caches = _forward(net, signals, ancestors(net.wiring, [n])).caches
        found.append(_gates(caches[n]))
    return found[0] if batches[0].form == "single" else found


def gradient_flow_of(net: Any, x: Any, y: Any, layer: str) -> GradientFlow:
    """Gradients that reach the states of a layer; see `Network.gradient_flow`."""
    n = find_recurrent(net, layer)
    heads = find_heads(net.wiring, net.losses)
    batches = as_batches(net.wiring, x, net.dtype, net.data_format, others=net.others)
    if batches[0].form != "single":
        raise ValueError("x holds several sequences; give one, (T, D), and its answers.")
    classes = classes_by_output(net.classes, net.wiring, heads)
    dtype = net.dtype
    answers = as_answers(net.wiring, heads, batches[0], y, classes, dtype=dtype)
    batch = mini_batch(heads, [b.sequences for b in batches], answers.targets, [None] * len(heads))
    swallowed = {k for head in heads for k in head.swallowed}
    nodes = [k for k in range(len(net.wiring.nodes)) if k not in swallowed]
    done = _forward(net, batch.signals, nodes, [head.source.node for head in heads])
    T, backend = len(batch.signals[0].rows), load_backend("numpy")
    after = {k: cache for k, cache in done.caches.items() if k > n}

    def arriving(weights: list[Array | None]) -> tuple[Array | None, LSTMState | None]:
        """Gradient of the layer's outputs (T, H), or of its last state (1, H)."""
        dys: dict[Port, Array] = {}
        for head, targets, weight, divisor in zip(
            heads, batch.targets, weights, batch.divisors, strict=True
        ):
            how = head, net.layers, net.by_layer(), backend, done.values[head.source].rows
            dy = run_head(*how, targets, weight, divisor, False).dy
            assert dy is not None  # of rows that a layer put out
            dys[head.source] = dys[head.source] + dy if head.source in dys else dy
        left: dict[Port, Array] = {}
        run_backward(
            net.wiring, backend, dys, {}, dict(after), need_dx=[True] * len(net.layers), batch=1,
            rows=T, left=left,
        )  # fmt: skip
        dy = left.get(Port(n, 0))
        if net.layers[n].keeps_last and dy is not None:
            return None, LSTMState(dy, np.zeros_like(dy))
        return dy, None

    hidden, cell = _norms(done.caches[n], *arriving(list(batch.weights)), T)
    ends = [T - 1]
    if all(head.steps for head in heads) and not net.layers[n].keeps_last:
        ends = sorted({int(s) for s in np.linspace(0, T - 1, min(T, MOST_ENDS))})
    total, count = np.zeros(T), np.zeros(T, int)  # (T,) by span back
    for s in ends:
        alone = np.zeros(T, net.dtype)
        alone[s] = 1
        weights = [alone if head.steps else None for head in heads]
        norms, _ = _norms(done.caches[n], *arriving(weights), T)  # (T,)
        total[: s + 1] += norms[s::-1]
        count[: s + 1] += 1
    return GradientFlow(hidden, cell, total / np.maximum(count, 1))


def _signal(rows: Array) -> Signal:
    return Signal(rows, np.ones(len(rows), np.int64))


def _forward(net: Any, signals: Any, nodes: Any, want: Any = ()) -> Any:
    """Caches of some nodes for one sequence, by the NumPy twins."""
    backend = load_backend("numpy")
    how: dict[str, Any] = {"dtype": net.dtype, "nodes": nodes, "want": want}
    return run_forward(net.wiring, backend, net.by_layer(), signals, {}, **how)


def _directions(cache: Any) -> list[tuple[LSTMCache, slice]]:
    """The LSTM of each direction, and how its rows are put in the order of time."""
    if isinstance(cache, BiLSTMCache):
        return [(cache.ahead, slice(None)), (cache.back, slice(None, None, -1))]
    return [(cache, slice(None))]


def _gates(cache: Any) -> Gates:
    parts = []
    for lstm, order in _directions(cache):
        blocks = np.split(lstm.gates, 4, axis=1)  # (T, H) each
        parts.append([a[order].copy() for a in (*blocks, lstm.c[1:], lstm.h[1:])])
    return Gates(*(np.concatenate(same, axis=1) for same in zip(*parts, strict=True)))


def _norms(cache: Any, dy: Array | None, last: LSTMState | None, T: int) -> tuple[Array, Array]:
    """Norms of dL/dh_t and dL/dc_t (T,), from the gradient of the outputs or of the last state."""
    squares = np.zeros((2, T))
    for k, (lstm, order) in enumerate(_directions(cache)):
        H = lstm.R.shape[1]
        half = slice(k * H, (k + 1) * H)
        dh = None if dy is None else dy[:, half][order]  # (T, H)
        state = None if last is None else LSTMState(last.hidden[:, half], last.cell[:, half])
        for t, (dh_t, dc_t) in _through_time(lstm, dh, state):
            row = range(T)[order][t]
            squares[0, row] += float(dh_t @ dh_t)
            squares[1, row] += float(dc_t @ dc_t)
    hidden, cell = np.sqrt(squares)
    return hidden, cell


def _through_time(cache: LSTMCache, dh: Array | None, last: LSTMState | None) -> Any:
    """Each step from the last on, with all the gradient of its h_t and c_t (H,) each.

    A step is the LSTM's own backward pass over a sequence of one step.
    """
    H, one = cache.R.shape[1], np.ones(1, np.int64)
    zero = np.zeros((1, H), cache.h.dtype)
    later = last or LSTMState(zero, zero)
    function = STATE_ACTIVATIONS[cache.state_activation]
    for t in range(len(cache.x) - 1, -1, -1):
        span = slice(t, t + 1)
        step = cache._replace(
            x=cache.x[span], gates=cache.gates[span], active=one,
            h=cache.h[t : t + 2], c=cache.c[t : t + 2],
        )  # fmt: skip
        arrived = later.hidden if dh is None else later.hidden + dh[span]  # (1, H)
        bent = function.forward(step.c[1:])  # (1, H)
        dc = later.cell + arrived * step.gates[:, 3 * H :] * function.derivative(bent)  # (1, H)
        yield t, (arrived[0], dc[0])
        _, grads = lstm_backward(None, LSTMState(arrived, later.cell), step, need_dx=False)
        later = LSTMState(grads.h0, grads.c0)
