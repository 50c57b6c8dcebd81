"""Files as loggers, phones and spreadsheets write them: each is read rightly, to the last bit.
Where options are needed, the first error names them all, three at most, with what to give.
"""

import ast
import re

import numpy as np
import pytest
from logger_files import AXES, KINDS

from minilstm.data import read_sequences
from minilstm.errors import DataError

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def offered(sentence):
    """The values that a sentence offers, by option, as they stand in a call of Python."""
    found = {}
    for name, value in re.findall(r"\b(\w+)=(\[[^]]*\]|'[^']*'|\"[^\"]*\")", sentence):
        found.setdefault(name, []).append(ast.literal_eval(value))
    return found


def assert_read(data, kind):
    """Sequences, labels, names, times and facts are what the recordings are."""
    wanted = kind.wanted()
    order = range(len(wanted.x))
    if not kind.ordered:
        assert sorted(data.ids) == sorted(wanted.ids)
        order = [data.ids.index(name) for name in wanted.ids]
    x = [data.x[k] for k in order]
    assert data.feature_names == AXES and len(x) == len(wanted.x)
    for got, want in zip(x, wanted.x, strict=True):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, want, rtol=1e-13 if wanted.filled else 0, atol=0)
    if wanted.ids is not None:
        assert [data.ids[k] for k in order] == wanted.ids
    assert (data.groups and [data.groups[k] for k in order]) == wanted.groups
    assert_labels(data.y, wanted.y, order)
    assert (data.times is None) == (wanted.seconds is None)
    for k, seconds in zip(order, wanted.seconds or [], strict=False):
        since = data.times[k] - data.times[k][0]
        np.testing.assert_allclose(since, seconds, atol=1e-6)
    facts = data.facts
    assert (facts.sequences, facts.steps) == (len(x), sum(map(len, x)))
    assert (facts.filled, facts.skipped) == (wanted.filled, wanted.skipped)


def assert_labels(y, wanted, order):
    if wanted is None or isinstance(wanted, np.ndarray):
        assert y is None if wanted is None else y[list(order)].tolist() == wanted.tolist()
        return
    assert len(y) == len(wanted)
    for got, want in zip((y[k] for k in order), wanted, strict=True):
        if want.dtype.kind == "f":  # a target
            assert got.dtype == np.float64 and np.array_equal(got.reshape(-1), want)
        else:
            assert got.dtype.kind == want.dtype.kind and got.tolist() == want.tolist()


@kinds
def test_every_kind_is_read_with_three_options_at_most(tmp_path, kind):
    assert len(kind.options) <= 3
    assert_read(read_sequences(kind.write(tmp_path), **kind.options), kind)


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.told],
                         ids=[name for name, k in KINDS.items() if k.told])  # fmt: skip
def test_without_options_it_is_read_or_the_first_error_names_them(tmp_path, kind):
    path = kind.write(tmp_path)
    try:
        data = read_sequences(path)
    except DataError as error:
        said = offered(str(error))
        named = {k: v for k, v in kind.options.items() if v in said.get(k, [])}
        assert named == kind.options != {}, str(error)
        data = read_sequences(path, **named)
    assert_read(data, kind)
