"""The score of a student: a small JSON file beside the exercises, written whole or not at all.
It keeps the best that was reached, and the strongest hint that was read."""

from __future__ import annotations

import json
from pathlib import Path

from minilstm.errors import DataError
from minilstm.files import write_atomically

NAME = "minilstm-learn.json"


def read(folder: Path) -> dict[str, dict[str, int]]:
    """Points and hints by the numbers of exercises; DataError where the file is not ours."""
    try:
        kept = json.loads((folder / NAME).read_bytes())
        if all({*map(type, one.values())} == {int} and len(one) == 2 for one in kept.values()):
            return {
                number: {k: one[k] for k in ("points", "hints")} for number, one in kept.items()
            }
    except FileNotFoundError:  # before the first check
        return {}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        pass
    raise DataError(
        f"{str(folder / NAME)!r}, where the score is kept, is damaged; remove it and check your "
        "files again."
    )


def keep(folder: Path, number: int, **reached: int) -> None:
    """Keep points or hints of one exercise, if they are more than before."""
    kept = read(folder)
    before = kept.get(str(number), {"points": 0, "hints": 0})
    kept[str(number)] = {k: max(n, reached.get(k, 0)) for k, n in before.items()}
    text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / NAME, lambda file: file.write(text.encode()))
