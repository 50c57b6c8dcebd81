"""RTNeural's JSON and .nam files as networks: the outputs of the PyTorch models they came from.
Our own export comes back in bits, and what RTNeural alone has is refused by its name."""

import json

import numpy as np
import pytest
from other_files import FILES, agrees

import minilstm as ml
from minilstm.exchange.outgoing.rtneural import rtneural
from minilstm.exchange.step.program import program_of

pytestmark = pytest.mark.usefixtures("on_numpy")


@pytest.mark.parametrize(("file", "name"), [("rtneural.json", "plain"), ("amp.nam", "amp")])
def test_the_outputs_are_those_of_pytorch(file, name):
    assert agrees(ml.from_rtneural(FILES / file), "torch", name)


def test_our_own_export_comes_back_in_bits(tmp_path):
    layers = [ml.SequenceInput(3), ml.LSTM(4), ml.LSTM(2), ml.ReLU(), ml.FullyConnected(2)]
    net = ml.Network([*layers, ml.Softmax()], rng=np.random.default_rng(0))
    (tmp_path / "a.json").write_text(json.dumps(rtneural(program_of(net))))
    back = ml.from_rtneural(tmp_path / "a.json")
    assert all(np.array_equal(a, back.parameters[k]) for k, a in net.parameters.items())
    assert set(net.parameters) == set(back.parameters)


def layer(kind, *weights, activation=""):
    return {"type": kind, "activation": activation, "weights": list(weights)}


CELL = [[0.0] * 4], [[0.0] * 4], [0.0] * 4
REFUSED = {
    "gru": ([layer("gru", *CELL)],
            "has layer 0 (gru), which minilstm has not; train the network without it."),
    "tanh": ([layer("dense", [[1.0]], [0.0], activation="tanh")], "has layer 0 (dense) with the "
             "function 'tanh', which minilstm has not; use relu, sigmoid or softmax."),
    "an array more": ([layer("dense", [[1.0]], [0.0], [0.0])],
                      "has layer 0 (dense) with arrays of shapes (1, 1), (1,), (1,); write it "
                      "again."),
    "in_shape": ({"in_shape": [None, None, 7], "layers": [layer("dense", [[1.0]], [0.0])]},
                 "has in_shape [None, None, 7] beside 1 inputs; write it again."),
    "no weights": ([layer("activation", activation="relu")],
                   "has no layer with weights; save the whole trained model."),
    "text": ([layer("dense", ["a"], [0.0])],
             "has weights 0 of layer 0 that are no finite numbers; write it again."),
    "rows of two lengths": ([layer("dense", [[1.0], [1.0, 2.0]], [0.0])],
                            "has weights 0 of layer 0 that are no finite numbers; write it again."),
    "shape": ([{**layer("dense", [[1.0]], [0.0]), "shape": [None, None, 9]}],
              "has layer 0 (dense) of shape [9] beside other arrays; write it again."),
    "no list": (None, "is no file of RTNeural, as it has no list of layers; check its name."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_represented_is_named(case, tmp_path):
    layers, sentence = REFUSED[case]
    (tmp_path / "a.json").write_text(
        json.dumps(layers if type(layers) is dict else {"layers": layers})
    )
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_rtneural(tmp_path / "a.json")
    assert str(caught.value) == f"{tmp_path / 'a.json'} {sentence}"
