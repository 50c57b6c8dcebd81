"""What must hold on a GPU before anything is timed there: right results, and the same bits again.
The LSTM is held against float64 on the CPU within the computed bound of its rounding.

Axes: B batch, T time, N rows of a packed ragged batch, D features, H hidden units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.backend import current_backend
from minilstm.bench import works
from minilstm.bench.turns import Array
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray, active_counts
from minilstm.network.network import Network
from minilstm.proof.engine.single import bounded_lstm

LENGTHS = (4, 2, 1)  # of the sequences within the bound, which costs T^2 H^3


def check_network(net: Network, x: Sequence[Array], y: Sequence[IntArray]) -> dict[str, Array]:
    """Check the LSTM of a classifier, and its gradients, on the backend in force.

    The first steps are computed of sequences (T_b, D) and classes (T_b,).

    Returns
    -------
    gradients of the NumPy twin in float64, by "layer/parameter"

    Raises
    ------
    AssertionError
        A result is further from the NumPy twin than rounding can lead, or has other bits when it is
        computed again.
    """
    check_lstm(net.parameters)
    short = first_steps(x), first_steps(y)
    exact = works.exact_gradients(net, *short)
    for budget in ("auto", 1, works.EVERYTHING):
        works.check_gradients(net, *short, exact, budget)
    signal, targets = works.packed_batch(*short)
    to_host = current_backend().to_host
    runs = [net.loss_and_gradients(signal, targets).gradients for _ in range(2)]
    for key in exact:
        if not np.array_equal(*(to_host(run[key]) for run in runs)):
            raise AssertionError(f"{key} differs from run to run; nothing was timed.")
    return exact


def first_steps(arrays: Sequence[Array]) -> list[Array]:
    """The first steps of sequences: so many that a check takes no longer for a large batch."""
    steps = max(8, 6 * works.CHECKED_STEPS // len(arrays))
    return [a[:steps] for a in arrays]


def check_lstm(parameters: Mapping[str, Array]) -> None:
    """Forward and backward of the layer "lstm" against float64, within the bound of rounding."""
    W, R, b = (
        np.asarray(parameters[f"lstm/{name}"], np.float32)
        for name in ("input_weights", "recurrent_weights", "bias")
    )
    rng = np.random.default_rng(1)
    N, B, D, H = sum(LENGTHS), len(LENGTHS), W.shape[1], R.shape[1]
    shapes = {"x": (N, D), "h0": (B, H), "c0": (B, H), "dh": (N, H), "up_h": (B, H), "up_c": (B, H)}
    drawn = {key: rng.standard_normal(s).astype(np.float32) for key, s in shapes.items()}
    given: dict[str, Any] = {key: drawn[key] for key in ("x", "h0", "c0")}
    given |= {"W": W, "R": R, "b": b}
    dstate, active = LSTMState(drawn["up_h"], drawn["up_c"]), active_counts(np.array(LENGTHS))
    found, exact, bound = bounded_lstm(current_backend(), given, drawn["dh"], dstate, active)
    for name, limit in bound.items():
        if not (np.abs(found[name] - exact[name]) <= limit).all():
            raise AssertionError(
                f"{name} of the LSTM with {H} units is further from the NumPy twin than rounding "
                "can lead; nothing was timed."
            )
