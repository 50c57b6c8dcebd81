"""The grid of the benchmark: its shapes are run and checked, its ratios are right, losses show.
What it measures is never a condition of a test."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import minilstm as ml
from minilstm.backend import is_installed
from minilstm.bench import grid, turns
from minilstm.bench import works as bench_works
from minilstm.bench.grid import shapes
from minilstm.bench.grid import works as grid_works
from minilstm.bench.grid.picture import draw_grid
from minilstm.bench.grid.shapes import SHAPES, Shape
from minilstm.bench.turns import Row
from minilstm.command_line.cli import main
from minilstm.network.network import Network
from minilstm.plots.speed import Timed, plot_speed

SMALL = (
    Shape("activity", 6, 0, 3, 200, 5, "sequence"),
    Shape("2x5x3x4", 2, 5, 3, 4, 2, "last"),
    Shape("two-layers", 3, 4, 2, 5, 3, "last", layers=2),
    Shape("bilstm", 2, 6, 2, 3, 4, "sequence", both_ways=True),
)
WORDS = [
    "6 ragged, 51-64, 3, 200, 5, sequence",
    "2, 5, 3, 4, 2, last",
    "3, 4, 2, 2 x 5, 3, last",
    "2, 6, 2, 3 both ways, 4, sequence",
]
QUICK = ["bench", "--grid", "--json", "--repeats", "1", "--scale", "0.001", "--backend", "numpy"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(shapes, "SHAPES", SMALL)
    for name in ("PAUSE", "WARM", "TIMED"):
        monkeypatch.setattr(turns, name, 0)
    monkeypatch.setattr(grid_works, "CHECKED_STEPS", 20)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def run(*arguments, capsys):
    """The lines a command prints, and the JSON after them."""
    assert main([*QUICK, *arguments]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    return lines, json.loads(last)


def row(work, engine, median, ratio=None, unit="ms"):
    return Row(work, engine, unit, median, median, median, ratio, (median,))


ROWS = [
    row("training, a", "minilstm", 4.0),
    row("training, a", "torch, packed", 20.0, 5.0),
    row("training, a", "torch, padded", 8.0, 1.9),
    row("training, a", "minilstm", 50.0, unit="% of peak"),
    row("prediction, a", "minilstm", 1500.0),
    row("prediction, a", "onnxruntime", 600.0, 0.4),
    row("prediction, a", "openvino", 900.0, 0.6),
    row("prediction, a", "minilstm", 1.6, unit="% of peak"),
    row("training, b", "minilstm", 0.5),
    row("training, b", "torch", 0.2, 0.475),
    row("training, b", "minilstm", 10.0, unit="% of peak"),
]


# ---------------------------------------------------------------- shapes and works


def test_every_shape_is_trained_and_predicted(capsys):
    lines, found = run(capsys=capsys)
    kinds = [f"{kind}, {words}" for words in WORDS for kind in ("training", "prediction")]
    assert [(t["work"], t["engine"], t["unit"]) for t in found["timings"]] == [
        (work, "minilstm", "ms") for work in kinds
    ]
    assert all(t["median"] > 0 for t in found["timings"])
    assert found["ratios"] == [] and found["settings"]["grid"]
    table = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    assert table[:1] == ["| training: B, T, D, H, C, output"]
    assert table[2:6] == [f"| {words}" for words in WORDS]


def test_chosen_shapes_come_in_the_order_of_the_grid(capsys):
    _, found = run("--shapes", "bilstm,2x5x3x4", capsys=capsys)
    chosen = [t["work"] for t in found["timings"] if t["work"].startswith("training")]
    assert chosen == [f"training, {words}" for words in (WORDS[1], WORDS[3])]


def test_the_floor_is_what_the_multiply_adds_take_at_the_peak(capsys):
    pytest.importorskip("numba")
    _, found = run("--shapes", "two-layers", "--backend", "numba", capsys=capsys)
    rows = [Row(**t) for t in found["timings"]]
    peaks = [r.median for r in rows if r.unit == "GFLOP/s"]  # of training, of prediction
    operations = 2 * 3 * 4 * (4 * 5 * (5 + 2) + 4 * 5 * (5 + 5))  # 2 B T 4H (H + D), two layers
    for line, times, peak in zip(grid.grid_lines(rows), (3, 1), peaks, strict=True):
        assert line.floor == pytest.approx(times * operations / peak / 1e6)
        assert line.share == pytest.approx(100 * line.floor / line.times["minilstm"])


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_a_shape_has_the_sizes_that_its_name_says(shape):
    x, y = shapes.make_batches(shape, 0.002)[0]
    net = shapes.make_network(shape)
    assert len(x) == shape.B and x[0].shape[1] == shape.D == net.input_size
    assert len(net.classes) == shape.C > max(int(classes.max()) for classes in y)
    assert [len(a) for a in y] == [1 if shape.output_mode == "last" else len(a) for a in x]
    if "x" in shape.name:
        assert shape.name == f"{len(x)}x{len(x[0])}x{shape.D}x{shape.H}"


def test_the_vowels_are_trained_by_their_ten_mini_batches():
    batches = shapes.make_batches(SHAPES[1], 1.0)
    assert len(batches) == 10 and SHAPES[1].name == "vowels"
    assert shapes.describe_shape(SHAPES[1], batches) == "27 ragged, 7-26, 12, 100, 9, last"


def test_wrong_scores_are_refused_before_anything_is_timed(monkeypatch, capsys):
    right = Network.predict

    def wrong(self, x, **options):
        scores = right(self, x, **options)
        return scores if ml.backend.current_backend().name == "numpy" else np.roll(scores, 1, -1)

    pytest.importorskip("numba")
    monkeypatch.setattr(Network, "predict", wrong)
    assert main([*QUICK, "--shapes", "2x5x3x4", "--backend", "numba"]) == 1
    captured = capsys.readouterr()
    assert "scores differ from the NumPy twin" in captured.err and "median" not in captured.out


# ---------------------------------------------------------------- turns


def on_a_clock(monkeypatch, seconds):
    """A run that takes so many seconds of a clock that nothing else moves, and its starts."""
    clock = SimpleNamespace(now=0.0, runs=0, slept=0.0)

    def run():
        clock.now += seconds
        clock.runs += 1

    def sleep(pause):
        clock.slept += pause

    monkeypatch.setattr(turns.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(turns.time, "sleep", sleep)
    for name, value in (("PAUSE", 0.25), ("WARM", 1.0), ("TIMED", 2.0), ("LONG", 4.0)):
        monkeypatch.setattr(turns, name, value)
    return run, clock


@pytest.mark.parametrize(
    ("seconds", "first", "later", "slept"), [(0.5, 6, 6, 0.0), (3.0, 2, 2, 0.0), (8.0, 2, 1, 0.25)]
)
def test_a_turn_is_warm_before_its_runs_count(monkeypatch, seconds, first, later, slept):
    run, clock = on_a_clock(monkeypatch, seconds)
    measure = turns.warmed(run, 4)
    assert measure() == {"ms": seconds * 250} and clock.runs == first
    assert measure() == {"ms": seconds * 250} and clock.runs == first + later
    assert clock.slept == slept


@pytest.mark.parametrize(
    ("lengths", "ways"),
    [
        ((9, 9), {"torch": "padded"}),
        ((9, 1000), {"torch, packed": "packed", "torch, padded": "padded"}),
        ((9, 1001), {"torch, padded": "padded"}),
    ],
)
def test_pytorch_packs_ragged_sequences_that_are_not_long(lengths, ways):
    assert grid_works._torch_ways([[np.zeros((n, 1)) for n in lengths]]) == ways


# ---------------------------------------------------------------- the table


def test_a_ratio_is_that_to_the_fastest_of_the_others_and_a_loss_is_bold():
    assert grid.markdown(grid.grid_lines(ROWS)) == [
        "| training: B, T, D, H, C, output | minilstm | PyTorch | ratio | of the peak | floor |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | 4.00 | 20.0 packed; 8.00 padded | 1.90 | 50 % | 2.00 |",
        "| b | 0.500 | 0.200 | **0.47** | 10 % | 0.0500 |",
        "",
        "Geometric mean of the 2 ratios of training: 0.95.",
        "",
        "| prediction: B, T, D, H, C, output | minilstm | ONNX Runtime | OpenVINO | ratio | "
        "of the peak | floor |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| a | 1,500 | 600 | 900 | **0.40** | 2 % | 24.0 |",
        "",
        "Geometric mean of the 1 ratios of prediction: 0.40.",
        "",
    ]


def test_several_runs_make_one_table_and_the_later_one_counts(tmp_path, capsys):
    for name, rows in (("a", ROWS), ("b", [row("training, b", "minilstm", 0.25)])):
        result = {"machine": {"cores": name}, "timings": [r._asdict() for r in rows]}
        (tmp_path / name).write_text(f"words\n{json.dumps(result)}\n")
    lines, found = run("--read", str(tmp_path / "a"), str(tmp_path / "b"), capsys=capsys)
    assert found["machine"] == {"cores": "b"}
    assert "| a | 4.00 | 20.0 packed; 8.00 padded | 1.90 | 50 % | 2.00 |" in lines
    assert "| b | 0.250 | 0.200 | **0.47** | 10 % | 0.0250 |" in lines


@pytest.mark.parametrize("text", ["", "words", "{}", '{"machine": {}, "timings": [{"work": "w"}]}'])
def test_a_file_without_a_grid_is_refused(tmp_path, text, capsys):
    path = tmp_path / "run.txt"
    path.write_text(text)
    assert main([*QUICK, "--read", str(path)]) == 2
    assert (
        f"--read has {str(path)!r}, which does not end with the result of a grid; keep what "
        "minilstm bench --grid --json prints in it." in capsys.readouterr().err
    )


def test_a_file_that_is_not_there_and_an_empty_name_of_a_shape_are_refused(tmp_path, capsys):
    path = tmp_path / "run.txt"
    assert main([*QUICK, "--read", str(path)]) == 2
    assert (
        f"--read has {str(path)!r}, which cannot be read (No such file or directory); give files "
        "with what minilstm bench --grid --json prints." in capsys.readouterr().err
    )
    assert main([*QUICK, "--shapes", ""]) == 2
    assert "--shapes has ''; choose from activity" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shapes", "64"], "--shapes has '64'; choose from activity, 2x5x3x4, two-layers, bilst"),
        (["--works", "vowels"], "--grid measures shapes of its own on the CPU; leave out --works"),
        (["--long"], "leave out --works, --long and --backend cupy."),
        (["--crossover"], "leave out --against, --works, --long and --grid."),
        (["--read", "a", "--against", "torch"], "--read measures nothing; leave out --against and"),
        (["--picture", "grid.jpg"], "path is 'grid.jpg' and should end in .png, .svg, .pdf"),
    ],
)
def test_wrong_words_are_refused(arguments, words, capsys):
    assert main(["bench", "--grid", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shapes", "vowels"], "--shapes names shapes of the grid; add --grid."),
        (["--picture", "grid.png"], "--read and --picture are of the grid; add --grid."),
    ],
)
def test_what_belongs_to_the_grid_needs_it(arguments, words, capsys):
    assert main(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err


# ---------------------------------------------------------------- the picture


def test_the_picture_draws_the_fastest_way_of_each_engine_and_shows_losses(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [r._replace(work=r.work.replace(", ", ", 6, 9, 1, 2, 3, ")) for r in ROWS]
    path = draw_grid(rows, tmp_path / "grid.svg")
    again = draw_grid(rows, tmp_path / "again.svg")
    assert path.read_bytes() == again.read_bytes()
    figure = plot_speed(
        {
            "Training": [Timed("one", {"minilstm": 4.0, "PyTorch": 8.0}, 2.0, 2.0)],
            "Prediction": [Timed("one", {"minilstm": 6.0, "PyTorch": 3.0}, 0.5, 1.0)],
        }
    )
    win, loss = figure.axes
    assert [[bar.get_width() for bar in ax.patches] for ax in (win, loss)] == [[2, 4], [6, 3]]
    assert win.patches[0].get_facecolor() != loss.patches[0].get_facecolor()
    assert win.patches[1].get_facecolor() == loss.patches[1].get_facecolor()
    assert [ax.texts[2].get_text() for ax in (win, loss)] == ["2.00x", "0.50x"]
    assert [t.get_text() for t in win.get_yticklabels()] == ["one"]
    assert win.get_xlim() == loss.get_xlim() and win.get_xlim()[0] == 1
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["minilstm, the fastest", "minilstm, not the fastest", "PyTorch"]
    assert win.lines[0].get_xdata() == [1, 1]


def test_without_a_peak_the_picture_draws_milliseconds(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "grid.png"
    _, found = run("--picture", str(path), "--shapes", "2x5x3x4", capsys=capsys)
    assert found["files"] == [str(path)] and path.read_bytes()[:4] == b"\x89PNG"
    figure = plot_speed({"Training": [Timed("one", {"minilstm": 4.0})]})
    (ax,) = figure.axes
    assert ax.patches[0].get_width() == 4.0 and len(ax.lines) == 0
    assert figure.get_supxlabel() == "ms" and [t.get_text() for t in ax.texts] == ["4.00"]


# ---------------------------------------------------------------- other engines


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino"])
def test_other_engines_compute_the_same(engine, capsys):
    if not all(map(is_installed, (engine, *(["onnx"] if engine != "torch" else [])))):
        pytest.skip(f"{engine} is not installed")
    _, found = run("--against", engine, capsys=capsys)
    engines = {t["work"]: t["engine"] for t in found["timings"] if t["ratio"] is not None}
    kinds = ["training", "prediction"] if engine == "torch" else ["prediction"]
    assert list(engines) == [f"{kind}, {words}" for words in WORDS for kind in kinds]
    assert {name.split(",")[0] for name in engines.values()} == {engine}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["vowels", "bilstm of one output"])
def test_last_steps_of_every_kind_agree(engine, name, monkeypatch, capsys):
    if not (is_installed(engine) and is_installed("onnx")):
        pytest.skip(f"{engine} is not installed")
    last = Shape("bilstm of one output", 2, 6, 2, 3, 4, "last", both_ways=True)
    monkeypatch.setattr(shapes, "SHAPES", (SHAPES[1], last))
    _, found = run("--against", engine, "--shapes", name, capsys=capsys)
    assert found["timings"][2]["engine"] == engine


def test_scores_of_other_engines_are_compared_on_real_steps_alone():
    scores = np.zeros((3, 2, 1))  # (T, B, C)
    scores[2, 1] = 7  # a padded step
    expected = [np.zeros((3, 1)), np.zeros((2, 1))]
    turns.require_same_sequences(scores, expected, "torch")
    with pytest.raises(AssertionError, match=r"^scores differ from the NumPy twin by 7\.0e\+00 on"):
        turns.require_same_sequences(scores, [expected[0], np.zeros((3, 1))], "torch")
    rows = turns.time_major([np.full((3, 2), 1), np.full((2, 2), 2)])
    assert rows[:, :, 0].tolist() == [[1, 2], [1, 2], [1, 0]]


def test_cost_against_batch_counts_every_step_of_every_sequence(monkeypatch):
    monkeypatch.setattr(bench_works, "SIZES", (1, 3))
    monkeypatch.setattr(bench_works, "BATCH_STEPS", 5)
    monkeypatch.setattr(bench_works, "FILLED", 4)
    taken = {}
    monkeypatch.setattr(
        bench_works, "clocked", lambda run, counts, unit: taken.setdefault(counts, unit)
    )
    with ml.use_backend("numpy"):
        work = bench_works.batch()
    work.close()
    assert work.base == "minilstm, B 3" and list(work.engines) == ["minilstm, B 1", "minilstm, B 3"]
    assert taken == {20: "us a step and sequence", 15: "us a step and sequence"}


def test_the_gradients_are_checked_on_the_first_steps_that_stay_ragged():
    x, y = grid_works._beginnings([np.zeros((40, 1)), np.zeros((31, 1))], [np.ones(40), np.ones(1)])
    assert [len(a) for a in x] == [20, 16] and [len(a) for a in y] == [20, 1]
