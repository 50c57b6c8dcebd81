"""Options of training, each with its effect, on networks that predict numbers.
Order, ends, reports, checkpoints, dropout, batch normalisation; expectations are computed here."""

import math

import numpy as np
import pytest
from agreement import bits
from builders import gradient_of, start
from builders import regressor as layers
from builders import running_sums as data
from builders import train_regressor as train

import minilstm as ml

# ---------------------------------------------------------------- order


@pytest.mark.parametrize("shuffle", ["never", "once", "every-epoch"])
def test_targets_and_weights_stay_with_their_sequences(shuffle):
    x = [np.full((n, 1), 10.0 * n) for n in range(1, 8)]
    y = [np.full((len(a), 1), 10.0 * len(a) + 0.5) for a in x]  # each is its input plus 0.5
    same = ml.Network(
        [ml.SequenceInput(1), ml.FullyConnected(1)],
        {"fc/weights": [[1.0]], "fc/bias": [0.0]},
        dtype="float64",
    )
    weights = [np.full(len(a), float(len(a))) for a in x]
    seen = []
    train(
        x, y, same, (lambda p, t: float(seen.append((p - t).ravel()) or 0), lambda p, t: 0 * p),
        shuffle=shuffle, max_epochs=4, mini_batch_size=3, l2_regularization=0.0,
    )  # fmt: skip
    assert len(seen) == 12 and all((part == -0.5).all() for part in seen)
    orders = [[len(part) for part in seen[n : n + 3]] for n in range(0, 12, 3)]
    assert len({tuple(order) for order in orders}) == (1 if shuffle != "every-epoch" else 4)
    _, info = train(
        x, y, same, "mse", shuffle=shuffle, mini_batch_size=1, max_epochs=1, step_weights=weights,
        initial_learn_rate=1e-30,
    )  # fmt: skip
    assert sorted((info.history["loss"] / 0.25).round(9).tolist()) == [1, 2, 3, 4, 5, 6, 7]


# ---------------------------------------------------------------- ends and reports


@pytest.mark.parametrize(
    "schedule",
    [
        "none", "piecewise", "warmup", "cosine", "cyclical", "exponential", "polynomial",
        lambda epoch, iteration: 0.01 / iteration,
    ],
)  # fmt: skip
def test_the_rate_in_the_history_is_the_rate_of_the_step(schedule):
    x, y = data()
    net = start([ml.SequenceInput(2), ml.FullyConnected(1)])
    before, rates, steps = net, [], []

    def watch(told):
        nonlocal before
        if told.state == "iteration":
            g, _ = gradient_of(x, y, before)
            moved = before.parameters["fc/bias"] - told.network.parameters["fc/bias"]
            rates.append(told.learn_rate)
            steps.append(moved.item() / g["fc/bias"].item())
            before = told.network

    options = ml.TrainingOptions(learn_rate_schedule=schedule, max_epochs=12)
    _, info = train(
        x, y, net, solver="sgdm", momentum=0.0, max_epochs=12, learn_rate_schedule=schedule,
        initial_learn_rate=0.001, l2_regularization=0.0, output_fcn=watch,
    )  # fmt: skip
    np.testing.assert_allclose(steps, rates, rtol=1e-6, atol=1e-12)
    assert info.history["learning_rate"].tolist() == rates
    assert rates == [options.learn_rate(n, n, 12) for n in range(1, 13)]
    assert (len(set(rates)) > 1) == (schedule != "none")


def test_output_functions_see_every_row_and_may_stop():
    x, y = data()
    told = []

    def watch(record):
        told.append(record)
        return record.iteration == 3

    net, info = train(
        x, y, layers(), max_epochs=9, metrics=["rmse"], validation_data=(x, y),
        validation_frequency=2, output_fcn=[watch, lambda record: None],
    )  # fmt: skip
    assert [t.state for t in told] == ["start", "iteration", "iteration", "iteration", "done"]
    assert info.stop_reason == "Stopped by output_fcn after 3 of 9 iterations."
    assert info.history["iteration"].tolist() == [0, 1, 2, 3] and info.output_iteration == 3
    assert [t.training_loss for t in told[1:4]] == info.history["loss"][1:].tolist()
    assert [t.metrics["rmse"] for t in told[1:4]] == info.history["rmse"][1:].tolist()
    assert told[0].validation_loss == info.history["validation_loss"][0]
    assert math.isfinite(told[0].validation_loss) and math.isnan(told[1].validation_loss)
    assert told[2].validation_loss == info.history["validation_loss"][2]
    assert bits(told[3].network) == bits(net)
    _, none = train(x, y, layers(), max_epochs=9, output_fcn=lambda record: True)
    assert none.stop_reason == "Stopped by output_fcn before the first iteration."
    assert len(none.history["loss"]) == 0  # without validation data nothing was measured


def test_the_objective_metric_chooses_the_network():
    x, y = data()
    held = [-t for t in y]
    options = {
        "max_epochs": 40, "initial_learn_rate": 0.05, "validation_frequency": 1,
        "validation_data": (x, held), "metrics": ["rmse"],
    }  # fmt: skip
    last, info = train(x, y, layers(), **options)
    assert info.output_iteration == 40
    by_rmse, chosen = train(x, y, layers(), objective_metric_name="rmse", **options)
    assert 0 <= chosen.output_iteration < 40 and bits(by_rmse) != bits(last)
    best = np.nanmin(chosen.history["validation_rmse"])
    assert chosen.output_iteration == 0 or by_rmse.evaluate(x, held)["rmse"] == best


