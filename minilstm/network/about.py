"""What a network knows of its data: features and units, rate, how files are read, its model card.
It is plain JSON, which the model file holds under its checksum.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from minilstm.checks import shown
from minilstm.data.description import DataDescription
from minilstm.data.shaping.shape import Shaping
from minilstm.network.graph.wiring import Wiring

DEPTH = 20  # of objects and lists within each other
KEYS = ("features", "targets", "forecast", "rate", "description", "shaping", "card")
_UNIT = re.compile(r"[\w\s](?:\(([^()\[\]]+)\)|\[([^()\[\]]+)\])\s*$")
# Of a card; what they hold is for people.
_PARTS = {"versions": dict, "options": dict, "data": dict, "scores": dict, "limits": list}


def checked_about(about: Any, wiring: Wiring) -> dict[str, Any] | None:
    """A copy of what is known of a network's data, as a file would give it back: tuples are lists.

    Parameters
    ----------
    about : None, or a dict with any of these names: "features", D dicts with "name" and "unit";
        "targets", R names of the numbers that are predicted; "forecast", {"horizon": n} where they
        are the features n steps later; "rate", steps a second; "description" and "shaping", as
        `to_plain` of `DataDescription` and `Shaping` gives them; "card", as
        `minilstm.network.card.make_card` gives it. None in the place of a value: not known
    wiring : of the network; features are those of its first input, targets of its only output

    Raises
    ------
    ValueError
        A value is none that JSON holds, or does not fit the network.

    Examples
    --------
    >>> from minilstm.layers import SequenceInput
    >>> from minilstm.network.graph.wiring import wire
    >>> known = {"features": ({"name": "ax", "unit": "g"},), "rate": 50}
    >>> checked_about(known, wire([SequenceInput(1)]))
    {'features': [{'name': 'ax', 'unit': 'g'}], 'rate': 50}
    """
    if about is None:
        return None
    if not isinstance(about, Mapping):
        raise ValueError(f"about is {shown(about)}; give a dict, or None.")
    plain: dict[str, Any] = plain_json(about, "about")
    strange = sorted(set(plain) - set(KEYS))
    if strange:
        raise ValueError(f"about has {shown(strange[0])}; it may have {', '.join(KEYS)}.")
    rate = plain.get("rate")
    if rate is not None and (type(rate) not in (int, float) or not rate > 0):
        raise ValueError(f"about['rate'] is {shown(rate)}; give steps a second, or None.")
    for key in ("description", "shaping", "card"):
        if not isinstance(plain.get(key), (dict, type(None))):
            raise ValueError(f"about[{key!r}] is {shown(plain[key])}; give a dict, or None.")
    for key, known in (("description", DataDescription), ("shaping", Shaping)):
        try:
            known.from_plain(plain.get(key) or {})
        except (TypeError, ValueError) as error:
            raise ValueError(f"about[{key!r}] holds what it cannot: {error}") from None
    for key, kind in _PARTS.items():
        part = (plain.get("card") or {}).get(key)
        if not isinstance(part, (kind, type(None))):
            raise ValueError(
                f"about['card'][{key!r}] is {shown(part)}; give a {kind.__name__}, or None."
            )
    if plain.get("features") is not None:
        first: Any = wiring.nodes[wiring.inputs[0]].layer  # a SequenceInput
        _check_features(plain["features"], first.shape[-1], first.feature_names)
    targets, ends = plain.get("targets"), [wiring.shape(n)[-1:] for n in wiring.outputs]
    if targets is not None and not (len(ends) == 1 and _are_names(targets, sum(ends[0]))):
        wanted = f"{sum(ends[0])} different names" if len(ends) == 1 else "none for several outputs"
        raise ValueError(f"about['targets'] is {shown(targets)}; give {wanted}, or None.")
    _check_forecast(plain.get("forecast"), wiring)
    return plain


def horizon_of(about: Mapping[str, Any] | None) -> int | None:
    """How many steps ahead the answers of a forecast are; None for any other network."""
    forecast = (about or {}).get("forecast")
    return None if forecast is None else int(forecast["horizon"])


def plain_json(value: Any, place: str, depth: int = 0) -> Any:
    """A copy of what JSON can hold: dicts of strings, lists, text, finite numbers, True and None.

    Raises ValueError, with the place, for anything else.
    """
    if depth > DEPTH:
        raise ValueError(f"{place} lies deeper than {DEPTH} levels; make it flatter.")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{place} has the name {shown(key)}; give names as text.")
        return {k: plain_json(v, f"{place}[{shown(k, 40)}]", depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(v, f"{place}[{n}]", depth + 1) for n, v in enumerate(value)]
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise ValueError(
        f"{place} is {shown(value)}, which JSON does not hold; give text, finite numbers of "
        "Python, lists and dicts."
    )


def features_of(names: Sequence[str]) -> list[dict[str, str | None]]:
    """Features by their names, and the units that stand in brackets behind these.

    Examples
    --------
    >>> features_of(["ax (m/s^2)", "gyro[deg/s]", "step"])[:2]
    [{'name': 'ax (m/s^2)', 'unit': 'm/s^2'}, {'name': 'gyro[deg/s]', 'unit': 'deg/s'}]
    """
    found = [_UNIT.search(name) for name in names]
    pairs = zip(names, found, strict=True)
    return [{"name": name, "unit": None if m is None else m[1] or m[2]} for name, m in pairs]


def feature_names(about: Mapping[str, Any] | None) -> list[str] | None:
    """The names of the features, if they are known."""
    features = (about or {}).get("features")
    return None if features is None else [feature["name"] for feature in features]


def other_columns(about: Mapping[str, Any] | None) -> frozenset[str]:
    """The columns that the description knows, but for the features: ids, times, labels and such."""
    described = (about or {}).get("description") or {}
    single = ("id_column", "time_column", "label_column", "group_column", "sort_by")
    named = [described.get(key) for key in single]
    named += [*(described.get("target_columns") or ()), *(described.get("drop") or ())]
    return frozenset(name for name in named if name) - {*(described.get("features") or ())}


def without_card(about: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What stays true when a network is trained further: all but the card of its training."""
    return None if about is None else {k: v for k, v in about.items() if k != "card"}


