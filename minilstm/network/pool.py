"""Thousands of running sequences that come and go, each with a state of its own.
One call steps all that have news, however many steps each brings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import axes_of
from minilstm.backend import current_backend
from minilstm.data.feature_names import step_in_order
from minilstm.data.sequences import as_batch, as_step
from minilstm.errors import DataError, ModelFileError
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Signal
from minilstm.network.graph.wiring import Port
from minilstm.network.passes.placement import moved_state
from minilstm.network.passes.prediction_pass import PredictionPass
from minilstm.network.passes.walk import first_states, write_states
from minilstm.network.state_file import read_states
from minilstm.network.state_file import write_states as write_file
from minilstm.network.stream import check_streamable

Array = NDArray[Any]
State = dict[str, LSTMState]
Id = str | int

FIRST_ROWS = 16  # streams that a new pool has memory for; it doubles when they are full


class Pool(MutableMapping[Id, State]):
    """Running sequences by their ids; made by ``net.pool()``.

    `step` takes the news of any of them in one call. An id that was never seen starts a sequence
    from the initial state. Every sequence gets what a stream of its own gives, whatever steps
    beside it: the same bits on the Numba backend, the same to rounding on NumPy.

    A pool is a mapping from ids to states: ``pool[id]`` is what `Stream.state` gives,
    ``pool[id] = state`` takes one, ``del pool[id]`` ends a sequence, ``len(pool)`` counts them.
    It is copied and pickled whole, with its network. Threads that share a pool take turns.

    Parameters
    ----------
    network : Network or Predictor whose steps to take; the pool keeps the weights of its opening
        and the backend in force

    Examples
    --------
    >>> import minilstm as ml
    >>> layers = [ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(5), ml.Softmax()]
    >>> net = ml.Network(layers, rng=np.random.default_rng(0))
    >>> pool = net.pool()
    >>> pool.step(["ann", "bob"], [[0.1, -0.2, 9.8], [0.0, 0.1, 9.7]]).shape
    (2, 5)
    >>> news = {"bob": [0.0, 0.2, 9.9], "cleo": np.ones((4, 3))}  # one step; four of a new one
    >>> {name: scores.shape for name, scores in pool.step(news).items()}
    {'bob': (5,), 'cleo': (4, 5)}
    >>> del pool["ann"]
    >>> sorted(pool)
    ['bob', 'cleo']
    """

    def __init__(self, network: Any) -> None:
        wiring = network.wiring
        check_streamable(wiring)
        self._network, self._backend = network, current_backend()
        self._shape = wiring.shape(wiring.inputs[0])  # of one step
        first = network.layers[wiring.inputs[0]]
        self._first, self._how = first, (self._shape, network.dtype)
        self._digits = {"digits": first.normalizes}
        wanted, arrays = [Port(wiring.outputs[0], 0)], network.by_layer(self._backend)
        self._walk = PredictionPass(wiring, arrays, self._backend, wanted, network.dtype)
        self._lock = Lock()
        self._rows: dict[Id, int] = {}  # where the state of each id stands
        self._free: list[int] = []
        self._states: State = {}  # (rows, H) by layer
        self._grow()

    def step(self, ids: Iterable[Id] | Mapping[Id, ArrayLike], x: ArrayLike | None = None) -> Any:
        """Scores after the next steps of some sequences; the others wait.

        Parameters
        ----------
        ids : n ids, strings or whole numbers, a row of x each; one that stands there k times takes
            k steps, in this order. Or a dict from ids to their news: (D,) one step, or (T, D)
        x : (n, D) the features of each row; columns of a frame are taken by name where the network
            has `feature_names`. Left out with a dict

        Returns
        -------
        (n, C) scores, a row for each of x; with a dict, a dict from ids to (C,) or (T, C)

        Raises
        ------
        DataError
            An id is neither a string nor a whole number, x does not fit the network, or holds a
            value that is not finite; no state has changed then.
        """
        if not isinstance(ids, Mapping):
            if x is None:
                raise DataError("x is missing; give a row for each id, or a dict from ids to rows.")
            names = _checked_ids(ids)
            x = step_in_order(x, self._first.feature_names, "x", others=self._network.others)
            return self._steps(names, as_step(x, *self._how, "x", len(names), **self._digits))
        if x is not None:
            raise DataError("x is given beside a dict, which holds the rows; leave x out.")
        names = _checked_ids(ids)
        news = [
            self._news(f"ids[{n!r}]", value) for n, value in zip(names, ids.values(), strict=True)
        ]
        if not news:
            return {}
        each = [n for n, (rows, _) in zip(names, news, strict=True) for _ in rows]
        scores = self._steps(each, np.concatenate([rows for rows, _ in news]))
        ends = np.cumsum([len(rows) for rows, _ in news])
        parts = zip(names, news, np.split(scores, ends[:-1]), strict=True)
        return {n: part[0] if single else part for n, (_, single), part in parts}

    def _news(self, name: str, value: Any) -> tuple[Array, bool]:
        """Rows of one sequence (T, D), and whether they came as one row."""
        value = step_in_order(value, self._first.feature_names, name, others=self._network.others)
        if axes_of(value) <= len(self._shape):
            return as_step(value, *self._how, name, **self._digits), True
        batch = as_batch(value, *self._how, name, **self._digits)
        if batch.form != "single":
            raise DataError(
                f"{name} holds several sequences; give one step, {(*self._shape,)}, or the next T "
                f"steps of one sequence, (T, {', '.join(map(str, self._shape))})."
            )
        return batch.sequences[0], False

    def _steps(self, ids: list[Id], rows: Array) -> Array:
        """Scores (n, C) of checked rows (n, D), one an id."""
        if not ids:
            shape = self._network.wiring.shape(self._walk.sources[0])
            return np.empty((0, *shape), self._network.dtype)
        seen: dict[Id, int] = {}
        of = np.array([seen.setdefault(i, len(seen)) for i in ids], np.int64)  # (n,) sequences
        count = np.bincount(of)  # (S,)
        turn = np.empty(len(ids), np.int64)  # (n,) which step of its sequence a row is
        turn[np.argsort(of, kind="stable")] = np.arange(len(ids)) - np.repeat(
            np.cumsum(count) - count, count
        )
        longest = np.argsort(-count, kind="stable")  # (S,) as ragged batches are packed
        order = np.lexsort((np.argsort(longest)[of], turn))  # (n,) step after step
        active = np.bincount(turn)  # (T,) sequences that take each step
        streams = list(seen)
        streams = [streams[s] for s in longest]
        # A layer that keeps the last step puts out one row a sequence: step by step then.
        spans = [active] if all(self._walk.steps) else [active[[t]] for t in range(len(active))]
        to_device, to_host = self._backend.to_device, self._backend.to_host
        outs, done = [], 0
        with self._lock:
            state = self._gathered(streams)
            packed = to_device(rows[order])
            for span in spans:
                stop = done + int(span.sum())
                start = first_states(state, int(span[0]))
                [out], after = self._walk.forward([Signal(packed[done:stop], span)], start)
                write_states(state, after)
                outs.append(to_host(out.rows))
                done = stop
            self._keep(streams, state)
        scores = np.empty((len(ids), *outs[0].shape[1:]), outs[0].dtype)  # (n, C)
        scores[order] = np.concatenate(outs)
        return scores

    def _gathered(self, ids: list[Id]) -> State:
        """Copies of the states (S, H) of some sequences, those of new ones initial."""
        rows = [self._rows.get(i, -1) for i in ids]  # the last row holds the initial state
        at = self._backend.to_device(np.array(rows, np.int64))  # (S,)
        return moved_state(self._states, lambda a: a[at])

    def _keep(self, ids: list[Id], state: State) -> None:
        """Write the states (S, H) of some sequences; new ones get a row."""
        new = [i for i in ids if i not in self._rows]
        while len(self._free) < len(new):
            self._grow()
        for i in new:
            self._rows[i] = self._free.pop()
        at = self._backend.to_device(np.array([self._rows[i] for i in ids], np.int64))  # (S,)
        for name, (hidden, cell) in state.items():
            self._states[name].hidden[at], self._states[name].cell[at] = hidden, cell

    def _grow(self) -> None:
        """Twice as many rows; behind them the initial state."""
        before = len(self._rows) + len(self._free)
        rows = max(FIRST_ROWS, 2 * before)
        fresh = self._network.initial_state(rows + 1)
        fresh = moved_state(fresh, self._backend.to_device)  # (rows + 1, H)
        write_states(fresh, first_states(self._states, before))
        self._states = fresh
        self._free += range(rows - 1, before - 1, -1)

    def __getitem__(self, id: Id) -> State:
        with self._lock:
            if id not in self._rows:
                raise KeyError(f"the pool has no sequence {id!r}; step it, or set its state first.")
            return moved_state(self._gathered([id]), self._backend.to_host)

    def __setitem__(self, id: Id, state: Mapping[str, LSTMState]) -> None:
        ids = _checked_ids([id])
        checked = self._network.check_state(state, 1)  # (1, H)
        with self._lock:
            self._keep(ids, moved_state(checked, self._backend.to_device))

    def __delitem__(self, id: Id) -> None:
        with self._lock:
            if id not in self._rows:
                raise KeyError(f"the pool has no sequence {id!r}; delete one of its ids.")
            self._free.append(self._rows.pop(id))

    def __repr__(self) -> str:
        return f"Pool of {len(self)} sequences"

    def __iter__(self) -> Iterator[Id]:
        return iter(list(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id: object) -> bool:
        return id in self._rows

    def _whole(self) -> tuple[list[Id], State]:
        """All ids, and their states (n, H) on the host."""
        with self._lock:
            ids = list(self._rows)
            return ids, moved_state(self._gathered(ids), self._backend.to_host)

    def save_state(self, path: str | os.PathLike[str]) -> Path:
        """Write all ids and states as one file, whole or not at all; `load_state` reads it."""
        ids, state = self._whole()
        return write_file(path, self._network, state, ids)

    def load_state(self, path: str | os.PathLike[str]) -> None:
        """Take the sequences of a file of `save_state` in place of all that run here.

        Raises ModelFileError where it is no whole file of states of a pool, or one of another
        network; nothing has changed then.
        """
        state, ids = read_states(path, self._network)
        if ids is None:
            raise ModelFileError(
                f"{path} holds the state of a stream; load it with net.stream().load_state(path)."
            )
        self._take(_checked_ids(ids), self._network.check_state(state, len(ids)))

    def _take(self, ids: list[Id], state: State) -> None:
        with self._lock:
            self._rows, self._free, self._states = {}, [], {}
            self._grow()
            self._keep(ids, moved_state(state, self._backend.to_device))

    def __copy__(self) -> Pool:
        return _restored(self._network, *self._whole())

    def __deepcopy__(self, memo: object) -> Pool:
        return self.__copy__()  # nothing else of a pool changes

    def __reduce__(self) -> Any:
        return _restored, (self._network, *self._whole())


def _restored(network: Any, ids: list[Id], state: State) -> Pool:
    pool = Pool(network)
    pool._take(ids, state)
    return pool


def _checked_ids(ids: Iterable[Any]) -> list[Id]:
    """Ids as strings and whole numbers of Python."""
    if isinstance(ids, (str, bytes)):
        raise DataError(f"ids is {ids!r}, one id; give a list of ids, [{ids!r}].")
    if isinstance(ids, (set, frozenset)):
        raise DataError(
            f"ids is a {type(ids).__name__}, whose order is chance; give a list of ids."
        )
    found = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    for n, one in enumerate(found):
        if type(one) is str or type(one) is int:
            continue
        if isinstance(one, (bool, np.bool_)) or not isinstance(one, (str, int, np.integer)):
            raise DataError(
                f"ids[{n}] is {one!r}, but strings and whole numbers are wanted; name the sequence "
                "by one of these."
            )
        found[n] = str(one) if isinstance(one, str) else int(one)
    return found
