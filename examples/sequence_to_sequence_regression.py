"""Sequence-to-sequence regression: how many more cycles will an engine run, at every cycle?
The engines are simulated: sensors that drift with wear, under changing load and with noise."""

from __future__ import annotations

import numpy as np

import minilstm as ml

SENSORS, CONSTANT = 14, 3
LONGEST = 150  # cycles of remaining life; before that an engine shows no wear


def engines(count: int, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sensors (T, 17) of engines that run until they fail, and the cycles that remain (T, 1)."""
    same = np.random.default_rng(2008)  # what all engines have in common
    offset, gain, load_gain = same.normal(0, (100, 1, 0.5), (SENSORS, 3)).T
    power = same.uniform(0.7, 1.5, SENSORS)
    x, y = [], []
    for life in rng.integers(130, 360, count):
        age = np.arange(life) / life  # (T,)
        wear = rng.uniform(0, 0.1) + np.expm1(4 * age) / np.expm1(4)  # (T,) 0 new, 1 failed
        load = np.cumsum(rng.normal(0, 0.1, life))  # (T,)
        clean = offset + gain * wear[:, None] ** power + load_gain * load[:, None]  # (T, 14)
        noisy = clean + 0.2 * rng.standard_normal(clean.shape)
        x.append(np.hstack([noisy, np.full((life, CONSTANT), 14.62)]))
        y.append(np.arange(life - 1.0, -1.0, -1.0)[:, None])
    return x, y


def main(
    count: int = 100,
    max_epochs: int = 60,
    hidden: int = 200,
    sequence_length: str = "ragged",
    seed: int = 0,
    out: str | None = "sequence_to_sequence_regression.png",
) -> float:
    """Train, predict, and return the root mean square error at the last cycle of test engines.

    `sequence_length="longest"` pads each mini-batch as the reference does.
    """
    rng = np.random.default_rng(seed)
    x_train, y_train = engines(count, rng)
    x_test, y_test = engines(count, rng)
    ends = [int(rng.integers(50, len(a))) for a in x_test]  # they are seen before they fail
    x_test = [a[:end] for a, end in zip(x_test, ends, strict=True)]
    y_test = [a[:end] for a, end in zip(y_test, ends, strict=True)]

    every = np.concatenate(x_train)  # (N, 17)
    changing = np.ptp(every, axis=0) > 0  # (17,)
    mean, std = every[:, changing].mean(axis=0), every[:, changing].std(axis=0)
    x_train, x_test = ([(a[:, changing] - mean) / std for a in x] for x in (x_train, x_test))
    y_train, y_test = ([np.minimum(a, LONGEST) for a in y] for y in (y_train, y_test))
    order = np.argsort([-len(a) for a in x_train])  # engines of like lengths in one mini-batch
    x_train, y_train = [x_train[b] for b in order], [y_train[b] for b in order]

    layers = [
        ml.SequenceInput(int(changing.sum())),
        ml.LSTM(hidden, output_mode="sequence"),
        ml.FullyConnected(50),
        ml.Dropout(0.5),
        ml.FullyConnected(1),
    ]
    options = ml.TrainingOptions(
        "adam", max_epochs=max_epochs, mini_batch_size=20, initial_learn_rate=0.01,
        gradient_threshold=1, shuffle="never", sequence_length=sequence_length,
        verbose=False, seed=seed,
    )  # fmt: skip
    net, _ = ml.train(x_train, y_train, layers, loss="mse", options=options)

    predicted = [np.minimum(a, LONGEST) for a in net.predict(x_test)]  # (T_b, 1) each
    last = np.array([a[-1, 0] for a in predicted])  # (B,)
    true = np.array([a[-1, 0] for a in y_test])  # (B,)
    rmse = float(np.sqrt(np.mean((last - true) ** 2)))
    print(f"RMSE at the last cycle {rmse:.2f} cycles, the spread is {true.std():.2f} cycles")
    if out:
        draw(predicted, y_test, last - true, out)
    return rmse


def draw(predicted: list, y: list, errors: np.ndarray, out: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    *curves, histogram = figure.subplots(1, 4)
    for b, axes in enumerate(curves):
        axes.plot(y[b], color="k", label="truth")
        axes.plot(predicted[b], color="#D55E00", label="predicted")
        axes.set(xlabel="cycle", ylabel="remaining cycles", title=f"test engine {b}", ylim=(0, 160))
    curves[0].legend()
    histogram.hist(errors, 20)
    histogram.set(xlabel="error at the last cycle", ylabel="engines")
    ml.plots.save_figure(figure, out)


if __name__ == "__main__":
    main()
