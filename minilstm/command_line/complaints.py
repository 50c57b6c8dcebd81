"""What a command says of an error that reached it: one sentence, and an exit code for scripts.
No traceback is shown; the variable MINILSTM_DEBUG brings it back for those who look for a fault."""

from __future__ import annotations

import argparse
import ast
import errno
import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from minilstm.command_line.facts import INTERRUPTED
from minilstm.errors import DeviceError, DivergedError, GradientError
from minilstm.logs import log

LEVELS = ("debug", "info", "warning", "error")
DONE, FAILED, BAD_INPUT = 0, 1, 2  # exit codes, beside INTERRUPTED
# What the library raises on purpose; their texts are sentences.
_INPUT = (MemoryError, ValueError, TypeError, OSError, ImportError, DeviceError)
# Options whose names in Python are others than here.
_OTHER_NAMES = {
    "initial_learn_rate": "learn_rate",
    "max_epochs": "epochs",
    "gap_seconds": "split_gaps",
    "sequence_length": "padding",
    "validation_patience": "patience",
    "validation_data": "validation",
}
# Options of one word, which are looked for where a value follows.
_ONE_WORD = {"features", "drop", "separator", "decimal", "encoding", "sheet", "fill", "rate"}
_ONE_WORD |= {"normalization", "dtype", "window"}
_COMMA_LISTS = ("features", "drop", "target_columns")
# What the command line has in the place of a function.
_WINDOWS = r"read with label_per='step' and cut windows, minilstm\.data\.windows\(length, step\)"
_NUMBERS = (
    r"label='majority' counts classes; choose 'last' \(window_label='last'\), give a function such "
    r"as numpy\.mean, or convert classes to integers"
)
# What --missing-labels does by itself.
_LOSS = r"loss=minilstm\.CrossEntropy\(ignored_labels=(\[.*?\])\)"


def complain(options: argparse.Namespace, error: BaseException) -> int:
    """Say what went wrong, once for people and once for scripts, and return the exit code.

    Where that cannot be written either, the code alone tells.
    """
    code, sentence = _judged(error)
    sentence = in_words_of_options(" ".join(sentence.split()), options)
    debug = os.environ.get("MINILSTM_DEBUG", "0") not in ("", "0")
    told = "".join(traceback.format_exception(error)) if debug else ""
    say(sys.stderr, f"{told}minilstm: {sentence}\n")
    said = json.dumps({"error": sentence, "exit_code": code}) + "\n"
    say(json_stream(options), said if options.json else "")
    return code


def json_stream(options: argparse.Namespace) -> IO[str] | None:
    """Where --json goes: standard output, but standard error where the former holds a table."""
    is_table = "table" in options and options.table(options)
    return sys.stderr if is_table else sys.stdout


@contextmanager
def telling(options: argparse.Namespace) -> Iterator[None]:
    """Within the block, warnings and what is logged are lines on standard error like complaints."""

    def line(message: Warning | str, category: type[Warning], *where: Any) -> str:
        return f"minilstm: warning: {in_words_of_options(str(message), options)}\n"

    def show(record: logging.LogRecord) -> bool:
        say(sys.stderr, f"minilstm: {record.levelname.lower()}: {record.getMessage()}\n")
        return True

    handler, before = logging.NullHandler(), warnings.formatwarning
    handler.handle = show  # type: ignore[method-assign]
    with warnings.catch_warnings():
        warnings.formatwarning = line  # type: ignore[assignment]
        log.addHandler(handler)
        try:
            yield
        finally:
            warnings.formatwarning = before
            log.removeHandler(handler)
            log.setLevel(logging.NOTSET)


def set_level(name: str) -> None:
    """Tell what is logged from a level of `LEVELS` on; at "error" no warnings either."""
    log.setLevel(name.upper())
    if name == "error":
        warnings.simplefilter("ignore")


def say(stream: IO[str] | None, text: str) -> None:
    """Write a text at once; a stream that cannot be written is given up.

    Python would try again when it ends, and show a traceback.
    """
    try:
        if stream is not None:
            stream.write(text)
            stream.flush()
    except (OSError, ValueError):  # full, gone, or closed
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.close()


