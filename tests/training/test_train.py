"""The training loop: every option changes what its name says, and nothing else.
Tiny networks on the NumPy backend; what is shown and how a training ends is in test_train_ends."""

import numpy as np
import pytest
from agreement import bits
from builders import up_or_down as data

import minilstm as ml

pytestmark = pytest.mark.usefixtures("on_numpy")


def layers(mean=None, normalization="none", **options):
    return [
        ml.SequenceInput(1, normalization, mean),
        ml.LSTM(3, "last", **options),
        ml.FullyConnected(2),
        ml.Softmax(),
    ]


def train(x, y, net=None, **options):
    return ml.train(x, y, net or layers(), options=ml.TrainingOptions(verbose=False, **options))


# ---------------------------------------------------------------- mini-batches


@pytest.fixture
def batches(monkeypatch):
    """The number of each sequence of each mini-batch, for data of `numbered`, as they come."""
    seen = []
    real = ml.Network.loss_and_gradients

    def recording(self, batch, **options):
        numbers = batch.signals[0].rows[:, 0].astype(int).tolist()
        labels = batch.targets[0].tolist()
        assert labels == [n % 2 for n in numbers]  # labels stay with their sequences
        seen.append(numbers)
        return real(self, batch, **options)

    monkeypatch.setattr(ml.Network, "loss_and_gradients", recording)
    return seen


def numbered(count):
    return [np.array([[float(b)]]) for b in range(count)], np.arange(count) % 2


def epochs(batches, count):
    """The order of the sequences in each epoch."""
    joined = [number for batch in batches for number in batch]
    return [joined[n : n + count] for n in range(0, len(joined), count)]


def test_shuffle_never_keeps_the_order(batches):
    train(*numbered(7), max_epochs=2, mini_batch_size=3, shuffle="never")
    assert batches == [[0, 1, 2], [3, 4, 5], [6]] * 2


def test_shuffle_once_draws_one_order_and_keeps_it(batches):
    train(*numbered(9), max_epochs=3, mini_batch_size=4)
    first, *others = epochs(batches, 9)
    assert sorted(first) == list(range(9)) and first != list(range(9))
    assert others == [first, first]
    assert [len(b) for b in batches] == [4, 4, 1] * 3


