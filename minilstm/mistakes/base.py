"""What a mistake is, and how a table of equations becomes a backward pass that has it.
A table gives each line of a backward pass a name and a rule; a mistake changes one or a few.

The values that the lines share stand in a namespace `v`: each line reads from it and puts its own
result there under its name, in the order of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.mistakes.rules import Change, Words
from minilstm.mistakes.rules import Rule as NewRule


class Rule(NamedTuple):
    """One line of a backward pass."""

    text: str  # its right-hand side, as the report prints it
    value: Callable[[Any], Any]  # the same as a formula: takes the namespace v


Array = NDArray[Any]
Table = Mapping[str, Any]
Backward = Callable[..., Any]


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


def table(lines: Mapping[str, str], words: Words) -> Table:
    """A table of lines, from the expression of each and the words of all."""
    return {name: NewRule(source, words) for name, source in lines.items()}


def follow(rules: Table, v: Any) -> Any:
    """Compute the lines of a table in their order, each into the namespace, which is returned.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> follow(table({"dc_next": "dc * f"}, {}), SimpleNamespace(dc=2.0, f=0.5)).dc_next
    1.0
    """
    with np.errstate(all="ignore"):  # a mistake may well divide by zero
        for name, rule in rules.items():
            setattr(v, name, rule.value(v))
    return v


def maker(
    function: str, right: Table, build: Callable[[Table], Backward]
) -> Callable[..., Mistake]:
    """A short way to write the mistakes of one function down.

    Parameters
    ----------
    function : name of the function
    right : its table
    build : makes the backward pass that follows a table

    Returns
    -------
    callable
        ``make(name, what, *seen_in, line=change)``: `what` says what is wrong; the texts of the
        wrong and the right lines are put behind it, or `fault` where that reads better. A change
        is an operator of `minilstm.mistakes.rules`, or the line that stands there instead.

    Examples
    --------
    >>> from minilstm.mistakes.rules import drop
    >>> right = table({"dx": "dy * w"}, {})
    >>> make = maker("scale_backward", right, lambda rules: rules["dx"].value)
    >>> make("w missing", "the factor is missing", dx=drop("w")).cause
    'The factor is missing: dx = dy should be dy * w.'
    """

    def make(
        name: str,
        what: str,
        *seen_in: str,
        fault: str = "",
        **changes: Change | Rule | NewRule | str,
    ) -> Mistake:
        unknown = changes.keys() - right.keys()
        if unknown:
            raise KeyError(f"{function} has no line {', '.join(sorted(unknown))}")
        wrong = {k: c if isinstance(c, Rule) else right[k].changed(c) for k, c in changes.items()}
        lines = fault or listed(
            [f"{line} = {rule.text} should be {right[line].text}" for line, rule in wrong.items()]
        )
        cause = sentence(f"{what}: {lines}")
        return Mistake(name, cause, function, build({**right, **wrong}), seen_in)

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
