"""The exercises: their order, their files, what each function takes and returns, and hints.
All of it is text that ships with the package; in a checkout it stands in docs/exercises.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple


class Exercise(NamedTuple):
    """One file to fill in."""

    number: int
    file: str
    title: str
    lesson: int  # to read before
    functions: list[str]  # to be written, in the order in which they are checked
    needs: list[str]  # functions of earlier exercises, which have to be right before

    @property
    def points(self) -> int:
        """How many can be won."""
        return sum(len(points(name)) for name in self.functions)


class Task(NamedTuple):
    """One function to write."""

    takes: list[str]  # names, with the shapes of what is drawn
    returns: Any  # lists and dicts of names with shapes; a name alone may be anything
    mistakes: list[list[str]]  # (a piece of the solution, what stands in its place, the sentence)
    forward: str = ""  # of a backward pass: the function that it belongs to
    is_loss: bool = False  # it returns a loss and its gradient

    @property
    def names(self) -> list[str]:
        """Of what it takes."""
        return [part.partition(" ")[0] for part in self.takes]


def text(*names: str) -> str:
    """One of the files."""
    shipped: Traversable = files("minilstm.lessons").joinpath("exercises")
    here = shipped if shipped.is_dir() else Path(__file__).parents[2] / "docs" / "exercises"
    return here.joinpath(*names).read_text("utf-8")


@cache
def exercises() -> list[Exercise]:
    """All of them, in order."""
    found = tomllib.loads(text("exercises.toml"))["exercise"]
    return [Exercise(k, **{"needs": [], **one}) for k, one in enumerate(found, 1)]


@cache
def tasks() -> dict[str, Task]:
    """All functions by name."""
    found = tomllib.loads(text("exercises.toml"))["function"]
    return {name: Task(**one) for name, one in found.items()}


def points(name: str) -> list[str]:
    """What can be won with a function."""
    task = tasks()[name]
    if name == "train":
        return ["right on the test", "the score card"]
    if task.is_loss:
        return [
            f"{name}: {what}" for what in ("shape", "inputs stay", "value", "gradient of scores")
        ]
    wanted = tasks()[task.forward].names if task.forward else []
    last = [f"gradient of {one}" for one in wanted] or ["value"]
    return [f"{name}: {what}" for what in ("shape", "inputs stay", *last)]


def hint(exercise: Exercise, strength: int) -> str:
    """What helps: where to look (1), what to compute (2), or nearly the lines (3)."""
    section = text("hints.md").split("\n## ")[exercise.number]
    return re.sub(r"\n +", "\n", re.split(r"\n\d\. ", section)[strength].strip())
