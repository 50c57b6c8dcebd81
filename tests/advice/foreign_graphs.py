"""Advice about ONNX files, whose graphs are made here from single nodes.
A graph leads from x (batch, time, 3) to y.
"""

import numpy as np

import minilstm as ml
from advice.foreign_files import FILES, wrote
from minilstm.exchange.outgoing import protobuf as pb

H, D = 2, 3


def node(kind, inputs, outputs, name="node", **options):
    """A node of a graph."""
    return pb.node(kind, inputs, outputs, name, **options)


def drawn(*shape):
    """Some numbers."""
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")


def onnx(nodes, arrays=None, axes=("batch", "time", D), extra=b"", name="a.onnx"):
    """The network of a graph of some nodes."""
    arrays = {"V": drawn(D, 2), "v": drawn(D)} if arrays is None else arrays
    used = {name: a for name, a in arrays.items() if name.encode() in b"".join(nodes)}
    graph = b"".join(pb.message(1, n) for n in nodes) + pb.message(2, "net") + extra
    graph += b"".join(pb.message(5, pb.tensor(n, a)) for n, a in used.items())
    graph += pb.message(11, pb.value("x", axes)) + pb.message(12, pb.value("y", ()))
    opset = pb.message(8, pb.message(1, "") + pb.whole(2, 14))
    return ml.from_onnx(wrote(name, pb.whole(1, 8) + pb.message(7, graph) + opset))


def lstm(*inputs, shape=(0, 0, -1), **options):
    """The network of a graph of an LSTM, batch first; its output goes into a shape."""
    nodes = [
        node("LSTM", ["x", "W", "R", "B", *inputs], ["Y"], "cell", **{"layout": 1, **options}),
        node("Reshape", ["Y", "into"], ["y"], "rows"),
    ]
    arrays = {"W": drawn(1, 4 * H, D), "R": drawn(1, 4 * H, H), "B": drawn(1, 8 * H)}
    arrays |= {"into": np.array(shape, np.int64), "peep": drawn(1, 3 * H)}
    arrays |= {"state": drawn(2, 1, H), "sizes": np.array([5, 4], np.int32)}
    return onnx(nodes, arrays)


def beside(location=b"beside.onnx.data", size=None):
    """The network of a file whose arrays stand in another file, of some name and size."""
    if size is not None:
        data = (FILES / "beside.onnx.data").read_bytes()[:size]
        wrote("beside.onnx.data", data)
    data = (FILES / "beside.onnx").read_bytes()
    return ml.from_onnx(wrote("beside.onnx", data.replace(b"beside.onnx.data", location)))


ONE = "[node('MatMul', ['x', 'V'], ['y'], 'dense')]"
TABLE = [
    *((call, "export it without", "lstm()") for call in (
        "lstm(clip=2.0)",
        "lstm('', '', '', 'peep')",
        "lstm(direction='reverse')",
        "lstm(activations=['Sigmoid', 'Tanh', 'Relu'])",
        "lstm('sizes')",
        "lstm('', 'state')",
    )),
    *((call, "export it without", f"onnx({ONE})") for call in (
        "onnx([node('BatchNormalization', ['x', *'vvvv'], ['y'], 'n', training_mode=1)])",
        f"onnx({ONE}, extra=pb.message(15, b''))",
        "onnx([node('Mul', ['x', 'V'], ['y'], 'm')], {'V': drawn(1, 5, 1)})",
    )),
    (f"onnx({ONE}, extra=pb.message(5, pb.tensor('idle', drawn(4))))", "remove it",
     f"onnx({ONE})"),
    (f"onnx({ONE}, extra=pb.message(5, pb.message(8, 'odd') + pb.whole(2, 14)))",
     "export it as float32", f"onnx({ONE}, {{'V': drawn(D, 2).astype('float32')}})"),
    (f"onnx({ONE}, extra=pb.message(5, pb.tensor('V', drawn(D, 2))))", "write it again",
     f"onnx({ONE})"),
    (f"onnx({ONE}, axes=('batch', D))", r"three axes \((batch), (time), features\); export it so",
     f"onnx({ONE}, axes=('$1', '$2', D))"),
    (f"onnx({ONE}, axes=('batch', 'time', 'features'))", "cannot be tried; export it anew",
     f"onnx({ONE})"),
    ("onnx([node('MatMul', ['x', 'V'], ['y']), node('Relu', ['y'], ['z'])])",
     "export one output alone", f"onnx({ONE})"),
    ("ml.from_onnx(FILES / 'first.onnx')", "of two directions join both final states",
     "ml.from_onnx(FILES / 'ends.onnx')"),
    ("onnx([node('Gemm', ['x', 'V'], ['y'], alpha=2.0)])", "export it as (MatMul) and Add",
     "onnx([node('$1', ['x', 'V'], ['y'])])"),
    ("lstm(shape=(2, 5, 2))", "export it with free axes for batch and time", "lstm()"),
    ("onnx([node('Expand', ['x', 'n'], ['y'])], {'n': np.array([2**40, 1, 1])})",
     "far larger than the file; export it with free axes", f"onnx({ONE})"),
    ("onnx([node('Tanh', ['x'], ['y'])])", r"those are .*, (MatMul), .*, (Relu),",
     "onnx([node('$1', ['x', 'V'], ['y'])]); onnx([node('$2', ['x'], ['y'])])"),
    ("ml.from_onnx(wrote('a.onnx', ''))", "check its name", f"onnx({ONE})"),
    *((call, "copy it again", f"onnx({ONE})") for call in (
        r"ml.from_onnx(wrote('a.onnx', '\x0b'))", r"ml.from_onnx(wrote('a.onnx', b'\x80'))")),
    ("beside(b'/sub/d/onnx.data', 10**9)",
     "put that file beside it, and export again without a path", "beside(size=10**9)"),
    ("beside()", "put it into the same folder", "beside(size=10**9)"),
    ("beside(size=99)", "copy both files again", "beside(size=10**9)"),
]  # fmt: skip
