"""The catalogue of mistakes: tables without a mistake are the right functions to the last digits.
And each mistake gives a gradient of its own, unlike the right one and that of any other mistake.
"""

import itertools
import re

import numpy as np
import pytest
from agreement import flat
from mistake_problems import arguments, arrays, images

from minilstm.backend import load_backend
from minilstm.functional import bilstm, classifier_loss, convolution, cross_entropy, softmax
from minilstm.proof.causes import mistakes
from minilstm.proof.causes.mistakes import CATALOGUE, dense, elementwise, mistakes_of
from minilstm.proof.causes.mistakes import batch_normalization as bn_mistakes
from minilstm.proof.causes.mistakes import convolution as convolution_mistakes
from minilstm.proof.causes.mistakes import lstm as lstm_mistakes
from minilstm.proof.causes.mistakes.bilstm import bilstm_backward_by

TOLERANCE = 1e-14  # relative to the largest entry
FUNCTIONS = {m.function for m in CATALOGUE}


def distance(a, b):
    """The largest difference, relative to the largest number of its array."""
    pairs = list(zip(arrays(a), arrays(b), strict=True))
    assert all(one.shape == other.shape for one, other in pairs)
    return max(np.abs(one - other).max() / max(np.abs(other).max(), 1e-9) for one, other in pairs)


# ---------------------------------------------------------------- the right tables

RIGHT = {
    "lstm_backward": lstm_mistakes.lstm_backward_by(lstm_mistakes.RIGHT),
    "bilstm_backward": bilstm_backward_by(
        bilstm.NUMPY_PARTS._replace(
            lstm_backward=lstm_mistakes.lstm_backward_by(lstm_mistakes.RIGHT)
        )
    ),
    "fully_connected_backward": dense.fully_connected_backward_by(dense.FULLY_CONNECTED),
    "softmax_backward": dense.softmax_backward_by(dense.SOFTMAX),
    "cross_entropy_backward": dense.cross_entropy_backward_by(dense.CROSS_ENTROPY),
    "softmax_cross_entropy_backward": dense.cross_entropy_backward_by(dense.FUSED),
    "classifier_loss": dense.classifier_loss_by(
        dense.fully_connected_backward_by(dense.FULLY_CONNECTED),
        dense.cross_entropy_backward_by(dense.FUSED),
    ),
    "convolution_backward": convolution_mistakes.convolution_backward_by(
        convolution_mistakes.RIGHT
    ),
    "batch_normalization_backward": bn_mistakes.batch_normalization_backward_by(bn_mistakes.RIGHT),
    "batch_normalization_apply_backward": bn_mistakes.batch_normalization_backward_by(
        bn_mistakes.APPLY
    ),
    "dropout_backward": elementwise.dropout_backward_by(elementwise.DROPOUT),
    "relu_backward": elementwise.from_output_by(elementwise.RELU),
    "sigmoid_backward": elementwise.from_output_by(elementwise.SIGMOID),
}


def test_every_function_of_the_catalogue_has_its_right_table_here():
    assert set(RIGHT) == FUNCTIONS


@pytest.mark.parametrize("function", RIGHT)
def test_a_table_without_a_mistake_is_the_right_function(function):
    reference = getattr(load_backend("numpy"), function)
    assert distance(RIGHT[function](*arguments(function)), reference(*arguments(function))) < (
        TOLERANCE
    )


@pytest.mark.parametrize("function", ["lstm_backward", "bilstm_backward"])
@pytest.mark.parametrize("upstream", ["dh", "dstate"])
@pytest.mark.parametrize(
    "sizes",
    [
        {"lengths": (6, 3, 1), "D": 4, "H": 2},
        {"lengths": (1,), "D": 1, "H": 1},
        {"lengths": (3, 3), "gate_activation": "hard-sigmoid", "state_activation": "softsign"},
        {"lengths": (4, 2), "state_activation": "relu"},
    ],
    ids=str,
)
def test_the_table_of_the_lstm_in_other_sizes(function, upstream, sizes):
    dh, dstate, cache = arguments(function, **sizes)
    arguments_ = (dh, None, cache) if upstream == "dh" else (None, dstate, cache)
    reference = getattr(load_backend("numpy"), function)
    assert distance(RIGHT[function](*arguments_), reference(*arguments_)) < TOLERANCE


@pytest.mark.parametrize(
    "function", [f for f in sorted(RIGHT) if re.match("lstm|bilstm|fully|conv|batch", f)]
)
def test_the_input_has_no_gradient_where_none_is_wanted(function):
    assert RIGHT[function](*arguments(function), need_dx=False)[0] is None


def test_the_cross_entropies_without_weights():
    scores = softmax.softmax_forward(np.random.default_rng(0).standard_normal((4, 3)))[0]
    cache = cross_entropy.CrossEntropyCache(scores, np.array([0, 2, -1, 1]), 3)
    for function in ("cross_entropy_backward", "softmax_cross_entropy_backward"):
        assert distance(RIGHT[function](cache), getattr(cross_entropy, function)(cache)) < TOLERANCE


