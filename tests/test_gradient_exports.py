"""Gradient reports as JSON and JUnit XML: nothing is lost, and other programs can read them.
NaN, infinities and names with strange characters have to survive."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from minilstm.checking.exports import FORMAT, to_dict, to_json, to_junit
from minilstm.checking.kinks import Kink
from minilstm.checking.report import GradientReport, ParameterError


def entry(name, relative_error=1e-15, where=(0,), by_hand=0.5, reference=0.5, checked=12,
          tolerance=1e-10, **more):  # fmt: skip
    return ParameterError(
        name, relative_error, where, by_hand, reference, checked, tolerance, **more
    )


def report_of(errors, **more):
    return GradientReport(errors, "numpy", "complex", 7, 30, 1, **more)


BAD = entry(
    "lstm/R", 0.25, (7, 1), 1.25, 1.0, 40, 1e-10, place="forget gate, unit 3, from unit 1",
    gate="forget gate", unit=3, note="a note",
    causes=("Gate f is a copy of gate i.", "It is <transposed> & more."),
)  # fmt: skip
KINKS = (Kink("W", (1,), 0.0, -np.inf, 1.0, "a ReLU"), Kink("x", (), 1.0, 0.0, 1.0, "a jump"))
NAN = entry("b", np.nan, (), np.inf, -np.inf)
FULL = report_of([entry("W"), BAD, NAN], kinks=KINKS, notes=("float32 was raised",))


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
    assert plain["kinks"][0] == {
        "name": "W", "where": [1], "value": 0.0, "left": None, "left_text": "-inf", "right": 1.0,
        "kind": "a ReLU",
    }  # fmt: skip
    assert FULL.to_dict() == plain and FULL.to_json() == to_json(FULL)


def test_numpy_numbers_become_plain_ones():
    where = tuple(np.array([1, 2]))
    one = entry("W", np.float64(1e-3), where, np.float32(0.5), np.float64(np.nan), np.int64(3))
    found = strict(to_json(report_of([one])))["errors"][0]
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
    assert good.find("failure") is None and bad.get("classname") == "my lstm"
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
    assert "x[] = 1 is at or next to a point" in suite.find("system-out").text
    assert "W[1] = 0 is at or next to a point" in good.find("system-out").text
    assert FULL.to_junit("my lstm") == to_junit(FULL, "my lstm")


def test_characters_that_xml_cannot_hold_are_replaced():
    one = entry("W\x00\x1b[1m\ud800 ü <&>\"'", 1.0, note="\x08")
    case = next(ET.fromstring(to_junit(report_of([one]), "\x01a")).iter("testcase"))
    assert case.get("name") == "W??[1m? ü <&>\"'"
    assert case.get("classname") == "?a"
    assert case.find("system-out").text == "?"


@pytest.mark.parametrize("export", [to_json, to_junit])
def test_files_are_written_whole_or_not_at_all(export, tmp_path):
    path = tmp_path / "ü.out"
    report = report_of([entry("Größe")])
    assert export(report, path=path) == path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["ü.out"]
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        export(report, path=tmp_path / "nowhere" / "a")
