"""What an exported file says of itself in words, and what of a network it has no place for.
Names come from data and may be anything, so every line is plain text.
"""

from __future__ import annotations

from typing import Any

from minilstm.exchange.step.program import Program
from minilstm.layers import BatchNormalization
from minilstm.network.network import Network
from minilstm.version import __version__


def facts_of(net: Network, named: bool, program: Program) -> dict[str, Any]:
    """What is known of inputs and scores: names, units, rate; None where it is not.

    `named` says whether the highest score means a label.
    """
    about = net.about or {}
    units = [f["unit"] for f in about.get("features") or ()] or [None] * program.inputs
    return {
        "classes": program.classes, "named": named, "features": program.features, "units": units,
        "rate": about.get("rate"),
    }  # fmt: skip


def lines_of(net: Network, facts: dict[str, Any], weights: str, check: bool) -> list[str]:
    """Lines that tell a reader what the file is; none of them has letters that UTF-8 has not."""
    lines = [f"Written by minilstm {__version__}; {weights} weights."]
    lines += [f"  {layer.label}" for layer in net.layers]
    if facts["classes"]:
        lines.append(f"Scores, in this order: {', '.join(facts['classes'])}.")
    if facts["features"]:
        units = [f" ({unit})" if unit else "" for unit in facts["units"]]
        named = map("".join, zip(facts["features"], units, strict=True))
        lines.append(f"Inputs, in this order: {', '.join(named)}.")
    if facts["rate"]:
        lines.append(f"Steps a second: {facts['rate']:g}.")
    if not check:
        lines.append("NOT CHECKED: nobody has compared this file with the network.")
    return [line.encode("utf-8", "replace").decode() for line in lines]


def left_out(net: Network, kind: str) -> tuple[str, ...]:
    """What of the network does not stand in a file, so that who reads it has to know it."""
    first: Any = net.layers[net.wiring.inputs[0]]
    if kind == ".onnx":  # its metadata hold what a graph cannot
        return ()
    found = [f"min_length={first.min_length}"] if first.min_length > 1 else []
    if net.data_format != "auto":
        found.append(f"data_format={net.data_format!r}, as it takes (time, features)")
    if first.feature_names is None and kind in (".c", ".js", ".html"):
        found.append("names of features, as the network has none")
    if kind == ".safetensors":
        found.append("the order of layers, and what stands between those with arrays")
        found += [f"epsilon={a.epsilon:g} of {a.name!r}" for a in net.layers
                  if isinstance(a, BatchNormalization) and a.epsilon != 1e-5]  # fmt: skip
    if kind == ".json":
        found.append("names of layers, and what acts in training alone")
    if kind in (".safetensors", ".json"):
        if net.classes is not None:
            found.append("classes")
        if first.feature_names or net.about:
            found.append("what is known of the data")
    return tuple(found)
