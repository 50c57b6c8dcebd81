"""What a planted mistake is: a change of one line, the arrays it makes wrong, and its true cause.
The source of a right function is changed as text, as its author would have typed it."""

import inspect
import linecache
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CACHED, LOSS = {"cached": True}, {"upstream": None}  # options of gradcheck
TABLE = Path(__file__).with_name("mistakes.txt")


class Mistake(NamedTuple):
    """A row of the table: changes, "old => new", each old text once in the two sources.

    `right` is what a sentence about the cause has to say, `partly` what is true and helps; both
    are regular expressions. A sentence that matches neither counts as misleading.
    """

    change: str
    wrong: str
    cause: str
    right: str
    partly: str = "$^"


class Pair(NamedTuple):
    """A right pair of functions and inputs to try it on."""

    forward: Any
    backward: Any
    inputs: dict[str, Any]
    options: dict[str, Any] = {}  # noqa: RUF012


def mistakes(text=None):
    """Mistakes by the name of the forward function they are made in."""
    found = {}
    for block in ("\n" + (text or TABLE.read_text())).split("\n= ")[1:]:
        name, *lines = block.splitlines()
        found[name] = [Mistake(*line.split(" # ")) for line in lines if line]
    return found


def normal(seed=0, **shapes):
    """Normal numbers in each of these shapes."""
    rng = np.random.default_rng([9, seed])
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def with_mistake(pair, mistake):
    """(forward, backward, lines) with a mistake; the lines of its changes, in their order."""
    text = "\n\n".join(inspect.getsource(f) for f in (pair.forward, pair.backward))
    lines = []
    for change in mistake.change.replace("\\n", "\n").split(" ;; "):
        old, new = (part.strip(" ") for part in change.split("=>"))
        assert text.count(old) == 1, f"{old!r} does not stand once"
        lines.append(text[: text.index(old)].count("\n") + 1)
        text = text.replace(old, new)
    name = f"<{mistake.change}>"
    # As a file would: the checker reads the lines of backward.
    linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
    scope = dict(vars(inspect.getmodule(pair.forward)))
    exec(compile(text, name, "exec"), scope)
    return scope[pair.forward.__name__], scope[pair.backward.__name__], lines


def verdict(mistake, sentences, lines):
    """right, partly, none or misleading: what the sentences about a mistake say of its cause.

    Of two mistakes at once, divided by "&&", both have to be told for right. What should stand in a
    line is right if the mistake was made in that line, and helps if it stands in another one: the
    checker has proved that gradients are right with it.
    """
    parts = mistake.right.split(" && ")
    told, helps = [], []
    for sentence in sentences:
        at = re.match(r"With line (\d+) of", sentence)
        if at:
            made = [lines[n : n + 1] if len(parts) > 1 else lines for n in range(len(parts))]
            told.append([int(at[1]) in some for some in made])
        else:
            told.append([bool(re.search(part, sentence)) for part in parts])
        helps.append(bool(at or re.search(mistake.partly, sentence)))
    if not all(any(t) or h for t, h in zip(told, helps, strict=True)):
        return "misleading"
    if not told:
        return "none"
    return "right" if all(map(any, zip(*told, strict=True))) else "partly"
