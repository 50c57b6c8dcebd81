"""Advice about files of other programs: PyTorch's pickles, zip archives, safetensors, HDF5, JSON.
The whole files are those of tests/exchange/files, which the other programs wrote.
"""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np

import minilstm as ml

FILES = Path(__file__).parents[1] / "exchange" / "files"
END = b"tR."


def wrote(name, data):
    """The name of a new file of some bytes."""
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name


def read(name, data=None):
    """The arrays of a new file, or of one that another program wrote."""
    return ml.read_weights(FILES / name if data is None else wrote(name, data))


def tensors(header):
    """A file of safetensors without arrays."""
    return len(header).to_bytes(8, "little") + header.encode()


def zipped(packing=zipfile.ZIP_STORED, **members):
    """A zip archive; a member "a_b" is called "a/b"."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "/"), data)
    return file.getvalue()


def npz(**arrays):
    """What numpy.savez writes."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def pt(*operations, **members):
    """The arrays of a file as torch.save writes it, whose pickle has some operations."""
    return read("a.pt", zipped(**{"a_data.pkl": b"\x80\x02" + b"".join(operations), **members}))


def text(word):
    """The operation that pushes a text."""
    return b"X" + struct.pack("<I", len(word)) + word.encode()


def tensor(end=b"tQ", offset=b"K\0"):
    """The operations that make a tensor of two numbers, out of four in a storage."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\4"
    return REBUILD + storage + end + offset + b"K\2\x85K\1\x85tR"


def older(protocol):
    """A file as PyTorch wrote it before the zip archive, with the number of its protocol."""
    magic = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
    machine = b"\x80\x02}" + text("little_endian") + b"\x88s."
    return magic + b"\x80\x02M" + struct.pack("<H", protocol) + b"." + machine + b"N.]."


def nested(depth):
    """Dicts within dicts."""
    return {"a": nested(depth - 1)} if depth else {}


def header(plain, numbers=8):
    """A safetensors file with some header."""
    plain = plain if isinstance(plain, str) else json.dumps({"a": plain})
    return struct.pack("<Q", len(plain)) + plain.encode() + bytes(numbers)


def entry(dtype="F32", shape=(2,), end=8):
    """What the header says of an array."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}


