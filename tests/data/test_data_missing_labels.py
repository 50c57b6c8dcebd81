"""Labels that are missing, and numbers that are no class: refused, or read as the option says.
The sentence of a refusal names every way out, and each way is taken here."""

import numpy as np
import pytest
from agreement import refusal, refuses_data

import minilstm as ml
from minilstm.data import read_sequences
from minilstm.data.files.checks import MISSING_WORDS, label_numbers

NOT_CLASSES = {
    "infinity": ([np.inf, 1.0], "inf"),
    "1e300": ([1e300, 1.0], "1e+300"),
    "beyond int64": ([9.3e18, 1.0], "9.3e+18"),
    "2 ** 63": ([2.0**63, 1.0], "9.223372036854776e+18"),
    "uint64": (np.array([2**64 - 1, 1], np.uint64), "18446744073709551615"),
    "fraction": ([2.5, 1.0], "2.5"),
}


@pytest.mark.parametrize("name", NOT_CLASSES)
def test_a_number_that_is_no_class(name):
    values, shown = NOT_CLASSES[name]
    with refuses_data(
        f"label 0 has the label {shown}, but whole numbers within 64 bits were wanted: number the "
        "classes from 1, or write their names, or say numeric_targets=True (--task regress) for "
        "numbers to be predicted."
    ):
        label_numbers(np.array(values), lambda k: f"label {k}")


def test_numbers_at_the_ends_of_int64_are_classes():
    ends = [-(2**63), 2**63 - 1]
    for values in (np.array(ends), np.array([-(2.0**63), 0.0]), np.array([0, ends[1]], np.uint64)):
        numbers = label_numbers(values, str)
        assert (numbers.dtype, numbers.tolist()) == (np.int64, [int(v) for v in values.tolist()])


def write_csv(tmp_path, labels):
    path = tmp_path / "a.csv"
    path.write_text("sequence,p,label\n" + "".join(f"s,{k},{w}\n" for k, w in enumerate(labels)))
    return path


WAY = (
    "but every label has to be known: fill it in, or give missing_labels={} to read it as '', and "
    "train with loss=minilstm.CrossEntropy(ignored_labels=[''])"
)


@pytest.mark.parametrize("word", sorted(MISSING_WORDS | {"Null", "#n/a", "Nan", "na"}))
def test_a_word_that_marks_a_missing_label(tmp_path, word):
    path = write_csv(tmp_path, ["go", word, "go"])
    known = f"; give missing_labels=[] where {word!r} is a class." if word else "."
    place = f"line 3 of FILE, column 'label', has the missing label {word!r},"
    assert refusal(path) == f"{place} {WAY.format([word])}{known}"
    listed = read_sequences(path, missing_labels=[word])
    assert listed.y[0].tolist() == ["go", "", "go"]
    if word:
        assert read_sequences(path, missing_labels=[]).y[0].tolist() == ["go", word, "go"]
        assert refusal(path, missing_labels=["x"]) == f"{place} {WAY.format(['x', word])}{known}"
    else:
        assert refusal(path, missing_labels=[]) == f"{place} {WAY.format([''])}."


def test_words_that_may_be_classes(tmp_path):
    words = ["none", "-", ".", "missing", "Nan Goldin"]
    assert read_sequences(write_csv(tmp_path, words)).y[0].tolist() == words


def test_with_missing_labels_every_file_has_text(tmp_path):
    assert read_sequences(write_csv(tmp_path, [1, 2])).y[0].tolist() == [1, 2]
    for labels, read in (([1, "NA"], ["1", ""]), ([1, 2], ["1", "2"])):
        path = write_csv(tmp_path, labels)
        assert read_sequences(path, missing_labels=["NA"]).y[0].tolist() == read


def test_a_nul_character(tmp_path):
    path = write_csv(tmp_path, ["x", "x\0"])
    assert refusal(path) == (
        "line 3 of FILE holds a NUL byte, but plain text in UTF-8 was wanted: save it again as "
        "UTF-8, or remove that character."
    )


@pytest.mark.parametrize("wrong", ["NA", [1], [None]])
def test_missing_labels_is_a_list_of_words(tmp_path, wrong):
    assert refusal(write_csv(tmp_path, ["x"]), missing_labels=wrong) == (
        f"missing_labels is {wrong!r}, but a list of words was wanted: give ['NA'], say, or [] "
        "where every word is a class."
    )


def test_the_advised_training_leaves_missing_labels_out(tmp_path):
    data = read_sequences(write_csv(tmp_path, ["a", "b", "NA", "b"]), missing_labels=["NA"])
    layers = [ml.SequenceInput(1), ml.LSTM(2), ml.FullyConnected(2), ml.Softmax()]
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    with refuses_data(
        "y[0] holds the label '', which marks a missing label; ignore it with "
        "loss=minilstm.CrossEntropy(ignored_labels=['']), or fill it in."
    ):
        ml.train(data.x, data.y, layers, options=options)
    loss = ml.CrossEntropy(ignored_labels=[""])
    net, _ = ml.train(data.x, data.y, layers, loss=loss, options=options)
    assert net.classes.tolist() == ["a", "b"]
