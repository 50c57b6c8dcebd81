"""The arrays of a file of another program, by the names that they have there.
The first bytes of a file say what it is, and its ending says so where they do not."""

from __future__ import annotations

import os
from pathlib import Path

from minilstm.exchange.incoming.formats.archive import Archive, read_npz
from minilstm.exchange.incoming.formats.bounds import Array, Refused, file_bytes, plain_json, told
from minilstm.exchange.incoming.formats.hdf5 import SIGNATURE, Hdf5
from minilstm.exchange.incoming.formats.json_files import nam_arrays, rtneural_arrays
from minilstm.exchange.incoming.formats.onnx_file import read_onnx
from minilstm.exchange.incoming.formats.safetensors import read_safetensors, with_shared
from minilstm.exchange.incoming.formats.torch_file import read_torch

WEIGHTS = "model.weights.h5"  # within a .keras file


def read_weights(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Every array of a file by its name, with NumPy alone; no code of the file is run.

    Parameters
    ----------
    path : a PyTorch .pt or .pth (of torch.save, zip or older, a state dict or a checkpoint, whose
        nested dicts become dotted names), .safetensors, Keras' .keras, .weights.h5 or .h5, NumPy's
        .npz, .onnx (its initializers, also those in a file beside it), RTNeural's .json, or .nam

    Returns
    -------
    dict of new arrays in the order of the file and in its dtype, but bfloat16 as float32; an array
    that safetensors' `save_model` left out, as another is the same, stands behind the others

    Raises
    ------
    FileNotFoundError, PermissionError, DataError
        There is no such file, or it cannot be read.
    ModelFileError
        It is damaged, of another kind, or holds what is not read: whole pickled modules,
        TorchScript, chunked or compressed HDF5, Python objects. The sentence says what to save.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "a.npz", W=np.ones((2, 3)))
    ...     {name: array.shape for name, array in read_weights(Path(folder) / "a.npz").items()}
    {'W': (2, 3)}
    """
    found, data = file_bytes(path)
    with told(found):
        return weights_of(found, data)


def weights_of(path: Path, data: bytes) -> dict[str, Array]:
    """The same from bytes; `path` is for the ending, and for the folder of ONNX's other file."""
    ending = path.suffix.lower()
    if data.startswith(SIGNATURE):
        return Hdf5(data).arrays()
    if data.startswith(b"PK"):
        if ending == ".keras":
            return Hdf5(Archive(data).read(WEIGHTS)).arrays()
        return read_npz(data) if ending == ".npz" else read_torch(data)
    if ending in (".pt", ".pth", ".bin", ".ckpt"):
        return read_torch(data)
    if ending == ".onnx":
        return read_onnx(data, path.parent).arrays
    if ending in (".json", ".nam"):
        plain = plain_json(data)
        return nam_arrays(plain) if ending == ".nam" else rtneural_arrays(plain)
    if ending == ".safetensors":
        return with_shared(*read_safetensors(data), len(data))
    raise Refused(
        "is of no kind that is read: .pt, .pth, .safetensors, .keras, .weights.h5, .h5, .npz, "
        ".onnx, RTNeural's .json or .nam; check its name."
    )
