"""A network and its model card on one page for people, as plain text or as Markdown.
What a network does not know is left out, so a network of any age has a page.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from minilstm.network.about import feature_names, horizon_of

_MOST_ROWS = 40  # of a table


class Section(NamedTuple):
    """A heading, lines below it, and a table whose first row names its columns."""

    title: str
    lines: list[str]
    table: list[list[str]] = []  # noqa: RUF012


def card_markdown(net: Any, name: str = "MODEL") -> str:
    """The page of a network in Markdown.

    Parameters
    ----------
    net : Network or Predictor
    name : path of its file, for the command lines; its last part is the title

    Examples
    --------
    >>> import minilstm as ml
    >>> layers = [ml.SequenceInput(1), ml.LSTM(2, "last"), ml.FullyConnected(2), ml.Softmax()]
    >>> net = ml.Network(layers, rng=np.random.default_rng(0), classes=["sit", "walk"])
    >>> print(card_markdown(net, "m.safetensors"))  # doctest: +ELLIPSIS
    # m.safetensors
    <BLANKLINE>
    For every sequence it gives one of 2 classes: sit, walk.
    ...
    """
    parts = [f"# {_cell(PurePath(name).name)}", *predicts(net)]
    for section in sections(net, name):
        parts.append(f"## {section.title}")
        if section.lines:
            parts.append("\n".join(map(_marked, section.lines)))
        if section.table:
            head, *rows = ([_cell(cell) for cell in row] for row in section.table)
            lines = [head, ["---"] * len(head), *rows]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in lines))
    return "\n\n".join(parts) + "\n"


def card_text(net: Any, name: str = "MODEL") -> str:
    """The page of a network as plain text, `net.summary()` first; else as `card_markdown`."""
    parts = [net.summary(), "", *predicts(net)]
    for section in sections(net, name):
        if section.title == "Layers":
            continue
        parts += ["", f"{section.title}:", *(f"  {line.strip('`')}" for line in section.lines)]
        if section.table:
            wide = [max(map(len, column)) for column in zip(*section.table, strict=True)]
            for row in section.table:
                cells = (cell.ljust(w) for cell, w in zip(row, wide, strict=True))
                parts.append(f"  {'  '.join(cells)}".rstrip())
    return "\n".join(parts)


def predicts(net: Any) -> list[str]:
    """A sentence for each output: what it gives, and how often."""
    several = isinstance(net.classes, Mapping)
    ends = zip(net.wiring.outputs, net.output_names, strict=True)
    lines = []
    length = ((net.about or {}).get("shaping") or {}).get("window_length")
    whole = "sequence" if length is None else f"window of {length:,} steps"
    for node, output in ends:
        every = "time step" if net.wiring.nodes[node].steps[0] else whole
        whose = f"{output}: for" if len(net.output_names) > 1 else "For"
        classes = net.classes.get(output) if several else net.classes
        width = sum(net.wiring.shape(node)[-1:])
        if classes is not None and len(classes) == width:
            gives = f"one of {len(classes)} classes: {_some(classes.tolist())}"
        else:
            targets = (net.about or {}).get("targets")
            gives = f"{width} number{'s' * (width != 1)}"
            ahead = horizon_of(net.about)
            if ahead is not None:
                named = _some(targets) if targets else gives
                steps = f"{ahead:,} step{'s' * (ahead != 1)}"
                lines.append(f"{whose} every {every} it forecasts {named} {steps} ahead.")
                continue
            gives += f": {_some(targets)}" if targets else ""
        lines.append(f"{whose} every {every} it gives {gives}.")
    return lines


def sections(net: Any, name: str) -> list[Section]:
    """All that is known, a section each; those without anything to say are not there."""
    about: Mapping[str, Any] = net.about or {}
    card: Mapping[str, Any] = about.get("card") or {}
    data: Mapping[str, Any] = card.get("data") or {}
    rate = about.get("rate")
    learnables = sum(v.size for v in net.parameters.values())
    found = [
        Section(
            "Input",
            [] if rate is None else [f"{rate:.6g} time steps a second (Hz)"],
            _features(net, data.get("training")),
        ),
        Section(
            "Layers",
            [f"{learnables:,} learnables, {net.dtype}"],
            [["layer", "what"], *([layer.name, layer.label] for layer in net.layers)],
        ),
        Section("How data are read", _values(_or_none(about.get("description") or {}))),
        Section("Windows and rate", _values(about.get("shaping") or {})),
        Section("Training", *_training(card)),
        *(Section(f"Data: {what}", *_data(facts)) for what, facts in data.items()),
        *_scores(card.get("scores") or {}),
        Section("Limits", [str(one) for one in card.get("limits") or []]),
        Section("How to use it", _use(net, name)),
    ]
    return [section for section in found if section.lines or section.table]


def _or_none(described: Mapping[str, Any]) -> dict[str, Any]:
    """A description, where "" says that there is no such column."""
    return {key: "none" if value == "" else value for key, value in described.items()}


def _features(net: Any, facts: Any) -> list[list[str]]:
    """A row for each feature: name, unit, and the range of the training data."""
    about = net.about or {}
    first = net.layers[net.wiring.inputs[0]]
    count = first.shape[-1]
    names = first.feature_names or feature_names(about) or [str(n + 1) for n in range(count)]
    units = [feature["unit"] or "" for feature in about.get("features") or []]
    ranges = facts.get("ranges") if isinstance(facts, Mapping) else None
    columns = {"feature": list(names)}
    if any(units):
        columns["unit"] = units
    if isinstance(ranges, list) and np.shape(np.array(ranges, object)) == (count, 2):
        columns["smallest"] = [_number(low) for low, _ in ranges]
        columns["largest"] = [_number(high) for _, high in ranges]
    return _cut([list(columns), *(list(row) for row in zip(*columns.values(), strict=True))])


def _training(card: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Lines, and the table of options."""
    lines = _values({key: card.get(key) for key in ("date", "seed")})
    versions = [f"{what} {which}" for what, which in (card.get("versions") or {}).items()]
    lines += [f"versions: {_some(versions)}"] if versions else []
    options = [(name, _shown(value)) for name, value in (card.get("options") or {}).items()]
    rows = [[name, value] for name, value in options if value]
    return lines, [["option", "value"], *rows] if rows else []


