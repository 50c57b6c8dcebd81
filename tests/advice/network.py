"""Advice about networks: graphs of layers, values, states, streams and forecasts.
What is said of the data that go in is in `data`.
"""

from pathlib import Path

import numpy as np

import minilstm as ml
from advice.world import start
from minilstm.network.graph.wiring import wire
from minilstm.network.passes.heads import find_heads


def graph():
    """Two LSTM layers beside each other, the second of which is fed by nothing yet."""
    return ml.LayerGraph([ml.SequenceInput(3, name="x"), ml.LSTM(3, name="a")]).add(
        [ml.LSTM(3, name="b"), ml.Addition(name="sum")]
    )


def two_inputs():
    """A network of two inputs."""
    g = ml.LayerGraph([ml.SequenceInput(3, name="x"), ml.Concatenation(name="join")])
    g.add(ml.SequenceInput(2, name="z")).connect("z", "join/in2")
    return start(g.add(ml.LSTM(2, name="l")).connect("join", "l"))


def two_outputs(**options):
    """A network of two outputs."""
    g = ml.LayerGraph([ml.SequenceInput(3, name="x"), ml.LSTM(2, name="a")])
    return start(g.add(ml.LSTM(2, name="b")).connect("x", "b"), **options)


def forecaster(**values):
    """A network that puts out what it gets in, times a number."""
    return start([ml.SequenceInput(1), ml.FullyConnected(1, weights=[[2]], bias=[0])], **values)


def changed(path):
    """Another last byte of a file."""
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))


one, values = np.array([[1.0]]), np.array([[4.0], [3.0]])


def zeros(net, x):
    """The state before some sequences."""
    return net.initial_state(len(x))


