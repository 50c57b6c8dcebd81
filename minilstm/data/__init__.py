"""The data room: readers for the files that users have, and the two data sets of the examples.
Everything here gives a batch as a plain list of (T, D) arrays, and never pads it."""

from __future__ import annotations

from minilstm.data import datasets
from minilstm.data.description import DataDescription
from minilstm.data.files.readers import Sequences, read_sequences, write_csv, write_npz
from minilstm.data.shaping.shape import Shaping, shape
from minilstm.data.shaping.windows import Windows, windows

__all__ = [
    "DataDescription", "Sequences", "Shaping", "Windows", "datasets", "read_sequences", "shape",
    "windows", "write_csv", "write_npz",
]  # fmt: skip
