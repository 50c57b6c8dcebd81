"""An LSTM beside an ARMA model: which of them predicts the next value of a series better?
One series is linear and made for the ARMA model, the other is chaotic and made for nobody.

It needs statsmodels: pip install 'minilstm[examples]'.
"""

from __future__ import annotations

import warnings

import numpy as np

import minilstm as ml

ORDERS = ((1, 0), (2, 1), (8, 0))


def linear(steps: int, rng: np.random.Generator) -> np.ndarray:
    """An ARMA(2, 1) process: y_t = 1.5 y_{t-1} - 0.7 y_{t-2} + e_t + 0.5 e_{t-1}."""
    e = rng.standard_normal(steps + 200)
    y = np.zeros(len(e))
    for t in range(2, len(e)):
        y[t] = 1.5 * y[t - 1] - 0.7 * y[t - 2] + e[t] + 0.5 * e[t - 1]
    return y[200:]  # (T,) after the start has faded


def mackey_glass(steps: int, rng: np.random.Generator) -> np.ndarray:
    """Mackey and Glass (1977): dy/dt = 0.2 y' / (1 + y'^10) - 0.1 y, where y' is y 17 seconds ago.

    A sample every 6 seconds; a step of the integration is a tenth of a second.
    """
    fine = np.full(170 + 60 * (steps + 100), 1.2) + 0.1 * rng.standard_normal()
    for t in range(170, len(fine) - 1):
        late = fine[t - 170]
        fine[t + 1] = fine[t] + 0.1 * (0.2 * late / (1 + late**10) - 0.1 * fine[t])
    return fine[::60][-steps:]  # (T,)


def fit_percent(predicted: np.ndarray, y: np.ndarray) -> float:
    """100 (1 - NRMSE): 100 is perfect, 0 no better than the mean."""
    return float(100 * (1 - np.linalg.norm(predicted - y) / np.linalg.norm(y - y.mean())))


def by_arma(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """One-step predictions of the test series; the order is chosen by AIC on the training data."""
    from statsmodels.tsa.arima.model import ARIMA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about starting values and convergence
        fits = {(p, q): ARIMA(train, order=(p, 0, q)).fit() for p, q in ORDERS}
        order, best = min(fits.items(), key=lambda pair: pair[1].aic)
        print(f"  ARMA{order}")
        return np.asarray(best.append(test).predict(start=len(train)))


def by_lstm(train: np.ndarray, test: np.ndarray, max_epochs: int, seed: int) -> np.ndarray:
    """One-step predictions of the test series: the open loop."""
    mean, std = train.mean(), train.std()
    scaled = (train[:, None] - mean) / std  # (T, 1)
    pieces = [scaled[n : n + 101] for n in range(0, len(scaled) - 100, 50)]
    layers = [ml.SequenceInput(1), ml.LSTM(32), ml.FullyConnected(1)]
    options = ml.TrainingOptions(
        "adam", max_epochs=max_epochs, mini_batch_size=8, initial_learn_rate=0.01,
        learn_rate_schedule="cosine", gradient_threshold=1, shuffle="every-epoch",
        verbose=False, seed=seed,
    )  # fmt: skip
    x, y = [a[:-1] for a in pieces], [a[1:] for a in pieces]
    net, _ = ml.train(x, y, layers, loss="mse", options=options)
    ahead = ml.forecast(net, scaled, len(test), actual=(test[:, None] - mean) / std)  # (T, 1)
    return ahead[:, 0] * std + mean


def main(
    steps: int = 2000, max_epochs: int = 100, seed: int = 0, out: str | None = "lstm_and_arma.png"
) -> float:
    """Fit both models to both series; return by how many points the LSTM leads on the chaotic."""
    rng, lead, shown = np.random.default_rng(seed), 0.0, []
    for name, make in (("linear", linear), ("chaotic", mackey_glass)):
        series = make(steps, rng)
        train, test = series[: steps * 3 // 4], series[steps * 3 // 4 :]
        print(f"{name} series, {len(train)} values to learn from")
        predicted = by_arma(train, test), by_lstm(train, test, max_epochs, seed)
        arma, lstm = (fit_percent(p, test) for p in predicted)
        print(f"  fit: ARMA {arma:.1f} %, LSTM {lstm:.1f} %")
        lead = lstm - arma
        shown.append((name, test, *predicted))
    if out:
        draw(shown, out)
    return lead


def draw(shown: list, out: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, (name, test, arma, lstm) in zip(figure.subplots(2), shown, strict=True):
        axes.plot(test[:120], color="k", label="truth")
        axes.plot(arma[:120], color="#0072B2", linestyle=":", label="ARMA")
        axes.plot(lstm[:120], color="#D55E00", linestyle="--", label="LSTM")
        axes.set(ylabel=f"{name} series")
    axes.legend(ncols=3)
    axes.set_xlabel("step")
    ml.plots.save_figure(figure, out)


if __name__ == "__main__":
    main()
