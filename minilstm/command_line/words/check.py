"""The words of the command check: a Python file, and which of its backward passes.
What a file has to look like to be understood stands in the description.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from minilstm.command_line import checking
from minilstm.command_line.words.values import natural, path


def add_check(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    check = add(
        "check",
        parents=parents,
        help="check the backward passes of a Python file",
        description="Finds f_forward and f_backward, f and df, classes with both methods, "
        "functions of PyTorch and JAX, and what a comment '# gradients: forward, backward' names. "
        "Says what it took them for, on which inputs, and whether every gradient is right. Inputs "
        "are made from shapes in docstrings and comments, such as 'x: (T, B, D)', or found by "
        "trial; a dict gradcheck_inputs in the file gives them. The file is imported, without what "
        "stands below __main__. Exit code 2 where a backward pass could not be checked.",
    )
    check.add_argument("file", type=path, metavar="FILE")
    check.add_argument("names", nargs="*", metavar="NAME", help="of forward passes (default: all)")
    check.add_argument("--watch", action="store_true", help="again each time the file is saved")
    check.add_argument("--seed", type=natural, default=0, help="of the numbers that are drawn")
    check.add_argument("--junit", type=path, metavar="FILE", help="write the checks as JUnit XML")
    check.set_defaults(run=checking.check_python)
