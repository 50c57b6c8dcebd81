"""Training on the CuPy backend against the NumPy backend: solvers, validation, ends, transfers.
Users see NumPy arrays throughout; between steps nothing moves but a few numbers."""

import gc
import importlib
import sys

import cuda_shim
import numpy as np
import pytest
from agreement import assert_near, bits, on_both
from builders import camera, chain, interrupt_at, two_in_two_out

import minilstm as ml
from minilstm.functional.ragged import active_counts

LENGTHS = (9, 1, 14, 4, 6, 11, 2)


def data(*shape, classes=("sit", "stand", "walk"), last=False, lengths=LENGTHS, seed=0):
    """Sequences whose labels depend on them."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((n, *(shape or (3,)))) for n in lengths]
    names = np.array(classes)
    y = [names[(a.reshape(len(a), -1)[:, 0] * 2).astype(int) % len(names)] for a in x]
    return x, np.array([a[-1] for a in y]) if last else y


def options(**given):
    known = {"max_epochs": 3, "mini_batch_size": 3, "verbose": False, "dtype": "float64"}
    return ml.TrainingOptions(given.pop("solver", "adam"), **{**known, **given})


def train(layers, given=None, loss=None, weights=None, **chosen):
    x, y = given or data()
    return ml.train(x, y, layers, loss, options(**chosen), step_weights=weights)


def same_training(do):
    """Train on both backends; the same network and history, in NumPy arrays."""
    (net, info), (want, want_info) = on_both(do)
    # The solver divides rounding by its own size where the true gradient is 0.
    assert_near(net.parameters, want.parameters, "float64", times=1000)
    assert_near(net.statistics, want.statistics, "float64", times=1000)
    columns = [c for c in want_info.history if c != "time"]
    assert list(info.history) == list(want_info.history)
    for column in columns:
        np.testing.assert_allclose(
            info.history[column], want_info.history[column], rtol=1e-9, err_msg=column
        )
    assert info.stop_reason == want_info.stop_reason
    assert (info.backend, info.output_iteration) == ("cupy", want_info.output_iteration)
    assert all(p.flags.f_contiguous for p in net.parameters.values())
    return net, info


NETWORKS = {
    "sequence": (lambda: chain(ml.LSTM(6), out=3), {}),
    "last": (lambda: chain(ml.LSTM(6, "last"), out=3), {"last": True}),
    "bilstm": (lambda: chain(ml.BiLSTM(4), out=3), {}),
    "deep": (
        lambda: chain(
            ml.LSTM(5), ml.Dropout(0.4), ml.LSTM(4, "last"), ml.Dropout(0.2), out=3
        ),
        {"last": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_trainings_are_those_of_numpy(cupy_backend, name):
    layers, how = NETWORKS[name]
    same_training(lambda: train(layers(), data(**how)))


@pytest.mark.parametrize("statistics", ["population", "moving"])
def test_a_camera_network_learns_with_its_statistics(cupy_backend, statistics):
    given = data(7, 6, 2, last=True)
    net, _ = same_training(
        lambda: train(camera(), given, batch_normalization_statistics=statistics)
    )
    assert all(type(s) is np.ndarray for s in net.statistics.values())


@pytest.mark.parametrize("solver", ["adam", "sgdm", "rmsprop"])
@pytest.mark.parametrize("method", ["l2norm", "global-l2norm", "absolute-value"])
def test_every_solver_and_bound_steps_as_on_numpy(cupy_backend, solver, method):
    layers = chain(
        ml.LSTM(5, bias_learn_rate_factor=(1, 2, 0, 1), input_weights_l2_factor=(1, 0, 2, 1)),
        out=3,
    )
    bound = {"gradient_threshold": 0.05, "gradient_threshold_method": method}
    same_training(lambda: train(layers, solver=solver, **bound))


@pytest.mark.parametrize(
    "how",
    [
        {"shuffle": "every-epoch"},
        {"sequence_length": "longest", "sequence_padding_direction": "left"},
        {"sequence_length": 4},
        {"bptt_truncation": 3},
        {"memory_budget": 1.0},
        {"metrics": ["accuracy"]},
        {"metrics": ["accuracy", "fscore", "auc"]},
        {"l2_regularization": 0.1, "drop_partial_batch": True},
    ],
    ids=str,
)
def test_options_mean_what_they_mean_on_numpy(cupy_backend, monkeypatch, how):
    monkeypatch.setattr("minilstm.network.passes.memory.span_rows", lambda *_: 8)
    same_training(lambda: train(chain(ml.LSTM(5), out=3), **how))


def test_class_weights_ignored_labels_and_step_weights(cupy_backend):
    x, y = data(classes=["sit", "stand", "walk", "unknown"])
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 2, len(a)) for a in y]
    loss = ml.CrossEntropy("inverse-frequency", ignored_labels=["unknown"])
    same_training(lambda: train(chain(ml.LSTM(5), out=3), (x, y), loss, weights))


@pytest.mark.parametrize("loss", ["mse", "half-mse", "mae", "huber"])
def test_regression(cupy_backend, loss):
    x, _ = data()
    layers = [ml.SequenceInput(3, "zscore"), ml.LSTM(5), ml.FullyConnected(2)]
    y = [np.cumsum(a[:, :2], axis=0) for a in x]
    same_training(lambda: train(layers, (x, y), loss, metrics=["rmse"]))


def test_several_inputs_and_outputs(cupy_backend):
    x, y = data()
    given = [[a[:, :2] for a in x], x], [[np.where(a == "sit", "a", "b") for a in y], x]
    given[1][1] = [a[:, :1] for a in x]
    same_training(lambda: train(two_in_two_out(), given, ["crossentropy", "mse"]))


def test_a_loss_of_two_functions_gets_numpy_arrays(cupy_backend):
    def value(y, t):
        assert type(y) is type(t) is np.ndarray
        return float(np.square(y - t).mean())

    x, _ = data()
    y = [a[:, :1] for a in x]
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(1)]
    loss = value, lambda y, t: 2 * (y - t) / y.size
    same_training(lambda: train(layers, (x, y), loss))


# ---------------------------------------------------------------- what users see on the way


def test_validation_the_best_network_and_what_an_output_function_gets(cupy_backend):
    seen = []

    def look(told):
        assert {type(p) for p in told.network.parameters.values()} == {np.ndarray}
        seen.append((told.state, told.training_loss, told.network.predict(data()[0][:2])))

    def do():
        seen.clear()
        how = {"validation_data": data(seed=5), "validation_frequency": 2, "output_fcn": look}
        more = {"output_network": "best-validation", "initial_learn_rate": 0.3}
        trained = train(chain(ml.LSTM(5), out=3), metrics=["accuracy"], **how, **more)
        assert trained[1].output_iteration < trained[1].history["iteration"][-1]
        return *trained, list(seen)

    (net, info, told), (want, want_info, want_told) = on_both(do)
    assert_near(net.parameters, want.parameters, "float64")
    assert info.output_iteration == want_info.output_iteration
    assert [a[0] for a in told] == [a[0] for a in want_told] and len(told) == 11
    assert_near([a[2] for a in told], [a[2] for a in want_told], "float64")


def test_checkpoints_are_files_of_numpy_arrays(cupy_backend, tmp_path):
    with ml.use_backend("cupy"):
        net, _ = train(chain(ml.LSTM(5), ml.Dropout(0.5), out=3), checkpoint_path=tmp_path)
        again, _ = ml.resume(sorted(tmp_path.iterdir())[0], *data())
    assert bits(again) == bits(net)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    with ml.use_backend("numpy"):
        assert_near(ml.load(files[-1]).parameters, net.parameters, "float64")


def test_training_goes_on_from_a_trained_network(cupy_backend):
    def do():
        first, _ = train(chain(ml.LSTM(5), out=3), max_epochs=1)
        before = {k: p.copy() for k, p in first.parameters.items()}
        result = train(first, max_epochs=2)
        assert all((before[k] == p).all() for k, p in first.parameters.items())
        return result

    same_training(do)


def test_a_training_gives_the_same_bits_every_time(cupy_backend):
    with ml.use_backend("cupy"):
        nets = [train(chain(ml.LSTM(5), ml.Dropout(0.3), out=3), dtype="float32")[0] for _ in "ab"]
    first, second = ({k: p.tobytes() for k, p in net.parameters.items()} for net in nets)
    assert first == second


# ---------------------------------------------------------------- ends


def test_ctrl_c_returns_the_network_so_far_in_numpy_arrays(cupy_backend, monkeypatch):
    layers = chain(ml.LSTM(5), out=3)
    with ml.use_backend("cupy"):
        want, _ = train(layers, max_epochs=2)
        interrupt_at(monkeypatch, 7)
        net, info = train(layers, max_epochs=9)
    assert info.stop_reason == "Stopped by Ctrl-C after 6 of 27 iterations."
    assert {k: p.tobytes() for k, p in net.parameters.items()} == {
        k: p.tobytes() for k, p in want.parameters.items()
    }
    assert type(net.parameters["fc/bias"]) is np.ndarray


@pytest.mark.parametrize("rate", [1e200, 1e308], ids=["loss", "last update"])
def test_a_divergence_carries_the_last_good_network_in_numpy_arrays(cupy_backend, rate):
    def do():
        layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(1)]
        x, _ = data()
        y = [1000 * a[:, :1] for a in x]
        epochs = 3 if rate == 1e200 else 1
        with pytest.raises(ml.DivergedError) as error:
            train(
                layers, (x, y), "mse", initial_learn_rate=rate, max_epochs=epochs, solver="sgdm",
                mini_batch_size=99,
            )  # fmt: skip
        return error.value

    got, want = on_both(do)
    assert str(got) == str(want)
    assert {type(p) for p in got.network.parameters.values()} == {np.ndarray}
    assert_near(got.network.parameters, want.network.parameters, "float64")


# ---------------------------------------------------------------- where it runs


def test_the_environment_gpu_is_the_backend_cupy(cupy_backend):
    with ml.use_backend("auto"):
        net, info = train(chain(ml.LSTM(5), out=3), execution_environment="gpu")
        assert info.backend == "cupy" and ml.backend.current_backend().name != "cupy"
    with ml.use_backend("cupy"):
        want, info = train(chain(ml.LSTM(5), out=3))
        assert info.backend == "cupy"
        with pytest.raises(
            ValueError, match=r"^execution_environment is 'cpu', but the backend 'c"
        ):
            train(chain(ml.LSTM(5), out=3), execution_environment="cpu")
    assert_near(net.parameters, want.parameters, "float64")
    with (
        ml.use_backend("numpy"),
        pytest.raises(ValueError, match=r"^execution_environment is 'gpu'"),
    ):
        train(chain(ml.LSTM(5), out=3), execution_environment="gpu")


# ---------------------------------------------------------------- what moves


BATCHES = -(-len(LENGTHS) // 3)


def counted(epochs, shuffle="once", **how):
    """What a training moved: arrays and bytes up, arrays and bytes down."""
    layers = [ml.SequenceInput(3, "zscore"), ml.LSTM(5), ml.Dropout(0.2), ml.LSTM(4, "last")]
    layers += [ml.FullyConnected(3), ml.Softmax()]
    given = data(last=True)
    with ml.use_backend("cupy"), ml.count_transfers() as moved:
        train(layers, given, max_epochs=epochs, shuffle=shuffle, gradient_threshold=1.0, **how)
    return np.array([moved.to_device, moved.to_device_bytes, moved.to_host, moved.to_host_bytes])


def test_the_data_go_up_once_and_a_step_reads_back_only_its_loss(cupy_backend):
    counted(1)  # small tables of where sequences end stay on the device from here on
    one, two, five = (counted(epochs) for epochs in (1, 2, 5))
    learnables, constants = 8, 2
    assert one[0] == learnables + constants + 2 * BATCHES  # rows and class numbers
    assert one[2] == learnables + BATCHES
    more = two - one
    assert more[:2].tolist() == [0, 0]
    assert more[2:].tolist() == [BATCHES, BATCHES * 16]  # the loss, and how many were right
    assert (five - one == 4 * more).all()


def test_nothing_but_a_result_makes_the_host_wait(cupy_backend):
    cupy = sys.modules["cupy"]
    if cupy.ndarray is not cuda_shim.arrays.ndarray:
        pytest.skip("a device does not count what waits for it")
    waits, seen = [], cuda_shim.counts
    for epochs in (1, 2, 5):
        before = seen.synchronisations
        counted(epochs)
        waits.append(seen.synchronisations - before)
    assert waits[1] - waits[0] == BATCHES and waits[2] - waits[1] == 3 * BATCHES
    with ml.use_backend("cupy"):
        net, _ = train(chain(ml.LSTM(5), out=3))
        x, stream = data()[0], net.stream()
        for do in (lambda: net.predict(x), lambda: stream.step(x[0][0])):
            do()
            before = seen.synchronisations
            do()
            assert seen.synchronisations == before + 1


def test_shuffled_batches_go_up_once_an_epoch(cupy_backend):
    counted(3, shuffle="every-epoch")
    two, three = (counted(epochs, shuffle="every-epoch") for epochs in (2, 3))
    rows = 8 * 3 * sum(LENGTHS) + 8 * len(LENGTHS)  # features in float64, class numbers
    assert (three - two)[:2].tolist() == [2 * BATCHES, rows]
    assert (three - two)[2] == BATCHES


def test_new_lengths_bring_a_few_small_tables(cupy_backend):
    with ml.use_backend("cupy"):
        net, _ = train(chain(ml.LSTM(5), ml.LSTM(4), out=3))
        for lengths in ([31, 17, 23], [29, 29]):
            x = data(lengths=lengths)[0]
            with ml.count_transfers() as first:
                net.predict(x)
            with ml.count_transfers() as second:
                net.predict(x)
            assert (second.to_device, second.to_device_bytes) == (1, 8 * 3 * sum(lengths))
            assert first.to_device <= second.to_device + 6 + 5
            tables = first.to_device_bytes - second.to_device_bytes
            assert tables <= sum(p.nbytes for p in net.parameters.values()) + 2 * 8 * len(lengths)


@pytest.mark.parametrize("budget", ["auto", 1.0])
def test_a_step_in_spans_moves_its_losses_only(cupy_backend, monkeypatch, budget):
    monkeypatch.setattr("minilstm.network.passes.memory.span_rows", lambda *_: 8)
    layers = chain(ml.LSTM(5), out=3)
    moved = []
    for epochs in (1, 3, 4):
        with ml.use_backend("cupy"), ml.count_transfers() as counts:
            net, _ = train(layers, max_epochs=epochs, mini_batch_size=7, memory_budget=budget)
        moved.append(counts)
    spans = len(net.plan_memory(active_counts(-np.sort(-np.array(LENGTHS))), budget).spans)
    assert spans > 4
    assert moved[2].to_device == moved[1].to_device
    assert moved[2].to_host == moved[1].to_host + spans


def test_a_thousand_steps_leave_nothing_behind(cupy_backend):
    """Every array that a step makes is to be gone after the next one."""
    gc.collect()  # what other tests have left in circles would go at some step
    pool = importlib.import_module("cupy").get_default_memory_pool()
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 2)) for n in (4, 3, 3)]
    y = [np.where(a[:, 0] > 0, "up", "down") for a in x]
    layers = [ml.SequenceInput(2), ml.LSTM(3), ml.Dropout(0.3), ml.BiLSTM(2)]
    layers += [ml.FullyConnected(2), ml.Softmax()]
    used = []
    options = ml.TrainingOptions(
        max_epochs=500,
        mini_batch_size=2,
        gradient_threshold=1,
        verbose=False,
        execution_environment="gpu",
        output_fcn=lambda told: used.append(pool.used_bytes()),
    )
    _, info = ml.train(x, y, layers, options=options)
    assert info.history["iteration"][-1] == 1000
    # First of all the start is told, last the end; the tables of both batches stay.
    assert len(used) == 1002 and len(set(used[2:-1])) == 1
