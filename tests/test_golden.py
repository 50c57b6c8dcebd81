"""Every backend against PyTorch: golden outputs, gradients and ten steps of each solver.
The files were made in float64; the bounds below say how closely each dtype must follow them."""

from pathlib import Path

import numpy as np
import pytest
from agreement import dtype_names as dtypes

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack, pack_with_targets, unpack
from minilstm.layers import Signal
from minilstm.network.passes.placement import moved_state
from minilstm.training.solvers import solver_init, update

GOLDEN = Path(__file__).parent / "golden"
# Largest difference allowed, relative to the largest entry of the array.
GRADIENTS = {"float64": 1e-12, "float32": 6e-6}
STEPS = {"float64": 1e-11, "float32": 5e-5}

NAMES = {"W": "lstm/input_weights", "R": "lstm/recurrent_weights", "b": "lstm/bias"}
NAMES |= {"F": "fc/weights", "fb": "fc/bias"}
EDGES = ("one", "h1", "h2", "long", "steps")
# Runs by file and prefix: the solver, and how its gradients are bounded.
RUNS = {
    ("adam_sequence", "sane"): ("adam", "l2norm"),
    ("adam_sequence", "huge"): ("adam", "l2norm"),
    ("adam_sequence", "l2norm"): ("adam", "l2norm"),
    ("adam_sequence", "global"): ("adam", "global-l2norm"),
    ("adam_sequence", "absolute"): ("adam", "absolute-value"),
    ("adam_sequence", "torch"): ("adam", "l2norm"),
    ("adam_last", "default"): ("adam", "l2norm"),
    ("solvers", "sgdm"): ("sgdm", "l2norm"),
    ("solvers", "sgdm_l2norm"): ("sgdm", "l2norm"),
    ("solvers", "rmsprop"): ("rmsprop", "l2norm"),
    ("solvers", "rmsprop_absolute"): ("rmsprop", "absolute-value"),
}
TRAININGS = [run for run in RUNS if run[0] != "solvers" and run[1] != "torch"]


def read(file, prefix=""):
    """The arrays of one case."""
    with np.load(GOLDEN / f"{file}.npz", allow_pickle=False) as archive:
        return {k[len(prefix) :]: archive[k] for k in archive.files if k.startswith(prefix)}


def parts(a, name):
    """The numbered arrays name_0, name_1, ... as a list."""
    return [a[f"{name}_{k}"] for k in range(sum(key.startswith(f"{name}_") for key in a))]


def problem(a, dtype):
    """Packed batch and targets; targets is None for a case without labels."""
    x = [s.astype(dtype) for s in parts(a, "x")]
    labels = [a["y"][[k]] for k in range(len(a["y"]))] if "y" in a else parts(a, "y")
    return pack_with_targets(x, labels) if labels else (pack(x), None)


def there(backend, arrays):
    return {name: backend.to_device(a) for name, a in arrays.items()}


def back_again(backend, arrays):
    return {name: backend.to_host(a) for name, a in arrays.items()}


def assert_golden(got, want, tolerance, what):
    want = np.asarray(want)
    assert np.shape(got) == want.shape, what
    # One floor for all: what PyTorch itself leaves of a zero is 1e-17.
    scale = max(np.abs(want).max(), 1e-4)
    error = np.abs(np.asarray(got, np.float64) - want).max() / scale
    assert error <= tolerance, f"{what}: relative difference {error:.1e}"


def assert_golden_lists(rows, packed, a, name, tolerance):
    for k, sequence in enumerate(unpack(rows, packed.active, packed.order)):
        assert_golden(sequence, a[f"{name}_{k}"], tolerance, f"{name}_{k}")


CASES = [("sequence_ragged", ""), ("last_ragged", ""), *(("edges", f"{e}_") for e in EDGES)]
CASES += [("edges", "upstream_"), ("edges", "dct_")]


