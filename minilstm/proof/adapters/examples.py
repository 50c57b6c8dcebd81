"""Inputs for a function whose author gave none: small arrays of shapes that its words suggest.
Shapes in the docstring or in comments go first; else likely ones are tried, likely ones first.

Axes: T time, B batch, D features, H hidden, O outputs, C channels, S and K sides of squares.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from minilstm.proof.adapters.conventions import parameters_of

# All unlike, so that no array fits in the place of another, or transposed.
SIZES = {"T": 6, "B": 4, "D": 3, "H": 5, "O": 2, "S": 6, "K": 2, "C": 3, "F": 7}
_ALSO = {
    "N": "B", "M": "H", "batch": "B", "batch_size": "B", "seq_len": "T", "n_x": "D", "n_a": "H",
    "n_y": "O", "m": "B", "input_size": "D", "hidden_size": "H", "in_features": "D",
    "out_features": "H", "HH": "K", "WW": "K", "W": "S", "d_1": "D", "T_x": "T",
}  # fmt: skip
# Words of a parameter's name, and the shapes that an array of that name may have, likely first.
ROLES: tuple[tuple[str, str], ...] = (
    (
        "W[hr][hfiogc]?|[UR][ifgoczr]?|W_?(rec|hh|aa)|w(eight)?_hh|recurrent\\w*|whh",
        "HH H4H 4HH H3H PH HP",
    ),
    ("[bc]y|b_?out|by", "O O1"),
    ("W_?(hy|y|ya|out)|Why|V", "HO OH"),
    ("Wx[ifgoc]?|W_?(ih|xh|ax)|w(eight)?_ih|Wxh", "DH D4H 4HD HD D3H"),
    (
        "[Ww]\\w{0,2}|[Ww]eights?\\w*|kernel|theta|K|filters?",
        "DH HD D4H 4HD PH HP P4H 4HP D FCKK FCK O1",
    ),
    ("[Bb]\\w{0,2}|bias\\w*", "H 4H 1H H1 14H 4H1 D F O 3H"),
    ("gamma|beta|scale|shift|offset|g", "D 1D H"),
    (
        "(prev_?)?[hcas](_?(prev|0|t|next|tm1|init|prev_?t))?|\\w*(state|hidden|cell)\\w*",
        "BH H H1 HB",
    ),
    ("q|k|v|query|key|value|Q|V", "BTD TD"),
)
_INPUT = "BD TBD BTD D TD DB D1 BCSS BCS"
# Shapes of those who keep a sequence, or a batch, in columns.
_COLUMNS = {"DB", "D1", "HB", "H1", "HD", "4HD", "HP", "4HP", "4H1", "OH", "O1"}
_ANSWERS = re.compile(r"y|t|y_?true|targets?|labels?|ids|idx|tokens|indices|classes")
_NUMBERS: dict[str, Any] = {
    "eps|epsilon": 1e-5, "p|rate|drop\\w*|keep_prob|momentum|alpha|lr|slope|delta|lam\\w*|reg": 0.5,
    "sizes|dims|layers|layer_(sizes|dims)|hidden_(sizes|dims)": [3, 5, 2],
    "stride|groups|dilation": 1, "pad\\w*": 0, "axis": -1, "mode": "train", "pool_\\w+": 2, "G": 3,
     "seed": 0, "training|train": True,
    "(in|input|d|n)_?(dim|size|features|inputs?|units_in|x|in)|n_in\\w*|fan_in|D|dim|size": 3,
    "(out|output|hidden|h)_?(dim|size|features|units|outputs?|neurons)|n_(out|hidden|neurons|a)\\w*|"
    "units|hidden|fan_out|H|M|num_hiddens": 5,
}  # fmt: skip


# What is asked of probabilities: they are drawn between 0 and 1.
_PROBABILITY = re.compile(r"clip\([^()]*1e-\d+|\blog\(\s*(y_pred|y_hat|probs?|p)\b")


def stated_shapes(function: Callable[..., Any], names: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes by name that the docstring or the comments of a function state, as "x: (T, B, D)"."""
    source = _source(function)
    head = re.split(r"\)\s*(?:->.*)?:\s*(?:#.*)?\n", source, maxsplit=1)[0]  # the parameters
    named = re.findall(r"(\w+)[^#\n]*#\s*(\(.*)", head)
    told = [inspect.getdoc(function) or "", *re.findall(r"#(.*)", source), *map(": ".join, named)]
    sizes: dict[str, int] = dict(SIZES) | {word: SIZES[axis] for word, axis in _ALSO.items()}
    found: dict[str, tuple[int, ...]] = {}
    for line in "\n".join(told).splitlines():
        for name in names:
            pattern = rf"(?<![\w.]){re.escape(name)}\s*(?:[:,\-=].*?)?\(([^()]*)\)"
            match = re.search(pattern, line)
            shape = None if match is None or name in found else _shape(match[1], sizes)
            if shape is not None:
                found[name] = shape
    return found


