"""Converters that are wrong, each in one way, and all found before a file is kept.
A file that computes something else than the network is never written."""

import json
import re

import numpy as np
import pytest
from exported_nets import both_ways, can_run, deep, net_of, plain, sized

import minilstm as ml
from minilstm.exchange import export as door
from minilstm.exchange.outgoing import protobuf as pb
from minilstm.exchange.outgoing.onnx import _Graph
from minilstm.exchange.step import program as steps
from minilstm.exchange.step.program import Both, Cell, Dense, Normalize, Pointwise, Scale


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


@pytest.mark.parametrize(
    ("kind", "size"), [(".c", 1), (".js", 1), (".onnx", 1), (".onnx", 1e-3), (".onnx", 1e5)]
)
@pytest.mark.parametrize("mistake", PLANTED)
def test_a_wrong_converter_is_found(mistake, kind, size, tmp_path, monkeypatch):
    can_run(kind)
    name, wrong = PLANTED[mistake]
    net = NETS[name]() if size == 1 else sized(NETS[name](), size)
    window = None if name == "deep" else 9
    emitter = {".c": "c99", ".js": "javascript", ".onnx": "onnx"}[kind]
    right = getattr(door, emitter)
    monkeypatch.setattr(door, emitter, lambda program, *more: right(wrong(program), *more))
    with pytest.raises(ValueError, match=FAULT):
        ml.export(net, tmp_path / f"m{kind}", window=window)
    assert not list(tmp_path.iterdir())


