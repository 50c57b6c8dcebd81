"""The words of the command evaluate: a model, files with answers, and where the report goes.
How the files are read is said by the words that all commands share.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from minilstm.command_line import evaluating
from minilstm.command_line.words.shaping import add_rate_in
from minilstm.command_line.words.values import path


def add_evaluate(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    evaluate = add(
        "evaluate",
        parents=parents,
        help="judge a model on labelled sequences: scores by class, recording and group",
        description="Prints a report: accuracy and the majority class beside it, precision, recall "
        "and F1 by class, errors by recording and group, bouts, calibration; RMSE, MAE and R2 for "
        "a model of numbers. Classes that the model was never trained on count as wrong.",
    )
    evaluate.add_argument("model", type=path, metavar="MODEL")
    evaluate.add_argument(
        "data", type=path, nargs="+", metavar="DATA", help="files, or a folder, with answers"
    )
    add_rate_in(evaluate)
    evaluate.add_argument(
        "--out",
        type=path,
        metavar="FOLDER",
        help="also write report.md, report.json and pictures (default: print only)",
    )
    evaluate.set_defaults(run=evaluating.evaluate_files)
