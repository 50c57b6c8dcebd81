"""Gradient reports as text, JSON and JUnit XML: nothing is lost, and other programs can read them.
NaN, infinities and names with strange characters have to survive."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from minilstm.proof.reports.exports import FORMAT, text, to_dict, to_json, to_junit
from minilstm.proof.reports.report import GradientReport, ParameterError


def Entry(name, off=1e-15, where=(0,), hand=0.5, true=0.5, checked=12, most=1e-10, *rest, **more):
    return ParameterError(name, off, where, hand, true, checked, most, *rest, **more)


Report = partial(GradientReport, backend="numpy", seed=7, forward_passes=30, backward_passes=1)


class Kink(NamedTuple):
    name: str
    distance: float


BAD = Entry(
    "lstm/R", 0.25, (7, 1), 1.25, 1.0, 40, 1e-10, "forget gate, unit 3, from unit 1",
    "forget gate", 3, None, ("Gate f is a copy of gate i.", "It is <transposed> & more."), "a note",
)  # fmt: skip
NAN = Entry("b", np.nan, (), np.inf, -np.inf)
FULL = Report([Entry("W"), BAD, NAN], kinks=(Kink("x", np.inf),), notes=("float32 was raised",))


def strict(said):
    """Parse JSON without the extensions that Python allows."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(said, parse_constant=refuse)


def test_json_has_every_field_and_null_with_a_text_for_what_is_not_finite():
    plain = strict(to_json(FULL))
    assert plain == to_dict(FULL)
    assert plain["format"] == FORMAT and not plain["passed"] and plain["wrong"] == ["lstm/R", "b"]
    assert plain["max_error"] is None and plain["max_error_text"] == "inf"
    assert (plain["seed"], plain["backend"], plain["forward_passes"]) == (7, "numpy", 30)
    good, bad, broken = plain["errors"]
    assert good["passed"] and "relative_error_text" not in good
    assert bad["where"] == [7, 1] and bad["gate"] == "forget gate" and bad["time_step"] is None
    assert bad["causes"] == list(BAD.causes) and bad["by_hand"] == 1.25
    assert broken["relative_error"] is None and broken["relative_error_text"] == "nan"
    assert (broken["by_hand_text"], broken["reference_text"]) == ("inf", "-inf")
    assert plain["kinks"] == [{"name": "x", "distance": None, "distance_text": "inf"}]


def test_numpy_numbers_become_plain_ones():
    where = tuple(np.array([1, 2]))
    entry = Entry("W", np.float64(1e-3), where, np.float32(0.5), np.float64(np.nan), np.int64(3))
    found = strict(to_json(Report([entry])))["errors"][0]
    assert found["where"] == [1, 2] and found["checked"] == 3 and found["by_hand"] == 0.5
    assert found["passed"] is False and found["reference_text"] == "nan"


def test_junit_is_xml_with_one_case_for_each_array():
    root = ET.fromstring(to_junit(FULL, "my lstm"))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.attrib == {
        "name": "my lstm", "tests": "3", "failures": "2", "errors": "0", "skipped": "0",
    }  # fmt: skip
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["seed"] == "7" and properties["method"] == "complex"
    good, bad, broken = suite.findall("testcase")
    assert [c.get("name") for c in (good, bad, broken)] == ["W", "lstm/R", "b"]
    assert len(good) == 0 and bad.get("classname") == "my lstm"
    failure = bad.find("failure")
    assert failure.get("type") == "GradientError"
    for said in (failure.get("message"), failure.text):
        assert "at index (7, 1) (forget gate, unit 3, from unit 1)" in said
        assert "backward gives 1.25, the complex step 1" in said
    for said in ("relative error 0.25", "tolerance 1e-10", *BAD.causes):
        assert said in failure.text
    assert bad.find("system-out").text == "a note"
    assert "along a random direction" in broken.find("failure").text
    assert "relative error nan" in broken.find("failure").text
    assert "float32 was raised" in suite.find("system-out").text
    assert "kink: " in suite.find("system-out").text


def test_characters_that_xml_cannot_hold_are_replaced():
    entry = Entry("W\x00\x1b[1m\ud800 ü <&>\"'", 1.0, note="\x08")
    case = next(ET.fromstring(to_junit(Report([entry]), "\x01a")).iter("testcase"))
    assert case.get("name") == "W??[1m? ü <&>\"'"
    assert case.get("classname") == "?a"
    assert case.find("system-out").text == "?"


def test_the_table_names_place_values_and_causes():
    lines = text(FULL).splitlines()
    assert lines[0].split() == ["array", "checked", "relative", "error", "allowed"]
    assert lines[1].split() == ["W", "12", "1.0e-15", "1e-10"]
    assert lines[2].split() == ["lstm/R", "40", "2.5e-01", "1e-10", "WRONG"]
    assert lines[3].strip() == (
        "at index (7, 1) (forget gate, unit 3, from unit 1): backward gives 1.25, the complex "
        "step 1"
    )
    assert lines[4].strip() == "likely cause: Gate f is a copy of gate i."
    assert lines[6].strip() == "note: a note"
    assert lines[7].split() == ["b", "12", "nan", "1e-10", "WRONG"]
    assert lines[-3].startswith("gradients by numpy against the complex step: largest relative er")
    assert ", WRONG; seed" in lines[-3] and lines[-1] == "note: float32 was raised"
    assert text(Report([Entry("W")])).splitlines()[-1].count("1.0e-15, passed; seed") == 1


@pytest.mark.parametrize("export", [to_json, to_junit])
def test_files_are_written_whole_or_not_at_all(export, tmp_path):
    path = tmp_path / "ü.out"
    report = Report([Entry("Größe")])
    assert export(report, path=path) == path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["ü.out"]
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        export(report, path=tmp_path / "nowhere" / "a")
