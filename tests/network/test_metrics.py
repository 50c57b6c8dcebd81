"""Every metric against its definition, written out once more with loops over rows and classes.
Rows without a class, classes that do not occur, equal scores and wrong arguments follow.
"""

import itertools
import math

import numpy as np
import pytest

from minilstm.errors import DataError
from minilstm.network.metrics import NAMES, Metric, find_metric

FOR_CLASSES = ("accuracy", "precision", "recall", "fscore", "auc")


def compute(name, y, t):
    return find_metric(name).compute(np.asarray(y), np.asarray(t))


def draw(N, C, seed, absent=(), ties=True):
    """Scores (N, C), with equal ones among them, and classes of which some do not occur."""
    rng = np.random.default_rng(seed)
    y = rng.random((N, C))
    y = np.round(y, 1) if ties else y
    t = rng.choice([k for k in range(C) if k not in absent], N)
    return y, t


def by_hand(name, y, t):
    """The macro average over the classes that occur, from counts of single rows."""
    said = [max(range(len(row)), key=row.__getitem__) for row in y.tolist()]
    values = []
    for k in sorted(set(t.tolist())):
        tp = sum(s == k and c == k for s, c in zip(said, t, strict=True))
        fp = sum(s == k and c != k for s, c in zip(said, t, strict=True))
        fn = sum(s != k and c == k for s, c in zip(said, t, strict=True))
        p = tp / (tp + fp) if tp + fp else 0.0
        r = tp / (tp + fn)
        f = 2 * p * r / (p + r) if p + r else 0.0
        values.append({"precision": p, "recall": r, "fscore": f}[name])
    return sum(values) / len(values)


def area_by_hand(scores, true):
    """The share of pairs, one of the class and one not, in the right order; equal ones are half."""
    pairs = [(a, b) for a in scores[true] for b in scores[~true]]
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs) / len(pairs)


