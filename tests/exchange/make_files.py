"""Writes the files of other frameworks in tests/exchange/files, with the outputs they gave.
Run once, with PyTorch, onnxscript, Keras (on JAX) and h5py: python tests/exchange/make_files.py

PyTorch and Keras each run in a process of their own: python make_files.py torch, then keras.
"""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np

FILES = Path(__file__).parent / "files"
X = np.random.default_rng(1).standard_normal((2, 6, 3)).astype("f4")


def without_places(path):
    """Take out of an ONNX file where on this machine each node was made."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        del node.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def with_torch():
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, layers=1, both=False, last=False, dropout=0.0):
            super().__init__()
            kept = {"batch_first": True, "bidirectional": both, "dropout": dropout}
            self.lstm = nn.LSTM(3, 4, layers, **kept)
            self.fc = nn.Linear(4 * (1 + both), 2)
            self.last = last

        def forward(self, x):
            y, (h, _) = self.lstm(x)
            if self.last == "state":  # of both directions, each at its own end
                y = torch.cat([h[-2], h[-1]], 1)
            return torch.softmax(self.fc(y[:, -1] if self.last is True else y), -1)

    class Normalized(Net):
        def __init__(self):
            super().__init__(2, True, dropout=0.2)
            self.norm = nn.BatchNorm1d(8)

        def forward(self, x):
            y = self.norm(self.lstm(x)[0].transpose(1, 2)).transpose(1, 2)
            return torch.softmax(self.fc(y), -1)

    torch.manual_seed(0)
    out = {"x": X}
    x = torch.from_numpy(X)

    def run(name, model):
        with torch.no_grad():
            out[name] = model.eval()(x).numpy()
        return model

    plain = run("plain", Net())
    torch.save(plain.state_dict(), FILES / "plain.pt")
    torch.save(plain.state_dict(), FILES / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(nn.Linear(1, 1), FILES / "whole.pt")
    deep = Normalized()
    optimizer = torch.optim.Adam(deep.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        deep(x).square().sum().backward()
        optimizer.step()
    run("deep", deep)
    state = {f"module.{k}": v for k, v in deep.state_dict().items()}
    checkpoint = {"epoch": 3, "model_state_dict": state, "optimizer": optimizer.state_dict()}
    torch.save(checkpoint, FILES / "checkpoint.pt")
    named = {k: v.numpy() for k, v in deep.state_dict().items()}
    w = torch.arange(12.0).reshape(3, 4)
    views = {
        "rows": w[1:, ::2], "turned": nn.Parameter(w.T), "half": w.half(), "upper": w.bfloat16(),
        "counts": torch.tensor([1, -2]), "flags": torch.tensor([True, False]), "none": w[:0],
    }  # fmt: skip
    torch.save({"nested": [views], "text": "kept nowhere"}, FILES / "views.pt")
    torch.save(nn.LSTM(3, 4, proj_size=2).state_dict(), FILES / "projection.pt")
    torch.save(nn.GRU(3, 4).state_dict(), FILES / "gru.pt")
    script = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), script)
    (FILES / "script.pt").write_bytes(script.getvalue())
    from safetensors.torch import save_file

    deep_half = {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}
    save_file(deep_half, FILES / "upper.safetensors")
    save_file({f"module.{k}": torch.from_numpy(v.copy()) for k, v in named.items()},
              FILES / "deep.safetensors")  # fmt: skip

    axes = {"x": {0: "batch", 1: "time"}}
    for name, net in {
        "sequence": plain, "last": Net(last=True), "both": Net(2, both=True),
        "ends": Net(both=True, last="state"), "first": Net(both=True, last=True),
    }.items():  # fmt: skip
        run(name, net)
        torch.onnx.export(
            net, (x[:1],), FILES / f"{name}.onnx", dynamo=False, opset_version=14,
            input_names=["x"], output_names=["scores"], dynamic_axes=axes,
        )  # fmt: skip
    free = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("time")},)
    torch.onnx.export(run("new", Net()), (x,), FILES / "new.onnx", dynamo=True, dynamic_shapes=free)
    torch.onnx.export(run("beside", Net(2, both=True)), (x,), FILES / "beside.onnx", dynamo=True)
    for name in ("new", "beside"):
        without_places(FILES / f"{name}.onnx")

    p = {k: v.double().numpy() for k, v in plain.state_dict().items()}
    bias = p["lstm.bias_ih_l0"] + p["lstm.bias_hh_l0"]
    rows = [p["lstm.weight_ih_l0"].T, p["lstm.weight_hh_l0"].T, bias]
    layers = [
        {"type": "lstm", "activation": "tanh", "shape": [None, None, 4],
         "weights": [a.tolist() for a in rows]},
        {"type": "dense", "activation": "softmax", "shape": [None, None, 2],
         "weights": [p["fc.weight"].T.tolist(), p["fc.bias"].tolist()]},
    ]  # fmt: skip
    plain_json = {"in_shape": [None, None, 3], "layers": layers}
    (FILES / "rtneural.json").write_text(json.dumps(plain_json))
    amp = nn.LSTM(1, 3, 2, batch_first=True)
    head, h0, c0 = nn.Linear(3, 1), 0.1 * torch.randn(2, 1, 3), 0.1 * torch.randn(2, 1, 3)
    with torch.no_grad():
        start = (h0.repeat(1, 2, 1), c0.repeat(1, 2, 1))
        out["amp"] = head(amp(x[..., :1], start)[0]).numpy()
    q = {k: v.double().numpy() for k, v in amp.state_dict().items()}
    flat = []
    for k in range(2):
        both = np.hstack([q[f"weight_ih_l{k}"], q[f"weight_hh_l{k}"]])
        flat += [both.ravel(), q[f"bias_ih_l{k}"] + q[f"bias_hh_l{k}"]]
        flat += [h0[k, 0].numpy(), c0[k, 0].numpy()]
    flat += [head.weight.detach().numpy().ravel(), head.bias.detach().numpy()]
    config = {"input_size": 1, "hidden_size": 3, "num_layers": 2}
    amp_file = {"version": "0.5.4", "architecture": "LSTM", "config": config,
                "weights": np.concatenate(flat).astype(float).tolist()}  # fmt: skip
    (FILES / "amp.nam").write_text(json.dumps(amp_file))
    np.savez_compressed(FILES / "torch_outputs.npz", **out)


def with_keras():
    os.environ["KERAS_BACKEND"] = "jax"
    import h5py
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(0)
    out = {"x": X}
    model = keras.Sequential([
        keras.Input((None, 3)), L.LSTM(4, return_sequences=True, activation="softsign"),
        L.Bidirectional(L.LSTM(3)), L.BatchNormalization(), L.Dropout(0.3),
        L.Dense(2, activation="softmax"),
    ])  # fmt: skip
    model.compile("adam", "mse")
    model.fit(X, np.ones((2, 2)), epochs=2, verbose=0)
    out["sequential"] = model.predict(X, verbose=0)
    model.optimizer = None
    model.save(FILES / "sequential.keras")
    model.save_weights(FILES / "sequential.weights.h5")
    x = keras.Input((None, 3))
    y = L.LSTM(3, return_sequences=True, name="b", use_bias=False)(x)
    y = L.LSTM(3, return_sequences=True, name="a", dropout=0.1)(y)
    model = keras.Model(x, L.Activation("sigmoid")(L.TimeDistributed(L.Dense(2))(y)))
    out["functional"] = model.predict(X, verbose=0)
    model.save(FILES / "functional.keras")
    model.save(FILES / "functional.h5")
    model = keras.Sequential([keras.Input((None, 3)), L.LSTM(1, dropout=0.5)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(X, np.ones((2, 1)), epochs=1, verbose=0)
    out["trained"] = model.predict(X, verbose=0)
    model.save(FILES / "trained.keras")
    for name, layer, before in (
        ("hard", L.LSTM(2, recurrent_activation="hard_sigmoid", name="cell"), []),
        ("backwards", L.LSTM(2, go_backwards=True, name="cell"), []),
        ("masked", L.LSTM(2), [L.Masking()]),
    ):  # fmt: skip
        keras.Sequential([keras.Input((None, 3)), *before, layer]).save(FILES / f"{name}.keras")
    # As Keras 2 wrote it: ":0" behind each name, and the version decides what hard_sigmoid is.
    data = io.BytesIO()
    with h5py.File(data, "w") as file, zipfile.ZipFile(FILES / "hard.keras") as archive:
        config = json.loads(archive.read("config.json"))
        file.attrs["model_config"] = json.dumps(config).encode()  # of a fixed length
        file.attrs["keras_version"] = "2.11.0"
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as old:
            names = ["kernel", "recurrent_kernel", "bias"]
            cell = file.create_group("model_weights/lstm_1/lstm_1/lstm_cell")
            for k, name in enumerate(names):
                cell[f"{name}:0"] = old[f"layers/lstm/cell/vars/{k}"][()]
        name = config["config"]["layers"][-1]["config"]["name"]
        file.move("model_weights/lstm_1", f"model_weights/{name}")
    (FILES / "keras2.h5").write_bytes(data.getvalue())
    small = keras.Sequential([keras.Input((None, 1)), L.LSTM(1, dtype="bfloat16")])
    small.save_weights(FILES / "upper.weights.h5")
    numbers = np.arange(6.0).reshape(2, 3)
    for name, options, libver in (
        ("chunked", {"chunks": (1, 3)}, None), ("packed", {"compression": "gzip"}, None),
        ("newer", {}, "latest"), ("plain", {}, None), ("linked", {}, None), ("loop", {}, None),
    ):  # fmt: skip
        with h5py.File(FILES / f"{name}.h5", "w", libver=libver) as file:
            file.create_dataset("numbers", data=numbers, **options)
            if name == "linked":
                file["again"] = h5py.SoftLink("/numbers")
            if name == "loop":
                file["again"] = file["/"]
            if name == "plain":
                file["whole/big"] = numbers.astype(">i4")
                file["empty"] = np.zeros((0, 3))
    np.savez_compressed(FILES / "keras_outputs.npz", **out)


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    {"torch": with_torch, "keras": with_keras}[sys.argv[1]]()
