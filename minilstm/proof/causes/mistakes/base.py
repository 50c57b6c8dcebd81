"""What a mistake is, and how a table of equations becomes a backward pass that has it.
A table gives each line of a backward pass a name and a rule; a mistake changes one or a few.

The values that the lines share stand in a namespace `v`: each line reads from it and puts its own
result there under its name, in the order of the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.mistakes.rules import Rule, Words
from minilstm.proof.derivatives.problem import Array as Array
from minilstm.proof.reports.places import listed

Table = Mapping[str, Rule]
Backward = Callable[..., Any]


class Mistake(NamedTuple):
    """A known mistake in a hand-written backward pass, ready to be made on purpose."""

    name: str  # short, unique among the mistakes of its function
    cause: str  # one sentence for a report: what is wrong in which line, and what it should be
    function: str  # that has it, as `minilstm.backend.Backend` calls it
    # That function with the mistake, of the same contract; where the shapes at hand do not allow
    # the mistake (a transpose that does not fit), it is the right function.
    wrong: Backward
    seen_in: tuple[str, ...] = ()  # public threads that reported it, as "owner/repository#number"


def table(words: Words, **lines: str) -> Table:
    """A table of lines: the words of all, and the expression of each in their order."""
    return {name: Rule(source, words) for name, source in lines.items()}


def follow(rules: Table, v: Any) -> Any:
    """Compute the lines of a table in their order, each into the namespace, which is returned."""
    with np.errstate(all="ignore"):  # a mistake may well divide by zero
        for name, rule in rules.items():
            setattr(v, name, rule.value(v))
    return v


def maker(
    function: str, right: Table, build: Callable[[Table], Backward]
) -> Callable[..., Mistake]:
    """A short way to write the mistakes of one function down, given its table and what follows one.

    ``make(name, what, *seen_in, line="drop w")``: `what` says what is wrong; the texts of the wrong
    and the right lines are put behind it, or `fault` where that reads better, in which <line>
    stands for the texts of that line. A change is words for `Rule.changed`, or a rule that stands
    there instead.

    Examples
    --------
    >>> right = table({}, dx="dy * w")
    >>> make = maker("scale_backward", right, lambda rules: rules["dx"].value)
    >>> make("w missing", "the factor is missing", dx="drop w").cause
    'The factor is missing: dx = dy should be dy * w.'
    """

    def make(
        name: str, what: str, *seen_in: str, fault: str = "", **changes: Rule | str
    ) -> Mistake:
        unknown = changes.keys() - right.keys()
        if unknown:
            raise KeyError(f"{function} has no line {', '.join(sorted(unknown))}")
        wrong = {k: right[k].changed(c) if isinstance(c, str) else c for k, c in changes.items()}
        said = {k: f"{k} = {rule.text} should be {right[k].text}" for k, rule in wrong.items()}
        lines = fault or listed(list(said.values()))
        for line, text in said.items():
            lines = lines.replace(f"<{line}>", text)
        cause = sentence(f"{what}: {lines}")
        return Mistake(name, cause, function, build({**right, **wrong}), seen_in)

    return make


def read(
    function: str,
    right: Table,
    build: Callable[[Table], Backward],
    text: str,
    *families: Sequence[Mapping[str, str]],
) -> tuple[Mistake, ...]:
    """The mistakes that a text lists, each with its changes beside or under it.

    ::

        # a comment
        name | what is wrong | line: words for `Rule.changed` | a public thread, where it was seen
        name | what is wrong
            line, another: words for `Rule.changed`, with ? for the last letter of each line
            line = what stands there instead
            fault: what is said in place of the lines

    What is indented further goes on with the line above it. An empty line ends a block. A block
    that has <letter> in it is read once for each entry of the family that says what its letters
    stand for.
    """
    found, make = [], maker(function, right, build)
    joined = re.sub(r"\n {8}", " ", re.sub(r"^#.*\n", "", text.strip(), flags=re.M))
    for block in joined.split("\n\n"):
        family = next((f for f in families if any(f"<{a}>" in block for a in f[0])), [{}])
        for letters in family:
            meant = block
            for letter, meaning in letters.items():
                meant = meant.replace(f"<{letter}>", meaning)
            found += [_one(make, record) for record in re.split(r"\n(?! )", meant)]
    return tuple(found)


def _one(make: Callable[..., Mistake], record: str) -> Mistake:
    name, what, *parts = re.split(r" \| |\n    ", record)
    threads: list[str] = []
    options: dict[str, str] = {}
    for part in parts:
        if change := re.match(r"([\w, ]+)(?:: | (?==))", part):
            words = part[change.end() :]
            options |= {line: words.replace("?", line[-1]) for line in change[1].split(", ")}
        else:
            threads.append(part)
    return make(name, what, *threads, **options)


def sentence(text: str) -> str:
    """A text with its full stop and, where it starts with a word, its capital."""
    word = text.split()[0]
    is_word = word == "a" or (word.isalpha() and len(word) > 2) or word == "no"
    return f"{text[0].upper() if is_word else text[0]}{text[1:]}."
