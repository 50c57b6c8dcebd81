"""Layers as people keep them: which arrays are checked, and under which names.
Each form is right once, and wrong once where K, a factor of one gradient, is 2."""

import numpy as np
import pytest

import minilstm as ml

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
LABELS = np.array([0, 1, 2, 0, 1])
PROBABILITIES = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
K = [1]  # the factor


class Dense:
    """`.dW`, `.db`, and dx returned; everything below changes a part of it."""

    def __init__(self):
        self.W, self.b = W.copy(), B.copy()

    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.W + self.b)
        return self.y

    def both(self, dy):
        dz = dy * (1 - self.y**2)
        return dz @ self.W.T, self.x.T @ dz, K[0] * dz.sum(axis=0)

    def backward(self, dy):
        dx, self.dW, self.db = self.both(dy)
        return dx


class Grads(Dense):
    def backward(self, dy):
        dx, dW, db = self.both(dy)
        self.grads = {"W": dW, "b": db}
        return dx


class Used(Dense):
    def __init__(self):
        super().__init__()
        self.grad_W, self.grad_b = np.zeros_like(W), np.zeros_like(B)
        self.forward(X)
        self.backward(np.ones((5, 4)))

    def backward(self, dy):
        dx, dW, db = self.both(dy)
        self.grad_W += dW
        self.grad_b += db
        return dx


class Returns(Dense):
    def backward(self, dy):
        return self.both(dy)


class ReturnsByName(Dense):
    def backward(self, dy):
        return dict(zip(("db", "dW", "dx"), self.both(dy)[::-1], strict=True))


class OtherNames(Dense):
    def __init__(self):
        self.weights, self.bias = W.copy(), B.copy()

    def forward(self, x):
        self.W, self.b = self.weights + 0, self.bias + 0
        return super().forward(x)

    def backward(self, dy):
        self.dx, self.dW, self.db = self.both(dy)


class Slot:
    def __init__(self, value):
        self.data, self.grad = value, np.zeros_like(value)


class Slots:
    def __init__(self):
        self.W, self.b = Slot(W), Slot(B)

    def forward(self, x):
        self.x = x
        return x @ self.W.data + self.b.data

    def backward(self, dy):
        self.W.grad += self.x.T @ dy
        self.b.grad += K[0] * dy.sum(axis=0)
        return dy @ self.W.data.T


class Lists:
    def __init__(self):
        self.params, self.grads = [W, B], [np.zeros_like(W), np.zeros_like(B)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = K[0] * dout.sum(axis=0)
        return dout @ self.params[0].T


class Activation:
    def forward(self, inputs):
        self.output = 1 / (1 + np.exp(-inputs))

    def backward(self, dvalues):
        self.dinputs = K[0] * dvalues * self.output * (1 - self.output)


class NnfsDense:
    def __init__(self):
        self.weights, self.biases = W.copy(), B[None].copy()

    def forward(self, inputs):
        self.inputs, self.output = inputs, inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = K[0] * dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class NnfsLoss:
    def forward(self, y_pred, y_true):
        return -np.log(y_pred[range(len(y_pred)), y_true])

    def backward(self, dvalues, y_true):
        self.dinputs = -K[0] * np.eye(3)[y_true] / dvalues / len(dvalues)


class AddedUp(NnfsLoss):
    def backward(self, dvalues, y_true):
        return -K[0] * np.eye(3)[y_true] / dvalues


class NnfsBoth:
    def forward(self, inputs, y_true):
        e = np.exp(inputs)
        self.output = e / e.sum(axis=1, keepdims=True)
        return NnfsLoss().forward(self.output, y_true).mean()

    def backward(self, dvalues, y_true):
        self.dinputs = K[0] * (dvalues - np.eye(3)[y_true]) / len(dvalues)


class Error:
    def forward(self, prediction, target):
        self.difference = prediction - target
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * K[0] * self.difference / self.difference.size


class Lazy:
    """Parameters are drawn by the first forward pass, inputs kept in a list, gradients added up."""

    def __init__(self):
        self.X, self.parameters, self.gradients = [], {}, {}

    def forward(self, X, retain_derived=True):
        if not self.parameters:
            self.parameters = {"W": np.random.normal(size=(3, 4)), "b": np.zeros((1, 4))}  # noqa: NPY002
            self.flush_gradients()
        self.X += [X] * retain_derived
        return X @ self.parameters["W"] + self.parameters["b"]

    def flush_gradients(self):
        self.X = []
        self.gradients = {k: np.zeros_like(v) for k, v in self.parameters.items()}

    def backward(self, dLdY, retain_grads=True):
        for X in self.X:
            self.gradients["W"] += X.T @ dLdY
            self.gradients["b"] += K[0] * dLdY.sum(axis=0, keepdims=True)
        return dLdY @ self.parameters["W"].T


class Updates:
    def __init__(self):
        self.weights, self.bias = RNG.normal(size=(2, 5)), RNG.normal(size=(2, 1))

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        into = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.input.T
        self.bias -= K[0] * learning_rate * output_gradient.sum(axis=1, keepdims=True)
        return into


class Slope:
    def __init__(self):
        self.a, self.dt, self.t = 0.25, 0.1, 0.0  # the last two are no pair

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, dy):
        self.da = K[0] * np.sum(dy * self.x * (self.x <= 0))
        return dy * np.where(self.x > 0, 1, self.a)