def _whole(function: Callable[..., Any], names: list[str]) -> dict[str, Any]:
    """Names that a docstring says are whole numbers or True and False, and their dtype; or None."""
    text = inspect.getdoc(function) or ""
    kinds = {}
    for name in names:
        said = re.search(rf"(?<![\w.]){re.escape(name)}\s*:([^\n(]*)", text)
        words = said[1].lower() if said else ""
        number = int if re.search(r"\bint(eger)?s?\b|indices|labels|\bids\b", words) else None
        kinds[name] = bool if re.search(r"\bbool(ean)?\b", words) else number
    return kinds


def _shape(words: str, sizes: dict[str, int]) -> tuple[int, ...] | None:
    """ "(N, 4*H)" as numbers; an unknown word gets a size of its own."""
    parts = [part.strip() for part in words.split(",") if part.strip() not in ("", "...", "d_k")]
    try:
        return tuple(_number(re.sub(r"(\d)([A-Za-z])", r"\1*\2", part), sizes) for part in parts)
    except (SyntaxError, ValueError):
        return None


def _number(text: str, sizes: dict[str, int]) -> int:
    def value(node: ast.AST) -> int:
        if isinstance(node, ast.Name):
            return sizes.setdefault(node.id, 2 + len(sizes) % 5)
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
            left, right = value(node.left), value(node.right)
            return left + right if isinstance(node.op, ast.Add) else left * right
        raise ValueError(text)

    return value(ast.parse(text, mode="eval").body)


def possible_inputs(function: Callable[..., Any], most: int) -> Iterator[dict[str, Any]]:
    """Inputs by name for a function, likely ones first; at most so many, each once from 0 to 1."""
    taken = parameters_of(function)
    names = list(taken.names[: taken.required])
    shapes = stated_shapes(function, names)
    whole = _whole(function, list(shapes))
    for name in [n for n, shape in shapes.items() if _ANSWERS.fullmatch(n) and len(shape) == 1]:
        del shapes[name], whole[name]  # labels, which are no floats
    keys = {name: _keys(function, name) for name in names}
    flat = [f"{n}.{key}" for n in names for key in keys[n]] + [n for n in names if not keys[n]]
    fixed = {n: o for n in flat if n not in (*names[:1], *shapes) and (o := _option(n)) is not None}
    fixed |= {n: {} for n in names if not keys[n] and f"{n}.get(" in _source(function)}
    # A dict of options that is handed on; CS231n calls it so.
    fixed |= {n: {"mode": "train"} for n in names if n.endswith("_param") and not keys[n]}
    if not re.search("rand|drop|bern", _source(function)):
        fixed.pop("p", None)  # no rate, but an array as any other
    groups: dict[str, list[str]] = {}
    for name in flat:
        if name not in fixed:
            groups.setdefault(f"={name}" if name in shapes else _role(name), []).append(name)
    words = [
        [shapes[role[1:]]] if role[0] == "=" else ["labels", "first", "hot"] if role == "answers"
        else role.split() for role in groups
    ]  # fmt: skip
    columns = [sorted(some, key=lambda word: word not in _COLUMNS) for some in words]
    both = itertools.zip_longest(_by_cost(words), _by_cost(columns) if columns != words else ())
    # Equal shapes first: such as broadcast give gradients of other shapes, which are no mistake.
    free = not shapes and "answers" not in groups and len(flat) > len(fixed) + 1
    equal, vectors = ([tuple(shape for _ in groups)] * free for shape in ((4, 3), (5,)))
    domain = (True, False) if _PROBABILITY.search(_source(function)) else (False, True)
    rest = (one for pair in both for one in pair if one)
    choices = itertools.chain(equal, itertools.islice(rest, 40), vectors, rest)
    # Answers come last, since their shapes are those of what they answer.
    last = sorted(zip(range(len(groups)), groups, strict=True), key=lambda g: g[1] == "answers")
    for chosen in itertools.islice(choices, most):
        for positive in domain:
            rng = np.random.default_rng(7)
            drawn: dict[str, Any] = dict(fixed)
            for word, members in ((chosen[k], groups[role]) for k, role in last):
                first = next((np.shape(a) for a in drawn.values() if np.ndim(a)), (4, 3))
                drawn |= {name: _array(word, first, rng, positive) for name in members}
            drawn |= {
                n: rng.integers(0, 2, shapes[n]).astype(kind) for n, kind in whole.items() if kind
            }
            yield {n: {k: drawn[f"{n}.{k}"] for k in keys[n]} or drawn.get(n) for n in names}


