"""Training options and losses as JSON holds them, and back.
A function has only its name there: whoever goes on has to give it again."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import numpy as np

from minilstm.losses import NAMES, CrossEntropy
from minilstm.training.schedules import SCHEDULES

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (*SCHEDULES.values(), CrossEntropy)}


class NeededError(ValueError):
    """A function that a file can only name; its text is that name."""


def to_plain(value: Any) -> Any:
    """What JSON holds in the place of an option or a loss.

    Examples
    --------
    >>> to_plain([math.inf, max, "cosine", CrossEntropy({"a": 2.0}).class_weights])
    [{'float': 'inf'}, {'function': 'max'}, 'cosine', {'pairs': [['a', 2.0]]}]
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_plain(one) for one in value]
    if isinstance(value, dict):
        return {"pairs": to_plain([*value.items()])}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    kind = type(value).__name__
    if _KINDS.get(kind) is type(value):
        fields = [f.name for f in dataclasses.fields(value) if f.init]
        return {"kind": kind, **{name: to_plain(getattr(value, name)) for name in fields}}
    name = getattr(value, "name", None)  # of a loss
    return name if name in NAMES else {"function": getattr(value, "__name__", name or kind)}


def from_plain(plain: Any) -> Any:
    """The value again; raises NeededError where it is, or holds, a function."""
    if isinstance(plain, list):
        return [from_plain(one) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if "function" in plain:
        raise NeededError(plain["function"])
    if "float" in plain:
        return float(plain["float"])
    if "pairs" in plain:
        return dict(from_plain(plain["pairs"]))
    return _KINDS[plain["kind"]](**{k: from_plain(v) for k, v in plain.items() if k != "kind"})
