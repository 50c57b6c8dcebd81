"""Five gradient checkers side by side on the same 40 functions; run as a program for the table.
Each has to be used as its manual says: its own tolerances, its own way to hand in a backward pass.
"""

import inspect
import time
import warnings

import numpy as np

RNG = np.random.default_rng(8)


def n(*shape):
    return RNG.normal(size=shape)


def softmax(x):
    e = np.exp(x - np.max(x.real, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def centred(x):
    return x - x.mean(axis=-1, keepdims=True)


def deviation(x):
    return np.sqrt((centred(x) ** 2).mean(axis=-1, keepdims=True))


def norm_back(dy, x, mean=1.0):
    xn, sd = centred(x) / deviation(x), deviation(x)
    return (dy - mean * dy.mean(-1, keepdims=True) - xn * (dy * xn).mean(-1, keepdims=True)) / sd


def dense_back(dy, x, W, b, over=np.sum):
    dz = dy * (1 - np.tanh(x @ W + b) ** 2)
    return dz @ W.T, x.T @ dz, over(dz, axis=0)


def wide_back(dy, x, W):
    return dense_back(dy, x, W, 0)[:2]


def spoilt(gradient, factor):
    gradient = gradient.copy()
    gradient.flat[17] *= factor
    return gradient


def gelu_back(dy, x, c=0.044715):
    k = np.sqrt(2 / np.pi)
    t = np.tanh(k * (x + 0.044715 * x**3))
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * k * (1 + 3 * c * x**2))


def unit(x):
    return x / np.sqrt((x * x).sum())


# Name, f, the right backward, the wrong one, inputs; backward takes dy and the inputs.
CASES = [
    ("dense layer; a mean for a sum", lambda x, W, b: np.tanh(x @ W + b), dense_back,
     lambda dy, x, W, b: dense_back(dy, x, W, b, np.mean), [n(5, 3), n(3, 2), n(2)]),
    ("softmax; its diagonal alone", softmax,
     lambda dy, x: softmax(x) * (dy - (dy * softmax(x)).sum(-1, keepdims=True)),
     lambda dy, x: softmax(x) * (1 - softmax(x)) * dy, [n(4, 3)]),
    ("layer norm; the mean as a constant", lambda x: centred(x) / deviation(x), norm_back,
     lambda dy, x: norm_back(dy, x, 0.0), [n(3, 6)]),
    ("layer norm of pressures (offset 101325)", lambda x: centred(x) / deviation(x), norm_back,
     lambda dy, x: norm_back(dy, x, 0.0), [101325 + n(3, 6)]),
    ("variance of coordinates (offset 6.4e6)", lambda x: (centred(x) ** 2).mean(-1),
     lambda dy, x: 2 / x.shape[-1] * dy[:, None] * centred(x),
     lambda dy, x: 2 / (x.shape[-1] - 1) * dy[:, None] * centred(x), [6.4e6 + n(3, 5)]),
    ("log of numbers near 1e-6", np.log, lambda dy, x: dy / x, lambda dy, x: dy / (x + 1e-7),
     [1e-6 * RNG.uniform(0.5, 2, 6)]),
    ("root of numbers near 1e-5", np.sqrt, lambda dy, x: dy / (2 * np.sqrt(x)),
     lambda dy, x: dy / (2 * np.sqrt(x + 1e-6)), [1e-5 * RNG.uniform(0.5, 2, 6)]),
    ("entropy of probabilities of 1e-12", lambda p: -(p * np.log(p)).sum(),
     lambda dy, p: -dy * (np.log(p) + 1), lambda dy, p: -dy * np.log(p),
     [np.array([1e-12, 0.3, 0.7 - 1e-12])]),
    ("a gradient that is missing", lambda x, W, b: np.tanh(x @ W + b), dense_back,
     lambda dy, x, W, b: (*dense_back(dy, x, W, b)[:2], None), [n(5, 3), n(3, 2), n(2)]),
    ("a gradient that is zero", lambda x, W, b: np.tanh(x @ W + b), dense_back,
     lambda dy, x, W, b: (dense_back(dy, x, W, b)[0], 0 * W, dense_back(dy, x, W, b)[2]),
     [n(5, 3), n(3, 2), n(2)]),
    ("40 x 40 weights; one is 1 % off", lambda x, W: np.tanh(x @ W), wide_back,
     lambda dy, x, W: (wide_back(dy, x, W)[0], spoilt(wide_back(dy, x, W)[1], 1.01)),
     [n(3, 40) / 6, n(40, 40)]),
    ("2,000 entries; one is twice what it should be", lambda x: x**3,
     lambda dy, x: 3 * dy * x**2, lambda dy, x: spoilt(3 * dy * x**2, 2.0), [n(2000)]),
    ("a vector to length 1; no projection", unit,
     lambda dy, x: (dy - unit(x) * (dy * unit(x)).sum()) / np.sqrt((x * x).sum()),
     lambda dy, x: dy / np.sqrt((x * x).sum()), [n(5)]),
    ("numbers near 1e-8; a factor 2", lambda x, y: x * y, lambda dy, x, y: (dy * y, dy * x),
     lambda dy, x, y: (2 * dy * y, dy * x), [1e-8 * n(4), 1e-8 * n(4)]),
    ("numbers near 1e8; 0.1 % off", lambda x: (x * x).sum(), lambda dy, x: 2 * dy * x,
     lambda dy, x: 2.002 * dy * x, [1e8 * n(4)]),
    ("ReLU at 0; leaky below", lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0),
     lambda dy, x: dy * np.where(x > 0, 1, 0.01), [np.array([1.5, 0.0, -2.0, 0.3])]),
    ("clipping at its bound; no bound above", lambda x: np.clip(x, -1, 1),
     lambda dy, x: dy * (np.abs(x) < 1), lambda dy, x: dy * (x > -1),
     [np.array([0.5, 1.0, 2.0, -3.0])]),
    ("running sums; added up forward", lambda x: np.cumsum(x, axis=0),
     lambda dy, x: np.cumsum(dy[::-1], axis=0)[::-1], lambda dy, x: np.cumsum(dy, axis=0),
     [n(5, 2)]),
    ("x W W'; one of the two paths", lambda x, W: x @ W @ W.T,
     lambda dy, x, W: (dy @ W @ W.T, x.T @ (dy @ W) + dy.T @ (x @ W)),
     lambda dy, x, W: (dy @ W @ W.T, x.T @ (dy @ W)), [n(4, 3), n(3, 2)]),
    ("GELU; a constant of 0.0447 for 0.044715",
     lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), gelu_back,
     lambda dy, x: gelu_back(dy, x, 0.0447), [n(4, 3)]),
]  # fmt: skip


