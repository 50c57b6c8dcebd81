"""Labels in every form that users have them, and labels that are missing or count nowhere.
A missing label is never a class, and data in which no answer counts are refused before work."""

import math

import numpy as np
import pandas as pd
import pytest
from agreement import refuses_data
from builders import sequences

import minilstm as ml
from minilstm.data import write_csv
from minilstm.plots import confusion_matrix

WORDS, CODES = ["sit", "run", "sit", "run", "run"], [2, 7, 2, 7, 7]
X, STEPS = sequences(2, lengths=(3,) * 5), sequences(2, lengths=(5, 5))
OPTIONS = ml.TrainingOptions(max_epochs=1, verbose=False, dtype="float64")


def layers(mode="last"):
    return [ml.SequenceInput(2), ml.LSTM(3, output_mode=mode), ml.FullyConnected(2), ml.Softmax()]


def trained(y, net=None, loss=None, x=X, **options):
    how = ml.TrainingOptions(max_epochs=1, verbose=False, dtype="float64", **options)
    return ml.train(x, y, layers() if net is None else net, loss, options=how)[0]


def polars_series(values):
    return pytest.importorskip("polars").Series(values)


KINDS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda y: np.array(y, object),
    "big-endian": lambda y: (a := np.array(y)).astype(a.dtype.newbyteorder(">")),
    "masked nowhere": np.ma.masked_array,
    "series": pd.Series,
    "category": pd.Categorical,
    "series of categories": lambda y: pd.Series(y, dtype="category"),
    "index": pd.Index,
    "nullable": pd.array,
    "polars": polars_series,
}
TEXT = {"NumPy's words": lambda y: [np.str_(word) for word in y]}
if hasattr(np.dtypes, "StringDType"):  # since NumPy 2.0
    TEXT["text of any length"] = lambda y: np.array(y, dtype=np.dtypes.StringDType())
DTYPES = ("u1", "i2", ">i4", "u8", "f2", ">f4", "f8")
WHOLE = {f"whole {t}": lambda y, t=t: np.array(y, t) for t in DTYPES}
WHOLE["list of floats"] = lambda y: [float(label) for label in y]
COLUMNS = {"column": lambda y: np.array(y)[:, None], "frame": lambda y: pd.DataFrame({"y": y})}
CASES = [(k, WORDS) for k in (*KINDS, *TEXT)] + [(k, CODES) for k in (*KINDS, *WHOLE)]
USES = {
    "train": lambda y, plain: trained(y).classes.tolist(),
    "train by step": lambda y, plain: trained([y, y], layers("sequence"), x=STEPS).classes.tolist(),
    "evaluate": lambda y, plain: trained(plain).evaluate(X, y),
    "confusion_matrix": lambda y, plain: confusion_matrix(y, plain).tolist(),
    "write_csv": lambda y, plain: written(y),
}


def written(y):
    write_csv("labels.csv", [STEPS[0]], [y])
    return ml.read_sequences("labels.csv").y[0].tolist()


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("plain", [WORDS, CODES])
def test_labels_in_one_column(kind, plain):
    column, net = COLUMNS[kind](plain), trained(plain)
    assert net.evaluate(X, column) == net.evaluate(X, plain)
    assert trained([column, column], layers("sequence"), x=STEPS).classes.tolist() == (
        sorted(set(plain))
    )


def test_whole_floats_are_the_same_labels_in_a_loss():
    loss = ml.CrossEntropy({2.0: 1, np.float64(7): 2}, ignored_labels=[-1.0])
    assert loss.class_weights == {2: 1, 7: 2} and loss.ignored_labels == (-1,)
    assert trained(np.array([*CODES[:4], -1.0]), loss=loss).classes.tolist() == [2, 7]
    with pytest.raises(TypeError) as error:
        ml.CrossEntropy(ignored_labels=[math.nan])
    assert str(error.value) == (
        "CrossEntropy: ignored_labels holds nan, but labels are strings or whole numbers; put a "
        "label such as '?' or -1 where one is missing, and list that."
    )


