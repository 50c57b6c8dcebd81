"""The words of `minilstm bench`, each with what it changes; nothing is measured.
A case takes the `World` of `test_cli_options.py`.
"""

import json
from types import SimpleNamespace

import pytest

import minilstm.bench as room
from minilstm.bench import crossover as crossover_room


def bench(*words, **settings):
    def case(w):
        calls = w.taken(room, "run_bench", room.Result({}, [], []))
        w.run("bench", *words)
        w.run("bench")
        for name, value in settings.items():
            assert getattr(calls[0][0][0], name) == value != getattr(calls[1][0][0], name)

    return case


def crossover(w):
    table = SimpleNamespace(machine={}, table=[], path=w.out / "table.json")
    calls = w.taken(crossover_room, "run_crossover", table)
    w.patch.setattr("minilstm.training.crossover.to_plain", list)
    assert w.run("bench", "--crossover")["files"] == [str(w.out / "table.json")] and len(calls) == 1


ROW = room.Row("training, 2, 3, 1, 4, 2, last", "minilstm", "ms", 2.5, 2, 3, None, (3,))


def read(w):
    path = w.out / "run.txt"
    path.write_text(json.dumps({"machine": {"cores": 1}, "timings": [ROW._asdict()]}))
    found = w.run("bench", "--grid", "--read", path)
    assert found["machine"] == {"cores": 1} and found["timings"][0]["median"] == 2.5
    assert "| 2, 3, 1, 4, 2, last | 2.50 |  |  |  |" in w.printed


def picture(w):
    pytest.importorskip("matplotlib")
    w.taken(room, "run_bench", room.Result({}, [ROW], []))
    path = w.out / "grid.svg"
    assert w.run("bench", "--grid", "--picture", path)["files"] == [str(path)] and path.stat()


ENGINES = ["torch", "onnxruntime", "openvino"]
BENCH = {
    ("bench", "--against"): bench("--against", ",".join(ENGINES), against=ENGINES),
    ("bench", "--works"): bench("--works", "length,vowels", works=["length", "vowels"]),
    ("bench", "--repeats"): bench("--repeats", 2, repeats=2),
    ("bench", "--scale"): bench("--scale", 0.5, scale=0.5),
    ("bench", "--long"): bench("--long", long=True),
    ("bench", "--crossover"): crossover,
    ("bench", "--grid"): bench("--grid", grid=True),
    ("bench", "--shapes"): bench("--grid", "--shapes", "vowels", shapes=["vowels"]),
    ("bench", "--read"): read,
    ("bench", "--picture"): picture,
}
