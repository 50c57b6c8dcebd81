"""The command import: a file of another program becomes a model file.
What the file itself does not say, the layers of a state dict, is recognised or given.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import Any

import numpy as np

from minilstm.command_line.facts import files
from minilstm.errors import ModelFileError
from minilstm.network.model_contents import of_each
from minilstm.network.network import Network
from minilstm.paths import check_apart, check_readable, check_target


def import_file(options: argparse.Namespace) -> dict[str, Any]:
    """Read a network, say what it is, and write it as a model file."""
    check_readable(options.file, "FILE")
    if options.out.suffix.lower() != ".safetensors":
        raise ValueError(
            f"--out is {str(options.out)!r}, but a model file is written; let the name end in "
            ".safetensors."
        )
    check_target(options.out, "--out")
    check_apart(options.out, [options.file])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        net = _network(options)
    for warning in told:
        print(f"minilstm: {warning.message}", file=sys.stderr)
    if not options.json:
        print(net.summary())
    net.save(options.out)
    return {
        "layers": [{"kind": layer.kind, "name": layer.name} for layer in net.layers],
        "learnables": sum(v.size for v in net.parameters.values()),
        "input_size": net.input_size,
        "classes": of_each(net.classes, np.ndarray.tolist),
        "dtype": net.dtype.name,
        "told": [str(warning.message) for warning in told],
        "files": files([options.out]),
    }


def _network(options: argparse.Namespace) -> Network:
    """The network of the file, by the door that its ending names."""
    from minilstm.exchange.incoming.from_keras import from_keras
    from minilstm.exchange.incoming.from_onnx import from_onnx
    from minilstm.exchange.incoming.from_pytorch import from_pytorch, recognise
    from minilstm.exchange.incoming.from_rtneural import from_rtneural

    doors = {
        ".keras": from_keras, ".h5": from_keras, ".hdf5": from_keras, ".onnx": from_onnx,
        ".json": from_rtneural, ".nam": from_rtneural,
    }  # fmt: skip
    door = doors.get(options.file.suffix.lower())
    if door is not None:
        if options.layers is not None or options.prefix is not None:
            raise ValueError(
                f"--layers and --prefix are for state dicts of PyTorch, but {options.file} says "
                "its layers itself; leave them out."
            )
        return door(options.file, classes=options.classes)
    layers = options.layers
    if layers is None:
        try:
            layers = recognise(options.file, prefix=options.prefix)
        except ModelFileError as error:
            raise ModelFileError(
                str(error).replace("with layers, such", "with --layers, such")
            ) from None
        print(
            f"recognised: {', '.join(layer.label for layer in layers)}; with another function, or "
            "the last step only, say it with --layers.",
            file=sys.stderr,
        )
    how: dict[str, Any] = {"prefix": options.prefix, "classes": options.classes}
    return from_pytorch(options.file, layers, **how)