def area_by_trapezoids(scores, true):
    """The area under the curve of true against false positive rates, threshold by threshold."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(scores.tolist()), reverse=True):
        said = scores >= threshold
        points.append(((said & ~true).sum() / (~true).sum(), (said & true).sum() / true.sum()))
    steps = itertools.pairwise(points)
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in steps)


# ---------------------------------------------------------------- against the definitions


@pytest.mark.parametrize("name", ["precision", "recall", "fscore"])
@pytest.mark.parametrize("absent", [(), (1,), (0, 3)])
@pytest.mark.parametrize("C", [4, 7])
def test_macro_averages(name, absent, C):
    for seed in range(5):
        y, t = draw(40, C, seed, absent)
        assert compute(name, y, t) == pytest.approx(by_hand(name, y, t), abs=1e-15)


@pytest.mark.parametrize("ties", [False, True])
def test_auc(ties):
    for seed in range(5):
        y, t = draw(40, 4, seed, absent=(2,), ties=ties)
        for area in (area_by_hand, area_by_trapezoids):
            want = np.mean([area(y[:, k], t == k) for k in (0, 1, 3)])
            assert compute("auc", y, t) == pytest.approx(want, abs=1e-14)


def test_auc_of_two_classes_is_that_of_the_second_score():
    y, t = draw(50, 2, 0, ties=False)
    y[:, 0] = 1 - y[:, 1]
    assert compute("auc", y, t) == pytest.approx(area_by_hand(y[:, 1], t == 1), abs=1e-14)


def test_accuracy():
    y, t = draw(60, 3, 1)
    want = sum(row.index(max(row)) == c for row, c in zip(y.tolist(), t, strict=True)) / 60
    assert compute("accuracy", y, t) == want


def test_rmse_is_the_root_of_the_mean_over_all_elements():
    y, t = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [0.0, 4.0]])
    assert compute("rmse", y, t) == math.sqrt((0 + 4 + 9 + 0) / 4)
    rng = np.random.default_rng(2)
    y, t = rng.standard_normal((2, 30, 3))
    squares = [(a - b) ** 2 for a, b in zip(y.ravel().tolist(), t.ravel().tolist(), strict=True)]
    assert compute("rmse", y, t) == pytest.approx(math.sqrt(sum(squares) / 90), rel=1e-14)
    small = np.full((100_000, 1), 1e-3, np.float32)  # squares and sums are those of float64
    assert compute("rmse", small, 0 * small) == pytest.approx(float(small[0, 0]), rel=1e-12)


def test_a_small_case_with_numbers_worked_out_on_paper():
    # Said: 0 0 1 1 2, true: 0 1 1 1 0. Class 2 is said once and never true.
    y = np.eye(3)[[0, 0, 1, 1, 2]]
    t = np.array([0, 1, 1, 1, 0])
    assert compute("accuracy", y, t) == 3 / 5
    assert compute("precision", y, t) == pytest.approx((1 / 2 + 2 / 2) / 2)
    assert compute("recall", y, t) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert compute("fscore", y, t) == pytest.approx((2 * 1 / (2 + 2) + 2 * 2 / (2 + 3)) / 2)


# ---------------------------------------------------------------- edges


@pytest.mark.parametrize("name", FOR_CLASSES)
def test_rows_without_a_class_do_not_count(name):
    y, t = draw(30, 4, 3)
    t[::4] = -1
    y[t < 0] = np.nan
    assert compute(name, y, t) == compute(name, y[t >= 0], t[t >= 0])
    assert math.isnan(compute(name, y, np.full(30, -1)))


@pytest.mark.parametrize("name", FOR_CLASSES)
def test_perfect_predictions(name):
    t = np.array([0, 2, 1, 2, 2, 0])
    assert compute(name, np.eye(4)[t], t) == 1


def test_one_row_and_one_class():
    y, t = np.array([[0.3, 0.7]]), np.array([1])
    assert [compute(n, y, t) for n in FOR_CLASSES[:4]] == [1, 1, 1, 1]
    assert math.isnan(compute("auc", y, t))  # there is nothing to tell the class from
    assert compute("auc", np.ones((4, 2)), np.array([0, 1, 1, 0])) == 0.5


def test_nan_scores_are_seen_by_auc():
    y, t = draw(10, 2, 4)
    y[0, 1] = np.nan
    assert math.isnan(compute("auc", y, t))


def test_several_classes_at_once():
    y = np.array([[0.9, 0.6, 0.2], [0.4, 0.5, 0.1], [0.7, 0.1, 0.3]])
    t = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    # Said: 110 010 100, where 1/2 says true. Class 2 is never true.
    assert compute("accuracy", y, t) == (1 + 0 + 1 + 0 + 1 + 1 + 0 + 1 + 1) / 9
    assert compute("precision", y, t) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert compute("recall", y, t) == pytest.approx((1 / 2 + 1) / 2)
    assert compute("fscore", y, t) == pytest.approx((2 / (2 + 2) + 2 / (2 + 1)) / 2)
    areas = [area_by_hand(y[:, k], t[:, k] > 0) for k in (0, 1)]
    assert compute("auc", y, t) == pytest.approx(np.mean(areas))


# ---------------------------------------------------------------- a user's function, errors


def test_a_function():
    seen = []

    def mean_score(y, t):
        seen.append((y.shape, t.tolist()))
        return y.mean(dtype=np.float64)

    metric = find_metric(mean_score)
    assert (metric.name, metric.kind) == ("mean_score", "any")
    value = metric.compute(np.full((3, 2), 0.5, "f4"), np.array([1, -1, 0]))
    assert value == 0.5 and type(value) is float
    assert seen == [((2, 2), [1, 0])]
    metric.compute(np.zeros((3, 2)), np.full((3, 2), -1.0))  # numbers may be negative
    assert seen[1][0] == (3, 2)


def test_names():
    assert set(NAMES) == {*FOR_CLASSES, "rmse"}
    for name in NAMES:
        metric = find_metric(name)
        assert isinstance(metric, Metric) and metric.name == name and find_metric(metric) is metric


def loss(y, t):
    return 0


@pytest.mark.parametrize(
    ("metric", "error", "words"),
    [
        ("f1", ValueError, "a metric is 'f1'; choose one of 'accuracy', 'precision'"),
        (3, TypeError, "a metric is int; choose one of 'accuracy'"),
        (lambda y, t: 0, ValueError, "has no name"),
        (loss, ValueError, "named 'loss', which is taken"),
    ],
)
def test_no_metric(metric, error, words):
    with pytest.raises(error, match=words):
        find_metric(metric)


def test_metrics_of_the_wrong_targets():
    with pytest.raises(DataError, match="'rmse' is for numbers, but the targets are classes"):
        compute("rmse", np.zeros((3, 2)), np.zeros(3, int))
    with pytest.raises(DataError, match="'accuracy' is for classes, but the targets are numbers"):
        compute("accuracy", np.zeros((3, 2)), np.full((3, 2), 0.3))
    with pytest.raises(DataError, match=r"predictions \(3, 2\) and targets \(4,\)"):
        compute("accuracy", np.zeros((3, 2)), np.zeros(4, int))
    with pytest.raises(DataError, match=r"predictions \(3, 2\) and targets \(3, 1\)"):
        compute("rmse", np.zeros((3, 2)), np.zeros((3, 1)))

    def rows(y, t):
        return y

    with pytest.raises(DataError, match="'rows' returned ndarray, but one number is wanted"):
        find_metric(rows).compute(np.zeros((3, 2)), np.zeros((3, 2)))
