"""Advice on layers, on functions of other conventions, and on files that are checked.
The layer is a product; its parts are replaced one at a time.
"""

from pathlib import Path

import numpy as np

import minilstm as ml
from advice.proof import INPUTS, backward, checked, forward
from minilstm.proof.checker.files import check_file

X = np.array([0.5, -1.0])


class Layer:
    """A product with an array of its own."""

    def __init__(self):
        self.w = np.array([2.0, 3.0])

    def forward(self, x):
        self.x = x
        return x * self.w

    def backward(self, dy):
        self.dw, self.dx = dy * self.x, dy * self.w
        return self.dx


def layer(**parts):
    """The report of a layer with other parts, which has to pass."""
    return ml.gradcheck(type("Layer", (Layer,), parts)(), X).passed


def refuse(self, memo):
    """What an open file does."""
    raise TypeError("no copies")


def leaves_it(self, dy):
    """A backward pass without a result."""
    self.dw, self.dx = dy * self.x, dy * self.w


class Model:
    """A loss without a backward method."""

    def __init__(self, both):
        self.w, self.both = X.copy(), both

    def loss(self, x):
        return ((x * self.w).sum(), {"w": x}) if self.both else (x * self.w).sum()


def doubtful(x):
    """An output and what may be another."""
    return np.tanh(x), np.tanh(x)


def both(x):
    """A loss and its gradient."""
    return (x * x).sum(), 2 * x


GOOD = "def f(x): return x * x\ndef df(x): return 2 * x\n"
HARD = "class Box:\n    def __init__(s, v): s.w = v['w']\n    def forward(s, x): return x * s.w\n"
HARD += "    def backward(s, d): return d * s.w\n"
ODD = "def odd_forward(x):\n    '''{}'''\n    assert x.shape == (7, 3)\n    return 2 * x\n"
ODD += "def odd_backward(dy, x): return 2 * dy\n"


def own(text, *names, ends=".py"):
    """The checks of a file of some text; what could not be checked is raised."""
    path = Path(f"mine{ends}")
    path.write_text(text)
    found = list(check_file(path, names))
    for one in found:
        if one.fault:
            raise ValueError(one.fault)
    return all(one.passed for one in found)


TABLE = [
    ("checked(doubtful, lambda d, a: d * (1 - a**2), X)", "say (cached=True), or (cached=False)",
     "checked(doubtful, lambda d, a: d * (1 - a**2), X, $1) and checked(doubtful, lambda d, x: "
     "sum(d) * (1 - np.tanh(x) ** 2), X, $2)"),
    ("gradcheck(Layer, X)", r"pass an object of it, such as (Layer)\(\.\.\.\)",
     "gradcheck($1(), X).passed"),
    ("gradcheck(np.tanh, X)", "return a loss and its gradients, or pass f, backward and inputs",
     "gradcheck(both, X).passed and gradcheck(forward, backward, INPUTS).passed"),
    ("layer(__deepcopy__=refuse)", "pass two functions in its place", "checked()"),
    ("layer(backward=lambda self, a, b, c: None)", "pass two functions in its place", "checked()"),
    ("layer(backward=lambda self, dy: None)",
     r"return that of the inputs, or leave it in \.(dx) or \.(dinputs)",
     "layer() and layer(backward=leaves_it) and '$1 $2' == 'dx dinputs'"),
    ("gradcheck(Model(False), X)",
     r"no method (backward) .* return \(loss, gradients\), or add one",
     "gradcheck(Model(True), X).passed and layer($1=Layer.backward)"),
    ("own('x = 1')", "call its functions (f_forward) and (f_backward), or write the comment '(.*)'",
     "own('def $1(x): return x * x\\ndef $2(dy, x): return 2 * x * dy') and own('# gradients: a, "
     "b\\ndef a(x): return x * x\\ndef b(dy, x): return 2 * x * dy') and '$3'"),
    ("own(GOOD, 'g')", "those that were found are (.*)\\.", "own(GOOD, '$1')"),
    ("own('def')", "line 1, is no Python .*; correct it", "own(GOOD)"),
    ("own(GOOD, ends='.txt')", "give one that ends in (.py)", "own(GOOD, ends='$1')"),
    ("own(HARD)", "make one in the file, and write '(# gradients: )layer' with its name",
     "own('$1v\\n' + HARD + 'v = Box({\"w\": 2.0})', 'v')"),
    ("own(ODD)",
     "say the shapes in its docstring, as 'x: .*', or give inputs in the file: (\\w+) = ",
     "own(ODD.format('x: (7, 3)')) and own(ODD + '$1 = {\"odd_forward\": {\"x\": "
     "__import__(\"numpy\").ones((7, 3))}}')"),
    ("gradcheck(lambda a: 2 * a[:2], lambda a: 2 * a, {'a': np.ones(3)})",
     r"add the upstream gradient in front, as backward\((dy), \.\.\.\), or let f return a loss",
     "gradcheck(lambda a: 2 * a[:2], lambda $1, a: np.append(2 * $1, 0 * a[2:]), "
     "{'a': np.ones(3)}).passed"),
    ("gradcheck(Layer())", "pass those of the layer: gradcheck", "gradcheck(Layer(), X).passed"),
    ("layer(forward=lambda self, x: x @ np.ones(99))", "pass inputs that it takes", "layer()"),
    ("gradcheck(type('Pair', (Layer,), {'backward': lambda self, d: (d * self.w, d * self.x)})(), "
     "np.ones(2, int))", "x, which holds integers; pass floats, as in x(.astype\\(float\\))",
     "gradcheck(type('Pair', (Layer,), {'backward': lambda self, d: (d * self.w, d * self.x)})(), "
     "np.ones(2, int)$1).passed"),
    ("own('def helper(): pass\\n1 / 0')", "or put what is no function below `(.*:)`",
     'own(GOOD + "$1 1 / 0")'),
]  # fmt: skip
