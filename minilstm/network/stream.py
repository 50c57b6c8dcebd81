"""Prediction one time step at a time, as a sensor delivers them.
A stream carries the state of its network from step to step; the network itself never changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.backend import Backend, current_backend, host
from minilstm.checks import check_whole
from minilstm.data.feature_names import step_in_order
from minilstm.data.sequences import as_step
from minilstm.errors import DataError, ModelFileError
from minilstm.functional.lstm import LSTMState
from minilstm.layers import LSTM, FullyConnected, Run, SequenceInput, Signal, Softmax
from minilstm.network.graph.wiring import Port, Wiring
from minilstm.network.passes.placement import frozen, moved_state
from minilstm.network.passes.prediction_pass import PredictionPass
from minilstm.network.state_file import read_states, write_states

Array = NDArray[Any]
State = dict[str, LSTMState]
# Writes the scores (n C,) of a step (n D,), and replaces the states; 0 or False, with no state
# changed, where a number is not finite.
Stepper = Callable[[Array, Array], int]
# A stepper, one for rows in all their digits, and the states of both, by layer, written in place.
Start = Callable[[], tuple[Stepper, Stepper, Sequence[LSTMState]]]

# Bound here because looking names up in NumPy takes a noticeable part of a small network's step.
_empty, _ndarray = np.empty, np.ndarray


class Stream:
    """One running sequence, or several that step together; made by ``net.stream()``.

    Stepping through a sequence gives the scores that `predict` gives for the whole of it, alone
    or beside others: the same bits on the Numba backend, the same to rounding on NumPy.

    Streams are independent: each may run in a thread of its own. Threads that share one stream
    take turns. `copy.copy` gives a second stream, which goes on by itself from the same state. A
    stream is pickled with its network, and goes on where it is unpickled, on the backend in force
    there. Thousands of streams that come and go are a `minilstm.network.pool.Pool`, ``net.pool()``.

    An open stream may keep the weights of its opening, while `predict` sees at once what is written
    into the arrays of a network: open a new stream after that.

    Parameters
    ----------
    network : Network or Predictor whose steps to take
    batch : n, sequences that step together; None means one, without a batch axis
    threads : that share the work of one step, which changes none of its bits; 1 to 256, or to the
        cores if there are more. Only the Numba backend uses more than one, for layers of about 64
        units and more, and never more than cores. They help where steps follow each other within
        2 ms, for so long they keep their cores busy watching, then they sleep. All streams have the
        same helpers: one step at a time has them

    Examples
    --------
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
    >>> from minilstm.network.network import Network
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(5), Softmax()]
    >>> net = Network(layers, rng=np.random.default_rng(0))
    >>> net.stream().step([0.1, -0.2, 9.8]).shape
    (5,)
    >>> net.stream(batch=2).step([[0.1, -0.2, 9.8], [0.0, 0.1, 9.7]]).shape
    (2, 5)
    """

    __slots__ = (
        "__weakref__", "_advance", "_advance_checked", "_backend", "_batch", "_check_state",
        "_digits", "_dtype", "_lock", "_names", "_network", "_others", "_out_shape", "_start",
        "_states", "_step_shape", "_streams", "_threads", "_x_shape",
    )  # fmt: skip

    def __init__(self, network: Any, batch: int | None = None, threads: int = 1) -> None:
        if batch is not None:
            check_whole("stream: batch", batch, 1)
        threads = host().checked_threads("stream: threads", threads)
        wiring = network.wiring
        check_streamable(wiring)
        network = frozen(network)
        n = () if batch is None else (int(batch),)
        self._x_shape = (*n, *wiring.shape(wiring.inputs[0]))
        self._out_shape = (*n, *wiring.shape(wiring.outputs[0]))
        self._batch = 1 if batch is None else int(batch)
        self._network, self._threads = network, threads
        self._streams, self._step_shape = batch, wiring.shape(wiring.inputs[0])
        self._dtype, self._check_state = network.dtype, network.check_state
        first = network.layers[wiring.inputs[0]]
        self._digits = first.normalizes
        self._lock = Lock()
        self._names, self._others = first.feature_names, network.others
        backend, chain = current_backend(), _chain(network)
        self._backend = backend
        if backend.make_stepper is None or chain is None:
            self._start: Start = _layer_by_layer(network, backend, self._batch)
        else:
            open_chain = backend.make_stepper(chain, self._batch, self._dtype, threads)
            self._start = _normalized_first(first, backend, self._dtype, open_chain)
        self._begin(network.check_state(None, self._batch))

    def _begin(self, state: State) -> None:
        """Take memory of its own: states, where the backend computes, written in place."""
        state = moved_state(state, self._backend.to_device)
        advance, checked, states = self._start()
        self._states = dict(zip(state, states, strict=True))
        _overwrite(self._states, state)
        self._advance: Stepper = advance if self._streams is None else _with_batch_axis(advance)
        self._advance_checked = checked  # for the rows that `as_step` makes

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        for name in Stream.__slots__[1:]:
            setattr(other, name, getattr(self, name))
        other._lock = Lock()
        other._begin(self.state)
        return other

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()  # nothing else of a stream changes

    def __reduce__(self) -> Any:
        return type(self), (self._network, self._streams, self._threads), self.state

    def __setstate__(self, state: State) -> None:
        self.state = state

    def step(self, x_t: ArrayLike, out: Array | None = None) -> Array:
        """Scores after one more time step.

        An array of the network's dtype is taken as it is; anything else is converted first.

        Parameters
        ----------
        x_t : (D,) the features of the step, or (n, D) with ``batch=n``; a row of a frame, a named
            tuple, a dict or a frame (of one row) is taken by its names where the network has them
        out : where to write the scores, a contiguous array of the network's dtype; None means a
            new array

        Returns
        -------
        (C,) scores, or (n, C); `out` itself where given

        Raises
        ------
        DataError
            Another number of features, or a value that is not finite, or `out` cannot hold the
            scores; the state is unchanged.
        """
        if out is None:
            out = _empty(self._out_shape, self._dtype)  # (C,) or (n, C)
        elif not (
            type(out) is _ndarray
            and out.dtype is self._dtype
            and out.shape == self._out_shape
            and out.flags.carray
        ):
            raise self._unfit(out)
        if type(x_t) is _ndarray and x_t.dtype is self._dtype and x_t.shape == self._x_shape:
            with self._lock:
                if self._advance(x_t, out):
                    return out
        # What is refused above comes here to be converted, or to be told what is wrong with it.
        x_t = step_in_order(x_t, self._names, "x_t", self._streams is None, self._others)
        rows = as_step(
            x_t, self._step_shape, self._dtype, streams=self._streams, digits=self._digits
        )  # (n, D)
        with self._lock:
            done = self._advance_checked(rows, out.reshape(-1))
        # False only if another thread wrote into x_t since it was checked.
        return out if done else self.step(x_t, out)

    def reset(self) -> None:
        """Start new sequences from the initial state."""
        self._set(self._check_state(None, self._batch))

    @property
    def state(self) -> State:
        """Hidden and cell state, (1, H) or (n, H) each, by layer name: what a stream remembers."""
        with self._lock:
            return moved_state(self._states, lambda a: self._backend.to_host(a.copy()))

    @state.setter
    def state(self, state: Mapping[str, LSTMState]) -> None:
        self._set(self._check_state(state, self._batch))

    def save_state(self, path: str | os.PathLike[str]) -> Path:
        """Write the state as one file, whole or not at all; `load_state` reads it.

        It holds what the stream remembers, not the network: `Predictor.save` writes that.
        """
        return write_states(path, self._network, self.state, None)

    def load_state(self, path: str | os.PathLike[str]) -> None:
        """Go on from a file of `save_state`.

        Raises ModelFileError where it is no whole file of the state of a stream, or one of a
        network with other weights, and DataError where it is one of another batch; the state is
        unchanged then.
        """
        state, ids = read_states(path, self._network)
        if ids is not None:
            raise ModelFileError(
                f"{path} holds the states of a pool; load it with net.pool().load_state(path)."
            )
        self.state = state

    def _set(self, state: State) -> None:
        with self._lock:
            _overwrite(self._states, moved_state(state, self._backend.to_device))

    def _unfit(self, out: Any) -> DataError:
        came = type(out).__name__
        if isinstance(out, np.ndarray):
            came = f"of shape {out.shape} and dtype {out.dtype}"
            came += "" if out.flags.carray else ", not contiguous or not writeable"
        shape = self._out_shape if len(self._out_shape) > 1 else self._out_shape[0]
        return DataError(
            f"out is {came}, but the scores need a contiguous array of shape {self._out_shape} "
            f"and dtype {self._dtype}; pass np.empty({shape}, {self._dtype.name!r})."
        )


def check_streamable(wiring: Wiring) -> None:
    """Raise ValueError unless a network can go step by step, with one input and one output."""
    for what, ends in (("inputs", wiring.inputs), ("outputs", wiring.outputs)):
        if len(ends) != 1:
            names = [wiring.nodes[n].layer.name for n in ends]
            raise ValueError(
                f"the network has {len(ends)} {what}, {names}, but a stream has one of each; use "
                "predict with state= and return_state=True, a few steps at a time."
            )
    for node in wiring.nodes:
        if node.is_whole(training=False):
            raise ValueError(
                f"stream: the layer {node.layer.name!r} ({node.layer.label}) needs whole "
                "sequences, so it cannot go step by step; use predict, or a network of LSTM layers."
            )


def _chain(network: Any) -> list[tuple[str, Mapping[str, Any]]] | None:
    """Kind and content of each layer, as `make_stepper` takes them; None for what it cannot."""
    known, layers = (SequenceInput, LSTM, FullyConnected, Softmax), network.layers
    if network.dtype not in (np.float32, np.float64) or any(type(a) not in known for a in layers):
        return None
    first = layers[0]
    if not isinstance(first, SequenceInput) or not isinstance(first.input_size, int):
        return None
    feeds = [node.inputs[0] for node in network.wiring.nodes[1:]]
    if feeds != [Port(n, 0) for n in range(len(feeds))]:
        return None  # not a chain
    if callable(first.normalization) or first.lacks:
        return None  # forward says what is missing
    head: dict[str, Any] = {"size": first.input_size, "affine": first.affine()}
    parameters = network.by_layer()
    chain: list[tuple[str, Mapping[str, Any]]] = [(first.kind, head)]
    for layer in layers[1:]:
        content: dict[str, Any] = dict(parameters[layer.name])
        if isinstance(layer, LSTM):
            content["gate_activation"], content["state_activation"] = layer.activations
        chain.append((layer.kind, content))
    return chain


def _layer_by_layer(network: Any, backend: Backend, batch: int) -> Start:
    """A step as a sequence of one step, through the network's forward pass."""
    active = np.array([batch], np.int64)  # (1,) the sequences that make the one step
    wiring = network.wiring
    wanted = [Port(wiring.outputs[0], 0)]
    walk = PredictionPass(wiring, network.by_layer(backend), backend, wanted, network.dtype)
    shape = wiring.shape(wiring.inputs[0])

    def start() -> tuple[Stepper, Stepper, Sequence[LSTMState]]:
        states = moved_state(network.initial_state(batch), backend.to_device)

        def advance(x: Array, out: Array) -> int:
            if not np.isfinite(x).all():
                return False
            rows = np.ascontiguousarray(x).reshape(batch, *shape)  # (n, D)
            (output,), after = walk.forward([Signal(backend.to_device(rows), active)], states)
            out[:] = backend.to_host(output.rows).reshape(out.shape)
            _overwrite(states, after)
            return True

        return advance, advance, list(states.values())

    return start


def _normalized_first(layer: SequenceInput, backend: Backend, dtype: Any, start: Start) -> Start:
    """Steps from rows (n, D) in all their digits: the same bits as the stepper's own."""
    run = Run(backend, layer.constants(dtype), dtype=dtype)

    def begin() -> tuple[Stepper, Stepper, Sequence[LSTMState]]:
        advance, inner, states = start()
        return advance, lambda x, out: inner(layer.forward(run, x)[0].reshape(-1), out), states

    return begin


def _overwrite(states: State, new: Mapping[str, LSTMState]) -> None:
    for name, (hidden, cell) in new.items():
        states[name].hidden[:], states[name].cell[:] = hidden, cell


def _with_batch_axis(advance: Stepper) -> Stepper:
    """The same for x (n, D) and contiguous out (n, C), which reach the stepper as one axis."""
    return lambda x, out: advance(x.reshape(-1), out.reshape(-1))
