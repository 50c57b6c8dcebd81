"""One C99 file: static weights, a state that the caller keeps, reset, step and self-test.
No memory is asked for, no library is called; every sum runs in one order, so the bits are one.

Matrices stand inputs first, and the loop over outputs is the inner one: compilers make vectors of
it without changing a sum.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from minilstm.exchange.outgoing import c99_text as text
from minilstm.exchange.step.program import (
    Both,
    Cell,
    Dense,
    Normalize,
    Pointwise,
    Program,
    Scale,
    Step,
    Weights,
)
from minilstm.exchange.step.selftest import SelfTest

Array = NDArray[Any]
_PER_LINE = 8
_TYPES = {"float32": "float", "int16": "int16_t", "int8": "int8_t"}


def c99(program: Program, test: SelfTest, name: str, about: Iterable[str] = ()) -> str:
    """The text of the file.

    Parameters
    ----------
    program : from `program_of`
    test : what `NAME_self_test` compares with
    name : stands before the names of the file
    about : lines of the comment at its top

    Returns
    -------
    C99, ASCII, with the functions `NAME_reset`, `NAME_step` (or `NAME_window` where the network
    reads both ways) and `NAME_self_test`
    """
    arrays = _Arrays()
    step = [] if program.reads_back else _step_lines(program, arrays, name)
    window = [] if program.window is None else _window_lines(program, arrays, name)
    big = name.upper()
    rows = test.x.shape[0]
    head = [
        text.TOP.format(about="".join(f" * {_plain(line)}\n" for line in about), name=name),
        f"#define {big}_INPUTS {program.inputs}",
        f"#define {big}_OUTPUTS {program.outputs}",
    ]
    if program.window is not None:
        head += [f"#define {big}_WINDOW {program.window}", f"#define {big}_ROWS {len(test.scores)}"]
    for what, names in (("CLASSES", program.classes), ("FEATURES", program.features)):
        if names is not None:
            head.append(f"#define {big}_{what} {{{', '.join(map(text.string, names))}}}")
    parts = [
        "\n".join(head),
        _state(program, name),
        text.CPLUSPLUS_BEGIN,
        _prototypes(program, name),
        text.CPLUSPLUS_END,
        f"#if defined({big}_HEADER) /* who defines it has types and functions' names alone */",
        text.NOT_C99.format(big=big),
        *arrays.texts,
        text.FINITE,
        *text.functions(program.functions),
        *_helpers(program),
        _reset(program, name),
        *("\n".join(lines) for lines in (step, window) if lines),
        f"#ifndef {big}_NO_SELF_TEST",
        _array("float", "test_x", test.x),
        _array("float", "test_scores", test.scores),
        text.self_test(name, rows, test.bits, program.window is not None),
        "#endif",
        "#endif",
    ]
    return "\n".join(parts) + "\n"


def _plain(line: str) -> str:
    """A line of a comment: printable ASCII, and nothing that ends or begins a comment."""
    for found, plain in ((r"[\0-\x1f\x7f]", " "), (r"\*(?=/)|/(?=\*)|\?(?=\?)", r"\g<0> ")):
        line = re.sub(found, plain, line)
    return line.encode("ascii", "replace").decode()


class _Arrays:
    """The arrays of a file, each written once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.known: dict[int, str] = {}

    def put(self, array: Array, name: str) -> str:
        """The name under which an array stands in the file."""
        key = id(array)
        if key not in self.known:
            self.known[key] = name
            self.texts.append(_array(_TYPES[array.dtype.name], name, array))
        return self.known[key]


def _array(kind: str, name: str, array: Array) -> str:
    flat = array.ravel()
    whole = flat.dtype.kind == "i"
    written = [str(v) for v in flat.tolist()] if whole else [text.number(v) for v in flat.tolist()]
    lines = [", ".join(written[n : n + _PER_LINE]) for n in range(0, len(written), _PER_LINE)]
    return f"static const {kind} {name}[{flat.size}] = {{\n" + ",\n".join(lines) + "\n};"


def _whole(program: Program) -> str | None:
    """The type of whole numbers; None for float32 weights."""
    for s in program.steps:
        for part in s.operation if isinstance(s.operation, Both) else (s.operation,):
            if isinstance(part, (Cell, Dense)) and part.W.factors is not None:
                return _TYPES[part.W.values.dtype.name]
    return None


def _helpers(program: Program) -> list[str]:
    """The loops: a matrix product, and a cell for each pair of activations."""
    whole = _whole(program)
    out = []
    cells = program.every_cell
    if cells or any(isinstance(s.operation, Dense) for s in program.steps):
        out += [text.COPY, text.product(whole)]
    for gate, state in sorted({(cell.gate, cell.state) for cell in cells}):
        out.append(text.cell(gate, state, whole))
    return out


