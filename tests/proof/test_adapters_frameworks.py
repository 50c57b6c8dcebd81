"""Functions and layers of PyTorch, JAX, CuPy and Numba, each in a line, in float64.
What is not installed is passed over; of CuPy there is a stand-in, as it needs a GPU."""

import sys
from types import ModuleType

import numpy as np
import pytest

import minilstm as ml

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4))


def judged(*what, **options):
    """Arrays that were checked and arrays that are wrong; the method is exact unless said so."""
    report = ml.gradcheck(*what, raises=False, **options)
    assert report.passed == (report.max_error < 1e-9)
    return " ".join(e.name for e in report.errors), " ".join(report.wrong)


# ---------------------------------------------------------------- PyTorch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def tanh_function(torch, factor=1):
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, W):
            y = torch.tanh(x @ W)
            ctx.save_for_backward(x, W, y)
            return y

        @staticmethod
        def backward(ctx, dy):
            x, W, y = ctx.saved_tensors
            dz = dy * (1 - y * y)
            return dz @ W.T, factor * x.T @ dz

    return Tanh


def test_a_function_of_pytorch(torch):
    x, w = torch.tensor(X, dtype=torch.float32), torch.tensor(W.astype(np.float32))
    for inputs in ((x, w), (X, W), ({"W": w, "x": X},)):
        assert judged(tanh_function(torch), *inputs) == ("x W", "")
        assert judged(tanh_function(torch, 2), *inputs) == ("x W", "W")
    report = ml.gradcheck(tanh_function(torch), x, w)
    assert (report.method, report.backend) == ("complex", "Tanh.backward")
    assert report.max_error < 1e-14 and torch.get_default_dtype() == torch.float32


def test_a_function_with_a_context_of_its_own_and_an_option(torch):
    class Power(torch.autograd.Function):
        @staticmethod
        def forward(x, k):
            return x**k

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.x, ctx.k = inputs

        @staticmethod
        def backward(ctx, dy):
            return dy * ctx.k * ctx.x ** (ctx.k - 1), None

    assert judged(Power, torch.tensor(X), 3) == ("x", "")


def test_a_module_of_pytorch(torch):
    class Layer(torch.nn.Module):
        def __init__(self, factor=1):
            super().__init__()
            self.W = torch.nn.Parameter(torch.tensor(W, dtype=torch.float32))
            self.norm, self.drop = torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5)
            self.factor = factor

        def forward(self, x):
            return self.drop(self.norm(tanh_function(torch, self.factor).apply(x, self.W)))

    x, layer = torch.tensor(X), Layer()
    before = layer.norm.running_mean.clone()
    assert judged(layer, x) == ("x W norm.weight norm.bias", "")
    assert layer.W.dtype == torch.float32 and torch.equal(before, layer.norm.running_mean)
    assert judged(Layer(factor=2), x) == ("x W norm.weight norm.bias", "W")
    assert judged(torch.nn.Embedding(5, 3), torch.tensor([0, 2, 2])) == ("weight", "")
    names = "input weight_ih_l0 weight_hh_l0 bias_ih_l0 bias_hh_l0"
    assert judged(torch.nn.LSTM(3, 4), torch.tensor(X[:, None])) == (names, "")


def test_functions_and_objects_on_tensors(torch):
    def f(x, W):
        y = torch.tanh(x @ W) + torch.zeros(1)
        return y, (x, W, y)

    def backward(dy, cache, factor=1):
        x, W, y = cache
        dz = dy * (1 - y * y)
        return {"dW": factor * x.T @ dz, "dx": dz @ W.T}

    class Layer:
        def __init__(self):
            self.W = torch.tensor(W, dtype=torch.float32)

        def forward(self, x):
            self.y, self.cache = f(x, self.W)
            return self.y

        def backward(self, dy):
            grads = backward(dy, self.cache)
            self.dW = grads["dW"]
            return grads["dx"]

    tensors = [torch.tensor(X), torch.tensor(W)]
    assert judged(f, backward, tensors) == ("x W", "")
    assert judged(f, lambda dy, cache: backward(dy, cache, 2), tensors) == ("x W", "W")
    assert judged(Layer(), tensors[0]) == ("x W", "")


