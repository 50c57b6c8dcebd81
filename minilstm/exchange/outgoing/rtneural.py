"""RTNeural's JSON: Keras' layout, each layer with its type, shape and weights.
It knows chains of LSTMs in one direction and dense layers, for one step at a time.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from minilstm.exchange.step.program import Cell, Dense, Pointwise, Program

Array = NDArray[Any]


def rtneural(program: Program) -> dict[str, Any]:
    """The content of the file, for `json.dumps`.

    Raises ValueError where RTNeural has no such layer.
    """
    layers: list[dict[str, Any]] = []
    for s in program.steps:
        op = s.operation
        shape = [None, None, s.outputs]
        if isinstance(op, Cell) and (op.gate, op.state) == ("sigmoid", "tanh") and not s.last:
            if op.h0.any() or op.c0.any():
                raise ValueError(
                    f"the layer {s.name!r} starts from a state of its own, which RTNeural's file "
                    "has no place for; export to .c or .onnx."
                )
            weights = [a.tolist() for a in (op.W.values, op.R.values, op.b)]
            layers.append(
                {"type": "lstm", "activation": "tanh", "shape": shape, "weights": weights}
            )
        elif isinstance(op, Dense):
            weights = [op.W.values.tolist(), op.b.tolist()]
            layers.append({"type": "dense", "activation": "", "shape": shape, "weights": weights})
        elif isinstance(op, Pointwise):
            layers.append(
                {"type": "activation", "activation": op.function, "shape": shape, "weights": []}
            )
        else:
            what = type(op).__name__.lower()
            raise ValueError(
                f"the layer {s.name!r} cannot stand in RTNeural's file ({what}): LSTMs that give "
                "every step with their usual activations, FullyConnected, ReLU, Sigmoid and "
                "Softmax can; export to .c or .onnx."
            )
    return {"in_shape": [None, None, program.inputs], "layers": layers}