def check_streams(reads: bool = False) -> None:
    """Raise OSError where a standard stream that is needed was closed by the caller."""
    needed = {"standard output": sys.stdout, **({"standard input": sys.stdin} if reads else {})}
    for name, stream in needed.items():
        if stream is None:
            raise OSError(f"{name} is closed, but the command needs it; leave it open.")


def _judged(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence."""
    what = str(error) or type(error).__name__
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "stopped by Ctrl-C."
    if isinstance(error, (DivergedError, GradientError)):
        return FAILED, what
    if isinstance(error, MemoryError) and not what.endswith("."):  # NumPy's own words
        return BAD_INPUT, f"the memory is not enough ({what}); take a smaller network or less data."
    if isinstance(error, RecursionError):
        return BAD_INPUT, f"something is nested too deeply ({what}); check what wrote the file."
    if isinstance(error, OverflowError):
        return BAD_INPUT, f"a number is too large ({what}); give a smaller one."
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        # The system's own words: what reads and writes files has sentences of its own.
        either = {errno.EISDIR: "input", errno.EBADF: "input or output"}
        whose = either.get(error.errno or 0, "output")
        return BAD_INPUT, (
            f"standard {whose} fails ({error.strerror}); let it be a file with enough space, a "
            "pipe or a terminal."
        )
    if isinstance(error, _INPUT):
        return BAD_INPUT, what
    return FAILED, (
        f"{type(error).__name__} ({what}) is a fault of minilstm, not of your data; please report "
        "it, with what MINILSTM_DEBUG=1 shows."
    )


def in_words_of_options(sentence: str, options: argparse.Namespace) -> str:
    """Options as they are typed, where a sentence of the library names them as in Python.

    Names of one word are looked for only before a value, as they are plain English, too.
    """
    sentence = sentence.replace("numeric_targets=True (--task regress)", "--task regress")
    sentence = re.sub(r" \(--[a-z-]+ [^)]*\)", "", sentence)  # both ways of one option
    if "window_length" in options:
        sentence = re.sub(_WINDOWS, "cut windows with --window-length", sentence)
        last = "--window-label majority counts classes; give --window-label last"
        sentence = re.sub(_NUMBERS, last, sentence)
    sentence = re.sub(r"(; give th\w+ of that training), or leave \w+ out\.$", r"\1.", sentence)
    if "best" in options:
        sentence = sentence.replace("set output_network='best-validation'", "add --best")
    for name in _COMMA_LISTS:
        for words in re.findall(rf"\b{name}=\[('.*?')\]", sentence):
            joined = ",".join(ast.literal_eval(f"[{words}]"))
            typed_so = f"--{name.replace('_', '-')} {joined!r}"
            sentence = sentence.replace(f"{name}=[{words}]", typed_so)
    for name in sorted(_ONE_WORD):
        if name in options:
            sentence = re.sub(rf"\b{name}=(?=['\d])", f"--{name} ", sentence)
            sentence = re.sub(rf"\b{name}=(?=[ .,;]|$)", f"--{name}", sentence)
    sentence = re.sub(f"to read it as '', and train with {_LOSS}", "to count it nowhere", sentence)
    sentence = re.sub(_LOSS, r"missing_labels=\1", sentence)
    stranger = re.search(r"holds the label ('.*?'|-?\d+) \(.*(, or train with it\.)$", sentence)
    if stranger is not None and "missing_labels" in options:
        way = f", train with it, or count it nowhere with missing_labels={stranger[1]}."
        sentence = sentence.removesuffix(stranger[2]) + way
    typed = {name: name for name in vars(options) if "_" in name}
    typed |= {theirs: ours for theirs, ours in _OTHER_NAMES.items() if ours in options}
    sentence = sentence.replace("layout='", "--layout '")
    for name, ours in typed.items():
        option = "--" + ours.replace("_", "-")
        lists = set(re.findall(rf"\b{name}=\[(.*?)\]", sentence))
        for words in lists:
            each = [f"{option} {word!r}" for word in ast.literal_eval(f"[{words}]")]
            typed_so = " ".join(each) or f"--no-{option[2:]}"
            sentence = sentence.replace(f"{name}=[{words}]", typed_so)
        sentence = re.sub(rf"\b{name}=(?=['\w])", f"{option} ", sentence)
        sentence = re.sub(rf"\b{name}=(?=[ .,;]|$)", option, sentence)
        sentence = re.sub(rf"\b{name}\b", option, sentence)
    return sentence
