"""Every advice is followed, and no place of the package that raises is left out.
An entry is run once; all tests read what came of it.
"""

import ast
import importlib
import os
import re
import tempfile
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import minilstm as ml
from advice.exempt import EXEMPT, NO_ADVICE
from advice.sites import error_of, pieces_of_advice, sites
from advice.world import world

for package in (
    "numba",
    "matplotlib",
    "scipy",
    "matio",
    "pandas",
    "sklearn",
    "openpyxl",
    "pyarrow",
):  # of which the tables speak
    pytest.importorskip(package)

HERE = Path(__file__).parent
TABLES = sorted(p.stem for p in HERE.glob("*.py") if "\nTABLE = " in p.read_text())
ENTRIES = [
    (table, *entry)
    for table in TABLES
    for entry in importlib.import_module(f"advice.{table}").TABLE
]


def run(code, names):
    """What the last expression of some code gives."""
    tree = ast.parse(code.strip())
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<advice>", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "<advice>", "eval"), names)


def repaired(works, found):
    """The calls that a message advises, with the code that it gives."""
    for number, group in enumerate(found.groups(), 1):
        works = works.replace(f"${number}", group or "")
    if "$each" in works:
        words = re.findall(r"'[^']*'|\b\d+\b", found.group(1))
        assert words, f"no word to try in {found.group(1)!r}"
        return [works.replace("$each", word) for word in words]
    assert "$" not in works, works
    return [works]


@cache
def tried(number):
    """What is wrong with an entry, "" if nothing is; the places it met; what the error said."""
    table, call, says, works = ENTRIES[number]

    def do(code):
        names = {**vars(importlib.import_module(f"advice.{table}")), **world()}
        with in_empty_folder(), ml.use_backend("numpy"), warnings.catch_warnings():
            warnings.simplefilter("error")
            return run(code, names)

    error, met = error_of(lambda: do(call))
    found = re.search(says, str(error))
    if error is None or found is None or not met:
        return f"{error!r} is not what was wanted, or not of the package", met, str(error)
    for code in repaired(works, found):
        try:
            given = do(code)
        except Exception as problem:
            return f"{error}\nadvises {code}\nwhich gives {problem!r}", met, str(error)
        if isinstance(given, (bool, np.bool_)) and not given:
            return f"{error}\nadvises {code}\nwhich is not true", met, str(error)
    return "", met, str(error)


@contextmanager
def in_empty_folder():
    """Work in a new folder, which may have been closed to us when it is removed."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            for inner in Path(folder).iterdir():
                if inner.is_dir():
                    inner.chmod(0o755)


@pytest.mark.parametrize("number", range(len(ENTRIES)), ids=[f"{e[0]}: {e[1]}" for e in ENTRIES])
def test_what_a_message_advises_works(number):
    wrong = tried(number)[0]
    if wrong:
        pytest.fail(wrong, pytrace=False)


def test_every_place_that_raises_is_met_or_has_its_reason():
    met = set().union(*(tried(number)[1] for number in range(len(ENTRIES))))
    excused = {site: [key for key in EXEMPT if is_named(site, key)] for site in sites()}
    left = [s for s in sites() if s not in met and not excused[s]]
    if left:
        shown = "\n".join(f"{s.file}:{s.first}: {s.text}" for s in left)
        pytest.fail(f"no advice of these is followed:\n{shown}", pytrace=False)
    idle = set(EXEMPT) - {k for site, keys in excused.items() if site not in met for k in keys}
    assert not idle, f"these need no reason: {idle}"


def test_every_piece_of_advice_in_the_source_is_said_by_some_error():
    said = "\n".join(tried(number)[2] for number in range(len(ENTRIES)))
    unsaid = {(file, piece) for file, piece in pieces_of_advice() if piece not in said}
    left = unsaid - set(NO_ADVICE)
    assert not left, f"no entry brings these up: {sorted(left)}"
    assert not set(NO_ADVICE) - unsaid, f"these need no reason: {set(NO_ADVICE) - unsaid}"


def is_named(site, key):
    """Whether a key of the table of reasons, (file, part of the statement), means a place."""
    file, part = key
    return site.file == file and part in site.text
