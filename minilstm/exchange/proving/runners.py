"""Runs an exported file with the real thing where it is installed: a C compiler, or node.
Each runner gives the scores of some rows, or None where its tool is not there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.proving.facts import FAULT
from minilstm.exchange.step.program import Program

Array = NDArray[Any]
_SECONDS = 120  # that a compiler or a run may take
C_FLAGS = ("-std=c99", "-O2", "-ffp-contract=off")
_COMPILERS = ("gcc", "cc", "clang")
_MAIN = """\
#include <stdio.h>
#include "model.c"
#define TELL(...) { \\
    static const char *const names[] = __VA_ARGS__; \\
    for (n = 0; n < (int)(sizeof names / sizeof *names); n++) printf("%s%c", names[n], 0); }
int main(void) {
    static NAME_state m;
    static float x[BIG_INPUTS * @STEPS], y[BIG_OUTPUTS * @ROWS];
    int n;
    float test;
    while (fread(&n, sizeof n, 1, stdin) == 1)
        for (NAME_reset(&m); n > 0; n--) {
            if (fread(x, sizeof x, 1, stdin) != 1) return 1;
            NAME_@CALL(&m, x, y);
            fwrite(y, sizeof y, 1, stdout);
        }
    test = NAME_self_test();
    fwrite(&test, sizeof test, 1, stdout);
#ifdef BIG_CLASSES
    TELL(BIG_CLASSES)
#endif
    putchar(1);
#ifdef BIG_FEATURES
    TELL(BIG_FEATURES)
#endif
    return 0;
}
"""
#: what else a C file is compiled as: a flag after its name, and who takes names that are free then
_BUILDS = (
    ("NO_SELF_TEST", "enum {test_x, test_scores, NAME_self_test};"),
    ("HEADER", "enum {test_x, test_scores, not_finite};"),
)
_CPLUSPLUS = {"gcc": "g++", "cc": "c++", "clang": "clang++"}
_MODULE = """\
import * as m from "./module.mjs";
const model = new m.Model();
model.names = [[m.CLASSES, m.FEATURES], [m.FACTS?.classes, m.FACTS?.features]];
"""
_WASM = """\
import {readFileSync} from "node:fs";
const e = (await WebAssembly.instantiate(readFileSync("module.wasm"), {})).instance.exports;
const at = n => new Float32Array(e.memory.buffer, n);
const run = x => {
  at(e.NAME_x()).set(x);
  e.NAME_run();
  return at(e.NAME_scores()).slice(0, COUNT);
};
const model = {reset: e.NAME_restart, selfTest: e.NAME_self_test, step: run, window: run};
"""
_SCRIPT = """\
import {readFileSync as read} from "node:fs";
const given = JSON.parse(read(0));
const call = verb => numbers => {
  const x = Float32Array.from(numbers, v => v ?? NaN), finite = x.every(Number.isFinite);
  try {
    const scores = Array.from(model[verb](x));
    if (finite || !model.names) return scores;
  } catch (error) {
    if (!finite && error instanceof RangeError) return null;
    throw error;
  }
  throw new Error("it takes numbers that are not finite");
};
const answer = given.map(rows => {
  model.reset();
  return WINDOW ? [call("window")(rows.flat())] : rows.map(call("step"));
});
console.log(JSON.stringify({test: model.selfTest(), answer, names: model.names ?? []}));
"""


def run_c(text: str, name: str, program: Program, sequences: Sequence[Array]) -> Any:
    """Compile a C file and step through sequences: (who ran it, its self-test, scores of each,
    pairs of names of scores and of inputs).

    It runs in a process of its own, so that a wrong file harms nothing.
    """
    compiler = next((c for c in _COMPILERS if shutil.which(c)), None)
    if compiler is None:
        return None
    window = program.window is not None
    put_in = _MAIN.replace("NAME", name).replace("BIG", name.upper())
    sizes = (f"{name.upper()}_WINDOW", f"{name.upper()}_ROWS") if window else ("1", "1")
    for word, size in zip(("STEPS", "ROWS"), sizes, strict=True):
        put_in = put_in.replace(f"@{word}", size)
    put_in = put_in.replace("@CALL", "window" if window else "step")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.c").write_text(text, encoding="ascii")
        Path(folder, "main.c").write_text(put_in, encoding="ascii")
        _compiled([compiler, *C_FLAGS, "main.c", "-o", "model"], folder)
        for flag, taken in _BUILDS:
            use = f'#include "model.c"\n{taken.replace("NAME", name)}\nstatic {name}_state m;\n'
            use += f"void use(void);\nvoid use(void) {{ {name}_reset(&m); }}\n"
            Path(folder, "use.c").write_text(use, encoding="ascii")
            only = (f"-D{name.upper()}_{flag}", "-fsyntax-only", "use.c")
            _compiled([compiler, "-std=c99", *only], folder)
        if shutil.which(_CPLUSPLUS[compiler]):
            _compiled([_CPLUSPLUS[compiler], "-x", "c++", *only], folder)
        given = b"".join(
            np.int32(1 if window else len(x)).tobytes() + np.asarray(x, np.float32).tobytes()
            for x in sequences
        )
        ran = subprocess.run([Path(folder, "model")], input=given, capture_output=True,
                             timeout=_SECONDS)  # fmt: skip
    counts = [(1 if window else len(x)) * _numbers(program) for x in sequences]
    end = 4 * (sum(counts) + 1)
    told = np.frombuffer(ran.stdout[: min(end, len(ran.stdout) // 4 * 4)], np.float32)
    if ran.returncode or len(told) != sum(counts) + 1:
        raise ValueError(
            f"the exported file ends with code {ran.returncode} and {len(told)} numbers, as "
            f"{compiler} compiles it; {FAULT}"
        )
    parts = np.split(told[:-1], np.cumsum(counts)[:-1])
    scores = [part.reshape(-1, program.outputs) for part in parts]
    names = [n.decode().split("\0")[:-1] or None for n in ran.stdout[end:].split(b"\1", 1)]
    return compiler, float(told[-1]), scores, [names]


def _compiled(command: Sequence[str], folder: str) -> None:
    """Run a compiler, and raise ValueError where it refuses the file."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        flags = "".join(f" with {word}" for word in command if word.startswith("-D"))
        said = f"file{flags}: {done.stderr.strip()[:300]!r}; {FAULT}"
        raise ValueError(f"{command[0]} does not compile the exported {said}")


