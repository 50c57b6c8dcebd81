"""The side that trains a network, CPU or GPU, where `execution_environment` is "auto".
The GPU is taken only where both sides were measured on this machine and it was the faster one.

CuPy is imported only where a table of measured times exists, so a machine without one pays nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from minilstm import __version__
from minilstm.backend import gpu_devices, is_installed, load_backend
from minilstm.crossover import faster_side, read_tables
from minilstm.hardware import processor, seems_to_have_gpu

NO_TABLE = "no crossover table for this GPU: run minilstm bench --backend cupy --crossover"


class Side(NamedTuple):
    """Where to compute, and what to tell the user about it."""

    name: str  # "cpu" or "gpu"
    note: str = ""  # a line of the verbose output; "" where there is nothing to say


def choose_side(work: str, T: float, B: float, H: float) -> Side:
    """The faster side for a network on this machine.

    Parameters
    ----------
    work : "training" or "inference"
    T : steps of a sequence, the mean where they differ
    B : sequences of a mini-batch
    H : hidden units of the largest recurrent layer

    Returns
    -------
    Side; the CPU, without a word, where there is no CuPy or no GPU; the CPU, with the line that
    says how to measure, where there is a GPU that no table is of
    """
    if not is_installed("cupy"):
        return Side("cpu")
    tables = read_tables(*measured_as())
    if not tables:
        return Side("cpu", NO_TABLE if seems_to_have_gpu() else "")
    devices = gpu_devices()
    if not devices:
        return Side("cpu")
    for table in tables:
        if table.device == devices[0].name:
            name = faster_side(table, work, T, B, H)
            return Side(name, f"computing on the {name.upper()}: the faster side in measured times")
    return Side("cpu", NO_TABLE)


def measured_as() -> tuple[str, str]:
    """What a table must be of to count here: the processor, and the version with its backend."""
    return processor(), f"{__version__}, {load_backend('auto').name}"
