"""The model file: safetensors arrays with JSON metadata, no pickle anywhere.
It carries its own self-test, an input and the scores it gave, which loading runs again.

A checksum of all arrays goes with it: in a large network a single changed weight moves the
scores of one short input by less than two machines differ.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import load_backend
from minilstm.errors import ModelFileError
from minilstm.files import write_atomically
from minilstm.layers import KINDS, Layer, SequenceInput, Signal
from minilstm.network.graph.connections import Connections

Array = NDArray[Any]

FORMAT = "minilstm"
FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)  # version 1 knew chains of four kinds of layers only
GATE_LAYOUT = "ifgo"
TEST_INPUT, TEST_SCORES, STATISTICS = "self_test/input", "self_test/scores", "statistics/"
TEST_STEPS = 16
# Scores are between 0 and 1 and machines differ by their order of summation only, so these
# absolute bounds are thousands of roundings wide and far below any visible change.
SELF_TEST_TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def write_model(path: str | os.PathLike[str], net: Any) -> Path:
    """Write a model file, whole or not at all.

    The path usually ends in .safetensors; its folder must exist. `net` is a Network of dtype
    float32 or float64. Raises ValueError where the network cannot be saved, or its scores are not
    finite; nothing is written then.
    """
    from safetensors.numpy import save

    from minilstm.version import __version__

    test_inputs = _test_inputs(net)
    test_scores = numpy_scores(net, test_inputs)
    dtype = net.dtype
    if dtype.name not in SELF_TEST_TOLERANCE:
        raise ValueError(f"the network is {dtype}; only float32 and float64 can be saved.")
    if not all(np.isfinite(scores).all() for scores in test_scores):
        raise ValueError(
            "the network gives NaN or infinite scores, so its file would not pass the self-test; "
            "train it, or give its SequenceInput a mean."
        )
    tensors = {key: np.ascontiguousarray(value) for key, value in net.parameters.items()}
    for key, value in net.statistics.items():
        tensors[STATISTICS + key] = np.ascontiguousarray(value)
    configs = []
    for layer in net.wiring.graph.layers:
        config = layer.config()
        for name in layer.arrays:
            value = config.pop(name)
            if value is not None:
                tensors[f"{layer.name}/{name}"] = np.array(value)
        configs.append({"kind": layer.kind, **config})
    for key, arrays in ((TEST_INPUT, test_inputs), (TEST_SCORES, test_scores)):
        for k, array in enumerate(arrays):
            tensors[_numbered(key, k)] = np.ascontiguousarray(array)
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "minilstm_version": __version__,
        "gate_layout": GATE_LAYOUT,
        "dtype": dtype.name,
        "sha256": _checksum(tensors),
        "layers": configs,
        "connections": [list(c) for c in net.wiring.graph.connections],
        "classes": of_each(net.classes, _plain_classes),
        # Class weights only matter in training, and functions cannot be saved.
        "losses": None
        if net.losses is None
        else [None if a is None or a.kind == "any" else a.name for a in net.losses],
        "data_format": net.data_format,
    }
    text = {FORMAT: json.dumps(metadata)}
    return write_atomically(path, lambda file: file.write(save(tensors, metadata=text)))


def read_model(path: str | os.PathLike[str], kind: Callable[..., Any]) -> Any:
    """Read a network, and check that it still gives the scores it gave when it was saved.

    `kind` is Network, or another Predictor, made from what the file holds.

    Raises FileNotFoundError where there is no such file; ModelFileError where it is truncated, not
    safetensors, not written by minilstm, or its self-test fails.
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
        if version not in READABLE_VERSIONS:
            raise ModelFileError(
                f"{path} has format version {version}, but this minilstm reads versions "
                f"up to {FORMAT_VERSION}; update minilstm to read it."
            )
        if metadata["sha256"] != _checksum(tensors):
            raise ValueError("its arrays are not those that were saved")
        if metadata["gate_layout"] != GATE_LAYOUT:
            raise ValueError(f"gate layout {metadata['gate_layout']!r}, not {GATE_LAYOUT!r}")
        test_inputs, test_scores = _popped(tensors, TEST_INPUT), _popped(tensors, TEST_SCORES)
        graph = Connections([_layer(config, tensors) for config in metadata["layers"]])
        if version > 1:
            graph.connections = []
            for source, destination in metadata["connections"]:
                graph.connect(source, destination)
        carried = [key for key in tensors if key.startswith(STATISTICS)]
        statistics = {key.removeprefix(STATISTICS): tensors.pop(key) for key in carried}
        classes = of_each(metadata["classes"], np.array)
        losses, dtype = metadata.get("losses"), metadata["dtype"]
        _check_contents(graph, {**tensors, **statistics}, classes, dtype, test_inputs)
        net = kind(
            graph,
            tensors,
            classes=classes,
            dtype=dtype,
            statistics=statistics,
            losses=losses,
            data_format=metadata.get("data_format", "auto"),
        )
        scores = numpy_scores(net, test_inputs)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path} does not describe a network ({error}); it was changed after saving, so save "
            "the model again."
        ) from error
    _check_self_test(path, dtype, scores, test_scores)
    return net