def _check_features(features: Any, size: int, names: Sequence[str] | None) -> None:
    wanted = {"name", "unit"}
    if not isinstance(features, list) or len(features) != size:
        raise ValueError(f"about['features'] is {shown(features)}; give a list of {size} dicts.")
    for n, one in enumerate(features):
        if not (
            isinstance(one, dict)
            and set(one) == wanted
            and isinstance(one["name"], str)
            and isinstance(one["unit"], (str, type(None)))
        ):
            raise ValueError(
                f"about['features'][{n}] is {shown(one)}; give a dict with a name, and a unit or "
                "None."
            )
    found = [one["name"] for one in features]
    if not _are_names(found, size) or (names is not None and found != list(names)):
        ours = "different names" if names is None else f"the names {', '.join(names)}"
        raise ValueError(f"about['features'] has the names {shown(found)}; give {ours}.")


def _check_forecast(forecast: Any, wiring: Wiring) -> None:
    if forecast is None:
        return
    steps = forecast.get("horizon") if isinstance(forecast, dict) and len(forecast) == 1 else None
    if type(steps) is not int or steps < 1:
        raise ValueError(
            f"about['forecast'] is {shown(forecast)}; give {{'horizon': 1}} or more steps, or None."
        )
    sizes = [wiring.shape(end)[-1:] for end in (*wiring.inputs, *wiring.outputs)]
    if len(sizes) != 2 or sizes[0] != sizes[1] or not wiring.nodes[wiring.outputs[0]].steps[0]:
        raise ValueError(
            "about['forecast'] is of a network that gives as many numbers a step as it takes; "
            "leave it out, as this one does not."
        )


def _are_names(names: Any, size: int) -> bool:
    return (
        isinstance(names, list)
        and all(isinstance(name, str) and name for name in names)
        and len(set(names)) == len(names)
        and len(names) == size
    )
