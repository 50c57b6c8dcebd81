"""From what a user hands in to checked examples: a batch for each input, targets for each output.
The loss of an output says what its targets are: class numbers, responses, or zeros and ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_array, axes_of, parts_of
from minilstm.data.axis_order import arrange
from minilstm.data.feature_names import frame_names, in_order, warn_of_positions
from minilstm.data.files.checks import Sequences as ReadSequences
from minilstm.data.labels import as_labels, check_ignored, find_classes, to_targets
from minilstm.data.sequences import Batch, as_batch, as_sequence
from minilstm.data.stored import (
    Beside,
    Stored,
    is_by_index,
    is_stored,
    lengths_of,
    one_of,
    stored_sequences,
)
from minilstm.data.targets import as_targets
from minilstm.errors import DataError
from minilstm.layers import SequenceInput
from minilstm.losses import CrossEntropy
from minilstm.network.graph.wiring import Wiring
from minilstm.network.passes.heads import Head
from minilstm.network.stored_answers import stored_labels, stored_targets

Array = NDArray[Any]
ROWS = ("auto", "TC", "TCB", "BTC", "TBC")  # formats in which a row of a frame is a time step
NO_CLASSES = (
    "the network has no classes; train it on labels, or name those of its scores, in their order, "
    "with net.replace(classes=[...])."
)


def as_batches(
    wiring: Wiring,
    x: Any,
    dtype: Any,
    data_format: str = "auto",
    name: str = "x",
    others: Collection[str] = (),
    learns: bool = False,
) -> list[Batch]:
    """Checked sequences for each input of a network, in the order of its inputs.

    x holds sequences as `minilstm.data.sequences.as_batch` takes them; for several inputs a dict of
    them by the names of the inputs, or a list with one entry for each input. `data_format` has
    letters for the axes, see `minilstm.data.axis_order`; `others` are columns of frames that are no
    features. A network that `learns` takes the names of frames; another one without names warns.

    Raises DataError where anything does not fit the network, or the inputs do not fit each other.
    """
    layers = [wiring.nodes[n].layer for n in wiring.inputs]
    parts = by_port(x, [layer.name for layer in layers], name, "input")
    batches = []
    for layer, (part_name, part) in zip(layers, parts, strict=True):
        assert isinstance(layer, SequenceInput)  # the wiring has checked
        how = dtype, data_format, part_name, layer.min_length, others
        batches.append(sequences_of(layer, part, *how))
        if not learns and layer.feature_names is None and _has_rows_of_features(layer, data_format):
            warn_of_positions(frame_names(part, part_name))
    lengths = [lengths_of(batch.sequences).tolist() for batch in batches] if batches[1:] else []
    for other, (part_name, _) in zip(lengths[1:], parts[1:], strict=True):
        if other != lengths[0]:
            raise DataError(
                f"{part_name} has sequences of lengths {_shown(other)}, but {parts[0][0]} of "
                f"{_shown(lengths[0])}; give every input of the network as many sequences of the "
                "same lengths."
            )
    return batches


def sequences_of(
    layer: SequenceInput,
    x: Any,
    dtype: Any,
    data_format: str = "auto",
    name: str = "x",
    min_length: int = 1,
    others: Collection[str] = (),
) -> Batch:
    """Checked sequences of one input: frames by their names, axes by their format.

    Those that are memory maps, or are given by index, stay where they are.
    """
    if isinstance(x, Stored):
        return Batch(x, "list")
    how: dict[str, Any] = {"min_length": min_length, "digits": layer.normalizes}
    source = x.x if isinstance(x, ReadSequences) else x
    if is_stored(source, len(layer.shape) + 1, data_format):

        def checked(part: Any, b: int) -> Array:
            place = f"{name}[{b}]"
            of = part if source is x else x._replace(x=[part])
            one = arranged_sequences(layer, of, data_format, place, others)
            one = one if source is x else one[0]
            return as_sequence(one, layer.input_size, dtype, place, **how)

        form = "dense" if hasattr(source, "ndim") else "list"
        return Batch(stored_sequences(source, checked, name), form)
    arranged = arranged_sequences(layer, x, data_format, name, others)
    return as_batch(arranged, layer.input_size, dtype, name, **how)


def arranged_sequences(
    layer: SequenceInput, x: Any, data_format: str, name: str, others: Collection[str] = ()
) -> Any:
    """Sequences of one input as they came, but for the order of features and of axes."""
    if _has_rows_of_features(layer, data_format):
        x = in_order(x, layer.feature_names, name, others)
    return arrange(x, data_format, len(layer.shape), name)


def answers_beside(x: Any, y: Any) -> Any:
    """The answers; where y is left open, those of `read_sequences`, or of pairs by index."""
    if y is None and isinstance(x, ReadSequences):
        return x.y
    return Beside(x) if y is None and is_by_index(x) else y


def arranged_answers(y: Any, data_format: str, name: str, last: bool) -> Any:
    """The same for the numbers that one output is to put out."""
    y = in_order(y, None, name) if data_format in ROWS else y
    return arrange(y, data_format, 1, name, last=last)


def names_of_inputs(wiring: Wiring, x: Any, data_format: str = "auto") -> list[list[str] | None]:
    """Names of the features of each input: those of its frames; None where a sequence has none."""
    layers = [wiring.nodes[n].layer for n in wiring.inputs]
    parts = by_port(x, [layer.name for layer in layers], "x", "input")
    return [
        frame_names(part, name) if _has_rows_of_features(layer, data_format) else None
        for layer, (name, part) in zip(layers, parts, strict=True)
    ]


def _has_rows_of_features(layer: Any, data_format: str) -> bool:
    """Whether the columns of a frame are the features of an input."""
    return len(layer.shape) == 1 and data_format in ROWS


class Answers(NamedTuple):
    """Targets of some sequences, for each output of a network."""

    targets: list[Sequence[Array]]  # B arrays: (T_b,) or (1,) class numbers, (T_b, R) or (1, R)
    classes: list[Array | None]  # (C,) sorted labels; None for an output without classes


def as_answers(
    wiring: Wiring,
    heads: Sequence[Head],
    batch: Batch,
    y: Any,
    classes: Sequence[Array | None],
    name: str = "y",
    data_format: str = "auto",
    *,
    dtype: Any,
) -> Answers:
    """Checked targets for each output; numbers in a dtype, or in float64 if it would round them.

    y holds labels or numbers as a user gives them; for several outputs a dict by their names, or a
    list. `classes` has for each output the known classes, or None where they are to be found in y.
    `data_format` has letters for the axes of numbers a step.

    Raises DataError where the answers do not fit the sequences, or a label is not among the
    classes; ValueError where the network puts out another number of scores than there are classes.
    """
    names = [wiring.nodes[head.output].layer.name for head in heads]
    targets: list[Sequence[Array]] = []
    found: list[Array | None] = []
    stay = isinstance(batch.sequences, Stored)
    numbers: Callable[[], Sequence[Array]]
    for head, known, (part_name, part) in zip(heads, classes, by_port(y, names, name), strict=True):
        if is_by_index(part) and not (stay and head.steps):
            part = [one_of(part, b, part_name) for b in range(len(part))]
        kind = _kind(wiring, head, part)
        if kind == "classes":
            ignored = head.loss.ignored_labels if isinstance(head.loss, CrossEntropy) else ()
            mode = "sequence" if head.steps else "last"
            _check_one_a_sequence(wiring, head, batch, part, part_name)
            of_loss = getattr(head.loss, "classes", None)
            if known is None and of_loss is not None:
                known = np.asarray(of_loss)  # in the order that the user gave
            allowed = [*ignored, *([] if known is None else known.tolist())]
            if stay and head.steps:
                given = batch.sequences, part_name, known, ignored, allowed
                numbers, known = stored_labels(part, *given)
            else:
                labels = as_labels(part, batch, mode, part_name, allowed)
                check_ignored(labels, ignored)
                known = find_classes(labels, part_name, ignored) if known is None else known
                numbers = partial(to_targets, labels, known, part_name, ignored)
            _check_scores(wiring, head, len(known))
            targets.append(numbers())
            found.append(known)
        else:
            last, binary = not head.steps, kind == "multilabel"
            how: dict[str, Any] = {"dtype": dtype, "binary": binary, "digits": True}
            if stay and head.steps:
                steps_of = batch.sequences, part_name, head.columns, data_format
                targets.append(stored_targets(part, *steps_of, **how))
            else:
                arranged = arranged_answers(part, data_format, part_name, last)
                targets.append(as_targets(arranged, batch, last, head.columns, part_name, **how))
            found.append(None)
    return Answers(targets, found)


def classes_by_output(
    classes: Any, wiring: Wiring, heads: Sequence[Head], needed: bool = True
) -> list[Array | None]:
    """The classes of each output, from those of a network.

    Raises DataError where they are needed, as a loss wants classes, but the network has none.
    """
    out: list[Array | None] = []
    for head in heads:
        known = classes
        if isinstance(classes, dict):
            known = classes.get(wiring.nodes[head.output].layer.name)
        if head.loss.kind == "classes" and known is None and needed:
            raise DataError(NO_CLASSES)
        out.append(known if head.loss.kind in ("classes", "any") else None)
    return out


def _check_scores(wiring: Wiring, head: Head, num_classes: int) -> None:
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
    first = y[0] if is_by_index(y) else y
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    array = as_array(first, "y")
    text = array.dtype.kind == "O" and all(isinstance(label, (str, int)) for label in array.flat)
    labels = (array.dtype.kind in "iuU" or text) and array.ndim <= 1
    return "classes" if scores and labels else "numbers"


def _check_one_a_sequence(wiring: Wiring, head: Head, batch: Batch, y: Any, name: str) -> None:
    """Raise if there is a label for every step, but the network keeps the last step only."""
    if head.steps or (isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind != "O"):
        return
    parts = y if isinstance(y, np.ndarray) and y.ndim else parts_of(y)
    if parts is None:
        return
    lengths = lengths_of(batch.sequences).tolist()
    rows = [len(part) if axes_of(part) and hasattr(part, "__len__") else 0 for part in parts]
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


def by_port(x: Any, names: Sequence[str], name: str, port: str = "output") -> list[tuple[str, Any]]:
    """One value for each output: a dict by the names of outputs, a list, or the only one itself."""
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


def _shown(lengths: list[int]) -> str:
    return str(lengths) if len(lengths) <= 8 else f"{str(lengths[:8])[:-1]}, ...]"
