"""Every score of a report is the one that scikit-learn computes, or that a plain loop counts.
What is not defined is None in the report, "-" in its text and null in its JSON.
"""

import json
import sys

import numpy as np
import pytest

import minilstm as ml
from minilstm.errors import DataError
from minilstm.evaluation import judge, report
from minilstm.evaluation.bouts import bout_scores
from minilstm.evaluation.predictions import NO_LABEL, Predictions

metrics = pytest.importorskip("sklearn.metrics")


def drawn(seed, unit="step", classes=4, strange=0, ignored=0.0, ties=False):
    """Predictions of some recordings; `strange` classes were never trained."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 60, 9) if unit == "step" else np.ones(40, int)
    N = int(lengths.sum())
    true = np.repeat(rng.integers(0, classes + strange, N), rng.integers(1, 9, N))[:N]
    z = rng.normal(size=(N, classes)) + 1.5 * (true[:, None] == np.arange(classes))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    if ties:
        p = np.eye(classes)[z.argmax(axis=1)] * 0.5 + 0.5 / classes
    true = np.where(rng.random(N) < ignored, NO_LABEL, true)
    groups = [f"p{m % 3}" for m in range(len(lengths))]
    ids = [f"r{m}" for m in range(len(lengths))]
    labels = [f"c{k}" for k in range(classes + strange)]
    return Predictions(unit, lengths, ids, groups, None, labels, classes, true, p)


CASES = [
    {}, {"unit": "sequence"}, {"classes": 2}, {"strange": 2}, {"ignored": 0.3}, {"ties": True},
    {"classes": 12, "unit": "sequence", "strange": 1},
]  # fmt: skip


def undefined_as_nan(values):
    return np.array([np.nan if v is None else v for v in values], float)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(case, seed):
    p = drawn(seed, **case)
    found = judge(p)
    counted = p.true >= 0
    true, scores = p.true[counted], p.output[counted]
    said = scores.argmax(axis=1)
    K = len(p.classes)
    occur = np.unique(true)
    assert found.accuracy == metrics.accuracy_score(true, said)
    assert np.array_equal(found.confusion, metrics.confusion_matrix(true, said, labels=range(K)))
    theirs = metrics.precision_recall_fscore_support(
        true, said, labels=range(K), zero_division=np.nan
    )
    for name, wanted in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        ours = undefined_as_nan(getattr(c, name) for c in found.classes)
        np.testing.assert_allclose(ours, wanted, rtol=1e-15, err_msg=name)
    assert found.balanced_accuracy == pytest.approx(theirs[1][occur].mean(), rel=1e-14)
    assert found.mean_f1 == pytest.approx(theirs[2][occur].mean(), rel=1e-14)
    assert found.majority[1] == np.bincount(true).max() / len(true)
    assert [c.trained for c in found.classes] == [k < p.trained for k in range(K)]
    for k, c in enumerate(found.classes):
        if k >= p.trained or c.support in (0, len(true)):
            assert c.auc is c.average_precision is None
            continue
        assert c.auc == pytest.approx(metrics.roc_auc_score(true == k, scores[:, k]), rel=1e-13)
        area = metrics.average_precision_score(true == k, scores[:, k])
        assert c.average_precision == pytest.approx(area, rel=1e-13)
    padded = np.zeros((len(true), K))
    padded[:, : p.trained] = scores
    brier = ((padded - np.eye(K)[true]) ** 2).sum(axis=1).mean()
    assert found.calibration.brier == pytest.approx(brier, rel=1e-13)
    if occur.max() < p.trained:
        loss = metrics.log_loss(true, scores, labels=range(p.trained))
        assert found.cross_entropy == pytest.approx(loss, rel=1e-12)
    else:
        assert found.cross_entropy is None


def test_calibration_is_that_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    p = drawn(1)
    confidence, right = p.output.max(axis=1), p.output.argmax(axis=1) == p.true
    found = judge(p).calibration
    wanted = calibration_curve(right, confidence, n_bins=10)
    some = found.rows > 0
    np.testing.assert_allclose([found.accuracy[some], found.confidence[some]], wanted, rtol=1e-13)
    gaps = np.abs(found.accuracy - found.confidence)
    assert found.expected_error == pytest.approx((gaps * found.rows / len(right)).sum(), rel=1e-13)
    assert found.rows.sum() == len(right) and found.expected_error > 0
    assert judge(p._replace(output=p.output - 1)).calibration is None  # no probabilities


@pytest.mark.parametrize("unit", ["step", "sequence"])
def test_errors_by_part_come_worst_first(unit):
    p = drawn(2, unit, ignored=0.2)
    found = judge(p)
    said = p.output.argmax(axis=1)
    for parts, of, groups in (
        (found.by_recording, np.array(p.ids)[p.recording], dict(zip(p.ids, p.groups, strict=True))),
        (found.by_group, np.array(p.groups)[p.recording], {}),
    ):
        assert {part.name for part in parts} == set(of)
        for part in parts:
            own = (of == part.name) & (p.true >= 0)
            wrong = int((p.true[own] != said[own]).sum())
            assert (part.rows, part.errors) == (own.sum(), wrong)
            right = int(own.sum()) - wrong
            assert part.accuracy == (right / own.sum() if own.any() else None)
            assert part.group == groups.get(part.name)
            if unit == "sequence" and groups:
                row = p.ids.index(part.name)
                true = p.classes[p.true[row]] if p.true[row] >= 0 else None
                assert (part.true, part.predicted) == (true, p.classes[said[row]])
        known = [part.accuracy for part in parts if part.accuracy is not None]
        assert known == sorted(known)
        assert [part.accuracy for part in parts[len(known) :]] == [None] * (len(parts) - len(known))


def counted_bouts(true, said, lengths, k, times):
    """The bouts of a class, counted by loops over pairs of them."""

    def runs(codes):
        found, at = [], 0
        for n in lengths:
            t = at
            while t < at + n:
                end = t
                while end < at + n and codes[end] == codes[t]:
                    end += 1
                found += [set(range(t, end))] if codes[t] == k else []
                t = end
            at += n
        return found

    ours, theirs = runs(true), runs(np.where(true < 0, true, said))
    pairs = [(a, b) for a in ours for b in theirs if a & b]
    hits = [(a, b) for a, b in pairs if 2 * len(a & b) >= len(a | b)]
    touches = [[sum(one == pair[side] for pair in pairs) for one in ones]
               for side, ones in enumerate((ours, theirs))]  # fmt: skip
    delay = [times[min(b)] - times[min(a)] for a, b in hits]
    return (
        len(ours), len(theirs), len(hits), touches[0].count(0), sum(n > 1 for n in touches[0]),
        sum(n > 1 for n in touches[1]), touches[1].count(0), np.median(delay) if hits else None,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_bouts_are_those_that_a_loop_counts(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, 4)
    N, K = int(lengths.sum()), 3
    true = np.repeat(rng.integers(0, K, N), rng.integers(1, 7, N))[:N]
    said = np.where(rng.random(N) < 0.2, rng.integers(0, K, N), np.roll(true, rng.integers(0, 3)))
    true = np.where(rng.random(N) < 0.1 * (seed % 2), NO_LABEL, true)
    for times in (None, np.cumsum(rng.uniform(0.1, 1, N))):
        *of_class, of_all = bout_scores(true, said, lengths, list("abc"), times)
        for k, b in enumerate(of_class):
            wanted = counted_bouts(true, said, lengths, k, np.arange(N) if times is None else times)
            assert (b.label, *b[1:8], b.onset_delay) == ("abc"[k], *wanted)
            assert b.precision == (b.detected / b.predicted if b.predicted else None)
            assert b.recall == (b.detected / b.true if b.true else None)
            both = b.true + b.predicted
            assert b.f1 == (2 * b.detected / both if both else None)
        for field in range(1, 8):
            assert of_all[field] == sum(b[field] for b in of_class)


def test_split_merged_missed_and_spurious_bouts():
    #                 split           missed  merged          spurious
    true = np.array([1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0])
    said = np.array([1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0])
    walk = bout_scores(true, said, np.array([16]), ["rest", "walk"])[1]
    assert walk[1:8] == (4, 4, 0, 1, 1, 1, 1) and walk.onset_delay is None


@pytest.mark.parametrize("R", [1, 3])
def test_numbers_are_judged_as_scikit_learn_does(R):
    rng = np.random.default_rng(R)
    true = rng.normal(3, 2, (50, R))
    guess = true + rng.normal(0.1, 1, (50, R))
    lengths = np.array([30, 15, 5])
    p = Predictions(
        "step", lengths, list("xyz"), ["p", "q", "p"], None, None, 0, true, guess
    )  # fmt: skip
    found = judge(p)
    assert found.rmse == pytest.approx(metrics.mean_squared_error(true, guess) ** 0.5, rel=1e-13)
    assert found.mae == pytest.approx(metrics.mean_absolute_error(true, guess), rel=1e-13)
    assert found.r2 == pytest.approx(metrics.r2_score(true, guess), rel=1e-13)
    for r, score in enumerate(found.responses):
        t, y = true[:, r], guess[:, r]
        wanted = (
            metrics.mean_squared_error(t, y) ** 0.5, metrics.mean_absolute_error(t, y),
            metrics.r2_score(t, y), (y - t).mean(), t.std(),
        )  # fmt: skip
        assert score[:2] == (f"response {r + 1}", 50)
        np.testing.assert_allclose(score[2:], wanted, rtol=1e-13)
    by_name = {part.name: part for part in found.by_recording + found.by_group}
    for name, rows in {
        "x": slice(30),
        "y": slice(30, 45),
        "p": [*range(30), *range(45, 50)],
    }.items():
        own = metrics.mean_squared_error(true[rows], guess[rows]) ** 0.5
        assert by_name[name].rmse == pytest.approx(own, rel=1e-13)
        shown = metrics.r2_score(true[rows], guess[rows])  # as of the whole, a mean of responses
        assert by_name[name].r2 == pytest.approx(shown, rel=1e-13)
    errors = [part.rmse for part in found.by_recording]
    assert errors == sorted(errors, reverse=True)
    assert json.loads(json.dumps(found.to_plain(), allow_nan=False))["rmse"] == found.rmse
    flat = judge(p._replace(true=np.ones((50, R))))
    assert flat.r2 is None and "R2 -" in str(flat)


def test_numbers_stand_beside_their_mean_and_a_forecast_beside_the_last_value():
    true, last = np.array([[1.0, 1], [2, 2], [3, 6]]), np.array([[0.0, 1], [1, 2], [2, 6]])
    guess = np.array([[1.0, 9], [2, 9], [3, 9]])
    names = ["current", "temp"]
    p = Predictions("step", np.array([3]), ["r"], None, None, None, 0, true, guess, None, names)
    told = "temp is predicted no better than by the mean of these data (R2 -7.7143)"
    assert judge(p).notes == [told] and judge(p).persistence is None
    found = judge(p._replace(last=last))
    assert [(s.name, s.rmse) for s in found.persistence] == [("current", 1.0), ("temp", 0.0)]
    assert found.notes == [
        told,
        "temp is predicted no better than by its last value (RMSE 6.3770, and 0.0000 of the last "
        "value)",
    ]
    rows = [line.split() for line in str(found).splitlines()]
    assert rows[5][0] == "current" and [row[-1] for row in rows[4:7]] == [
        "persistence", "1.0000", "0.0000",
    ]  # fmt: skip
    assert found.to_plain()["persistence"][0]["rmse"] == 1.0


# ---------------------------------------------------------------- of a network


def network(classes=("run", "walk"), mode="sequence", seed=0, features=2):
    layers = [
        ml.SequenceInput(features), ml.LSTM(3, mode), ml.FullyConnected(len(classes)), ml.Softmax()
    ]  # fmt: skip
    return ml.Network(layers, rng=np.random.default_rng(seed), classes=list(classes))


def test_a_report_is_of_what_the_network_predicts(on_numpy):
    net = network()
    x = [np.random.default_rng(s).normal(size=(n, 2)) for s, n in enumerate((5, 8, 3))]
    y = [net.classify(a) for a in x]
    y[1] = np.where(np.arange(8) < 2, "fall", y[1])
    y[2] = np.array(["?", *y[2][1:]])
    times = [0.5 * np.arange(len(a)) for a in x]
    found = report(net, x, y, groups=[7, 7, 8], ids=list("uvw"), times=times, ignored_labels=["?"])
    assert found.accuracy == 13 / 15
    assert [c.label for c in found.classes] == ["run", "walk", "fall"]
    fall = found.classes[2]
    assert (fall.trained, fall.support, fall.recall, fall.precision) == (False, 2, 0.0, None)
    assert found.by_recording[0][:4] == ("v", "7", 8, 2)
    assert found.notes == [
        "'fall' was never trained, so it is never right (2 steps)",
        "left out, as without a label: 1 step",
    ]
    assert "F1  onset (s)" in str(found)
    single = report(net, x[0], y[0], times=times[0])
    assert single.accuracy == 1.0 and single.by_group is None
    scores = net.evaluate(x[:1], y[:1])
    assert single.cross_entropy == pytest.approx(scores["loss"], rel=1e-6)


def test_a_carried_state_and_the_order_of_classes_do_not_matter(on_numpy):
    net = network(["walk", "run"], "last")
    x = [np.random.default_rng(s).normal(size=(6, 2)) for s in range(4)]
    before = report(net, x, net.classify(x)).to_plain()
    net.predict_and_update_state(x[0])
    y = network(["walk", "run"], "last").classify(x)
    assert before["accuracy"] == 1.0
    assert report(net, x, y).to_plain() == before
    assert [c["label"] for c in before["classes"]] == ["walk", "run"]
    assert before["bouts"] is None and before["unit"] == "sequence"


def test_text_markdown_and_json_say_the_same(on_numpy):
    p = drawn(3, strange=1)
    p = p._replace(true=np.where(p.true == 0, 1, p.true))  # the first class never occurs
    found = judge(p)
    plain = json.loads(json.dumps(found.to_plain(), allow_nan=False))
    assert plain["classes"][0]["recall"] is None and plain["classes"][0]["support"] == 0
    assert plain["accuracy"] == found.accuracy and plain["majority"]["of"] == "evaluation data"
    row = next(line for line in str(found).splitlines() if line.startswith("  c0 "))
    assert row.split()[2:] == ["-", row.split()[3], "0", "-", "-"]
    assert "nan" not in str(found).lower() and "c4 (never trained)" in str(found)
    page = found.to_markdown()
    assert page.startswith("# Evaluation\n\n## Scores by class\n\n- accuracy ")
    heads = [line for line in page.splitlines() if line.startswith("## ")]
    assert heads == [
        "## Scores by class", "## Confusion", "## Errors by group", "## Errors by recording",
        "## Bouts", "## Calibration", "## Notes",
    ]  # fmt: skip
    tables = [line.count("|") for line in page.splitlines() if line.startswith("|")]
    assert "| c4 (never trained) | - | 0.0000 | 0.0000 |" in page and min(tables) > 3
    odd = judge(p._replace(classes=["a|b", *p.classes[1:]])).to_markdown()
    assert "| a\\|b |" in odd


def test_without_scikit_learn_all_but_the_curves_is_there(monkeypatch):
    p = drawn(4)
    whole = judge(p)
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    found = judge(p)
    assert found.notes == [
        "Folds and curves are computed by scikit-learn: pip install 'minilstm[sklearn]'."
    ]
    assert found.curves is None and found.classes[0].auc is None
    assert found.accuracy == whole.accuracy and found.bouts == whole.bouts


def test_pictures_are_written(tmp_path):
    matplotlib_image = pytest.importorskip("matplotlib.image")
    p = drawn(5, classes=25)  # more than there are colours
    paths = judge(p).plot(tmp_path / "new" / "folder")
    names = ["confusion.png", "roc.png", "precision-recall.png", "calibration.png"]
    assert [path.name for path in paths] == names
    rng = np.random.default_rng(0)
    numbers = p._replace(
        classes=None, true=rng.normal(size=(len(p.true), 2)), output=p.output[:, :2]
    )
    more = judge(numbers).plot(tmp_path)
    assert [path.name for path in more] == [
        "regression.png", "residuals.png", "residual-histogram.png"
    ]  # fmt: skip
    for path in paths + more:
        pixels = matplotlib_image.imread(path)
        assert min(pixels.shape[:2]) > 400 and pixels[:, :, :3].std() > 0.02


def test_curves_keep_their_shape_where_they_are_thinned():
    rng = np.random.default_rng(0)
    N = 20_000
    true = rng.integers(0, 2, N)
    s = rng.normal(size=N) + true
    p = np.stack([1 / (1 + np.exp(s)), 1 / (1 + np.exp(-s))], axis=1)
    found = judge(
        Predictions("step", np.array([N]), ["r"], None, None, ["a", "b"], 2, true, p)
    )  # fmt: skip
    for curve in found.curves:
        x, y = curve.false_positive_rate, curve.true_positive_rate
        assert len(x) <= 400 and (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert np.trapezoid(y, x) == pytest.approx(curve.auc, abs=2e-3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda net, x, y: report(net, x, y, groups=["a"]),
            "groups has 1 names, but there are 2 recordings; give one for each.",
        ),
        (
            lambda net, x, y: report(net, x, y, times=[[0.0], [0.0, 1.0]]),
            "times[0] has shape (1,), but its sequence has 2 steps; give one time a step, in "
            "seconds.",
        ),
        (
            lambda net, x, y: report(net, x, [[0, 1], [1, 1]]),
            "y holds whole numbers as labels, such as 0 (sequence 0), but the network's classes "
            "'run', 'walk' are text; use one kind for both.",
        ),
        (
            lambda net, x, y: report(net, x, y, ignored_labels=["run", "walk"]),
            "y holds no label but the ignored ones, so nothing counts; check which labels are "
            "ignored.",
        ),
        (
            lambda net, x, y: report(ml.Network(net.layers, net.parameters), x, y),
            "the network has no classes; train it on labels, or name those of its scores, in their "
            "order, with net.replace(classes=[...]).",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_one_sentence(call, sentence):
    x = [np.zeros((2, 2)), np.ones((2, 2))]
    with pytest.raises(DataError) as caught:
        call(network(), x, [["run", "walk"], ["walk", "run"]])
    assert str(caught.value) == sentence
