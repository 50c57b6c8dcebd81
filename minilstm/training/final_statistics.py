"""Batch normalisation after training: mean and variance of each channel over the training set.
Layer after layer, each on what the layers before it put out with their final statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.data.sequences import Batch
from minilstm.functional.channel_statistics import PooledStatistics, pool_statistics
from minilstm.layers import BatchNormalization
from minilstm.network.network import Network
from minilstm.network.passes.prediction_pass import PredictionPass
from minilstm.training.options import TrainingOptions
from minilstm.training.ranks.world import ALONE, World

Array = NDArray[Any]


def population_statistics(
    net: Network,
    sequences: Sequence[Sequence[Array]],
    options: TrainingOptions,
    backend: Backend,
    world: World = ALONE,
) -> Network:
    """The network with statistics over all sequences.

    The network's arrays are where the backend computes; `sequences` holds for each input B arrays
    (T_b, *shape), of which the options' mini_batch_size run at once, some on
    each rank of the world.
    """
    B, size = len(sequences[0]), options.mini_batch_size
    for node in net.wiring.nodes:
        if not isinstance(node.layer, BatchNormalization):
            continue
        feeder = node.inputs[0]
        assert feeder is not None  # the wiring has been checked
        walk = PredictionPass(net.wiring, net.by_layer(backend), backend, [feeder], net.dtype)

        def work(n: int, walk: PredictionPass = walk) -> list[tuple[int, Array, Array]]:
            batches = [Batch(list(s[n * size : (n + 1) * size]), "list") for s in sequences]
            (rows,), _ = walk.predict(batches, {})
            found = []
            for part in rows if walk.steps[0] else [rows]:
                wide = part.reshape(-1, part.shape[-1]).astype(np.float64)  # (M, C)
                mean = wide.mean(axis=0)  # (C,)
                found.append((len(wide), mean, np.square(wide - mean).mean(axis=0)))
            return found

        total: PooledStatistics | None = None
        for found in world.shared(work, -(-B // size)):
            for of_part in found:
                total = pool_statistics(total, *of_part)
        assert total is not None  # there is at least one sequence
        name = node.layer.name
        new = {
            f"{name}/trained_mean": total.mean.astype(net.dtype),
            f"{name}/trained_variance": total.variance.astype(net.dtype),
        }
        new = {key: backend.to_device(value) for key, value in new.items()}
        net = net.updated(net.parameters, new)
    return net
