"""Training on numbers: losses, solvers and padding against formulas written out by hand.
Networks without a recurrent layer have gradients of one line, so whole steps are checked."""

import math

import numpy as np
import pytest
from builders import gradient_of, running_sums, sequences, start
from builders import train_regressor as train

import minilstm as ml

pytestmark = pytest.mark.usefixtures("on_numpy")


LENGTHS = (3, 5, 2, 4)


def data(lengths=LENGTHS, responses=2, seed=0):
    return running_sums(lengths, responses, seed)


def dense(**options):
    return [ml.SequenceInput(2), ml.FullyConnected(2, **options)]


def recurrent(output_mode="sequence", responses=2):
    return [ml.SequenceInput(2), ml.LSTM(4, output_mode), ml.FullyConnected(responses)]


# ---------------------------------------------------------------- whole steps by hand

# Value and derivative of one error d = y - t; the sum over N rows of R is divided by N R or N.
ERRORS = {
    "mse": (lambda d: d**2, lambda d: 2 * d, True),
    "half-mse": (lambda d: d**2 / 2, lambda d: d, False),
    "mae": (abs, np.sign, True),
    "huber": (
        lambda d: np.where(abs(d) < 1, d**2 / 2, abs(d) - 0.5),
        lambda d: np.clip(d, -1, 1),
        True,
    ),
}


def loss_and_gradient(loss, W, b, x, t, weights=1.0):
    value, slope, per_element = ERRORS[loss]
    d = x @ W.T + b - t  # (N, R)
    divisor = d.size if per_element else len(d)
    dy = weights * slope(d) / divisor
    return (weights * value(d)).sum() / divisor, dy.T @ x, dy.sum(axis=0)


MOMENTUM, B1, B2, EPSILON = 0.8, 0.7, 0.95, 1e-3  # none of them is a default


def moved(solver, p, g, memory, t, rate):
    """One step of a solver as it stands in the papers."""
    if solver == "sgdm":
        v = MOMENTUM * memory.get("v", 0) - rate * g
        return p + v, {"v": v}
    v = B2 * memory.get("v", 0) + (1 - B2) * g**2
    if solver == "rmsprop":
        return p - rate * g / (np.sqrt(v) + EPSILON), {"v": v}
    m = B1 * memory.get("m", 0) + (1 - B1) * g
    step = rate * math.sqrt(1 - B2**t) / (1 - B1**t)
    return p - step * m / (np.sqrt(v) + EPSILON), {"m": m, "v": v}


@pytest.mark.parametrize("solver", ["sgdm", "rmsprop", "adam"])
@pytest.mark.parametrize("loss", list(ERRORS))
def test_three_steps_follow_the_formulas(solver, loss):
    x, y = data()
    factors = {
        "weights_learn_rate_factor": 0.5,
        "bias_learn_rate_factor": 3.0,
        "weights_l2_factor": 2.0,
        "bias_l2_factor": 0.25,
    }
    net = start(dense(**factors))
    of_solver = {
        "sgdm": {"momentum": MOMENTUM},
        "rmsprop": {"squared_gradient_decay_factor": B2, "epsilon": EPSILON},
        "adam": {"gradient_decay_factor": B1, "squared_gradient_decay_factor": B2,
                 "epsilon": EPSILON},
    }  # fmt: skip
    trained, info = train(
        x, y, net, loss, solver=solver, max_epochs=3, initial_learn_rate=0.05,
        l2_regularization=0.1, **of_solver[solver],
    )  # fmt: skip
    rows, targets = np.concatenate(x), np.concatenate(y)
    W, b = net.parameters["fc/weights"], net.parameters["fc/bias"]
    of_W, of_b, losses = {}, {}, []
    for t in (1, 2, 3):
        value, dW, db = loss_and_gradient(loss, W, b, rows, targets)
        losses.append(value)
        W, of_W = moved(solver, W, dW + 0.1 * 2.0 * W, of_W, t, 0.05 * 0.5)
        b, of_b = moved(solver, b, db + 0.1 * 0.25 * b, of_b, t, 0.05 * 3.0)
    np.testing.assert_allclose(trained.parameters["fc/weights"], W, rtol=1e-12)
    np.testing.assert_allclose(trained.parameters["fc/bias"], b, rtol=1e-12)
    np.testing.assert_allclose(info.history["loss"], losses, rtol=1e-12)


