"""What is equal to the last bit and letter where a file is right: arrays, names, a network.
It is worked out from the network anew, so that a slip of the conversion shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.incoming.formats.bounds import NONSENSE, Refused
from minilstm.exchange.incoming.from_onnx import imported, learned
from minilstm.exchange.step.program import Both, Cell, Dense, Normalize, Program, Scale, Weights
from minilstm.network.network import Network

Array = NDArray[Any]
FAULT = "nothing was written, so report this as a fault of minilstm."


def check_program(program: Program, net: Network) -> None:
    """Raise ValueError unless a program has the arrays of the network, those of float32 in bits.

    What rounding may make of scores hides a weight that is wrong in its fifth digit.
    """
    layers, by_layer = {a.name: a for a in net.layers}, net.by_layer()
    for s in program.steps:
        layer: Any = layers[s.name]
        p = {k: np.asarray(a, np.float64) for k, a in by_layer[s.name].items()}
        op = s.operation
        pairs: dict[str, tuple[Array | None, Any]] = {}  # array of the program, and as it should be
        sizes: dict[str, Any] = {}  # of what is rounded more than once
        if isinstance(op, Dense):
            pairs = {"bias": (op.b, p["bias"]), "weights": (_rows(op.W), p["weights"])}
        elif isinstance(op, (Cell, Both)):
            cells = [op] if isinstance(op, Cell) else list(op)
            for name, field in (("bias", "b"), ("input_weights", "W"), ("recurrent_weights", "R")):
                pairs[name] = _rows(*(getattr(c, field) for c in cells)), p[name]
            for name, field in (("hidden_state", "h0"), ("cell_state", "c0")):
                given = getattr(layer, name)
                start = np.zeros(s.outputs) if given is None else np.asarray(given, np.float64)
                pairs[name] = _rows(*(getattr(c, field) for c in cells)), start
        elif isinstance(op, Scale):
            factor = p["scale"] / np.sqrt(p["trained_variance"] + layer.epsilon)
            moved = p["trained_mean"] * factor
            pairs = {"factor": (op.factor, factor), "offset": (op.offset, p["offset"] - moved)}
            sizes = {"factor": abs(factor), "offset": abs(p["offset"]) + abs(moved)}
        elif isinstance(op, Normalize):
            shift, scale, offset = (
                np.broadcast_to(default if a is None else a, op.high.shape)
                for a, default in zip(layer.affine(), (0.0, 1.0, 0.0), strict=True)
            )
            pairs = {"high": (op.high, shift), "low": (op.low, shift - np.float64(op.high)),
                     "factor": (op.factor, 1 / scale), "offset": (op.offset, offset)}  # fmt: skip
        for name, (found, wanted) in pairs.items():
            if found is not None:
                right = np.float32(wanted)
                limit = 3e-7 * sizes.get(name, 0)
                if found.shape != right.shape or not (abs(found - right) <= limit).all():
                    raise ValueError(f"{s.name}/{name} is not that of the network; {FAULT}")


def _rows(*parts: Weights | Array) -> Array | None:
    """Rows of both directions; None of whole numbers, which `dequantized` compares."""
    if any(isinstance(a, Weights) and a.factors is not None for a in parts):
        return None
    return np.concatenate([a.values.T if isinstance(a, Weights) else a for a in parts])


def check_names(told: Iterable[Sequence[Any]], net: Network) -> None:
    """Raise ValueError unless pairs of names, of scores and of inputs, are the network's.

    A file may name what has no names; an answer of None says nothing.
    """
    about = net.about or {}
    classes = about.get("targets") if net.classes is None else np.asarray(net.classes).tolist()
    first: Any = net.layers[net.wiring.inputs[0]]
    features = first.feature_names or [f["name"] for f in about.get("features") or ()]
    for pair in told:
        for what, found, right in zip(("scores", "inputs"), pair, (classes, features), strict=True):
            wanted = [str(name) for name in right or ()]
            if wanted and found is not None and list(found) != wanted:
                raise ValueError(f"the exported file has other names of its {what}; {FAULT}")


def check_imported(content: bytes, net: Network) -> None:
    """Raise ValueError unless an ONNX file, read back, is the network in float32."""
    single = net.replace(dtype="float32")
    try:
        back = imported(content, Path())
    except NONSENSE as error:
        raise Refused(repr(error)) from error
    same = (
        json.dumps(learned(back)) == json.dumps(learned(single))
        and json.dumps(np.asarray(back.classes).tolist())
        == json.dumps(np.asarray(net.classes).tolist())
        and all(np.array_equal(back.parameters[k], a) for k, a in single.parameters.items())
    )
    if not same:
        raise ValueError(f"the exported file is another network when it is read back; {FAULT}")
