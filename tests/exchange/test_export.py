"""`ml.export`: its report, what it refuses, and wrong converters that it finds.
A file that computes something else than the network is never kept."""

import json
import re
import shutil

import numpy as np
import pytest

import minilstm as ml
from minilstm.exchange import export as door
from minilstm.exchange.step.program import Both, Cell, Dense, Normalize, Pointwise, Scale

ON_NODE = (".js", ".html", ".wasm")


def net_of(*layers, seed=3, **options):
    return ml.Network(list(layers), rng=np.random.default_rng(seed), **options)


def plain(H=8, **options):
    layers = [ml.SequenceInput(3), ml.LSTM(H), ml.FullyConnected(4), ml.Softmax()]
    return net_of(*layers, **options)


def deep():
    """Every kind of operation of a chain that steps."""
    far = {"mean": [1.0, 2.0, 1000.0], "standard_deviation": [1.0, 2.0, 3.0]}
    start = {"hidden_state": np.full(6, 0.25), "cell_state": np.full(6, -0.5)}
    net = net_of(
        ml.SequenceInput(3, "zscore", **far), ml.LSTM(6, **start),
        ml.LSTM(6, state_activation_function="softsign", gate_activation_function="hard-sigmoid"),
        ml.BatchNormalization(), ml.ReLU(), ml.FullyConnected(6), ml.FullyConnected(4),
        ml.Sigmoid(),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    moved = {k: rng.uniform(0.5, 1.5, a.shape) for k, a in net.statistics.items()}
    values = {k: a + 0.1 * rng.standard_normal(a.shape) for k, a in net.parameters.items()}
    values["bn/offset"] = values["bn/offset"] + 1  # a ReLU that lets nothing through hides mistakes
    return net.replace(statistics=moved, parameters=values)


def both_ways(mode="last"):
    return net_of(ml.SequenceInput(3), ml.BiLSTM(5, output_mode=mode), ml.FullyConnected(4))


# ---------------------------------------------------------------- what the report says


def can_run(kind):
    """Whether what runs such a file is installed."""
    if kind == ".onnx":
        pytest.importorskip("onnxruntime")
    tool = "gcc" if kind == ".c" else "node" if kind in ON_NODE else None
    if tool is not None and shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    if kind == ".wasm" and not any(shutil.which(f"clang-{n}") for n in range(14, 24)):
        pytest.skip("clang is not installed")


RUNS = {".c": "gcc", ".js": "node", ".html": "node", ".wasm": "node", ".onnx": "ONNX Runtime",
        ".safetensors": "NumPy, from the file", ".json": "NumPy, from the file"}  # fmt: skip


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
    assert (report.proved_by, report.not_run) == ("", "check is False")
    assert str(report).endswith(
        f"not run, since check is False{f'; bits {report.bits}' * bool(report.bits)}"
    )
    if kind not in (".wasm", ".json"):  # which have no room for words
        assert b"NOT CHECKED" in (tmp_path / f"m{kind}").read_bytes()


def test_without_its_tools_a_file_is_proved_by_numpy_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    for kind in (".c", ".js", ".html"):
        assert ml.export(plain(), tmp_path / f"m{kind}").proved_by == "minilstm's evaluator"
    report = ml.export(plain(), tmp_path / "m.onnx")
    assert (report.proved_by, report.not_run) == ("", "onnxruntime is not installed")


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


# ---------------------------------------------------------------- whole-number weights


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
    drifts((1000, 1_000_000))


def test_a_quantisation_report_is_words_and_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    report = ml.quantisation_report(plain(), steps=(1000, 2000))
    first, *rest = str(report).splitlines()
    sizes = "int8 weights, 8 bits: 1,744 bytes become 864; scores move by "
    assert re.fullmatch(sizes + r"\S+ at most, \d of 200 labels change", first)
    assert [line.partition(":")[0] for line in rest] == ["after 1,000 steps", "after 2,000 steps"]
    assert report.plot(tmp_path / "drift.png").read_bytes()[:4] == b"\x89PNG"


# ---------------------------------------------------------------- what is refused


def refusals():
    image = [ml.SequenceInput([2, 2, 1]), ml.Flatten(), ml.LSTM(4), ml.FullyConnected(2)]
    a, b = ml.LSTM(4, name="a"), ml.LSTM(4, name="b")
    graph = ml.LayerGraph([ml.SequenceInput(3), a, b, ml.Addition(2, name="sum")])
    graph = graph.connect("a", "sum/in2")
    odd = net_of(ml.SequenceInput(3), ml.LSTM(4, gate_activation_function="hard-sigmoid"))
    started = net_of(ml.SequenceInput(3), ml.LSTM(4, hidden_state=np.ones(4)))
    scaled = net_of(ml.SequenceInput(3, "zerocenter", mean=[1.0, 2, 3]), ml.LSTM(4))
    huge = plain().replace(parameters={**plain().parameters, "fc/bias": np.full(4, 1e39)},
                           dtype="float64")  # fmt: skip
    chain = "a chain of LSTM, BiLSTM, FullyConnected, Softmax, Sigmoid, ReLU, BatchNormalization"
    return {
        "images": (net_of(*image), ".c", {}, f"cannot be exported: {chain}"),
        "a graph": (ml.Network(graph, rng=np.random.default_rng(0)), ".js", {}, f"d: {chain}"),
        "both ways, no window": (both_ways(), ".c", {}, "so it needs a whole window; give window="),
        "overflow": (huge, ".c", {}, "fc/bias of the network holds a number that float32 cannot"),
        "another ending": (plain(), ".tflite", {}, "ends in '.tflite', but an export ends in .c,"),
        "name": (plain(), ".c", {"name": "2x"}, "name is '2x'; give a word of letters, digits"),
        "int8 elsewhere": (plain(), ".onnx", {"weights": "int8"}, "but a .onnx file holds float32"),
        "weights": (plain(), ".c", {"weights": "int4"}, "choose 'float32', 'int16' or 'int8'"),
        "bits": (plain(), ".c", {"weights": "int8", "bits": 9}, "a whole number from 2 to 8"),
        "bits of float32": (plain(), ".c", {"bits": 4}, "choose weights='int8' or 'int16'"),
        "window": (plain(), ".c", {"window": 0}, "window is 0; give a whole number of at least 1"),
        "check": (plain(), ".c", {"check": 1}, "check is 1"),
        "judged float32": (plain(), ".c", {"most_changed": 0.1}, "judges whole-number weights"),
        "share": (plain(), ".c", {"weights": "int8", "most_changed": 2}, "a number from 0 to 1"),
        "activations in PyTorch": (odd, ".safetensors", {}, "has hard-sigmoid and tanh, and PyT"),
        "a start in PyTorch": (started, ".safetensors", {}, "starts from a state of its own, and"),
        "a normaliser in PyTorch": (scaled, ".safetensors", {}, "normalises, and a state dict has"),
        "a start in RTNeural": (started, ".json", {}, "which RTNeural's file has no place for"),
        "both ways in RTNeural": (both_ways(), ".json", {"window": 5}, "(both): LSTMs that give"),
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


# ---------------------------------------------------------------- wrong converters


def gates(order):
    """Blocks of gates in another order, in every matrix and bias of a cell."""

    def change(cell):
        def turned(a):
            blocks = np.split(a, 4, axis=-1)
            return np.concatenate([blocks["ifgo".index(g)] for g in order], axis=-1)

        W, R = (m._replace(values=turned(m.values)) for m in (cell.W, cell.R))
        return cell._replace(W=W, R=R, b=turned(cell.b))

    return change


def values(part, how):
    """A cell or a dense layer with one matrix changed."""

    def change(op):
        matrix = getattr(op, part)
        return op._replace(
            **{part: matrix._replace(values=np.ascontiguousarray(how(matrix.values)))}
        )

    return change


def replaced(**fields):
    return lambda op: op._replace(**{k: f(getattr(op, k)) for k, f in fields.items()})


def each(kind, change, which=None):
    """A converter that gets every operation of a kind wrong, or only one of them."""

    def wrong(program):
        steps, seen = [], 0
        for s in program.steps:
            if isinstance(s.operation, kind):
                if which in (None, seen):
                    s = s._replace(operation=change(s.operation))
                seen += 1
            steps.append(s)
        assert seen
        return program._replace(steps=tuple(steps))

    return wrong


def without(kind, which=0):
    """A converter that leaves out a layer."""

    def wrong(program):
        at = [n for n, s in enumerate(program.steps) if isinstance(s.operation, kind)][which]
        return program._replace(steps=program.steps[:at] + program.steps[at + 1 :])

    return wrong


def swapped(a, b):
    """A converter that gives two numbers' places to each other."""
    return lambda op: op._replace(**{a: getattr(op, b), b: getattr(op, a)})


zero = np.zeros_like
square = lambda m: m.reshape(m.shape[1], m.shape[0]).T  # noqa: E731 - another order in memory
#: what the converter does wrong, and in which network
PLANTED = {
    "gates i o f c": ("deep", each(Cell, gates("iofg"))),
    "gates i f o c": ("deep", each(Cell, gates("ifog"))),
    "gates f i c o": ("deep", each(Cell, gates("figo"))),
    "gates of the second layer alone": ("deep", each(Cell, gates("iogf"), 1)),
    "bias twice": ("deep", each(Cell, replaced(b=lambda b: 2 * b))),
    "no bias": ("deep", each(Cell, replaced(b=zero))),
    "forget gate's bias of 1 added": ("deep", each(Cell, replaced(
        b=lambda b: b + np.repeat(np.float32([0, 1, 0, 0]), len(b) // 4)))),
    "input weights transposed": ("deep", each(Cell, values("W", square))),
    "recurrent weights transposed": ("deep", each(Cell, values("R", square))),
    "input weights in the place of recurrent ones": ("deep", each(Cell, lambda c: c._replace(
        R=c.W), 1)),
    "dense weights transposed": ("deep", each(Dense, values("W", lambda m: m.T), 0)),
    "dense bias left out": ("deep", each(Dense, replaced(b=zero), 1)),
    "dense biases of two layers alike": ("deep", each(Dense, replaced(b=lambda b: b * 1.1), 0)),
    "tanh for softsign": ("deep", each(Cell, replaced(state=lambda s: "tanh"))),
    "sigmoid for hard sigmoid": ("deep", each(Cell, replaced(gate=lambda s: "sigmoid"))),
    "a start left out": ("deep", each(Cell, replaced(h0=zero), 0)),
    "a cell state for a hidden one": ("deep", each(Cell, swapped("h0", "c0"), 0)),
    "an LSTM left out": ("deep", without(Cell, 1)),
    "a dense layer left out": ("deep", without(Dense)),
    "a normaliser left out": ("deep", without(Normalize)),
    "a normaliser's factor the other way": ("deep", each(Normalize, replaced(
        factor=lambda f: 1 / f))),
    "batch statistics left out": ("deep", without(Scale)),
    "scale and offset swapped": ("deep", each(Scale, swapped("factor", "offset"))),
    "an activation left out": ("deep", without(Pointwise, 1)),
    "softmax for sigmoid": ("deep", each(Pointwise, replaced(function=lambda f: "softmax"), 1)),
    "directions swapped": ("both", each(Both, lambda op: Both(op.back, op.forward))),
    "one direction twice": ("both", each(Both, lambda op: Both(op.forward, op.forward))),
    "backward gates in another order": ("both", each(Both, lambda op: Both(
        op.forward, gates("iofg")(op.back)))),
    "every step for the last": ("both", lambda p: p._replace(steps=tuple(
        s._replace(last=False) for s in p.steps))),
    "the last step for every one": ("every", lambda p: p._replace(steps=tuple(
        s._replace(last=isinstance(s.operation, Both)) for s in p.steps))),
}  # fmt: skip
FAULT = r"report this as a fault of minilstm|gives other bits than the exported program"
NETS = {"deep": deep, "both": both_ways, "every": lambda: both_ways("sequence")}


def test_more_than_24_wrong_converters_are_planted():
    assert len(PLANTED) + len(TEXTS) >= 24


@pytest.mark.parametrize("kind", [".c", ".js", ".onnx"])
@pytest.mark.parametrize("mistake", PLANTED)
def test_a_wrong_converter_is_found(mistake, kind, tmp_path, monkeypatch):
    can_run(kind)
    name, wrong = PLANTED[mistake]
    if kind == ".onnx" and ("start" in mistake or "cell state" in mistake):
        pytest.skip("an ONNX file takes its start from outside")
    emitter = {".c": "c99", ".js": "javascript", ".onnx": "onnx"}[kind]
    right = getattr(door, emitter)
    monkeypatch.setattr(door, emitter, lambda program, *more: right(wrong(program), *more))
    with pytest.raises(ValueError, match=FAULT):
        ml.export(NETS[name](), tmp_path / f"m{kind}", window=None if name == "deep" else 9)
    assert not list(tmp_path.iterdir())


#: what a text says, and what a careless hand made of it; kind of file, network
TEXTS = {
    "the order of time": (".c", "both", r"\(9 - 1 - t\) \* 3", "t * 3"),
    "the order of time in JavaScript": (".js", "both", r"rows\.slice\(\)\.reverse\(\)", "rows"),
    "the gate of another": (".c", "deep", r"z\[3 \* H \+ j\] \* f_", "z[j] * f_"),
    "no cell function": (".c", "deep", r"\* f_(\w+)\(c\[j\]\)", "* c[j]"),
    "a sum over too few": (".js", "deep", r"k < K; k\+\+, n", "k < K - 1; k++, n"),
    "a weight's digit": (".c", "deep", r"(const float R0\[\d+\] = \{\n)[^,]*", r"\g<1>0x1p+0f"),
    "no reset": (".c", "deep", r"(?s)(void \w+_reset\(\w+ \*m\) \{\n).*?(\n\})", r"\1(void)m;\2"),
    "fused or not": (".js", "plain", r"f\(p \+ f\(w\[n\] \* v\)\)", "f(p + w[n] * v)"),
    "a network of numbers": (".json", "plain", '"lstm"', '"gru"'),
    "a layer missing in JSON": (".json", "plain", '"dense"', '"dropout"'),
}  # fmt: skip


@pytest.mark.parametrize("mistake", TEXTS)
def test_a_wrong_text_is_found(mistake, tmp_path, monkeypatch):
    kind, name, says, wrong = TEXTS[mistake]
    can_run(kind)
    net = plain() if name == "plain" else NETS[name]()
    if kind == ".json":
        right = door.rtneural
        monkeypatch.setattr(door, "rtneural", lambda p: json.loads(
            re.sub(says, wrong, json.dumps(right(p)))))  # fmt: skip
    else:
        emitter = {".c": "c99", ".js": "javascript"}[kind]
        right = getattr(door, emitter)
        monkeypatch.setattr(door, emitter, lambda *args: broken(right(*args), says, wrong))
    with pytest.raises(ValueError, match=FAULT):
        ml.export(net, tmp_path / f"m{kind}", window=9 if name == "both" else None)
    assert not list(tmp_path.iterdir())


def broken(text, says, wrong):
    changed = re.sub(says, wrong, text)
    assert changed != text
    return changed


@pytest.mark.parametrize(
    "wrong",
    [
        lambda k, a: (k, np.roll(a, 1, axis=0)),
        lambda k, a: (k, a.reshape(a.shape[::-1]).T),
        lambda k, a: (k.replace("bias_ih", "bias_hh"), a),
        lambda k, a: (k, 2 * a if "bias" in k else a),
        lambda k, a: (k.replace("weight_ih", "weight_ih2"), a),
    ],
    ids=["rows moved", "transposed", "a bias lost", "bias twice", "a name of its own"],
)
def test_a_wrong_state_dict_is_found(wrong, tmp_path, monkeypatch):
    right = door.state_dict

    def changed(net):
        pairs = [wrong(k, a) for k, a in right(net).items()]
        return {k: np.ascontiguousarray(a) for k, a in pairs}

    monkeypatch.setattr(door, "state_dict", changed)
    with pytest.raises(ValueError, match="report this as a fault"):
        ml.export(plain(), tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
