"""Recordings split where time jumps, so that no window holds two moments as neighbours.
A network takes every step for the next one; only the times tell where that is not so."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from minilstm.checks import check_positive, counted
from minilstm.data.files.checks import Sequences
from minilstm.data.shaping.parts import Part, cut
from minilstm.errors import DataError


def split_at_gaps(data: Sequences, seconds: float) -> Sequences:
    """Split recordings wherever the next step is more than so many seconds later.

    Parameters
    ----------
    data : recordings with times
    seconds : the longest time step that is no gap

    Returns
    -------
    Sequences; a part of "walk" is called "walk[0:128]" by its steps, and its group is that of the
    recording

    Raises
    ------
    DataError
        The recordings have no times.

    Examples
    --------
    >>> times = [np.array([0.0, 0.1, 5.0, 5.1])]
    >>> data = Sequences([np.zeros((4, 1))], None, None, ["a"], times=times)
    >>> split_at_gaps(data, 1).ids
    ['a[0:2]', 'a[2:4]']
    """
    check_positive("gap_seconds", seconds)
    if data.times is None:
        raise DataError(
            f"gap_seconds is {seconds}, but the recordings have no times to find gaps in; read "
            "them with time_column, or leave gap_seconds out."
        )
    parts = []
    for b, times in enumerate(data.times):
        starts = np.flatnonzero(np.diff(times) > seconds) + 1  # (gaps,)
        parts += [Part(b, *ends) for ends in pairwise([0, *starts.tolist(), len(times)])]
    gaps = len(parts) - len(data.x)
    return (
        cut(data, parts, f"split at {counted(gaps, 'gap')} of more than {seconds:g} s")
        if gaps
        else data
    )
