"""The data room: readers for the files that users have, and the two data sets of the examples.
Everything here gives a batch as a plain list of (T, D) arrays, and never pads it."""

from __future__ import annotations

from minilstm.data import datasets
from minilstm.data.description import DataDescription
from minilstm.data.files.readers import Sequences, read_sequences, write_csv, write_npz

__all__ = ["DataDescription", "Sequences", "datasets", "read_sequences", "write_csv", "write_npz"]
