"""Thousands of damaged files of every format: each is read, or refused in one sentence, at once.
Zip archives are damaged outside, and within a member, whose checksum is made right again."""

import io
import time
import tracemalloc
import zipfile
from functools import partial

import campaigns
import numpy as np
import pytest
from other_files import FILES
from safetensors.numpy import save_file

import minilstm as ml

PLAIN = [ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
DEEP = [ml.BiLSTM(4), ml.BiLSTM(4), ml.BatchNormalization(), ml.FullyConnected(2)]
# What is read from a file beside its weights.
DOORS = {
    "plain.pt": partial(ml.from_pytorch, layers=PLAIN),
    "legacy.pth": partial(ml.from_pytorch, layers=PLAIN),
    "views.pt": None,
    "deep.safetensors": partial(ml.from_pytorch, layers=DEEP),
    "sequential.keras": ml.from_keras, "functional.h5": ml.from_keras, "upper.weights.h5": None,
    "plain.h5": None, "chunked.h5": None, "keras_outputs.npz": None, "ends.onnx": ml.from_onnx,
    "new.onnx": ml.from_onnx, "rtneural.json": ml.from_rtneural, "amp.nam": ml.from_rtneural,
}  # fmt: skip
SMALL = [*range(256), 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def damaged(data, rng):
    """The bytes with one to four faults."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at, size = int(rng.integers(len(data) + 1)), int(rng.choice([1, 2, 4, 8, 64]))
        kind = rng.integers(6)
        if kind == 0:
            data[at : at + size] = rng.bytes(size)
        elif kind == 1:
            number = SMALL[rng.integers(len(SMALL))] % 256**size
            data[at : at + size] = number.to_bytes(size, "little")
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:  # a part of itself, elsewhere
            other = int(rng.integers(len(data) + 1))
            data[at:at] = data[other : other + size * 8]
        elif kind == 4:
            data[at : at + 1] = (
                bytes([data[at] ^ 1 << int(rng.integers(8))]) if at < len(data) else b""
            )
        elif rng.integers(8) == 0:
            del data[at:]
    return bytes(data)


def within(data, rng):
    """An archive with one damaged member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice([n for n, raw in members.items() if len(raw) > 8]))
    members[name] = damaged(members[name], rng)
    file = io.BytesIO()
    packed = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(file, "w", int(packed)) as archive:
        for member, raw in members.items():
            archive.writestr(member, raw)
    return file.getvalue()


@pytest.mark.campaign
@pytest.mark.alone
@pytest.mark.usefixtures("on_numpy")
@pytest.mark.filterwarnings("ignore:the layer")
@pytest.mark.parametrize("name", DOORS)
def test_a_damaged_file_is_read_or_refused_at_once(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = (FILES / name).read_bytes()
    door = DOORS[name]
    for beside in FILES.glob(f"{name}.data"):
        (tmp_path / beside.name).write_bytes(beside.read_bytes())
    rng = np.random.default_rng(len(whole))
    fates = {"read": 0, "refused": 0}
    for case in range(campaigns.cases(100_000) // len(DOORS) + 1):
        inside = whole.startswith(b"PK") and case % 4
        data = within(whole, rng) if inside else damaged(whole, rng)
        (tmp_path / name).write_bytes(data)
        measured = case % 20 == 0
        if measured:
            tracemalloc.start()
        started = time.process_time()
        for read in filter(None, (ml.read_weights, door)):
            try:
                read(name)
                fates["read"] += 1
            except ml.ModelFileError as error:
                said = str(error)
                assert said.startswith(f"{name} ") and said.endswith("."), said
                assert len(said) < 1000 and "\n" not in said, said
                fates["refused"] += 1
        assert time.process_time() - started < (5 if measured else 1)
        if measured:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10 * len(data) + 2e6, (case, peak, len(data))
    assert min(fates.values()) > 0, fates
    assert {p.name for p in tmp_path.iterdir()} <= {name, f"{name}.data"}  # nothing ran


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize("kind", [".onnx", ".safetensors", "half.safetensors", ".npz", ".json"])
def test_a_large_file_takes_at_most_ten_times_its_size(kind, tmp_path):
    layers = [ml.LSTM(300), ml.FullyConnected(2), ml.Softmax()]
    net = ml.Network([ml.SequenceInput(50), *layers], rng=np.random.default_rng(0))
    path = tmp_path / f"a{kind}"
    if kind in (".onnx", ".json"):
        ml.export(net, path, check=False)
    else:
        ml.export(net, tmp_path / "b.safetensors", check=False)
        arrays = ml.read_weights(tmp_path / "b.safetensors")
        if kind == ".npz":
            np.savez(path, **arrays)
        else:
            dtype = "f2" if kind.startswith("half") else "f4"
            save_file({k: a.astype(dtype) for k, a in arrays.items()}, path)
    doors = {".onnx": ml.from_onnx, ".json": ml.from_rtneural}
    tracemalloc.start()
    try:
        doors.get(kind, partial(ml.from_pytorch, layers=layers))(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * path.stat().st_size