TABLE = [
    ("build().replace(classes=['a', 'a'])", "a different label for each score",
     "build().replace(classes=['a', 'b'])"),
    ("n = build(); n.replace(parameters={k: np.nan * p for k, p in n.parameters.items()})",
     "give finite numbers", "n = build(); n.replace(parameters=n.parameters)"),
    # ------------------------------------------------------------ lists of layers
    ("Network(3)", r"such as (\[.*\])", "start($1)"),
    ("LayerGraph(3)", r"such as (\[.*\])", "start(LayerGraph($1))"),
    ("start([SequenceInput(3), 200])", r"such as (\[.*\])", "start($1)"),
    ("start([SequenceInput(3), LSTM(2, name=0)])", "give it a name in quotes, or none",
     "start([SequenceInput(3), LSTM(2, name='3')]); start([SequenceInput(3), LSTM(2)])"),
    ("build(LSTM(2, name='l'), LSTM(3, name='l'))", "give each its own name",
     "build(LSTM(2, name='l'), LSTM(3, name='m'))"),
    ("build(LSTM(2, name='a/b'))", "leave out the '(/)'",
     "build(LSTM(2, name='a/b'.replace('$1', '')))"),
    ("start([LSTM(2)])", r"begin with (SequenceInput\(features\))",
     "features = 3; start([$1, LSTM(2)])"),
    ("build(SequenceInput(3), LSTM(2), SequenceInput(2))", "only the first, or use a (LayerGraph)",
     "build(SequenceInput(3), LSTM(2)); two_inputs()"),
    # ------------------------------------------------------------ graphs
    ("graph().connect('x', 'a')", r"disconnect that first, or join both with (\w+) or (\w+)",
     "graph().disconnect('x', 'a').connect('b', 'a');"
     "graph().connect('a', 'sum/in2'); LayerGraph([$1(), $2()])"),
    ("graph().disconnect('x', 'b')", "name a connection of the graph",
     "g = graph(); [g.disconnect(*c) for c in list(g.connections)]; g.connections == []"),
    ("graph().connect(3, 'a')", "such as ('lstm') or ('lstm/hidden')",
     "g = LayerGraph([LSTM(2, name='lstm', has_state_outputs=True), LSTM(2, name='b')]);"
     "g.disconnect($1, 'b').connect($2, 'b')"),
    ("graph().connect('a', 'x')", "has no input; choose another layer",
     "graph().connect('x', 'b')"),
    ("graph().connect('a', 'sum/in3')", r"choose one of \[(.*)\]",
     "g = graph().disconnect('b', 'sum/in1'); g.connect('a', 'sum/' + $each)"),
    ("graph()['c']", "it has (.*)[.;]", "graph()[$each]"),
    ("graph().replace('a', [])", "give what shall take the place of '(.)'",
     "graph().replace('$1', LSTM(4))"),
    ("graph().connect('a', 'sum/in2').replace('sum', LSTM(3))", "disconnect that first",
     "graph().connect('a', 'sum/in2').disconnect('a', 'sum/in2').replace('sum', LSTM(3))"),
    ("start(LayerGraph([LSTM(2)]))", r"add one, such as (SequenceInput\(3\))",
     "start(LayerGraph([$1, LSTM(2)]))"),
    ("start(graph().connect('x', 'b'))", "connect an output to ('sum/in2'), or remove the layer",
     "start(graph().connect('x', 'b').connect('a', $1));"
     "start(graph().connect('x', 'b').remove('sum'))"),
    ("start(graph().connect('sum', 'b').connect('a', 'sum/in2'))",
     "circle; disconnect one of these",
     "g = graph().connect('sum', 'b').connect('a', 'sum/in2').disconnect('sum', 'b');"
     "start(g.connect('x', 'b'))"),
    ("build(LSTM(2), Softmax(), ClassificationOutput(), ReLU())", "put it at the end",
     "build(LSTM(2), ReLU(), Softmax(), ClassificationOutput())"),
    ("build(LSTM(2, 'last', name='a'), LSTM(2, name='b'))", "set (output_mode='sequence') in '(a)'",
     "build(LSTM(2, name='$2', $1), LSTM(2, name='b'))"),
    # ------------------------------------------------------------ values
    ("assemble([SequenceInput(3), FullyConnected(5)])", r"such as (FullyConnected\(.*\))\.",
     "W, b = np.ones((5, 3)), np.zeros(5); assemble([SequenceInput(3), $1]).predict(x)"),
    ("Network(classifier(), dict(build().parameters, other=[1]))", r"mend \['(other)'\]",
     "p = dict(build().parameters, other=[1]); del p['$1']; Network(classifier(), p).predict(x)"),
    ("Network(classifier(), dict(build().parameters) | {'fc/bias': [1]})",
     r"wants (\(2,\)); give an array of that shape",
     "Network(classifier(), dict(build().parameters) | {'fc/bias': np.zeros($1)}).predict(x)"),
    ("start([SequenceInput(1), FullyConnected(1, weights=[[3e39]], bias=[0])])",
     "smaller numbers, or the (dtype='float64')",
     "start([SequenceInput(1), FullyConnected(1, weights=[[3e30]], bias=[0])]);"
     "start([SequenceInput(1), FullyConnected(1, weights=[[3e39]], bias=[0])], $1)"),
    ("Network(classifier(), dict(build().parameters) | {'fc/bias': [0, 1e39]})",
     "smaller numbers, or the (dtype='float64')",
     "Network(classifier(), dict(build().parameters) | {'fc/bias': [0, 1e9]});"
     "Network(classifier(), dict(build().parameters) | {'fc/bias': [0, 1e39]}, $1)"),
    ("Network(classifier())", "(parameters) and (rng) are both missing; give one of them",
     "Network(classifier(), $2=np.random.default_rng(0)); Network(classifier(), "
     "$1=build().parameters)"),
    ("build(classes={})", "name an output with its classes, or give (None)",
     "build(classes=$1); build(classes={'softmax': ['a', 'b']})"),
    ("build(LSTM(10**6))", "make the layers or the input smaller", "build(LSTM(10))"),
    ("build().initial_state(10**12)", "give fewer at once", "build().initial_state(10)"),
    # ------------------------------------------------------------ heads and classes
    ("train(x, [t, t], two_outputs(), loss=['mse'])", "give one|one entry for each",
     "train(x, [t, t], two_outputs(), loss=['mse', 'mae'])"),
    ("two_outputs(losses=['mse']).evaluate(x, [t, t])", "give one for each",
     "two_outputs(losses=['mse', 'mae']).evaluate(x, [t, t])"),
    ("train(x, t, build(LSTM(2), RegressionOutput()), loss='mae')", "leave loss out, or remove the",
     "train(x, t, build(LSTM(2), RegressionOutput()), loss=None); train(x, t, build(LSTM(2)), "
     "loss='mae'); ml.train(x, t, build(LSTM(2), RegressionOutput()))"),
    ("train(x, y, build(LSTM(2)))", r"end the network with (Softmax\(\))",
     "train(x, y, build(LSTM(2), $1))"),
    ("train([np.ones((5, 4, 4, 1))], [np.ones(5)], build(ReLU(), features=[4, 4, 1]), loss='mse')",
     r"put (Flatten\(\)) or (FullyConnected)\(...\) at the end",
     "images = [np.ones((5, 4, 4, 1))]; "
     "train(images, [np.ones((5, 16))], build(ReLU(), $1, features=[4, 4, 1]), loss='mse');"
     "train(images, [np.ones((5, 2))], build(ReLU(), $2(2), features=[4, 4, 1]), loss='mse')"),
    ("train(x, y, *classifier(3))", r"use (FullyConnected\(2\))",
     "train(x, y, SequenceInput(3), LSTM(4), $1, Softmax())"),
    ("build().evaluate(x, y)",
     r"train it on labels, or name .* (net.replace\(classes=\[)\.\.\.\]\)",
     "net = build(); 'loss' in $1'run', 'walk']).evaluate(x, y); train(x, y, net).evaluate(x, y)"),
    ("build().classify(x)", r"train it on labels, or name .* (net.replace\(classes=\[)\.\.\.\]\)",
     "net = build(); $1'run', 'walk']).classify(x); train(x, y, net).classify(x)"),
    ("train(x, y, *classifier(2, 'last'))",
     "set (output_mode='sequence') in '(.*)', or give one la",
     "train(x, y, SequenceInput(3), LSTM(4, name='$2', $1), *classifier()[2:]);"
     "train(x, y_last, *classifier(2, 'last'))"),
    ("two_inputs().predict(x[0])", "a dict by (input) name, or a list with one entry for each",
     "two_inputs().predict({'x': x, 'z': t}); two_inputs().predict([x, t])"),
    ("two_inputs().predict({'x': x})", r"inputs are (\[.*\]); give one entry for each",
     "two_inputs().predict({k: {'x': x, 'z': t}[k] for k in $1})"),
    ("two_inputs().predict([x, t[:1]])", "as many sequences of the same lengths",
     "two_inputs().predict([x, t])"),
    # ------------------------------------------------------------ prediction and state
    ("build().predict(x, mini_batch_size=0)", "whole number of at least (1), or (None)",
     "same(build().predict(x, mini_batch_size=$1), [build().predict(a) for a in x]);"
     "same(build().predict(x, mini_batch_size=$2), build().predict(x))"),
    ("build().predict(x, state=3)", "pass a state that this network returned",
     "net = build(); net.predict(x, state=net.predict(x, return_state=True)[1])"),
    ("build().predict(x, state={'other': 1})", "pass a state that this network returned",
     "net = build(); net.predict(x, state=net.predict(x, return_state=True)[1])"),
    ("build().predict(x, state={'lstm': 1})", "pass a state that this network returned",
     "net = build(); net.predict(x, state=net.predict(x, return_state=True)[1])"),
    ("net = build(); net.predict(x, state=net.predict(x[0], return_state=True)[1])",
     "pass the state of the same sequences",
     "net = build(); net.predict(x, state=net.predict(x, return_state=True)[1])"),
    ("net = build(); s = zeros(net, x); s['lstm'][0][:] = np.nan; net.predict(x, state=s)",
     "pass a state that this network returned",
     "net = build(); net.predict(x, state=net.predict(x, return_state=True)[1])"),
    ("net = build(); net.predict_and_update_state(x); net.predict(x[0])",
     r"call (reset_state\(\)), or give (state=)\.",
     "net = build(); net.predict_and_update_state(x); net.predict(x[0], $2zeros(net, x[:1]));"
     "net.$1; net.predict(x[0])"),
    ("build().activations(x, 'gru')", r"has \[(.*)\]; name one of them",
     "len(build().activations(x, $each)) == 2"),
    ("build(LSTM(2, name='l', has_state_outputs=True)).activations(x, 'l/out2')",
     r"has the outputs \[(.*)\]; name one of them",
     "build(LSTM(2, name='l', has_state_outputs=True)).activations(x, 'l/' + $each)"),
    # ------------------------------------------------------------ streams
    ("build().stream().step(x[0][0], out=np.empty(3))", r"pass (np.empty\(2, 'float32'\))",
     "build().stream().step(x[0][0], out=$1)"),
    ("build().stream(2).step(np.ones((2, 3)), out=np.empty(2))", r"pass (np.empty\(.*\))\.",
     "build().stream(2).step(np.ones((2, 3)), out=$1)"),
    ("two_inputs().stream()", r"use (\w+) with (state=) and (return_state=True), a few steps",
     "net = two_inputs(); first, s = net.$1([x, t], $3); net.$1([x, t], $2s, $3)"),
    ("build(BiLSTM(2)).stream()", r"use (\w+), or a network of (LSTM) layers",
     "build(BiLSTM(2)).$1(x); build($2(2)).stream()"),
    # ------------------------------------------------------------ forecasts
    ("forecast(ml.train(np.ones((4, 1)), np.ones((4, 1)), forecaster(), 'mse', "
     "TrainingOptions(max_epochs=1, verbose=False)), one, 2)",
     "give a Network, the first of the two that ml.train returns",
     "net, info = ml.train(np.ones((4, 1)), np.ones((4, 1)), forecaster(), 'mse', "
     "TrainingOptions(max_epochs=1, verbose=False)); forecast(net, one, 2)"),
    ("forecast(build(), x, 2)", "train one with as many outputs as inputs",
     "forecast(train(x, x, build(LSTM(3)), loss='mse'), x, 2)"),
    ("forecast(forecaster(), one, 3, actual=[values])",
     "the true values that follow each history, in the same form",
     "same(forecast(forecaster(), one, 3, actual=values), [[2.0], [8.0], [6.0]])"),
    ("forecast(forecaster(), one, 4, actual=values)",
     "is fed (3); give more true values, or forecast fewer steps",
     "forecast(forecaster(), one, 4, actual=np.ones(($1, 1)));"
     "forecast(forecaster(), one, 3, actual=values)"),
    ("forecast(forecaster(), 1e30 * one, 60)", "forecast fewer steps, or train",
     "forecast(forecaster(), 1e30 * one, 6)"),
    ("build().gates(x[0], 'fc')", r"network are (\[.*\]); name one", "build().gates(x[0], $1[0])"),
    ("build(classes=['run', 'walk']).gradient_flow(x, y, 'lstm')", "give one, \\(T, D\\), and its",
     "build(classes=['run', 'walk']).gradient_flow(x[0], y[0], 'lstm')"),
    # ------------------------------------------------------------ states that travel
    ("Path('s').write_bytes(b'x'); build().stream().load_state('s')", "one that save_state wrote",
     "build().stream().save_state('s'); build().stream().load_state('s')"),
    ("build(dtype='float64').stream().save_state('s'); n = build(); n.stream().load_state('s')",
     "load them into the network that they were saved from",
     "build(dtype='float64').stream().save_state('s')\n"
     "build(dtype='float64').stream().load_state('s')"),
    ("build().stream().save_state('s'); changed('s')\n"
     "build().stream().load_state('s')", "copy it again, or save the state again",
     "build().stream().save_state('s'); build().stream().load_state('s')"),
    ("build().stream().save_state('s'); build().pool().load_state('s')",
     r"load it with (net.stream\(\).load_state)\(path\)",
     "net = build(); net.stream().save_state('s'); $1('s')"),
    ("build().pool().save_state('s'); build().stream().load_state('s')",
     r"load it with (net.pool\(\).load_state)\(path\)",
     "net = build(); net.pool().save_state('s'); $1('s')"),
    ("build().pool().step(5, [[1, 2, 3]])", "give a list of strings or whole numbers",
     "build().pool().step([5], [[1, 2, 3]])"),
    ("build().pool().step(['\\ud800'], [[1, 2, 3]])", "name the sequence anew",
     "build().pool().step(['a'], [[1, 2, 3]])"),
    ("build().pool().step(['a'])", "give a row for each id, or a dict from ids to rows",
     "build().pool().step(['a'], [[1, 2, 3]]); build().pool().step({'a': [1, 2, 3]})"),
    ("build().pool().step({'a': [1, 2, 3]}, [[1, 2, 3]])", "leave x out",
     "build().pool().step({'a': [1, 2, 3]})"),
    ("build().pool().step('a', [[1, 2, 3]])", r"give a list of ids, (\[.*\])\.",
     "build().pool().step($1, [[1, 2, 3]])"),
    ("build().pool().step([0.5], [[1, 2, 3]])", "strings and whole numbers are wanted; name the",
     "build().pool().step(['a'], [[1, 2, 3]]); build().pool().step([5], [[1, 2, 3]])"),
    ("build().pool().step({'a'}, [[1, 2, 3]])", "whose order is chance; give a list of ids",
     "build().pool().step(['a'], [[1, 2, 3]])"),
    ("build().pool().step({'a': np.ones((2, 5, 3))})", "give one step, .*, or the next T",
     "build().pool().step({'a': np.ones(3)}); build().pool().step({'a': np.ones((5, 3))})"),
    ("build().pool()['a']", "step it, or set its state first",
     "p = build().pool(); p.step(['a'], [[1, 2, 3]]); p['a']\n"
     "p = build().pool(); p['a'] = build().stream().state; p['a']"),
    ("del build().pool()['a']", "delete one of its ids",
     "p = build().pool(); p.step(['a'], [[1, 2, 3]]); del p[next(iter(p))]"),
]  # fmt: skip
