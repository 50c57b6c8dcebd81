"""The CuPy backend against PyTorch's numbers: predictions, gradients and trainings of tests/golden.
The tests are those of the other backends, called with this one; see `test_golden`."""

from __future__ import annotations

import numpy as np
import pytest
import test_golden as golden

import minilstm as ml


@golden.dtypes
def test_predict_starts_from_a_state(cupy_backend, dtype):
    golden.test_predict_starts_from_a_state(cupy_backend, dtype)


@pytest.mark.parametrize("run", [r for r in golden.RUNS if r[1] != "torch"], ids="/".join)
def test_train_takes_the_same_steps(cupy_backend, run):
    golden.test_train_takes_the_same_steps(cupy_backend, run)


@golden.dtypes
@pytest.mark.parametrize("file", ["adam_sequence", "adam_last"])
def test_loss_and_gradients(cupy_backend, file, dtype):
    """Of the step that an Adam run starts with: its loss, accuracy and norms are in the file."""
    run = next(r for r in golden.RUNS if r[0] == file)
    want = golden.read(file, f"{run[1]}_")
    a, net = golden.start(file, dtype)
    packed, targets = golden.problem(a, dtype)
    signal = ml.layers.Signal(packed.rows, packed.active)
    result = net.loss_and_gradients(signal, targets, backend=cupy_backend)
    gradients = {k: cupy_backend.to_host(g) for k, g in result.gradients.items()}
    factors = {k: float(want["l2"]) for k in net.parameters if not k.endswith("bias")}
    gradients = golden.add_l2(gradients, net.parameters, factors)
    norms = [golden.l2norm(gradients[name]) for name in golden.NAMES.values()]
    tolerance = golden.ADAM[dtype]
    golden.assert_golden(result.loss, want["loss"][0], tolerance, "loss")
    golden.assert_golden(norms, want["norms"][0], tolerance, "norms")
    assert result.correct[0] / len(targets) == pytest.approx(want["accuracy"][0], abs=1e-12)


@golden.dtypes
def test_two_stacked_layers(cupy_backend, dtype):
    a, tolerance = golden.read("stacked"), golden.GRADIENTS[dtype]
    lstms = [ml.LSTM(6, name="l1"), ml.LSTM(4, output_mode="last", name="l2")]
    layers = [ml.SequenceInput(3), *lstms, ml.FullyConnected(3), ml.Softmax()]
    names = {"dF": golden.NAMES["F"], "dfb": golden.NAMES["fb"]}
    for n in ("l1", "l2"):
        names |= {f"{n}_d{k}": golden.NAMES[k].replace("lstm", n) for k in "WRb"}
    values = {
        name: a[key.replace("_d", "_") if "_" in key else key[1:]] for key, name in names.items()
    }
    net = ml.Network(layers, values, classes=[0, 1, 2], dtype=dtype)
    packed, targets = golden.problem(a, dtype)
    signal = ml.layers.Signal(packed.rows, packed.active)
    result = net.loss_and_gradients(signal, targets, backend=cupy_backend)
    golden.assert_golden(result.loss, a["loss"], tolerance, "loss")
    back = np.argsort(packed.order)
    for key, name in names.items():
        got = cupy_backend.to_host(result.gradients[name])
        golden.assert_golden(got, a[key], tolerance, key)
    for n in ("l1", "l2"):
        for part, key in (("hidden", "hT"), ("cell", "cT")):
            got = cupy_backend.to_host(getattr(result.state[n], part))[back]
            golden.assert_golden(got, a[f"{n}_{key}"], tolerance, f"{n}_{key}")
