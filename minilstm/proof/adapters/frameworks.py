"""Functions on arrays of PyTorch, JAX and CuPy, run in float64 and seen as functions of NumPy.
A framework is looked up among what is loaded already; none is imported here."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minilstm.proof.derivatives.trees import leaves, replaced


def home_of(thing: Any) -> str:
    """The package that a type, or the type of an object, comes from; jaxlib is jax."""
    kind = thing if isinstance(thing, type) else type(thing)
    return kind.__module__.partition(".")[0].replace("jaxlib", "jax")


TORCH = ("function", "module")
FOREIGN = ("torch", "jax", "cupy")


class Library:
    """Arrays of one library on one device, and the way to NumPy and back."""

    def __init__(self, name: str, example: Any = None) -> None:
        self.name, self.module = name, sys.modules[name]
        self.device = getattr(example, "device", "cpu") if name == "torch" else None

    def to_numpy(self, leaf: Any) -> Any:
        """A leaf of floats as a NumPy array, of float64 at least; anything else as it is."""
        if home_of(leaf) != self.name or not hasattr(leaf, "dtype"):
            return leaf
        if self.name == "torch":
            leaf = leaf.detach().cpu().resolve_conj()
            if not (leaf.is_floating_point() or leaf.is_complex()):
                return leaf
            return (leaf if leaf.is_complex() else leaf.double()).numpy()
        if np.dtype(leaf.dtype).kind not in "fcV":
            return leaf
        array = leaf.get() if self.name == "cupy" else np.asarray(leaf)
        return array if array.dtype.kind == "c" else array.astype(np.float64)

    def from_numpy(self, leaf: Any) -> Any:
        """A NumPy array, or a number of NumPy, as an array of the library."""
        if not isinstance(leaf, (np.ndarray, np.generic)):
            return leaf
        if self.name == "torch":
            return self.module.tensor(np.array(leaf), device=self.device)
        return getattr(self.module, "numpy", self.module).asarray(leaf)  # that of JAX, or CuPy

    def wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the library as one of NumPy, its results in the same structure."""

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            with self.in_float64():
                args, named = replaced((args, named), self.from_numpy)
                return replaced(function(*args, **named), self.to_numpy)

        return call

    @contextmanager
    def in_float64(self) -> Iterator[None]:
        """Within the block the library computes with 64 bits, and draws the same random numbers."""
        if self.name == "jax":
            switch = getattr(self.module, "enable_x64", None)
            switch = self.module.experimental.enable_x64 if switch is None else switch
            with switch(True):
                yield
        elif self.name == "torch":
            before = self.module.get_default_dtype()
            with self.module.random.fork_rng(devices=[]):
                self.module.manual_seed(0)
                self.module.set_default_dtype(self.module.float64)
                try:
                    yield
                finally:
                    self.module.set_default_dtype(before)
        else:
            yield


def plain(leaf: Any) -> Any:
    """An array of floats of another library as NumPy's, anything else as it is."""
    return Library(home_of(leaf)).to_numpy(leaf) if home_of(leaf) in FOREIGN else leaf


def library_of(tree: Any) -> Library | None:
    """The library of the first array in a tree that is not NumPy's; None where all are."""
    for leaf in leaves(tree):
        if home_of(leaf) in FOREIGN and hasattr(leaf, "dtype"):
            return Library(home_of(leaf), leaf)
    return None


def framework_of(subject: Any) -> str:
    """ "function" or "module" of PyTorch, "jax" for a function of JAX, "" for anything else."""
    if isinstance(subject, type):
        bases = [f"{base.__module__}.{base.__name__}" for base in subject.__mro__]
        return "function" if "torch.autograd.function.Function" in bases else ""
    bases = [f"{base.__module__}.{base.__name__}" for base in type(subject).__mro__]
    if "torch.nn.modules.module.Module" in bases:
        return "module"
    return "jax" if home_of(subject) == "jax" and callable(subject) else ""