def _state(program: Program, name: str) -> str:
    cells = program.every_cell
    fields = [
        f"float h{n}[{len(cell.h0)}]; float c{n}[{len(cell.h0)}];" for n, cell in enumerate(cells)
    ]
    most = max((4 * len(cell.h0) for cell in cells), default=0)
    if most:
        fields.append(f"float z[{most}]; /* gates */")
    if _whole(program) is not None:
        widest = [most] + [s.outputs for s in program.steps if isinstance(s.operation, Dense)]
        fields.append(f"float e[{max(widest)}]; /* sums of whole numbers */")
    wide = max((s.outputs for s in program.steps), default=program.inputs)
    wide = max(wide, program.inputs)
    if program.reads_back:
        assert program.window is not None  # `program_of` has asked for it
        fields.append(f"float rows[2][{program.window * wide}]; /* of a window */")
    else:
        places = set(_places(program))
        fields += [
            f"float {row}[{wide}]; /* between two layers */"
            for row in ("row", "other")
            if f"m->{row}" in places
        ]
    lines = "".join(f"    {field}\n" for field in fields or ["float unused;"])
    return f"\ntypedef struct {{\n{lines}}} {name}_state;\n"


def _prototypes(program: Program, name: str) -> str:
    lines = [f"void {name}_reset({name}_state *m);"]
    if not program.reads_back:
        lines.append(f"void {name}_step({name}_state *m, const float *x, float *scores);")
    if program.window is not None:
        lines.append(f"void {name}_window({name}_state *m, const float *x, float *scores);")
    big = name.upper()
    lines += [f"#ifndef {big}_NO_SELF_TEST", f"float {name}_self_test(void);", "#endif\n"]
    return "\n".join(lines)


def _reset(program: Program, name: str) -> str:
    lines, firsts = [], []
    for n, cell in enumerate(program.every_cell):
        for letter, start in (("h", cell.h0), ("c", cell.c0)):
            to = f"m->{letter}{n}"
            if start.any():
                firsts.append(_array("float", f"{letter}{n}_first", start))
                lines.append(f"    copy({to}, {letter}{n}_first + zero, {len(start)});")
            else:
                lines.append(f"    for (j = 0; j < {len(start)}; j++) {to}[j] = 0.0f;")
    top = "    int j;\n" if any("j++" in line for line in lines) else ""
    body = top + "\n".join(lines) if lines else "    m->unused = 0.0f;"
    if not lines and ("m->row" in _places(program) or _whole(program) is not None):
        body = "    (void)m;"
    return "\n".join([*firsts, f"void {name}_reset({name}_state *m) {{\n{body}\n}}\n"])


def _places(program: Program) -> list[str]:
    """Where each operation of a step puts its row; "" for an LSTM, whose row is its state.

    A matrix cannot write where it reads from, so a row may need another beside it.
    """
    found: list[str] = []
    at = ""
    for n, s in enumerate(program.steps):
        rest = program.steps[n + 1 :]
        if isinstance(s.operation, (Cell, Both)):
            at = ""
        elif all(isinstance(r.operation, (Scale, Pointwise)) for r in rest):
            at = "scores"
        elif at == "" or isinstance(s.operation, Dense):
            at = "m->other" if at == "m->row" else "m->row"
        found.append(at)
    return found


def _step_lines(program: Program, arrays: _Arrays, name: str) -> list[str]:
    """The body of NAME_step."""
    lines: list[str] = []
    at, cell, places = "x", 0, _places(program)
    for n, s in enumerate(program.steps):
        lines.append(f"    /* {_plain(s.name)}: {s.inputs} -> {s.outputs} */")
        if isinstance(s.operation, Cell):
            lines.append(f"    {_cell_call(s.operation, arrays, cell, cell, at)}")
            at, cell = f"m->h{cell}", cell + 1
            continue
        lines += [f"    {line}" for line in _row_lines(s, arrays, n, at, places[n])]
        at = places[n]
    if at != "scores":
        lines.append(f"    for (j = 0; j < {program.outputs}; j++) scores[j] = {at}[j];")
    top = [f"void {name}_step({name}_state *m, const float *x, float *scores) {{", "    int j;"]
    top.append(text.guard(f"{program.inputs}", f"{program.outputs}"))
    if not any("m->" in line for line in lines):
        top.append("    (void)m;")
    return [*top, *lines, "}", ""]


