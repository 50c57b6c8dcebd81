"""The demonstration: train, test, predict, stream and draw, from nothing to files on disk.
First the activity network on simulated sensors, then the speaker network on real recordings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from minilstm import plots
from minilstm.backend import current_backend, get_num_threads
from minilstm.command_line.facts import INTERRUPTED, facts, files
from minilstm.command_line.outputs import output_folder, save_model
from minilstm.data import datasets
from minilstm.data.scores import scores_to_labels
from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
from minilstm.network.network import Network
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train

QUICK_SCALE = 0.04  # of the lengths of the recordings
QUICK_VOWEL_EPOCHS = 30
NAMES = (  # of the files it writes
    "human-activity.safetensors", "history.csv", "training-progress.png", "training-sequence.png",
    "test-sequence.png", "predicted-activities.png", "confusion.png",
)  # fmt: skip
STREAMED_STEPS = 1000  # of the test recording, one at a time


def run_demo(out: Path, quick: bool, seed: int) -> dict[str, Any]:
    """Run the demonstration; its data are always the same, the seed is that of the networks.

    Files go to the folder `out`, which is made if it is not there. With `quick` the recordings are
    shorter and the epochs fewer, and it is done in less than a minute.

    Returns
    -------
    dict of what was measured: the accuracy over all test steps of the activities, their loss in
    nats a step, the accuracy over all test sequences of the speakers, and the files
    """
    with output_folder(out, NAMES):
        return _run(out, quick, seed)


def _run(out: Path, quick: bool, seed: int) -> dict[str, Any]:
    started = time.perf_counter()
    backend = current_backend().name
    threads = f", {get_num_threads()} threads" if backend == "numba" else ""
    print(f"backend {backend}{threads}")
    result, paths, info = _activities(out, quick, seed)
    vowels, second = _vowels(quick, seed)
    seconds = time.perf_counter() - started
    print(f"\n{'activities, simulated':<32} test accuracy {result['accuracy']:.4f}")
    print(f"{'speakers, real recordings':<32} test accuracy {vowels:.4f}")
    print(f"{'time':<32} {seconds:.0f} s")
    print("files")
    return {
        **facts(seconds, result, seed),
        "vowels_accuracy": vowels,
        "files": files(paths),
        "exit_code": INTERRUPTED if "Ctrl-C" in info.stop_reason + second.stop_reason else 0,
    }


def _activities(
    out: Path, quick: bool, seed: int
) -> tuple[dict[str, float], list[Path], TrainingInfo]:
    """An LSTM with 200 units names the activity of every step."""
    x_train, y_train, x_test, y_test = datasets.human_activity(scale=QUICK_SCALE if quick else 1.0)
    steps = [len(x) for x in x_train]
    print(
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
    paths = [save_model(net, out / "human-activity.safetensors"), info.to_csv(out / "history.csv")]

    scores = net.predict(x_test[0])  # (T, C)
    predicted = scores_to_labels(scores, net.classes)  # (T,)
    print(_streamed(net, x_test[0], scores))
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
    paths += [picture, *(plots.save_figure(ax, out / name) for name, ax in figures.items())]
    return net.evaluate(x_test, y_test), paths, info


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


def _vowels(quick: bool, seed: int) -> tuple[float, TrainingInfo]:
    """An LSTM with 100 units names the speaker of a vowel."""
    x_train, y_train, x_test, y_test = datasets.japanese_vowels()
    steps = [len(x) for x in x_train + x_test]
    print(
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
    net, info = train(x_train, y_train, layers, options=options)
    return net.evaluate(x_test, y_test)["accuracy"], info
