"""The gradient checker: proves a backward pass against derivatives it cannot have got wrong.
It takes any two functions on arrays, a layer as people keep it, or a network.

The true derivative is computed by the complex step, exact to rounding (see `proof/derivatives`),
so no tolerance has to be forgiving. A function that takes no complex numbers is checked with
differences, whose error is estimated. The tolerance follows from the dtype, the sizes and that
estimate; the report prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minilstm.proof.adapters.adapt import pair_of
from minilstm.proof.checker.check import METHODS, check
from minilstm.proof.checker.comparison import Settings
from minilstm.proof.checker.functions import problem_of
from minilstm.proof.derivatives.randomness import generator
from minilstm.proof.reports.report import GradientReport


def gradcheck(
    f: Any = None,
    backward: Any = None,
    inputs: Any = None,
    *more: Any,
    method: str = "auto",
    cached: bool | None = None,
    upstream: str | None = "auto",
    axes: Mapping[str, tuple[Any, ...]] | None = None,
    wrt: str | Sequence[str] | None = None,
    tolerance: float | None = None,
    max_entries: int = 40,
    directions: int = 3,
    seed: int = 0,
    raises: bool = True,
    equations: Callable[..., Any] | None = None,
    net: Any = None,
    x: Any = None,
    y: Any = None,
) -> GradientReport:
    """Check every gradient of a pair of functions, or of a network.

    Each array is compared entry by entry where it is small; where it is large, at `max_entries`
    random entries and along one random direction, which every entry takes part in.

    Parameters
    ----------
    f : the forward pass: takes the inputs, returns an array, a number, or a tuple of them; with a
        cache behind them where backward takes one. Or an object with `forward` and `backward`,
        a `torch.autograd.Function` or module, a function of JAX, a function that returns a loss
        and its gradients: then its inputs are the next arguments. Or a `minilstm.Network`: then
        the next two are its sequences and its answers, as for `minilstm.train`, and the backend in
        force computes the gradients, in float64
    backward : takes the upstream gradient, of the structure of what f returns, and the inputs or
        the cache; returns the gradients of the floating-point inputs in order, or a dict by name.
        Upstream gradients are random numbers
    inputs : dict of arrays by name, passed by keyword; or a list of arrays, passed in order; dicts
        and lists of arrays among them. Floating-point arrays are differentiated, plain numbers too
        where backward gives their gradients; everything else is handed on
    *more : further inputs, where the first argument is one of those that need no backward
    method : "complex", the complex step; "difference", central differences with extrapolation and
        an error estimate, for functions that take no complex numbers; "auto", the first of the
        two that works; "directional", for large arrays: all of them at once along random
        directions, at most 6 forward passes and 1 backward as long as nothing is wrong
    cached : whether backward takes (upstream gradient, cache); None finds it out, and asks where
        it is in doubt
    upstream : "random"; None where f is a loss and backward takes the inputs, or the cache, alone;
        "auto" finds it out
    axes : what the axes of an input are, for the report: a tuple for each name with a word for
        each axis ("time", "batch", "feature", "unit" ...); "gates" or a tuple of labels such as
        ("i", "f", "o", "g") for an axis of equal blocks
    wrt : names of the arrays whose gradients are compared; None means all. Only these have to be
        returned by backward, in order or by name; a missing gradient of any other is wrong
    tolerance : largest relative error allowed; None derives it from the dtype, the sizes and the
        error estimate of the true derivative
    max_entries : entries of one array to compare one by one
    directions : of the directional check; with differences, a third as many
    seed : of upstream gradients, entries and directions, in streams that no generator of the user
        with the same seed gives
    raises : False returns the report of a wrong gradient
    equations : f once more in plain NumPy, with the same inputs and outputs, where f itself is
        compiled or calls another library: causes are looked for in its lines
    net, x, y : names of the first three arguments where f is a network

    Returns
    -------
    GradientReport

    Raises
    ------
    GradientError
        A gradient is wrong: the message names the array, the place, both values and the likely
        cause; the attribute ``report`` holds the whole report.
    UndecidedError
        A GradientError: none is wrong, but one was not tested, as nothing of it arrives, or cannot
        be judged at these inputs; the message says what to do.
    ValueError, TypeError
        The arguments do not fit together.

    Notes
    -----
    Errors are relative to the largest derivative of an array, or to a thousandth of what the
    array with the largest effect on the loss would give it, if that is more.

    Examples
    --------
    >>> import numpy as np
    >>> def f(x, W):
    ...     return np.tanh(x @ W)
    >>> def backward(dy, x, W):
    ...     dz = dy * (1 - f(x, W) ** 2)
    ...     return dz @ W.T, x.T @ dz
    >>> rng = np.random.default_rng(0)
    >>> inputs = {"x": rng.normal(size=(5, 3)), "W": rng.normal(size=(3, 2))}
    >>> gradcheck(f, backward, inputs).max_error < 1e-14
    True

    A network:

    >>> import minilstm as ml
    >>> layers = [ml.SequenceInput(3), ml.LSTM(4), ml.FullyConnected(2), ml.Softmax()]
    >>> net = ml.Network(layers, rng=rng)
    >>> report = gradcheck(net, rng.normal(size=(5, 3)), np.array([0, 1, 1, 0, 1]))
    >>> report.max_error < 1e-12
    True
    """
    subject, second, third = (
        a if a is not None else b for a, b in ((f, net), (backward, x), (inputs, y))
    )
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(map(repr, METHODS))}.")
    for name, number in (("max_entries", max_entries), ("directions", directions)):
        if number < 1:
            raise ValueError(f"{name} is {number}; it has to be at least 1.")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance is {tolerance}; it has to be above 0, or None.")
    from minilstm.network.network import Network

    if isinstance(subject, Network):
        from minilstm.proof.checker.networks import problem_of_network

        problem = problem_of_network(subject, second, third)
    else:
        rng = generator(seed, "upstream gradients")
        pair = pair_of(subject, second, third, more, cached, upstream)
        problem = problem_of(pair, axes=axes, wrt=wrt, rng=rng, equations=equations)
    problem.compare_only(wrt)
    report = check(problem, Settings(method, tolerance, max_entries, directions, seed))
    if raises and not report.passed:
        raise report.failure()
    return report
