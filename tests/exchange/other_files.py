"""Where the files of other frameworks are, and what those frameworks put out for them.
The program make_files.py wrote them once."""

from pathlib import Path

import numpy as np

FILES = Path(__file__).parent / "files"


def agrees(net, framework, name):
    """Whether a network gives what a framework gave, within 1e-6."""
    with np.load(FILES / f"{framework}_outputs.npz") as outputs:
        x, wanted = outputs["x"], outputs[name]
    found = np.stack([*net.predict([*x[..., : net.input_size]])])
    return found.shape == wanted.shape and np.abs(found - wanted).max() < 1e-6
