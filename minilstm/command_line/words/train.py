"""The words of the command train: what is judged, the network, the training, and where files go.
Each default stands in its help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minilstm.checks import METRICS, did_you_mean
from minilstm.command_line import training
from minilstm.command_line.words.values import natural, number_that, path, positive, real, share
from minilstm.command_line.words.values import size as memory
from minilstm.training.schedules import SCHEDULES
from minilstm.training.solvers import SOLVERS

part = number_that(float, lambda p: 0 < p < 1, "a number above 0 and below 1")
two = number_that(int, lambda n: n >= 2, "a whole number of at least 2")


def add_train(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    train = add(
        "train",
        parents=parents,
        help="train a network on labelled sequences, and judge it",
        description="Reads files, trains, and writes a model, its history and a report on data "
        "that did not train. Without a test, a share or folds it is measured on its own training "
        "data. With folds the model that is written is trained on all of them, and the report is "
        "of networks that never saw what they were judged on. The model keeps how its data were "
        "read and shaped, so predict, stream and evaluate do the same.",
    )
    train.add_argument("train", type=path, nargs="+", metavar="TRAIN", help="files, or a folder")
    _add_judging(train)
    _add_network(train)
    _add_training(train)
    add_to = train.add_argument_group("what is written").add_argument
    add_to("--out", type=path, default=Path("minilstm-train"), help="folder for files")
    add_to("--quiet", action="store_true", help="no table of the training, no report in full")
    add_to(
        "--checkpoint-seconds",
        type=real,
        default=300.0,
        metavar="S",
        help="between checkpoints, in the folder checkpoints of --out; inf for none",
    )
    add_to(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint, if there is one; folds are trained again",
    )
    train.set_defaults(run=training.train_files)


def _add_judging(train: argparse.ArgumentParser) -> None:
    """What tests and what validates; groups are kept together."""
    group = train.add_argument_group(
        "what is held out", "Whole groups, where --group-column names them."
    )
    tests: Any = group.add_mutually_exclusive_group()
    tests.add_argument("--test", type=path, nargs="+", metavar="FILE", help="files to test on")
    tests.add_argument(
        "--test-share", type=part, metavar="P", help="share that tests, such as 0.25"
    )
    tests.add_argument("--folds", type=two, metavar="K", help="parts, each of which tests once")
    tests.add_argument(
        "--leave-one-group-out", action="store_true", help="each group tests once: a fold a group"
    )
    validates: Any = group.add_mutually_exclusive_group()
    validates.add_argument(
        "--validation", type=path, nargs="+", metavar="FILE", help="files, measured each epoch"
    )
    validates.add_argument(
        "--validation-share", type=part, metavar="P", help="share, measured each epoch, such as 0.2"
    )
    group.add_argument(
        "--patience",
        type=positive,
        metavar="N",
        help="stop after so many epochs without a better validation (default: never)",
    )
    group.add_argument(
        "--best", action="store_true", help="keep the network of the best validation, not the last"
    )


def _add_network(train: argparse.ArgumentParser) -> None:
    """The task and the layers."""
    add = train.add_argument_group("the network").add_argument
    add(
        "--task",
        choices=("classify", "regress", "forecast"),
        help="labels, numbers, or the features to come (default: as the answers are)",
    )
    add("--horizon", type=positive, metavar="STEPS", help="of a forecast, ahead (default: 1)")
    add("--hidden", type=units, default="200", metavar="N,N", help="hidden units of each LSTM")
    add(
        "--output-mode",
        choices=("sequence", "last"),
        help="one answer a step, or one a sequence (default: as the labels are)",
    )
    add("--bilstm", action="store_true", help="read sequences in both directions")
    add("--dropout", type=share, default=0.0, metavar="P", help="share of units left out")
    add(
        "--normalization",
        choices=training.NORMALIZATIONS,
        default="none",
        help="of each feature, by the training data",
    )
    add("--dtype", choices=("float32", "float64"), default="float32", help="of all numbers")


def _add_training(train: argparse.ArgumentParser) -> None:
    """The loss and its descent."""
    add = train.add_argument_group("the training").add_argument
    add(
        "--loss",
        choices=("mse", "mae", "huber"),
        help="of numbers, each brought to deviation 1 while it is learned (default: mse)",
    )
    add("--class-weights", choices=("balanced",), help="rare classes weigh more (default: none)")
    add(
        "--metrics",
        type=metrics,
        metavar="A,B",
        help=f"in the table: {', '.join(METRICS)} (default: accuracy, or rmse of numbers)",
    )
    add("--solver", choices=tuple(SOLVERS), default="adam", help="how a gradient becomes an update")
    add("--epochs", type=positive, default=60, help="passes over the training data")
    add("--mini-batch-size", type=positive, default=128, help="sequences of an update")
    add("--learn-rate", type=real, help="size of an update (default: 0.001; 0.01 for sgdm)")
    add("--learn-rate-schedule", choices=tuple(SCHEDULES), default="none", help="how it changes")
    add("--learn-rate-drop-factor", type=real, metavar="F", help="of piecewise (default: 0.1)")
    add("--learn-rate-drop-period", type=positive, metavar="EPOCHS", help="of it (default: 10)")
    add(
        "--gradient-threshold",
        type=real,
        default=2.0,
        help="bound on the gradient of each array; inf for none",
    )
    add(
        "--shards",
        type=positive,
        metavar="S",
        help="parts of an update, which the ranks of mpiexec share (default: none)",
    )
    add(
        "--padding",
        choices=("ragged", "longest", "shortest"),
        default="ragged",
        help="length of the sequences of a mini-batch; ragged: each its own",
    )
    add("--memory-budget", type=memory, default="auto", help="of the backward pass, such as 200MB")
    add("--seed", type=natural, default=0, help="of everything random")


def units(text: str) -> list[int]:
    """Hidden units of one layer, or of several, separated by commas."""
    return [positive(word.strip()) for word in text.split(",")]


def metrics(text: str) -> list[str]:
    """Names of metrics, separated by commas."""
    names = [word.strip() for word in text.split(",")]
    for name in names:
        if name not in METRICS:
            near = did_you_mean(name, METRICS)
            raise argparse.ArgumentTypeError(
                f"{name!r} is no metric; choose among {', '.join(METRICS)}{near}"
            )
    return names
