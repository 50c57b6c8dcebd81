"""Training options and losses as JSON holds them, and back.
A function has only its name there: whoever goes on has to give it again."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minilstm.losses import NAMES, CrossEntropy
from minilstm.network.card import UNTOLD
from minilstm.training.options import TrainingOptions
from minilstm.training.schedules import SCHEDULES

# Options that change no number of a training; those of the environment are told by the backend.
FREE = UNTOLD - {"seed"}
_UNWRITTEN = {"validation_data", "output_fcn"}  # arrays and functions
_SCHEDULES = {kind.__name__: kind for kind in SCHEDULES.values()}


class NeededError(ValueError):
    """A function that a file can only name; its text is that name."""


def options_to_plain(options: TrainingOptions) -> dict[str, Any]:
    """All options but arrays and output functions.

    Examples
    --------
    >>> plain = options_to_plain(TrainingOptions(metrics=[max]))
    >>> plain["metrics"], plain["gradient_threshold"], plain["max_epochs"]
    ([{'function': 'max'}], {'float': 'inf'}, 30)
    """
    names = [f.name for f in dataclasses.fields(options) if f.name not in _UNWRITTEN]
    return {name: _plain(getattr(options, name)) for name in names}


def options_from_plain(plain: dict[str, Any], validation_data: Any = None) -> TrainingOptions:
    """The options again; raises NeededError for the first function among them."""
    given = {name: _value(value) for name, value in plain.items()}
    return TrainingOptions(**given, validation_data=validation_data)


def losses_to_plain(losses: Sequence[Any] | None) -> list[Any] | None:
    """Each loss as its name or its options; one of functions as the name of the function."""
    if losses is None:
        return None
    out: list[Any] = []
    for loss in losses:
        if isinstance(loss, CrossEntropy):
            weights = loss.class_weights
            pairs = [[_plain(k), w] for k, w in weights.items()] if type(weights) is dict else None
            out.append(
                {
                    "class_weights": _plain(weights) if pairs is None else {"pairs": pairs},
                    "classes": _plain(loss.classes),
                    "ignored_labels": _plain(loss.ignored_labels),
                }
            )
        elif loss is None or loss.name in NAMES:
            out.append(None if loss is None else loss.name)
        else:
            out.append({"function": loss.name})
    return out


def losses_from_plain(plain: list[Any] | None) -> Any:
    """What `train` takes as its loss; raises NeededError where one is of functions."""
    if plain is None:
        return None
    out = []
    for one in plain:
        given = _value(one)
        if isinstance(given, dict):
            weights = given["class_weights"]
            given["class_weights"] = dict(weights) if isinstance(weights, _Pairs) else weights
            given = CrossEntropy(**given)
        out.append(given)
    return out[0] if len(out) == 1 else out


class _Pairs(list[Any]):
    """Pairs of a label and its weight."""


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    kind = type(value).__name__
    if _SCHEDULES.get(kind) is type(value):
        return {"schedule": kind, **vars(value)}
    return {"function": getattr(value, "__name__", kind)}


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(one) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if "function" in plain:
        raise NeededError(plain["function"])
    if "float" in plain:
        return float(plain["float"])
    if "pairs" in plain:
        return _Pairs(map(tuple, plain["pairs"]))
    if "schedule" in plain:
        return _SCHEDULES[plain["schedule"]](**{k: v for k, v in plain.items() if k != "schedule"})
    return {name: _value(value) for name, value in plain.items()}
