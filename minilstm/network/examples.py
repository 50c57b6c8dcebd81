"""From what a user hands in to checked sequences, one batch for each input of a network.
Formats are turned to our order of axes, and lengths are compared, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minilstm.data.axis_order import arrange
from minilstm.data.sequences import Batch, as_batch
from minilstm.errors import DataError
from minilstm.layers import SequenceInput
from minilstm.network.graph.wiring import Wiring


def as_batches(
    wiring: Wiring, x: Any, dtype: Any, data_format: str = "auto", name: str = "x"
) -> list[Batch]:
    """Checked sequences for each input of a network.

    Parameters
    ----------
    wiring : of the network
    x : sequences as `minilstm.data.sequences.as_batch` takes them; for several inputs a dict of
        them by the names of the inputs, or a list with one entry for each input
    dtype : of the network
    data_format : letters for the axes, see `minilstm.data.axis_order`
    name : of the argument, for the messages

    Returns
    -------
    list of Batch, in the order of the network's inputs

    Raises
    ------
    DataError
        Anything does not fit the network, or the inputs do not fit each other.
    """
    layers = [wiring.nodes[n].layer for n in wiring.inputs]
    parts = _by_input(x, [layer.name for layer in layers], name)
    batches = []
    for layer, (part_name, part) in zip(layers, parts, strict=True):
        assert isinstance(layer, SequenceInput)  # the wiring has checked
        arranged = arrange(part, data_format, len(layer.shape), part_name)
        size = layer.input_size
        batches.append(as_batch(arranged, size, dtype, part_name, layer.min_length))
    first = batches[0]
    for batch, (part_name, _) in zip(batches[1:], parts[1:], strict=True):
        _check_same_lengths(first, batch, parts[0][0], part_name)
    return batches


def by_output(values: Any, names: Sequence[str], what: str) -> list[tuple[str, Any]]:
    """One value for each output: a dict by the names of outputs, a list, or the only one itself."""
    return _by_port(values, names, what, "output")


def _by_input(x: Any, names: Sequence[str], name: str) -> list[tuple[str, Any]]:
    return _by_port(x, names, name, "input")


def _by_port(x: Any, names: Sequence[str], name: str, port: str) -> list[tuple[str, Any]]:
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise DataError(
                f"{name} is a dict of {list(x)}, but the network's {port}s are {list(names)}; "
                "give one entry for each."
            )
        return [(f"{name}[{key!r}]", x[key]) for key in names]
    if len(names) == 1:
        return [(name, x)]
    if not isinstance(x, (list, tuple)) or len(x) != len(names):
        came = f"{len(x)} entries" if isinstance(x, (list, tuple)) else type(x).__name__
        raise DataError(
            f"{name} is {came}, but the network has {len(names)} {port}s, {list(names)}; give a "
            f"dict by {port} name, or a list with one entry for each."
        )
    return [(f"{name}[{k}]", part) for k, part in enumerate(x)]


def _check_same_lengths(first: Batch, other: Batch, first_name: str, name: str) -> None:
    a, b = ([len(s) for s in batch.sequences] for batch in (first, other))
    if a != b:
        raise DataError(
            f"{name} has sequences of lengths {_shown(b)}, but {first_name} of {_shown(a)}; give "
            "every input of the network as many sequences of the same lengths."
        )


def _shown(lengths: list[int]) -> str:
    return str(lengths) if len(lengths) <= 8 else f"{str(lengths[:8])[:-1]}, ...]"
