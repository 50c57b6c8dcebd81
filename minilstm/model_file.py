"""The model file: safetensors arrays with JSON metadata, no pickle anywhere.
It carries its own self-test, an input and the scores it gave, which loading runs again.

A checksum of all arrays goes with it: in a large network a single changed weight moves the
scores of one short input by less than two machines differ.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import load_backend
from minilstm.errors import ModelFileError
from minilstm.files import write_atomically
from minilstm.layers import LSTM, FullyConnected, Layer, SequenceInput, Signal, Softmax

Array = NDArray[Any]

FORMAT = "minilstm"
FORMAT_VERSION = 1
GATE_LAYOUT = "ifgo"
TEST_INPUT, TEST_SCORES, MEAN = "self_test/input", "self_test/scores", "mean"
KINDS: dict[str, type[Layer]] = {a.kind: a for a in (SequenceInput, LSTM, FullyConnected, Softmax)}
# Scores are between 0 and 1 and machines differ by their order of summation only, so these
# absolute bounds are thousands of roundings wide and far below any visible change.
SELF_TEST_TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


class ModelContents(NamedTuple):
    """Everything a model file holds."""

    layers: list[Layer]
    parameters: dict[str, Array]
    classes: Array | None
    dtype: str
    test_input: Array  # (16, D)
    test_scores: Array  # (16, C), or (1, C) for output mode "last"
    metadata: dict[str, Any]


def write_model(
    path: str | os.PathLike[str],
    layers: tuple[Layer, ...],
    parameters: dict[str, Array],
    classes: Array | None,
    dtype: np.dtype[Any],
    test_input: Array,
    test_scores: Array,
) -> Path:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : usually ends in .safetensors; its folder must exist
    layers : named chain
    parameters : arrays by "layer/parameter"
    classes : (C,) strings or integers, or None
    dtype : "float32" or "float64"
    test_input, test_scores : the self-test

    Returns
    -------
    Path of the file

    Raises
    ------
    ValueError
        The network is of another dtype, or its scores are not finite; nothing is written.
    """
    from safetensors.numpy import save

    from minilstm import __version__

    if dtype.name not in SELF_TEST_TOLERANCE:
        raise ValueError(f"the network is {dtype}; only float32 and float64 can be saved.")
    if classes is not None and classes.dtype.kind not in "iuU":
        raise ValueError(
            f"the network's classes have dtype {classes.dtype}; only strings and whole numbers "
            "can be saved."
        )
    if not np.isfinite(test_scores).all():
        raise ValueError(
            "the network gives NaN or infinite scores, so its file would not pass the self-test; "
            "train it, or give its SequenceInput a mean."
        )
    tensors = {key: np.ascontiguousarray(value) for key, value in parameters.items()}
    configs = []
    for layer in layers:
        config = layer.config()
        if config.get(MEAN) is not None:
            tensors[f"{layer.name}/{MEAN}"] = np.array(config.pop(MEAN))
        configs.append({"kind": layer.kind, **config})
    tensors[TEST_INPUT], tensors[TEST_SCORES] = test_input, np.ascontiguousarray(test_scores)
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "minilstm_version": __version__,
        "gate_layout": GATE_LAYOUT,
        "dtype": dtype.name,
        "sha256": _checksum(tensors),
        "layers": configs,
        "classes": None if classes is None else classes.tolist(),
    }
    text = {FORMAT: json.dumps(metadata)}
    return write_atomically(path, lambda file: file.write(save(tensors, metadata=text)))


