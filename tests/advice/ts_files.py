"""Advice about .ts files: the words of the header, and lines of numbers.
The small file has two sequences of two dimensions, with the labels "a" and "b".
"""

import minilstm as ml
from advice.csv_files import put

WORDS = ("@timestamps false", "@univariate false", "@classLabel true a b")
LINES = ("1,2:3,4:a", "5,6:7,8:b")


def ts(*more, words=WORDS, lines=LINES, data="@data"):
    """What is read from a file of these lines."""
    return ml.read_sequences(put("\n".join([*words, *more, data, *lines]) + "\n", "d.ts"))


def right(data):
    """Whether the two sequences were read."""
    return [a.tolist() for a in data.x] == [[[1, 3], [2, 4]], [[5, 7], [6, 8]]]


TABLE = [
    ("ml.read_sequences(put(b'@data\\xff\\n', 'd.ts'))", "save it again in that encoding",
     "right(ts())"),
    ("ts(lines=())", "check what wrote it", "right(ts())"),
    ("ts(lines=(), data='')", "check that it is whole", "right(ts())"),
    ("ts('hello')", "add (@data), or mark a remark with (#)",
     "right(ts('$2 hello')) and right(ts(data='$1'))"),
    ("ts('@dimensions 2', '@dimensions 2')", r"remove the line, or mark it as a remark with (#)",
     "right(ts('@dimensions 2')) and right(ts('@dimensions 2', '$1@dimensions 2'))"),
    ("ts(words=('@timestamps true', *WORDS[1:]))", "correct the line or the header",
     "right(ts()); right(ts(words=('@timestamps true', *WORDS[1:]), "
     "lines=('(0,1),(1,2):(0,3),(1,4):a', '(0,5),(1,6):(0,7),(1,8):b')))"),
    ("ts('@targetLabel true')", "correct or remove the line",
     "ts('@targetLabel true', lines=(LINES[0][:-1] + '1.5',)).y.tolist() == [[1.5]]"),
    ("ts(words=WORDS[:2])", "true with the classes, or false, was wanted: correct",
     "right(ts()) and ts(words=(*WORDS[:2], '@classLabel false'), lines=('1,2:2,3',)).y is None"),
    ("ts(words=(*WORDS[:2], '@classLabel true a a'))",
     "each once, or false alone was wanted: correct",
     "right(ts()) and ts(words=(*WORDS[:2], '@classLabel false'), lines=('1,2:2,3',)).y is None"),
    ("ts('@missing perhaps')", "true or false was wanted: correct", "right(ts('@missing false'))"),
    ("ts('@dimensions two')", "a whole number from (1) was wanted: correct",
     "right(ts('@dimensions 2')); ts('@dimensions $1', lines=('1:a',))"),
    ("ts(words=(WORDS[0], '@univariate true', '@dimensions 2', WORDS[2]))", "one of the two lines",
     "right(ts('@dimensions 2')); ts(words=(WORDS[0], '@univariate true', WORDS[2]), "
     "lines=('1,2:a',))"),
    ("ts(lines=('1,2:a', *LINES), words=(*WORDS, '@dimensions 2'))",
     "correct the line or the header",
     "right(ts('@dimensions 2')); ts('@dimensions 1', lines=('1,2:a',))"),
    ("ts(lines=('1,2:3:a',))", "complete the line", "ts(lines=('1,2:3,4:a',))"),
    ("ts('@seriesLength 9')", "correct the line or the header", "right(ts('@seriesLength 2'))"),
    ("ts('@equalLength true', lines=(*LINES, '1:2:a'))", "the line, or say (@equalLength false)",
     "right(ts('@equalLength true')); ts('$1', lines=(*LINES, '1:2:a'))"),
    ("ts(lines=('1,x:3,4:a',))", "fill in or remove it", "ts(lines=('1,2:3,4:a',))"),
    ("ts(lines=('1,2:3,4:c',))", "one of (a, b) was wanted: correct it",
     "ts(lines=('1,2:3,4:a',))"),
]  # fmt: skip
