"""Every function of the equations takes every kind of array, and gives what it gives for float64.
The functions are found in the package, and their twins in the record of a backend.
"""

import importlib
import inspect
import pkgutil
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pytest

import minilstm.functional
from minilstm.backend import Backend, is_installed, load_backend
from minilstm.errors import DataError
from minilstm.functional.adam import AdamRule
from minilstm.functional.lstm import LSTMState
from minilstm.functional.rmsprop import RmspropRule
from minilstm.functional.sequence_input import coefficients
from minilstm.functional.sgdm import SgdmRule

#: called by functions that have passed the gate, or converting by themselves
INSIDE = {"forward_with", "backward_with", "gated", "ungated", "coefficients"}
SHAPES = ["sigmoid", "tanh", "softsign", "relu", "hard_sigmoid"]
ACTIVE = np.array([2, 2, 1])  # 5 rows of 2 sequences
TARGETS = np.array([0, 2, -1, 1, 2])
AFFINE = coefficients("zscore", {"mean": [1.0, 2.0, 0.0], "standard_deviation": [2.0, 1.0, 4.0]})


def whole(*shape):
    """Whole numbers from 0 to 3, of which each kind of array can hold any."""
    return np.random.default_rng(sum(shape)).integers(0, 4, shape).astype(float)


class Made(NamedTuple):
    """What another function makes of arguments in float64: a cache, or packed weights."""

    function: str
    arguments: tuple


X, Y, ONES, IMAGES = whole(5, 3), whole(5, 4), np.ones(5), whole(2, 4, 3, 2)
START = whole(2, 2), whole(2, 2)
LSTM = (X, *START, whole(8, 3), whole(8, 2), whole(8), ACTIVE)
BILSTM = (X, whole(2, 4), whole(2, 4), whole(16, 3), whole(16, 2), whole(16), ACTIVE)
FILTERS = (IMAGES, whole(2, 2, 2, 3), whole(3), (1, 1), ((0, 1), (1, 0)), (1, 1))
CHANNELS = whole(3), whole(3)
APPLY = (X, *CHANNELS, whole(3), 1 + whole(3), 0.5)
BINARY = (np.minimum(Y, 1), np.minimum(whole(4, 5).T, 1), 4.0)
PARAMETERS = [whole(3, 2) for _ in range(3)] + [1 + whole(3, 2)]
BOUNDS = {"l2": 0.25, "scale": 0.5, "bound": 2.0}