class Dropout:
    def __call__(self, x):
        self.mask = np.random.rand(*x.shape) > 0.5  # noqa: NPY002
        return x * self.mask

    def backward(self, dy):
        return K[0] * dy * self.mask


class Step:
    def __init__(self):
        self.Wx, self.Wh = W.copy(), RNG.normal(size=(4, 4))

    def forward(self, x, h_prev):
        h = np.tanh(x @ self.Wx + h_prev @ self.Wh)
        return h, (x, h_prev, h)

    def backward(self, dh, cache):
        x, h_prev, h = cache
        dz = dh * (1 - h**2)
        self.dWx, self.dWh = x.T @ dz, K[0] * h_prev.T @ dz
        return dz @ self.Wx.T, dz @ self.Wh.T


class Model:
    """Layers in a list, one of which has another array called b."""

    def __init__(self):
        self.layers = [Dense(), Activation()]

    def forward(self, x):
        self.layers[1].forward(self.layers[0].forward(x))
        return self.layers[1].output

    def backward(self, dy):
        self.layers[1].backward(dy)
        return self.layers[0].backward(self.layers[1].dinputs / K[0])


class LossAndGrads:
    def __init__(self):
        self.params = {"W1": W[:, :3].copy(), "b1": np.zeros(3)}

    def loss(self, X, y=None):
        scores = X @ self.params["W1"] + self.params["b1"]
        loss, d = softmax_loss(scores, y)
        return loss, {"W1": X.T @ d / K[0], "b1": d.sum(axis=0)}


def softmax_loss(x, y):
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return -np.log(p[range(len(x)), y]).mean(), K[0] * (p - np.eye(3)[y]) / len(x)


class Normalised:
    """First values 1 and 0, which hide a factor of x's gradient and a term of beta's."""

    def __init__(self):
        self.gamma, self.beta = np.ones(3), np.zeros(3)

    def forward(self, x):
        self.x = x
        return self.gamma * np.tanh(x) + self.beta + self.beta**2

    def backward(self, dy):
        self.dgamma = (dy * np.tanh(self.x)).sum(axis=0)
        self.dbeta = (dy * (1 + 2 * self.beta * (K[0] == 1))).sum(axis=0)
        return dy * (self.gamma if K[0] == 1 else 1) * (1 - np.tanh(self.x) ** 2)


