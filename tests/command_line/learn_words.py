"""The words of the command learn, each with what it changes; and what it prints, and its codes.
A case takes the `World` of `test_cli_options.py`."""

from pathlib import Path

from minilstm.lessons import apart
from minilstm.lessons.exercises import hint, tables, text

FILE = "ex1_step_forward.py"


def learning_and_codes(w):
    """A student's way through the first exercise."""
    w.patch.chdir(w.out)
    facts = w.run("learn")
    assert (facts["points"], facts["of"]) == (0, 44) and len(facts["exercises"]) == 7
    row = "1  one step forward         0 of 3   lesson 1  ex1_step_forward.py"
    assert w.printed[0] == row
    assert w.run("learn", 1)["file"] == FILE and Path(FILE).read_text() == text(FILE)
    assert w.printed[1].endswith("check it by the same words: minilstm learn 1")
    assert w.run("learn", 1, code=1)["points"] == 0
    assert w.errors == "minilstm: exercise 1: 0 of 3 points.\n"
    assert w.printed[:3] == [
        f"{FILE}: one step forward",
        "  LOST  step_forward: shape",
        f"        {FILE}, line 21: step_forward has a hole, `z = ...`, to fill in.",
    ]
    assert w.printed[-1] == "0 of 3 points; a hint: minilstm learn 1 --hint 1"
    solution = text("solutions", FILE)
    Path("mine.py").write_text(solution.replace("R @ h + b", "R @ h"))
    facts = w.run("learn", 1, "mine.py", code=1)
    says = "(1) lacks the bias: z = W x + R h + b."
    assert (facts["points"], facts["findings"][2]["cause"]) == (2, says)
    assert f"        likely cause: {says}" in w.printed
    Path(FILE).write_text(solution)
    assert w.run("learn", 1)["points"] == 3
    assert w.printed[-1] == "3 of 3 points; next: minilstm learn 2"
    facts = w.run("learn")
    assert w.printed[0] == row.replace("0 of 3", "3 of 3") + "   done"
    assert facts["points"] == 3 and w.printed[-1].startswith("3 of 44 points")


def the_page(w):
    """What the page of the exercises shows is what is printed."""
    w.patch.chdir(w.out)
    Path(FILE).write_text(text("solutions", FILE))
    other = "ex2_step_backward.py"
    Path(other).write_text(text("solutions", other).replace("dc_new * c  #", "dc_new * c_new  #"))
    w.run("learn", 2, code=1)
    shown = text("index.md").partition("$ minilstm learn 2\n")[2].partition("\n```")[0]
    first, _, last = shown.partition("\n        ...\n")
    assert w.printed[:9] == first.splitlines() and w.printed[-1] == last


def bad_words(w):
    w.patch.chdir(w.out)
    for words, said in {
        (8,): "NUMBER is 8; give a number from 1 to 7.",
        (0,): "NUMBER is 0; give a number from 1 to 7.",
        (1, "--hint", 4): "--hint is 4; give a number from 1 to 3.",
        ("--hint", 1): "--hint and --solution are of an exercise; give its number before them.",
        (1, "no.py"): "FILE is 'no.py', but there is no such Python file; check its name.",
        (1, "--hint", 1, "--solution"): "--solution cannot stand beside --hint; leave one of them "
        "out.",
    }.items():
        assert w.run("learn", *words, code=2)["error"] == said
    Path(FILE).write_text("def")
    said = f"{FILE}, line 1: this is no Python (invalid syntax)."
    assert w.run("learn", 1, code=2)["error"] == said
    Path("minilstm-learn.json").write_text("{")
    assert "is damaged; remove it" in w.run("learn", code=2)["error"]


def hints(w):
    w.patch.chdir(w.out)
    for strength in (1, 2, 3):
        w.run("learn", 2, "--hint", strength)
        assert "\n".join(w.printed) == hint(tables()[0][1], strength)
    assert [row["hints"] for row in w.run("learn")["exercises"][:2]] == [0, 3]


def solution(w):
    w.patch.chdir(w.out)
    w.run("learn", 1, "--solution")
    assert "\n".join(w.printed) + "\n" == text("solutions", FILE) and not Path(FILE).exists()


def time_limit(w):
    w.patch.chdir(w.out)
    Path(FILE).write_text(text("solutions", FILE))
    calls = w.taken(apart, "examine_apart", ([], ""))
    w.run("learn", 1, "--time-limit", 7, code=1)
    w.run("learn", 1, code=1)
    assert [a[2] for a, _ in calls] == [7, apart.SECONDS]


LEARN = {
    ("learn", "--hint"): hints,
    ("learn", "--solution"): solution,
    ("learn", "--time-limit"): time_limit,
}