def test_checkpoints_are_networks_of_their_iterations(tmp_path):
    x, y = data()
    told = {}
    train(
        x, y, layers(), max_epochs=4, mini_batch_size=3, checkpoint_path=tmp_path,
        checkpoint_frequency=2, output_fcn=lambda t: told.update({t.iteration: bits(t.network)}),
    )  # fmt: skip
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [
        "checkpoint-epoch-0002-iteration-000004.safetensors",
        "checkpoint-epoch-0004-iteration-000008.safetensors",
    ]
    half = ml.load(tmp_path / names[0])
    assert bits(half) == told[4] and bits(ml.load(tmp_path / names[1])) == told[8]
    assert half.evaluate(x, y)["rmse"] > 0  # it knows that it is one of regression
    more, _ = train(x, y, half, max_epochs=1)
    assert bits(more) != bits(half)


def test_checkpoints_by_iteration(tmp_path):
    x, y = data()
    train(
        x, y, layers(), max_epochs=2, mini_batch_size=2, checkpoint_path=tmp_path,
        checkpoint_frequency=3, checkpoint_frequency_unit="iteration",
    )  # fmt: skip
    assert sorted(p.name[-16:-12] for p in tmp_path.iterdir()) == ["0003", "0006"]


def test_the_table_and_the_csv_show_every_metric(tmp_path, capsys):
    def largest_error(y, t):
        return float(abs(y - t).max())

    x, y = data()
    _, info = train(
        x, y, layers(), max_epochs=2, metrics=["rmse", largest_error], validation_data=(x, y),
        validation_frequency=1, verbose=True,
    )  # fmt: skip
    wanted = [
        "Iteration", "Epoch", "Seconds", "LearnRate", "Loss", "RMSE", "largest_error",
        "ValidationLoss", "ValidationRMSE", "Validationlargest_error",
    ]  # fmt: skip
    shown = [line for line in capsys.readouterr().out.splitlines() if "RMSE" in line]
    assert [line.split() for line in shown] == [[*wanted, "TimeLeft"]]
    table = str(info).splitlines()
    assert table[0].split() == wanted and len({len(line) for line in table[:3]}) == 1
    header, *rows = info.to_csv(tmp_path / "history.csv").read_text().splitlines()
    assert header.split(",") == list(info.history) and len(rows) == 3
    assert float(rows[1].split(",")[5]) == info.history["rmse"][1]


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_comes_from_the_seed_for_any_number_of_threads(numba_backend, set_threads, dtype):
    x, y = data((40, 25, 31, 18, 22, 9, 33), seed=5)
    net = [ml.SequenceInput(2), ml.LSTM(9), ml.Dropout(0.3), ml.LSTM(8), ml.Dropout(), ml.ReLU(),
           ml.FullyConnected(1)]  # fmt: skip
    options = {"max_epochs": 3, "mini_batch_size": 4, "shuffle": "every-epoch", "dtype": dtype}
    trained = []
    with ml.use_backend(numba_backend.name):
        for threads in (1, 2, 4, 2):
            set_threads(threads)
            trained.append(bits(train(x, y, net, **options)[0]))
        small, _ = train(x, y, net, memory_budget=20_000, **options)
        other, _ = train(x, y, net, seed=1, **options)
    assert all(t == trained[0] for t in trained)
    assert bits(small) == trained[0]  # however the batch is cut into spans
    assert all(v != trained[0][k] for k, v in bits(other).items())


def test_dropout_draws_anew_at_every_step_and_does_nothing_in_prediction():
    x, y = data()
    net = [ml.SequenceInput(2), ml.Dropout(0.5), ml.FullyConnected(1)]
    told = []
    train(x, y, net, max_epochs=5, initial_learn_rate=1e-300, output_fcn=told.append)
    losses = [t.training_loss for t in told if t.state == "iteration"]
    assert len(set(losses)) == 5  # the parameters are the same, the masks are not
    still = told[-1].network
    assert (still.predict(x[0]) == still.predict(x[0])).all()
    W, b = still.parameters["fc/weights"], still.parameters["fc/bias"]
    np.testing.assert_allclose(still.predict(x[0]), x[0] @ W.T + b, rtol=1e-12)


# ---------------------------------------------------------------- batch normalisation


def test_statistics_of_the_population_and_moving_ones():
    x, y = data((3, 5, 2, 4, 6, 3))
    net = [ml.SequenceInput(2), ml.BatchNormalization(), ml.FullyConnected(1)]
    options = {"max_epochs": 2, "mini_batch_size": 2}
    whole, _ = train(x, y, net, batch_normalization_statistics="population", **options)
    moving, _ = train(x, y, net, batch_normalization_statistics="moving", **options)
    auto, _ = train(x, y, net, **options)
    every = np.concatenate(x)
    statistics = whole.statistics
    np.testing.assert_allclose(statistics["bn/trained_mean"], every.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(statistics["bn/trained_variance"], every.var(axis=0), rtol=1e-12)
    assert bits(auto) == bits(whole)
    mean, variance = np.zeros(2), np.ones(2)
    for _ in range(2):
        for n in (0, 2, 4):
            rows = np.concatenate(x[n : n + 2])
            mean = 0.9 * mean + 0.1 * rows.mean(axis=0)
            variance = 0.9 * variance + 0.1 * rows.var(axis=0)
    statistics = moving.statistics
    np.testing.assert_allclose(statistics["bn/trained_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(statistics["bn/trained_variance"], variance, rtol=1e-12)
    assert all((whole.parameters[k] == p).all() for k, p in moving.parameters.items())
