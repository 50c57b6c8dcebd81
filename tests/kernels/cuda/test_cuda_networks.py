"""Whole networks on the CuPy backend against the NumPy backend: every kind of layer and batch.
Results are NumPy arrays, equal to rounding, and what moves to and from the device is counted."""

import copy
import pickle

import numpy as np
import pytest
from agreement import assert_near, on_both
from agreement import dtype_names as dtypes
from builders import (
    batch_of,
    built,
    camera,
    chain,
    encoder_decoder,
    residual,
    sequences,
    two_in_two_out,
    volumes,
)

import minilstm as ml
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import pack
from minilstm.layers import Signal
from minilstm.network.passes.heads import find_heads
from minilstm.proof.checker.networks import problem_of_network

LENGTHS = (9, 1, 14, 4)


def started(**options):
    rng = np.random.default_rng(3)
    return ml.LSTM(5, hidden_state=rng.normal(size=5), cell_state=rng.normal(size=5), **options)


# Layers, the shape of a step, and the losses.
NETWORKS = {
    "sequence": (lambda: chain(ml.LSTM(6)), (3,), ["crossentropy"]),
    "last": (lambda: chain(ml.LSTM(6, "last")), (3,), ["crossentropy"]),
    "normalised": (
        lambda: [
            ml.SequenceInput(3, "zscore", [1, 2, 3], standard_deviation=[1, 2, 4]),
            ml.LSTM(6), ml.FullyConnected(2),
        ],
        (3,),
        ["mse"],
    ),
    "huber": (lambda: chain(ml.LSTM(6), ends=(), out=2), (3,), ["huber"]),
    "half-mse": (lambda: chain(ml.LSTM(6, "last"), ends=(ml.RegressionOutput,)), (3,), None),
    "multilabel": (lambda: chain(ml.LSTM(4), ends=(ml.Sigmoid,)), (3,), ["binary-crossentropy"]),
    "bilstm": (lambda: chain(ml.BiLSTM(4)), (3,), ["crossentropy"]),
    "bilstm-last": (lambda: chain(ml.BiLSTM(4, "last")), (3,), ["crossentropy"]),
    "activations": (
        lambda: chain(
            ml.LSTM(4, gate_activation_function="hard-sigmoid",
                    state_activation_function="softsign")
        ),
        (3,),
        ["crossentropy"],
    ),
    "states-given": (lambda: chain(started(), started(output_mode="last")), (3,), ["crossentropy"]),
    "deep": (
        lambda: chain(
            ml.LSTM(5), ml.Dropout(0.4), ml.LSTM(4), ml.ReLU(), ml.LSTM(3, "last"), ml.Dropout(0.2)
        ),
        (3,),
        ["crossentropy"],
    ),
    "camera": (camera, (7, 6, 2), ["crossentropy"]),
    "volumes": (volumes, (4, 4, 3, 1), None),
    "residual": (residual, (4,), ["crossentropy"]),
    "encoder-decoder": (encoder_decoder, (3,), ["crossentropy"]),
}  # fmt: skip
networks = pytest.mark.parametrize("name", NETWORKS)


def network(name, dtype="float64"):
    layers, shape, losses = NETWORKS[name]
    return built(layers(), dtype, losses=losses), sequences(*shape, lengths=LENGTHS)


def gradients(net, batch, **options):
    """Loss, gradients, states, statistics and outputs of `loss_and_gradients`, on the host."""
    backend = ml.backend.current_backend()
    found = net.loss_and_gradients(batch, key=11, want_outputs=True, **options)
    host = backend.to_host
    return (
        found.loss,
        found.correct,
        {k: host(g) for k, g in found.gradients.items()},
        {k: (host(s.hidden), host(s.cell)) for k, s in found.state.items()},
        {k: host(s) for k, s in found.statistics.items()},
        [host(o) for o in found.outputs],
    )


# ---------------------------------------------------------------- prediction


@networks
@dtypes
def test_predictions_and_states_are_those_of_numpy(cupy_backend, name, dtype):
    net, x = network(name, dtype)
    for data in (x, x[0]):
        got, want = on_both(lambda data=data: net.predict(data, return_state=True))
        assert_near(got, want, dtype)
    dense = np.stack([a[:4] for a in x if len(a) > 3])
    assert_near(*on_both(lambda: net.predict(dense, mini_batch_size=2)), dtype)


@networks
def test_gradients_of_a_batch_are_those_of_numpy(cupy_backend, name):
    net, x = network(name)
    assert_near(*on_both(lambda: gradients(net, batch_of(net, x))), "float64")


