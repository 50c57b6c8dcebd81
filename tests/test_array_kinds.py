"""The kinds of arrays times every public function that takes one.
Each gives the result of the float64 array of the same numbers, or one whole sentence."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from agreement import flat, refuses_data
from array_kinds import BOOL, KINDS, A, masked

import minilstm as ml
from minilstm.arrays import floating
from minilstm.data import write_csv, write_npz

pytestmark = [
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
    # Frames meet networks without names here.
    pytest.mark.filterwarnings("ignore:.*by position:UserWarning"),
]


@pytest.fixture(autouse=True)
def in_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# ---------------------------------------------------------------- functions that take an array


class Use(NamedTuple):
    run: object  # of something that holds (5, 2) numbers
    x: str  # what messages call it
    what: str  # and its numbers
    way: str = ""  # how messages about a dtype end; "" as each dtype has its way
    takes_bool: bool = False


def network(last=False, **options):
    layers = [
        ml.SequenceInput(2, **options),
        ml.LSTM(2, output_mode="last" if last else "sequence"),
    ]
    layers = [*layers, ml.FullyConnected(2), ml.Softmax()]
    rng = np.random.default_rng(0)
    return ml.Network(layers, rng=rng, dtype="float64", classes=["a", "b"])


NET, LAST, Y = network(), network(last=True), np.array(["a", "b", "b", "a", "b"])
VALUES = ml.Network(
    [ml.SequenceInput(2), ml.LSTM(2), ml.FullyConnected(2)], rng=np.random.default_rng(0),
    dtype="float64", losses=["mse"],
)  # fmt: skip
ONCE = ml.TrainingOptions(max_epochs=1, verbose=False, dtype="float64")


def trained(x, y, net=NET, **options):
    return ml.train(x, y, net, options=ONCE, **options)[0].parameters


def written(write, suffix):
    def run(x):
        path = Path(f"written{suffix}")
        path.unlink(missing_ok=True)
        write(path, [x])
        return ml.read_sequences(path).x

    return run


def drawn(x):
    axes = ml.plots.plot_features(x)
    return [np.array(line.get_ydata(), float) for line in axes.get_lines()]


WAY_OF_TARGETS = "convert them, or train on labels with loss='crossentropy'"
USES = {
    "predict": Use(lambda x: NET.predict([x]), "x[0]", "sequences"),
    "predict in order TC": Use(lambda x: NET.predict([x], data_format="TC"), "x[0]", "sequences"),
    "activations": Use(lambda x: NET.activations([x], "lstm"), "x[0]", "sequences"),
    "evaluate": Use(lambda x: NET.evaluate([x], [Y]), "x[0]", "sequences"),
    "train": Use(lambda x: trained([x], [Y]), "x[0]", "sequences"),
    "validation": Use(
        lambda x: ml.train(
            [A], [Y], NET,
            options=ml.TrainingOptions(max_epochs=1, verbose=False, validation_data=([x], [Y])),
        )[1].history["validation_loss"],
        "validation x[0]", "sequences",
    ),
    "step": Use(lambda x: NET.stream(batch=5).step(x), "x_t", "sequences"),
    "forecast": Use(lambda x: ml.forecast(VALUES, [x], 2), "history[0]", "sequences"),
    "true values of a forecast": Use(
        lambda x: ml.forecast(VALUES, [A], 3, actual=[x]), "actual[0]", "sequences"
    ),
    "gradcheck of a network": Use(
        lambda x: str(ml.gradcheck(VALUES, [x], [A])), "x[0]", "sequences"
    ),
    "targets": Use(
        lambda x: VALUES.evaluate([A], [x]), "y[0]", "targets of this loss", WAY_OF_TARGETS
    ),
    "states": Use(
        lambda x: LAST.predict([A] * 5, state={"lstm": (x, A)}), "state['lstm'].hidden", "states",
        takes_bool=True,
    ),
    "step weights": Use(
        lambda x: trained([A[:2]] * 5, [Y[:2]] * 5, step_weights=x), "step_weights", "weights",
        takes_bool=True,
    ),
    "pad_sequences": Use(lambda x: ml.pad_sequences([x]).data * 1.0, "sequences[0]", "sequences"),
    "scores_to_labels": Use(
        lambda x: np.array(ml.scores_to_labels(x, ["a", "b"])), "scores", "scores", takes_bool=True
    ),
    "write_csv": Use(written(write_csv, ".csv"), "x[0]", "sequences", takes_bool=True),
    "plot": Use(drawn, "x", "sequences", takes_bool=True),
    "weights of a layer": Use(
        lambda x: ml.FullyConnected(5, weights=x).weights, "FullyConnected: weights", "its values",
        takes_bool=True,
    ),
    "parameters": Use(
        lambda x: ml.Network(
            [ml.SequenceInput(2), ml.FullyConnected(5)],
            {"fc/weights": x, "fc/bias": np.zeros(5)}, dtype="float64",
        ).parameters["fc/weights"],
        "fc/weights", "parameters", takes_bool=True,
    ),
    "floating": Use(lambda x: floating(x, "x") * 1.0, "x", "its values", takes_bool=True),
}  # fmt: skip

# What a function says of some kinds in words of its own; None where they mean something else.
OWN = {
    ("step weights", "None"): None,
    ("weights of a layer", "None"): None,
    ("floating", "complex"): None,  # goes through
    ("step", "fields"): "",  # are names of columns
    ("gradcheck of a network", "tiny numbers"): None,  # weights of such inputs are not tested
    # Squares and margins of these are beyond float64.
    **{(use, "huge numbers"): None for use in ("gradcheck of a network", "targets", "plot")},
}


def sentence(use, kind):
    """What a function says of a kind; "" where the numbers come through."""
    says = "" if kind.says == BOOL and use.takes_bool else kind.says
    if use.way and " has dtype " in says:
        says = says.rpartition("; ")[0] + f"; {use.way}."
    code = use.x.rpartition(": ")[2].removeprefix("validation ")
    return says.format(x=use.x, what=use.what, code=code)


def numbers(result):
    """All arrays of a result."""
    return flat(list(result.values()) if isinstance(result, dict) else result)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_array_in_every_function(use, kind):
    run, (make, _, meant) = USES[use].run, KINDS[kind]
    says = OWN.get((use, kind), sentence(USES[use], KINDS[kind]))
    if says is None:
        return
    given = make(A)
    if says:
        with refuses_data(says):
            run(given)
        return
    expected = numbers(run(A if meant is None else meant))
    for got, wanted in zip(numbers(run(given)), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


NAN, INF = np.full((5, 2), np.nan), np.full((5, 2), np.inf)
WANTED = "the network wants (T, 2), T time steps of 2 features"


@pytest.mark.parametrize(
    ("run", "given", "says"),
    [
        (NET.predict, 3.0, f"x has shape (), but {WANTED}; give each sequence two axes, time then "
         "features."),
        (NET.predict, np.empty(0), f"x has shape (0,), but {WANTED}; give each sequence two axes, "
         "time then features."),
        (NET.predict, np.empty((0, 2)), f"x has shape (0, 2), no time step at all, but {WANTED}, T "
         "at least 1; remove it or give it a step."),
        (NET.predict, np.ones((1, 1)), f"x has shape (1, 1), but {WANTED}; check the number of "
         "features, or build the network with SequenceInput(1)."),
        (NET.stream().step, 3.0, "x_t has shape (), but one time step of this network is (2,); "
         "pass one number for each feature."),
        (ml.pad_sequences, 3.0, "sequences is 3.0, but a list of at least one array is wanted; "
         "pass [array] for a single sequence."),
        (USES["scores_to_labels"].run, 3.0, "scores has shape (), but there are 2 classes; pass "
         "scores whose last axis is 2, and the classes of the same network."),
        (USES["plot"].run, 3.0, "x has shape () and dtype float64 and should be one sequence of "
         "real numbers, (T, D), with at least one step: pass one sequence, as x[0]."),
        (USES["predict"].run, NAN, "x[0] holds nan at time step 0, feature 0 (10 such "
         "values), but every value must be finite; remove or fill them first."),
        (USES["step"].run, -INF, "x_t holds -inf at stream 0, feature 0 (10 such values), but "
         "every value must be finite; remove or fill them first."),
        (USES["targets"].run, INF, "y[0] holds inf at time step 0, response 0 (10 such "
         "values), but every target must be finite; remove or fill them first."),
        (USES["states"].run, NAN, "state['lstm'].hidden holds NaN or infinity; pass a state "
         "that this network returned."),
        (USES["step weights"].run, -A, "step_weights[0] holds -1.0; give "
         "finite weights of at least 0."),
        (USES["write_csv"].run, NAN, "x[0] has nan at step 0, feature 0, but only finite "
         "numbers can be used: fill in or remove that step."),
        (USES["scores_to_labels"].run, NAN, "scores holds NaN, so no class is the largest; "
         "check the network's input."),
        (written(write_npz, ".npz"), A.astype(int), "x has the types int64, but one float type for "
         "all was wanted: convert the arrays first."),
        (written(write_npz, ".npz"), masked(A), KINDS["masked"].says.format(x="x[0]", code="x[0]")),
    ],
)  # fmt: skip
def test_shapes_and_numbers_that_no_function_can_use(run, given, says):
    with refuses_data(says):
        run(given)


def test_one_element_is_an_array_like_any_other():
    net = ml.assemble([ml.SequenceInput(1), ml.FullyConnected(1, weights=[[2]], bias=[1])])
    assert net.predict([[[3]]])[0].tolist() == net.predict(np.array([[3]])).tolist() == [[7.0]]
    says = "x[0] has shape (1,), but the network wants (T, 1), T time steps of 1 features; pass "
    with refuses_data(f"{says}np.asarray(x[0])[:, None] if it is one feature over time."):
        net.predict([[3]])
    assert net.stream().step([3]).tolist() == [7.0]


FLOATS = ["f8", "big-endian float", "negative strides", "memory-mapped", "masked nowhere"]
FLOATS += ["objects that are numbers", "list of lists", "frame", "frame of Float64", "polars frame"]


@pytest.mark.parametrize("kind", FLOATS)
def test_floats_of_every_kind_are_checked_by_gradcheck(kind):
    ml.gradcheck(
        lambda x: (np.asarray(x) ** 2).sum(), lambda x: 2 * np.asarray(x),
        {"x": KINDS[kind].make(A)}, upstream=None,
    )  # fmt: skip
    with pytest.raises(ml.GradientError):
        ml.gradcheck(
            lambda x: (np.asarray(x) ** 2).sum(), lambda x: 3 * np.asarray(x),
            {"x": KINDS[kind].make(A)}, upstream=None,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["masked", "needs a gradient", "brain float"])
def test_gradcheck_refuses_what_it_cannot_read(kind):
    with refuses_data(KINDS[kind].says.format(x="x", code="x")):
        ml.gradcheck(lambda x: x.sum(), np.ones_like, {"x": KINDS[kind].make(A)}, upstream=None)


def test_masks_that_a_function_returns_are_refused():
    hidden = masked(A)
    of = "has a masked value at [1, 0] (1 in all), but no value may be missing; remove it, or fill"
    with refuses_data(f"the output of f {of} it, such as with it.filled(0)."):
        ml.gradcheck(lambda x: masked(x), lambda dy, x: dy, {"x": A})
    with refuses_data(f"the gradient of x {of} it, such as with it.filled(0)."):
        ml.gradcheck(lambda x: 2 * x, lambda dy, x: masked(2 * dy), {"x": A})
    with refuses_data(f"SequenceInput 'input': what the normalization returned {of} it, such as "
                      "with it.filled(0)."):  # fmt: skip
        network(normalization=lambda rows: hidden).predict(A)
