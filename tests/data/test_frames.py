"""Frames meet a network by the names of their columns, in whatever order they come.
Arrays have no names and are taken by position, as are frames whose columns are numbered."""

import numpy as np
import pandas as pd
import pytest
from agreement import bits, refuses_data

import minilstm as ml
from minilstm.data import write_csv, write_npz

NAMES = ["ax", "ay", "az"]
RNG = np.random.default_rng(0)
X = [RNG.normal(size=(T, 3)) * [1, 5, 9] for T in (6, 4)]
Y = [np.where(a[:, 0] > 0, "up", "down") for a in X]
LAYERS = [ml.SequenceInput(3, "zscore"), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
OPTIONS = ml.TrainingOptions(max_epochs=2, verbose=False, dtype="float64")


def frames(names=NAMES, form=pd.DataFrame):
    """The sequences with their columns in the order of some names."""
    return [form({n: a[:, NAMES.index(n)] for n in names}) for a in X]


def trained(x, layers=LAYERS, **options):
    return ml.train(x, Y, layers, options=OPTIONS, **options)[0]


TURNED = frames(["az", "ax", "ay"])
PLAIN, NAMED = trained(X), trained(frames())


def test_training_on_frames_learns_their_names_and_changes_no_number():
    assert PLAIN.layers[0].feature_names is None
    assert NAMED.layers[0].feature_names == tuple(NAMES)
    assert bits(NAMED.parameters) == bits(PLAIN.parameters)
    assert bits(trained([frames()[0], TURNED[1]])) == bits(NAMED)
    assert bits(trained(TURNED, NAMED).parameters) == bits(trained(X, PLAIN).parameters)
    first = ml.SequenceInput(3, "zscore", feature_names=NAMES)
    assert bits(trained(TURNED, [first, *LAYERS[1:]])) == bits(NAMED)


def rows_of(frame):
    return [frame.iloc[[n]] for n in range(len(frame))]


def step_by_step(net, x):
    stream = net.stream()
    return [stream.step(row) for _, row in x[0].iterrows()]


def validation_loss(net, x):
    options = ml.TrainingOptions(max_epochs=1, verbose=False, validation_data=(x, Y))
    return ml.train(X, Y, net, options=options)[1].history["validation_loss"]


USES = {
    "predict": lambda net, x: net.predict(x),
    "one sequence": lambda net, x: net.predict(x[0]),
    "classify": lambda net, x: net.classify(x),
    "activations": lambda net, x: net.activations(x, "lstm"),
    "evaluate": lambda net, x: net.evaluate(x, Y),
    "step": step_by_step,
    "named tuples": lambda net, x: list(map(net.stream().step, x[0].itertuples(index=False))),
    "frames of a row": lambda net, x: list(map(net.stream().step, rows_of(x[0]))),
    "tuples together": lambda net, x: net.stream(batch=4).step(list(x[1].itertuples(index=False))),
    "steps together": lambda net, x: net.stream(batch=4).step(x[1]),
    "records together": lambda net, x: net.stream(batch=4).step(x[1].to_records(index=False)),
    "records": lambda net, x: list(map(net.stream().step, x[0].to_records(index=False))),
    "dicts together": lambda net, x: net.stream(batch=4).step(x[1].to_dict("records")),
    "dicts in a pool": lambda net, x: net.pool().step({"a": x[0].to_dict("records")})["a"],
    "records in a pool": lambda net, x: net.pool().step(
        range(4), list(x[1].to_records(index=False))
    ),
    "gradcheck": lambda net, x: str(ml.gradcheck(net, x, Y, method="directional")),
    "validation": validation_loss,
}


@pytest.mark.parametrize("use", USES)
def test_a_network_with_names_takes_frames_by_name(use, tmp_path):
    with pytest.warns(UserWarning, match="the columns are taken by position: ax, ay, az; give"):
        expected = bits(USES[use](PLAIN, frames()))
    NAMED.save(tmp_path / "model.safetensors")
    for net in (NAMED, ml.load(tmp_path / "model.safetensors")):
        assert bits(USES[use](net, frames())) == expected
        assert bits(USES[use](net, TURNED)) == expected


BY_POSITION = pytest.mark.filterwarnings("ignore:the network does not know the names")


@BY_POSITION
def test_dicts_have_the_order_of_the_first_or_are_refused():
    mixed = [{"u": 1, "v": 2, "w": 3}, {"w": 6, "v": 5, "u": 4}]
    step = PLAIN.stream(batch=2).step
    assert bits(step(mixed)) == bits(PLAIN.stream(batch=2).step([[1, 2, 3], [4, 5, 6]]))
    with refuses_data(
        "x_t[1] has the features u, v, t, but x_t[0] has u, v, w (missing: w; unknown: t); rename, "
        "add or drop columns."
    ):
        step([mixed[0], {"u": 4, "v": 5, "t": 6}])
    with refuses_data(
        "x_t[1] has no names of its columns, but x_t[0] has u, v, w; give frames only, or arrays "
        "only."
    ):
        step([mixed[0], [4, 5, 6]])


def test_frames_of_polars_too():
    polars = pytest.importorskip("polars")
    turned = frames(["az", "ax", "ay"], polars.DataFrame)
    assert bits(trained(frames(form=polars.DataFrame))) == bits(NAMED)
    assert bits(NAMED.predict(turned)) == bits(NAMED.predict(X))


def test_forecasts_take_history_and_true_values_by_name():
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(3)]
    net, _ = ml.train(frames(), X, layers, "mse", OPTIONS)
    expected = ml.forecast(net, X[0], 3, actual=X[1])
    assert bits(ml.forecast(net, TURNED[0], 3, actual=TURNED[1])) == bits(expected)


