"""`ml.export`: its report, what whole-number weights change, and what is refused.
Where something is refused, nothing is written."""

import re
import shutil

import numpy as np
import pytest
from exported_nets import both_ways, can_run, deep, net_of, plain, sized

import minilstm as ml
from minilstm.exchange import export as door

# ---------------------------------------------------------------- what the report says

BACK = "NumPy, from the file"
UNNAMED = "names of features, as the network has none"
RUNS = {".c": "gcc", ".js": "node", ".html": "node", ".wasm": "node",
        ".onnx": ("ONNX Runtime", BACK), ".safetensors": BACK, ".json": BACK}  # fmt: skip


@pytest.mark.parametrize("kind", door.KINDS)
def test_a_file_is_proved_and_the_report_says_by_whom(kind, tmp_path):
    can_run(kind)
    report = ml.export(plain(classes=["a", "b", "c", "d"]), tmp_path / f"m{kind}")
    assert report.proved_by.startswith(RUNS[kind])
    assert (report.steps, report.labels_changed, report.weights) == (41, 0, "float32")
    assert report.largest_difference < 3e-7 < report.bound
    assert report.bytes == (tmp_path / f"m{kind}").stat().st_size
    assert (report.bits is not None) == (kind in door.OURS)
    assert f"proved by {report.proved_by}: 41 steps, at most" in str(report)


def regression(recurrent):
    far = {"mean": [1.0, 2.0, 3e5], "standard_deviation": [1.0, 2.0, 3.0]}
    return net_of(ml.SequenceInput(3, "zscore", **far), *recurrent, ml.FullyConnected(4))


@pytest.mark.parametrize("size", [1e-3, 1.0, 300.0, 1e5])
@pytest.mark.parametrize("recurrent", [[ml.LSTM(8)], [ml.LSTM(8), ml.LSTM(6)], [ml.BiLSTM(5)]],
                         ids=str)  # fmt: skip
def test_scores_of_any_size_are_proved_within_their_rounding(recurrent, size, tmp_path):
    net = sized(regression(recurrent), size)
    report = ml.export(net, tmp_path / "m.onnx", window=9)
    assert report.largest_difference < 1e-6 * size
    assert size * 1e-7 < report.bound < size * (1e-2 if len(recurrent) == 2 else 1e-4)
    assert ml.export(net, tmp_path / "m.onnx", window=9, check=False).bound is None
    can_run(".js")
    assert ml.export(net, tmp_path / "m.js", window=9, weights="int8").bound is None


def steep():
    """Two LSTMs with weights so large that a small error grows."""
    net = net_of(ml.SequenceInput(3), ml.LSTM(8), ml.LSTM(8), ml.FullyConnected(4))
    large = {k: 4 * a if "weights" in k else a for k, a in net.parameters.items()}
    return net.replace(parameters=large)


APART = {
    plain: "the exported file is 1e+03 away from the network at step N in sequence N, as X runs it,"
           " where score 1 reaches 1.2e+04; rounding alone makes 1.7 at most, so nothing was "
           "written; report this as a fault of minilstm.",
    deep: "the exported file is 1e+03 away from the network at step N in sequence N, as X runs it, "
          "where score 1 reaches 1e+05; rounding alone makes 1.6 at most, so nothing was written; "
          "report this as a fault of minilstm.",
    steep: "the exported file is 1e+03 away from the network at step N in sequence N, as X runs "
           "it, where score 2 reaches 4e+05; 2.1e+02 is allowed for rounding, so nothing was "
           "written; report this as a fault of minilstm, or, if rounding can make so much here, "
           "export with check=False (--no-check).",
}  # fmt: skip


