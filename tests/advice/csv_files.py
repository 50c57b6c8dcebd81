"""Advice about .csv files: columns, lines, cells, and what is written.
The small files of the tables have two sequences, "r1" and "r2", of two features.
"""

from pathlib import Path

import minilstm as ml
from minilstm.data import write_csv, write_npz

HEAD = "recording,ax,ay,label\n"
BODY = "r1,1,2,run\nr1,3,4,walk\nr2,5,6,run\n"


def put(text, name="d.csv"):
    """A file of some text."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def read(text, **options):
    """What is read from a file of some text."""
    return ml.read_sequences(put(text), **options)


def right(data):
    """Whether the sequences of HEAD and BODY were read."""
    return [a.tolist() for a in data.x] == [[[1, 2], [3, 4]], [[5, 6]]]


def one_line(line):
    """The file with another second line."""
    return HEAD + "r1,1,2,run\n" + line + "\nr2,5,6,run\n"


TABLE = [
    ("read('')", "check what wrote it", "right(read(HEAD + BODY))"),
    ("read(HEAD)", "check what wrote it", "right(read(HEAD + BODY))"),
    ("read(',ax,ay,label\\n' + BODY)", "add it, or remove the column", "right(read(HEAD + BODY));"
     "read('ax,ay,label\\n1,2,run\\n', id_column='')"),
    ("read('recording,ax,ax,label\\n' + BODY)", "rename one of them", "right(read(HEAD + BODY))"),
    ("read(BODY)", "put one name above each column", "right(read(HEAD + BODY))"),
    ("read(HEAD[:-1] + ',\\n' + BODY.replace('\\n', ',7\\n'))", "add it, or remove the column",
     "right(read(HEAD + BODY)); read(HEAD[:-1] + ',n\\n' + BODY.replace('\\n', ',7\\n'))"),
    ("read(HEAD + BODY, id_column='')", r"say (id_column='recording'), or drop",
     "right(read(HEAD + BODY, $1))"),
    ("read(HEAD + BODY, id_column='id')", "the columns are (.*): name one of them",
     "'recording' in '$1' and right(read(HEAD + BODY, id_column='recording'))"),
    ("read('who' + HEAD[9:] + BODY)", r"such as (id_column='who'), or say (id_column='') where",
     "right(read('who' + HEAD[9:] + BODY, $1)); read('ax,ay,label\\n1,2,run\\n', $2).x[0].tolist() "
     "== [[1, 2]]"),
    ("read('t,ax\\n1,2\\n2,5\\n')",
     "say (id_column='') where the whole file is one sequence, or name",
     "read('t,ax\\n1,2\\n2,5\\n', $1).x[0].tolist() == [[2], [5]]"),
    ("read(HEAD + BODY.replace('walk', '0.5'))",
     r"from 1, write their names, or say (target_columns=\['label'\])",
     "read(HEAD + BODY.replace('walk', '1').replace('run', '2')); right(read(HEAD + BODY)); "
     "read(HEAD + BODY.replace('walk', '0.5').replace('run', '2'), $1)"),
    ("read('recording,label\\nr1,run\\n')", "add them, or give id_column",
     "right(read(HEAD + BODY)); read('n,label\\n1,run\\n', id_column='')"),
    ("read(one_line('r1,3,4'))", "complete or remove the line",
     "right(read(one_line('r1,3,4,walk'))); read(one_line(''))"),
    ("read(one_line(',3,4,walk'))", "fill it in or remove the line",
     "right(read(one_line('r1,3,4,walk')))"),
    ("read(one_line(HEAD.strip()))", "remove the line", "read(one_line(''))"),
    ("read(one_line('r1,3,x4,walk'))",
     "correct or remove the line, or say (label_column='ay') where",
     "right(read(one_line('r1,3,4,walk'))); read('recording,ax,ay\\nr1,1,a\\n', $1).y[0] == ['a']"),
    ("read(one_line('r1,3,\"4,567.5\",walk'))", "write it with a point, and with nothing between",
     "read(one_line('r1,3,4567.5,walk')).x[0][1, 1] == 4567.5"),
    ("read('recording,x,y\\nr1,1,2\\n')",
     "say (label_column='y'), or (label_column='') for a feature",
     "read('recording,x,y\\nr1,1,2\\n', $1).y[0] == [2] and "
     "read('recording,x,y\\nr1,1,2\\n', $2).x[0].shape == (1, 2)"),
    ("read(HEAD + BODY + 'r1,7,8,run\\n')", "sort the file by sequence, then by time",
     "lines = sorted((BODY + 'r1,7,8,run\\n').splitlines()); "
     "len(read(HEAD + '\\n'.join(lines)).x[0]) == 3"),
    ("read(HEAD + BODY, label_per='sequence')", "make them equal, or read with (label_per='step')",
     "right(read(HEAD + BODY.replace('walk', 'run'), label_per='sequence')) and "
     "right(read(HEAD + BODY, $1))"),
    ("read(HEAD + BODY, label_per='row')", "('step' or 'sequence') was wanted: choose one",
     "right(read(HEAD + BODY.replace('walk', 'run'), label_per=$each))"),
    ("read(one_line('r1,3,4,é').encode('latin-1'))",
     r"say (encoding='cp1252') .* or save it again as UTF-8",
     "right(read(one_line('r1,3,4,é').encode('cp1252'), $1)); right(read(one_line('r1,3,4,é')))"),
    ("read(one_line('r1,3,4,wa\\0lk'))", "again as UTF-8, or remove that character",
     "right(read(one_line('r1,3,4,walk')))"),
    ("read(one_line('r1,3,4,\"walk'))", r"close it, or write a quote inside a cell twice \(\"\"\)",
     "right(read(one_line('r1,3,4,\"walk\"'))) and "
     "read(one_line('r1,3,4,\"wa\"\"lk\"')).y[0][1] == 'wa\"lk'"),
    ("read(one_line('r1,3,4,\"walk\"s'))", "correct its quotes",
     "right(read(one_line('r1,3,4,\"walks\"')))"),
    ("write_csv('w.csv', t, feature_names=['1', 'ay'])", "such as ('feature_1')",
     "write_csv('w.csv', t, feature_names=[$1, 'ay']); "
     "ml.read_sequences('w.csv').feature_names == [$1, 'ay']"),
    ("write_csv('w.csv', t, [['a', ''] * 3, ['a'] * 4])", "fill|rename|label",
     "write_csv('w.csv', t, y)"),
    ("write_csv('w.csv', t, feature_names=['ax', 'label'])",
     "such as ('feature_label'), or use write_npz",
     "write_csv('w.csv', t, feature_names=['ax', $1]); ml.read_sequences('w.csv').y is None; "
     "write_npz('w.npz', t, feature_names=['ax', 'label']); ml.read_sequences('w.npz').y is None"),
    ("write_csv('w.csv', t, ['1.0', '1'])", "rename it, or use write_npz",
     "write_csv('w.csv', t, ['one', '1']); write_npz('w.npz', t, ['1.0', '1']);"
     "ml.read_sequences('w.npz').y.tolist() == ['1.0', '1']"),
    ("write_csv('w.csv', t, ids=['a', 'b\\0'])", "rename it, or use write_npz",
     "write_csv('w.csv', t, ids=['a', 'b'])"),
]  # fmt: skip