def _cell_call(op: Cell, arrays: _Arrays, number: int, place: int, at: str, h: str = "") -> str:
    H = len(op.h0)
    names = [
        arrays.put(op.W.values, f"W{number}"),
        arrays.put(op.R.values, f"R{number}"),
        arrays.put(op.b, f"b{number}") + " + zero",
    ]
    extra = ""
    if op.W.factors is not None and op.R.factors is not None:
        scales = (
            arrays.put(op.W.factors, f"W{number}_factors"),
            arrays.put(op.R.factors, f"R{number}_factors"),
        )
        extra = f", {', '.join(scales)}, m->e"
    function = text.cell_name(op.gate, op.state)
    return (
        f"{function}({at}, {op.W.values.shape[0]}, {H}, {', '.join(names)}, "
        f"m->h{place}, m->c{place}, m->z{extra});"
    )


def _row_lines(s: Step, arrays: _Arrays, n: int, at: str, to: str) -> list[str]:
    """An operation on one row."""
    op = s.operation
    if isinstance(op, Dense):
        return _dense_lines(op.W, op.b, arrays, n, at, to)
    loop = f"for (j = 0; j < {s.outputs}; j++)"
    if isinstance(op, Normalize):
        high, low, factor, offset = (
            arrays.put(a, f"{word}{n}")
            for a, word in zip(op, ("high", "low", "factor", "offset"), strict=True)
        )
        value = f"(({at}[j] - {high}[j]) - {low}[j]) * {factor}[j] + {offset}[j]"
        return [f"{loop} {to}[j] = {value};"]
    if isinstance(op, Scale):
        factor, offset = arrays.put(op.factor, f"factor{n}"), arrays.put(op.offset, f"offset{n}")
        return [f"{loop} {to}[j] = {at}[j] * {factor}[j] + {offset}[j];"]
    assert isinstance(op, Pointwise)
    if op.function == "softmax":
        return [f"f_softmax({at}, {to}, {s.outputs});"]
    return [f"{loop} {to}[j] = {text.function_name(op.function)}({at}[j]);"]


def _dense_lines(W: Weights, b: Array, arrays: _Arrays, n: int, at: str, to: str) -> list[str]:
    K, M = W.values.shape
    weights, bias = arrays.put(W.values, f"V{n}"), arrays.put(b, f"d{n}")
    start = f"copy({to}, {bias} + zero, {M});"
    if W.factors is None:
        return [start, f"add_product({to}, {weights}, {at}, {K}, {M});"]
    factors = arrays.put(W.factors, f"V{n}_factors")
    return [start, f"add_product({to}, {weights}, {at}, {K}, {M}, {factors}, m->e);"]


def _window_lines(program: Program, arrays: _Arrays, name: str) -> list[str]:
    """The body of NAME_window: steps one after the other, or layer after layer."""
    assert program.window is not None
    T, D, C = program.window, program.inputs, program.outputs
    head = f"void {name}_window({name}_state *m, const float *x, float *scores) {{"
    big = name.upper()
    guard = text.guard(f"{T} * {D}", f"{big}_ROWS * {big}_OUTPUTS")
    if not program.reads_back:
        last = any(s.last for s in program.steps)
        to = "scores" if last else f"scores + t * {C}"
        return [
            head,
            "    int t, j;",
            guard,
            f"    {name}_reset(m);",
            f"    for (t = 0; t < {T}; t++) {name}_step(m, x + t * {D}, {to});",
            "}",
            "",
        ]
    lines: list[str] = []
    rows, at, width, cell, side = T, "x", D, 0, 0
    for n, s in enumerate(program.steps):
        op = s.operation
        final = n == len(program.steps) - 1
        to = "scores" if final else f"m->rows[{side}]"
        lines.append(f"    /* {_plain(s.name)}: {s.inputs} -> {s.outputs} */")
        if isinstance(op, (Cell, Both)):
            parts = list(op) if isinstance(op, Both) else [op]
            for d, part in enumerate(parts):
                H = len(part.h0)
                t = "(T - 1 - t)" if d else "t"
                call = _cell_call(
                    part, arrays, cell, cell, f"{at} + {t.replace('T', str(rows))} * {width}"
                )
                line = "0" if s.last else f"{t.replace('T', str(rows))} * {s.outputs}"
                copy = f"for (j = 0; j < {H}; j++) {to}[{line} + {d * H} + j] = m->h{cell}[j];"
                lines.append(f"    for (t = 0; t < {rows}; t++) {{ {call} {copy} }}")
                cell += 1
            rows = 1 if s.last else rows
        else:
            inner = _row_lines(s, arrays, n, f"({at} + t * {width})", f"({to} + t * {s.outputs})")
            lines.append(f"    for (t = 0; t < {rows}; t++) {{ {' '.join(inner)} }}")
        at, width, side = to, s.outputs, 1 - side
    return [head, "    int t, j;", guard, f"    {name}_reset(m);", *lines, "}", ""]
