"""From the bytes of a model file to its arrays and its description, and every check of both.
Nothing is believed: sizes are compared with the arrays that are there before anything is made.

What is wrong is a ValueError or another error of Python's, which `model_file` turns into its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.checks import check_data_format, shown
from minilstm.data.labels import label_array
from minilstm.layers import KINDS, Layer
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.wiring import Wiring
from minilstm.network.self_check import LEAST_TOLERANCE, TEST_STEPS, score_shapes

Array = NDArray[Any]

FORMAT = "minilstm"
GATE_LAYOUT = "ifgo"
TEST_INPUT, TEST_SCORES, STATISTICS = "self_test/input", "self_test/scores", "statistics/"


class Contents(NamedTuple):
    """What a file holds, checked as far as it can be without building the network."""

    graph: Connections
    parameters: dict[str, Array]
    statistics: dict[str, Array]
    classes: Any
    dtype: str
    losses: list[str | None] | None
    data_format: str
    test_inputs: list[Array]
    test_scores: list[Array]


def checksum(
    arrays: Mapping[str, Array],
    metadata: Mapping[str, Any] | None = None,
    others: Mapping[str, str] | None = None,
) -> str:
    """SHA-256 of all arrays (name, dtype, shape, bytes), and of everything that describes them.

    `metadata` is the JSON object of the file, `others` what else stands in the header. None leaves
    both out, as format versions 1 and 2 did.
    """
    digest = hashlib.sha256()
    if metadata is not None:
        described = {k: v for k, v in metadata.items() if k != "sha256"}
        whole = [described, sorted((others or {}).items())]
        form: Any = {"separators": (",", ":"), "ensure_ascii": False, "allow_nan": False}
        digest.update(json.dumps(whole, **form).encode())
    for key in sorted(arrays):
        value = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {value.dtype.name} {arrays[key].shape} ".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def contents(metadata: Mapping[str, Any], tensors: Mapping[str, Array], version: int) -> Contents:
    """The parts of a network, from the description and the arrays of a file."""
    if metadata["format"] != FORMAT:
        raise ValueError(f"format {shown(metadata['format'])}, not {FORMAT!r}")
    if metadata["gate_layout"] != GATE_LAYOUT:
        raise ValueError(f"gate layout {shown(metadata['gate_layout'])}, not {GATE_LAYOUT!r}")
    dtype = metadata["dtype"]
    if not isinstance(dtype, str) or dtype not in LEAST_TOLERANCE:
        raise ValueError(f"dtype {shown(dtype)}, not one of {list(LEAST_TOLERANCE)}")
    arrays = dict(tensors)
    for key, value in arrays.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"{shown(key)} holds NaN or infinity")
    tests = [_popped(arrays, key) for key in (TEST_INPUT, TEST_SCORES)]
    graph = plain_to_layers(metadata, arrays, version)
    statistics = {
        key.removeprefix(STATISTICS): arrays.pop(key)
        for key in list(arrays)
        if key.startswith(STATISTICS)
    }
    for key, value in {**arrays, **statistics}.items():
        if value.dtype != dtype:
            raise ValueError(f"{shown(key)} is {value.dtype}, not {dtype}")
    inputs, scores = tests
    if any(x.dtype not in (dtype, np.float64) for x in inputs) or any(
        value.dtype != dtype for value in scores
    ):
        raise ValueError(f"its self-test is not {dtype}")
    data_format = metadata.get("data_format", "auto")
    check_data_format("data_format", data_format)
    losses = metadata.get("losses")
    if losses is not None and not (
        isinstance(losses, list) and all(a is None or isinstance(a, str) for a in losses)
    ):
        raise ValueError(f"losses {shown(losses)}, not a list of names")
    classes = of_each(metadata["classes"], _as_classes)
    return Contents(graph, arrays, statistics, classes, dtype, losses, data_format, *tests)


def check_fit(wiring: Wiring, classes: Any, losses: Sequence[Any] | None) -> None:
    """Raise ValueError unless there is a class for every score, and a loss for every output."""
    ends = {wiring.nodes[n].layer.name: wiring.shape(n)[-1:] for n in wiring.outputs}
    if losses is not None and len(losses) != len(ends):
        raise ValueError(f"{len(losses)} losses for {len(ends)} outputs")
    given = classes if isinstance(classes, Mapping) else dict.fromkeys(ends, classes)
    if len(ends) > 1 and given is not classes and classes is not None:
        # Of the outputs with classes alone; others give numbers.
        fits = [name for name in ends if sum(ends[name]) == len(classes)]
        given = {name: classes for name in fits or ends}
    for name, some in given.items():
        if some is None:
            continue
        if name not in ends:
            raise ValueError(f"classes of {shown(name)}, which is no output")
        if len(some) != sum(ends[name]):
            raise ValueError(f"{len(some)} classes for {sum(ends[name])} scores of {shown(name)}")
        if len(set(some.tolist())) < len(some):
            raise ValueError(f"classes {shown(some.tolist())}, of which some are equal")


def check_classes(wiring: Wiring, classes: Any) -> None:
    """Raise unless classes that a user gives are labels, a different one for every score."""
    labels = of_each(classes, lambda c: np.atleast_1d(
        label_array(c, "classes", np.ravel(c).tolist())))  # fmt: skip
    try:
        check_fit(wiring, labels, None)
    except ValueError as error:
        raise ValueError(
            f"the network would have {error}; give a different label for each score."
        ) from None


def check_tests(wiring: Wiring, inputs: Sequence[Array], scores: Sequence[Array]) -> None:
    """Raise ValueError unless the arrays of the self-test have the shapes of the network's ends."""
    starts = [(TEST_STEPS, *wiring.shape(n)) for n in wiring.inputs]
    for what, some, shapes in (
        (TEST_INPUT, inputs, starts),
        (TEST_SCORES, scores, score_shapes(wiring)),
    ):
        found = [a.shape for a in some]
        if found != shapes:
            raise ValueError(f"{what} has the shapes {shown(found)}, not {shown(shapes)}")


