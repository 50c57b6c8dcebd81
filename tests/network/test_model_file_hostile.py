"""Model files whose checksums are right, as someone who knows the format would make them.
What asks for more than it holds, or does not fit together, is refused at once, before memory."""

import json
import re
import time
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from agreement import is_one_sentence
from record.models import contents
from safetensors.numpy import save

import minilstm as ml
from minilstm.network.model_contents import checksum
from minilstm.network.model_file import from_bytes

pytestmark = [pytest.mark.usefixtures("on_numpy"), pytest.mark.alone]


@pytest.fixture
def whole(tmp_path):
    """Arrays and metadata of a file."""
    layers = [ml.SequenceInput(3), ml.LSTM(2, name="memory"), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=["a", "b"])
    return contents(net.save(tmp_path / "model.safetensors"))


def written(arrays, metadata, text=None):
    if text is None and isinstance(metadata, dict):
        metadata = {**metadata, "sha256": checksum(arrays, metadata)}
    text = json.dumps(metadata) if text is None else text
    return save(arrays, metadata={"minilstm": text})


def loaded(data, **options):
    return from_bytes(data, ml.Network, **options)


def refused_at_once(data, traced=True):
    """The reason, given within a second, and without memory where that is traced."""
    if traced:  # which makes it slower
        tracemalloc.start()
    began = time.process_time()
    with pytest.raises(ml.ModelFileError) as error:
        loaded(data)
    seconds = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = str(error.value)
    assert is_one_sentence(said) and len(said) < 600
    assert seconds < 1.5 and peak < 20 * 2**20, (seconds, peak)
    return said


def with_layer(metadata, n, **options):
    layers = [dict(layer) for layer in metadata["layers"]]
    layers[n].update(options)
    return {**metadata, "layers": layers}


SIZES = {
    "units": (1, {"num_hidden_units": 10**9}, "but its layer wants (4000000000, 3)"),
    "more units": (1, {"num_hidden_units": 2**40}, "but its layer wants (4398046511104, 3)"),
    "4000 digits": (1, {"num_hidden_units": 10**4000}, "but its layer wants (4000000"),
    "features": (0, {"input_size": 10**9}, "not [(16, 1000000000)]"),
    "images": (0, {"input_size": [10**6, 10**6, 3]}, "its input has shape (1000000, 1000000, 3)"),
    "a long word": (1, {"output_mode": "k" * 10**6}, "output_mode is 'kkkk"),
    "a long option": (1, {"k" * 10**6: 1}, "has no option 'kkkk"),
    "a long kind": (1, {"kind": "k" * 10**6}, "unknown layer kind 'kkkk"),
    "a long name": (1, {"name": "k" * 10**5}, "no layer 'memory'"),
}


@pytest.mark.parametrize("case", SIZES)
def test_sizes_that_the_arrays_do_not_have(whole, case):
    arrays, metadata = whole
    layer, options, reason = SIZES[case]
    assert reason in refused_at_once(written(arrays, with_layer(metadata, layer, **options)))


