"""Which mistake gives the very numbers of a wrong gradient: all are made on the tape and compared.
A cause counts only if it gives the numbers at a second, random input as well, of other sizes where
forward takes them: so a factor that is the batch is told from one that is a constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from minilstm.proof.causes.elsewhere import Elsewhere, again
from minilstm.proof.causes.equations.mistakes import mistakes
from minilstm.proof.causes.equations.tape import UPSTREAM, Change, Mistake, Site, Tape
from minilstm.proof.causes.equations.trial import Trial
from minilstm.proof.causes.factors import Measured, is_constant, reasons
from minilstm.proof.derivatives.problem import Array, Gradients, Problem

# How far the tape's own gradient may be from the true one; differences are so far.
TAPE_ERROR = 1e-5
MOST_TERMS = 50_000
MANY_NODES = 120  # operations, more of which make the search slow: shorter axes are looked for
MOST_VISITS = 350_000  # of operations by backward passes with a mistake: a few seconds
MOST_FOUND = 40  # mistakes with the same numbers; the best of them are said
MOST_SAID = 2
Changes = Mapping[Site, Change]
Reaching = tuple[Mistake, frozenset[str]]  # with the inputs whose gradients it may change


class Match(NamedTuple):
    """A mistake that gives the numbers of backward, and the factor if it has one."""

    mistake: Mistake
    factor: float | None = None

    def made(self, trial: Trial, base: Changes) -> dict[str, Array]:
        """The gradients with the mistake in them, beside another one."""
        return trial.tape.gradients(trial.ups, {**base, **self.mistake.changes})


class _Hunt(NamedTuple):
    """What is looked for: the first and the second input, and the wrong arrays."""

    first: Trial
    second: Trial
    names: list[str]
    elsewhere: Elsewhere
    visits: list[int]  # of operations, as many as are left

    def over(self) -> bool:
        """Whether the search has looked at as much as it may."""
        self.elsewhere.cut_short |= self.visits[0] < 0
        return self.visits[0] < 0 or self.elsewhere.late()


def find_by_equations(
    elsewhere: Elsewhere, grads: Gradients, exact: Mapping[str, Array], wrong: Mapping[str, float]
) -> dict[str, list[str]]:
    """Causes by array name, best first, of the arrays in `wrong`, from the lines of forward itself.

    {} where forward cannot be recorded, or where no mistake gives the numbers. Nothing is raised.
    """
    problem = elsewhere.problem
    if problem.forward is None or problem.terms > MOST_TERMS:
        return {}
    try:
        return _find(elsewhere, grads, exact, wrong)
    except Exception:  # a user's function may do anything; a cause must not stop a check
        return {}
    finally:
        with suppress(Exception):  # an object may have kept a recorded array
            problem.forward_passes += 1
            problem.forward({})


def _find(
    elsewhere: Elsewhere, grads: Gradients, exact: Mapping[str, Array], wrong: Mapping[str, float]
) -> dict[str, list[str]]:
    problem = elsewhere.problem
    first = Trial(problem, grads)
    for name, true in exact.items():
        known = np.isfinite(true)
        largest = float(np.abs(true[known]).max(initial=0.0))
        apart = np.abs(first.true[name] - true)[known].max(initial=0.0)
        if not apart <= TAPE_ERROR * max(largest, 1e-3 * first.floor):
            return {}  # something was lost on the way
    names = [n for n in wrong if n in first.hands and first.hands[n].any()]
    if not names:
        return {}  # gradients that are zero everywhere say so themselves
    if len(first.tape.nodes) > MANY_NODES:
        small = _trial(again(problem, elsewhere.resized(grow=False)))
        if small and all(small.is_wrong(n) == first.is_wrong(n) for n in first.hands):
            first = small
    tried = (_trial(other) for other in reversed(elsewhere.others))
    second = next((t for t in tried if t and any(t.is_wrong(n) for n in names)), None)
    if second is None:
        return {}
    stages = [_reaching(first.tape, some) for some in mistakes(first.tape)]
    hunt = _Hunt(first, second, names, elsewhere, [MOST_VISITS])
    for stage in stages:
        said = _said(hunt, list(_matching(hunt, stage, names, {})), {}, None)
        if said:
            return dict.fromkeys(names, said)
    return _two(hunt, [*stages[0], *stages[1]])


def _trial(problem: Problem) -> Trial | None:
    """Both passes at another input; None where forward cannot be recorded there."""
    try:
        return Trial(problem)
    except Exception:
        return None


def _reaching(tape: Tape, some: list[Mistake]) -> list[Reaching]:
    """Mistakes with the inputs whose gradients they may change."""
    of_node: dict[int, frozenset[str]] = {
        node.number: frozenset([name]) for name, node in tape.inputs.items()
    }
    for node in tape.nodes:
        if node.live and node.parents:
            parts = (of_node.get(p.number, frozenset()) for p in node.parents)
            of_node[node.number] = frozenset().union(*parts)

    def reached(mistake: Mistake) -> frozenset[str]:
        if UPSTREAM in mistake.changes:
            return frozenset(tape.inputs)
        found = frozenset[str]()
        for site in mistake.changes:
            ks = getattr(mistake.changes, "edges", {}).get(site)
            for node in tape.sites[site]:
                at = [p for k, p in enumerate(node.parents) if ks is None or k in ks]
                found = found.union(*(of_node.get(p.number, ()) for p in at))
        return found

    return [(mistake, reached(mistake)) for mistake in some]


def _matching(
    hunt: _Hunt, stage: list[Reaching], names: list[str], base: Changes, some: bool = False
) -> Iterator[Match]:
    """The mistakes that give the numbers of backward for all arrays; with `some`, for some."""
    first, found = hunt.first, 0
    full = first.tape.gradients(first.ups, base)
    for mistake, reached in stage:
        if hunt.over() or found >= MOST_FOUND:
            return
        meets = reached.intersection(names) if some else reached.issuperset(names)
        if not meets or any(site in base for site in mistake.changes):
            continue
        hunt.visits[0] -= len(first.tape.nodes)
        try:
            made, match = Match(mistake).made(first, base), Match(mistake)
        except Exception:  # a mistake may not even run on every shape
            continue
        changed = [n for n in names if _changed(full[n], made[n])]
        if mistake.scaled:
            c = first.factor(full, made, changed)
            if c is None:
                continue
            made, match = _scaled(full, made, c), Match(mistake, c)
        if any(first.alike(made, [n]) for n in changed) if some else first.alike(made):
            found += 1
            yield match


def _scaled(full: Mapping[str, Array], dropped: Mapping[str, Array], c: float) -> dict[str, Array]:
    return {n: full[n] + (1 - c) * (dropped[n] - full[n]) for n in full}


def _changed(full: Array, made: Array) -> bool:
    return bool(np.abs(full - made).max(initial=0.0) > 1e-9 * np.abs(full).max(initial=0.0))


def _said(hunt: _Hunt, matches: list[Match], base: Changes, names: list[str] | None) -> list[str]:
    """Sentences of the mistakes that hold at the second input too, best first."""
    found: list[str] = []
    best = 0.0
    for match in sorted(matches, key=_rank):
        if found and _rank(match)[0] > best:
            break  # they say less
        sentence = _confirmed(hunt, match, base, names)
        if sentence and sentence not in found:
            found.append(sentence)
            best = _rank(match)[0]
        if len(found) == MOST_SAID:
            break
    return found


def _confirmed(hunt: _Hunt, match: Match, base: Changes, names: list[str] | None) -> str:
    """The sentence of a mistake, if it gives the numbers at the second input; else ""."""
    second, sentence = hunt.second, match.mistake.cause
    wrong = [n for n in names or second.hands if second.is_wrong(n)]
    try:
        made = match.made(second, base)
    except Exception:  # the second input may take another way through forward
        return ""
    if match.factor is not None:
        full = second.tape.gradients(second.ups, base)
        c = second.factor(full, made, [n for n in wrong if _changed(full[n], made[n])])
        if c is None:
            return ""
        made = _scaled(full, made, c)
        became = _became(match, c, hunt)
        if not became:
            return ""
        sentence = sentence.replace("{}", became)
    return sentence if wrong and second.alike(made, names) else ""


def _rank(match: Match) -> tuple[float, int]:
    rank: float = match.mistake.rank
    if match.factor is not None:
        # Left out is simpler than a sign, and a sign is simpler than another factor.
        rank += 0 if match.factor == 0 else 0.5 if match.factor in (-1, 2) else 2
    return rank, len(match.mistake.cause)


def _two(hunt: _Hunt, everything: list[Reaching]) -> dict[str, list[str]]:
    """Two mistakes at once: one that explains some arrays, and one more beside it."""
    first, names = hunt.first, hunt.names
    tried = set()
    for match in sorted(_matching(hunt, everything, names, {}, some=True), key=_rank):
        if match.factor not in (None, 0.0):
            continue
        made = match.made(first, {})
        key = tuple(
            f"{float(np.sum(a * np.cos(np.arange(a.size)).reshape(a.shape))):.6g}"
            for a in made.values()
        )
        if key in tried:
            continue
        tried.add(key)
        rest = [n for n in names if not first.alike(made, [n])]
        base = dict(match.mistake.changes)
        said = _said(hunt, list(_matching(hunt, everything, rest, base)), base, None)
        if said:
            one = match.mistake.cause.replace("{}", "is left out")
            return {n: [said[0], one] if n in rest else [one] for n in names}
    return {}


def _became(match: Match, second: float, hunt: _Hunt) -> str:
    """What happened to a gradient multiplied by a factor, `second` at the second input; or ""."""
    c = match.factor or 0.0
    pairs = ((c, hunt.first), (second, hunt.second))
    measured = [Measured(factor, trial.problem.lengths) for factor, trial in pairs]
    constant = is_constant(measured)
    if c in (0, -1) and constant:
        return "has the wrong sign" if c else "is left out"
    found = reasons(measured)
    if not found and constant:
        found = [f"is {abs(c):.6g} times what it should be"]
    sign = "has the wrong sign and " if c < 0 else ""
    return f"{sign}{', or '.join(found)}" if found else ""
