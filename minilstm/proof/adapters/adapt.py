"""The door of this room: what a user hands to the checker, told apart and made into a pair.
Two functions, an object, a function of a framework, or one that returns its own gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from minilstm.proof.adapters.attributes import methods_of
from minilstm.proof.adapters.conventions import parameters_of
from minilstm.proof.adapters.frameworks import (
    TORCH,
    framework_functions,
    framework_of,
    library_of,
    with_signature,
)
from minilstm.proof.adapters.inputs import (
    as_input,
    copied,
    flat_pair,
    named_inputs,
    pair_of_functions,
)
from minilstm.proof.adapters.objects import pair_of_object
from minilstm.proof.adapters.pair import Pair


def pair_of(
    subject: Any, second: Any, third: Any, more: tuple[Any, ...],
    cached: bool | None, upstream: str | None,
) -> Pair:  # fmt: skip
    """The pair of what was handed in: (f, backward, inputs), or (one thing, its inputs ...).

    TypeError is raised where it is neither, or where inputs do not fit.
    """
    if upstream not in ("auto", "random", None):
        raise ValueError(
            f"upstream is {upstream!r}; pass 'random', or None where f is a loss and backward "
            "takes no upstream gradient."
        )
    owner = getattr(subject, "__self__", None)  # of New.apply
    subject = owner if isinstance(owner, type) and framework_of(owner) else subject
    kind = framework_of(subject)
    first_is_function = 0 in getattr(subject, "nondiff_argnums", ())  # of a custom_vjp of JAX
    both = callable(subject) and callable(second) and not more and not first_is_function
    if both and kind in ("", "jax"):
        return pair_of_functions(subject, second, third, cached, upstream)
    known = callable(subject) or methods_of(subject) is not None
    if not known or second is None:
        if methods_of(subject) is not None:
            raise TypeError("there are no inputs; pass those of the layer: gradcheck(layer, x).")
        name, thing = ("backward", second) if known else ("f", subject)
        raise TypeError(
            f"{name} is {type(thing).__name__}, not a function; pass f, backward and inputs, or an "
            "object with both methods and its inputs, or a network, its sequences and its answers."
        )
    given = second if third is None and not more else [second, third, *more]
    library = library_of(given)
    if kind or (library is not None and library.name == "jax" and methods_of(subject) is None):
        return _of_framework(subject, given)
    if isinstance(subject, type):
        raise TypeError(
            f"f is the class {subject.__name__}; pass an object of it, such as "
            f"{subject.__name__}(...)."
        )
    if methods_of(subject) is not None:
        return pair_of_object(subject, given)
    return _of_both(subject, given)


def _of_framework(subject: Any, given: Any) -> Pair:
    """The pair of a `torch.autograd.Function`, a module, or a function of JAX."""
    forward = with_signature(subject) if framework_of(subject) in TORCH else subject
    named, _ = named_inputs(forward, given)
    order = [n for n in parameters_of(forward).names if n in named]
    named = {name: named[name] for name in [*order, *(n for n in named if n not in order)]}
    return flat_pair(*framework_functions(subject, named), by_keyword=True)


def _of_both(subject: Callable[..., Any], given: Any) -> Pair:
    """The pair of a function that returns its value and its gradients, as (loss, dx)."""
    name = getattr(subject, "__name__", "f")
    named, by_keyword = named_inputs(subject, given)
    values = {n: copied(as_input(n, value)) for n, value in named.items()}
    once = subject(**values) if by_keyword else subject(*values.values())
    if isinstance(once, tuple) and len(once) == 2 and callable(once[1]):

        def pull(dy: Any, *args: Any, **named: Any) -> Any:
            return subject(*args, **named)[1](dy)

        first = wraps(subject)(lambda *args, **named: subject(*args, **named)[0])
        return pair_of_functions(first, pull, given, cached=False, upstream="random")

    @wraps(subject)
    def f(*args: Any, **named: Any) -> Any:
        result = subject(*args, **named)
        if not isinstance(result, tuple) or len(result) < 2:
            raise TypeError(
                f"{name} was given without a backward function and returns "
                f"{type(result).__name__}; return a loss and its gradients, or pass f, backward "
                "and inputs."
            )
        return result[0]

    def second(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def backward(*args: Any, **named: Any) -> Any:
            result = function(*args, **named)
            return result[1] if len(result) == 2 else result[1:]

        return backward

    pair = pair_of_functions(f, second(subject), given, cached=False, upstream=None)
    return replace(pair, written=subject, wrap=lambda function: pair.wrap(second(function)))
