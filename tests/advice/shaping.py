"""Advice on windows, rates, gaps and unlabelled ends, whole and live, and by the command line.
Each data set is one or two short recordings.
"""

import argparse
from unittest.mock import patch

import numpy as np

import minilstm as ml
from advice.computing import pip
from minilstm.command_line.words.shaping import shaping_of, shaping_options
from minilstm.data import Sequences, Shaping, shape, windows
from minilstm.data.shaping.live import LiveWindows

TIMES = np.array([0.0, 0.1, 0.2, 0.3, 5.3, 5.4])


def data(times=None, words=("a", "b", "a", "b", "", "")):
    """A recording of six steps."""
    times = None if times is None else [np.asarray(times)]
    return Sequences([np.zeros((6, 1))], [np.array(words)], None, ["walk"], times=times)


def two():
    """A recording without labels beside one with them."""
    one = data()
    return one._replace(x=one.x * 2, y=[one.y[0], np.array([""] * 6)], ids=["a", "b"])


def live(shaping, steps, hertz=50):
    """The windows of so many rows at a rate."""
    windows_of = LiveWindows(shaping)
    return [windows_of.push([0.0], t / hertz) for t in range(steps)]


def words(text, rate=None):
    """The shaping that a command line asks for."""

    def refused(self, message):
        raise ValueError(message)

    with patch.object(argparse.ArgumentParser, "error", refused):
        return shaping_of(shaping_options().parse_args(text.split()), rate)


TABLE = [
    ("windows(9, 1)(x)", "the longest, .*, has (5): give a length [^:]* of at most that",
     "from_5 = windows($1, 1); len(from_5(x[:1])) == 1"),
    ("windows(5, 1)(x)", "give a smaller length to keep them", "len(windows(4, 1)(x)) == 3"),
    ("windows(2, 1)(x[0], [0.0, 1.0, 1.0, 1.0, 0.0])",
     r"choose ('last') .*, give a function such as (numpy.mean), or convert classes to integers",
     "import numpy; y = [0.0, 1.0, 1.0, 1.0, 0.0]; windows(2, 1, $1)(x[0], y); "
     "windows(2, 1, $2)(x[0], y); windows(2, 1)(x[0], [*map(int, y)])"),
    ("windows(2, 1)(x, [y[0], y[1][:1]])", "give one label for each step, or one for each",
     "windows(2, 1)(x, y); windows(2, 1)(x, y_last)"),
    ("windows(2, 1)(x, [y[0], [1, 2, 3, 4]])", "use one kind for all",
     "windows(2, 1)(x, [y[0], list('1234')])"),
    ("windows(2, 1)(np.ones(3))", r"a recording is \(T, D\), .*; give one, or a list",
     "windows(2, 1)(np.ones((3, 1))); windows(2, 1)([np.ones((3, 1))])"),
    ("windows(2, 1)([])", "x is an empty list, .*; give one, or a list", "windows(2, 1)(x)"),
    ("windows(2, 1)(data(), y_last)", r"leave y out, or pass (x\.x) and (y)",
     "windows(2, 1)(data()); windows(2, 1)(data().x, ['a'])"),
    ("shape(data(), Shaping(gap_seconds=1))",
     "read them with time_column, or leave (gap_seconds) out",
     "len(shape(data(TIMES), Shaping($1=1)).x) == 2; shape(data(), Shaping())"),
    ("shape(data(), Shaping(rate=5))", "give (rate_in), or read them with time_column",
     "shape(data(), Shaping(rate=5, $1=10)); "
     "shape(data(TIMES), Shaping(rate=5, gap_seconds=1))"),
    ("shape(data(TIMES), Shaping(rate=5))", "set (gap_seconds) to split there",
     "shape(data(TIMES), Shaping(rate=5, $1=1))"),
    ("shape(data([0, 2, 1, 3, 4, 4]), Shaping(rate=5))",
     "sort the recording, and remove rows of the same time",
     "shape(data([0, 1, 2, 3, 4, 5]), Shaping(rate=5))"),
    ("with patch.dict(sys.modules, scipy=None): shape(data(), Shaping(rate=5, rate_in=9))",
     "(pip install .*)\\.", "pip(\"$1\")"),
    ("shape(data(words=[''] * 6), Shaping(trim_unlabelled=True))",
     "check which labels are read as missing", "shape(data(), Shaping(trim_unlabelled=True))"),
    ("shape(two(), Shaping(trim_unlabelled=True))", "leave trim_unlabelled out to keep them",
     "len(shape(two(), Shaping()).x) == 2"),
    ("Shaping(window_step=3)", "without window_length .*; give both, or none",
     "Shaping(window_step=3, window_length=4); Shaping()"),
    ("Shaping(4, window_label=max).to_plain()", "choose ('majority') or ('last')",
     "Shaping(4, window_label=$1).to_plain(); Shaping(4, window_label=$2).to_plain()"),
    ("Shaping.from_plain({'size': 4})", "choose from ('window_length')",
     "Shaping.from_plain({$1: 4})"),
    ("LiveWindows(Shaping())", r"give (window_length), or send rows to (net\.stream\(\))",
     "LiveWindows(Shaping($1=4)); net = build(); $2.step([0, 0, 0]).shape == (2,)"),
    ("LiveWindows(Shaping(2)).push([0.0], np.nan)", "a finite number of seconds, or none",
     "LiveWindows(Shaping(2)).push([0.0], 0.5); LiveWindows(Shaping(2)).push([0.0])"),
    ("w = LiveWindows(Shaping(2)); w.push([0.0], 5); w.push([0.0], 4)",
     r"send rows in the order of time, or call (reset\(\)) before",
     "w = LiveWindows(Shaping(2)); w.push([0.0], 4); w.push([0.0], 5); w.$1; w.push([0.0], 4)"),
    ("live(Shaping(4, rate=50), 4, hertz=100)", "send them at that rate, or record them",
     "live(Shaping(4, rate=50), 4)[-1].shape == (4, 1); "
     "shape(data(np.arange(6) / 100), Shaping(rate=50)).x[0].shape == (3, 1)"),
    ("words('--window-length 2.5')", r"neither steps, such as (\w+), nor seconds, as ([\w.]+)",
     "words('--window-length $1'); words('--window-length $2', 50).window_length == 128"),
    ("words('--window-step 3')", r"add (--window-length), or leave --window-step out",
     "words('--window-step 3 $1 4'); words('') is None"),
    ("words('--window-length 2s')", "add (--rate), or give steps",
     "words('--window-length 2s $1 9'); words('--window-length 18')"),
    ("words('--window-length .001s --rate 50')", "give at least (.*s)",
     "words('--window-length $1 --rate 50').window_length == 1"),
]  # fmt: skip
