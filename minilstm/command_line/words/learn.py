"""The words of the command learn: which exercise, which file, and a hint.
Each default stands in its help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from minilstm.command_line import learning
from minilstm.command_line.words.values import path, positive


def add_learn(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    learn = add(
        "learn",
        parents=parents,
        help="exercises: write an LSTM yourself, checked line by line",
        description="Without NUMBER it lists the exercises and your score in this folder. With it, "
        "the file of an exercise is written here; once it is here, it is checked: shape, value, "
        "gradient, and the likely cause of a mistake. Your file runs in a process of its own. The "
        "score is kept beside it, in minilstm-learn.json.",
    )
    learn.add_argument("number", type=positive, nargs="?", metavar="NUMBER", help="of an exercise")
    learn.add_argument(
        "file",
        type=path,
        nargs="?",
        metavar="FILE",
        help="to check (default: that of the exercise)",
    )
    instead = learn.add_mutually_exclusive_group()
    instead.add_argument(
        "--hint",
        type=positive,
        metavar="STRENGTH",
        help="1, 2 or 3: the idea, the recipe, the lines",
    )
    instead.add_argument("--solution", action="store_true", help="print the file filled in")
    learn.add_argument(
        "--time-limit", type=positive, default=10, metavar="SECONDS",
        help="for your functions; gradients have 6 times as long, and the training 30 times",
    )  # fmt: skip
    learn.set_defaults(run=learning.learn)
