"""The command line: parses and calls, computes nothing.
Exit codes: 0 done, 1 a check failed, training diverged or minilstm failed, 2 bad usage or input,
130 Ctrl-C. The variable MINILSTM_DEBUG=1 shows the traceback of an error."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from minilstm.backend import NAMES, set_num_threads, use_backend
from minilstm.command_line import commands, models, streaming, training
from minilstm.command_line.complaints import DONE, check_streams, complain, say
from minilstm.paths import as_path
from minilstm.training.solvers import SOLVERS
from minilstm.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command from the words after "minilstm"; None takes them from the command line.

    Returns
    -------
    exit code

    Examples
    --------
    >>> main(["info", "no-such-model.safetensors"])
    2
    """
    options = argparse.Namespace(json=False)
    try:
        return _run(options, arguments)
    except BrokenPipeError:  # the reader of our output has gone, as with "| head"
        say(sys.stdout, "")
        return DONE
    except (Exception, KeyboardInterrupt) as error:
        return complain(options, error)


def _run(options: argparse.Namespace, arguments: Sequence[str] | None) -> int:
    """Parse into `options` and call; the exit code."""
    try:
        if sys.stderr is None:  # closed: what is said to people must not reach standard output
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        check_streams()
        _parser().parse_args(arguments, options)
        check_streams("reads" in options)
    except SystemExit as stop:  # argparse has already said why
        sys.stdout.flush()  # what --help and --version said
        return int(stop.code or 0)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As the files that commands read and write, on every system.
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if options.threads is not None:
        set_num_threads(options.threads)
    with use_backend(options.backend) if options.backend is not None else nullcontext():
        result = options.run(options)
    if options.json:
        print(json.dumps({k: v for k, v in result.items() if k != "exit_code"}))
    sys.stdout.flush()
    return int(result.get("exit_code", DONE))


class _Parser(argparse.ArgumentParser):
    """As argparse has it, but what cannot be printed is an error."""

    def _print_message(self, message: str, file: Any = None) -> None:
        (sys.stderr if file is None else file).write(message or "")


