"""The words of the command stream: how its lines are written, and what becomes of a bad one.
What they do not say is as in the data that the model was trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from minilstm.command_line import streaming
from minilstm.command_line.words.data import separator
from minilstm.command_line.words.shaping import add_rate_in
from minilstm.command_line.words.values import path


def add_stream(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    stream = add(
        "stream",
        parents=parents,
        help="CSV rows in, one label and its scores a line out, as they arrive",
        description="Reads one time step a line from standard input, features separated by "
        "commas; an empty line starts a new sequence. A first line may name the columns: a model "
        "that knows the names of its features takes them by name, and leaves out the columns for "
        "id, time, label and group that it knows; where the heading has those of id and group, "
        "another name there starts a new sequence, as an empty line does. A model of windows "
        "answers each window as soon as it is full: its first step, counted from 0 in the "
        "sequence, then the label and the scores. A model of numbers answers with them. Standard "
        "output holds the CSV alone; --json goes to standard error. With --threads so many threads "
        "share one step; without it there is one.",
    )
    stream.add_argument("model", type=path, metavar="MODEL")
    stream.add_argument("--separator", type=separator, help="such as ';' or tab (default: ,)")
    stream.add_argument("--decimal", choices=(".", ","), help="sign before fractions (default: .)")
    stream.add_argument("--time-column", metavar="COLUMN", help="of the heading: when it was")
    stream.add_argument(
        "--time-unit", choices=("s", "ms", "us", "ns"), help="of numbers there (default: s)"
    )
    add_rate_in(stream, "at which lines come; the model's, as nothing is resampled")
    stream.add_argument(
        "--on-bad-line",
        choices=("error", "skip"),
        help="skip answers a line that is no step with empty cells, tells its number, and goes on "
        "as if it had not come; windows have no such answer (default: error)",
    )
    stream.set_defaults(run=streaming.stream_lines, reads=True, table=lambda options: True)
