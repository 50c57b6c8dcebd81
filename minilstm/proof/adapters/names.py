"""Which array is a gradient of which: by the names that people give to both, or in order.
Names go first: `dW`, `grads["W"]`, `W.grad`, `W_gradient` and `dL_dW` are all gradients of a W."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minilstm.errors import GradientError

Path = tuple[str | int, ...]  # attributes, keys and places by which an array is reached

# Words that hold parameters or their numbers, and say nothing of which.
_HOLDERS = {"params", "parameters", "param", "data", "value", "val", "learnables"}
_GRADIENTS = {"g", "grad", "grads", "gradients", "gradient", "dparams", "dparameters"}
_BEFORE = r"gradients?_?|grads?_?|nabla_?|delta_?|d[LJE]_?d_?|d_?|g_?"  # the longest first
_AFTER = r"_?grads?|_?gradients?"


def label(path: Path) -> str:
    """A path as it is written: layers[0].W."""
    words = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in path]
    return "".join(words).removeprefix(".")


def key(path: Path) -> Path:
    """A path without the words that only hold; ("params", "W") and ("W", "data") are ("W",)."""
    bare = [step.lstrip("_") if isinstance(step, str) else step for step in path]
    kept = [step for step in bare if step not in _HOLDERS]
    named = [n for n, step in enumerate(kept[:-1]) if isinstance(kept[n + 1], str)]
    return tuple(step for n, step in enumerate(kept) if not (n in named and step == "weights"))


def differentiated(path: Path) -> Iterator[Path]:
    """The keys of arrays of which a path may be the gradient, by its words."""
    for n, step in enumerate(path):
        if not isinstance(step, str):
            continue
        word = step.lstrip("_")
        if word in _GRADIENTS:
            yield from _and_inside((*path[:n], *path[n + 1 :]))
        for pattern in (f"(?:{_BEFORE})(.+)", f"(.+?)(?:{_AFTER})"):
            if match := re.fullmatch(pattern, word):
                yield from _and_inside((*path[:n], match[1], *path[n + 1 :]))


def _and_inside(path: Path) -> Iterator[Path]:
    """A key, and that of grads["dW"], which says it twice."""
    yield key(path)
    if (
        path
        and isinstance(path[-1], str)
        and (match := re.fullmatch(f"(?:{_BEFORE})(.+)", path[-1]))
    ):
        yield key((*path[:-1], match[1]))


def paths_of(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Leaves of dicts, NamedTuples, lists and tuples, with their paths."""
    if isinstance(tree, Mapping):
        for name, part in tree.items():
            yield from paths_of(part, (*path, name if isinstance(name, int) else str(name)))
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        yield from paths_of(dict(zip(tree._fields, tree, strict=True)), path)
    elif isinstance(tree, (tuple, list)):
        for place, part in enumerate(tree):
            yield from paths_of(part, (*path, place))
    else:
        yield path, tree


def sorted_gradients(
    found: Any,
    arrays: Mapping[str, Any],
    paths: Mapping[str, Path],
    every: Mapping[str, Any] | None = None,
    wanted: Sequence[str] = (),
) -> dict[str, Any]:
    """What backward returned, sorted to the arrays it belongs to: by name, the rest in order.

    `paths` has the paths of arrays out of nested inputs; `every` are all inputs in order, those
    that are no arrays of floats among them, and `wanted` those whose gradients are compared. Lists
    of the gradients of steps, or of rows, are stacked where an array has that shape.
    GradientError is raised where the count does not fit.
    """
    if found is None:
        return dict.fromkeys(arrays)
    parts = list(paths_of(_stacked(found, arrays, paths)))
    wanted = wanted or [*arrays]
    others = [name for name in every or () if name not in arrays]
    if len(parts) == 1 and len(wanted) == 1:
        return {name: parts[0][1] if name in wanted else None for name in arrays}
    open_paths = {name: paths.get(name, (name,)) for name in arrays}
    named: dict[str, Any] = {}
    rest: list[tuple[Path, Any]] = []
    for ways in (lambda path: [path], differentiated):  # a name itself goes before a name of a kind
        rest = []
        for path, part in parts:
            fits = (
                nearest_path(list(ways(path)), open_paths) if isinstance(path[-1:], tuple) else None
            )
            if fits is None:
                rest.append((path, part))
            else:
                named[fits] = part
                del open_paths[fits]
        parts = rest
    left = [part for _, part in rest]
    if len(left) > len(open_paths) and any(part is None for part in left):
        left = [part for part in left if part is not None]  # None stood for an integer input
    whole = every is not None and all(np.asarray(every[n]).dtype.kind in "iub" for n in others)
    if every and whole and not named and len(left) == len(every) > len(open_paths):
        left = [part for name, part in zip(every, left, strict=True) if name in arrays]
    if len(left) not in (0, len(open_paths)):  # perhaps of those that are wanted alone
        open_paths = {name: path for name, path in open_paths.items() if name in wanted}
    if len(left) not in (0, len(open_paths)):
        none_for = f", not counting {', '.join(others)} (no arrays of floats)" if others else ""
        raise GradientError(
            f"backward returned {len(named) + len(rest)} gradients for {len(arrays)} inputs "
            f"({', '.join(arrays)}{none_for}); return one for each in this order, or a "
            "dict by name, or name those that are to be compared in wrt=."
        )
    named.update(zip(open_paths, left, strict=False))
    return {name: named.get(name) for name in arrays}


def _stacked(found: Any, arrays: Mapping[str, Any], paths: Mapping[str, Path]) -> Any:
    """What backward returned; a list in it that makes up the gradient of an array is an array."""
    shapes = {
        a.shape for name, a in arrays.items()
        if isinstance(a, np.ndarray) and len(paths.get(name, "1")) < 2
    }  # fmt: skip

    def whole(part: Any) -> Any:
        if not isinstance(part, list) or not part or not all(np.ndim(p) for p in part):
            return part
        shape = (len(part), *np.shape(part[0]))
        same = all(np.shape(p) == shape[1:] for p in part)
        return np.array(part) if same and shape in shapes else part

    if isinstance(found, Mapping):
        return {name: whole(part) for name, part in found.items()}
    plain = isinstance(found, tuple) and not hasattr(found, "_fields")
    return tuple(map(whole, found)) if plain else whole(found)


def with_gradients(
    found: Any,
    names: Sequence[str],
    numbers: Sequence[str],
    paths: Mapping[str, Path],
    wanted: Sequence[str],
) -> list[str]:
    """Those numbers, among the names of all inputs in order, of which there are gradients."""
    try:
        sorted_ = sorted_gradients(found, dict.fromkeys(names), paths, None, wanted)
    except GradientError:
        return []
    return [name for name in numbers if sorted_[name] is not None or name in wanted]


def nearest_path(ways: Sequence[Path], paths: Mapping[str, Path]) -> str | None:
    """The only one of some paths, by name, that ends as one of the ways does; the longest end."""
    ways = [way for way in ways if way and isinstance(way[-1], str)]
    for alike in (lambda step: step, lambda step: str(step).lower()):
        for length in range(max(map(len, ways), default=0), 0, -1):
            ends = {tuple(map(alike, way[-length:])) for way in ways if len(way) >= length}
            fits = [n for n, p in paths.items() if tuple(map(alike, p[-length:])) in ends]
            if len(fits) == 1:
                return fits[0]
    return None
