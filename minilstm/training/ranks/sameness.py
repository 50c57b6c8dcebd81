"""What all ranks must have alike before work starts: versions, network, data and options.
Where one differs, every rank raises the same sentence."""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress
from typing import Any

from minilstm.checks import shown
from minilstm.network.card import fingerprint
from minilstm.network.network import Network
from minilstm.training.ranks.world import World


def check_ranks(world: World, net: Network, known: dict[str, Any], iteration: int) -> None:
    """Raise ValueError where a rank differs from rank 0.

    `known` is from `identity_of`; `iteration` is where the training goes on.
    """
    if world.size == 1:
        return
    mine: dict[str, Any] = {"minilstm": known["version"]}
    for name in ("numpy", "numba"):
        with suppress(importlib.metadata.PackageNotFoundError):
            mine[name] = importlib.metadata.version(name)
    for part in ("backend", "layers", "loss", "options", "data"):
        mine |= known[part]
    arrays = [*net.parameters.values(), *net.statistics.values()]
    mine["the network to start from"] = f"SHA-256 {fingerprint(arrays)[:16]}"
    mine["the iteration to go on from"] = iteration
    first, *others = world.gather(mine)
    for rank, other in enumerate(others, 1):
        for name in {**first, **other}:
            there, here = (facts.get(name, "none") for facts in (other, first))
            if there != here:
                raise ValueError(
                    f"{name} is {shown(there)} on rank {rank}, but {shown(here)} on rank 0; give "
                    "every rank the same data, options and versions."
                )