def framework_functions(
    subject: Any, given: Mapping[str, Any]
) -> tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]:
    """Forward, backward and inputs by name of a function of PyTorch or JAX, or of a module.

    Backward is what the framework itself runs, and so that of the user where there is one; the
    parameters of a module are inputs by their names.
    """
    is_torch = framework_of(subject) in TORCH
    library = library_of(given) or Library("torch" if is_torch else "jax")
    run, parameters, title = (_torch_run if is_torch else _jax_run)(subject)
    pull = _torch_gradients if is_torch else _jax_gradients

    def forward(**values: Any) -> Any:
        with library.in_float64():
            return replaced(run(replaced(values, library.from_numpy)), library.to_numpy)

    def backward(dy: Any, **values: Any) -> dict[str, Any]:
        with library.in_float64():
            found = pull(run, *replaced((values, dy), library.from_numpy))
            return {name: replaced(tree, library.to_numpy) for name, tree in found.items()}

    backward.__name__ = title
    return forward, backward, replaced({**given, **parameters}, library.to_numpy)


def _torch_run(subject: Any) -> tuple[Callable[..., Any], dict[str, Any], str]:
    """How to run it on tensors by name, its parameters, and what its backward is called."""
    if isinstance(subject, type):
        apply: Callable[..., Any] = subject.apply  # type: ignore[attr-defined]
        return lambda values: apply(*values.values()), {}, f"{subject.__name__}.backward"
    module = copy.deepcopy(subject).double()
    parameters, rest = dict(module.named_parameters()), dict(module.named_buffers())

    def run(values: Mapping[str, Any]) -> Any:
        arguments = {k: v for k, v in values.items() if k not in parameters}
        state = {k: values[k] for k in parameters} | {k: v.clone() for k, v in rest.items()}
        return sys.modules["torch"].func.functional_call(module, state, (), arguments)

    return run, parameters, f"autograd of {type(subject).__name__}"


def _torch_gradients(run: Callable[..., Any], values: dict[str, Any], dy: Any) -> dict[str, Any]:
    torch: Any = sys.modules["torch"]
    with torch.enable_grad():
        asked = [t for t in leaves(values) if home_of(t) == "torch" and t.is_floating_point()]
        for tensor in asked:
            tensor.requires_grad_(True)
        # Copies, as a function may write into what it is given, which no leaf of a graph allows.
        own = replaced(values, lambda t: t.clone() if any(t is one for one in asked) else t)
        pairs = zip(leaves(run(own)), leaves(dy), strict=True)
        used = [(y, up) for y, up in pairs if up is not None and y.requires_grad]
        outs, ups = [list(side) for side in zip(*used, strict=True)] or [[], []]
        found = torch.autograd.grad(outs, asked, ups, allow_unused=True) if outs else ()
    by_tensor = {id(t): g for t, g in zip(asked, found, strict=bool(outs))}
    return {k: replaced(v, lambda t: by_tensor.get(id(t))) for k, v in values.items()}


def _jax_run(subject: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any], str]:
    name = getattr(subject, "__name__", "f")
    return lambda values: subject(*values.values()), {}, f"the vjp of {name}"


def _jax_gradients(run: Callable[..., Any], values: dict[str, Any], dy: Any) -> dict[str, Any]:
    kinds = {name: {np.asarray(p).dtype.kind for p in leaves(a)} for name, a in values.items()}
    some = {name: a for name, a in values.items() if kinds[name] == {"f"}}
    out, pull = sys.modules["jax"].vjp(lambda some: run({**values, **some}), some)
    kinds_out = iter([getattr(y, "dtype", None) for y in leaves(out)])  # perhaps float32
    found: dict[str, Any] = pull(replaced(dy, lambda d: d.astype(next(kinds_out))))[0]
    return found


def with_signature(subject: Any) -> Any:
    """A function with the signature of a forward pass of PyTorch, without its ctx."""
    found = [*inspect.signature(subject.forward).parameters.values()]
    # With a `setup_context` of its own, the forward pass of a function has no ctx.
    setup = getattr(subject, "setup_context", None)
    has_ctx = isinstance(subject, type) and str(getattr(setup, "__module__", "")).startswith(
        "torch"
    )

    def forward() -> None:
        pass

    vars(forward)["__signature__"] = inspect.Signature(found[has_ctx:])
    return forward
