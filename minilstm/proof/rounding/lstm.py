"""How far a result in low precision may be from the exact one: bounds that are computed, not tuned.
The exact values are those of a float64 run; every bound holds for sums in any order.

Source: N. Higham, Accuracy and Stability of Numerical Algorithms (2nd ed., 2002): the standard
model fl(x op y) = (x op y)(1 + d), |d| <= u (2.4), gamma_n = n u / (1 - n u) (lemma 3.1), sums and
inner products (3.5). A fused multiply-add only rounds less often. Underflow and overflow are left
out. The arrays given are taken as exact: round them to the low precision first.

Nothing of higher order is dropped: each line bounds its products of errors, and an activation's
Taylor remainder, from bounds that are known by then. The rounding of the float64 run is covered by
`SPARE`. Errors of early steps are carried through the recurrence with their signs and relations
(as a zonotope: L. Kuehn, 1998; A. Girard, 2005); the usual |R||error| forgets these and grows like
2^T for weights with which an LSTM in fact forgets its errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.activations import GATE_ACTIVATIONS, STATE_ACTIVATIONS
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray, pack, unpack

Array = NDArray[Any]
FLOAT32_ROUNDOFF = 2.0**-24  # unit roundoff
# Factor of every bound, for the rounding of the float64 run and of the bounds, of which parts are
# kept in float32.
SPARE = 1.02
# An old error that makes up less than this part of each sum is no longer followed.
FOLDED_PART = 0.02


class Accuracy(NamedTuple):
    """|computed - f(x)| <= u (relative |f(x)| + absolute), for every argument of any backend.

    Measured over all float32 for the kernels; NumPy forms a sigmoid as (1 + tanh(z/2)) / 2, which
    is accurate beside 1, not beside a small result.
    """

    relative: float
    absolute: float


SIGMOID, TANH = Accuracy(3.0, 2.5), Accuracy(4.0, 0.0)
EXP, LOG = Accuracy(5.2, 0.0), Accuracy(8.0, 0.0)
# Largest second derivatives: sigmoid'' is 1 / (6 sqrt 3) at most, tanh'' 4 / (3 sqrt 3).
_CURVE_SIGMOID, _CURVE_TANH = 0.09623, 0.76981


class LSTMErrors(NamedTuple):
    """Bounds of |computed - exact|, each of the shape of its result."""

    h: Array  # (N, H)
    hT: Array  # (B, H)
    cT: Array  # (B, H)
    dx: Array  # (N, D)
    dW: Array  # (4H, D)
    dR: Array  # (4H, H)
    db: Array  # (4H,)
    dh0: Array  # (B, H)
    dc0: Array  # (B, H)


def gamma(n: int, u: float = FLOAT32_ROUNDOFF) -> float:
    """n u / (1 - n u): the relative error of a product of n factors 1 + d (Higham, lemma 3.1)."""
    return n * u / (1 - n * u)


class _Value(NamedTuple):
    """An exact array and a bound of the error with which it is computed."""

    exact: Array
    error: Array

    @property
    def size(self) -> Array:
        """Bound of the computed magnitude."""
        size: Array = abs(self.exact) + self.error
        return size

    def times(self, other: _Value) -> _Value:
        """The product of two computed arrays, the product itself not rounded."""
        error = abs(self.exact) * other.error + self.error * other.size
        return _Value(self.exact * other.exact, error)


# The accuracy of each function, and a bound of |f(z + d) - f(z) - f'(z) d| for errors d: softsign''
# is 2 at most, and straight lines bend where one of their ends is within reach.
_FUNCTIONS: dict[str, tuple[Accuracy, Callable[[_Value], Array]]] = {
    "sigmoid": (SIGMOID, lambda z: _CURVE_SIGMOID / 2 * z.error**2),
    "tanh": (TANH, lambda z: _CURVE_TANH / 2 * z.error**2),
    "softsign": (Accuracy(2.1, 0.0), lambda z: z.error**2),
    "hard-sigmoid": (Accuracy(1.1, 1.1),
                     lambda z: 0.2 * z.error * (abs(abs(z.exact) - 2.5) <= z.error)),
    "relu": (Accuracy(0.0, 0.0), lambda z: z.error * (abs(z.exact) <= z.error)),
}  # fmt: skip
# What backward needs of one step, (H,) each: i, f, g, o, tanh_c, c_prev, h_prev.
_Step = tuple[_Value, _Value, _Value, _Value, _Value, _Value, _Value]


class _Errors:
    """The error of two arrays of H numbers, as a sum of independent parts of either sign.

    A block holds the parts that arose in one step: (2, H, 2H), the last axis counts them. Each
    part is known up to a factor of -1 to 1, so that the sums of magnitudes bound the error.
    """

    def __init__(self, H: int) -> None:
        self.blocks: list[Array] = []
        self.sums: list[Array] = [np.zeros((2, H))]  # of each block, (2, H); the first is of none

    @property
    def bound(self) -> Array:
        """Bounds of the two errors, (2, H)."""
        bound: Array = np.sum(self.sums, axis=0)
        return bound

    def carry(self, onward: Callable[[Array], tuple[Array, Array]]) -> Array:
        """Put every block through a step; returns the bound of what the step says it saw."""
        if not self.blocks:
            block = np.zeros((*self.sums[0].shape, 1), np.float32)
            return onward(block)[1]
        self.blocks, seen = map(list, zip(*map(onward, self.blocks), strict=True))
        self.sums[1:] = map(_sums, self.blocks)
        bound: Array = np.sum(seen, axis=0)
        return bound

    def add(self, first: Array, second: Array, through: Array | float = 0.0) -> None:
        """2H new parts, each in one place; those of the first array go to the second as well."""
        if self.blocks and (self.sums[1] <= FOLDED_PART * self.bound).all():
            # The oldest parts lose their relations, and count as one new part in each place.
            first, second = first + self.sums[1][0], second + self.sums[1][1]
            del self.blocks[0], self.sums[1]
        H = len(first)
        block = np.zeros((2, H, 2 * H), np.float32)
        np.fill_diagonal(block[0, :, :H], first)
        np.fill_diagonal(block[1, :, :H], through * first)
        np.fill_diagonal(block[1, :, H:], second)
        self.blocks.append(block)
        self.sums.append(_sums(block))


def lstm_error_bound(
    x: Array,
    h0: Array,
    c0: Array,
    W: Array,
    R: Array,
    b: Array,
    dh: Array | None = None,
    dstate: LSTMState | None = None,
    active: IntArray | None = None,
    u: float = FLOAT32_ROUNDOFF,
) -> LSTMErrors:
    """Bound the rounding errors of an LSTM's forward and backward pass.

    The arrays are as for `functional.lstm.lstm_forward`; `dh` (N, H) and `dstate`, (B, H) each, are
    the gradients of the loss with respect to every hidden output and to the final state, None for
    zero; `u` is the unit roundoff of the precision that is bounded. The bounds are float64, of
    |computed - exact| for each result of `lstm_forward` and `lstm_backward` with sigmoid and tanh;
    infinite where errors could grow without end. A pass of T steps of H units costs up to
    16 T^2 H^3 operations; fewer where errors die out.
    """
    x, h0, c0, W, R, b = (np.asarray(a, np.float64) for a in (x, h0, c0, W, R, b))
    active = np.ones(len(x), np.int64) if active is None else active  # (T,)
    B, H = h0.shape
    order = np.arange(B)
    dh = np.zeros((len(x), H)) if dh is None else np.asarray(dh, np.float64)  # (N, H)
    up = np.zeros((2, B, H)) if dstate is None else np.array(dstate, np.float64)  # (2, B, H)
    ends, starts, hs, dxs = [], [], [], []
    sums = [_Value(np.zeros(s), np.zeros(s)) for s in (W.shape, R.shape, b.shape)]
    for j, (x_j, dh_j) in enumerate(
        zip(unpack(x, active, order), unpack(dh, active, order), strict=True)
    ):
        with np.errstate(over="ignore", invalid="ignore"):
            x_exact = _Value(x_j, np.zeros_like(x_j))
            h, end, steps = _forward(x_exact, h0[j], c0[j], W, R, b, u)
            dx, start, dz = _backward(dh_j, up[:, j], W, R, steps, u)
            h_prev = _Value(*(np.array([step[-1][k] for step in steps]) for k in (0, 1)))  # (T, H)
            ones = _Value(np.ones((len(x_j), 1)), np.zeros((len(x_j), 1)))
            # For each weight the sum of sizes, which rounding multiplies, and of errors.
            for k, other in enumerate((x_exact, h_prev, ones)):
                size = dz.size.T @ other.size
                error = abs(dz.exact).T @ other.error + dz.error.T @ other.size
                if k == 2:
                    size, error = size[:, 0], error[:, 0]
                sums[k] = _Value(sums[k].exact + size, sums[k].error + error)
        hs.append(h)
        ends.append(end)
        dxs.append(dx)
        starts.append(start)
    weights = [s.error + gamma(len(x), u) * s.exact for s in sums]
    (hT, cT), (dh0, dc0) = np.swapaxes(ends, 0, 1), np.swapaxes(starts, 0, 1)
    results = (pack(hs).rows, hT, cT, pack(dxs).rows, *weights, dh0, dc0)
    return LSTMErrors(*(np.nan_to_num(SPARE * a, nan=np.inf, posinf=np.inf) for a in results))


def hidden_error_bound(
    x: Array, x_error: Array, h0: Array, c0: Array, W: Array, R: Array, b: Array,
    gate: str = "sigmoid", state: str = "tanh",
) -> Array:  # fmt: skip
    """Bound the errors (T, H) of h in float32, of one sequence whose inputs have errors already.

    The arrays are float64: x and the bounds of its errors (T, D), h0 and c0 (H,), the others as for
    `lstm_error_bound`; the names of the functions are those of `lstm_forward`. Infinite where
    errors could grow without end.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        h = _forward(_Value(x, x_error), h0, c0, W, R, b, FLOAT32_ROUNDOFF, gate, state)[0]
    bound: Array = np.nan_to_num(SPARE * h, nan=np.inf, posinf=np.inf)
    return bound


