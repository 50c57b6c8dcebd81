"""The picture of a network: a box for each layer, an arrow for each connection.
Colours stand for families of layers; what does not fit is outlined in red and said underneath.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Container, Sequence
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
NAME_POINTS, TEXT_POINTS, PORT_POINTS, TITLE_POINTS = 10.5, 8.5, 7.5, 13.0
LINE_POINTS = 12.5  # from line to line
MARGIN_POINTS = 18.0
NARROWEST_BOX_POINTS = 92.0
NARROWEST_FIGURE_INCHES, LONGEST_SIDE_INCHES = 5.0, 100.0
POINTS_AN_INCH = 72
CHARACTERS_A_LINE = 34
MOST_PROBLEMS = 8
UNWRITTEN_PORTS = {"in", "out"}
IN_A_BOX: dict[str, Any] = {"zorder": 4, "parse_math": False}  # looks of its texts


class NetworkFacts(Protocol):
    """What `minilstm.analyze` finds out about a network.

    Of each layer the picture says `name`, `kind` ("Fully Connected"), `label` (the same in words,
    with its sizes), `shape` (of a row of its first output; None where it is unknown), `steps`
    (whether it has an output for each step, else one for each sequence) and `learnables` (how many
    numbers training changes).
    """

    @property
    def layers(self) -> Sequence[Any]:
        """In the order in which they run."""

    @property
    def connections(self) -> Sequence[tuple[str, str]]:
        """Pairs "layer/output", "layer/input"."""

    @property
    def problems(self) -> Sequence[str]:
        """One sentence each."""


class _Box(NamedTuple):
    """The texts of a layer's box, its size, and the names of its ports."""

    name: str
    lines: list[str]
    colour: str
    wrong: bool
    unknown: bool
    ports: tuple[list[str], list[str]]  # outputs and inputs
    written: list[bool]  # whether outputs and inputs have their names written
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
    analysis : what `minilstm.analyze` returns
    path : file to write (.png, .svg or .pdf); the default writes none
    title : the default says how many layers and learnables there are; an empty one is left out

    Returns
    -------
    A figure of its own size, outside any window; `save_figure` writes it to a file

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
    index = {layer.name: n for n, layer in enumerate(analysis.layers)}
    ports: list[tuple[list[str], list[str]]] = [
        ([], []) for _ in analysis.layers
    ]  # outputs and inputs
    wires = []
    for connection in analysis.connections:
        ends: list[int] = []
        for side, (layer, name) in enumerate(map(_split, connection)):
            if layer in index:
                names = ports[index[layer]][side]
                names += [name] if name not in names else []
                ends += index[layer], names.index(name)
        if len(ends) == 4:
            wires.append(Wire(*ends))
    wrong = _wrong(analysis.problems, index)
    boxes = [_box(a, ports[n], a.name in wrong) for n, a in enumerate(analysis.layers)]
    layout = Layout(np.zeros((0, 4)), [], (0.0, 0.0))
    if boxes:
        layout = lay_out([box.size for box in boxes], wires, [box.apart for box in boxes])
    title = _title(analysis) if title is None else title
    figure = _draw(boxes, wires, layout, title, analysis.problems)
    if path is not None:
        save_figure(figure, path)
    return figure


def _title(analysis: NetworkFacts) -> str:
    count, learnables = len(analysis.layers), sum(a.learnables for a in analysis.layers)
    text = f"{count} layer{'' if count == 1 else 's'}, {learnables:,} learnables"
    problems = len(analysis.problems)
    return text + (f", {problems} problem{'' if problems == 1 else 's'}" if problems else "")


def _wrong(problems: Sequence[str], names: Container[str]) -> set[str]:
    """The layers that problems are about."""
    wrong: set[str] = set()
    for problem in problems:
        quoted = [n for n in re.findall(r"'([^']+)'", problem) if n in names]
        # A sentence about one layer names it first, and then perhaps those beside it.
        wrong.update(quoted if problem.startswith("the layers ") else quoted[:1])
    return wrong


