"""ONNX graphs that do another thing at another length, or that no runtime takes, are refused.
A trial of a few lengths shows nothing of the tenth step, so the graph itself is read.
"""

import numpy as np
import pytest
from graphs import D, H, drawn, lstm, model

import minilstm as ml
from minilstm.exchange.outgoing import protobuf as pb

pytestmark = pytest.mark.usefixtures("on_numpy")


def last(*before, **more):
    """An LSTM of x, time first, its last step, and a dense layer; nodes may make z of x before."""
    nodes, arrays = lstm(("z" if before else "x", "W", "R", "B", *more.pop("reads", ())), layout=0,
                         outputs=("Y", "Yh"))  # fmt: skip
    ends = [pb.node("Squeeze", ["Yh", "zero"], ["h"], "end"),
            pb.node("MatMul", ["h", more.pop("weights", "V")], ["y"], "dense")]  # fmt: skip
    whole = {"zero": [0], "shape": [0, 0, D], "one": [1], **more}
    arrays |= {k: np.array(a, np.int64) for k, a in whole.items()}
    nodes = [*before, nodes[0], *ends]
    used = b"".join(nodes)
    arrays = {**arrays, "V": drawn(H, 2), "U": drawn(H, 2) + 1, "ten": np.array([10], np.int32)}
    kept = {k: a for k, a in arrays.items() if pb.message(1, k) in used}
    return model(nodes, kept, ("time", "batch", D))


def slice_(**more):
    return last(pb.node("Slice", ["x", "from", "to", "zero"], ["z"], "cut"), **more)


FAR = 2**31 - 1
SHAPE = [pb.node("Shape", ["x"], ["s"], "sizes"),
         pb.node("Gather", ["s", "zero"], ["t"], "steps", axis=0),
         pb.node("Gather", ["s", "one"], ["b"], "batch", axis=0),
         pb.node("Cast", ["t"], ["ti"], "cast", to=6),
         pb.node("Identity", ["x"], ["z"], "same")]  # fmt: skip
LESS = [*SHAPE, pb.node("Less", ["ti", "ten"], ["few"], "less")]
CHOSEN = [*LESS, pb.node("Where", ["few", "V", "U"], ["v"], "choose")]
CAPPED = [*LESS, pb.node("Where", ["few", "ti", "ten"], ["c"], "least"),
          pb.node("Expand", ["c", "b"], ["lens"], "expand")]  # fmt: skip


def test_cuts_and_lengths_that_leave_every_step_are_no_harm(tmp_path):
    counted = [*SHAPE, pb.node("Expand", ["ti", "b"], ["lens"], "expand")]
    for data in (slice_(**{"from": [0], "to": [FAR]}), last(*counted, reads=("lens",))):
        (tmp_path / "a.onnx").write_bytes(data)
        net = ml.from_onnx(tmp_path / "a.onnx")
        assert np.array_equal(net.parameters["fc/weights"], drawn(H, 2).T)


CUTS = ("which cuts the steps at a number of its own, so it may differ at another length; export "
        "it without.")  # fmt: skip
SIZES = ("which makes something else of the input's sizes than shapes, so it may differ at another "
         "length; export it without.")  # fmt: skip
WITHOUT = "which minilstm has not; export it without."
DENSE = {"V": drawn(D, 2)}
ONE = [pb.node("MatMul", ["x", "V"], ["y"], "dense")]
REFUSED = {
    **{f"cut {k}": (slice_(**{"from": [start], "to": [end]}), f"has the node 'cut' (Slice), {CUTS}")
       for k, (start, end) in {"first": (0, 10), "last": (-10, FAR)}.items()},
    "row 4": (model([*lstm(layout=0)[0][:1], pb.node("Squeeze", ["Y", "one"], ["r"], "rows"),
                     pb.node("Gather", ["r", "four"], ["y"], "row")],
                    {**{k: a for k, a in lstm()[1].items() if k != "shape"}, "one": np.array([1]),
                     "four": np.array(4)}, ("time", "batch", D)),
              f"has the node 'row' (Gather), {CUTS}"),
    "no steps": (slice_(**{"from": [10], "to": [FAR]}), "has the node 'cell' (LSTM), which cannot "
                 "take arrays of shapes (0, 5, 3), (1, 8, 3), (1, 8, 2), (1, 16) (ValueError); "
                 "export it with free axes for batch and time."),
    "lengths": (last(*CAPPED, reads=("lens",)), f"has the node 'less' (Less), {SIZES}"),
    "weights of T": (last(*CHOSEN, weights="v"), f"has the node 'less' (Less), {SIZES}"),
    "table of T": (last(*SHAPE, pb.node("Gather", ["V", "t"], ["v"], "row"), weights="v"),
                   f"has the node 'row' (Gather), {SIZES}"),
    "times T": (last(*SHAPE[:-1], pb.node("Mul", ["x", "t"], ["z"], "times")),
                f"has the node 'times' (Mul), {SIZES}"),
    "condition": (last(pb.node("Less", ["x", "ten"], ["z"], "less")), "has the node 'less' (Less) "
                  "on the sequences, which no layer does; export it without."),
    "half sizes": (last(*SHAPE, pb.node("Cast", ["t"], ["th"], "half", to=10)),
                   f"has the node 'half' (Cast), {SIZES}"),
    "one of two": (model(*lstm(direction="bidirectional")), "has the node 'cell' (LSTM) of 2 "
                   "directions and 2 units with an array of shape (1, 8, 3) for (2, 8, 3); export "
                   "it again."),
    "two for one": (model(*lstm(n=2)), "has the node 'cell' (LSTM) of 1 direction and 2 units with "
                    "an array of shape (2, 8, 3) for (1, 8, 3); export it again."),
    "dropout": (model([pb.node("Dropout", ["x", "", "t"], ["y"], "drop")], {"t": np.array(1)}),
                f"has the node 'drop' (Dropout) with training_mode, {WITHOUT}"),
    "norm": (model([pb.node("BatchNormalization", ["x", *"abcd"], ["y", "m"], "norm")], {}),
             f"has the node 'norm' (BatchNormalization) with training_mode, {WITHOUT}"),
    "given twice": (model([*ONE, pb.node("Relu", ["x"], ["y"], "again")], DENSE), "has the node "
                    "'again' (Relu), which gives 'y' anew; export it again."),
    "old": (model(ONE, DENSE, opset=6), "is of opset 6; export it with opset 7 or later."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_that_may_differ_is_refused_by_its_node(case, tmp_path):
    data, sentence = REFUSED[case]
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_onnx(tmp_path / "a.onnx")
    assert str(caught.value) == f"{tmp_path / 'a.onnx'} {sentence}"