def _activated(
    z: _Value, y: Array, slope: Array, name: str, u: float, rounding: Array | float = 0.0
) -> tuple[_Value, Array]:
    """A computed activation y, and the part of its error that the errors carried so far lack."""
    of, bends = _FUNCTIONS[name]
    bent = bends(z)
    added = u * (of.relative * (abs(y) + slope * z.error + bent) + of.absolute)
    return _Value(y, slope * z.error + bent + added), slope * rounding + bent + added


def _forward(
    x: _Value, h0: Array, c0: Array, W: Array, R: Array, b: Array, u: float,
    gate: str = "sigmoid", state: str = "tanh",
) -> tuple[Array, tuple[Array, Array], list[_Step]]:  # fmt: skip
    """Errors of h, (T, H), of the last h and c, and the steps, of one sequence."""
    T, D = x.exact.shape
    H = len(h0)
    errors, steps, bounds = _Errors(H), [], np.empty((T, H))
    c, h, single = _Value(c0, np.zeros(H)), _Value(h0, np.zeros(H)), R.astype(np.float32)
    inputs, sizes = x.exact @ W.T + b, x.size @ abs(W).T + abs(b)  # (T, 4H)
    arrived = x.error @ abs(W).T  # (T, 4H)
    parts = [slice(n * H, n * H + H) for n in range(4)]
    s, d_s = GATE_ACTIVATIONS[gate]
    tanh, d_tanh = STATE_ACTIVATIONS[state]
    for t in range(T):
        # (1) z = W x_t + R h_{t-1} + b
        exact = inputs[t] + R @ h.exact  # (4H,)
        # (2), (3) the activations and their slopes
        i, f, o = (s(exact[parts[n]]) for n in (0, 1, 3))
        g = tanh(exact[parts[2]])
        slope_i, slope_f, slope_g, slope_o = d_s(i), d_s(f), d_tanh(g), d_s(o)
        # (4), (5) c_t = f * c_{t-1} + i * g and h_t = o * tanh(c_t)
        c_exact = f * c.exact + i * g
        tanh_c = tanh(c_exact)
        through = o * d_tanh(tanh_c)
        slopes = f, g * slope_i, c.exact * slope_f, i * slope_g, through, tanh_c * slope_o
        columns = tuple(map(_column, slopes))

        def onward(block: Array, by: tuple[Array, ...] = columns) -> tuple[Array, Array]:
            keep, by_i, by_f, by_g, by_h, by_o = by
            on_z = single @ block[1]  # (4H, K)
            on_i, on_f, on_g, on_o = (on_z[p] for p in parts)
            on_c = keep * block[0] + by_i * on_i + by_f * on_f + by_g * on_g
            return np.stack([on_c, by_h * on_c + by_o * on_o]), _sums(on_z)

        rounding = arrived[t] + gamma(D + H + 1, u) * (sizes[t] + abs(R) @ h.size)  # (4H,)
        z_error = errors.carry(onward) + rounding
        (i_, new_i), (f_, new_f), (g_, new_g), (o_, new_o) = (
            _activated(_Value(exact[p], z_error[p]), y, slope, name, u, rounding[p])
            for p, y, slope, name in zip(
                parts, (i, f, g, o), (slope_i, slope_f, slope_g, slope_o),
                (gate, gate, state, gate), strict=True,
            )
        )  # fmt: skip
        new_c = gamma(2, u) * (f_.times(c).size + i_.times(g_).size)
        new_c += f_.error * c.error + i_.error * g_.error
        new_c += abs(c.exact) * new_f + abs(g) * new_i + i * new_g
        c_next = _Value(c_exact, errors.bound[0] + new_c)
        tanh_, bent = _activated(c_next, tanh_c, d_tanh(tanh_c), state, u)
        new_h = u * o_.times(tanh_).size + o_.error * tanh_.error + abs(tanh_c) * new_o + o * bent
        steps.append((i_, f_, g_, o_, tanh_, c, h))
        errors.add(new_c, new_h, through)
        c, h = c_next, _Value(o * tanh_c, errors.bound[1])
        bounds[t] = h.error
    return bounds, (h.error, c.error), steps


