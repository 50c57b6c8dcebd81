"""The losses and solvers that `minilstm gradcheck` tries, one problem each.
Losses are functions of plain arrays. Solvers are compared with their formulas, number by number.

Axes: N rows, C classes or columns, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilstm.backend import Backend, load_backend
from minilstm.losses import NAMES, find_loss
from minilstm.proof.derivatives.problem import Array
from minilstm.training.solvers import Arrays, solver_init, update


def loss_names() -> list[str]:
    """Every loss, alone and with the layers it takes in."""
    names: dict[str, None] = {}
    for loss in map(find_loss, NAMES):
        names[loss.name] = None
        if loss.fuses_with:
            names[f"{loss.name} with {loss.fuses_with}"] = None
    return [*names, "crossentropy with softmax and fully_connected"]


# A loss on the NumPy twin, its gradients on a backend, and the arrays of which both are functions.
LossProblem = tuple[Callable[..., Any], Callable[..., Any], dict[str, Array]]


def loss_problem(name: str, backend: Backend, rng: np.random.Generator) -> LossProblem:
    """A loss of a few rows, weighted; of those with classes, one row has none."""
    twin = load_backend("numpy")
    N, C = 7, 4
    loss = find_loss(name.split()[0])
    weights = rng.uniform(0.5, 2, N)  # (N,)
    t: Array = rng.standard_normal((N, C))
    if loss.kind == "classes":
        t = rng.integers(0, C, N)  # (N,)
        t[2] = -1
    elif loss.kind == "multilabel":
        t = rng.integers(0, 2, (N, C))
    rows = rng.standard_normal((N, C))
    divisor = loss.divisor(N, C)
    if name.endswith("fully_connected"):
        x, W = rng.standard_normal((N, 3)), rng.standard_normal((C, 3))
        return (
            lambda x, W, b: twin.classifier_loss(x, W, b, t, divisor, weights).loss,
            lambda x, W, b: _gradients_of_classifier(backend, x, W, b, t, divisor, weights),
            {"x": x, "W": W, "b": rng.standard_normal(C)},
        )
    to_device, to_host = backend.to_device, backend.to_host
    end = to_device(t), divisor, to_device(weights)  # of the gradients
    if " with " in name:
        return (
            lambda z: loss.fused_forward(twin, z, t, divisor, weights)[0],
            lambda z: to_host(
                loss.fused_backward(backend, loss.fused_forward(backend, to_device(z), *end)[1])
            ),
            {"z": rows},
        )
    if loss.fuses_with:  # it wants scores between 0 and 1
        layers = {"softmax": twin.softmax_forward, "sigmoid": twin.sigmoid_forward}
        rows = layers[loss.fuses_with](rows)[0]
    return (
        lambda y: loss.forward(twin, y, t, divisor, weights)[0],
        lambda y: to_host(loss.backward(backend, loss.forward(backend, to_device(y), *end)[1])),
        {"y": rows},
    )


def _gradients_of_classifier(
    backend: Backend, x: Array, W: Array, b: Array, t: Array, divisor: float, weights: Array
) -> dict[str, Array]:
    x, W, b, t, weights = map(backend.to_device, (x, W, b, t, weights))
    end = backend.classifier_loss(x, W, b, t, divisor, weights)
    return {name: backend.to_host(g) for name, g in (("x", end.dx), ("W", end.W), ("b", end.b))}


def given_statistics_problem(backend: Backend, rng: np.random.Generator) -> LossProblem:
    """Batch normalisation by given statistics; its gradients need one that arrives."""
    twin = load_backend("numpy")
    x, scale, offset, mean = (rng.standard_normal(s) for s in ((3, 2, 2, 3), 3, 3, 3))
    rest = mean, rng.uniform(0.5, 2, 3), 1e-5

    def gradients(dy: Array, x: Array, scale: Array, offset: Array) -> dict[str, Array]:
        given = map(backend.to_device, (x, scale, offset, *rest[:2]))
        cache = backend.batch_normalization_apply(*given, rest[2])[1]
        dx, grads = backend.batch_normalization_apply_backward(backend.to_device(dy), cache)
        found = {"x": dx, "scale": grads.scale, "offset": grads.offset}
        return {name: backend.to_host(g) for name, g in found.items()}

    return (
        lambda x, scale, offset: twin.batch_normalization_apply(x, scale, offset, *rest)[0],
        gradients,
        {"x": x, "scale": scale, "offset": offset},
    )


L2, RATE, STEPS = 0.01, 0.1, 3


def solver_problem(
    solver: str, backend: Backend, rng: np.random.Generator
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Three steps of a solver with an L2 term: where it goes, and where the formula goes.

    The gradients are others each time; the formula takes one number after another.
    """
    shapes = {"weights": (5, 3), "bias": (5,)}
    start = {k: np.asfortranarray(rng.standard_normal(s)) for k, s in shapes.items()}
    gradients = [{k: rng.standard_normal(s) for k, s in shapes.items()} for _ in range(STEPS)]
    p: Arrays = {k: backend.to_device(a) for k, a in start.items()}
    state = solver_init(solver, p)
    for step in gradients:
        g = {k: backend.to_device(a) for k, a in step.items()}
        p, state, _ = update(backend, p, g, state, RATE, l2=dict.fromkeys(shapes, L2))
    formula = {
        key: np.array(
            [
                _by_hand(solver, float(value[index]), [float(g[key][index]) for g in gradients])
                for index in np.ndindex(value.shape)
            ]
        ).reshape(value.shape)
        for key, value in start.items()
    }
    return {k: backend.to_host(a) for k, a in p.items()}, formula


def _by_hand(solver: str, p: float, gradients: list[float]) -> float:
    """Where one number goes, in Python's arithmetic, with the defaults of the solvers."""
    mean = square = velocity = 0.0
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + L2 * p
        if solver == "sgdm":
            velocity = 0.9 * velocity - RATE * g
            p += velocity
        elif solver == "rmsprop":
            square = 0.9 * square + 0.1 * g * g
            p -= RATE * g / (math.sqrt(square) + 1e-8)
        else:
            mean = 0.9 * mean + 0.1 * g
            square = 0.999 * square + 0.001 * g * g
            rate = RATE * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            p -= rate * mean / (math.sqrt(square) + 1e-8)
    return p
