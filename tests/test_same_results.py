"""What the package computes and says is what `tests/record` holds, whatever was rearranged since.
To the bit on the kind of machine that made the record, and to rounding on every other.

CONTRIBUTING.md says when the record may be made anew.
"""

import json
from functools import cache

import pytest
from record import models, networks, proofs
from record.digests import TOLERANCE, bits, differing, flat, machine

import minilstm as ml

CASES = [(name, dtype) for name in networks.CASES for dtype in networks.DTYPES]


@cache
def record(name):
    return json.loads((models.HERE / f"{name}.json").read_text())


def recorded_bits(what):
    """Hashes that were made on a machine like this one; None if there was none."""
    here = machine()
    found = [m["hashes"][what] for m in record("bits") if here and m["machine"] == here]
    return found[0] if found else None


def assert_recorded(arrays, values, what, backend, tolerance):
    """The values on every machine, and on Numba the bits where they are known."""
    assert differing(arrays, values, tolerance) == []
    known = recorded_bits(what)
    if known and backend == "numba":
        got = bits(arrays)
        assert [name for name in known if got[name] != known[name]] == []


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_networks(backend, name, dtype):
    with ml.use_backend(backend.name):
        arrays = flat(networks.everything(name, dtype))
    case = f"{name} {dtype}"
    assert_recorded(arrays, record("values")[case], case, backend.name, TOLERANCE[dtype])


def test_the_demonstration(backend):
    with ml.use_backend(backend.name):
        arrays = flat(networks.demonstration())
    case, tolerance = "demonstration float32", TOLERANCE["float32"]
    assert_recorded(arrays, record("values")[case], case, backend.name, tolerance)


# ---------------------------------------------------------------- what the checker says


@pytest.mark.parametrize("name", proofs.REPORTS)
def test_the_report_of_a_mutant(name):
    report = proofs.digest(proofs.REPORTS[name]())
    text = report.pop("text")
    assert report == record("reports")[name]
    # Which of two equally wrong entries is the worst may depend on the machine.
    known = recorded_bits("reports")
    assert known is None or text == known[name]


def test_every_report_has_its_mutant():
    assert record("reports").keys() == proofs.REPORTS.keys()


def test_the_score_cards():
    found, known = proofs.cards(), record("cards")
    assert found.keys() == known.keys()
    for name, lines in found.items():
        assert lines == known[name], name


# ---------------------------------------------------------------- model files


def test_model_files_predict_what_they_did(backend):
    with ml.use_backend(backend.name):
        arrays = flat(models.predictions())
    known, tolerance = record("files")["predictions"], TOLERANCE["float32"]
    assert_recorded(arrays, known, "predictions of files", backend.name, tolerance)


def test_saving_writes_the_bytes_it_did(backend, tmp_path):
    with ml.use_backend(backend.name):
        saved = models.saved(tmp_path)
    whole = {k: saved.pop(k) for k in ("file", "loaded and saved again")}
    known = record("files")
    assert saved == {k: known[k] for k in ("metadata", "arrays")}
    assert models.metadata(models.VERSION_2) == known["metadata"]
    version = models.contents(models.VERSION_2)[1]["minilstm_version"]
    if version == ml.__version__:
        assert whole == (recorded_bits("files") or whole)
