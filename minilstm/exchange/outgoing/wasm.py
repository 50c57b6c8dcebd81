"""WebAssembly: the C file, compiled where clang with its linker, or ziglang, is installed.
The module asks for nothing from outside; its memory holds one state, one input, one row of scores.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from minilstm.exchange.step.program import Program

_SECONDS = 300  # that a compiler may take; ziglang builds its cache first
_FLAGS = ("-O3", "-msimd128", "-ffp-contract=off", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all")
_CLANG = ("--target=wasm32", "-ffreestanding", "-fno-builtin", "-fuse-ld=lld")
_ZIG = ("-target", "wasm32-freestanding")
_EXPORTS = ("x", "scores", "restart", "run", "self_test")


def wasm(text: str, name: str, program: Program) -> bytes:
    """The module of a C file.

    Parameters
    ----------
    text : from `minilstm.exchange.outgoing.c99.c99`
    name : the file's
    program : what it computes

    Returns
    -------
    bytes; the module exports `memory`, `NAME_x()` and `NAME_scores()` (where a row goes in and
    comes out), `NAME_restart()`, `NAME_run()` (one step, or one window) and `NAME_self_test()`

    Raises
    ------
    ValueError
        No compiler for WebAssembly is installed.
    """
    big, verb = name.upper(), "step" if program.window is None else "window"
    sizes = ("", "") if program.window is None else (f" * {big}_WINDOW", f" * {big}_ROWS")
    glue = f"""
static {name}_state only;
static float given[{big}_INPUTS{sizes[0]}], made[{big}_OUTPUTS{sizes[1]}];
float *{name}_x(void) {{ return given; }}
float *{name}_scores(void) {{ return made; }}
void {name}_run(void) {{ {name}_{verb}(&only, given, made); }}
void {name}_restart(void) {{ {name}_reset(&only); }}
"""
    names = [f"-Wl,--export={name}_{n}" for n in _EXPORTS]
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "model.c"), Path(folder, "model.wasm")
        source.write_text(text + glue, encoding="ascii")
        said = ""
        for words in _compilers():
            command = [*words, *_FLAGS, *names, str(source), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            if done.returncode == 0:
                return made.read_bytes()
            said = f" ({words[0]} said {done.stderr.strip()[:120]!r})"
    raise ValueError(
        f"a .wasm file needs clang with lld, or ziglang, and none of them works here{said}; "
        "install one, for example with pip install ziglang, or export to .js."
    )


def _compilers() -> list[list[str]]:
    """How to call each compiler that may know WebAssembly."""
    names = ["clang", *(f"clang-{n}" for n in range(24, 13, -1))]
    found = [[n, *_CLANG] for n in names if shutil.which(n)]
    if importlib.util.find_spec("ziglang") is not None:
        found.append([sys.executable, "-m", "ziglang", "cc", *_ZIG])
    return found
