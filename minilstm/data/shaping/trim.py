"""The unlabelled ends of recordings, taken away: nobody said what happens there.
A missing label within a recording stays, so that its steps stay neighbours."""

from __future__ import annotations

import warnings

import numpy as np

from minilstm.checks import counted
from minilstm.data.files.checks import Sequences
from minilstm.data.shaping.parts import Part, cut
from minilstm.errors import DataError


def trim_unlabelled(data: Sequences) -> Sequences:
    """Take away the steps before the first label of a recording and after its last.

    A missing label is "", as `read_sequences(missing_labels=...)` gives it. Data without labels a
    step come back as they are, and so do numbers, which are never missing.

    Raises
    ------
    DataError
        No recording has a label.

    Warns
    -----
    UserWarning
        Some recordings have no label at all, and are left out.

    Examples
    --------
    >>> y = [np.array(["", "walk", "", "run", "", ""])]
    >>> trimmed = trim_unlabelled(Sequences([np.zeros((6, 1))], y, None, ["a"]))
    >>> trimmed.y[0].tolist(), trimmed.ids
    (['walk', '', 'run'], ['a[1:4]'])
    """
    if not isinstance(data.y, list) or all(labels.dtype.kind != "U" for labels in data.y):
        return data
    parts, without = [], []
    for b, labels in enumerate(data.y):
        known = np.flatnonzero(labels != "")  # (K,)
        if len(known):
            parts.append(Part(b, int(known[0]), int(known[-1]) + 1))
        else:
            without.append(data.ids[b])
    if not parts:
        raise DataError(
            f"all labels of {counted(len(data.y), 'recording')} are missing, so trim_unlabelled "
            "leaves nothing; check which labels are read as missing."
        )
    if without:
        warnings.warn(
            f"{counted(len(without), 'recording')} of {len(data.y)} without any label left out, "
            f"the first of them {without[0]!r}; leave trim_unlabelled out to keep them.",
            stacklevel=2,
        )
    kept = sum(part.stop - part.start for part in parts)
    lost = sum(map(len, data.x)) - kept
    return (
        cut(data, parts, f"{counted(lost, 'step')} at unlabelled ends left out") if lost else data
    )
