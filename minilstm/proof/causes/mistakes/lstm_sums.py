"""Known mistakes around the time loop of the LSTM's backward pass: its start, its order, the sums.
And those of public projects that are several mistakes at once, made here all together.
"""

from __future__ import annotations

from minilstm.proof.causes.mistakes.base import Mistake
from minilstm.proof.causes.mistakes.lstm import EACH_GATE, read_lstm

_COUNTS = [
    {"by": "B", "of": "sequences"},
    {"by": "T", "of": "time steps"},
    {"by": "N", "of": "rows"},
]
_COPIES = [{"one": gate} for gate in "iog"]
_MISTAKES = """
# the sums over all steps: dW, dR and db
dW zero | no gradient arrives at the input weights | dW: zero
dR zero | no gradient arrives at the recurrent weights | dR: zero
bias forgotten | the bias is forgotten | db: zero | tracel-ai/burn#5235
dW and dR zero | no gradient arrives at the weights | lmnt-com/haste#17 | lmnt-com/haste#31
    dW, dR: zero
dW, dR and db zero | no gradient arrives at any parameter | dW, dR, db: zero | explosion/thinc
gradient equal to the weights: dW |
        the weights themselves are returned for their gradients | explosion/thinc
    dW = W
gradient equal to the weights: dR |
        the weights themselves are returned for their gradients | explosion/thinc
    dR = R
gradient equal to the weights: dW and dR |
        the weights themselves are returned for their gradients | explosion/thinc
    dW = W
    dR = R

dW divided by <by> | the sum over all steps and sequences is divided by the number of <of>
    dW: over <by>
dR divided by <by> | the sum over all steps and sequences is divided by the number of <of>
    dR: over <by>
dW and dR divided by <by> | the sum over all steps and sequences is divided by the number of <of>
    dW, dR: over <by>
dW and dR and db divided by <by> |
        the sum over all steps and sequences is divided by the number of <of>
    dW, dR, db: over <by>

db divided by <by> | the bias gradient is a sum over steps and sequences, not a mean over the <of>
    db: over <by>

db of <one> copied from f | bias gradients are copied from the forget gate
    db = copied("<one>", total(dz))
    fault: db_<one> = db_f should be the sum of dz_<one>

db of i and o copied from f | bias gradients are copied from the forget gate | hanbt/learn_dl#53
    db = copied("io", total(dz))
    fault: db_i = db_f should be the sum of dz_i and db_o = db_f should be the sum of dz_o
db of i and g and o copied from f | bias gradients are copied from the forget gate
    db = copied("igo", total(dz))
    fault: db_i = db_f should be the sum of dz_i, db_g = db_f should be the sum of dz_g and
        db_o = db_f should be the sum of dz_o

dR with h_t | R meets the hidden state of the step before, not that of the same step
    dR: h for h_prev
dR with h_{t-2} | R meets the hidden state of the step before, not that of two steps before
    dR: before(h_prev) for h_prev
initial hidden state forgotten in dR |
        the first step has a hidden state before it too, the initial one
    dR: after_first(dz) for dz
    fault: the sum of dz_t h_{t-1}^T starts at the second step and should start at the first
dR with x | R meets the hidden state, not the input | dR: alike(x, h_prev) for h_prev
dW with h_{t-1} | W meets the input, not the hidden state | dW: alike(h_prev, x) for x
dW of the step before | W meets the input of the same step | dW: before(x) for x
dW of the step after | W meets the input of the same step | dW: after(x) for x
only the last step in dW, dR and db | dW, dR and db are sums over all steps
    dW, dR, db: dz - before_last(dz) for dz
    fault: all but each sequence's last step are left out and should be in them (+=)
only the first step in dW, dR and db | dW, dR and db are sums over all steps
    dW, dR, db: dz - after_first(dz) for dz
    fault: each step overwrites those after it (=), which are left out and should be in them (+=)
the last step missing in dW, dR and db | dW, dR and db are sums over all steps
    dW, dR, db: before_last(dz) for dz
    fault: each sequence's last step is left out and should be in them (+=)
the first step missing in dW, dR and db | dW, dR and db are sums over all steps
    dW, dR, db: after_first(dz) for dz
    fault: the first step is left out and should be in them (+=)

# dx, which every step has for itself
dx zero | no gradient arrives at the input | dx: zero
dx through R | the way to the input goes through the input weights | dx: alike(R, W) for W

<gate> missing in dx | the <gate> is left out of the gradient of the input
    dx: without("<k>", dz) for dz
    fault: dx should be the sum over all four gates and lacks dz_<k> W_<k>

dx a step late | dx is out of step by one | dx: before(dz) for dz
dx a step early | dx is out of step by one | dx: after(dz) for dz
dx in reversed time | dx is collected from the last step to the first and never turned round
    dx = turned(dz @ W)
    fault: row 0 holds the last step and should hold the first
dx of the first step only | dx has a gradient in each sequence's first step only
    dx: dz - after_first(dz) for dz
    fault: each step should have its own dx = dz W
dx of the last step only | dx has a gradient in each sequence's last step only
    dx: dz - before_last(dz) for dz
    fault: each step should have its own dx = dz W

# the two ends: the initial state, the final state, and the way between them
dh0 zero | no gradient arrives at the initial hidden state | dh0: zero
dc0 zero | no gradient arrives at the initial cell state | dc0: zero
dh0 and dc0 zero | no gradient arrives at the initial state | dh0, dc0: zero
dh0 and dc0 swapped | the gradients of the initial hidden and cell state are interchanged
    dh0 = first_dc_next
    dc0 = first_dh_next
dh0 of the first output |
        the gradient of h_0 is that of the first output, before it passes the first step
    dh0 = first_dh_t
dc0 without the first forget gate |
        the gradient of c_0 is that of the first cell, before it passes the forget gate
    dc0 = first_dc
final state forgotten | the gradient of the final state is ignored | dh_T, dc_T: zero
final hidden state forgotten | the gradient of the final h is ignored | dh_T: zero
final cell state forgotten | the gradient of the final c is ignored | dc_T: zero
final h and c swapped | the gradients of the final hidden and cell state are interchanged
    dh_T = dcell
    dc_T = dhidden
final state at the longest sequence's end |
        a sequence shorter than the longest gets no gradient of its final state
    dh_T = dhidden * longest
    dc_T = dcell * longest
    fault: dstate arrives at step T - 1 only and should arrive at each sequence's own last step
forward order | the recurrence is differentiated in forward order | elixir-nx/axon#646
    steps = first_to_last
    fault: the steps run from 0 to T - 1 and should run from T - 1 to 0

# what public projects have, several mistakes at once
forget gate for its derivative, and nothing carried |
        the forget gate itself stands where its derivative belongs, and neither dh_next nor
        dc_next is carried | CaptainE/RNN-LSTM-in-numpy#1
    dz_f: f for dsigmoid(f)
    dh_t: drop dh_next
    dc: drop dc_next
tanh derivatives of activated values |
        tanh is applied a second time to the activated g and tanh(c_t)
    dz_g: tanh(g) for g
    dc: tanh(tanh_c) for tanh_c
derivatives of activated values, cell too |
        all five derivatives are taken of values that are already activated |
        nicklashansen/rnn_lstm_from_scratch#1
    dc: tanh(tanh_c) for tanh_c
    dz_i, dz_f, dz_o: sigmoid(?) for ?
    dz_g: tanh(g) for g
    fault: they should be i * (1 - i), f * (1 - f), o * (1 - o), 1 - g^2 and 1 - tanh(c_t)^2
di with i, tanh twice, dR with h_t |
        di has i in place of g, tanh is applied a second time to the activated g and tanh(c_t),
        and R meets h_t in place of h_{t-1} |
        wvabrinskas/Neuron#181
    di: i for g
    dz_g: tanh(g) for g
    dc: tanh(tanh_c) for tanh_c
    dR: h for h_prev
"""
MISTAKES: tuple[Mistake, ...] = read_lstm(_MISTAKES, EACH_GATE, _COUNTS, _COPIES)
