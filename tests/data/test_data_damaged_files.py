"""Campaigns of damaged files: each is refused in a sentence, or read rightly, and nothing ends.
The reading is done in another process, so that a crash fails a test and does not end the run."""

import io
import multiprocessing
import random
import warnings
import zipfile
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from campaigns import cases
from mat_files import cells

import minilstm as ml
from minilstm.errors import DataError

X = [np.linspace(-1.5, 2.5, 21).reshape(7, 3), np.linspace(0.3, 9.1, 15).reshape(5, 3)]  # (T, D)
NUMBERS = [np.arange(7), np.arange(5)]
LETTERS = ["abababa", "bbbba"]
HEAD = 900  # half of the damage is done to the first bytes, where sizes and names stand


def scipy_file(variables, **how):
    import scipy.io

    out = io.BytesIO()
    scipy.io.savemat(out, variables, **how)
    return out.getvalue()


def matio_file(folder, version, pack=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matio
        import pandas

        y = [pandas.Categorical.from_codes(["ab".find(k) for k in t], ["a", "b"]) for t in LETTERS]
        variables = {"X": cells([x.T for x in X]), "Y": cells(y)}
        path = folder / "whole.mat"
        matio.save_to_mat(str(path), variables, version=version, do_compression=pack)
    return path.read_bytes()


def zip_file(method):
    """An .npz file whose members are packed in this way."""
    out = io.BytesIO()
    arrays = {f"x_{k}": x for k, x in enumerate(X)} | {f"y_{k}": y for k, y in enumerate(NUMBERS)}
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.save(member, values)
            archive.writestr(f"{name}.npy", member.getvalue())
    return out.getvalue()


TS = b"""# a remark
@problemName a
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classLabel true up down
@data
1.25,2,-3e-1:4,5,6:up
# another
7:-8:down
10,11:12,13.5:up
"""


def plain_variables(labels):
    return {"X": cells([x.T for x in X]), "Y": cells(labels)}


MAKERS = {
    "version 4": lambda _: scipy_file({"X": X[0].T, "Y": np.arange(7.0)[None]}, format="4"),
    "numbers": lambda _: scipy_file(plain_variables([y[None] + 0.0 for y in NUMBERS])),
    "words": lambda _: scipy_file(plain_variables(["go", "stop"]) | {"q": {"a": 1, "b": "c"}}),
    "deflated": lambda _: scipy_file(
        plain_variables([y[None] + 0.0 for y in NUMBERS]), do_compression=True
    ),
    "objects": lambda folder: matio_file(folder, "v7"),
    "objects, not deflated": lambda folder: matio_file(folder, "v7", pack=False),
    "version 7.3": lambda folder: matio_file(folder, "v7.3"),
    "stored": lambda _: zip_file(zipfile.ZIP_STORED),
    "deflate": lambda _: zip_file(zipfile.ZIP_DEFLATED),
    "bzip2": lambda _: zip_file(zipfile.ZIP_BZIP2),
    "lzma": lambda _: zip_file(zipfile.ZIP_LZMA),
    "ts": lambda _: TS,
}
CHECKED = {"deflated", "objects", "stored", "deflate", "bzip2", "lzma"}  # checksums over data


def damaged(whole, draw):
    """The bytes with one to three of them changed, or with some lost or put in at one place."""
    out = bytearray(whole)
    kinds = [draw.randrange(3, 6)] if draw.random() < 0.3 else draw.choices(range(3), k=3)
    for kind in kinds[: draw.choice([1, 1, 2, 3])]:
        at = draw.randrange(len(out) if draw.random() < 0.5 else min(len(out), HEAD))
        if kind < 2:
            out[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            out[at] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
        elif kind == 3:
            del out[at : at + draw.choice([1, 2, 4, 8, 16])]
        elif kind == 4:
            out[at:at] = draw.randbytes(draw.choice([1, 4, 8]))
        else:
            del out[at:]
    return bytes(out)


def read_damaged(kind, whole, path, seeds):
    """What was wrong in any reading, and how many files were read; runs in a process of its own."""
    wrong, read = [], 0
    for seed in seeds:
        data = damaged(whole, random.Random(seed))
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of doubt, where sizes changed
                found = ml.read_sequences(path)
        except DataError as error:
            if str(error).count("\n") or len(str(error)) > 600:
                wrong.append((seed, f"no sentence: {error}"))
            continue
        except Exception as error:
            wrong.append((seed, repr(error)))
            continue
        read += 1
        if kind == "ts":
            fault = "" if ts_read(found) == ts_written(data) else "other than written"
        else:
            fault = fault_of(found, kind, same_size=len(data) == len(whole))
        if fault:
            wrong.append((seed, fault))
    return wrong, read


def ts_written(data):
    """The numbers and labels of a .ts file, by the plainest parsing."""
    lines = [line.strip() for line in io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig")]
    start = [line.lower() for line in lines].index("@data") + 1
    rows = [line.split(":") for line in lines[start:] if line and line[0] not in "#%"]
    numbers = [[[float(v) for v in part.split(",")] for part in row[:-1]] for row in rows]
    return numbers, [row[-1].strip().lower() for row in rows]  # the header may spell it otherwise


def ts_read(found):
    return [values.T.tolist() for values in found.x], [str(label).lower() for label in found.y]


def fault_of(found, kind, same_size):
    """What differs from the whole file more than the damage can explain, or nothing."""
    x = X[:1] if kind == "version 4" else X
    if [v.shape for v in found.x] != [v.shape for v in x]:
        return f"shapes {[v.shape for v in found.x]}"
    changed = sum(int((v != w).sum()) for v, w in zip(found.x, x, strict=True))
    if found.y is not None:
        y = {"words": [np.array(["go", "stop"])], "version 4": NUMBERS[:1]}.get(kind, NUMBERS)
        if "objects" in kind or kind == "version 7.3":
            y = [np.array([*text]) for text in LETTERS]
        labels = found.y if isinstance(found.y, list) else [found.y]
        if [v.shape for v in labels] != [v.shape for v in y]:
            return f"labels of shapes {[v.shape for v in labels]}"
        changed += sum(int((v != w).sum()) for v, w in zip(labels, y, strict=True))
    elif kind in CHECKED and same_size:  # a file cut between two variables is whole
        return "lost labels"
    # Bytes without a checksum say what they say; three of them are changed at most.
    return f"{changed} values" if changed > (0 if kind in CHECKED else 3) else ""


@pytest.mark.campaign
@pytest.mark.parametrize("kind", MAKERS)
def test_a_damaged_file_is_refused_or_read_rightly(tmp_path, kind):
    if kind in list(MAKERS)[:7]:
        pytest.importorskip("scipy")
    if "objects" in kind or kind == "version 7.3":
        pytest.importorskip("matio")
    # Version 7.3 starts a process for every file.
    slow = {"version 7.3": 40, "objects, not deflated": 100, "objects": 400}
    count = cases(slow.get(kind, 4000))
    suffix = ".ts" if kind == "ts" else ".npz" if kind in list(MAKERS)[7:] else ".mat"
    whole = MAKERS[kind](tmp_path)
    path = tmp_path / f"damaged{suffix}"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        job = pool.submit(read_damaged, kind, whole, path, range(count))
        wrong, read = job.result()
    assert not wrong, f"{len(wrong)} of {count}: {wrong[:3]}"
    # Some damage is harmless, such as that to the text of the header.
    assert read < count and (read > 0 or count < 20)
