"""Splits of recordings: no group on both sides, classes in their shares, the same for a seed.
scikit-learn's own splitters say what folds are right.
"""

import sys
import warnings

import numpy as np
import pytest

from minilstm.errors import DataError
from minilstm.evaluation.splits import k_fold, leave_one_group_out, shared_names, split_share

PEOPLE = np.repeat(["ann", "bob", "cyd", "dan", "eve"], [3, 3, 2, 2, 2])  # (12,)
LABELS = np.array(["run", "sit", "walk"] * 4)  # (12,)


def check(splits, n, groups=None):
    """Both sides together are all recordings, once each, and no group is on both."""
    for train, test in splits:
        assert len(train) and len(test)
        assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
        if groups is not None:
            assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_share_of_each_class(share, seed):
    y = np.repeat(["a", "b", "c"], [40, 40, 20])
    split = split_share(100, share, seed, labels=y)
    check([split], 100)
    assert [(y[split.test] == c).sum() for c in "abc"] == [
        round(40 * share), round(40 * share), round(20 * share)
    ]  # fmt: skip
    again, other = (split_share(100, share, s, labels=y) for s in (seed, seed + 1))
    assert np.array_equal(split.test, again.test) and not np.array_equal(split.test, other.test)


def test_remainders_are_shared_out_and_one_recording_is_on_each_side():
    assert len(split_share(10, 0.25, labels=["a"] * 5 + ["b"] * 5).test) == 2
    assert len(split_share(7, 0.5, labels=list("aaabbbc")).test) == 4
    assert [len(part) for part in split_share(2, 0.01)] == [1, 1]
    assert [len(part) for part in split_share(3, 0.99)] == [1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_a_share_of_whole_groups_keeps_every_class_on_both_sides(seed):
    groups = np.repeat(np.arange(8), 4)  # 8 people, of whom two each do one thing only
    labels = np.repeat(["a", "a", "b", "b", "c", "c", "d", "d"], 4)
    split = split_share(32, 0.5, seed, groups, labels)
    check([split], 32, groups)
    assert set(labels[split.test]) == set(labels[split.train]) == set("abcd")
    assert len(split.test) == 16


def test_labels_a_step_count_by_the_most_frequent():
    steps = [np.array([c, c, "rest"]) for c in LABELS]
    for one, other in ((split_share(12, 0.25, 3, None, y) for y in (steps, LABELS)),):
        assert np.array_equal(one.test, other.test)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_folds_are_those_of_scikit_learn(k, seed):
    skl = pytest.importorskip("sklearn.model_selection")
    how = {"n_splits": k, "shuffle": True, "random_state": seed}
    enough = k <= 4  # recordings of each class
    cases = [
        (None, None, skl.KFold), (None, LABELS, skl.StratifiedKFold if enough else skl.KFold),
        (PEOPLE, None, skl.GroupKFold),
        (PEOPLE, LABELS, skl.StratifiedGroupKFold if k <= 4 else skl.GroupKFold),
    ]  # fmt: skip
    for groups, labels, way in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            folds = k_fold(12, k, seed, groups, labels)
        check(folds, 12, groups)
        assert np.array_equal(np.sort(np.concatenate([f.test for f in folds])), np.arange(12))
        wanted = list(way(**how).split(np.zeros(12), labels, groups))
        assert [f.test.tolist() for f in folds] == [test.tolist() for _, test in wanted]


def test_each_group_is_left_out_once_as_scikit_learn_does():
    skl = pytest.importorskip("sklearn.model_selection")
    for groups in (PEOPLE, np.array([3, 1, 3, 2])):
        folds = leave_one_group_out(groups)
        check(folds, len(groups), groups)
        wanted = list(skl.LeaveOneGroupOut().split(groups, groups=groups))
        assert [f.test.tolist() for f in folds] == [test.tolist() for _, test in wanted]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: split_share(4, 1.0),
            "share is 1.0, but a part of the recordings tests; give 0.2, say.",
        ),
        (
            lambda: k_fold(4, 1),
            "k is 1, but one part tests and others train; give 2 folds or more.",
        ),
        (
            lambda: k_fold(3, 4),
            "there are 3 recordings, but 4 folds want one each; record more, or cut long "
            "recordings into parts.",
        ),
        (
            lambda: k_fold(12, 6, groups=PEOPLE),
            "groups holds 5 groups, but 6 folds want one each; give 5 folds or fewer, or leave "
            "groups out to split by recording.",
        ),
        (
            lambda: leave_one_group_out(["ann"] * 3),
            "groups holds 'ann' only, so one group holds all 3 recordings and none is left to "
            "test; name another group_column, or leave groups out to split by recording.",
        ),
        (
            lambda: split_share(1, 0.5),
            "there is 1 recording, but 2 sides want one each; record more, or cut long recordings "
            "into parts.",
        ),
        (
            lambda: split_share(3, 0.5, groups=PEOPLE),
            "groups has shape (12,), but there are 3 recordings; give one for each.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_one_sentence(call, sentence):
    with pytest.raises(DataError) as caught:
        call()
    assert str(caught.value) == sentence


def test_shared_names_are_warned_of():
    sentence = (
        r"^2 groups are both in the training and in the test data \('ann', 'bob'\), so the scores "
        r"are too good; test on others\.$"
    )
    with pytest.warns(UserWarning, match=sentence):
        assert shared_names(["bob", "ann", "cyd"], ["ann", "bob", "dan"], "groups") == [
            "ann", "bob"
        ]  # fmt: skip
    with pytest.warns(UserWarning, match=r"^7 recordings .*'6' and 1 more\)"):
        shared_names(range(1, 8), [*range(7, 0, -1)])
    assert shared_names(["0", "1"], ["0", "1", "2"]) == shared_names([], ["a"]) == []


def test_missing_scikit_learn_is_one_sentence_and_only_folds_need_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match=r"^Folds and .*: pip install 'minilstm\[sklearn\]'\.$"):
        k_fold(4, 2)
    assert len(split_share(4, 0.5, groups=list("abcd")).test) == 2
    assert len(leave_one_group_out(["a", "b"])) == 2