def _box(layer: Any, ports: tuple[list[str], list[str]], wrong: bool) -> _Box:
    what = layer.kind.replace("_", " ").lower()
    colour = next((c for words, c in FAMILIES if any(w in what for w in words)), GREY)
    lines = _wrap(layer.label if colour != DARK else f"{what}, {layer.label}".capitalize())
    shape = "unknown" if layer.shape is None else "×".join(f"{n:,}" for n in layer.shape) or "1"
    facts = f"output {shape}" + ("" if layer.steps else ", last step")
    lines.append(facts + (f" · {layer.learnables:,} learnables" if layer.learnables else ""))
    written = [len(names) > 1 or not UNWRITTEN_PORTS.issuperset(names) for names in ports]
    widest = [
        max((_width(n, PORT_POINTS) for n in names), default=0.0) * shown
        for names, shown in zip(ports, written, strict=True)
    ]
    apart = max(22.0, max(widest) + 8.0)
    # The first three may stand all on one side of the centre.
    steps = [(len(names) - 1) / (1 if len(names) <= 3 else 2) for names in ports]
    wide = max(2 * n * apart + w + 12.0 for n, w in zip(steps, widest, strict=True))
    texts = [_width(layer.name, NAME_POINTS, bold=True), *(_width(n, TEXT_POINTS) for n in lines)]
    size = (
        max(NARROWEST_BOX_POINTS, wide, max(texts) + 22.0),
        13.0 + LINE_POINTS * (1 + len(lines)) + 10.0 * sum(written),
    )
    unknown = layer.shape is None
    return _Box(layer.name, lines, colour, wrong, unknown, ports, written, apart, size)


def _wrap(text: str) -> list[str]:
    """Lines of about equal length; what stands in brackets stays together."""
    text = re.sub(r"\[[^]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.wrap(text, CHARACTERS_A_LINE)
    for characters in range(CHARACTERS_A_LINE // 2, CHARACTERS_A_LINE):
        even = textwrap.wrap(text, characters, break_long_words=False)
        if len(even) == len(lines) and max(map(len, even)) <= characters:
            return even
    return lines


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
    boxes: list[_Box], wires: list[Wire], layout: Layout, title: str, problems: Sequence[str]
) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    needed = max(layout.size[0], _width(title, TITLE_POINTS)) + 2 * MARGIN_POINTS
    width = max(NARROWEST_FIGURE_INCHES * POINTS_AN_INCH, needed)
    said = _problem_lines(problems, width - 2 * MARGIN_POINTS)
    head = 34.0 if title else 0.0
    foot = LINE_POINTS * len(said) + 10.0 if said else 0.0
    height = head + layout.size[1] + foot + 2 * MARGIN_POINTS
    scale = min(1.0, LONGEST_SIDE_INCHES * POINTS_AN_INCH / max(width, height))
    inches = width / POINTS_AN_INCH * scale, height / POINTS_AN_INCH * scale
    figure = Figure(figsize=inches, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set(xlim=(0, width), ylim=(height, 0))
    if title:
        _write(ax, width / 2, MARGIN_POINTS + 6, title, TITLE_POINTS * scale)
    shift = np.array([(width - layout.size[0]) / 2, MARGIN_POINTS + head])
    for curve, wire in zip(layout.curves, wires, strict=True):
        _draw_arrow(ax, curve + shift, VERMILLION if wire.source >= wire.destination else GREY)
    for box, place in zip(boxes, layout.boxes, strict=True):
        _draw_box(ax, box, place + np.tile(shift, 2), scale)
    looks = {"color": GREY, "style": "italic", **IN_A_BOX}
    for curve, wire in zip(layout.curves, wires, strict=True):
        # The names of ports stand inside the boxes where an arrow starts and ends.
        for side, (x, y), inwards in ((0, curve[0] + shift, -6.5), (1, curve[-1] + shift, 6.5)):
            box, port = boxes[wire[2 * side]], wire[2 * side + 1]
            if box.written[side]:
                _write(ax, x, y + inwards, box.ports[side][port], PORT_POINTS * scale, **looks)
    for n, text in enumerate(said):
        y = height - foot - MARGIN_POINTS + 14.0 + LINE_POINTS * n
        _write(ax, MARGIN_POINTS, y, text, TEXT_POINTS * scale, ha="left", color=VERMILLION)
    return figure


def _write(ax: Axes, x: float, y: float, text: str, points: float, **looks: Any) -> None:
    looks = {"ha": "center", "va": "center", "color": DARK, **looks}
    ax.text(x, y, text, fontsize=points, **looks)


def _problem_lines(problems: Sequence[str], width: float) -> list[str]:
    """Problems under the picture, in lines that fit."""
    shown = [f"! {p}" for p in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        shown.append(f"! {len(problems) - MOST_PROBLEMS} more problems")
    fitting = max(30, int(width / (0.54 * TEXT_POINTS)))  # characters
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
    looks = {"va": "center_baseline", **IN_A_BOX}
    x, y = (left + right) / 2, top + 12.5 + 10.0 * box.written[1]
    _write(ax, x, y, box.name, NAME_POINTS * scale, fontweight="bold", **looks)
    last = VERMILLION if box.unknown else GREY
    for n, text in enumerate(box.lines, 1):
        colour = DARK if n < len(box.lines) else last
        height = y + LINE_POINTS * n + 0.5
        _write(ax, x, height, text, TEXT_POINTS * scale, color=colour, **looks)
