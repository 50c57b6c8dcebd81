"""What a network puts out for recordings whose answers are known, side by side with those answers.
Every report is made from this alone, so predictions of several networks can be judged together.

Axes: N rows (steps, or sequences where a network has one answer a sequence), C classes, R
responses, M recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import axes_of, parts_of
from minilstm.data.arrays import one_for_each
from minilstm.data.labels import as_labels, check_ignored, to_targets
from minilstm.data.sequences import Batch
from minilstm.data.targets import as_targets
from minilstm.errors import DataError
from minilstm.losses import CrossEntropy
from minilstm.network.about import horizon_of
from minilstm.network.examples import NO_CLASSES, as_batches
from minilstm.network.network import Network

Array = NDArray[Any]
IntArray = NDArray[np.int64]
NO_LABEL = -1  # number of a row that counts nowhere
_OF_CLASSES = ("classes", "softmax", "classification_output")  # losses and last layers


class Predictions(NamedTuple):
    """Rows of all recordings end to end, with what was true and what the network put out."""

    unit: str  # a row is a "step" or a "sequence"
    lengths: IntArray  # (M,) rows of each recording
    ids: list[str]  # M names of recordings
    groups: list[str] | None  # M names
    times: NDArray[np.float64] | None  # (N,) seconds
    classes: list[Any] | None  # K labels; the first `trained` of them are those of the network
    trained: int
    true: Array  # (N,) class numbers, NO_LABEL where none counts; or (N, R) numbers
    output: Array  # (N, C) scores of the trained classes, or (N, R) numbers
    usual: Any = None  # the most frequent class of the training data; None: not known
    targets: list[str] | None = None  # R names of the numbers
    last: Array | None = None  # (N, R) of a forecast, the last values known

    @property
    def recording(self) -> IntArray:
        """The number of the recording of each row, (N,)."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def predict(
    net: Network,
    x: Any,
    y: Any,
    groups: Any = None,
    ids: Any = None,
    times: Any = None,
    ignored_labels: Sequence[str | int] = (),
) -> Predictions:
    """Let a network predict recordings; arguments as for `minilstm.evaluation.report`."""
    if len(net.output_names) > 1:
        raise DataError(
            f"the network has the outputs {list(net.output_names)}, but a report judges one; call "
            "net.evaluate, which gives the loss and the metrics of each."
        )
    loss = net.losses[0] if net.losses is not None else None
    if getattr(loss, "kind", "") == "multilabel":
        raise DataError(
            "the network says of each class whether it is there, but a report judges one class a "
            "row, or numbers; call net.evaluate with metrics=['fscore', 'auc']."
        )
    end = net.wiring.nodes[net.wiring.outputs[0]].layer
    if net.classes is None and (end if loss is None else loss).kind in _OF_CLASSES:
        raise DataError(NO_CLASSES)
    batches = as_batches(net.wiring, x, net.dtype, net.data_format)
    batch, mode = batches[0], net.output_mode
    unit = "step" if mode == "sequence" else "sequence"
    if net.classes is None:
        classes, trained = None, 0
        responses = int(net.wiring.shape(net.wiring.outputs[0])[0])
        parts = as_targets(y, batch, mode == "last", responses, dtype=np.float64)
    else:
        trained = len(net.classes)
        classes, parts = _numbered(y, batch, mode, net.classes, loss, ignored_labels)
    sequences = [b.sequences for b in batches]
    start = net.initial_state(len(batch.sequences))  # whatever state the network carries on
    found = net.predict(
        sequences if len(sequences) > 1 else sequences[0], state=start, data_format="auto"
    )
    output = np.concatenate(found) if mode == "sequence" else found  # (N, C)
    if not np.isfinite(output).all():
        raise DataError(
            "the network puts out NaN or infinity for these data; check its input, or train it "
            "with a lower learning rate."
        )
    M = len(batch.sequences)
    names = [str(m) for m in range(M)] if ids is None else _names(ids, M, "ids")
    lengths = np.array([len(part) for part in parts])  # (M,)
    return Predictions(
        unit,
        lengths,
        names,
        None if groups is None else _names(groups, M, "groups"),
        None if times is None or unit == "sequence" else _seconds(times, batch),
        classes,
        trained,
        np.concatenate(parts),
        output,
        _usual(net, classes),
        (net.about or {}).get("targets"),
        None if horizon_of(net.about) is None else _inputs(net, x),
    )


