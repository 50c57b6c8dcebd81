"""The solvers against loops over single numbers, on both backends; factors, blocks of rows, bounds.
Ten steps against PyTorch are in test_golden."""

import copy
import dataclasses
import math

import numpy as np
import pytest
from agreement import bits, dtypes

from minilstm.training.solvers import SOLVERS, solver_init, update

ROUNDING = {np.float32: 2e-6, np.float64: 1e-14}
solvers = pytest.mark.parametrize("solver", SOLVERS)


def by_hand(solver, p, gradients, rates, m=0.8, b1=0.8, b2=0.9, e=0.01):
    """Where one number goes, step by step in Python's own arithmetic."""
    mean = square = velocity = 0.0
    places = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        if solver == "sgdm":
            velocity = m * velocity - rate * g
            p += velocity
        elif solver == "rmsprop":
            square = b2 * square + (1 - b2) * g * g
            p -= rate * g / (math.sqrt(square) + e)
        else:
            mean = b1 * mean + (1 - b1) * g
            square = b2 * square + (1 - b2) * g * g
            p -= rate * math.sqrt(1 - b2**t) / (1 - b1**t) * mean / (math.sqrt(square) + e)
        places.append(p)
    return places


BY_HAND = {
    "momentum": 0.8,
    "gradient_decay_factor": 0.8,
    "squared_gradient_decay_factor": 0.9,
    "epsilon": 0.01,
}


def problem(dtype=np.float64, seed=0):
    """Parameters as a network stores them, and gradients of the same shapes."""
    rng = np.random.default_rng(seed)
    shapes = {"lstm/input_weights": (8, 3), "lstm/bias": (8,), "fc/weights": (3, 2)}
    parameters, gradients = (
        {k: np.asfortranarray(rng.standard_normal(s), dtype) for k, s in shapes.items()}
        for _ in range(2)
    )
    return parameters, gradients


# ---------------------------------------------------------------- the equations


@dtypes
@solvers
def test_ten_steps_by_hand(backend, solver, dtype):
    rng = np.random.default_rng(3)
    gradients = rng.standard_normal((10, 2, 3)).astype(dtype)
    start = np.asfortranarray(rng.standard_normal((2, 3)), dtype)
    rates = np.where(np.arange(10) < 5, 0.1, 0.02)  # sgdm: the old velocity keeps its size
    parameters = {"w": start}
    state, got = solver_init(solver, parameters), []
    for g, rate in zip(gradients, rates, strict=True):
        parameters, state, norm = update(backend, parameters, {"w": g}, state, rate, **BY_HAND)
        assert norm == pytest.approx(np.linalg.norm(g.astype(float)), rel=1e-6)
        got.append(parameters["w"])
    assert state.t == 10 and type(state) is SOLVERS[solver]
    for index in np.ndindex(2, 3):
        want = by_hand(solver, float(start[index]), gradients[:, *index].tolist(), rates.tolist())
        places = [float(p[index]) for p in got]
        assert places == pytest.approx(want, abs=5 * ROUNDING[dtype])
    assert {a.dtype for memory in state[1:] for a in memory.values()} == {np.dtype(dtype)}


def test_rmsprop_corrects_no_bias(backend):
    p = {"w": np.zeros(2)}
    g = {"w": np.array([3.0, -5.0])}
    p, state, _ = update(backend, p, g, solver_init("rmsprop", p), 0.01, epsilon=0.0)
    np.testing.assert_allclose(p["w"], 0.01 / np.sqrt(0.1) * np.array([-1, 1]), rtol=1e-13)
    np.testing.assert_allclose(state.v["w"], [0.9, 2.5], rtol=1e-13)  # decay 0.9 by default
    p, state, _ = update(backend, p, g, solver_init("adam", p), 0.01)
    np.testing.assert_allclose(state.v["w"], [0.009, 0.025], rtol=1e-12)  # and 0.999


@dtypes
@solvers
@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
@pytest.mark.parametrize("mixed", [False, True])
def test_all_at_once_have_the_bits_of_one_by_one(numba_backend, solver, dtype, size, mixed):
    one_by_one = dataclasses.replace(numba_backend, solver_steps=None)
    factors = {
        "l2": {"lstm/input_weights": 0.2, "lstm/bias": (0.1, 0.0, 0.0, 0.3)},
        "learn_rate_factors": {"lstm/bias": (1.0, 0.0, 0.5, 1.0)},
    }
    ends = []
    for backend in (numba_backend, one_by_one):
        p, g = problem(dtype)
        g = {key: np.ascontiguousarray(dtype(size) * a) for key, a in g.items()}
        if mixed:  # the functions of one array convert it
            g["fc/weights"] = g["fc/weights"].astype(np.float64)
        state, norms = solver_init(solver, p), []
        for _ in range(3):
            p, state, norm = update(backend, p, g, state, 0.1, gradient_threshold=0.5, **factors)
            norms.append(norm)
        ends.append((bits(p), [bits(memory) for memory in state[1:]], norms))
        assert p["lstm/bias"].dtype == dtype
    assert ends[0] == ends[1] and ends[0][2][0] > 0


# ---------------------------------------------------------------- what stays as it is


