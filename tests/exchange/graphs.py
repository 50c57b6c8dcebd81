"""Small ONNX graphs, written without a package: an LSTM, and what stands around it.
Their arrays are drawn, so each is the same in every test.
"""

import numpy as np

from minilstm.exchange.outgoing import protobuf as pb

H, D = 2, 3


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")


def model(nodes, arrays, axes=("batch", "time", D), extra=b"", outputs=("y",), opset=14):
    """A graph from x to y."""
    graph = b"".join(pb.message(1, n) for n in nodes) + pb.message(2, "net") + extra
    graph += b"".join(pb.message(5, pb.tensor(n, a)) for n, a in arrays.items())
    graph += pb.message(11, pb.value("x", axes))
    graph += b"".join(pb.message(12, pb.value(n, ())) for n in outputs)
    versions = pb.message(8, pb.message(1, "") + pb.whole(2, opset))
    return pb.whole(1, 8) + pb.message(7, graph) + versions


def lstm(inputs=("x", "W", "R", "B"), outputs=("Y",), n=1, shape=(0, 0, -1), layout=1, **options):
    """An LSTM of one or two directions, batch first, and Y (B, T, n, H) as rows."""
    arrays = {"W": drawn(n, 4 * H, D), "R": drawn(n, 4 * H, H), "B": drawn(n, 8 * H)}
    nodes = [
        pb.node("LSTM", inputs, outputs, "cell", hidden_size=H, layout=layout, **options),
        pb.node("Reshape", ["Y", "shape"], ["y"], "rows"),
    ]
    return nodes, {**arrays, "shape": np.array(shape, np.int64)}
