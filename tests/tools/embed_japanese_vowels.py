"""Make minilstm/data/datasets/japanese_vowels.npz from the two .ts files of the original data.
Run as: python embed_japanese_vowels.py JapaneseVowels_TRAIN.ts JapaneseVowels_TEST.ts [OUT.npz]"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.data.files.read_ts import read_ts
from minilstm.files import write_atomically

SIZES = {"train": 270, "test": 370}


def embed(train: str, test: str, out: str | Path) -> None:
    """Read both files and write the .npz; the same input gives the same bytes.

    Parameters
    ----------
    train, test : str
        The files JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts.
    out : str or Path
        The .npz file to write.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for part, path in (("train", train), ("test", test)):
        data = read_ts(path)
        rows = np.concatenate(data.x)  # (N, 12)
        small = rows.astype(np.float32)
        if not (np.round(small.astype(np.float64), 6) == rows).all():
            raise SystemExit(f"{path}: float32 does not keep the six decimals of the text.")
        if len(data.x) != SIZES[part] or rows.shape[1] != 12 or data.y is None:
            raise SystemExit(f"{path}: {len(data.x)} sequences of {rows.shape[1]} features.")
        arrays[f"x_{part}"] = small
        arrays[f"lengths_{part}"] = np.array([len(x) for x in data.x])  # (B,)
        arrays[f"y_{part}"] = np.asarray(data.y)  # (B,)
    # NumPy dates every member 1980-01-01, so the bytes do not depend on the day.
    write_atomically(out, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    default = Path(__file__).parents[2] / "minilstm" / "data" / "datasets" / "japanese_vowels.npz"
    embed(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) == 4 else default)