@solvers
def test_nothing_given_is_changed_and_column_order_is_kept(backend, solver):
    p, g = problem(np.float32)
    _, state, _ = update(backend, p, g, solver_init(solver, p), 0.1)
    for array in (*p.values(), *g.values(), *(a for m in state[1:] for a in m.values())):
        array.flags.writeable = False  # as the parameters of a network are
    before = copy.deepcopy((p, g, state))
    factors = {"lstm/bias": (1.0, 0.0, 0.5, 1.0), "fc/weights": 0.0}
    first, second = (
        update(backend, p, g, state, 0.1, learn_rate_factors=factors) for _ in range(2)
    )
    for now, then in zip((p, g, *state[1:]), (*before[:2], *before[2][1:]), strict=True):
        assert bits(now) == bits(then)
    assert bits(first[0]) == bits(second[0])
    for kept in (first[0], *first[1][1:]):
        assert all(a.flags.f_contiguous and a.flags.writeable for a in kept.values())
    assert state.t == 1 and first[1].t == 2


# ---------------------------------------------------------------- factors


@solvers
def test_a_factor_of_zero_keeps_every_bit(backend, solver):
    p, g = problem()
    p["fc/weights"][0] = [-0.0, 0.0]
    g["fc/weights"][1] = [np.inf, np.nan]
    state = solver_init(solver, p)
    q = p
    with np.errstate(invalid="ignore"):
        for _ in range(3):
            q, state, _ = update(
                backend, q, g, state, 0.1, learn_rate_factors={"fc/weights": 0.0},
                gradient_threshold=5.0, gradient_threshold_method="l2norm",
            )  # fmt: skip
    assert bits(q["fc/weights"]) == bits(p["fc/weights"])
    assert (q["lstm/bias"] != p["lstm/bias"]).all()


@dtypes
@solvers
def test_equal_factors_of_the_gates_are_one_factor(backend, solver, dtype):
    one = {"l2": {"lstm/input_weights": 0.2}, "learn_rate_factors": {"lstm/input_weights": 0.5}}
    four = {name: {k: (f,) * 4 for k, f in given.items()} for name, given in one.items()}
    p, g = problem(dtype)
    ends = []
    for factors in (one, four):
        q, state = p, solver_init(solver, p)
        for _ in range(3):
            q, state, norm = update(backend, q, g, state, 0.1, gradient_threshold=1.0, **factors)
        ends.append((bits(q), norm))
    assert ends[0] == ends[1]


@dtypes
@solvers
def test_each_block_is_stepped_with_its_own_factors(backend, solver, dtype):
    """As if every gate were a parameter of its own, while no bound ties them together."""
    l2, rates = (0.0, 0.5, 0.1, 1.0), (1.0, 0.0, 2.0, 0.5)
    key = "lstm/input_weights"
    (p, g), block = problem(dtype), {n: slice(2 * n, 2 * n + 2) for n in range(4)}
    got, state = p, solver_init(solver, p)
    for _ in range(3):
        got, state, norm = update(
            backend, got, g, state, 0.1, l2={key: l2}, learn_rate_factors={key: rates}
        )
    split = [{str(n): np.asfortranarray(a[key][rows]) for n, rows in block.items()} for a in (p, g)]
    own_l2, own_rates = ({str(n): f[n] for n in range(4)} for f in (l2, rates))
    want, want_state = split[0], solver_init(solver, split[0])
    for _ in range(3):
        want, want_state, want_norm = update(
            backend, want, split[1], want_state, 0.1, l2=own_l2, learn_rate_factors=own_rates
        )
    for n, rows in block.items():
        assert (got[key][rows] == want[str(n)]).all(), f"gate {n}"
        for one, other in zip(state[1:], want_state[1:], strict=True):
            assert (one[key][rows] == other[str(n)]).all(), f"gate {n}"
    assert (got[key][block[1]] == p[key][block[1]]).all()
    rest = [np.linalg.norm(g[k].astype(float)) for k in ("lstm/bias", "fc/weights")]
    assert norm == pytest.approx(math.hypot(want_norm, *rest), rel=1e-6)


def test_blocks_of_unlike_number_are_cut_as_fine_as_both(backend):
    p, g = problem()
    key = "lstm/bias"
    two, eight = (1.0, 0.5), (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    got, _, _ = update(
        backend, p, g, solver_init("sgdm", p), 0.1, l2={key: eight}, learn_rate_factors={key: two}
    )
    rates = np.repeat(two, 4)
    np.testing.assert_allclose(
        got[key], p[key] - 0.1 * rates * (g[key] + np.array(eight) * p[key]), rtol=1e-13
    )


def test_factors_that_do_not_divide_the_rows_are_refused(backend):
    p, g = problem()
    with pytest.raises(ValueError, match=r"^fc/weights has 3 rows, which its 2 factors do not"):
        update(backend, p, g, solver_init("adam", p), 0.1, l2={"fc/weights": (1.0, 2.0)})


def test_an_unknown_solver_is_refused():
    with pytest.raises(ValueError, match=r"^solver is 'lbfgs'; choose one of 'adam', 'sgdm', 'rms"):
        solver_init("lbfgs", {})
