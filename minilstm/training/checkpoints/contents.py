"""What a training is between two of its steps, as arrays and plain values, and back into a loop.
Nothing is left out, so a training that goes on has the bits of one that never stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.lstm import LSTMState

Array = NDArray[Any]
_WATCHED = ("best_iteration", "waited", "unmeasured")


class Contents(NamedTuple):
    """A training without its network, data and options."""

    arrays: dict[str, Array]  # by names that begin with "/"
    facts: dict[str, Any]  # as JSON holds them


def contents_of(loop: Any) -> Contents:
    """The training of a loop (a TrainingLoop) after a whole step."""
    host, watch = loop.backend.to_host, loop.watch
    arrays = {
        "/order": loop.order,  # (B,)
        "/history": np.array([*loop.history.values()], np.float64),  # (columns, rows)
    }
    for name, memory in zip(loop.solver._fields[1:], loop.solver[1:], strict=True):
        arrays |= {f"/solver/{name}/{key}": host(a) for key, a in memory.items()}
    if not isinstance(loop.options.sequence_length, str):  # else no piece goes on
        for name, state in (loop.carried or {}).items():
            arrays |= {f"/carried/{name}/{k}": host(a) for k, a in state._asdict().items()}
    nets = {"net": loop.net, "best": watch.best_net, "good": loop.good_net}
    same = {role: next(k for k, n in nets.items() if n is net) for role, net in nets.items()}
    for role, net in nets.items():
        if same[role] == role != "net":
            arrays |= {f"/{role}/{key}": host(a) for key, a in _arrays_of(net).items()}
    iteration, epoch, rate = loop.place
    facts = {
        "iteration": iteration,
        "epoch": epoch,
        "rate": repr(rate),
        "spot": list(loop.spot),
        "same": same,
        "columns": list(loop.history),
        "shuffler": loop.shuffler.bit_generator.state,
        "noise": loop.noise.bit_generator.state,
        "seconds": time.perf_counter() - loop.started,
        "last_norm": repr(float(host(loop.last_norm))),
        "best_value": repr(float(watch.best_value)),
        "lost": loop.checkpoints.lost,
        **{name: getattr(watch, name) for name in _WATCHED},
    }
    return Contents({k: np.ascontiguousarray(a) for k, a in arrays.items()}, facts)


def put_back(loop: Any, net: Any, contents: Contents) -> None:
    """Bring a new loop to where a training was, whose network is `net`.

    Raises ValueError, TypeError or LookupError where anything does not fit the loop.
    """
    (arrays, facts), watch = contents, loop.watch
    parameters = net.parameters
    device = loop.backend.to_device

    def taken(prefix: str, like: Mapping[str, Array]) -> dict[str, Any]:
        out = {}
        for key, model in like.items():
            array = np.asfortranarray(arrays[prefix + key])  # as parameters are stored
            if (array.shape, array.dtype) != (model.shape, model.dtype):
                raise ValueError(f"{prefix}{key} is {array.dtype} {array.shape}")
            out[key] = device(array)
        return out

    def made(like: Mapping[str, Array], prefix: str) -> Any:
        both = taken(prefix, like)
        split = (
            {k: v for k, v in both.items() if k in parameters},
            {k: v for k, v in both.items() if k not in parameters},
        )
        return loop.net.updated(*split)

    every = {**parameters, **net.statistics}
    nets = {"net": loop.net.updated(
        *({k: device(a) for k, a in some.items()} for some in (parameters, net.statistics))
    )}  # fmt: skip
    for role in ("best", "good"):
        first = facts["same"][role]
        nets[role] = nets[first] if first != role else made(every, f"/{role}/")
    order, history = arrays["/order"], arrays["/history"]
    if not np.array_equal(np.sort(order), np.arange(len(loop.data))):
        raise ValueError("its order is not one of the sequences")
    if facts["columns"] != list(loop.history):
        raise ValueError(f"its history has the columns {facts['columns']}")
    memories = [taken(f"/solver/{name}/", parameters) for name in loop.solver._fields[1:]]
    loop.solver = type(loop.solver)(int(facts["iteration"]), *memories)
    loop.net, watch.best_net, loop.good_net = nets["net"], nets["best"], nets["good"]
    loop.order, loop.spot = order, tuple(facts["spot"])
    loop.place = facts["iteration"], facts["epoch"], float(facts["rate"])
    loop.history = dict(zip(loop.history, history.tolist(), strict=True))
    loop.shuffler.bit_generator.state = facts["shuffler"]
    loop.noise.bit_generator.state = facts["noise"]
    loop.started = time.perf_counter() - facts["seconds"]
    loop.last_norm = float(facts["last_norm"])
    watch.best_value = float(facts["best_value"])
    for name in _WATCHED:
        setattr(watch, name, facts[name])
    loop.checkpoints.lost = facts["lost"]
    names = dict.fromkeys(k.split("/")[2] for k in arrays if k.startswith("/carried/"))
    loop.carried = {
        name: LSTMState(*(device(arrays[f"/carried/{name}/{k}"]) for k in LSTMState._fields))
        for name in names
    }


def _arrays_of(net: Any) -> dict[str, Any]:
    return {**net.parameters, **net.statistics}
