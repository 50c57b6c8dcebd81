"""Mistakes planted in backward passes of public habits: all caught, right arrays, no false cause.
Words of the true cause stand beside each; a sentence without them counts as misleading."""

from collections import Counter

import campaigns
import pytest
from planted import attention, gated, layers, losses, normalising, recurrent, sciences
from planted.case import mistakes, verdict, with_mistake

import minilstm as ml

SUBJECTS = {
    "recurrent": recurrent.PAIRS, "gated": gated.PAIRS, "attention": attention.PAIRS,
    "normalising": normalising.PAIRS, "losses": losses.PAIRS, "layers": layers.PAIRS,
    "sciences": sciences.PAIRS,
}  # fmt: skip
PLANTED = mistakes()


def check(forward, backward, pair):
    return ml.gradcheck(forward, backward, pair.inputs, raises=False, **pair.options)


@pytest.fixture(scope="module")
def judged():
    """(subject, pair, mistake, report, verdict) of planted mistakes."""
    every, found = 120 // campaigns.cases(120), []
    for subject, pairs in SUBJECTS.items():
        made = [(pair, m) for pair in pairs for m in PLANTED[pair.forward.__name__]]
        for pair, mistake in made[::every]:
            *functions, lines = with_mistake(pair, mistake)
            report = check(*functions, pair)
            said = sorted({c for e in report.errors for c in e.causes})
            found.append((subject, pair, mistake, report, verdict(mistake, said, lines)))
    return found


def test_there_are_120_mistakes_in_40_pairs():
    assert sum(map(len, PLANTED.values())) == 120
    assert sum(map(len, SUBJECTS.values())) == len(PLANTED) == 40


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_right_pair_is_not_accused(subject):
    for pair in SUBJECTS[subject]:
        report = check(pair.forward, pair.backward, pair)
        assert report.passed, report
        assert not any(e.causes or e.note for e in report.errors), report


@pytest.mark.campaign
def test_every_mistake_is_caught_in_its_arrays(judged):
    missed = [m.change for _, _, m, r, _ in judged if sorted(r.wrong) != sorted(m.wrong.split())]
    assert not missed


@pytest.mark.campaign
def test_causes_are_right_and_none_misleads(judged):
    by_subject = Counter((subject, v) for subject, *_, v in judged)
    print(*(f"{s:12} {v:10} {n}" for (s, v), n in sorted(by_subject.items())), sep="\n")
    assert not [m.change for _, _, m, _, v in judged if v == "misleading"]
    told = sum(v in ("right", "partly") for *_, v in judged)
    assert told >= (110 if campaigns.WHOLE else 10)
