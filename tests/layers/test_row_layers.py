"""The layers that act on rows: ReLU, dropout, batch normalisation, flattening, folding, combining.
Options, shapes, errors, and what goes forward and back; gradients are in `proof`."""

import numpy as np
import pytest
from agreement import NUMPY, dtypes, refuses
from builders import (
    ACTIVE,
    TRAINING,
    draw,
    layer_backward,
    layer_forward,
    layer_values,
    modes,
)

import minilstm as ml
from minilstm.functional import dropout
from minilstm.layers import Run, Training

# ---------------------------------------------------------------- all layers with one input


ONE_INPUT = [ml.ReLU(), ml.Dropout(0.4), ml.BatchNormalization(), ml.Flatten()]
ONE_INPUT += [ml.SequenceFolding(), ml.SequenceUnfolding()]
layers = pytest.mark.parametrize("layer", ONE_INPUT, ids=lambda layer: layer.kind)
shapes = pytest.mark.parametrize("shape", [(3,), (2, 4, 3), (2, 1, 3, 2)], ids=str)


@layers
@dtypes
@modes
def test_dtype_and_arguments_are_kept(backend, layer, dtype, training):
    x, p = draw(5, 2, 4, 3, dtype=dtype), layer_values(layer, (2, 4, 3), dtype)
    before = x.copy()
    y, cache = layer_forward(layer, backend, p, x, training)
    dy = draw(*y.shape, seed=1, dtype=dtype)
    up = dy.copy()
    dx, grads = layer_backward(layer, backend, dy, cache)
    assert (x == before).all() and (dy == up).all()
    assert {a.dtype for a in (y, dx, *grads.values())} == {np.dtype(dtype)}
    no_dx, same = layer_backward(layer, backend, dy, cache, need_dx=False)
    assert no_dx is None and same.keys() == grads.keys()
    assert all((same[name] == grads[name]).all() for name in grads)


@layers
def test_a_layer_can_be_built_again_from_its_options(layer):
    config = layer.config()
    assert config.pop("name") == ""
    again = type(layer)(**config)
    assert again.config() == layer.config() and again.label == layer.label
    assert layer.label in {
        "ReLU", "Dropout, 40 %", "Batch normalization", "Flatten", "Sequence folding",
        "Sequence unfolding",
    }  # fmt: skip
    assert layer.whole is (layer.kind == "batch_normalization")


# --------------------------------------------------------------------------------- dropout


def test_dropout_is_for_training_only(backend):
    x = draw(5, 3)
    layer = ml.Dropout()
    assert layer.probability == 0.5
    y, cache = layer_forward(layer, backend, {}, x)
    assert y is x and layer_backward(layer, backend, x, cache)[0] is x
    y, cache = layer_forward(layer, backend, {}, x, TRAINING)
    mask = dropout.dropout_mask(x.shape, 0.5, *TRAINING)
    assert (y == np.where(mask, 2 * x, 0)).all()
    other, _ = layer_forward(layer, backend, {}, x, Training(3, 40))
    assert not (y == other).all()


@pytest.mark.parametrize("value", [1, 1.0, -0.1, float("nan"), True, "0.5", None])
def test_dropout_probabilities(value):
    with refuses(f"Dropout: probability is {value!r}; give a number of at least 0 and below 1."):
        ml.Dropout(value)


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (0.125, "12.5 %"), (0.2, "20 %")])
def test_dropout_label(value, text):
    assert ml.Dropout(value).label == f"Dropout, {text}"


# --------------------------------------------------------------------- batch normalisation


def test_batch_normalization_options_are_the_references():
    layer = ml.BatchNormalization(scale_learn_rate_factor=2, offset_l2_factor=3)
    assert (layer.epsilon, layer.mean_decay, layer.variance_decay) == (1e-5, 0.1, 0.1)
    learnables = [(p.name, p.shape, p.learn_rate_factor, p.l2_factor) for p in
                  layer.parameters((4, 5, 7))]  # fmt: skip
    assert learnables == [("scale", (7,), 2, 1), ("offset", (7,), 1, 3)]
    rng = np.random.default_rng(0)
    starts = {
        p.name: p.initializer(p.shape, rng).tolist()
        for p in (*layer.parameters((2,)), *layer.statistics((2,)))
    }
    ones, zeros = [1, 1], [0, 0]
    assert starts == {
        "scale": ones, "offset": zeros, "trained_mean": zeros, "trained_variance": ones,
    }  # fmt: skip


