"""The command import: files of other programs become model files, or are refused in one sentence.
What was recognised is said, and nothing is written where something does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from minilstm.command_line.cli import main

FILES = Path(__file__).parents[1] / "exchange" / "files"
LAYERS = ["--layers", "bilstm:4,bilstm:4,batchnorm,dense:2,softmax"]
RECOGNISED = (
    "recognised: Sequence input with 3 dimensions, LSTM with 4 hidden units, 2 fully connected "
    "layer; with another function, or the last step only, say it with --layers.\n"
)
pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.mark.parametrize(
    ("file", "more", "said"),
    [
        ("plain.pt", [], RECOGNISED),
        ("plain.pt", ["--layers", "lstm:4:last,dense:2,softmax", "--classes", "no,yes"], ""),
        ("checkpoint.pt", LAYERS, ""),
        ("deep.safetensors", LAYERS, ""),
        ("sequential.keras", [], ""),
        ("functional.h5", [], "minilstm: the layer 'a' (LSTM) has dropout=0.1, which is left out, "
         "as it acts in training alone.\n"),
        ("ends.onnx", [], ""),
        ("rtneural.json", [], ""),
        ("amp.nam", [], ""),
    ],
)  # fmt: skip
def test_every_kind_becomes_a_model_file(file, more, said, capsys):
    assert main(["import", str(FILES / file), "--out", "model.safetensors", "--json", *more]) == 0
    printed, told = capsys.readouterr()
    assert told == said
    net = ml.load("model.safetensors")
    result = json.loads(printed.splitlines()[-1])
    assert result["files"] == ["model.safetensors"] and result["dtype"] == "float32"
    assert result["layers"] == [{"kind": a.kind, "name": a.name} for a in net.layers]
    assert result["classes"] == (["no", "yes"] if "--classes" in more else None)
    assert np.isfinite(net.predict(np.ones((3, net.input_size)))).all()


@pytest.mark.parametrize(
    ("file", "more", "sentence"),
    [
        ("checkpoint.pt", [], "{} holds lstm layer 0 (BiLSTM, 3 to 4), lstm layer 1 (BiLSTM, 8 to "
         "4), fc (FullyConnected, 8 to 2), norm (BatchNormalization, 8 to 8), of which the order "
         "and what stands between is not known; say it with --layers, such as "
         "lstm:32,relu,dense:5,softmax."),
        ("plain.pt", ["--layers", "lstm:5"], "{} holds no module for the layer LSTM (LSTM with 5 "
         "hidden units), but lstm (LSTM, 3 to 4), fc (FullyConnected, 4 to 2); give layers of "
         "these kinds and sizes, in their order."),
        ("amp.nam", LAYERS, "--layers and --prefix are for state dicts of PyTorch, but {} says its "
         "layers itself; leave them out."),
        ("first.onnx", [], "{} is not reproduced: the node '/fc/Gemm' (Gemm) differs from the "
         "layer built for it by 0.13 on 2 sequences of 5 steps; of two directions join both final "
         "states, as y[:, -1] has the second one early."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_and_nothing_written(file, more, sentence, capsys, tmp_path):
    assert main(["import", str(FILES / file), "--out", "model.safetensors", *more]) == 2
    assert capsys.readouterr().err == f"minilstm: {sentence.format(FILES / file)}\n"
    assert not any(tmp_path.iterdir())


def test_a_model_file_is_called_so(capsys):
    assert main(["import", str(FILES / "plain.pt"), "--out", "b.pt"]) == 2
    assert capsys.readouterr().err == (
        "minilstm: --out is 'b.pt', but a model file is written; let the name end in "
        ".safetensors.\n"
    )


def test_words_that_are_no_layers(capsys):
    assert main(["import", "a.pt", "--out", "b", "--layers", "lstm:0"]) == 2
    assert capsys.readouterr().err == (
        "minilstm: --layers: 'lstm:0' is no layer; write lstm:32, bilstm:32, lstm:32:last, "
        "dense:5, or one of relu, sigmoid, softmax, batchnorm, dropout.\n"
    )