TEXTS = {
    "a deep list": ("[" * 5000 + "]" * 5000, "it holds little but brackets"),
    "a deeper list": ("[" * 10**5 + "]" * 10**5, "it holds little but brackets"),
    "a deep object": ('{"a":' * 10**5 + "1" + "}" * 10**5, "it holds little but brackets"),
    "deep, with long names": (
        f'{{"{"a" * 50}":' * 5000 + "1" + "}" * 5000,
        "its JSON is nested too deeply",
    ),
    "NaN": ('{"format_version": NaN}', "it holds NaN, which is no JSON"),
    "infinity": ('{"format_version": -Infinity}', "it holds -Infinity, which is no JSON"),
    "too large": ('{"format_version": 3, "sha256": 1e400}', "not as it was saved"),
    "twice": ('{"format_version": 3, "format_version": 3}', "it has a name twice in its JSON"),
    "many digits": ("1" * 10**5, "Exceeds the limit (4300 digits)"),
    "a list": ("[]", "list indices must be integers"),
    "nothing": ("", "Expecting value"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_metadata_that_no_reader_should_follow(whole, case):
    text, reason = TEXTS[case]
    assert reason in refused_at_once(written(whole[0], {}, text=text))


def chain(metadata, kind, **options):
    """5,000 layers in a row behind the input."""
    layers = [metadata["layers"][0]]
    layers += [{"kind": kind, "name": f"l{n}", **options} for n in range(5000)]
    connections = [[f"{a['name']}/out", f"{b['name']}/in"] for a, b in pairwise(layers)]
    return {**metadata, "layers": layers, "connections": connections, "classes": None}


def test_thousands_of_layers(whole):
    arrays, metadata = whole
    only = {k: a for k, a in arrays.items() if k.startswith("self_test")}
    relu = chain(metadata, "relu")
    circle = [["l4999/out", "l0/in"], *relu["connections"][1:]]
    last = chain(metadata, "lstm", num_hidden_units=4, output_mode="last")
    for described, reason in (
        ({**relu, "connections": relu["connections"][::-1]}, "shapes [(16, 2)], not [(16, 3)]"),
        ({**relu, "connections": []}, "is fed by nothing"),
        ({**relu, "connections": circle}, "form a circle"),
        (last, "the LSTM 'l1' follows 'l0'"),
    ):
        assert reason in refused_at_once(written(only, described), traced=False)
    # What they compute is right, so they are a network.
    right = {**only, "self_test/scores": np.maximum(only["self_test/input"], 0)}
    assert len(loaded(written(right, relu)).layers) == 5001


def test_joins_of_more_inputs_than_there_are_connections(whole):
    arrays, metadata = whole
    for many in (10**9, 1000):
        add = {"kind": "addition", "name": "add", "num_inputs": many}
        data = written(arrays, {**metadata, "layers": [*metadata["layers"], add]})
        assert f"{many} joined inputs, but 3 connections" in refused_at_once(data)


def image_file(metadata, out, **options):
    """A convolution alone, of an image of 4 x 4."""
    arrays = {
        "self_test/input": np.zeros((16, 4, 4, 1), np.float32),
        "self_test/scores": np.zeros((16, *out, 1), np.float32),
        "conv/weights": np.ones((3, 3, 1, 1), np.float32),
        "conv/bias": np.zeros(1, np.float32),
    }
    layers = [
        {"kind": "sequence_input", "name": "input", "input_size": [4, 4, 1]},
        {"kind": "convolution_2d", "name": "conv", "filter_size": 3, "num_filters": 1, **options},
    ]
    whole = {"layers": layers, "connections": [["input/out", "conv/in"]], "classes": None}
    return written(arrays, {**metadata, **whole})


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 10**5, "stride": 10**5},
        {"padding": "same", "dilation": 10**5, "stride": 10**5},
        {"padding": [10**9, 0], "stride": [10**9, 1]},
    ],
)
def test_a_small_file_that_computes_with_large_arrays(whole, options):
    out = ml.Convolution2D(3, 1, **options).output_shape((4, 4, 1))[:2]
    data = image_file(whole[1], out, **options)
    assert "needs more than 16,777,216 numbers in the self-test" in refused_at_once(data)
    assert (
        loaded(data, self_test=False).layers[1].stride == ml.Convolution2D(3, 1, **options).stride
    )


def test_widths_that_double_from_layer_to_layer(whole):
    arrays, metadata = whole
    arrays = {k: a for k, a in arrays.items() if not k.startswith("fc")}
    layers, connections, before = [metadata["layers"][0]], [], "input"
    for n in range(60):
        layers.append({"kind": "concatenation", "name": f"c{n}", "num_inputs": 2})
        connections += [[f"{before}/out", f"c{n}/in{k}"] for k in (1, 2)]
        before = f"c{n}"
    last = {"kind": "lstm", "name": "memory", "num_hidden_units": 2}
    ends = {"layers": [*layers, last], "connections": [*connections, [before, "memory"]]}
    data = written(arrays, {**metadata, **ends, "classes": None})
    assert "its layer wants (8, 3458764513820540928)" in refused_at_once(data)


# ---------------------------------------------------------------- parts that do not fit together

SCORES = "self_test/scores"


@pytest.fixture
def centred(tmp_path):
    """Arrays and metadata of a file with a mean, and one row of scores."""
    layers = [
        ml.SequenceInput(3, "zerocenter", (1.0, 2.0, 3.0)),
        ml.LSTM(2, "last", name="memory"),
        ml.FullyConnected(2),
        ml.Softmax(),
    ]
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=["a", "b"])
    return contents(net.save(tmp_path / "model.safetensors"))


def without(mapping, key):
    return {k: v for k, v in mapping.items() if k != key}


def filled(arrays, key, value):
    return {**arrays, key: np.full_like(arrays[key], value)}


