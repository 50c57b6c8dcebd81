"""What a mistake is, and how a table of equations becomes a backward pass that has it.
A table gives each line of a backward pass a name, its text and its formula; a mistake changes one.

The values that the lines share stand in a namespace `v`: each line reads from it and puts its own
result there under its name, in the order of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Rule(NamedTuple):
    """One line of a backward pass."""

    text: str  # its right-hand side, as the report prints it
    value: Callable[[Any], Any]  # the same as a formula: takes the namespace v


Table = Mapping[str, Rule]


class Mistake(NamedTuple):
    """A known mistake in a hand-written backward pass, ready to be made on purpose.

    Attributes
    ----------
    name : short, unique among the mistakes of its function
    cause : one sentence for a report: what is wrong in which line, and what it should be
    function : name of the function that has it, as `minilstm.backend.Backend` calls it
    wrong : that function with the mistake, of the same contract; where the shapes at hand do not
        allow the mistake (a transpose that does not fit), it is the right function
    seen_in : public threads where it was reported, as "owner/repository#number"
    """

    name: str
    cause: str
    function: str
    wrong: Callable[..., Any]
    seen_in: tuple[str, ...] = ()


def follow(rules: Table, v: Any) -> None:
    """Compute the lines of a table in their order, each into the namespace.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> v = SimpleNamespace(dc=2.0, f=0.5)
    >>> follow({"dc_next": Rule("dc * f", lambda v: v.dc * v.f)}, v)
    >>> v.dc_next
    1.0
    """
    with np.errstate(all="ignore"):  # a mistake may well divide by zero
        for name, rule in rules.items():
            setattr(v, name, rule.value(v))


def maker(
    function: str, right: Table, build: Callable[[Table], Callable[..., Any]], prefix: str = ""
) -> Callable[..., Mistake]:
    """A short way to write the mistakes of one function down.

    Parameters
    ----------
    function : name of the function
    right : its table
    build : makes the backward pass that follows a table
    prefix : of the names, which tells the mistakes of this function from those of others

    Returns
    -------
    callable
        ``make(name, what, *seen_in, line=Rule(...))``: `what` says what is wrong; the texts of the
        wrong and the right lines are put behind it, or `fault` where that reads better.

    Examples
    --------
    >>> table = {"dx": Rule("dy * w", lambda v: v.dy * v.w)}
    >>> make = maker("scale_backward", table, lambda rules: lambda v: rules["dx"].value(v))
    >>> make("w missing", "the factor is missing", dx=Rule("dy", lambda v: v.dy)).cause
    'The factor is missing: dx = dy should be dy * w.'
    """

    def make(name: str, what: str, *seen_in: str, fault: str = "", **wrong: Rule) -> Mistake:
        unknown = wrong.keys() - right.keys()
        if unknown:
            raise KeyError(f"{function} has no line {', '.join(sorted(unknown))}")
        lines = fault or listed(
            [f"{k} = {rule.text} should be {right[k].text}" for k, rule in wrong.items()]
        )
        cause = sentence(f"{what}: {lines}")
        return Mistake(prefix + name, cause, function, build({**right, **wrong}), seen_in)

    return make


def listed(texts: Sequence[str]) -> str:
    """Parts of a sentence, one after another.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def sentence(text: str) -> str:
    """A text with its full stop and, where it starts with a word, its capital.

    Examples
    --------
    >>> sentence("the sign is wrong"), sentence("dx has the wrong sign")
    ('The sign is wrong.', 'dx has the wrong sign.')
    """
    word = text.split()[0]
    is_word = word == "a" or (word.isalpha() and len(word) > 2) or word == "no"
    return f"{text[0].upper() if is_word else text[0]}{text[1:]}."
