"""Where a training computes: what its options and the switch ask for, else the faster side.
Both may ask; where one contradicts the other, neither wins: it is an error before work starts.

Where nobody asks, the GPU is taken only if both sides were measured on this machine and it was the
faster one. CuPy is imported only where a table of measured times exists, so a machine without one
pays nothing.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import NamedTuple

from minilstm.backend import Backend, chosen_backend, gpu_devices, is_installed, load_backend
from minilstm.training.crossover import faster_side, read_tables
from minilstm.version import __version__

# What the driver of an NVIDIA GPU puts there on Linux, and in Linux under Windows.
DEVICE_FILES = ("/dev/nvidiactl", "/dev/dxg")
NO_TABLE = "no crossover table for this GPU: run minilstm bench --backend cupy --crossover"


class Side(NamedTuple):
    """Where to compute, and what to tell the user about it."""

    name: str  # "cpu" or "gpu"
    note: str = ""  # a line of the verbose output; "" where there is nothing to say


def training_backend(execution_environment: str) -> Backend:
    """The backend of a training.

    "gpu" is the backend "cupy"; "cpu" is any other; "auto" is the backend in force.

    Raises ValueError where `use_backend`, `set_backend` or MINILSTM_BACKEND asks for a backend of
    the other kind; ImportError where CuPy is not installed, DeviceError where it finds no GPU.
    """
    name = chosen_backend()
    if execution_environment == "gpu" and name not in ("auto", "cupy"):
        raise ValueError(
            f"execution_environment is 'gpu', but the backend {name!r} was chosen, which computes "
            "on the CPU; choose the backend 'cupy' or 'auto', or the environment 'cpu'."
        )
    if execution_environment == "cpu" and name == "cupy":
        raise ValueError(
            "execution_environment is 'cpu', but the backend 'cupy' was chosen, which computes on "
            "a GPU; choose the backend 'numba' or 'numpy', or the environment 'gpu'."
        )
    return load_backend("cupy" if execution_environment == "gpu" else name)


def is_left_open(execution_environment: str) -> bool:
    """Whether nobody said where to compute: neither the option nor the switch."""
    return execution_environment == "auto" and chosen_backend() == "auto"


def choose_side(T: float, B: float, H: float) -> Side:
    """The faster side for a training on this machine.

    T, B and H are those of `faster_side`: of a mini-batch, and of the largest recurrent layer. It
    is the CPU, without a word, where there is no CuPy or no GPU; and the CPU, with the line that
    says how to measure, where there is a GPU that no table is of.
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
            name = faster_side(table, "training", T, B, H)
            return Side(name, f"computing on the {name.upper()}: the faster side in measured times")
    return Side("cpu", NO_TABLE)


def measured_as() -> tuple[str, str]:
    """What a table must be of to count here: the processor, and the version with its backend."""
    return processor(), f"{__version__}, {load_backend('auto').name}"


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.split(":", 1)[1].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine() or "unknown processor"


def seems_to_have_gpu() -> bool:
    """Whether there is a sign of a GPU that CUDA could use; never on systems without such files."""
    return any(Path(name).exists() for name in DEVICE_FILES)
