"""What every adapter makes: a forward and a backward function that take their inputs by name.
The checker knows nothing else of objects, nested parameters and frameworks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from minilstm.proof.adapters.conventions import Convention, Parameters
from minilstm.proof.adapters.names import Path


@dataclass
class Pair:
    """Two functions and what they are tried on."""

    f: Callable[..., Any]
    backward: Callable[..., Any]
    named: dict[str, Any]  # inputs in order; arrays of floats are differentiated
    arguments: Mapping[str, Any]  # the same before nested ones were taken apart
    taken: Parameters  # what backward takes, as it was written
    by_keyword: bool = True  # how both functions take the inputs
    cached: bool | None = False  # as `gradcheck` has it; None is found out
    upstream: str | None = "random"  # as `gradcheck` has it; "auto" is found out
    notes: list[str] = field(default_factory=list)  # sentences for the report
    passes: tuple[int, int] = (0, 0)  # forward and backward passes that it took to find out
    paths: dict[str, Path] = field(default_factory=dict)  # of inputs out of nested ones
    how: Convention | None = None  # how backward is called, once it has been found out
    # Backward as its author wrote it, if it is a function, and what makes this pair's one of it.
    written: Callable[..., Any] | None = None
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    nest: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
