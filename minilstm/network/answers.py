"""From the labels or numbers that a user gives to targets for each output of a network.
Class numbers, responses or zeros and ones: the loss of the output says which it wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.data.axis_order import arrange
from minilstm.data.labels import as_labels, find_classes, to_targets
from minilstm.data.sequences import Batch
from minilstm.data.targets import as_targets
from minilstm.errors import DataError
from minilstm.losses import CrossEntropy
from minilstm.network.examples import by_output
from minilstm.network.graph.wiring import Wiring
from minilstm.network.passes.heads import Head

Array = NDArray[Any]


class Answers(NamedTuple):
    """Targets of some sequences, for each output of a network."""

    targets: list[list[Array]]  # B arrays each: (T_b,) or (1,) class numbers, (T_b, R) or (1, R)
    classes: list[Array | None]  # (C,) sorted labels; None for an output without classes


def as_answers(
    wiring: Wiring,
    heads: Sequence[Head],
    batch: Batch,
    y: Any,
    classes: Sequence[Array | None],
    name: str = "y",
    data_format: str = "auto",
) -> Answers:
    """Checked targets for each output.

    Parameters
    ----------
    wiring, heads : of the network
    batch : the sequences
    y : labels or numbers as a user gives them; for several outputs a dict by their names, or a list
    classes : for each output the known classes, or None where they are to be found in y
    name : of the argument, for the messages
    data_format : letters for the axes of numbers a step

    Raises
    ------
    DataError
        The answers do not fit the sequences, or a label is not among the classes.
    ValueError
        The network puts out another number of scores than there are classes.
    """
    names = [wiring.nodes[head.output].layer.name for head in heads]
    targets: list[list[Array]] = []
    found: list[Array | None] = []
    for head, known, (part_name, part) in zip(
        heads, classes, by_output(y, names, name), strict=True
    ):
        kind = _kind(wiring, head, part)
        if kind == "classes":
            ignored = head.loss.ignored_labels if isinstance(head.loss, CrossEntropy) else ()
            mode = "sequence" if head.steps else "last"
            _check_one_a_sequence(wiring, head, batch, part, part_name)
            labels = as_labels(part, batch, mode, part_name)
            of_loss = getattr(head.loss, "classes", None)
            if known is None and of_loss is not None:
                known = np.asarray(of_loss)  # in the order that the user gave
            known = find_classes(labels, part_name, ignored) if known is None else known
            check_scores(wiring, head, len(known))
            targets.append(list(to_targets(labels, known, part_name, ignored)))
            found.append(known)
        else:
            arranged = arrange(part, data_format, 1, part_name, last=not head.steps)
            targets.append(
                as_targets(
                    arranged,
                    batch,
                    not head.steps,
                    head.columns,
                    part_name,
                    binary=kind == "multilabel",
                )
            )
            found.append(None)
    return Answers(targets, found)


def check_scores(wiring: Wiring, head: Head, num_classes: int) -> None:
    """Raise unless an output has one score for each class."""
    size = head.columns
    if size == num_classes:
        return
    n = head.output
    while wiring.nodes[n].layer.kind != "fully_connected":
        port = wiring.nodes[n].inputs[0] if wiring.nodes[n].inputs else None
        if port is None:
            break
        n = port.node
    layer = wiring.nodes[n].layer
    wide = layer.kind == "fully_connected"
    where = f"{layer.name!r} is FullyConnected({size})" if wide else f"it puts out {size}"
    raise ValueError(
        f"the network puts out {size} scores a step ({where}), but the labels have "
        f"{num_classes} classes; use FullyConnected({num_classes})."
    )


def _kind(wiring: Wiring, head: Head, y: Any) -> str:
    """What the answers are; a pair of functions takes labels behind a softmax, else numbers."""
    if head.loss.kind != "any":
        return head.loss.kind
    scores = wiring.nodes[head.output].layer.kind == "softmax"
    first = y
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    labels = np.asarray(first).dtype.kind in "iuU" and np.asarray(first).ndim <= 1
    return "classes" if scores and labels else "numbers"


def _check_one_a_sequence(wiring: Wiring, head: Head, batch: Batch, y: Any, name: str) -> None:
    """Raise if there is a label for every step, but the network keeps the last step only."""
    if head.steps or not isinstance(y, (list, tuple, np.ndarray)) or len(y) == 0:
        return
    lengths = [len(s) for s in batch.sequences]
    rows = [
        len(part) if isinstance(part, (list, tuple, np.ndarray)) and np.ndim(part) else 0
        for part in y
    ]
    if rows == lengths and max(lengths) > 1:
        last = next(
            (a.name for a in reversed(wiring.layers) if a.keeps_last), wiring.layers[-1].name
        )
        raise DataError(
            f"{name} has a label for every step (the first sequence has shape ({rows[0]},)), but "
            f"the layer {last!r} keeps the last step only, so one label a sequence is wanted, "
            f"shape ({len(lengths)},); set output_mode='sequence' in {last!r}, or give one label "
            "a sequence."
        )
