"""Schedules of the learning rate at the points where their values are plain to see.
One after another, as functions and as options too."""

import dataclasses
import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.training.learn_rate import as_schedule
from minilstm.training.schedules import (
    SCHEDULES,
    Cosine,
    Cyclical,
    Exponential,
    Piecewise,
    Polynomial,
    Schedule,
    Warmup,
)

EPOCHS, PER_EPOCH = 6, 4
TOTAL = EPOCHS * PER_EPOCH


def rates(schedule, initial=1.0, epochs=EPOCHS, per_epoch=PER_EPOCH):
    """The rate of every iteration of a training."""
    total = epochs * per_epoch
    return np.array(
        [schedule.rate(initial, n // per_epoch + 1, n + 1, epochs, total) for n in range(total)]
    )


def by_epoch(schedule, **size):
    """The rate of every epoch, after making sure that it does not change within one."""
    table = rates(schedule, **size).reshape(-1, size.get("per_epoch", PER_EPOCH))
    assert (table == table[:, :1]).all()
    return table[:, 0]


def test_none_keeps_the_rate():
    assert (rates(as_schedule("none"), 0.3) == 0.3).all()


def test_piecewise_drops_after_every_period_of_epochs():
    np.testing.assert_allclose(by_epoch(Piecewise(0.5, 2)), [1, 1, 0.5, 0.5, 0.25, 0.25])
    fifty = by_epoch(as_schedule("piecewise", 0.1, 30), epochs=50)
    assert (fifty[:30] == 1).all() and (fifty[30:] == 0.1).all()  # one drop in 50 epochs
    assert as_schedule("piecewise") == Piecewise(0.1, 10)
    assert rates(Piecewise(0.5, 3, unit="iteration"))[:7].tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_warmup_is_a_line_that_ends_at_the_rate():
    got = rates(Warmup(0.2, 1.0, steps=4), 0.5)
    np.testing.assert_allclose(got[:5], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-14)
    assert (got[4:] == 0.5).all()
    np.testing.assert_allclose(
        by_epoch(Warmup(0.5, 1, steps=2, unit="epoch")), [0.5, 0.75, 1, 1, 1, 1]
    )


def test_cosine_falls_through_half_of_it_in_the_middle():
    whole = rates(Cosine())
    assert whole[0] == 1 and whole[TOTAL // 2] == pytest.approx(0.5)
    assert (np.diff(whole) < 0).all() and 0 < whole[-1] < 0.01
    low = rates(Cosine(1.5, 0.1, period=6))
    for start in (0, 6, 12, 18):  # warm restarts
        assert low[start] == 1.5 and low[start + 3] == pytest.approx(0.8)
    growing = rates(Cosine(period=2, period_growth=3))  # waves of 2, 6 and 18 steps
    assert np.flatnonzero(growing == 1).tolist() == [0, 2, 8]
    assert growing[5] == pytest.approx(0.5)
    assert Cosine(final_factor=0.25).rate(1.0, 7, TOTAL + 1, EPOCHS, TOTAL) == 0.25


def test_cyclical_rises_and_falls():
    got = rates(Cyclical(max_factor=3, period=8, rise=0.25))
    np.testing.assert_allclose(got[:9], [1, 2, 3, 8 / 3, 7 / 3, 2, 5 / 3, 4 / 3, 1], rtol=1e-14)
    assert (got[8:16] == got[:8]).all()


def test_exponential_reaches_the_drop_factor_after_a_period():
    got = by_epoch(Exponential(0.25, 2))
    np.testing.assert_allclose(got, [1, 0.5, 0.25, 0.125, 0.0625, 0.03125], rtol=1e-14)
    assert rates(Exponential(0.1, 12, unit="iteration"))[12] == pytest.approx(0.1)


def test_polynomial_is_a_power_of_what_is_left():
    np.testing.assert_allclose(rates(Polynomial()), 1 - np.arange(TOTAL) / TOTAL, rtol=1e-14)
    got = rates(Polynomial(1, 0.2, power=3, steps=10))
    assert got[0] == 1 and got[5] == pytest.approx(0.2 + 0.8 / 8)
    assert (got[10:] == 0.2).all()


# ---------------------------------------------------------------- one after another


def test_a_list_warms_up_and_then_lets_the_next_count_from_there():
    warm = Warmup(0.1, 1, steps=4)
    got = rates(as_schedule([warm, "cosine"]))
    assert (got[:4] == rates(warm)[:4]).all()
    rest = [Cosine().rate(1.0, 1, n + 1, 5, TOTAL - 4) for n in range(TOTAL - 4)]
    np.testing.assert_allclose(got[4:], rest, rtol=1e-14)
    # An epoch counts four iterations from where the schedule begins.
    got = rates(as_schedule((Warmup(0.5, 1, steps=2), Piecewise(0.5, 1))))
    assert got.tolist() == [0.5, 0.75] + [0.5**n for n in range(5) for _ in range(4)] + [0.5**5] * 2
    got = rates(as_schedule([Warmup(0.5, steps=1, unit="epoch"), Warmup(1, 2, steps=4), "none"]))
    np.testing.assert_allclose(got[:12], [0.5] * 4 + [1, 1.25, 1.5, 1.75] + [1] * 4)


def test_a_list_of_one_is_that_one():
    assert as_schedule(["cosine"]) == Cosine()
    assert as_schedule([Warmup()]) == Warmup()


def test_what_has_no_end_comes_last():
    with pytest.raises(ValueError, match=r"^learn_rate_schedule holds Cosine\(.*no end"):
        as_schedule(["cosine", "warmup"])


# ---------------------------------------------------------------- what else may be given


def test_functions_give_the_rate_itself():
    schedule = as_schedule(lambda epoch, iteration: 0.1 / epoch + iteration)
    assert schedule.rate(7.0, 2, 3, 10, 20) == 3.05
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"gave the rate .* for epoch 1, iteration 2; let"):
            as_schedule(lambda epoch, iteration, bad=bad: bad).rate(1.0, 1, 2, 3, 4)


def test_objects_with_a_method_rate_are_schedules():
    class Halved:
        def rate(self, initial_rate, epoch, iteration, total_epochs, total_iterations):
            return initial_rate / 2

    mine = Halved()
    assert as_schedule(mine) is mine and isinstance(mine, Schedule)
    assert rates(as_schedule(["warmup", mine]))[-1] == 0.5


@pytest.mark.parametrize("bad", [None, "linear", 3, [], ["warmup", 3], Warmup, True])
def test_anything_else_is_refused(bad):
    with pytest.raises(ValueError, match=r"^learn_rate_schedule is .*; choose one of 'none', 'pie"):
        ml.TrainingOptions(learn_rate_schedule=bad)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Piecewise(drop_factor=2), "drop_factor of Piecewise is 2; give a number from 0"),
        (lambda: Piecewise(period=0), "period of Piecewise is 0; give a whole number of at least"),
        (lambda: Piecewise(period=None), "period of Piecewise is None; give a whole number"),
        (lambda: Cosine(period=2.5), "period of Cosine is 2.5; give a whole number of at least 1."),
        (lambda: Cosine(period_growth=0.5), "period_growth of Cosine is 0.5; give a number at"),
        (lambda: Warmup(initial_factor=-1), "initial_factor of Warmup is -1; give a number at"),
        (lambda: Warmup(unit="step"), "unit of Warmup is 'step'; choose one of 'epoch', 'iterat"),
        (lambda: Cyclical(rise=1), "rise of Cyclical is 1; give a number between 0 and 1."),
        (lambda: Cyclical(max_factor="2"), "max_factor of Cyclical is '2'; give a number above 0"),
        (lambda: Polynomial(power=0), "power of Polynomial is 0; give a number above 0."),
        (lambda: Exponential(unit=None), "unit of Exponential is None; choose one of"),
    ],
)
def test_wrong_values_are_one_sentence(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make()


def test_schedules_are_public_frozen_and_named():
    assert ml.schedules.Warmup is Warmup
    with pytest.raises(dataclasses.FrozenInstanceError):
        Warmup().steps = 3
    for name in SCHEDULES:
        assert rates(as_schedule(name), 0.1).max() <= 0.2, name


def test_options_know_the_rate_of_every_iteration():
    options = ml.TrainingOptions(
        initial_learn_rate=0.8,
        learn_rate_schedule=["warmup", "piecewise"],
        learn_rate_drop_factor=0.5,
        learn_rate_drop_period=2,
        max_epochs=EPOCHS,
    )
    assert options.learn_rate_schedule == ("warmup", "piecewise")
    got = [options.learn_rate(n // PER_EPOCH + 1, n + 1, TOTAL) for n in range(TOTAL)]
    assert got[0] == pytest.approx(0.08) and got[5:13] == [0.8] * 8 and got[13:21] == [0.4] * 8
    assert ml.TrainingOptions("sgdm").learn_rate(1, 1, 9) == 0.01
