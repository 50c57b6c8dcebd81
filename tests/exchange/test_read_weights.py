"""Arrays out of files of PyTorch, Keras, h5py, NumPy and others: the bits that were put in.
What is not plain arrays is refused in one sentence, and nothing of it runs."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from other_files import FILES
from safetensors.numpy import save

import minilstm as ml
from minilstm.exchange.incoming.formats.safetensors import read_safetensors, write_safetensors

COUNTING = np.arange(12.0, dtype=np.float32).reshape(3, 4)
SIX = np.arange(6.0).reshape(2, 3)


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_every_kind_of_tensor_comes_as_it_was():
    found = ml.read_weights(FILES / "views.pt")
    wanted = {
        "rows": COUNTING[1:, ::2], "turned": COUNTING.T, "half": COUNTING.astype("f2"),
        "upper": COUNTING, "counts": np.array([1, -2]), "flags": np.array([True, False]),
        "none": COUNTING[:0],
    }  # fmt: skip
    assert list(found) == [f"nested.0.{name}" for name in wanted]
    assert all(same(found[f"nested.0.{name}"], a) for name, a in wanted.items())
    assert all(a.flags.writeable for a in found.values())


def test_safetensors_are_written_byte_for_byte_as_by_the_package():
    names = ["z/\u00e9\u2028", 'a"\\/\x01\x7f', "", *"abcdefghi"]
    kinds = ["u8", "i8", "f8", "f4", "u4", "i4", "f2", "u2", "i2", "i1", "u1", "?"]
    arrays = {n: COUNTING.astype(k)[:, ::2] for n, k in zip(names, kinds, strict=True)}
    arrays |= {"none": COUNTING[:0], "one": np.float64(7), "turned": COUNTING.T}
    arrays["big"] = SIX.astype(">f4")
    texts = {"minilstm": '{"\u00e4": "\\n\n\t\b\f\x00\x1f\U0001f600"}'}
    data = write_safetensors({k: np.asarray(a) for k, a in arrays.items()}, texts)
    assert data == save(
        {k: np.ascontiguousarray(a).reshape(a.shape) for k, a in arrays.items()}, texts
    )
    found, told = read_safetensors(data)
    assert told == texts and set(found) == set(arrays)
    assert all(
        same(found[k], np.asarray(a).astype(a.dtype.newbyteorder("="))) for k, a in arrays.items()
    )


def test_all_formats_of_one_state_dict_agree():
    plain, legacy = (ml.read_weights(FILES / name) for name in ("plain.pt", "legacy.pth"))
    assert list(plain) == list(legacy) and all(same(plain[k], legacy[k]) for k in plain)
    deep = ml.read_weights(FILES / "deep.safetensors")
    upper = ml.read_weights(FILES / "upper.safetensors")
    within = ml.read_weights(FILES / "checkpoint.pt")
    for key, array in deep.items():
        assert same(within[f"model_state_dict.{key}"], array)
        assert np.array_equal(upper[key], array) or np.allclose(upper[key], array, rtol=2**-8)
    assert "optimizer.state.0.exp_avg" in within


def test_hdf5_of_h5py_and_of_keras():
    plain = ml.read_weights(FILES / "plain.h5")
    assert same(plain["numbers"], SIX) and same(plain["whole/big"], SIX.astype("i4"))
    assert plain["empty"].shape == (0, 3)
    inside, alone = (ml.read_weights(FILES / f"sequential.{e}") for e in ("keras", "weights.h5"))
    assert len(inside) == 15 and all(same(inside[k], alone[k]) for k in inside)
    upper = ml.read_weights(FILES / "upper.weights.h5")
    assert upper["layers/lstm/cell/vars/0"].dtype == np.float32
    assert not (upper["layers/lstm/cell/vars/0"].view("u4") & 0xFFFF).any()


def test_npz_of_both_orders(tmp_path):
    arrays = {"a": COUNTING, "turned": COUNTING.T, "one": np.array(3.0), "whole": np.arange(3)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = ml.read_weights(tmp_path / "a.npz")
    assert all(same(np.ascontiguousarray(found[k]), np.ascontiguousarray(a)) or not a.ndim
               for k, a in arrays.items())  # fmt: skip
    assert found["one"] == 3.0


def test_a_nam_file_in_parts():
    found = ml.read_weights(FILES / "amp.nam")
    assert {k: a.shape for k, a in found.items() if "layers.1" in k or "head" in k} == {
        "layers.1.input_weights": (12, 3), "layers.1.recurrent_weights": (12, 3),
        "layers.1.bias": (12,), "layers.1.hidden_state": (3,), "layers.1.cell_state": (3,),
        "head.weights": (1, 3), "head.bias": (1,),
    }  # fmt: skip


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, ("pwned",)


def endless(depth):
    """So many dicts, with twice as many ways to each as to the one before."""
    return {"a": (inner := endless(depth - 1)), "b": inner} if depth else {}


def zipped(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(text, numbers=b""):
    return struct.pack("<Q", len(text)) + text + numbers


TENSOR = b'{"a": {"dtype": "%s", "shape": [2], "data_offsets": [0, %d]}}'
STATE = "save the state dict, with torch.save(model.state_dict(), path)."
REFUSED = {
    "whole.pt": (None, "holds torch.nn.modules.linear.Linear, but only plain arrays are loaded, as "
                 f"other objects can run code: {STATE}"),
    "evil.pt": (zipped({"a/data.pkl": pickle.dumps(Evil(), 2)}),
                "holds posix.mkdir, but only plain arrays are loaded, as other objects can run "
                f"code: {STATE}"),
    "script.pt": (None, "is TorchScript, which is a program; save the state dict instead, with "
                  "torch.save(module.state_dict(), path)."),
    "other.pt": (zipped({"a.txt": b""}),
                 f"is a zip archive without the data.pkl of torch.save; {STATE}"),
    "text.pt": (b"hello, this is no model", "is no file of torch.save; name a .pt or .pth file."),
    "odd.pt": (zipped({"a/data.pkl": b"\x80\x02I1\n."}), "holds the pickle operation b'I', which "
               "plain data do not need; save the state dict alone, with "
               "torch.save(model.state_dict(), path)."),
    "tar.pt": (b"\0" * 257 + b"ustar", "is a tar, as PyTorch wrote before 2017, which nothing "
               "reads safely; load it with an old PyTorch that you trust and save its state dict."),
    "bomb.pt": (zipped({"a/data.pkl": bytes(10**6)}, zipfile.ZIP_DEFLATED),
                "holds members of 1000000 bytes in a file of 1103, which may fill the memory; "
                "write it without compression."),
    "chunked.h5": (None, "has 'numbers' in chunks; save it anew with h5py's usual settings, "
                   "without chunks, compression or libver."),
    "packed.h5": (None, "has 'numbers' compressed or outside the file; save it anew with h5py's "
                  "usual settings, without chunks, compression or libver."),
    "newer.h5": (None, "is of the newer layout of HDF5; save it anew with h5py's usual settings, "
                 "without chunks, compression or libver."),
    "linked.h5": (None, "has a link in the place of 'again'; save it anew with h5py's usual "
                  "settings, without chunks, compression or libver, and without links."),
    "loop.h5": (None, "leads to 'again' twice; save it anew with h5py's usual settings, without "
                "chunks, compression or libver, and without links."),
    "endless.pt": (zipped({"a/data.pkl": pickle.dumps(endless(60), 2)}),
                   "is nested without end; save the state dict alone."),
    "many.pt": (zipped({"a/data.pkl": b"\x80\x02" + b"}" * 99_999}), "holds objects of 466024 "
                "bytes in a file of 100119, which no program writes; get the file from a source "
                "that you trust."),
    "short.safetensors": (header(b"{}")[:-1],
                          "ends within its header; copy it again, or write it again."),
    "number.safetensors": (header(b'{"__metadata__": {"a": 1}}'),
                           "has metadata that are no texts; write it again."),
    "less.safetensors": (header(TENSOR % (b"F32", 8), bytes(7)), "has arrays that overlap or leave "
                         "gaps; it may be truncated: copy it again."),
    "eight.safetensors": (header(TENSOR % (b"F8_E4M3", 2), bytes(2)), "has 'a' in the type "
                          "'F8_E4M3', which NumPy has not; save it as float32."),
    "twice.safetensors": (header(b'{"a": 1, "a": 2}'),
                          "has a name twice in its JSON; write it again."),
    "objects.npz": (zipped({"a.npy": npy(np.array([{}]), allow_pickle=True)}),
                    "holds object in a.npy; write arrays of real numbers only."),
    "brackets.json": (b"[" + b"{}," * 99_999 + b"{}]", "holds little but brackets; get the file "
                      "from a source that you trust."),
    "wavenet.nam": (b'{"architecture": "WaveNet", "config": {}}',
                    "has the architecture 'WaveNet'; only LSTM is read."),
    "few.nam": (b'{"architecture": "LSTM", "weights": [0.5, 1], "config": {"input_size": 1, '
                b'"hidden_size": 1, "num_layers": 1}}',
                "has 2 weights, but its sizes want 16; write it again."),
    "complex.npz": (zipped({"a.npy": npy(np.zeros(2, complex))}),
                    "holds complex128 in a.npy; write arrays of real numbers only."),
    "state.npz": (zipped({"a/data.pkl": b""}), "is a file of torch.save, not what .npz says; let "
                  "its name end in .pt, and read it with ml.from_pytorch(path, layers)."),
    "a.onnx": (b'{"layers": []}', "is a file of JSON, not what .onnx says; let its name end in "
               ".json, and read it with ml.from_rtneural(path)."),
    "graph.pt": (b"\x08\x07\x12", "is a file of ONNX, not what .pt says; let its name end in "
                 ".onnx, and read it with ml.from_onnx(path)."),
    "other.keras": (zipped({"model.weights.npz": b""}),
                    "has no member model.weights.h5; check its name, or write it again."),
    "lfs.pt": (b"version https://git-lfs.github.com/spec/v1\n",
               "is a pointer of Git LFS, not the file; run git lfs pull."),
    "page.safetensors": (b"\n<!DOCTYPE html>", "is a web page, not the file; download the file "
                         "itself."),
    "cut.json": (b'{"layers": [', "is no whole file of its kind (Expecting value: line 1 column 13 "
                 "(char 12)); copy it again, or write it again."),
    "odd.json": (b'{"layers": [{}]}', "holds what files of its kind do not (it lacks 'weights'); "
                 "write it again."),
    "model.txt": (b"hello", "is of no kind that is read: .pt, .pth, .safetensors, .keras, "
                  ".weights.h5, .h5, .npz, .onnx, RTNeural's .json or .nam; check its name."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_in_one_sentence(name, tmp_path, monkeypatch):
    data, sentence = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes((FILES / name).read_bytes() if data is None else data)
    with pytest.raises(ml.ModelFileError) as caught:
        ml.read_weights(name)
    assert str(caught.value) == f"{name} {sentence}"
    assert [p.name for p in tmp_path.iterdir()] == [name]  # nothing ran


@pytest.mark.parametrize("location", ["../beside.onnx.data", "/etc/passwd", "", "C:b", "no.data"])
def test_arrays_outside_the_folder_are_refused(location, tmp_path):
    data = (FILES / "beside.onnx").read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "beside.onnx.data").write_bytes((FILES / "beside.onnx.data").read_bytes())
    # As long as it was, so that the messages around it stay whole.
    data = data.replace(b"beside.onnx.data", location.ljust(16, "a").encode()[:16])
    (tmp_path / "in" / "a.onnx").write_bytes(data)
    with pytest.raises(
        ml.ModelFileError, match=r"put (that file beside it|it into the same folder)"
    ):
        ml.read_weights(tmp_path / "in" / "a.onnx")


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "beside.onnx.data").write_bytes((FILES / "beside.onnx.data").read_bytes())
    (tmp_path / "in" / "a.onnx").write_bytes((FILES / "beside.onnx").read_bytes())
    (tmp_path / "in" / "beside.onnx.data").symlink_to(tmp_path / "beside.onnx.data")
    with pytest.raises(ml.ModelFileError, match="which is no file beside it; put it into the same"):
        ml.read_weights(tmp_path / "in" / "a.onnx")
