"""What a training is known by: only the same data, network, options and backend may go on from it.
Anything else is refused by its name, before work starts, as the bits would be others."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.backend import Backend
from minilstm.checks import shown
from minilstm.data.stored import lengths_of
from minilstm.errors import DataError
from minilstm.layers import SequenceInput
from minilstm.network.card import UNTOLD, fingerprint
from minilstm.network.model_file import layers_to_plain
from minilstm.network.network import Network
from minilstm.training.batches import TrainingData
from minilstm.training.checkpoints.plain import to_plain
from minilstm.training.environment import processor
from minilstm.training.options import TrainingOptions
from minilstm.version import __version__

# Options that change no number of a training, and those that no file holds.
_FREE = UNTOLD - {"seed"}
_UNWRITTEN = {"validation_data", "output_fcn", "input_data_formats"}
# What has to be the same, in the order in which it is looked at, and what to do where it is not.
_ADVICE = {
    "backend": "choose that one with minilstm.set_backend",
    "layers": "give those of that training, or leave layers out",
    "loss": "give that of that training, or leave loss out",
    "options": "give that of that training, or leave options out",
    "data": "give the data that it began with",
}


def identity_of(
    net: Network,
    data: TrainingData,
    validation: TrainingData | None,
    options: TrainingOptions,
    backend: Backend,
) -> dict[str, Any]:
    """What a checkpoint says of its training, as JSON holds it."""
    described, held = layers_to_plain(net.wiring.graph)
    for one in described["layers"]:  # initialisers have done their work
        for name in [name for name in one if name.endswith("_initializer")]:
            del one[name]
    layers = {f"the layer {one['name']!r}": one for one in described["layers"]}
    for name, a in held.items():  # statistics that are computed follow from the data
        if not (options.reset_input_normalization and name.split("/")[-1] in SequenceInput.arrays):
            layers[f"the array {name!r}"] = a.tolist()
    plain = {k: to_plain(v) for k, v in vars(options).items() if k[0] != "_"}
    known: dict[str, Any] = {
        "version": __version__,
        "machine": f"{processor()}, NumPy {np.__version__}",
        "began": time.time(),  # by which the newest of several trainings is found
        "free": {k: v for k, v in plain.items() if k in _FREE - _UNWRITTEN},
        "backend": {"the backend": backend.name},
        "layers": {**layers, "their connections": described["connections"]},
        "loss": {"the loss": to_plain(net.losses)},
        "options": {k: v for k, v in plain.items() if k not in _FREE | _UNWRITTEN},
        "data": {
            **_told(data),
            **_told(validation, " of validation_data"),
            "the set of classes": str(to_plain(net.classes)),
        },
    }
    known["options"]["dtype"] = net.dtype.name
    known["free"]["output_fcn"] = [
        getattr(one, "__name__", type(one).__name__) for one in vars(options)["output_fcn"]
    ]
    known = json.loads(json.dumps(known, default=str))  # a layer of a user may hold anything
    return known


def makes_sense(facts: Mapping[str, Any]) -> bool:
    """Whether the facts of a checkpoint have the parts of `identity_of`."""
    parts = [facts.get(part) for part in (*_ADVICE, "free")]
    return all(isinstance(part, dict) for part in parts) and "machine" in facts


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], path: Any) -> float:
    """When a training began, which is to go on; raises unless it is that of the checkpoint `path`.

    `before` and `now` are from `identity_of`.
    """
    for part, advice in _ADVICE.items():
        for name in {**before[part], **now[part]}:
            given, wanted = (known[part].get(name, "none") for known in (now, before))
            kind, told = (DataError, str) if part == "data" else (ValueError, shown)
            if given != wanted:
                raise kind(
                    f"{name} is {told(given)}, but it was {told(wanted)} in the training of "
                    f"{path}; {advice}."
                )
    if now["machine"] != before["machine"]:
        warnings.warn(
            f"{path} was written on another machine ({before['machine']}; this one is "
            f"{now['machine']}), so the last bits may differ; go on there if each bit matters.",
            UserWarning,
            stacklevel=4,
        )
    return float(before["began"])


def _told(data: TrainingData | None, owner: str = "") -> dict[str, str]:
    """The data in a few words each, with 64 bits of their SHA-256."""

    def words(parts: Sequence[Any]) -> str:
        return " and ".join(
            "none" if part is None else
            f"{len(part)} sequences, {lengths_of(part).sum()} rows, "
            f"SHA-256 {fingerprint(part)[:16]}"
            for part in parts
        )  # fmt: skip

    if data is None:
        return {}
    return {
        f"x{owner}": words(data.sequences),
        f"y{owner}": words(data.targets),
        f"the weights (step_weights, or class_weights of the loss){owner}": words(data.weights),
    }
