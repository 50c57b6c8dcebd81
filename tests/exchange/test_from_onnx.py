"""ONNX files of both exporters of PyTorch, and of our own, as networks: the outputs they gave.
The graph of each file is run beside the network, so what was misread is refused, and named."""

import json

import numpy as np
import pytest
from other_files import FILES, agrees

import minilstm as ml
from minilstm.exchange.incoming.formats.bounds import Refused
from minilstm.exchange.incoming.formats.onnx_file import read_onnx
from minilstm.exchange.incoming.from_onnx import LEARNED, _Trial, learned
from minilstm.exchange.outgoing import protobuf as pb
from minilstm.exchange.outgoing.onnx import onnx
from minilstm.exchange.step.program import program_of
from minilstm.exchange.step.selftest import SelfTest

pytestmark = pytest.mark.usefixtures("on_numpy")
H, D = 2, 3


@pytest.mark.parametrize("name", ["sequence", "last", "both", "ends", "new", "beside"])
def test_the_outputs_are_those_of_pytorch(name):
    assert agrees(ml.from_onnx(FILES / f"{name}.onnx"), "torch", name)


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")


OWN = {
    "plain": ([ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(2), ml.Softmax()], None),
    "functions": ([
        ml.SequenceInput(3, "zscore", [1, 2, 3e8], standard_deviation=[1, 3, 0.1]),
        ml.LSTM(8, "last", "softsign", "hard-sigmoid"), ml.ReLU(),
        ml.FullyConnected(2, name="mine"), ml.Sigmoid(),
    ], None),
    "deep": ([
        ml.SequenceInput(3, "rescale-symmetric", min=[-1, 2, 7], max=[1, 3.3, 70]), ml.LSTM(8),
        ml.LSTM(4), ml.BatchNormalization(), ml.FullyConnected(2), ml.Sigmoid(),
    ], None),
    "both": ([
        ml.SequenceInput(3, "rescale-zero-one", min=[-1, 2, 7], max=[1, 3.3, 70]), ml.BiLSTM(8),
        ml.Dropout(0.1), ml.BiLSTM(3, "last"), ml.FullyConnected(2),
    ], 9),
    "dense": ([ml.SequenceInput(3, "zerocenter", [1, 2, 3]), ml.FullyConnected(2)], None),
    "twice": ([
        ml.SequenceInput(3, "rescale-symmetric", min=[-1, 2, 7], max=[1, 3.3, 70]),
        ml.BatchNormalization(), ml.BatchNormalization(name="my own"), ml.FullyConnected(2),
        ml.RegressionOutput(),
    ], None),
    "started": ([
        ml.SequenceInput(3), ml.LSTM(4, cell_state=drawn(4)), ml.LSTM(2, hidden_state=drawn(2)),
    ], None),
    "started both": ([
        ml.SequenceInput(3), ml.BiLSTM(4, hidden_state=drawn(8), cell_state=drawn(8)),
        ml.FullyConnected(2),
    ], 9),
}  # fmt: skip


def exported(net, window):
    test = SelfTest(np.zeros((1, 3), "f4"), np.zeros((1, 2), "f4"), 0)
    kept = {"classes": ["no", "yes"], LEARNED: learned(net)}
    return onnx(program_of(net, window=window), test, "net", kept)


@pytest.mark.parametrize("case", OWN)
def test_our_own_export_comes_back_in_bits(case, tmp_path):
    layers, window = OWN[case]
    net = ml.Network(layers, rng=np.random.default_rng(0))
    moved = [
        {k: a + np.random.default_rng(3).uniform(0, 0.3, a.shape) for k, a in arrays.items()}
        for arrays in (net.parameters, net.statistics)
    ]
    net = net.replace(parameters=moved[0], statistics=moved[1])
    first = exported(net, window)
    (tmp_path / "a.onnx").write_bytes(first)
    back = ml.from_onnx(tmp_path / "a.onnx")
    assert exported(back, window) == first
    assert back.classes.tolist() == ["no", "yes"]
    x = np.random.default_rng(1).standard_normal((9, 3)).astype("f4")
    assert np.array_equal(back.predict(x), net.predict(x))
    assert json.dumps(learned(back)) == json.dumps(learned(net))


KNOWN = {
    "features": [{"name": "ax", "unit": "g"}, {"name": "ay", "unit": "g"},
                 {"name": "time (s)", "unit": "s"}],
    "rate": 50.0, "description": {"separator": ";", "label_column": "label"},
    "shaping": {"rate": 50.0}, "targets": ["speed", "load"], "card": {"scores": {}},
}  # fmt: skip


