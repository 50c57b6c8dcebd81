"""Inference and streaming on ONNX Runtime, and on OpenVINO, which reads the same graph.
Weights are the same and results are checked; the packages are imported for comparisons only.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minilstm.bench.turns import (
    Array,
    Measure,
    per_call,
    require_same,
    require_same_sequences,
    time_major,
)
from minilstm.layers.recurrent import LEARNABLES, Recurrent
from minilstm.network.network import Network

Run = Callable[[], Any]
Batches = Sequence[Sequence[Array]]

OPSET, IR_VERSION = 17, 9  # of the graph, which both engines know


def prediction(net: Network, batches: Batches, expected: Batches, threads: int) -> Run:
    """Scores of batches of sequences (T_b, D) on ONNX Runtime, padded before.

    `expected` holds the scores of the NumPy twin, (T_b, C) or (C,) of each sequence.
    """
    ends = _needs_ends(net, batches)
    session = _session(graph(net, ends=ends), threads)
    feeds = [_feeds(x, ends) for x in batches]

    def run() -> list[Array]:
        return [session.run(None, feed)[0] for feed in feeds]

    return _checked(run, expected, "onnxruntime")


def openvino_prediction(net: Network, batches: Batches, expected: Batches, threads: int) -> Run:
    """The same on OpenVINO, which gets a graph of fixed sizes for each batch."""
    openvino = import_openvino()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_HYPER_THREADING": True,  # else it may take fewer threads than it is given
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # it may take bfloat16 by itself
    }
    core, requests = openvino.Core(), []
    ends = _needs_ends(net, batches)
    for x in batches:
        feed = _feeds(x, ends)
        T, B, _ = feed["x"].shape
        model = core.read_model(graph(net, T, B, ends=ends))
        requests.append((core.compile_model(model, "CPU", settings).create_infer_request(), feed))

    def run() -> list[Array]:
        return [
            request.infer(feed, share_inputs=True, share_outputs=True)[0]
            for request, feed in requests
        ]

    return _checked(run, expected, "openvino")


def _needs_ends(net: Network, batches: Batches) -> bool:
    """Whether last steps are wanted, and lie at different places of padded rows."""
    ragged = any(len({len(a) for a in x}) > 1 for x in batches)
    return ragged and net.output_mode == "last"


def _feeds(x: Sequence[Array], ends: bool) -> dict[str, Array]:
    last = [(len(a) - 1) * len(x) + b for b, a in enumerate(x)]
    return {"x": time_major(x), **({"ends": np.array(last)} if ends else {})}


def _checked(run: Callable[[], list[Array]], expected: Batches, engine: str) -> Run:
    """What runs batches, its scores (T, B, C) or (B, C) compared."""
    for scores, wanted in zip(run(), expected, strict=True):
        require_same_sequences(scores, wanted, engine)
    return run


def streaming(net: Network, x: Array, expected: Array, threads: int) -> Measure:
    """One step (D,) of x (T, D) at a time; `expected` (t, C) holds the scores of the first."""
    H = net.parameters["lstm/recurrent_weights"].shape[1]
    model = graph(net, carried=True)

    def start() -> Callable[[Array], Any]:
        session = _session(model, threads)
        h = c = np.zeros((1, 1, H), np.float32)

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


def graph(
    net: Network,
    T: int | str = "T",
    B: int | str = "B",
    *,
    ends: bool = False,
    carried: bool = False,
) -> bytes:
    """The network as an ONNX model: rows "x" (T, B, D) to "scores" (T, B, C), or (B, C) of "last".

    With `ends` it takes the place of every last step in (T B) rows. With `carried` it takes the
    state of its only LSTM, "h0" and "c0" (1, B, H), and gives the state after it as well.
    """
    import onnx

    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    float32, p = onnx.TensorProto.FLOAT, net.parameters
    layers = [layer for layer in net.layers if isinstance(layer, Recurrent)]
    constants: dict[str, Any] = {"F": p["fc/weights"].T, "fb": p["fc/bias"]}  # (H, C), (C,)
    nodes, rows = [], "x"
    for layer in layers:
        name, ways, H = layer.name, layer.directions, layer.num_hidden_units
        w, r, b = (_gates_iofc(p[f"{name}/{kind}"], ways) for kind in LEARNABLES)
        constants |= {
            f"{name}/W": w,  # (ways, G, D)
            f"{name}/R": r,  # (ways, G, H)
            f"{name}/B": np.concatenate([b, np.zeros_like(b)], 1),  # (ways, 2G)
        }
        given = [rows, *(f"{name}/{kind}" for kind in "WRB"), *(("", "h0", "c0")[: 3 * carried])]
        y, h, c = (f"{name}/y", *(("h", "c") if carried else (f"{name}/h", f"{name}/c")))
        options = {"hidden_size": H, "direction": ("forward", "bidirectional")[ways - 1]}
        nodes.append(node("LSTM", given, [y, h, c], **options))
        # The last states are (ways, B, H), those of all steps (T, ways, B, H).
        last = layer.output_mode == "last" and not ends
        source, rows, beside, shape = h if last else y, f"{name}/rows", f"{name}/ab", f"{name}/n"
        if ways == 1:
            constants[shape] = np.array([0 if last else 1])
            nodes.append(node("Squeeze", [source, shape], [rows]))
        else:
            constants[shape] = np.array([0, -1] if last else [0, 0, -1])
            order = [1, 0, 2] if last else [0, 2, 1, 3]
            nodes.append(node("Transpose", [source], [beside], perm=order))
            nodes.append(node("Reshape", [beside, shape], [rows]))
    inputs = [value("x", float32, [T, B, net.input_size])]
    if ends:
        constants["flat"] = np.array([-1, layers[-1].directions * layers[-1].num_hidden_units])
        nodes.append(node("Reshape", [rows, "flat"], ["all"]))
        nodes.append(node("Gather", ["all", "ends"], ["chosen"], axis=0))
        rows = "chosen"
        inputs.append(value("ends", onnx.TensorProto.INT64, [B]))
    if carried:
        inputs += [value(key, float32, [1, B, layers[0].num_hidden_units]) for key in ("h0", "c0")]
    nodes += [
        node("MatMul", [rows, "F"], ["product"]),
        node("Add", ["product", "fb"], ["logits"]),
        node("Softmax", ["logits"], ["scores"], axis=-1),
    ]
    outputs = [value(key, float32, None) for key in ("scores", "h", "c")[: 3 if carried else 1]]
    arrays = [
        onnx.numpy_helper.from_array(np.ascontiguousarray(a), key) for key, a in constants.items()
    ]
    made = onnx.helper.make_graph(nodes, "minilstm", inputs, outputs, arrays)
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())


def _gates_iofc(a: Array, ways: int) -> Array:
    """Rows of both directions apart, gate blocks in ONNX's order i, o, f, c, not our i, f, g, o."""
    blocks = a.reshape(ways, 4, -1, *a.shape[1:])  # (ways, 4, H, ...)
    return blocks[:, [0, 3, 1, 2]].reshape(ways, -1, *a.shape[1:])


def _session(model: bytes, threads: int) -> Any:
    onnxruntime, _ = import_onnx()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


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


def import_openvino() -> Any:
    """The package openvino, or one error with the line that installs what it needs."""
    try:
        import onnx  # noqa: F401 - which writes the model that it reads
        import openvino
    except ImportError as error:
        raise ImportError(
            "--against openvino needs two packages: pip install onnx openvino."
        ) from error
    return openvino
