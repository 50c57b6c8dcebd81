"""Sequence-to-sequence classification: name the activity of every time step, and draw it.
Run it with a folder that holds MathWorks' two files to train on those instead of simulated data."""

from __future__ import annotations

import sys

import minilstm as ml


def main(
    path: str | None = None, scale: float = 1.0, out: str = "predicted-activities.png"
) -> float:
    """Train, predict, draw, and return the accuracy over all test steps."""
    data = ml.datasets.human_activity(path) if path else ml.datasets.human_activity(scale=scale)
    x_train, y_train, x_test, y_test = data
    layers = [
        ml.SequenceInput(3),
        ml.LSTM(200, output_mode="sequence"),
        ml.FullyConnected(5),
        ml.Softmax(),
    ]
    options = ml.TrainingOptions(
        "adam", max_epochs=60, gradient_threshold=2, metrics=["accuracy"], verbose_frequency=10
    )
    net, _ = ml.train(x_train, y_train, layers, loss="crossentropy", options=options)

    scores = net.predict(x_test[0])  # (T, 5)
    labels = ml.scores_to_labels(scores, net.classes)  # (T,)
    accuracy = float((labels == y_test[0]).mean())
    print(f"test accuracy {accuracy:.4f}")

    axes = ml.plots.plot_predictions(labels, y_test[0], classes=net.classes)
    ml.plots.save_figure(axes, out)
    return accuracy


if __name__ == "__main__":
    main(*sys.argv[1:2])
