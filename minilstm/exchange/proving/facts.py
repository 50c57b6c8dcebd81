"""What is equal to the last bit and letter where a file is right: arrays, names, a network.
It is worked out from the network anew, so that a slip of the conversion shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from minilstm.exchange.incoming.formats.bounds import NONSENSE, Refused
from minilstm.exchange.incoming.from_onnx import imported, learned
from minilstm.exchange.step.program import Both, Cell, Dense, Normalize, Program, Scale, Weights
from minilstm.network.network import Network

FAULT = "nothing was written, so report this as a fault of minilstm."


def check_program(program: Program, net: Network) -> None:
    """Raise ValueError unless a program has the arrays of the network, rounded to float32.

    What rounding may make of scores hides a weight that is wrong in its fifth digit.
    """
    layers, by_layer = {a.name: a for a in net.layers}, net.by_layer()
    for s in program.steps:
        op, layer = s.operation, cast(Any, layers[s.name])
        p = {k: np.asarray(a, np.float64) for k, a in by_layer[s.name].items()}
        right: dict[str, Any] = {}
        if isinstance(op, (Cell, Both)):
            right = {"W": p["input_weights"], "R": p["recurrent_weights"], "b": p["bias"],
                     "h0": layer.hidden_state, "c0": layer.cell_state}  # fmt: skip
        elif isinstance(op, Dense):
            right = {"W": p["weights"], "b": p["bias"]}
        elif isinstance(op, Scale):
            factor = p["scale"] / np.sqrt(p["trained_variance"] + layer.epsilon)
            right = {"factor": factor, "offset": p["offset"] - p["trained_mean"] * factor}
        elif isinstance(op, Normalize):
            shift, scale, offset = layer.affine()
            right = {"high": shift, "low": shift - op.high.astype(np.float64), "offset": offset,
                     "factor": 1 / (1.0 if scale is None else scale)}  # fmt: skip
        for name, array in right.items():
            parts = [getattr(part, name) for part in (op if isinstance(op, Both) else [op])]
            if any(isinstance(a, Weights) and a.factors is not None for a in parts):
                continue  # `dequantized` compares whole numbers
            rows = np.concatenate([a.values.T if isinstance(a, Weights) else a for a in parts])
            wanted = np.float32(0.0 if array is None else array)
            if wanted.shape not in ((), rows.shape) or (rows != wanted).any():
                raise ValueError(f"{name} of {layer.title} is not that of the network; {FAULT}")


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
