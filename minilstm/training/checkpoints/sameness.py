"""What a training is known by: only the same data, network, options and backend may go on from it.
Anything else is refused by its name, before work starts, as the bits would be others."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilstm.backend import Backend
from minilstm.checks import shown
from minilstm.errors import DataError
from minilstm.network.card import fingerprint
from minilstm.network.model_file import layers_to_plain
from minilstm.network.network import Network
from minilstm.training.batches import TrainingData
from minilstm.training.checkpoints.plain import FREE, losses_to_plain, options_to_plain
from minilstm.training.environment import processor
from minilstm.training.options import TrainingOptions
from minilstm.version import __version__

_NAMES = {"x": "sequences", "y": "targets", "step_weights": "weights"}


def identity_of(
    net: Network,
    data: TrainingData,
    validation: TrainingData | None,
    options: TrainingOptions,
    backend: Backend,
) -> dict[str, Any]:
    """What a checkpoint says of its training, as JSON holds it."""
    told = {
        "version": __version__,
        "machine": f"{processor()}, NumPy {np.__version__}",
        "began": time.time(),  # by which the newest of several trainings is found
        "backend": backend.name,
        "network": {**layers_to_plain(net.wiring.graph)[0], "dtype": net.dtype.name},
        "losses": losses_to_plain(net.losses),
        "options": options_to_plain(options),
        "data": _told(data),
        "validation": None if validation is None else _told(validation),
    }
    plain: dict[str, Any] = json.loads(json.dumps(told))
    return plain


def check_same(before: Mapping[str, Any], now: Mapping[str, Any], path: Any) -> float:
    """When a training began, which is to go on; raises unless it is that of a checkpoint.

    Parameters
    ----------
    before, now : from `identity_of`
    path : of the checkpoint
    """
    backend = before["backend"]
    if now["backend"] != backend:
        raise ValueError(
            f"the backend is {now['backend']!r}, but the training of {path} computed on "
            f"{shown(backend)}, with other bits; choose it: minilstm.set_backend({backend!r})."
        )
    of_layers = _pairs(before["network"]), _pairs(now["network"])
    for name in sorted(of_layers[0].keys() | of_layers[1].keys()):
        if of_layers[0].get(name) != of_layers[1].get(name):
            raise ValueError(
                f"{name} of layers is not as in the network of {path}; give the layers of that "
                "training, or leave layers out."
            )
    if now["losses"] != before["losses"]:
        raise ValueError(
            f"loss is {shown(now['losses'])}, but that of {path} is {shown(before['losses'])}; "
            "give the same."
        )
    for name in now["options"].keys() - FREE:
        given, wanted = now["options"][name], before["options"][name]
        if given != wanted:
            raise ValueError(
                f"{name} is {shown(given)}, but the training of {path} has {shown(wanted)}; give "
                "the options of that training, or leave options out."
            )
    _check_data(before["data"], now["data"], path, {name: name for name in _NAMES})
    if before["validation"] is not None or now["validation"] is not None:
        of_user = {name: f"{name} of validation_data" for name in _NAMES}
        _check_data(before["validation"] or {}, now["validation"] or {}, path, of_user)
    if now["machine"] != before["machine"]:
        warnings.warn(
            f"{path} was written on another machine ({before['machine']}; this one is "
            f"{now['machine']}), so the last bits may differ; go on there if each bit matters.",
            UserWarning,
            stacklevel=4,
        )
    return float(before["began"])


def _check_data(
    before: Mapping[str, Any], now: Mapping[str, Any], path: Any, names: Mapping[str, str]
) -> None:
    for name, which in names.items():
        if before.get(name) == now.get(name):
            continue
        if name == "step_weights":
            which = f"{which}, or the class weights of loss, are"
        else:
            which = f"{which} is"
        counts = [f"{d['sequences']} sequences of {d['steps']} steps" if d else "none"
                  for d in (now, before)]  # fmt: skip
        how = f" ({counts[0]}, not {counts[1]})" if counts[0] != counts[1] else ""
        raise DataError(
            f"{which} not that of the training of {path}{how}; give the data that it began with."
        )


def _told(data: TrainingData) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: [None if part is None else fingerprint(part) for part in getattr(data, field)]
        for name, field in _NAMES.items()
    }
    lengths = [len(s) for s in data.sequences[0]]
    return {"sequences": len(lengths), "steps": sum(lengths), **told}


def _pairs(network: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of a network, by a name for each: its layers one by one."""
    layers = {repr(layer["name"]): layer for layer in network["layers"]}
    return {**layers, "the order": [*layers], "the connections": network["connections"],
            "the dtype": network["dtype"]}  # fmt: skip
