"""Advice about where tables come from: texts, packed files, workbooks, frames, and .ts files.
What it says to do in other programs is done here with the libraries that read such files.
"""

import gzip
import io
import sys
import zipfile
from unittest.mock import patch

import numpy as np
import openpyxl
import pandas

import minilstm as ml
from advice.computing import pip
from advice.csv_files import BODY, HEAD, put, read, right
from advice.npz_files import TWO, flat, npz
from advice.npz_files import right as right_x
from advice.ts_files import ts
from minilstm.data.tables import source as sources
from minilstm.data.tables.frame import frame_table

TEXT = HEAD + BODY
ROWS = [[int(c) if c.isdigit() else c for c in line.split(",")] for line in TEXT.splitlines()]
WORDS = ("@univariate true", "@classLabel true a b")
NUMBERS = {"numeric_targets": True}
TIMED = ("@timestamps true", *WORDS)


def frame(**columns):
    """What is read from a frame of two rows with these columns."""
    return ml.read_sequences(pandas.DataFrame({"ax": [1.0, 2.0], **columns}), id_column="")


def book(rows=ROWS, again=(), **options):
    """What is read from a workbook with these rows, and others in a second sheet."""
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    for row in again:
        (made["More"] if "More" in made else made.create_sheet("More")).append(row)
    made.save("d.xlsx")
    return ml.read_sequences("d.xlsx", **options)


def archive(member):
    """What is read from a zip archive of one broken member, as if it were a workbook."""
    with zipfile.ZipFile("d.xlsx", "w") as made:
        made.writestr(member, "<")
    return ml.read_sequences("d.xlsx")


def parquet():
    """What is read from a Parquet file."""
    pandas.DataFrame(ROWS[1:], columns=ROWS[0]).to_parquet("d.parquet")
    return ml.read_sequences("d.parquet")


def zipped(data):
    """What is read from bytes, of a file with the name of a packed table."""
    return ml.read_sequences(put(data, "d.csv.gz"))


def missing(package):
    """Within a ``with`` block no module of a package can be imported."""
    names = {name for name in sys.modules if name.split(".")[0] == package}
    return patch.dict(sys.modules, dict.fromkeys({package, *names}))


def stamped(*parts, label="a"):
    """What is read from a .ts file with time stamps, a line of these dimensions."""
    words = TIMED if len(parts) == 1 else ("@timestamps true", "@dimensions 2", TIMED[2])
    return ts(words=words, lines=(":".join([*parts, label]),))


def gaps(line, **options):
    """What is read from a .ts file of one line, whose gaps are to be filled."""
    text = "\n".join([*WORDS, "@data", line])
    return ml.read_sequences(put(text, "d.ts"), layout="TC", **options).x[0].tolist()


