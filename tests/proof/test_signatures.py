"""Causes named from a wrong and a right gradient: every mistake is made on purpose and found.
Noise, right gradients and single numbers that fit by chance must name nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilstm.proof.causes.signatures import Evidence, Pattern, explain

COUNTS = {"the batch": 4, "the time steps": 7, "the rows": 28}
GATES = ("i", "f", "g", "o")
RNG = np.random.default_rng(0)


def causes(hand, exact, axes=(), value=None, tolerance=1e-10, counts=COUNTS):
    exact = np.asarray(exact, float)
    value = np.random.default_rng(9).standard_normal(exact.shape) if value is None else value
    evidence = Evidence("w", hand, exact, value, axes, tolerance)
    return explain([evidence], counts).get("w", ())


def masked(exact, share, rng):  # the same with some entries unknown
    return np.where(rng.random(exact.shape) < share, exact, np.nan)


def swap(exact, order, count=4):
    return np.concatenate([np.split(exact, count)[n] for n in order])


def with_block(exact, n, f, count=4):
    parts = np.split(exact.copy(), count)
    parts[n] = f(parts)
    return np.concatenate(parts)


def shift(exact, by, axis, edge=0.0):
    made = np.roll(exact, by, axis)
    at = [slice(None)] * exact.ndim
    at[axis] = 0 if by > 0 else -1
    made[tuple(at)] = edge
    return made


# Name, shape, axes, the mistake, what the first sentence says; all hold with entries missing too.
MISTAKES = [
    ("zero", (5, 3), (), lambda e, v, r: 0 * e, "It is zero everywhere"),
    ("value", (5, 3), (), lambda e, v, r: v.copy(), "the array itself, not its gradient"),
    ("sign", (5, 3), (), lambda e, v, r: -e, "the sign is wrong"),
    ("batch", (5, 3), (), lambda e, v, r: 4 * e, "multiplied by the batch (4)"),
    ("mean", (5, 3), (), lambda e, v, r: e / 28, "divided by the rows (28)"),
    ("minus mean", (5, 3), (), lambda e, v, r: -e / 4, "sign is wrong, and it is divided by the b"),
    ("twice", (5, 3), (), lambda e, v, r: 2 * e, "counted twice"),
    ("half", (5, 3), (), lambda e, v, r: e / 2, "lacks the 2 of a square"),
    ("thrice", (5, 3), (), lambda e, v, r: 3 * e, "it is 3 times the right gradient everywhere"),
    ("other count", (5, 3), (), lambda e, v, r: e * 4 / 7, "divided by the time steps where"),
    ("square", (5, 3), (), lambda e, v, r: e / 16, "divided by the square of the batch (4)"),
    ("constant", (5, 3), (), lambda e, v, r: 0.3712 * e, "0.3712 times the right gradient"),
    ("decay", (5, 3), (), lambda e, v, r: e + 0.01 * v, "plus 0.01 times the array itself"),
    ("transposed", (5, 5), (), lambda e, v, r: e.T.copy(), "It is transposed"),
    ("column", (6, 4), (), lambda e, v, r: e.ravel().reshape(6, 4, order="F"), "read in column"),
    ("axes", (3, 4, 4), (), lambda e, v, r: e.transpose(0, 2, 1), "axes 1 and 2 are exchanged"),
    ("reversed", (7, 3), ("time", "feature"), lambda e, v, r: e[::-1], "reversed along the time s"),
    ("flipped", (3, 5, 2), (), lambda e, v, r: e[:, ::-1], "reversed along axis 1"),
    ("late", (7, 3), ("time", "unit"), lambda e, v, r: shift(e, 1, 0), "step late along the time"),
    ("early", (7, 3), ("time", ""), lambda e, v, r: shift(e, -1, 0), "step early along the time"),
    ("around", (4, 7), (), lambda e, v, r: np.roll(e, 1, 1), "one step late along axis 1"),
    ("swapped", (12, 5), ("gates", ""), lambda e, v, r: swap(e, (0, 2, 1, 3)),
     "In gate f: a copy of gate g stands there."),
    ("ring", (12, 5), (GATES, ""), lambda e, v, r: swap(e, (1, 2, 3, 0)),
     "In gate i: a copy of gate f"),
    ("copies", (32,), (GATES,), lambda e, v, r: swap(e, (1, 1, 2, 1)),
     "In gate i and gate o: a copy of gate f stands there."),
    ("zero gate", (12, 4), (GATES, ""), lambda e, v, r: with_block(e, 1, lambda p: 0 * p[1]),
     "In gate f: it is zero everywhere"),
    ("factor", (9, 4), (("r", "z", "n"), ""),
     lambda e, v, r: with_block(e, 2, lambda p: 4 * p[2], 3),
     "In n: it is 4 times the right gradient: it is multiplied by the batch (4)"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "axes", "make", "says"), [m[1:] for m in MISTAKES],
                         ids=[m[0] for m in MISTAKES])  # fmt: skip
@pytest.mark.parametrize("share", [1.0, 0.7])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_a_mistake_made_on_purpose_is_named(shape, axes, make, says, share, scale):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        exact, value = 2 * scale * rng.standard_normal(shape), rng.standard_normal(shape)
        hand = make(exact, value, rng)
        found = causes(hand, masked(exact, share, rng), axes, value)
        assert found, (seed, says)
        assert any(says in cause for cause in found), found
        for cause in found:  # a pattern is no sentence of its own
            whole = cause.endswith(".") and cause[0].isupper()
            assert whole is not isinstance(cause, Pattern)
        assert len(found) <= 3


def test_numbers_that_are_not_finite_are_told():
    exact = RNG.standard_normal((3, 4))
    hand = exact.copy()
    hand[1, 2] = hand[2, 0] = np.nan
    assert causes(hand, exact) == ("2 of 12 entries are NaN, the first at index (1, 2).",)
    hand[0, 3] = np.inf
    assert causes(hand, exact)[0].startswith("3 of 12 entries are NaN or infinite, the first at")
    assert causes(np.full((3, 4), -np.inf), exact)[0].startswith("Every entry is infinite")


# ---------------------------------------------------------------- several arrays


def group(names, shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: 2 * rng.standard_normal(s) for name, s in zip(names, shapes, strict=True)}


def explained(hand, exact, counts=COUNTS):
    rng = np.random.default_rng(1)
    return explain(
        [Evidence(k, hand[k], exact[k], rng.standard_normal(exact[k].shape)) for k in exact], counts
    )


def test_exchanged_and_copied_gradients_of_two_arrays():
    exact = group(["h0", "c0", "x"], [(4, 3), (4, 3), (2,)])
    hand = {"h0": exact["c0"], "c0": exact["h0"], "x": exact["x"]}
    found = explained(hand, exact)
    assert found == {
        "h0": ("It is exchanged with the gradient of c0.",),
        "c0": ("It is exchanged with the gradient of h0.",),
    }
    exact = group(["bi", "bf", "bo"], [(3,)] * 3)
    found = explained({**exact, "bi": exact["bf"], "bo": exact["bf"]}, exact)
    assert set(found) == {"bi", "bo"}
    assert found["bi"][0].startswith("It is the gradient of bf, copied")


def test_a_gradient_that_is_added_to_another_array():
    exact = group(["h0", "c0"], [(4, 3), (4, 3)])
    found = explained({"h0": exact["h0"] + exact["c0"], "c0": 0 * exact["c0"]}, exact)
    assert found["h0"][0] == "The gradient of c0 is added to it as well."


def test_an_array_that_the_function_does_not_use():
    found = causes(RNG.standard_normal((3, 2)), np.zeros((3, 2)))
    assert found[0].startswith("The right gradient is zero: what f returns does not depend on")
    # Nothing but rounding beside a large gradient is right.
    exact = {"a": 1e3 * RNG.standard_normal(3), "b": np.zeros(3)}
    assert explained({"a": exact["a"], "b": np.full(3, 1e-14)}, exact) == {}


# ---------------------------------------------------------------- little evidence


def test_a_single_number_has_a_factor_only_where_that_has_a_name():
    exact = np.array([1.7])
    assert causes(4 * exact, exact)[0].startswith("It is 4 times the right gradient: it is mult")
    assert "multiplied by the batch" not in causes(4 * exact, exact, counts={})[0:1]
    assert causes(0.371 * exact, exact) == ()
    assert causes(3 * exact, exact) == ()
    assert "the sign is wrong" in causes(-exact, exact)[0]
    assert causes(np.array(-1.7), np.array(1.7))[0] == (
        "It is minus the right gradient: the sign is wrong."
    )


def test_several_reasons_for_one_factor_stand_in_one_sentence():
    exact = RNG.standard_normal((3, 3))
    (found,) = causes(2 * exact, exact, counts={"the batch": 2, "the rows": 6})
    assert "the batch (2)" in found and "counted twice" in found and " or " in found


def test_nothing_known_names_nothing():
    hand = RNG.standard_normal((3, 3))
    assert causes(hand, np.full((3, 3), np.nan)) == ()
    assert explain([], {}) == {}


SHAPES = [(), (1,), (2,), (7,), (1, 1), (1, 5), (4, 1), (8, 3), (6, 6), (3, 1, 4), (7, 2, 8)]
WORDS = ["", "time", "batch", "unit", "gates", ("a", "b"), "row"]


@st.composite
def situations(draw):
    shape = draw(st.sampled_from(SHAPES))
    axes = draw(st.one_of(st.just(()), st.tuples(*[st.sampled_from(WORDS)] * len(shape))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    exact = draw(st.sampled_from([1e-6, 1.0, 1e6])) * rng.standard_normal(shape)
    share = draw(st.sampled_from([0.3, 1.0]))
    return exact, masked(exact, share, rng), axes, rng


@given(situations())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_noise_names_nothing(situation):
    exact, known, axes, rng = situation
    hand = np.abs(exact).max(initial=0) * rng.standard_normal(exact.shape)
    assert causes(hand, known, axes) == ()


@given(situations(), st.sampled_from([1e-12, 1e-6, 1e-3]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_right_within_the_tolerance_names_nothing(situation, tolerance):
    exact, known, axes, rng = situation
    largest = np.abs(known[np.isfinite(known)]).max(initial=0)
    hand = exact + tolerance * largest * rng.uniform(-0.99, 0.99, exact.shape)
    assert causes(hand, known, axes, tolerance=tolerance) == ()


@given(situations())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_float32_noise_names_nothing_and_its_factors_are_found(situation):
    exact, known, axes, rng = situation
    noise = 1e-5 * np.abs(exact).max(initial=0) * rng.standard_normal(exact.shape)
    hand = (28 * exact + noise).astype(np.float32)
    found = causes(hand, known, axes, tolerance=1e-4)
    assert not np.isfinite(known).any() or "the rows (28)" in found[0]
    hand = np.abs(exact).max(initial=0) * rng.standard_normal(exact.shape).astype(np.float32)
    assert exact.size < 4 or causes(hand, known, axes, tolerance=1e-4) == ()


def test_arguments_are_left_alone_and_big_arrays_are_quick():
    rng = np.random.default_rng(0)
    exact = rng.standard_normal((1600, 400))
    known = masked(exact, 40 / exact.size, rng)
    hand = exact.ravel().reshape(exact.shape, order="F")
    before = hand.copy(), known.copy()
    assert "read in column-major" in causes(hand, known, ("gates", "unit"))[0]
    np.testing.assert_array_equal(hand, before[0])
    np.testing.assert_array_equal(known, before[1])
