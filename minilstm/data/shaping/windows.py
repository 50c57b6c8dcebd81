"""Windows: pieces of one length, cut from recordings one after another.
They are views of the recordings, so overlapping windows take no memory of their own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import Array, as_numbers, axes_of, parts_of
from minilstm.checks import check_whole, counted
from minilstm.data.arrays import one_for_each
from minilstm.data.files.checks import Sequences
from minilstm.data.shaping.labels import Label, check_label, step_targets, window_targets
from minilstm.data.shaping.parts import Part, cut
from minilstm.errors import DataError


class Places(NamedTuple):
    """Where windows lie, and what lies in none."""

    recordings: NDArray[np.int64]  # (N,) which recording
    starts: NDArray[np.int64]  # (N,) the first step of each window
    steps_left_out: int  # at the ends, or between windows further apart than they are long
    recordings_left_out: tuple[int, ...]  # shorter than a window


@dataclass(frozen=True)
class Windows:
    """Cuts recordings into windows; made by `windows`, which says how."""

    length: int
    step: int
    label: Label = "majority"

    def __post_init__(self) -> None:
        check_whole("length", self.length, 1)
        check_whole("step", self.step, 1)
        check_label("label", self.label)

    @overload
    def __call__(self, x: Sequences) -> Sequences: ...

    @overload
    def __call__(self, x: Any, y: None = None) -> list[Array]: ...

    @overload
    def __call__(self, x: Any, y: Any) -> tuple[list[Array], Array]: ...

    def __call__(self, x: Any, y: Any = None) -> Any:
        """Windows of recordings, and one label a window where there are labels.

        Parameters
        ----------
        x : one (T, D) array, B of them in a list, (B, T, D), or `Sequences`
        y : for labels or numbers of each step, (T,) or (T, R) a recording; for one a recording,
            one for each, which all its windows get

        Returns
        -------
        list of N windows (length, D); with `y` (windows, (N,) or (N, R) targets); `Sequences` for
        `Sequences`
        """
        if isinstance(x, Sequences):
            if y is not None:
                raise DataError("x brings its own labels; leave y out, or pass x.x and y.")
            places = self.places([*map(len, x.x)], x.ids)
            targets = None if x.y is None else self._targets(x.y, x.x, places)
            parts = zip(places.recordings.tolist(), places.starts.tolist(), strict=True)
            note = (
                f"cut into {counted(len(places.starts), 'window')} of "
                f"{counted(self.length, 'step')}, {counted(places.steps_left_out, 'step')} in none"
            )
            taken = [Part(b, t, t + self.length) for b, t in parts]
            return cut(x._replace(y=None), taken, note)._replace(y=targets)
        arrays, single = _recordings(x)
        places = self.places([*map(len, arrays)])
        pairs = zip(places.recordings.tolist(), places.starts.tolist(), strict=True)
        cuts = [arrays[b][t : t + self.length] for b, t in pairs]
        if y is None:
            return cuts
        return cuts, self._targets([y] if single else y, arrays, places)

    def places(self, lengths: Sequence[int], names: Sequence[str] | None = None) -> Places:
        """Where the windows of recordings of so many steps lie.

        Raises
        ------
        DataError
            Windows are longer than every recording.

        Warns
        -----
        UserWarning
            Windows are longer than some recordings, which are left out.

        Examples
        --------
        >>> places = Windows(4, 3).places([12, 8])
        >>> places.recordings.tolist(), places.starts.tolist(), places.steps_left_out
        ([0, 0, 0, 1, 1], [0, 3, 6, 0, 3], 3)
        """
        starts = [np.arange(0, T - self.length + 1, self.step) for T in lengths]
        counts = [*map(len, starts)]
        short = tuple(b for b, count in enumerate(counts) if not count)
        if len(short) == len(counts):
            longest = int(np.argmax(lengths))
            named = f"x[{longest}]" if names is None else repr(names[longest])
            raise DataError(
                f"windows of {counted(self.length, 'step')} are longer than every recording; the "
                f"longest, {named}, has {lengths[longest]:,}: give a length (window_length) of at "
                "most that."
            )
        if short:
            named = f"x[{short[0]}]" if names is None else repr(names[short[0]])
            warnings.warn(
                f"{counted(len(short), 'recording')} of {len(lengths)} shorter than a window of "
                f"{counted(self.length, 'step')} left out, the first of them {named}; give a "
                "smaller length to keep them.",
                stacklevel=3,
            )
        overlap = min(self.step, self.length)
        covered = sum((n - 1) * overlap + self.length for n in counts if n)
        recordings = np.repeat(np.arange(len(counts)), counts)  # (N,)
        return Places(recordings, np.concatenate(starts), sum(lengths) - covered, short)

    def _targets(self, y: Any, arrays: Sequence[Array], places: Places) -> Array:
        """One target a window, (N,) or (N, R)."""
        named = one_for_each(y, len(arrays), "y", "labels")
        checked = [step_targets(part, name) for name, part in named]
        if len({a.dtype.kind == "U" for a in checked}) > 1:
            raise DataError("y mixes text and numbers; use one kind for all recordings.")
        if all(a.shape[:1] == (len(x),) for a, x in zip(checked, arrays, strict=True)):
            ends = np.searchsorted(places.recordings, np.arange(1, len(arrays)))  # (B - 1,)
            out = [
                window_targets(a, starts, self.length, self.label, name)
                for a, starts, (name, _) in zip(
                    checked, np.split(places.starts, ends), named, strict=True
                )
                if len(starts)
            ]
            return np.concatenate(out)
        if len({a.shape for a in checked}) > 1 or checked[0].ndim > 1:
            b = next(b for b, a in enumerate(checked) if a.shape[:1] != (len(arrays[b]),))
            raise DataError(
                f"y[{b}] has shape {checked[b].shape}, but x[{b}] has {len(arrays[b])} steps; give "
                "one label for each step, or one for each recording."
            )
        return np.stack(checked)[places.recordings]


def windows(length: int, step: int, label: Label = "majority") -> Windows:
    """What cuts recordings into windows, to be called with them.

    The last steps of a recording that fill no window are left out (`Windows.places` counts them),
    and so is a recording shorter than a window, with a warning.

    Parameters
    ----------
    length : steps of a window
    step : from the start of a window to that of the next; less than `length` lets them overlap
    label : how a window gets its label from those of its steps. "majority": the most frequent one,
        and of equally frequent ones that which is seen last. A missing label, "", does not vote;
        a window without any other gets "", which ``CrossEntropy(ignored_labels=[""])`` leaves out.
        "last": that of the last step, even "". A function: what it gives for the (length,) labels;
        for numbers to be predicted, which have no majority, such as `numpy.mean`

    Returns
    -------
    Windows

    Examples
    --------
    >>> cut = windows(4, 2)
    >>> x, y = np.arange(9.0)[:, None], ["sit"] * 5 + ["walk"] * 4
    >>> pieces, labels = cut(x, y)
    >>> [piece[0].item() for piece in pieces], labels.tolist()
    ([0.0, 2.0, 4.0], ['sit', 'sit', 'walk'])
    """
    return Windows(length, step, label)


def _recordings(x: Any) -> tuple[list[Array], bool]:
    """Recordings (T, D) as they came, and whether it was one alone."""
    parts = parts_of(x)
    if parts is not None and (not parts or axes_of(parts[0]) > 1):
        items = [as_numbers(part, f"x[{b}]", "recordings", "iuf") for b, part in enumerate(parts)]
        single = False
    else:
        array = as_numbers(x, "x", "recordings", "iuf")
        single = array.ndim != 3
        items = [array] if single else [*array]
    wrong = [b for b, array in enumerate(items) if array.ndim != 2]
    if wrong or not items:
        came = "x is an empty list"
        if wrong:
            name = "x" if single else f"x[{wrong[0]}]"
            came = f"{name} has shape {items[wrong[0]].shape}"
        raise DataError(
            f"{came}, but a recording is (T, D), T steps of D features; give one, or a list of "
            "them."
        )
    return items, single
