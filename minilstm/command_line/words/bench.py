"""The words of the command bench: what is timed, beside whom, and for how long.
Each default stands in its help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from minilstm.command_line import commands
from minilstm.command_line.words.values import path, positive, real


def add_bench(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    bench = add("bench", parents=parents, help="time training, inference and streaming here")
    bench.add_argument(
        "--against",
        default="",
        help="other engines: torch,onnxruntime,openvino; with --backend cupy torch alone",
    )
    bench.add_argument(
        "--works",
        default="",
        help="some of training,vowels,inference,streaming,length,cold, with --long also memory; "
        "with --backend cupy some of training,batches,inference,streaming (default: all)",
    )
    bench.add_argument(
        "--crossover",
        action="store_true",
        help="with --backend cupy: measure where the GPU overtakes the CPU, and keep the table",
    )
    bench.add_argument(
        "--grid", action="store_true", help="train and predict shapes that people use, as a table"
    )
    bench.add_argument("--shapes", help="of the grid: some, such as vowels,bilstm (default: all)")
    bench.add_argument("--picture", type=path, metavar="FILE", help="of the grid: draw it")
    bench.add_argument(
        "--read",
        type=path,
        nargs="+",
        metavar="FILE",
        help="of the grid: what earlier runs printed with --json, as one table; measures nothing",
    )
    bench.add_argument("--repeats", type=positive, default=5, help="counted turns")
    bench.add_argument(
        "--scale", type=real, default=0.1, help="of the training lengths; 1 for full ones"
    )
    bench.add_argument(
        "--long",
        action="store_true",
        help="also what takes minutes: a million steps, an empty cache, memory of trainings",
    )
    bench.set_defaults(run=commands.bench)
