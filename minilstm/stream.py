"""Prediction one time step at a time, as a sensor delivers them.
A stream carries the state of its network from step to step; the network itself never changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.backend import current_backend
from minilstm.data.batch import as_step
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Signal

Array = NDArray[Any]
State = dict[str, LSTMState]

_ONE_STEP = np.ones(1, np.int64)  # (1,) one sequence, one step


class Stream:
    """One running sequence; made by ``net.stream()``.

    Stepping through a sequence gives the scores that `predict` gives for the whole of it: the
    same bits on the Numba backend, the same to rounding on NumPy.

    Parameters
    ----------
    forward : the network's forward pass
    check_state : checks a state against the network; None gives the initial state
    input_size : D
    dtype : of the network

    Examples
    --------
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
    >>> from minilstm.network import Network
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(5), Softmax()]
    >>> stream = Network(layers, rng=np.random.default_rng(0)).stream()
    >>> stream.step([0.1, -0.2, 9.8]).shape
    (5,)
    """

    def __init__(
        self,
        forward: Callable[..., tuple[Signal, State, list[Any]]],
        check_state: Callable[[Mapping[str, LSTMState] | None, int], State],
        input_size: int,
        dtype: np.dtype[Any],
    ) -> None:
        self._forward = forward
        self._check_state = check_state
        self._input_size = input_size
        self._dtype = dtype
        self._backend = current_backend()
        self._state = check_state(None, 1)

    def step(self, x_t: ArrayLike) -> Array:
        """Scores after one more time step.

        Parameters
        ----------
        x_t : (D,) the features of the step

        Returns
        -------
        (C,) scores

        Raises
        ------
        DataError
            Another number of features, or a value that is not finite; the state is unchanged.
        """
        row = as_step(x_t, self._input_size, self._dtype)  # (1, D)
        out, self._state, _ = self._forward(
            Signal(row, _ONE_STEP), self._state, backend=self._backend
        )
        scores: Array = out.rows[0]  # (C,)
        return scores

    def reset(self) -> None:
        """Start a new sequence from the initial state."""
        self._state = self._check_state(None, 1)

    @property
    def state(self) -> State:
        """Hidden and cell state, (1, H) each, by layer name: what the stream remembers."""
        return dict(self._state)

    @state.setter
    def state(self, state: Mapping[str, LSTMState]) -> None:
        self._state = self._check_state(state, 1)
