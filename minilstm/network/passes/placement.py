"""The arrays of a network where a backend computes, and its weights as the backend reads them.
On a CPU the arrays are the network's own; what is made of them is kept from call to call.

Arrays move here, where batches and states come in, and where results go out: nowhere else, and
never within a pass. `minilstm.count_transfers` counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import Backend
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Recurrent

Array = NDArray[Any]
State = dict[str, LSTMState]
Move = Callable[[Any], Any]  # `to_device` or `to_host` of a backend
Net = TypeVar("Net", bound=Any)  # Network


class Placement:
    """Copies of a network's arrays, made again only where a number of the network has changed."""

    def __init__(self) -> None:
        # The backend that holds them, and by name what was copied and its copy.
        self._kept: tuple[Backend | None, dict[str, tuple[Array, Any]]] = None, {}
        # By layer: dtypes and places of its weights, a copy of their bits, the arranged weights.
        self._arranged: dict[str, tuple[Any, list[Array], Any]] = {}
        self.snapshot: Any = None  # the network as `frozen` gave it last

    def __reduce__(self) -> Any:
        # A copy of a network, or one sent to another process, makes its own.
        return Placement, ()

    def place(self, backend: Backend, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """The arrays where the backend computes, by the same names."""
        of, before = self._kept
        before = before if of is backend else {}
        out: dict[str, Any] = {}
        kept: dict[str, tuple[Array, Any]] = {}
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):  # it is there already, as in training
                out[key] = array
                continue
            host, copy = before.get(key, (None, None))
            # Compared by its numbers, for a user may have written into it.
            if host is None or host.dtype != array.dtype or not np.array_equal(host, array):
                host, copy = array.copy(), backend.to_device(array)
            kept[key], out[key] = (host, copy), copy
        self._kept = backend, kept
        return out

    def arranged(self, layer: Recurrent, backend: Backend, p: Mapping[str, Any]) -> Any:
        """`layer.prepare`; what Numba's kernels need is kept while no bit of a weight changes."""
        if backend.name != "numba":
            return layer.prepare(backend, p)
        p = {key: np.asarray(a) for key, a in p.items()}  # a user may have put a list there
        kinds = [_kind(a) for a in p.values()]
        bits = [_bits(a) for a in p.values()]
        before, copies, packed = self._arranged.get(layer.name, ([], [], None))
        if kinds != before or not all((b == c).all() for b, c in zip(bits, copies, strict=True)):
            copies, packed = [b.copy() for b in bits], layer.prepare(backend, p)["packed"]
            self._arranged[layer.name] = kinds, copies, packed
        return {**p, "packed": packed}


def moved_state(state: Mapping[str, LSTMState], move: Move) -> State:
    """Hidden and cell states by layer name, moved."""
    return {name: LSTMState(move(s.hidden), move(s.cell)) for name, s in state.items()}


def moved_network(net: Net, move: Move) -> Net:
    """A network with its arrays in another memory; the network itself if they are there already."""
    parameters = {key: move(value) for key, value in net.parameters.items()}
    statistics = {key: move(value) for key, value in net.statistics.items()}
    pairs = ((parameters, net.parameters), (statistics, net.statistics))
    if all(new[key] is old[key] for new, old in pairs for key in old):
        return net
    return net.updated(parameters, statistics)


def frozen(net: Net) -> Net:
    """The network with arrays of its own, into which nobody else writes.

    It is the same object as long as no bit of the network changes.
    """
    last = net.placement.snapshot
    parts = ("parameters", "statistics")
    if last is None or not all(
        _same_bits(a, getattr(last, part)[key])
        for part in parts
        for key, a in getattr(net, part).items()
    ):
        last = copy(net)
        for part in parts:
            arrays = {
                key: np.array(a, net.dtype) if isinstance(a, list) else a.copy("K")
                for key, a in getattr(net, part).items()  # a user may have put a list there
            }
            setattr(last, part, arrays)
        last.placement = Placement()
        last.placement.snapshot = net.placement.snapshot = last
    return last


def _kind(array: Array) -> tuple[Any, ...]:
    """What tells arrays of the same bits apart; a transposed view has other strides."""
    return array.dtype, array.shape, array.strides


def _bits(array: Array) -> Array:
    """The bits of an array as whole numbers, which are compared faster than floats."""
    return array.ravel("K").view(np.int32 if array.nbytes % 8 else np.int64)


def _same_bits(a: Any, kept: Array) -> bool:
    """Whether a parameter, which a user may have made a list, is still the kept copy of it."""
    alike = isinstance(a, np.ndarray) and _kind(a) == _kind(kept)
    return alike and bool((_bits(a) == _bits(kept)).all())


def column_major(array: Any) -> Any:
    """An array as parameters are stored; itself if it is stored so already."""
    return array if array.flags.f_contiguous else array.copy(order="F")
