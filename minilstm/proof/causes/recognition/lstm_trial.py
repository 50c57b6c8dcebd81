"""Trial of a layout: the LSTM is run with the user's arrays, and its outputs are compared.
All 24 orders of the gates run at once, and those that disagree are dropped at the first step.

Some add 1 to what the forget gate's sigmoid takes; each order is tried with and without it.

Axes: O orders of the gates, each twice, B batch, T time, N = T B rows, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.activations import GATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMCache, LSTMState, lstm_backward, lstm_forward
from minilstm.proof.causes.recognition.arrangements import Arrangement, arrangements, numbered, same
from minilstm.proof.causes.recognition.lstm_layouts import Layout, Parts, layouts
from minilstm.proof.derivatives.problem import Array

Six = tuple[Array, Array, Array, Array, Array, Array]  # what `lstm_forward` takes
# Places of i, f, g, o among the user's four gates, and what is added to z_f.
ORDERS = tuple((places, one) for one in (0.0, 1.0) for places in permutations(range(4)))
TRIAL_SEQUENCES = 2  # of a batch that take part in the first trial; the rest can only confirm it
# A search ends after so many time steps, or after so many numbers of gates.
MOST_STEPS = 4000
MOST_NUMBERS = 3e8


class Output(NamedTuple):
    """What one of the user's outputs is."""

    kind: str  # "h" or "c" of all steps, "last h" or "last c"
    how: Arrangement  # into (T, B, H) or (B, H)


Reading = tuple[Output, Array]  # with the user's output as it is read


class FoundLSTM(NamedTuple):
    """A layout, an order of the gates and the meaning of the outputs that agree with the user."""

    layout: Layout
    order: tuple[int, ...]
    forget: float  # what is added to the forget gate's pre-activation
    outputs: tuple[Output, ...]


def find_lstm(
    arrays: Mapping[str, Array], outputs: Sequence[Array], tolerance: float
) -> FoundLSTM | None:
    """The layout in which the user's arrays give the user's outputs; None where there is none.

    The tolerance is relative to the largest entry of an output.
    """
    steps, numbers = 0, 0.0
    shapes = {name: a.shape for name, a in arrays.items()}
    for layout in layouts(shapes, [a.size for a in outputs]):
        T, B, _, H, _, _ = layout.sizes
        possible = [_readings(a, T, B, H) for a in outputs]
        if not all(possible):
            continue
        parts = layout.build(arrays)
        orders, taken = _sieve(parts, possible, tolerance)
        for order, forget in orders:
            read = _confirmed(parts, order, forget, possible, tolerance)
            if read is not None:
                return FoundLSTM(layout, order, forget, read)
        steps += taken
        numbers += taken * 4.0 * len(ORDERS) * H * min(B, TRIAL_SEQUENCES)
        if steps > MOST_STEPS or numbers > MOST_NUMBERS:
            return None
    return None


def _readings(output: Array, T: int, B: int, H: int) -> list[Reading]:
    """What an output may be, from its shape."""
    steps, state = arrangements(output.shape, (T, B, H)), arrangements(output.shape, (B, H))
    found = [Output(kind, how) for how in steps for kind in ("h", "c")]
    found += [Output(kind, how) for how in state for kind in ("last h", "last c")]
    return [(one, one.how.apply(output)) for one in found]


def _sieve(
    parts: Parts, possible: Sequence[list[Reading]], tolerance: float
) -> tuple[list[tuple[tuple[int, ...], float]], int]:
    """Orders of the gates that agree on a few sequences of the batch, and the steps it took."""
    few, last = slice(TRIAL_SEQUENCES), len(parts.x) - 1
    sigmoid = GATE_ACTIVATIONS["sigmoid"].forward
    x = parts.x[:, few]  # (T, B, D)
    B, (_, H, _) = x.shape[1], parts.W.shape
    W, R = parts.W.reshape(4 * H, -1), parts.R.reshape(4 * H, H)
    fixed = (x @ W.T).reshape(*x.shape[:2], 4, H) + sum(parts.biases, np.zeros(()))
    places = np.array([order for order, _ in ORDERS])  # (O, 4)
    one = np.array([added for _, added in ORDERS])[:, None, None]  # (O, 1, 1)
    h, c = (
        np.zeros((len(places), B, H)) + (0 if s is None else s[few]) for s in (parts.h0, parts.c0)
    )  # (O, B, H)
    for t in range(len(x)):
        z = fixed[t] + (h @ R.T).reshape(-1, B, 4, H)  # (O, B, 4, H)
        z = np.take_along_axis(z, places[:, None, :, None], axis=2)  # i, f, g, o
        i, f, g, o = (z[:, :, k] for k in range(4))  # (O, B, H)
        c = sigmoid(f + one) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        alive = np.ones(len(places), bool)  # (O,)
        for readings in possible:
            alive &= _any_agrees(readings, h, c, t, last, tolerance)
        places, one, h, c = places[alive], one[alive], h[alive], c[alive]
        if not len(places):
            break
    added = one[:, 0, 0].tolist()
    return [(tuple(p), a) for p, a in zip(places.tolist(), added, strict=True)], t + 1


