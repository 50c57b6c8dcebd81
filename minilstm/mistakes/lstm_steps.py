"""Known mistakes inside a step of the LSTM's backward pass: lines (5), (4), (3) and (2) of forward.
Each changes one or a few lines of the table in `minilstm.mistakes.lstm`, whose letters it uses.
"""

from __future__ import annotations

from minilstm.mistakes.base import Mistake, read
from minilstm.mistakes.lstm import GATES, RIGHT, make


def derivative_changes(k: str) -> dict[str, str]:
    """What may become of the derivative of an activation, in line dz_k of a gate k."""
    name, other = ("tanh", "sigmoid") if k == "g" else ("sigmoid", "tanh")
    right = f"d{name}({k})"
    tanh_like, sigmoid_like = f"= d{k} * (1 - {k}**2)", f"= d{k} * {k} * (1 - {k})"
    return {
        "missing": f"drop {right}",
        "value": f"{k} for {right}",
        "half": f"1 - {k} for {right}",
        "twice": f"d{name}({name}({k})) for {right}",
        "at_z": f"= d{k} * logit({k}) * (1 - logit({k}))",
        "other": sigmoid_like if k == "g" else tanh_like,
        "name": name, "other_name": other, "an_other": "a sigmoid" if k == "g" else "tanh",
    } | ({"at_z": "= dg * (1 - arctanh(g)**2)"} if k == "g" else {})  # fmt: skip


# lines (2) and (3): what the activation of one gate becomes
_OF_A_GATE = """
<gate>: derivative missing | the derivative of the <gate> is missing
    dz_<k>: <missing>
<gate>: <name> for its derivative | the <gate> itself stands where its derivative belongs
    dz_<k>: <value>
<gate>: half a derivative | half of the <gate>'s derivative is missing
    dz_<k>: <half>
<gate>: derivative of the activated <k> |
        the <gate> is already activated, and <name> is applied to it a second time
    dz_<k>: <twice>
<gate>: derivative at z_<k> |
        the derivative of the <gate> is written for the activated <k> and is given z_<k>
    dz_<k>: <at_z>
<gate>: derivative of <other_name> in dz_<k> |
        the <gate> is a <name>, and its derivative is that of <an_other>
    dz_<k>: <other>
"""
# line (5): what the activation of the cell becomes
_OF_THE_CELL = """
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
output gate missing in dc | the output gate is missing on the way from h_t to c_t
    dc: drop o
forget gate for the output gate in dc |
        the way from h_t to c_t goes through the output gate, not the forget gate
    dc: f for o
input gate for the output gate in dc |
        the way from h_t to c_t goes through the output gate, not the input gate
    dc: i for o
"""
# what a step hands to the step before it
_CARRIED = """
dh_next not used | <not_h>
    dh_t: drop dh_next
dh_next zero | <not_h>
    dh_next: zero
dh_next used at the end only | <not_h>
    dh_t: dh_end for dh_next
dc_next not used | dc has two parts, and the carried one is overwritten (= for +=) |
        apache/mxnet#4057 | nicodjimenez/lstm#49
    dc: drop dc_next
dc_next zero | <not_c>
    dc_next: zero
dc_next used at the end only | <not_c>
    dc = dh_t * o * dtanh(tanh_c) + dc_end
neither used | <neither>
    dh_t: drop dh_next
    dc: drop dc_next
neither carried | <neither>
    dh_next, dc_next: zero
neither used before the end | <neither>
    dh_t: dh_end for dh_next
    dc = dh_t * o * dtanh(tanh_c) + dc_end
h part of dc missing | dc has two parts, and the one through h_t is missing
    dc: drop dh_t * o * dtanh(tanh_c)
dh_next missing in dc | dc has dh in it and should have dh_t, with the carried part
    dc: dh for dh_t
dh_next missing in do | do has dh in it and should have dh_t, with the carried part
    do: dh for dh_t
dh counted only at the end |
        the gradient of the outputs is left out but for each sequence's last step
    dh_t = dh_next + dh * ends
dc carried without the forget gate | dc is carried without the forget gate
    dc_next: drop f
dc carried with the input gate | dc is carried with the input gate
    dc_next: i for f
dc carried with the output gate | dc is carried with the output gate
    dc_next: o for f
dc carried with the derivative of the forget gate |
        dc is carried with the derivative of the forget gate
    dc_next: dsigmoid(f) for f
dc carried without the part through h_t | dc is carried without the part through h_t
    dc_next: dc_next for dc
dc carried as a sum over the steps (+= for =) | dc is carried as a sum over the steps (+= for =)
    dc_next = dc_next + dc * f
dh carried as a sum over the steps | dh is carried as a sum over the steps (+= for =)
    dh_next = dh_next + dz @ R
dh carried through W | dh is carried through the input weights
    dh_next: alike(W, R) for R
"""
_LACKING = """
<gate> missing in dh_next | the <gate> is left out of the gradient of h_{t-1}
    dh_next: without("<k>", dz) for dz
    fault: dh_next should be the sum over all four gates and lacks dz_<k> R_<k>
"""
# line (4) and the output gate of line (5): what each gate is multiplied by
_FACTORS = """
di with i | the input gate is multiplied by g in (4)
    di: i for g
di with o | the input gate is multiplied by g in (4)
    di: o for g
dg with g | the cell candidate is multiplied by i in (4)
    dg: g for i
dg with f | the cell candidate is multiplied by i in (4)
    dg: f for i
df with c | the forget gate is multiplied by the cell of the step before in (4)
    df: c for c_prev
df with tanh_c | the forget gate is multiplied by the cell of the step before in (4)
    df: tanh_c for c_prev
df with g | the forget gate is multiplied by the cell of the step before in (4)
    df: g for c_prev
df with f | the forget gate is multiplied by the cell of the step before in (4)
    df: f for c_prev
do with c | the output gate is multiplied by tanh(c_t) in (5)
    do: c for tanh_c
do with h | the output gate is multiplied by tanh(c_t) in (5)
    do: h for tanh_c
do with o | the output gate is multiplied by tanh(c_t) in (5)
    do: o for tanh_c
i and g interchanged in (4) | the two factors of i * g in (4) are interchanged
    di: i for g
    dg: g for i
initial cell forgotten in df | the first step has a cell before it too, the initial one
    df = dc * c_prev * after_first
    fault: df = 0 at the first step should be dc * c_0
"""
_SWAPPED = """
<one> and <other> swapped | <a> and <b> are swapped in z
    dz: swap dz_<a> and dz_<b>
"""


