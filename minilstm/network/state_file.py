"""A file of states: what running streams remember, to go on after a restart or on another machine.
It is tied to its network by a checksum of all weights, as a state means nothing to another one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.errors import ModelFileError
from minilstm.exchange.incoming.formats.bounds import NONSENSE, Refused, file_bytes, plain_json
from minilstm.exchange.incoming.formats.safetensors import read_safetensors, write_safetensors
from minilstm.files import write_atomically
from minilstm.functional.lstm import LSTMState
from minilstm.network.model_contents import checksum

Array = NDArray[Any]
State = Mapping[str, LSTMState]

FORMAT, FORMAT_VERSION = "minilstm-state", 1


def network_checksum(network: Any) -> str:
    """SHA-256 of all parameters and statistics of a network."""
    return checksum({**network.parameters, **network.statistics})


def write_states(
    path: str | os.PathLike[str], network: Any, state: State, ids: Sequence[str | int] | None
) -> Path:
    """Write the states of n sequences as one safetensors file, whole or not at all.

    Parameters
    ----------
    path : of the file; its folder must exist
    network : whose states they are
    state : (hidden (n, H), cell (n, H)) by layer name
    ids : n names of the sequences; None where they have none
    """
    arrays = {
        f"{name}/{part}": np.ascontiguousarray(values)
        for name, pair in state.items()
        for part, values in pair._asdict().items()
    }  # (n, H) each
    described = {
        "format_version": FORMAT_VERSION,
        "network": network_checksum(network),
        "ids": None if ids is None else list(ids),
    }
    described["sha256"] = checksum(arrays, described)
    data = write_safetensors(arrays, {FORMAT: json.dumps(described)})
    return write_atomically(path, lambda file: file.write(data))


def read_states(
    path: str | os.PathLike[str], network: Any
) -> tuple[dict[str, LSTMState], list[str | int] | None]:
    """States that `write_states` wrote for the same network, and their ids.

    Raises FileNotFoundError where there is no such file; DataError where the path is no regular
    file; ModelFileError where it is no whole file of states, or one of another network.
    """
    path, data = file_bytes(path)
    try:
        arrays, metadata = read_safetensors(data)
        described = plain_json(metadata[FORMAT].encode())
        version, ids = described["format_version"], described["ids"]
        whole = described["sha256"] == checksum(arrays, described)
        names = list(dict.fromkeys(key.rpartition("/")[0] for key in arrays))
        pairs = [[arrays[f"{name}/{part}"] for part in LSTMState._fields] for name in names]
    except (Refused, *NONSENSE) as error:
        raise ModelFileError(
            f"{path} is not a whole file of states; give one that save_state wrote."
        ) from error
    if version != FORMAT_VERSION or not whole:
        raise ModelFileError(
            f"{path} is a file of states of another version or changed since it was saved; copy it "
            "again, or save the state again."
        )
    if described["network"] != network_checksum(network):
        raise ModelFileError(
            f"{path} holds states of a network with other weights; load them into the network that "
            "they were saved from."
        )
    return {name: LSTMState(*pair) for name, pair in zip(names, pairs, strict=True)}, ids