def run_node(text: str, program: Program, sequences: Sequence[Array]) -> Any:
    """Run a JavaScript module in node; returns as `run_c` does."""
    return _in_node({"module.mjs": text.encode()}, _MODULE, program, sequences)


def _in_node(
    files: dict[str, bytes], how: str, program: Program, sequences: Sequence[Array]
) -> Any:
    node = shutil.which("node")
    if node is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        script = how + _SCRIPT.replace("WINDOW", json.dumps(program.window is not None))
        Path(folder, "run.mjs").write_text(script, encoding="ascii")
        given = json.dumps([x.tolist() for x in sequences]).replace("Infinity", "1e999")
        given = given.replace("NaN", "null")
        done = subprocess.run([node, "run.mjs"], input=given, capture_output=True, text=True,
                              timeout=_SECONDS, cwd=folder)  # fmt: skip
        if done.returncode:
            raise ValueError(
                f"node does not run the exported file: {done.stderr.strip()[:300]!r}; {FAULT}"
            )
        answer = json.loads(done.stdout)
        refused = [None] * _numbers(program)
        scores = [
            np.array([refused if y is None else y for y in a], np.float32)
            .reshape(-1, program.outputs) for a in answer["answer"]
        ]  # fmt: skip
        return "node", float(np.float32(answer["test"])), scores, answer["names"]  # null is NaN


def run_wasm(content: bytes, name: str, program: Program, sequences: Sequence[Array]) -> Any:
    """Run a WebAssembly module in node; returns as `run_c` does."""
    how = _WASM.replace("NAME", name).replace("COUNT", str(_numbers(program)))
    return _in_node({"module.wasm": content}, how, program, sequences)


def _numbers(program: Program) -> int:
    """Scores that one call gives."""
    if program.window is None or any(s.last for s in program.steps):
        return program.outputs
    return program.window * program.outputs