@pytest.mark.parametrize("make", APART)
def test_a_difference_is_told_beside_the_size_of_the_scores(make, tmp_path, monkeypatch):
    right = door.onnx

    def wrong(program, *more):
        *first, last = program.steps
        last = last._replace(
            operation=last.operation._replace(b=last.operation.b + np.float32(1e3))
        )
        return right(program._replace(steps=(*first, last)), *more)

    monkeypatch.setattr(door, "onnx", wrong)
    with pytest.raises(ValueError, match="fault of minilstm") as caught:
        ml.export(sized(make(), 1e5), tmp_path / "m.onnx")
    said = re.sub(r"step \d+ of \d+ in sequence \d", "step N in sequence N", str(caught.value))
    assert re.sub("as .* runs", "as X runs", said) == APART[make]
    assert not list(tmp_path.iterdir())


def test_c_javascript_wasm_and_page_have_one_set_of_bits(tmp_path):
    for kind in door.OURS:
        can_run(kind)
    for weights in ("float32", "int16", "int8"):
        reports = [ml.export(deep(), tmp_path / f"m{k}", weights=weights) for k in door.OURS]
        assert len({r.bits for r in reports}) == 1
        assert len({r.largest_difference for r in reports}) == 1


@pytest.mark.parametrize("kind", door.KINDS)
def test_a_file_that_nobody_checked_says_so(kind, tmp_path):
    if kind == ".wasm":
        can_run(kind)
    report = ml.export(plain(), tmp_path / f"m{kind}", check=False)
    assert (report.proved_by, report.not_run) == ("", "check=False")
    said = f"not run, since check=False{f'; bits {report.bits}' * bool(report.bits)}"
    missing = {".safetensors": "; not in the file: the order of layers, and what stands between "
               "those with arrays", ".json": "; not in the file: names of layers, and what "
               "acts in training alone"}  # fmt: skip
    other = f"; not in the file: {UNNAMED}" * (kind in (".c", ".js", ".html"))
    assert str(report).endswith(said + missing.get(kind, other))
    if kind not in (".wasm", ".json"):  # which have no room for words
        assert b"NOT CHECKED" in (tmp_path / f"m{kind}").read_bytes()


def test_without_its_tools_a_file_is_proved_by_numpy_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    for kind in (".c", ".js", ".html"):
        told = ml.export(plain(), tmp_path / f"m{kind}").proved_by
        assert told == "an evaluator in the file's place"
    report = ml.export(plain(), tmp_path / "m.onnx")
    assert (report.proved_by, report.not_run) == ("NumPy, from the file", "")


def test_a_network_that_stands_still_proves_little_and_the_report_says_so(tmp_path):
    net = net_of(ml.SequenceInput(3), ml.LSTM(8), ml.ReLU(), ml.FullyConnected(4))
    assert "proves little" not in str(ml.export(net, tmp_path / "m.safetensors"))
    weights = {**net.parameters, "fc/weights": np.zeros((4, 8))}
    report = ml.export(net.replace(parameters=weights), tmp_path / "m.safetensors")
    assert report.moves == 0
    assert "which proves little: its scores do not move with its inputs" in str(report)


@pytest.mark.parametrize("size", [1e-9, 1e5])
def test_scores_stand_still_in_their_own_size(size, tmp_path):
    net = sized(plain(), size)
    assert not ml.export(net, tmp_path / "m.json").still
    far = {**net.parameters, "sized/bias": np.full(2, 1e8 * size)}  # 1e8 times as far as they move
    report = ml.export(net.replace(parameters=far), tmp_path / "m.json")
    assert report.still and "which proves little" in str(report)


def test_a_small_score_beside_a_large_one_is_compared_in_its_own_size(tmp_path, monkeypatch):
    net = sized(plain(), 1.0)
    rows = {k: (a.T * [1e5, 1e-5]).T for k, a in net.parameters.items() if k.startswith("sized/")}
    right = door.rtneural

    def wrong(program):
        *first, last = program.steps
        b = last.operation.b + np.float32([0, 1e-6])
        return right(program._replace(steps=(*first, last._replace(
            operation=last.operation._replace(b=b)))))  # fmt: skip

    net = net.replace(parameters={**net.parameters, **rows})
    assert ml.export(net, tmp_path / "m.json").steps == 41
    monkeypatch.setattr(door, "rtneural", wrong)
    with pytest.raises(ValueError, match=r"away from the network .* where score 2 reaches"):
        ml.export(net, tmp_path / "n.json")


