"""Sequence-to-one regression: tell the frequency of a noisy wave, one number a sequence.
The waves are simulated: sines, squares, triangles and sawteeth of three channels."""

from __future__ import annotations

import numpy as np

import minilstm as ml

SHAPES = {
    "sine": lambda p: np.sin(2 * np.pi * p),
    "square": lambda p: np.sign(np.sin(2 * np.pi * p)),
    "triangle": lambda p: np.arcsin(np.sin(2 * np.pi * p)) * 2 / np.pi,
    "sawtooth": lambda p: 2 * (p % 1) - 1,
}


def waves(count: int, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    """Waves (T, 3) of 100 to 140 steps, and the frequency of each, (count, 1)."""
    x, frequency = [], rng.uniform(1.0, 7.0, (count, 1))
    for f in frequency:
        t = np.arange(rng.integers(100, 141))[:, None] / 100  # (T, 1) seconds
        shape = SHAPES[str(rng.choice(list(SHAPES)))]
        clean = rng.uniform(0.5, 1.5, 3) * shape(f * t + rng.random(3))  # (T, 3)
        x.append(clean + 0.3 * rng.standard_normal(clean.shape))
    return x, frequency


def main(
    count: int = 500,
    max_epochs: int = 100,
    output_layer: bool = False,
    seed: int = 0,
    out: str | None = "sequence_to_one_regression.png",
) -> float:
    """Train, predict, and return the root mean square error of the test frequencies."""
    rng = np.random.default_rng(seed)
    x_train, y_train = waves(count, rng)
    validation, test = waves(count // 5, rng), waves(count // 5, rng)
    layers: list = [ml.SequenceInput(3), ml.LSTM(100, output_mode="last"), ml.FullyConnected(1)]
    loss = "mse"
    if output_layer:  # the older form: the loss stands in the list of layers, and is half of "mse"
        layers, loss = [*layers, ml.RegressionOutput()], None
    options = ml.TrainingOptions(
        "adam",
        max_epochs=max_epochs,
        mini_batch_size=32,
        initial_learn_rate=0.005,
        gradient_threshold=1,
        shuffle="every-epoch",
        validation_data=validation,
        output_network="best-validation",
        metrics=["rmse"],
        verbose=False,
        seed=seed,
    )
    net, _ = ml.train(x_train, y_train, layers, loss, options)

    x, y = test
    predicted = net.predict(x)  # (B, 1)
    rmse = float(np.sqrt(np.mean((predicted - y) ** 2)))
    print(f"RMSE {rmse:.3f} Hz, the spread of the frequencies is {y.std():.3f} Hz")
    if out:
        axes = ml.plots.plot_regression(y, predicted, quantity="frequency", unit="Hz")
        ml.plots.save_figure(axes, out)
    return rmse


if __name__ == "__main__":
    main()
