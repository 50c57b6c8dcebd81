"""Exported programs in C, JavaScript and ONNX beside the network and the evaluator in NumPy.
The first three have one set of bits; ONNX Runtime is within rounding.
"""

import ctypes
import json
import re
import shutil
import subprocess
from typing import NamedTuple

import numpy as np
import pytest

import minilstm as ml
from minilstm.exchange.outgoing.c99 import c99
from minilstm.exchange.outgoing.javascript import javascript
from minilstm.exchange.outgoing.onnx import onnx
from minilstm.exchange.proving import runners
from minilstm.exchange.proving.evaluator import hash_of, run_rows, run_window
from minilstm.exchange.step import arithmetic
from minilstm.exchange.step.program import program_of
from minilstm.exchange.step.selftest import SelfTest, draw_rows, rows_of_test

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror")
LEVELS = (("-O0",), ("-Os",), ("-O3", "-march=native"))

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def plain(H=32):
    return [ml.SequenceInput(3), ml.LSTM(H), ml.FullyConnected(5), ml.Softmax()]


def deep():
    far = {"mean": [1.0, 2.0, 1e6], "standard_deviation": [1.0, 2.0, 3.0]}
    odd = {"state_activation_function": "softsign", "gate_activation_function": "hard-sigmoid"}
    start = {"hidden_state": np.full(7, 0.25), "cell_state": np.full(7, -0.5)}
    return [
        ml.SequenceInput(3, "zscore", **far), ml.LSTM(9, **odd), ml.Dropout(0.2),
        ml.LSTM(7, **start), ml.BatchNormalization(), ml.ReLU(), ml.FullyConnected(5), ml.Sigmoid(),
    ]  # fmt: skip


def both_ways(mode="last"):
    return [
        ml.SequenceInput(3, "rescale-symmetric", min=[-2, -2, 0], max=[2, 2, 9]), ml.BiLSTM(8),
        ml.LSTM(7, output_mode=mode, state_activation_function="relu"), ml.FullyConnected(4),
    ]  # fmt: skip


def rows():
    """Layers on rows before and behind an LSTM: a matrix never writes where it reads."""
    return [
        ml.SequenceInput(3, "zerocenter", mean=[1.0, 2.0, 3.0]), ml.FullyConnected(6), ml.ReLU(),
        ml.FullyConnected(5), ml.LSTM(4), ml.FullyConnected(4), ml.Sigmoid(), ml.FullyConnected(7),
        ml.BatchNormalization(), ml.FullyConnected(3), ml.Softmax(),
    ]  # fmt: skip


#: layers, steps of a window, weights
CASES = {
    "plain": (plain(), None, "float32"),
    "plain int8": (plain(), None, "int8"),
    "odd sizes": (plain(37), None, "float32"),
    "deep": (deep(), None, "float32"),
    "deep int16": (deep(), None, "int16"),
    "last of both ways": (both_ways(), 20, "float32"),
    "every step of both ways": (both_ways("sequence"), 12, "int8"),
    "both ways at the end": (
        [ml.SequenceInput(3), ml.BiLSTM(5, output_mode="last"), ml.FullyConnected(2)], 9, "float32",
    ),
    "a window of one way": ([ml.SequenceInput(3), ml.LSTM(8, output_mode="last")], 9, "float32"),
    "two rows": (rows(), None, "float32"),
    "two rows int8": (rows(), None, "int8"),
    "LSTM alone": ([ml.SequenceInput(3), ml.LSTM(8)], None, "float32"),
}  # fmt: skip


class Exported(NamedTuple):
    net: ml.Network
    program: object
    test: SelfTest
    sequences: list
    answers: list


@pytest.fixture(scope="module", params=CASES)
def exported(request):
    layers, window, weights = CASES[request.param]
    net = ml.Network(layers, rng=np.random.default_rng(5))
    program = program_of(net, weights, window)
    lengths = (1, 7, 40) if window is None else (window, window)
    run = run_rows if window is None else run_window
    sequences = [draw_rows(net, T) + np.float32(0.03 * n) for n, T in enumerate(lengths)]
    x = draw_rows(net, rows_of_test(program))
    with ml.use_backend("numpy"):
        scores = np.atleast_2d(np.asarray(net.predict(x), np.float32))
    test = SelfTest(x, scores, hash_of(run(program, x)))
    return Exported(net, program, test, sequences, [run(program, x) for x in sequences])


