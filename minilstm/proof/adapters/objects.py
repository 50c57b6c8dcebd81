"""Layers as objects: a forward and a backward method, parameters and gradients in attributes.
Every pass runs on a fresh copy of the object, so that nothing is carried or added up from another.

Which array is a parameter is found by one pass of each kind: it stays where it is during forward,
and after backward there is a gradient of its shape under a name that goes with its own.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from minilstm.errors import GradientError
from minilstm.proof.adapters.attributes import (
    arrays_in,
    clear,
    is_no_array,
    likeness,
    methods_of,
    name_of,
    set_number,
    vars_of,
)
from minilstm.proof.adapters.conventions import CACHE, parameters_of
from minilstm.proof.adapters.frameworks import FOREIGN, home_of, library_of, plain
from minilstm.proof.adapters.inputs import as_input, copied, named_inputs
from minilstm.proof.adapters.names import (
    Path,
    differentiated,
    key,
    nearest_path,
    paths_of,
    sorted_gradients,
)
from minilstm.proof.adapters.pair import Pair
from minilstm.proof.derivatives.problem import Array
from minilstm.proof.derivatives.trees import is_number, leaves, replaced

_OUTPUTS = ("output", "outputs", "out", "y", "result")  # where forward may leave what it gives
_RATES = {"lr", "learning_rate", "alpha", "eta", "rate", "step_size", "learningrate"}
# A rate by which backward moves the parameters: so large that the parameters vanish beside it.
_RATE = 2.0**40
TARGETS = re.compile(r"y|t|y_?true|targets?|labels?|truth|y_?hat_?true|ground_?truth|expected")
_PARAMETER = re.compile(r"[WURVbw]\w{0,3}|weights?|bias(es)?|gamma|beta|kernel|theta")


class _Parameter(NamedTuple):
    """An array of an object, and where backward leaves its gradient."""

    path: Path
    gradient: Path | None  # None where there is none


class _Layer:
    """An object under test: its two methods, how they are called, its parameters."""

    def __init__(self, subject: Any, given: Any) -> None:
        self.title = type(subject).__name__
        self.forward, self.backward = methods_of(subject) or ("", "")
        named, self.by_keyword = named_inputs(getattr(subject, self.forward), given)
        arrays = [a for _, a in arrays_in(subject)]
        self.library = library_of([named, arrays])
        self.inputs = {name: as_input(name, plain(value)) for name, value in named.items()}
        self.parameters: dict[str, _Parameter] = {}
        self.notes: list[str] = []
        self.way, self.rate, self.passes = "joint", False, 0
        self.total: Any = np.mean
        try:
            doubled = {id(a): self.foreign(plain(a)) for a in arrays if home_of(a) in FOREIGN}
            self.blank = copy.deepcopy(subject, doubled)
        except Exception as error:  # whatever an object of someone else's raises
            raise TypeError(
                f"{self.title} cannot be copied ({type(error).__name__}: {error}), so each pass "
                "would see what the one before left; pass two functions in its place."
            ) from error
        clear(self.blank)
        self._find()

    # ------------------------------------------------------------ passes

    def foreign(self, tree: Any) -> Any:
        """Arrays of NumPy as those of the object's own library."""
        return tree if self.library is None else replaced(tree, self.library.from_numpy)

    @property
    def is_loss(self) -> bool:
        """Whether backward takes no upstream gradient."""
        return self.way in ("joint", "loss", "arguments")

    def fresh(self, values: Mapping[str, Any]) -> Any:
        """A copy of the object with some parameters replaced, under all of their names."""
        moved = {name: p.path for name, p in self.parameters.items() if name in values}
        places = {path: self.foreign(values[name].copy()) for name, path in moved.items()}
        arrays = {path: a for path, a in arrays_in(self.blank) if path in places}
        shared = {id(a): places[p] for p, a in arrays.items() if not is_no_array(a)}
        layer = copy.deepcopy(self.blank, shared)
        for path, a in arrays.items():
            if is_no_array(a):  # which other names may share by chance
                set_number(layer, path, places[path][()])
        return layer

    def call(self, layer: Any, values: Mapping[str, Any]) -> Any:
        """One forward pass, with the same numbers drawn each time."""
        self.passes += 1
        given = {n: self.foreign(copied(values.get(n, a))) for n, a in self.inputs.items()}
        function, before = getattr(layer, self.forward), np.random.get_state()  # noqa: NPY002
        np.random.seed(0)  # noqa: NPY002
        try:
            with nullcontext() if self.library is None else self.library.in_float64():
                result = function(**given) if self.by_keyword else function(*given.values())
        finally:
            np.random.set_state(before)  # noqa: NPY002
        left = vars_of(layer) if result is None else {}
        return next((left[name] for name in _OUTPUTS if name in left), result)

    def outputs(self, result: Any) -> Any:
        """What is differentiated of what forward returned."""
        if self.way == "joint":
            result = result[0]
        elif self.way == "cache":
            result = result[0] if len(result) == 2 else result[:-1]
        result = replaced(result, plain)
        several = self.way == "arguments" and np.size(result) > 1
        return self.total(result) if several else result

    def gradients(self, dy: Any, values: Mapping[str, Any]) -> tuple[Any, Any, dict[Path, Array]]:
        """A copy after both passes, what backward returned, and the parameters before it."""
        layer = self.fresh(values)
        result = self.call(layer, values)
        if self.way == "joint":
            return layer, result[1] if len(result) == 2 else result[1:], {}
        before = {p: np.array(plain(a)) for p, a in arrays_in(layer)} if self.rate else {}
        given = [self.foreign(copied(values.get(n, a))) for n, a in self.inputs.items()]
        left: Any = vars_of(layer).get("output")
        if self.way == "arguments" and np.shape(left) == np.shape(given[0]):
            given[0] = left  # of an activation that is part of the loss
        dy = self.foreign(dy)
        several = tuple(dy) if isinstance(self.outputs(result), tuple) else (dy,)
        first: dict[str, tuple[Any, ...]] = {
            "upstream": (dy,),
            "each": several,
            "cache": (*several, result[-1] if self.way == "cache" else None),
            "inputs": (dy, *given),
            "arguments": tuple(given),
            "loss": (),
        }
        rate = (_RATE,) * self.rate
        found = getattr(layer, self.backward)(*first[self.way], *rate)
        return layer, replaced(found, plain), before

    def named_gradients(self, dy: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Gradients of the inputs and the parameters by name."""
        layer, found, before = self.gradients(dy, values)
        there = {path: plain(a) for path, a in arrays_in(layer)}
        grads = {
            name: (before[p.path] - there[p.path]) / _RATE if self.rate else there.get(p.gradient)
            for name, p in self.parameters.items() if self.rate or p.gradient is not None
        }  # fmt: skip
        grads |= {name: there.get(path) for name, path in self.places.items()}
        if found is not None and any(isinstance(p, np.ndarray | float) for p in leaves(found)):
            inputs = {name: self.inputs[name] for name in self.checked}
            few = not isinstance(found, dict) and len(leaves(found)) == len(inputs)
            names = inputs if few else {**inputs, **self.parameters}
            paths = {name: key(p.path) for name, p in self.parameters.items()}
            grads |= {
                k: g for k, g in sorted_gradients(found, names, paths).items() if g is not None
            }
        return grads

    # ------------------------------------------------------------ what is found out once

    def _find(self) -> None:
        """How backward is called, and which arrays are parameters."""
        for lazily in (False, True):
            layer = self.fresh({})
            before = {path: (a, np.array(plain(a))) for path, a in arrays_in(layer)}
            try:
                result = self.call(layer, {})
            except Exception as error:  # whatever a layer of someone else's raises
                shapes = ", ".join(f"{n} {np.shape(a)}" for n, a in self.inputs.items())
                name, why = f"{self.title}.{self.forward}", f"{type(error).__name__}: {error}"
                wanted = f"cannot be called with {shapes} ({why}); pass inputs that it takes."
                raise TypeError(f"{name} {wanted}") from error
            if self.backward:
                self._signature(result)
            elif not isinstance(result, tuple) or len(result) < 2:
                raise TypeError(
                    f"{self.title} has no method backward or backprop, and its method loss "
                    f"returns {type(result).__name__}; return (loss, gradients), or add one."
                )
            at = dict(arrays_in(layer))
            kept = {
                path: a for path, a in arrays_in(self.blank)
                if at.get(path) is before[path][0]
                and np.array_equal(plain(at[path]), before[path][1])
            }  # fmt: skip
            dy = replaced(self.outputs(result), lambda y: np.ones_like(y) if is_number(y) else None)
            after, found, _ = self.gradients(dy, {})
            self._pair(kept, dict(arrays_in(after)), found)
            if self.parameters or lazily:
                break
            clear(layer)  # perhaps the first forward pass makes the parameters
            self.blank, eager = layer, self.blank
        if not self.parameters:
            self.blank = eager
        self._left_out(found, dict(arrays_in(after)))
        if not self.parameters and not self.checked:
            raise GradientError(
                f"{self.title}.{self.backward} returns no gradient and leaves none in an "
                "attribute; return that of the inputs, or leave it in .dx or .dinputs."
            )
        if self.way == "arguments":
            self._add_up(result)
        if not self.is_loss:  # whose arrays are weights of classes, and the like
            self._missing(kept)

    def _add_up(self, result: Any) -> None:
        """Whether the losses of samples are averaged or added: as backward has it."""
        name = self.checked[0]
        x = self.inputs[name]
        if np.size(result) < 2:
            return
        step = 1e-4 * np.abs(x).max() * np.random.default_rng(0).standard_normal(x.shape)
        far = [np.sum(self.call(self.fresh({}), {name: x + d})) for d in (step, -step)]
        total = (far[0] - far[1]) / 2
        hand = np.sum(self.named_gradients(None, {})[name] * step)
        self.total = np.sum if abs(hand - total) < 0.01 * abs(total) else np.mean
        word = "sum" if self.total is np.sum else "mean"
        self.notes.append(f"{self.title}.{self.forward} gives several losses; their {word} is one")

    def _signature(self, result: Any) -> None:
        """How backward is called, by what it takes."""
        names, required, more = parameters_of(getattr(self.blank, self.backward))
        if len(names) > 1 and names[-1].lower() in _RATES:
            self.rate, names, required = True, names[:-1], min(required, len(names) - 1)
        several = len(result) if isinstance(result, tuple) and len(result) > 1 else 1
        given, fits = list(self.inputs), range(required, len(names) + 1)
        trailing = [*zip(names[1 : len(given)], given[1:], strict=False)]
        if several > 1 and any(CACHE.fullmatch(n) for n in names[-1:]):
            self.way = "cache"
        elif not names and not more:
            self.way = "loss"
        elif required <= 1 or more:
            self.way = "upstream"
        elif len(given) in fits and all(n == m and TARGETS.fullmatch(n) for n, m in trailing):
            self.way = "arguments"
        elif several in fits:
            self.way = "each"
        elif len(given) + 1 in fits:
            self.way = "inputs"
        else:
            raise TypeError(
                f"{self.title}.{self.backward} takes ({', '.join(names)}), which are neither the "
                f"upstream gradient of what {self.forward} returns nor its inputs "
                f"({', '.join(given)}); pass two functions in its place."
            )

    def _pair(self, kept: Mapping[Path, Any], after: Mapping[Path, Any], found: Any) -> None:
        """Fill `parameters` with the arrays of which backward leaves or returns a gradient."""
        same: dict[Any, list[Path]] = {}  # the paths of each array, which may have several
        for path, a in kept.items():
            same.setdefault(path if is_no_array(a) else id(a), []).append(path)
        names = {name_of(one[0]): one[0] for one in same.values()}
        alike_to = {one[0]: one for one in same.values()}
        paths = {name: key(path) for name, path in names.items()}
        named = {g: [g, *differentiated(g)] for g, _ in paths_of(found) if g}
        returned = {nearest_path(ways, paths) for ways in named.values()}
        floats = [a for a in self.inputs.values() if is_float(a)]
        rest = leaves(found)[len(floats) :] if isinstance(found, (tuple, list)) else []
        for alike in (3, 2, 1):
            for name, path in names.items():
                if name in self.parameters:
                    continue
                shape, used = np.shape(kept[path]), {p.gradient for p in self.parameters.values()}
                fits = [
                    g for g, d in after.items()
                    if np.shape(d) == shape and g not in used
                    and max(likeness(g, other) for other in alike_to[path]) >= alike
                    and not (is_no_array(d) and d is kept.get(g))
                ]  # fmt: skip
                moved = self.rate and not np.array_equal(plain(after[path]), plain(kept[path]))
                if moved or fits or name in returned:
                    self.parameters[name] = _Parameter(path, fits[0] if fits else None)
        if rest and not self.parameters:  # dx, dW, db in the order of the attributes
            shapes = [np.shape(d) for d in rest]
            likely = {n: p for n, p in names.items() if np.shape(kept[p]) in shapes}
            if [np.shape(kept[p]) for p in likely.values()] == shapes:
                self.parameters = {name: _Parameter(path, None) for name, path in likely.items()}
        order = [name for name in names if name in self.parameters]
        self.parameters = {name: self.parameters[name] for name in order}

    def _missing(self, kept: Mapping[Path, Any]) -> None:
        """Add arrays that are called like parameters and move the outputs, but have no gradient."""
        known = {id(kept[p.path]) for p in self.parameters.values()}
        base = self.outputs(self.call(self.fresh({}), {}))
        for path, a in kept.items():
            word = next((step for step in reversed(path) if isinstance(step, str)), "")
            if is_no_array(a) or id(a) in known or not _PARAMETER.fullmatch(word):
                continue
            name = name_of(path)
            self.parameters[name] = _Parameter(path, None)
            other = {name: plain(a) + 0.1 * (1 + np.abs(plain(a)))}
            moved = self.outputs(self.call(self.fresh(other), {}))
            if all(np.array_equal(x, y) for x, y in zip(leaves(base), leaves(moved), strict=True)):
                del self.parameters[name]

    def _left_out(self, found: Any, after: Mapping[Path, Any]) -> None:
        """Which inputs have gradients, in attributes or as results; answers of a loss have none."""
        floats = [name for name, a in self.inputs.items() if is_float(a)]
        self.places: dict[str, Path] = {}
        self.checked = floats
        if found is None:
            for name in floats:
                words = {name, "input", "inputs", "x", "X"} if name == floats[0] else {name}
                fits = [
                    g for g, d in after.items()
                    if len(g) == 1 and np.shape(d) == self.inputs[name].shape
                    and {w for k in differentiated(g) for w in k} & words
                ]  # fmt: skip
                if fits:
                    self.places[name] = fits[0]
            self.checked = list(self.places)
        elif isinstance(found, dict):
            paths = {name: (name,) for name in floats}
            ways = [[g, *differentiated(g)] for g, _ in paths_of(found)]
            self.checked = [n for n in floats if n in {nearest_path(w, paths) for w in ways}]
        else:
            shapes = [np.shape(g) for g in leaves(found)]
            for name in self.inputs if len(shapes) != len(self.parameters) else ():
                whole = np.ndim(self.inputs[name]) and name not in floats
                if whole and np.shape(self.inputs[name]) in shapes[len(floats) :]:
                    why = f"{name}, which holds integers; pass floats, as in {name}.astype(float)."
                    raise TypeError(f"{self.title}.{self.backward} gives a gradient of {why}")
            surplus = floats[len(leaves(found)) :]
            if all(TARGETS.fullmatch(name.lower()) for name in surplus):
                self.checked = [name for name in floats if name not in surplus]
        self.notes += [
            f"{self.title}.{self.backward or self.forward} gives no gradient of {name}, so it was "
            "not checked" for name in floats if name not in self.checked
        ]  # fmt: skip


def pair_of_object(subject: Any, given: Any) -> Pair:
    """The pair of an object with a forward and a backward method, and the inputs of forward.

    TypeError is raised where the object cannot be copied, or backward wants something else.
    """
    layer = _Layer(subject, given)
    blank = dict(arrays_in(layer.blank))
    inputs = {n: a for n, a in layer.inputs.items() if n in layer.checked or not is_float(a)}
    named = inputs | {n: np.array(plain(blank[p.path])) for n, p in layer.parameters.items()}

    def f(**values: Any) -> Any:
        return layer.outputs(layer.call(layer.fresh(values), values))

    def backward(*up: Any, **values: Any) -> dict[str, Any]:
        return layer.named_gradients(up[0] if up else None, values)

    backward.__name__ = f"{layer.title}.{layer.backward or layer.forward}"
    pair = Pair(f, backward, named, named, parameters_of(backward))
    pair.upstream, pair.notes = None if layer.is_loss else "random", layer.notes
    pair.passes = layer.passes, 1
    return pair


def is_float(value: Any) -> bool:
    """Whether an input is an array of floating-point numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