def _parser() -> _Parser:
    parser = _Parser(
        prog="minilstm",
        description="An LSTM engine from scratch: train, predict, stream, check gradients.",
        epilog="Exit codes: 0 done, 1 a check failed, training diverged or minilstm failed, 2 bad "
        "usage or input, 130 stopped by Ctrl-C. Variables: MINILSTM_BACKEND and "
        "MINILSTM_NUM_THREADS stand for --backend and --threads; MINILSTM_DEBUG=1 shows the "
        "traceback of an error.",
    )
    parser.add_argument("--version", action="version", version=f"minilstm {__version__}")
    whole = _number(int, lambda n: True, "a whole number")
    positive = _number(int, lambda n: 1 <= n < 2**31, "a whole number from 1 to 2147483647")
    natural = _number(int, lambda n: n >= 0, "a whole number of at least 0")
    real = _number(float, lambda x: not math.isnan(x), "a number")
    share = _number(float, lambda p: 0 <= p < 1, "a number from 0 to below 1")
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON object as the last line")
    common.add_argument("--backend", choices=NAMES, help="what computes (default: auto)")
    common.add_argument("--threads", type=whole, help="threads of the Numba kernels")
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser

    demo = add("demo", parents=[common], help="train, test, predict, stream and draw")
    demo.add_argument("--quick", action="store_true", help="less than a minute")
    demo.add_argument("--out", type=_path, default=Path("minilstm-demo"), help="folder for files")
    demo.add_argument("--seed", type=natural, default=0)
    demo.set_defaults(run=commands.demo)

    data = _Parser(add_help=False)
    data.add_argument(
        "--id-column", help="CSV: column that names the sequence; '' for one sequence"
    )
    data.add_argument("--label-column", help="CSV: column with the label; '' for none")
    data.add_argument("--label-per", choices=("step", "sequence"), help="CSV: whose label it is")

    missing = data.add_mutually_exclusive_group()
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
    data.add_argument("--layout", help="MAT, npz, ts: a letter for each axis, such as CT or BTC")
    data.add_argument("--x-name", help="MAT: the variable with the sequences")
    data.add_argument("--y-name", help="MAT: the variable with the labels; '' for none")

    train = add("train", parents=[common, data], help="train a classifier on a file of sequences")
    train.add_argument("train", type=_path, metavar="TRAIN", help=".mat, .npz, .csv or .ts")
    train.add_argument("--test", type=_path, help="labelled sequences to test on")
    train.add_argument("--hidden", type=positive, default=200, help="hidden units (200)")
    train.add_argument("--output-mode", choices=("sequence", "last"), default="sequence")
    train.add_argument("--bilstm", action="store_true", help="read sequences in both directions")
    train.add_argument("--dropout", type=share, default=0.0, metavar="P", help="(0)")
    train.add_argument("--normalization", choices=training.NORMALIZATIONS, default="none")
    train.add_argument("--solver", choices=tuple(SOLVERS), default="adam")
    train.add_argument("--epochs", type=positive, default=60, help="(60)")
    train.add_argument("--mini-batch-size", type=positive, default=128, help="sequences (128)")
    train.add_argument("--learn-rate", type=real, help="(0.001; 0.01 for sgdm)")
    train.add_argument("--gradient-threshold", type=real, default=2.0, help="(2; inf for none)")
    train.add_argument(
        "--padding",
        choices=("ragged", "longest", "shortest"),
        default="ragged",
        help="length of the sequences of a mini-batch (ragged: each its own)",
    )
    train.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    train.add_argument(
        "--memory-budget", type=_size, default="auto", help="such as 200MB (default: auto)"
    )
    train.add_argument("--seed", type=natural, default=0)
    train.add_argument("--out", type=_path, default=Path("minilstm-train"), help="folder for files")
    train.add_argument("--quiet", action="store_true", help="no table of the training")
    train.set_defaults(run=training.train_files)

    predict = add("predict", parents=[common, data], help="labels and scores of sequences, as CSV")
    predict.add_argument("model", type=_path, metavar="MODEL")
    predict.add_argument("data", type=_path, metavar="DATA", help=".mat, .npz, .csv or .ts")
    predict.add_argument(
        "--out", type=_path, help="file for the CSV (default, and -: standard output)"
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
    stream.add_argument("model", type=_path, metavar="MODEL")
    stream.set_defaults(run=streaming.stream_lines, reads=True)

    info = add("info", parents=[common], help="describe a model file, or this installation")
    info.add_argument("model", type=_path, nargs="?", metavar="MODEL")
    info.set_defaults(run=commands.info)

    plot = add("plot", parents=[common], help="draw a model: boxes for layers, and arrows")
    plot.add_argument("model", type=_path, metavar="MODEL")
    plot.add_argument("--out", type=_path, help=".png, .svg or .pdf (default: MODEL's name, .png)")
    plot.set_defaults(run=models.plot_model)

    bench = add("bench", parents=[common], help="time training, inference and streaming here")
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
    bench.add_argument("--picture", type=_path, metavar="FILE", help="of the grid: draw it")
    bench.add_argument(
        "--read",
        type=_path,
        nargs="+",
        metavar="FILE",
        help="of the grid: what earlier runs printed with --json, as one table; measures nothing",
    )
    bench.add_argument("--repeats", type=positive, default=5, help="counted turns (5)")
    bench.add_argument(
        "--scale", type=real, default=0.1, help="of the training lengths (0.1; 1 for full lengths)"
    )
    bench.add_argument(
        "--long",
        action="store_true",
        help="also what takes minutes: a million steps, an empty cache, memory of trainings",
    )
    bench.set_defaults(run=commands.bench)

    warm = add("warmup", parents=[common], help="compile the Numba kernels now, for later use")
    warm.add_argument("--dtype", choices=("float32", "float64", "both"), default="float32")
    warm.set_defaults(run=commands.warm_up)

    check = add("gradcheck", parents=[common], help="prove the installed engine's gradients")
    check.add_argument("--seed", type=natural, default=0)
    check.add_argument(
        "--layer", nargs="+", default=[], metavar="NAME", help="such as LSTM (default: everything)"
    )
    check.add_argument("--junit", type=_path, metavar="FILE", help="write the checks as JUnit XML")
    check.set_defaults(run=commands.check_gradients)
    return parser


def _path(text: str) -> Path:
    try:
        return as_path(text, "it")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _number(
    convert: Callable[[str], Any], fits: Callable[[Any], bool], wanted: str
) -> Callable[[str], Any]:
    """What turns a word into a number that fits."""

    def number(text: str) -> Any:
        # As in files, int() and float() alone take "1_000" and the digits of other scripts.
        if text.isascii() and "_" not in text:
            with suppress(ValueError):
                if fits(value := convert(text)):
                    return value
        raise argparse.ArgumentTypeError(f"{text} is not {wanted}")

    return number


def _size(text: str) -> float | str:
    """Bytes: a number, perhaps with kB, MB or GB behind it, or "auto"."""
    if text == "auto":
        return text
    match = re.fullmatch(r"([0-9.]+)\s*([kMG]?)B?", text)
    with suppress(ValueError):
        if match is not None:
            return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    raise argparse.ArgumentTypeError(f"{text} is no size such as 200MB, nor auto")
