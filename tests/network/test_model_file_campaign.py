"""Model files, changed at random: each is refused, or is the network that was saved, bit for bit.
Half of the changes are of those who know the format: the checksum is made anew after them."""

import copy
import json
import resource
import sys
from contextlib import suppress
from functools import cache

import campaigns
import numpy as np
import pytest
from builders import draw
from safetensors.numpy import load, save

import minilstm as ml
from minilstm.network.model_contents import checksum
from minilstm.network.model_file import from_bytes, to_bytes

VALUES = [
    None, True, False, 0, 1, -1, 3, 10**9, 2**31, 2**63, 10**30, 0.5, -0.5, 1e300, -0.0, "", "x",
    "/", "n" * 5000, "lstm", "lstm/out", "last", "auto", "mse", "same", [], {}, [[]], ["a", "b"],
    {"kind": "lstm"}, [[[[1]]]], [1e300], "\0", "1",
]  # fmt: skip
NUMBERS = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e30, 1e-40, 5e-324]


def built(layers, classes=None, **options):
    return ml.Network(layers, rng=np.random.default_rng(0), classes=classes, **options)


def several_ends():
    """Two inputs, two outputs, a join, a state that goes from layer to layer."""
    graph = ml.LayerGraph([ml.SequenceInput(2, name="a"), ml.LSTM(2, has_state_outputs=True)])
    graph.add([ml.SequenceInput(3, "zscore", 0.5, standard_deviation=2.0, name="b")])
    graph.add(ml.LSTM(2, has_state_inputs=True, name="second")).connect("b", "second")
    graph.connect("lstm/hidden", "second/hidden").connect("lstm/cell", "second/cell")
    graph.add([ml.Addition(), ml.FullyConnected(2), ml.Softmax(name="which")])
    graph.connect("lstm", "addition/in1").connect("second", "addition/in2")
    graph.add(ml.FullyConnected(1, name="much")).connect("addition", "much")
    return built(graph, {"which": ["no", "yes"]}, losses=["crossentropy", "mse"])


@cache
def networks():
    named = ml.SequenceInput(3, "zerocenter", (1.0, 2.0, 3.0), feature_names=["ax", "ay", "az"])
    images = [
        ml.SequenceInput([4, 4, 1], ), ml.Convolution2D(3, 2, padding="same"),
        ml.BatchNormalization(), ml.ReLU(), ml.Flatten(), ml.BiLSTM(2), ml.Dropout(0.25),
        ml.LSTM(2, "last", hidden_state=[0.5, -0.25]), ml.FullyConnected(2), ml.Softmax(),
        ml.ClassificationOutput(["left", "right"], class_weights=[1, 2]),
    ]  # fmt: skip
    about = {
        "features": [{"name": name, "unit": "g"} for name in ("ax", "ay", "az")], "rate": 50.0,
        "targets": None, "description": {"id_column": "who", "drop": ["t"]},
        "shaping": {"window_length": 8}, "card": {"seed": 0, "scores": {"run": [0.5, None]}},
    }  # fmt: skip
    chain = [named, ml.LSTM(2), ml.FullyConnected(3), ml.Softmax()]
    return [
        built(chain, ["run", "sit", "walk"], about=about),
        built([ml.SequenceInput(1), ml.LSTM(2, "last"), ml.FullyConnected(2)], dtype="float64"),
        built(images, ["left", "right"]),
        several_ends(),
    ]


def loaded(data):
    return from_bytes(data, ml.Network)


def header_end(data):
    return 8 + int.from_bytes(data[:8], "little")


def opened(data):
    """Arrays and metadata."""
    header = json.loads(data[8 : header_end(data)])
    return load(data), json.loads(header["__metadata__"]["minilstm"])


def sealed(arrays, metadata):
    """A file with a checksum that is right."""
    with suppress(TypeError, ValueError):  # then loading finds the same
        metadata = {**metadata, "sha256": checksum(arrays, metadata)}
    return save(arrays, metadata={"minilstm": json.dumps(metadata)})


def spliced(data, rng, other):
    """The file with bytes flipped, set, cut, put in, doubled, or taken from another file."""
    data, end = bytearray(data), header_end(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(end if rng.random() < 0.6 else len(data)))
        many = int(rng.integers(1, 40))
        match rng.integers(7):
            case 0 | 1 | 2:
                data[at % len(data)] ^= 1 << int(rng.integers(8))
            case 3:
                data[at % len(data)] = rng.choice(list(b'\0\xff "0129{}[]:,-eNx'))
            case 4:
                del data[at : at + many if rng.random() < 0.5 else len(data)]
            case 5:
                data[at:at] = data[at : at + many]
            case 6:
                data[at : at + many] = other[at : at + many]
        if not data:
            break
    return bytes(data)


