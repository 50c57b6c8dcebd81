"""Known mistakes inside a step of the LSTM's backward pass: lines (5), (4), (3) and (2) of forward.
Each changes one or a few lines of the table in `minilstm.mistakes.lstm`, whose letters it uses.
"""

from __future__ import annotations

from minilstm.mistakes.base import Mistake, read
from minilstm.mistakes.lstm import EACH_GATE, RIGHT, make


def _derivative(name: str, y: str, k: str) -> str:
    """Line dz_k with the derivative of an activation written in terms of its output y."""
    return f"= d{k} * (1 - {y}**2)" if name == "tanh" else f"= d{k} * {y} * (1 - {y})"


def _letters(k: str, gate: str) -> dict[str, str]:
    """What the letters of a text mean for a gate; the last are changes of its line dz_k."""
    name, other = ("tanh", "sigmoid") if k == "g" else ("sigmoid", "tanh")
    slope = f"d{name}({k})"
    return {
        "k": k,
        "gate": gate,
        "name": name,
        "other": other,
        "an_other": "a sigmoid" if k == "g" else "tanh",
        "missing": f"drop {slope}",
        "value": f"{k} for {slope}",
        "half": f"1 - {k} for {slope}",
        "twice": f"d{name}({name}({k})) for {slope}",
        "at_z": _derivative(name, f"arctanh({k})" if k == "g" else f"logit({k})", k),
        "as_other": _derivative(other, k, k),
    }


