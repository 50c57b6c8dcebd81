"""A pool of streams that come and go: each gives what a stream of its own gives.
Whatever steps beside it, and however many steps arrive at once."""

import copy
import pickle

import numpy as np
import pytest
from agreement import assert_streamed, bits, refuses, refuses_data
from agreement import dtype_names as dtypes
from builders import doubled

import minilstm as ml

D = 3


@pytest.fixture
def backend(backend):
    with ml.use_backend(backend.name):
        yield backend.name


def network(dtype="float32", mode="sequence", hidden=9, **options):
    layers = [
        ml.SequenceInput(D, "zerocenter", [0.5, -1.0, 9.8], **options),
        ml.LSTM(hidden),
        ml.LSTM(5, mode),
        ml.FullyConnected(4),
        ml.Softmax(),
    ]
    return doubled(layers, dtype)


def drawn_arrivals(rng, calls, ids):
    """Some ids for each call, each once, twice or more often, in any order."""
    return [rng.choice(ids, rng.integers(1, 3 * len(ids))).tolist() for _ in range(calls)]


@dtypes
@pytest.mark.parametrize("mode", ["sequence", "last"])
@pytest.mark.parametrize("given", ["float32", "float64"])
def test_each_of_a_pool_gives_what_its_own_stream_gives(backend, dtype, mode, given):
    net, rng = network(dtype, mode), np.random.default_rng(0)
    pool, alone = net.pool(), {}
    for ids in drawn_arrivals(rng, 8, np.arange(40)):
        x = rng.normal(size=(len(ids), D)).astype(given)
        scores = pool.step(ids, x)
        assert scores.shape == (len(ids), 4) and scores.dtype == dtype
        for one, x_t, got in zip(ids, x, scores, strict=True):
            stream = alone.setdefault(one, net.stream())
            assert_streamed(got, stream.step(x_t), backend, dtype)
    assert set(pool) == set(alone)
    for one, stream in alone.items():
        for name, pair in stream.state.items():
            for got, want in zip(pool[one][name], pair, strict=True):
                assert_streamed(got, want, backend, dtype)


def test_thousands_step_in_one_call_with_the_bits_of_each():
    net, rng = network(hidden=32), np.random.default_rng(1)
    ids = [f"phone-{n}" for n in range(3000)]
    x = rng.normal(size=(3, 3000, D)).astype("float32")
    with ml.use_backend("numba"):
        pool = net.pool()
        scores = [pool.step(ids, x_t) for x_t in x]
        for n in (0, 1, 1234, 2999):
            stream = net.stream()
            assert bits([s[n] for s in scores]) == bits([stream.step(x_t[n]) for x_t in x])


def test_a_dict_brings_one_step_or_several(backend):
    net, rng = network(feature_names=["a", "b", "c"]), np.random.default_rng(2)
    pool, stream = net.pool(), net.stream()
    x = rng.normal(size=(5, D))
    got = pool.step({"one": x[0], 7: x, "named": {"c": x[0, 2], "a": x[0, 0], "b": x[0, 1]}})
    want = [stream.step(x_t) for x_t in x]
    assert list(got) == ["one", 7, "named"] and got["one"].shape == (4,)
    assert_streamed(got["one"], want[0], backend, "float32")
    assert_streamed(got["named"], want[0], backend, "float32")
    assert_streamed(got[7], np.array(want), backend, "float32")
    assert pool.step({}) == {} and pool.step([], np.ones((0, D))).shape == (0, 4)