def read_model(path: str | os.PathLike[str]) -> ModelContents:
    """Read a model file without running it.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is truncated, not safetensors, or not written by minilstm.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"path is {str(path)!r}, but there is no such file; check its name."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(FORMAT)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is not a whole safetensors file ({error}); it may be truncated: copy it "
            "again, or save the model again."
        ) from error
    if text is None:
        raise ModelFileError(
            f"{path} is a safetensors file, but not one that minilstm wrote (no {FORMAT!r} "
            "metadata); only files made by net.save can be loaded."
        )
    try:
        metadata = json.loads(text)
        version = metadata["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from error
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version}, but this minilstm reads version "
            f"{FORMAT_VERSION}; update minilstm to read it."
        )
    try:
        if metadata["sha256"] != _checksum(tensors):
            raise ValueError("its arrays are not those that were saved")
        if metadata["gate_layout"] != GATE_LAYOUT:
            raise ValueError(f"gate layout {metadata['gate_layout']!r}, not {GATE_LAYOUT!r}")
        test_input, test_scores = tensors.pop(TEST_INPUT), tensors.pop(TEST_SCORES)
        layers = [_layer(config, tensors) for config in metadata["layers"]]
        classes = metadata["classes"]
        contents = ModelContents(
            layers,
            tensors,
            None if classes is None else np.array(classes),
            metadata["dtype"],
            test_input,
            test_scores,
            metadata,
        )
        _check_contents(contents)
        return contents
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, str(error)) from error


def self_test(net: Any) -> tuple[Array, Array]:
    """An input (16, D) for a network, and the scores that the NumPy reference gives for it."""
    x = np.random.default_rng(0).standard_normal((16, net.input_size))  # (16, D)
    mean = getattr(net.layers[0], "mean", None)
    x = (x if mean is None else x + mean).astype(net.dtype)  # where the network has learned
    return x, reference_scores(net, x)


def reference_scores(net: Any, x: Array) -> Array:
    """Scores of one sequence (T, D) on the NumPy reference, whatever the backend in force."""
    signal = Signal(x, np.ones(len(x), np.int64))
    scores: Array = net.forward(signal, backend=load_backend("numpy"))[0].rows
    return scores


def check_self_test(path: str | os.PathLike[str], contents: ModelContents, scores: Array) -> None:
    """Raise unless the loaded network gives the scores it gave when it was saved."""
    saved = contents.test_scores
    same_shape = scores.shape == saved.shape
    error = float(np.abs(scores - saved).max()) if same_shape else np.inf
    if not error <= SELF_TEST_TOLERANCE[contents.dtype]:
        raise ModelFileError(
            f"{path} fails its self-test: scores differ from the saved ones by {error:.1e} "
            f"(allowed {SELF_TEST_TOLERANCE[contents.dtype]:.0e}) though its arrays are intact; "
            "its layers were changed, or NumPy computes differently here: save the model again."
        )


def damaged(path: str | os.PathLike[str], reason: str) -> ModelFileError:
    """The error for a file whose contents do not fit together."""
    return ModelFileError(
        f"{path} does not describe a network ({reason}); it was changed after saving, so save the "
        "model again."
    )


def _check_contents(contents: ModelContents) -> None:
    """Raise ValueError for what would otherwise fail, or be cast, while the network is built."""
    dtype = contents.dtype
    if not isinstance(dtype, str) or dtype not in SELF_TEST_TOLERANCE:
        raise ValueError(f"dtype {dtype!r}, not one of {list(SELF_TEST_TOLERANCE)}")
    for key, value in {**contents.parameters, TEST_INPUT: contents.test_input}.items():
        if value.dtype != dtype:
            raise ValueError(f"{key} is {value.dtype}, not {dtype}")
    classes = contents.classes
    if classes is not None and (classes.ndim != 1 or classes.dtype.kind not in "iU"):
        raise ValueError(f"classes {classes.tolist()!r}, not a list of strings or whole numbers")
    size = getattr(contents.layers[0], "input_size", 0) if contents.layers else 0
    if contents.test_input.ndim != 2 or contents.test_input.shape[1] != size:
        raise ValueError(f"{TEST_INPUT} has shape {contents.test_input.shape}, not (16, {size})")


def _checksum(tensors: dict[str, Array]) -> str:
    """SHA-256 of the names, types, shapes and bytes of arrays."""
    import hashlib

    digest = hashlib.sha256()
    for key in sorted(tensors):
        value = np.ascontiguousarray(tensors[key])
        digest.update(f"{key} {value.dtype.name} {tensors[key].shape} ".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _layer(config: dict[str, Any], tensors: dict[str, Array]) -> Layer:
    options = dict(config)
    kind = options.pop("kind")
    if kind not in KINDS:
        raise ValueError(f"unknown layer kind {kind!r}")
    mean = tensors.pop(f"{options['name']}/{MEAN}", None)
    if mean is not None:
        options[MEAN] = mean
    return KINDS[kind](**options)