def _data(facts: Any) -> tuple[list[str], list[list[str]]]:
    """Lines, and the table of labels."""
    facts = dict(facts) if isinstance(facts, Mapping) else {"": facts}
    labels = facts.pop("labels", None)
    facts.pop("ranges", None)  # they stand with the features
    table = []
    if isinstance(labels, Mapping) and labels:
        of = f"label of a {facts.pop('label_per', None) or 'step'}"
        table = _cut([[of, "count"], *([label, _number(n)] for label, n in labels.items())])
    return _values(facts), table


def _scores(scores: Mapping[str, Any]) -> list[Section]:
    """The numbers, and a table for each group of them, such as "by_class"."""
    tables = {k: v for k, v in scores.items() if _is_table(v)}
    where = f" on the {scores['measured_on']} data" if scores.get("measured_on") else ""
    plain = {k: v for k, v in scores.items() if k not in tables and k != "measured_on"}
    out = [Section(f"Scores{where}", _values(plain))]
    for what, rows in tables.items():
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        body = [[key, *(_number(row.get(name)) for name in names)] for key, row in rows.items()]
        title = f"Scores {what.replace('_', ' ')}{where}"
        out.append(Section(title, [], _cut([["", *names], *body])))
    return out


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(row, Mapping) for row in value.values())
    )


def _use(net: Any, name: str) -> list[str]:
    if len(net.input_names) > 1 or len(net.output_names) > 1:
        return [f"`net = minilstm.load({name!r})`"]
    path = shlex.quote(name)
    lines = [f"`minilstm predict {path} DATA`", f"`minilstm evaluate {path} DATA`"]
    is_live = not any(node.is_whole(training=False) for node in net.wiring.nodes)
    if is_live and isinstance(net.input_size, int):
        lines.append(f"`minilstm stream {path} < LINES`")
    return [*lines, f"`net = minilstm.load({name!r}); scores = net.predict(x)`"]


def _values(values: Mapping[str, Any]) -> list[str]:
    """A line for each value that is known; lists and dicts of lists are left to the JSON."""
    return [
        f"{key.replace('_', ' ')}: {_shown(value)}"
        for key, value in values.items()
        if value not in (None, [], {}) and _shown(value) is not None
    ]


def _shown(value: Any) -> str | None:
    """A value within a line; None for what is too deep for one."""
    if isinstance(value, (list, tuple)):
        parts = [_shown(v) for v in value if not isinstance(v, (list, dict))]
        return _some(map(str, parts)) if len(parts) == len(value) else None
    return None if isinstance(value, Mapping) else _number(value)


def _number(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**15 else f"{value:.6g}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _some(names: Iterable[Any]) -> str:
    listed = list(map(str, names))
    more = f" and {len(listed) - _MOST_ROWS} more" if len(listed) > _MOST_ROWS else ""
    return ", ".join(listed[:_MOST_ROWS]) + more


def _cut(rows: list[list[str]]) -> list[list[str]]:
    """The first rows below the head, and a last one that counts the others."""
    if len(rows) <= _MOST_ROWS + 1:
        return rows
    rest = [f"and {len(rows) - 1 - _MOST_ROWS} more", *[""] * (len(rows[0]) - 1)]
    return [*rows[: _MOST_ROWS + 1], rest]


def _cell(text: str) -> str:
    """A text that neither ends a cell of Markdown nor its line."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _marked(line: str) -> str:
    return f"- {line}" if line.startswith("`") else f"- {_cell(line)}"
