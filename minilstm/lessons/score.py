"""The score of a student: a small JSON file beside the exercises, written whole or not at all.
It keeps the best that was reached, and which hints were read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minilstm.errors import DataError
from minilstm.files import write_atomically
from minilstm.paths import check_readable

NAME = "minilstm-learn.json"
_KEYS = {"points", "of", "hints"}


def read(folder: Path) -> dict[str, Any]:
    """What was reached, by the numbers of exercises; {} before the first check.

    DataError is raised where the file is not one of ours.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        kept = json.loads(check_readable(path, "the score").read_bytes())
        fits = all(
            set(one) == _KEYS and all(type(n) is int for n in one.values()) for one in kept.values()
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise DataError(
            f"{str(path)!r}, where the score is kept, is damaged; remove it and check your files "
            "again."
        )
    return dict(kept)


def keep(folder: Path, number: int, points: int = 0, of: int = 0, hint: int = 0) -> dict[str, Any]:
    """Keep what was reached in one exercise, if it is more than before; all that is kept."""
    kept = read(folder)
    before = kept.get(str(number), {"points": 0, "of": 0, "hints": 0})
    kept[str(number)] = {
        "points": max(points, before["points"]),
        "of": of or before["of"],
        "hints": max(hint, before["hints"]),
    }
    text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / NAME, lambda file: file.write(text.encode()))
    return kept