@BY_POSITION
def test_arrays_and_frames_without_names_are_taken_by_position():
    for x in (X, [pd.DataFrame(a) for a in X], [a.tolist() for a in X]):
        assert bits(NAMED.predict(x)) == bits(NAMED.predict(X))
        assert trained(x).layers[0].feature_names is None
    assert bits(PLAIN.predict(TURNED)) == bits(PLAIN.predict([f.to_numpy() for f in TURNED]))


def test_columns_in_numbers_are_positions_and_other_labels_are_names():
    numbered = [pd.DataFrame(a)[[2, 0, 1]] for a in X]
    assert trained(numbered).layers[0].feature_names is None
    assert bits(trained(numbered)) == bits(PLAIN)
    for net in (PLAIN, NAMED):
        assert bits(net.predict(numbered)) == bits(PLAIN.predict(X))
        steps = [net.stream().step(row) for _, row in numbered[0].iterrows()]
        assert bits(steps) == bits([net.stream().step(row) for row in X[0]])
    for labels in ([3, 1, 2], pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")])):
        named = [f.set_axis(labels, axis=1) for f in frames()]
        net = trained([named[0], named[1].iloc[:, ::-1]])
        assert bits(net.predict([f.iloc[:, ::-1] for f in named])) == bits(PLAIN.predict(X))
    assert net.layers[0].feature_names == ("a_x", "a_y", "b_x")


def test_targets_in_frames_have_the_order_of_the_first():
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2)]
    T = [pd.DataFrame({"p": a[:, 0], "q": a[:, 1]}) for a in X]
    turned = [T[0], T[1][["q", "p"]]]
    net, _ = ml.train(X, T, layers, "mse", OPTIONS)
    assert bits(ml.train(X, turned, layers, "mse", OPTIONS)[0]) == bits(net)
    assert net.evaluate(X, turned) == net.evaluate(X, T)
    for second, says in (
        (T[1].rename(columns={"p": "r"}),
         "y[1] has the features r, q, but y[0] has p, q (missing: p; unknown: r); rename, add or "
         "drop columns."),
        (X[1][:, :2],
         "y[1] has no names of its columns, but y[0] has p, q; give frames only, or arrays only."),
    ):  # fmt: skip
        with refuses_data(says):
            ml.train(X, [T[0], second], layers, "mse", OPTIONS)


