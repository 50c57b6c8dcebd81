"""Which mistake gives the very numbers of a wrong gradient: all are made on the tape and compared.
A cause counts only if it gives the numbers at a second, random input as well.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minilstm.proof.causes.equations.arrays import recorded
from minilstm.proof.causes.equations.mistake import Mistake
from minilstm.proof.causes.equations.mistakes import mistakes
from minilstm.proof.causes.equations.tape import UPSTREAM, Change, Site, Tape
from minilstm.proof.derivatives.problem import Array, Gradients, Problem
from minilstm.proof.derivatives.trees import leaves

SAME = 1e-7  # of the largest entry: two computations of the same wrong numbers
PART_OF_ERROR = 0.01
TAPE_ERROR = (
    1e-5  # how far the tape's own gradient may be from the true one; differences are so far
)
MOST_TERMS = 50_000
SECONDS = 4.0
MOST_FOUND = 40  # mistakes with the same numbers; the best of them are said
MOST_SAID = 2


class Match(NamedTuple):
    """A mistake that gives the numbers of backward, and the factor if it has one."""

    mistake: Mistake
    factor: float | None

    def made(
        self, tape: Tape, ups: Any, base: Mapping[Site, Change], again: Any
    ) -> dict[str, Array]:
        """The gradients with the mistake in them."""
        if self.mistake.override:
            return again(self.mistake.override).gradients(ups, {**base, **self.mistake.changes})
        grads = tape.gradients(ups, {**base, **self.mistake.changes})
        if self.factor is None:
            return grads
        full = tape.gradients(ups, base)
        return {n: full[n] + (1 - self.factor) * (grads[n] - full[n]) for n in full}


class _Search:
    """One wrong gradient under investigation, at one input."""

    def __init__(self, problem: Problem, arrays: Mapping[str, Array], grads: Gradients) -> None:
        self.problem, self.arrays = problem, arrays
        forward = problem.forward
        assert forward is not None
        self.still = recorded(forward, arrays).constants_of_softmax()
        problem.forward_passes += 1
        self.tape = self.again()
        self.ups = [1.0] if problem.upstream is None else leaves(problem.upstream)
        self.true = self.tape.gradients(self.ups)
        self.hands = {
            n: np.asarray(g, np.float64)
            for n, g in grads.items()
            if g is not None and np.shape(g) == arrays[n].shape and np.isfinite(g).all()
        }
        self.close = {
            n: max(SAME, 300 * float(np.finfo(a.dtype).eps)) for n, a in problem.arrays.items()
        }
        self.floor = max(
            (float(np.abs(t).max(initial=0.0)) for t in self.true.values()), default=0.0
        )

    def again(self, override: Any = None) -> Tape:
        """A new tape of the same arrays, with other results at some sites."""
        self.problem.forward_passes += 1
        assert self.problem.forward is not None
        return recorded(self.problem.forward, self.arrays, override, self.still)

    def room(self, name: str, made: Array) -> float:
        """How far apart two numbers may be that one mistake gives."""
        hand = self.hands[name]
        largest = max(
            np.abs(made).max(initial=0.0), np.abs(hand).max(initial=0.0), 1e-6 * self.floor
        )
        room = self.close[name] * largest
        off = np.abs(hand - self.true[name]).max(initial=0.0)
        return float(min(room, PART_OF_ERROR * off) if self.is_wrong(name) else room)

    def is_wrong(self, name: str) -> bool:
        """Whether the gradient is wrong by more than rounding."""
        hand, true = self.hands[name], self.true[name]
        size = max(float(np.abs(true).max(initial=0.0)), 1e-6 * self.floor)
        return bool(np.abs(hand - true).max(initial=0.0) > 0.3 * self.close[name] * size)

    def alike(self, made: Mapping[str, Array], names: Any = None) -> bool:
        """Whether gradients are those of backward, for all arrays or for some."""
        return all(
            np.abs(self.hands[n] - made[n]).max(initial=0.0) <= self.room(n, made[n])
            for n in (self.hands if names is None else names)
        )

    def factor(
        self, full: Mapping[str, Array], dropped: Mapping[str, Array], names: Any
    ) -> float | None:
        """The factor with which a part of the gradients gives those of backward."""
        up = down = 0.0
        for n in names:
            size = float(np.abs(self.true[n]).max(initial=0.0)) or 1.0
            part, error = (full[n] - dropped[n]) / size, (self.hands[n] - full[n]) / size
            up, down = up + float((part * error).sum()), down + float((part * part).sum())
        if down <= 1e-18:
            return None
        c = 1 + up / down
        c = float(round(c)) if abs(c - round(c)) < 1e-6 else c
        return c if abs(c - 1) > 1e-7 and math.isfinite(c) else None


def find_by_equations(
    problem: Problem, grads: Gradients, exact: Mapping[str, Array], wrong: Mapping[str, float]
) -> dict[str, list[str]]:
    """Causes by array name, best first, of the arrays in `wrong`, from the lines of forward itself.

    {} where forward cannot be recorded, or where no mistake gives the numbers. Nothing is raised.
    """
    if problem.forward is None or problem.terms > MOST_TERMS:
        return {}
    try:
        with np.errstate(all="ignore"):
            return _find(problem, grads, exact, wrong)
    except Exception:  # a user's function may do anything; a cause must not stop a check
        return {}


def _find(
    problem: Problem, grads: Gradients, exact: Mapping[str, Array], wrong: Mapping[str, float]
) -> dict[str, list[str]]:
    first = _Search(problem, problem.arrays, grads)
    for name, true in exact.items():
        known = np.isfinite(true)
        largest = float(np.abs(true[known]).max(initial=0.0))
        apart = np.abs(first.true[name] - true)[known].max(initial=0.0)
        if apart > TAPE_ERROR * max(largest, 1e-3 * first.floor):
            return {}  # something was lost on the way
    names = [n for n in wrong if n in first.hands and first.hands[n].any()]
    if not names:
        return {}  # gradients that are zero everywhere say so themselves
    deadline = time.monotonic() + SECONDS
    everything = list(mistakes(first.tape))
    reach = _reaches(first.tape, everything)
    matches = list(_matching(first, everything, reach, names, {}, deadline))
    second = _second(problem)
    if second is None:
        return {}
    said = _said(problem, first, second, matches, {}, None)
    if said:
        return dict.fromkeys(names, said)
    return _two(problem, first, second, everything, reach, names, deadline)


def _second(problem: Problem) -> _Search | None:
    """The same at other arrays: near the first, so that they stay where the function is defined."""
    rng = np.random.default_rng([20_011, 7, 1_999])
    arrays = {
        n: (a * (1 + 0.3 * rng.uniform(-1, 1, a.shape))).astype(a.dtype)
        for n, a in problem.arrays.items()
    }
    return _Search(problem, arrays, problem.claimed(arrays))


def _reaches(tape: Tape, everything: list[Mistake]) -> list[set[str]]:
    """The inputs whose gradients each mistake may change."""
    bits = {node.number: 1 << n for n, node in enumerate(tape.inputs.values())}
    for node in tape.nodes:
        if node.live and node.parents:
            bits[node.number] = 0
            for parent in node.parents:
                bits[node.number] |= bits.get(parent.number, 0)
    of_site = {
        site: sum(
            1 << b for b in range(len(tape.inputs)) if any(bits[n.number] >> b & 1 for n in nodes)
        )
        for site, nodes in tape.sites.items()
    }
    every = (1 << len(tape.inputs)) - 1
    found = []
    for mistake in everything:
        mask = 0
        for site in mistake.changes:
            mask |= every if site == UPSTREAM else of_site[site]
        mask = every if mistake.override else mask
        found.append({name for n, name in enumerate(tape.inputs) if mask >> n & 1})
    return found


def _matching(
    search: _Search, everything: list[Mistake], reach: list[set[str]], names: list[str],
    base: Mapping[Site, Change], deadline: float, some: bool = False,
) -> Iterator[Match]:  # fmt: skip
    """The mistakes that give the numbers of backward for all arrays; or, with `some`, for some."""
    full = search.tape.gradients(search.ups, base)
    count = 0
    for mistake, reached in zip(everything, reach, strict=True):
        if time.monotonic() > deadline or count >= MOST_FOUND:
            return
        if not (reached.intersection(names) if some else reached.issuperset(names)):
            continue
        if any(site in base for site in mistake.changes):
            continue
        try:
            made = Match(mistake, None).made(search.tape, search.ups, base, search.again)
        except Exception:  # a mistake may not even run on every shape
            continue
        wanted = None
        if some:
            wanted = [n for n in names if search.alike(made, [n])]
            if not mistake.scaled and wanted and not _idle(search, full, made, wanted):
                yield Match(mistake, None)
                count += 1
                continue
        if mistake.scaled:
            targets = [n for n in names if _changed(full[n], made[n])] if some else names
            c = search.factor(full, made, targets)
            if c is None:
                continue
            made = {n: full[n] + (1 - c) * (made[n] - full[n]) for n in full}
            fits = [n for n in targets if search.alike(made, [n])]
            if fits if some else search.alike(made):
                yield Match(mistake, c)
                count += 1
        elif not some and search.alike(made):
            yield Match(mistake, None)
            count += 1


def _changed(full: Array, made: Array) -> bool:
    return bool(np.abs(full - made).max(initial=0.0) > 1e-9 * np.abs(full).max(initial=0.0))


def _idle(
    search: _Search, full: Mapping[str, Array], made: Mapping[str, Array], names: list[str]
) -> bool:
    """Whether a mistake changes nothing in these arrays."""
    return not any(_changed(full[n], made[n]) for n in names)


def _said(
    problem: Problem, first: _Search, second: _Search, matches: list[Match],
    base: Mapping[Site, Change], names: list[str] | None,
) -> list[str]:  # fmt: skip
    """Sentences of the mistakes that hold at the second input too, best first."""
    found: list[str] = []
    for match in sorted(matches, key=_rank):
        try:
            made = match.made(second.tape, second.ups, base, second.again)
        except Exception:  # the second input may take another way through forward
            continue
        if second.alike(made, names) and any(second.is_wrong(n) for n in names or second.hands):
            sentence = match.mistake.cause
            if match.factor is not None:
                sentence = sentence.replace("{}", became(match.factor, problem, first.tape))
            if sentence not in found:
                found.append(sentence)
        if len(found) == MOST_SAID:
            break
    return found


def _rank(match: Match) -> tuple[int, int]:
    rank = match.mistake.rank
    if match.factor is not None and match.factor not in (0.0, -1.0, 2.0):
        # A count or a constant is forgotten where there is one.
        rank += 1 if {site[0] for site in match.mistake.changes} & {"mean", "sum"} else 2
    return rank, len(match.mistake.cause)


def _two(
    problem: Problem, first: _Search, second: _Search, everything: list[Mistake],
    reach: list[set[str]], names: list[str], deadline: float,
) -> dict[str, list[str]]:  # fmt: skip
    """Two mistakes at once: one that explains some arrays, and one more beside it."""
    one = sorted(_matching(first, everything, reach, names, {}, deadline, some=True), key=_rank)
    tried = set()
    for match in one:
        if match.mistake.override or match.factor not in (None, 0.0):
            continue
        made = match.made(first.tape, first.ups, {}, first.again)
        key = tuple(
            float(np.sum(a * np.cos(np.arange(a.size)).reshape(a.shape))) for a in made.values()
        )
        key = tuple(float(f"{k:.6g}") for k in key)
        if key in tried:
            continue
        tried.add(key)
        rest = [n for n in names if not first.alike(made, [n])]
        base = dict(match.mistake.changes)
        others = list(_matching(first, everything, reach, rest, base, deadline))
        said = _said(problem, first, second, others, base, None)
        if said:
            whole = match.mistake.cause.replace("{}", became(0.0, problem, first.tape))
            return {n: [*said[:1], whole] if n in rest else [whole] for n in names}
    return {}


def became(c: float, problem: Problem, tape: Tape) -> str:
    """What happened to a gradient that is multiplied by c."""
    if c == 0:
        return "is left out"
    if c == -1:
        return "has the wrong sign"
    if c == 2:
        return "is counted twice"
    sign = "has the wrong sign and " if c < 0 else ""
    size = abs(c)
    reasons = [*_constants(size, tape), *_counts(size, problem.counts)]
    reasons = [reasons[n] for n in range(len(reasons)) if reasons[n] not in reasons[:n]][:2]
    reasons = reasons or list(_rare(size, problem.counts))[:2]
    return sign + (", or ".join(reasons) or f"is {size:.6g} times what it should be")


def _constants(size: float, tape: Tape) -> Iterator[str]:
    for node in tape.nodes:
        if node.op == "constant" and node.value.size == 1 and node.value.dtype.kind in "if":
            value = abs(float(node.value.reshape(-1)[0]))
            if value not in (0.0, 1.0):
                if math.isclose(size, value, rel_tol=1e-6):
                    yield f"has the constant {value:.6g} once too often"
                if math.isclose(size, 1 / value, rel_tol=1e-6):
                    yield f"lacks the constant {value:.6g}"


def _counts(size: float, counts: Mapping[str, int]) -> Iterator[str]:
    for what, n in counts.items():
        for power, word in ((1, ""), (0.5, "the root of "), (2, "the square of ")):
            if n > 1 and math.isclose(size, n**power, rel_tol=1e-6):
                more = ", a sum where a mean belongs" if power == 1 else ""
                yield f"is multiplied by {word}{what} ({n}){more}"
            if n > 1 and math.isclose(size, n**-power, rel_tol=1e-6):
                more = ", a mean where a sum belongs" if power == 1 else ""
                yield f"is divided by {word}{what} ({n}){more}"


def _rare(size: float, counts: Mapping[str, int]) -> Iterator[str]:
    for what, n in counts.items():
        for other, m in counts.items():
            if n != m and min(n, m) > 1 and math.isclose(size, m / n, rel_tol=1e-6):
                yield f"is divided by {what} ({n}) where {other} ({m}) belongs"
        if n > 2 and any(math.isclose(size, q, rel_tol=1e-6) for q in ((n - 1) / n, n / (n - 1))):
            yield f"has n - 1 and n mixed up, n being {what} ({n})"
