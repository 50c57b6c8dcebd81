"""Known mistakes inside a step of the LSTM's backward pass: lines (5), (4), (3) and (2) of forward.
Each changes one or a few lines of the table in `lstm.py`, whose letters it uses.
"""

from __future__ import annotations

from minilstm.proof.causes.mistakes.base import Mistake
from minilstm.proof.causes.mistakes.lstm import EACH_GATE, read_lstm

_SIGMOID = {
    "function": "sigmoid",
    "other": "tanh",
    "that": "tanh",
    "at_z": "d<k> * logit(<k>) * (1 - logit(<k>))",
    "of_the_other": "d<k> * (1 - <k>**2)",
}
_TANH = {
    "function": "tanh",
    "other": "sigmoid",
    "that": "a sigmoid",
    "at_z": "d<k> * (1 - arctanh(<k>)**2)",
    "of_the_other": "d<k> * <k> * (1 - <k>)",
}
# The letter k comes last, as the others have it in them.
_EACH_GATE = [{**(_TANH if letters["k"] == "g" else _SIGMOID), **letters} for letters in EACH_GATE]
_MISTAKES = """
# lines (2) and (3): what the activation of one gate becomes
<gate>: derivative missing | the derivative of the <gate> is missing | dz_<k>: drop d<function>(<k>)
<gate>: <function> for its derivative | the <gate> itself stands where its derivative belongs
    dz_<k>: <k> for d<function>(<k>)
<gate>: half a derivative | half of the <gate>'s derivative is missing
    dz_<k>: 1 - <k> for d<function>(<k>)
<gate>: derivative of the activated <k> |
        the <gate> is already activated, and <function> is applied to it a second time
    dz_<k>: <function>(<k>) for <k>
<gate>: derivative at z_<k> |
        the derivative of the <gate> is written for the activated <k> and is given z_<k>
    dz_<k> = <at_z>
<gate>: derivative of <other> in dz_<k> |
        the <gate> is a <function>, and its derivative is that of <that>
    dz_<k> = <of_the_other>

# lines (2) and (3): what the activations of several gates become
sigmoids: derivatives missing | no gate has its derivative
    dz_i, dz_f, dz_o: drop dsigmoid(?)
    fault: <dz_i>, and so for f and o
all gates: derivatives missing | no gate has its derivative
    dz_i, dz_f, dz_o: drop dsigmoid(?)
    dz_g: drop dtanh(g)
    fault: <dz_i>, and so for f and o; <dz_g>
sigmoids: values for derivatives | the gates stand where their derivatives belong
    dz_i, dz_f, dz_o: ? for dsigmoid(?)
    fault: <dz_i>, and so for f and o
all gates: values for derivatives | the gates stand where their derivatives belong
    dz_i, dz_f, dz_o: ? for dsigmoid(?)
    dz_g: g for dtanh(g)
    fault: <dz_i>, and so for f and o; <dz_g>
sigmoids: derivatives of activated values |
        the gates are already activated, and their functions are applied a second time
    dz_i, dz_f, dz_o: sigmoid(?) for ?
    fault: <dz_i>, and so for f and o
all gates: derivatives of activated values |
        the gates are already activated, and their functions are applied a second time
    dz_i, dz_f, dz_o: sigmoid(?) for ?
    dz_g: tanh(g) for g
    fault: <dz_i>, and so for f and o; <dz_g>
sigmoids: derivatives at z | the derivatives are written for activated values and are given z
    dz_i, dz_f, dz_o = d? * logit(?) * (1 - logit(?))
    fault: <dz_i>, and so for f and o
all gates: derivatives at z | the derivatives are written for activated values and are given z
    dz_i, dz_f, dz_o = d? * logit(?) * (1 - logit(?))
    dz_g = dg * (1 - arctanh(g)**2)
    fault: <dz_i>, and so for f and o; <dz_g>

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
MISTAKES: tuple[Mistake, ...] = read_lstm(_MISTAKES, _EACH_GATE)
