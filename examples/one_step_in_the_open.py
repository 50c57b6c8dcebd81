"""Training in plain sight: each line that a training step computes, with the shape of its result.
It uses the NumPy functions alone; at the end `ml.train` takes the same steps and must agree.

Axes: B = 3 sequences, N rows of all their steps, D = 2 features, H = 8 hidden units, G = 4H gate
rows, C = 3 classes.
"""

import numpy as np

import minilstm as ml
from minilstm.functional.adam import AdamRule, adam_step
from minilstm.functional.cross_entropy import (
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from minilstm.functional.fully_connected import fully_connected_backward, fully_connected_forward
from minilstm.functional.gradient_norm import gradient_norm, gradient_scale
from minilstm.functional.lstm import lstm_backward, lstm_forward
from minilstm.functional.ragged import pack_with_targets

D, H, C, STEPS = 2, 8, 3, 5
LEARN_RATE, LARGEST_NORM, L2 = 0.01, 0.1, {"W": 1e-4, "R": 1e-4, "V": 1e-4}  # no L2 on biases

# The data: sequences of any lengths, a class for each step.
rng = np.random.default_rng(0)
x = [rng.normal(size=(T, D)) for T in (12, 20, 7)]  # (T, D) each
y = [(a[:, 0] > 0).astype(int) + (a[:, 1] > 0) for a in x]  # (T,) each
start = {
    "W": rng.normal(size=(4 * H, D)),  # input weights (G, D)
    "R": 0.3 * rng.normal(size=(4 * H, H)),  # recurrent weights (G, H)
    "b": np.zeros(4 * H),  # (G,)
    "V": 0.3 * rng.normal(size=(C, H)),  # weights of the fully connected layer (C, H)
    "a": np.zeros(C),  # its bias (C,)
}
p, m, v = dict(start), *({k: np.zeros_like(a) for k, a in start.items()} for _ in range(2))

# Pack: the first steps of all sequences, then the second steps ...: no padding anywhere.
(rows, active, _), targets = pack_with_targets(x, y)  # (N, D), (T,) sequences still running, (N,)
h0 = c0 = np.zeros((len(x), H))  # (B, H)

losses = []
for t in range(1, STEPS + 1):
    # Forward, from the rows to one number.
    h, _, lstm_cache = lstm_forward(rows, h0, c0, p["W"], p["R"], p["b"], active)  # (N, H)
    z, dense_cache = fully_connected_forward(h, p["V"], p["a"])  # (N, C)
    loss, loss_cache = softmax_cross_entropy_forward(z, targets)  # () mean over the N rows
    losses.append(float(loss))

    # Backward, the same three lines reversed.
    dz = softmax_cross_entropy_backward(loss_cache)  # (N, C)
    dh, dense = fully_connected_backward(dz, dense_cache)  # (N, H)
    _, lstm = lstm_backward(dh, None, lstm_cache, need_dx=False)  # no layer wants dx
    g = {"W": lstm.W, "R": lstm.R, "b": lstm.b, "V": dense.W, "a": dense.b}  # shapes of p

    # Clip each gradient to a norm, then one step of Adam.
    correction = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    for k in p:
        l2 = L2.get(k, 0.0)
        _, scale = gradient_scale([gradient_norm(p[k], g[k], l2)], LARGEST_NORM)
        rule = AdamRule(LEARN_RATE * correction, 0.9, 0.999, 1e-8, l2, scale)
        p[k], m[k], v[k] = adam_step(p[k], g[k], m[k], v[k], rule)
    print(f"step {t}: loss {loss:.6f}")

# The same five steps by the engine.
lstm_layer = ml.LSTM(H, input_weights=start["W"], recurrent_weights=start["R"], bias=start["b"])
dense_layer = ml.FullyConnected(C, weights=start["V"], bias=start["a"])
options = ml.TrainingOptions(
    "adam", max_epochs=STEPS, initial_learn_rate=LEARN_RATE, gradient_threshold=LARGEST_NORM,
    l2_regularization=1e-4, shuffle="never", dtype="float64", verbose=False,
)  # fmt: skip
layers = [ml.SequenceInput(D), lstm_layer, dense_layer, ml.Softmax()]
net, info = ml.train(x, y, layers, options=options)
names = dict(zip(net.parameters, start, strict=True))  # "lstm/input_weights": "W", ...
apart = max(abs(net.parameters[name] - p[k]).max() for name, k in names.items())
print(f"largest difference from ml.train: {apart:.0e}")
assert apart < 1e-12 and np.allclose(info.history["loss"], losses, rtol=0, atol=1e-12)