#: what a text says, and what a careless hand made of it; kind of file, network
TEXTS = {
    "the order of time": (".c", "both", r"\(9 - 1 - t\) \* 3", "t * 3"),
    "the order of time in JavaScript": (".js", "both", r"rows\.slice\(\)\.reverse\(\)", "rows"),
    "the gate of another": (".c", "deep", r"z\[3 \* H \+ j\] \* f_", "z[j] * f_"),
    "no cell function": (".c", "deep", r"\* f_(\w+)\(c\[j\]\)", "* c[j]"),
    "a sum over too few": (".js", "deep", r"k < K; k\+\+\) for", "k < K - 1; k++) for"),
    "a weight's digit": (".c", "deep", r"(const float R0\[\d+\] = \{\n)[^,]*", r"\g<1>0x1p+0f"),
    "no reset": (".c", "deep", r"(?s)(void \w+_reset\(\w+ \*m\) \{\n).*?(\n\})", r"\1(void)m;\2"),
    "fused or not": (".js", "plain", r"f\(w\[n\] \* a\)", "w[n] * a"),
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


def wired(kind, inputs=lambda a: a, outputs=lambda a: a):
    """A node that reads or gives other values."""

    def wrong(node, reads, gives, *more, right=pb.node, **options):
        if node == kind:
            reads, gives = inputs(list(reads)), outputs(list(gives))
        return right(node, reads, gives, *more, **options)

    return pb, "node", wrong


def held(how):
    """An array of the graph that is another."""
    right = _Graph.array
    return _Graph, "array", lambda self, name, a: right(self, name, how(name, a))


def emitted(emitter, place, how):
    """An argument of an emitter that is another."""
    right = getattr(door, emitter)

    def wrong(*given):
        return right(*given[:place], how(given[place]), *given[place + 1 :])

    return door, emitter, wrong


def made(emitter, how):
    """What an emitter makes, changed."""
    right = getattr(door, emitter)
    return door, emitter, lambda *given: how(right(*given))


def said(emitter, says, wrong):
    """A text of an emitter that says something else, word for word."""
    return made(emitter, lambda text: broken(text, re.escape(says), lambda _: wrong))


def scaled(size, key=""):
    """A state dict whose arrays, where the name has a part, are another size."""
    return made("state_dict", lambda kept: {
        k: a * a.dtype.type(size) if key in k else a for k, a in kept.items()})  # fmt: skip


def rounded(kind):
    """A state dict with the digits of float32, in float32 or another type."""
    return made("state_dict", lambda kept: {
        k: a.astype("f4").astype(kind) for k, a in kept.items()})  # fmt: skip


def on_page(**facts):
    return emitted("page", 4, lambda right: {**right, **facts})


def first_layer(**told):
    """RTNeural's JSON that tells other things of its first layer."""
    return made("rtneural", lambda plain: {
        **plain, "layers": [{**plain["layers"][0], **told}, *plain["layers"][1:]]})  # fmt: skip


def cells(how):
    """A step whose LSTMs are others, whatever writes it."""
    return steps, "_cell", lambda *given, right=steps._cell: how(right(*given))


def of_one(name, a):
    """The shape behind an LSTM, for a batch of one sequence alone."""
    shapes = {"rows": [-1, 1, a[-1]], "last": [1, a[-1]]} if a.dtype == np.int64 else {}
    return np.array(shapes.get(name.rpartition(".")[2], a), a.dtype)


turned = lambda key: lambda kept: {**kept, key: kept[key][::-1]}  # noqa: E731
renamed = lambda p: p._replace(classes=p.classes[::-1])  # noqa: E731
upside_down = lambda test: test._replace(scores=test.scores[::-1])  # noqa: E731
EMITTERS = {".c": "c99", ".wasm": "c99", ".js": "javascript", ".html": "page"}
ANSWERS = r"the self-test of the exported file answers \S+, as (gcc|node) runs it, where "
OTHERS = ANSWERS + r"-\S+ is right for other scores"
C_TEST, JS_TEST = "float model_self_test(void) {", "selfTest() {"
C_BITS, JS_BITS = "return worst > 0.0f ? -worst : -1.0e-30f;", "worst > 0 ? -worst : -1e-30"
HELD, KEEPS = "the exported file holds another ", "does not give NaN and keep its state"
MAY_ASK = r"the exported page may ask a server for something \("
GIVES = "the exported file gives other "
NAMED = "the exported file has other names of its scores"
BIAS = r"b of the layer 'lstm_1' \(LSTM with 6 hidden units\) is not that of the network"
#: what is wrong, though the scores of one sequence are right; file and weights, network, answer
HIDDEN = {
    "hn for cn": (wired("LSTM", outputs=lambda a: [a[0], a[2], a[1]]), ".onnx", "deep", GIVES),
    "hn for cn of a window": (wired("LSTM", outputs=lambda a: [a[0], a[2], a[1]]), ".onnx", "every",
                              GIVES + "hn"),
    "no first states": (wired("LSTM", lambda a: a[:5]), ".onnx", "named", GIVES + "scores in a ba"),
    "one first state for both": (wired("LSTM", lambda a: [*a[:6], a[5]]), ".onnx", "named", GIVES),
    "no lengths": (wired("LSTM", lambda a: [*a[:4], "", *a[5:]]), ".onnx", "deep", GIVES + "hn in"),
    "lengths ignored": (wired("Where", lambda a: [a[0], a[1], a[1]]), ".onnx", "both", GIVES),
    "a batch of one": (held(of_one), ".onnx", "deep", "cannot be read back|gives other scores in"),
    "a last row of one": (held(of_one), ".onnx", "both", "cannot be read back|gives other scores"),
    "a factor's last digits": (held(lambda name, a: a * np.float32(1 + 1e-6) if "factor" in name
                               else a), ".onnx", "deep", "holds another input.factor"),
    "classes in metadata": (emitted("onnx", 3, turned("classes")), ".onnx", "named", "is another"),
    "another self-test": (emitted("onnx", 1, lambda test: test._replace(scores=test.scores[::-1])),
                          ".onnx", "named", GIVES + "scores of its self-test"),
    **{f"another self-test in {kind}": (emitted(emitter, 1, upside_down), kind, "named", ANSWERS)
       for kind, emitter in EMITTERS.items()},
    **{f"a self-test that says 0 in {kind}": (said("c99", C_TEST, C_TEST + "return 0;"), kind,
                                              "named", ANSWERS) for kind in (".c", ".wasm")},
    "a self-test that says 0 in .js": (said("javascript", JS_TEST, JS_TEST + "return 0;"),
                                       ".js int8", "named", ANSWERS),
    "a self-test that forgets bits": (said("c99", C_BITS, "{}"), ".c", "named", OTHERS),
    "a self-test of JavaScript that forgets bits": (said("javascript", JS_BITS, "worst"), ".js",
                                                    "named", OTHERS),
    **{f"NaN in {kind}": (said("c99", "bad += x[j] * 0.0f", "bad += 0.0f"), kind, "named", KEEPS)
       for kind in (".c", ".wasm")},
    "infinity in C": (said("c99", "bad += x[j] * 0.0f", "if (x[j] != x[j]) bad += x[j]"), ".c",
                      "named", KEEPS),
    "NaN in JavaScript": (said("javascript", "!Number.isFinite(f(v))", "false"), ".js", "named",
                          "node does not run the exported file: .*takes numbers that are not fini"),
    "a header": (said("c99", "#if defined(MODEL_HEADER)", "#if 0"), ".c", "named",
                 "gcc does not compile the exported file with -DMODEL_HEADER"),
    "a header of C++": (said("c99", 'extern "C" {\n', 'extern "C"\n'), ".c", "named",
                        "does not compile the exported file with -DMODEL_HEADER"),
    "vectors always": (said("c99", "#ifndef MODEL_NO_SELF_TEST", "#if 1"), ".c", "named",
                       "gcc does not compile the exported file with -DMODEL_NO_SELF_TEST"),
    "digits in a state dict": (scaled(1.00001), ".safetensors", "named", HELD + "lstm.weight_ih"),
    "digits of a reverse": (scaled(1.00001, "hh_l0_rev"), ".safetensors", "both", HELD + "bilstm"),
    "digits of statistics": (scaled(1.00001, "running_var"), ".safetensors", "means", HELD + "bn"),
    "F32 for float64": (rounded("f4"), ".safetensors", "double", HELD + "lstm.weight_"),
    "digits of F32": (rounded("f8"), ".safetensors", "double", HELD + "lstm.weight_ih"),
    "digits in JSON": (cells(lambda c: c._replace(b=c.b * 1.00001)), ".json", "named",
                       "b of the layer 'lstm'|another network when it is read back"),
    "in_shape": (made("rtneural", lambda plain: {**plain, "in_shape": [None, None, 7]}), ".json",
                 "named", r"cannot be read back .*\[None, None, 7\]"),
    "an activation in JSON": (first_layer(activation="relu"), ".json", "named", "with 'relu'"),
    "named on a page": (on_page(named=False), ".html", "named", "says another 'named' than"),
    "rate on a page": (on_page(rate=77), ".html", "named", "says another 'rate' than the network"),
    "units on a page": (on_page(units=["m"] * 3), ".html", "named", "says another 'units' than"),
    "a script of a server": (said("page", "</style>", '</style><script src="a"></script>'),
                             ".html", "named", MAY_ASK + "src="),
    "a picture of a server": (said("page", "</style>", "body {background: url(/a)}</style>"),
                              ".html", "named", MAY_ASK + r"url\("),
    "a call to a server": (said("page", "</script>", "fetch('a')</script>"), ".html", "named",
                           MAY_ASK + "fetch"),
    "a socket": (said("page", "</script>", "open('wss:' + '//a')</script>"), ".html", "named",
                 MAY_ASK + "wss:"),
    "a policy that allows": (said("page", "default-src 'none'; ", ""), ".html", "named",
                             MAY_ASK + "its policy allows it"),
    "classes in C": (emitted("c99", 0, renamed), ".c", "named", NAMED),
    "classes in JavaScript": (emitted("javascript", 0, renamed), ".js", "named", NAMED),
    "classes in a page": (emitted("page", 0, renamed), ".html", "named", NAMED),
    "classes on a page": (emitted("page", 4, turned("classes")), ".html", "named", NAMED),
    "a bias' last digits": (cells(lambda c: c._replace(b=c.b * 1.0001)), ".c int8", "deep", BIAS),
    "a bias' last digit": (cells(lambda c: c._replace(b=c.b * 1.0001)), ".js int16", "deep", BIAS),
}  # fmt: skip
HIDDEN_NETS = {
    "named": lambda: plain(classes=["a", "b", "c", "d"]),
    "double": lambda: plain(dtype="float64"),
    "means": lambda: net_of(ml.SequenceInput(3), ml.LSTM(6), ml.BatchNormalization(
        trained_mean=np.ones(6), trained_variance=np.full(6, 0.1)), ml.FullyConnected(4)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", HIDDEN)
def test_what_the_scores_of_one_sequence_hide_is_found(mistake, tmp_path, monkeypatch):
    wrong, kind, name, says = HIDDEN[mistake]
    kind, _, weights = kind.partition(" ")
    can_run(kind)
    net = HIDDEN_NETS.get(name, NETS.get(name))()
    monkeypatch.setattr(*wrong)
    with pytest.raises(ValueError, match=says) as caught:
        ml.export(net, tmp_path / f"m{kind}", weights=weights or "float32")
    assert str(caught.value).endswith("nothing was written, so report this as a fault of minilstm.")
    assert not list(tmp_path.iterdir())


def test_names_that_look_like_requests_are_no_requests(tmp_path):
    can_run(".html")
    classes = ['<img src="https://a">', "fetch('//a')", "import 'ws:a'", "</script>url(a)"]
    report = ml.export(plain(classes=classes), tmp_path / "m.html")
    assert report.proved_by == "node"
