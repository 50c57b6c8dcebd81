"""Advice on networks that leave as files: what a file can hold, and whole-number weights.
Each call works in an empty folder; converters that are wrong come in through a patch.
"""

import re
from unittest.mock import patch

import numpy as np

import minilstm as ml
from advice.command_line import command, model
from advice.computing import pip
from advice.network import two_inputs
from advice.world import build, classifier
from minilstm.exchange import export as door
from minilstm.exchange.proving import bound, runners
from minilstm.exchange.step.dequantized import dequantized
from minilstm.exchange.step.program import program_of

INSTEAD = r"export to (\.c) or (\.onnx)"
TRY = "export({}, 'm$1'); export({}, 'm$2', check=False)"


def both():
    """A network that reads both ways."""
    return build(ml.SequenceInput(3), ml.BiLSTM(4), ml.FullyConnected(2))


def images():
    """A network of small images, and the part of it that a file can hold."""
    return build(ml.SequenceInput([2, 2, 1]), ml.Flatten(), *classifier()[1:])


def started(**options):
    """An LSTM that starts from a state of its own, or has other functions."""
    return build(ml.SequenceInput(3), ml.LSTM(4, **options))


def scaled():
    """A network that normalises."""
    return build(ml.SequenceInput(3, "zerocenter", mean=[1.0, 2.0, 3.0]), ml.LSTM(4))


def huge():
    """A network of numbers beyond float32, and the same with those of a better training."""
    net = build(dtype="float64")
    key = next(k for k in net.parameters if k.endswith("bias"))
    return net.replace(parameters={**net.parameters, key: net.parameters[key] + 1e39})


def overflowing():
    """A network whose scores float32 cannot hold."""
    net = build(ml.SequenceInput(3), ml.FullyConnected(2), ml.FullyConnected(2))
    return net.replace(parameters={k: a * np.float32(1e30) for k, a in net.parameters.items()})


def named(label):
    """A network with a class of a name."""
    return build().replace(classes=["a", label])


def emitted(text="", wanted="c99", **more):
    """A converter that gives something else."""
    right = getattr(door, wanted)
    return patch.object(door, wanted, lambda *a: re.sub(*text, right(*a)) if text else more["to"])


def converted(kind="c", **how):
    """An export by such a converter."""
    with emitted(**how):
        return ml.export(build(), f"m.{kind}")


def shortened(**options):
    """The same that leaves out the last layer, behind an LSTM without a bound."""
    right, net = door.onnx, build(ml.LSTM(4), ml.Sigmoid())
    with (
        patch.object(door, "onnx", lambda p, *a: right(p._replace(steps=p.steps[:-1]), *a)),
        patch.object(bound, "hidden_error_bound", lambda *a: np.array(np.inf)),
    ):
        return ml.export(net, "m.onnx", **options)


