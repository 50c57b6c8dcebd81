"""Write down what the package computes, for `tests/test_same_results.py` to compare with.
Run it where nothing has changed yet: ``cd tests && python -m record.make_record``.

Options::

    --machine     only add the bits of this kind of machine; all values must agree with the record
    --to FOLDER   write into another folder, also the whole texts of all reports, for comparison
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import minilstm as ml

from . import models, networks, proofs
from .digests import TOLERANCE, bits, differing, flat, machine, values

HERE = Path(__file__).resolve().parent


def read(name: str, folder: Path = HERE) -> Any:
    """One file of the record."""
    return json.loads((folder / f"{name}.json").read_text())


def write(name: str, content: Any, folder: Path) -> None:
    text = json.dumps(content, indent=0, ensure_ascii=False, separators=(",", ":"))
    # A list of numbers is one line.
    parts = text.replace("[\n", "[").replace("\n]", "]").split("[")
    text = "[".join([parts[0], *(_one_line(part) for part in parts[1:])])
    (folder / f"{name}.json").write_text(text + "\n")


def _one_line(part: str) -> str:
    inside, end, rest = part.partition("]")
    return inside.replace("\n", "") + end + rest if "{" not in inside else part


def computed(backend: str) -> dict[str, dict[str, Any]]:
    """All arrays of the networks and of the demonstration, by case and dtype."""
    with ml.use_backend(backend):
        found = {
            f"{name} {dtype}": flat(networks.everything(name, dtype))
            for name in networks.CASES
            for dtype in networks.DTYPES
        }
        return found | {"demonstration float32": flat(networks.demonstration())}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--machine", action="store_true")
    parser.add_argument("--to", type=Path, default=HERE)
    chosen = parser.parse_args()
    folder = chosen.to
    folder.mkdir(parents=True, exist_ok=True)
    if not models.VERSION_2.exists():
        models.fixed_network().save(models.VERSION_2)
    exact = {case: bits(arrays) for case, arrays in computed("numba").items()}
    by_numpy = computed("numpy")
    with tempfile.TemporaryDirectory() as one, ml.use_backend("numpy"):
        files = models.saved(Path(one)) | {"predictions": values(flat(models.predictions()))}
    exact["files"] = {k: files.pop(k) for k in ("file", "loaded and saved again")}
    with ml.use_backend("numba"):
        exact["predictions of files"] = bits(flat(models.predictions()))
    made = {name: make() for name, make in proofs.REPORTS.items()}
    reports = {name: proofs.digest(report) for name, report in made.items()}
    exact["reports"] = {name: report.pop("text") for name, report in reports.items()}
    machines = []
    if chosen.machine:
        for case, arrays in by_numpy.items():
            wrong = differing(arrays, read("values")[case], TOLERANCE[case.split()[-1]])
            assert not wrong, (case, wrong)
        machines = [m for m in read("bits") if m["machine"] != machine()]
    write("bits", [*machines, {"machine": machine(), "hashes": exact}], folder)
    if chosen.machine:
        return
    write("values", {case: values(arrays) for case, arrays in by_numpy.items()}, folder)
    write("reports", reports, folder)
    write("cards", proofs.cards(), folder)
    write("files", files, folder)
    if folder != HERE:
        texts = (f"{name}\n{proofs.report_text(report)}" for name, report in made.items())
        (folder / "reports.txt").write_text("\n\n".join(texts))


if __name__ == "__main__":
    main()
