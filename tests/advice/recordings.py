"""Advice about what columns and files mean: roles, times, gaps, several files, descriptions.
The small files have two recordings of two features, as those of the table of .csv files.
"""

from pathlib import Path

import pandas

import minilstm as ml
from advice.csv_files import BODY, HEAD, put, read, right
from minilstm.data import DataDescription, write_npz

TIMED = "recording,time,ax\na,0,1\na,2,3\na,1,2\n"
ONE = "recording,time,ax\na,0,1\n"
SPLIT = "recording,date,clock,ax\na,2024-01-01,10:00:00,1\na,2024-01-01,10:00:01,2\n"
GAPS = "recording,ax,ay\na,1,\na,3,4\na,5,6\n"
LONG = "recording,time,sensor,value\na,0,ax,1\na,0,ay,2\n"
OF_LONG = {"channel_column": "sensor", "value_column": "value"}


def folder(*files, place="d"):
    """A folder of small files, a pair of name and text each."""
    for name, text in files:
        path = Path(place, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def toml(text):
    """The description that some text holds."""
    Path("a.toml").write_text(text)
    return DataDescription.from_toml("a.toml")


ODD = "('a.csv', 'ax\\n1\\n'), ('b.csv', 'ax,ay\\n2,3\\n')"
PAIR = "('a.csv', 'ax\\n1\\n'), ('b.csv', 'ax\\n2\\n')"
TABLE = [
    ("read(HEAD.replace('label', 'place') + BODY, label_column='')",
     r"say (drop=\['place'\]), or name all features with features=\.",
     "right(read(HEAD.replace('label', 'place') + BODY, $1)); "
     "right(read(HEAD.replace('label', 'place') + BODY, features=['ax', 'ay']))"),
    ("read('recording,who,ax\\na,p,1\\n')", r"say (group_column='who'), or (drop=\['who'\])",
     "read('recording,who,ax\\na,p,1\\n', $1).groups == ['p']; "
     "read('recording,who,ax\\na,p,1\\n', $2).groups is None"),
    ("read('recording,label,ax\\n' + ''.join(f'a,{k}.5,{k % 3}\\n' for k in range(30)))",
     r"say (target_columns=\['label'\]), or",
     "read('recording,label,ax\\n' + ''.join(f'a,{k}.5,{k % 3}\\n' for k in range(30)), $1)"),
    ("read('recording,y,ax\\na,0.5,1\\n')", r"or (target_columns=\['y'\]) for numbers to be",
     "read('recording,y,ax\\na,0.5,1\\n', $1).y[0].tolist() == [[0.5]]"),
    ("read('recording,uhr,ax\\n' + ''.join(f'a,{k},{k % 3}\\n' for k in range(30)))",
     r"say (time_column='uhr'), or (time_column='') where",
     "read('recording,uhr,ax\\n' + ''.join(f'a,{k},{k % 3}\\n' for k in range(30)), $1).times; "
     "len(read('recording,uhr,ax\\n' + ''.join(f'a,{k},{k % 3}\\n' for k in range(30)), $2)"
     ".feature_names) == 2"),
    ("read(HEAD + BODY, channel_column='label')", r"say value_column as well",
     "read(LONG, **OF_LONG).x[0].tolist() == [[1, 2]]"),
    ("read(HEAD + BODY, target_columns=['label'], id_column='label')",
     "name different ones", "right(read(HEAD + BODY, id_column='recording'))"),
    ("read(HEAD + BODY, target_columns=['ay'], label_column='label')", "say one of the two",
     "right(read(HEAD + BODY, label_column='label')); read(HEAD + BODY, target_columns=['ay'],"
     "drop=['label'])"),
    ("read(TIMED)", r"say (sort_by='time'), or (time_column='') where",
     "read(TIMED, $1).x[0].tolist() == [[1], [2], [3]]; read(TIMED, $2).times is None"),
    ("read(TIMED.replace('2,3', '.5,3').replace('1,2', '.5,2'))",
     r"say (on_bad_line='skip') to leave",
     "read(TIMED.replace('2,3', '.5,3').replace('1,2', '.5,2'), $1).x[0].tolist() == [[1], [3]]"),
    ("read(TIMED.replace('2,3', 'x,3'))", r"say (time_column='') and (drop=\['time'\])",
     "read(TIMED.replace('2,3', 'x,3'), $1, $2).x[0].tolist() == [[1], [3], [2]]; "
     "read(TIMED.replace('2,3', '0.5,3'))"),
    ("read(SPLIT)", r"join them, such as (2026-11-30T14:00:00), or say (time_column='clock')",
     "read(TIMED.replace('1,2', '9,2').replace(',0,', ',$1,').replace(',2,', ',2026-12-01,')"
     ".replace(',9,', ',2026-12-02,')).times; read(SPLIT, $2, drop=['date']).times"),
    *((f"read(TIMED.replace(',0,', ',{odd},').replace(',2,', ',{odd},').replace(',1,', ',{odd},'))",
       r"write times as (2024-03-01T14:00:00) .*, as (01.03.2024 14:00:00) \(the day first\)",
       "read(ONE.replace('0', '$1')).times; read(ONE.replace('0', '$2')).times; read(ONE).times")
      for odd in ("03/01/2024", "2:00 PM")),
    ("read('recording,ax\\na,g\\na,1\\na,2\\n')", r"or say (on_bad_line='skip') to leave it out",
     "read('recording,ax\\na,g\\na,1\\na,2\\n', $1).x[0].tolist() == [[1], [2]]; "
     "read('recording,ax\\na,1\\na,2\\n')"),
    ("read(GAPS)", r"say (fill='linear'), fill='previous' or (fill='split')",
     "read(GAPS, $1).x[0].shape == (3, 2); read(GAPS, $2).x[0].shape == (2, 2)"),
    ("read(GAPS, fill='previous')", r"say (fill='linear') or (fill='split'), or fill it in",
     "read(GAPS, $1); read(GAPS, $2); read(GAPS.replace(',\\n', ',9\\n'), fill='previous')"),
    ("read(GAPS.replace('4', '').replace('6', ''), fill='linear')",
     r"remove that recording, or say (drop=\['ay'\])",
     "read(GAPS.replace('4', '').replace('6', ''), $1); read(GAPS, fill='linear')"),
    ("read(GAPS.replace('4', '').replace('6', ''), fill='split')",
     r"say (fill='linear'), or leave a column out with drop=",
     "read(GAPS.replace('4', '').replace('6', ''), drop=['ay']); read(GAPS, $1)"),
    ("read(HEAD + BODY.replace('3,4', '3,inf'))", "correct or remove the line",
     "right(read(HEAD + BODY))"),
    ("ml.read_sequences(pandas.DataFrame({'recording': ['a'], 'ax': [1e999]}))",
     "correct or remove the line",
     "ml.read_sequences(pandas.DataFrame({'recording': ['a'], 'ax': [1.0]}))"),
    ("read(HEAD + BODY.replace('3,4', '3,\"4,5\"'))", r"say (decimal=',') where",
     "read((HEAD + BODY).replace(',', ';').replace('3;4', '3;4,5'), $1).x[0][1, 1] == 4.5"),
    ("read('recording,time,ax,ay\\na,0,1,2\\n', channel_column='ax', value_column='ay', "
     "time_column='')", "say time_column= with one of recording, (time),",
     "read(LONG, **OF_LONG, time_column='$1').x[0].tolist() == [[1, 2]]"),
    ("read(LONG + 'a,0,ax,3\\n', **OF_LONG)", "remove one of the two lines",
     "read(LONG, **OF_LONG)"),
    ("read(LONG.replace('value', 'value,label').replace('1\\n', '1,u\\n').replace('2\\n', "
     "'2,v\\n'), **OF_LONG)", "make them equal",
     "read(LONG.replace('value', 'value,label').replace('1\\n', '1,u\\n').replace('2\\n', "
     "'2,u\\n'), **OF_LONG)"),
    ("read('recording,ax,s\\na,1,\\n', target_columns=['s'])", "correct or remove the line",
     "read('recording,ax,s\\na,1,2\\n', target_columns=['s'])"),
    ("read('recording,ax,s\\na,1,2\\na,1,3\\n', target_columns=['s'], label_per='sequence')",
     "correct it, or name the column that tells recordings apart with id_column=",
     "read('recording,ax,s\\na,1,2\\na,1,2\\n', target_columns=['s'], label_per='sequence')"),
    (f"ml.read_sequences(folder({ODD}))", r"rename or add it, or say (drop=\['ay'\])",
     f"ml.read_sequences(folder({ODD}), $1)"),
    (f"ml.read_sequences(folder({ODD.replace('ay', 'a,b,c,d,e,f').replace('3', '3,3,3,3,3,3')}))",
     "rename or add it, or read the files apart", f"ml.read_sequences(folder({PAIR}))"),
    ("ml.read_sequences(folder(('a.csv', 'ax,label\\n1,Up\\n'), ('b.csv', 'ax,label\\n1,up\\n')))",
     "write them alike", "ml.read_sequences(folder(('a.csv', 'ax,label\\n1,up\\n'), "
     "('b.csv', 'ax,label\\n1,up\\n'))).y"),
    ("ml.read_sequences(folder(('a.doc', '')))", "name another folder, or the files",
     f"ml.read_sequences(folder({PAIR}, place='e')); ml.read_sequences('e/a.csv', id_column='')"),
    ("ml.read_sequences('a.doc')", "convert it to one of those, with minilstm.data.write_npz say",
     "write_npz('a.npz', t); ml.read_sequences('a.npz', layout='TC').x"),
    ("ml.read_sequences('no*.csv')", "check its name",
     f"ml.read_sequences(folder({PAIR}) + '/*.csv')"),
    ("ml.read_sequences([])", "at least one file was wanted: name one",
     f"ml.read_sequences([folder({PAIR}) + '/a.csv'])"),
    (f"ml.read_sequences([folder({PAIR}), 'd/a.csv'])", "leave one out",
     "folder(('a.csv', 'ax\\n1\\n')); ml.read_sequences(['d/a.csv'])"),
    ("ml.read_sequences(['a.npz', 'a.csv'])", r"name one kind, such as (\*\.csv)",
     f"ml.read_sequences(folder({PAIR}) + '/$1')"),
    (f"ml.read_sequences(folder({PAIR}), file_pattern='{{id}}_*')",
     r"rename it, leave it out, or write \* for what does not matter",
     f"ml.read_sequences(folder({PAIR}), file_pattern='{{id}}*')"),
    ("write_npz('a.npz', [t[0][:, :2]]); write_npz('b.npz', [t[0][:, :1]]); "
     "ml.read_sequences(['a.npz', 'b.npz'], layout='TC')", "read them apart",
     "write_npz('a.npz', [t[0][:, :2]]); ml.read_sequences('a.npz', layout='TC')"),
    ("ml.read_sequences(folder(('a.csv', 'time,ax\\n' + '0,1\\n1,2\\n2,1\\n'), ('b.csv', "
     "'time,ax\\n0,1\\n5,2\\n9,4\\n')))", r"bring them to one, with rate=",
     "from minilstm.data.shaping.shape import Shaping, shape; import warnings\n"
     "warnings.simplefilter('ignore')\n"
     "shape(ml.read_sequences(folder(('a.csv', 'time,ax\\n' + '0,1\\n1,2\\n2,1\\n'), ('b.csv', "
     "'time,ax\\n0,1\\n5,2\\n9,4\\n'))), Shaping(rate=0.5))"),
    ("toml('id_column')", r"lines such as (id_column = 'run') were wanted: correct it",
     "toml(\"$1\").id_column == 'run'"),
    ("toml(\"id-column = 'run'\\nid_column = 'run'\")", "leave one of them out",
     "toml(\"id-column = 'run'\").id_column == 'run'"),
    ("DataDescription.from_plain({'filll': 'linear'})", "did you mean '(fill)'",
     "DataDescription.from_plain({'$1': 'linear'})"),
    ("read(HEAD + BODY, drop='ax')", r"give (\['ax', 'ay'\]), say",
     "DataDescription(drop=$1).drop == ('ax', 'ay')"),
    ("read(HEAD + BODY, fill='mean')", "'linear' or 'split' was wanted: choose one of them",
     "right(read(HEAD + BODY, fill='linear'))"),
    ("read(HEAD + BODY, separator='ab')", r"give (',', ';') or a tab",
     "DataDescription(separator=$each)"),
    ("read(HEAD + BODY, id_column=3)", "give a name", "right(read(HEAD + BODY, id_column="
     "'recording'))"),
    ("read(HEAD + BODY, encoding='utf-9')", "give ('utf-8', 'cp1252' or 'utf-16'), say",
     "DataDescription(encoding=$each)"),
    ("read(HEAD + BODY, file_pattern='*')", r"give '(.*)', say",
     "DataDescription(file_pattern='$1')"),
]  # fmt: skip