def nam(weights=16, **config):
    """A .nam file with so many weights."""
    sizes = {"input_size": 1, "hidden_size": 1, "num_layers": 1, **config}
    plain = {"architecture": "LSTM", "weights": [0.5] * weights, "config": sizes}
    return read("a.nam", json.dumps(plain))


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("
STATE = "read('plain.pt')"  # torch.save(model.state_dict(), path) wrote it
TENSOR = "pt(tensor(), b'.', a_data_0=bytes(16))['tensor'].tolist() == [0, 0]"
SETTINGS = "save it anew with h5py's usual settings, without chunks, compression or libver"
TABLE = [
    ("read('a.safetensors', tensors('{\"__metadata__\": {\"a\": 1}}'))", "write it again",
     "read('a.safetensors', tensors('{\"__metadata__\": {\"a\": \"1\"}}'))"),
    # ------------------------------------------------------------ PyTorch
    *((call, "save the state dict", STATE) for call in (
        r"read('whole.pt')",
        r"read('script.pt')",
        r"read('other.pt', zipped(a=b''))",
        r"pt(b'I1\n.')",
        r"pt(b'}NNs.')",
        r"pt(b'}Na.')",
        r"pt(b'NNR.')",
        r"pt(b'NNb.')",
        r"pt(b'ctorch\nFloatStorage\n)R.')",
        r"pt(b'ccollections\nOrderedDict\n(NtR.')",
        r"pt(pickle.dumps(nested(40), 2))",
    )),
    *((call, r"(copy|write) it again", TENSOR) for call in (
        r"pt(b'ctorch')",
        r"pt(b'\x86.')",
        r"pt(REBUILD, b'NNNN', END)",
        r"pt(tensor(offset=b'J' + b'\xff' * 4), b'.')",
        r"pt(b'NQ.')",
        r"pt(tensor(), b'.', a_data_0=bytes(8))",
        r"pt(tensor(offset=b'K\x09'), b'.', a_data_0=bytes(16))",
        r"pt(b'N')",
    )),
    ("read('a.pt', older(1001)[:-2] + b']' + text('0') + b'a.')", "write it again",
     "read('legacy.pth')"),
    (r"pt(b'\x80\x09N.')", "save it with a usual one", "pt(pickle.dumps({}, 2)) == {}"),
    (r"pt(tensor(b'K\1tQ'), b'.')", "as before PyTorch 0.4; save it with a newer one", STATE),
    *((call, "save it as safetensors there", "read('deep.safetensors')") for call in (
        "pt(b'}.', a_byteorder=b'big')", "read('a.pt', older(1))")),
    *((call, r"name a (\.pt) or (\.pth) file", f"{STATE}; read('legacy.pth')") for call in (
        "read('a.pt', b'hello')", r"read('a.pt', b'\x80\x02K\1.')")),
    (r"read('a.pt', bytes(257) + b'ustar')", "load it with an old PyTorch that you trust and save",
     STATE),
    ("pt(b'}', text('a.b'), tensor(), b's', text('a'), b'}', text('b'), tensor(), b'ss.')",
     "rename one of them",
     "sorted(pt(b'}', text('c'), tensor(), b's', text('a'), b'}', text('b'), tensor(), b'ss.', "
     "a_data_0=bytes(16))) == ['a.b', 'c']"),
    # ------------------------------------------------------------ archives
    *((call, "(copy|write) it again", "read('a.npz', npz(a=np.ones(3)))") for call in (
        "read('a.npz', b'PK')",
        "read('a.npz', zipped(a1=b'', a2=b'').replace(b'a2', b'a1'))",
        "read('a.npz', npz(a=np.ones(3)).replace(b'descr', b'Descr'))",
        "read('a.keras', zipped(a=b''))",
        "read('a.npz', zipped(a=b'hello'))",
    )),
    ("read('a.npz', zipped(zipfile.ZIP_BZIP2, a=b''))", "write it again, stored or deflated",
     "read('a.npz', npz(a=np.ones(3)))"),
    ("read('a.npz', npz(a=np.array(['no'])))", "write arrays of real numbers only",
     "read('a.npz', npz(a=np.ones(3)))"),
    ("read('a.pt', zipped(zipfile.ZIP_DEFLATED, a=bytes(10**6)))", "write it without compression",
     STATE),
    ("read('a.pt', 'version https://git-lfs')", "not the file; run git lfs pull", STATE),
    # ------------------------------------------------------------ safetensors
    *((call, "(copy|write) it again", "read('a.safetensors', header(entry()))") for call in (
        "read('a.safetensors', header(entry())[:9])",
        "read('a.safetensors', header(entry(), 7))",
        "read('a.safetensors', header(entry(shape=[-1])))",
        "read('a.safetensors', header(entry(shape=[3])))",
        "read('a.safetensors', header('{\"a\": 1, \"a\": 2}'))",
        "read('a.safetensors', header('no JSON'))",
    )),
    ("read('a.safetensors', header(entry('F8_E4M3', end=2), 2))", "save it as float32",
     "read('a.safetensors', header(entry()))"),
    ("with patch.object(Path, 'read_bytes', side_effect=OSError(5, 'broken')): read('plain.pt')",
     "free some space, change the permissions, or choose another place", STATE),
    ("read('a.txt', 'hello')", r"\.pt, \.pth, .*; check its name", STATE),
    # ------------------------------------------------------------ HDF5
    *((f"read('{name}.h5')", SETTINGS, "read('plain.h5')") for name in (
        "chunked", "packed", "newer", "linked", "loop")),
    (r"read('a.h5', (FILES / 'plain.h5').read_bytes().replace(b'\x11\x20\x3f', b'\x12\x20\x3f'))",
     "remove it", "read('plain.h5')"),
    # ------------------------------------------------------------ JSON
    ("read('a.json', '[NaN]')", "give it finite numbers", "read('rtneural.json')"),
    ("read('a.json', '[' + '{},' * 99999 + '{}]')", "from a source that you trust",
     "read('rtneural.json')"),
    ("read('a.json', '{}')", "check its name", "read('rtneural.json')"),
    ("read('a.pt', '{}')", r"let its name end in (\.json), and read it with ml\.(from_rtneural)",
     "read('rtneural$1'); ml.$2(FILES / 'rtneural.json')"),
    ("read('a.nam', '{}')", "check its name", "read('amp.nam')"),
    *((call, "write it again", "nam()") for call in (
        "nam(hidden_size=0)", "nam(15)",
        "read('a.json', json.dumps({'layers': [{'weights': [['a']]}]}))")),
]  # fmt: skip
