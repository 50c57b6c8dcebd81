"""The words that shape recordings: what they parse to, and what is said where they do not fit.
A length may be steps, or seconds where the rate is known."""

import argparse

import pytest
from agreement import refuses_data

from minilstm.command_line.words.shaping import shaping_of, shaping_options
from minilstm.data import Shaping


def parsed(words, rate=None):
    return shaping_of(shaping_options().parse_args(words.split()), rate)


@pytest.mark.parametrize(
    ("words", "rate", "want"),
    [
        ("", None, None),
        ("--rate-in 50", None, None),
        ("--window-length 128", None, Shaping(128, 64)),
        ("--window-length 1", None, Shaping(1, 1)),
        ("--window-length 9 --window-step 5 --window-label last", None, Shaping(9, 5, "last")),
        ("--window-length 2.56s --window-step .5s", 50, Shaping(128, 25)),
        ("--window-length 2.56s --rate 25", 50, Shaping(64, 32, rate=25)),
        ("--window-length 2s --rate-in 30", None, Shaping(60, 30, rate_in=30)),
        ("--split-gaps 1.5", None, Shaping(gap_seconds=1.5)),
        ("--trim-unlabelled", None, Shaping(trim_unlabelled=True)),
    ],
)  # fmt: skip
def test_words_become_a_shaping(words, rate, want):
    assert parsed(words, rate) == want


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--window-length 2.56s",
         "--window-length is 2.56 seconds, but the rate is not known; add --rate, or give steps."),
        ("--window-length .001s --rate 50",
         "--window-length is 0.001 seconds, less than a step at 50 Hz; give at least 0.02s."),
        ("--window-step 3",
         "--window-step is 3, but there are no windows; add --window-length, or leave "
         "--window-step out."),
        ("--window-label last --rate 5",
         "--window-label is last, but there are no windows; add --window-length, or leave "
         "--window-label out."),
    ],
)  # fmt: skip
def test_words_that_mean_nothing_together(words, sentence):
    with refuses_data(sentence):
        parsed(words)


@pytest.mark.parametrize("word", ["0", "-1", "2.5", "0s", "s", "2ms", "1e9s", "1_0", "inf"])
def test_lengths_that_are_none(word, monkeypatch):
    def refused(self, message):
        raise ValueError(message)

    monkeypatch.setattr(argparse.ArgumentParser, "error", refused)
    said = (
        rf"^argument --window-length: {word} is neither steps, such as 128, nor seconds, as 2.56s$"
    )
    with pytest.raises(ValueError, match=said):
        parsed(f"--window-length={word}")
