"""Known mistakes inside a step of the LSTM's backward pass: lines (5), (4), (3) and (2) of forward.
Each changes one or a few lines of the table in `lstm.py`, whose letters it uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.proof.causes.mistakes.base import Mistake, Rule, maker
from minilstm.proof.causes.mistakes.lstm import GATES, RIGHT, beside, lstm_backward_by, without

Array = NDArray[Any]

_make = maker("lstm_backward", RIGHT, lstm_backward_by)

# A gate's letter goes into a formula, so these return the formula with the letter filled in.
Formula = Callable[[str], Rule]


def _of(v: Any, name: str) -> Any:
    return getattr(v, name)


def missing(k: str) -> Rule:
    """No derivative at all."""
    return Rule(f"d{k}", lambda v: _of(v, f"d{k}"))


def value(k: str) -> Rule:
    """The function where its derivative belongs."""
    return Rule(f"d{k} * {k}", lambda v: _of(v, f"d{k}") * _of(v, k))


def complement(k: str) -> Rule:
    """One factor of the derivative left out."""
    return Rule(f"d{k} * (1 - {k})", lambda v: _of(v, f"d{k}") * (1 - _of(v, k)))


def twice(k: str) -> Rule:
    """The derivative of an already activated value: the activation happens twice."""
    if k == "g":
        return Rule("dg * (1 - tanh(g)^2)", lambda v: v.dg * v.dtanh(v.tanh(v.g)))
    return Rule(
        f"d{k} * sigmoid({k}) * (1 - sigmoid({k}))",
        lambda v: _of(v, f"d{k}") * v.dsigmoid(v.sigmoid(_of(v, k))),
    )


def of_z(k: str) -> Rule:
    """The derivative written for outputs, given what stands before the activation."""
    if k == "g":
        return Rule("dg * (1 - z_g^2)", lambda v: v.dg * (1 - _undone(v.g) ** 2))
    return Rule(
        f"d{k} * z_{k} * (1 - z_{k})",
        lambda v: _of(v, f"d{k}") * _logit(_of(v, k)) * (1 - _logit(_of(v, k))),
    )


def as_the_other(k: str) -> Rule:
    """The derivative of tanh for a sigmoid and of a sigmoid for the tanh."""
    if k == "g":
        return Rule("dg * g * (1 - g)", lambda v: v.dg * v.g * (1 - v.g))
    return Rule(f"d{k} * (1 - {k}^2)", lambda v: _of(v, f"d{k}") * (1 - _of(v, k) ** 2))


def _undone(y: Array) -> Array:
    return np.arctanh(y)


def _logit(y: Array) -> Array:
    return np.log(y / (1 - y))


#: (1 - tanh(tanh(c))^2), where (1 - tanh(c)^2) belongs
CELL_TWICE = Rule(
    "dc_next + dh_t * o * (1 - tanh(tanh(c_t))^2)",
    lambda v: v.dc_next + v.dh_t * v.o * v.dtanh(v.tanh(v.tanh_c)),
)


def _derivatives() -> list[Mistake]:
    """Lines (2), (3) and (5): what the activations become."""
    out = []
    for k, gate in GATES.items():
        name = "tanh" if k == "g" else "sigmoid"
        for title, what, formula in (
            ("derivative missing", f"the derivative of the {gate} is missing", missing),
            (
                f"{name} for its derivative",
                f"the {gate} itself stands where its derivative belongs",
                value,
            ),
            ("half a derivative", f"half of the {gate}'s derivative is missing", complement),
            (
                f"derivative of the activated {k}",
                f"the {gate} is already activated, and {name} is applied to it a second time",
                twice,
            ),
            (
                f"derivative at z_{k}",
                f"the derivative of the {gate} is written for the activated {k} and is given z_{k}",
                of_z,
            ),
            (
                f"derivative of {'sigmoid' if k == 'g' else 'tanh'} in dz_{k}",
                f"the {gate} is a {name}, and its derivative is that of "
                f"{'a sigmoid' if k == 'g' else 'tanh'}",
                as_the_other,
            ),
        ):
            out.append(_make(f"{gate}: {title}", what, **{f"dz_{k}": formula(k)}))
    for title, what, formula in (
        ("derivatives missing", "no gate has its derivative", missing),
        ("values for derivatives", "the gates stand where their derivatives belong", value),
        (
            "derivatives of activated values",
            "the gates are already activated, and their functions are applied a second time",
            twice,
        ),
        (
            "derivatives at z",
            "the derivatives are written for activated values and are given z",
            of_z,
        ),
    ):
        lines = {f"dz_{k}": formula(k) for k in GATES}
        texts = [
            f"dz_{k} = {lines[f'dz_{k}'].text} should be {RIGHT[f'dz_{k}'].text}" for k in "ig"
        ]
        fault = f"{texts[0]}, and so for f and o"
        sigmoids = {k: rule for k, rule in lines.items() if k != "dz_g"}
        out.append(_make(f"sigmoids: {title}", what, fault=fault, **sigmoids))
        out.append(_make(f"all gates: {title}", what, fault=f"{fault}; {texts[1]}", **lines))
    cell = {
        "tanh derivative of the cell missing": (
            "the derivative of tanh(c_t) is missing",
            Rule("dc_next + dh_t * o", lambda v: v.dc_next + v.dh_t * v.o),
        ),
        "tanh of the cell for its derivative": (
            "tanh(c_t) itself stands where its derivative belongs",
            Rule("dc_next + dh_t * o * tanh(c_t)", lambda v: v.dc_next + v.dh_t * v.o * v.tanh_c),
        ),
        "tanh derivative of the activated cell": (
            "the derivative of tanh is taken of tanh(c_t), which is already activated",
            CELL_TWICE,
        ),
        "tanh derivative at the cell": (
            "the derivative is written for tanh(c_t) and is given c_t",
            Rule(
                "dc_next + dh_t * o * (1 - c_t^2)",
                lambda v: v.dc_next + v.dh_t * v.o * (1 - v.c * v.c),
            ),
        ),
        "tanh derivative on the carried part too": (
            "the carried dc_next does not pass through tanh and is multiplied by its derivative",
            Rule(
                "(dc_next + dh_t * o) * (1 - tanh(c_t)^2)",
                lambda v: (v.dc_next + v.dh_t * v.o) * v.dtanh(v.tanh_c),
            ),
        ),
        "output gate on the carried part too": (
            "the carried dc_next does not pass through the output gate and is multiplied by it",
            Rule(
                "(dc_next + dh_t) * o * (1 - tanh(c_t)^2)",
                lambda v: (v.dc_next + v.dh_t) * v.o * v.dtanh(v.tanh_c),
            ),
        ),
        "output gate missing in dc": (
            "the output gate is missing on the way from h_t to c_t",
            Rule(
                "dc_next + dh_t * (1 - tanh(c_t)^2)",
                lambda v: v.dc_next + v.dh_t * v.dtanh(v.tanh_c),
            ),
        ),
        "forget gate for the output gate in dc": (
            "the way from h_t to c_t goes through the output gate, not the forget gate",
            Rule(
                "dc_next + dh_t * f * (1 - tanh(c_t)^2)",
                lambda v: v.dc_next + v.dh_t * v.f * v.dtanh(v.tanh_c),
            ),
        ),
        "input gate for the output gate in dc": (
            "the way from h_t to c_t goes through the output gate, not the input gate",
            Rule(
                "dc_next + dh_t * i * (1 - tanh(c_t)^2)",
                lambda v: v.dc_next + v.dh_t * v.i * v.dtanh(v.tanh_c),
            ),
        ),
    }
    return out + [_make(name, what, dc=rule) for name, (what, rule) in cell.items()]


def _carried() -> list[Mistake]:
    """What a step hands to the step before it."""
    no_h = Rule("dh", lambda v: v.dh)
    no_c = Rule("dh_t * o * (1 - tanh(c_t)^2)", lambda v: v.dh_t * v.o * v.dtanh(v.tanh_c))
    end_h = Rule("dh + dstate.hidden where a sequence ends", lambda v: v.dh + v.dh_end)
    end_c = Rule(
        "dh_t * o * (1 - tanh(c_t)^2) + dstate.cell where a sequence ends",
        lambda v: v.dc_end + v.dh_t * v.o * v.dtanh(v.tanh_c),
    )
    zero_h = Rule("0", lambda v: np.zeros_like(v.i))
    zero_c = Rule("0", lambda v: np.zeros_like(v.i))
    not_h = "the gradient of h_{t-1} does not reach the step before"
    not_c = "the gradient of c_{t-1} does not reach the step before"
    overwritten = "dc has two parts, and the carried one is overwritten (= for +=)"
    neither = "neither dh_next nor dc_next is carried to the step before"
    return [
        _make("dh_next not used", not_h, dh_t=no_h),
        _make("dh_next zero", not_h, dh_next=zero_h),
        _make("dh_next used at the end only", not_h, dh_t=end_h),
        _make(
            "dc_next not used", overwritten, "apache/mxnet#4057", "nicodjimenez/lstm#49", dc=no_c
        ),
        _make("dc_next zero", not_c, dc_next=zero_c),
        _make("dc_next used at the end only", not_c, dc=end_c),
        _make("neither used", neither, dh_t=no_h, dc=no_c),
        _make("neither carried", neither, dh_next=zero_h, dc_next=zero_c),
        _make("neither used before the end", neither, dh_t=end_h, dc=end_c),
        _make(
            "h part of dc missing",
            "dc has two parts, and the one through h_t is missing",
            dc=Rule("dc_next", lambda v: v.dc_next.copy()),
        ),
        _make(
            "dh_next missing in dc",
            "dc has dh in it and should have dh_t, with the carried part",
            dc=Rule(
                "dc_next + dh * o * (1 - tanh(c_t)^2)",
                lambda v: v.dc_next + v.dh * v.o * v.dtanh(v.tanh_c),
            ),
        ),
        _make(
            "dh_next missing in do",
            "do has dh in it and should have dh_t, with the carried part",
            do=Rule("dh * tanh(c_t)", lambda v: v.dh * v.tanh_c),
        ),
        _make(
            "dh counted only at the end",
            "the gradient of the outputs is left out but for each sequence's last step",
            dh_t=Rule(
                "dh_next + dh where a sequence ends",
                lambda v: v.dh_next + v.dh * v.ends,
            ),
        ),
        *(
            _make(f"dc carried {how}", f"dc is carried {how}", dc_next=rule)
            for how, rule in {
                "without the forget gate": Rule("dc", lambda v: v.dc),
                "with the input gate": Rule("dc * i", lambda v: v.dc * v.i),
                "with the output gate": Rule("dc * o", lambda v: v.dc * v.o),
                "with the derivative of the forget gate": Rule(
                    "dc * f * (1 - f)", lambda v: v.dc * v.dsigmoid(v.f)
                ),
                "without the part through h_t": Rule("dc_next * f", lambda v: v.dc_next * v.f),
                "as a sum over the steps (+= for =)": Rule(
                    "dc_next + dc * f", lambda v: v.dc_next + v.dc * v.f
                ),
            }.items()
        ),
        _make(
            "dh carried as a sum over the steps",
            "dh is carried as a sum over the steps (+= for =)",
            dh_next=Rule("dh_next + dz R", lambda v: v.dh_next + v.dz @ v.R),
        ),
        _make(
            "dh carried through W",
            "dh is carried through the input weights",
            dh_next=Rule("dz W", lambda v: v.dz @ (v.W if v.W.shape == v.R.shape else v.R)),
        ),
        *(
            _make(
                f"{gate} missing in dh_next",
                f"the {gate} is left out of the gradient of h_{{t-1}}",
                fault=f"dh_next should be the sum over all four gates and lacks dz_{k} R_{k}",
                dh_next=_lacking(k),
            )
            for k, gate in GATES.items()
        ),
    ]


def _lacking(k: str) -> Rule:
    return Rule("", lambda v: without(k, v.dz) @ v.R)


def _cell() -> list[Mistake]:
    """Line (4) and the output gate of line (5): what each gate is multiplied by."""
    factor = {
        "di": ("the input gate is multiplied by g in (4)", {"i": "dc * i", "o": "dc * o"}),
        "dg": ("the cell candidate is multiplied by i in (4)", {"g": "dc * g", "f": "dc * f"}),
        "df": (
            "the forget gate is multiplied by the cell of the step before in (4)",
            {"c": "dc * c_t", "tanh_c": "dc * tanh(c_t)", "g": "dc * g", "f": "dc * f"},
        ),
    }
    output = {"c": "dh_t * c_t", "h": "dh_t * h_t", "o": "dh_t * o"}
    return [
        *(
            _make(f"{line} with {name}", what, **{line: _times("dc", name, text)})
            for line, (what, names) in factor.items()
            for name, text in names.items()
        ),
        *(
            _make(
                f"do with {name}",
                "the output gate is multiplied by tanh(c_t) in (5)",
                do=_times("dh_t", name, text),
            )
            for name, text in output.items()
        ),
        _make(
            "i and g interchanged in (4)",
            "the two factors of i * g in (4) are interchanged",
            di=_times("dc", "i", "dc * i"),
            dg=_times("dc", "g", "dc * g"),
        ),
        _make(
            "initial cell forgotten in df",
            "the first step has a cell before it too, the initial one",
            fault="df = 0 at the first step should be dc * c_0",
            df=Rule("", lambda v: v.dc * v.c_prev * (v.t > 0)),
        ),
        *(
            _make(
                f"{GATES[a]} and {GATES[b]} swapped",
                f"{a} and {b} are swapped in z",
                dz=_swapped(a, b),
            )
            for a, b in ("if", "ig", "io", "fg", "fo", "go")
        ),
    ]


def _times(gradient: str, name: str, text: str) -> Rule:
    return Rule(text, lambda v: _of(v, gradient) * _of(v, name))


def _swapped(a: str, b: str) -> Rule:
    order = "ifgo".translate(str.maketrans(a + b, b + a))
    return Rule(f"[{', '.join(f'dz_{k}' for k in order)}]", lambda v: beside(v, order))


MISTAKES: tuple[Mistake, ...] = (*_derivatives(), *_carried(), *_cell())
