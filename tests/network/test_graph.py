"""The graph of layers: adding, connecting, replacing and removing, and what is refused in doing so.
A graph is a list of names and arrows; nothing here computes anything."""

import numpy as np
import pytest
from agreement import refuses

import minilstm as ml


def chain():
    return ml.LayerGraph(
        [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax(name="scores")]
    )


def names(graph):
    return [layer.name for layer in graph.layers]


def arrows(graph):
    return [tuple(c) for c in graph.connections]


CHAIN = [("input/out", "lstm/in"), ("lstm/out", "fc/in"), ("fc/out", "scores/in")]


def test_a_list_becomes_a_chain_of_named_layers():
    graph = chain()
    assert names(graph) == ["input", "lstm", "fc", "scores"]
    assert arrows(graph) == CHAIN
    assert ml.LayerGraph().layers == [] and ml.LayerGraph().connections == []


def test_the_layers_handed_in_keep_their_own_names():
    layer = ml.LSTM(4)
    assert names(ml.LayerGraph([ml.SequenceInput(3), layer])) == ["input", "lstm"]
    assert layer.name == ""


def test_added_layers_are_connected_to_each_other_only():
    graph = chain()
    assert graph.add([ml.ReLU(), ml.FullyConnected(2)]) is graph
    assert names(graph)[4:] == ["relu", "fc_1"]
    assert arrows(graph) == [*CHAIN, ("relu/out", "fc_1/in")]
    graph.add(ml.ReLU())
    assert names(graph)[6:] == ["relu_1"] and len(arrows(graph)) == 4


def test_made_names_avoid_those_that_are_taken():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(4, name="lstm_1")])
    graph.add(ml.LSTM(4)).add([ml.LSTM(4), ml.LSTM(4)])
    assert len(set(names(graph))) == 5


def test_several_layers_of_a_kind_in_one_list_are_numbered():
    graph = ml.LayerGraph([ml.SequenceInput(3), ml.LSTM(4), ml.Dropout(), ml.LSTM(4)])
    assert names(graph) == ["input", "lstm_1", "dropout", "lstm_2"]


def test_connect_takes_layers_ports_and_the_names_of_the_reference():
    graph = chain().add(ml.Addition(2, name="sum"))
    assert graph.connect("lstm", "sum") is graph
    assert arrows(graph)[-1] == ("lstm/out", "sum/in1")
    graph.connect("lstm/out", "sum/in2")
    assert arrows(graph)[-1] == ("lstm/out", "sum/in2")
    folded = ml.LayerGraph([ml.SequenceInput([4, 4, 1]), ml.SequenceFolding(name="fold")])
    folded.add(ml.SequenceUnfolding(name="unfold"))
    folded.connect("fold/miniBatchSize", "unfold/miniBatchSize")
    assert arrows(folded)[-1] == ("fold/mini_batch_size", "unfold/mini_batch_size")


@pytest.mark.parametrize(
    ("source", "destination", "error", "message"),
    [
        (
            "lsmt", "fc", ValueError,
            "there is no layer 'lsmt' in the graph; it has 'input', 'lstm', 'fc', 'scores'.",
        ),
        (
            "lstm/hidden", "fc", ValueError,
            "the layer 'lstm' has no output 'hidden'; choose one of ['out'].",
        ),
        ("lstm", "fc/in2", ValueError, "the layer 'fc' has no input 'in2'; choose one of ['in']."),
        ("lstm", "input", ValueError, "the layer 'input' has no input; choose another layer."),
        (
            "input", "fc", ValueError,
            "'fc/in' is already fed by 'lstm/out'; disconnect that first, or join both with "
            "Addition or Concatenation.",
        ),
        (1, "fc", TypeError, "output is 1; give a name such as 'lstm' or 'lstm/hidden'."),
        ("lstm", None, TypeError, "input is None; give a name such as 'lstm' or 'lstm/hidden'."),
    ],
)  # fmt: skip
def test_a_connection_that_cannot_be_is_refused(source, destination, error, message):
    graph = chain()
    with refuses(message, error):
        graph.connect(source, destination)
    assert arrows(graph) == CHAIN


def test_disconnect_takes_one_connection_away():
    graph = chain()
    assert graph.disconnect("lstm", "fc/in") is graph
    assert arrows(graph) == [CHAIN[0], CHAIN[2]]
    with refuses(
        "'lstm/out' is not connected to 'fc/in', which is fed by nothing; name a connection of "
        "the graph."
    ):
        graph.disconnect("lstm", "fc")
    with refuses(
        "'input/out' is not connected to 'scores/in', which is fed by ['fc/out']; name a "
        "connection of the graph."
    ):
        graph.disconnect("input", "scores")
    graph.connect("lstm", "fc")
    assert sorted(arrows(graph)) == sorted(CHAIN)