def _all_at_once() -> list[Mistake]:
    """The activations of all sigmoids, and of all gates, with the same mistake."""
    out = []
    for title, what, change in (
        ("derivatives missing", "no gate has its derivative", "missing"),
        ("values for derivatives", "the gates stand where their derivatives belong", "value"),
        (
            "derivatives of activated values",
            "the gates are already activated, and their functions are applied a second time",
            "twice",
        ),
        (
            "derivatives at z",
            "the derivatives are written for activated values and are given z",
            "at_z",
        ),
    ):
        lines = {f"dz_{k}": derivative_changes(k)[change] for k in GATES}
        of_i, of_g = (
            f"{line} = {RIGHT[line].changed(lines[line]).text} should be {RIGHT[line].text}"
            for line in ("dz_i", "dz_g")
        )
        fault = f"{of_i}, and so for f and o"
        sigmoids = {line: words for line, words in lines.items() if line != "dz_g"}
        out.append(make(f"sigmoids: {title}", what, fault=fault, **sigmoids))
        out.append(make(f"all gates: {title}", what, fault=f"{fault}; {of_g}", **lines))
    return out


MISTAKES: tuple[Mistake, ...] = (
    *(
        mistake
        for k, gate in GATES.items()
        for mistake in read(make, _OF_A_GATE, k=k, gate=gate, **derivative_changes(k))
    ),
    *_all_at_once(),
    *read(make, _OF_THE_CELL),
    *read(
        make,
        _CARRIED,
        not_h="the gradient of h_{t-1} does not reach the step before",
        not_c="the gradient of c_{t-1} does not reach the step before",
        neither="neither dh_next nor dc_next is carried to the step before",
    ),
    *(m for k, gate in GATES.items() for m in read(make, _LACKING, k=k, gate=gate)),
    *read(make, _FACTORS),
    *(
        mistake
        for a, b in ("if", "ig", "io", "fg", "fo", "go")
        for mistake in read(make, _SWAPPED, a=a, b=b, one=GATES[a], other=GATES[b])
    ),
)
