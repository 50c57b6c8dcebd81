"""The parts of an exported C file that do not depend on the network's sizes.
Each function says in C what `exchange.step.arithmetic` says in NumPy, operation by operation."""

from __future__ import annotations

import re
from typing import Any

from minilstm.exchange.step import arithmetic as a

TOP = """\
/* {name}: a network, written by minilstm.
{about} *
 * Compile with -std=c99 -ffp-contract=off, so that no product and sum become one operation: then
 * the bits are the same on every machine, and {name}_self_test() says so. It returns the largest
 * difference from the scores of the network; the result is negative where a bit differs.
 */
#include <stdint.h>
"""


CPLUSPLUS_BEGIN = '#ifdef __cplusplus\nextern "C" {\n#endif'
CPLUSPLUS_END = "#ifdef __cplusplus\n}\n#endif\n"
NOT_C99 = """\
#elif defined(__cplusplus) || !defined(__STDC_VERSION__) || __STDC_VERSION__ < 199901L
#error "Compile this file as C99 (-std=c99); who includes it in C++ defines {big}_HEADER before."
#else"""
_BLOCK = 32  # outputs whose sums stand in registers together


def number(value: Any) -> str:
    """A float32 to the last bit: 0x1.8p+1f is 3."""
    mantissa, _, power = float(value).hex().partition("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{power}f"


def string(text: str) -> str:
    """A text as C writes it, byte by byte of UTF-8; ValueError for one that C has not.

    Examples
    --------
    >>> print(string('say "w\\u00e4"'))
    "say \\"w\\303\\244\\""
    """
    if re.search("[\0\ud800-\udfff]", text):
        raise ValueError(
            f"a class or a feature is called {text!r}, and a text of C ends at NUL and is UTF-8; "
            "call it something else, or export to .js."
        )
    plain = set(range(32, 127)) - set(map(ord, '"\\\\?'))
    return '"' + "".join(
        chr(b) if b in plain else f"\\{chr(b)}" if 32 <= b < 127 else f"\\{b:03o}"
        for b in text.encode()
    ) + '"'  # fmt: skip


def function_name(function: str) -> str:
    """What a function is called in the file."""
    return f"f_{function.replace('-', '_')}"


def cell_name(gate: str, state: str) -> str:
    """What the LSTM with two activations is called in the file."""
    return f"cell_{gate.replace('-', '_')}_{state}"


_HORNER = "".join(f"    p = p * r + {number(c)};\n" for c in a.COEFFICIENTS[1:])
_EXP = f"""\
/* exp(x) = (*q + 1) * 2^n for x from -87 to 88; the result is 2^n */
static inline float exp_parts(float x, float *q) {{
    union {{ float f; uint32_t u; }} n;
    float r, p;
    n.f = x * {number(a.PER_LN2)} + {number(a.ROUNDING)};
    r = n.f - {number(a.ROUNDING)};
    p = r;
    r = x - p * {number(a.LN2_HIGH)};
    r = r - p * {number(a.LN2_LOW)};
    p = {number(a.COEFFICIENTS[0])};
{_HORNER}    *q = p * (r * r) + r;
    n.u = (n.u + 127u) << 23;
    return n.f;
}}
static inline float f_exp(float x) {{
    float p, s;
    x = x < {number(a.LOWEST)} ? {number(a.LOWEST)} : x;
    x = x > {number(a.HIGHEST)} ? {number(a.HIGHEST)} : x;
    s = exp_parts(x, &p);
    return p * s + s;
}}
"""
_FUNCTIONS = {
    "sigmoid": "static inline float f_sigmoid(float x) { return 1.0f / (1.0f + f_exp(-x)); }\n",
    "tanh": f"""\
static inline float f_tanh(float x) {{
    float p, s, m;
    x = x < {number(-a.TANH_END)} ? {number(-a.TANH_END)} : x;
    x = x > {number(a.TANH_END)} ? {number(a.TANH_END)} : x;
    s = exp_parts(x + x, &p);
    m = p * s + (s - 1.0f);
    return m / (m + 2.0f);
}}
""",
    "hard-sigmoid": f"""\
static inline float f_hard_sigmoid(float x) {{
    float y = x * {number(a.F(0.2))} + 0.5f;
    return y < 0.0f ? 0.0f : y > 1.0f ? 1.0f : y;
}}
""",
    "softsign": """\
static inline float f_softsign(float x) { return x / ((x < 0.0f ? -x : x) + 1.0f); }
""",
    "relu": "static inline float f_relu(float x) { return x < 0.0f ? 0.0f : x; }\n",
    "softmax": """\
static void f_softmax(const float *x, float *y, int n) {
    float top = x[0], sum = 0.0f;
    int j;
    for (j = 1; j < n; j++) if (x[j] > top) top = x[j];
    for (j = 0; j < n; j++) { y[j] = f_exp(x[j] - top); sum += y[j]; }
    for (j = 0; j < n; j++) y[j] = y[j] / sum;
}
""",
}
_NEED_EXP = {"sigmoid", "tanh", "softmax"}


FINITE = """\
/* 0, or NaN where one of n numbers is not finite */
static float not_finite(const float *x, int n) {
    float bad = 0.0f;
    int j;
    for (j = 0; j < n; j++) bad += x[j] * 0.0f;
    return bad;
}
"""


def guard(inputs: str, scores: str) -> str:
    """Leave with scores of NaN, and the state as it is, where an input is not finite."""
    return f"""\
    float bad = not_finite(x, {inputs});
    if (bad != 0.0f) {{
        for (j = 0; j < {scores}; j++) scores[j] = bad;
        return;
    }}"""


COPY = """\
/* Zero, which the compiler cannot know: gcc 12 copies a constant array of ones and then zeros as
 * ones alone with -mavx512f. Added to its name, an array is read as it stands. */
static const volatile int zero = 0;
static void copy(float *to, const float *from, int n) {
    int j;
    for (j = 0; j < n; j++) to[j] = from[j];
}
"""


def functions(needed: list[str]) -> list[str]:
    """The functions of numbers that a file needs, in an order in which C knows each."""
    first = [_EXP] if _NEED_EXP & set(needed) else []
    if first and set(needed) & _NEED_EXP == {"tanh"}:
        first = [_EXP[: _EXP.index("static inline float f_exp")]]
    return [*first, *(_FUNCTIONS[name] for name in needed)]


def product(whole: str | None) -> str:
    """z += W x; the sum of each output runs over the inputs in order, many outputs at a time."""
    kind = "float" if whole is None else whole
    cast = "" if whole is None else "(float)"
    more = "" if whole is None else ",\n        const float *restrict factors, float *restrict e"
    y = "z" if whole is None else "e"
    zero = "" if whole is None else "    for (j = 0; j < outputs; j++) e[j] = 0.0f;\n"
    scale = (
        "" if whole is None else "    for (j = 0; j < outputs; j++) z[j] += e[j] * factors[j];\n"
    )
    return f"""\
static void add_product(float *restrict z, const {kind} *restrict w, const float *restrict x,
        int inputs, int outputs{more}) {{
    int i, j, k;
{zero}    for (j = 0; j + {_BLOCK} <= outputs; j += {_BLOCK}) {{
        float s[{_BLOCK}];
        for (i = 0; i < {_BLOCK}; i++) s[i] = {y}[j + i];
        for (k = 0; k < inputs; k++) {{
            const {kind} *row = w + k * outputs + j;
            for (i = 0; i < {_BLOCK}; i++) s[i] += {cast}row[i] * x[k];
        }}
        for (i = 0; i < {_BLOCK}; i++) {y}[j + i] = s[i];
    }}
    for (; j < outputs; j++) {{
        float s = {y}[j];
        for (k = 0; k < inputs; k++) s += {cast}w[k * outputs + j] * x[k];
        {y}[j] = s;
    }}
{scale}}}
"""


def cell(gate: str, state: str, whole: str | None) -> str:
    """One step of an LSTM."""
    kind = "float" if whole is None else whole
    g, s = function_name(gate), function_name(state)
    more = ", const float *fw, const float *fr, float *e" if whole is not None else ""
    w, r = (", fw, e", ", fr, e") if whole is not None else ("", "")
    return f"""\
static void {cell_name(gate, state)}(const float *x, int D, int H, const {kind} *W, const {kind} *R,
        const float *b, float *h, float *c, float *z{more}) {{
    int j;
    copy(z, b, 4 * H);
    add_product(z, W, x, D, 4 * H{w});
    add_product(z, R, h, H, 4 * H{r});
    for (j = 0; j < 2 * H; j++) z[j] = {g}(z[j]);
    for (j = 2 * H; j < 3 * H; j++) z[j] = {s}(z[j]);
    for (j = 3 * H; j < 4 * H; j++) z[j] = {g}(z[j]);
    for (j = 0; j < H; j++) {{
        c[j] = z[H + j] * c[j] + z[j] * z[2 * H + j];
        h[j] = z[3 * H + j] * {s}(c[j]);
    }}
}}
"""


def self_test(name: str, rows: int, bits: int, window: bool) -> str:
    """The function that compares this machine with the network."""
    big = name.upper()
    scores = f"{big}_ROWS * {big}_OUTPUTS" if window else f"{big}_OUTPUTS"
    run = (
        f"{name}_window(&m, test_x, y);"
        if window
        else f"{name}_step(&m, test_x + t * {big}_INPUTS, y);"
    )
    turns = 1 if window else rows
    return f"""\
float {name}_self_test(void) {{
    static {name}_state m;
    static float y[{scores}];
    union {{ uint32_t u; float f; }} word;
    uint32_t bits = 2166136261u;
    float worst = 0.0f;
    int t, j;
    {name}_reset(&m);
    for (t = 0; t < {turns}; t++) {{
        {run}
        for (j = 0; j < {scores}; j++) {{
            float d = y[j] - test_scores[t * ({scores}) + j];
            word.f = y[j];
            bits = (bits ^ word.u) * 16777619u;
            if (d < 0.0f) d = -d;
            if (!(d <= worst)) worst = d != d ? 3.0e38f : d;
        }}
    }}
    if (bits != {bits}u) return worst > 0.0f ? -worst : -1.0e-30f;
    return worst;
}}"""