@dtypes
@pytest.mark.parametrize("case", CASES, ids="".join)
def test_functions(any_backend, dtype, case):
    backend = any_backend
    a, tolerance = read(*case), GRADIENTS[dtype]
    packed, targets = problem(a, dtype)
    order, back = packed.order, np.argsort(packed.order)
    p = {k: a[k].astype(dtype) for k in ("h0", "c0", "W", "R", "b", "F", "fb") if k in a}
    h, state, cache = backend.lstm_forward(
        packed.rows, p["h0"][order], p["c0"][order], p["W"], p["R"], p["b"], packed.active
    )
    assert_golden_lists(h, packed, a, "hidden", tolerance)
    assert_golden(state.hidden[back], a["hT"], tolerance, "hT")
    assert_golden(state.cell[back], a["cT"], tolerance, "cT")

    if targets is None:
        dh = pack([u.astype(dtype) for u in parts(a, "up_hidden")]).rows
        dstate = LSTMState(*(a[k].astype(dtype)[order] for k in ("up_hT", "up_cT")))
    else:
        last = "y" in a
        logits, fc_cache = backend.fully_connected_forward(
            state.hidden if last else h, p["F"], p["fb"]
        )
        loss, loss_cache = backend.softmax_cross_entropy_forward(logits, targets)
        assert_golden(loss, a["loss"], tolerance, "loss")
        if last:
            assert_golden(loss_cache.scores[back], a["scores"], tolerance, "scores")
        else:
            assert_golden_lists(loss_cache.scores, packed, a, "scores", tolerance)
        dlogits = backend.softmax_cross_entropy_backward(loss_cache)
        dh, grads = backend.fully_connected_backward(dlogits, fc_cache)
        assert_golden(grads.W, a["dF"], tolerance, "dF")
        assert_golden(grads.b, a["dfb"], tolerance, "dfb")
        dh, dstate = (None, LSTMState(dh, np.zeros_like(dh))) if last else (dh, None)

    dx, grads = backend.lstm_backward(dh, dstate, cache)
    assert_golden_lists(dx, packed, a, "dx", tolerance)
    for name in ("W", "R", "b"):
        assert_golden(getattr(grads, name), a[f"d{name}"], tolerance, f"d{name}")
    for name in ("h0", "c0"):
        assert_golden(getattr(grads, name)[back], a[f"d{name}"], tolerance, f"d{name}")


@dtypes
def test_two_stacked_layers(every_backend, dtype):
    backend, host = every_backend, every_backend.to_host
    a, tolerance = read("stacked"), GRADIENTS[dtype]
    lstms = [ml.LSTM(6, name="l1"), ml.LSTM(4, output_mode="last", name="l2")]
    layers = [ml.SequenceInput(3), *lstms, ml.FullyConnected(3), ml.Softmax()]
    names = {"F": NAMES["F"], "fb": NAMES["fb"]}
    for layer in ("l1_", "l2_"):
        names |= {layer + k: NAMES[k].replace("lstm", layer[:2]) for k in "WRb"}
    net = ml.Network(layers, {n: a[k] for k, n in names.items()}, classes=[0, 1, 2], dtype=dtype)
    packed, targets = problem(a, dtype)
    back = np.argsort(packed.order)
    signal = Signal(packed.rows, packed.active)

    short = ml.Network(net.layers[:-1], net.parameters, dtype=dtype)  # without the softmax
    logits, state, caches = short.forward(signal, backend=backend)
    loss, cache = backend.softmax_cross_entropy_forward(logits.rows, backend.to_device(targets))
    dlogits = backend.softmax_cross_entropy_backward(cache)
    grads, dstate, dx = short.backward(dlogits, caches, backend=backend, need_dx=True)
    scores, state, dstate = host(cache.scores), moved_state(state, host), moved_state(dstate, host)
    assert_golden(loss, a["loss"], tolerance, "loss")
    assert_golden(scores[back], a["scores"], tolerance, "scores")
    assert_golden_lists(host(dx), packed, a, "dx", tolerance)
    for golden, name in names.items():
        key = golden.replace("_", "_d") if "_" in golden else f"d{golden}"
        assert_golden(host(grads[name]), a[key], tolerance, key)
    for n in ("l1", "l2"):
        assert_golden(state[n].hidden[back], a[f"{n}_hT"], tolerance, f"{n}_hT")
        assert_golden(state[n].cell[back], a[f"{n}_cT"], tolerance, f"{n}_cT")
        assert_golden(dstate[n].hidden[back], a[f"{n}_dh0"], tolerance, f"{n}_dh0")
        assert_golden(dstate[n].cell[back], a[f"{n}_dc0"], tolerance, f"{n}_dc0")

    result = net.loss_and_gradients(signal, targets, backend=backend)
    assert_golden(result.loss, a["loss"], tolerance, "loss")
    assert result.correct == ((scores.argmax(axis=1) == targets).sum(),)
    for golden, name in names.items():
        key = golden.replace("_", "_d") if "_" in golden else f"d{golden}"
        assert_golden(host(result.gradients[name]), a[key], tolerance, key)
    with ml.use_backend(backend.name):
        assert_golden(net.predict(parts(a, "x")), a["scores"], tolerance, "predict")
        assert_golden(net.evaluate(parts(a, "x"), a["y"])["loss"], a["loss"], tolerance, "loss")


