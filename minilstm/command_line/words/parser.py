"""The commands and their words: one parser, put together from a file for each large command.
What a command does stands in the function that it names as `run`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from minilstm.backend import NAMES
from minilstm.command_line import checking, commands, learning, models
from minilstm.command_line.complaints import LEVELS
from minilstm.command_line.words.bench import add_bench
from minilstm.command_line.words.data import data_options
from minilstm.command_line.words.evaluate import add_evaluate
from minilstm.command_line.words.examples import EXAMPLES
from minilstm.command_line.words.export import add_export
from minilstm.command_line.words.importing import add_import
from minilstm.command_line.words.shaping import add_rate_in, shaping_options
from minilstm.command_line.words.stream import add_stream
from minilstm.command_line.words.train import add_train
from minilstm.command_line.words.usage import Parser
from minilstm.command_line.words.values import natural, path, positive, whole
from minilstm.version import __version__

SHELLS = ("bash", "zsh", "tcsh")


def build_parser() -> Parser:
    """The parser of all commands; each sets `run`, the function that takes what was parsed."""
    parser = Parser(
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
    common.add_argument(
        "--log-level",
        choices=LEVELS,
        default="warning",
        help="what is told of the work on standard error; error leaves out warnings",
    )
    kinds = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, **how: Any) -> argparse.ArgumentParser:
        return kinds.add_parser(name, epilog="\n  ".join(["examples:", *EXAMPLES[name]]), **how)

    demo = add("demo", parents=[common], help="train, test, predict, stream and draw")
    demo.add_argument("--quick", action="store_true", help="less than a minute")
    demo.add_argument("--out", type=path, default=Path("minilstm-demo"), help="folder for files")
    demo.add_argument("--seed", type=natural, default=0, help="of the networks")
    demo.set_defaults(run=commands.demo)

    data = data_options()
    add_train(add, [common, data, shaping_options()])
    add_evaluate(add, [common, data])
    add_export(add, [common])
    add_import(add, [common])

    predict = add(
        "predict",
        parents=[common, data],
        help="labels and scores of sequences, as CSV",
        description="Writes a label and its scores for each step or sequence; numbers where the "
        "model predicts numbers. Data are read and shaped as those of the training: columns by "
        "name, windows of the same length, a row for each with its first step. Without --out the "
        "CSV is standard output, and --json goes to standard error.",
    )
    predict.add_argument("model", type=path, metavar="MODEL")
    predict.add_argument("data", type=path, nargs="+", metavar="DATA", help="files, or a folder")
    add_rate_in(predict)
    predict.add_argument(
        "--out", type=path, help="file for the CSV (default, and -: standard output)"
    )
    predict.set_defaults(run=models.predict_file, table=models.is_on_output)

    add_stream(add, [common])

    info = add(
        "info",
        parents=[common],
        help="describe a model file, or this installation",
        description="Shows what a model predicts, its layers, features, training, data and scores: "
        "its model card. Without MODEL it shows what is installed here. With --json the card is in "
        "the object, under about.",
    )
    info.add_argument("model", type=path, nargs="?", metavar="MODEL")
    info.add_argument("--markdown", action="store_true", help="the model card as Markdown")
    info.set_defaults(run=commands.info)

    plot = add(
        "plot",
        parents=[common],
        help="draw a model: boxes for layers, and arrows; or its gates along a recording",
        description="Draws the layers and the arrows between them. With --gates it draws what a "
        "recurrent layer does inside: a row a unit, the signal above. Data are read and shaped as "
        "those of the training.",
    )
    plot.add_argument("model", type=path, metavar="MODEL")
    plot.add_argument("--out", type=path, help=".png, .svg or .pdf (default: MODEL's name, .png)")
    plot.add_argument("--gates", type=path, nargs="+", metavar="DATA", help="files, or a folder")
    plot.add_argument("--layer", metavar="NAME", help="whose gates (default: the first that has)")
    plot.add_argument("--sequence", metavar="ID", help="the recording (default: the first)")
    plot.add_argument("--show", metavar="LETTERS", help="maps, of i, f, g, o, c, h (default: cf)")
    plot.set_defaults(run=models.plot_model)

    add_bench(add, [common])

    warm = add("warmup", parents=[common], help="compile the Numba kernels now, for later use")
    warm.add_argument(
        "--dtype",
        choices=("float32", "float64", "both"),
        default="float32",
        help="of the numbers that the kernels take",
    )
    warm.set_defaults(run=commands.warm_up)

    own = add(
        "check",
        parents=[common],
        help="check the backward passes of a Python file",
        description="Finds f_forward and f_backward, f and df, classes with both methods, "
        "functions of PyTorch and JAX, and what a comment '# gradients: forward, backward' names. "
        "Says what it took them for, on which inputs, and whether every gradient is right. Inputs "
        "are made from shapes in docstrings and comments, such as 'x: (T, B, D)', or found by "
        "trial; a dict gradcheck_inputs in the file gives them. The file is imported, without what "
        "stands below __main__. Exit code 2 where a backward pass could not be checked.",
    )
    own.add_argument("file", type=path, metavar="FILE")
    own.add_argument("names", nargs="*", metavar="NAME", help="of forward passes (default: all)")
    own.add_argument("--watch", action="store_true", help="again each time the file is saved")
    own.add_argument("--seed", type=natural, default=0, help="of the numbers that are drawn")
    own.add_argument("--junit", type=path, metavar="FILE", help="write the checks as JUnit XML")
    own.set_defaults(run=checking.check_python)

    check = add("gradcheck", parents=[common], help="prove the installed engine's gradients")
    check.add_argument("--seed", type=natural, default=0, help="of the numbers that are drawn")
    check.add_argument(
        "--layer", nargs="+", default=[], metavar="NAME", help="such as LSTM (default: everything)"
    )
    check.add_argument("--junit", type=path, metavar="FILE", help="write the checks as JUnit XML")
    check.set_defaults(run=commands.check_gradients)

    learn = add(
        "learn",
        parents=[common],
        help="exercises: write an LSTM yourself, checked line by line",
        description="Without NUMBER it lists the exercises and your score in this folder. With it, "
        "the file of an exercise is written here; once it is here, it is checked: shape, value, "
        "gradient, and the likely cause of a mistake. Your file runs in a process of its own. The "
        "score is kept beside it, in minilstm-learn.json.",
    )
    learn.add_argument("number", type=natural, nargs="?", metavar="NUMBER", help="of an exercise")
    learn.add_argument("file", type=path, nargs="?", metavar="FILE", help="of another name")
    instead = learn.add_mutually_exclusive_group()
    instead.add_argument(
        "--hint", type=positive, metavar="STRENGTH", help="1, the idea; 2, the recipe; 3, the lines"
    )
    instead.add_argument("--solution", action="store_true", help="print the file filled in")
    learn.add_argument(
        "--time-limit", type=positive, default=10, metavar="SECONDS",
        help="for your functions; gradients have 6 times as long, and the training 30 times",
    )  # fmt: skip
    learn.set_defaults(run=learning.learn)

    complete = add(
        "completion", parents=[common], help="what a shell needs to complete words by the tab key"
    )
    complete.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    complete.set_defaults(run=partial(commands.completion, parser=parser))
    return parser
