"""Thousands of running sequences that come and go, each with a state of its own.
One call steps all that have news, however many steps each brings."""

from __future__ import annotations

import os
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import REAL, axes_of
from minilstm.backend import current_backend, use_backend
from minilstm.data.feature_names import step_in_order
from minilstm.data.sequences import as_batch, as_step
from minilstm.errors import DataError, ModelFileError
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Signal
from minilstm.network.graph.wiring import Port
from minilstm.network.passes.placement import frozen, moved_state
from minilstm.network.passes.prediction_pass import PredictionPass, check_state
from minilstm.network.passes.walk import first_states, write_states
from minilstm.network.state_file import read_states
from minilstm.network.state_file import write_states as write_file
from minilstm.network.stream import Stream, check_streamable

Array = NDArray[Any]
State = dict[str, LSTMState]
Id = str | int

FIRST_ROWS = 16  # streams that a new pool has memory for; it doubles when they are full
FEW = 32  # sequences that step as a `Stream`; a pass through the layers is for more


class Pool(MutableMapping[Id, State]):
    """Running sequences by their ids; made by ``net.pool()``.

    `step` takes the news of any of them in one call. An id that was never seen starts a sequence
    from the initial state. Every sequence gets what a stream of its own gives, whatever steps
    beside it: the same bits on the Numba backend, the same to rounding on NumPy.

    A pool is a mapping from ids to states: ``pool[id]`` is what `Stream.state` gives,
    ``pool[id] = state`` takes one, ``del pool[id]`` ends a sequence, ``len(pool)`` counts them.
    ``pool.items()`` holds all states of one moment. A pool equals only itself. It is copied and
    pickled whole. Threads that share a pool take turns.

    Parameters
    ----------
    network : Network or Predictor whose steps to take; the pool, its copies and its pickles keep
        the weights of its opening. It keeps the backend in force

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
        self._network, self._backend = frozen(network), current_backend()
        self._shape = wiring.shape(wiring.inputs[0])  # of one step
        self._first = network.layers[wiring.inputs[0]]
        self._how, self._digits = (self._shape, network.dtype), {"digits": self._first.normalizes}
        arrays, wanted = self._network.by_layer(self._backend), [Port(wiring.outputs[0], 0)]
        self._walk = PredictionPass(wiring, arrays, self._backend, wanted, network.dtype)
        self._opened: dict[int, Stream] = {}  # of 1, 2, 4, ... sequences, when first needed
        self._lock = RLock()
        self._rows: dict[Any, int] = {}  # where the state of each id stands
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
            if not names and np.shape(x) == (0,):
                x = np.empty((0, *self._shape))  # a list of no rows
            return self._steps(names, as_step(x, *self._how, "x", len(names), **self._digits))
        if x is not None:
            raise DataError("x is given beside a dict, which holds the rows; leave x out.")
        names, values = _checked_ids(ids), [*ids.values()]
        if not names:
            return {}
        if _alike(values, self._shape):
            with suppress(DataError):  # which is told by its id below
                x = as_step(np.array(values), *self._how, "x", len(names), **self._digits)
                return dict(zip(names, self._steps(names, x), strict=True))
        news = [self._news(f"ids[{n!r}]", value) for n, value in zip(names, values, strict=True)]
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
        if len(ids) <= FEW and len(set(ids)) == len(ids):
            return self._few(ids, rows)
        order, active, streams = _packed(ids)
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

    def _few(self, ids: list[Id], rows: Array) -> Array:
        """The same for a few sequences that take one step each."""
        size = 1 << (len(ids) - 1).bit_length()
        if size > len(ids):  # the last row again, for streams that nobody asked for
            rows = np.concatenate([rows, rows[-1:].repeat(size - len(ids), axis=0)])
        with self._lock:
            if (stream := self._opened.get(size)) is None:
                with use_backend(self._backend.name):
                    stream = self._opened[size] = Stream(self._network, size)
            write_states(stream._states, self._gathered(ids))
            scores = stream.step(rows)  # (size, C)
            self._keep(ids, first_states(stream._states, len(ids)))
        return scores[: len(ids)]

    def _gathered(self, ids: list[Any]) -> State:
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
        own = _own_id(id)
        with self._lock:
            if own not in self._rows:
                raise KeyError(f"the pool has no sequence {id!r}; step it, or set its state first.")
            return moved_state(self._gathered([own]), self._backend.to_host)

    def __setitem__(self, id: Id, state: Mapping[str, LSTMState]) -> None:
        ids, zero = _checked_ids([id]), self._network.initial_state(1)
        checked = check_state(state, zero, self._network.dtype)  # (1, H)
        with self._lock:
            self._keep(ids, moved_state(checked, self._backend.to_device))

    def __delitem__(self, id: Id) -> None:
        own = _own_id(id)
        with self._lock:
            if own not in self._rows:
                raise KeyError(f"the pool has no sequence {id!r}; delete one of its ids.")
            self._free.append(self._rows.pop(own))

    def pop(self, id: Id, /, *default: Any) -> Any:
        """End a sequence and give its state; the default where there is none."""
        with self._lock:  # no other thread ends it between the two
            return super().pop(id, *default)

    __eq__, __hash__ = object.__eq__, object.__hash__

    def clear(self) -> None:
        """End all sequences."""
        self._take([], {})

    def __repr__(self) -> str:
        return f"Pool of {len(self)} sequences"

    def __iter__(self) -> Iterator[Id]:
        return iter(list(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id: object) -> bool:
        return _own_id(id) in self._rows

    def items(self) -> ItemsView[Id, State]:
        """Ids and states (1, H), all of one moment."""
        ids, state = self._whole()
        return {
            id: {name: LSTMState(h[[n]], c[[n]]) for name, (h, c) in state.items()}
            for n, id in enumerate(ids)
        }.items()

    def values(self) -> ValuesView[State]:
        """The states of `items`."""
        return dict(self.items()).values()

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

    def __copy__(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__  # the weights of the opening too
        other._lock, other._opened = RLock(), {}
        other._take(*self._whole())
        return other

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()  # nothing else of a pool changes

    def __reduce__(self) -> Any:
        return type(self), (self._network,), self._whole()

    def __setstate__(self, whole: Any) -> None:
        self._take(*whole)


def _alike(news: list[Any], shape: tuple[int, ...]) -> bool:
    """Whether all are one step, as arrays of one dtype or as lists of one kind of numbers."""
    if {*map(type, news)} == {np.ndarray}:
        kinds = {(a.dtype, a.shape) for a in news}
        return len(kinds) == 1 and news[0].dtype in REAL and news[0].shape == shape
    if not all(type(a) is list and (len(a),) == shape for a in news):
        return False
    return {type(number) for a in news for number in a} in ({int}, {float})


def _packed(ids: list[Id]) -> tuple[Array, Array, list[Id]]:
    """Order (n,) of rows step after step, how many ids take each step, the ids, longest first."""
    count: dict[Id, int] = {}
    turn = []  # (n,) which step of its sequence a row is
    for i in ids:
        turn.append(count.get(i, 0))
        count[i] = turn[-1] + 1
    if len(count) == len(ids):
        return np.arange(len(ids)), np.array([len(ids)]), ids
    longest = sorted(count, key=count.__getitem__, reverse=True)  # as ragged batches are packed
    place = {i: n for n, i in enumerate(longest)}
    return np.lexsort(([place[i] for i in ids], turn)), np.bincount(turn), longest


def _own_id(one: object) -> Id | None:
    """An id as a string or a whole number of Python; None for anything else."""
    if isinstance(one, str):
        return str.__str__(one)  # of an enum too, whose own words are others
    if isinstance(one, (int, np.integer)) and not isinstance(one, bool):
        return int(one)
    return None


def _checked_ids(ids: Any) -> list[Id]:
    """Ids as strings and whole numbers of Python, which a file can keep."""
    if isinstance(ids, (str, bytes, bytearray)):
        raise DataError(f"ids is {ids!r}, one id; give a list of ids, [{ids!r}].")
    if isinstance(ids, (set, frozenset)):
        raise DataError(
            f"ids is a {type(ids).__name__}, whose order is chance; give a list of ids."
        )
    if not hasattr(ids, "__iter__") or getattr(ids, "ndim", 1) != 1:
        raise DataError(
            f"ids is of type {type(ids).__name__}, but one id is wanted for each row; give a list "
            "of strings or whole numbers."
        )
    found = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    for n, one in enumerate(found):
        if type(one) is str and one.isascii():
            continue
        own = _own_id(one)
        if own is None:
            raise DataError(
                f"ids[{n}] is {one!r}, but strings and whole numbers are wanted; name the sequence "
                "by one of these."
            )
        try:
            str(own).encode()  # as a file will
        except ValueError:
            raise DataError(
                f"ids[{n}] holds half a letter or thousands of digits, which no file of states can "
                "hold; name the sequence anew."
            ) from None
        found[n] = own
    return found
