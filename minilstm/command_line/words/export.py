"""The words of the command export: to what, with which weights, and whether it is checked.
Each default stands in its help.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from minilstm.command_line import exporting
from minilstm.command_line.words.values import number_that, path, positive


def add_export(
    add: Callable[..., argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    """Add the command to those of a parser."""
    export = add(
        "export",
        parents=parents,
        help="a model as C, JavaScript, WebAssembly, a page, ONNX, a state dict or RTNeural's JSON",
        description="Writes a model as a file that needs no minilstm. The file runs beside the "
        "model before it is kept: by a C compiler, node or ONNX Runtime where they are installed.",
    )
    export.add_argument("model", type=path, metavar="MODEL")
    export.add_argument(
        "--to",
        choices=("c", "js", "wasm", "html", "onnx", "safetensors", "json"),
        help="kind of file (default: that of --out, or c)",
    )
    export.add_argument(
        "--out",
        type=path,
        help="file (default: MODEL's name, ending "
        "in --to; for a state dict .state-dict.safetensors)",
    )
    export.add_argument("--name", default="model", help="before the names of a C file (model)")
    export.add_argument(
        "--weights", choices=("float32", "int16", "int8"), default="float32", help="(float32)"
    )
    export.add_argument(
        "--bits", type=positive, help="of whole-number weights (all that the type has)"
    )
    export.add_argument(
        "--most-changed", metavar="SHARE",
        type=number_that(float, lambda v: 0 <= v <= 1, "from 0 to 1"),
        help="of labels that whole-number weights may change, on steps that are drawn, in each run "
        "that the report has (any)",
    )  # fmt: skip
    export.add_argument("--window", type=positive, help="steps of a window, for a BiLSTM")
    export.add_argument("--no-check", action="store_true", help="write it without running it")
    export.set_defaults(run=exporting.export_model)
