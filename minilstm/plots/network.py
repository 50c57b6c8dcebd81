"""The picture of a network: a box for each layer, an arrow for each connection.
Colours stand for families of layers; what does not fit is outlined in red and said underneath.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .files import check_figure_path, save_figure
from .layout import Layout, Wire, lay_out
from .style import DARK, DPI, GREY, PALETTE, VERMILLION, mix_with_white, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, _, GREEN, ORANGE, SKY, PINK, _ = PALETTE[:7]
# Families of layers, by words in what a layer is called; the first that fits.
FAMILIES = (
    (("sequence input",), SKY),
    (("lstm", "gru"), BLUE),
    (("convolution", "pooling"), ORANGE),
    (("fully connected", "embedding"), GREEN),
    (("normalization", "dropout", "relu", "sigmoid", "softmax", "tanh", "activation"), PINK),
    (("classification", "regression", "output"), DARK),
)
NAME_SIZE, TEXT_SIZE, PORT_SIZE, HEAD_SIZE = 10.5, 8.5, 7.5, 13.0  # points
LINE = 12.5  # points from line to line
LABEL_CHARACTERS = 34
LEAST_WIDTH = 92.0
MARGIN = 18.0
MOST_PROBLEMS = 8
SMALL, LARGE = 5.0, 100.0  # inches: narrowest figure, and what no side exceeds
HIDDEN_PORTS = ("in", "out")


class LayerFacts(Protocol):
    """What the picture says of a layer."""

    @property
    def name(self) -> str:
        """Its name in the network."""

    @property
    def kind(self) -> str:
        """What it is, "Fully Connected"."""

    @property
    def label(self) -> str:
        """The same in words, with its sizes."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of a row of its first output; None where it is unknown."""

    @property
    def steps(self) -> bool:
        """Whether it has an output for each step, else one for each sequence."""

    @property
    def learnables(self) -> int:
        """Numbers that training changes."""


class NetworkFacts(Protocol):
    """What `minilstm.analyze` finds out about a network."""

    @property
    def layers(self) -> Sequence[LayerFacts]:
        """In the order in which they run."""

    @property
    def connections(self) -> Sequence[tuple[str, str]]:
        """Pairs "layer/output", "layer/input"."""

    @property
    def problems(self) -> Sequence[str]:
        """One sentence each."""


class _Box(NamedTuple):
    """The texts of a box, its size, and the names written at its ports."""

    name: str
    lines: list[str]
    colour: str
    wrong: bool
    unknown: bool
    inputs: list[str]
    outputs: list[str]
    named: tuple[bool, bool]  # whether inputs and outputs have their names written
    apart: float  # between two ports
    size: tuple[float, float]


