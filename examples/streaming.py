"""Streaming: a saved network names the activity while the sensor values arrive, one at a time.
Each step takes microseconds and gives what predicting the whole recording gives."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import minilstm as ml


def main(scale: float = 0.02, max_epochs: int = 40, out: str = "streaming.png") -> float:
    """Train, save, load, stream, draw, and return the largest difference from `predict`."""
    x_train, y_train, x_test, y_test = ml.datasets.human_activity(scale=scale)
    layers = [ml.SequenceInput(3), ml.LSTM(32), ml.FullyConnected(5), ml.Softmax()]
    options = ml.TrainingOptions(
        "adam", max_epochs=max_epochs, initial_learn_rate=0.01, gradient_threshold=2, verbose=False
    )
    net, _ = ml.train(x_train, y_train, layers, options=options)
    model = net.save(Path(out).with_suffix(".safetensors"))

    net = ml.load(model)  # on the device, say: NumPy and this file are enough
    stream = net.stream()
    stream.step(x_test[0][0])  # the first step may still load kernels
    stream.reset()
    scores = np.empty((len(x_test[0]), 5), np.float32)  # (T, 5)
    seconds = np.empty(len(scores))  # (T,)
    for t, x_t in enumerate(x_test[0]):
        started = time.perf_counter()
        scores[t] = stream.step(x_t)
        seconds[t] = time.perf_counter() - started

    difference = float(abs(scores - net.predict(x_test[0])).max())
    p50, p99 = np.percentile(1e6 * seconds, [50, 99])
    accuracy = (ml.scores_to_labels(scores, net.classes) == y_test[0]).mean()
    print(f"{len(scores):,} steps, test accuracy {accuracy:.4f}")
    print(f"latency of a step: p50 {p50:.1f} us, p99 {p99:.1f} us")
    print(f"largest difference from predict: {difference:.1g}")
    draw(scores, y_test[0], net.classes, 1e6 * seconds, out)
    return difference


def draw(
    scores: np.ndarray, truth: np.ndarray, classes: np.ndarray, latency: np.ndarray, out: str
) -> None:
    """The scores as they arrived, what was true below them, and how long each step took."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[3, 0.3, 1.4])
    colours, steps = ml.plots.colours(len(classes)), np.arange(len(scores))
    top.stackplot(steps, scores.T, colors=colours, labels=list(classes))
    top.set(ylabel="Score", ylim=(0, 1), title="Scores of five activities as the steps arrive")
    top.legend(loc="upper left", bbox_to_anchor=(1, 1.02), frameon=False)
    for name, colour in zip(classes, colours, strict=True):
        middle.fill_between(steps, 0, 1, where=truth == name, color=colour, step="post", lw=0)
    middle.set(ylabel="True", yticks=[], ylim=(0, 1), xlim=(0, len(scores) - 1))
    bottom.semilogy(steps, latency, ".", ms=2, color="#555555")
    bottom.set(xlabel="Time step", ylabel="Latency (µs)")
    for ax in (top, middle, bottom):
        ax.spines[["top", "right"]].set_visible(False)
    ml.plots.save_figure(figure, out)


if __name__ == "__main__":
    main()