STATE = {"x": X, "h_prev": RNG.normal(size=(5, 4))}
# Name, what is checked, its inputs, the arrays, and those that are wrong where K is 2.
OBJECTS = {
    "attributes": (Dense, (X,), "x W b", "b"),
    "a dict of gradients": (Grads, (X,), "x W b", "b"),
    "gradients that add up, used before": (Used, (X,), "x W b", "b"),
    "all returned": (Returns, (X,), "x W b", "b"),
    "all returned by name": (ReturnsByName, (X,), "x W b", "b"),
    "weights and dW": (OtherNames, (X,), "x weights bias", "bias"),
    "W.grad": (Slots, (X,), "x W b", "b"),
    "params and grads in order": (Lists, (X,), "x params[0] params[1]", "params[1]"),
    "outputs and dinputs left": (Activation, (X,), "inputs", "inputs"),
    "nnfs": (NnfsDense, (X,), "inputs weights biases", "biases"),
    "a loss of each sample": (NnfsLoss, (PROBABILITIES, LABELS), "y_pred", "y_pred"),
    "losses that are added": (AddedUp, (PROBABILITIES, LABELS), "y_pred", "y_pred"),
    "a softmax within its loss": (NnfsBoth, (X, LABELS), "inputs", "inputs"),
    "a loss": (Error, (X, X + 1), "prediction", "prediction"),
    "numpy-ml": (Lazy, (X,), "X W b", "b"),
    "a step of learning within": (Updates, (X,), "input weights bias", "bias"),
    "a number": (Slope, (X,), "x a", "a"),
    "random and called": (Dropout, (X,), "x", "x"),
    "a state, by name": (Step, (STATE,), "x h_prev Wx Wh", "Wh"),
    "layers of layers": (Model, (X,), "x layers[0].W layers[0].b", "layers[0].b"),
    "loss and gradients": (LossAndGrads, (X, LABELS), "W1 b1", "b1"),
    "one number throughout": (Normalised, (X,), "x gamma beta", "x beta"),
    "a function that returns both": (lambda: softmax_loss, (X, LABELS), "x", "x"),
}  # fmt: skip


@pytest.fixture
def doubled():
    K[0] = 2
    yield
    K[0] = 1


@pytest.mark.parametrize("form", OBJECTS)
def test_an_object_is_checked_in_a_line(form):
    make, inputs, names, _ = OBJECTS[form]
    report = ml.gradcheck(make(), *inputs)
    assert [e.name for e in report.errors] == names.split() and report.max_error < 1e-13


@pytest.mark.parametrize("form", OBJECTS)
def test_a_wrong_gradient_of_an_object_is_named(form, doubled):
    make, inputs, names, wrong = OBJECTS[form]
    report = ml.gradcheck(make(), *inputs, raises=False)
    assert report.wrong == wrong.split() and set(report.wrong) <= set(names.split())


def test_an_object_stays_as_it_was():
    layer = Used()
    before = {name: np.copy(a) for name, a in vars(layer).items()}
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    ml.gradcheck(layer, X)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert list(vars(layer)) == list(before)
    assert all(np.array_equal(a, before[name]) for name, a in vars(layer).items())


class Forgets(Dense):
    """Without `.db`; and a table that has no gradient, as it should."""

    def __init__(self):
        super().__init__()
        self.table = np.ones(4)

    def backward(self, dy):
        dx, self.dW, _ = self.both(dy)
        return dx


def test_a_parameter_whose_gradient_is_nowhere_is_wrong():
    report = ml.gradcheck(Forgets(), X, raises=False)
    assert report.wrong == ["b"] and "backward gives no gradient for b" in str(report)
    assert ml.gradcheck(Forgets(), X, wrt=["x", "W"]).passed


class First(Dense):
    def backward(self, dy):
        _, self.dW, self.db = self.both(dy)


def test_the_input_of_a_first_layer_is_left_out_and_said():
    report = ml.gradcheck(First(), X)
    assert [e.name for e in report.errors] == ["W", "b"]
    assert "First.backward gives no gradient of x, so it was not checked" in report.notes


def test_what_is_one_loss_is_said():
    said = [" ".join(ml.gradcheck(f(), PROBABILITIES, LABELS).notes) for f in (NnfsLoss, AddedUp)]
    assert said == [
        f"{name}.forward gives several losses; their {word} is one"
        for name, word in (("NnfsLoss", "mean"), ("AddedUp", "sum"))
    ]
