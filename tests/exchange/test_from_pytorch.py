"""State dicts of PyTorch in layers of ours: the outputs that PyTorch gave, within 1e-6.
Whatever fits no layer, or is left over, is named."""

import warnings

import numpy as np
import pytest
from other_files import FILES, agrees

import minilstm as ml
from minilstm.exchange.incoming.from_pytorch import recognised
from minilstm.exchange.incoming.modules import modules_of
from minilstm.exchange.outgoing.state_dict import state_dict

pytestmark = pytest.mark.usefixtures("on_numpy")

PLAIN = [ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
DEEP = [
    ml.SequenceInput(3), ml.BiLSTM(4), ml.Dropout(0.2), ml.BiLSTM(4), ml.BatchNormalization(),
    ml.FullyConnected(2), ml.Softmax(),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "layers", "name"),
    [
        ("plain.pt", PLAIN, "plain"), ("legacy.pth", PLAIN, "plain"),
        ("checkpoint.pt", DEEP, "deep"), ("deep.safetensors", DEEP, "deep"),
    ],
)  # fmt: skip
def test_the_outputs_are_those_of_pytorch(file, layers, name):
    net = ml.from_pytorch(FILES / file, layers, classes=["a", "b"])
    assert net.dtype == np.float32 and net.classes.tolist() == ["a", "b"]
    assert agrees(net, "torch", name)


def test_a_part_is_chosen_by_its_prefix():
    layers = [ml.BiLSTM(4), ml.BiLSTM(4)]
    path, prefix = FILES / "checkpoint.pt", "model_state_dict.module.lstm"
    net = ml.from_pytorch(path, layers, prefix=prefix)
    whole = ml.from_pytorch(path, DEEP)
    for key, array in net.parameters.items():
        assert np.array_equal(array, whole.parameters[key])


def saved(tmp_path, arrays, name="a.safetensors", told=None):
    from safetensors.numpy import save_file

    save_file(arrays, tmp_path / name, told)
    return tmp_path / name


@pytest.mark.parametrize("layers", [DEEP, [ml.SequenceInput(3), *PLAIN]], ids=["deep", "plain"])
def test_our_own_state_dict_comes_back_in_bits(layers, tmp_path):
    net = ml.Network(layers, rng=np.random.default_rng(0))
    back = ml.from_pytorch(saved(tmp_path, state_dict(net)), [*net.layers])
    for mine, theirs in ((net.parameters, back.parameters), (net.statistics, back.statistics)):
        assert all(np.array_equal(a, theirs[key]) for key, a in mine.items())
        assert set(mine) == set(theirs)


def test_numbers_beyond_float32_are_refused(tmp_path):
    arrays = {"weight": np.full((1, 1), 1e300), "bias": np.zeros(1, "f4")}
    path = saved(tmp_path, arrays)
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_pytorch(path, [ml.FullyConnected(1)])
    assert str(caught.value) == (
        f"{path} holds weights of the layer 'fc' beyond the range of float32; save all of it as "
        "float64."
    )


def test_whole_numbers_are_no_weights(tmp_path):
    path = saved(tmp_path, {"fc.weight": np.ones((1, 1), "i1"), "fc.bias": np.zeros(1, "f4")})
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_pytorch(path, [ml.FullyConnected(1)])
    assert str(caught.value) == (
        f"{path} holds fc.weight in int8, whole numbers without a factor; save it as float32."
    )


def squares(*names):
    return {f"{n}.weight": np.full((2, 2), k + 1.0, "f4") for k, n in enumerate(names)}


def test_modules_are_taken_by_name_or_number(tmp_path):
    two = [ml.FullyConnected(2), ml.ReLU(), ml.FullyConnected(2)]
    numbered = ml.from_pytorch(saved(tmp_path, squares("l.2", "l.10")), two)
    assert [a[0, 0] for k, a in numbered.parameters.items() if "weights" in k] == [1, 2]
    named = [ml.FullyConnected(2, name="z"), ml.FullyConnected(2, name="a")]
    net = ml.from_pytorch(saved(tmp_path, squares("a", "z")), named)
    assert [a[0, 0] for k, a in net.parameters.items() if "weights" in k] == [2, 1]
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_pytorch(saved(tmp_path, squares("a", "z")), two)
    assert str(caught.value) == (
        f"{tmp_path / 'a.safetensors'} holds a (FullyConnected, 2 to 2) and z (FullyConnected, 2 "
        "to 2), which fit the layer FullyConnected alike, in no order; name each layer like its "
        "module, such as FullyConnected(..., name='a')."
    )


SQUARE = [ml.FullyConnected(2), ml.ReLU(), ml.FullyConnected(2), ml.FullyConnected(2)]


def first_weights(tmp_path, names, layers):
    """Which modules of an ordered file the layers took, counted from 1, and what was told."""
    np.savez(tmp_path / "a.npz", **squares(*names))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        net = ml.from_pytorch(tmp_path / "a.npz", layers)
    taken = [a[0, 0] for k, a in net.parameters.items() if "weights" in k]
    assert all(w.category is UserWarning and w.filename == __file__ for w in told)
    return taken, [str(w.message) for w in told]


