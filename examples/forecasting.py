"""Time-series forecasting: from the past of a wave its future, in the open and the closed loop.
The network learns to put out the next step; in the closed loop it is fed its own forecasts."""

from __future__ import annotations

import numpy as np

import minilstm as ml


def waves(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Simulated waves (T, 3) of 120 to 160 steps: tones of one frequency, with a little noise."""
    out = []
    for frequency in rng.uniform(2.0, 5.0, count):
        phase = frequency * np.arange(rng.integers(120, 161))[:, None] / 100 + rng.random(3)
        wave = rng.uniform(1, 3, 3) * np.sin(2 * np.pi * phase)  # (T, 3)
        out.append(wave + 0.02 * rng.standard_normal(wave.shape))
    return out


def rmse(forecasts: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Over all steps, channels and waves."""
    return float(np.sqrt(np.mean([(f - t) ** 2 for f, t in zip(forecasts, truth, strict=True)])))


def main(
    count: int = 400,
    max_epochs: int = 60,
    steps: int = 30,
    hidden: int = 128,
    seed: int = 0,
    out: str | None = "forecasting.png",
) -> float:
    """Train, forecast the end of each test wave, and return the error of the closed loop."""
    data = waves(count, np.random.default_rng(seed))
    train, test = data[: count * 9 // 10], data[count * 9 // 10 :]

    mean, std = np.concatenate(train).mean(axis=0), np.concatenate(train).std(axis=0)  # (3,)
    scaled = [(a - mean) / std for a in train]
    x_train, y_train = [a[:-1] for a in scaled], [a[1:] for a in scaled]  # one step ahead
    layers = [ml.SequenceInput(3), ml.LSTM(hidden), ml.FullyConnected(3)]
    options = ml.TrainingOptions(
        "adam",
        max_epochs=max_epochs,
        mini_batch_size=16,
        initial_learn_rate=0.01,
        learn_rate_schedule="cosine",
        gradient_threshold=1,
        shuffle="every-epoch",
        verbose=False,
        seed=seed,
    )
    net, _ = ml.train(x_train, y_train, layers, loss="mse", options=options)

    history, truth = [a[:-steps] for a in test], [a[-steps:] for a in test]
    known, actual = [(a - mean) / std for a in history], [(a - mean) / std for a in truth]
    opened = [y * std + mean for y in ml.forecast(net, known, steps, actual=actual)]
    closed = [y * std + mean for y in ml.forecast(net, known, steps)]
    previous = [np.vstack([h[-1:], t[:-1]]) for h, t in zip(history, truth, strict=True)]
    held = [np.repeat(h[-1:], steps, axis=0) for h in history]
    print(f"open loop    RMSE {rmse(opened, truth):.3f}, value before {rmse(previous, truth):.3f}")
    print(f"closed loop  RMSE {rmse(closed, truth):.3f}, last value   {rmse(held, truth):.3f}")
    if out:
        axes = ml.plots.plot_forecast(history[0], closed[0], truth[0], open_loop=opened[0])
        ml.plots.save_figure(axes, out)
    return rmse(closed, truth)


if __name__ == "__main__":
    main()