def test_what_was_read_trains_with_its_labels_and_names(tmp_path):
    write_npz(tmp_path / "a.npz", X, Y, feature_names=NAMES)
    write_npz(tmp_path / "b.npz", [a[:, [2, 0, 1]] for a in X], Y, feature_names=["az", *NAMES[:2]])
    data, turned = (ml.read_sequences(tmp_path / name) for name in ("a.npz", "b.npz"))
    net = ml.train(data, None, LAYERS, options=OPTIONS)[0]
    assert bits(net) == bits(NAMED)
    assert bits(net.predict(turned)) == bits(NAMED.predict(X))
    assert net.evaluate(turned, None) == NAMED.evaluate(X, Y)


def test_rows_in_lists_are_one_sequence():
    assert bits(PLAIN.predict(X[0].tolist())) == bits(PLAIN.predict(X[0]))
    assert PLAIN.evaluate(X[0].tolist(), Y[0]) == PLAIN.evaluate(X[0], Y[0])
    masked = np.ma.masked_array(X[0], np.arange(18).reshape(6, 3) == 4)
    with refuses_data(
        "x[1] has a masked value at [1] (1 in all), but no value may be missing; remove it, or "
        "fill it, such as with x[1].filled(0)."
    ):
        PLAIN.predict(list(masked))


def test_two_inputs_have_names_of_their_own():
    graph = ml.LayerGraph()
    for name in ("left", "right"):
        graph = graph.add([ml.SequenceInput(3, name=name)])
    both = [ml.Concatenation(2, name="both"), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    graph = graph.add(both).connect("left", "both/in1").connect("right", "both/in2")
    right = [f.rename(columns=str.upper) for f in frames()]
    net = trained({"left": frames(), "right": right}, graph)
    turned = {"right": [f[["AY", "AX", "AZ"]] for f in right], "left": TURNED}
    assert bits(net.predict(turned)) == bits(net.predict({"left": X, "right": X}))


@pytest.mark.parametrize(
    ("net", "x", "says"),
    [
        (NAMED, [frames()[0], frames()[1].rename(columns={"ay": "b"})],
         "x[1] has the features ax, b, az, but the network learned ax, ay, az (missing: ay; "
         "unknown: b); rename, add or drop columns."),
        (NAMED, frames()[0].assign(t=0.0),
         "x has the features ax, ay, az, t, but the network learned ax, ay, az (unknown: t); "
         "rename, add or drop columns."),
        (PLAIN, [frames()[0], frames(["ax", "ay"])[1]],
         "x[1] has the features ax, ay, but x[0] has ax, ay, az (missing: az); rename, add or "
         "drop columns."),
        (PLAIN, [frames()[0], pd.DataFrame(X[1])],
         "x[1] has the features 0, 1, 2, but x[0] has ax, ay, az (missing: ax, ay, az; "
         "unknown: 0, 1, 2); rename, add or drop columns."),
        *((net, [frames()[0], X[1]],
           "x[1] has no names of its columns, but x[0] has ax, ay, az; give frames only, or arrays "
           "only.") for net in (PLAIN, NAMED)),
        (NAMED, [f.set_axis([4, 5, 6], axis=1) for f in frames()],
         "x[0] has the features 4, 5, 6, but the network learned ax, ay, az (missing: ax, ay, az; "
         "unknown: 4, 5, 6); rename, add or drop columns."),
    ],
)  # fmt: skip
def test_other_columns_are_refused(net, x, says):
    with refuses_data(says):
        net.predict(x)


def test_names_that_stand_twice_are_refused():
    twice = [f.rename(columns={"az": "ax"}) for f in frames()]
    with refuses_data(
        "x[0] has the features ax, ay, ax, but each name counts once: ax, ay (twice: ax); rename, "
        "add or drop columns."
    ):
        trained(twice)


@pytest.mark.parametrize(("write", "suffix"), [(write_csv, ".csv"), (write_npz, ".npz")])
def test_written_frames_keep_their_names_and_one_order(write, suffix, tmp_path):
    write(tmp_path / f"x{suffix}", [frames()[0], TURNED[1]])
    back = ml.read_sequences(tmp_path / f"x{suffix}")
    assert back.feature_names == NAMES and bits(back.x) == bits(X)