_EACH_GATE = [_letters(**each) for each in EACH_GATE]
_OF_THE_GATES = """
# lines (2) and (3): what the activation of one gate becomes
<gate>: derivative missing | the derivative of the <gate> is missing | dz_<k>: <missing>
<gate>: <name> for its derivative | the <gate> itself stands where its derivative belongs
    dz_<k>: <value>
<gate>: half a derivative | half of the <gate>'s derivative is missing | dz_<k>: <half>
<gate>: derivative of the activated <k> |
        the <gate> is already activated, and <name> is applied to it a second time
    dz_<k>: <twice>
<gate>: derivative at z_<k> |
        the derivative of the <gate> is written for the activated <k> and is given z_<k>
    dz_<k>: <at_z>
<gate>: derivative of <other> in dz_<k> |
        the <gate> is a <name>, and its derivative is that of <an_other>
    dz_<k>: <as_other>
"""
_AT_ONCE = """
sigmoids: <title> | <what>
    dz_i: <i>
    dz_f: <f>
    dz_o: <o>
    fault: <of_i>, and so for f and o
all gates: <title> | <what>
    dz_i: <i>
    dz_f: <f>
    dz_g: <g>
    dz_o: <o>
    fault: <of_i>, and so for f and o; <of_g>
"""
_OTHERS = """
# line (5): what the activation of the cell becomes
tanh derivative of the cell missing | the derivative of tanh(c_t) is missing
    dc: drop dtanh(tanh_c)
tanh of the cell for its derivative | tanh(c_t) itself stands where its derivative belongs
    dc: tanh_c for dtanh(tanh_c)
tanh derivative of the activated cell |
        the derivative of tanh is taken of tanh(c_t), which is already activated
    dc: tanh(tanh_c) for tanh_c
tanh derivative at the cell | the derivative is written for tanh(c_t) and is given c_t
    dc: 1 - c**2 for dtanh(tanh_c)
tanh derivative on the carried part too |
        the carried dc_next does not pass through tanh and is multiplied by its derivative
    dc = (dc_next + dh_t * o) * dtanh(tanh_c)
output gate on the carried part too |
        the carried dc_next does not pass through the output gate and is multiplied by it
    dc = (dc_next + dh_t) * o * dtanh(tanh_c)
output gate missing in dc | the output gate is missing on the way from h_t to c_t | dc: drop o
forget gate for the output gate in dc |
        the way from h_t to c_t goes through the output gate, not the forget gate
    dc: f for o
input gate for the output gate in dc |
        the way from h_t to c_t goes through the output gate, not the input gate
    dc: i for o

# what a step hands to the step before it
dh_next not used | the gradient of h_{t-1} does not reach the step before | dh_t: drop dh_next
dh_next zero | the gradient of h_{t-1} does not reach the step before | dh_next: zero
dh_next used at the end only | the gradient of h_{t-1} does not reach the step before
    dh_t: at_end(dhidden) for dh_next
dc_next not used | dc has two parts, and the carried one is overwritten (= for +=) |
        apache/mxnet#4057 | nicodjimenez/lstm#49
    dc: drop dc_next
dc_next zero | the gradient of c_{t-1} does not reach the step before | dc_next: zero
dc_next used at the end only | the gradient of c_{t-1} does not reach the step before
    dc = dh_t * o * dtanh(tanh_c) + at_end(dcell)
neither used | neither dh_next nor dc_next is carried to the step before
    dh_t: drop dh_next
    dc: drop dc_next
neither carried | neither dh_next nor dc_next is carried to the step before | dh_next, dc_next: zero
neither used before the end | neither dh_next nor dc_next is carried to the step before
    dh_t: at_end(dhidden) for dh_next
    dc = dh_t * o * dtanh(tanh_c) + at_end(dcell)
h part of dc missing | dc has two parts, and the one through h_t is missing
    dc: drop dh_t * o * dtanh(tanh_c)
dh_next missing in dc | dc has dh in it and should have dh_t, with the carried part
    dc: dh for dh_t
dh_next missing in do | do has dh in it and should have dh_t, with the carried part
    do: dh for dh_t
dh counted only at the end |
        the gradient of the outputs is left out but for each sequence's last step
    dh_t = dh_next + at_end(dh)
dc carried without the forget gate | dc is carried without the forget gate | dc_next: drop f
dc carried with the input gate | dc is carried with the input gate | dc_next: i for f
dc carried with the output gate | dc is carried with the output gate | dc_next: o for f
dc carried with the derivative of the forget gate |
        dc is carried with the derivative of the forget gate
    dc_next: dsigmoid(f) for f
dc carried without the part through h_t | dc is carried without the part through h_t
    dc_next: dc_next for dc
dc carried as a sum over the steps (+= for =) | dc is carried as a sum over the steps (+= for =)
    dc_next = dc_next + dc * f
dh carried as a sum over the steps | dh is carried as a sum over the steps (+= for =)
    dh_next = dh_next + dz @ R
dh carried through W | dh is carried through the input weights | dh_next: alike(W, R) for R

<gate> missing in dh_next | the <gate> is left out of the gradient of h_{t-1}
    dh_next: without("<k>", dz) for dz
    fault: dh_next should be the sum over all four gates and lacks dz_<k> R_<k>

# line (4) and the output gate of line (5): what each gate is multiplied by
di with i | the input gate is multiplied by g in (4) | di: i for g
di with o | the input gate is multiplied by g in (4) | di: o for g
dg with g | the cell candidate is multiplied by i in (4) | dg: g for i
dg with f | the cell candidate is multiplied by i in (4) | dg: f for i
df with c | the forget gate is multiplied by the cell of the step before in (4) | df: c for c_prev
df with tanh_c | the forget gate is multiplied by the cell of the step before in (4)
    df: tanh_c for c_prev
df with g | the forget gate is multiplied by the cell of the step before in (4) | df: g for c_prev
df with f | the forget gate is multiplied by the cell of the step before in (4) | df: f for c_prev
do with c | the output gate is multiplied by tanh(c_t) in (5) | do: c for tanh_c
do with h | the output gate is multiplied by tanh(c_t) in (5) | do: h for tanh_c
do with o | the output gate is multiplied by tanh(c_t) in (5) | do: o for tanh_c
i and g interchanged in (4) | the two factors of i * g in (4) are interchanged
    di: i for g
    dg: g for i
initial cell forgotten in df | the first step has a cell before it too, the initial one
    df = dc * c_prev * after_first
    fault: df = 0 at the first step should be dc * c_0
input gate and forget gate swapped | i and f are swapped in z | dz: swap dz_i and dz_f
input gate and cell candidate swapped | i and g are swapped in z | dz: swap dz_i and dz_g
input gate and output gate swapped | i and o are swapped in z | dz: swap dz_i and dz_o
forget gate and cell candidate swapped | f and g are swapped in z | dz: swap dz_f and dz_g
forget gate and output gate swapped | f and o are swapped in z | dz: swap dz_f and dz_o
cell candidate and output gate swapped | g and o are swapped in z | dz: swap dz_g and dz_o
"""


def _at_once(title: str, what: str, change: str) -> dict[str, str]:
    """The same mistake in the activations of several gates: what the letters of a text mean."""
    letters = {"title": title, "what": what, **{each["k"]: each[change] for each in _EACH_GATE}}
    for k in "ig":
        right = RIGHT[f"dz_{k}"]
        wrong = right.changed(letters[k])
        letters[f"of_{k}"] = f"dz_{k} = {wrong.text} should be {right.text}"
    return letters


_TITLES = [
    _at_once("derivatives missing", "no gate has its derivative", "missing"),
    _at_once("values for derivatives", "the gates stand where their derivatives belong", "value"),
    _at_once(
        "derivatives of activated values",
        "the gates are already activated, and their functions are applied a second time",
        "twice",
    ),
    _at_once(
        "derivatives at z",
        "the derivatives are written for activated values and are given z",
        "at_z",
    ),
]
MISTAKES: tuple[Mistake, ...] = (
    *read(make, _OF_THE_GATES, _EACH_GATE),
    *read(make, _AT_ONCE, _TITLES),
    *read(make, _OTHERS, EACH_GATE),
)
