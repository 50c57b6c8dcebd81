"""One HTML page with the JavaScript model inside: rows typed, dropped or felt by a phone.
It draws scores, gates and states over time and asks no server for anything.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from minilstm.data.files import csv_columns
from minilstm.data.recordings import names, times
from minilstm.exchange.outgoing.javascript import javascript
from minilstm.exchange.step.program import Program
from minilstm.exchange.step.selftest import SelfTest

#: names of columns that are no features, as those who read recordings know them
_OTHERS = (names.LABEL_NAMES, times.TIME_NAMES, times.SHORT_TIME_NAMES, names.COUNTER_NAMES)
_IDS = (names.RECORDING_NAMES, names.GROUP_NAMES)
_ROLES = {
    "ids": "|".join((*csv_columns.ID_NAMES, *(p.pattern for p in _IDS))),
    "others": "|".join((*csv_columns.LABEL_NAMES[:2], *(p.pattern for p in _OTHERS))),
}
_TEMPLATE = Path(__file__).with_name("page.html")


def page(
    program: Program, test: SelfTest, name: str, about: Iterable[str], facts: dict[str, Any]
) -> str:
    """The text of the page.

    Parameters
    ----------
    program, test, name, about : as for `minilstm.exchange.outgoing.c99.c99`
    facts : "classes" and "features", names or None; "units", one for each input; "named", whether
        the highest score means a label; and "rate", or None
    """
    lines = list(about)
    told = {
        **facts,
        "classes": facts["classes"] or [f"output {n + 1}" for n in range(program.outputs)],
        "features": facts["features"] or [f"x{n + 1}" for n in range(program.inputs)],
        "about": lines,
        "ids": program.ids,
        "others": program.others,
        "roles": _ROLES,
        "bits": f"{test.bits:08x}",
        "rows": test.x[:24].tolist(),
    }
    # No text of the model may end the script it stands in.
    module = re.sub("</(?=script)|<!--", lambda m: m[0][0] + "\\" + m[0][1:], javascript(
        program, test, name, lines), flags=re.IGNORECASE)  # fmt: skip
    parts = {
        "TITLE": html.escape(name),
        "MODULE": re.sub("^export ", "", module, flags=re.MULTILINE),
        "JSON_FACTS": json.dumps(told).replace("<", "\\u003c"),
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    return re.sub("|".join(parts), lambda m: parts[m[0]], text)
