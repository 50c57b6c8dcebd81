"""The command line: parses and calls, computes nothing.
Exit codes: 0 done, 1 a check failed, training diverged or minilstm failed, 2 bad usage or input,
130 Ctrl-C. The variable MINILSTM_DEBUG=1 shows the traceback of an error."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from minilstm.backend import set_num_threads, use_backend
from minilstm.command_line.complaints import (
    DONE,
    check_streams,
    complain,
    json_stream,
    say,
    set_level,
    telling,
)
from minilstm.command_line.words.parser import build_parser


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
    words = sys.argv[1:] if arguments is None else [*arguments]
    # What cannot be parsed is told to scripts as well.
    options = argparse.Namespace(json="--json" in words)
    try:
        with telling(options):
            return _run(options, words)
    except BrokenPipeError:  # the reader of our output has gone, as with "| head"
        say(sys.stdout, "")
        return DONE
    except (Exception, KeyboardInterrupt) as error:
        return complain(options, error)


def _run(options: argparse.Namespace, words: Sequence[str]) -> int:
    """Parse into `options` and call; the exit code."""
    try:
        if sys.stderr is None:  # closed: what is said to people must not reach standard output
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        check_streams()
        build_parser().parse(words, options)
        check_streams("reads" in options)
    except SystemExit as stop:  # after --help and --version
        sys.stdout.flush()  # what --help and --version said
        return int(stop.code or 0)
    set_level(options.log_level)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As the files that commands read and write, on every system.
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if options.threads is not None:
        set_num_threads(options.threads)
    with use_backend(options.backend) if options.backend is not None else nullcontext():
        result = options.run(options)
    if options.json:
        said = json.dumps({k: v for k, v in result.items() if k != "exit_code"})
        print(said, file=json_stream(options))
    sys.stdout.flush()
    return int(result.get("exit_code", DONE))
