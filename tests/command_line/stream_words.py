"""The words of stream and info; those of stream with lines that are answered with it alone.
A case takes the `World` of `test_cli_options.py`.
"""

import io
import sys

import numpy as np

import minilstm as ml

SHAPED = {"description": {"time_column": "t"}, "shaping": {"window_length": 2, "gap_seconds": 5}}


def answered(text, *words, answers, windows=False):
    """The case of a word: so many lines out with it, and fewer without."""

    def case(w):
        layers = [ml.SequenceInput(2), ml.LSTM(2, "last"), ml.FullyConnected(2), ml.Softmax()]
        about = SHAPED if windows else None
        net = ml.Network(layers, rng=np.random.default_rng(0), classes=["a", "b"], about=about)
        path = net.save(w.out / "s.safetensors")
        for more, code in ((words, 0), (words[:-2], 0 if windows else 2)):
            w.patch.setattr(sys, "stdin", io.StringIO(text))
            w.run("stream", path, *more, code=code)
            assert (len(w.printed) == answers) == (more == words)

    return case


def markdown(w):
    w.run("info", "trained/model.safetensors", "--markdown")
    assert w.printed[0] == "# model.safetensors"


STREAM = {
    ("info", "--markdown"): markdown,
    ("stream", "--separator"): answered("1;2\n", "--separator", ";", answers=1),
    ("stream", "--decimal"): answered("1,5|2\n", "--separator", "|", "--decimal", ",", answers=1),
    ("stream", "--on-bad-line"): answered("1,2\nx\n", "--on-bad-line", "skip", answers=2),
    ("stream", "--time-column"): answered("u,a,b\n0,1,2\n", "--time-column", "u", answers=1),
    ("stream", "--time-unit"): answered(
        "t,a,b\n0,1,2\n20,1,2\n", "--time-unit", "ms", answers=1, windows=True
    ),
}
