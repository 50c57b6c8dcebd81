"""Data far from zero keep their differences in a float32 network: first subtracted, then rounded.
Right values are those of NumPy in float64, rounded once.
"""

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import is_installed

BACKENDS = [name for name in ("numpy", "numba") if is_installed(name)]
FAR = 1.7e9  # seconds since 1970: float32 tells such numbers apart by 128
SCALES = {
    "zerocenter": lambda a: a - a.mean(axis=0),
    "zscore": lambda a: (a - a.mean(axis=0)) / a.std(axis=0),
    "rescale-symmetric": lambda a: (a - a.min(0)) / ((a.max(0) - a.min(0)) / 2) - 1,
    "rescale-zero-one": lambda a: (a - a.min(axis=0)) / (a.max(axis=0) - a.min(axis=0)),
    "function": lambda a: a - FAR,
}


def far(steps=60, features=2):
    t = np.arange(steps)[:, None] / 5 + np.arange(features)
    return FAR + np.sin(t) * [1.0, 3.0][:features]


def trained(kind, x, dtype="float32", **options):
    how = SCALES["function"] if kind == "function" else kind
    layers = [ml.SequenceInput(2, how, **options), ml.LSTM(5), ml.FullyConnected(2), ml.Softmax()]
    y = [(a[:, 0] > FAR).astype(int) for a in x]
    train = ml.TrainingOptions(max_epochs=2, dtype=dtype, verbose=False)
    return ml.train(x, y, layers, "crossentropy", train)[0]


@pytest.mark.parametrize("kind", SCALES)
def test_a_float32_network_sees_the_differences(kind):
    x = far()
    net = trained(kind, [x])
    wanted = SCALES[kind](x)
    got = net.activations(x, net.layers[0].name)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-7 * np.abs(wanted).max())
    assert wanted.std() > 0.2


def test_training_reaches_what_float64_reaches():
    t = np.arange(200)
    x = [(np.sin(t / 5 + k) + FAR)[:, None] for k in range(4)]
    y = [(a[:, 0] > FAR).astype(int) for a in x]
    layers = [ml.SequenceInput(1, "zscore"), ml.LSTM(8), ml.FullyConnected(2), ml.Softmax()]
    found = {}
    for dtype in ("float32", "float64"):
        options = ml.TrainingOptions(
            max_epochs=30, initial_learn_rate=0.02, dtype=dtype, verbose=False,
            validation_data=(x[:1], y[:1]),
        )  # fmt: skip
        net, info = ml.train(x, y, layers, "crossentropy", options)
        found[dtype] = net.evaluate(x, y)
        assert info.history["validation_loss"][-1] == pytest.approx(
            net.evaluate(x[:1], y[:1])["loss"]
        )
    assert found["float64"]["accuracy"] > 0.95
    assert found["float32"]["loss"] == pytest.approx(found["float64"]["loss"], rel=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", SCALES)
def test_streams_and_all_widths_give_the_same_bits(kind, backend):
    x = far()
    net = trained(kind, [x])
    near = far().astype(np.float32)
    with ml.use_backend(backend):
        assert np.array_equal(net.predict(near), net.predict(near.astype(float)))
        for steps in (x, x.tolist(), near, near.astype(float)):
            wanted = net.predict(np.asarray(steps))
            stream, two = net.stream(), net.stream(batch=2)
            for step, scores in zip(steps, wanted, strict=True):
                got, both = stream.step(step), two.step(np.stack([step, step]))
                if backend == "numba":
                    assert np.array_equal(got, scores)
                    assert np.array_equal(both, [scores, scores])
                else:
                    np.testing.assert_allclose(got, scores, rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_statistic_for_all_features_counts_for_each_in_a_stream(backend):
    net = trained("zscore", [far()], normalization_dimension="all")
    with ml.use_backend(backend):
        wanted = net.predict(far(3))
        stream = net.stream()
        got = [stream.step(row) for row in far(3)]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_a_list_may_mix_dtypes():
    x = far()
    net = trained("zscore", [x])
    a, b = x.astype(np.float32), x[:20]
    for got, alone in zip(net.predict([a, b]), [net.predict(a), net.predict(b)], strict=True):
        np.testing.assert_allclose(got, alone, rtol=1e-5)


def test_whole_seconds_and_milliseconds_count_as_float64():
    stamps = np.array([[1_700_000_000_000 + 10 * n, 5] for n in range(50)])
    layer = ml.SequenceInput(2, "zscore")
    net = ml.Network(
        [layer.with_statistics([stamps]), ml.FullyConnected(1)], rng=np.random.default_rng(0)
    )
    got = net.activations(stamps, net.layers[0].name)
    wanted = (np.arange(50) - 24.5) / np.arange(50).std()
    np.testing.assert_allclose(got[:, 0], wanted, rtol=1e-6)
    assert (got[:, 1] == 0).all()  # a feature that never changes


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_statistics_hold_for_numbers_of_any_size(size):
    x = np.random.default_rng(0).normal(size=(40, 2))
    layer = ml.SequenceInput(2, "zscore").with_statistics([x * size])
    np.testing.assert_allclose(layer.standard_deviation / size, x.std(axis=0), rtol=1e-12)


def test_what_float32_cannot_hold_is_still_refused():
    net = trained("zerocenter", [far()])
    with pytest.raises(ml.DataError) as error:
        net.predict(np.array([[1.0, 1e39]]))
    assert str(error.value) == (
        "x holds 1e+39 at time step 0, feature 1, beyond the range of float32; scale the data or "
        "train with dtype='float64'."
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_deviation_too_small_for_new_data_is_a_sentence(backend):
    layer = ml.SequenceInput(1, "zscore", mean=[0.0], standard_deviation=[1e-30])
    net = ml.Network([layer, ml.LSTM(2)], rng=np.random.default_rng(0))
    with ml.use_backend(backend):
        stream = net.stream()
        for ask in (net.predict, stream.step):
            x = np.full((1, 1) if ask == net.predict else 1, 1e20, np.float32)
            with pytest.raises(ml.DataError) as error:
                ask(x)
            assert str(error.value) == (
                "the layer 'input' (Sequence input with 1 dimensions, zscore) makes "
                "numbers beyond the range of float32 of its data, which reach 1e+20; check the "
                "statistics of the layer and the units of the data."
            )
        assert np.array_equal(stream.step([0.0]), net.predict(np.zeros((1, 1)))[0])


def test_targets_have_the_dtype_of_the_network():
    layers = [ml.SequenceInput(2, "zscore"), ml.FullyConnected(1)]
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    with pytest.warns(UserWarning, match="y holds response 0 .* but float32 loses its differences"):
        net, _ = ml.train([far()], [far(60, 1)], layers, "mse", options)
    assert net.predict(far()).dtype == np.float32


def test_a_saved_network_passes_its_self_test_and_predicts_the_same(tmp_path):
    net = trained("zscore", [far()])
    again = ml.load(net.save(tmp_path / "far.safetensors"))
    assert np.array_equal(again.predict(far()), net.predict(far()))


def test_weights_beyond_the_range_are_refused():
    layers = [ml.SequenceInput(2), ml.FullyConnected(2), ml.Softmax()]
    options = ml.TrainingOptions(max_epochs=1, verbose=False)
    with pytest.raises(ml.DataError) as error:
        ml.train(
            [np.ones((2, 2))], [[0, 1]], layers, "crossentropy", options,
            step_weights=[[1.0, 1e300]],
        )  # fmt: skip
    assert str(error.value) == (
        "a weight of y is beyond the range of float32; give smaller weights to the steps and "
        "classes, or train with dtype='float64'."
    )