def plot_network(
    analysis: NetworkFacts,
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw a network as boxes and arrows, from its inputs at the top to its outputs.

    A box says the name of a layer, what it is, the shape of its output and how many numbers it
    learns. Long networks go on in a second column. A layer with a problem is outlined in red.

    Parameters
    ----------
    analysis : Analysis
        What `minilstm.analyze` returns.
    path : str or path, optional
        File to write (.png, .svg or .pdf); the default writes none.
    title : str, optional
        The default says how many layers and learnables there are; an empty one is left out.

    Returns
    -------
    Figure
        A figure of its own size, outside any window; `save_figure` writes it to a file.

    Raises
    ------
    DataError
        If the path's suffix is none of the three or its folder is missing.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> import minilstm as ml
    >>> layers = [ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()]
    >>> figure = plot_network(ml.analyze(layers))
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['4 layers, 164,205 learnables', 'input']
    """
    require_matplotlib()
    if path is not None:
        check_figure_path(path)
    boxes = _boxes(analysis)
    index = {layer.name: n for n, layer in enumerate(analysis.layers)}
    wires = []
    for source, destination in analysis.connections:
        (a, out), (b, into) = _split(source), _split(destination)
        if a in index and b in index:
            wires.append(
                Wire(
                    index[a], boxes[index[a]].outputs.index(out),
                    index[b], boxes[index[b]].inputs.index(into),
                )
            )  # fmt: skip
    if boxes:
        layout = lay_out([box.size for box in boxes], wires, [box.apart for box in boxes])
    else:
        layout = Layout(np.zeros((0, 4)), [], (0.0, 0.0))
    figure = _draw(boxes, wires, layout, _title(analysis) if title is None else title, analysis)
    if path is not None:
        save_figure(figure, path)
    return figure


def _title(analysis: NetworkFacts) -> str:
    count, learnables = len(analysis.layers), sum(a.learnables for a in analysis.layers)
    text = f"{count} layer{'' if count == 1 else 's'}, {learnables:,} learnables"
    problems = len(analysis.problems)
    return text + (f", {problems} problem{'' if problems == 1 else 's'}" if problems else "")


def _boxes(analysis: NetworkFacts) -> list[_Box]:
    """Texts and sizes of all boxes."""
    ports: dict[str, tuple[list[str], list[str]]] = {a.name: ([], []) for a in analysis.layers}
    for connection in analysis.connections:
        for port, side in zip(connection, (1, 0), strict=True):
            layer, name = _split(port)
            if layer in ports and name not in ports[layer][side]:
                ports[layer][side].append(name)
    wrong: set[str] = set()
    for problem in analysis.problems:
        quoted = [n for n in re.findall(r"'([^']+)'", problem) if n in ports]
        # A sentence about one layer names it first, and then perhaps those beside it.
        wrong.update(quoted if problem.startswith("the layers ") else quoted[:1])
    return [_box(a, *ports[a.name], a.name in wrong) for a in analysis.layers]


def _box(layer: LayerFacts, inputs: list[str], outputs: list[str], wrong: bool) -> _Box:
    colour = next((c for words, c in FAMILIES if any(w in _what(layer) for w in words)), GREY)
    lines = _wrap(layer.label if colour != DARK else f"{_what(layer)}, {layer.label}".capitalize())
    shape = "unknown" if layer.shape is None else "×".join(f"{n:,}" for n in layer.shape) or "1"
    facts = f"output {shape}" + ("" if layer.steps else ", last step")
    if layer.learnables:
        facts += f" · {layer.learnables:,} learnables"
    lines.append(facts)
    named = tuple(
        len(names) > 1 or not set(names) <= {*HIDDEN_PORTS} for names in (inputs, outputs)
    )
    apart, wide = 22.0, 0.0
    for names, written in ((inputs, named[0]), (outputs, named[1])):
        widest = max((_width(n, PORT_SIZE) for n in names), default=0.0) if written else 0.0
        apart = max(apart, widest + 8.0)
        # The first three may stand all on one side of the centre.
        steps = len(names) - 1 if len(names) <= 3 else (len(names) - 1) / 2
        wide = max(wide, 2 * steps * apart + widest + 12.0)
    texts = [_width(layer.name, NAME_SIZE, bold=True), *(_width(n, TEXT_SIZE) for n in lines)]
    width = max(LEAST_WIDTH, wide, max(texts) + 22.0)
    height = 13.0 + LINE * (1 + len(lines)) + 10.0 * sum(named)
    return _Box(
        layer.name, lines, colour, wrong, layer.shape is None, inputs, outputs,
        (named[0], named[1]), apart, (width, height),
    )  # fmt: skip


def _wrap(text: str) -> list[str]:
    """Lines of about equal length; what stands in brackets stays together."""
    text = re.sub(r"\[[^]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(text, LABEL_CHARACTERS)
    for characters in range(LABEL_CHARACTERS // 2, LABEL_CHARACTERS):
        even = textwrap.wrap(text, characters, break_long_words=False)
        if len(even) == len(lines) and max(map(len, even)) <= characters:
            return even
    return lines


def _what(layer: LayerFacts) -> str:
    return str(layer.kind).replace("_", " ").lower()


def _split(port: str) -> tuple[str, str]:
    layer, _, name = port.rpartition("/")
    return (layer, name) if layer else (name, "")


@cache
def _width(text: str, size: float, bold: bool = False) -> float:
    """Points that a text is wide."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=size, prop=font, usetex=False).get_extents().x1)


def _draw(
    boxes: list[_Box], wires: list[Wire], layout: Layout, title: str, analysis: NetworkFacts
) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = max(SMALL * 72, layout.size[0] + 2 * MARGIN, _width(title, HEAD_SIZE) + 2 * MARGIN)
    problems = _problem_lines(analysis.problems, width - 2 * MARGIN)
    head = 34.0 if title else 0.0
    foot = LINE * len(problems) + 10.0 if problems else 0.0
    height = head + layout.size[1] + foot + 2 * MARGIN
    scale = min(1.0, LARGE * 72 / max(width, height))
    figure = Figure(figsize=(width / 72 * scale, height / 72 * scale), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set(xlim=(0, width), ylim=(height, 0))
    if title:
        ax.text(
            width / 2, MARGIN + 6, title, ha="center", va="center", fontsize=HEAD_SIZE * scale,
            color=DARK,
        )  # fmt: skip
    shift = np.array([(width - layout.size[0]) / 2, MARGIN + head])
    for curve, wire in zip(layout.curves, wires, strict=True):
        _draw_arrow(ax, curve + shift, VERMILLION if wire.source >= wire.destination else GREY)
    for box, place in zip(boxes, layout.boxes, strict=True):
        _draw_box(ax, box, place + np.tile(shift, 2), scale)
    for curve, wire in zip(layout.curves, wires, strict=True):
        _draw_port_names(ax, boxes, wire, curve + shift, scale)
    for n, text in enumerate(problems):
        ax.text(
            MARGIN, height - foot - MARGIN + 14.0 + LINE * n, text, va="center",
            fontsize=TEXT_SIZE * scale, color=VERMILLION,
        )  # fmt: skip
    return figure


def _problem_lines(problems: Sequence[str], width: float) -> list[str]:
    """Problems under the picture, in lines that fit."""
    shown = [f"! {p}" for p in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        shown.append(f"! {len(problems) - MOST_PROBLEMS} more problems")
    fitting = max(30, int(width / (0.54 * TEXT_SIZE)))  # characters
    return [
        line for text in shown for line in textwrap.wrap(text, fitting, subsequent_indent="   ")
    ]


def _draw_arrow(ax: Axes, curve: Any, colour: str) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    tip = curve[-1]
    line = np.concatenate([curve[:-1], [tip - [0.0, 5.0]]])
    codes = [Path.MOVETO] + [Path.CURVE4] * (len(line) - 1)
    ax.add_patch(
        PathPatch(Path(line, codes), fill=False, edgecolor=colour, linewidth=1.3, zorder=1)
    )
    corners = tip + np.array([[0.0, 0.0], [-3.6, -7.5], [3.6, -7.5]])
    ax.add_patch(Polygon(corners, closed=True, facecolor=colour, linewidth=0, zorder=1))


def _draw_box(ax: Axes, box: _Box, place: Any, scale: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    left, top, right, bottom = place
    edge = VERMILLION if box.wrong or box.unknown else box.colour
    ax.add_patch(
        FancyBboxPatch(
            (left, top), right - left, bottom - top, boxstyle="round,pad=0,rounding_size=5",
            facecolor=mix_with_white(box.colour, 0.14), edgecolor=edge,
            linewidth=(2.6 if box.wrong else 1.2) * scale, zorder=2,
            linestyle="dashed" if box.unknown and not box.wrong else "solid",
        )
    )  # fmt: skip
    middle = (left + right) / 2
    y = top + 12.5 + 10.0 * box.named[0]
    ax.text(
        middle, y, box.name, ha="center", va="center_baseline", fontsize=NAME_SIZE * scale,
        fontweight="bold", color=DARK, zorder=4, parse_math=False,
    )  # fmt: skip
    for n, text in enumerate(box.lines, 1):
        ax.text(
            middle, y + LINE * n + 0.5, text, ha="center", va="center_baseline",
            fontsize=TEXT_SIZE * scale, zorder=4, parse_math=False,
            color=DARK if n < len(box.lines) else VERMILLION if box.unknown else GREY,
        )  # fmt: skip


def _draw_port_names(ax: Axes, boxes: list[_Box], wire: Wire, curve: Any, scale: float) -> None:
    """The names of ports, inside the boxes where the arrows start and end."""
    ends = (
        (boxes[wire.source], 1, wire.out, curve[0], -6.5),
        (boxes[wire.destination], 0, wire.into, curve[-1], 6.5),
    )
    for box, side, port, (x, y), inwards in ends:
        name = (box.inputs, box.outputs)[side][port]
        if box.named[side]:
            ax.text(
                x, y + inwards, name, ha="center", va="center", fontsize=PORT_SIZE * scale,
                color=GREY, style="italic", zorder=4, parse_math=False,
            )  # fmt: skip