def test_a_guess_between_modules_is_told_once(tmp_path):
    said = (
        "the layer FullyConnected takes out, the first of out, a, b, which all fit it; to be sure, "
        "name each layer like its module, such as FullyConnected(..., name='out')."
    )
    assert first_weights(tmp_path, ["out", "a", "b"], SQUARE) == ([1, 2, 3], [said])
    # Numbers tell the order; where they run the other way, the order of the file stays the rule.
    assert first_weights(tmp_path, ["l.0", "l.2", "l.10"], SQUARE) == ([1, 2, 3], [])
    taken, told = first_weights(tmp_path, ["l2", "l1", "l3"], SQUARE)
    assert taken == [1, 2, 3] and told == [said.replace("out, a, b", "l2, l1, l3").replace(
        "out", "l2")]  # fmt: skip
    # Letters tell no order: "l.10" stands before "l.2" in a file that was sorted by them.
    assert first_weights(tmp_path, ["l.0", "l.10", "l.2"], SQUARE) == ([1, 3, 2], [])
    # A name keeps its module from the layers before it, in a part of the network as well.
    last = ml.FullyConnected(2, name="out")
    assert first_weights(tmp_path, ["out", "a1", "a2"], [*SQUARE[:3], last]) == ([2, 3, 1], [])
    taken, told = first_weights(tmp_path, ["x.out", "y.out", "z"], [last, *SQUARE[1:3], SQUARE[3]])
    assert taken == [1, 2, 3]
    assert told[0].startswith("the layer out takes x.out, the first of x.out, y.out, which all fit")


def test_no_bias_is_a_bias_of_zero_and_two_are_added(tmp_path):
    rng = np.random.default_rng(0)
    cell = {"weight_ih": rng.standard_normal((8, 3)), "weight_hh": rng.standard_normal((8, 2))}
    net = ml.from_pytorch(saved(tmp_path, cell), [ml.LSTM(2)])
    assert net.dtype == np.float64 and not net.parameters["lstm/bias"].any()
    biases = {f"bias_{k}": rng.standard_normal(8) for k in ("ih", "hh")}
    net = ml.from_pytorch(saved(tmp_path, {**cell, **biases}), [ml.LSTM(2)])
    assert np.array_equal(net.parameters["lstm/bias"], biases["bias_ih"] + biases["bias_hh"])


def test_arrays_that_are_another_come_back(tmp_path):
    """As `save_model` of safetensors writes what a module holds twice."""
    arrays = ml.read_weights(FILES / "plain.pt")
    del arrays["lstm.bias_hh_l0"]
    arrays["head.weight"] = np.eye(2, dtype="f4")
    told = {"lstm.bias_hh_l0": "lstm.bias_ih_l0", "head.bias": "fc.bias", "format": "pt"}
    path = saved(tmp_path, arrays, told=told)
    found = ml.read_weights(path)
    assert [*found][-2:] == ["head.bias", "lstm.bias_hh_l0"] and len(found) == 8
    found["head.bias"] += 1  # an array of its own
    assert np.array_equal(found["fc.bias"], arrays["fc.bias"])
    layers = [*PLAIN[:1], ml.FullyConnected(2, name="fc"), ml.FullyConnected(2, name="head")]
    net = ml.from_pytorch(path, layers)
    assert np.array_equal(net.parameters["lstm/bias"], 2 * arrays["lstm.bias_ih_l0"])
    assert np.array_equal(net.parameters["head/bias"], arrays["fc.bias"])
    saved(tmp_path, {"a": np.zeros(9999)}, told={f"b{k}": "a" for k in range(5)})
    with pytest.raises(ml.ModelFileError, match="holds arrays of 479952 bytes in a file of 80"):
        ml.read_weights(path)


def test_half_precision_is_widened_before_biases_are_added(tmp_path):
    arrays = {k: a.astype("f2") for k, a in ml.read_weights(FILES / "plain.pt").items()}
    arrays["lstm.bias_ih_l0"][:2] = arrays["lstm.bias_hh_l0"][:2] = 60_000
    wide = {k: a.astype("f4") for k, a in arrays.items()}
    net, other = (ml.from_pytorch(saved(tmp_path, a), PLAIN) for a in (arrays, wide))
    assert net.dtype == np.float32 and net.parameters["lstm/bias"][0] == 120_000
    assert all(np.array_equal(a, other.parameters[k]) for k, a in net.parameters.items())


def test_values_of_a_layer_are_not_overwritten():
    with pytest.raises(ValueError, match="has bias already") as caught:
        ml.from_pytorch(FILES / "plain.pt", [ml.LSTM(4, bias=np.ones(16)), *PLAIN[1:]])
    assert str(caught.value) == (
        "the layer LSTM has bias already, where the file's would go; give the layer without it."
    )
    start = ml.from_pytorch(FILES / "plain.pt", [ml.LSTM(4, cell_state=np.ones(4)), *PLAIN[1:]])
    assert start.layers[1].cell_state.tolist() == [1] * 4


