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
    points: int  # that can be won
    functions: list[str]  # to be written, in the order in which they are checked
    needs: list[str] = []  # noqa: RUF012, functions that have to be right before


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
    shipped: Traversable = files("minilstm.lessons").joinpath("files")
    here = shipped if shipped.is_dir() else Path(__file__).parents[2] / "docs" / "exercises"
    return here.joinpath(*names).read_text("utf-8")


@cache
def tables() -> tuple[list[Exercise], dict[str, Task]]:
    """All exercises in order, and all functions by name."""
    found = tomllib.loads(text("exercises.toml"))
    listed = [Exercise(k, **one) for k, one in enumerate(found["exercise"], 1)]
    return listed, {name: Task(**one) for name, one in found["function"].items()}


def hint(exercise: Exercise, strength: int) -> str:
    """What helps: where to look (1), what to compute (2), or nearly the lines (3)."""
    section = text("hints.md").split("\n## ")[exercise.number]
    return re.sub(r"\n +", "\n", re.split(r"\n\d\. ", section)[strength].strip())
