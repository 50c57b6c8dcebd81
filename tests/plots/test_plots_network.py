"""Pictures of networks: boxes that do not touch, arrows that cross no box, texts that fit.
Each is measured on the artists of the figure, for chains, branches, skips, circles and depth."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

import minilstm as ml
from minilstm import plots
from minilstm.errors import DataError
from minilstm.plots.layout import Wire, lay_out

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon  # noqa: E402

RED = "#d55e00"


def video():
    graph = ml.LayerGraph(
        [
            ml.SequenceInput([28, 28, 1], name="input"), ml.SequenceFolding(name="fold"),
            ml.Convolution2D(5, 20, name="conv"), ml.BatchNormalization(name="bn"),
            ml.ReLU(name="relu"), ml.SequenceUnfolding(name="unfold"), ml.Flatten(name="flatten"),
            ml.LSTM(200, output_mode="last", name="lstm"), ml.FullyConnected(10, name="fc"),
            ml.Softmax(name="softmax"), ml.ClassificationOutput(name="classification"),
        ]
    )  # fmt: skip
    return graph.connect("fold/mini_batch_size", "unfold/mini_batch_size")


def residual():
    layers = [ml.SequenceInput(12), ml.LSTM(64, name="a"), ml.LSTM(64, name="b")]
    layers += [ml.Addition(2, name="sum"), ml.LSTM(64, name="c"), ml.Dropout(0.3)]
    layers += [ml.Addition(3, name="sum2"), ml.FullyConnected(9), ml.Softmax()]
    graph = ml.LayerGraph(layers).connect("a", "sum/in2").connect("sum", "sum2/in2")
    return graph.connect("a", "sum2/in3")


def several():
    """Two inputs, two outputs."""
    graph = ml.LayerGraph([ml.SequenceInput(12, name="sensor"), ml.LSTM(16, name="lstm_1")])
    graph.add([ml.SequenceInput([16, 16, 3], name="camera"), ml.Convolution2D(3, 8, name="conv")])
    graph.add([ml.ReLU(name="relu"), ml.Flatten(name="flat")]).connect("conv", "relu")
    graph.add([ml.Concatenation(2, name="join"), ml.LSTM(32, name="lstm")])
    graph.add([ml.FullyConnected(4, name="fc"), ml.Softmax(name="soft")])
    graph.add([ml.FullyConnected(1, name="number"), ml.RegressionOutput(name="speed")])
    graph.connect("lstm_1", "join/in1").connect("flat", "join/in2")
    return graph.connect("lstm", "fc").connect("lstm", "number")


def branches():
    graph = ml.LayerGraph([ml.SequenceInput(8)]).add(ml.Concatenation(5, name="cat"))
    for k in range(5):
        more = [ml.FullyConnected(4, name=f"fc_{k}")] * (k % 2)
        graph.add([ml.LSTM(8 * (k + 1), name=f"branch_{k}"), *more])
        graph.connect("input", f"branch_{k}")
        graph.connect(f"fc_{k}" if more else f"branch_{k}", f"cat/in{5 - k}")
    return graph.add([ml.FullyConnected(3, name="head"), ml.Softmax()]).connect("cat", "head")


def deep():
    graph, last = ml.LayerGraph([ml.SequenceInput(40)]), "input"
    for k in range(7):
        graph.add([ml.LSTM(40, name=f"lstm_{k}"), ml.ReLU(name=f"relu_{k}")])
        graph.add(ml.Dropout(0.2, name=f"dropout_{k}")).connect(f"relu_{k}", f"dropout_{k}")
        graph.add(ml.Addition(2, name=f"sum_{k}")).connect(f"dropout_{k}", f"sum_{k}/in1")
        graph.connect(last, f"lstm_{k}").connect(last, f"sum_{k}/in2")
        last = f"sum_{k}"
    graph.add([ml.FullyConnected(9), ml.Softmax()]).connect(last, "fc")
    return graph


def circle():
    layers = [ml.SequenceInput(4), ml.Addition(2, name="add"), ml.LSTM(8), ml.FullyConnected(4)]
    return ml.LayerGraph([*layers, ml.Softmax()]).connect("fc", "add/in2")


def wrong():
    return ml.LayerGraph([ml.SequenceInput([28, 28, 1]), ml.LSTM(8), ml.FullyConnected(3)])


def chain():
    return [ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()]


GRAPHS = {f.__name__: f for f in (chain, video, residual, several, branches, deep, circle, wrong)}
graphs = pytest.mark.parametrize("name", GRAPHS)


def along(curve, count=16):
    """Points on a chain of cubic pieces, `count` of them a piece."""
    t = np.linspace(0, 1, count)
    weights = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    starts = range(0, len(curve) - 1, 3)
    return np.concatenate([weights @ curve[n : n + 4] for n in starts])


class Picture:
    """The artists of a picture, in points from the left and from the top."""

    def __init__(self, graph):
        self.analysis = ml.analyze(graph)
        self.figure = plots.plot_network(self.analysis)
        (self.ax,) = self.figure.axes
        self.figure.draw_without_rendering()
        self.boxes = [p for p in self.ax.patches if isinstance(p, FancyBboxPatch)]
        self.arrows = [p for p in self.ax.patches if isinstance(p, PathPatch)]
        self.tips = [p for p in self.ax.patches if isinstance(p, Polygon)]
        self.names = [layer.name for layer in self.analysis.layers]
        place = [(b.get_x(), b.get_y(), b.get_width(), b.get_height()) for b in self.boxes]
        self.places = np.array([(x, y, x + w, y + h) for x, y, w, h in place])
        self.inner = [t for t in self.ax.texts if t.get_zorder() == 4]
        self.height, self.width = self.ax.get_ylim()[0], self.ax.get_xlim()[1]

    def extent(self, text):
        box = text.get_window_extent().transformed(self.ax.transData.inverted())
        return np.array([box.x0, min(box.y0, box.y1), box.x1, max(box.y0, box.y1)])

    def texts_in(self, name):
        left, top, right, bottom = self.places[self.names.index(name)]
        return [
            t for t in self.inner
            if left <= t.get_position()[0] <= right and top <= t.get_position()[1] <= bottom
        ]  # fmt: skip

    def box(self, name):
        return self.boxes[self.names.index(name)]


@graphs
def test_boxes_do_not_touch_and_lie_in_the_figure(name):
    picture = Picture(GRAPHS[name]())
    assert len(picture.boxes) == len(picture.names)
    for a, b in combinations(picture.places, 2):
        assert a[2] + 9 < b[0] or b[2] + 9 < a[0] or a[3] + 9 < b[1] or b[3] + 9 < a[1]
    assert (picture.places[:, :2] > 5).all()
    assert (picture.places[:, 2] < picture.width - 5).all()
    assert (picture.places[:, 3] < picture.height - 5).all()


@graphs
def test_arrows_lead_from_box_to_box_and_cross_none(name):
    picture = Picture(GRAPHS[name]())
    connections = picture.analysis.connections
    assert len(picture.arrows) == len(picture.tips) == len(connections)
    for arrow, tip, (source, destination) in zip(
        picture.arrows, picture.tips, connections, strict=True
    ):
        start = picture.places[picture.names.index(source.partition("/")[0])]
        end = picture.places[picture.names.index(destination.partition("/")[0])]
        points = along(arrow.get_path().vertices, 60)
        assert start[0] < points[0, 0] < start[2] and points[0, 1] == start[3]
        point = tip.get_xy()[0]
        assert end[0] < point[0] < end[2] and point[1] == pytest.approx(end[1])
        assert (points > 0).all() and (points < [picture.width, picture.height]).all()
        for left, top, right, bottom in picture.places:
            inside = (points > [left - 3, top + 1]).all(axis=1)
            inside &= (points < [right + 3, bottom - 1]).all(axis=1)
            assert not inside.any(), (source, destination)


@graphs
def test_texts_fit_their_boxes_and_do_not_meet(name):
    picture = Picture(GRAPHS[name]())
    found = [text for layer in picture.names for text in picture.texts_in(layer)]
    assert len(found) == len(picture.inner)
    for layer, place in zip(picture.names, picture.places, strict=True):
        extents = [picture.extent(text) for text in picture.texts_in(layer)]
        assert len(extents) >= 3
        for extent in extents:
            assert (extent[:2] > place[:2]).all() and (extent[2:] < place[2:]).all(), layer
        for a, b in combinations(extents, 2):
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] + 2 or b[3] <= a[1] + 2
            assert apart, layer
    for text in set(picture.ax.texts) - set(picture.inner):  # title and problems
        extent = picture.extent(text)
        assert (extent > 0).all() and (extent[2:] < [picture.width, picture.height]).all()


@graphs
def test_arrows_of_different_outputs_share_no_stretch(name):
    picture = Picture(GRAPHS[name]())
    lines = [along(arrow.get_path().vertices, 200) for arrow in picture.arrows]
    sources = [source for source, _ in picture.analysis.connections]
    for (one, a), (two, b) in combinations(zip(sources, lines, strict=True), 2):
        if one != two:
            # Only points within the frame of the other line can be near it.
            a_near, b_near = points_near(a, b), points_near(b, a)
            near = np.abs(a_near[:, None] - b_near).max(axis=2).min(axis=1, initial=2) < 1.5
            assert near.sum() < 20, (one, two)  # a crossing, not a stretch


def points_near(line, other):
    """The points of a line that lie within the frame of another one, or 1.5 beside it."""
    low, high = other.min(axis=0) - 1.5, other.max(axis=0) + 1.5
    return line[((line >= low) & (line <= high)).all(axis=1)]


def test_a_box_says_what_its_layer_is():
    picture = Picture(video())
    said = {name: [t.get_text() for t in picture.texts_in(name)] for name in picture.names}
    assert said["flatten"] == ["flatten", "Flatten", "output 11,520"]
    assert said["fc"][-1] == "output 10, last step · 2,010 learnables"
    assert said["classification"][1:3] == ["Classification output,", "crossentropyex"]
    assert set(said["fold"][-2:]) == {"out", "mini_batch_size"}
    assert set(said["unfold"][-2:]) == {"in", "mini_batch_size"}
    assert picture.ax.texts[0].get_text() == "11 layers, 9,379,370 learnables"
    colours = {name: to_hex(picture.box(name).get_edgecolor()) for name in picture.names}
    assert len({colours[n] for n in ("input", "conv", "bn", "lstm", "fc", "classification")}) == 6
    assert colours["bn"] == colours["relu"] == colours["softmax"] != RED


def test_chains_run_straight_down_and_skips_beside_them():
    picture = Picture(video())
    for arrow, (source, destination) in zip(
        picture.arrows, picture.analysis.connections, strict=True
    ):
        x = arrow.get_path().vertices[:, 0]
        if source.endswith("mini_batch_size"):
            assert x.max() > picture.places[2:5, 2].max() + 5
        else:
            assert np.ptp(x) < 1e-6, (source, destination)
    middle = picture.places[:, [0, 2]].mean(axis=1)
    assert np.ptp(middle) < 1e-6 and (np.diff(picture.places[:, 1]) > 0).all()


def test_inputs_come_first_and_branches_lie_side_by_side():
    picture = Picture(several())
    top = dict(zip(picture.names, picture.places[:, 1], strict=True))
    assert max(top["sensor"], top["camera"]) < min(v for k, v in top.items() if "_" in k)
    assert abs(top["fc"] - top["number"]) < 20
    picture = Picture(branches())
    ends = {
        d: along(a.get_path().vertices)[-1, 0]
        for a, (_, d) in zip(picture.arrows, picture.analysis.connections, strict=True)
        if d.startswith("cat")
    }
    assert sorted(ends, key=ends.get) in ([f"cat/in{k}" for k in n] for n in ("12345", "54321"))


def test_long_networks_go_on_in_a_second_column():
    for graph in (deep(), [*chain()[:1], *[ml.LSTM(4) for _ in range(34)], *chain()[2:]]):
        picture = Picture(graph)
        assert len(set(picture.places[:, 1].round())) < len(picture.names)
        assert 0.5 < picture.width / picture.height < 2
    assert len(set(Picture(chain()).places[:, 1].round())) == 4


def test_problems_are_marked_and_said():
    picture = Picture(wrong())
    widths = [box.get_linewidth() for box in picture.boxes]
    assert widths[1] > 2 * widths[0] and widths[2] == widths[0]
    edges = [to_hex(box.get_edgecolor()) for box in picture.boxes]
    assert edges[0] != RED and edges[1:] == [RED, RED]
    assert "output unknown" in [t.get_text() for t in picture.texts_in("fc")]
    texts = [t.get_text() for t in picture.ax.texts if t not in picture.inner]
    assert texts[0] == "3 layers, 0 learnables, 1 problem"
    assert " ".join(t.strip() for t in texts[1:]) == f"! {picture.analysis.problems[0]}"
    picture = Picture(circle())
    back = picture.analysis.connections.index(("fc/out", "add/in2"))
    red = [to_hex(a.get_edgecolor()) == RED for a in picture.arrows]
    assert red == [n == back for n in range(len(red))]


def test_many_problems_are_counted():
    problems = [f"the input 'in1' of 'add' has problem {n}." for n in range(12)]
    layer = SimpleNamespace(
        name="add", kind="Addition", label="Addition", shape=None, steps=True, learnables=0
    )
    facts = SimpleNamespace(
        layers=[layer], connections=[("gone/out", "add/in1")], problems=problems
    )
    ax = plots.plot_network(facts).axes[0]
    texts = [t.get_text() for t in ax.texts]
    assert ax.patches[0].get_linewidth() > 2  # named after a port that is quoted too
    assert texts[-1] == "! 4 more problems" and len(texts) == 1 + 3 + 8 + 1
    nothing = SimpleNamespace(layers=[], connections=[], problems=[])
    assert plots.plot_network(nothing, title="").axes[0].texts[:] == []


def test_pixels_show_boxes_of_their_colours_on_white():
    picture = Picture(residual())
    picture.figure.canvas.draw()
    image = np.asarray(picture.figure.canvas.buffer_rgba())[..., :3]  # (h, w, 3)
    scale = image.shape[1] / picture.width
    for name, (left, top, right, bottom) in zip(picture.names, picture.places, strict=True):
        row, column = int((bottom - 3.5) * scale), int((left + right) / 2 * scale)
        filled = to_hex(picture.box(name).get_facecolor())
        assert "#{:02x}{:02x}{:02x}".format(*image[row, column]) == filled, name
        assert (image[int((top + bottom) / 2 * scale), int((left - 4) * scale)] == 255).all()
    assert (image[:4] == 255).all() and (image[:, -4:] == 255).all()


def test_files_are_the_same_each_time(tmp_path):
    for suffix in (".png", ".svg"):
        for name in ("one", "two"):
            plots.plot_network(ml.analyze(residual()), tmp_path / (name + suffix))
        one, two = ((tmp_path / (n + suffix)).read_bytes() for n in ("one", "two"))
        assert one == two and len(one) > 10_000
    with pytest.raises(DataError, match=r"should end in \.png"):
        plots.plot_network(ml.analyze(chain()), tmp_path / "network.bmp")
    assert len(list(tmp_path.iterdir())) == 4


def test_graphs_and_networks_draw_themselves(tmp_path):
    graph = residual()
    assert graph.plot(tmp_path / "graph.png").axes[0].texts[0].get_text().startswith("9 layers")
    net = ml.Network(graph, rng=np.random.default_rng(0))
    net.plot(tmp_path / "net.png")
    assert (tmp_path / "net.png").read_bytes() == (tmp_path / "graph.png").read_bytes()


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_are_laid_out_without_overlaps(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    sizes = [(float(w), float(h)) for w, h in rng.uniform([40, 20], [240, 80], (count, 2))]
    wires = []
    for n in range(1, count):
        for port, source in enumerate(
            rng.choice(n, min(n, int(rng.integers(1, 4))), replace=False)
        ):
            wires.append(Wire(int(source), 0, n, port))
    layout = lay_out(sizes, wires, [8.0] * count)
    for a, b in combinations(layout.boxes, 2):
        assert a[2] + 9 < b[0] or b[2] + 9 < a[0] or a[3] + 9 < b[1] or b[3] + 9 < a[1]
    for wire, curve in zip(wires, layout.curves, strict=True):
        points = along(curve, 40)
        assert (points >= -1e-9).all() and (points <= np.add(layout.size, 1e-9)).all()
        for n, (left, top, right, bottom) in enumerate(layout.boxes):
            inside = (points > [left + 1, top + 1]).all(axis=1)
            inside &= (points < [right - 1, bottom - 1]).all(axis=1)
            assert not inside.any(), (wire, n)
