"""What tells the best network: a metric with a direction, and what is done where it is NaN.
Metrics see all digits of the targets, and neither they nor output functions write into anything.
"""

import math
import re

import numpy as np
import pytest
from agreement import bits
from builders import regressor, running_sums, train_regressor

import minilstm as ml


def error(y, t):
    """A metric that is small for a good network."""
    return float(np.sqrt(((y - t) ** 2).mean()))


def train(x, y, loss="crossentropy", step_weights=None, **options):
    """A quiet training of a small classifier of two classes."""
    layers = [ml.SequenceInput(3), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    options = ml.TrainingOptions(verbose=False, **options)
    return ml.train(x, y, layers, loss, options, step_weights=step_weights)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_an_objective_that_is_a_function_goes_in_its_direction(direction):
    x, y = running_sums()
    net, info = train_regressor(
        x, y, regressor(), max_epochs=20, initial_learn_rate=0.02, validation_data=(x, y),
        validation_frequency=1, metrics=[error], objective_metric_name="error",
        objective_direction=direction,
    )  # fmt: skip
    measured = info.history["validation_error"]
    best = {"minimize": measured.argmin, "maximize": measured.argmax}[direction]()
    assert info.output_iteration == best and measured.min() < measured.max()
    assert net.evaluate(x, y, metrics=[error])["error"] == pytest.approx(measured[best], rel=1e-6)


def test_an_objective_that_is_never_measured_gives_the_last_network_and_says_so():
    x = [np.random.default_rng(n).normal(size=(10, 3)) for n in (0, 1)]
    y = [np.arange(10) % 2] * 2
    options = {"max_epochs": 4, "validation_data": (x, [np.zeros(10, int)] * 2), "metrics": ["auc"]}
    last, _ = train(x, y, **options)
    options |= {"validation_frequency": 1, "validation_patience": 2}
    with pytest.warns(UserWarning, match="auc is NaN") as told:
        net, info = train(x, y, **options, objective_metric_name="auc")
    assert [str(w.message) for w in told] == [
        "the validation auc is NaN after 0 iterations; such a validation chooses no network and "
        "does not count for validation_patience: give validation_data of which it can be computed, "
        "or another objective_metric_name."
    ]
    assert info.output_iteration == 4 and info.stop_reason == "All 4 epochs are done."
    assert bits(net) == bits(last)


def test_a_batch_of_ignored_labels_has_no_loss_and_no_accuracy():
    x = [np.ones((3, 3))] * 2
    y = [np.array(["-", "-", "-"]), np.array(["a", "b", "a"])]
    loss = ml.CrossEntropy(ignored_labels=["-"])
    _, info = train(
        x, y, loss=loss, max_epochs=1, mini_batch_size=1, shuffle="never", metrics=["accuracy"]
    )
    for column in ("loss", "accuracy"):
        first, second = info.history[column]
        assert math.isnan(first) and 0 < second < 2


def test_metrics_and_losses_of_numbers_see_all_digits():
    y = [1.7e9 + np.array([10.0, -10, 10, -10])]  # float32 knows steps of 128 here
    layers = [ml.SequenceInput(1), ml.FullyConnected(1, weights=[[0.0]], bias=[1.7e9])]
    net = ml.assemble(layers).replace(losses=["mae"])
    x = [np.zeros((4, 1))]
    found = net.evaluate(x, y, metrics=[error])
    assert found == {"loss": 10.0, "rmse": 10.0, "error": 10.0}
    options = ml.TrainingOptions(
        max_epochs=1, verbose=False, metrics=["rmse", error], validation_data=(x, y)
    )
    with pytest.warns(UserWarning, match="y holds response 0 .* but float32 loses its differences"):
        _, info = ml.train(x, y, net, options=options)
    assert info.history["rmse"][1] == info.history["error"][1] == 10
    assert info.history["validation_rmse"][0] == info.history["validation_loss"][0] == 10


def erase_targets(y, t):
    """A metric that writes into what it is lent."""
    t.fill(0)
    return 0.0


def erase_predictions(y, t):
    """Another."""
    y[:] = 0
    return 0.0


def erase_network(info):
    """An output function that writes into the network that it is shown."""
    for array in info.network.parameters.values():
        array[:] = 0


@pytest.mark.parametrize(
    "option",
    [{"metrics": [erase_targets]}, {"metrics": [erase_predictions]}, {"output_fcn": erase_network}],
)
def test_what_users_write_cannot_change_the_training(option):
    x, y = running_sums()
    with pytest.raises(ValueError, match=r"read-only|WRITEABLE") as caught:
        train_regressor(x, y, regressor(), max_epochs=2, **option)
    assert caught.value.network.evaluate(x, y)["rmse"] > 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"initial_learn_rate": 1e-50},
         "initial_learn_rate is 1e-50, which is 0 in float32; give a larger one, or train with "
         "dtype='float64'."),
        ({"epsilon": 1e-50},
         "epsilon is 1e-50, which is 0 in float32; give a larger one, or train with "
         "dtype='float64'."),
        ({"step_weights": [np.full(10, 1e-60)] * 2},
         "every weight of y is 0 in float32, so no answer is left; give larger weights to the "
         "steps and classes, or train with dtype='float64'."),
        ({"loss": ml.CrossEntropy(class_weights=[1e-50, 1e-50])},
         "every weight of y is 0 in float32, so no answer is left; give larger weights to the "
         "steps and classes, or train with dtype='float64'."),
        ({"step_weights": [np.zeros(10)] * 2},
         "every answer of y has weight 0, so no answer is left; give a weight above 0 to a step, "
         "or to a class, that occurs."),
        ({"step_weights": [np.full(10, np.nan)] * 2},
         "step_weights[0] holds nan; give finite weights of at least 0."),
        ({"y": [[10**30, 1] * 5] * 2}, f"y[0] holds the label {10**30}, beyond 64-bit integers; "
         "use smaller numbers, or strings."),
        ({"y": [[2**63, 1] * 5] * 2}, f"y[0] holds the label {2**63}, beyond 64-bit integers; "
         "use smaller numbers, or strings."),
    ],
)  # fmt: skip
def test_numbers_that_are_lost_are_named(call, says):
    x = [np.ones((10, 3))] * 2
    with pytest.raises(ValueError, match="^" + re.escape(says) + "$"):
        train(**{"x": x, "y": [np.arange(10) % 2] * 2, "max_epochs": 1, **call})


def test_a_weight_that_is_0_beside_others_is_only_small():
    x, y = [np.ones((10, 3))] * 2, [np.arange(10) % 2] * 2
    tiny, none = ([np.r_[np.ones(9), w]] * 2 for w in (1e-60, 0.0))
    nets = [train(x, y, max_epochs=2, step_weights=w)[0] for w in (tiny, none)]
    assert bits(nets[0]) == bits(nets[1])
