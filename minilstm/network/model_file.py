"""The model file: safetensors arrays with JSON metadata, no pickle anywhere.
It carries a checksum of everything in it, and its own self-test, which loading runs again.

The self-test is an input and the scores it gave. In a large network a single changed weight moves
the scores of one short input by less than two machines differ: that is what the checksum is for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import shortened, shown, whole_letters
from minilstm.errors import ModelFileError
from minilstm.exchange.incoming.formats.bounds import (
    Refused,
    check_kind,
    file_bytes,
    plain_json,
    told,
)
from minilstm.exchange.incoming.formats.safetensors import read_safetensors, write_safetensors
from minilstm.files import write_atomically
from minilstm.network.graph.wiring import wire
from minilstm.network.model_contents import (
    FORMAT,
    GATE_LAYOUT,
    STATISTICS,
    TEST_INPUT,
    TEST_SCORES,
    check_fit,
    check_tests,
    checksum,
    contents,
    numbered,
    of_each,
)
from minilstm.network.self_check import (
    LEAST_TOLERANCE,
    check_extent,
    check_scores,
    draw_inputs,
    numpy_scores,
)
from minilstm.network.state_file import FORMAT as STATE_FORMAT
from minilstm.paths import check_readable

Array = NDArray[Any]

FORMAT_VERSION = 3
TRAINING = "minilstm-training"  # the metadata of a checkpoint, beside those of its network
# Version 1 knew chains of four kinds of layers only. The checksums of 1 and 2 are of arrays alone.
READABLE_VERSIONS = (1, 2, 3)
LONGEST_REASON = 300  # letters of what is wrong
# What Python and NumPy raise for contents that make no sense. MemoryError is not among them: all
# sizes have been compared with the arrays that are there.
NONSENSE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def write_model(path: str | os.PathLike[str], net: Any) -> Path:
    """Write a model file, whole or not at all.

    The path usually ends in .safetensors; its folder must exist. `net` is a Network of dtype
    float32 or float64. Raises ValueError where the network cannot be saved, or holds or gives
    numbers that are not finite; nothing is written then.
    """
    data = to_bytes(net)
    return write_atomically(path, lambda file: file.write(data))


def to_bytes(net: Any, training: Mapping[str, Array] | None = None, facts: str = "") -> bytes:
    """A model file in memory; see `write_model`.

    A checkpoint holds arrays of the training as well, each with a name that begins with "/", and
    facts of it as JSON; whoever reads the network alone passes them over.
    """
    from minilstm.version import __version__

    dtype = net.dtype
    if dtype.name not in LEAST_TOLERANCE:
        raise ValueError(f"the network is {dtype}; only float32 and float64 can be saved.")
    classes = of_each(net.classes, _plain_classes)
    try:
        check_fit(net.wiring, net.classes, net.losses)
    except ValueError as error:
        raise ValueError(f"the network has {error}; mend that before saving.") from None
    tensors = {key: np.ascontiguousarray(value) for key, value in net.parameters.items()}
    for key, value in net.statistics.items():
        tensors[STATISTICS + key] = np.ascontiguousarray(value)
    described, arrays = layers_to_plain(net.wiring.graph)
    tensors |= arrays
    test_inputs = draw_inputs(net)
    test_scores = numpy_scores(net, test_inputs)
    for key, some in ((TEST_INPUT, test_inputs), (TEST_SCORES, test_scores)):
        for k, array in enumerate(some):
            tensors[numbered(key, k)] = np.ascontiguousarray(array)
    for key, value in tensors.items():
        if np.isfinite(value).all():
            continue
        if key.startswith(TEST_SCORES):
            raise ValueError(
                "the network gives NaN or infinite scores, so its file would not pass the "
                "self-test; train it, or give its SequenceInput a mean."
            )
        raise ValueError(f"{key} of the network holds NaN or infinity; give it finite numbers.")
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "minilstm_version": __version__,
        "gate_layout": GATE_LAYOUT,
        "dtype": dtype.name,
        **described,
        "classes": classes,
        # Class weights only matter in training, and functions cannot be saved.
        "losses": None
        if net.losses is None
        else [None if a is None or a.kind == "any" else a.name for a in net.losses],
        "data_format": net.data_format,
        **({} if net.about is None else {"about": net.about}),
    }
    # As it will be read: a tuple is a list then.
    plain = json.loads(json.dumps(metadata))
    tensors |= training or {}
    others = {} if training is None else {TRAINING: facts}
    with whole_letters():
        text = json.dumps({**plain, "sha256": checksum(tensors, plain, others)})
    return write_safetensors(tensors, {FORMAT: text, **others})


def layers_to_plain(graph: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """Layers and connections as a file describes them, and the arrays that layers hold."""
    arrays, configs = {}, []
    for layer in graph.layers:
        config = layer.config()
        for name in layer.arrays:
            value = config.pop(name)
            if value is not None:
                arrays[f"{layer.name}/{name}"] = np.array(value)
        configs.append({"kind": layer.kind, **config})
    return {"layers": configs, "connections": [list(c) for c in graph.connections]}, arrays


def read_model(
    path: str | os.PathLike[str], kind: Callable[..., Any], self_test: bool = True
) -> Any:
    """Read a network, and check that it still gives the scores it gave when it was saved.

    `kind` is Network, or another Predictor, made from what the file holds. Without `self_test` the
    scores are not compared; everything else is checked all the same.

    Raises FileNotFoundError where there is no such file; PermissionError where it must not be read;
    DataError where the path is no regular file; ModelFileError for whatever is wrong within it: it
    is truncated, not safetensors, not written by minilstm, changed since, or its self-test fails.
    """
    found, data = file_bytes(path)
    return from_bytes(data, kind, self_test, str(found))


def from_bytes(
    data: bytes, kind: Callable[..., Any], self_test: bool = True, path: str = "the file"
) -> Any:
    """A network from a model file in memory; see `read_model`. `path` is for the messages."""
    try:
        tensors, others = read_safetensors(data)
    except (Refused, *NONSENSE) as error:
        check_kind(path, data, "a model file")
        raise ModelFileError(
            f"{path} is not a whole safetensors file ({_reason(error)}); it may be truncated: copy "
            "it again, or save the model again."
        ) from error
    text = others.pop(FORMAT, None)
    if text is None and STATE_FORMAT in others:
        raise ModelFileError(
            f"{path} holds states that save_state wrote, not a network; load the network itself, "
            "and give this file to load_state of its stream() or pool()."
        )
    if text is None or text.startswith("Written by minilstm"):
        raise ModelFileError(
            f"{path} is a safetensors file, but holds arrays alone, as a state dict does; read it "
            "with ml.from_pytorch(path, layers), or make a model file of it with minilstm import."
        )
    try:
        metadata = plain_json(text.encode())
        version = metadata["format_version"]
        if type(version) is not int or version not in READABLE_VERSIONS:
            raise ModelFileError(
                f"{path} has format version {shown(version)}, but this minilstm reads versions "
                f"up to {FORMAT_VERSION}; update minilstm to read it."
            )
        known = (metadata, others) if version > 2 else ()
        if metadata["sha256"] != checksum(tensors, *known):
            raise ModelFileError(
                f"{path} is not as it was saved (its checksum differs); copy it again, or save the "
                "model again."
            )
        if TRAINING in others:
            tensors = {key: value for key, value in tensors.items() if key[:1] != "/"}
        parts = contents(metadata, tensors, version)
        wiring = wire(parts.graph)
        check_fit(wiring, parts.classes, parts.losses)
        check_tests(wiring, parts.test_inputs, parts.test_scores)
        net = kind(
            parts.graph,
            parts.parameters,
            classes=parts.classes,
            dtype=parts.dtype,
            statistics=parts.statistics,
            losses=parts.losses,
            data_format=parts.data_format,
            about=metadata.get("about"),
        )
        if self_test:
            check_extent(wiring, list(tensors.values()))
            wrong = check_scores(net, parts.test_inputs, parts.test_scores)
            if wrong is not None:
                raise ModelFileError(
                    f"{path} fails its self-test: {wrong} though the file is intact; minilstm or "
                    "NumPy computes something else here: save the model again, or load it with "
                    "self_test=False."
                )
    except ModelFileError:
        raise
    except (Refused, *NONSENSE) as error:
        raise ModelFileError(
            f"{path} does not describe a network ({_reason(error)}); it was changed after saving, "
            "so save the model again."
        ) from error
    return net


def read_training(path: Any, kind: Callable[..., Any]) -> tuple[Any, dict[str, Array], Any]:
    """Network, arrays and facts of a checkpoint; see `to_bytes` and `read_model`."""
    found, data = file_bytes(path)
    net = from_bytes(data, kind, path=str(found))
    tensors, others = read_safetensors(data)
    arrays = {key: value for key, value in tensors.items() if key[:1] == "/"}
    return net, arrays, plain_json(others[TRAINING].encode())


def training_facts(path: Any) -> Any:
    """What the head of a checkpoint tells of its training; None where it is a network alone.

    Raises as `read_model` does; the file may be truncated behind its head all the same.
    """
    found = check_readable(path, what="checkpoint")
    with told(found), open(found, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > found.stat().st_size:
            raise Refused("ends within its header; copy it again.")
        text = plain_json(file.read(size))["__metadata__"].get(TRAINING)
        return None if text is None else plain_json(text.encode())


def _reason(error: Exception) -> str:
    """What an error says, as a part of a sentence."""
    if isinstance(error, Refused):
        return "it " + str(error).partition(";")[0]
    if isinstance(error, RecursionError):
        return "its JSON is nested too deeply"
    if isinstance(error, KeyError):
        return f"{shown(*error.args)} is missing"
    said = " ".join(str(error).split()).replace(". ", ", ")
    return shortened(said, LONGEST_REASON).rstrip(".")


def _plain_classes(classes: Array) -> list[Any]:
    if classes.dtype.kind not in "iuU":
        raise ValueError(
            f"the network's classes have dtype {classes.dtype}; only strings and whole numbers "
            "can be saved."
        )
    plain: list[Any] = classes.tolist()
    return plain
