"""The name of an exported model, and what is built from it.
It becomes a part of names in C and JavaScript, so it is a word."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that C has taken.
_TAKEN = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if int
    inline long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while main""".split()  # noqa: SIM905
)


def checked_name(name: str) -> str:
    """The name itself, if it can stand in front of names of functions.

    Examples
    --------
    >>> checked_name("walk_1")
    'walk_1'
    """
    if not isinstance(name, str) or not _WORD.fullmatch(name) or name in _TAKEN:
        raise ValueError(
            f"name is {name!r}; give a word of letters, digits and underlines that begins with a "
            "letter and is none of C's own, such as 'model'."
        )
    return name