def test_a_network_of_last_states_goes_on_a_stream(tmp_path):
    can_run(".c")
    net = net_of(ml.SequenceInput(3), ml.LSTM(8, output_mode="last"), ml.FullyConnected(2))
    assert ml.export(net, tmp_path / "m.c").steps == 41
    assert ml.export(net, tmp_path / "m.c", window=9).steps == 3


def test_a_window_is_that_of_the_training_and_any_where_the_file_takes_all(tmp_path):
    net = both_ways().replace(about={"shaping": {"window_length": 12, "window_step": 4}})
    ml.export(net, tmp_path / "m.c")
    assert "#define MODEL_WINDOW 12\n" in (tmp_path / "m.c").read_text()
    assert ml.export(both_ways(), tmp_path / "m.safetensors").steps == 3


CELLS = [("hard-sigmoid", "tanh"), ("sigmoid", "softsign"), ("hard-sigmoid", "relu")]


@pytest.mark.parametrize(("gate", "state"), CELLS)
def test_every_function_of_an_lstm_has_a_bound(gate, state, tmp_path):
    how = {"gate_activation_function": gate, "state_activation_function": state}
    net = net_of(ml.SequenceInput(3), ml.LSTM(8, **how), ml.LSTM(5, **how), ml.FullyConnected(2))
    report = ml.export(net, tmp_path / "m.onnx")
    assert 0 < report.largest_difference <= report.bound < 1e-4
    told = str(report._replace(bound=None))
    assert "the network (how much rounding alone may make is not known)" in told


def test_a_file_starts_anew_and_takes_rows_of_any_number(tmp_path):
    layers = [ml.LSTM(4, "last"), ml.FullyConnected(2)]
    net = net_of(ml.SequenceInput(3, min_length=50), *layers, data_format="CT")
    net.predict_and_update_state(np.ones((3, 60)))
    report = ml.export(net, tmp_path / "odd.c", check=False)
    left_out = "min_length=50", "data_format='CT', as it takes (time, features)", UNNAMED
    assert report.left_out == left_out and str(report).endswith("file: " + "; ".join(left_out))
    ml.export(net_of(ml.SequenceInput(3), *layers), tmp_path / "m.c", check=False)
    assert (tmp_path / "odd.c").read_bytes() == (tmp_path / "m.c").read_bytes()
    assert ml.export(net, tmp_path / "odd.onnx").left_out == ()
    back = ml.from_onnx(tmp_path / "odd.onnx")
    assert (back.data_format, back.layers[0].min_length, back.carried_state) == ("CT", 50, None)
    assert 0 < ml.quantisation_report(net, np.ones((3, 60))).largest_change < 0.01
    assert net.carried_state is not None


def test_the_report_says_what_a_file_has_no_place_for(tmp_path):
    net = net_of(ml.SequenceInput(3, feature_names=["x", "y", "z"]), ml.LSTM(4),
                 ml.BatchNormalization(1e-3), ml.Dropout(0.1), ml.FullyConnected(2), ml.Softmax(),
                 classes=["a", "b"], dtype="float64")  # fmt: skip
    report = ml.export(net, tmp_path / "m.safetensors")
    assert report.weights == "float64" and report.left_out == (
        "the order of layers, and what stands between those with arrays", "epsilon=0.001 of 'bn'",
        "classes", "what is known of the data",
    )  # fmt: skip
    assert b"float64 weights" in (tmp_path / "m.safetensors").read_bytes()
    chain = [a for a in net.layers if not isinstance(a, ml.BatchNormalization)]
    report = ml.export(net_of(*chain, classes=["a", "b"]), tmp_path / "m.json")
    named = "names of layers, and what acts in training alone"
    assert report.left_out == (named, "classes", "what is known of the data")