#: arguments for each function; whatever is an array is given in every kind
CALLS = {
    **dict.fromkeys(SHAPES, lambda: (X - 1.0,)),
    **dict.fromkeys([f"d{name}_from_output" for name in SHAPES], lambda: (X,)),
    "lstm_forward": lambda: LSTM,
    "lstm_backward": lambda: (
        whole(5, 2),
        LSTMState(*START),
        Made("lstm_forward", LSTM),
    ),
    "lstm_pack": lambda: LSTM[3:6],
    "lstm_advance": lambda: (*LSTM[:3], ACTIVE, Made("lstm_pack", LSTM[3:6]), "gates"),
    "lstm_restore": lambda: (whole(5, 8), *START, ACTIVE),
    "bilstm_forward": lambda: BILSTM,
    "bilstm_backward": lambda: (whole(5, 4), None, Made("bilstm_forward", BILSTM)),
    "fully_connected_forward": lambda: (X, whole(4, 3), whole(4)),
    "fully_connected_backward": lambda: (
        Y,
        Made("fully_connected_forward", (X, whole(4, 3), whole(4))),
    ),
    "convolution_forward": lambda: FILTERS,
    "convolution_backward": lambda: (whole(2, 4, 3, 3), Made("convolution_forward", FILTERS)),
    "softmax_forward": lambda: (X,),
    "softmax_backward": lambda: (X, Made("softmax_forward", (X,))),
    "sigmoid_forward": lambda: (X,),
    "sigmoid_backward": lambda: (X, Made("sigmoid_forward", (X,))),
    "relu_forward": lambda: (X,),
    "relu_backward": lambda: (X, Made("relu_forward", (X,))),
    "dropout_forward": lambda: (X, 0.3, 7),
    "dropout_backward": lambda: (X, Made("dropout_forward", (X, 0.3, 7))),
    "batch_normalization_forward": lambda: (X, *CHANNELS, 0.5),
    "batch_normalization_backward": lambda: (
        X,
        Made("batch_normalization_forward", (X, *CHANNELS, 0.5)),
    ),
    "batch_normalization_apply": lambda: APPLY,
    "batch_normalization_apply_backward": lambda: (X, Made("batch_normalization_apply", APPLY)),
    "batch_normalization_through_statistics": lambda: (
        X,
        Made("batch_normalization_forward", (X, *CHANNELS, 0.5)),
        9,
        *CHANNELS,
    ),
    "cross_entropy_forward": lambda: (Y, TARGETS, None, ONES),
    "cross_entropy_backward": lambda: Made("cross_entropy_forward", (Y, TARGETS, None, ONES)),
    "softmax_cross_entropy_forward": lambda: (Y, TARGETS, None, ONES),
    "softmax_cross_entropy_backward": lambda: (
        Made("softmax_cross_entropy_forward", (Y, TARGETS, None, ONES)),
    ),
    "classifier_loss": lambda: (X, whole(4, 3), whole(4), TARGETS, 4.0, ONES),
    "rows_with_class": lambda: (TARGETS,),
    "absolute_error_forward": lambda: (Y, whole(4, 5).T, 3.0, ONES),
    "absolute_error_backward": lambda: Made("absolute_error_forward", (Y, whole(4, 5).T, 3.0)),
    "sign_of": lambda: (X - 1.0,),
    "squared_error_forward": lambda: (Y, whole(4, 5).T, 3.0, ONES),
    "squared_error_backward": lambda: Made("squared_error_forward", (Y, whole(4, 5).T, 3.0)),
    "huber_forward": lambda: (Y, whole(4, 5).T, 3.0, ONES),
    "huber_backward": lambda: Made("huber_forward", (Y, whole(4, 5).T, 3.0)),
    "binary_cross_entropy_forward": lambda: BINARY,
    "binary_cross_entropy_backward": lambda: Made("binary_cross_entropy_forward", BINARY),
    "sigmoid_binary_cross_entropy_forward": lambda: BINARY,
    "sigmoid_binary_cross_entropy_backward": lambda: (
        Made("sigmoid_binary_cross_entropy_forward", BINARY),
    ),
    "weighted_sum_forward": lambda: (Y, 3.0, ONES),
    "weighted_sum_backward": lambda: (Y, Made("weighted_sum_forward", (Y, 3.0, ONES))),
    "gradient_norm": lambda: (*PARAMETERS[:2], 0.25),
    "bounded_gradient": lambda: (*PARAMETERS[:2], 0.25, 0.5, 2.0),
    "adam_step": lambda: (*PARAMETERS, AdamRule(0.1, 0.9, 0.99, 1e-8, **BOUNDS)),
    "rmsprop_step": lambda: (*PARAMETERS[1:], RmspropRule(0.1, 0.9, 1e-8, **BOUNDS)),
    "sgdm_step": lambda: (*PARAMETERS[1:], SgdmRule(0.1, 0.9, **BOUNDS)),
    "addition_forward": lambda: ([X, X],),
    "addition_backward": lambda: (X, 2),
    "concatenation_forward": lambda: ([X, Y],),
    "concatenation_backward": lambda: (whole(5, 7), Made("concatenation_forward", ([X, Y],))),
    "flatten_forward": lambda: (IMAGES,),
    "flatten_backward": lambda: (whole(2, 24), Made("flatten_forward", (IMAGES,))),
    "pool_statistics": lambda: (None, 4, whole(3), whole(3)),
    "moving_statistic": lambda: (whole(3), whole(3), 0.25),
    "statistics": lambda: ([X, X + 1.0], "channel", "zscore"),
    "normalize_forward": lambda: (X, AFFINE),
    "normalize_backward": lambda: (X, AFFINE),
    "pack": lambda: ([X, X[:2]],),
    "pack_with_targets": lambda: ([X, X[:2]], [TARGETS, TARGETS[:2]]),
    "unpack": lambda: (X, ACTIVE, np.array([1, 0])),
    "active_counts": lambda: (np.array([3, 2]),),
    **dict.fromkeys(
        ["sequence_lengths", "state_slots", "last_rows", "previous_rows", "reversed_rows"],
        lambda: (ACTIVE,),
    ),
}


def spaced(a):
    """The same numbers with others between them."""
    out = np.full((*a.shape, 2), 77.0)
    out[..., 0] = a
    return out[..., 0]


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


KINDS = {
    "int64": lambda a: a.astype(np.int64),
    "uint8": lambda a: a.astype(np.uint8),
    "bool": lambda a: a > 1,
    "float16": lambda a: a.astype(np.float16),
    "longdouble": lambda a: a.astype(np.longdouble),
    "big-endian": lambda a: a.astype(">f8"),
    "big-endian integers": lambda a: a.astype(">i2"),
    "objects": lambda a: a.astype(object),
    "nested lists": lambda a: a.tolist(),
    "masked without a mask": np.ma.masked_array,
    "with gaps": spaced,
    "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    "column-major": np.asfortranarray,
    "read-only": read_only,
}  # fmt: skip

PRECISION = {"float16": "f4", "longdouble": "g"}  # what these are computed in


def functions():
    """Every public function of the package that takes an array, by name."""
    found = {}
    for module in pkgutil.iter_modules(minilstm.functional.__path__):
        page = importlib.import_module(f"minilstm.functional.{module.name}")
        for name, value in vars(page).items():
            own = inspect.isfunction(value) and value.__module__ == page.__name__
            if own and not name.startswith("_") and name not in INSIDE:
                notes = [str(p.annotation) for p in inspect.signature(value).parameters.values()]
                if any(word in n for n in notes for word in ("Array", "Cache", "Sequences")):
                    found[name] = value
    return found


