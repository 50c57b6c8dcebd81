"""The same works on PyTorch and ONNX Runtime, with the same weights and checked results.
They are needed for comparisons only and imported only then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.network import Network

Array = NDArray[Any]
Run = Callable[[], Any]


def torch_training(net: Network, x: list[Array], y: list[Array], threads: int) -> Run:
    """One update in PyTorch: padded sequences, cross-entropy of real steps, clipping, Adam.

    Padding is PyTorch's fastest way on a CPU, although it computes the padded steps as well: its
    packed sequences take a path many times slower.
    """
    torch = _torch(threads)
    lstm, dense = _torch_modules(torch, net)
    parameters = [*lstm.parameters(), *dense.parameters()]
    adam = torch.optim.Adam(parameters, lr=1e-3, weight_decay=1e-4)
    pad = torch.nn.utils.rnn.pad_sequence
    rows = pad([torch.tensor(a) for a in x])  # (T, B, D)
    targets = pad([torch.tensor(a) for a in y], padding_value=-100).reshape(-1)  # (T B,)
    cross_entropy = torch.nn.CrossEntropyLoss(ignore_index=-100)

    def update() -> None:
        adam.zero_grad()
        h, _ = lstm(rows)
        cross_entropy(dense(h).flatten(0, 1), targets).backward()
        for p in parameters:
            torch.nn.utils.clip_grad_norm_([p], 2.0)
        adam.step()

    return update


def inference(
    net: Network, x: Array, expected: Array, against: Sequence[str], threads: int
) -> dict[str, Run]:
    """Whole sequences (B, T, D); `expected` holds the scores of their first steps."""
    runs: dict[str, Run] = {}
    time_major = np.ascontiguousarray(x.transpose(1, 0, 2))  # (T, B, D)
    start = expected.shape[1]
    if "torch" in against:
        torch = _torch(threads)
        forward = _torch_forward(torch, net)
        tensor = torch.tensor(time_major)
        _same(forward(tensor[:start])[0].numpy().transpose(1, 0, 2), expected)
        runs["torch"] = lambda: forward(tensor)
    if "onnxruntime" in against:
        for count in sorted({1, threads}):
            session = _onnx_session(net, count)
            zero = np.zeros((1, x.shape[0], _hidden(net)), np.float32)
            feeds = {"x": time_major, "h0": zero, "c0": zero}
            first = session.run(None, {**feeds, "x": time_major[:start]})[0]
            _same(first.transpose(1, 0, 2), expected)
            runs[f"onnxruntime, {count} thr"] = partial(session.run, None, feeds)
    return runs


def streaming(
    net: Network, x: Array, expected: Array, against: Sequence[str], threads: int
) -> dict[str, Run]:
    """One step at a time; `expected` holds the scores of the first steps."""
    runs: dict[str, Run] = {}
    if "torch" in against:
        torch = _torch(threads)
        forward = _torch_forward(torch, net)
        tensor = torch.tensor(x)[:, None, None]  # (T, 1, 1, D)

        def torch_steps(steps: Any = tensor) -> list[Any]:
            state, out = None, []
            for x_t in steps:
                scores, state = forward(x_t, state)
                out.append(scores)
            return out

        first = torch_steps(tensor[: len(expected)])
        _same(np.stack([s.numpy()[0, 0] for s in first]), expected)
        runs["torch"] = torch_steps
    if "onnxruntime" in against:
        session = _onnx_session(net, 1)  # one step of one sequence gains nothing from threads
        zero = np.zeros((1, 1, _hidden(net)), np.float32)

        def onnx_steps(steps: Array = x) -> list[Array]:
            h = c = zero
            out = []
            for x_t in steps:
                scores, h, c = session.run(None, {"x": x_t[None, None], "h0": h, "c0": c})
                out.append(scores)
            return out

        _same(np.stack([s[0, 0] for s in onnx_steps(x[: len(expected)])]), expected)
        runs["onnxruntime, 1 thr"] = onnx_steps
    return runs


def _same(scores: Array, expected: Array) -> None:
    error = float(np.abs(scores - expected).max())
    if not error < 1e-4:
        raise AssertionError(f"scores differ from minilstm's by {error:.1e}.")


def _hidden(net: Network) -> int:
    return int(net.parameters["lstm/recurrent_weights"].shape[1])


def _torch(threads: int) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError("--against torch needs PyTorch: pip install torch.") from error
    torch.set_num_threads(threads)
    return torch


def _torch_modules(torch: Any, net: Network) -> tuple[Any, Any]:
    p = net.parameters
    lstm = torch.nn.LSTM(net.input_size, _hidden(net))
    dense = torch.nn.Linear(_hidden(net), len(p["fc/bias"]))
    with torch.no_grad():
        for target, key in (
            (lstm.weight_ih_l0, "lstm/input_weights"),
            (lstm.weight_hh_l0, "lstm/recurrent_weights"),
            (lstm.bias_ih_l0, "lstm/bias"),
            (dense.weight, "fc/weights"),
            (dense.bias, "fc/bias"),
        ):
            target.copy_(torch.tensor(np.ascontiguousarray(p[key])))
        lstm.bias_hh_l0.zero_()  # PyTorch has two biases; ours is their sum
    return lstm, dense


def _torch_forward(torch: Any, net: Network) -> Callable[..., Any]:
    lstm, dense = _torch_modules(torch, net)

    def forward(x: Any, state: Any = None) -> Any:
        with torch.inference_mode():
            h, state = lstm(x, state)
            return torch.softmax(dense(h), -1), state

    return forward


def _onnx_session(net: Network, threads: int) -> Any:
    try:
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise ImportError(
            "--against onnxruntime needs two packages: pip install onnx onnxruntime."
        ) from error
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
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "lstm",
        [
            value("x", ["T", "B", net.input_size]),
            value("h0", [1, "B", H]),
            value("c0", [1, "B", H]),
        ],
        [value(name, None) for name in ("scores", "h", "c")],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
