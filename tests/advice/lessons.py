"""Advice that the exercises and the command learn give to students.
A file of an answer is put into the folder at hand, as a student would.
"""

from pathlib import Path

from advice.command_line import command
from advice.csv_files import put
from minilstm.lessons.exercises import text
from minilstm.lessons.source import read

SOLUTION = text("solutions", "ex1_step_forward.py")
RIGHT = "put(SOLUTION, 'ex1_step_forward.py'); '3 of 3' in command('learn 1')"

TABLE = [
    ("command('learn 9')", r"a number from 1 to (\d)",
     "command('learn $1'); Path('ex7_train.py').is_file()"),
    ("command('learn --solution')", "give its number before them",
     "command('learn 1 --solution') == SOLUTION"),
    ("put('{', 'minilstm-learn.json'); command('learn')", "damaged; (remove) it",
     "put('{', 'minilstm-learn.json'); Path('minilstm-learn.json').unlink(); "
     "'0 of 44' in command('learn')"),
    ("put('while True: pass', 'ex1_step_forward.py'); command('learn 1 --time-limit 1')",
     "mend it, or give a slow machine more with (--time-limit)",
     RIGHT.replace("learn 1", "learn 1 $1 99")),
    ("read(Path(put('import minilstm', 'a.py')))", "(NumPy) is all", RIGHT),
    ("read(Path(put('import ex1_step_forward', 'a.py')))", "begin with that exercise",
     "put(SOLUTION, 'ex1_step_forward.py'); read(Path(put('import ex1_step_forward', 'a.py')))"),
]  # fmt: skip
