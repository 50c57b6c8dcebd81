"""The words of the command check, each with what it changes; and what it prints, and its codes.
A case takes the `World` of `test_cli_options.py`."""

import json
import subprocess
import time
from pathlib import Path

from minilstm.command_line import checking

RIGHT = "def f(x): return (x**3).sum()\ndef df(x): return 3 * x**2\n"
WRONG = "def g_forward(x, w): return x * w\ndef g_backward(dy, x, w): return dy * w, dy * x * 2\n"
LOST = "def h_forward(x): return x.no\ndef h_backward(dy, x): return dy\n"


def mine(w, text=RIGHT + WRONG):
    """A file of that text, as a word."""
    (w.out / "mine.py").write_text(text)
    return w.out / "mine.py"


def plain(w, *words):
    """All of a file that is right."""
    facts = w.run("check", mine(w, RIGHT), *words)
    path, line, verdict, told = w.printed[0].split(":", 3)
    assert (path, line, verdict) == (str(w.out / "mine.py"), "1", " right")
    assert told.startswith(" f, with df") and w.printed[1] == "1 backward pass: 1 right, 0 wrong"
    assert (facts["right"], facts["wrong"], facts["not_checked"]) == (1, 0, 0)
    return facts


def names_and_codes(w):
    facts = w.run("check", mine(w), code=1)
    assert (facts["right"], facts["wrong"]) == (1, 1)
    assert w.errors.count("backward passes") + "\n".join(w.printed).count("backward passes:") == 1
    assert "likely cause: It is twice the right gradient" in " ".join(w.printed)
    assert [c["name"] for c in w.run("check", mine(w), "f")["checks"]] == ["f"]
    said = w.run("check", mine(w), "F", code=2)["error"]
    assert said.startswith("mine.py has no backward pass called 'F' (did you mean 'f'?)")
    facts = w.run("check", mine(w, RIGHT + LOST), code=2)
    assert (facts["not_checked"], facts["checks"][1]["passed"]) == (1, None)
    assert "no inputs were found that h_forward takes" in facts["checks"][1]["fault"]
    assert w.run("check", mine(w, RIGHT + WRONG + LOST), code=1)["not_checked"] == 1
    assert "line 1, is no Python" in w.run("check", mine(w, "def"), code=2)["error"]


def seed(w):
    found = [plain(w, *words)["checks"] for words in ([], ["--seed", 5], ["--seed", 5])]
    assert found[0] != found[1] == found[2]


def junit(w):
    w.run("check", mine(w, RIGHT + WRONG + LOST), "--junit", w.out / "o.xml", code=1)
    text = (w.out / "o.xml").read_text()
    assert text.count("<failure") == text.count("<error") == 1 and text.count("<testcase") == 4


def watch(w):
    """Three looks: at first, at a file that stayed, at one that was saved; then Ctrl-C."""
    file, runs, looks = mine(w), [], []
    w.patch.setattr(subprocess, "run", lambda words, check: runs.append(words[3:]))

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            Path(file.parent / "other.py").write_text("")
        if len(looks) == 4:
            raise KeyboardInterrupt

    w.patch.setattr(time, "sleep", look)
    words = ["f", "--seed", 3, "--junit", w.out / "o.xml"]
    facts = w.run("check", file, *words, "--watch", code=130)
    assert facts == {"error": "stopped by Ctrl-C.", "exit_code": 130}
    again = ["check", str(file), "f", "--seed", "3", "--json", "--junit", str(w.out / "o.xml")]
    assert runs == [again, again] and looks == [checking.PAUSE] * 4


def watch_runs(w):
    """One look in earnest: what the process of its own prints."""
    done = []
    real = subprocess.run
    how = {"capture_output": True, "text": True}
    w.patch.setattr(subprocess, "run", lambda words, **k: done.append(real(words, **k, **how)))
    w.patch.setattr(time, "sleep", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))
    w.run("check", mine(w), "--watch", code=130)
    assert done[0].returncode == 1 and json.loads(done[0].stdout.splitlines()[-1])["wrong"] == 1


CHECK = {
    ("check", "--watch"): lambda w: (watch_runs(w), w.patch.undo(), watch(w)),
    ("check", "--seed"): seed,
    ("check", "--junit"): junit,
}
