"""The logger "minilstm": what the library does, for programs that want to follow it.
It says nothing until a program asks, as with ``logging.basicConfig(level="INFO")``.
"""

from __future__ import annotations

import logging

log = logging.getLogger("minilstm")
log.addHandler(logging.NullHandler())
