"""The words of the command export, each with what it changes in the file or its report.
A case takes the `World` of `test_cli_options.py`."""

MODEL = "trained/model.safetensors"


def exported(w, *words, to="m.c", code=0):
    """The report of an export, and the text of its file."""
    facts = w.run("export", MODEL, "--out", w.out / to, *words, code=code)
    return facts, (w.out / to).read_text() if code == 0 else ""


def to(w):
    facts = w.run("export", MODEL, "--to", "js")
    assert facts["files"] == ["trained/model.js"] == [facts["path"]]
    facts = w.run("export", MODEL, "--to", "safetensors")
    assert facts["files"] == ["trained/model.state-dict.safetensors"]
    said = exported(w, "--to", "js", code=2)[0]["error"]
    assert "but --to is 'js'; leave one of them out, or let the name end in .js" in said


def weights(w):
    facts, text = exported(w, "--weights", "int8")
    assert facts["weights"] == "int8" and "static const int8_t W0[" in text
    assert (facts["quantisation"]["bits"], facts["quantisation"]["labels"]) == (8, 200)


def bits(w):
    facts = exported(w, "--weights", "int8", "--bits", 5)[0]
    assert facts["quantisation"]["bits"] == 5


def most_changed(w):
    words = ["--weights", "int8", "--bits", 2, "--most-changed"]
    assert exported(w, *words, 1)[0]["quantisation"]["labels_changed"] > 0
    assert "nothing was written" in exported(w, *words, 0, code=2)[0]["error"]


def window(w):
    facts, text = exported(w, "--window", 6)
    assert facts["steps"] == 18 and "void model_window(" in text


def no_check(w):
    facts, text = exported(w, "--no-check")
    assert (facts["proved_by"], facts["not_run"]) == ("", "check=False")
    assert "NOT CHECKED" in text


EXPORT = {
    ("export", "--to"): to,
    ("export", "--out"): lambda w: exported(w, to="other.c"),
    ("export", "--name"): lambda w: exported(w, "--name", "walk")[1].index("void walk_step("),
    ("export", "--weights"): weights,
    ("export", "--bits"): bits,
    ("export", "--most-changed"): most_changed,
    ("export", "--window"): window,
    ("export", "--no-check"): no_check,
}