@dtypes
def test_running_statistics(backend, dtype):
    layer = ml.BatchNormalization(mean_decay=0.25, variance_decay=0.5)
    x, p = 3 + draw(5, 4, 2, dtype=dtype), layer_values(layer, (4, 2), dtype)
    _, cache = layer_forward(layer, backend, p, x, TRAINING)
    new = layer.updated_statistics(p, cache)
    mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    want = 0.25 * mean + 0.75 * p["trained_mean"], 0.5 * variance + 0.5 * p["trained_variance"]
    np.testing.assert_allclose(new["trained_mean"], want[0], rtol=tolerance)
    np.testing.assert_allclose(new["trained_variance"], want[1], rtol=tolerance)
    assert set(new) == {"trained_mean", "trained_variance"}
    assert {a.dtype for a in new.values()} == {np.dtype(dtype)}
    _, cache = layer_forward(layer, backend, p, x)
    assert layer.updated_statistics(p, cache) == {}


def test_prediction_uses_the_trained_statistics_whatever_the_batch(backend):
    layer = ml.BatchNormalization(epsilon=0.5)
    x, p = draw(5, 3), layer_values(layer, (3,))
    out, _ = layer_forward(layer, backend, p, x)
    want = p["scale"] * (x - p["trained_mean"]) / np.sqrt(p["trained_variance"] + 0.5) + p["offset"]
    np.testing.assert_allclose(out, want, rtol=1e-13, atol=1e-15)
    alone, _ = layer_forward(layer, backend, p, x[:1], active=ACTIVE[-1:])
    np.testing.assert_allclose(alone, out[:1], rtol=1e-13)


def test_given_values_are_kept_apart_from_options():
    layer = ml.BatchNormalization(scale=[1, 2], trained_variance=(3.0, 4.0), name="bn")
    assert layer.scale.tolist() == [1, 2] and layer.offset is None
    assert not layer.scale.flags.writeable
    assert not {*layer.config()} & {"scale", "offset", "trained_mean", "trained_variance"}
    assert layer.output_shape((5, 5, 2)) == (5, 5, 2)
    message = (
        "the layer 'bn' (Batch normalization) has scale of shape (2,), but its input has shape "
        "(5, 3); give one number for each of the 3 channels."
    )
    for method in (layer.output_shape, layer.parameters):
        with refuses(message):
            method((5, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, "epsilon is 0; give a number above 0."),
        ({"epsilon": "1e-5"}, "epsilon is '1e-5'; give a number above 0."),
        ({"mean_decay": 1.5}, "mean_decay is 1.5; give a number from 0 to 1."),
        ({"variance_decay": True}, "variance_decay is True; give a number from 0 to 1."),
        ({"scale_l2_factor": -1}, "scale_l2_factor is -1; give a number of at least 0."),
        ({"offset": [[1.0]]}, "offset has shape (1, 1); give one finite number for each channel, "
         "shape (C,)."),
        ({"scale": [np.nan]}, "scale holds nan; give one finite number for each channel, "
         "shape (C,)."),
        ({"trained_variance": [1, -2.0]}, "trained_variance has an entry of -2; give variances of "
         "at least 0."),
    ],
)  # fmt: skip
def test_batch_normalization_errors(options, message):
    with refuses(f"BatchNormalization: {message}"):
        ml.BatchNormalization(**options)


# --------------------------------------------------------------- flattening and folding


def test_flatten_shapes_and_order(backend):
    assert ml.Flatten().output_shape((24, 24, 20)) == (11520,)
    assert ml.Flatten().output_shape((3,)) == (3,)
    x = draw(5, 2, 3, 4)
    y, _ = layer_forward(ml.Flatten(), backend, {}, x)
    for n in range(5):
        assert (y[n] == x[n].ravel(order="F")).all()


