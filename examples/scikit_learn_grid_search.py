"""A grid search of scikit-learn over sequences of unequal lengths: who speaks a Japanese vowel?
Every candidate is judged on folds of the training data; the test data judge the best one, once."""

from __future__ import annotations

import minilstm as ml


def main(
    max_epochs: int = 30,
    folds: int = 3,
    n_jobs: int | None = 2,
    out: str = "speakers.safetensors",
) -> float:
    """Search, print what every candidate reached, and return the accuracy on the test data."""
    try:
        from sklearn.model_selection import GridSearchCV, StratifiedKFold

        from minilstm.sklearn import LSTMClassifier
    except ImportError as error:
        raise ImportError(
            "this example needs scikit-learn: pip install 'minilstm[examples]'."
        ) from error
    # Lists of (T, 12) arrays, T from 7 to 29; nothing is padded.
    x_train, y_train, x_test, y_test = ml.datasets.japanese_vowels()
    model = LSTMClassifier(max_epochs=max_epochs, initial_learn_rate=0.02, random_state=0)
    grid = {"num_hidden_units": [16, 48], "bidirectional": [False, True]}
    splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    search = GridSearchCV(model, grid, cv=splits, n_jobs=n_jobs).fit(x_train, y_train)

    found = search.cv_results_
    rows = zip(found["params"], found["mean_test_score"], found["std_test_score"], strict=True)
    for params, mean, deviation in sorted(rows, key=lambda row: -row[1]):
        size, both = params["num_hidden_units"], params["bidirectional"]
        kind = "BiLSTM" if both else "LSTM"
        print(f"{kind:>6} of {size:2} units: {mean:.3f} (deviation {deviation:.3f})")
    accuracy = float(search.score(x_test, y_test))
    print(f"test accuracy {accuracy:.4f}")

    search.best_estimator_.network_.save(out)  # as any other minilstm.Network
    return accuracy


if __name__ == "__main__":
    main()
