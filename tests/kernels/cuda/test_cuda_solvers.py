"""The CUDA norms and solver steps against their NumPy twins, and whole updates of a network.
An update waits for nothing: norms and scales stay on the device until somebody looks at them."""

import math
from types import ModuleType, SimpleNamespace

import cuda_shim
import numpy as np
import pytest
from agreement import NUMPY, TOLERANCE, assert_agree, bits, dtypes
from device_arrays import call, moved

import minilstm as ml
from minilstm.functional.adam import AdamRule
from minilstm.functional.rmsprop import RmspropRule
from minilstm.functional.sgdm import SgdmRule
from minilstm.training.solvers import (
    GRADIENT_THRESHOLD_METHODS,
    SOLVERS,
    solver_init,
    update,
)

SHAPES = [(1,), (31,), (33, 1), (5, 7), (256, 4), (1025,), (300, 41)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def same(number):
    """That number, but for the order of a sum in float64."""
    return pytest.approx(number, rel=1e-14, abs=0)


def norm(kernels, p, g, l2=0.0):
    return float(call(kernels, "gradient_norm", p, g, l2))


@dtypes
@shapes
def test_norms(cuda_kernels, dtype, shape):
    p, g = np.random.default_rng(0).standard_normal((2, *shape)).astype(dtype)
    for l2 in (0.0, 0.1):
        for factor in (1, 1e18, 1e-18):  # squares of float32 such as these leave its range
            args = p * dtype(factor), g * dtype(factor), l2
            want = NUMPY.gradient_norm(*args)
            assert norm(cuda_kernels, *args) == same(want)
            columns = tuple(map(np.asfortranarray, args[:2]))
            assert norm(cuda_kernels, *columns, l2) == same(want)
            apart = tuple(np.repeat(a, 3, axis=0)[::3] for a in args[:2])
            assert norm(cuda_kernels, *apart, l2) == norm(cuda_kernels, *args)
    assert call(cuda_kernels, "gradient_norm", p, g, 0.1).dtype == np.float64


def test_norms_that_no_sum_of_squares_in_float64_could_hold(cuda_kernels):
    rng = np.random.default_rng(0)
    entries = rng.standard_normal(1000)
    zeros = np.zeros(1000)
    for power in (-1060, -540, -520, -510, -500, -480, 400, 470, 490, 510, 1000):
        g = np.ldexp(entries, power)
        want = NUMPY.gradient_norm(zeros, g, 0.0)
        assert norm(cuda_kernels, zeros, g) == same(want)
        g[:5] = np.ldexp(entries[:5], power + 15)  # of another size, and not all that counts
        assert norm(cuda_kernels, zeros, g) == same(NUMPY.gradient_norm(zeros, g, 0.0))
        g[::2] = entries[::2]  # of quite another size
        assert norm(cuda_kernels, zeros, g) == same(NUMPY.gradient_norm(zeros, g, 0.0))
    for one in (3e300, 5e-324, 1e-310, 0.1, 1e-170, 1e170):
        assert norm(cuda_kernels, np.zeros(2), np.array([0.0, -one])) == one
    assert norm(cuda_kernels, np.zeros(2), np.array([3e300, 4e300])) == pytest.approx(5e300)
    assert norm(cuda_kernels, np.zeros(9), np.zeros(9), 1.0) == 0
    assert norm(cuda_kernels, np.zeros((0, 3)), np.zeros((0, 3)), 1.0) == 0
    assert norm(cuda_kernels, np.full(2, np.inf), np.ones(2)) == math.sqrt(2)  # p has no part in it


@dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_norms_of_entries_that_are_not_finite(cuda_kernels, dtype, bad):
    for place in (0, 40, 999):
        for other in (0, 1, 1e30):
            g = np.full(1000, other, dtype)
            g[place] = bad
            assert norm(cuda_kernels, np.zeros_like(g), g) == pytest.approx(abs(bad), nan_ok=True)


def test_scales(cuda_kernels):
    norms = [3.0, 4.0, 12.0, 0.0]
    cases = [(norms[:n], bound) for n in (1, 2, 3, 4) for bound in (2.0, 5, np.float32(13), 1e9)]
    cases += [([bad, 1.0], 2.0) for bad in (np.nan, np.inf)] + [([0.0], 1.0), ([], 1.0)]
    cases += [(norms, math.inf), ([np.inf], math.inf), ([1e300, 1e300], 1e-10)]
    for parts, bound in cases:
        there = [cuda_kernels.to_device(np.asarray(part)) for part in parts]
        total, scale = moved(cuda_kernels.gradient_scale(there, bound), cuda_kernels.to_host)
        want = NUMPY.gradient_scale(parts, bound)
        assert float(total) == pytest.approx(want[0], rel=1e-15, nan_ok=True)
        assert float(scale) == pytest.approx(float(want[1]), rel=1e-15)
        assert (float(scale) == 1) == (want[1] == 1)


def steps(p, g, m, v, *bounds):
    """Each solver's step with arguments, by name."""
    return {
        "adam_step": (p, g, m, v * v, AdamRule(0.01, 0.9, 0.999, 1e-8, *bounds)),
        "rmsprop_step": (p, g, v * v, RmspropRule(0.01, 0.9, 1e-8, *bounds)),
        "sgdm_step": (p, g, v, SgdmRule(0.01, 0.9, *bounds)),
    }


@dtypes
@shapes
@pytest.mark.parametrize("bounds", [(), (1e-4, 0.3), (0.1, 1.0, 0.2)], ids=str)
def test_steps(cuda_kernels, dtype, shape, bounds):
    arrays = np.random.default_rng(0).standard_normal((4, *shape)).astype(dtype)
    for name, arguments in steps(*arrays, *bounds).items():
        got, want = call(cuda_kernels, name, *arguments), getattr(NUMPY, name)(*arguments)
        assert_agree(got, want, TOLERANCE[dtype] / 100, name)
        assert all(a.dtype == dtype and a.flags.f_contiguous for a in got)
        rule = arguments[-1]
        there = rule._replace(scale=np.asarray(rule.scale))  # goes to the device
        assert bits(call(cuda_kernels, name, *arguments[:-1], there)) == bits(got)
        turned = [np.asfortranarray(a) if n % 2 else a for n, a in enumerate(arguments[:-1])]
        assert bits(call(cuda_kernels, name, *turned, rule)) == bits(got)
        apart = [np.repeat(a, 2, axis=0)[::2] for a in arguments[:-1]]
        assert bits(call(cuda_kernels, name, *apart, rule)) == bits(got)


@dtypes
def test_steps_keep_what_is_not_finite(cuda_kernels, dtype):
    p, g, m, v = np.ones((4, 6), dtype)
    g[:3] = np.nan, np.inf, -np.inf
    for bound in (np.inf, 0.5):
        for name, arguments in steps(p, g, m, v, 0.0, 1.0, bound).items():
            got = call(cuda_kernels, name, *arguments)
            with np.errstate(invalid="ignore"):
                want = getattr(NUMPY, name)(*arguments)
            for a, b in zip(got, want, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6)
            assert np.isnan(got[0][0]) and np.isfinite(got[0][3:]).all()


# ------------------------------------------------------------------------- whole updates


def problem(dtype):
    """Parameters of a small network, gradients for three steps, and factors of all kinds."""
    rng = np.random.default_rng(0)
    made = {"lstm/recurrent_weights": (20, 5), "lstm/bias": (20,), "fc/weights": (3, 5)}
    p = {key: np.asfortranarray(rng.standard_normal(s).astype(dtype)) for key, s in made.items()}
    gradients = [
        {key: rng.standard_normal(a.shape).astype(dtype) for key, a in p.items()} for _ in range(3)
    ]
    options = {
        "l2": {"lstm/recurrent_weights": (0.1, 0.0, 0.2, 0.1), "fc/weights": 0.01},
        "learn_rate_factors": {"lstm/bias": (1.0, 2.0, 0.0, 1.0), "fc/weights": 0.5},
    }
    return p, gradients, options


def train(functions, move, dtype, solver, **options):
    """Parameters, state and norm after three steps."""
    if isinstance(functions, ModuleType):
        functions = SimpleNamespace(solver_steps=None, **vars(functions))
    p, gradients, factors = problem(dtype)
    p = {key: move(a) for key, a in p.items()}
    state = solver_init(solver, p)
    for step in gradients:
        there = {key: move(g) for key, g in step.items()}
        p, state, norm = update(functions, p, there, state, 0.1, **factors, **options)
    return p, state, norm


@dtypes
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("method", GRADIENT_THRESHOLD_METHODS)
@pytest.mark.parametrize("threshold", [math.inf, 0.5])
def test_updates(cuda_kernels, dtype, solver, method, threshold):
    options = {"gradient_threshold": threshold, "gradient_threshold_method": method}
    p, state, norm = train(NUMPY, np.asarray, dtype, solver, **options)
    cuda_shim.counts.reset()
    with ml.count_transfers() as counts:
        got, got_state, got_norm = train(
            cuda_kernels, cuda_kernels.to_device, dtype, solver, **options
        )
    assert cuda_shim.counts.synchronisations == counts.to_host == 0
    assert float(cuda_kernels.to_host(got_norm)) == pytest.approx(norm, rel=TOLERANCE[dtype])
    assert type(norm) is float and type(got_state) is type(state) and got_state.t == state.t == 3
    for ours, theirs in zip((got, *got_state[1:]), (p, *state[1:]), strict=True):
        for key, value in theirs.items():
            on_host = cuda_kernels.to_host(ours[key])
            assert_agree(on_host, value, TOLERANCE[dtype], key)
            assert on_host.dtype == dtype and ours[key].flags.f_contiguous
    again = train(cuda_kernels, cuda_kernels.to_device, dtype, solver, **options)[0]
    for key, value in got.items():
        assert bits(cuda_kernels.to_host(again[key])) == bits(cuda_kernels.to_host(value))
    frozen = problem(dtype)[0]["lstm/bias"][10:15]  # the factor of this gate is 0
    assert bits(cuda_kernels.to_host(got["lstm/bias"])[10:15]) == bits(frozen)
