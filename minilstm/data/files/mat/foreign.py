"""What to do in MATLAB with a variable that is no plain data, such as a table or a struct.
Every conversion gives what the readers read: matrices D x T, or labels of one kind."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from minilstm.data.files.mat.values import Cell, Foreign, Text
from minilstm.errors import DataError

# What turns a variable v of this class into data; a table has a row for each step. Columns of text
# or dates would stop table2array, so only those of numbers are taken for features.
_NUMERIC = "{v}{{:, vartype('numeric')}}'"
_TABLE = "table2array({v})"
_TIMETABLE = "table2array(timetable2table({v}, 'ConvertRowTimes', false))"
_BOTH = {
    "sparse": "full({v})",
    "containers.Map": "values({v})",
    "dictionary": "values({v})",
    "gpuArray": "gather({v})",
    "dlarray": "extractdata({v})",
}
_NUMBERS = _BOTH | {
    "table": _NUMERIC,
    "timetable": _NUMERIC,
    "string": "str2double({v})",
    "categorical": "double({v})",
    "datetime": "posixtime({v})",
    "duration": "seconds({v})",
    "complex": "[real({v}); imag({v})]",
    "cell": "vertcat({v}{{:}})",
}
_LABELS = _BOTH | {
    "table": f"categorical({_TABLE})",
    "timetable": f"categorical({_TIMETABLE})",
    "datetime": "categorical({v})",
    "duration": "categorical({v})",
    "cell": "vertcat({v}{{:}})",
}


def refusal(value: Any, place: str, wanted: str) -> DataError:
    """The sentence for a value that is no data.

    Parameters
    ----------
    value : a matrix, or what stands in its place
    place : such as "XTrain" or "XTrain{2}"
    wanted : "a matrix of real numbers" or "labels"
    """
    kind = class_of(value)
    table = _LABELS if wanted == "labels" else _NUMBERS
    cell = re.fullmatch(r"(\w+)\{\d+\}", place)
    v = "v" if cell else place
    form = table.get(kind)
    if isinstance(value, Foreign) and value.kind == "struct" and value.fields:
        form = f"{{v}}.{value.fields[0]}" if cell else f"{{{{{{v}}.{value.fields[0]}}}}}"
    if form is None:
        way = "choose another variable, or store plain " + (
            "class names in its place" if wanted == "labels" else "numbers in its place"
        )
    elif cell:
        way = (
            f"convert it in MATLAB with {cell[1]} = cellfun(@(v) {form.format(v=v)}, {cell[1]}, "
            "'UniformOutput', false)"
        )
    else:
        way = f"convert it in MATLAB with {place} = {form.format(v=v)}"
    return DataError(
        f"{place} is of class {kind}, but {wanted} was wanted: {way}.".replace(
            "labels was", "labels were"
        )
    )


def class_of(value: Any) -> str:
    """The name of the class in MATLAB, and "complex" for complex numbers."""
    if isinstance(value, (Foreign, Text)):
        return value.kind
    if isinstance(value, Cell):
        return "cell"
    assert isinstance(value, np.ndarray)
    known = {"float64": "double", "float32": "single", "bool": "logical"}
    return "complex" if value.dtype.kind == "c" else known.get(value.dtype.name, value.dtype.name)
