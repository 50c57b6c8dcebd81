"""What the checker says: reports of mutants, and score cards of two LSTMs.
None of these texts may hold the name of a file or of a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import mutants
from mutant_problems import NETWORKS, PAIRS, Plain, as_a_pair, in_a_network, lstm_pair

import minilstm as ml

from .digests import canonical, sha

IN_NETWORKS_EACH = 1  # mutants of each function that are checked inside a network, too


# ---------------------------------------------------------------- reports


def _reports() -> dict[str, Callable[[], Any]]:
    every = {**mutants.LSTM, **mutants.OTHERS}
    found = {
        f"pair: {name}": partial(as_a_pair, mutant)
        for name, mutant in {**every, **mutants.LSTM_PAIRS}.items()
        if mutant.function in PAIRS
    }
    for name, mutant in mutants.RAGGED.items():
        found[f"ragged pair: {name}"] = partial(as_a_pair, mutant, lstm_pair((6, 4, 1)))
    for function in NETWORKS:
        # The end of a classifier is known in networks alone.
        most = None if function not in PAIRS else IN_NETWORKS_EACH
        names = [name for name, mutant in every.items() if mutant.function == function]
        found |= {f"network: {name}": partial(in_a_network, every[name]) for name in names[:most]}
    return found


#: each mutant as a pair of functions, and some in a network
REPORTS = _reports()


def report_text(report: Any) -> str:
    """A report as a table, as JSON and as JUnit XML."""
    text = canonical("\n".join([str(report), report.to_json(), report.to_junit()]))
    assert not re.search(r"\.py\b|minilstm\.\w|mutant_", text), text
    return text


def digest(report: Any) -> dict[str, Any]:
    """The wrong arrays, the first cause that is named, and a hash of the texts."""
    causes = [e.causes[0] for e in report.errors if e.causes]
    cause = causes[0] if causes else ""
    return {"wrong": report.wrong, "cause": cause, "text": sha(report_text(report))}


# ---------------------------------------------------------------- score cards


#: of an LSTM as people write it: one that lacks 1 - f and meets h_t where h_{t-1} should be, and
#: one with a single wrong array
FAULTS = {
    "backward": (),
    "broken_backward": ("forget derivative", "h_t for h_{t-1}"),
    "copied_bias": ("db copied",),
}


def cards() -> dict[str, list[str]]:
    """Lines of the score cards of the right LSTM and of two broken ones."""
    found = {}
    for name, faults in FAULTS.items():
        plain = Plain(*faults)

        def forward(x, h0, c0, W, R, b, plain=plain):
            return plain.forward(x, h0, c0, W, R, b)

        def backward(dh, dstate, cache, plain=plain):
            return plain.backward(dh, dstate, cache)

        backward.__name__ = name
        card = ml.conformance(forward, backward, batch_axis=1)
        found[name] = canonical(str(card)).splitlines()
        found[name] += [sha(canonical(card.to_json()))]
    return found