HOT = np.eye(2)[[0, 1, 0, 1, 1]]
HOT_SAYS = (
    "y has shape (5, 2) and one 1 in each row, but a label is one number or word; pass "
    "np.argmax(y, axis=1)."
)
BOOL = "y has dtype bool, but labels are strings or whole numbers; pass np.asarray(y).astype(int)."


@pytest.mark.parametrize(
    ("y", "says", "way"),
    [
        (HOT, HOT_SAYS, lambda y: np.argmax(y, axis=1)),
        (HOT.astype(int).tolist(), HOT_SAYS, lambda y: np.argmax(y, axis=1)),
        *((y, BOOL, lambda y: np.asarray(y).astype(int))
          for y in (HOT[:, 0] > 0, (HOT[:, 0] > 0).tolist(), (HOT[:, 0] > 0).astype(object))),
    ],
)  # fmt: skip
def test_other_forms_of_labels_are_told_how_to_become_labels(y, says, way):
    with refuses_data(says):
        trained(y)
    assert trained(way(y)).classes.tolist() == [0, 1]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("kind", "plain"), CASES)
def test_labels_of_every_kind(use, kind, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make = {**KINDS, **TEXT, **WHOLE}[kind]
    assert USES[use](make(plain), plain) == USES[use](plain, plain)


MISSING = (
    "y holds {} at [4] as a label (1 in all), a missing one; remove it, or put '?' in its place "
    "and list that in minilstm.CrossEntropy(ignored_labels=...)."
)
NO_NUMBER = MISSING.replace("'?'", "-1")
WORD = (
    "y holds the label {0!r}, which marks a missing label; ignore it with "
    "loss=minilstm.CrossEntropy(ignored_labels=[{0!r}]), or fill it in."
)
MASKED = (
    "y has a masked value at [4] (1 in all), but no value may be missing; remove it, or fill it, "
    "such as with y.filled({})."
)
LAST = [False] * 4 + [True]


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([*WORDS[:4], None], MISSING.format("None")),
        ([*WORDS[:4], math.nan], MISSING.format("nan")),
        ([*CODES[:4], math.nan], NO_NUMBER.format("nan")),
        (np.array([*CODES[:4], math.nan]), NO_NUMBER.format("nan")),
        ([*CODES[:4], pd.NA], NO_NUMBER.format("<NA>")),
        (pd.Series([*CODES[:4], None], dtype="Int64"), NO_NUMBER.format("nan")),
        ([*WORDS[:4], pd.NaT], MISSING.format("NaT")),
        (pd.Series([*WORDS[:4], None], dtype=object), MISSING.format("None")),
        (pd.Series([*WORDS[:4], None], dtype="string"), MISSING.format("<NA>")),
        (pd.Categorical([*WORDS[:4], None]), MISSING.format("nan")),
        (np.array([*WORDS[:4], None], dtype=object), MISSING.format("None")),
        (np.array([*WORDS[:4], math.nan]), WORD.format("nan")),
        *((np.array([*WORDS[:4], word]), WORD.format(word)) for word in ("NaN", "NaT", "<NA>", "")),
        ([*WORDS[:4], "<undefined>"], WORD.format("<undefined>")),
        (np.ma.masked_array(WORDS, LAST), MASKED.format("'missing'")),
        (np.ma.masked_array(CODES, LAST), MASKED.format("0")),
        (
            [*WORDS[:4], "sit\0"],
            "y holds the label 'sit\\x00', whose NUL character at the end would be lost; remove "
            "it, such as with label.rstrip('\\0').",
        ),
    ],
)
def test_missing_labels_are_no_class(y, says):
    with refuses_data(says):
        trained(y)
    with refuses_data(says):
        trained(WORDS).evaluate(X, y)
    with refuses_data(f"validation {says}"):
        trained(WORDS, validation_data=(X, y))


