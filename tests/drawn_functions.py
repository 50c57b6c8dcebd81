"""Functions as people write them, drawn with their data at scales and offsets from 1e-8 to 1e8.
Each comes with its right backward pass.
"""

from collections import namedtuple

import numpy as np

# One function with its data, what is right (gradients by name), and its family.
Drawn = namedtuple("Drawn", "name f backward inputs")


def layer_norm(d):
    eps = d.pick(1e-5, 1e-5 * d.scale**2, 0.0)

    def f(x, g, b):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * g + b

    def backward(dy, x, g, b):
        std = np.sqrt(x.var(-1, keepdims=True) + eps)
        y = (x - x.mean(-1, keepdims=True)) / std
        dn = dy * g
        means = dn.mean(-1, keepdims=True), (dn * y).mean(-1, keepdims=True)
        return {"x": (dn - means[0] - y * means[1]) / std, "g": (dy * y).sum(0), "b": dy.sum(0)}

    D = d.D = d.D + 2  # two numbers are +-1 when normalised, whatever they were
    return f, backward, {"x": d.data(), "g": d.rng.normal(size=D), "b": d.rng.normal(size=D)}


def batch_norm(d):
    def f(x, g):
        c = x - x.mean(0)
        return g * c / np.sqrt((c * c).mean(0))

    def backward(dy, x, g):
        c = x - x.mean(0)
        std = np.sqrt((c * c).mean(0))
        y = c / std
        dn = dy * g
        return {"x": (dn - dn.mean(0) - y * (dn * y).mean(0)) / std, "g": (dy * y).sum(0)}

    return f, backward, {"x": d.data(rows=4), "g": d.rng.normal(size=d.D)}


def standardise(d):
    def f(x):
        return (x - x.mean(0)) / x.std(0)

    def backward(dy, x):
        std = x.std(0)
        y = (x - x.mean(0)) / std
        return {"x": (dy - dy.mean(0) - y * (dy * y).mean(0)) / std}

    return f, backward, {"x": d.data(rows=4)}


def rms_norm(d):
    eps = d.pick(1e-8, 0.0)

    def f(x, g):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * g

    def backward(dy, x, g):
        r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        dn = dy * g
        return {
            "x": r * (dn - x * r * r * (dn * x).mean(-1, keepdims=True)), "g": (dy * x * r).sum(0),
        }  # fmt: skip

    return f, backward, {"x": d.data(), "g": d.rng.normal(size=d.D)}


