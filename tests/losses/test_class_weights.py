"""Class weights and ignored labels in every form, and the output layers that carry a loss.
Wrong ones are refused with a sentence that names them.
"""

import dataclasses
import json
import re

import numpy as np
import pytest

import minilstm as ml
from minilstm.functional.ragged import active_counts
from minilstm.layers import Run
from minilstm.layers.class_weights import inverse_frequency_weights
from minilstm.losses import (
    CrossEntropy,
    find_loss,
    loss_of_output_layer,
    row_weights,
)

# ---------------------------------------------------------------- class weights


def test_inverse_frequency():
    weights = inverse_frequency_weights([70, 20, 10])
    np.testing.assert_allclose(weights, [100 / (3 * 70), 100 / (3 * 20), 100 / (3 * 10)])
    assert (weights * [70, 20, 10]).sum() == pytest.approx(100)
    assert inverse_frequency_weights([4, 0]).tolist() == [0.5, 0]
    from_loss = CrossEntropy("inverse-frequency").weights_of_classes([1, 2, 3], [70, 20, 10])
    np.testing.assert_array_equal(from_loss, weights)


@pytest.mark.parametrize(
    "loss",
    [
        CrossEntropy({"b": 2, "a": 1, "c": 0.5}),
        CrossEntropy([("b", 2), ["a", 1], ("c", 0.5)]),
        CrossEntropy([1, 2, 0.5]),
        CrossEntropy(np.array([1, 2, 0.5], "f4")),
        CrossEntropy((0.5, 1, 2), classes=["c", "a", "b"]),
        CrossEntropy((0.5, 1, 2), classes=np.array(["c", "a", "b"])),
    ],
)
def test_class_weights_in_every_form(loss):
    weights = loss.weights_of_classes(np.array(["a", "b", "c"]), [1, 1, 1])
    assert weights.tolist() == [1, 2, 0.5]
    assert "weighted" in loss.normalization


def test_class_weights_for_whole_numbers_and_none():
    loss = CrossEntropy({np.int64(7): 2, -1: 1})
    assert loss.weights_of_classes(np.array([-1, 7]), [1, 1]).tolist() == [1, 2]
    assert CrossEntropy().weights_of_classes(["a", "b"], [1, 1]) is None
    assert find_loss("mse").weights_of_classes(["a", "b"], [1, 1]) is None
    assert row_weights(np.array([0]), None, np.float32) is None
    rows = row_weights(np.array([1, -1, 0]), np.array([0.5, 2]), np.float32)
    assert rows.tolist() == [2, 0, 0.5] and rows.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"class_weights": "balanced"}, ValueError, "'balanced'; give a dict"),
        ({"class_weights": 3}, TypeError, "class_weights is 3"),
        ({"class_weights": {"a": -1}}, ValueError, r"class_weights\['a'\] is -1; give a finite"),
        ({"class_weights": [1, np.nan]}, ValueError, r"class_weights\[1\] is nan"),
        ({"class_weights": [1, np.inf]}, ValueError, r"class_weights\[1\] is inf"),
        ({"class_weights": [1, "2"]}, ValueError, r"class_weights\[1\] is '2'"),
        ({"class_weights": [0, 0]}, ValueError, "no weight above 0"),
        ({"class_weights": []}, ValueError, "no weight above 0"),
        ({"class_weights": {1.5: 1}}, TypeError, "holds 1.5, but labels are"),
        ({"class_weights": [("a", 1), ("a", 2)]}, ValueError, "'a' more than once"),
        ({"class_weights": [1, 2], "classes": ["a", "b", "c"]}, ValueError, "2 weights, .* 3"),
        ({"class_weights": {"x": 1}, "classes": ["a"]}, ValueError, "'x', which is no class"),
        ({"class_weights": {"a": 1}, "classes": ["a", "b"]}, ValueError, "no weight for .* 'b'"),
        ({"classes": ["a", "b", "a"]}, ValueError, "classes names 'a' more than once"),
        ({"classes": {"a": 1}}, TypeError, "classes is dict"),
        ({"classes": ["a"], "ignored_labels": ["a"]}, ValueError, "'a', which is a class"),
        ({"class_weights": {"a": 1}, "ignored_labels": "a"}, ValueError, "'a', which is a class"),
        ({"ignored_labels": [None]}, TypeError, "ignored_labels holds None"),
    ],
)
def test_wrong_options(options, error, words):
    with pytest.raises(error, match=words) as caught:
        CrossEntropy(**options)
    assert str(caught.value).startswith("CrossEntropy: ")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (CrossEntropy([1, 2, 3]), r"3 weights, but there are 2 classes; .* 'a', 'b', in this"),
        (CrossEntropy({"a": 1}), "no weight for the class 'b'"),
        (CrossEntropy({"a": 1, "b": 1, "c": 1}), "'c', which is no class"),
        (CrossEntropy({0: 1, 1: 1}), "0, which is no class"),
        (CrossEntropy(classes=["a", "c"]), r"classes is \['a', 'c'\], .* 'a', 'b'"),
    ],
)
def test_weights_that_do_not_fit_the_classes_of_the_data(loss, words):
    with pytest.raises(ValueError, match=words):
        loss.weights_of_classes(np.array(["a", "b"]), [1, 1])


