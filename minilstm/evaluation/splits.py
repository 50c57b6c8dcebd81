"""Which recordings train and which test: a share of them, k folds, or one group left out each time.
A group (a person, a machine, a place) is on one side only, as its recordings resemble each other.

Axes: N recordings, C classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import axes_of, parts_of
from minilstm.data.labels import label_array
from minilstm.data.stored import Stored
from minilstm.errors import DataError

IntArray = NDArray[np.int64]
_DRAWS = 64  # random splits of groups, of which the best is taken


class Split(NamedTuple):
    """Numbers of the recordings on each side, rising."""

    train: IntArray
    test: IntArray


def split_share(
    n: int,
    share: float,
    seed: int = 0,
    groups: ArrayLike | None = None,
    labels: Any = None,
) -> Split:
    """Set a share of the recordings aside for the test.

    With one label a recording and no groups, each class gives its share, to one recording. With
    groups whole groups are drawn: of 64 drawn splits the one whose size, and whose share of each
    class, are nearest to what was asked for.

    Parameters
    ----------
    n : recordings
    share : of them that test, above 0 and below 1; at least one recording is on each side
    seed : of the draw, at least 0; the same seed gives the same split
    groups : (N,) name of each recording's group, strings or whole numbers; None: each its own
    labels : (N,) label of each recording, or a list of N arrays (T,), labels a step, of which the
        most frequent counts; None: no matter

    Returns
    -------
    Split

    Raises
    ------
    DataError
        A number does not fit, or one group holds everything.

    Examples
    --------
    >>> people = ["ann", "ann", "bob", "bob", "cyd", "dan"]
    >>> train, test = split_share(6, 0.3, groups=people)
    >>> {people[i] for i in train} & {people[i] for i in test}
    set()
    """
    if not (0 < share < 1):
        raise DataError(f"share is {share!r}, but a part of the recordings tests; give 0.2, say.")
    of, names = _units(n, groups, 2, "sides")  # (N,)
    rng = np.random.default_rng(seed)
    classes = np.zeros(n, np.int64) if labels is None else _codes(labels, n, "labels")[0]  # (N,)
    if groups is None:
        return _by_class(classes, share, rng)
    counts = np.zeros((len(names), classes.max() + 1))  # (U, C) recordings
    np.add.at(counts, (of, classes), 1)
    best, least = np.arange(0), np.inf
    for _ in range(_DRAWS):
        order = rng.permutation(len(names))  # (U,)
        sizes = np.cumsum(counts[order].sum(axis=1))[:-1]  # (U - 1,), with one group left at least
        drawn = order[: 1 + int(np.abs(sizes - share * n).argmin())]
        shares = counts[drawn].sum(axis=0) / np.maximum(counts.sum(axis=0), 1)  # (C,)
        # A class that only one side has is worse than any other share.
        cost = float(((shares - share) ** 2 + 1.0 * (shares == 1) + 0.5 * (shares == 0)).sum())
        cost += float((counts[drawn].sum() / n - share) ** 2) * counts.shape[1]
        if cost < least:
            best, least = drawn, cost
    return _split(np.isin(of, best))


def k_fold(
    n: int,
    k: int,
    seed: int = 0,
    groups: ArrayLike | None = None,
    labels: Any = None,
) -> list[Split]:
    """Split recordings into k parts, of which each tests once while the others train.

    scikit-learn's splitters do it: `StratifiedKFold` and `StratifiedGroupKFold` where every class
    has k recordings (groups) or more, else `KFold` and `GroupKFold`.

    Parameters
    ----------
    n : recordings
    k : folds, at least 2
    seed, groups, labels : as for `split_share`

    Returns
    -------
    k splits

    Raises
    ------
    DataError
        There are fewer recordings, or groups, than folds, or a number does not fit.
    ImportError
        scikit-learn is missing.

    Examples
    --------
    >>> [test.tolist() for _, test in k_fold(4, 2, groups=["ann", "bob", "ann", "bob"])]
    [[1, 3], [0, 2]]
    """
    if k < 2:
        raise DataError(f"k is {k}, but one part tests and others train; give 2 folds or more.")
    of, _ = _units(n, groups, k, "folds")  # (N,)
    skl = require_sklearn("model_selection")
    how = {"n_splits": k, "shuffle": True, "random_state": seed}
    together = None if groups is None else of
    plain = skl.KFold(**how) if groups is None else skl.GroupKFold(**how)
    if labels is not None:
        classes = _codes(labels, n, "labels")[0]  # (N,)
        pairs = np.unique(np.stack([classes, of]), axis=1)  # (2, P): a class, a unit that has it
        if np.bincount(pairs[0]).min() >= k:
            way = skl.StratifiedKFold if groups is None else skl.StratifiedGroupKFold
            folds = [Split(*pair) for pair in way(**how).split(of, classes, together)]
            if all(len(a) and len(b) for a, b in folds):
                return folds
    return [Split(*pair) for pair in plain.split(of, None, together)]


def leave_one_group_out(groups: ArrayLike) -> list[Split]:
    """Let each group test once, while the others train.

    Parameters
    ----------
    groups : (N,) name of each recording's group, strings or whole numbers

    Returns
    -------
    a split for each group, in the order of the sorted names

    Raises
    ------
    DataError
        There is one group only.

    Examples
    --------
    >>> [test.tolist() for _, test in leave_one_group_out(["ann", "bob", "ann"])]
    [[0, 2], [1]]
    """
    of, names = _units(len(np.atleast_1d(groups)), groups, 2, "sides")  # (N,)
    return [_split(of == u) for u in range(len(names))]


def shared_names(train: Sequence[Any], test: Sequence[Any], what: str = "recordings") -> list[str]:
    """Warn where the same names are among those that trained and those that test.

    Names that only count recordings (0, 1, 2, ...), as readers give where a file has none, say
    nothing.

    Parameters
    ----------
    train, test : names of the recordings, or of their groups, on each side
    what : the names are of, such as "groups"

    Returns
    -------
    the shared names, sorted; where there are any, a UserWarning has been given

    Examples
    --------
    >>> shared_names(["r1", "r2"], ["r3"]), shared_names(["0", "1"], ["0", "1", "2"])
    ([], [])
    """
    sides = [[str(name) for name in names] for names in (train, test)]
    if any(side == [str(i) for i in range(len(side))] for side in sides):
        return []
    shared = sorted(set(sides[0]) & set(sides[1]))
    if shared:
        more = f" and {len(shared) - 6} more" if len(shared) > 6 else ""
        warnings.warn(
            f"{len(shared)} {what} are both in the training and in the test data "
            f"({', '.join(map(repr, shared[:6]))}{more}), so the scores are too good; test on "
            "others.",
            UserWarning,
            stacklevel=2,
        )
    return shared


def require_sklearn(part: str) -> Any:
    """A part of scikit-learn, or an ImportError with the pip line."""
    try:
        import sklearn.metrics
        import sklearn.model_selection
    except ImportError as error:
        raise ImportError(
            "Folds and curves are computed by scikit-learn: pip install 'minilstm[sklearn]'."
        ) from error
    return getattr(sklearn, part)


def _units(n: int, groups: Any, wanted: int, parts: str) -> tuple[IntArray, list[Any]]:
    """The unit that each recording stays with, (N,), and the names of the units."""
    if groups is None:
        if n < wanted:
            raise DataError(
                f"there {'is 1 recording' if n == 1 else f'are {n} recordings'}, but {wanted} "
                f"{parts} want one each; record more, or cut long recordings into parts."
            )
        return np.arange(n), list(range(n))
    of, names = _codes(groups, n, "groups")
    if len(names) == 1:
        raise DataError(
            f"groups holds {names[0]!r} only, so one group holds all {n} recordings and none is "
            "left to test; name another group_column, or leave groups out to split by recording."
        )
    if len(names) < wanted:
        raise DataError(
            f"groups holds {len(names)} groups, but {wanted} {parts} want one each; give "
            f"{len(names)} folds or fewer, or leave groups out to split by recording."
        )
    return of, names


def _codes(values: Any, n: int, name: str) -> tuple[IntArray, list[Any]]:
    """A number for each recording's name or label, (N,), and the sorted names."""
    parts: Any = values if isinstance(values, Stored) else parts_of(values)
    if parts is values or (parts is not None and any(axes_of(part) for part in parts)):
        parts = [_most_frequent(label_array(p, f"{name}[{i}]", [""])) for i, p in enumerate(parts)]
    array = np.asarray(values if parts is None else parts)  # (N,)
    if array.dtype.kind not in "iu":
        array = array.astype(str)
    if array.shape != (n,):
        raise DataError(
            f"{name} has shape {array.shape}, but there are {n} recordings; give one for each."
        )
    found, codes = np.unique(array, return_inverse=True)
    return codes.ravel().astype(np.int64), found.tolist()


def _most_frequent(labels: NDArray[Any]) -> Any:
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmax()].item()


def _by_class(classes: IntArray, share: float, rng: np.random.Generator) -> Split:
    """Recordings drawn class by class; the largest remainders are rounded up."""
    n, counts = len(classes), np.bincount(classes)  # (C,)
    total = min(max(round(share * n), 1), n - 1)
    due = counts * total / n  # (C,)
    take = np.floor(due).astype(np.int64)  # (C,)
    late = rng.permutation(len(counts))  # equal remainders in a drawn order
    late = late[np.argsort(-(due - take)[late], kind="stable")]
    take[late[: total - take.sum()]] += 1
    tests = np.zeros(n, np.bool_)  # (N,)
    for c, number in enumerate(take.tolist()):
        tests[rng.permutation(np.flatnonzero(classes == c))[:number]] = True
    return _split(tests)


def _split(tests: NDArray[np.bool_]) -> Split:
    return Split(np.flatnonzero(~tests), np.flatnonzero(tests))
