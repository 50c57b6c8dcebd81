"""What the checker says: reports of mutants, score cards of two LSTMs, the catalogue of mistakes.
None of these texts may hold the name of a file or of a module.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import mutants
import numpy as np
from mistake_problems import arguments, arrays
from mutant_problems import NETWORKS, PAIRS, as_a_pair, in_a_network, lstm_pair

import minilstm as ml

from .digests import canonical, sha
from .internals import CATALOGUE

IN_NETWORKS_EACH = 1  # mutants of each function that are checked inside a network, too
DIGITS = 10  # of a number that stands for a wrong gradient


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


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(x, h0, c0, W, R, b):
    """An LSTM of dense batches x (T, B, D), as people write it."""
    h, c, steps = h0, c0, []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W.T + h @ R.T + b, 4, axis=1)  # (B, H) each
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        before, c = (h, c), f * c + i * g
        h = o * np.tanh(c)
        steps.append((x_t, *before, i, f, g, o, c, h))
    return np.stack([step[-1] for step in steps]), (h, c), (steps, W, R)


def backward(dh, dstate, cache, broken=False):
    """Its gradients; a broken one lacks 1 - f and meets h_t where h_{t-1} should be."""
    steps, W, R = cache
    dh_next, dc_next = dstate
    dW, dR, db = np.zeros_like(W), np.zeros_like(R), np.zeros(len(W), W.dtype)
    dx = []
    for (x_t, h, c, i, f, g, o, c_t, h_t), dh_t in zip(steps[::-1], dh[::-1], strict=True):
        dh_t, tanh_c = dh_t + dh_next, np.tanh(c_t)
        dc = dc_next + dh_t * o * (1 - tanh_c**2)
        df = dc * c * (f if broken else f * (1 - f))
        parts = [dc * g * i * (1 - i), df, dc * i * (1 - g**2), dh_t * tanh_c * o * (1 - o)]
        dz = np.concatenate(parts, axis=1)  # (B, 4H)
        dW += dz.T @ x_t
        dR += dz.T @ (h_t if broken else h)
        db += dz.sum(axis=0)
        dx.append(dz @ W)
        dh_next, dc_next = dz @ R, dc * f
    return {"x": np.stack(dx[::-1]), "W": dW, "R": dR, "b": db, "h0": dh_next, "c0": dc_next}


def broken_backward(dh, dstate, cache):
    return backward(dh, dstate, cache, broken=True)


def copied_bias(dh, dstate, cache):
    """Gradients of an LSTM with a single wrong array."""
    found = backward(dh, dstate, cache)
    H = len(found["b"]) // 4
    found["b"][:H] = found["b"][H : 2 * H]
    return found


def cards() -> dict[str, list[str]]:
    """Lines of the score cards of the right LSTM and of two broken ones."""
    found = {}
    for back in (backward, broken_backward, copied_bias):
        card = ml.conformance(forward, back, batch_axis=1)
        found[back.__name__] = canonical(str(card)).splitlines()
        found[back.__name__] += [sha(canonical(card.to_json()))]
    return found


# ---------------------------------------------------------------- mistakes


def mistakes() -> dict[str, dict[str, dict[str, Any]]]:
    """By function and name: the cause, where it was seen, and numbers of the wrong gradients.

    The number of an array is its sum weighted by fixed random numbers, so each entry counts.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for m in CATALOGUE:
        of = found.setdefault(m.function, {})
        assert m.name not in of
        with np.errstate(all="ignore"):
            numbers = [weighted(a) for a in arrays(m.wrong(*arguments(m.function)))]
        of[m.name] = {"cause": m.cause, "gradients": numbers}
        of[m.name] |= {"seen_in": list(m.seen_in)} if m.seen_in else {}
    return found


def weighted(a: Any) -> float:
    weights = np.random.default_rng(a.size).uniform(1, 2, a.shape)
    return float(f"{(a * weights).sum():.{DIGITS}g}")
