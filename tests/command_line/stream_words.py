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


def rate_in(w):
    """The model's own rate is told no more; another one is refused."""
    layers = [ml.SequenceInput(2), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    about = {"shaping": {"rate": 50}}
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=["a", "b"], about=about)
    path = net.save(w.out / "s.safetensors")
    for words, code in (("--rate-in", "50"), 0), (("--rate-in", "20"), 2):
        w.patch.setattr(sys, "stdin", io.StringIO("1,2\n"))
        found = w.run("stream", path, *words, code=code)
    assert found["error"] == (
        "--rate-in is 20, but the model takes 50 steps a second, and a stream resamples nothing; "
        "send lines at that rate, or use the command predict."
    )


def without_times(command):
    """The case of a model of another rate, and of recordings that have no times."""

    def case(w):
        rows = [f"r1,{k / 10},{k % 7},{'ab'[k % 7 > 3]}" for k in range(60)]
        (w.files / "t.csv").write_text("\n".join(["recording,time,speed,label", *rows]) + "\n")
        bare = [",".join(row.split(",")[i] for i in (0, 2, 3)) for row in rows[:40]]
        (w.files / "bare.csv").write_text("\n".join(["recording,speed,label", *bare]) + "\n")
        w.train("--rate", "5", "--split-gaps", "2", data="t.csv")
        words = [command, w.out / "t/model.safetensors", "bare.csv"]
        assert "have no times" in w.run(*words, code=2)["error"]
        w.run(*words, "--rate-in", "10")
        rows = "20 steps" if command == "evaluate" else "r1,19,"
        assert any(rows in line for line in w.printed)
        how = ["trained/model.safetensors", "test.csv", "--rate-in", "10"]
        found = w.run(command, *how, code=2)["error"]
        assert found == "--rate-in is 10, but the model needs no rate; leave it out."

    return case


STREAM = {
    ("stream", "--rate-in"): rate_in,
    ("predict", "--rate-in"): without_times("predict"),
    ("evaluate", "--rate-in"): without_times("evaluate"),
    ("info", "--markdown"): markdown,
    ("stream", "--separator"): answered("1;2\n", "--separator", ";", answers=1),
    ("stream", "--decimal"): answered("1,5|2\n", "--separator", "|", "--decimal", ",", answers=1),
    ("stream", "--on-bad-line"): answered("1,2\nx\n", "--on-bad-line", "skip", answers=2),
    ("stream", "--time-column"): answered("u,a,b\n0,1,2\n", "--time-column", "u", answers=1),
    ("stream", "--time-unit"): answered(
        "t,a,b\n0,1,2\n20,1,2\n", "--time-unit", "ms", answers=1, windows=True
    ),
}