def test_shuffle_every_epoch_draws_a_new_order_each_time(batches):
    train(*numbered(9), max_epochs=4, mini_batch_size=4, shuffle="every-epoch")
    orders = epochs(batches, 9)
    assert all(sorted(order) == list(range(9)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize("shuffle", ["once", "every-epoch"])
def test_the_order_comes_from_the_seed(batches, shuffle):
    for seed in (1, 1, 2):
        train(*numbered(9), max_epochs=2, mini_batch_size=4, shuffle=shuffle, seed=seed)
    one, again, other = batches[:6], batches[6:12], batches[12:]
    assert one == again != other


def test_the_last_partial_mini_batch_is_used_or_dropped(batches):
    options = {"max_epochs": 2, "mini_batch_size": 2, "shuffle": "never"}
    _, info = train(*numbered(5), **options)
    assert batches == [[0, 1], [2, 3], [4]] * 2
    assert info.history["iteration"].tolist() == [1, 2, 3, 4, 5, 6]
    assert info.history["epoch"].tolist() == [1, 1, 1, 2, 2, 2]
    batches.clear()
    _, info = train(*numbered(5), **options, drop_partial_batch=True)
    assert batches == [[0, 1], [2, 3]] * 2
    assert info.history["epoch"].tolist() == [1, 1, 2, 2]


def test_a_set_smaller_than_the_mini_batch_is_never_dropped(batches):
    for drop in (False, True):
        _, info = train(*numbered(5), max_epochs=2, shuffle="never", drop_partial_batch=drop)
        assert len(info.history["loss"]) == 2
    assert batches == [[0, 1, 2, 3, 4]] * 4


# ---------------------------------------------------------------- steps of the solver


@pytest.mark.parametrize("method", ["l2norm", "global-l2norm", "absolute-value"])
def test_a_threshold_above_the_gradient_changes_no_bit(method):
    x, y = data()
    plain, _ = train(x, y, max_epochs=3)
    bound, _ = train(x, y, max_epochs=3, gradient_threshold=1e3, gradient_threshold_method=method)
    assert bits(bound) == bits(plain)


def test_a_learn_rate_factor_of_zero_freezes_what_it_is_of():
    x, y = data()
    start = layers(recurrent_weights_learn_rate_factor=0.0)
    net = ml.Network(start, rng=np.random.default_rng(5), dtype="float64")
    frozen, _ = train(x, y, net, max_epochs=5, dtype="float64")
    before, after = bits(net), bits(frozen)
    assert [key for key in before if before[key] == after[key]] == ["lstm/recurrent_weights"]


# ---------------------------------------------------------------- history and results


def test_the_history_holds_loss_and_accuracy_before_each_update():
    x, y = data()
    start = ml.Network(layers(), rng=np.random.default_rng(5), classes=["down", "up"])
    _, info = train(x, y, start, max_epochs=3, metrics=["accuracy"], seed=7)
    assert list(info.history) == ["iteration", "epoch", "time", "learning_rate", "loss", "accuracy"]
    before = start.evaluate(x, y)
    assert info.history["loss"][0] == pytest.approx(before["loss"], rel=1e-6)
    assert info.history["accuracy"][0] == before["accuracy"]
    after, _ = train(x, y, start, max_epochs=2)
    assert info.history["loss"][2] == pytest.approx(after.evaluate(x, y)["loss"], rel=1e-6)
    assert (np.diff(info.history["time"]) >= 0).all() and info.seconds >= info.history["time"][-1]
    assert info.stop_reason == "All 3 epochs are done." and info.output_iteration == 3
    assert (info.backend, info.seed) == ("numpy", 7)
    assert all(len(column) == 3 for column in info.history.values())


def test_metrics_are_columns_only_when_asked_for():
    for metrics, shown in (([], False), (["accuracy"], True), ("accuracy", True)):
        _, info = train(*data(), max_epochs=1, metrics=metrics, validation_data=data(3))
        assert ("accuracy" in info.history) == shown
        assert ("validation_accuracy" in info.history) == shown
        assert "validation_loss" in info.history


def test_training_learns_and_the_loss_shown_excludes_l2():
    x, y = data(30)
    options = {"initial_learn_rate": 0.05, "mini_batch_size": 10}
    net, info = train(x, y, max_epochs=40, **options)
    assert net.evaluate(x, y)["accuracy"] > 0.9
    assert info.history["loss"][-3:].mean() < 0.5 * info.history["loss"][:3].mean()
    assert net.classes.tolist() == ["down", "up"]
    _, heavy = train(x, y, max_epochs=1, l2_regularization=1e6, mini_batch_size=30)
    _, light = train(x, y, max_epochs=1, l2_regularization=0.0, mini_batch_size=30)
    assert heavy.history["loss"][0] == light.history["loss"][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(dtype):
    options = {"max_epochs": 4, "mini_batch_size": 2, "shuffle": "every-epoch", "dtype": dtype}
    first, info = train(*data(), **options)
    again, info_again = train(*data(), **options)
    other, _ = train(*data(), **options, seed=1)
    assert bits(first) == bits(again)
    assert all(v != bits(other)[k] for k, v in bits(first).items())
    assert info.history["loss"].tobytes() == info_again.history["loss"].tobytes()
    assert first.dtype == dtype and all(v.dtype == dtype for v in first.parameters.values())
    assert first.predict(data()[0]).dtype == dtype


def test_no_global_random_state_is_read_or_changed():
    np.random.seed(0)  # noqa: NPY002
    first, _ = train(*data(), max_epochs=1)
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    again, _ = train(*data(), max_epochs=1)
    np.random.seed(0)  # noqa: NPY002
    assert bits(first) == bits(again)
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


def test_one_sequence_and_dense_batches_train_like_lists():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 5, 1))
    every_step = [ml.SequenceInput(1), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax()]
    y = (x[:, :, 0] > 0).astype(int)
    dense, _ = train(x, y, every_step, max_epochs=2)
    ragged, _ = train(list(x), list(y), every_step, max_epochs=2)
    assert bits(dense) == bits(ragged) and dense.classes.tolist() == [0, 1]
    single, _ = train(x[0], y[0], every_step, max_epochs=2)
    listed, _ = train([x[0]], [y[0]], every_step, max_epochs=2)
    assert bits(single) == bits(listed)


# ---------------------------------------------------------------- normalisation, going on


def test_a_given_mean_is_computed_anew_unless_told_otherwise():
    x, y = data()
    given = layers([7.0], "zerocenter")
    net, _ = train(x, y, given, max_epochs=1)
    assert net.layers[0].mean == pytest.approx(np.concatenate(x).mean(axis=0), rel=1e-6)
    net, _ = train(x, y, given, max_epochs=1, reset_input_normalization=False)
    assert net.layers[0].mean.tolist() == [7.0]
    assert given[0].mean.tolist() == [7.0]
    missing = layers(normalization="zerocenter")
    net, _ = train(x, y, missing, max_epochs=1, reset_input_normalization=False)
    assert net.layers[0].mean == pytest.approx(np.concatenate(x).mean(axis=0), rel=1e-6)


def test_training_goes_on_from_a_network_and_leaves_it_alone():
    x, y = data()
    net, _ = train(x, y, max_epochs=3)
    before = bits(net)
    more, info = train(x, y, net, max_epochs=1)
    assert bits(net) == before != bits(more)
    assert info.history["loss"][0] == pytest.approx(net.evaluate(x, y)["loss"], rel=1e-6)
    ups = [n for n, label in enumerate(y) if label == "up"]
    one_class, _ = train([x[n] for n in ups], y[ups], net, max_epochs=1)
    assert one_class.classes.tolist() == ["down", "up"]  # the network's, not those of the data


def test_a_float64_network_stays_float64_when_its_training_goes_on():
    rng = np.random.default_rng(0)
    x, y = [rng.normal(size=(9, 2)) for _ in range(3)], [np.arange(9) % 2 for _ in range(3)]
    layers = [ml.SequenceInput(2), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax()]
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    net, _ = ml.train(x, y, layers, options=options)
    assert net.dtype == np.float32
    wide, _ = ml.train(x, y, net.replace(dtype="float64"), options=options)
    assert wide.dtype == np.float64
