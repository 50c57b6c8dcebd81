"""Each layer without a state on the device: forward and backward give what NumPy gives.
Nothing moves between host and device inside a layer, and the host waits for nothing."""

import numpy as np
import pytest
from agreement import NUMPY, TOLERANCE, assert_agree, dtypes
from builders import ACTIVE, draw, layer_backward, layer_forward, layer_values, modes
from device_arrays import nothing_moves

import minilstm as ml
from minilstm.layers import Run

MEAN, DEVIATION = [1.0, -2.0, 0.5], [2.0, 0.0, 0.25]
VECTORS = {
    "input": ml.SequenceInput(3),
    "zerocenter": ml.SequenceInput(3, "zerocenter", MEAN),
    "zscore": ml.SequenceInput(3, "zscore", MEAN, standard_deviation=DEVIATION),
    "rescale": ml.SequenceInput(3, "rescale-symmetric", min=[0, 1, 2], max=[1, 1, 4]),
    "rescale to one": ml.SequenceInput(3, "rescale-zero-one", min=[0, 1, 2], max=[1, 1, 4]),
    "fully connected": ml.FullyConnected(4),
    "softmax": ml.Softmax(),
    "classification": ml.ClassificationOutput(),
    "regression": ml.RegressionOutput(),
}
ANY = {
    "sigmoid": ml.Sigmoid(),
    "relu": ml.ReLU(),
    "dropout": ml.Dropout(0.4),
    "batch normalization": ml.BatchNormalization(),
    "flatten": ml.Flatten(),
    "folding": ml.SequenceFolding(),
    "unfolding": ml.SequenceUnfolding(),
    "addition": ml.Addition(3),
    "concatenation": ml.Concatenation(2),
}
IMAGES = {
    "input": ml.SequenceInput([4, 5, 3], "zerocenter", np.reshape(MEAN, (1, 1, 3))),
    "convolution": ml.Convolution2D([3, 2], 5, stride=(1, 2), padding="same"),
    "fully connected": ml.FullyConnected(4),
}
VOLUMES = {
    "convolution": ml.Convolution3D(2, 5, stride=2, padding=1),
    "fully connected": ml.FullyConnected(4),
}
CASES = {
    f"{name} of {what}": (layer, shape)
    for what, shape, layers in (
        ("vectors", (3,), {**VECTORS, **ANY}),
        ("images", (4, 5, 3), {**IMAGES, **ANY}),
        ("volumes", (3, 4, 2, 3), {**VOLUMES, **ANY}),
    )
    for name, layer in layers.items()
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def problem(layer, shape, dtype):
    """Parameters, inputs and the upstream gradient of a layer."""
    inputs = [draw(5, *shape, seed=n, dtype=dtype) for n, _ in enumerate(layer.input_names or "x")]
    if isinstance(layer, ml.SequenceUnfolding):
        inputs = inputs[:1]
    out = layer.output_shapes([shape] * len(inputs))[0]
    return layer_values(layer, shape, dtype), inputs, draw(5, *out, seed=9, dtype=dtype)


def run(backend, layer, p, inputs, dy, training):
    """Outputs, gradients and running statistics."""
    if len(inputs) > 1:
        x = tuple(inputs)
        y, cache = layer.forward(Run(backend, p, (ACTIVE,) * len(x), training), x)
        dx, grads = layer.backward(Run(backend), dy, cache)
    else:
        y, cache = layer_forward(layer, backend, p, inputs[0], training)
        dx, grads = layer_backward(layer, backend, dy, cache)
    _, same = layer_backward(layer, backend, dy, cache, need_dx=False)
    assert list(grads) == list(same)
    known = isinstance(layer, ml.BatchNormalization)
    moved = layer.updated_statistics(p, cache) if known else {}
    dx = dx if isinstance(dx, tuple) else (dx,)
    return (y, *dx, *grads.values(), *same.values(), *moved.values())


@cases
@modes
@dtypes
def test_a_layer_gives_what_it_gives_on_numpy(cupy_backend, case, training, dtype):
    layer, shape = case
    p, inputs, dy = problem(layer, shape, dtype)
    want = run(NUMPY, layer, p, inputs, dy, training)
    p = {**p, **layer.constants(dtype)}
    placed = {name: cupy_backend.to_device(np.asfortranarray(a)) for name, a in p.items()}
    arguments = placed, [cupy_backend.to_device(x) for x in inputs], cupy_backend.to_device(dy)
    run(cupy_backend, layer, *arguments, training)  # tables kept from call to call are moved here
    with nothing_moves():
        got = run(cupy_backend, layer, *arguments, training)
    for a, b in zip(got, want, strict=True):
        assert (a is b is None) or (type(a) is type(arguments[2]) and a.dtype == b.dtype)
    got = tuple(cupy_backend.to_host(a) for a in got)
    assert_agree(got, want, TOLERANCE[dtype])


@dtypes
def test_a_function_that_normalises_gets_and_gives_numpy_arrays(cupy_backend, dtype):
    def halved(rows):
        assert type(rows) is np.ndarray and rows.flags.writeable
        return rows / 2

    layer, x = ml.SequenceInput(3, halved), draw(5, 3, dtype=dtype)
    moved = cupy_backend.to_device(x)
    y, cache = layer_forward(layer, cupy_backend, {}, moved)
    assert cupy_backend.to_host(y).tolist() == (x / 2).tolist()
    assert layer_backward(layer, cupy_backend, moved, cache)[0] is None


def test_folding_hands_the_number_of_sequences_to_unfolding(cupy_backend):
    x = cupy_backend.to_device(draw(5, 3))
    run = Run(cupy_backend, steps=(ACTIVE,))
    outputs, _ = ml.SequenceFolding().forward(run, x)
    back, _ = ml.SequenceUnfolding().forward(run, outputs)
    assert back is x