@pytest.mark.parametrize("loss", list(ERRORS))
def test_step_weights_change_the_gradient_as_the_formula_says(loss):
    x, y = data()
    rng = np.random.default_rng(4)
    weights = [rng.integers(0, 4, len(a)).astype(float) for a in x]
    net = start(dense())
    gradient, value = gradient_of(x, y, net, loss, step_weights=weights)
    want = loss_and_gradient(
        loss,
        net.parameters["fc/weights"],
        net.parameters["fc/bias"],
        np.concatenate(x),
        np.concatenate(y),
        np.concatenate(weights)[:, None],
    )
    assert value == pytest.approx(want[0], rel=1e-12)  # the divisor is the number of rows
    np.testing.assert_allclose(gradient["fc/weights"], want[1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gradient["fc/bias"], want[2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["l2norm", "global-l2norm", "absolute-value"])
def test_the_bound_comes_after_the_l2_term(method):
    x, y = data()
    net = start(dense())
    plain, _ = gradient_of(x, y, net)
    g = {"fc/weights": plain["fc/weights"] + 0.5 * net.parameters["fc/weights"]}
    g["fc/bias"] = plain["fc/bias"]
    norms = {k: np.linalg.norm(a) for k, a in g.items()}
    bound = 0.5 * min(norms.values())
    whole = math.hypot(*norms.values())
    want = {
        "l2norm": lambda k: g[k] * bound / norms[k],
        "global-l2norm": lambda k: g[k] * bound / whole,
        "absolute-value": lambda k: np.clip(g[k], -bound, bound),
    }[method]
    bounded, _ = gradient_of(
        x, y, net, l2_regularization=0.5, gradient_threshold=bound, gradient_threshold_method=method
    )
    for key in g:
        np.testing.assert_allclose(bounded[key], want(key), rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- losses against each other


def mean_squares(y, t):
    return ((y - t) ** 2).mean()


def their_gradient(y, t):
    return 2 * (y - t) / y.size


@pytest.mark.parametrize("output_mode", ["sequence", "last"])
def test_a_pair_of_functions_trains_like_the_named_loss(output_mode):
    x, y = data()
    y = y if output_mode == "sequence" else np.stack([t[-1] for t in y])
    net = start(recurrent(output_mode))
    options = {"max_epochs": 4, "mini_batch_size": 3}
    named, info = train(x, y, net, **options)
    pair, other = train(x, y, net, (mean_squares, their_gradient), **options)
    np.testing.assert_allclose(info.history["loss"], other.history["loss"], rtol=1e-12)
    for key, p in named.parameters.items():
        np.testing.assert_allclose(pair.parameters[key], p, rtol=1e-9, atol=1e-12)


def test_the_output_layer_of_older_releases_is_half_mse():
    x, y = data()
    values = start(recurrent()).parameters
    layers = [*recurrent(), ml.RegressionOutput()]
    older = ml.Network(layers, values, dtype="float64")
    net = ml.Network(recurrent(), values, dtype="float64")
    g, loss = gradient_of(x, y, older, None)
    half, of_half = gradient_of(x, y, net, "half-mse")
    mean, of_mean = gradient_of(x, y, net, "mse")
    assert loss == of_half == pytest.approx(of_mean)  # with two responses R / 2 is 1
    for key, p in g.items():
        assert (p == half[key]).all()
        np.testing.assert_allclose(p, mean[key], rtol=1e-9, atol=1e-14)
    one = [t[:, :1] for t in y]
    narrow = start(recurrent(responses=1))
    g, loss = gradient_of(x, one, narrow, "half-mse")
    double, of_double = gradient_of(x, one, narrow, "mse")
    assert of_double == pytest.approx(2 * loss)
    np.testing.assert_allclose(double["fc/bias"], 2 * g["fc/bias"], rtol=1e-9)


# ---------------------------------------------------------------- the reference's padding


def at_length(arrays, length, direction, value):
    """Padded, or cut, to one length (B, L, D)."""
    out = np.full((len(arrays), length, arrays[0].shape[1]), value)
    for row, a in zip(out, arrays, strict=True):
        n = min(len(a), length)
        if direction == "right":
            row[:n] = a[:n]
        else:
            row[length - n :] = a[len(a) - n :]
    return out


@pytest.mark.parametrize(("direction", "value"), [("right", 0.0), ("left", -1.5)])
@pytest.mark.parametrize(("length", "steps"), [("longest", 5), ("shortest", 2)])
def test_padded_steps_are_steps_with_the_value_as_target(direction, value, length, steps):
    x, y = data()
    net = start(recurrent())
    options = {"sequence_padding_direction": direction, "sequence_padding_value": value}
    g, loss = gradient_of(x, y, net, sequence_length=length, **options)
    padded = at_length(x, steps, direction, value), at_length(y, steps, direction, value)
    assert loss == pytest.approx(((net.predict(padded[0]) - padded[1]) ** 2).mean(), rel=1e-12)
    same, again = gradient_of(*padded, net)
    assert again == pytest.approx(loss, rel=1e-12)
    for key, p in g.items():
        np.testing.assert_allclose(p, same[key], rtol=1e-9, atol=1e-13)
    ragged = gradient_of(x, y, net)
    errors = np.concatenate([net.predict(a) - t for a, t in zip(x, y, strict=True)])
    assert ragged[1] == pytest.approx((errors**2).mean(), rel=1e-12) != loss


@pytest.mark.parametrize("direction", ["right", "left"])
def test_the_last_step_of_a_padded_sequence_is_a_padded_one(direction):
    x, y = data()
    y = np.stack([t[-1] for t in y])
    net = start(recurrent("last"))
    _, loss = gradient_of(
        x, y, net, sequence_length="longest", sequence_padding_direction=direction,
        sequence_padding_value=-1.5,
    )  # fmt: skip
    padded = at_length(x, 5, direction, -1.5)
    assert loss == pytest.approx(((net.predict(padded) - y) ** 2).mean(), rel=1e-12)
    assert loss != pytest.approx(((net.predict(x) - y) ** 2).mean(), rel=1e-3)


def test_padding_goes_by_the_mini_batch():
    x, y = data((2, 3, 7, 6))
    net = start(recurrent())
    _, info = train(
        x, y, net, max_epochs=1, mini_batch_size=2, sequence_length="longest",
        initial_learn_rate=1e-30,
    )  # fmt: skip
    for loss, part, longest in zip(
        info.history["loss"], (slice(2), slice(2, 4)), (3, 7), strict=True
    ):
        a, t = at_length(x[part], longest, "right", 0.0), at_length(y[part], longest, "right", 0.0)
        assert loss == pytest.approx(((net.predict(a) - t) ** 2).mean(), rel=1e-12)


def test_a_split_batch_trains_on_its_pieces_with_the_state_carried_on():
    x, y = data((5, 7, 3))
    net = start(recurrent())
    seen = []
    train(
        x, y, net, solver="sgdm", max_epochs=2, initial_learn_rate=0.1, momentum=0.0,
        l2_regularization=0.0, sequence_length=3, output_fcn=seen.append,
    )  # fmt: skip
    steps = [told for told in seen if told.state == "iteration"]
    assert [told.epoch for told in steps] == [1, 1, 1, 2, 2, 2]
    whole = at_length(x, 9, "right", 0.0), at_length(y, 9, "right", 0.0)
    for epoch in range(2):
        state = None  # every epoch starts from the initial state
        for n in range(3):
            a, t = (w[:, 3 * n : 3 * n + 3] for w in whole)
            told = steps[3 * epoch + n]
            zero = net.initial_state(3)
            out, after = net.predict(a, state=state or zero, return_state=True)
            assert told.training_loss == pytest.approx(((out - t) ** 2).mean(), rel=1e-12)
            # Along the direction of the step the loss of this piece alone changes as it says.
            moved = {k: net.parameters[k] - p for k, p in told.network.parameters.items()}
            slope = sum((g**2).sum() for g in moved.values()) / 0.1

            def loss(h, at=net, moved=moved, a=a, t=t, state=state or zero):
                values = {k: p + h * moved[k] for k, p in at.parameters.items()}
                return ((at.replace(parameters=values).predict(a, state=state) - t) ** 2).mean()

            assert (loss(1e-5) - loss(-1e-5)) / 2e-5 == pytest.approx(slope, rel=1e-7)
            net, state = told.network, after


# ---------------------------------------------------------------- from end to end


def test_the_rmse_of_the_history_is_that_of_the_mini_batch_before_the_update():
    x, y = data()
    net = start(recurrent())
    _, info = train(x, y, net, max_epochs=3, mini_batch_size=2, metrics=["rmse"])
    np.testing.assert_allclose(info.history["rmse"] ** 2, info.history["loss"], rtol=1e-12)
    first = np.concatenate([net.predict(a) - t for a, t in zip(x[:2], y[:2], strict=True)])
    assert info.history["rmse"][0] == pytest.approx(math.sqrt((first**2).mean()), rel=1e-12)


def test_normalisation_is_measured_on_the_training_data_and_stays():
    x = [5 + 3 * a for a in sequences(2, lengths=LENGTHS)]
    _, y = data()
    every = np.concatenate(x)
    inputs = ml.SequenceInput(2, "zscore")
    net, _ = train(x, y, [inputs, *recurrent()[1:]], max_epochs=2)
    scaled = [(a - every.mean(axis=0)) / every.std(axis=0) for a in x]
    plain, _ = train(scaled, y, recurrent(), max_epochs=2)
    for key, p in plain.parameters.items():
        np.testing.assert_allclose(net.parameters[key], p, rtol=1e-9, atol=1e-12)
    more, _ = train([a + 1 for a in x], y, net, max_epochs=1, reset_input_normalization=False)
    assert (more.layers[0].mean == net.layers[0].mean).all()


def test_a_network_goes_on_where_it_stopped_and_keeps_its_loss(tmp_path):
    x, y = data()
    first, _ = train(x, y, recurrent(), "mae", max_epochs=3, mini_batch_size=2)
    first.save(tmp_path / "model.safetensors")
    loaded = ml.load(tmp_path / "model.safetensors")
    for net in (first, loaded):
        measured = net.evaluate(x, y)
        errors = np.concatenate([net.predict(a) - t for a, t in zip(x, y, strict=True)])
        assert measured["loss"] == pytest.approx(abs(errors).mean(), rel=1e-9)
        assert measured["rmse"] == pytest.approx(math.sqrt((errors**2).mean()), rel=1e-9)
    more, info = train(x, y, loaded, None, max_epochs=1)
    assert info.history["loss"][0] == pytest.approx(first.evaluate(x, y)["loss"], rel=1e-12)
    again, _ = train(x, y, first, None, max_epochs=1)
    assert all((more.parameters[k] == p).all() for k, p in again.parameters.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: [t[:, :1] for t in y], "y[0] has shape (3, 1)"),
        (lambda y: y[:3], "y "),
        (lambda y: [t * np.nan for t in y], "y[0] holds nan"),
        (lambda y: [np.full(t.shape, "a") for t in y], "y[0] "),
    ],
)
def test_targets_that_do_not_fit_are_named(change, message):
    x, y = data()
    with pytest.raises(ml.DataError) as error:
        train(x, change(y), recurrent())
    assert str(error.value).startswith(message), str(error.value)
