"""One call of a student's function on arrays that are drawn, and the arrays that came back.
Sizes are letters in the specification: D features, H hidden units, T time steps, C classes.
"""

from __future__ import annotations

import copy
import re
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minilstm.lessons.exercises import tables

SIZES = {"D": 3, "H": 4, "T": 5, "C": 6}
# Numbers that no right formula can do without.
_PLAIN = {"label": 2, "t": 3, "rate": 0.1, "b1": 0.8, "b2": 0.9, "e": 0.3, "epochs": 2, "batch": 2}


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
    rng, tasks = np.random.default_rng(seed), tables()[1]
    forward = tasks[name].forward
    given = arguments(forward or name, rng)
    if forward:
        *_, cache = getattr(module, forward)(**given)
        above = _drawn(tasks[forward].returns[:-1], rng)
        given = dict(zip(tasks[name].names, [*above, cache], strict=True))
    before = copy.deepcopy(given)
    with np.errstate(all="ignore"):
        return Trial(given, before, getattr(module, name)(*given.values()))


def arguments(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of a function that is no backward pass, by name, drawn."""
    task = tables()[1][name]
    given: dict[str, Any] = {**_PLAIN, "labels": rng.integers(0, SIZES["C"], SIZES["T"])}
    if name == "train":
        given["x"] = [rng.normal(size=(n, SIZES["D"])) for n in (4, 2, 3, 5, 2)]
        given["weights"] = {key: _drawn(part, rng) for key, part in task.returns.items()}
    given |= {p.split()[0]: _drawn(p, rng) for p in task.takes if " " in p}
    if "v" in given:  # a mean of squares
        given["v"] = given["v"] ** 2
    return {key: given[key] for key in task.names}


def leaves(template: Any, found: Any) -> list[Leaf]:
    """The arrays of what came back; `Unlike` is raised where it is built otherwise."""
    if isinstance(template, str):
        name, _, shape = template.partition(" ")
        return [Leaf(name, _sizes(shape), found)] if shape else []
    keys = list(template) if isinstance(template, dict) else list(range(len(template)))
    if isinstance(template, dict):
        fits = isinstance(found, dict) and set(keys) <= set(found)
    else:
        fits = isinstance(found, (tuple, list)) and len(found) == len(keys)
    if not fits:
        size = f" of {len(found)}" if isinstance(found, (dict, tuple, list)) else ""
        raise Unlike(f"returns {type(found).__name__}{size}, but {words(template)} was wanted")
    return [leaf for key in keys for leaf in leaves(template[key], found[key])]


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
    return tuple(int(n or 1) * SIZES[letter] for n, letter in re.findall(r"(\d*)([DHTC])", shape))
