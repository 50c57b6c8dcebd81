"""One call of a student's function on arrays that are drawn, and the arrays that came back.
Sizes are letters in the specification: D features, H hidden units, T time steps, C classes.
"""

from __future__ import annotations

import copy
import re
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minilstm.lessons.exercises import tasks

SIZES = {"D": 3, "H": 4, "T": 5, "C": 6}


class Unlike(ValueError):
    """What came back is built otherwise; the message says how, behind the name of the function."""


class Leaf(NamedTuple):
    """One array of an answer."""

    name: str
    wanted: tuple[int, ...]  # its shape
    value: Any


class Trial(NamedTuple):
    """One call: its arguments by name, what they were before, and what came back."""

    given: dict[str, Any]
    before: dict[str, Any]
    back: Any


def called(name: str, module: SimpleNamespace, seed: int = 0) -> Trial:
    """Call a function; a backward pass after the forward pass it belongs to."""
    rng, task = np.random.default_rng(seed), tasks()[name]
    given = arguments(task.forward or name, rng)
    if task.forward:
        *_, cache = getattr(module, task.forward)(**given)
        above = [_drawn(part, rng) for part in tasks()[task.forward].returns[:-1]]
        given = dict(zip(task.names, [*above, cache], strict=True))
    before = copy.deepcopy(given)
    with np.errstate(all="ignore"):
        return Trial(given, before, getattr(module, name)(*given.values()))


def arguments(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of a function that is no backward pass, by name, drawn."""
    plain = {"label": 2, "labels": rng.integers(0, SIZES["C"], SIZES["T"]), "t": 3,
             "rate": 0.1, "b1": 0.8, "b2": 0.9, "e": 0.3}  # fmt: skip  # each of them is seen
    if name == "train":
        weights = {k: _drawn(part, rng) for k, part in tasks()[name].returns.items()}
        x = [rng.normal(size=(n, SIZES["D"])) for n in (4, 2, 3, 5, 2)]
        return {"x": x, "labels": plain["labels"], "weights": weights, "epochs": 2, "batch": 2}
    given: dict[str, Any] = {}
    for part in tasks()[name].takes:
        key, _, shape = part.partition(" ")
        given[key] = _drawn(part, rng) if shape else plain[key]
    return given | ({"v": given["v"] ** 2} if "v" in given else {})  # a mean of squares


def leaves(template: Any, found: Any) -> list[Leaf]:
    """The arrays of what came back; `Unlike` is raised where it is built otherwise."""
    if isinstance(template, str):
        name, _, shape = template.partition(" ")
        return [Leaf(name, _sizes(shape), found)] if shape else []
    parts = template.items() if isinstance(template, dict) else enumerate(template)
    kind = dict if isinstance(template, dict) else (tuple, list)
    missing = isinstance(template, dict) and isinstance(found, dict) and set(template) - set(found)
    if missing or not isinstance(found, kind) or (kind is not dict and len(found) != len(template)):
        size = f" of {len(found)}" if isinstance(found, (dict, tuple, list)) else ""
        raise Unlike(f"returns {type(found).__name__}{size}, but {words(template)} was wanted")
    return [leaf for key, part in parts for leaf in leaves(part, found[key])]


def words(template: Any) -> str:
    """What a function returns, as it is written in Python."""
    if isinstance(template, str):
        return template.partition(" ")[0]
    if isinstance(template, dict):
        return "{" + ", ".join(f'"{key}": ...' for key in template) + "}"
    return "(" + ", ".join(map(words, template)) + ")"


def _drawn(part: Any, rng: np.random.Generator) -> Any:
    if isinstance(part, list):
        return tuple(_drawn(one, rng) for one in part)
    return rng.normal(size=_sizes(part.partition(" ")[2]))


def _sizes(shape: str) -> tuple[int, ...]:
    """Numbers for letters, as in "(4H, D)"."""
    found = re.findall(r"(\d*)([DHTC])", shape)
    return tuple(int(factor or 1) * SIZES[letter] for factor, letter in found)
