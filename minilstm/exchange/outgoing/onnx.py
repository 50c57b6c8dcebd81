"""ONNX: a graph with explicit state, for any batch and any number of steps.
Gates go from our order i, f, g, o to ONNX's i, o, f, c by whole blocks, which changes no bit.

Inputs are x (T, B, D), and h0 and c0 (directions, B, H) for each recurrent layer; outputs are
scores, (T, B, C) or (B, C), and hn and cn for each. Who gives `sequence_lens` (B,) int32 as well
says where each sequence ends; left out, all have T steps. Axes: T time, B batch, D inputs, C
outputs, H hidden units.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.outgoing import protobuf as pb
from minilstm.exchange.step.program import (
    Both,
    Cell,
    Dense,
    Normalize,
    Pointwise,
    Program,
    Scale,
    Step,
)
from minilstm.exchange.step.selftest import SelfTest

Array = NDArray[Any]
OPSET, IR_VERSION = 14, 8  # what older runtimes read as well
_FUNCTIONS = {"relu": "Relu", "sigmoid": "Sigmoid"}
_GATES = {"sigmoid": "Sigmoid", "hard-sigmoid": "HardSigmoid"}
_STATES = {"tanh": "Tanh", "softsign": "Softsign", "relu": "Relu"}


def onnx(program: Program, test: SelfTest, name: str, metadata: dict[str, Any]) -> bytes:
    """The bytes of the file.

    Parameters
    ----------
    program : from `program_of`, with float32 weights
    test : kept in the metadata: inputs and scores
    name : of the graph
    metadata : plain values, such as classes, each kept as JSON under its key
    """
    graph = _Graph()
    at, last = "x", False
    if program.every_cell:
        graph.lengths()
    for s in program.steps:
        at, last = graph.add(s, at, last)
    graph.nodes.append(pb.node("Identity", [at], ["scores"], "scores"))
    rows: tuple[int | str, ...] = ("batch",) if last else ("time", "batch")
    inputs = [pb.value("x", ("time", "batch", program.inputs))]
    inputs += [pb.value(n, shape) for n, shape in graph.states]
    inputs += [pb.value("sequence_lens", ("lengths",), "int32")] if graph.states else []
    outputs = [pb.value("scores", (*rows, program.outputs))]
    outputs += [pb.value(n.replace("0", "n", 1), shape) for n, shape in graph.states]
    text = b"".join(pb.message(1, n) for n in graph.nodes) + pb.message(2, name)
    text += b"".join(pb.message(5, t) for t in graph.arrays)
    text += b"".join(pb.message(11, v) for v in inputs)
    text += b"".join(pb.message(12, v) for v in outputs)
    kept = {
        **metadata,
        "first_states": {name: a.tolist() for name, a in graph.starts.items()},
        "self_test_x": test.x.tolist(),
        "self_test_scores": test.scores.tolist(),
    }
    extra = b"".join(
        pb.message(14, pb.message(1, key) + pb.message(2, json.dumps(value, allow_nan=False)))
        for key, value in kept.items()
    )
    opset = pb.message(8, pb.message(1, "") + pb.whole(2, OPSET))
    return pb.whole(1, IR_VERSION) + pb.message(2, "minilstm") + pb.message(7, text) + opset + extra


def to_onnx_gates(rows: Array) -> Array:
    """Blocks i, f, g, o as ONNX's i, o, f, c.

    Examples
    --------
    >>> to_onnx_gates(np.array([1, 2, 3, 4])).tolist()
    [1, 4, 2, 3]
    """
    i, f, g, o = np.split(rows, 4)
    return np.concatenate([i, o, f, g])


class _Graph:
    """Nodes, arrays and states of a graph while it is made."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.arrays: list[bytes] = []
        self.states: list[tuple[str, tuple[int | str, ...]]] = []
        self.starts: dict[str, Array] = {}  # (directions, H) of each
        self.number = 0
        self.ends = ""

    def array(self, name: str, array: Array) -> str:
        """Put an array into the file."""
        self.arrays.append(pb.tensor(name, array))
        return name

    def node(self, kind: str, inputs: list[str], outputs: int = 1, **options: Any) -> list[str]:
        """Put a node into the file; its outputs get names of their own."""
        self.number += 1
        made = [f"v{self.number}_{k}" for k in range(outputs)]
        self.nodes.append(pb.node(kind, inputs, made, f"{kind}_{self.number}", **options))
        return made

    def lengths(self) -> None:
        """The steps of every sequence: those that are given, or T where 0 stands for them."""
        given = self.array("sequence_lens", np.zeros(1, np.int32))
        shape = self.node("Shape", ["x"])[0]
        ends = [self.array(f"axis_{k}", np.array([k], np.int64)) for k in range(2)]
        time, batch = (self.node("Gather", [shape, end], axis=0)[0] for end in ends)
        steps = self.node("Cast", [time], to=pb.TYPES["int32"])[0]
        every = self.node("Expand", [steps, batch])[0]  # (B,)
        none = self.node("Less", [given, self.array("one", np.ones(1, np.int32))])[0]
        self.ends = self.node("Where", [none, every, given])[0]  # (B,)

    def add(self, s: Step, at: str, last: bool) -> tuple[str, bool]:
        """Nodes of one operation: where its output is, and whether that has lost the time axis."""
        op, name = s.operation, s.name
        if isinstance(op, (Cell, Both)):
            return self._recurrent(op, name, at, s.last), s.last
        if isinstance(op, Dense):
            W = self.array(f"{name}.weights", op.W.values)
            at = self.node("MatMul", [at, W])[0]
            return self.node("Add", [at, self.array(f"{name}.bias", op.b)])[0], last
        if isinstance(op, (Normalize, Scale)):
            kinds = ["Sub", "Sub", "Mul", "Add"][-len(op) :]
            for kind, field, array in zip(kinds, op._fields, op, strict=True):
                at = self.node(kind, [at, self.array(f"{name}.{field}", array)])[0]
            return at, last
        assert isinstance(op, Pointwise)
        if op.function == "softmax":
            return self.node("Softmax", [at], axis=-1)[0], last
        return self.node(_FUNCTIONS[op.function], [at])[0], last

    def _recurrent(self, op: Cell | Both, name: str, at: str, last: bool) -> str:
        cells = [op] if isinstance(op, Cell) else list(op)
        n, H = len(cells), len(cells[0].h0)
        W = np.stack([to_onnx_gates(c.W.values.T) for c in cells])  # (n, 4H, D)
        R = np.stack([to_onnx_gates(c.R.values.T) for c in cells])  # (n, 4H, H)
        b = np.stack([to_onnx_gates(c.b) for c in cells])  # (n, 4H)
        arrays = (W, R, np.concatenate([b, np.zeros_like(b)], axis=1))
        kept = [self.array(f"{name}.{k}", a) for k, a in zip("WRB", arrays, strict=True)]
        k = "" if not self.states else f"_{len(self.states) // 2}"
        starts = [f"h0{k}", f"c0{k}"]
        self.states += [(start, (n, "batch", H)) for start in starts]
        for start, of in zip(starts, ("h0", "c0"), strict=True):
            self.starts[start] = np.stack([getattr(c, of) for c in cells])
        options: dict[str, Any] = {}
        if (cells[0].gate, cells[0].state) != ("sigmoid", "tanh"):
            gate, state = _GATES[cells[0].gate], _STATES[cells[0].state]
            options["activations"] = [gate, state, state] * n
            if gate == "HardSigmoid":
                options["activation_alpha"], options["activation_beta"] = [0.2] * n, [0.5] * n
        inputs = [at, *kept, self.ends, *starts]
        direction = "bidirectional" if n == 2 else "forward"
        self.number += 1
        y = f"v{self.number}_0"
        ends = [f"hn{k}", f"cn{k}"]
        self.nodes.append(
            pb.node(  # a name that no other node can have
                "LSTM", inputs, [y, *ends], f"{name}.LSTM", hidden_size=H, direction=direction,
                **options,
            )
        )  # fmt: skip
        if last:  # (n, B, H) to (B, n H)
            turned = self.node("Transpose", [ends[0]], perm=[1, 0, 2])[0]
            shape = self.array(f"{name}.last", np.array([0, n * H], np.int64))
            return self.node("Reshape", [turned, shape])[0]
        turned = self.node("Transpose", [y], perm=[0, 2, 1, 3])[0]  # (T, B, n, H)
        shape = self.array(f"{name}.rows", np.array([0, 0, n * H], np.int64))
        return self.node("Reshape", [turned, shape])[0]
