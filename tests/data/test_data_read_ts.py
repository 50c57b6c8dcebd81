"""Reading .ts files: unequal lengths, labels or none, every refusal.
A refusal is asserted word for word, with FILE in place of the path."""

from __future__ import annotations

import numpy as np
import pytest
from agreement import assert_same_arrays, refusal

from minilstm.data import read_sequences

HEADER = "# a remark\n@problemName a\n@timeStamps false\n@univariate false\n"
TS = HEADER + "@dimensions 2\n@equalLength false\n@classLabel true up down\n@data\n"


def ts(tmp_path, text):
    path = tmp_path / "a.ts"
    path.write_text(text)
    return path


def test_ts(tmp_path):
    data = read_sequences(ts(tmp_path, TS + "1,2,3:4,5,6:up\n\n# remark\n7:-8e-1:down\n"))
    assert_same_arrays(data.x, [np.array([[1.0, 4], [2, 5], [3, 6]]), np.array([[7.0, -0.8]])])
    assert (data.y.tolist(), data.feature_names, data.ids) == (["up", "down"], None, ["1", "2"])
    data = read_sequences(ts(tmp_path, "@univariate true\n@classLabel true 1 2\n@data\n1,2:2\n"))
    assert (data.x[0].shape, data.y.tolist(), data.y.dtype) == ((2, 1), [2], np.int64)
    data = read_sequences(ts(tmp_path, "@dimension 2\n@classLabel false\n@data\n1,2:3,4\n"))
    assert (data.x[0].tolist(), data.y) == ([[1, 3], [2, 4]], None)


TS_REFUSALS = {
    "empty": ("", "path FILE has no line @data, but a .ts file with one was wanted: check that it "
              "is whole."),
    "no rows": (TS, "path FILE has no sequences after @data, but at least one was wanted: check "
                "what wrote it."),
    "early row": ("1,2:3\n", "line 1 of FILE is '1,2:3', but a line that starts with @ was wanted "
                  "before @data: add @data, or mark a remark with #."),
    "time stamps": ("@timeStamps true\n@data\n", "path FILE says @timestamps true, but only false "
                    "can be read: remove the time stamps."),
    "targets": ("@targetLabel true\n@data\n", "path FILE says @targetlabel true, but only false "
                "can be read: use classes as labels."),
    "no classLabel": ("@data\n1:2\n", "path FILE says @classLabel nowhere, but true with the "
                      "classes, or false, was wanted: correct that line."),
    "dimensions": ("@dimensions two\n@classLabel false\n@data\n", "path FILE says @dimensions two, "
                   "but a whole number from 1 was wanted: correct that line."),
    "few dimensions": (TS + "1,2:up\n", "line 9 of FILE has 1 dimensions, but 2 were wanted: "
                       "correct the line or the header."),
    "lengths": (TS + "1,2:3:up\n", "line 9 of FILE has dimensions of 1 and of 2 steps, but all "
                "dimensions of a sequence need the same number: complete the line."),
    "equal length": (TS.replace("Length false", "Length true") + "1:2:up\n1,2:3,4:up\n",
                     "line 10 of FILE has 2 steps, but @equalLength true asks for 1: correct the "
                     "line, or say @equalLength false."),
    "missing": (TS + "1,?:3,4:up\n", "line 9 of FILE has '?' at step 1 of dimension 0, but a "
                "finite number was wanted: fill in or remove it."),
    "nan": (TS + "1,2:3,NaN:up\n", "line 9 of FILE has 'NaN' at step 1 of dimension 1, but a "
            "finite number was wanted: fill in or remove it."),
    "label": (TS + "1:2:left\n", "line 9 of FILE ends in the label 'left', but one of up, down was "
              "wanted: correct it."),
    "cut short": (TS + "1:2:up\n1,2:3", "line 10 of FILE ends in the label '3', but one of up, "
                  "down was wanted: correct it."),
}  # fmt: skip


@pytest.mark.parametrize("name", TS_REFUSALS)
def test_ts_refusal(tmp_path, name):
    text, sentence = TS_REFUSALS[name]
    assert refusal(ts(tmp_path, text)) == sentence


def test_ts_of_bytes(tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(b"@data\xff\n")
    assert refusal(path) == (
        "path FILE is not UTF-8 text at byte 5, but a .ts file was wanted: save it again in that "
        "encoding."
    )
