"""Reading MAT-files with objects (categorical, string), and of version 7.3, through mat-io.
It runs in a process of its own: compiled readers of damaged files can end the process they run in.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.data.files.checks import Sequences
from minilstm.data.files.mat.sequences import Wanted, choose, sequences_of
from minilstm.data.files.mat.values import Broken, Cell, Foreign, Text, check_growth
from minilstm.errors import DataError

_PROGRAM = """
import json, sys
job = json.load(sys.stdin)
sys.path[:] = job.pop("places")
from minilstm.data.files.mat.objects import answer
sys.stdout.buffer.write(answer(**job))
"""
_OBJECT = 0xDD000000  # how the header of an object starts, which mat-io gives where it fails


def read_objects(path: Path, wanted: Wanted) -> Sequences:
    """Read a file with mat-io in another process; arguments as :func:`read_mat`.

    Raises
    ------
    ImportError
        Without mat-io.
    DataError
        When the file cannot be used.
    Broken
        When the other process ended, or took too long.
    """
    if importlib.util.find_spec("matio") is None:
        raise ImportError(
            f"path {str(path)!r} is of version 7.3 or holds objects such as categorical arrays, "
            "which needs SciPy and mat-io: pip install 'minilstm[mat]'."
        )
    names = wanted.missing_labels
    job = {
        "places": [str(place) for place in sys.path],
        "path": str(path.absolute()),
        "shown": str(path),
        "wanted": [*wanted[:3], None if names is None else list(names), *wanted[4:]],
    }
    seconds = 120 + path.stat().st_size / 1e6
    if getattr(sys, "frozen", False) or not sys.executable:  # no Python to start
        return _received(answer(job["path"], job["shown"], job["wanted"]), str(path))  # type: ignore[arg-type]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"mat-io took more than {seconds:.0f} seconds") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Broken(f"mat-io ended with {' '.join(last)[:80] or done.returncode}")
    return _received(done.stdout, str(path))


def answer(path: str, shown: str, wanted: list[Any]) -> bytes:
    """What the other process sends: arrays by name, as an .npz file."""
    # mat-io sets an option of pandas that pandas 3 calls deprecated; users cannot mend that.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matio
    arrays: dict[str, Any] = {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            arrays = _sent(_read(matio, path, shown, Wanted(*wanted)))
        except DataError as error:
            arrays["refused"] = np.array(str(error))
        except Broken as error:
            arrays["broken"] = np.array([str(error), error.advice])
        except Exception as error:  # mat-io raises OSError, KeyError, its own errors, and more
            reason = " ".join(str(error).split())[:120].rstrip(".") or "it is damaged"
            arrays["broken"] = np.array([reason, Broken("").advice])
    told = [str(w.message) for w in said if issubclass(w.category, UserWarning)]
    arrays["warnings"] = np.array(told, np.str_)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _read(matio: Any, path: str, shown: str, wanted: Wanted) -> Sequences:
    import h5py

    if h5py.is_hdf5(path):
        names = _names_of_hdf5(h5py, path, wanted)
        wanted = choose(shown, names, wanted)
    elif wanted.x_name is None or _is_newest(path):
        raise Broken("its header says version 7.3, but no such data follow it")
    assert wanted.x_name is not None
    asked = [name for name in (wanted.x_name, wanted.y_name) if name]
    values = matio.load_from_mat(path, variable_names=asked)
    x_value, y_value = (_value(values[name]) if name else None for name in wanted[:2])
    return sequences_of(shown, x_value, y_value, wanted)


def _is_newest(path: str) -> bool:
    """Whether the header says version 7.3."""
    with open(path, "rb") as file:
        return file.read(128)[124:] in (b"\0\2IM", b"\2\0MI")


def _names_of_hdf5(h5py: Any, path: str, wanted: Wanted) -> list[str]:
    """The variables of a file of version 7.3; what would fill the memory is refused."""
    sizes: list[int] = []

    def add(_: str, item: Any) -> None:
        sizes.append(getattr(item, "nbytes", 0))

    with h5py.File(path, "r") as file:
        names = sorted(name for name in file if not name.startswith("#"))
        for name in file:
            # The contents of cells stand in groups whose names start with #.
            if name.startswith("#") or name in wanted[:2] or wanted.x_name is None:
                add(name, file[name])
                if hasattr(file[name], "visititems"):
                    file[name].visititems(add)
    check_growth("it", sum(sizes), Path(path).stat().st_size)
    return names


def _value(value: Any) -> Any:
    """One of the values of `values.py` from what mat-io gives."""
    if hasattr(value, "codes") and hasattr(value, "categories"):  # a pandas.Categorical
        words = [*map(str, value.categories), "<undefined>"]
        codes = np.asarray(value.codes).ravel(order="F").tolist()  # -1 is undefined
        return Text([words[code] for code in codes], "categorical")
    if type(value) is np.ndarray:
        flat = value.ravel(order="F")
        if value.dtype.kind == "T":
            words = [w if isinstance(w, str) else "<missing>" for w in flat.tolist()]
            return Text(words, "string")
        if value.dtype.kind == "U":
            return Text(flat.tolist(), "char")
        if value.dtype == object:
            return Cell([_value(item) for item in flat])
        if value.dtype == np.uint32 and flat[:1].tolist() == [_OBJECT]:
            return Foreign("unknown to mat-io")
        if value.dtype.kind in "biufc":
            return value
        if value.dtype.names:
            return Foreign("struct", value.dtype.names)
        return Foreign({"M": "datetime", "m": "duration"}.get(value.dtype.kind, "unknown"))
    if hasattr(value, "columns"):  # a pandas.DataFrame
        return Foreign("timetable" if value.index.dtype.kind in "mM" else "table")
    names = {
        "MatlabFunction": "function_handle",
        "EmptyMatStruct": "struct",
        "MatlabContainerMap": "containers.Map",
        "coo_matrix": "sparse",
        "MatlabCanonicalEmpty": "double",
    }
    kind = getattr(value, "classname", None)
    return Foreign(names.get(type(value).__name__) or str(kind or type(value).__name__))


def _sent(data: Sequences) -> dict[str, Any]:
    """Sequences as arrays by name."""
    arrays: dict[str, Any] = {f"x_{k}": values for k, values in enumerate(data.x)}
    if isinstance(data.y, list):
        arrays |= {f"y_{k}": labels for k, labels in enumerate(data.y)}
    elif data.y is not None:
        arrays["y"] = data.y
    arrays["ids"] = np.array(data.ids, np.str_)
    return arrays


def _received(sent: bytes, path: str) -> Sequences:
    """Sequences from the arrays that the other process sent."""
    with np.load(io.BytesIO(sent), allow_pickle=False) as file:
        arrays = dict(file)
    if "refused" in arrays:
        raise DataError(str(arrays["refused"]))
    if "broken" in arrays:
        raise Broken(*arrays["broken"].tolist())
    for text in arrays["warnings"].tolist():
        told = text if path in text else f"mat-io says of {path!r}: {text}"
        warnings.warn(told, UserWarning, stacklevel=6)
    ids = arrays["ids"].tolist()
    x = [arrays[f"x_{k}"] for k in range(len(ids))]
    if "y_0" in arrays:
        return Sequences(x, [arrays[f"y_{k}"] for k in range(len(ids))], None, ids)
    return Sequences(x, arrays.get("y"), None, ids)
