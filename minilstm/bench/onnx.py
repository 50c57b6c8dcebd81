"""Inference and streaming on ONNX Runtime, with the same weights and checked results.
It is needed for comparisons only and imported only then.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minilstm.bench.turns import Array, Measure, per_call, require_same
from minilstm.network.network import Network

Run = Callable[[], Any]


def inference(net: Network, x: Array, expected: Array, threads: int) -> Run:
    """Whole sequences (B, T, D); `expected` (B, t, C) holds the scores of their first steps."""
    time_major = np.ascontiguousarray(x.transpose(1, 0, 2))  # (T, B, D)
    session = _session(net, threads)
    zero = np.zeros((1, len(x), _hidden(net)), np.float32)
    feeds = {"x": time_major, "h0": zero, "c0": zero}
    first = session.run(None, {**feeds, "x": time_major[: expected.shape[1]]})[0]
    require_same(first.transpose(1, 0, 2), expected, "onnxruntime")
    return partial(session.run, None, feeds)


def streaming(net: Network, x: Array, expected: Array, threads: int) -> Measure:
    """One step (D,) of x (T, D) at a time.

    `expected` (t, C) holds the scores of the first steps.
    """

    def start() -> Callable[[Array], Any]:
        session = _session(net, threads)
        h = c = np.zeros((1, 1, _hidden(net)), np.float32)

        def step(x_t: Array) -> Any:
            nonlocal h, c
            scores, h, c = session.run(None, {"x": x_t, "h0": h, "c0": c})
            return scores

        return step

    steps = list(x[:, None, None])  # T arrays (1, 1, D)
    step = start()
    first = np.stack([step(x_t)[0, 0] for x_t in steps[: len(expected)]])
    require_same(first, expected, "onnxruntime")
    return partial(per_call, start, steps)


def _hidden(net: Network) -> int:
    return int(net.parameters["lstm/recurrent_weights"].shape[1])


def import_onnx() -> tuple[Any, Any]:
    """The packages onnxruntime and onnx, or one error with the line that installs them."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "--against onnxruntime needs two packages: pip install onnx onnxruntime."
        ) from error
    return onnxruntime, onnx


def _session(net: Network, threads: int) -> Any:
    onnxruntime, onnx = import_onnx()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    p, H = net.parameters, _hidden(net)

    def iofc(w: Array) -> Array:
        """From gate blocks i, f, g, o to ONNX's i, o, f, c."""
        i, f, g, o = np.split(w, 4)
        return np.concatenate([i, o, f, g])

    bias = iofc(p["lstm/bias"])
    constants = {
        "W": iofc(p["lstm/input_weights"])[None],  # (1, G, D)
        "R": iofc(p["lstm/recurrent_weights"])[None],  # (1, G, H)
        "B": np.concatenate([bias, np.zeros_like(bias)])[None],  # (1, 2G)
        "F": p["fc/weights"].T,  # (H, C)
        "fb": p["fc/bias"],  # (C,)
        "axis": np.array([1]),
    }
    nodes = [
        helper.make_node(
            "LSTM", ["x", "W", "R", "B", "", "h0", "c0"], ["y", "h", "c"], hidden_size=H
        ),
        helper.make_node("Squeeze", ["y", "axis"], ["rows"]),
        helper.make_node("MatMul", ["rows", "F"], ["product"]),
        helper.make_node("Add", ["product", "fb"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
    ]

    def value(name: str, shape: list[Any] | None) -> Any:
        return helper.make_tensor_value_info(name, float32, shape)

    graph = helper.make_graph(
        nodes,
        "lstm",
        [
            value("x", ["T", "B", net.input_size]),
            value("h0", [1, "B", H]),
            value("c0", [1, "B", H]),
        ],
        [value(name, None) for name in ("scores", "h", "c")],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