def pool(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of several networks as those of one; a class that one lacks has the score 0."""
    first = parts[0]
    classes: list[Any] | None = None
    true, output, trained = [p.true for p in parts], [p.output for p in parts], 0
    if first.classes is not None:
        known = sorted({c for p in parts for c in (p.classes or [])[: p.trained]})
        others = sorted({c for p in parts for c in p.classes or []} - set(known))
        classes, trained = known + others, len(known)
        for i, p in enumerate(parts):
            place = np.array([classes.index(c) for c in p.classes or []] + [NO_LABEL])  # (K + 1,)
            true[i] = place[p.true]
            output[i] = np.zeros((len(p.true), trained), p.output.dtype)
            output[i][:, place[: p.trained]] = p.output
    grouped = all(p.groups is not None for p in parts)
    timed = [p.times for p in parts if p.times is not None]
    last = [p.last for p in parts if p.last is not None]
    return Predictions(
        first.unit,
        np.concatenate([p.lengths for p in parts]),
        [name for p in parts for name in p.ids],
        [name for p in parts for name in p.groups or []] if grouped else None,
        np.concatenate(timed) if len(timed) == len(parts) else None,
        classes,
        trained,
        np.concatenate(true),
        np.concatenate(output),
        targets=first.targets,
        last=np.concatenate(last) if len(last) == len(parts) else None,
    )


def _numbered(
    y: Any, batch: Batch, mode: str, known: Any, loss: Any, ignored: Sequence[str | int]
) -> tuple[list[Any], list[IntArray]]:
    """The classes, those never trained behind the network's own, and the number of each label."""
    of_loss = loss.ignored_labels if isinstance(loss, CrossEntropy) else ()
    left_out = [*of_loss, *(label for label in ignored if label not in of_loss)]
    labels = as_labels(y, batch, mode, allowed=[*left_out, *known.tolist()])
    check_ignored(labels, left_out)
    found = sorted({label for part in labels for label in np.unique(part).tolist()})
    new = [c for c in found if c not in left_out and c not in known.tolist()]
    if new and isinstance(new[0], str) == (known.dtype.kind == "U"):  # else `to_targets` says so
        known = np.concatenate([known, np.array(new)])
    return known.tolist(), to_targets(labels, known, "y", left_out)


def training_facts(net: Network) -> dict[str, Any]:
    """What the model card says of the data that trained the network; empty where there is none."""
    card = (net.about or {}).get("card") or {}
    return (card.get("data") or {}).get("training") or {}


def _usual(net: Network, classes: list[Any] | None) -> Any:
    """The most frequent class of the training data, where the network's model card counts them."""
    counts = training_facts(net).get("labels") or {}
    known = [label for label in classes or [] if str(label) in counts]
    return max(known, key=lambda label: counts[str(label)]) if known else None


def _inputs(net: Network, x: Any) -> Array:
    """What a forecast starts from, (N, D), with all its digits."""
    [batch] = as_batches(net.wiring, x, np.dtype(np.float64), net.data_format)
    return np.concatenate(batch.sequences)


def _names(values: Any, count: int, name: str) -> list[str]:
    """One name a recording."""
    names = [str(value) for value in values]
    if len(names) != count:
        raise DataError(
            f"{name} has {len(names)} names, but there are {count} recordings; give one for each."
        )
    return names


def _seconds(times: Any, batch: Batch) -> NDArray[np.float64]:
    """The time of each step, (N,)."""
    parts = parts_of(times)
    if batch.form == "single" and (parts is None or not axes_of(parts[0])):
        items = [("times", times)]
    else:
        items = one_for_each(times, len(batch.sequences), "times", "times")
    out = []
    for (name, part), sequence in zip(items, batch.sequences, strict=True):
        seconds = np.asarray(part, np.float64)  # (T,)
        if seconds.shape != (len(sequence),):
            raise DataError(
                f"{name} has shape {seconds.shape}, but its sequence has {len(sequence)} steps; "
                "give one time a step, in seconds."
            )
        out.append(seconds)
    return np.concatenate(out)
