"""Advice about model files: what cannot be saved, and what is wrong with a file.
A file is changed by its words, and gets the right checksum for them unless that is the fault.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import minilstm as ml
from advice.world import build, world
from minilstm.network.model_file import FORMAT, checksum


def saved(change=lambda metadata, tensors: None, signed=True):
    """A saved network whose metadata and tensors a function has changed."""
    path = build(classes=["a", "b"]).save("n.safetensors")
    tensors = load_file(path)
    header = path.read_bytes()
    size = int.from_bytes(header[:8], "little")
    metadata = json.loads(json.loads(header[8 : 8 + size])["__metadata__"][FORMAT])
    sha = metadata.pop("sha256")
    change(metadata, tensors)
    sha = checksum(tensors, metadata) if signed else sha
    save_file(tensors, path, {FORMAT: json.dumps({**metadata, "sha256": sha})})
    return path


def set_to(key, value):
    """A change of one entry of the metadata."""
    return lambda metadata, tensors: metadata.update({key: value})


def other_scores(metadata, tensors):
    """A change of the scores that were saved."""
    tensors["self_test/scores"] += 1


def cut(path, size):
    """Only the first bytes of a file."""
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:size])
    return path


def again():
    """Whether the network, saved once more, predicts as before."""
    net = build(classes=["a", "b"])
    x = world()["x"]
    loaded = ml.load(net.save("n.safetensors"))
    return all(np.array_equal(a, b) for a, b in zip(net.predict(x), loaded.predict(x), strict=True))


def broken_disk(*path, **options):
    """What a disk says that cannot be read."""
    raise OSError(5, "Input/output error")


TABLE = [
    ("build(dtype='complex128').save('n.safetensors')", "only (float32) and (float64) can be saved",
     "build(dtype='$1').save('n.safetensors'); build(dtype='$2').save('n.safetensors')"),
    ("build(classes=[0.5, 1.5]).save('n.safetensors')",
     "only strings and whole numbers can be saved",
     "build(classes=['0.5', '1.5']).save('n.safetensors');"
     "build(classes=[0, 1]).save('n.safetensors')"),
    ("build(classes=['a']).save('n.safetensors')", "mend that before saving",
     "build(classes=['a', 'b']).save('n.safetensors')"),
    ("build(LSTM(2), FullyConnected(2, weights=np.full((2, 2), 3e38), bias=[3e38] * 2)).save("
     "'n.safetensors')", "gives NaN or infinite scores|self-test; train it",
     "build().save('n.safetensors')"),
    ("n = build(); n.parameters['fc/bias'][:] = np.nan; n.save('n')", "give it finite numbers",
     "n = build(); n.parameters['fc/bias'][:] = 1; n.save('n')"),
    ("build(classes=['a', 'b\\ud800']).save('n.safetensors')", "name it anew",
     "build(classes=['a', 'b']).save('n.safetensors')"),
    ("ml.load(cut(saved(), 100))", "copy it again, or save the model again",
     "ml.load(saved()); again()"),
    ("ml.load(cut(saved(), 3))", "copy it again, or save the model again", "again()"),
    ("ml.load(cut(saved(), -1))", "copy it again, or save the model again", "again()"),
    ("save_file({'a': np.ones(1)}, 'n.safetensors'); ml.load('n.safetensors')",
     r"read it with ml\.(from_pytorch)\(path, layers\), or make",
     "save_file({'fc.weight': np.ones((2, 3)), 'fc.bias': np.ones(2)}, 'n.safetensors'); "
     "ml.$1('n.safetensors', [ml.FullyConnected(2)])"),
    ("build().stream().save_state('s'); ml.load('s')",
     r"network itself, and give this file to (load_state) of its (stream\(\)) or (pool\(\))",
     "build().stream().save_state('s'); build().$2.$1('s'); "
     "build().pool().save_state('s'); build().$3.$1('s')"),
    ("ml.load(saved(set_to('format_version', 99)))", "update minilstm to read it", "again()"),
    ("ml.load(saved(set_to('classes', ['b', 'a']), signed=False))",
     "copy it again, or save the model", "ml.load(saved()); again()"),
    ("ml.load(saved(set_to('gate_layout', 'xyzw')))", "so save the model again", "again()"),
    ("ml.load(saved(other_scores))", "save the model again, or load it with (self_test=False)",
     "ml.load(saved(other_scores), $1).predict(x); again()"),
    ("build().stream().save_state('s')\n"
     "with patch('pathlib.Path.read_bytes', broken_disk): build().stream().load_state('s')",
     "free some space, change the permissions",
     "build().stream().save_state('s'); build().stream().load_state('s')"),
    ("path = saved()\nwith patch('pathlib.Path.read_bytes', broken_disk): ml.load(path)",
     "free some space, change the permissions", "ml.load(saved())"),
]  # fmt: skip