FUNCTIONS = functions()
TWINS = [f.name for f in fields(Backend) if f.name in CALLS]


def arranged(arguments, kind, find):
    """The arguments with their arrays in another kind."""

    def one(a):
        if isinstance(a, Made):
            made = find(a.function)(*a.arguments)
            return made if a.function == "lstm_pack" else made[-1]
        if isinstance(a, (list, LSTMState)):
            parts = [one(part) for part in a]
            return LSTMState(*parts) if isinstance(a, LSTMState) else parts
        return kind(a) if isinstance(a, np.ndarray) and a.dtype == float else a

    return [one(a) for a in ((arguments,) if isinstance(arguments, Made) else arguments)]


def numbers(value):
    """All arrays of a result, in order."""
    value = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, (tuple, list)):
        return [a for part in value for a in numbers(part)]
    if isinstance(value, (np.ndarray, np.generic, float, int)) and not isinstance(value, bool):
        return [np.asarray(value)]
    return []


def assert_as_in_float64(function, arguments, kind, find):
    """What a kind gives, beside what plain floats of the same numbers give."""
    dtype = PRECISION.get(kind, "f8")
    wanted = function(
        *arranged(arguments, lambda a: np.array(KINDS[kind](a), dtype, order="C"), find)
    )
    got = function(*arranged(arguments, KINDS[kind], find))
    pairs = list(zip(numbers(got), numbers(wanted), strict=True))
    assert pairs
    for one, two in pairs:
        np.testing.assert_allclose(one.astype(float), two.astype(float), rtol=1e-12, atol=1e-12)


def test_every_function_is_in_the_table():
    assert sorted(FUNCTIONS) == sorted(CALLS)
    assert {f.name for f in fields(Backend)} - set(CALLS) == {
        "name", "gradient_scale", "solver_steps", "make_stepper", "to_device",
        "to_host", "gpu_bytes",
    }  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_every_kind_gives_what_float64_gives(name):
    for kind in KINDS:
        assert_as_in_float64(FUNCTIONS[name], CALLS[name](), kind, FUNCTIONS.get)


@pytest.mark.skipif(not is_installed("numba"), reason="needs Numba")
@pytest.mark.parametrize("name", TWINS)
def test_every_kind_gives_it_on_numba(name):
    find = load_backend("numba").__getattribute__
    for kind in KINDS.keys() - {"longdouble"}:
        assert_as_in_float64(find(name), CALLS[name](), kind, find)


@pytest.mark.skipif(not is_installed("numba"), reason="needs Numba")
@pytest.mark.parametrize("dtype", ["longdouble", "complex128"])
def test_numba_refuses_what_it_cannot_compute_in(dtype):
    with pytest.raises(DataError) as error:
        load_backend("numba").softmax_forward(X.astype(dtype))
    assert str(error.value) == (
        f"z is {np.dtype(dtype)} here, but these kernels compute in float32 and float64; convert "
        "it, or use the backend 'numpy'."
    )


def test_mixed_dtypes_are_computed_in_the_widest():
    x, *rest = LSTM
    wanted, _, _ = FUNCTIONS["lstm_forward"](*LSTM)
    for backend in filter(is_installed, ("numpy", "numba")):
        got, state, _ = load_backend(backend).lstm_forward(x.astype("f4"), *rest)
        assert got.dtype == state.cell.dtype == np.float64
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("active", "message"),
    [
        ([2, 2, 1], None),
        (np.array([2.0, 2.0, 1.0]), None),
        (np.array([2, 2, 1], ">i2"), None),
        (read_only(ACTIVE), None),
        (
            [2, 1.5, 1.5],
            "active holds 1.5, but it is to hold whole numbers; round it, or give integers.",
        ),
    ],
)
def test_an_index_is_whole_numbers(active, message):
    wanted = FUNCTIONS["lstm_forward"](*LSTM)[0]
    for backend in filter(is_installed, ("numpy", "numba")):
        forward = load_backend(backend).lstm_forward
        if message is None:
            np.testing.assert_allclose(forward(*LSTM[:-1], active)[0], wanted, rtol=1e-12)
        else:
            with pytest.raises(DataError) as error:
                forward(*LSTM[:-1], active)
            assert str(error.value) == message


def test_a_masked_value_is_refused():
    with pytest.raises(DataError, match=r"^z has a masked value at \[1, 2\]") as error:
        FUNCTIONS["softmax_forward"](np.ma.masked_array(X, np.arange(15).reshape(5, 3) == 5))
    assert "fill it, such as with z.filled(0)." in str(error.value)


def test_float32_stays_float32_and_complex_complex():
    for dtype in ("f4", "f8", "g", "F", "D"):
        y, _ = FUNCTIONS["softmax_forward"](X.astype(dtype))
        assert y.dtype == dtype