def test_what_a_network_knows_of_its_data_comes_back(tmp_path):
    names = [f["name"] for f in KNOWN["features"]]
    layers = [ml.SequenceInput(3, feature_names=names), ml.LSTM(8), ml.FullyConnected(2)]
    net = ml.Network(layers, rng=np.random.default_rng(0), about=KNOWN)
    ml.export(net, tmp_path / "a.onnx")
    back = ml.from_onnx(tmp_path / "a.onnx")
    assert back.about == {k: v for k, v in KNOWN.items() if k != "card"}
    assert list(back.layers[0].feature_names) == names and back.others == net.others == {"label"}
    row = {"time (s)": 3.0, "ay": 2.0, "ax": 1.0}
    assert np.array_equal(back.stream().step(row), net.stream().step([1.0, 2.0, 3.0]))
    ml.export(back, tmp_path / "b.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()
    (tmp_path / "a.onnx").write_bytes((tmp_path / "b.onnx").read_bytes().replace(b"ax", b"ay"))
    with pytest.raises(
        ml.ModelFileError, match=r"a.onnx holds what files of its kind do not \("
    ) as caught:
        ml.from_onnx(tmp_path / "a.onnx")
    assert str(caught.value).endswith("; write it again.")


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


def test_a_graph_in_the_manner_of_tf2onnx(tmp_path):
    # Older opset, functions in small letters, states made from the shape of the input.
    nodes = [
        pb.node("Transpose", ["x"], ["xt"], "turn", perm=[1, 0, 2]),
        pb.node("Shape", ["x"], ["sizes"], "shape"),
        pb.node("Slice", ["sizes", "zero", "one"], ["batch"], "slice"),
        pb.node("Concat", ["one", "batch", "two"], ["wanted"], "concat", axis=0),
        pb.node("Expand", ["none", "wanted"], ["h"], "expand"),
        pb.node("LSTM", ["xt", "W", "R", "B", "", "h", "h"], ["Y"], "cell", hidden_size=H,
                direction="forward", activations=["sigmoid", "tanh", "tanh"]),
        pb.node("Squeeze", ["Y"], ["Ys"], "squeeze", axes=[1]),
        pb.node("Transpose", ["Ys"], ["y"], "back", perm=[1, 0, 2]),
    ]  # fmt: skip
    _, arrays = lstm()
    arrays.pop("shape")
    whole = {"zero": [0], "one": [1], "two": [H]}
    arrays |= {name: np.array(a, np.int64) for name, a in whole.items()}
    arrays["none"] = np.zeros((1, 1, 1), "f4")
    (tmp_path / "a.onnx").write_bytes(model(nodes, arrays, opset=12))
    net = ml.from_onnx(tmp_path / "a.onnx")
    i, o, f, c = np.split(arrays["W"][0], 4)
    assert np.array_equal(net.parameters["lstm/input_weights"], np.concatenate([i, f, c, o]))


def test_a_normaliser_of_several_nodes(tmp_path):
    kinds = ["Sub", "Mul", "Add", "Div"]
    arrays = {kind: np.array([1.5, 2, 3 + k], "f4") for k, kind in enumerate(kinds)}
    ends = ["x", *(f"v{kind}" for kind in kinds)]
    nodes = [pb.node(k, [a, k], [b], k) for k, a, b in zip(kinds, ends, ends[1:], strict=False)]
    nodes.append(pb.node("MatMul", [ends[-1], "V"], ["y"], "dense"))
    (tmp_path / "a.onnx").write_bytes(model(nodes, {**arrays, "V": drawn(D, 2)}))
    net = ml.from_onnx(tmp_path / "a.onnx")
    x = drawn(6, D)
    wanted = ((x - arrays["Sub"]) * arrays["Mul"] + arrays["Add"]) / arrays["Div"] @ drawn(D, 2)
    assert np.abs(net.predict(x) - wanted).max() < 1e-5


def test_batch_first_inside_the_graph(tmp_path):
    (tmp_path / "a.onnx").write_bytes(model(*lstm()))
    net = ml.from_onnx(tmp_path / "a.onnx")
    assert [layer.label for layer in net.layers] == [
        "Sequence input with 3 dimensions", "LSTM with 2 hidden units",
    ]  # fmt: skip


def test_a_state_in_the_file_is_where_the_network_starts(tmp_path):
    nodes, arrays = lstm(("x", "W", "R", "B", "", "h", "c"), layout=0)
    h, c = drawn(H), drawn(H) + 1
    states = {name: np.tile(a, (1, 2, 1)) for name, a in (("h", h), ("c", c))}
    nodes[1] = pb.node("Squeeze", ["Y", "one"], ["y"], "rows")
    arrays.pop("shape")
    data = model(nodes, {**arrays, **states, "one": np.array([1])}, axes=("time", 2, D))
    (tmp_path / "a.onnx").write_bytes(data)
    net = ml.from_onnx(tmp_path / "a.onnx")
    cell = net.layers[1]
    assert np.array_equal(cell.hidden_state, h) and np.array_equal(cell.cell_state, c)


def op(kind, reads, gives, **options):
    return pb.node(kind, reads.split(" "), gives.split(), "op", **options)


def steps(*nodes, lens="", V="V", cut=(0, 1)):
    """A graph, time first, whose nodes make z of x, then lengths or weights; its last step."""
    cell, arrays = lstm(("z", "W", "R", "B", lens), ("Y", "Yh"), layout=0)
    nodes = [*nodes, cell[0], op("Squeeze", "Yh 0", "h"), op("MatMul", f"h {V}", "y")]
    arrays |= {k: np.array([n]) for k, n in {"0": 0, "1": 1, "from": cut[0], "end": cut[1]}.items()}
    arrays |= {"V": drawn(H, 2), "U": drawn(H, 2) + 1, "ten": np.array([10], np.int32)}
    kept = {k: a for k, a in arrays.items() if pb.message(1, k) in b"".join(nodes)}
    return model(nodes, kept, ("time", "batch", D))


CUT, FAR, SAME = op("Slice", "x from end 0", "z"), 2**31 - 1, op("Identity", "x", "z")
T = [op("Shape", "x", "s"), op("Gather", "s 0", "s0"), op("Gather", "s 1", "s1"),
     op("Cast", "s0", "t", to=6)]  # fmt: skip
LESS = [SAME, *T, op("Less", "t ten", "few")]


def test_a_cut_that_leaves_every_step_is_no_harm(tmp_path):
    (tmp_path / "a.onnx").write_bytes(steps(CUT, cut=(0, FAR)))
    net = ml.from_onnx(tmp_path / "a.onnx")
    assert np.array_equal(net.parameters["fc/weights"], drawn(H, 2).T)


AT = "so it may differ at another length; export it without."
WITHOUT = "which minilstm has not; export it without."
CELL = "has the node 'cell' (LSTM) with"
PEEPHOLES = lstm(("x", "W", "R", "B", "", "", "", "P"))
PEEPHOLES[1]["P"] = drawn(1, 3 * H)
DENSE = {"V": drawn(D, 2)}
ONE = [pb.node("MatMul", ["x", "V"], ["y"], "dense")]
REFUSED = {
    "clip": (model(*lstm(clip=2.0)), f"{CELL} clip, {WITHOUT}"),
    "input_forget": (model(*lstm(input_forget=1)), f"{CELL} input_forget, {WITHOUT}"),
    "peepholes": (model(*PEEPHOLES), f"{CELL} peepholes, {WITHOUT}"),
    "reverse": (model(*lstm(direction="reverse")), f"{CELL} direction 'reverse' alone, {WITHOUT}"),
    "activations": (model(*lstm(activations=["Sigmoid", "Tanh", "Relu"])),
                    f"{CELL} the functions sigmoid, tanh, relu, {WITHOUT}"),
    "slope": (model(*lstm(activations=["HardSigmoid", "Tanh", "Tanh"], activation_alpha=[0.25])),
              f"{CELL} the functions hardsigmoid, tanh, tanh, {WITHOUT}"),
    "operator": (model([pb.node("Tanh", ["x"], ["y"], "t")], {}), "has the node 't' (Tanh), an "
                 "operator that is not read; those are Add,"),
    "unused": (model(ONE, {**DENSE, "idle": drawn(4)}),
               "holds 'idle' (4,), which no node uses; remove it."),
    "branches": (model([*ONE, pb.node("Add", ["x", "y"], ["z"], "sum")], {"V": drawn(D, D)},
                       outputs=("z",)),
                 "has the node 'sum' (Add), where branches meet; only chains are imported."),
    "second branch": (model([*ONE, pb.node("Relu", ["x"], ["z"], "side")], DENSE),
                      "has the node 'side' (Relu) in a second branch; only chains are imported."),
    "not the end": (model([*ONE, pb.node("Relu", ["y"], ["z"], "more")], DENSE), "has the node "
                    "'more' (Relu), which does not lead to its first output 'y'; export one output "
                    "alone."),
    "one length": (model(*lstm(shape=(2, 5, 2))), "has the node 'rows' (Reshape), which cannot "
                   "take arrays of shapes (3, 8, 1, 2), (3,) (ValueError); export it with free "
                   "axes for batch and time."),
    "two axes": (model(ONE, DENSE, axes=("batch", D)), "has no input of sequences with three axes "
                 "(batch, time, features); export it so."),
    "softmax": (model([pb.node("Softmax", ["x"], ["y"], "soft", axis=1)], {}), "has the node "
                "'soft' (Softmax) along axis 1; only the last is imported."),
    "old softmax": (model([pb.node("Softmax", ["x"], ["y"], "soft")], {}, opset=11), "has the node "
                    "'soft' (Softmax) along axis 1; only the last is imported."),
    "bomb": (model([pb.node("Expand", ["x", "n"], ["y"], "e")], {"n": np.array([2**40, 1, 1])}),
             "has the node 'e' (Expand), whose result is far larger than the file; export it with "
             "free axes for batch and time."),
    "sparse": (model(ONE, DENSE, extra=pb.message(15, b"")),
               "has sparse arrays or quantised ones; export it without."),
    "no graph": (b"", "is no ONNX model, as it has no graph; check its name."),
    **{f"cut {cut}": (steps(CUT, cut=cut), "has the node 'op' (Slice), which cuts "
       f"the steps at a number of its own, {AT}")
       for cut in ((0, 10), (-10, FAR))},
    "rows": (model([op("Gather", "x k", "r"), op("MatMul", "r V", "y")], {**DENSE, "k": np.arange(
        5)}, ("time", "batch", D)), "has the node 'op' (Gather), which cuts "
             f"the steps at a number of its own, {AT}"),
    **{f"T in {kind}": (steps(*nodes, **more), f"has the node 'op' ({kind}), which "
       f"makes something else of the input's sizes than shapes, {AT}")
       for kind, nodes, more in (
           ("Less", [*LESS, op("Where", "few t ten", "n")], {"lens": "n"}),
           ("Less", [*LESS, op("Where", "few V U", "v")], {"V": "v"}),
           ("Gather", [SAME, *T, op("Gather", "V s0", "v")], {"V": "v"}),
           ("Cast", [SAME, *T, op("Cast", "t", "n", to=10)], {"lens": "n"}),
           ("Mul", [*T, op("Mul", "x t", "z")], {}))},
    "by rows": (steps(op("Less", "x ten", "z")), "has the node 'op' (Less) on the sequences, which "
                "no layer does; export without."),
    **{f"{n} for {3 - n}": (model(*lstm(n=n, direction=way)), f"{CELL} an array of shape ({n}, 8, "
       f"3) where ({3 - n}, 8, 3) fits; export it again.")
       for n, way in ((1, "bidirectional"), (2, "forward"))},
    **{kind: (model([op(kind, *ends)], {"t": np.array(1)}), f"has the node 'op' ({kind}) with "
              f"training_mode, {WITHOUT}")
       for kind, ends in {"Dropout": ("x  t", "y"), "BatchNormalization": ("x t", "y m")}.items()},
    "given twice": (model([*ONE, op("Relu", "x", "y")], DENSE), "has the node 'op' (Relu), which "
                    "gives 'y' anew; export it again."),
    "opset": (model(ONE, DENSE, opset=6), "is of opset 6; export it with opset 7 or later."),
    "other kind": (b"PK\3\4", "is no ONNX model, or broken; copy it again."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_represented_is_named(case, tmp_path):
    data, sentence = REFUSED[case]
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_onnx(path)
    said = str(caught.value)
    assert said[: len(f"{path} {sentence}")] == f"{path} {sentence}"
    assert case == "operator" or len(said) == len(f"{path} {sentence}")


def test_the_first_node_that_differs_is_named():
    path = FILES / "first.onnx"  # y[:, -1] of two directions
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_onnx(path)
    assert str(caught.value) == (
        f"{path} is not reproduced: the node '/fc/Gemm' (Gemm) differs from the layer built for it "
        "by 0.13 on 2 sequences of 5 steps; of two directions join both final states, as y[:, -1] "
        "has the second one early."
    )


@pytest.mark.parametrize("size", [1e5, 1.0, 1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("mistake", ["first for last", "back in time"])
def test_outputs_are_compared_in_their_own_size(mistake, size, tmp_path):
    nodes, arrays = lstm(layout=0)
    moves = ("Gather", ["Ys", "zero"], {"axis": 0})
    if mistake == "back in time":
        moves = ("Slice", ["Ys", "last", "far", "none", "last"], {})
    nodes[1:] = [pb.node("Squeeze", ["Y", "one"], ["Ys"], "rows"),
                 pb.node(moves[0], moves[1], ["z"], "moved", **moves[2]),
                 pb.node("MatMul", ["z", "V"], ["y"], "dense")]  # fmt: skip
    whole = {"one": [1], "zero": 0, "last": [-1], "far": [-(2**31)], "none": [0]}
    arrays |= {k: np.array(a, np.int64) for k, a in whole.items() if k == "one" or k in moves[1]}
    arrays |= {"V": np.float32(size) * drawn(H, 2)}
    arrays.pop("shape")
    (tmp_path / "a.onnx").write_bytes(model(nodes, arrays, axes=("time", "batch", D)))
    with pytest.raises(
        ml.ModelFileError, match=r"not reproduced: the node 'dense' \(MatMul\) diffe"
    ):
        ml.from_onnx(tmp_path / "a.onnx")


@pytest.mark.parametrize("size", [1e-12, 1e-6, 1e3, 1e5, 1e7])
def test_our_own_outputs_of_any_size_come_back(size, tmp_path):
    net = ml.Network([ml.SequenceInput(2), ml.LSTM(16), ml.FullyConnected(2)],
                     rng=np.random.default_rng(0))  # fmt: skip
    sized = {k: a * size if k.startswith("fc") else a for k, a in net.parameters.items()}
    ml.export(net.replace(parameters=sized), tmp_path / "a.onnx", check=False)
    back = ml.from_onnx(tmp_path / "a.onnx")
    assert np.array_equal(back.parameters["fc/weights"], np.float32(sized["fc/weights"]))


def test_metadata_of_another_network_are_refused(tmp_path):
    net = ml.Network([ml.SequenceInput(1, "zerocenter", [2.5]), ml.LSTM(2)],
                     rng=np.random.default_rng(0))  # fmt: skip
    ml.export(net, tmp_path / "a.onnx")
    data = (tmp_path / "a.onnx").read_bytes()
    assert data.count(b"[2.5]") == 1
    (tmp_path / "a.onnx").write_bytes(data.replace(b"[2.5]", b"[2.6]"))
    with pytest.raises(
        ml.ModelFileError, match=r"a.onnx describes in its metadata 'minilstm' anoth"
    ):
        ml.from_onnx(tmp_path / "a.onnx")


def blocks(order):
    """The gates of every array of the LSTM in another order."""
    return lambda key, a: np.concatenate([np.split(a, 4)[k] for k in order]) if "lstm" in key else a


WRONG = {
    "gates of ONNX": blocks([0, 3, 1, 2]),
    "gates of OpenVINO": blocks([1, 0, 2, 3]),
    "forget and cell": blocks([0, 2, 1, 3]),
    "bias twice": lambda key, a: 2 * a if key == "lstm/bias" else a,
    "no bias": lambda key, a: 0 * a if key == "lstm/bias" else a,
    "recurrent transposed": lambda key, a: np.vstack([b.T for b in np.split(a, 4)])
    if key == "lstm/recurrent_weights" else a,
    "classes": lambda key, a: a[::-1] if "fc" in key else a,
    "one weight": lambda key, a: a + 1e-3 * (np.arange(a.size).reshape(a.shape) == 0),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_conversion_is_caught(mistake):
    trial = _Trial(read_onnx((FILES / "sequence.onnx").read_bytes(), FILES), 10**5, (5, 2), True)
    net = trial.network()
    trial.compare(net, trial.built)
    wrong = net.replace(parameters={k: WRONG[mistake](k, a) for k, a in net.parameters.items()})
    node = "/fc/MatMul" if mistake == "classes" else "/lstm/LSTM"
    with pytest.raises(Refused, match=rf"^is not reproduced: the node '{node}' .* differs from"):
        trial.compare(wrong, trial.built)