def numbered(key: str, k: int) -> str:
    """The first has no number, as when there was only one."""
    return key if k == 0 else f"{key}_{k + 1}"


def _popped(tensors: dict[str, Array], key: str) -> list[Array]:
    found = [tensors.pop(key)]
    while numbered(key, len(found)) in tensors:
        found.append(tensors.pop(numbered(key, len(found))))
    return found


def of_each(classes: Any, form: Callable[[Any], Any]) -> Any:
    """Classes in another form, in a dict those of each output; None stays."""
    if isinstance(classes, Mapping):
        return {str(name): of_each(c, form) for name, c in classes.items()}
    return None if classes is None else form(classes)


def _as_classes(labels: Any) -> Array:
    """Strings, or whole numbers, as they were saved."""
    kinds = {type(label) for label in labels} if isinstance(labels, list) else set()
    if kinds in ({str}, {int}):
        array = np.array(labels)
        if array.dtype.kind in "iU" and array.tolist() == labels:  # NumPy drops a NUL at the end
            return array
    raise ValueError(f"classes {shown(labels)}, not a list of strings or of whole numbers")


def plain_to_layers(
    metadata: Mapping[str, Any], tensors: dict[str, Array], version: int
) -> Connections:
    """The layers and their connections; the arrays of layers leave `tensors`."""
    configs = metadata["layers"]
    connections = metadata["connections"] if version > 1 else []
    for what, some, kind in (("layers", configs, dict), ("connections", connections, list)):
        if not isinstance(some, list) or not all(isinstance(one, kind) for one in some):
            raise ValueError(f"its {what} are no list of {kind.__name__}")
    joined = sum(config.get("num_inputs", 0) for config in configs)
    if joined > len(connections):
        raise ValueError(f"{joined} joined inputs, but {len(connections)} connections")
    graph = Connections([_layer(config, tensors) for config in configs])
    if version > 1:
        graph.connections = []
        graph.connect_all((source, destination) for source, destination in connections)
    return graph


def _layer(config: Mapping[str, Any], tensors: dict[str, Array]) -> Layer:
    options = dict(config)
    kind, name = options.pop("kind"), options["name"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"unknown layer kind {shown(kind)}")
    if not isinstance(name, str) or not name:
        raise ValueError(f"a layer of the name {shown(name)}")
    made = KINDS[kind]
    known = {f.name for f in dataclasses.fields(made)} - {*made.values, *made.arrays}
    strange = sorted(set(options) - known)
    if strange:
        raise ValueError(f"the layer {shown(name)} has no option {shown(strange[0])}")
    for array in made.arrays:
        value = tensors.pop(f"{name}/{array}", None)
        if value is not None:
            if value.dtype != np.float64:
                raise ValueError(f"{shown(name)}/{array} is {value.dtype}, not float64")
            options[array] = value
    return made(**options)
