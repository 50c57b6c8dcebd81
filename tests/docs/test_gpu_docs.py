"""The page about the GPU: its Python runs, on a device or on what stands for one.
What it says of installing is read by people alone."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from pathlib import Path

import minilstm as ml

PAGE = (Path(__file__).parents[2] / "docs" / "gpu.md").read_text("utf-8")


def examples():
    """Each `#: value` with the code above it."""
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        code: list[str] = []
        for line in block.splitlines():
            if line.startswith("#: "):
                yield "\n".join(code), line[3:]
                code = []
            else:
                code.append(line)
        assert not "".join(code).strip(), "code whose value is not stated"


def test_the_python_of_the_page_gives_what_it_says(cupy_backend, monkeypatch):
    monkeypatch.delenv("MINILSTM_BACKEND", raising=False)
    names: dict[str, object] = {}
    found = list(examples())
    with ml.use_backend("auto"), contextlib.redirect_stdout(io.StringIO()):
        for code, want in found:
            *before, last = re.split(r"\n(?=\S)", code.strip())
            exec("\n".join(before), names)
            assert doctest.OutputChecker().check_output(f"{want}\n", f"{eval(last, names)!r}\n", 0)
    assert len(found) == 4


def test_the_page_is_reached_from_the_others():
    root = Path(__file__).parents[2]
    assert "(docs/gpu.md)" in (root / "README.md").read_text("utf-8")
    assert "(gpu.md)" in (root / "docs" / "promises.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)", PAGE):
        assert (root / "docs" / target).exists(), target
