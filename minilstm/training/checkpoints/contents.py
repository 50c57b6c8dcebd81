"""What a training is between two of its steps, as arrays and plain values, and back into a loop.
Nothing is left out, so a training that goes on has the bits of one that never stopped."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.functional.lstm import LSTMState
from minilstm.training.checkpoints.plain import from_plain, to_plain

Array = NDArray[Any]
# What changes from step to step beside arrays, of a TrainingLoop and of its Watch.
_OF_LOOP = ("place", "spot", "last_norm")
_OF_WATCH = ("best_value", "best_iteration", "waited", "unmeasured")


def contents_of(loop: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    """The training of a TrainingLoop after a whole step, without network, data and options.

    It is arrays by names that begin with "/", and facts as JSON holds them.
    """
    host, watch = loop.backend.to_host, loop.watch
    arrays = {
        "/order": loop.order,  # (B,)
        "/history": np.array([*loop.history.values()], np.float64),  # (columns, rows)
    }
    for name, memory in zip(loop.solver._fields[1:], loop.solver[1:], strict=True):
        arrays |= {f"/solver/{name}/{key}": host(a) for key, a in memory.items()}
    if not isinstance(loop.options.sequence_length, str):  # else no mini-batch is in pieces
        for name, state in loop.carried.items():
            arrays |= {f"/carried/{name}/{k}": host(a) for k, a in state._asdict().items()}
    nets = {"net": loop.net, "best": watch.best_net, "good": loop.good_net}
    same = {role: next(k for k, n in nets.items() if n is net) for role, net in nets.items()}
    for role in set(same.values()) - {"net"}:
        every = {**nets[role].parameters, **nets[role].statistics}
        arrays |= {f"/{role}/{key}": host(a) for key, a in every.items()}
    loop.last_norm = float(host(loop.last_norm))
    facts = {
        "iteration": loop.solver.t,
        "loop": to_plain([getattr(loop, name) for name in _OF_LOOP]),
        "watch": to_plain([getattr(watch, name) for name in _OF_WATCH]),
        "nets": same,
        "columns": [*loop.history],
        "shuffler": loop.shuffler.bit_generator.state,
        "noise": loop.noise.bit_generator.state,
        "seconds": time.perf_counter() - loop.started,
    }
    return {name: np.ascontiguousarray(a) for name, a in arrays.items()}, facts


def put_back(loop: Any, net: Any, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
    """Bring a new loop to where a training was, whose network is `net`.

    Raises ValueError, TypeError or LookupError where anything does not fit the loop.
    """
    device, watch = loop.backend.to_device, loop.watch

    def placed(some: dict[str, Array]) -> dict[str, Any]:
        return {key: device(np.asfortranarray(a)) for key, a in some.items()}  # as `net` has them

    def taken(prefix: str, like: dict[str, Array]) -> dict[str, Any]:
        found = {key: arrays[prefix + key] for key in like}
        for key, a in found.items():
            if (a.shape, a.dtype) != (like[key].shape, like[key].dtype):
                raise ValueError(f"{prefix}{key} is {a.dtype} {a.shape}")
        return placed(found)

    parts = net.parameters, net.statistics
    nets = {"net": loop.net.updated(*map(placed, parts))}
    for role in ("best", "good"):
        first = facts["nets"][role]
        if first == role:
            nets[role] = loop.net.updated(*(taken(f"/{role}/", part) for part in parts))
        nets[role] = nets[first]
    order, history = arrays["/order"], arrays["/history"]
    if not np.array_equal(np.sort(order), np.arange(len(loop.data))):
        raise ValueError("its order is not one of the sequences")
    if facts["columns"] != [*loop.history]:
        raise ValueError(f"its history has the columns {facts['columns']}")
    memories = [taken(f"/solver/{name}/", parts[0]) for name in loop.solver._fields[1:]]
    loop.solver = type(loop.solver)(facts["iteration"], *memories)
    loop.net, watch.best_net, loop.good_net = nets["net"], nets["best"], nets["good"]
    for owner, names, values in ((loop, _OF_LOOP, "loop"), (watch, _OF_WATCH, "watch")):
        for name, value in zip(names, from_plain(facts[values]), strict=True):
            value = tuple(value) if isinstance(value, list) else value
            now, before = np.asarray(value), np.asarray(getattr(owner, name))
            if now.shape != before.shape or now.dtype.kind not in "bif":
                raise ValueError(f"its {name} is {value!r}")
            setattr(owner, name, value)
    if not 0 < loop.solver.t == loop.place[0] <= loop.total:
        raise ValueError(f"its iteration is {loop.solver.t}")
    loop.order = order
    loop.history = dict(zip(loop.history, history.tolist(), strict=True))
    loop.shuffler.bit_generator.state = facts["shuffler"]
    loop.noise.bit_generator.state = facts["noise"]
    loop.started = time.perf_counter() - facts["seconds"]
    carried = {key.split("/")[2] for key in arrays if key.startswith("/carried/")}
    loop.carried = {
        name: LSTMState(*(device(arrays[f"/carried/{name}/{k}"]) for k in LSTMState._fields))
        for name in carried
    }
