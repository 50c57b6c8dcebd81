"""What the checks of the engine came to: sentences for people, JSON and JUnit XML for programs.
A sentence about what is proved is followed by one about what is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minilstm.backend import (
    cupy_version,
    get_num_threads,
    gpu_devices,
    installed_version,
    vector_bits,
)
from minilstm.checks import counted
from minilstm.layers import KINDS
from minilstm.proof.engine.checks import BACKENDS, FLOAT32, Row, missing_part
from minilstm.proof.engine.networks import LAYERS
from minilstm.proof.reports.exports import element, xml_text

NOT_TRIED = "predictions, streams, trainings cut into spans of time"


def proved(rows: Sequence[Row]) -> list[str]:
    """What the checks came to, in sentences."""
    wrong = [row for row in rows if not row.passed]
    if wrong:
        names = "; ".join(dict.fromkeys(f"{r.title} on {r.backend} ({r.worst})" for r in wrong))
        return [f"{len(wrong)} of {len(rows)} checks are wrong on this machine: {names}"]
    backends = dict.fromkeys(row.backend for row in rows)
    parts = [
        counted(len({row.name for row in rows if row.part == part}), part)
        for part in dict.fromkeys(row.part for row in rows)
        if part != FLOAT32
    ]
    most = max((row for row in rows if row.part != FLOAT32), key=lambda row: row.error)
    single = [row for row in rows if row.part == FLOAT32]
    missing = [f"the layer {kind}, which has no case" for kind in KINDS
               if kind not in LAYERS]  # fmt: skip
    missing += [
        f"the backend {name}, {missing_part(name) or 'which was not asked for'}"
        for name in BACKENDS if name not in backends
    ]  # fmt: skip
    within = [
        f"float32 keeps within its rounding bounds ({', '.join({r.name: 0 for r in single})}): at "
        f"most {max(row.error for row in single):.2f} of the bound"
    ] if single else []  # fmt: skip
    missing.append("float32 of anything else" if single else "float32")
    return [
        f"proved on this machine ({_machine(backends)}): {', '.join(parts)}; largest relative "
        f"error {most.error:.1e} ({most.worst} of {most.title} on {most.backend})",
        *within,
        f"not proved: {'; '.join([*missing, NOT_TRIED])} (the tests of minilstm compare these)",
    ]


def largest_error(rows: Sequence[Row]) -> float | None:
    """The largest relative error that is a number, float32 left out; None where there is none."""
    errors = [row.error for row in rows if row.part != FLOAT32]
    return max((error for error in errors if np.isfinite(error)), default=None)


def to_plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The checks for JSON, which knows no infinite numbers: an error that is none is None."""
    return [
        {**row._asdict(), "error": row.error if np.isfinite(row.error) else None} for row in rows
    ]


def to_junit(rows: Sequence[Row]) -> bytes:
    """The checks as JUnit XML, one test case each, for programs that show test results."""
    attributes = {
        "name": "minilstm gradcheck",
        "tests": len(rows),
        "failures": sum(not row.passed for row in rows),
        "time": f"{sum(row.seconds for row in rows):.3f}",
    }
    suite = element(None, "testsuite", attributes)
    for row in rows:
        names = {"classname": f"minilstm.{row.backend}", "name": row.title}
        case = element(suite, "testcase", {**names, "time": f"{row.seconds:.3f}"})
        if not row.passed:
            message = f"{row.worst}: relative error {row.error:.1e}, allowed {row.tolerance:.0e}"
            element(case, "failure", {"message": message}, [row.report])
    return xml_text(suite).encode()


def _machine(backends: Iterable[str]) -> str:
    """What it ran on, in words."""
    words = [
        f"{name} {cupy_version() if name == 'cupy' else installed_version(name)}"
        for name in backends
    ]
    if "numba" in backends:
        words.append(counted(get_num_threads(), "thread"))
        words.append(f"vectors of {vector_bits()} bits")
    if "cupy" in backends:
        words += [gpu.name for gpu in gpu_devices()]
    return ", ".join(words)
