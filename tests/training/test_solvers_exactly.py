"""Every step of the solvers against its equations in long double, within a computed rounding bound.
The oracle is written here from the documented equations, and carries a bound beside each number.

float64 is also held to 1e-14 of the sizes that are summed, which is about 90 roundings; where a
quantity needs more than that, the reason stands beside it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from agreement import dtypes
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from long_numbers import U64, WIDER, L, Number, held, unit, within_1e_14

from minilstm.functional.adam import AdamRule
from minilstm.functional.rmsprop import RmspropRule
from minilstm.functional.sgdm import SgdmRule
from minilstm.proof.rounding.lstm import SPARE, gamma
from minilstm.training.solvers import (
    GRADIENT_THRESHOLD_METHODS,
    SOLVERS,
    solver_init,
    update,
)

pytestmark = pytest.mark.skipif(not WIDER, reason="long double is no wider than float64 here")

solvers = pytest.mark.parametrize("solver", SOLVERS)


# ---------------------------------------------------------------- the documented equations


class Settings(NamedTuple):
    """What a solver is told, as `update` calls it."""

    momentum: float = 0.9
    gradient_decay_factor: float = 0.9
    squared_gradient_decay_factor: float = 0.999
    epsilon: float = 1e-8


def moved(solver, p, g, memory, rate, s):
    """Where p and the memory go, for a gradient that is regularised and bounded already.

    rate is the learning rate with its factor; for Adam the correction of the bias is in it, as
    the step's docstring says: p - a sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + e).
    """
    dtype = p.dtype

    def constant(value):
        # 1 - b rounds once in float64, and again on its way into the dtype.
        return Number.given(value, dtype, 2)

    if solver == "sgdm":
        (v,) = memory
        v = constant(s.momentum) * v - rate * g
        return p + v, v
    b2 = L(s.squared_gradient_decay_factor)
    square = constant(b2) * memory[-1] + constant(1 - b2) * (g * g)
    below = square.root() + constant(s.epsilon)
    if solver == "rmsprop":
        return p - rate * g / below, square
    b1 = L(s.gradient_decay_factor)
    mean = constant(b1) * memory[0] + constant(1 - b1) * g
    return p - rate * mean / below, mean, square


def corrected(rate, t, s, dtype):
    """a sqrt(1 - b2^t) / (1 - b1^t) as float64 has it, rounded to the dtype.

    b^t is wrong by up to two roundings of itself, which 1 - b^t holds against a difference that
    may be small: at t = 2 and b2 = 0.999 some 500 times as large. So 1e-14 does not hold for the
    rate; what holds is derived here. b^1 is exact.
    """
    b1, b2 = L(s.gradient_decay_factor), L(s.squared_gradient_decay_factor)
    power = 0 if t == 1 else 2 * U64
    of_b1, of_b2 = (power * b**t / (1 - b**t) for b in (b1, b2))
    exact = L(rate) * np.sqrt(1 - b2**t) / (1 - b1**t)
    relative = of_b1 + of_b2 / 2 + gamma(8, U64) + unit(dtype)
    return Number(exact, (1 + U64 * 2**10) * relative * abs(exact), abs(exact), dtype)


RULES = {
    "sgdm": lambda rate, s: SgdmRule(rate, s.momentum),
    "rmsprop": lambda rate, s: RmspropRule(rate, s.squared_gradient_decay_factor, s.epsilon),
    "adam": lambda rate, s: AdamRule(
        rate, s.gradient_decay_factor, s.squared_gradient_decay_factor, s.epsilon
    ),
}
COUNT = {"sgdm": 1, "rmsprop": 1, "adam": 2}  # arrays of memory


# ---------------------------------------------------------------- one step of the records


scales = st.sampled_from([1e-8, 1e-3, 1.0, 1e3, 1e8])
decays = st.sampled_from([0.0, 0.5, 0.9, 0.999, 0.123456789])
settings_of = st.builds(
    Settings, decays, decays, decays, st.sampled_from([0.0, 1e-12, 1e-8, 1e-3, 1.0, 100.0])
)
shapes = st.one_of(
    st.tuples(st.integers(1, 40)), st.tuples(st.integers(1, 17), st.integers(1, 5))
)  # lengths on both sides of a vector register, and what is left of one


def draw(rng, shape, scale, zeros, dtype):
    """Numbers of a scale, four powers of ten deep, in column order, some of them 0."""
    values = rng.choice([-1, 1], shape) * scale * 10.0 ** rng.uniform(-4, 0, shape)
    return np.asfortranarray(np.where(rng.random(shape) < zeros, 0, values), dtype)


@dtypes
@solvers
@settings(max_examples=60)
@given(
    shape=shapes, s=settings_of, scale=scales, zeros=st.sampled_from([0.0, 0.3, 1.0]),
    first=st.booleans(), l2=st.sampled_from([0.0, 1e-4, 0.7]),
    shrink=st.sampled_from([1.0, 0.3]), bound=st.sampled_from([math.inf, 1e-2, 5.0]),
    rate=st.sampled_from([0.0, 1e-3, 0.5]), same_sign=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
def test_a_step(
    backend, solver, dtype, shape, s, scale, zeros, first, l2, shrink, bound, rate, same_sign, seed
):
    rng = np.random.default_rng(seed)
    g, p = draw(rng, shape, scale, zeros, dtype), draw(rng, shape, 1.0, 0, dtype)
    if same_sign:
        p = np.asfortranarray(np.where(g * p < 0, -p, p))
    memory = [draw(rng, shape, 0 if first else scale, 0, dtype) for _ in range(COUNT[solver])]
    if solver != "sgdm":
        memory[-1] = memory[-1] * memory[-1]
    rule = RULES[solver](rate, s)._replace(l2=l2, scale=shrink, bound=bound)

    # (1) g = scale (g + l2 p), then cut to [-bound, bound]
    constant = {k: Number.given(v, dtype, 1) for k, v in (("l2", l2), ("scale", shrink))}
    p_, g_, *memory_ = (Number.given(a, dtype) for a in (p, g, *memory))
    full = constant["scale"] * (g_ + constant["l2"] * p_)
    if bound < math.inf:
        full = full.cut(Number.given(bound, dtype, 1))
    if s.epsilon == 0 and solver != "sgdm":
        # Nothing is between the root and a division by 0: it must stand clear of it.
        clear = (full.exact == 0) | (abs(full.exact) > 1e3 * full.error)
        assume(clear.all() and (full.exact != 0).all())
        assume(float(abs(full.exact).min()) > 1e3 * math.sqrt(np.finfo(dtype).tiny))
        assume(s.squared_gradient_decay_factor < 1)
    want = moved(solver, p_, full, memory_, Number.given(rate, dtype, 1), s)

    got = getattr(backend, f"{solver}_step")(p, g, *memory, rule)
    names = ("p", "v") if len(got) == 2 else ("p", "m", "v")
    for name, one, exact in zip(names, got, want, strict=True):
        held(one, exact, name)
        # g and l2 p of unlike sign cancel, and the step divides by what is left of them.
        if dtype is np.float64 and (l2 == 0 or same_sign):
            within_1e_14(one, exact, name)
    if not g.any() and not l2 and first:
        assert got[0].tobytes("F") == p.tobytes("F") and not any(a.any() for a in got[1:])


# ---------------------------------------------------------------- whole steps of `update`


def by_rows(factor, p):
    """A factor for each row of p, from one number or from a tuple of numbers for equal blocks."""
    many = factor if isinstance(factor, tuple) else (factor,)
    rows = np.repeat(np.array(many), len(p) // len(many))
    return rows.reshape(-1, *[1] * (p.ndim - 1))


def norm_of(numbers):
    """The norm of g + l2 p over some arrays, as float64 has it.

    Where the entries have errors, the norm of these is what the norm may be off by; n squares and
    their sum round n + 1 times, the division by the largest entry, roots and hypot the rest.
    """
    entries = np.concatenate([n.exact.ravel() for n in numbers])
    errors = np.concatenate([n.error.ravel() for n in numbers])
    exact, off = np.sqrt((entries * entries).sum()), np.sqrt((errors * errors).sum())
    return exact, off + gamma(len(entries) + 16, U64) * (exact + off)


def shrunk(norm, error, threshold, dtype):
    """threshold / norm where the norm is larger; as a function of the norm it never jumps."""
    if norm + error <= threshold:
        return None
    exact = min(L(1), L(threshold) / norm)
    off = L(threshold) * error / ((norm - error) * norm)
    return Number(exact, off + (2 * U64 + unit(dtype)) * (exact + off), exact, dtype)


def stepped_exactly(
    solver, parameters, gradients, memories, t, rate, s, threshold, method, l2, factors
):
    """One whole step in long double: all that `update` documents, in that order."""
    dtype = next(iter(parameters.values())).dtype
    full = {}
    for key, p in parameters.items():
        rows = by_rows(l2.get(key, 0.0), p.exact)
        weight = Number.given(np.broadcast_to(rows, p.exact.shape), dtype, 1)
        full[key] = Number.given(gradients[key], dtype) + weight * p
    total, total_error = norm_of(list(full.values()))
    new, after = {}, {}
    for key, p in parameters.items():
        g = full[key]
        if method == "absolute-value":
            if threshold < math.inf:
                g = g.cut(Number.given(threshold, dtype, 1))
        else:
            norm = (total, total_error) if method == "global-l2norm" else norm_of([g])
            scale = shrunk(*norm, threshold, dtype)
            g = g if scale is None else scale * g
        factor = L(1) * np.broadcast_to(by_rows(factors.get(key, 1.0), p.exact), p.exact.shape)
        # The rate times its factor rounds in float64 and on its way into the dtype.
        own = Number.given(L(rate) * factor, dtype, 2)
        if solver == "adam":
            correction = corrected(1.0, t, s, dtype)
            exact = own.exact * correction.exact
            own = Number(exact, own.error * correction.exact + abs(own.exact) * correction.error
                         + own.error * correction.error, abs(exact), dtype)  # fmt: skip
        there, *after[key] = moved(solver, p, g, memories[key], own, s)
        # A factor of 0 keeps a parameter, whatever its velocity is.
        parts = [np.where(factor == 0, *both) for both in zip(p[:3], there[:3], strict=True)]
        new[key] = Number(*parts, dtype)
    return new, after, total, total_error


networks = st.fixed_dictionaries(
    {"H": st.integers(1, 5), "D": st.integers(1, 4), "C": st.integers(1, 3)}
)
gates = st.tuples(*[st.sampled_from([0.0, 0.1, 1.0, 3.0])] * 4)
factors_of = st.one_of(st.sampled_from([0.0, 0.25, 1.0, 2.0]), gates)


@dtypes
@solvers
@pytest.mark.parametrize("method", GRADIENT_THRESHOLD_METHODS)
@given(
    sizes=networks, scale=scales, zeros=st.sampled_from([0.0, 0.3, 1.0]),
    s=st.builds(Settings, decays, decays, decays, st.sampled_from([1e-8, 1e-3, 1.0])),
    before=st.sampled_from([0, 1, 9, 999]), steps=st.integers(1, 5),
    reach=st.sampled_from([math.inf, 3.0, 0.1]), l2=st.one_of(st.just(0.0), factors_of),
    rates=factors_of, seed=st.integers(0, 999),
)  # fmt: skip
def test_whole_steps(
    backend, solver, dtype, method, sizes, scale, zeros, s, before, steps, reach, l2, rates, seed
):
    H, D, C = sizes["H"], sizes["D"], sizes["C"]
    rng = np.random.default_rng(seed)
    of = {"lstm/input_weights": (4 * H, D), "lstm/bias": (4 * H,), "fc/weights": (C, H)}
    p = {k: draw(rng, shape, 1.0, 0, dtype) for k, shape in of.items()}
    state = solver_init(solver, p)._replace(t=before)
    if before:  # as if steps had been taken
        for memory in state[1:]:
            memory.update({k: draw(rng, shape, scale, 0, dtype) for k, shape in of.items()})
        if solver != "sgdm":
            state.v.update({k: v * v for k, v in state.v.items()})
    # L2 is for the LSTM and the factor of the rate for its weights and the layer behind it.
    weights = {k: l2 for k in ("lstm/input_weights", "lstm/bias")}
    factors = {"lstm/input_weights": rates, "fc/weights": 0.5}
    threshold = reach * scale
    exact = {k: Number.given(a, dtype) for k, a in p.items()}
    memories = {k: [Number.given(m[k], dtype) for m in state[1:]] for k in of}
    start, slack = p, dict.fromkeys(of, L(0))
    for n in range(steps):
        g = {k: draw(rng, shape, scale, zeros, dtype) for k, shape in of.items()}
        rate = 0.1 / (n + 1)
        p, state, norm = update(
            backend, p, g, state, rate, **s._asdict(), gradient_threshold=threshold,
            gradient_threshold_method=method, l2=weights, learn_rate_factors=factors,
        )  # fmt: skip
        was, t = exact, before + n + 1
        exact, memories, total, error = stepped_exactly(
            solver, exact, g, memories, t, rate, s, threshold, method, weights, factors
        )
        assert abs(L(norm) - total) <= SPARE * error + np.finfo(np.float64).smallest_subnormal
        for key in of:
            if solver == "adam":  # its rate needs more than 1e-14: see `corrected`
                correction = corrected(1.0, t, s, dtype)
                moves = abs(exact[key].exact - was[key].exact)
                slack[key] = slack[key] + correction.error / correction.exact * moves
            both = zip((p[key], *(m[key] for m in state[1:])), (exact[key], *memories[key]),
                       strict=True)  # fmt: skip
            for one, want in both:
                held(one, want, key)
                # With L2 the gradient may cancel, and more digits are lost than 1e-14 allows.
                if dtype is np.float64 and l2 == 0:
                    size = want.size + (slack[key] / L(1e-14) if one is p[key] else 0)
                    within_1e_14(one, want._replace(size=size), key)
    assert state.t == before + steps
    kept = by_rows(rates, start["lstm/input_weights"])[:, 0] == 0
    if kept.any():
        now, then = (a["lstm/input_weights"][np.broadcast_to(kept, 4 * H)] for a in (p, start))
        assert now.tobytes() == then.tobytes(), "a factor of 0 moved a parameter"


# ---------------------------------------------------------------- the bounds can be broken


WRONG = {
    "one step further": ("adam", lambda o, g, t: (o, g, t + 1)),
    "the other decay": ("adam", lambda o, g, t: (o | {"gradient_decay_factor": 0.9001}, g, t)),
    "another decay of squares": (
        "rmsprop", lambda o, g, t: (o | {"squared_gradient_decay_factor": 0.99901}, g, t)
    ),
    "epsilon": ("rmsprop", lambda o, g, t: (o | {"epsilon": 1.0001e-3}, g, t)),
    "momentum": ("sgdm", lambda o, g, t: (o | {"momentum": 0.90001}, g, t)),
    "threshold": ("sgdm", lambda o, g, t: (o | {"gradient_threshold": 0.50001}, g, t)),
    "l2": ("sgdm", lambda o, g, t: (o | {"l2": {"w": 0.30001}}, g, t)),
    "method": ("adam", lambda o, g, t: (o | {"gradient_threshold_method": "l2norm"}, g, t)),
    "a gradient": ("adam", lambda o, g, t: (o, g | {"w": g["w"] * np.float32(1.00001)}, t)),
}  # fmt: skip


@pytest.mark.parametrize("change", [None, *WRONG])
def test_a_small_mistake_leaves_the_bounds(backend, change):
    rng, s = np.random.default_rng(5), Settings(epsilon=1e-3)
    dtype = np.float32
    p, g = ({k: draw(rng, (8, 3), 1.0, 0, dtype) for k in ("w", "b")} for _ in range(2))
    wrong = WRONG.values() if change is None else [WRONG[change]]
    for solver, mistake in wrong:
        memory = [
            {k: abs(draw(rng, (8, 3), 1.0, 0, dtype)) for k in p} for _ in range(COUNT[solver])
        ]
        state = SOLVERS[solver](0, *memory)
        method = "global-l2norm" if solver == "adam" else "l2norm"
        options = s._asdict() | {"gradient_threshold": 0.5, "gradient_threshold_method": method}
        options |= {"l2": {"w": 0.3}}
        told, own_g, t = (options, g, 0) if change is None else mistake(options, g, 0)
        got, after, _ = update(backend, p, own_g, state._replace(t=t), 0.1, **told)
        want, memories, *_ = stepped_exactly(
            solver, {k: Number.given(a, dtype) for k, a in p.items()}, g,
            {k: [Number.given(m[k], dtype) for m in state[1:]] for k in p},
            1, 0.1, s, 0.5, method, {"w": 0.3}, {},
        )  # fmt: skip
        results = [(got["w"], want["w"])]
        results += [(m["w"], n) for m, n in zip(after[1:], memories["w"], strict=True)]
        if change is None:
            shares = [held(*pair) for pair in results]
            print(backend.name, solver, [f"{np.max(a):.3f} {np.median(a):.3f}" for a in shares])
            assert all(np.max(a) > 0.02 for a in shares)  # nor so wide that it holds nothing back
        else:
            beyond = [abs(a.astype(L) - b.exact) > SPARE * b.error for a, b in results]
            assert np.any(beyond)
