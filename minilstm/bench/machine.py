"""The machine that a benchmark ran on: its name, its vectors, its multiply-add peak, its memory.
Without these, times mean nothing to anyone else.
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any

from minilstm.backend import current_backend, installed_version, measuring, vector_bits
from minilstm.training.environment import processor
from minilstm.version import __version__

PACKAGES = ("numpy", "numba", "torch", "onnxruntime", "openvino")  # that compute


def describe(threads: int) -> dict[str, Any]:
    """Facts about machine and program, by name; `threads` is that of every engine.

    Returns
    -------
    dict with "processor", "cores", "vector_bits" (None without Numba), "threads", "backend",
    "system", "date", the version of every package that takes part, None where not installed, and
    "gpu": facts about the device and its software, None where the backend computes on the CPU
    """
    backend = current_backend().name
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "vector_bits": vector_bits(),
        "threads": threads,
        "backend": backend,
        "system": f"{platform.system()} {platform.machine()}",
        "date": date.today().isoformat(),
        "minilstm": __version__,
        "python": platform.python_version(),
        **{p: installed_version(p) for p in PACKAGES},
        "gpu": measuring().describe() if backend == "cupy" else None,
    }


def lines(facts: dict[str, Any]) -> list[str]:
    """The same facts as text: two lines, and one more for a GPU."""
    vectors = f"{facts['vector_bits']}-bit vectors, " if facts["vector_bits"] else ""
    versions = [
        f"{name} {facts[name]}"
        for name in ("minilstm", "python", *PACKAGES)
        if facts[name] is not None
    ]
    gpu = facts["gpu"]
    return [
        f"{facts['processor']}, {facts['cores']} cores, {vectors}{facts['system']}, "
        f"{facts['date']}",
        f"backend {facts['backend']}, {facts['threads']} threads each; {', '.join(versions)}",
        *([] if gpu is None else [_gpu_line(gpu)]),
    ]


def _gpu_line(gpu: dict[str, Any]) -> str:
    driver = "" if gpu["driver"] is None else f"driver {gpu['driver']}, "
    return (
        f"{gpu['device']}, {gpu['multiprocessors']} multiprocessors, compute capability "
        f"{gpu['compute_capability']}, {gpu['device_gib']} GiB; {driver}CUDA "
        f"{gpu['cuda_runtime']} (the driver knows {gpu['cuda_driver']}), cupy {gpu['cupy']}"
    )


def resident_mib() -> float | None:
    """Resident memory of this process now, in MiB; None where the system does not say."""
    return _status("VmRSS")


def peak_resident_mib() -> float | None:
    """Largest resident memory of this process so far, in MiB; None where the system is silent."""
    # Linux hands getrusage's maximum from a parent to its child, so it would be the parent's here.
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)


def _status(name: str) -> float | None:
    """A size from Linux' account of this process, in MiB."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 2**10
    except OSError:  # not Linux
        pass
    return None
