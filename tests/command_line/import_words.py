"""The cases of the words of import, each with what it changes in the model file.
They read a state dict of PyTorch: an LSTM from 3 to 4, and a linear layer from 4 to 2."""

from pathlib import Path

import minilstm as ml

FILES = Path(__file__).parents[1] / "exchange" / "files"
PLAIN = ["import", FILES / "plain.pt"]


def net(w, *words, file="plain.pt"):
    w.run("import", FILES / file, "--out", w.out / "m.safetensors", *words)
    return ml.load(w.out / "m.safetensors")


def layers(w):
    assert net(w).output_mode == "sequence"
    assert net(w, "--layers", "lstm:4:last,dense:2").output_mode == "last"


def prefix(w):
    words = ["--layers", "bilstm:4,bilstm:4"]
    part = net(w, "--prefix", "model_state_dict.module.lstm", *words, file="checkpoint.pt")
    assert len(part.layers) == 3
    assert "which no layer takes" in w.run(
        "import", FILES / "checkpoint.pt", "--out", w.out / "n.safetensors", *words, code=2
    )["error"]  # fmt: skip


def classes(w):
    assert net(w).classes is None
    assert net(w, "--classes", "no,yes").classes.tolist() == ["no", "yes"]


IMPORT = {
    ("import", "--layers"): layers,
    ("import", "--prefix"): prefix,
    ("import", "--classes"): classes,
    ("import", "--out"): lambda w: net(w) and (w.out / "m.safetensors").stat(),
}
