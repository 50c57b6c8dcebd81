"""What recognition does with the axes of an array, and with what is no array at all.
Axes of length 1 may stand anywhere; odd inputs are simply not recognised.
"""

import numpy as np
import pytest

from minilstm.proof.causes.recognition import recognise
from minilstm.proof.causes.recognition.arrangements import arrangements


def test_axes_of_length_1_may_stand_anywhere_and_the_untouched_order_comes_first():
    x = np.arange(15.0).reshape(1, 5, 3)
    [how] = arrangements(x.shape, (3, 1, 5))
    assert how.turned and (how.apply(x) == x[0].T[:, None]).all()
    first, second = arrangements((4, 4), (4, 1, 4))
    assert not first.turned and second.turned
    assert arrangements((5, 3), (5, 3, 3)) == []


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ({}, 1.0),
        ({"x": np.ones(3)}, None),
        ({"x": "words"}, 1.0),
        ({"x": np.ones((0, 3))}, np.ones((0, 3))),
        ({"x": np.full((2, 2), np.nan)}, np.ones((2, 2))),
        ({"x": np.ones((2, 2)) + 1j}, np.ones((2, 2))),
        ({"x": [[1.0], [1.0, 2.0]]}, np.ones((2, 2))),
        ({"x": np.ones((2, 2)), "W": np.ones((2, 2))}, (np.ones((2, 2)), "text")),
        (None, None),
    ],
)
def test_what_is_odd_is_not_recognised(inputs, outputs):
    assert recognise(inputs, outputs) is None