@pytest.mark.parametrize("name", ["sequence", "last", "deep", "states-given", "residual"])
@pytest.mark.parametrize("budget", ["auto", 1.0], ids=["kept", "computed-twice"])
@pytest.mark.parametrize("truncation", [None, 4])
def test_spans_in_a_memory_budget_give_the_gradients_of_numpy(
    cupy_backend, monkeypatch, name, budget, truncation
):
    monkeypatch.setattr("minilstm.network.passes.memory.span_rows", lambda *_: 8)
    net, x = network(name)
    batch = batch_of(net, x)
    plan = net.plan_memory(batch.signals[0].active, budget, truncation, cupy_backend)
    assert len(plan.spans) > 3 and (plan.first_kept == 0) == (budget == "auto")
    options = {"memory_budget": budget, "truncation": truncation}
    assert_near(*on_both(lambda: gradients(net, batch, **options)), "float64")


def test_a_memory_budget_changes_no_bit(cupy_backend, monkeypatch):
    monkeypatch.setattr("minilstm.network.passes.memory.span_rows", lambda *_: 8)
    net, x = network("deep", "float32")
    with ml.use_backend("cupy"):
        kept, again = (
            gradients(net, batch_of(net, x), memory_budget=budget)[2] for budget in ("auto", 1.0)
        )
    assert {k: g.tobytes() for k, g in kept.items()} == {k: g.tobytes() for k, g in again.items()}


def test_several_inputs_and_outputs(cupy_backend):
    net = built(two_in_two_out(), losses=["crossentropy", "mse"], classes=["sit", "walk"])
    x = [sequences(2, lengths=LENGTHS, seed=5), sequences(3, lengths=LENGTHS)]
    assert_near(*on_both(lambda: list(net.predict(x))), "float64")
    assert_near(*on_both(lambda: gradients(net, batch_of(net, x))), "float64")
    assert_near(*on_both(lambda: net.activations(x, "both")), "float64")
    assert [a.tolist() for a in on_both(lambda: net.classify(x)[0])[0]] == [
        a.tolist() for a in net.classify(x)[0]
    ]


def test_a_state_is_carried_on_between_calls_and_given_back_as_numpy(cupy_backend):
    net, x = network("states-given")
    first, second = [a[:1] for a in x], [np.concatenate([a, a]) for a in x]

    def carried():
        net.reset_state()
        out = net.predict_and_update_state(first), net.predict_and_update_state(second)
        return [*out, net.state, net.predict(second, state=net.state, return_state=True)]

    assert_near(*on_both(carried), "float64")


def test_functions_of_a_user_get_and_give_numpy_arrays(cupy_backend):
    def scaled(rows):
        assert type(rows) is np.ndarray
        return rows / 3

    def value(y, t):
        assert type(y) is type(t) is np.ndarray
        return float(np.square(y - t).sum())

    layers = [ml.SequenceInput(3, scaled), ml.LSTM(4), ml.FullyConnected(2)]
    net = built(layers, losses=[(value, lambda y, t: 2 * (y - t))])
    x = sequences(3, lengths=LENGTHS)
    assert_near(*on_both(lambda: net.predict(x)), "float64")
    batch = batch_of(net, x)._replace(weights=(None,))
    assert_near(*on_both(lambda: gradients(net, batch)), "float64")


@pytest.mark.parametrize("name", ["sequence", "half-mse", "bilstm", "multilabel"])
def test_loss_and_metrics_are_those_of_numpy(cupy_backend, name):
    net, x = network(name)
    net = net.replace(classes=list("abcd")) if name in ("sequence", "bilstm") else net
    rng = np.random.default_rng(0)
    y = {
        "half-mse": rng.normal(size=(len(x), 4)),
        "multilabel": [rng.integers(0, 2, (len(a), 4)) for a in x],
    }.get(name, [np.array(list("abcd"))[rng.integers(0, 4, len(a))] for a in x])
    assert_near(*on_both(lambda: net.evaluate(x, y)), "float64")


# ---------------------------------------------------------------- streams and files


@pytest.mark.parametrize("name", ["sequence", "last", "normalised", "activations", "states-given"])
@pytest.mark.parametrize("batch", [None, 3])
def test_streams_step_as_on_numpy_with_their_state_on_the_device(cupy_backend, name, batch):
    net, _ = network(name)
    x = np.random.default_rng(2).standard_normal((5, 3) if batch is None else (5, 3, 3))

    def steps():
        stream = net.stream(batch)
        out = [stream.step(a) for a in x]
        half = stream.state
        stream.step(x[0])
        stream.state = half
        again = stream.step(x[1])
        stream.reset()
        return [*out, half, again, stream.state, stream.step(x[0], out=np.empty_like(out[0]))]

    assert_near(*on_both(steps), "float64")


def test_a_stream_moves_one_step_in_and_its_scores_out(cupy_backend):
    net, x = network("states-given")
    with ml.use_backend("cupy"):
        stream = net.stream()
        with ml.count_transfers() as moved:
            for step in x[0]:
                stream.step(step)
    assert (moved.to_device, moved.to_host) == (len(x[0]), len(x[0]))
    assert (moved.to_device_bytes, moved.to_host_bytes) == (8 * 3 * len(x[0]), 8 * 4 * len(x[0]))
    with pytest.raises(ml.DataError, match="must be finite"):
        stream.step([np.nan, 0, 0])