def no_input(metadata):
    connections = metadata["connections"][1:]
    return {**metadata, "layers": metadata["layers"][1:], "connections": connections}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda a, m: (a, []), "list indices must be"),
        (lambda a, m: (a, without(m, "format_version")), "'format_version'"),
        (lambda a, m: (a, without(m, "layers")), "'layers'"),
        (
            lambda a, m: (without(a, "input/mean"), {**m, "layers": []}),
            "no layer 'input",
        ),
        (lambda a, m: (without(a, "input/mean"), no_input(m)), "the graph has no SequenceInput"),
        (lambda a, m: (a, with_layer(m, 1, kind="gru")), "unknown layer kind 'gru'"),
        (lambda a, m: (a, with_layer(m, 1, num_hidden_units=3)), "its layer wants (12, 3)"),
        (lambda a, m: (a, with_layer(m, 1, output_mode="first")), "output_mode is 'first'"),
        (lambda a, m: (a, with_layer(m, 1, peepholes=True)), "'peepholes'"),
        (lambda a, m: (a, {**m, "gate_layout": "ifog"}), "gate layout 'ifog', not 'ifgo'"),
        (lambda a, m: (a, without(m, "format")), "'format' is missing"),
        (lambda a, m: (a, {**m, "format": None}), "format None, not 'minilstm'"),
        (lambda a, m: (a, {**m, "classes": {}}), "classes is {}; name an output"),
        (lambda a, m: (a, {**m, "dtype": "float16"}), "dtype 'float16', not one of"),
        (lambda a, m: (a, {**m, "dtype": "float64"}), "is float32, not float64"),
        (lambda a, m: (a, {**m, "dtype": None}), "dtype None"),
        (lambda a, m: (a, {**m, "classes": 5}), "classes 5, not a list"),
        (lambda a, m: (a, {**m, "classes": [0.5, 1.5]}), "classes [0.5, 1.5], not a list"),
        (lambda a, m: (a, {**m, "classes": ["a", 2]}), "classes ['a', 2], not a list"),
        (lambda a, m: (a, {**m, "classes": [False, True]}), "classes [False, True], not a list"),
        (lambda a, m: (a, {**m, "classes": ["a", "a\0"]}), "'a\\x00'], not a list"),
        (lambda a, m: (a, {**m, "classes": [1, 2**70]}), "not a list of strings"),
        (lambda a, m: (a, {**m, "classes": ["a"]}), "1 classes for 2 scores of 'softmax'"),
        (lambda a, m: (a, {**m, "classes": list("abcd")}), "4 classes for 2 scores"),
        (lambda a, m: (a, {**m, "classes": [1, 1]}), "classes [1, 1], of which some are equal"),
        (lambda a, m: (a, {**m, "classes": {"fc": [1, 2]}}), "classes of 'fc', which is no output"),
        (lambda a, m: (a, {**m, "losses": ["mse", "mse"]}), "2 losses for 1 outputs"),
        (lambda a, m: (a, {**m, "losses": "mse"}), "losses 'mse', not a list of names"),
        (lambda a, m: (a, {**m, "data_format": "euto"}), "data_format is 'euto'"),
        (lambda a, m: (a, {**m, "layers": [None]}), "its layers are no list of dict"),
        (lambda a, m: (a, {**m, "connections": [1]}), "its connections are no list of list"),
        (lambda a, m: (a, with_layer(m, 1, name="")), "a layer of the name ''"),
        (lambda a, m: (a, with_layer(m, 1, bias=[0] * 8)), "'memory' has no option 'bias'"),
        (lambda a, m: (filled(a, "fc/bias", np.nan), m), "'fc/bias' holds NaN or infinity"),
        (lambda a, m: (filled(a, "input/mean", np.inf), m), "'input/mean' holds NaN or infinity"),
        (lambda a, m: (filled(a, "self_test/input", np.nan), m), "'self_test/input' holds NaN"),
        (lambda a, m: (filled(a, "self_test/scores", -np.inf), m), "'self_test/scores' holds NaN"),
        (lambda a, m: ({**a, SCORES: a[SCORES][:0]}, m), "[(0, 2)], not [(1, 2)]"),
        (lambda a, m: ({**a, SCORES: a[SCORES][:, :1]}, m), "[(1, 1)], not [(1, 2)]"),
        (lambda a, m: ({**a, SCORES: a[SCORES].astype(float)}, m), "its self-test is not float32"),
        (lambda a, m: ({**a, "input/mean": a["fc/bias"]}, m), "'input'/mean is float32, not"),
        (lambda a, m: (a, without(m, "connections")), "'connections'"),
        (lambda a, m: (a, {**m, "connections": [["input/out"]]}), "not enough values"),
        (lambda a, m: (a, {**m, "connections": [["in/out", "fc/in"]]}), "no layer 'in'"),
        (lambda a, m: (a, {**m, "connections": m["connections"] * 2}), "already fed"),
        (lambda a, m: (a, {**m, "connections": m["connections"][1:]}), "fed by nothing"),
        (lambda a, m: (without(a, "fc/bias"), m), "mend ['fc/bias']"),
        (lambda a, m: ({**a, "extra": a["fc/bias"]}, m), "mend ['extra']"),
        (lambda a, m: (without(a, "self_test/input"), m), "'self_test/input'"),
        (lambda a, m: ({**a, "self_test/input": a["fc/weights"]}, m), "[(2, 2)], not [(16, 3)]"),
        (lambda a, m: ({**a, "input/mean": np.zeros(2)}, m), "mean has shape (2,)"),
    ],
)
def test_a_file_whose_parts_do_not_fit_together_is_refused(centred, damage, reason):
    data = written(*damage(*centred))
    end = re.escape("; it was changed after saving, so save the model again.")
    with pytest.raises(
        ml.ModelFileError,
        match=rf"^the file does not describe a network \(.*{re.escape(reason)}.*\){end}$",
    ):
        loaded(data)
