"""Plain JavaScript: an ES module with the weights inside and a class Model.
Every operation is rounded by Math.fround, so its bits are those of the C file.

Arrays stand as base64 of little-endian bytes, which is a third of their text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.step import arithmetic as a
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
_KINDS = {"float32": "Float32Array", "int16": "Int16Array", "int8": "Int8Array"}
_ENDS = re.compile("[\r\n\u2028\u2029]")  # of a line, and so of a comment
# Each works on the numbers from..to of x in place; storing into x rounds to float32.
_LOOP = "for (let j = from; j < to; j++)"
_FUNCTIONS = {
    "sigmoid": f"""function f_sigmoid(x, from, to) {{
  exps(x, from, to, -1, {float(a.LOWEST)!r}, {float(a.HIGHEST)!r});
  {_LOOP} x[j] = 1 / f(1 + f(E[j] * S[j] + S[j]));
}}""",
    "tanh": f"""function f_tanh(x, from, to) {{
  exps(x, from, to, 2, {-2 * a.TANH_END}, {2 * a.TANH_END});
  {_LOOP} {{ const m = f(E[j] * S[j] + f(S[j] - 1)); x[j] = m / f(m + 2); }}
}}""",
    "hard-sigmoid": f"""function f_hard_sigmoid(x, from, to) {{
  {_LOOP} {{
    const y = f(f(x[j] * {float(a.F(0.2))!r}) + 0.5);
    x[j] = y < 0 ? 0 : y > 1 ? 1 : y;
  }}
}}""",
    "softsign": f"""function f_softsign(x, from, to) {{
  {_LOOP} x[j] = x[j] / f(Math.abs(x[j]) + 1);
}}""",
    "relu": f"""function f_relu(x, from, to) {{
  {_LOOP} if (x[j] < 0) x[j] = 0;
}}""",
    "softmax": f"""function f_softmax(x, from, to) {{
  let top = x[0], sum = 0;
  for (let j = 1; j < to; j++) if (x[j] > top) top = x[j];
  {_LOOP} x[j] -= top;
  exps(x, from, to, 1, {float(a.LOWEST)!r}, {float(a.HIGHEST)!r});
  {_LOOP} sum = f(sum + (x[j] = f(E[j] * S[j] + S[j])));
  {_LOOP} x[j] /= sum;
}}""",
}


def javascript(program: Program, test: SelfTest, name: str, about: Iterable[str] = ()) -> str:
    """The text of the module.

    Arguments are those of `minilstm.exchange.outgoing.c99.c99`. It exports `class Model` with
    `reset()`, `step(Float32Array) -> Float32Array` (or `window`, where the network reads both
    ways) and `selfTest()`, and the constants INPUTS, OUTPUTS, WINDOW, CLASSES and FEATURES; the
    last two are null where nothing has names.
    """
    return _Writer().module(program, test, name, tuple(about))


class _Writer:
    """Collects the arrays and the cells of a module while its lines are made."""

    def __init__(self) -> None:
        self.arrays: list[str] = []
        self.cells: list[Cell] = []

    def module(self, program: Program, test: SelfTest, name: str, about: tuple[str, ...]) -> str:
        """The whole text."""
        step = [] if program.reads_back else self._step(program)
        window = self._window(program)
        states = ", ".join(
            f"{{h: new Float32Array({len(c.h0)}), c: new Float32Array({len(c.h0)}), "
            f"z: new Float32Array({4 * len(c.h0)})}}"
            for c in self.cells
        )
        firsts = [
            f"    this.s[{n}].{letter}.set({self._put(start)});"
            if start.any()
            else f"    this.s[{n}].{letter}.fill(0);"
            for n, cell in enumerate(self.cells)
            for letter, start in (("h", cell.h0), ("c", cell.c0))
        ]
        widest = [program.inputs, *(s.outputs for s in program.steps)]
        widest += [4 * len(c.h0) for c in self.cells]
        x, scores = self._put(test.x), self._put(test.scores)
        run = "window" if program.window is not None else "step"
        rows = len(test.x) if program.window is None else 1
        width = test.x.size // rows
        lines = [
            f"// {name}: a network, written by minilstm.",
            *(f"// {_ENDS.sub(' ', line)}" for line in about),
            "// The bits of its scores are those of the C file of the same network.",
            f"export const INPUTS = {program.inputs}, OUTPUTS = {program.outputs}, "
            f"WINDOW = {json.dumps(program.window)};",
            _HELPERS.replace("WIDEST", str(max(widest))),
            *(_FUNCTIONS[name] for name in program.functions),
            *self.arrays,
            "export class Model {",
            f"  constructor() {{ this.s = [{states}]; this.reset(); }}",
            "  // Back to the state before the first step.",
            "  reset() {",
            *firsts,
            "  }",
            *step,
            *window,
            "  // The largest difference from the network's scores; negative where a bit differs.",
            "  selfTest() {",
            "    const m = new Model(); let bits = 2166136261, worst = 0;",
            f"    for (let t = 0; t < {rows}; t++) {{",
            f"      const y = m.{run}({x}.subarray(t * {width}, (t + 1) * {width}));",
            "      const words = new Uint32Array(y.buffer, y.byteOffset, y.length);",
            "      for (let j = 0; j < y.length; j++) {",
            "        bits = Math.imul(bits ^ words[j], 16777619) >>> 0;",
            f"        const d = Math.abs(y[j] - {scores}[t * y.length + j]);",
            "        if (!(d <= worst)) worst = d;",
            "      }",
            "    }",
            f"    return bits === {test.bits} ? worst : worst > 0 ? -worst : -1e-30;",
            "  }",
            "}",
            f"export const CLASSES = {json.dumps(program.classes)};",
            f"export const FEATURES = {json.dumps(program.features)};",
        ]
        return "\n".join(lines) + "\n"

    def _put(self, array: Array) -> str:
        """The name of an array of the module."""
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
        text = base64.b64encode(little.tobytes()).decode()
        name = f"a{len(self.arrays)}"
        self.arrays.append(f'const {name} = numbers({_KINDS[array.dtype.name]}, "{text}");')
        return name

    def _weights(self, W: Weights) -> str:
        return f"{self._put(W.values)}, {'null' if W.factors is None else self._put(W.factors)}"

    def _cell(self, cell: Cell, at: str) -> str:
        """A call that moves one LSTM on; its new hidden state is `this.s[n].h`."""
        n = len(self.cells)
        self.cells.append(cell)
        functions = ", ".join(f"f_{w.replace('-', '_')}" for w in (cell.gate, cell.state))
        return (
            f"cell({at}, {self._weights(cell.W)}, {self._weights(cell.R)}, {self._put(cell.b)}, "
            f"this.s[{n}], {functions});"
        )

    def _row(self, s: Step) -> str:
        """An expression that makes a new row of the row x."""
        op = s.operation
        if isinstance(op, Normalize):
            h, low, factor, o = map(self._put, op)
            return f"x.map((v, j) => f(f(f(f(v - {h}[j]) - {low}[j]) * {factor}[j]) + {o}[j]))"
        if isinstance(op, Scale):
            factor, o = map(self._put, op)
            return f"x.map((v, j) => f(f(v * {factor}[j]) + {o}[j]))"
        if isinstance(op, Dense):
            return f"product({self._put(op.b)}.slice(), x, {self._weights(op.W)})"
        assert isinstance(op, Pointwise)
        return f"through(x, f_{op.function})"

    def _step(self, program: Program) -> list[str]:
        lines = [
            "  // Scores of one step; the state goes on.",
            "  step(x) {",
            f'    x = checked(x, {program.inputs}, "step");',
        ]
        for s in program.steps:
            if isinstance(s.operation, Cell):
                call = self._cell(s.operation, "x")
                lines.append(f"    {call} x = this.s[{len(self.cells) - 1}].h;")
            else:
                lines.append(f"    x = {self._row(s)};")
        return [*lines, "    return x.slice();", "  }"]

    def _window(self, program: Program) -> list[str]:
        if program.window is None:
            return []
        T, D = program.window, program.inputs
        lines = [
            "  // Scores of a window of steps, one after the other in x, from a reset.",
            "  window(x) {",
            f'    x = checked(x, {T * D}, "window");',
            "    this.reset();",
            f"    let rows = Array.from({{length: {T}}}, (_, t) => "
            f"Float32Array.from(x.subarray(t * {D}, (t + 1) * {D})));",
        ]
        if not program.reads_back:
            lines.append("    rows = rows.map(x => this.step(x));")
            if any(s.last for s in program.steps):
                lines.append("    rows = rows.slice(-1);")
        for s in program.steps if program.reads_back else ():
            op = s.operation
            if isinstance(op, (Cell, Both)):
                parts = [op] if isinstance(op, Cell) else list(op)
                calls = []
                for d, part in enumerate(parts):
                    call = self._cell(part, "x")
                    turned = ["rows", "rows.slice().reverse()"][d]
                    h = f"this.s[{len(self.cells) - 1}].h.slice()"
                    made = f"{turned}.map(x => {{ {call} return {h}; }})"
                    calls.append(f"{made}{'.slice(-1)' if s.last else '.reverse()' if d else ''}")
                lines.append(f"    rows = [{', '.join(calls)}];")
                lines.append("    rows = rows[0].map((_, t) => joined(rows.map(part => part[t])));")
            else:
                lines.append(f"    rows = rows.map(x => {self._row(s)});")
        return [*lines, "    return joined(rows);", "  }"]


_HORNER = " ".join(f"p = f(f(p * r) + {float(c)!r});" for c in a.COEFFICIENTS[1:])
_HELPERS = f"""const f = Math.fround;
const numbers = (Kind, text) => {{
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer), size = Kind.BYTES_PER_ELEMENT;
  const read = {{4: "getFloat32", 2: "getInt16", 1: "getInt8"}}[size];
  return Kind.from({{length: bytes.length / size}}, (_, n) => view[read](n * size, true));
}};
// A copy of numbers, or an error before anything changes.
function checked(x, count, name) {{
  const wanted = `${{name}} takes ${{count}} finite numbers of float32, but `;
  if (x?.length !== count) throw new RangeError(`${{wanted}}got ${{x?.length ?? x}}`);
  for (let j = 0; j < count; j++) {{
    const v = x[j], text = typeof v === "string" ? JSON.stringify(v) : String(v);
    if (typeof v !== "number" || !Number.isFinite(f(v)))
      throw new RangeError(`${{wanted}}x[${{j}}] is ${{text}}`);
  }}
  return new Float32Array(x);
}}
const joined = rows => Float32Array.from(rows.flatMap(row => Array.from(row)));
// exp(y) = (E + 1) * S for y = x * times between low and high, with S = 2^n. In two loops, so that
// a processor works on many numbers at once. Where no f stands, float32 would not round either.
const E = new Float32Array(WIDEST), S = new Float32Array(WIDEST);
const powers = Float32Array.from({{length: 255}}, (_, n) => 2 ** (n - 127));
function exps(x, from, to, times, low, high) {{
  for (let j = from; j < to; j++) {{
    let y = x[j] * times;
    y = y < low ? low : y > high ? high : y;
    const n = f(f(y * {float(a.PER_LN2)!r}) + {float(a.ROUNDING)!r}) - {float(a.ROUNDING)!r};
    S[j] = powers[(n + 127) | 0];
    E[j] = y - n * {float(a.LN2_HIGH)!r} - f(n * {float(a.LN2_LOW)!r});
  }}
  for (let j = from; j < to; j++) {{
    const r = E[j]; let p = {float(a.COEFFICIENTS[0])!r};
    {_HORNER}
    E[j] = f(p * f(r * r)) + r;
  }}
}}
const through = (x, act) => {{ x = x.slice(); act(x, 0, x.length); return x; }};
// z += W x. Each output is one sum over the inputs in order; four inputs at a time are faster.
function product(z, x, w, factors) {{
  const M = z.length, K = x.length, e = factors ? E.fill(0) : z;
  let k = 0, n = 0;
  for (; k + 3 < K; k += 4, n += 3 * M) {{
    const a = x[k], b = x[k + 1], c = x[k + 2], d = x[k + 3];
    for (let j = 0; j < M; j++, n++) {{
      e[j] = f(f(f(e[j] + f(w[n] * a)) + f(w[n + M] * b)) + f(w[n + 2 * M] * c))
        + f(w[n + 3 * M] * d);
    }}
  }}
  for (; k < K; k++) for (let j = 0; j < M; j++, n++) e[j] += f(w[n] * x[k]);
  if (factors) for (let j = 0; j < M; j++) z[j] += f(e[j] * factors[j]);
  return z;
}}
// One step of an LSTM; gates in blocks i, f, g, o.
function cell(x, W, fW, R, fR, b, s, gate, state) {{
  const {{h, c, z}} = s, H = h.length;
  z.set(b);
  product(product(z, x, W, fW), h, R, fR);
  gate(z, 0, 2 * H); state(z, 2 * H, 3 * H); gate(z, 3 * H, 4 * H);
  for (let j = 0; j < H; j++) h[j] = c[j] = f(z[H + j] * c[j]) + f(z[j] * z[2 * H + j]);
  state(h, 0, H);
  for (let j = 0; j < H; j++) h[j] *= z[3 * H + j];
}}"""
