"""Parts of recordings, cut out with their labels, times, ids and groups.
The arrays of a part are views of those of its recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from minilstm.data.files.checks import Sequences


class Part(NamedTuple):
    """Steps of a recording, from `start` to before `stop`."""

    recording: int
    start: int
    stop: int


def cut(data: Sequences, parts: Iterable[Part], note: str) -> Sequences:
    """The parts as sequences of their own, with the note in their facts.

    A part of "walk" is called "walk[0:128]" by its steps; a whole recording keeps its id, and
    `recordings` says from which one each was cut. Where the recordings have no groups, each is a
    group: its parts resemble each other, so they must stay together in every split.
    """
    parts = list(parts)
    ids, groups = [], data.ids if data.groups is None else data.groups
    whole_ids = data.ids if data.recordings is None else data.recordings
    for b, start, stop in parts:
        whole = start == 0 and stop == len(data.x[b])
        ids.append(data.ids[b] if whole else f"{data.ids[b]}[{start}:{stop}]")
    sources = [part.recording for part in parts]
    y = data.y[sources] if isinstance(data.y, np.ndarray) else _slices(data.y, parts)
    return data._replace(
        x=[data.x[b][start:stop] for b, start, stop in parts],
        y=y,
        ids=ids,
        groups=[groups[b] for b in sources],
        recordings=[whole_ids[b] for b in sources],
        times=_slices(data.times, parts),
        facts=noted(data.facts, note),
    )


def _slices(arrays: list[Any] | None, parts: Iterable[Part]) -> list[Any] | None:
    return None if arrays is None else [arrays[b][start:stop] for b, start, stop in parts]


def noted(facts: Any, note: str) -> Any:
    """Facts (`ReadFacts`, or none) that tell one thing more."""
    told = getattr(facts, "told", None)
    return facts if told is None else dataclasses.replace(facts, told=(*told, note))
