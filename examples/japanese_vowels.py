"""Sequence-to-label classification: name the speaker of a Japanese vowel.
The data are the real recordings, embedded in the package; the confusion chart shows who is taken
for whom."""

from __future__ import annotations

import minilstm as ml


def main(max_epochs: int = 100, out: str = "speakers.png") -> float:
    """Train, classify, draw, and return the accuracy over all test sequences."""
    x_train, y_train, x_test, y_test = ml.datasets.japanese_vowels()
    layers = [
        ml.SequenceInput(12),
        ml.LSTM(100, output_mode="last"),
        ml.FullyConnected(9),
        ml.Softmax(),
        ml.ClassificationOutput(),
    ]
    options = ml.TrainingOptions(
        "adam", max_epochs=max_epochs, mini_batch_size=27, gradient_threshold=1, verbose=False
    )
    net, _ = ml.train(x_train, y_train, layers, options=options)

    labels = net.classify(x_test)  # (370,)
    accuracy = float((labels == y_test).mean())
    print(f"test accuracy {accuracy:.4f}")

    axes = ml.plots.plot_confusion(y_test, labels, classes=net.classes, title="Speakers")
    ml.plots.save_figure(axes, out)
    return accuracy


if __name__ == "__main__":
    main()
