"""Tables from Parquet and from Excel, each read by its own library of the extra `tables`.
Both hold typed cells, so nothing has to be recognised in them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.data.description import DataDescription
from minilstm.data.tables.frame import cells_of, frame_table
from minilstm.data.tables.header import header_of
from minilstm.data.tables.table import Table
from minilstm.data.tables.text import text_columns, without_index
from minilstm.errors import DataError

PARQUET, ZIP, OLD_EXCEL = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_INSTALL = "pip install 'minilstm[tables]'"


def read_parquet(name: str, path: Path | None, data: bytes, description: DataDescription) -> Table:
    """The columns of a Parquet file; see `read_table`."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(
            f"path {name} is a Parquet file, which needs pyarrow: {_INSTALL}."
        ) from error
    try:
        whole = pyarrow.parquet.ParquetFile(path or io.BytesIO(data)).read()
    except Exception as error:  # pyarrow raises what it likes
        raise _damaged(name, "Parquet file", error) from error
    return frame_table(whole, name, description)


def read_workbook(name: str, path: Path | None, data: bytes, description: DataDescription) -> Table:
    """One sheet of an Excel workbook; see `read_table`."""
    opened: Any = path or io.BytesIO(data)
    try:
        with zipfile.ZipFile(opened) as archive:
            inside = archive.namelist()
    except zipfile.BadZipFile as error:
        raise _damaged(name, "Excel workbook", error) from error
    if "xl/workbook.xml" not in inside:
        raise DataError(
            f"path {name} is a zip archive and no .xlsx workbook: unpack it, or save its sheet as "
            ".csv or .xlsx."
        )
    try:
        import openpyxl  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(
            f"path {name} is an Excel workbook, which needs openpyxl: {_INSTALL}."
        ) from error
    try:
        book = openpyxl.load_workbook(opened, read_only=True, data_only=True)
        sheets = {sheet.title: _rows(sheet) for sheet in book.worksheets}
        book.close()
    except Exception as error:  # openpyxl raises what it likes
        raise _damaged(name, "Excel workbook", error) from error
    title = _sheet(name, sheets, description.sheet)
    found = {"sheet": title} if len(sheets) > 1 and description.sheet is None else {}
    return _table(name, sheets[title], description, found)


def _rows(sheet: Any) -> list[tuple[int, tuple[Any, ...]]]:
    """The rows of a sheet that are not empty, with their numbers from 1."""
    sheet.reset_dimensions()  # which some programs write wrongly
    rows = enumerate(sheet.iter_rows(values_only=True), 1)
    return [(line, row) for line, row in rows if any(cell not in (None, "") for cell in row)]


def _sheet(name: str, sheets: dict[str, Any], said: str | None) -> str:
    """The title of the sheet to read: the one that was said, or the only one with cells."""
    listed = ", ".join(sheets)
    if said is not None:
        if said not in sheets:
            raise DataError(
                f"sheet is {said!r}, but the sheets of {name} are {listed}: name one of them."
            )
        return said
    filled = [title for title, rows in sheets.items() if rows]
    if len(filled) > 1:
        raise DataError(
            f"path {name} has cells in the sheets {', '.join(filled)}: say which one to read, with "
            f"sheet={filled[0]!r} (--sheet {filled[0]!r})."
        )
    return filled[0] if filled else next(iter(sheets))


def _table(
    name: str,
    rows: list[tuple[int, tuple[Any, ...]]],
    description: DataDescription,
    found: dict[str, str],
) -> Table:
    first, top = rows[0] if rows else (1, ())
    header = header_of((first, ["" if c is None else str(c).strip() for c in top]), name)
    if len(rows) < 2:
        raise DataError(
            f"path {name} has a header but no steps, but at least one was wanted: check what wrote "
            "it."
        )
    width = len(header)
    for line, row in rows[1:]:
        place = next((k for k, cell in enumerate(row) if k >= width and cell is not None), None)
        if place is not None:
            raise DataError(
                f"line {line} of {name} has {str(row[place])!r} in column {place + 1}, which has "
                "no name, but a name above each column was wanted: add it, or remove the column."
            )
    texts = text_columns(header, description)
    cells = np.full((len(rows) - 1, width), None, object)  # (N, W)
    for k, (_, row) in enumerate(rows[1:]):
        cells[k, : len(row)] = row[:width]
    columns = {
        column: cells_of(cells[:, k], f"column {column!r} of {name}", column in texts)
        for k, column in enumerate(header)
    }
    lines = np.array([line for line, _ in rows[1:]], np.int64)
    empty = int(lines[-1]) - first - len(lines)
    return without_index(Table(columns, lines, name, empty=empty, found=found))


def _damaged(name: str, kind: str, error: Exception) -> DataError:
    told = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
    return DataError(
        f"path {name} cannot be read ({told}), but a whole {kind} was wanted: get or write it again."
    )
