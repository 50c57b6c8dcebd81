"""A pool of streams that come and go: each gives what a stream of its own gives.
Whatever steps beside it, and however many steps arrive at once."""

import copy
import enum
import pickle
import threading

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
    assert pool.step({}) == {}
    assert [pool.step([], no).shape for no in ([], np.ones((0, D)))] == [(0, 4)] * 2


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


def test_a_pool_and_its_copies_keep_the_weights_of_its_opening(backend):
    net, x = network(), np.ones((1, D), "float32")
    pool, same = net.pool(), net.pool()
    want = [same.step(["a"], x) for _ in range(2)]
    first = pool.step(["a"], x)
    other = copy.copy(pool)
    for values in net.parameters.values():
        values *= 2
    for one in (pool, other, pickle.loads(pickle.dumps(other))):
        assert bits([first, one.step(["a"], x)]) == bits(want)


@pytest.mark.parametrize("n", [2, 3])  # as many as features, or fewer
def test_a_dict_of_columns_is_read_as_a_frame_is(backend, n):
    net, rng = network(feature_names=["a", "b", "c"]), np.random.default_rng(3)
    x = rng.normal(size=(n, D))
    columns = {"c": x[:, 2], "a": x[:, 0].tolist(), "b": x[:, 1]}
    want = net.pool().step(range(n), x)
    assert bits(net.pool().step(range(n), columns)) == bits(want)
    assert_streamed(net.stream(batch=n).step(columns), want, backend, "float32")
    whole = net.pool().step({"one": columns})["one"]
    assert bits(whole) == bits(net.pool().step({"one": x})["one"])


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


@pytest.mark.parametrize("kind", [list, np.array, lambda x: np.array(x, "float32")])
@pytest.mark.parametrize("n", [1, 3, 11, 33])  # few enough for a stream's kernel, and more
def test_rows_in_a_dict_give_what_rows_in_an_array_give(backend, n, kind):
    net = network()
    x = np.random.default_rng(4).normal(size=(n, D)).astype("float32").astype(float).tolist()
    one, other = net.pool(), net.pool()
    for _ in range(2):
        got = one.step({k: kind(row) for k, row in enumerate(x)})
        assert bits([*got.values()]) == bits(list(other.step(range(n), kind(x))))
        assert list(got) == list(range(n)) and bits(dict(one)) == bits(dict(other))


def test_a_number_that_one_row_alone_would_refuse_is_refused_in_a_dict():
    pool = network().pool()
    for bad in ([1.0, np.nan, 2.0], [1, 2, 2**53 + 1], [1, 2, 10**400]):
        with pytest.raises(ml.DataError, match=r"^ids\['b'\]"):
            pool.step({"a": [1.0, 2.0, 3.0], "b": bad})
    assert len(pool) == 0


class Word(str, enum.Enum):  # noqa: UP042 - whose str() is "Word.A"
    A = "a"


def test_ids_are_of_their_type():
    pool = network().pool()
    pool.step([1, Word.A, np.int8(7), np.str_("z")], np.ones((4, D)))
    assert list(pool) == [1, "a", 7, "z"] and [*map(type, pool)] == [int, str] * 2
    assert all(one in pool for one in (1, np.int64(1), Word.A, "a"))
    state = pool[1]
    for strange in (True, 1.0, np.True_, [1], None, {}, b"a", 1 + 0j):
        assert strange not in pool and pool.get(strange) is None and pool.pop(strange, 5) == 5
        with pytest.raises(KeyError, match=r"the pool has no sequence .*; step it, or set its"):
            pool[strange]
        with pytest.raises(KeyError, match=r"the pool has no sequence .*; delete one of its ids"):
            del pool[strange]
        with pytest.raises(ml.DataError, match=r"^ids\[0\] is .*, but strings and whole numbers"):
            pool[strange] = state
    with pytest.raises(ml.DataError, match=r"^state is NoneType, but a dict of"):
        pool.setdefault("new")
    assert len(pool) == 4


def test_a_pool_equals_itself_alone_and_has_all_states_of_one_moment():
    pool = network().pool()
    pool.step(["a", "b"], np.ones((2, D)))
    other = copy.copy(pool)
    assert pool == pool and pool != other and pool != dict(pool) and len({pool, other}) == 2
    items, values = pool.items(), pool.values()
    before = bits(dict(pool))
    pool.clear()
    assert len(pool) == 0 and bits(dict(items)) == before and len(values) == 2


def test_threads_that_end_sequences_disturb_none_that_read():
    pool, x, stop = network().pool(), np.ones((40, D), "float32"), threading.Event()

    def come_and_go():
        while not stop.is_set():
            pool.step(range(40), x)
            for n in range(40):
                pool.pop(n, None)

    threads = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            for one in dict(pool.items()).values():
                assert one["lstm_1"].hidden.shape == (1, 9)
            list(pool.values())
    finally:
        stop.set()
        for thread in threads:
            thread.join()


BAD = [
    ((5, [[1, 2, 3]]), "ids is of type int, but one id is wanted for each row; give a list of "
     "strings or whole numbers."),
    ((np.array(3), [[1, 2, 3]]), "ids is of type ndarray, but one id is wanted for each row; give "
     "a list of strings or whole numbers."),
    ((["b", "\ud800"], np.ones((2, D))), "ids[1] holds half a letter or thousands of digits, which "
     "no file of states can hold; name the sequence anew."),
    (([10**5000], np.ones((1, D))), "ids[0] holds half a letter or thousands of digits, which no "
     "file of states can hold; name the sequence anew."),
    (([], np.ones((0, 5))), "x has shape (0, 5), but one time step of these 0 streams is (0, 3); "
     "pass one row for each stream."),
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
