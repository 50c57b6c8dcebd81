"""A share of the sequences that validates and does not train: which ones, and what they change.
The training is that of the others alone, with the same bits.
"""

import numpy as np
import pytest
from agreement import bits, refuses
from builders import two_movements

import minilstm as ml
from minilstm.evaluation.splits import split_share

PEOPLE = ["ann", "ann", "bob", "bob", "cyd", "cyd", "dan", "dan"]
SHOWS = {"max_epochs": 3, "metrics": "accuracy", "validation_frequency": "epoch", "verbose": False}


def layers():
    return [
        ml.SequenceInput(2, normalization="zscore"), ml.LSTM(3), ml.FullyConnected(2), ml.Softmax(),
    ]  # fmt: skip


def recordings():
    parts = [two_movements(seed) for seed in range(3)]
    return [a for x, _ in parts for a in x][:8], [b for _, y in parts for b in y][:8]


def trained(x, y, groups=None, loss=None, **options):
    return ml.train(x, y, layers(), loss, ml.TrainingOptions(**SHOWS, **options), groups=groups)


@pytest.mark.parametrize("groups", [None, PEOPLE, np.repeat(np.arange(4), 2)])
def test_the_training_is_that_of_the_others(groups):
    x, y = recordings()
    loss = ml.CrossEntropy(class_weights="inverse-frequency")
    net, info = trained(x, y, groups, loss, validation_share=0.25)
    codes = [(b == "up").astype(int) for b in y]
    split = split_share(8, 0.25, 0, groups, codes)
    assert len(split.test) == 2
    kept, held = ([[a[n] for n in part] for a in (x, y)] for part in split)
    same, told = trained(*kept, None, loss, validation_data=held)
    assert all(bits(net.parameters[k]) == bits(p) for k, p in same.parameters.items())
    assert bits(net.layers[0].mean) == bits(same.layers[0].mean)
    for column in ("loss", "validation_loss", "validation_accuracy"):
        assert np.array_equal(info.history[column], told.history[column], equal_nan=True)
    if groups is not None:
        sides = [{np.asarray(groups)[n] for n in part} for part in split]
        assert not sides[0] & sides[1]


def test_other_seeds_hold_out_others():
    x, y = recordings()
    first = [trained(x, y, validation_share=0.2, seed=s)[1].history["validation_loss"][0]
             for s in (0, 0, 1)]  # fmt: skip
    assert first[0] == first[1] != first[2]


@pytest.mark.parametrize(
    ("options", "groups", "y", "message"),
    [
        ({"validation_share": 0.2, "validation_data": (1, 2)}, None, None,
         "validation_share is 0.2, but validation_data is given as well; leave one of them out."),
        ({"validation_share": 1}, None, None,
         "validation_share is 1; give a number above 0 and below 1."),
        ({}, PEOPLE, None,
         "groups is given, but validation_share is None, so no sequences are held out; set "
         "validation_share=0.2, or leave groups out."),
        ({"validation_share": 0.2}, ["ann"] * 8, None,
         "groups holds 'ann' only, so one group holds all 8 recordings and none is left to test; "
         "name another group_column, or leave groups out to split by recording."),
        ({"validation_share": 0.2}, PEOPLE[:7], None,
         "groups has shape (7,), but there are 8 recordings; give one for each."),
        ({"validation_share": 0.2}, None, ["up", *[""] * 7],
         "validation_share is 0.2, which leaves no answer that counts among the validation data; "
         "give another share, another seed, or validation_data."),
    ],
)  # fmt: skip
def test_what_cannot_be_held_out_is_refused(options, groups, y, message):
    x, labels = recordings()
    loss = None
    if y is not None:
        labels = [np.full(len(a), word) for a, word in zip(x, y, strict=True)]
        loss = ml.CrossEntropy(classes=["down", "up"], ignored_labels=[""])
    with refuses(message):
        trained(x, labels, groups, loss, **options)


def test_patience_and_the_best_network_go_by_what_is_held_out():
    x, y = recordings()
    how = {"validation_share": 0.25, "validation_patience": 1, "learn_rate_schedule": rises}
    _, info = trained(x, y, output_network="best-validation", **how)
    assert info.stop_reason == (
        "Stopped after epoch 2: the validation loss has not fallen for 1 validations."
    )
    assert info.output_iteration == 1
    losses = info.history["validation_loss"]  # (3,): before the first, and after two epochs
    assert losses[1] == losses.min()


def rises(epoch, iteration):
    """A learning rate that helps once and does harm then."""
    return 0.05 if epoch == 1 else 5.0