# ---------------------------------------------------------------- output layers


def test_output_layers_pass_rows_through(backend):
    rows, dy = np.random.default_rng(8).standard_normal((2, 6, 3))
    run = Run(backend, steps=(active_counts(np.array([4, 2])),))
    for layer in (ml.ClassificationOutput(), ml.RegressionOutput()):
        y, cache = layer.forward(run, rows)
        assert y is rows
        assert layer.backward(run, dy, cache)[0] is dy
        assert layer.parameters((3,)) == () and layer.output_shape((3,)) == (3,)


def test_output_layers_stand_for_their_loss():
    assert ml.ClassificationOutput().label == "crossentropyex"
    assert ml.RegressionOutput().label == "mean-squared-error"
    assert loss_of_output_layer(ml.RegressionOutput()) is find_loss("half-mse")
    assert loss_of_output_layer(ml.ClassificationOutput()) == CrossEntropy()
    layer = ml.ClassificationOutput(["b", "a"], [1, 3])
    weights = loss_of_output_layer(layer).weights_of_classes(["a", "b"], [1, 1])
    assert weights.tolist() == [3, 1]
    by_label = ml.ClassificationOutput(class_weights={"a": 2, "b": 1})
    assert loss_of_output_layer(by_label) == CrossEntropy({"a": 2, "b": 1})
    with pytest.raises(TypeError, match=r"\(Softmax\) is no output layer"):
        loss_of_output_layer(ml.Softmax())


@pytest.mark.parametrize(
    "layer",
    [
        ml.ClassificationOutput(),
        ml.ClassificationOutput(["b", "a"], [1, 3], name="end"),
        ml.ClassificationOutput([3, 5], {3: 1, 5: 2}),
        ml.ClassificationOutput(class_weights={7: 1, 5: 2}),
        ml.ClassificationOutput("auto", "inverse-frequency"),
        ml.RegressionOutput(name="end"),
    ],
)
def test_output_layers_are_built_again_from_plain_values(layer):
    config = json.loads(json.dumps(layer.config()))
    again = type(layer)(**config)
    assert dataclasses.astuple(again) == dataclasses.astuple(layer)
    assert dataclasses.astuple(dataclasses.replace(layer)) == dataclasses.astuple(layer)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"class_weights": [1, 2]}, ValueError, "classes is 'auto'; give the classes"),
        ({"classes": ["a", "b"], "class_weights": [1]}, ValueError, "1 weights, .* 2 classes"),
        ({"classes": ["a", "a"]}, ValueError, "'a' more than once"),
        ({"classes": ["a"]}, ValueError, "at least two"),
        ({"classes": "a"}, ValueError, "classes is 'a'; give a list"),
        ({"classes": 4}, ValueError, "at least two"),
    ],
)
def test_wrong_output_layers(options, error, words):
    with pytest.raises(error, match=words):
        ml.ClassificationOutput(**options)
    with pytest.raises(error, match=r"^end: "):
        ml.ClassificationOutput(**options, name="end")


def test_an_output_layer_of_other_classes_than_scores():
    layer = ml.ClassificationOutput(["a", "b"], name="end")
    with pytest.raises(ValueError, match=re.escape("'end' (crossentropyex) has 2 classes")):
        layer.output_shape((3,))
    with pytest.raises(ValueError, match="wants vectors"):
        layer.output_shape((3, 4, 2))