def _array(word: Any, first: tuple[int, ...], rng: np.random.Generator, positive: bool) -> Any:
    labels = np.arange(first[0] if first else 1) % first[-1] if first else np.zeros(1, int)
    if word in ("labels", "hot"):
        return labels if word == "labels" or not first else np.eye(first[-1])[labels]
    shape = first if word == "first" else word if isinstance(word, tuple) else _axes(word)
    return rng.uniform(0.1, 0.9, shape) if positive else rng.normal(size=shape)


def _by_cost(choices: list[list[Any]], cost: int | None = None) -> Iterator[tuple[Any, ...]]:
    """One of each list, the first ones of all lists first; or those of one sum of places."""
    if cost is None:
        for total in range(sum(len(some) - 1 for some in choices) + 1):
            yield from _by_cost(choices, total)
    elif not choices and cost == 0:
        yield ()
    elif choices:
        for n, chosen in enumerate(choices[0][: cost + 1]):
            for rest in _by_cost(choices[1:], cost - n):
                yield (chosen, *rest)


def _axes(word: str) -> tuple[int, ...]:
    """ "4HD" as numbers; P is D + H, and a 1 alone is an axis of one."""
    sizes = {**SIZES, "P": SIZES["D"] + SIZES["H"], "1": 1}
    parts = re.findall(r"([43]?)([A-Z])|(1)", word)
    return tuple(int(times or 1) * sizes[axis or one] for times, axis, one in parts)


def _role(name: str) -> str:
    word = name.rpartition(".")[2]
    if _ANSWERS.fullmatch(word):
        return "answers"
    return next((axes for pattern, axes in ROLES if re.fullmatch(pattern, word)), _INPUT)


def _option(name: str) -> Any:
    """A number for a parameter that is an option by its name; None where it is an array."""
    word = name.rpartition(".")[2]
    fits = (value for pattern, value in _NUMBERS.items() if re.fullmatch(pattern, word))
    return next(fits, np.random.default_rng(0) if name in ("rng", "generator") else None)


def _keys(function: Callable[..., Any], name: str) -> list[str]:
    """The keys by which a function reads an input that is a dict."""
    read = rf"""(?<!\w){re.escape(name)}\[['"](\w+)['"]\](?!\s*=[^=])"""
    found = re.findall(read, _source(function))
    return list(dict.fromkeys(found))


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):
        return ""


def possible_objects(kind: type) -> Iterator[Any]:
    """Objects of a class, its numbers by their names, or all of them equal."""
    taken = parameters_of(kind)
    names = taken.names[: taken.required]
    for number in (None, SIZES["D"], SIZES["H"]):
        values: dict[str, Any] = dict.fromkeys(names, number or SIZES["D"])
        if number is None:
            values |= {n: o for n in names if (o := _option(n)) is not None}
        with suppress(Exception):  # whatever a constructor of someone else's raises
            yield kind(**values)