# ---------------------------------------------------------------- whole-number weights


@pytest.mark.parametrize("weights", ["int8", "int16"])
def test_rows_of_zeros_and_of_subnormal_numbers(weights, tmp_path):
    net = plain()
    rows = dict(net.parameters)
    for key in ("lstm/recurrent_weights", "fc/weights"):
        sizes = [0.0, 1e-42, 1e-39, 1.0] * (len(rows[key]) // 4)
        rows[key] = rows[key] * np.array(sizes, "f4")[:, None]
    how = {"weights": weights, "bits": np.int64(8), "window": np.int64(9)}
    report = ml.export(net.replace(parameters=rows), tmp_path / "m.js", **how)
    assert report.largest_difference < 3e-7 and report.quantisation.largest_change < 0.01
    assert (report.quantisation.bits, report.steps) == (8, 27)


def test_vowels_keep_their_labels_with_int8(tmp_path):
    x, y, x_test, _ = ml.datasets.japanese_vowels()
    layers = [ml.SequenceInput(12), ml.LSTM(100, output_mode="last"), ml.FullyConnected(9),
              ml.Softmax()]  # fmt: skip
    options = ml.TrainingOptions(
        max_epochs=40, mini_batch_size=27, initial_learn_rate=0.002, seed=1, verbose=False
    )
    net, _ = ml.train(x, y, layers, options=options)
    report = ml.quantisation_report(net, x_test)
    assert (report.labels_changed, report.labels, report.drift) == (0, 370, ())
    assert report.largest_change < 0.05 and report.bytes_after < 0.4 * report.bytes_before
    coarse = ml.quantisation_report(net, x_test, bits=3)
    assert coarse.labels_changed > 10
    with pytest.raises(ValueError, match=r"of 370 labels change with int8 weights, but most_cha"):
        ml.export(net, tmp_path / "m.c", weights="int8", bits=3, x=x_test, most_changed=0.01)
    assert not list(tmp_path.iterdir())
    told = ml.export(net, tmp_path / "m.c", weights="int8", x=x_test, most_changed=0.0)
    assert told.quantisation.labels_changed == 0 and "0 of 370 labels change" in str(told)


def test_the_largest_share_of_labels_over_all_runs_counts(tmp_path):
    net = net_of(ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(4), ml.Softmax(), seed=0)
    report = ml.export(net, tmp_path / "m.js", weights="int8", most_changed=0.002).quantisation
    assert (report.labels_changed, report.drift[0].labels_changed) == (0, 2)  # of 200, of 1,000
    with pytest.raises(ValueError, match="labels change") as caught:
        ml.export(net, tmp_path / "n.js", weights="int8", most_changed=0.001)
    assert str(caught.value) == (
        "2 of 1,000 labels change with int8 weights after 1,000 steps, but most_changed is 0.001; "
        "nothing was written. Choose weights='int16' or more bits."
    )
    assert not (tmp_path / "n.js").exists()


def drifts(steps):
    report = ml.quantisation_report(plain(32), steps=steps)
    changes = [d.largest_change for d in report.drift]
    assert [d.step for d in report.drift] == list(steps)
    assert 0 < max(changes) < 2 * min(changes)  # as far off at the end as at the start
    assert all(d.labels == 1000 for d in report.drift)


def test_errors_of_int8_do_not_build_up():
    drifts((1000, 100_000))


@pytest.mark.campaign
def test_errors_of_int8_do_not_build_up_in_a_million_steps():
    drifts((1000, 100_000, 1_000_000))


def test_a_quantisation_report_is_words_and_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    report = ml.quantisation_report(plain(), steps=(1000, 2000))
    first, *rest = str(report).splitlines()
    sizes = "int8 weights, 8 bits: 1,744 bytes become 864; scores move by "
    sizes += r"\S+ at most, \d of 200 labels change on inputs that are drawn; judge your own with "
    assert re.fullmatch(sizes + r"quantisation_report\(net, x\)", first)
    assert [line.partition(":")[0] for line in rest] == ["after 1,000 steps", "after 2,000 steps"]
    assert report.plot(tmp_path / "drift.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match=r"^the report has no long runs to draw: every sequence"):
        report._replace(drift=()).plot(tmp_path / "none.png")


def test_numbers_have_no_labels_that_could_change(tmp_path):
    net = net_of(ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(2))
    report = ml.export(net, tmp_path / "m.js", weights="int8")
    assert (report.labels_changed, report.quantisation.labels) == (None, 0)
    assert "labels change" not in str(report)
    with pytest.raises(ValueError, match=r"a share of labels, but the network gives numbers; leav"):
        ml.export(net, tmp_path / "n.js", weights="int8", most_changed=0.01)
    assert not (tmp_path / "n.js").exists()


# ---------------------------------------------------------------- what is refused


def large(size):
    """A network with weights of so many, which float32 holds."""
    net = plain()
    weights = {k: size * np.sign(a) if "weights" in k else a for k, a in net.parameters.items()}
    return net.replace(parameters=weights)


@pytest.mark.parametrize(("options", "says"), [
    ({"steps": 5}, "steps is 5; give a list of whole numbers, such as [1000]."),
    ({"steps": "100"}, "steps is '100'; give a list of whole numbers, such as [1000]."),
    ({"weights": ["int8"]}, "weights is ['int8']; choose one of 'int16', 'int8'."),
    ({"window": 0}, "window is 0; give a whole number of at least 1."),
])  # fmt: skip
def test_what_a_quantisation_report_refuses(options, says):
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        ml.quantisation_report(plain(), **options)
    assert str(caught.value) == says
    with pytest.raises(ValueError, match="are not finite on rows like those it was trained for"):
        ml.quantisation_report(large(3e38))


def refusals():
    image = [ml.SequenceInput([2, 2, 1]), ml.Flatten(), ml.LSTM(4), ml.FullyConnected(2)]
    a, b = ml.LSTM(4, name="a"), ml.LSTM(4, name="b")
    graph = ml.LayerGraph([ml.SequenceInput(3), a, b, ml.Addition(2, name="sum")])
    graph = graph.connect("a", "sum/in2")
    odd = net_of(ml.SequenceInput(3), ml.LSTM(4, gate_activation_function="hard-sigmoid"))
    started = net_of(ml.SequenceInput(3), ml.LSTM(4, hidden_state=np.ones(4)))
    scaled = net_of(ml.SequenceInput(3, "zerocenter", mean=[1.0, 2, 3]), ml.LSTM(4))
    flat = net_of(ml.SequenceInput(1, "zscore", 1.0, standard_deviation=1e-41), ml.LSTM(2))
    huge = plain().replace(parameters={**plain().parameters, "fc/bias": np.full(4, 1e39)},
                           dtype="float64")  # fmt: skip
    halved = net_of(ml.SequenceInput(3), ml.LSTM(4, name="\ud800"))
    bools = net_of(ml.SequenceInput(3), ml.LSTM(2), ml.Softmax(), classes=[False, True])
    chain = "a chain of LSTM, BiLSTM, FullyConnected, Softmax, Sigmoid, ReLU, BatchNormalization"
    return {
        "images": (net_of(*image), ".c", {}, f"cannot be exported: {chain}"),
        "a graph": (ml.Network(graph, rng=np.random.default_rng(0)), ".js", {}, f"d: {chain}"),
        "both ways, no window": (both_ways(), ".c", {}, "so it needs a whole window; give window="),
        "a function": (net_of(ml.SequenceInput(3, np.tanh), ml.LSTM(4)), ".onnx", {},
                       "normalises by a function, which no file can hold; choose an equation"),
        "nothing": (net_of(ml.SequenceInput(3), ml.Dropout(0.1)), ".c", {}, "as it has none of t"),
        "overflow": (huge, ".c", {}, "4 fully connected layer) works with a number that float32"),
        "another ending": (plain(), ".tflite", {}, "ends in '.tflite', but an export ends in .c,"),
        "name": (plain(), ".c", {"name": "2x"}, "name is '2x'; give a word of letters, digits"),
        "int8 elsewhere": (plain(), ".onnx", {"weights": "int8"}, "but a .onnx file holds float32"),
        "weights": (plain(), ".c", {"weights": "int4"}, "one of 'float32', 'int16', 'int8'"),
        "weights in a list": (plain(), ".c", {"weights": ["int8"]}, "weights is ['int8']; choose"),
        "no network": (None, ".c", {}, "net is NoneType; give a Network, the first of the two th"),
        "layers": ([ml.LSTM(3)], ".js", {}, "net is list; give a Network, the first of the two t"),
        "complex": (plain(dtype=complex), ".c", {}, "computes in complex128, which no file holds"),
        "NUL": (plain(classes=["a", "b\0c", "d", "e"]), ".c", {}, "is called 'b\\x00c', and a te"),
        "half a letter": (plain(classes=[*"abc", "\ud800"]), ".c", {}, "and is UTF-8; call it som"),
        "too large for C": (large(3e38), ".c", {}, "scores that are not finite on rows like thos"),
        "too large for node": (large(3e38), ".js", {"weights": "int8"}, "as its numbers are too l"),
        "too large for ONNX": (large(3e38), ".onnx", {}, "train it again with a lower learning ra"),
        "a small deviation": (flat, ".c", {}, "1 dimensions, zscore) works with a number that"),
        "bits": (plain(), ".c", {"weights": "int8", "bits": 9}, "a whole number from 2 to 8"),
        "bits of float32": (plain(), ".c", {"bits": 4}, "choose weights='int8' or 'int16'"),
        "true or false": (bools, ".onnx", {}, "has dtype bool"),
        "half a letter in ONNX": (halved, ".onnx", {}, r"holds '\ud800', which is no letter; na"),
        "window": (plain(), ".c", {"window": 0}, "window is 0; give a whole number of at least 1"),
        "check": (plain(), ".c", {"check": 1}, "check is 1"),
        "judged float32": (plain(), ".c", {"most_changed": 0.1}, "judges whole-number weights"),
        "share": (plain(), ".c", {"weights": "int8", "most_changed": 2}, "a number from 0 to 1"),
        "activations in PyTorch": (odd, ".safetensors", {}, "has hard-sigmoid and tanh, and PyT"),
        "a start in PyTorch": (started, ".safetensors", {}, "starts from a state of its own, and"),
        "a normaliser in PyTorch": (scaled, ".safetensors", {}, "normalises, and a state dict has"),
        "a start in RTNeural": (started, ".json", {}, "which RTNeural's file has no place for"),
        "both ways in RTNeural": (both_ways(), ".json", {"window": 5}, "has a BiLSTM, which RTN"),
    }  # fmt: skip


@pytest.mark.parametrize("case", refusals())
def test_what_a_file_cannot_hold_is_refused_and_nothing_is_written(case, tmp_path):
    net, kind, options, says = refusals()[case]
    with pytest.raises((ValueError, ml.DataError), match=re.escape(says)) as caught:
        ml.export(net, tmp_path / f"m{kind}", **options)
    assert not list(tmp_path.iterdir())
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_wasm_without_a_compiler_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("minilstm.exchange.outgoing.wasm._compilers", lambda: [["false"]])
    with pytest.raises(ValueError, match=r"needs clang with lld, or ziglang, .* pip install zigl"):
        ml.export(plain(), tmp_path / "m.wasm")
    assert not list(tmp_path.iterdir())