TABLE = [
    ("export(build(), 'm.tflite')", r"an export ends in (\.c), (\.js)", "export(build(), 'm$1')"),
    ("export(build(), 'm.onnx', weights='int8')", r"leave it out, or export to (\.c),",
     "export(build(), 'm.json'); export(build(), 'm$1', weights='int8')"),
    ("export(build(), 'm.c', most_changed=0.5)", r"leave it out, or choose (weights='int8')",
     "export(build(), 'm.c'); export(build(), 'm.c', most_changed=0.5, $1)"),
    ("export(build(), 'm.c', weights='int8', bits=2, most_changed=0)",
     r"Choose (weights='int16') or more bits",
     "export(build(), 'm.c', $1, most_changed=0); "
     "export(build(), 'm.c', weights='int8', bits=8, most_changed=0.05)"),
    ("export(build(), 'm.c', name='2')", "such as ('model')", "export(build(), 'm.c', name=$1)"),
    ("export(build(), 'm.c', weights='int4')", "choose one of ('float32'), ('int16'), ('int8')",
     "[export(build(), 'm.c', weights=w) for w in ($1, $2, $3)]"),
    ("export(None, 'm.c')", "the first of the two that ml.(train) returns",
     "export($1(x, y), 'm.c')"),
    ("export(build().replace(dtype=complex), 'm.c')", "build it with (dtype='float64')",
     "export(build().replace($1), 'm.c')"),
    ("export(named('b\\0c'), 'm.c')", r"call it something else, or export to (\.js)",
     "export(named('b'), 'm.c'); export(named('b\\0c'), 'm$1')"),
    ("export(start([ml.SequenceInput(3), ml.LSTM(4, name='\\ud800')]), 'm.onnx')", "name it anew",
     "export(start([ml.SequenceInput(3), ml.LSTM(4)]), 'm.onnx')"),
    ("export(overflowing(), 'm.c')", "train it again with a lower learning rate, or scale its data",
     "export(train(x, y, initial_learn_rate=0.001), 'm.c')"),
    ("quantisation_report(build(), steps=5)", r"such as (\[1000\])",
     "quantisation_report(build(), steps=$1)"),
    ("export(build(), 'm.c', weights='int8', bits=9)", "number from (2) to (8), or (None)",
     "[export(build(), 'm.c', weights='int8', bits=b) for b in ($1, $2, $3)]"),
    ("export(build(), 'm.c', bits=4)", r"choose (weights='int8') or (weights='int16')|'int16'",
     "export(build(), 'm.c', bits=4, weights='int8')"),
    ("quantisation_report(build(), weights='float32')", "choose one of ('int16'), ('int8')",
     "quantisation_report(build(), weights=$1); quantisation_report(build(), weights=$2)"),
    ("export(build(ml.SequenceInput(3), ml.LSTM(4)), 'm.c', weights='int8', most_changed=0.1)",
     "leave it out, and read in the report how far they move",
     "export(build(ml.SequenceInput(3), ml.LSTM(4)), 'm.c', weights='int8').quantisation"),
    ("quantisation_report(build(), steps=()).plot('a.png')", "print it",
     "print(quantisation_report(build(), steps=()))"),
    ("export(build(ml.SequenceInput(3)), 'm.c')", "add a layer", "export(build(), 'm.c')"),
    ("export(build(ml.SequenceInput(3, np.tanh), ml.LSTM(4)), 'm.c')",
     "choose an equation, such as ('zscore'), or normalise the data before training",
     "export(build(ml.SequenceInput(3, $1, 0, standard_deviation=1), ml.LSTM(4)), 'm.c'); "
     "export(build(ml.SequenceInput(3), ml.LSTM(4)), 'm.c')"),
    ("export(both(), 'm.c')", r"give (window=128), say", "export(both(), 'm.c', $1)"),
    ("export(two_inputs(), 'm.c')", "export the part between one input and one output",
     "export(build(), 'm.c')"),
    ("export(images(), 'm.c')", "export the part of the network that is one",
     "export(build(*classifier(features=4)), 'm.c')"),
    ("export(huge(), 'm.c')", "train it again with a lower learning rate, or scale its data",
     "export(train(x, y, initial_learn_rate=0.001), 'm.c')"),
    ("export(started(hidden_state=np.ones(4)), 'm.json')", INSTEAD,
     TRY.format(*["started(hidden_state=np.ones(4))"] * 2)),
    ("export(both(), 'm.json')", INSTEAD, "export(both(), 'm.onnx')"),
    ("export(scaled(), 'm.json')", INSTEAD, TRY.format("scaled()", "scaled()")),
    ("export(started(hidden_state=np.ones(4)), 'm.safetensors')", INSTEAD,
     TRY.format(*["started(hidden_state=np.ones(4))"] * 2)),
    ("export(scaled(), 'm.safetensors')", INSTEAD + ", or normalise the data before training",
     TRY.format("scaled()", "scaled()") + "; export(build(), 'm.safetensors')"),
    ("patch('minilstm.exchange.outgoing.wasm._compilers', lambda: []).start(); "
     "export(build(), 'm.wasm')", r"(pip install ziglang), or export to (\.js)",
     "patch.stopall(); pip('$1'); export(build(), 'm$2')"),
    ("model(); command('export m.safetensors --out m.c --to js')",
     r"leave one of them out, or let the name end in (\.js)",
     "model(); command('export m.safetensors --to js --no-check'); "
     "command('export m.safetensors --out n$1 --to js --no-check')"),
    ("dequantized(build(), program_of(start(classifier(), rng=np.random.default_rng(1)), 'int8'))",
     "report this as a fault of minilstm", "dequantized(build(), program_of(build(), 'int8'))"),
    ("shortened()", "export with (check=False)", "shortened($1)"),
    # What only a fault of this package brings up: nothing can be advised but to report it.
    *((call, "report this as a fault of minilstm", "export(build(), 'm.c')") for call in (
        "converted(text=('void', 'vod'))",
        "converted(text=(r'void model_reset\\(model_state \\*m\\) {', r'\\g<0> *(int *)0 = 0;'))",
        "converted(text=('step', 'stop'), kind='js', wanted='javascript')",
        "converted(to={}, kind='safetensors', wanted='state_dict')",
        "converted(to={'in_shape': [None, None, 3], 'layers': [{'type': 'dense', 'activation': '', "
        "'shape': [2], 'weights': [[[1, 0], [0, 1], [1, 1]], [0, 0]]}]}, "
        "kind='json', wanted='rtneural')",
        "converted(to={'in_shape': [None, None, 3], 'layers': []}, kind='json', wanted='rtneural')",
    )),
    ("converted(text=('0x1p[+]0f', '0x1.8p+0f'))", "compile with (-ffp-contract=off)",
     "'$1' in runners.C_FLAGS"),
]  # fmt: skip
