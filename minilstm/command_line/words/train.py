"""The words of the command train: the network, the training, and where its files go.
Each default stands in its help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from minilstm.command_line import training
from minilstm.command_line.words.values import natural, path, positive, real, share, size
from minilstm.training.solvers import SOLVERS


def add_train(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    train = add("train", parents=parents, help="train a classifier on a file of sequences")
    train.add_argument("train", type=path, metavar="TRAIN", help=".mat, .npz, .csv or .ts")
    train.add_argument("--test", type=path, help="labelled sequences to test on")
    train.add_argument("--hidden", type=positive, default=200, help="hidden units")
    train.add_argument(
        "--output-mode",
        choices=("sequence", "last"),
        default="sequence",
        help="one label a step, or one a sequence",
    )
    train.add_argument("--bilstm", action="store_true", help="read sequences in both directions")
    train.add_argument(
        "--dropout", type=share, default=0.0, metavar="P", help="share of units left out"
    )
    train.add_argument(
        "--normalization",
        choices=training.NORMALIZATIONS,
        default="none",
        help="of each feature, by the training data",
    )
    train.add_argument(
        "--solver", choices=tuple(SOLVERS), default="adam", help="how a gradient becomes an update"
    )
    train.add_argument("--epochs", type=positive, default=60, help="passes over the training data")
    train.add_argument(
        "--mini-batch-size", type=positive, default=128, help="sequences of an update"
    )
    train.add_argument(
        "--learn-rate", type=real, help="size of an update (default: 0.001; 0.01 for sgdm)"
    )
    train.add_argument(
        "--gradient-threshold",
        type=real,
        default=2.0,
        help="bound on the gradient of each array; inf for none",
    )
    train.add_argument(
        "--padding",
        choices=("ragged", "longest", "shortest"),
        default="ragged",
        help="length of the sequences of a mini-batch; ragged: each its own",
    )
    train.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of all numbers"
    )
    train.add_argument(
        "--memory-budget", type=size, default="auto", help="of the backward pass, such as 200MB"
    )
    train.add_argument("--seed", type=natural, default=0, help="of everything random")
    train.add_argument("--out", type=path, default=Path("minilstm-train"), help="folder for files")
    train.add_argument("--quiet", action="store_true", help="no table of the training")
    train.set_defaults(run=training.train_files)