def test_folding_hands_the_number_of_sequences_to_unfolding(backend):
    fold, unfold = ml.SequenceFolding(), ml.SequenceUnfolding(name="unfold")
    assert fold.output_names == ("out", "mini_batch_size")
    assert unfold.input_names == ("in", "mini_batch_size") and fold.input_names == ("in",)
    assert fold.output_shapes([(4, 4, 1)]) == ((4, 4, 1), ())
    assert unfold.output_shapes([(4, 4, 1), ()]) == ((4, 4, 1),)
    x, dy = draw(5, 4, 4, 1), draw(5, 4, 4, 1, seed=1)
    run, once = Run(backend, steps=(ACTIVE,)), np.ones(1, int)
    (rows, number), cache = fold.forward(run, x)
    assert rows is x and number.tolist() == [2]
    assert fold.backward(run, (dy, None), cache) == (dy, {})
    assert fold.backward(run._replace(need_dx=False), (dy, None), cache) == (None, {})
    for second, steps in ((number, (ACTIVE, once)), (None, (ACTIVE,))):
        y, cache = unfold.forward(run._replace(steps=steps), (rows, second))
        assert y is x
        assert unfold.backward(run, dy, cache) == ((dy, None), {})
    with refuses(
        "the layer 'unfold' (Sequence unfolding) got rows of 2 sequences, but [3] at its input "
        "'mini_batch_size'; connect it to the output 'mini_batch_size' of the SequenceFolding that "
        "the rows went through."
    ):
        unfold.forward(run._replace(steps=(ACTIVE, once)), (rows, np.array([3])))


# ------------------------------------------------------------------------------- combining


@pytest.mark.parametrize("inputs", [2, 3])
@pytest.mark.parametrize("kind", [ml.Addition, ml.Concatenation])
@dtypes
def test_combining(backend, kind, inputs, dtype):
    layer = kind(inputs, name="join")
    assert layer.label == f"{kind.__name__} of {inputs} inputs"
    assert layer.input_names == ("in1", "in2", "in3")[:inputs]
    widths = [4] * inputs if kind is ml.Addition else [4, 1, 2][:inputs]
    xs = [draw(5, 2, width, seed=n, dtype=dtype) for n, width in enumerate(widths)]
    run = Run(backend, steps=(ACTIVE,) * inputs)
    y, cache = layer.forward(run, tuple(xs))
    want = sum(xs[1:], xs[0]) if kind is ml.Addition else np.concatenate(xs, axis=2)
    assert (y == want).all() and y.dtype == dtype
    assert layer.output_shapes([x.shape[1:] for x in xs]) == (want.shape[1:],)
    dy = draw(*want.shape, seed=9, dtype=dtype)
    dxs, grads = layer.backward(run, dy, cache)
    assert grads == {} and len(dxs) == inputs
    at = 0
    for dx, x in zip(dxs, xs, strict=True):
        part = dy if kind is ml.Addition else dy[..., at : at + x.shape[-1]]
        at += x.shape[-1]
        assert dx.dtype == dtype and (dx == part).all() and dx.shape == x.shape
    without = run._replace(need_dx=False)
    assert layer.backward(without, dy, cache)[0] == (None,) * inputs
    assert layer.backward(run, None, cache)[0] == (None,) * inputs


def test_inputs_that_do_not_fit():
    with refuses(
        "the layer 'sum' (Addition of 2 inputs) has inputs of shapes (3,), (4,); give it 2 inputs "
        "of one shape."
    ):
        ml.Addition(name="sum").output_shapes([(3,), (4,)])
    with refuses(
        "the layer 'cat' (Concatenation of 3 inputs) has inputs of shapes (5, 5, 3), (5, 5, 2), "
        "(4, 5, 3); give it 3 inputs that differ in the last axis only."
    ):
        ml.Concatenation(3, name="cat").output_shapes([(5, 5, 3), (5, 5, 2), (4, 5, 3)])
    with pytest.raises(ValueError, match="has inputs of shapes"):
        ml.Addition().output_shapes([(3,)])
    run = Run(NUMPY, steps=(ACTIVE, np.array([2])))
    for layer in (ml.Addition(name="join"), ml.Concatenation(name="join")):
        with refuses(
            f"the layer 'join' ({layer.label}) got inputs of different steps: 3 (5 rows), "
            "1 (2 rows); combine outputs that all have a time axis or all keep the last step only."
        ):
            layer.forward(run, (draw(5, 3), draw(2, 3)))
    for value in (1, 0, 2.0, True, "2"):
        with refuses(f"Addition: num_inputs is {value!r}; give a whole number of at least 2."):
            ml.Addition(value)


def test_numbers_of_numpy_compute_as_those_of_python_do():
    x = np.random.default_rng(0).standard_normal((50, 3)).astype("f4")
    values = {"scale": [0.3, 0.7, 1.1], "trained_variance": [0.7, 1.3, 0.1]}
    layers = [ml.BatchNormalization(e, **values) for e in (1e-5, np.float64(1e-5))]
    nets = [ml.Network([ml.SequenceInput(3), a], rng=np.random.default_rng(0)) for a in layers]
    with ml.use_backend("numpy"):
        assert np.array_equal(nets[0].predict(x), nets[1].predict(x))