def _backward(
    dh: Array, up: Array, W: Array, R: Array, steps: list[_Step], u: float
) -> tuple[Array, tuple[Array, Array], _Value]:
    """Errors of dx, (T, D), of the gradients of h0 and c0, and dz, (T, 4H), of one sequence."""
    T, H = dh.shape
    errors, single = _Errors(H), R.astype(np.float32)
    (later_h, later_c), new_h, new_c = up, np.zeros(H), np.zeros(H)
    dz, dz_error, dx = np.empty((T, 4 * H)), np.empty((T, 4 * H)), np.empty((T, W.shape[1]))
    for t in range(T - 1, -1, -1):
        i, f, g, o, tanh_c, c_prev, _ = steps[t]
        known_h, known_c = errors.bound
        new_h = new_h + u * (abs(dh[t] + later_h) + known_h + new_h)
        # (5) h_t = o * tanh(c_t)
        through = o.times(_slope(tanh_c, TANH, u))
        arrived = _Value(dh[t] + later_h, known_h + new_h)
        product = arrived.times(through)
        new_c = new_c + arrived.size * through.error
        new_c += gamma(3, u) * (abs(later_c) + known_c + new_c + product.size)
        errors.add(new_h, new_c)
        # (4), (3), (2) what multiplies dc, for the gate o what multiplies dh_t
        factors = [
            g.times(_slope(i, SIGMOID, u)),
            c_prev.times(_slope(f, SIGMOID, u)),
            i.times(_slope(g, TANH, u)),
            tanh_c.times(_slope(o, SIGMOID, u)),
        ]
        keep, by_h, *by = map(_column, (f.exact, through.exact, *(k.exact for k in factors)))

        def onward(
            block: Array, keep: Array = keep, by_h: Array = by_h, by: list[Array] = by
        ) -> tuple[Array, Array]:
            on_h, on_c = block[0], block[1] + by_h * block[0]  # (H, K)
            ons = (on_c, on_c, on_c, on_h)
            on_z = np.concatenate([k * on for k, on in zip(by, ons, strict=True)])  # (4H, K)
            return np.stack([single.T @ on_z, keep * on_c]), np.stack([_sums(on_h), _sums(on_c)])

        dh_error, dc_error = errors.carry(onward)
        dh_t, dc = _Value(arrived.exact, dh_error), _Value(later_c + product.exact, dc_error)
        # (1) z = W x_t + R h_{t-1} + b
        products = [(s, k, s.times(k)) for s, k in zip((dc, dc, dc, dh_t), factors, strict=True)]
        new = [s.size * k.error + gamma(2, u) * p.size for s, k, p in products]  # of (H,)
        dz[t] = np.concatenate([p.exact for *_, p in products])
        dz_error[t] = np.concatenate(
            [abs(k.exact) * s.error + n for (s, k, _), n in zip(products, new, strict=True)]
        )
        size = abs(dz[t]) + dz_error[t]
        dx[t] = dz_error[t] @ abs(W) + gamma(4 * H, u) * (size @ abs(W))
        later_h, later_c = dz[t] @ R, dc.exact * f.exact
        new_h = np.concatenate(new) @ abs(R) + gamma(4 * H, u) * (size @ abs(R))
        new_c = dc.size * f.error + u * dc.times(f).size
    known_h, known_c = errors.bound
    return dx, (known_h + new_h, known_c + new_c), _Value(dz, dz_error)


def _sums(parts: Array) -> Array:
    """Sums of magnitudes over the last axis, in float64."""
    sums: Array = abs(parts).sum(axis=-1).astype(np.float64)
    return sums


def _column(factors: Array) -> Array:
    """One factor a row, in the dtype of the parts."""
    return factors.astype(np.float32)[:, None]


def _slope(y: _Value, of: Accuracy, u: float) -> _Value:
    """y (1 - y) or 1 - y^2 from a computed y, which lies within its limits."""
    if of is TANH:
        exact = 1 - y.exact * y.exact
        return _Value(exact, y.error * (2 * abs(y.exact) + y.error) + u * (1 + u))
    exact = y.exact * (1 - y.exact)
    error = y.error * (abs(1 - 2 * y.exact) + y.error)
    return _Value(exact, error + gamma(2, u) * (exact + error))