# ---------------------------------------------------------------- the mistakes


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_mistake_gives_a_gradient_of_its_own(function):
    right = getattr(load_backend("numpy"), function)(*arguments(function))
    found = {"the right one": right}
    found |= {m.name: m.wrong(*arguments(function)) for m in mistakes_of(function)}
    assert len(found) == len(mistakes_of(function)) + 1
    for (one, a), (other, b) in itertools.combinations(found.items(), 2):
        assert max(distance(a, b), distance(b, a)) > 1e-6, f"{one} and {other} are the same"


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_no_mistake_writes_into_its_arguments(function):
    before = arguments(function)
    for m in mistakes_of(function):
        given = arguments(function)
        m.wrong(*given)
        assert repr(given) == repr(before), m.name


def test_where_no_transpose_fits_the_right_gradient_results():
    wide = {"D": 5}
    for function, names in {
        "lstm_backward": ("dx through R", "dR with x", "dW with h_{t-1}", "dh carried through W"),
        "fully_connected_backward": ("dW transposed", "W transposed in dx", "W missing in dx"),
    }.items():
        by_name = {m.name: m for m in mistakes_of(function)}
        right = getattr(load_backend("numpy"), function)(*arguments(function, **wide))
        for name in names:
            assert distance(by_name[name].wrong(*arguments(function, **wide)), right) < TOLERANCE
    oblong = {"Cin": 3, "F": 2, "filter_size": (3, 2), "size": (9, 7)}
    right = convolution.convolution_backward(*images(**oblong))
    for m in mistakes_of("convolution_backward"):
        got = m.wrong(*images(**oblong))
        fits = not re.search("axes|channels", m.name)
        assert (distance(got, right) > 1e-6) == fits, m.name


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_float32_stays_float32(function):
    def narrow(value):
        if isinstance(value, tuple):
            parts = [narrow(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        narrowed = isinstance(value, np.ndarray) and value.dtype == np.float64
        return value.astype(np.float32) if narrowed else value

    wanted = [np.asarray(a).dtype for a in flat([RIGHT[function](*narrow(arguments(function)))])]
    for m in mistakes_of(function):
        got = flat([m.wrong(*narrow(arguments(function)))])
        assert [np.asarray(a).dtype for a in got] == wanted, m.name


# ---------------------------------------------------------------- names and causes


def test_names_are_unique_and_causes_are_sentences():
    assert len(CATALOGUE) > 200
    for function in FUNCTIONS:
        names = [m.name for m in mistakes_of(function)]
        assert len(names) == len(set(names)), function
        assert all(callable(m.wrong) and m.function == function for m in mistakes_of(function))
    for m in CATALOGUE:
        assert m.name and len(m.name) < 80, m.name
        assert re.fullmatch(r"[A-Za-z1]([^.\n]|\.(?=\w))+\.", m.cause), m.cause
        assert len(m.cause) < 400 and "should" in m.cause and "  " not in m.cause, m.cause
        assert m.cause.count(": ") <= 1 and " =  " not in m.cause, m.cause
    assert mistakes_of("no such function") == ()


def test_two_mistakes_of_one_function_have_two_causes():
    for function in FUNCTIONS:
        causes = {}
        for m in mistakes_of(function):
            assert causes.setdefault(m.cause, m.name) == m.name, m.cause


def test_the_public_bugs_are_in_the_catalogue():
    seen = {thread for m in CATALOGUE for thread in m.seen_in}
    assert seen == {
        "CaptainE/RNN-LSTM-in-numpy#1",
        "apache/mxnet#4057",
        "elixir-nx/axon#646",
        "explosion/thinc",
        "hanbt/learn_dl#53",
        "lmnt-com/haste#17",
        "lmnt-com/haste#31",
        "lmnt-com/haste#43",
        "nicklashansen/rnn_lstm_from_scratch#1",
        "nicodjimenez/lstm#49",
        "tracel-ai/burn#5235",
        "wvabrinskas/Neuron#181",
    }


def test_an_unknown_line_is_an_error():
    make = mistakes.base.maker("lstm_backward", lstm_mistakes.RIGHT, lstm_mistakes.lstm_backward_by)
    with pytest.raises(KeyError, match="lstm_backward has no line dq"):
        make("wrong", "a line that is not there", dq=lstm_mistakes.RIGHT["dc"])


def test_an_operator_without_its_part_and_a_line_that_cannot_be_are_errors():
    right = mistakes.base.table({}, dx="dy * w")
    with pytest.raises(ValueError, match=r"dy \* w has no part u to change"):
        right["dx"].changed("drop u")
    with pytest.raises(ValueError, match=r"no line of a table can have dy\[0\] in it"):
        _ = right["dx"].changed("= dy[0]").value


def test_the_end_of_a_classifier_has_the_mistakes_of_its_parts():
    assert classifier_loss.classifier_loss.__name__ in FUNCTIONS
    parts = mistakes_of("fully_connected_backward") + mistakes_of("softmax_cross_entropy_backward")
    names = [m.name.removeprefix(dense.PREFIX) for m in mistakes_of("classifier_loss")]
    assert names == [m.name for m in parts]
