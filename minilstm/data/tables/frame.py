"""A table from a data frame of pandas, polars or pyarrow, or from a dict of columns.
None of these libraries is imported here; their objects are known by what they can do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from minilstm.arrays import is_missing
from minilstm.data.description import DataDescription
from minilstm.data.tables.header import check_header
from minilstm.data.tables.table import Array, Table
from minilstm.data.tables.text import text_columns, without_index
from minilstm.errors import DataError

_NOTHING_SAID = DataDescription()
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # as pandas names it in Parquet


def frame_table(
    frame: Any, name: str = "the frame", description: DataDescription = _NOTHING_SAID
) -> Table:
    """Read the columns of a frame.

    Parameters
    ----------
    frame : a frame of pandas, polars or pyarrow, or a dict of arrays; what is missing there (None,
        NA, NaT, NaN, masked) is a gap
    name : of it, for messages
    description : the columns that name recordings, labels, groups and channels become text

    Returns
    -------
    Table; its lines count the rows from 1. The index of pandas is a column where it has a name or
    holds dates, and is left out otherwise

    Raises
    ------
    DataError
        It has no rows, two columns of one name, or one of lists.

    Examples
    --------
    >>> table = frame_table({"run": [7, 7], "x": np.ma.array([1, 2], mask=[0, 1])}, "data",
    ...                     DataDescription(id_column="run"))
    >>> {name: column.tolist() for name, column in table.columns.items()}
    {'run': ['7', '7'], 'x': [1.0, nan]}
    """
    found: dict[str, str] = {}
    given = [*_index_columns(frame, found), *_columns(frame)]
    header = [column for column, _ in given]
    check_header(header, name)
    texts = text_columns(header, description)
    columns = {c: cells_of(v, f"column {c!r} of {name}", c in texts) for c, v in given}
    lengths = {len(values) for values in columns.values()}
    if lengths == {0} or len(lengths) > 1:
        raise DataError(
            f"{name} has columns of {' and '.join(map(str, sorted(lengths)))} rows, but at least "
            "one row, as many in each column, was wanted: check what made it."
        )
    lines = np.arange(1, lengths.pop() + 1, dtype=np.int64)  # (N,)
    return without_index(Table(columns, lines, name, found=found))


def _columns(frame: Any) -> list[tuple[str, Any]]:
    """The columns by name; a name of several levels is joined."""
    if isinstance(frame, Mapping):
        return [(str(column), values) for column, values in frame.items()]
    names = getattr(frame, "column_names", None)
    if names is not None:  # of pyarrow
        return [(str(n), _decoded(frame.column(n))) for n in names if not _PANDAS_INDEX.match(n)]
    labels = list(frame.columns)
    words = ["_".join(map(str, a)) if isinstance(a, tuple) else str(a) for a in labels]
    at = getattr(frame, "iloc", None)
    # By position where it can be, as pandas gives all columns of one name at once.
    series = [frame[a] if at is None else at[:, k] for k, a in enumerate(labels)]
    return list(zip(words, series, strict=True))


def _index_columns(frame: Any, found: dict[str, str]) -> list[tuple[str, Any]]:
    """The levels of an index of pandas that say something; others are told as left out."""
    index = None if isinstance(frame, Mapping) else getattr(frame, "index", None)
    levels: list[tuple[Any, Any]] = []
    if hasattr(index, "names"):
        levels = [(name, index.get_level_values(k)) for k, name in enumerate(index.names)]
        if type(index).__name__ == "RangeIndex" and index.name is None:
            return []
    elif hasattr(frame, "column_names"):
        names = filter(_PANDAS_INDEX.match, frame.column_names)
        levels = [(None, _decoded(frame.column(n))) for n in names]
    header = list(map(str, getattr(frame, "column_names", getattr(frame, "columns", ()))))
    out = []
    for label, values in levels:
        dates = cells_of(values, "the index", False).dtype.kind == "M"
        if label is not None:
            out.append((str(label), values))
        elif dates and "time" not in header:
            out.append(("time", values))
            found["index column"] = "read as 'time'"
        else:
            found["index column"] = "left out (without a name)"
    return out


def _decoded(values: Any) -> Any:
    """A column of pyarrow, its words in place of their numbers."""
    return values.cast(values.type.value_type) if hasattr(values.type, "index_type") else values


def cells_of(values: Any, place: str, text: bool) -> Array:
    """One column as float64, dates or text."""
    dtype = getattr(values, "dtype", None)
    kind = getattr(dtype, "kind", "")
    if isinstance(values, np.ma.MaskedArray):
        array = values.astype(object).filled(None)
    elif kind in set("iufb") and hasattr(values, "isna") and not text:
        array = values.to_numpy(dtype=np.float64, na_value=np.nan)  # of pandas, with any NA
    else:
        if kind == "M" and getattr(dtype, "tz", None) is not None:  # pandas' dates of a zone
            values = getattr(values, "dt", values).tz_convert("UTC")
            values = getattr(values, "dt", values).tz_localize(None)
        array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.ndim != 1:
        raise DataError(
            f"{place} has shape {array.shape}, but (N,) was wanted: cut it into columns."
        )
    if array.dtype.kind == "O":
        array = column_of(array, place)
    if array.dtype.kind == "M":
        return array.astype("datetime64[ns]")
    if array.dtype.kind == "m":
        return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "s"))
    if array.dtype.kind in "iufb":
        return _words(array) if text else array.astype(np.float64)
    if array.dtype.kind in "UT":
        return array.astype(np.str_)
    raise DataError(
        f"{place} has dtype {array.dtype}, but numbers, text or dates were wanted: convert it."
    )


def _words(array: Array) -> Array:
    """Numbers as they are written, NaN as nothing."""
    words = array.astype(np.str_)
    return np.where(np.isnan(array), "", words) if array.dtype.kind == "f" else words


def column_of(objects: Array, place: str) -> Array:
    """Objects as numbers where all are, as text otherwise; what is missing is a gap."""
    gap = np.fromiter(map(is_missing, objects), bool, len(objects))  # (N,)
    kinds = {type(value) for value in objects[~gap]}
    if any(hasattr(k, "__len__") and not issubclass(k, (str, bytes)) for k in kinds):
        raise DataError(
            f"{place} holds lists, but one value a row was wanted: give each its own row."
        )
    if all(issubclass(k, (Real, Decimal, np.bool_)) for k in kinds):
        if kinds and not gap.any() and all(issubclass(k, Integral) for k in kinds):
            return np.array(objects.tolist())  # whole numbers keep all digits as text
        return np.array([np.nan if g else float(v) for v, g in zip(objects, gap, strict=True)])
    # Dates come as ISO text.
    return np.array(["" if g else str(v) for v, g in zip(objects, gap, strict=True)], np.str_)