def test_a_word_for_a_missing_label_is_ignored_where_it_is_listed():
    y = np.array([*WORDS[:4], math.nan])  # NumPy makes "nan" of it
    net = trained(y, loss=ml.CrossEntropy(ignored_labels=["nan"]))
    assert net.classes.tolist() == ["run", "sit"]
    assert net.evaluate(X, y) == net.evaluate(X[:4], y[:4])
    named = trained(y, loss=ml.CrossEntropy(classes=["run", "sit", "nan"]), net=[
        ml.SequenceInput(2), ml.LSTM(3, output_mode="last"), ml.FullyConnected(3), ml.Softmax()
    ])  # fmt: skip
    assert named.classes.tolist() == ["run", "sit", "nan"]
    named.evaluate(X, y)


def test_names_of_people_and_other_words_are_labels():
    words = ["Nan Goldin", "none", "NA", "nano"]
    net = [*layers()[:2], ml.FullyConnected(4), ml.Softmax()]
    assert trained(words, net, x=X[:4]).classes.tolist() == sorted(words)


def test_other_places_that_take_labels():
    with refuses_data("labels mix the types float, str and should all be strings or all integers: "
                      "convert them, or leave out the steps without a label."):  # fmt: skip
        confusion_matrix([*WORDS[:4], math.nan], WORDS)
    with refuses_data(MISSING.format("None").replace("y holds", "classes holds").replace("4", "1")):
        ml.Network(layers(), rng=np.random.default_rng(0), classes=["a", None])
    by_label = pd.Series([3, 1.0], index=["sit", "run"])
    assert ml.CrossEntropy(by_label).class_weights == {"sit": 3.0, "run": 1.0}
    assert ml.CrossEntropy(ignored_labels=pd.Series(["?"])).ignored_labels == ("?",)


# ---------------------------------------------------------------- no answer that counts


NOTHING = (
    "{} holds no label but the ignored ones, so nothing counts; check which labels are ignored."
)
NO_WEIGHT = (
    "every answer of {} has weight 0, so no answer is left; give a weight above 0 to a step, or to "
    "a class, that occurs."
)
IGNORING = ml.CrossEntropy(ignored_labels=["?"])


def test_data_in_which_every_label_is_ignored_are_refused():
    net, y = trained(WORDS, loss=IGNORING), ["?"] * 5
    for refused in (
        lambda: trained(y, loss=IGNORING),
        lambda: trained(y, net),
        lambda: net.evaluate(X, y),
        lambda: ml.gradcheck(net, X, y),
    ):
        with refuses_data(NOTHING.format("y")):
            refused()
    with refuses_data(NOTHING.format("validation y")):
        trained(WORDS, loss=IGNORING, validation_data=(X, y))
    assert trained(WORDS, loss=IGNORING, validation_data=(X, [*y[:4], "run"]))


def test_data_in_which_every_answer_has_weight_0_are_refused():
    steps = [WORDS, ["sit"] * 5]
    for weights in (np.zeros((2, 5)), [[0, 0, 0, 0, 0], [0.0] * 5]):
        with refuses_data(NO_WEIGHT.format("y")):
            ml.train(STEPS, steps, layers("sequence"), options=OPTIONS, step_weights=weights)
    only_ignored = [["?", *WORDS[1:]], WORDS]
    with refuses_data(NO_WEIGHT.format("y")):
        ml.train(
            STEPS, only_ignored, layers("sequence"), IGNORING, options=OPTIONS,
            step_weights=[[1, 0, 0, 0, 0], [0] * 5],
        )  # fmt: skip
    one_class = ml.CrossEntropy({"run": 0, "sit": 1})
    with refuses_data(NO_WEIGHT.format("validation y")):
        trained(WORDS, loss=one_class, validation_data=(X[:1], ["run"]))


def test_a_mini_batch_without_an_answer_counts_nothing_and_warns_of_nothing():
    y = [["?"] * 5, WORDS]
    options = ml.TrainingOptions(
        max_epochs=1, verbose=False, mini_batch_size=1, shuffle="never", metrics=["accuracy", "auc"]
    )
    _, info = ml.train(STEPS, y, layers("sequence"), IGNORING, options=options)
    for name in ("accuracy", "auc"):
        assert np.isnan(info.history[name]).tolist() == [True, False]