def test_the_evaluator_is_the_network(exported):
    exact = exported.program.steps[-1].operation and all(
        part.W.factors is None
        for s in exported.program.steps
        for part in (s.operation if type(s.operation).__name__ == "Both" else (s.operation,))
        if hasattr(part, "W")
    )
    with ml.use_backend("numpy"):
        for x, y in zip(exported.sequences, exported.answers, strict=True):
            wanted = np.atleast_2d(exported.net.predict(x))
            assert np.abs(y - wanted).max() < (1e-6 if exact else 0.05)


@needs_gcc
@pytest.mark.parametrize("flags", LEVELS, ids=" ".join)
def test_c_compiles_without_a_word_and_has_the_evaluators_bits(exported, flags, tmp_path):
    source, library = tmp_path / "model.c", tmp_path / "model.so"
    source.write_text(c99(exported.program, exported.test, "walk", ["one */ two", "drei: ä"]))
    words = ["gcc", *STRICT, "-ffp-contract=off", *flags, "-shared", "-fPIC"]
    done = subprocess.run([*words, str(source), "-o", str(library)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    test = ctypes.CDLL(str(library)).walk_self_test
    test.restype = ctypes.c_float
    assert 0 <= test() < (1e-6 if "float32" in _weights(exported) else 0.05)


@needs_gcc
def test_c_gives_the_evaluators_bits_for_any_length(exported):
    text = c99(exported.program, exported.test, "model")
    _, test, answers, _ = runners.run_c(text, "model", exported.program, exported.sequences)
    assert test >= 0
    for found, wanted in zip(answers, exported.answers, strict=True):
        np.testing.assert_array_equal(found.view(np.uint32), wanted.view(np.uint32))


@needs_gcc
def test_a_c_file_says_when_its_bits_differ(exported, tmp_path):
    """One changed digit of a weight, and the self-test is negative."""
    text = c99(exported.program, exported.test, "model")
    number = "5" if "int" in str(_weights(exported)) else "0x1.8p-1f"
    changed = re.sub(
        r"(static const \w+ [WV]\w*\[\d+\] = \{\n)[^,]*", rf"\g<1>{number}", text, count=1
    )
    _, test, *_ = runners.run_c(changed, "model", exported.program, exported.sequences)
    assert test < 0


@needs_gcc
def test_c_without_its_test_vectors_is_smaller(tmp_path):
    net = ml.Network(plain(), rng=np.random.default_rng(0))
    sizes = []
    for weights in ("float32", "int8"):
        program = program_of(net, weights)
        x = draw_rows(net, rows_of_test(program))
        text = c99(program, SelfTest(x, run_rows(program, x), 0), "model")
        (tmp_path / "m.c").write_text(text)
        for more in ((), ("-DMODEL_NO_SELF_TEST",)):
            words = ["gcc", "-std=c99", "-Os", *more, "-c", "m.c", "-o", "m.o"]
            subprocess.run(words, check=True, cwd=tmp_path)
            told = subprocess.run(["size", "m.o"], capture_output=True, text=True, cwd=tmp_path)
            sizes.append(int(told.stdout.splitlines()[1].split()[0]))
    whole, small, whole8, small8 = sizes  # bytes of code and constants, x86-64
    assert small < whole < 23_500 and small8 < whole8 < 10_500


@needs_node
def test_javascript_has_the_evaluators_bits(exported):
    text = javascript(exported.program, exported.test, "model", ["about"])
    _, test, answers, _ = runners.run_node(text, exported.program, exported.sequences)
    assert 0 <= test < (1e-6 if "float32" in _weights(exported) else 0.05)
    for found, wanted in zip(answers, exported.answers, strict=True):
        np.testing.assert_array_equal(found.view(np.uint32), wanted.view(np.uint32))


def in_runtime(net, program, test):
    """ONNX Runtime beside the network: batches, lengths, sequences of their own ends, steps."""
    onnxruntime = pytest.importorskip("onnxruntime")
    data = onnx(program, test, "net", {"classes": ["a"]})
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    firsts = json.loads(session.get_modelmeta().custom_metadata_map["first_states"])
    firsts = [np.array(firsts[i.name], np.float32)[:, None] for i in session.get_inputs()[1:]]
    outputs = ["scores", *(i.name.replace("0", "n", 1) for i in session.get_inputs()[1:])]

    def run(x, states, **more):
        names = [i.name for i in session.get_inputs()[1:]]
        return session.run(outputs, {"x": x, **dict(zip(names, states, strict=False)), **more})

    with ml.use_backend("numpy"):
        for B in (1, 4):
            starts = [np.repeat(s, B, axis=1) for s in firsts]
            for T in (1, 17, 64):
                x = np.stack([draw_rows(net, T) + np.float32(0.1 * k) for k in range(B)])
                y = run(x.swapaxes(0, 1), starts)[0]  # (T, B, C), or (B, C)
                y = y.swapaxes(0, 1) if y.ndim == 3 else y
                assert np.abs(y - net.predict(x)).max() < 2e-7
        if starts:  # each sequence ends at its own step, as if it were alone
            lengths = np.array([5, 64, 1, 9], np.int32)
            y = run(x.swapaxes(0, 1), starts, sequence_lens=lengths)[0]
            for b, T in enumerate(lengths):
                found = y[b] if y.ndim == 2 else y[:T, b]
                assert np.abs(found - net.predict(x[b, :T])).max() < 2e-7
    if program.window is None and y.ndim == 3:  # one step at a time has the bits of the whole
        whole, states = run(x.swapaxes(0, 1), starts)[0], starts
        for t in range(64):
            y, *states = run(x[:, t][None], states)
            np.testing.assert_array_equal(y[0], whole[t])


def test_onnx_runtime_agrees_for_any_batch_and_length(exported):
    if _weights(exported) != {"float32"}:
        pytest.skip("an ONNX file holds float32 weights")
    in_runtime(exported.net, exported.program, exported.test)


@pytest.mark.parametrize("kind", [ml.LSTM, ml.BiLSTM])
@pytest.mark.parametrize("mode", ["sequence", "last"])
@pytest.mark.parametrize("state", ["tanh", "softsign", "relu"])
@pytest.mark.parametrize("gate", ["sigmoid", "hard-sigmoid"])
def test_onnx_runtime_agrees_with_every_function_and_direction(kind, mode, state, gate):
    layers = [ml.SequenceInput(3), kind(9, mode, state, gate), ml.FullyConnected(5), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(5))
    program = program_of(net, window=None if kind is ml.LSTM else 9)
    in_runtime(net, program, SelfTest(np.zeros((1, 3), "f4"), np.zeros((1, 5), "f4"), 0))


def test_onnx_passes_the_full_checker(exported, tmp_path):
    package = pytest.importorskip("onnx")
    if _weights(exported) == {"float32"}:
        file = tmp_path / "net.onnx"
        file.write_bytes(onnx(exported.program, exported.test, "net", {"classes": ["a"]}))
        package.checker.check_model(str(file), full_check=True)


def test_what_javascript_does_not_round_is_exact():
    """An argument without its multiple of ln 2: float32 has no digit to lose there."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-87, 88, 10**6), (np.arange(-126, 127) + 0.5) * np.log(2)])
    x = np.float32(x)
    n = (x * arithmetic.PER_LN2 + arithmetic.ROUNDING) - arithmetic.ROUNDING
    exact = np.float64(x) - np.float64(n) * np.float64(arithmetic.LN2_HIGH)
    np.testing.assert_array_equal(x - n * arithmetic.LN2_HIGH, exact)


def test_a_row_that_is_not_finite_changes_no_state(exported):
    """Its scores are NaN, those of a whole window too; the next good row goes on from before."""
    program, given, good = exported.program, exported.sequences[-1], exported.answers[-1]
    window, xs = program.window is not None, []
    for bad in (np.nan, np.inf, -np.inf):
        x = given.copy() if window else np.insert(given, 3, 0.0, axis=0)
        x[3, 1] = bad
        xs.append(x)
    wanted = np.full_like(good, np.nan) if window else np.insert(good, 3, np.nan, axis=0)
    answers = [(run_window if window else run_rows)(program, x) for x in xs]
    if (found := runners.run_c(c99(program, exported.test, "m"), "m", program, xs)) is not None:
        answers += found[2]
    for answer in answers:
        np.testing.assert_array_equal(answer, wanted)


REFUSED = """import {Model} from "./model.mjs";
const model = new Model(), fresh = new Model(), said = [];
const told = work => {
  try { work(); said.push("taken"); } catch (e) { said.push(`${e.name}: ${e.message}`); }
};
for (const x of [[0, NaN, 0], [null, 0, 0], [0, "1", 0], [0, 0, 1e39], new Array(3), [1, 2], null])
  told(() => model.step(x));
if (String(model.step([1, 2, 3])) !== String(fresh.step([1, 2, 3]))) said.push("another state");
told(() => model.window(new Float32Array(6).fill(NaN)));
console.log(JSON.stringify(said));"""


@needs_node
def test_javascript_refuses_what_is_no_row_and_keeps_its_state(tmp_path):
    net = ml.Network(plain(4), rng=np.random.default_rng(0))
    program = program_of(net, window=2)
    x = draw_rows(net, 2)
    text = javascript(program, SelfTest(x, run_window(program, x), 0), "model")
    (tmp_path / "model.mjs").write_text(text)
    (tmp_path / "run.mjs").write_text(REFUSED)
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    wanted = "RangeError: step takes 3 finite numbers of float32, but "
    told = ["x[1] is NaN", "x[0] is null", 'x[1] is "1"', "x[2] is 1e+39", "x[0] is undefined",
            "got 2", "got null"]  # fmt: skip
    window = "RangeError: window takes 6 finite numbers of float32, but x[0] is NaN"
    assert json.loads(done.stdout) == [*(wanted + end for end in told), window], done.stderr


NAMES = ['say "w\u00e4"', "what??/\\", "*/ one\ntwo\u2028three", "const x // 7", "export z",
         "class Model", "export class Model {", "const FACTS = 1;", "</script><!--<script>",
         "/* */*\\\n/", "what???/", "JSON_FACTS MODULE"]  # fmt: skip


@pytest.fixture
def named(tmp_path):
    """A folder with a model in C and JavaScript, whose names are hard to write."""
    layers = [ml.SequenceInput(3, feature_names=NAMES[:3]), ml.LSTM(4, name="a*\n\\???\n")]
    layers += [ml.FullyConnected(len(NAMES), name=NAMES[6]), ml.Softmax()]
    net = ml.Network(layers, rng=np.random.default_rng(0), classes=NAMES)
    for kind in ("c", "js", "html"):
        ml.export(net, tmp_path / f"model.{kind}")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


@needs_gcc
def test_a_c_file_tells_its_names(named):
    (named / "main.c").write_text(
        '#include <stdio.h>\n#include "model.c"\n'
        "static const char *const names[] = MODEL_CLASSES, *const features[] = MODEL_FEATURES;\n"
        "int main(void) {\n"
        '    for (int n = 0; n < 15; n++) printf("%s%c", n < 12 ? names[n] : features[n - 12], 0);'
        "\n    return 0;\n}\n"
    )
    words = ["gcc", *STRICT, "-ffp-contract=off", "main.c", "-o", "main"]
    subprocess.run(words, cwd=named, check=True)
    done = subprocess.run(["./main"], cwd=named, capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == NAMES + NAMES[:3]


@needs_node
def test_javascript_tells_its_names(named):
    script = 'import * as m from "./model.js"; console.log(JSON.stringify([m.CLASSES, m.FEATURES]))'
    done = subprocess.run(["node", "--input-type=module", "-e", script], cwd=named,
                          capture_output=True, text=True)  # fmt: skip
    assert json.loads(done.stdout) == [NAMES, NAMES[:3]], done.stderr
    page = (named / "model.html").read_text()
    assert re.sub(r"<\\(?=[/!])", "<", re.search("const CLASSES = (.*);", page)[1]) == json.dumps(
        NAMES)  # fmt: skip
    facts = json.loads(page.partition("\nconst FACTS = ")[2].partition(";\n")[0])
    assert (facts["classes"], facts["features"]) == (NAMES, NAMES[:3])
    assert page.lower().count("</script") == 1 and "<!--" not in page


@needs_gcc
@pytest.mark.parametrize("words", [["g++"], ["gcc", "-std=c89"]], ids=" ".join)
def test_a_c_file_says_how_it_is_compiled(words, named):
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run([*words, "-c", "model.c"], cwd=named, capture_output=True, text=True)
    assert re.findall(r"error: (.*)", done.stderr) == [
        '#error "Compile this file as C99 (-std=c99); who includes it in C++ defines MODEL_HEADER '
        'before."'
    ]


def _weights(exported):
    """Types of the matrices of a program."""
    kinds = set()
    for s in exported.program.steps:
        for part in s.operation if type(s.operation).__name__ == "Both" else (s.operation,):
            if hasattr(part, "W"):
                kinds.add(part.W.values.dtype.name)
    return kinds if kinds else {"float32"}
