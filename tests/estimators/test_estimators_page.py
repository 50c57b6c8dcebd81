"""The page on scikit-learn runs and gives what it says, and so does the example.
Both are reached from the README."""

import doctest
import re
import runpy
from pathlib import Path

import minilstm as ml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scikit-learn.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
TOUR = (ROOT / "docs/tour.md").read_text("utf-8")


def test_the_page_gives_what_it_says(on_numpy):
    names, count = {}, 0
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        *parts, rest = re.split(r"^#: (.*)\n", block, flags=re.MULTILINE)
        assert not rest
        for code, want in zip(parts[::2], parts[1::2], strict=True):
            *before, last = code.strip().split("\n")
            exec("\n".join(before), names)
            got = repr(eval(last, names))
            assert doctest.OutputChecker().check_output(f"{want}\n", f"{got}\n", 0), (last, got)
            count += 1
    assert count == 8
    for target in re.findall(r"\]\(([^)#:]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_the_example_searches(own_folder, capsys):
    example = runpy.run_path(str(ROOT / "examples" / "scikit_learn_grid_search.py"))
    assert example["main"](max_epochs=4, folds=2, n_jobs=None) > 0.7
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 5 and said[-1].startswith("test accuracy 0.")
    assert ml.load("speakers.safetensors").input_size == 12


def test_both_are_found():
    assert "(docs/scikit-learn.md)" in README
    assert "(../examples/scikit_learn_grid_search.py)" in TOUR
