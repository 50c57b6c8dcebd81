"""Outputs and gradients come as arrays, tuples, NamedTuples, dicts of them: one list and back.
What a user's function returns keeps its structure, so that backward gets what it expects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def leaves(tree: Any) -> list[Any]:
    """Arrays and scalars of a tree, in order; None counts as a leaf."""
    return [leaf for _, leaf in named_leaves(tree)]


def named_leaves(tree: Any, name: str | None = None) -> Iterator[tuple[str | None, Any]]:
    """Leaves with the name of the field or key they came by, None for a place in a list."""
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from named_leaves(part, str(key))
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for key, part in zip(tree._fields, tree, strict=True):
            yield from named_leaves(part, key)
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from named_leaves(part)
    else:
        yield name, tree


def replaced(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The same tree with each leaf changed."""
    if isinstance(tree, dict):
        return {key: replaced(part, change) for key, part in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(replaced(part, change) for part in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(replaced(part, change) for part in tree)
    return change(tree)


def is_number(leaf: Any) -> bool:
    """Whether a leaf is made of floating-point numbers, real or complex."""
    return np.asarray(leaf).dtype.kind in "fc" if leaf is not None else False
