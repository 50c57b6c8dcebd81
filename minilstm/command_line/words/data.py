"""The words that say how files of sequences are to be read.
They are the same for every command that reads data, and those of `DataDescription` in Python.
"""

from __future__ import annotations

import argparse
from typing import Any

from minilstm.command_line.words.values import path


def data_options() -> argparse.ArgumentParser:
    """A parent of every command that reads files of sequences."""
    data = argparse.ArgumentParser(add_help=False)
    group = data.add_argument_group("what the columns of the data are")
    add = group.add_argument
    add("--describe", type=path, metavar="FILE.toml", help="these words, without --, from a file")
    for word, what in (
        ("--id-column", "that names the recording; '' for one a file"),
        ("--time-column", "with times; '' for none (default: one whose name says time)"),
        ("--label-column", "with the label; '' for none (default: label, class or y)"),
        ("--group-column", "with the person, machine or place"),
        ("--channel-column", "of the long form: the name of the channel"),
        ("--value-column", "of the long form: its value"),
        ("--sort-by", "by which the rows of a recording are sorted"),
    ):
        add(word, metavar="COLUMN", help=what, action=Once)
    for word, what in (
        ("--target-columns", "with numbers to be predicted"),
        ("--features", "that are features, and no others"),
        ("--drop", "that are left out"),
    ):
        add(word, type=columns, metavar="A,B", help=what)
    add("--time-unit", choices=("s", "ms", "us", "ns"), help="of numbers in the time column")
    add("--label-per", choices=("step", "sequence"), help="whose label it is")
    _add_files(data)
    data.add_argument("--layout", help="MAT, npz, ts: a letter for each axis, such as CT or BTC")
    data.add_argument("--x-name", help="MAT: the variable with the sequences")
    data.add_argument("--y-name", help="MAT: the variable with the labels; '' for none")
    return data


class Once(argparse.Action):
    """A word that names one column, and so stands once: a second would replace the first."""

    def __call__(
        self, parser: Any, options: argparse.Namespace, value: Any, word: str | None = None
    ) -> None:
        """Keep the value, or refuse another."""
        before = getattr(options, self.dest, None)
        if before not in (None, value):
            raise argparse.ArgumentError(
                self,
                f"it names {before!r} and {value!r}, but one column was wanted; leave one out"
                + (", or say --group-column for the other" if self.dest == "id_column" else ""),
            )
        setattr(options, self.dest, value)


def _add_files(data: argparse.ArgumentParser) -> None:
    """The words of how files are written, and of what is missing in them."""
    group: Any = data.add_argument_group("how the data are written")
    add = group.add_argument
    add("--separator", type=separator, help="between columns: ',', ';' or tab (default: found)")
    add("--decimal", choices=(".", ","), help="sign before fractions (default: found)")
    add("--encoding", help="such as cp1252 (default: found)")
    add("--sheet", help="of a workbook (default: the first)")
    add(
        "--file-pattern",
        metavar="PATTERN",
        help="what names of files say, such as '{group}_{label}_*' or '{id}'",
    )
    add(
        "--fill",
        choices=("error", "previous", "linear", "split"),
        help="of gaps (default: error); split cuts the recording there",
    )
    add("--on-bad-line", choices=("error", "skip"), help="(default: error); skip counts them")
    missing = group.add_mutually_exclusive_group()
    missing.add_argument(
        "--missing-labels",
        action="append",
        metavar="WORD",
        help="word, such as NA or '', for labels that count nowhere; once for each word",
    )
    missing.add_argument(
        "--no-missing-labels",
        action="store_const",
        const=[],
        dest="missing_labels",
        help="all words are classes, also those such as NA",
    )


def columns(text: str) -> list[str]:
    """Names separated by commas."""
    names = [name.strip() for name in text.split(",")]
    if "" in names:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of columns such as ax,ay")
    return names


def separator(text: str) -> str:
    """A letter, or a name for one."""
    return {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(text, text)
