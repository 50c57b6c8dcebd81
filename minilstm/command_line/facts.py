"""What every command reports for scripts: accuracy, loss, time, memory, backend, threads and seed.
A key is always there, and None where a command has nothing to say on it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minilstm.backend import current_backend, get_num_threads

INTERRUPTED = 130  # exit code after Ctrl-C


def facts(
    seconds: float, result: Mapping[str, float] | None = None, seed: int | None = None
) -> dict[str, Any]:
    """The facts by name; loss in nats a step, memory in MiB."""
    return {
        "accuracy": _known(result, "accuracy"),
        "loss": _known(result, "loss"),
        **({"rmse": _known(result, "rmse")} if "rmse" in (result or {}) else {}),
        "seconds": round(seconds, 3),
        "peak_memory_mb": _peak_memory_mb(),
        "backend": current_backend().name,
        "threads": get_num_threads() if current_backend().name == "numba" else 1,
        "seed": seed,
    }


def files(paths: Sequence[Path]) -> list[str]:
    """Print the files that a command wrote, and return their names."""
    for path in paths:
        print(f"  {path}")
    return [str(path) for path in paths]


def scores_line(result: Mapping[str, float]) -> str:
    """The scores as a command prints them: accuracy or RMSE first, then others, the loss last."""
    form = ".4f" if "accuracy" in result else ".6g"
    names = sorted(result, key=lambda name: name == "loss")
    return ", ".join(f"{name.replace('_', ' ')} {result[name]:{form}}" for name in names)


def _known(result: Mapping[str, float] | None, name: str) -> float | None:
    """A measure; None where nothing was measured, as JSON has no NaN."""
    value = float((result or {}).get(name, math.nan))
    return value if math.isfinite(value) else None


def _peak_memory_mb() -> float | None:
    """Largest resident size of this process so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)