# ---------------------------------------------------------------- JAX


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def tanh_pair(np_, factor=1):
    """Forward and backward as `defvjp` takes them."""

    def forward(x, w):
        y = np_.tanh(x @ w)
        return y, (x, w, y)

    def backward(residuals, g):
        x, w, y = residuals
        dz = g * (1 - y * y)
        return dz @ w.T, factor * x.T @ dz

    return forward, backward


def custom(jax, factor=1):
    forward, backward = tanh_pair(jax.numpy, factor)
    f = jax.custom_vjp(lambda x, w: forward(x, w)[0])
    f.defvjp(forward, backward)
    return f


def test_functions_of_jax(jax):
    x, w = jax.numpy.asarray(X), jax.numpy.asarray(W)  # float32
    assert judged(custom(jax), x, w) == judged(custom(jax), X, W) == ("x w", "")
    assert judged(custom(jax, 2), x, w) == ("x w", "w")
    assert judged(jax.jit(custom(jax)), {"w": w, "x": x}) == ("x w", "")  # in any order
    report = ml.gradcheck(custom(jax), x, w)
    assert report.max_error < 1e-14 and report.backend == "the vjp of <lambda>"
    assert jax.numpy.ones(1).dtype == np.float32


def test_pairs_and_trees_of_jax(jax):
    x, w = jax.numpy.asarray(X), jax.numpy.asarray(W)
    assert judged(*tanh_pair(jax.numpy), [x, w]) == ("x w", "")
    assert judged(*tanh_pair(jax.numpy, 2), [x, w]) == ("x w", "w")
    f = custom(jax)
    assert judged(f, lambda dy, x, w: jax.vjp(f, x, w)[1](dy), [x, w]) == ("x w", "")

    def model(params, x):
        return jax.numpy.tanh(x @ params["W"] + params["b"])

    params = {"W": w, "b": jax.numpy.ones(4)}
    assert judged(model, params, x) == ("params.W params.b x", "")


# ---------------------------------------------------------------- CuPy and Numba


class Device:
    """An array of the stand-in: NumPy's, but no function of NumPy takes it."""

    __array_ufunc__ = None

    def __init__(self, array):
        self.array, self.dtype, self.shape = array, array.dtype, array.shape

    def get(self):
        return self.array

    def __matmul__(self, other):
        return Device(self.array @ other.array)

    @property
    def T(self):
        return Device(self.array.T)


def test_arrays_of_cupy(monkeypatch):
    cupy = ModuleType("cupy")
    cupy.asarray = lambda a: Device(np.asarray(a))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(Device, "__module__", "cupy")

    def f(x, w):
        assert type(x) is type(w) is Device
        return x @ w

    def backward(dy, x, w):
        return dy @ w.T, x.T @ dy

    class Layer:
        def __init__(self):
            self.w = Device(W)

        def forward(self, x):
            self.x = x
            return x @ self.w

        def backward(self, dy):
            self.dw = self.x.T @ dy
            return dy @ self.w.T

    inputs = [Device(X.astype(np.float32)), Device(W)]
    assert judged(f, backward, inputs) == ("x w", "")
    assert judged(f, lambda dy, x, w: (dy @ w.T, dy.T @ dy @ w.T), inputs)[1] == "w"
    assert judged(Layer(), inputs[0]) == ("x w", "")


def test_functions_of_numba():
    numba = pytest.importorskip("numba")

    @numba.njit
    def f(x, w):
        return np.tanh(x) * w

    @numba.njit("float64[:](float64[:])")
    def only_real(x):
        return x * x

    @numba.njit
    def backward(dy, x, w):
        return dy * (1 - np.tanh(x) ** 2) * w, dy * np.tanh(x)

    inputs = {"x": X[0], "w": X[1]}
    assert judged(f, backward, inputs) == ("x w", "")
    report = ml.gradcheck(only_real, lambda dy, x: 2 * x * dy, X[0])
    assert report.method == "difference" and "f takes no complex numbers" in report.notes[0]


def test_no_framework_is_loaded_that_the_user_did_not_load():
    frameworks = {"torch", "jax", "cupy"} & set(sys.modules)
    ml.gradcheck(lambda x: x * x, lambda dy, x: 2 * x * dy, X)
    assert {"torch", "jax", "cupy"} & set(sys.modules) == frameworks
