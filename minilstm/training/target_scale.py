"""Numbers to be predicted, brought to mean 0 and deviation 1 while a network learns them.
Its last layer then takes the scale into its weights, so the network speaks in their own units.

Axes: N rows, R responses, H inputs of the last layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.layers import FullyConnected
from minilstm.network.network import Network

Array = NDArray[Any]


class TargetScale(NamedTuple):
    """Mean and deviation of each response; a response that does not vary has the deviation 1.

    Examples
    --------
    >>> scale = TargetScale.of([np.array([[1.0], [3.0]]), np.array([[5.0]])])
    >>> [y.round(2).tolist() for y in scale.down([np.array([[1.0], [3.0]])])]
    [[[-1.22], [0.0]]]
    """

    mean: Array  # (R,)
    deviation: Array  # (R,)

    @classmethod
    def of(cls, y: Any) -> TargetScale:
        """The scale of answers: a list of (T, R), or one (B, R)."""
        rows = np.concatenate(y) if isinstance(y, list) else y  # (N, R)
        deviation = rows.std(axis=0, dtype=np.float64)
        mean = rows.mean(axis=0, dtype=np.float64)
        return cls(mean, np.where(deviation > 0, deviation, 1.0))

    def down(self, y: Any) -> Any:
        """Answers as a network learns them, in the form in which they came."""
        return (
            [self.down(a) for a in y] if isinstance(y, list) else (y - self.mean) / self.deviation
        )

    def up(self, net: Network) -> Network:
        """A network that learned such answers, in their own units."""
        last = net.layers[-1]
        assert isinstance(last, FullyConnected)  # nothing else is linear in what it learned
        weights, bias = (
            np.asarray(net.parameters[f"{last.name}/{name}"], np.float64)
            for name in ("weights", "bias")
        )
        scaled = {
            f"{last.name}/weights": weights * self.deviation[:, None],  # (R, H)
            f"{last.name}/bias": bias * self.deviation + self.mean,  # (R,)
        }
        return net.replace(parameters={**net.parameters, **scaled})