def _any_agrees(
    readings: list[Reading], h: Array, c: Array, t: int, last: int, tolerance: float
) -> NDArray[np.bool_]:
    """For each order, whether one of the readings of an output agrees at step t."""
    agrees = np.zeros(len(h), bool)  # (O,)
    for (kind, _), values in readings:
        if kind.startswith("last") and t < last:
            return np.ones(len(h), bool)  # nothing is known before the last step
        wanted = values if kind.startswith("last") else values[t]  # (B, H)
        ours = h if kind.endswith("h") else c  # (O, B, H)
        difference = np.abs(ours - wanted[: h.shape[1]]).max(axis=(1, 2))
        agrees |= difference <= tolerance * np.abs(values).max()
    return agrees


def _confirmed(
    parts: Parts, order: Sequence[int], forget: float, possible: Sequence[list[Reading]],
    tolerance: float,
) -> tuple[Output, ...] | None:  # fmt: skip
    """What each output is, by the NumPy twin on all of the batch; None where one is unlike."""
    (T, B, _), H = parts.x.shape, parts.W.shape[1]
    h, state, cache = forward_of(parts, order, forget)
    ours = {
        "h": h.reshape(T, B, H), "c": cache.c[B:].reshape(T, B, H),
        "last h": state.hidden, "last c": state.cell,
    }  # fmt: skip
    read = []
    for readings in possible:
        right = [one for one, values in readings if same(ours[one.kind], values, tolerance)]
        if not right:
            return None
        read.append(right[0])
    return tuple(read)


def forward_of(
    parts: Parts, order: Sequence[int], forget: float
) -> tuple[Array, LSTMState, LSTMCache]:
    """What `lstm_forward` gives for the arrays of any layout, in float64."""
    return lstm_forward(*canonical(parts, order, forget), np.full(len(parts.x), parts.x.shape[1]))


def canonical(parts: Parts, order: Sequence[int], forget: float) -> Six:
    """x, h0, c0, W, R, b as `lstm_forward` takes them."""
    (T, B, D), (_, H, _), gates = parts.x.shape, parts.W.shape, list(order)
    zero = np.zeros((B, H))
    b = sum((a[gates].reshape(4 * H) for a in parts.biases), np.zeros(4 * H))
    b[H : 2 * H] += forget
    h0, c0 = (zero if s is None else s for s in (parts.h0, parts.c0))
    W, R = parts.W[gates].reshape(4 * H, D), parts.R[gates].reshape(4 * H, H)
    arrays = (parts.x.reshape(T * B, D), h0, c0, W, R, b)
    x, h0, c0, W, R, b = (np.ascontiguousarray(a, np.float64) for a in arrays)
    return x, h0, c0, W, R, b


def replay_lstm(
    found: FoundLSTM,
    arrays: Mapping[str, Array],
    upstream: Sequence[Array],
    wrong: Callable[..., Any] = lstm_backward,
) -> dict[str, Array]:
    """Gradients by any backward pass with the contract of `lstm_backward`.

    They have the user's names and shapes; `upstream` has a gradient for each output.
    """
    T, B, D, H, _, _ = found.layout.sizes
    six = canonical(found.layout.build(arrays), found.order, found.forget)
    dh, dc = np.zeros((T, B, H)), np.zeros((T, B, H))
    last_h, last_c = np.zeros((B, H)), np.zeros((B, H))
    kinds = {kind for kind, _ in found.outputs}
    into = {"h": dh, "c": dc, "last h": last_h, "last c": last_c}
    for (kind, how), up in zip(found.outputs, upstream, strict=True):
        into[kind][...] += how.apply(np.asarray(up, np.float64))
    if "h" not in kinds and "last c" not in kinds:  # the last output alone comes from above
        dh[-1], last_h = dh[-1] + last_h, np.zeros((B, H))
    last_c = last_c + dc[-1]
    with np.errstate(all="ignore"):
        total = _backward(wrong, six, dh.reshape(T * B, H), LSTMState(last_h, last_c), T)
        # A cell state is an output at every step only by being the last one of a shorter sequence.
        for t in range(T - 1) if "c" in kinds else ():
            cut = six[0][: (t + 1) * B], *six[1:]
            state = LSTMState(np.zeros((B, H)), dc[t])
            part = _backward(wrong, cut, np.zeros(((t + 1) * B, H)), state, t + 1)
            part[0] = np.concatenate([part[0], np.zeros(((T - t - 1) * B, D))])
            total = [a + b for a, b in zip(total, part, strict=True)]
    return _scattered(found, arrays, total)


def _backward(
    wrong: Callable[..., Any], six: Six, dh: Array, dstate: LSTMState, T: int
) -> list[Array]:
    B = len(six[1])
    _, _, cache = lstm_forward(*six, np.full(T, B))
    dx, grads = wrong(dh, dstate, cache)
    return [dx, *grads]


def _scattered(
    found: FoundLSTM, arrays: Mapping[str, Array], total: Sequence[Array]
) -> dict[str, Array]:
    """Gradients of the arrays that `lstm_forward` takes, sent back to the user's arrays."""
    numbers = numbered(arrays)
    parts, gates = found.layout.build(numbers), list(found.order)
    dx, dW, dR, db, dh0, dc0 = total
    flat = np.zeros(1 + sum(a.size for a in arrays.values()))
    pairs = [(parts.x, dx), (parts.W[gates], dW), (parts.R[gates], dR)]
    pairs += [(bias[gates], db) for bias in parts.biases]
    pairs += [(p, d) for p, d in ((parts.h0, dh0), (parts.c0, dc0)) if p is not None]
    for places, gradient in pairs:
        flat[places.ravel()] = gradient.ravel()
    return {name: flat[places] for name, places in numbers.items()}
