"""What the mistakes are made in: one small random problem for each backward pass of the catalogue.
Each problem is large enough that every mistake of its function shows.
"""

import numpy as np

from minilstm.functional import (
    batch_normalization as bn,
)
from minilstm.functional import (
    bilstm,
    convolution,
    cross_entropy,
    dropout,
    fully_connected,
    lstm,
    relu,
    sigmoid,
    softmax,
)
from minilstm.functional.ragged import active_counts

# Square where a transpose must fit; a test below has other sizes.
D = H = C = 3
LENGTHS = np.array([5, 4, 4, 2])


def recurrent(directions=1, lengths=LENGTHS, D=D, H=H, seed=0, **activations):
    """dh, dstate and cache of a random LSTM."""
    rng = np.random.default_rng(seed)
    B, N, K = len(lengths), int(sum(lengths)), directions * H
    forward = lstm.lstm_forward if directions == 1 else bilstm.bilstm_forward
    sizes = [(N, D), (B, K), (B, K), (4 * K, D), (4 * K, H), (4 * K,)]
    values = [0.8 * rng.standard_normal(size) for size in sizes]
    _, _, cache = forward(*values, active=active_counts(np.array(lengths)), **activations)
    dstate = lstm.LSTMState(*rng.standard_normal((2, B, K)))
    return rng.standard_normal((N, K)), dstate, cache


def rows(N=7, D=D, C=C, seed=0):
    rng = np.random.default_rng(seed)
    x, W, b = rng.standard_normal((N, D)), rng.standard_normal((C, D)), rng.standard_normal(C)
    targets = rng.integers(0, C, N)
    targets[2] = -1
    return x, W, b, targets, rng.uniform(0.5, 2, N), rng.standard_normal((N, C))


def images(seed=0, Cin=2, F=2, filter_size=(3, 3), size=(9, 9)):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, *size, Cin))
    W, b = rng.standard_normal((*filter_size, Cin, F)), rng.standard_normal(F)
    y, cache = convolution.convolution_forward(x, W, b, (2, 1), ((1, 2), (2, 1)), (1, 2))
    return rng.standard_normal(y.shape), cache


def channels(seed=0, shape=(4, 3, 2, 3)):
    rng = np.random.default_rng(seed)
    x, scale, offset = 2 + rng.standard_normal(shape), *rng.uniform(0.5, 2, (2, shape[-1]))
    return x, scale, offset, rng.standard_normal(shape)


def arguments(function, **sizes):
    """What a backward pass takes, of a random problem that shows every mistake."""
    if function == "lstm_backward":
        return recurrent(**sizes)
    if function == "bilstm_backward":
        return recurrent(2, **sizes)
    if function == "convolution_backward":
        return images(**sizes)
    if function.startswith("batch_normalization"):
        x, scale, offset, dy = channels()
        if "apply" not in function:
            return dy, bn.batch_normalization_forward(x, scale, offset, 0.01)[1]
        statistics = np.arange(1.0, len(scale) + 1), np.arange(2.0, len(scale) + 2)
        return dy, bn.batch_normalization_apply(x, scale, offset, *statistics, 0.01)[1]
    x, W, b, targets, weights, dy = rows(**sizes)
    if function == "classifier_loss":
        return x, W, b, targets, 6, weights
    if function == "fully_connected_backward":
        return dy, fully_connected.fully_connected_forward(x, W, b)[1]
    scores, kept = softmax.softmax_forward(x @ W.T)
    if function == "dropout_backward":
        return dy, dropout.dropout_forward(x @ W.T, 0.4, 5)[1]
    if function in ("relu_backward", "sigmoid_backward"):
        module = {"relu_backward": relu.relu_forward, "sigmoid_backward": sigmoid.sigmoid_forward}
        return dy, module[function](x @ W.T)[1]
    if function == "softmax_backward":
        return dy, kept
    return (cross_entropy.CrossEntropyCache(scores, targets, 6, weights),)


def arrays(result):
    """All gradients that a function returned, one after another."""
    parts = result if isinstance(result, tuple) else (result,)
    flat = [a for p in parts for a in (arrays(p) if isinstance(p, tuple) else [p])]
    return [np.asarray(a, float) for a in flat if a is not None]