def _test_inputs(net: Any) -> list[Array]:
    """Numbers (16, *shape) for each input, such as the network has learned from."""
    rng = np.random.default_rng(0)
    inputs = []
    for n in net.wiring.inputs:
        layer = net.layers[n]
        x = rng.standard_normal((TEST_STEPS, *layer.shape))  # (16, *shape)
        mean, least, most = layer.mean, layer.min, layer.max
        if mean is not None:
            deviation = 1.0 if layer.standard_deviation is None else layer.standard_deviation
            x = mean + x * deviation  # where the network has learned
        elif least is not None and most is not None:
            x = least + (most - least) / (1 + np.exp(-x))
        inputs.append(x.astype(net.dtype))
    return inputs


def numpy_scores(net: Any, inputs: list[Array]) -> list[Array]:
    """Outputs for one sequence (T, *shape), on the NumPy backend, whichever is in force."""
    signals = [Signal(x, np.ones(len(x), np.int64)) for x in inputs]
    output = net.forward(signals, backend=load_backend("numpy"))[0]
    return [output.rows] if isinstance(output, Signal) else [a.rows for a in output]


def _check_self_test(
    path: Path, dtype: str, outputs: list[Array], test_scores: list[Array]
) -> None:
    """Raise unless the loaded network gives the scores it gave when it was saved."""
    error = 0.0
    allowed = SELF_TEST_TOLERANCE[dtype]
    for scores, saved in zip(outputs, test_scores, strict=False):
        same_shape = scores.shape == saved.shape
        # Scores are between 0 and 1, other outputs are compared to the largest of them.
        size = max(1.0, float(np.abs(saved).max()))
        error = max(error, float(np.abs(scores - saved).max()) / size if same_shape else np.inf)
    if len(outputs) != len(test_scores) or not error <= allowed:
        raise ModelFileError(
            f"{path} fails its self-test: scores differ from the saved ones by {error:.1e} "
            f"(allowed {allowed:.0e}) though its arrays are intact; "
            "its layers were changed, or NumPy computes differently here: save the model again."
        )


def _check_contents(
    graph: Connections,
    arrays: Mapping[str, Array],
    classes: Any,
    dtype: Any,
    test_inputs: list[Array],
) -> None:
    """Raise ValueError for what would otherwise fail, or be cast, while the network is built."""
    if not isinstance(dtype, str) or dtype not in SELF_TEST_TOLERANCE:
        raise ValueError(f"dtype {dtype!r}, not one of {list(SELF_TEST_TOLERANCE)}")
    tests = {_numbered(TEST_INPUT, k): x for k, x in enumerate(test_inputs)}
    for key, value in {**arrays, **tests}.items():
        if value.dtype != dtype:
            raise ValueError(f"{key} is {value.dtype}, not {dtype}")
    for some in classes.values() if isinstance(classes, dict) else [classes]:
        if some is not None and (some.ndim != 1 or some.dtype.kind not in "iU"):
            raise ValueError(f"classes {some.tolist()!r}, not a list of strings or whole numbers")
    inputs = [a for a in graph.layers if isinstance(a, SequenceInput)]
    if len(inputs) != len(test_inputs):
        raise ValueError(f"{len(test_inputs)} test inputs for {len(inputs)} inputs")
    for layer, (key, x) in zip(inputs, tests.items(), strict=True):
        if x.shape != (TEST_STEPS, *layer.shape):
            raise ValueError(f"{key} has shape {x.shape}, not {(TEST_STEPS, *layer.shape)}")


def _numbered(key: str, k: int) -> str:
    """The first has no number, as when there was only one."""
    return key if k == 0 else f"{key}_{k + 1}"


def _popped(tensors: dict[str, Array], key: str) -> list[Array]:
    found = [tensors.pop(key)]
    while _numbered(key, len(found)) in tensors:
        found.append(tensors.pop(_numbered(key, len(found))))
    return found


def of_each(classes: Any, form: Callable[[Any], Any]) -> Any:
    """Classes in another form, in a dict those of each output; None stays."""
    if isinstance(classes, Mapping):
        return {str(name): of_each(c, form) for name, c in classes.items()}
    return None if classes is None else form(classes)


def _plain_classes(classes: Array) -> list[Any]:
    if classes.dtype.kind not in "iuU":
        raise ValueError(
            f"the network's classes have dtype {classes.dtype}; only strings and whole numbers "
            "can be saved."
        )
    plain: list[Any] = classes.tolist()
    return plain


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
    for name in KINDS[kind].arrays:
        value = tensors.pop(f"{options['name']}/{name}", None)
        if value is not None:
            options[name] = value
    return KINDS[kind](**options)