LSTM = {"weight_ih_l0": np.zeros((8, 3)), "weight_hh_l0": np.zeros((8, 2))}
REFUSED = {
    "projection": ("projection.pt", "has weight_hr_l0 (2, 4), the projection of an LSTM with "
                   "proj_size, which minilstm has not; train the network without it."),
    "gru": ("gru.pt", "has weight_hh_l0 (12, 4), which is a GRU; only LSTMs are imported."),
    "left over": ("checkpoint.pt", "holds fc (FullyConnected, 8 to 2), norm (BatchNormalization, 8 "
                  "to 8), which no layer takes; add the layers, or choose a part of the file with "
                  "prefix."),
    "too many": ({"weight": np.ones((8, 8))}, "has no module left for the layer FullyConnected (4 "
                 "fully connected layer), as the layers before it take all of them; leave it out."),
    "no module": ("plain.pt", "holds no module for the layer BiLSTM (BiLSTM with 4 hidden units), "
                  "but lstm (LSTM, 3 to 4), fc (FullyConnected, 4 to 2); give layers of these "
                  "kinds and sizes, in their order."),
    "other module": ({**LSTM, "norm.weight": np.zeros(3)}, "has norm.weight (3,), which is no part "
                     "of an LSTM, Linear or BatchNorm1d; choose the part of the network with "
                     "prefix, or leave that out."),
    "one half": ({**LSTM, "weight_ih_l0_reverse": np.zeros((8, 3))}, "has no weight_hh_l0_reverse; "
                 "save the whole state dict."),
    "a layer less": ({k.replace("0", "1"): a for k, a in LSTM.items()}, "has no weight_ih_l0; save "
                     "the whole state dict."),
    "one bias": ({**LSTM, "bias_hh_l0": np.zeros(8)},
                 "has no bias_ih_l0; save the whole state dict."),
    "a bias of one layer": ({**LSTM, **{f"bias_{k}_l0": np.zeros(8) for k in ("ih", "hh")},
                             **{k.replace("0", "1"): np.zeros((8, 2)) for k in LSTM}},
                            "has no bias_ih_l1; save the whole state dict."),
    "a bias without weights": ({"fc.bias": np.zeros(2)},
                               "has no fc.weight; save the whole state dict."),
    "a scale without its offset": ({"n.weight": np.ones(2), "n.running_mean": np.ones(2),
                                    "n.running_var": np.ones(2)},
                                   "has no n.bias; save the whole state dict."),
    "shapes": ({**LSTM, "bias_ih_l0": np.zeros(7), "bias_hh_l0": np.zeros(8)},
               "has weight_hh_l0 (8, 2) beside (8, 3), which do not make an LSTM."),
    "no arrays": ({}, "holds no arrays; save the state dict of a trained network."),
    "infinite": ({"weight": np.full((1, 1), np.inf)},
                 "holds NaN or infinity in weight; give it finite numbers."),
}  # fmt: skip


LAYERS = {"left over": [ml.BiLSTM(4), ml.BiLSTM(4)],
          "too many": [ml.FullyConnected(8), ml.FullyConnected(4)]}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_named(case, tmp_path):
    what, sentence = REFUSED[case]
    path = FILES / what if isinstance(what, str) else saved(tmp_path, what)
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_pytorch(path, LAYERS.get(case, [ml.BiLSTM(4)]))
    assert str(caught.value) == f"{path} {sentence}"


def test_layers_are_recognised_where_only_one_order_is_possible():
    found = recognised(modules_of(ml.read_weights(FILES / "plain.pt")))
    assert [layer.label for layer in found] == [
        "Sequence input with 3 dimensions", "LSTM with 4 hidden units", "2 fully connected layer",
    ]  # fmt: skip


def test_our_own_model_file_is_told(tmp_path):
    net = ml.Network([ml.SequenceInput(3), *PLAIN], rng=np.random.default_rng(0))
    path = net.save(tmp_path / "own.safetensors")
    with pytest.raises(ml.ModelFileError) as caught:
        ml.from_pytorch(path, PLAIN)
    assert str(caught.value) == (
        f"{path} is a model file of minilstm itself; load it with minilstm.load."
    )


def test_what_is_wrong_with_the_layers_is_no_fault_of_the_file():
    with pytest.raises(ValueError, match=r"^the network would have 3 classes for 2") as caught:
        ml.from_pytorch(FILES / "plain.pt", PLAIN, classes=["a", "b", "c"])
    assert not isinstance(caught.value, ml.ModelFileError)
    with pytest.raises(TypeError, match=r"^layers is no list of layers; give one, such as "):
        ml.from_pytorch(FILES / "plain.pt", "lstm")
