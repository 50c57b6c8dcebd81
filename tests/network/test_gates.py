"""Gates and gradient flow: what a layer does inside.
The gates give back cells and outputs; norms are those of derivatives found by moving a state."""

import numpy as np
import pytest
from builders import doubled

import minilstm as ml

D, H, C, T = 3, 5, 4, 12


def network(layer, *more, dtype="float64"):
    layers = [ml.SequenceInput(D), layer, *more, ml.FullyConnected(C), ml.Softmax()]
    return doubled(layers, dtype, classes=list("abcd"))


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(T, D)), rng.choice(list("abcd"), T)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_gates_give_back_the_cells_and_what_the_layer_puts_out(backend):
    if backend == "numba":
        pytest.importorskip("numba")
    net, (x, _) = network(ml.LSTM(H)), drawn()
    with ml.use_backend(backend):
        g = net.gates(x, "lstm")
        h = net.activations(x, "lstm")
    before = np.vstack([np.zeros((1, H)), g.c[:-1]])  # (T, H)
    assert all(part.shape == (T, H) for part in g)
    assert np.allclose(g.c, g.f * before + g.i * g.g, atol=1e-14)
    assert np.allclose(g.h, g.o * np.tanh(g.c), atol=1e-14)
    assert np.allclose(g.h, h, atol=1e-12)
    W, R, b = (net.parameters[f"lstm/{n}"] for n in ("input_weights", "recurrent_weights", "bias"))
    z = x @ W.T + np.vstack([np.zeros((1, H)), g.h[:-1]]) @ R.T + b  # (T, 4H)
    want = sigmoid(z[:, :H]), sigmoid(z[:, H : 2 * H]), np.tanh(z[:, 2 * H : 3 * H])
    assert all(np.allclose(a, w, atol=1e-12) for a, w in zip(g[:3], want, strict=True))


def test_both_directions_stand_side_by_side_in_the_order_of_time():
    net, (x, _) = network(ml.BiLSTM(H)), drawn()
    g, back = net.gates(x, "bilstm"), net.gates(x[::-1], "bilstm")
    assert g.c.shape == (T, 2 * H)
    assert np.allclose(g.h, net.activations(x, "bilstm"))
    after = np.vstack([g.c[1:, H:], np.zeros((1, H))])  # the cell that the step behind it left
    assert np.allclose(g.c[:, H:], g.f[:, H:] * after + g.i[:, H:] * g.g[:, H:])
    assert not np.allclose(back.c[::-1], g.c)


def test_several_sequences_give_a_list_and_a_deeper_layer_its_own():
    net = network(ml.LSTM(7, name="first"), ml.LSTM(H, "last", name="second"))
    x = [drawn(n)[0][: 5 + n] for n in range(3)]
    found = net.gates(x, "second")
    assert [g.f.shape for g in found] == [(5, H), (6, H), (7, H)]
    assert np.allclose([g.h[-1] for g in found], net.activations(x, "second"))
    assert net.gates(x[0], "first").i.shape == (5, 7)


def losses(net, x, y, t, state):
    """Cross-entropies of the steps behind t from a state after t, each over T."""
    scores = net.predict(x[t + 1 :], state=state)  # (T - t - 1, C)
    codes = [list("abcd").index(label) for label in y[t + 1 :]]
    return -np.log(scores[np.arange(len(codes)), codes]) / T


def moved(net, x, y, t, which, unit, by):
    """The losses from step t on where one number of h_t or c_t is moved."""
    g = net.gates(x, "lstm")
    h, c = g.h[t].copy(), g.c[t].copy()
    if which == "cell":
        c[unit] += by
        h = g.o[t] * np.tanh(c)
    else:
        h[unit] += by
    z = net.parameters["fc/weights"] @ h + net.parameters["fc/bias"]
    own = -np.log(np.exp(z - z.max()) / np.exp(z - z.max()).sum())[list("abcd").index(y[t])] / T
    return np.append(own, losses(net, x, y, t, {"lstm": (h[None], c[None])}))  # (T - t,)


def norms(net, x, y, t, which):
    """The norm of the derivative of the whole loss in the state after t, and of each step's."""
    step = 1e-6
    rows = [
        (moved(net, x, y, t, which, k, step) - moved(net, x, y, t, which, k, -step)) / (2 * step)
        for k in range(H)
    ]  # (H, T - t)
    return np.linalg.norm(np.sum(rows, axis=1)), np.linalg.norm(rows, axis=0)


def test_the_flow_is_the_derivative_of_the_loss_in_each_state():
    net, (x, y) = network(ml.LSTM(H)), drawn()
    flow = net.gradient_flow(x, y, "lstm")
    spans = np.zeros((T, T))  # (step of the state, span)
    for t in range(T - 1):
        whole, each = norms(net, x, y, t, "hidden")
        assert flow.hidden[t] == pytest.approx(whole, rel=1e-6)
        assert flow.cell[t] == pytest.approx(norms(net, x, y, t, "cell")[0], rel=1e-6)
        spans[t, : T - t] = each
    for k in range(1, T):
        assert flow.spans[k] == pytest.approx(spans[: T - k, k].mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("layer", "y"),
    [(ml.LSTM(H, "last"), ["b"]), (ml.BiLSTM(H), None), (ml.BiLSTM(H, "last"), ["c"])],
)
def test_the_flow_of_other_layers_agrees_with_the_gradient_of_their_start(layer, y):
    net, (x, labels) = network(layer), drawn()
    flow = net.gradient_flow(x, labels if y is None else y, layer.kind)
    assert flow.hidden.shape == flow.cell.shape == flow.spans.shape == (T,)
    assert (flow.hidden > 0).all() and (flow.cell > 0).all()
    if y is not None and layer.kind == "lstm":  # one loss, of the last step
        assert np.allclose(flow.spans[::-1], flow.hidden)


def test_a_closed_forget_gate_lets_nothing_through_and_an_open_one_much():
    flows = []
    for forget in (-30.0, 5.0):
        net, (x, _) = network(ml.LSTM(H, "last")), drawn()
        net.parameters["lstm/bias"][H : 2 * H] = forget
        net.parameters["lstm/recurrent_weights"][:] = 0
        flows.append(net.gradient_flow(x, ["a"], "lstm").cell)
    assert flows[0][-3] < 1e-12 * flows[0][-1]
    assert flows[1][0] > 0.5 * flows[1][-1]


def test_what_does_not_fit_is_told():
    net, (x, y) = network(ml.LSTM(H)), drawn()
    for call in (lambda: net.gates(x, "fc"), lambda: net.gradient_flow(x, y, "fc")):
        with pytest.raises(
            ValueError, match=r"recurrent layers of the network are \['lstm'\]; name"
        ):
            call()
    with pytest.raises(ValueError, match="x holds several sequences; give one"):
        net.gradient_flow([x, x], [y, y], "lstm")
