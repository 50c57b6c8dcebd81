"""The case of a word of the command line about .mat files: which variables, and which axes.
What is read with the word is compared with what is read with another value.
"""

import numpy as np
import pytest

from minilstm.command_line import evaluating, material, models


def matlab(command, word, value):
    """The case of a word about a .mat file: what is read with it, and with another value."""

    def case(w):
        savemat = pytest.importorskip("scipy.io").savemat
        a, b, file = np.arange(4.0).reshape(2, 2), np.ones((2, 2)), w.out / "m.mat"
        savemat(file, {"a": a, "b": b, "k": [[1, 2]], "m": [[2, 1]]})
        given = {"--x-name": "a", "--y-name": "k", "--layout": "CT"}
        how = ["train", file, "--epochs", 1, "--hidden", 2, "--quiet", "--out", w.out / "t"]
        if command != "train":
            w.run(*how, *[one for pair in given.items() for one in pair])
            how = [command, w.out / "t/model.safetensors", file]
        rooms = {"train": material, "predict": models, "evaluate": evaluating}
        room, seen = rooms[command], []
        real = room.read_data
        w.patch.setattr(room, "read_data", lambda *a, **k: seen.append(real(*a, **k)) or seen[-1])
        for words in (given, {**given, word: value}):
            w.run(*how, *[one for pair in words.items() for one in pair])
        (x, y), (x2, y2) = [(data.x[0], list(map(int, data.y[0]))) for data, _ in seen]
        assert (x == a.T).all() and y == [1, 2]
        wanted = {"--x-name": (b, [1, 2]), "--y-name": (a.T, [2, 1]), "--layout": (a, [1, 2])}[word]
        assert (x2 == wanted[0]).all() and y2 == wanted[1]

    return case
