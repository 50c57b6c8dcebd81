"""Two LSTM layers deep, with dropout: name the speaker of each recording, then of each time step.
The two networks differ in one word, the output mode of their last LSTM layer."""

from __future__ import annotations

import numpy as np

import minilstm as ml


def deeper(output_mode: str) -> list:
    """The layers of the deeper network, one score for each of nine classes."""
    return [
        ml.SequenceInput(12),
        ml.LSTM(125, output_mode="sequence"),
        ml.Dropout(0.2),
        ml.LSTM(100, output_mode=output_mode),
        ml.Dropout(0.2),
        ml.FullyConnected(9),
        ml.Softmax(),
        ml.ClassificationOutput(),
    ]


def main(max_epochs: int = 100, seed: int = 0, out: str = "deeper-networks.png") -> float:
    """Train both, draw, and return the smaller accuracy: by sequences or by steps."""
    x_train, y_train, x_test, y_test = ml.datasets.japanese_vowels()
    options = ml.TrainingOptions(
        "adam", max_epochs=max_epochs, mini_batch_size=27, gradient_threshold=1, verbose=False,
        seed=seed,
    )  # fmt: skip

    net, _ = ml.train(x_train, y_train, deeper("last"), options=options)
    labels = net.classify(x_test)  # (370,)
    by_sequence = float((labels == y_test).mean())

    # Every step of a recording has its speaker as the answer.
    y_steps = [np.full(len(x), y) for x, y in zip(x_train, y_train, strict=True)]
    net, _ = ml.train(x_train, y_steps, deeper("sequence"), options=options)
    right = [labels == y for labels, y in zip(net.classify(x_test), y_test, strict=True)]  # (T_b,)
    by_step = float(np.concatenate(right).mean())

    print(f"test accuracy {by_sequence:.4f} over sequences, {by_step:.4f} over time steps")
    draw(right, by_sequence, out)
    return min(by_sequence, by_step)


def draw(right: list, by_sequence: float, out: str) -> None:
    """How the accuracy of the step-by-step network grows with what it has heard."""
    from matplotlib.figure import Figure

    longest = max(map(len, right))
    steps = np.arange(1, longest + 1)
    heard = [[r[n] for r in right if len(r) > n] for n in range(longest)]  # those that last so long
    shares = [100 * np.mean(h) if len(h) >= 10 else np.nan for h in heard]
    figure = Figure(figsize=(9, 5), layout="constrained")
    ax, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    ax.plot(steps, shares, "o-", color="#0072B2", label='"sequence": this step')
    ax.axhline(100 * by_sequence, color="#D55E00", ls="--", label='"last": whole sequences')
    ax.set(ylabel="Test accuracy (%)", ylim=(50, 101), title="Two LSTM layers, Japanese Vowels")
    ax.legend(loc="lower right", frameon=False)
    below.bar(steps, list(map(len, heard)), color="#BBBBBB")
    below.set(xlabel="Time step", ylabel="Recordings", xlim=(0, longest + 1))
    for axes in (ax, below):
        axes.spines[["top", "right"]].set_visible(False)
    ml.plots.save_figure(figure, out)


if __name__ == "__main__":
    main()
