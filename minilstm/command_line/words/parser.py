"""The commands and their words: one parser, put together from a file for each large command.
What a command does stands in the function that it names as `run`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from minilstm.backend import NAMES
from minilstm.command_line import commands, models, streaming
from minilstm.command_line.words.bench import add_bench
from minilstm.command_line.words.data import data_options
from minilstm.command_line.words.importing import add_import
from minilstm.command_line.words.train import add_train
from minilstm.command_line.words.values import natural, path, whole
from minilstm.version import __version__


class _Parser(argparse.ArgumentParser):
    """As argparse has it, but what cannot be printed is an error."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (sys.stderr if file is None else file).write(message or "")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, the function that takes what was parsed."""
    parser: argparse.ArgumentParser = _Parser(
        prog="minilstm",
        description="An LSTM engine from scratch: train, predict, stream, check gradients.",
        epilog="Exit codes: 0 done, 1 a check failed, training diverged or minilstm failed, 2 bad "
        "usage or input, 130 stopped by Ctrl-C. Variables: MINILSTM_BACKEND and "
        "MINILSTM_NUM_THREADS stand for --backend and --threads; MINILSTM_DEBUG=1 shows the "
        "traceback of an error.",
    )
    parser.add_argument("--version", action="version", version=f"minilstm {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON object as the last line")
    common.add_argument("--backend", choices=NAMES, help="what computes (default: auto)")
    common.add_argument("--threads", type=whole, help="threads of the Numba kernels")
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser

    demo = add("demo", parents=[common], help="train, test, predict, stream and draw")
    demo.add_argument("--quick", action="store_true", help="less than a minute")
    demo.add_argument("--out", type=path, default=Path("minilstm-demo"), help="folder for files")
    demo.add_argument("--seed", type=natural, default=0)
    demo.set_defaults(run=commands.demo)

    data = data_options()
    add_train(add, [common, data])

    predict = add("predict", parents=[common, data], help="labels and scores of sequences, as CSV")
    predict.add_argument("model", type=path, metavar="MODEL")
    predict.add_argument("data", type=path, metavar="DATA", help=".mat, .npz, .csv or .ts")
    predict.add_argument(
        "--out", type=path, help="file for the CSV (default, and -: standard output)"
    )
    predict.set_defaults(run=models.predict_file)

    stream = add(
        "stream",
        parents=[common],
        help="CSV rows in, one label and its scores a line out, as they arrive",
        description="Reads one time step a line from standard input, features separated by "
        "commas; an empty line starts a new sequence. A first line may name the features; a "
        "model that knows their names takes them in the order of that line. With --threads so "
        "many threads share one step; without it there is one.",
    )
    stream.add_argument("model", type=path, metavar="MODEL")
    stream.set_defaults(run=streaming.stream_lines, reads=True)

    info = add("info", parents=[common], help="describe a model file, or this installation")
    info.add_argument("model", type=path, nargs="?", metavar="MODEL")
    info.set_defaults(run=commands.info)

    plot = add("plot", parents=[common], help="draw a model: boxes for layers, and arrows")
    plot.add_argument("model", type=path, metavar="MODEL")
    plot.add_argument("--out", type=path, help=".png, .svg or .pdf (default: MODEL's name, .png)")
    plot.set_defaults(run=models.plot_model)

    add_import(add, [common])
    add_bench(add, [common])

    warm = add("warmup", parents=[common], help="compile the Numba kernels now, for later use")
    warm.add_argument("--dtype", choices=("float32", "float64", "both"), default="float32")
    warm.set_defaults(run=commands.warm_up)

    check = add("gradcheck", parents=[common], help="prove the installed engine's gradients")
    check.add_argument("--seed", type=natural, default=0)
    check.add_argument(
        "--layer", nargs="+", default=[], metavar="NAME", help="such as LSTM (default: everything)"
    )
    check.add_argument("--junit", type=path, metavar="FILE", help="write the checks as JUnit XML")
    check.set_defaults(run=commands.check_gradients)
    return parser
