"""The names by which a column is taken for an id or a label without being asked for.
Reader and writer ask here, so what is written for a feature is not read as a label.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

# In this order.
ID_NAMES = ("sequence", "sequence_id", "recording", "recording_id")
LABEL_NAMES = ("label", "class", "y")
_MOST_NAMED = 20


def usual_column(usual: Sequence[str], free: Sequence[str]) -> str | None:
    """The column of `free` that has one of the usual names; a word counts in capitals as well.

    Examples
    --------
    >>> usual_column(LABEL_NAMES, ["ax", "Class", "Y"])
    'Class'
    """
    alike = {c.lower(): c for c in reversed(free) if len(c) > 1}
    exact = (c for c in usual if c in free)
    return next(exact, next((alike[c] for c in usual if c in alike), None))


def label_names(header: Collection[str]) -> tuple[str, ...]:
    """The names that a label may have; beside a column "z", "y" is a feature."""
    return LABEL_NAMES[:2] if "z" in header else LABEL_NAMES


def listed(names: Iterable[str]) -> str:
    """Names of columns in a sentence, the first of many.

    Examples
    --------
    >>> listed(["ax", "ay"]), listed(map(str, range(22)))[-21:]
    ('ax, ay', '17, 18, 19 and 2 more')
    """
    names = list(names)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
