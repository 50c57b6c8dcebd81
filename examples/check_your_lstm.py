"""Check your own LSTM: ten lines find the mistake that a falling loss hides.
The LSTM below is a stranger's: plain NumPy, gates f, i, o, g, one matrix for [x, h], row vectors.

Four mistakes that others made and discussed in public are made in it again, one at a time. The
checker names the array, the place and the line. The last mistake was once proposed as a fix,
because the loss fell faster with it: so it does on a task like theirs, and not on another.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import minilstm as ml
from minilstm.gradcheck import GradientReport

BUGS = {
    "forget derivative": "CaptainE/RNN-LSTM-in-numpy#1",
    "bias copied": "hanbt/learn_dl#53",
    "h_t for h_{t-1}": "wvabrinskas/Neuron#181",
    "cell path cut": "nicodjimenez/lstm#49",
}


# -------------------------------------------------------------- somebody's LSTM


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * z))


def forward(x: np.ndarray, K: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, tuple]:
    """Outputs h (T, B, H) of x (T, B, D) with K (D + H, 4H) and b (4H,), and a cache."""
    H, steps, outputs = len(b) // 4, [], []
    h = c = np.zeros((x.shape[1], H), np.result_type(x, K, b))  # (B, H)
    for x_t in x:
        v = np.concatenate([x_t, h], axis=1)  # (B, D + H)
        f, i, o, g = np.split(v @ K + b, 4, axis=1)  # (B, H) each
        f, i, o, g = sigmoid(f), sigmoid(i), sigmoid(o), np.tanh(g)
        c_prev, c = c, f * c + i * g
        h = o * np.tanh(c)
        steps.append((v, c_prev, f, i, o, g, np.tanh(c), h))
        outputs.append(h)
    return np.stack(outputs), (steps, K)


def backward(dh: np.ndarray, cache: tuple, bug: str = "") -> dict[str, np.ndarray]:
    """Gradients of x, K and b, with one of BUGS or none."""
    steps, K = cache
    B, H = dh.shape[1:]
    D = len(K) - H
    dK, db = np.zeros_like(K), np.zeros(4 * H, K.dtype)
    dx = np.zeros((len(steps), B, D), K.dtype)
    dh_next = dc_next = np.zeros((B, H), K.dtype)
    for t in reversed(range(len(steps))):
        v, c_prev, f, i, o, g, tanh_c, h = steps[t]
        dh_t = dh[t] + dh_next
        dc = dh_t * o * (1 - tanh_c**2)
        if bug != "cell path cut":
            dc = dc + dc_next
        df = dc * c_prev * (f if bug == "forget derivative" else f * (1 - f))
        di, dg = dc * g * i * (1 - i), dc * i * (1 - g**2)
        dz = np.concatenate([df, di, dh_t * tanh_c * o * (1 - o), dg], axis=1)  # (B, 4H)
        if bug == "h_t for h_{t-1}":
            v = np.concatenate([v[:, :D], h], axis=1)
        dK += v.T @ dz
        db += dz.sum(axis=0)
        dv = dz @ K.T  # (B, D + H)
        dx[t], dh_next, dc_next = dv[:, :D], dv[:, D:], dc * f
    if bug == "bias copied":
        db[H : 2 * H] = db[2 * H : 3 * H] = db[:H]
    return {"x": dx, "K": dK, "b": db}


# -------------------------------------------------------------- the ten lines


def check(bug: str) -> GradientReport:
    rng = np.random.default_rng(0)
    inputs = {
        "x": rng.standard_normal((6, 3, 2)),  # (T, B, D)
        "K": rng.standard_normal((2 + 4, 4 * 4)),  # (D + H, 4H)
        "b": rng.standard_normal(4 * 4),  # (4H,)
    }
    gates = ("f", "i", "o", "g")
    axes = {"x": ("time", "batch", "feature"), "K": ("row of [x, h]", gates), "b": (gates,)}
    mine = partial(backward, bug=bug)
    return ml.gradcheck(forward, mine, inputs, cached=True, axes=axes, raises=False)


# -------------------------------------------------------------- what the loss says of it


def train(task: str, bug: str, seed: int, updates: int, rate: float = 0.1) -> np.ndarray:
    """The loss before each update of gradient descent at a fixed rate."""
    rng = np.random.default_rng(seed)
    if task == "fit":  # four given numbers after four random inputs, as in that thread
        T, B, D, H = 4, 1, 50, 100
        x = rng.standard_normal((T, B, D))
        y = rng.uniform(-0.5, 0.5, (T, B, 1))
    else:  # the sign of the first input, at all of 20 steps
        T, B, D, H = 20, 4, 4, 16
        x = rng.standard_normal((T, B, D))
        y = np.repeat(0.5 * np.sign(x[:1, :, :1]), T, axis=0)
    K = rng.standard_normal((D + H, 4 * H)) / np.sqrt(D + H)
    b = np.zeros(4 * H)
    losses = np.empty(updates)
    for n in range(updates):
        h, cache = forward(x, K, b)
        error = h[:, :, :1] - y  # (T, B, 1) the first unit is the output
        losses[n] = np.mean(error**2)
        dh = np.zeros_like(h)
        dh[:, :, :1] = 2 * error / B
        grads = backward(dh, cache, bug)
        K, b = K - rate * grads["K"], b - rate * grads["b"]
    return losses


def main(
    seeds: int = 9, updates: int = 60, out: str | None = "check_your_lstm.png"
) -> dict[str, object]:
    """Find every bug; train with the right and with a wrong gradient; return what came out."""
    assert check("").passed
    print("the LSTM as it should be passes\n")
    found: dict[str, object] = {}
    for bug, thread in BUGS.items():
        report = check(bug)
        wrong = [e for e in report.errors if not e.passed]
        print(f"{thread}: wrong {', '.join(report.wrong)}")
        worst = max(wrong, key=lambda e: e.relative_error)
        print(f"  {worst.name} at {worst.place or list(worst.where)}: by hand {worst.by_hand:.6f}, "
              f"right {worst.reference:.6f}")  # fmt: skip
        print(f"  {worst.causes[0] if worst.causes else worst.note}\n")
        found[bug] = (report.wrong, worst.causes)

    curves = {
        task: {
            bug: np.array([train(task, bug, seed, count) for seed in range(seeds)])
            for bug in ("", "cell path cut")
        }
        for task, count in (("fit", updates // 2), ("remember", updates))
    }  # (seeds, updates) each
    for task, runs in curves.items():
        right, wrong = runs[""], runs["cell path cut"]
        n = right.shape[1] - 1
        lower = int((wrong[:, n] < right[:, n]).sum())
        print(
            f"{task}: median loss after {n} updates {np.median(right[:, n]):.2g} with the right "
            f"gradient, {np.median(wrong[:, n]):.2g} with the wrong one, which is lower in {lower} "
            f"of {seeds} runs"
        )
        found[task] = (np.median(right[:, n]), np.median(wrong[:, n]), lower)
    if out:
        draw(curves, out)
    return found


def draw(curves: dict[str, dict[str, np.ndarray]], out: str) -> None:
    from matplotlib.figure import Figure

    titles = {
        "fit": "four numbers to fit: the wrong gradient wins",
        "remember": "a sign to remember for 20 steps: it loses",
    }
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (task, runs) in zip(figure.subplots(1, 2), curves.items(), strict=True):
        for bug, colour, dash, label in (
            ("", "#0072B2", "-", "right gradient"),
            ("cell path cut", "#D55E00", "--", "carried cell gradient dropped"),
        ):
            low, middle, high = np.percentile(runs[bug], (25, 50, 75), axis=0)  # (updates,)
            axes.semilogy(middle, color=colour, linestyle=dash, label=label)
            axes.fill_between(np.arange(len(middle)), low, high, color=colour, alpha=0.15)
        axes.set(title=titles[task], xlabel="update", ylabel="loss (median, quartiles)")
        axes.legend()
    ml.plots.save_figure(figure, out)


if __name__ == "__main__":
    main()