def test_a_saved_network_is_the_one_that_numpy_saves(cupy_backend, tmp_path):
    net, x = network("camera")
    got, want = on_both(lambda: net.save(tmp_path / "model.safetensors").read_bytes())
    assert got == want
    with ml.use_backend("cupy"):
        again = ml.load(tmp_path / "model.safetensors")
        assert_near(again.predict(x), net.predict(x), "float64")


def test_forecasts_are_those_of_numpy(cupy_backend):
    net = built([ml.SequenceInput(2), ml.LSTM(5), ml.FullyConnected(2)], losses=["mse"])
    x = np.random.default_rng(0).standard_normal((9, 2))
    assert_near(*on_both(lambda: ml.forecast(net, x, 6)), "float64")


# ---------------------------------------------------------------- proof


@pytest.mark.parametrize("name", ["sequence", "camera", "encoder-decoder", "bilstm-last"])
def test_gradcheck_proves_the_backward_pass_of_the_device(cupy_backend, name):
    net, x = network(name)
    net = net.replace(classes=list(range(find_heads(net.wiring, net.losses)[0].columns)))
    rng = np.random.default_rng(1)
    last = net.output_mode == "last"
    y = rng.integers(0, len(net.classes), len(x) if last else 0)
    y = y if last else [rng.integers(0, len(net.classes), len(a)) for a in x]
    with ml.use_backend("cupy"):
        assert problem_of_network(net, x, y).backward == "cupy"
        report = ml.gradcheck(net, x, y)
    assert report.max_error < 1e-10


# ---------------------------------------------------------------- where arrays live


def test_prediction_moves_rows_up_once_and_scores_down_once(cupy_backend):
    net, x = network("deep", "float32")
    size = sum(p.nbytes for p in net.parameters.values())
    rows = 4 * 3 * sum(LENGTHS)
    with ml.use_backend("cupy"):
        with ml.count_transfers() as first:
            net.predict(x)
        with ml.count_transfers() as second:
            net.predict(x)
        with ml.count_transfers() as state:
            net.predict(x, return_state=True)
    assert (first.to_device, first.to_host) == (1 + len(net.parameters), 1)
    assert first.to_device_bytes == rows + size
    assert (second.to_device, second.to_device_bytes) == (1, rows)
    assert (second.to_host, second.to_host_bytes) == (1, 4 * 4 * len(x))
    assert (state.to_device, state.to_host) == (1, 1 + 2 * 3)
    with ml.use_backend("numpy"), ml.count_transfers() as none:
        net.predict(x)
    assert (none.to_device, none.to_host) == (0, 0)


def test_a_number_written_into_a_network_counts_at_once(cupy_backend):
    net, x = network("camera")
    for arrays, key in ((net.parameters, "bias"), (net.statistics, "trained_mean")):
        before, _ = on_both(lambda: net.predict(x))
        key = next(name for name in reversed(arrays) if name.endswith(key))
        arrays[key][0] += 0.5
        got, want = on_both(lambda: net.predict(x))
        assert_near(got, want, "float64")
        assert np.abs(got - before).max() > 1e-3
        with ml.use_backend("cupy"), ml.count_transfers() as moved:
            net.predict(x)
        assert moved.to_device == 1


def test_copies_of_a_network_hold_nothing_of_the_device(cupy_backend):
    net, x = network("sequence")
    with ml.use_backend("cupy"):
        want = net.predict(x)
        for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            other.parameters = {k: 2 * p for k, p in other.parameters.items()}
            assert_near(net.predict(x), want, "float64")
            got, numpy = on_both(lambda other=other: other.predict(x))
            assert_near(got, numpy, "float64")
            assert np.abs(got[0] - want[0]).max() > 1e-3


def test_forward_and_backward_take_arrays_from_anywhere_and_leave_them_there(cupy_backend):
    net, x = network("sequence")
    packed = pack(x)
    state = {"lstm": LSTMState(*np.random.default_rng(0).standard_normal((2, len(x), 6)))}
    dy = np.random.default_rng(1).standard_normal((len(packed.rows), 4))
    device = cupy_backend.to_device
    results = []
    for move in (lambda a: a, device):
        signal = Signal(move(packed.rows), packed.active)
        start = {"lstm": LSTMState(*map(move, state["lstm"]))}
        output, after, caches = net.forward(signal, start, backend=cupy_backend)
        grads, dstate, dx = net.backward(
            move(dy), caches, start, backend=cupy_backend, need_dx=True
        )
        arrays = [output.rows, *after["lstm"], *grads.values(), *dstate["lstm"], dx]
        assert {type(a) for a in arrays} == {type(device(dy))}
        results.append([cupy_backend.to_host(a) for a in arrays])
    with ml.use_backend("numpy"):
        output, after, caches = net.forward(Signal(packed.rows, packed.active), state)
        grads, dstate, dx = net.backward(dy, caches, state, need_dx=True)
    want = [output.rows, *after["lstm"], *grads.values(), *dstate["lstm"], dx]
    for got in results:
        assert_near(got, want, "float64")