def test_remove_takes_layers_and_their_connections_away():
    graph = chain()
    assert graph.remove("fc") is graph
    assert names(graph) == ["input", "lstm", "scores"] and arrows(graph) == CHAIN[:1]
    with refuses("there is no layer 'fc' in the graph; it has 'input', 'lstm', 'scores'."):
        graph.remove(["lstm", "fc"])
    assert names(graph) == ["input", "lstm", "scores"]  # nothing was half removed
    graph.remove(["lstm", "scores", "input"])
    assert names(graph) == [] and arrows(graph) == []
    with refuses("there is no layer 'a' in the graph; it has no layers."):
        graph.remove("a")


def test_replace_puts_one_layer_or_several_in_the_place_of_another():
    graph = chain()
    assert graph.replace("lstm", ml.LSTM(7, name="memory")) is graph
    assert names(graph) == ["input", "memory", "fc", "scores"]
    assert sorted(arrows(graph)) == sorted(
        [("input/out", "memory/in"), ("memory/out", "fc/in"), ("fc/out", "scores/in")]
    )
    graph.replace("memory", [ml.LSTM(7, name="a"), ml.Dropout(name="b")])
    assert names(graph) == ["input", "a", "b", "fc", "scores"]
    assert sorted(arrows(graph)) == sorted(
        [("input/out", "a/in"), ("a/out", "b/in"), ("b/out", "fc/in"), ("fc/out", "scores/in")]
    )
    assert graph["a"].num_hidden_units == 7
    graph.replace("a", ml.LSTM(5, name="a"))  # the old name is free again
    assert graph["a"].num_hidden_units == 5 and ml.analyze(graph).problems == ()


def test_replace_keeps_the_ports_of_several_inputs():
    graph = chain().replace("fc", [ml.Addition(2, name="sum"), ml.FullyConnected(2)])
    graph.connect("lstm", "sum/in2")
    graph.replace("sum", ml.Concatenation(2, name="both"))
    assert ("lstm/out", "both/in1") in arrows(graph) and ("lstm/out", "both/in2") in arrows(graph)
    with refuses(
        "'relu' has the ports ['in'], but the layer that it replaces is connected at 'in2'; "
        "disconnect that first."
    ):
        graph.replace("both", ml.ReLU())
    assert "both" in names(graph)
    with refuses("layers is empty; give what shall take the place of 'fc'."):
        graph.replace("fc", [])
    with refuses("2 layers are named 'lstm'; give each its own name."):
        graph.replace("fc", ml.ReLU(name="lstm"))


def test_names_that_are_taken_or_are_no_names_are_refused():
    graph = chain()
    with refuses("2 layers are named 'lstm'; give each its own name."):
        graph.add(ml.LSTM(2, name="lstm"))
    with refuses("a layer is named 'a/b'; leave out the '/', which parts layer and port."):
        graph.add(ml.LSTM(2, name="a/b"))
    with refuses("a layer is named 5; give it a name in quotes, or none.", TypeError):
        graph.add(ml.LSTM(2, name=5))
    with pytest.raises(TypeError, match=r"^layers\[1\] is 'lstm', not a layer; give a list such"):
        graph.add([ml.LSTM(2), "lstm"])
    with pytest.raises(TypeError, match=r"^layers is dict, not a list of layers; give a list such"):
        graph.add({"lstm": ml.LSTM(2)})
    assert names(graph) == ["input", "lstm", "fc", "scores"] and arrows(graph) == CHAIN


def test_a_copy_goes_its_own_way():
    graph = chain()
    other = graph.copy()
    other.remove("fc")
    assert names(graph) == ["input", "lstm", "fc", "scores"] and arrows(graph) == CHAIN
    assert isinstance(other, ml.LayerGraph) and names(other) == ["input", "lstm", "scores"]


def test_a_graph_prints_its_layers_and_arrows():
    lines = repr(chain()).splitlines()
    assert lines[0] == "LayerGraph of 4 layers"
    assert lines[2].split() == ["2", "'lstm'", "LSTM", "LSTM", "with", "4", "hidden", "units"]
    assert [line.strip() for line in lines[5:]] == [f"{a} -> {b}" for a, b in CHAIN]


def test_building_a_network_changes_no_graph_and_the_network_no_longer_follows_it():
    graph = chain()
    net = ml.Network(graph, rng=np.random.default_rng(0))
    graph.remove("fc")
    assert [a.name for a in net.layers] == ["input", "lstm", "fc", "scores"]
    assert net.predict(np.zeros((2, 3))).shape == (2, 2)