def unit_length(d):
    def f(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def backward(dy, x):
        n = np.linalg.norm(x, axis=-1, keepdims=True)
        return {"x": dy / n - x * (dy * x).sum(-1, keepdims=True) / n**3}

    return f, backward, {"x": d.data()}


def min_max(d):
    def f(x):
        return (x - x.min()) / (x.max() - x.min())

    def backward(dy, x):
        low, high = x.min(), x.max()
        y = (x - low) / (high - low)
        dx = dy / (high - low)
        dx[np.unravel_index(x.argmin(), x.shape)] -= (dy * (1 - y)).sum() / (high - low)
        dx[np.unravel_index(x.argmax(), x.shape)] -= (dy * y).sum() / (high - low)
        return {"x": dx}

    return f, backward, {"x": d.data()}


def mean(d):
    axis = d.pick(0, 1)

    def backward(dy, x):
        return {"x": np.expand_dims(dy, axis) / x.shape[axis] * np.ones_like(x)}

    return lambda x: x.mean(axis), backward, {"x": d.data()}


def total(d):
    return lambda x: x.sum(), lambda dy, x: {"x": dy * np.ones_like(x)}, {"x": d.data()}


def variance(d):
    ddof = d.pick(0, 1)

    def backward(dy, x):
        return {"x": 2 * dy * (x - x.mean(0)) / (len(x) - ddof)}

    return lambda x: x.var(0, ddof=ddof), backward, {"x": d.data()}


def deviation(d):
    def backward(dy, x):
        return {"x": dy * (x - x.mean(0)) / x.std(0) / len(x)}

    return lambda x: x.std(0), backward, {"x": d.data()}


def mean_square(d):
    def backward(dy, x, y):
        dx = dy * 2 * (x - y) / x.size
        return {"x": dx, "y": -dx}

    x = d.data()
    return lambda x, y: ((x - y) ** 2).mean(), backward, {"x": x, "y": d.near(x)}


def largest(d):
    def backward(dy, x):
        return {"x": dy[:, None] * (x == x.max(1)[:, None])}

    return lambda x: x.max(1), backward, {"x": d.data()}


def length(d):
    def backward(dy, x):
        return {"x": dy * x / np.linalg.norm(x)}

    return np.linalg.norm, backward, {"x": d.data()}


def distance(d):
    def f(x, y):
        return np.sqrt(((x - y) ** 2).sum(-1))

    def backward(dy, x, y):
        dx = dy[..., None] * (x - y) / f(x, y)[..., None]
        return {"x": dx, "y": -dx}

    x = d.data()
    return f, backward, {"x": x, "y": d.near(x)}


def distance_by_norm(d):
    def f(x, y):
        return np.linalg.norm(x - y, axis=1)

    _, backward, inputs = distance(d)
    return f, backward, inputs


def sum_of_absolutes(d):
    return (
        lambda x, y: np.abs(x - y).sum(0),
        lambda dy, x, y: {"x": dy * np.sign(x - y), "y": -dy * np.sign(x - y)},
        dict(zip("xy", (x := d.data(), d.near(x)), strict=True)),
    )


def matrix_product(d):
    def backward(dy, x, W, b):
        return {"x": dy @ W.T, "W": x.T @ dy, "b": dy.sum(0)}

    inputs = {"x": d.data(), "W": d.rng.normal(size=(d.D, 2)), "b": d.other() * np.ones(2)}
    return lambda x, W, b: x @ W + b, backward, inputs


def product(d):
    def backward(dy, x, y):
        return {"x": dy * y, "y": (dy * x).sum(0)}

    return lambda x, y: x * y, backward, {"x": d.data(), "y": d.other() * d.rng.normal(size=d.D)}


def product_of_all(d):
    def backward(dy, x):
        others = [np.delete(x, k, axis=1).prod(1) for k in range(x.shape[1])]
        return {"x": dy[:, None] * np.stack(others, axis=1)}

    return lambda x: x.prod(1), backward, {"x": d.data()}


def quotient(d):
    def backward(dy, x, y):
        return {"x": dy / y, "y": -dy * x / y**2}

    return lambda x, y: x / y, backward, {"x": d.data(), "y": d.positive()}


def softmax(d):
    def f(x):
        e = np.exp((x - x.max(-1, keepdims=True)) / d.scale)
        return e / e.sum(-1, keepdims=True)

    def backward(dy, x):
        y = f(x)
        return {"x": y * (dy - (dy * y).sum(-1, keepdims=True)) / d.scale}

    return f, backward, {"x": d.data()}


def softmax_of_products(d):
    def f(x, W):
        z = x @ W
        e = np.exp(z - z.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def backward(dy, x, W):
        y = f(x, W)
        dz = y * (dy - (dy * y).sum(-1, keepdims=True))
        return {"x": dz @ W.T, "W": x.T @ dz}

    x = d.data()
    return f, backward, {"x": x, "W": d.rng.normal(size=(d.D, 3)) / np.abs(x).max()}


def log_softmax(d):
    def f(x):
        z = (x - x.max(-1, keepdims=True)) / d.scale
        return z - np.log(np.exp(z).sum(-1, keepdims=True))

    def backward(dy, x):
        return {"x": (dy - np.exp(f(x)) * dy.sum(-1, keepdims=True)) / d.scale}

    return f, backward, {"x": d.data()}


def log_sum_exp(d):
    def f(x):
        m = x.max(-1, keepdims=True)
        return (m + np.log(np.exp(x - m).sum(-1, keepdims=True)))[:, 0]

    def backward(dy, x):
        return {"x": dy[:, None] * np.exp(x - f(x)[:, None])}

    return f, backward, {"x": d.data()}


def logarithm(d):
    return lambda x: np.log(x), lambda dy, x: {"x": dy / x}, {"x": d.positive()}


def log_of_one_more(d):
    return lambda x: np.log1p(x), lambda dy, x: {"x": dy / (1 + x)}, {"x": d.positive()}


def entropy(d):
    def f(p):
        return -(p * np.log(p)).sum(-1)

    return f, lambda dy, p: {"p": -dy[:, None] * (np.log(p) + 1)}, {"p": d.probabilities()}


def cross_entropy(d):
    t = np.eye(d.D)[d.rng.integers(0, d.D, d.B)]

    f = lambda p: -(t * np.log(p)).sum() / len(p)  # noqa: E731
    return f, lambda p: {"p": -t / p / len(p)}, {"p": d.probabilities()}


def binary_cross_entropy(d):
    t = d.rng.integers(0, 2, (d.B, d.D))

    def f(p):
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1)

    def backward(dy, p):
        return {"p": dy[:, None] * (p - t) / (p * (1 - p)) / p.shape[1]}

    p = d.probabilities()
    return f, backward, {"p": np.where(d.rng.random(p.shape) < 0.5, p, 1 - np.maximum(p, 1e-13))}


def divergence(d):
    def f(p, q):
        return (p * (np.log(p) - np.log(q))).sum(-1)

    def backward(dy, p, q):
        d = dy[:, None]
        return {"p": d * (np.log(p) - np.log(q) + 1), "q": -d * p / q}

    return f, backward, {"p": d.probabilities(), "q": d.probabilities()}


def root(d):
    return lambda x: np.sqrt(x), lambda dy, x: {"x": dy / (2 * np.sqrt(x))}, {"x": d.positive()}


def cube_root(d):
    return lambda x: np.cbrt(x), lambda dy, x: {"x": dy / (3 * np.cbrt(x) ** 2)}, {"x": d.data()}


def power(d):
    a = d.pick(0.3, -0.5, 1.7)
    return lambda x: x**a, lambda dy, x: {"x": dy * a * x ** (a - 1)}, {"x": d.positive()}


def smooth_absolute(d):
    def f(x):
        return np.sqrt(x * x + 1e-6)

    return f, lambda dy, x: {"x": dy * x / f(x)}, {"x": d.data()}


def cumulative_sum(d):
    def backward(dy, x):
        return {"x": np.cumsum(dy[:, ::-1], axis=1)[:, ::-1]}

    return lambda x: np.cumsum(x, axis=1), backward, {"x": d.data()}


def cumulative_product(d):
    def backward(dy, x):
        y = np.cumprod(x, axis=1)
        return {"x": np.cumsum((dy * y)[:, ::-1], axis=1)[:, ::-1] / x}

    return lambda x: np.cumprod(x, axis=1), backward, {"x": d.data()}


def cumulative_sum_of_differences(d):
    def f(x):
        return np.cumsum(((x - x[:1]) / d.scale) ** 2, axis=0)

    def backward(dy, x):
        dx = np.cumsum(dy[::-1], axis=0)[::-1] * 2 * (x - x[:1]) / d.scale**2
        dx[0] -= dx.sum(0)
        return {"x": dx}

    return f, backward, {"x": d.data()}


FAMILIES = (
    layer_norm, batch_norm, standardise, rms_norm, unit_length, min_max,
    mean, total, variance, deviation, mean_square, largest,
    length, distance, distance_by_norm, sum_of_absolutes,
    matrix_product, product, product_of_all, quotient,
    softmax, softmax_of_products, log_softmax, log_sum_exp,
    logarithm, log_of_one_more, entropy, cross_entropy, binary_cross_entropy, divergence,
    root, cube_root, power, smooth_absolute,
    cumulative_sum, cumulative_product, cumulative_sum_of_differences,
)  # fmt: skip


class Draw:
    """The data of one function: sizes, a scale, an offset."""

    def __init__(self, number):
        self.rng = rng = np.random.default_rng([number, 19])
        self.B, self.D = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        self.scale = 10.0 ** rng.uniform(-8, 8)
        self.offset = 10.0 ** rng.uniform(-8, 8) * rng.choice([-1, 1])

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def other(self):
        return 10.0 ** self.rng.uniform(-8, 8)

    def data(self, rows=None):
        """(B, D) numbers around the offset, or each column around one of its own."""
        noise = self.rng.normal(size=(rows or self.B, self.D))
        return self.offset * self.pick(np.ones(self.D), np.arange(self.D)) + self.scale * noise

    def near(self, x):
        """Other data of the scale at the same offset."""
        return x + self.scale * self.rng.normal(size=x.shape)

    def positive(self):
        """(B, D) numbers above zero, of several orders of magnitude."""
        return self.scale * np.exp(self.rng.normal(0, 3, size=(self.B, self.D)))

    def probabilities(self):
        """(B, D) rows that add up to one, some of whose entries are tiny."""
        p = np.exp(self.rng.normal(0, self.pick(1, 5, 12), size=(self.B, self.D)))
        return p / p.sum(-1, keepdims=True)


def drawn(number):
    family = FAMILIES[number % len(FAMILIES)]
    return Drawn(family.__name__, *family(Draw(number)))