@dtypes
def test_predict_starts_from_a_state(every_backend, dtype):
    a, tolerance = read("sequence_ragged"), GRADIENTS[dtype]
    layers = [ml.SequenceInput(3), ml.LSTM(5), ml.FullyConnected(4), ml.Softmax()]
    net = ml.Network(layers, {name: a[k] for k, name in NAMES.items()}, dtype=dtype)
    with ml.use_backend(every_backend.name):
        scores, state = net.predict(
            parts(a, "x"), state={"lstm": (a["h0"], a["c0"])}, return_state=True
        )
    for k, s in enumerate(scores):
        assert_golden(s, a[f"scores_{k}"], tolerance, f"scores_{k}")
    assert_golden(state["lstm"].hidden, a["hT"], tolerance, "hT")
    assert_golden(state["lstm"].cell, a["cT"], tolerance, "cT")


# ---------------------------------------------------------------- steps of the solvers


def start(file, dtype):
    """The arrays of a file and the network that its runs start from."""
    a = read(file)
    mode = "last" if "y" in a else "sequence"
    lstm = ml.LSTM(a["R"].shape[1], output_mode=mode)
    layers = [ml.SequenceInput(a["W"].shape[1]), lstm, ml.FullyConnected(len(a["fb"]))]
    parameters = {name: a[k] for k, name in NAMES.items()}
    return a, ml.Network([*layers, ml.Softmax()], parameters, dtype=dtype)


@dtypes
@pytest.mark.parametrize("run", RUNS, ids="/".join)
def test_ten_steps(every_backend, dtype, run):
    backend, (file, prefix), (solver, method) = every_backend, run, RUNS[run]
    (a, net), tolerance = start(file, dtype), STEPS[dtype]
    want = read(file, f"{prefix}_")
    lr, l2, threshold = (float(want[k]) for k in ("lr", "l2", "threshold"))
    packed, targets = problem(a, dtype)
    factors = {name: 0.0 if name.endswith("bias") else l2 for name in net.parameters}
    state, kept = solver_init(solver, there(backend, net.parameters)), []
    for t in range(1, 11):
        result = net.loss_and_gradients(
            Signal(packed.rows, packed.active), targets, backend=backend
        )
        assert_golden(result.loss, want["loss"][t - 1], tolerance, f"loss of step {t}")
        accuracy = result.correct[0] / len(targets)
        assert accuracy == pytest.approx(want["accuracy"][t - 1], abs=1e-12)
        gradients = back_again(backend, result.gradients)
        full = [gradients[n] + factors[n] * net.parameters[n] for n in NAMES.values()]
        norms = [np.linalg.norm(g.astype(np.float64)) for g in full]
        assert_golden(norms, want["norms"][t - 1], tolerance, f"norms of step {t}")
        # PyTorch adds epsilon to the corrected root; so much of it reaches the uncorrected one.
        epsilon = 1e-8 * (np.sqrt(1 - 0.999**t) if prefix == "torch" else 1)
        parameters, state, norm = update(
            backend, there(backend, net.parameters), result.gradients, state, lr, l2=factors,
            epsilon=epsilon, gradient_threshold=threshold, gradient_threshold_method=method,
        )  # fmt: skip
        norm = float(backend.to_host(norm))
        assert norm == pytest.approx(np.linalg.norm(want["norms"][t - 1]), rel=10 * tolerance)
        net = net.replace(parameters=back_again(backend, parameters))
        kept += [net.parameters] if t in a["steps"] else []
    assert state.t == 10
    for n, t in enumerate(a["steps"]):
        for k, name in NAMES.items():
            assert_golden(kept[n][name], want[k][n], tolerance, f"{k} after step {t}")


@pytest.mark.filterwarnings("ignore:training runs on NumPy alone")
@pytest.mark.parametrize("run", TRAININGS, ids="/".join)
def test_train_takes_the_same_steps(every_backend, run):
    file, prefix = run
    (a, net), tolerance = start(file, "float64"), STEPS["float64"]
    want = read(file, f"{prefix}_")
    options = ml.TrainingOptions(
        "adam",
        max_epochs=10,
        initial_learn_rate=float(want["lr"]),
        l2_regularization=float(want["l2"]),
        gradient_threshold=float(want["threshold"]),
        gradient_threshold_method=RUNS[run][1],
        shuffle="never",
        metrics=["accuracy"],
        dtype="float64",
        verbose=False,
    )
    with ml.use_backend(every_backend.name):
        net, info = ml.train(parts(a, "x"), a.get("y", parts(a, "y")), net, options=options)
    assert_golden(info.history["loss"], want["loss"], tolerance, "loss")
    assert_golden(info.history["accuracy"], want["accuracy"], 1e-12, "accuracy")
    for k, name in NAMES.items():
        assert_golden(net.parameters[name], want[k][-1], tolerance, k)
