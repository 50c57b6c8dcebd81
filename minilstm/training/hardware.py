"""What this machine has, as far as the system tells it without loading any package.
A benchmark names it, and the choice between CPU and GPU looks here before it looks further."""

from __future__ import annotations

import platform
from pathlib import Path

# What the driver of an NVIDIA GPU puts there on Linux, and in Linux under Windows.
DEVICE_FILES = ("/dev/nvidiactl", "/dev/dxg")


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
