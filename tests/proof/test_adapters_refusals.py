"""What no gradient check can take: layers without a backward pass, inputs that do not fit them.
Each is refused in one sentence, before anything is compared."""

import numpy as np
import pytest

import minilstm as ml
from minilstm.errors import GradientError

X = np.random.default_rng(0).normal(size=(5, 3))


class Dense:
    """A product that returns all its gradients."""

    def __init__(self):
        self.W = np.random.default_rng(1).normal(size=(3, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dy):
        return dy @ self.W.T, self.x.T @ dy


def odd(**parts):
    """A layer with another part."""
    return type("Odd", (Dense,), parts)()


REFUSED = [
    (odd(backward=lambda self, a, b, c, d: None), TypeError,
     "Odd.backward takes (a, b, c, d), which are neither the upstream gradient of what forward "
     "returns nor its inputs (x); pass two functions in its place."),
    (odd(backward=lambda self, dy: None), GradientError,
     "Odd.backward returns no gradient and leaves none in an attribute; return that of the inputs, "
     "or leave it in .dx or .dinputs."),
    (odd(__deepcopy__=lambda self, memo: 1 / 0), TypeError,
     "Odd cannot be copied (ZeroDivisionError: division by zero), so each pass would see what the "
     "one before left; pass two functions in its place."),
    (Dense, TypeError, "f is the class Dense; pass an object of it, such as Dense(...)."),
    (type("Half", (), {"n": 1, "__init__": lambda self: setattr(self, "n", 2),
                       "loss": lambda self, x: x.sum()})(), TypeError,
     "Half has no method backward or backprop, and its method loss returns float64; return (loss, "
     "gradients), or add one."),
    (np.tanh, TypeError,
     "tanh was given without a backward function and returns ndarray; return a loss and its "
     "gradients, or pass f, backward and inputs."),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_taken_is_said_in_a_sentence(number):
    thing, kind, sentence = REFUSED[number]
    with pytest.raises(kind) as error:
        ml.gradcheck(thing, X)
    assert str(error.value) == sentence


SLIPS = [
    ((), "there are no inputs; pass those of the layer: gradcheck(layer, x)."),
    ((np.arange(15).reshape(5, 3),), "Dense.backward gives a gradient of x, which holds "
     "integers; pass floats, as in x.astype(float)."),
    ((np.ones((5, 7)),), "Dense.forward cannot be called with x (5, 7) (ValueError: matmul: "
     "Input operand 1 has a mismatch in its core dimension 0, with gufunc signature (n?,k),(k,m?)->"
     "(n?,m?) (size 3 is different from 7)); pass inputs that it takes."),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SLIPS)))
def test_inputs_that_a_layer_does_not_take_are_named(number):
    inputs, sentence = SLIPS[number]
    with pytest.raises(TypeError) as error:
        ml.gradcheck(Dense(), *inputs)
    assert str(error.value) == sentence
