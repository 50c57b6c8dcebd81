"""A table from any source: text, packed or not, Parquet, Excel, or standard input.
The first bytes say what a file is, whatever its name ends in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from minilstm.data.description import DataDescription
from minilstm.data.files.checks import check_file
from minilstm.data.tables.binary import OLD_EXCEL, PARQUET, ZIP, read_parquet, read_workbook
from minilstm.data.tables.source import text_source
from minilstm.data.tables.table import Table
from minilstm.data.tables.text import read_text
from minilstm.errors import DataError

_NOTHING_SAID = DataDescription()
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".xlsx")


def read_table(
    source: str | os.PathLike[str], description: DataDescription = _NOTHING_SAID
) -> Table:
    """Read the columns of a file, or of standard input.

    Parameters
    ----------
    source : a path, or "-" for standard input
    description : its `separator`, `decimal`, `encoding`, `sheet` and `on_bad_line` are obeyed, and
        the columns that name recordings, labels, groups and channels are kept as text

    Returns
    -------
    Table

    Raises
    ------
    DataError
        The source is of another kind, is damaged, or a line of it cannot be taken apart.
    ImportError
        Without pyarrow for Parquet, without openpyxl for Excel.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "walk.csv")
    ...     _ = file.write_text("time;speed;label\\n0;1,5;go\\n1;;stop\\n")
    ...     table = read_table(file)
    >>> table.columns["speed"].tolist(), table.found
    ([1.5, nan], {'separator': ';', 'decimal': ','})
    """
    path: Path | None = None
    data = b""
    if source == "-":
        name, data = "standard input", sys.stdin.buffer.read()
        start = data[:4]
    else:
        path = check_file(source)
        name = repr(str(path))
        with open(path, "rb") as file:
            start = file.read(4)
    if start == OLD_EXCEL:
        raise DataError(
            f"path {name} is a workbook of the old kind (.xls), but .xlsx was wanted: save it again "
            "as .xlsx or .csv."
        )
    if start in (PARQUET, ZIP):
        read = read_parquet if start == PARQUET else read_workbook
        return read(name, path, data, description)
    suffix = "" if path is None else path.suffix.lower()
    if suffix in (".parquet", ".xlsx"):
        raise DataError(
            f"path {name} ends in {suffix!r}, but does not start as such a file does: get it "
            "again, or give it the name of what it is, such as .csv."
        )
    return read_text(text_source(name, path, data, description.encoding), description)
