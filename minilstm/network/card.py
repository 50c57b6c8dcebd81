"""The model card: how a network was trained, on what data, how good it is and what it never saw.
It is plain JSON in `net.about["card"]`; `card_page` writes it for people.

A card holds nothing that differs between two runs of one training on one day: no durations, no
threads, no memory. So the same seed gives the same model file, byte for byte. The day is that of
the variable SOURCE_DATE_EPOCH where it is set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.version import __version__

# Options that change no number of the network, or that hold data and functions.
UNTOLD = {"memory_budget", "plots", "plot_file", "verbose", "verbose_frequency", "seed"}
UNTOLD |= {"validation_data", "output_fcn", "execution_environment"}
UNTOLD |= {"checkpoint_path", "checkpoint_frequency", "checkpoint_frequency_unit"}
UNTOLD |= {"checkpoint_seconds", "checkpoints_kept"}
RARE = 0.01  # a class with a smaller share of the training data is told


def fingerprint(x: Sequence[NDArray[Any]] | NDArray[Any], y: Any = None) -> str:
    """SHA-256 of sequences and their labels: the same data, and no others, give it again.

    Parameters
    ----------
    x : B arrays (T, ...) of numbers, in a list or as one array (B, T, ...)
    y : their labels or targets, B arrays (T,) or one array (B,); None for none

    Returns
    -------
    64 hexadecimal digits, over the dtype, shape and bytes of each array, little-endian

    Examples
    --------
    >>> fingerprint([np.zeros((2, 1))], np.array(["a"]))[:16]
    '2009f0185d04b958'
    >>> fingerprint([np.zeros((1, 1)), np.zeros((1, 1))], np.array(["a"]))[:16]
    '6d8711e142c53428'
    """
    digest = hashlib.sha256()
    parts = [("x", x), ("y", [y] if isinstance(y, np.ndarray) else [] if y is None else y)]
    for name, arrays in parts:
        digest.update(f"{name} {len(arrays)} ".encode())
        for part in arrays:
            array = np.asarray(part)
            is_number = array.dtype.kind in "iufb"
            plain = array if is_number else _letters(array)
            kind = plain.dtype.newbyteorder("<")
            digest.update(f"{kind.str if is_number else 'text'} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(plain, kind).data)
    return digest.hexdigest()


def _letters(texts: NDArray[Any]) -> NDArray[np.uint32]:
    """The letters of N texts (N, longest), 0 behind the end: their width in memory says nothing."""
    wide = np.ascontiguousarray(texts, np.str_).reshape(-1)
    codes = wide.view(np.uint32).reshape(len(wide), -1)
    longest = int(np.flatnonzero(codes.any(axis=0)).max(initial=-1)) + 1
    return codes[:, :longest]


def data_facts(
    x: Sequence[NDArray[Any]], y: Any = None, groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """What a card says of data: counts, the range of every feature, labels, the fingerprint.

    Parameters
    ----------
    x : B arrays (T, D)
    y : labels or targets of steps, B arrays, or of sequences, one array; None for none
    groups : B names of persons, machines or places

    Examples
    --------
    >>> facts = data_facts([np.ones((2, 1)), np.zeros((3, 1))], np.array(["a", "b"]))
    >>> facts["steps"], facts["ranges"], facts["labels"]
    (5, [[0.0, 1.0]], {'a': 1, 'b': 1})
    """
    lengths = [len(a) for a in x]
    flat = [a.reshape(-1, a.shape[-1]) for a in x]  # (N, D) each
    low = np.min([a.min(axis=0) for a in flat], axis=0)  # (D,)
    high = np.max([a.max(axis=0) for a in flat], axis=0)  # (D,)
    facts: dict[str, Any] = {
        "sequences": len(lengths),
        "steps": sum(lengths),
        "shortest": min(lengths),
        "longest": max(lengths),
        "groups": None if groups is None else len(set(groups)),
        "ranges": np.stack([low, high], axis=1).tolist(),
        "label_per": None if y is None else "sequence" if isinstance(y, np.ndarray) else "step",
        "labels": None,
        "target_ranges": None,
        "fingerprint": fingerprint(x, y),
    }
    if y is not None:
        values = y if isinstance(y, np.ndarray) else np.concatenate(list(y))  # (N,) or (N, R)
        if values.dtype.kind == "f":
            rows = values.reshape(len(values), -1)  # (N, R)
            facts["target_ranges"] = np.stack([rows.min(axis=0), rows.max(axis=0)], 1).tolist()
        else:
            found, counts = np.unique(values, return_counts=True)
            facts["labels"] = dict(zip(map(str, found.tolist()), counts.tolist(), strict=True))
    plain: dict[str, Any] = as_plain(facts)
    return plain


def make_card(
    options: Any = None,
    data: Mapping[str, Any] | None = None,
    scores: Mapping[str, Any] | None = None,
    *,
    date: str | None,
    seed: int | None = None,
    limits: Sequence[str] = (),
) -> dict[str, Any]:
    """A model card, for ``net.replace(about={"card": card})``.

    Parameters
    ----------
    options : TrainingOptions, or a dict, of the training
    data : facts by the name of the data, "training" and "test" say, as `data_facts` gives them and
        with more if there is more, such as the "path"
    scores : of the network: "measured_on", the name of the data; numbers by their names; and
        "by_class", for each class a dict of numbers
    date : of the training, such as `utc_day` gives it; None for none
    seed : of the training; None takes that of the options
    limits : sentences of what the network should not be trusted with, besides those that the data
        and the scores say

    Returns
    -------
    plain dict: what JSON does not hold is None (NaN), text or a list
    """
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        options = {
            field.name: getattr(options, field.name) for field in dataclasses.fields(options)
        }
    told = {k: v for k, v in (options or {}).items() if k not in UNTOLD}
    given = {
        "date": date,
        "seed": (options or {}).get("seed") if seed is None else seed,
        "versions": {
            "minilstm": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "options": told,
        "data": data or {},
        "scores": scores or {},
    }
    card: dict[str, Any] = as_plain(given)
    card["limits"] = [*limits, *said_by_data(card["data"], card["scores"])]
    return card


def said_by_data(data: Mapping[str, Any], scores: Mapping[str, Any]) -> list[str]:
    """What data and scores of a card say against trusting a network: a sentence each."""
    said = []
    training: Mapping[str, Any] = data.get("training") or {}
    labels = training.get("labels")
    if labels:
        total = sum(labels.values())
        for label, count in labels.items():
            if count < RARE * total:
                said.append(f"The class {label!r} is rare: {count:,} of {total:,} labels.")
    if training.get("groups") == 1:
        said.append("All training data are of one group.")
    if scores.get("measured_on") == "training":
        said.append("It was measured on the data that it was trained on; others may do worse.")
    tested = (data.get(str(scores.get("measured_on"))) or {}).get("labels")
    if labels and tested:
        for label in sorted(set(labels) - set(tested) - {""}):
            said.append(f"The class {label!r} was never tested.")
        for label in sorted(set(tested) - set(labels) - {""}):
            said.append(f"The class {label!r} was tested, but never trained.")
    return said


def utc_day() -> str:
    """The day by Greenwich, as 2026-11-30; that of SOURCE_DATE_EPOCH where the variable is set.

    Raises ValueError where the variable holds no number of seconds.
    """
    set_to = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        now = datetime.fromtimestamp(int(set_to), UTC) if set_to != "" else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"SOURCE_DATE_EPOCH is {set_to!r}; set it to the seconds since 1970, or not at all."
        ) from None
    return now.date().isoformat()


def as_plain(value: Any) -> Any:
    """What JSON holds in the place of any value: NaN is None, what is unknown becomes its name."""
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return as_plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [as_plain(v) for v in value]
    if isinstance(value, np.generic):
        return as_plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return getattr(value, "__name__", None) or type(value).__name__
