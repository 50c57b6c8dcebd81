"""How two functions are called: with inputs, with a cache, nested, for a loss; it is found out.
Each form is right once, and wrong once where K, a factor of one gradient, is 2."""

import numpy as np
import pytest

import minilstm as ml

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
K = [1]  # the factor


@pytest.fixture
def doubled():
    K[0] = 2
    yield
    K[0] = 1


def affine_forward(x, w, b):
    return x @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    return dout @ w.T, x.T @ dout, K[0] * dout.sum(axis=0)


def norm_forward(x, gamma, bn_param):
    bn_param["running"] = bn_param.get("running", 0) + x.mean(axis=0)  # it writes into an option
    y = (x - x.mean(axis=0)) / np.sqrt(((x - x.mean(axis=0)) ** 2).mean(axis=0) + bn_param["eps"])
    return gamma * y, (x, y, gamma, bn_param)


def norm_backward(dout, cache):
    x, y, gamma, bn_param = cache
    d, v = dout * gamma, ((x - x.mean(axis=0)) ** 2).mean(axis=0) + bn_param["eps"]
    dx = (d - d.mean(axis=0) - y * (d * y).mean(axis=0)) / np.sqrt(v)
    return dx, K[0] * (dout * y).sum(axis=0)


def nested(x, params):
    h = np.tanh(x @ params["one"]["W"] + params["one"]["b"])
    return h @ params["two"][0]


def nested_backward(dy, x, params):
    h, V = np.tanh(x @ params["one"]["W"] + params["one"]["b"]), params["two"][0]
    dz = dy @ V.T * (1 - h**2)
    return dz @ params["one"]["W"].T, {
        "two": [h.T @ dy],
        "one": {"b": K[0] * dz.sum(axis=0), "W": x.T @ dz},
    }


def cell_forward(xt, a_prev, parameters):
    a = np.tanh(parameters["Wa"] @ np.vstack([a_prev, xt]) + parameters["ba"])
    return a, a[:1] * parameters["by"], (a, a_prev, xt, parameters)


def cell_backward(da, cache):  # the second output is left out, and "by" with it
    a, a_prev, xt, parameters = cache
    dz = da * (1 - a**2)
    back, n = parameters["Wa"].T @ dz, len(a)
    grads = {"dba": K[0] * dz.sum(axis=1, keepdims=True), "dxt": back[n:], "da_prev": back[:n]}
    return grads | {"dWa": dz @ np.vstack([a_prev, xt]).T}


def product(x, w):
    return np.tanh(x @ w), (x, w)


def product_backward(residuals, g):
    x, w = residuals
    dz = g * (1 - np.tanh(x @ w) ** 2)
    return dz @ w.T, K[0] * x.T @ dz


PARAMS = {"one": {"W": W, "b": B}, "two": [W.T]}
CELL = {"Wa": RNG.normal(size=(4, 7)), "ba": np.zeros((4, 1)), "by": np.ones((1, 1))}
FUNCTIONS = {
    "a cache": (affine_forward, affine_backward, {"x": X, "w": W, "b": B}, "x w b", "b"),
    "a cache, in order": (affine_forward, affine_backward, [X, W, B], "x w b", "b"),
    "a dict of options": (
        norm_forward, norm_backward, [X, np.ones(3), {"mode": "train", "eps": 1e-5}], "x gamma",
        "gamma",
    ),
    "a cache that is an array": (
        lambda x: (np.maximum(x, 0), x), lambda dout, cache: K[0] * dout * (cache > 0), X, "x", "x",
    ),
    "nested parameters": (
        nested, nested_backward, {"x": X, "params": PARAMS},
        "x params.one.W params.one.b params.two[0]", "params.one.b",
    ),
    "nested parameters, in order": (
        nested, nested_backward, [X, PARAMS], "x params.one.W params.one.b params.two[0]",
        "params.one.b",
    ),
    "one dict of gradients": (
        cell_forward, cell_backward, [X.T, RNG.normal(size=(4, 5)), CELL],
        "xt a_prev parameters.Wa parameters.ba parameters.by", "parameters.ba",
    ),
    "the cache first": (product, product_backward, [X, W], "x w", "w"),
    "a loss": (lambda x: (x**2).sum(), lambda x: 2 * K[0] * x, X, "x", "x"),
    "a derivative": (np.sin, lambda x: K[0] * np.cos(x), X, "x", "x"),
    "the upstream gradient alone": (
        lambda a, b: 2 * a + b, lambda dout: (2 * dout, K[0] * dout), [X, X + 1], "a b", "b",
    ),
    "that of one input": (lambda x: 2 * x, lambda dout: 2 * K[0] * dout, X, "x", "x"),
    "other names": (lambda x, w: x * w, lambda d, a, b: (d * b, K[0] * d * a),
                    {"x": X, "w": X + 1}, "x w", "w"),
}  # fmt: skip


@pytest.mark.parametrize("form", FUNCTIONS)
def test_how_functions_are_called_is_found_out(form, doubled):
    f, backward, inputs, names, wrong = FUNCTIONS[form]
    assert ml.gradcheck(f, backward, inputs, raises=False).wrong == [wrong]
    K[0] = 1
    report = ml.gradcheck(f, backward, inputs)
    assert [e.name for e in report.errors] == names.split()


def test_what_was_guessed_is_said():
    said = {
        form: ml.gradcheck(*FUNCTIONS[form][:3]).notes[:1]
        for form in ("a derivative", "one dict of gradients", "a cache")
    }
    derivative = (
        "backward takes no upstream gradient; it was taken for the derivative of each entry"
    )
    first = (
        "backward takes 1 upstream gradient and f returns 2 outputs; the first of them were checked"
    )
    assert list(said.values()) == [(derivative,), (first,), ()]


def test_a_doubt_is_a_question():
    def f(x):
        return np.tanh(x), np.tanh(x)

    sentence = (
        r"^f returns 2 results and backward takes \(d, a\), so the last result may be an output or "
        r"the cache; say cached=True, or cached=False\.$"
    )
    with pytest.raises(ValueError, match=sentence):
        ml.gradcheck(f, lambda d, a: d * (1 - a**2), X)
    assert ml.gradcheck(f, lambda d, a: d * (1 - a**2), X, cached=True).passed


def kept_forward(x, W):
    return x @ W, x


def two_kept_forward(x, W):
    return x @ W, x, W


def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, x):
    return K[0] * dout * (1 - np.tanh(x) ** 2)


def weights_backward(dout, x, W):
    return dout @ W.T, K[0] * (x.T @ dout)


@pytest.mark.parametrize(
    ("forward", "backward", "inputs"),
    [
        (tanh_forward, tanh_backward, {"x": X}),
        (kept_forward, weights_backward, {"x": X, "W": W}),
        (two_kept_forward, weights_backward, {"x": X, "W": W}),
    ],
)
def test_inputs_that_forward_hands_on_are_no_outputs(forward, backward, inputs, doubled):
    with pytest.raises(ml.GradientError) as caught:
        ml.gradcheck(forward, backward, inputs)
    assert caught.value.report.wrong == [[*inputs][-1]]
    K[0] = 1
    assert ml.gradcheck(forward, backward, inputs).passed


@pytest.mark.parametrize(("part", "wrong"), [(1, []), (0, ["W"])])
def test_an_output_that_is_an_input_counts_where_backward_takes_its_gradient(part, wrong):
    def backward(dys, x, W):
        return dys[0] @ W.T, x.T @ dys[0] + part * dys[1]

    report = ml.gradcheck(lambda x, W: (x @ W, W), backward, {"x": X, "W": W}, raises=False)
    assert report.wrong == wrong