TABLE = [
    # ------------------------------------------------------------ the text of a table
    ("read('recording;place,ax\\na;b,1\\n')", r"say (separator=',') or (separator=';') \(",
     "read('recording;place,ax\\na;b,1\\n', id_column='recording;place', $1).ids == ['a;b']; "
     "read('recording;ax;note,label\\na;1;b,c\\n', $2, label_column='note,label').ids == ['a']"),
    ("read('# of monday\\n' + TEXT)", r"remove line (\d)\.",
     "right(read(''.join(l for k, l in enumerate(('# of monday\\n' + TEXT).splitlines(True), 1) "
     "if k != $1)))"),
    ("read(TEXT, separator=';')", r"say (separator=',') \(", "right(read(TEXT, $1))"),
    ("read(TEXT, separator='tab')", r"say (separator=',') \(", "right(read(TEXT, $1))"),
    ("read(TEXT.replace('ax', ''))", "add it, or remove the column", "right(read(TEXT)); "
     "read('recording,ay,label\\na,2,b\\n')"),
    ("read(TEXT, separator='a')", r"such as (',', ';', '\|' or 'tab'): choose one",
     "right(read(TEXT.replace(',', {'tab': chr(9)}.get($each, $each)), separator=$each))"),
    ("read(TEXT, encoding='hex')", r"such as ('utf-8', 'utf-16' or 'cp1252'): choose one",
     "right(read(TEXT.encode($each), encoding=$each))"),
    ("read(TEXT.replace('walk', 'walké').encode('cp1252'), encoding='utf-16')",
     r"say another encoding \(--encoding\), such as ('utf-8' or 'cp1252'), or save it again as U",
     "right(read(TEXT.replace('walk', 'walké').encode($each), encoding=$each)); right(read(TEXT))"),
    ("read(TEXT.encode('utf-32'))", "save it again .* with iconv -f (UTF-32) -t (UTF-8)",
     "right(read(TEXT.encode('$1').decode('$1').encode('$2'))); "
     "right(read(TEXT.encode('utf-16')))"),
    ("zipped(gzip.compress(TEXT.encode())[:-9])", "damaged or not whole: get it again",
     "right(zipped(gzip.compress(TEXT.encode())))"),
    ("with patch.object(sources, 'grows_too_much', lambda size, packed: size > packed):\n"
     "    zipped(gzip.compress((HEAD + BODY * 99).encode()))", "unpack it first, with gunzip",
     "right(read(gzip.decompress(gzip.compress(TEXT.encode()))))"),
    # ------------------------------------------------------------ Excel and Parquet
    ("ml.read_sequences(put(b'\\xd0\\xcf\\x11\\xe0' + bytes(508), 'd.xlsx'))",
     "save it again as .xlsx or .csv", "right(book()) and right(read(TEXT))"),
    ("ml.read_sequences(put(TEXT, 'd.parquet'))", "the name of what it is, such as (.csv)",
     "right(ml.read_sequences(put(TEXT, 'd$1'))) and right(parquet())"),
    ("ml.read_sequences(put(b'PAR1' + bytes(99), 'd.parquet'))", "Parquet file .*: write it again",
     "right(parquet())"),
    ("put(b'PAR1', 'd.parquet')\nwith missing('pyarrow'): ml.read_sequences('d.parquet')",
     r": (pip install .*)\.", "pip(\"$1\")"),
    ("ml.read_sequences(put(b'PK\\3\\4' + bytes(99), 'd.xlsx'))", "workbook .*: write it again",
     "right(book())"),
    ("archive('a.csv')", "unpack it, or save its sheet as .csv or .xlsx",
     "right(book()) and right(read(TEXT))"),
    ("archive('xl/workbook.xml')", "Excel workbook was wanted: write it again", "right(book())"),
    ("book()\nwith missing('openpyxl'): ml.read_sequences('d.xlsx')", r": (pip install .*)\.",
     "pip(\"$1\")"),
    ("book(sheet='More')", "are (Sheet): name one", "right(book(sheet='$1'))"),
    ("book(again=ROWS)", r"which one to read, with (sheet='.*') \(", "right(book(again=ROWS, $1))"),
    ("book(ROWS[:1])", "check what wrote it", "right(book())"),
    ("book([*ROWS, ['r2', 7, 8, 'run', 9]])", "add it, or remove the column",
     "book([[*ROWS[0], 'n'], *([*row, 9] for row in ROWS[1:])]); right(book())"),
    # ------------------------------------------------------------ frames
    ("ml.read_sequences(pandas.DataFrame({'ax': []}))", "check what made it", "frame()"),
    ("start([ml.SequenceInput(2), ml.LSTM(2)]).predict(pandas.DataFrame({'ay': [1.0], 'ax': [2]}))",
     r"in the order of the training, or train with SequenceInput\(2, (feature_names)=\[...\]\)",
     "start([ml.SequenceInput(2, $1=['ax', 'ay']), ml.LSTM(2)]).predict("
     "pandas.DataFrame({'ay': [1.0], 'ax': [2]}))"),
    ("frame_table({'ax': [1, 2], 'ay': [1]})", "check what made it",
     "frame_table({'ax': [1, 2], 'ay': [1, 2]})"),
    ("frame_table({'a': np.ones((3, 2))})", "cut it into columns",
     "frame_table({f'a{k}': column for k, column in enumerate(np.ones((3, 2)).T)})"),
    ("frame(ay=[1j, 2])", "convert it", "frame(ay=np.array([1j, 2]).real).x[0].shape == (2, 2)"),
    ("frame(ay=[[1, 2], [3]])", "give each its own row",
     "frame(ay=[1, 2]).x[0].tolist() == [[1, 1], [2, 2]]"),
    # ------------------------------------------------------------ numbers to be predicted
    ("flat(options=NUMBERS, y=list('ababab'))", "write numbers, or read them as labels",
     "flat(options=NUMBERS, y=[0.5] * 6).y[1].shape == (4, 1); right_x(flat(y=list('ababab')))"),
    ("flat(options=NUMBERS, y=[1, np.nan, 2, 1, 2, 1])", "fill in or remove it",
     "right_x(flat(options=NUMBERS, y=[1, 0, 2, 1, 2, 1]))"),
    ("npz(NUMBERS, **TWO, y_0=np.ones((2, 1)), y_1=np.ones((4, 2)))", "correct the odd one",
     "npz(NUMBERS, **TWO, y_0=np.ones((2, 2)), y_1=np.ones((4, 2))).y[1].shape == (4, 2)"),
    # ------------------------------------------------------------ .ts
    ("ts(words=('@univariate true', '@classLabel true 0.5 1'), lines=('1,2:0.5', '3,4:1'))",
     "number the classes from 1, or write their names",
     "ts(words=('@univariate true', '@classLabel true 2 1'), lines=('1,2:2', '3,4:1')); "
     "ts(words=WORDS, lines=('1,2:b', '3,4:a'))"),
    ("stamped('(0,1),(1,2)', '(0,1),(3,2)')", "resample them",
     "stamped('(0,1),(1,2)', '(0,1),(1,2)').times[0].tolist() == [0, 1]"),
    ("stamped('(1,1),(0,2)')", "sort its steps by time",
     "stamped('(0,2),(1,1)').x[0].tolist() == [[2], [1]]"),
    ("stamped('(now,1),(1,2)')", r"a date such as (.*) was wanted: correct it",
     "stamped('($1,1),(2024-01-31 12:00:02,2)').times[0].tolist() == [1706702400, 1706702402]"),
    ("gaps('1,?,3:a')", r"say (fill='linear') or (fill='previous') \(.*\), or fill it in",
     "gaps('1,?,3:a', $1) == [[1], [2], [3]] and gaps('1,?,3:a', $2) == [[1], [1], [3]]"),
    ("gaps('?,2,3:a', fill='previous')", r"first gap: say (fill='linear') \(",
     "gaps('?,2,3:a', $1) == [[2], [2], [3]]"),
    ("gaps('?,?,?:a', fill='linear')", "cannot be filled: remove", "gaps('1,2,3:a')"),
]  # fmt: skip
