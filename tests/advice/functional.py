"""Advice about arrays handed to the equations themselves.
The sentence about each function is in `tests/functional/test_shapes.py`.
"""

import numpy as np

from minilstm.functional.binary_cross_entropy import binary_cross_entropy_forward
from minilstm.functional.cross_entropy import softmax_cross_entropy_forward
from minilstm.functional.dropout import dropout_forward
from minilstm.functional.fully_connected import fully_connected_forward
from minilstm.functional.gradient_norm import gradient_scale
from minilstm.functional.huber import huber_forward
from minilstm.functional.lstm import lstm_forward
from minilstm.functional.ragged import active_counts, pack, pack_with_targets

ones = np.ones


def run(active=None, B=1, **options):
    """An LSTM on five rows."""
    arrays = map(ones, [(5, 3), (B, 2), (B, 2), (8, 3), (8, 2), 8])
    return lstm_forward(*arrays, active, **options)


TABLE = [
    ("fully_connected_forward(ones((5, 3)), ones((2, 3)), ones(1))", r"which is (\(2,\)) beside",
     "fully_connected_forward(ones((5, 3)), ones((2, 3)), ones($1))"),
    ("fully_connected_forward(ones((5, 3)), ones((2, 3)), None)", r"give an array of shape \(C,\)",
     "fully_connected_forward(ones((5, 3)), ones((2, 3)), ones(2))"),
    ("softmax_cross_entropy_forward(ones((2, 3)), [0, 3])", r"from (0) to (2), or (-1) for",
     "softmax_cross_entropy_forward(ones((3, 3)), [$1, $2, $3])"),
    ("run([1, 2, 2], 2)", "that never rise, as (active_counts) makes them", "run($1([3, 2]), 2)"),
    ("run([1, 1, 1])", "give one row for each step of each sequence", "run([1] * 5)"),
    ("run([2, 2, 1])", "give one row of the state for each", "run([2, 2, 1], 2)"),
    ("run(None, 2)", "give active, or one row of the state", "run([2, 2, 1], 2); run(None, 1)"),
    ("run(gate_activation='tanhh')", "choose one of (.*)", "run(gate_activation=$each)"),
    ("run(state_activation='tanhh')", "choose one of (.*)", "run(state_activation=$each)"),
    ("dropout_forward(ones(2), 1.0, 7)", "of at least (0) and below 1",
     "dropout_forward(ones(2), $1, 7); dropout_forward(ones(2), 0.9, 7)"),
    ("dropout_forward(ones(2), 0.5, 0.5)", "give a whole number",
     "dropout_forward(ones(2), 0.5, 7)"),
    ("gradient_scale([1], -2)", "a number of at least (0)", "gradient_scale([1], $1)"),
    ("huber_forward(ones(2), ones(2), 2, None, 0)", "a number above 0",
     "huber_forward(ones(2), ones(2), 2, None, 0.1)"),
    ("binary_cross_entropy_forward(ones((1, 2)), [[1, 2]], 1)", "give targets from (0) to (1)",
     "binary_cross_entropy_forward(ones((1, 2)), [[$1, $2]], 1)"),
    ("active_counts([1, 3, 2])", "of at least 1, longest first", "active_counts([3, 2, 1])"),
    ("pack([ones((2, 3)), ones((2, 1))])", "at least one sequence, all of the same features",
     "pack([ones((2, 3)), ones((2, 3))])"),
    ("pack_with_targets([ones((2, 3)), ones((1, 3))], [[0, 1], [0, 1]])",
     "give one class number a step, or one for each sequence",
     "pack_with_targets([ones((2, 3)), ones((1, 3))], [[0, 1], [0]]);"
     "pack_with_targets([ones((2, 3)), ones((1, 3))], [[0], [0]])"),
]  # fmt: skip
