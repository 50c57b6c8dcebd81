"""Runs an exported file with the real thing where it is installed: gcc, node, ONNX Runtime.
Each runner gives the scores of some rows, or None where its tool is not there.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step.program import Program

Array = NDArray[Any]
_SECONDS = 120  # that a compiler or a run may take
C_FLAGS = ("-std=c99", "-O2", "-ffp-contract=off")
_COMPILERS = ("gcc", "cc", "clang")
_SCRIPT = """\
import {Model} from "./MODULE.mjs";
const given = JSON.parse(process.argv[1]), model = new Model();
const answer = given.map(rows => {
  model.reset();
  if (WINDOW) return [Array.from(model.window(Float32Array.from(rows.flat())))];
  return rows.map(row => Array.from(model.step(Float32Array.from(row))));
});
console.log(JSON.stringify({test: model.selfTest(), answer}));
"""


def run_c(text: str, name: str, program: Program, sequences: Sequence[Array]) -> Any:
    """Compile a C file and step through sequences: (who ran it, its self-test, scores of each)."""
    compiler = next((c for c in _COMPILERS if shutil.which(c)), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "model.c"), Path(folder, "model.so")
        source.write_text(text, encoding="ascii")
        words = [compiler, *C_FLAGS, "-shared", "-fPIC", str(source), "-o", str(library)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS)
        if done.returncode:
            raise ValueError(
                f"{compiler} does not compile the exported file: {done.stderr.strip()[:300]!r}; "
                "report this as a fault of minilstm."
            )
        code = ctypes.CDLL(str(library))
        test = getattr(code, f"{name}_self_test")
        test.restype = ctypes.c_float
        size = 4 * (1 << 16) + 64 * sum(x.size for x in sequences)
        # The struct is written by this package: no array of it is larger than these together.
        most = sum(s.outputs + s.inputs for s in program.steps) * 12 * (program.window or 1)
        state = ctypes.create_string_buffer(size + 4 * most)
        out = []
        for x in sequences:
            getattr(code, f"{name}_reset")(state)
            rows = x.reshape(1, -1) if program.window is not None else x
            scores = np.empty((len(rows), _numbers(program)), np.float32)
            run = getattr(code, f"{name}_{'window' if program.window is not None else 'step'}")
            for row, to in zip(np.ascontiguousarray(rows, np.float32), scores, strict=True):
                run(state, _pointer(row), _pointer(to))
            out.append(scores.reshape(-1, program.outputs))
        return compiler, float(test()), out


def run_node(text: str, program: Program, sequences: Sequence[Array]) -> Any:
    """Run a JavaScript module in node; returns as `run_c` does."""
    node = shutil.which("node")
    if node is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MODULE.mjs").write_text(text, encoding="ascii")
        script = _SCRIPT.replace("WINDOW", json.dumps(program.window is not None))
        given = json.dumps([x.tolist() for x in sequences])
        words = [node, "--input-type=module", "-e", script, "--", given]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, cwd=folder)
        if done.returncode:
            raise ValueError(
                f"node does not run the exported module: {done.stderr.strip()[:300]!r}; report "
                "this as a fault of minilstm."
            )
        answer = json.loads(done.stdout)
        scores = [np.array(a, np.float32).reshape(-1, program.outputs) for a in answer["answer"]]
        return "node", float(answer["test"]), scores


def run_onnx(content: bytes, program: Program, sequences: Sequence[Array]) -> Any:
    """Run an ONNX file in ONNX Runtime; returns as `run_c` does, without a self-test."""
    try:
        import onnxruntime
    except ImportError:
        return None
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    out = []
    for x in sequences:
        feed = {"x": np.ascontiguousarray(x[:, None], np.float32)}  # (T, 1, D)
        for given in session.get_inputs():
            if given.name[:2] in ("h0", "c0"):
                feed[given.name] = np.zeros((given.shape[0], 1, given.shape[2]), np.float32)
        out.append(session.run(["scores"], feed)[0].reshape(-1, program.outputs))
    return f"ONNX Runtime {onnxruntime.__version__}", 0.0, out


def _numbers(program: Program) -> int:
    """Scores that one call gives."""
    if program.window is None or any(s.last for s in program.steps):
        return program.outputs
    return program.window * program.outputs


def _pointer(array: Array) -> Any:
    return array.ctypes.data_as(ctypes.c_void_p)
