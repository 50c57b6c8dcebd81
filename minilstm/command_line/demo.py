"""The demonstration: train, test, predict, stream and draw, from nothing to files on disk.
First the activity network on simulated sensors, then the speaker network on real recordings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minilstm import plots
from minilstm.backend import current_backend, get_num_threads
from minilstm.data import datasets
from minilstm.data.labels import scores_to_labels
from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
from minilstm.network.network import Network
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train

QUICK_SCALE = 0.04  # of the lengths of the recordings
QUICK_VOWEL_EPOCHS = 30
STREAMED_STEPS = 1000  # of the test recording, one at a time


class DemoResult(NamedTuple):
    """What the demonstration measured."""

    accuracy: float  # activities, over all test steps
    loss: float  # nats a step
    vowels_accuracy: float  # speakers, over all test sequences
    seconds: float
    files: list[Path]
    stopped: bool  # by Ctrl-C


def run_demo(
    out: Path, *, quick: bool = False, seed: int = 0, say: Callable[[str], None] = print
) -> DemoResult:
    """Run the demonstration.

    Parameters
    ----------
    out : folder for the files, made if it is not there
    quick : shorter recordings and fewer epochs, done in less than a minute
    seed : of the networks; the data are always the same
    say : called with each line of text

    Returns
    -------
    DemoResult
    """
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    backend = current_backend().name
    threads = f", {get_num_threads()} threads" if backend == "numba" else ""
    say(f"backend {backend}{threads}")
    result, files, info = _activities(out, quick, seed, say)
    vowels = _vowels(quick, seed, say)
    seconds = time.perf_counter() - started
    say("")
    say(f"{'activities, simulated':<32} test accuracy {result['accuracy']:.4f}")
    say(f"{'speakers, real recordings':<32} test accuracy {vowels:.4f}")
    say(f"{'time':<32} {seconds:.0f} s")
    say("files")
    for path in files:
        say(f"  {path}")
    stopped = "Ctrl-C" in info.stop_reason
    return DemoResult(result["accuracy"], result["loss"], vowels, seconds, files, stopped)


def _activities(
    out: Path, quick: bool, seed: int, say: Callable[[str], None]
) -> tuple[dict[str, float], list[Path], TrainingInfo]:
    """An LSTM with 200 units names the activity of every step."""
    x_train, y_train, x_test, y_test = datasets.human_activity(scale=QUICK_SCALE if quick else 1.0)
    steps = [len(x) for x in x_train]
    say(
        f"human activity (simulated): {len(x_train)} people to train on, {min(steps):,} to "
        f"{max(steps):,} steps; 1 to test on, {len(x_test[0]):,} steps"
    )
    layers = [SequenceInput(3), LSTM(200), FullyConnected(5), Softmax()]
    picture = out / "training-progress.png"
    options = TrainingOptions(
        "adam",
        max_epochs=60,
        gradient_threshold=2,
        metrics=["accuracy"],
        plots="training-progress",
        plot_file=picture,
        verbose_frequency=10,
        seed=seed,
    )
    net, info = train(x_train, y_train, layers, options=options)
    files = [
        net.save(out / "human-activity.safetensors"),
        info.to_csv(out / "history.csv"),
        picture,
    ]

    scores = net.predict(x_test[0])  # (T, C)
    predicted = scores_to_labels(scores, net.classes)  # (T,)
    say(_streamed(net, x_test[0], scores))
    figures = {
        "training-sequence.png": plots.plot_sequence(
            x_train[0],
            y_train[0],
            title="Training sequence 1, feature 1 (simulated)",
            unit="g / 100",
        ),
        "test-sequence.png": plots.plot_features(
            x_test[0], title="Test data (simulated)", unit="g / 100"
        ),
        "predicted-activities.png": plots.plot_predictions(predicted, y_test[0]),
        "confusion.png": plots.plot_confusion(y_test[0], predicted),
    }
    files += [plots.save_figure(axes, out / name) for name, axes in figures.items()]
    return net.evaluate(x_test, y_test), files, info


def _streamed(net: Network, x: Any, scores: Any) -> str:
    """Feed the first steps one at a time, and compare with the scores of the whole sequence."""
    stream = net.stream()
    steps = min(STREAMED_STEPS, len(x))
    stream.step(x[0])  # the first call may still be compiling
    stream.reset()
    started = time.perf_counter()
    streamed = np.stack([stream.step(x_t) for x_t in x[:steps]])  # (steps, C)
    microseconds = (time.perf_counter() - started) / steps * 1e6
    difference = float(np.abs(streamed - scores[:steps]).max())
    same = "the same bits" if difference == 0 else f"equal to {difference:.0e}"
    return (
        f"streaming {steps:,} steps one by one: {same} as the whole sequence, "
        f"{microseconds:.0f} us a step"
    )


def _vowels(quick: bool, seed: int, say: Callable[[str], None]) -> float:
    """An LSTM with 100 units names the speaker of a vowel."""
    x_train, y_train, x_test, y_test = datasets.japanese_vowels()
    steps = [len(x) for x in x_train + x_test]
    say(
        f"Japanese Vowels (real): {len(x_train)} sequences to train on, {len(x_test)} to test on, "
        f"{min(steps)} to {max(steps)} steps, 9 speakers"
    )
    layers = [SequenceInput(12), LSTM(100, output_mode="last"), FullyConnected(9), Softmax()]
    options = TrainingOptions(
        "adam",
        max_epochs=QUICK_VOWEL_EPOCHS if quick else 100,
        mini_batch_size=27,
        gradient_threshold=1,
        metrics=["accuracy"],
        verbose_frequency=100 if quick else 250,
        seed=seed,
    )
    net, _ = train(x_train, y_train, layers, options=options)
    return net.evaluate(x_test, y_test)["accuracy"]
