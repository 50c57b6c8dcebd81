"""What a graph may do with the sizes of its input, so that a trial of some lengths speaks for all.
A graph that asks for T, or cuts at a step, can do one thing for 8 steps and another for 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minilstm.exchange.incoming.formats.bounds import Refused
from minilstm.exchange.incoming.formats.onnx_file import Graph
from minilstm.exchange.incoming.onnx_evaluator import Values, cuts

#: Inputs that may be made of sizes: beside sequences, and in making shapes, states and lengths. All
#: that comes out is a product, never the smaller of two, a part of one, or a row of a table.
_BESIDE = {"Reshape": (1,), "Expand": (1,), "LSTM": (4, 5, 6)}
_FIRST = ("Shape", "Gather", "Slice", "Unsqueeze", "Squeeze", "Cast", "Identity", "Transpose",
          "ConstantOfShape")  # fmt: skip
_ALONE: dict[str, Any] = {
    **dict.fromkeys(_FIRST, (0,)), "Expand": (0, 1), "Reshape": (0, 1), "Mul": (0, 1),
    "Where": (1, 2), "Concat": range(99),
}  # fmt: skip
_INDEXED = ("Reshape", "Expand", "Gather", "Slice")  # by their further inputs
_ELSE = "so it may differ at another length; export it without."
_FAR = 2**31 - 1  # beyond every length


def check_flow(graph: Graph) -> None:
    """Refuse what is done with the sizes of the input but to make shapes, states and lengths."""
    free = [name for name in graph.inputs if name not in graph.arrays]
    data, sizes = set(free[:1]), set(free[1:])
    for node in graph.nodes:
        used = {k for k, name in enumerate(node.inputs) if name in sizes}
        on_data = bool(data & {*node.inputs})
        chosen = node.kind in _INDEXED and data & {*node.inputs[1:]}
        if on_data and (chosen or node.kind in ("Less", "Where", "ConstantOfShape")):
            raise Refused(
                f"has {node.title} on the sequences, which no layer does; export without."
            )
        # int32 and int64 hold any size as it is
        narrow = used and node.kind == "Cast" and node.options.get("to") not in (6, 7)
        if narrow or used - {*(_BESIDE if on_data else _ALONE).get(node.kind, ())}:
            what = "which makes something else of the input's sizes than shapes"
            raise Refused(f"has {node.title}, {what}, {_ELSE}")
        if on_data or used:
            (data if on_data and node.kind != "Shape" else sizes).update(node.outputs)


def check_cuts(graph: Graph, values: Values, before: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a cut of time or batch anywhere but at an end; those axes differ from `before`."""
    for node in graph.nodes:
        if node.kind not in ("Slice", "Gather"):
            continue
        inputs = [values[name] if name else None for name in node.inputs] + [None] * 4
        if node.kind == "Gather":
            at = np.asarray(inputs[1])
            far = {node.options.get("axis", 0): ((at != 0) & (at != -1)).any()}
        else:
            far = {axis: abs(step) != 1 or any(1 < abs(end) < _FAR for end in ends)
                   for axis, *ends, step in cuts(node, inputs)}  # fmt: skip
        old, new = before[node.inputs[0]], values[node.inputs[0]].shape
        if any(wrong and old[axis] != new[axis] for axis, wrong in far.items()):
            raise Refused(f"has {node.title}, which cuts the steps at a number of its own, {_ELSE}")
