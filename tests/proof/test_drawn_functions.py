"""Two thousand functions at scales and offsets from 1e-8 to 1e8: no wrong gradient is accepted.
No right one is refused either, and at most one in a hundred cannot be judged.
"""

import numpy as np
import pytest
from campaigns import cases
from drawn_functions import FAMILIES, drawn

import minilstm as ml
from minilstm.proof.checker import explanation

CASES = range(cases(2000))


def one_entry(g):
    g = g.copy()
    g.flat[(np.abs(g) > 0.9 * np.abs(g).max()).argmax()] *= 1.1  # the first of the largest
    return g


# Each makes a wrong gradient of a right one.
CHANGES = {
    "the sign": lambda g: -g,
    "a factor of 2": lambda g: 2 * g,
    "zeros": lambda g: 0 * g,
    "a thousandth too large": lambda g: 1.001 * g,
    "divided by the rows": lambda g: g / len(g),
    "one entry": one_entry,
    "one column further": lambda g: np.roll(g, 1, axis=-1),
    "rows turned over": lambda g: g[::-1],
    "a mean taken off": lambda g: g - g.mean(),
    "the same for all rows": lambda g: np.broadcast_to(g.mean(0), g.shape),
}
WAYS = (*CHANGES, "ones for dy", "inputs of another call")
LEAST_CHANGE = 5e-4  # relative; a smaller one makes no wrong gradient


def wrong(case, way, rng):
    """A wrong backward pass of a drawn function, one array of it."""
    name = rng.choice(list(case.inputs))

    def backward(*arguments, **inputs):
        right = case.backward(*arguments, **inputs)
        if way in CHANGES:
            return {**right, name: CHANGES[way](right[name])}
        if way == "ones for dy":
            return case.backward(*(np.ones_like(dy) for dy in arguments), **inputs)
        moved = {k: v * (1 + 0.01 * np.sin(np.arange(v.size)).reshape(v.shape)) for k, v in
                 inputs.items()}  # fmt: skip
        return case.backward(*arguments, **moved)

    return backward


def verdict(case, backward, seed):
    """What the checker says; a function without an upstream gradient is a loss."""
    options = {"upstream": None} if case.name == "cross_entropy" else {}
    report = ml.gradcheck(case.f, backward, case.inputs, seed=seed, raises=False, **options)
    if report.verdict == "not tested":  # it has to be true that nothing arrives
        dy = () if options else (np.ones(np.shape(case.f(**case.inputs))),)
        assert all(np.abs(g).max() < 1e-30 for g in case.backward(*dy, **case.inputs).values())
    return report.verdict


def wrongly(case, number):
    """A wrong backward pass in one of twelve ways, and the way; None where none changes it."""
    rng = np.random.default_rng(number)
    shape = np.shape(case.f(**case.inputs))
    dy = () if case.name == "cross_entropy" else (rng.normal(size=shape),)
    right = case.backward(*dy, **case.inputs)
    for way in (WAYS[(number + k) % len(WAYS)] for k in range(len(WAYS))):
        backward = wrong(case, way, rng)
        found = backward(*dy, **case.inputs)
        largest = {name: np.abs(g).max() for name, g in right.items()}
        changed = [
            np.abs(found[n] - right[n]).max() >= LEAST_CHANGE * largest[n] > 0 for n in right
        ]
        if any(changed):
            return backward, way
    return None, ""


@pytest.mark.campaign
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("side", ["right", "wrong"])
def test_two_thousand_drawn_functions(side, monkeypatch):
    monkeypatch.setattr(explanation, "find_causes", lambda *_: {})  # they take the time
    found = {}
    for number in CASES:
        case, way = drawn(number), ""
        backward = case.backward
        if side == "wrong":
            backward, way = wrongly(case, number)
        if backward is not None:
            said = verdict(case, backward, seed=number % 7)
            found.setdefault(said, []).append((number, case.name, way))
    other = "right" if side == "wrong" else "wrong"
    assert found.get(other, []) == []
    assert len(found.get("cannot be judged", [])) <= len(CASES) / 100
    assert len(found.get("not tested", [])) <= len(CASES) / 100  # a saturated softmax
    assert len(found[side]) >= 0.98 * len(CASES)


def test_every_family_and_every_way_is_drawn():
    assert {drawn(n).name for n in range(len(FAMILIES))} == {f.__name__ for f in FAMILIES}
    assert {wrongly(drawn(n), n)[1] for n in range(4 * len(WAYS))} == set(WAYS)