def as_tuple(grads):
    return grads if isinstance(grads, tuple) else (grads,)


def by_minilstm(f, backward, inputs):
    from minilstm.gradcheck import gradcheck

    report = gradcheck(f, backward, inputs, raises=False)
    return report.passed  # fmt: skip


def by_torch(f, backward, inputs):
    import torch

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *xs):
            ctx.save_for_backward(*xs)
            return torch.as_tensor(np.asarray(f(*(x.numpy() for x in xs))))

        @staticmethod
        def backward(ctx, dy):
            grads = backward(dy.numpy(), *(x.numpy() for x in ctx.saved_tensors))
            return tuple(None if g is None else torch.tensor(g.copy()) for g in as_tuple(grads))

    xs = tuple(torch.tensor(x, requires_grad=True) for x in inputs)
    return torch.autograd.gradcheck(F.apply, xs, raise_exception=False)  # fmt: skip


def by_jax(f, backward, inputs):
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def call(function, *xs):
        made = function(*(np.asarray(x) for x in xs))
        like = jax.tree.map(lambda a: jax.ShapeDtypeStruct(np.shape(a), np.float64), made)
        return jax.pure_callback(lambda *xs: function(*map(np.asarray, xs)), like, *xs)

    g = jax.custom_vjp(lambda *xs: call(f, *xs))
    g.defvjp(lambda *xs: (call(f, *xs), xs), lambda xs, dy: as_tuple(call(backward, dy, *xs)))
    try:
        check_grads(g, inputs, order=1, modes=["rev"])
    except AssertionError:
        return False
    return True  # fmt: skip


def by_autograd(f, backward, inputs):
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    g = primitive(f)

    def vjp(k):
        return lambda y, *xs: lambda dy: as_tuple(backward(dy, *xs))[k]

    defvjp(g, *(vjp(k) for k in range(len(inputs))))
    try:
        check_grads(g, tuple(range(len(inputs))), modes=["rev"], order=1)(*inputs)
    except AssertionError:
        return False
    return True  # fmt: skip


def by_scipy(f, backward, inputs):
    from scipy.differentiate import jacobian

    dy = np.random.default_rng(1).normal(size=np.shape(f(*inputs)))
    for k, (x, grad) in enumerate(zip(inputs, as_tuple(backward(dy, *inputs)), strict=True)):

        def loss(v, k=k, x=x):
            y = f(*inputs[:k], v.reshape(x.shape), *inputs[k + 1 :])
            return (dy * y).sum(keepdims=True).ravel()

        true = jacobian(lambda z, loss=loss: np.apply_along_axis(loss, 0, z), x.ravel())
        if grad is None or not np.allclose(grad.ravel(), true.df.ravel()):
            return False
    return True  # fmt: skip


TOOLS = {
    "minilstm": by_minilstm,
    "torch.autograd.gradcheck": by_torch,
    "jax.test_util.check_grads": by_jax,
    "scipy.differentiate": by_scipy,
    "autograd check_grads": by_autograd,
}


def judged(tool):
    """(names of wrong ones caught, names of right ones accused, seconds) of one checker."""
    caught, accused, start = [], [], time.perf_counter()
    for name, f, right, wrong, inputs in CASES:
        for backward, refused in ((right, accused), (wrong, caught)):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    passed = TOOLS[tool](f, backward, inputs)
                except ImportError:
                    raise
                except Exception:  # it stops there, and says why
                    passed = False
            if not passed:
                refused.append(name)
    return caught, accused, time.perf_counter() - start


def lines(tool):
    """Lines that a user writes around a function: imports, adapters and the call."""
    return sum(bool(line.strip()) for line in inspect.getsource(TOOLS[tool]).splitlines()) - 1


def row(tool, caught, accused, seconds):
    """A row of the table in the docs."""
    return (
        f"| {tool} | {len(caught)} of {len(CASES)} | {len(accused)} of {len(CASES)} | "
        f"{lines(tool)} | {seconds:.1f} |"
    )


if __name__ == "__main__":
    print("| checker | wrong ones caught | right ones accused | lines a user writes | seconds |")
    print("|---|---|---|---|---|")
    for tool in TOOLS:
        try:
            found = judged(tool)
        except ImportError as error:
            print(f"| {tool} | {error} |")
            continue
        print(row(tool, *found))
        missed = [name for name, *_ in CASES if name not in found[0]]
        print("   missed:", "; ".join(missed), "\n   accused:", "; ".join(found[1]))
