"""The data room: readers for the files that users have, and the two data sets of the examples.
Everything here gives a batch as a plain list of (T, D) arrays, and never pads it.

Names are loaded when first used, so a program that only predicts loads no reader.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minilstm.data import datasets as datasets
    from minilstm.data.description import DataDescription as DataDescription
    from minilstm.data.files.readers import Sequences as Sequences
    from minilstm.data.files.readers import read_sequences as read_sequences
    from minilstm.data.files.readers import write_csv as write_csv
    from minilstm.data.files.readers import write_npz as write_npz
    from minilstm.data.shaping.shape import Shaping as Shaping
    from minilstm.data.shaping.shape import shape as shape
    from minilstm.data.shaping.windows import Windows as Windows
    from minilstm.data.shaping.windows import windows as windows

_NAMES = {
    "description": "DataDescription",
    "files.readers": "Sequences read_sequences write_csv write_npz",
    "shaping.shape": "Shaping shape",
    "shaping.windows": "Windows windows",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = [
    "DataDescription", "Sequences", "Shaping", "Windows", "datasets", "read_sequences", "shape",
    "windows", "write_csv", "write_npz",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return importlib.import_module("minilstm.data.datasets")
    if name not in _HOME:
        raise AttributeError(f"module 'minilstm.data' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"minilstm.data.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
