"""What a graph may do with the sizes of its input, so that a trial of some lengths speaks for all.
A graph that asks for T, or cuts at a step, can do one thing for 8 steps and another for 10.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minilstm.exchange.incoming.formats.bounds import Refused
from minilstm.exchange.incoming.formats.onnx_file import Graph, Node
from minilstm.exchange.incoming.onnx_evaluator import Values, cuts

#: Operators that take sequences, and which of their further inputs may be made of sizes.
_DATA: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "MatMul", "Gemm", "BatchNormalization"), ()),
    **dict.fromkeys(("Relu", "Sigmoid", "Softmax", "Transpose", "Squeeze", "Unsqueeze"), ()),
    **dict.fromkeys(("Flatten", "Identity", "Dropout", "Cast", "Concat", "Gather", "Slice"), ()),
    "Shape": (), "Reshape": (1,), "Expand": (1,), "LSTM": (4, 5, 6),
}  # fmt: skip
#: Operators on sizes, and on arrays made by them, and which of their inputs may be such: products
#: of sizes and whole numbers come out, never the smaller of two, a part of one, or a row of a table
_SIZES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("Shape", "Gather", "Slice", "Unsqueeze", "Squeeze", "Cast", "Identity"), (0,)),
    **dict.fromkeys(("ConstantOfShape", "Transpose"), (0,)),
    **dict.fromkeys(("Expand", "Reshape", "Mul"), (0, 1)), "Where": (1, 2),
}  # fmt: skip
_INDEXED = ("Reshape", "Expand", "Gather", "Slice")  # by their further inputs
_WHOLE = (6, 7)  # types that hold any size as it is: int32, int64
_FAR = 2**31 - 1  # beyond every length


def check_flow(graph: Graph) -> None:
    """Refuse what is done with the sizes of the input but to make shapes, states and lengths."""
    free = [name for name in graph.inputs if name not in graph.arrays]
    data, sizes = set(free[:1]), set(free[1:])
    for node in graph.nodes:
        places = [k for k, name in enumerate(node.inputs) if name in sizes]
        if data & {*node.inputs}:
            if node.kind not in _DATA or (node.kind in _INDEXED and data & {*node.inputs[1:]}):
                raise Refused(f"has {node.title} on the sequences, which no layer does; export it "
                              "without.")  # fmt: skip
            made, wrong = data, bool({*places} - {*_DATA[node.kind]})
        elif places:
            may = range(99) if node.kind == "Concat" else _SIZES.get(node.kind, ())
            cast = node.kind == "Cast" and node.options.get("to") not in _WHOLE
            made, wrong = sizes, cast or bool({*places} - {*may})
        else:
            continue
        if wrong:
            raise Refused(
                f"has {node.title}, which makes something else of the input's sizes than shapes, "
                "so it may differ at another length; export it without."
            )
        (sizes if node.kind == "Shape" else made).update(node.outputs)


def check_cuts(graph: Graph, values: Values, before: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a cut of time or batch at a step of its own; the first and the last row may be cut.

    Parameters
    ----------
    graph, values : from a trial
    before : shape of each value in a trial of other sizes; what differs is an axis of these
    """
    for node in graph.nodes:
        if node.kind not in ("Slice", "Gather"):
            continue
        old, new = before[node.inputs[0]], values[node.inputs[0]].shape
        if any(old[axis] != new[axis] and far for axis, far in _ends(node, values)):
            raise Refused(
                f"has {node.title}, which cuts the steps at a number of its own, so it may differ "
                "at another length; export it without."
            )


def _ends(node: Node, values: Values) -> list[tuple[int, bool]]:
    """Each axis that is cut, and whether anywhere but at its ends."""
    inputs = [values[name] if name else None for name in node.inputs] + [None] * 4
    if node.kind == "Gather":
        at = np.asarray(inputs[1])
        return [(node.options.get("axis", 0), bool(((at != 0) & (at != -1)).any()))]
    return [
        (axis, abs(step) != 1 or any(1 < abs(end) < _FAR for end in (start, stop)))
        for axis, start, stop, step in cuts(node, inputs)
    ]