def test_sequences_come_and_go(backend):
    net, x = network(), np.ones((1, D), "float32")
    pool = net.pool()
    first = pool.step(["a"], x)
    for n in range(40):  # more than there is memory for at first
        pool.step([n], x)
    second = pool.step(["a"], x)
    assert len(pool) == 41 and "a" in pool and 40 not in pool
    del pool["a"]
    assert "a" not in pool and bits(pool.step(["a"], x)) == bits(first)
    stream = net.stream()
    stream.state = pool["a"]
    assert_streamed(stream.step(x[0]), second[0], backend, "float32")
    pool["b"] = stream.state
    assert bits(pool["b"]) == bits(stream.state)
    assert pool.pop(5) and 5 not in pool and repr(pool) == "Pool of 41 sequences"
    with pytest.raises(KeyError, match="the pool has no sequence 5; step it, or set its state"):
        pool[5]
    with pytest.raises(KeyError, match="the pool has no sequence 5; delete one of its ids"):
        del pool[5]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_a_copy_of_a_pool_goes_on_by_itself(backend, how):
    net, x = network(), np.ones((2, D), "float32")
    pool = net.pool()
    pool.step(["a", "b"], x)
    other = how(pool)
    ahead = [pool.step(["b", "c"], x) for _ in range(3)]
    assert bits(ahead) == bits([other.step(["b", "c"], x) for _ in range(3)])
    assert list(other) == list(pool) and bits(dict(other)) == bits(dict(pool))


def test_a_saved_pool_goes_on(backend, tmp_path):
    net, x, path = network(), np.ones((3, D), "float32"), tmp_path / "states"
    pool, other = net.pool(), net.pool()
    pool.save_state(path)
    other.load_state(path)
    assert len(other) == 0
    pool.step(["a", 1, "1"], x)
    pool.save_state(path)
    other.step(["gone"], x[:1])
    other.load_state(path)
    assert list(other) == ["a", 1, "1"]
    assert bits(other.step(list(pool), x)) == bits(pool.step(list(pool), x))
    net.stream().save_state(path)
    with refuses(
        f"{path} holds the state of a stream; load it with net.stream().load_state(path).",
        ml.ModelFileError,
    ):
        other.load_state(path)
    assert list(other) == ["a", 1, "1"]


BAD = [
    (("ab", [[1, 2, 3]]), "ids is 'ab', one id; give a list of ids, ['ab']."),
    (([0.5], [[1, 2, 3]]), "ids[0] is 0.5, but strings and whole numbers are wanted; name the "
     "sequence by one of these."),
    ((["a", True], np.ones((2, D))), "ids[1] is True, but strings and whole numbers are wanted; "
     "name the sequence by one of these."),
    ((["a"], None), "x is missing; give a row for each id, or a dict from ids to rows."),
    (({"a": [1, 2, 3]}, [[1, 2, 3]]), "x is given beside a dict, which holds the rows; leave x "
     "out."),
    ((["a", "b"], [[1, 2, 3]]), "x has shape (1, 3), but one time step of these 2 streams is "
     "(2, 3); pass one row for each stream."),
    (({"a"}, [[1, 2, 3]]), "ids is a set, whose order is chance; give a list of ids."),
    (({"a": np.ones((1, 5, 3))}, None), "ids['a'] holds several sequences; give one step, (3,), or "
     "the next T steps of one sequence, (T, 3)."),
    (({"a": np.ones((5, 1, 3))}, None), "ids['a'] holds several sequences; give one step, (3,), or "
     "the next T steps of one sequence, (T, 3)."),
    (({"b": np.ones((2, 4))}, None), "ids['b'] has shape (2, 4), but the network wants (T, 3), T "
     "time steps of 3 features; check the number of features, or build the network with "
     "SequenceInput(4)."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=range(len(BAD)))
def test_what_does_not_fit_is_refused_and_changes_nothing(arguments, sentence):
    pool = network().pool()
    pool.step(["a"], np.ones((1, D)))
    before = bits(dict(pool))
    with refuses_data(sentence):
        pool.step(*arguments)
    assert list(pool) == ["a"] and bits(dict(pool)) == before


def test_a_value_that_is_not_finite_stops_all_of_a_call():
    pool = network().pool()
    pool.step(["a"], np.ones((1, D)))
    before = bits(dict(pool))
    with pytest.raises(ml.DataError, match="x holds nan at stream 1, feature 1"):
        pool.step(["a", "new"], [[1, 2, 3], [1, np.nan, 3]])
    assert list(pool) == ["a"] and bits(dict(pool)) == before


def test_a_network_that_cannot_go_step_by_step_has_no_pool():
    net = doubled([ml.SequenceInput(D), ml.BiLSTM(4), ml.FullyConnected(2)], "float32")
    with pytest.raises(ValueError, match="needs whole sequences, so it cannot go step by step"):
        net.pool()
