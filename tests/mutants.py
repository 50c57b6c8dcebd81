"""Backward passes with a mistake, made by changing a line of the source of the right ones.
So they owe nothing to the mistakes that the checker makes, which have to explain them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from minilstm.functional import (
    batch_normalization,
    classifier_loss,
    convolution,
    cross_entropy,
    dropout,
    fully_connected,
    lstm,
    softmax,
)


class Mutant(NamedTuple):
    """A function with a mistake, and what a check has to say of it."""

    function: str  # name of the function in its module and in the backend
    module: ModuleType
    changes: tuple[tuple[str, str], ...]  # (line, what stands there instead)
    wrong: frozenset[str]  # arrays whose gradient is wrong
    cause: str  # part of a sentence that has to be said; "" where none is
    thread: str = ""  # where it was seen in public

    def make(self) -> Callable[..., Any]:
        """The function, with the mistake."""
        source = inspect.getsource(self.module)
        for old, new in self.changes:
            assert source.count(old) == 1, f"{old!r} is not exactly once in {self.module.__name__}"
            source = source.replace(old, new)
        namespace: dict[str, Any] = {"__name__": "mutant"}
        exec(compile(source, f"mutant of {self.module.__name__}", "exec"), namespace)
        made: Callable[..., Any] = namespace[self.function]
        return made


def _mutants(function: str, module: ModuleType, **options: Any) -> Callable[..., Mutant]:
    def make(wrong: str, cause: str, *changes: str, thread: str = "", **more: Any) -> Mutant:
        pairs = tuple(zip(changes[::2], changes[1::2], strict=True))
        names = frozenset(wrong.split())
        return Mutant(function, module, pairs, names, cause, thread, **{**options, **more})

    return make


# ---------------------------------------------------------------- the LSTM

_lstm = _mutants("lstm_backward", lstm)
ALL = "x W R b h0 c0"
_I, _F, _G, _O = (
    "di * gate.derivative(i)",
    "df * gate.derivative(f)",
    "dg * state.derivative(g)",
    "do * gate.derivative(o)",
)
_DC = "dc = dc_next[:n] + dh_t * o * state.derivative(tanh_c)"
_DC_NEXT, _DH_NEXT = "dc_next[:n] = dc * f", "dh_next[:n] = dz[rows] @ R"
_DW, _DR, _DB = "dW = dz.T @ x", "dR = dz.T @ h[previous_rows(active)]", "db = dz.sum(axis=0)"
_DX = "dx = dz @ W if need_dx else None"
_END = "LSTMGradients(dW, dR, db, dh_next, dc_next)"
_TANH_TWICE = (_DC, "dc = dc_next[:n] + dh_t * o * state.derivative(state.forward(tanh_c))")
_G_TWICE = (_G, "dg * state.derivative(state.forward(g))")
# The gates and their gradients may share their memory, which a swap would spoil.
_UNSHARED = ("dz = gates if spend_cache else np", "dz = np")

LSTM = {
    "input gate's derivative missing": _lstm(
        ALL, "gradient of z_i through sigmoid(z_i)", _I, "di"
    ),
    "forget gate's derivative missing": _lstm(
        ALL, "gradient of z_f through sigmoid(z_f)", _F, "df"
    ),
    "candidate's derivative missing": _lstm(
        ALL, "gradient of z_g through tanh(z_g)", _G, "dg"
    ),
    "output gate's derivative missing": _lstm(
        ALL, "gradient of z_o through sigmoid(z_o)", _O, "do"
    ),
    "forget gate for its derivative": _lstm(ALL, "sigmoid(z_f) itself stands", _F, "df * f"),
    "forget gate for its derivative, nothing carried": _lstm(
        ALL,
        "",
        _F, "df * f",
        "dh_t = dh_next[:n] if dh is None else dh[rows] + dh_next[:n]",
        "dh_t = np.zeros_like(i) if dh is None else dh[rows]",
        _DC, "dc = dh_t * o * state.derivative(tanh_c)",
        thread="CaptainE/RNN-LSTM-in-numpy#1",
    ),
    "derivatives of activated values": _lstm(
        ALL,
        "",
        *_TANH_TWICE, *_G_TWICE,
        _I, "di * gate.derivative(gate.forward(i))",
        _F, "df * gate.derivative(gate.forward(f))",
        _O, "do * gate.derivative(gate.forward(o))",
        thread="nicklashansen/rnn_lstm_from_scratch#1",
    ),
    "dc assigned, not added": _lstm(
        ALL, "The gradient of c", _DC, "dc = dh_t * o * state.derivative(tanh_c)",
        thread="apache/mxnet#4057",
    ),
    "carried cell gradient dropped": _lstm(
        ALL, "is left out", _DC_NEXT, "dc_next[:n] = 0", thread="nicodjimenez/lstm#49"
    ),
    "bias gradients copied from the forget gate": _lstm(
        "b", "In gate i and gate o: a copy of gate f stands there.",
        _DB, f"{_DB}; db[:H] = db[3 * H :] = db[H : 2 * H]", thread="hanbt/learn_dl#53",
    ),
    "di with i, tanh twice, dR with h_t": _lstm(
        ALL, "",
        "di = dc * g", "di = dc * i", *_TANH_TWICE, *_G_TWICE, _DR, "dR = dz.T @ h[B:]",
        thread="wvabrinskas/Neuron#181",
    ),
    "gradients of the kernels zero": _lstm(
        "W R", "zero everywhere", _DW, "dW = np.zeros_like(W)", _DR, "dR = np.zeros_like(R)",
        thread="lmnt-com/haste#17",
    ),
    "gradients of all parameters zero": _lstm(
        "W R b", "zero everywhere", _DW, "dW = np.zeros_like(W)", _DR, "dR = np.zeros_like(R)",
        _DB, "db = np.zeros(4 * H, x.dtype)", thread="explosion/thinc 9.1.1",
    ),
    "bias gradient forgotten": _lstm(
        "b", "zero everywhere", _DB, "db = np.zeros(4 * H, x.dtype)", thread="tracel-ai/burn#5235"
    ),
    "recurrence in forward order": _lstm(
        ALL, "",
        "for t in range(len(active) - 1, -1, -1):", "for t in range(len(active)):",
        thread="elixir-nx/axon#646",
    ),
    "h path not carried": _lstm(ALL, "@ R.T", _DH_NEXT, "dh_next[:n] = 0"),
    "c path without the forget gate": _lstm(
        ALL, "the factor f is missing", _DC_NEXT, "dc_next[:n] = dc"
    ),
    "c path with the input gate": _lstm(
        ALL, "i stands in place of f", _DC_NEXT, "dc_next[:n] = dc * i"
    ),
    "tanh of the cell without derivative": _lstm(
        ALL, "the derivative of tanh is missing", _DC, "dc = dc_next[:n] + dh_t * o"
    ),
    "cell of this step in df": _lstm(
        ALL, "gradient of f through f * c_prev", "df = dc * c[prev]", "df = dc * c[now]"
    ),
    "cell for its tanh in do": _lstm(
        ALL, "c_t stands in place of ", "do = dh_t * tanh_c", "do = dh_t * c[now]"
    ),
    "g in dg": _lstm(ALL, "g itself stands where i belongs", "dg = dc * i", "dg = dc * g"),
    "i and f swapped in z": _lstm(
        ALL, "The parts z_i and z_f",
        "dz[rows, :H] = di", "dz[rows, H : 2 * H] = di",
        "dz[rows, H : 2 * H] = df", "dz[rows, :H] = df", *_UNSHARED,
    ),
    "g and o swapped in z": _lstm(
        ALL, "The parts z_g and z_o",
        "dz[rows, 2 * H : 3 * H] = dg", "dz[rows, 3 * H :] = dg",
        "dz[rows, 3 * H :] = do", "dz[rows, 2 * H : 3 * H] = do", *_UNSHARED,
    ),
    "R meets h_t": _lstm("R", "gradient of R.T through h_prev", _DR, "dR = dz.T @ h[B:]"),
    "the mean for the sum in b": _lstm("b", "mean", _DB, "db = dz.mean(axis=0)"),
    "W averaged over the batch": _lstm("W", "is divided by the ", _DW, "dW = dz.T @ x / B"),
    "W itself": _lstm("W", "It is the array itself", _DW, "dW = W"),
    "dx through R": _lstm("x", " in place of W.T", _DX, "dx = dz @ R if need_dx else None"),
    "forget gate missing in dx": _lstm(
        "x", "",
        _DX, "dx = dz @ W - dz[:, H : 2 * H] @ W[H : 2 * H] if need_dx else None",
    ),
    "h0 and c0 swapped": _lstm(
        "h0 c0", "exchanged with", _END, "LSTMGradients(dW, dR, db, dc_next, dh_next)"
    ),
    "no gradient of c0": _lstm(
        "c0", "zero everywhere", _END, "LSTMGradients(dW, dR, db, dh_next, 0 * dc_next)"
    ),
    "only the last step in the weights": _lstm(
        "W R b", "",
        "# (1) the rest, for all steps at once\n    dx =",
        "from minilstm.functional.ragged import sequence_lengths, last_rows\n"
        "    dx =",
        _DW, "dz = dz * np.isin(np.arange(len(dz)), last_rows(active))[:, None]; dW = dz.T @ x",
    ),
}  # fmt: skip

#: shows where sequences end at different steps
RAGGED = {
    "final state at the longest sequence's end": _lstm(
        ALL, "",
        "else (dstate.hidden.copy(), dstate.cell.copy())",
        "else tuple(s * (np.arange(B) < active[-1])[:, None] for s in dstate)",
    ),
}  # fmt: skip
#: shows where the final state has an upstream gradient
LSTM_PAIRS = {
    "final state ignored": _lstm(
        ALL, "Only the upstream gradient of output 0", "if dstate is None\n", "if True\n"
    ),
}  # fmt: skip

#: forward has the mistake, and backward the right gradient of another function
FORWARD = Mutant(
    "lstm_forward", lstm,
    (("x @ W.T + b", "x @ W.T + np.concatenate([b[3 * H :], b[3 * H :], b[2 * H :]])"),),
    frozenset("b"), "", "ddbourgin/numpy-ml#42",
)  # fmt: skip

# ---------------------------------------------------------------- the rows

_fc = _mutants("fully_connected_backward", fully_connected)
_soft = _mutants("softmax_backward", softmax)
_loss = _mutants("cross_entropy_backward", cross_entropy)
_fused = _mutants("softmax_cross_entropy_backward", cross_entropy)
_end = _mutants("classifier_loss", classifier_loss)
_dropout = _mutants("dropout_backward", dropout)
_conv = _mutants("convolution_backward", convolution)
_bn = _mutants("batch_normalization_backward", batch_normalization)

_FC_W, _FC_B, _FC_X = "dW = dy.T @ x", "db = dy.sum(axis=0)", "dx = dy @ W if need_dx else None"
_ENTROPY = "dlogits = softmax_cross_entropy_backward(entropy)"
_END_GRADS = "return ClassifierLoss(loss, correct, dx, grads.W, grads.b)"
_INSIDE = "slice(before, before + n) for"
_SEEN = "dp[seen] += dy @ W[k].T"

OTHERS = {
    "W transposed": _fc("W", "ransposed", _FC_W, "dW = x.T @ dy"),
    "dx through the transposed W": _fc("x", "W.T is transposed", _FC_X, "dx = dy @ W.T"),
    "dx past W": _fc("x", "the product with W.T is missing", _FC_X, "dx = dy * 1"),
    "fully connected: bias forgotten": _fc(
        "b", "zero everywhere", _FC_B, "db = 0 * W[:, 0]", thread="tracel-ai/burn#5235"
    ),
    "fully connected: mean bias": _fc("b", "mean", _FC_B, "db = dy.mean(axis=0)"),
    "fully connected: W over the rows": _fc("W", "divided by", _FC_W, "dW = dy.T @ x / len(x)"),
    "softmax skipped": _soft("x", "of the softmax is missing", "y * (dy - inner)", "1 * dy"),
    "softmax without the inner product": _soft("x", "stands alone", "y * (dy - inner)", "y * dy"),
    "softmax with its diagonal": _soft("x", "diagonal", "y * (dy - inner)", "y * (1 - y) * dy"),
    "cross-entropy: sum for mean": _loss("x", "mean", "-1 / (divisor * true)", "-1 / true"),
    "cross-entropy: score missing": _loss(
        "x", "the derivative of log is missing", "-1 / (divisor * true)", "-1 / divisor"
    ),
    "fused: sum for mean": _fused("x", "mean", "dlogits /= divisor", "dlogits /= 1"),
    "fused: mean taken twice": _fused("x", "mean", "/= divisor", "/= divisor * divisor"),
    "fused: 1 not subtracted": _fused("x", "targets)), targets]", "targets] -= 1", "targets] -= 0"),
    "fused: softmax missing": _fused(
        "x", "",
        "scores, targets, divisor, weights = cache\n    dlogits",
        "return cross_entropy_backward(cache)\n    dlogits",
    ),
    "end: sum for mean": _end(
        "x W b", "/ count", "_backward(entropy)", "_backward(entropy._replace(divisor=1))"
    ),
    "end: 1 not subtracted": _end(
        "x W b", "targets)), targets]", _ENTROPY, "dlogits = entropy.scores / count"
    ),
    "end: bias forgotten": _end(
        "b", "zero everywhere", _END_GRADS, _END_GRADS.replace("grads.b", "0 * grads.b")
    ),
    "end: mean bias": _end(
        "b", "mean", _END_GRADS, _END_GRADS.replace("grads.b", "grads.b / len(x)")
    ),
    "dropout: mask of the first step": _dropout(
        "x", "the first row of m stands for all rows",
        "return dropout_forward(dy, *cache)[0]",
        "return dy * dropout_forward(np.ones_like(dy[:1]), *cache)[0]",
        thread="lmnt-com/haste#43",
    ),
    "filter flipped in dx": _conv(
        "x", "taken from the other end", _SEEN,
        "dp[seen] += dy @ W[tuple(f - 1 - n for n, f in zip(k, W.shape))].T",
    ),
    "convolution: bias forgotten": _conv(
        "b", "zero everywhere", "db = dy.sum(axis=axes)", "db = 0 * W[0, 0, 0]"
    ),
    "convolution: mean bias": _conv("b", "y[...]", "db = dy.sum(axis=ax", "db = dy.mean(axis=ax"),
    "padding not cut off": _conv("x", "", _INSIDE, "slice(0, n) for"),
    "padding cut off one too late": _conv(
        "x", "", _INSIDE, "slice(before + 1, before + 1 + n) for"
    ),
    "overlaps overwritten": _conv("x", "are not added", _SEEN, "dp[seen] = dy @ W[k].T"),
    "channels swapped": _conv("x", "W[k] is transposed", _SEEN, "dp[seen] += dy @ W[k]"),
    "no gradient through the mean": _bn("x", "mean", "(dy - shift - n", "(dy - n"),
    "no gradient through the variance": _bn(
        "x", "variance through variance + epsilon", "(dy - shift - n * stretch)", "(dy - shift)"
    ),
    "statistics as constants": _bn(
        "x", "only that through x - mean", "(dy - shift - n * stretch)", "dy"
    ),
    "batch normalisation: unbiased variance": _bn(
        "x", "variance", "dscale / cache.size", "dscale / (cache.size - 1)"
    ),
    "batch normalisation: scale missing": _bn(
        "x", "the factor scale is missing", "factor = scale / np", "factor = 1 / np"
    ),
    "batch normalisation: scale meets x": _bn(
        "scale", "x stands in place of n", "dscale, doffset = _sums(dy, n)  # (C,) each, float64",
        "dscale, doffset = _sums(dy, n); right, dscale = dscale, _sums(dy, x)[0]",
        "dscale / cache.size", "right / cache.size",
    ),
    "batch normalisation: offset forgotten": _bn(
        "offset", "zero everywhere", "doffset.astype(x.dtype))\n    if not",
        "0 * doffset.astype(x.dtype))\n    if not",
    ),
}  # fmt: skip