def places(value, path=()):
    """The path of every value in nested JSON."""
    yield path
    if isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, key))


def rewritten(metadata, rng):
    """The metadata with some value replaced, taken away, doubled, or put elsewhere."""
    metadata = copy.deepcopy(metadata)
    for _ in range(rng.integers(1, 3)):
        all_places = list(places(metadata))[1:]
        *path, key = all_places[rng.integers(len(all_places))]
        inside = metadata
        for step in path:
            inside = inside[step]
        old = inside[key]
        match rng.integers(6):
            case 0 | 1 | 2:
                inside[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
            case 3:
                del inside[key]
            case 4 if isinstance(inside, list):
                inside.insert(int(rng.integers(len(inside) + 1)), copy.deepcopy(old))
            case _ if type(old) in (int, float):
                inside[key] = old * int(rng.choice([-1, 2, 1000]))
            case _:
                other = metadata
                for step in all_places[rng.integers(len(all_places))]:
                    other = other[step] if not isinstance(other, (str, int, float)) else other
                inside[key] = copy.deepcopy(other)
        if not metadata:
            break
    return metadata


def reworked(arrays, rng):
    """The arrays with some number, dtype, shape or name changed, or one of them taken away."""
    arrays = dict(arrays)
    key = sorted(arrays)[rng.integers(len(arrays))]
    array = arrays.pop(key).copy()
    match rng.integers(7):
        case 0 | 1:
            array.flat[rng.integers(array.size)] = NUMBERS[rng.integers(len(NUMBERS))]
        case 2:
            array = array.astype(rng.choice(["f2", "f4", "f8", "i4", "?"]))
        case 3:
            array = array.reshape(array.shape[::-1] if rng.random() < 0.5 else (1, *array.shape))
        case 4:
            array = array[: rng.integers(len(array))] if array.ndim else array[None]
        case 5:
            key = str(rng.choice([key + "x", "self_test/input_2", "statistics/x", "x", ""]))
        case 6:
            return arrays
    return {**arrays, key: array}


def test_what_is_changed_blindly_is_refused_or_has_changed_nothing():
    """Every bit of a header, and many others: no change goes unnoticed."""
    data = to_bytes(networks()[0])
    end, kept = header_end(data), 0
    bits = [(n, bit) for n in range(0, len(data), 1 if campaigns.WHOLE else 7) for bit in range(8)]
    for n, bit in bits:
        changed = bytearray(data)
        changed[n] ^= 1 << bit
        try:
            net = loaded(bytes(changed))
        except ml.ModelFileError:
            continue
        assert n < end and to_bytes(net) == data, (n, bit)
        kept += 1
    assert kept < 8  # a space of the header that has become another white space


@pytest.mark.alone
@pytest.mark.campaign
def test_every_changed_file_is_refused_or_is_the_network_that_was_saved():
    rng = np.random.default_rng(0)
    files = [to_bytes(net) for net in networks()]
    inside = [opened(data) for data in files]
    found = {"refused": 0, "same": 0, "another": 0}
    unit = 1024 if sys.platform == "darwin" else 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    for case in range(campaigns.cases(100_000)):
        n = int(rng.integers(len(files)))
        arrays, metadata = inside[n]
        if known := rng.random() < 0.5:  # the format
            of_arrays = rng.random() < 0.4
            changed = (
                (reworked(arrays, rng), metadata)
                if of_arrays
                else (arrays, rewritten(metadata, rng))
            )
            data = sealed(*changed)
        else:
            data = spliced(files[n], rng, files[n - 1])
        try:
            net = loaded(data)
        except ml.ModelFileError as error:
            assert len(str(error)) < 700 and "\n" not in str(error), (case, str(error))
            found["refused"] += 1
            continue
        again = to_bytes(net)
        if again == files[n]:
            found["same"] += 1
            continue
        assert known, case
        # A whole file, for another network: it computes, and comes back as it is.
        found["another"] += 1
        assert to_bytes(loaded(again)) == again, case
    assert sum(found.values()) == campaigns.cases(100_000)
    assert found["refused"] > 0.8 * sum(found.values()) and min(found.values()) > 0, found
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit - before  # KiB
    assert grown < 300_000, grown


def test_networks_of_the_campaign_come_back():
    for net in networks():
        data = to_bytes(net)
        assert to_bytes(loaded(data)) == data
    x = {"a": draw(5, 2), "b": draw(5, 3)}
    one, two = (n.predict(x) for n in (several_ends(), loaded(to_bytes(several_ends()))))
    assert [a.tolist() for a in one] == [b.tolist() for b in two]
