"""Six small networks like those of the examples: gradients, trainings, predictions and streams.
Each function gives all its results as arrays by name, on the backend in force.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minilstm as ml

from .internals import Signal, pack

LENGTHS = (9, 4, 12, 1, 7, 7, 5)
DTYPES = ("float32", "float64")
STREAMED = 6  # steps


class Case(NamedTuple):
    """A network, what it is trained on, and how."""

    shape: Any  # of one time step
    normalization: str  # in training
    rest: Callable[[], list[Any]]  # layers behind the input
    classes: int  # 0 for regression
    last: bool  # one answer a sequence, else one a step
    options: dict[str, Any]
    streams: bool = True


def _video() -> list[Any]:
    return [
        ml.SequenceFolding(name="fold"),
        # The mean is subtracted next: the bias has the gradient 0, whose rounding moves it.
        ml.Convolution2D(3, 4, bias_learn_rate_factor=0, name="conv"),
        ml.BatchNormalization(),
        ml.ReLU(),
        ml.SequenceUnfolding(name="unfold"),
        ml.Flatten(),
        ml.LSTM(7, output_mode="last"),
        ml.FullyConnected(3),
        ml.Softmax(),
        ml.ClassificationOutput(),
    ]


CASES = {
    "sequence": Case(
        3, "zerocenter", lambda: [ml.LSTM(18), ml.FullyConnected(4), ml.Softmax()], 4, False,
        {"gradient_threshold": 2, "shuffle": "every-epoch", "bptt_truncation": 5},
    ),
    "last": Case(
        12, "none",
        lambda: [
            ml.LSTM(11, output_mode="last"), ml.FullyConnected(4), ml.Softmax(),
            ml.ClassificationOutput(),
        ],
        4, True, {"gradient_threshold": 1, "l2_regularization": 0.01, "sequence_length": "longest"},
    ),
    "deep": Case(
        4, "zscore",
        lambda: [
            ml.LSTM(9), ml.Dropout(0.2), ml.LSTM(7, output_mode="last"), ml.Dropout(0.2),
            ml.FullyConnected(3), ml.Softmax(),
        ],
        3, True,
        {
            "solver": "sgdm", "gradient_threshold": 0.1, "learn_rate_schedule": "piecewise",
            "gradient_threshold_method": "global-l2norm", "learn_rate_drop_period": 2,
        },
    ),
    "bilstm": Case(
        3, "rescale-symmetric",
        lambda: [ml.BiLSTM(6), ml.FullyConnected(4), ml.Softmax()], 4, False,
        {
            "solver": "rmsprop", "gradient_threshold": 0.05,
            "gradient_threshold_method": "absolute-value",
        },
        False,
    ),
    "video": Case([6, 6, 1], "zerocenter", _video, 3, True, {"output_network": "best-validation"}),
    "regression": Case(
        5, "rescale-zero-one",
        lambda: [
            ml.LSTM(8), ml.FullyConnected(6), ml.ReLU(), ml.Dropout(0.5), ml.FullyConnected(2),
            ml.RegressionOutput(),
        ],
        0, False,
        {
            "learn_rate_schedule": "cosine", "sequence_length": 4,
            "sequence_padding_direction": "left",
        },
    ),
}  # fmt: skip


def layers(case: Case, normalization: str) -> Any:
    """The layers of a case, or their graph where folding and unfolding have to be joined."""
    chain = [ml.SequenceInput(case.shape, normalization), *case.rest()]
    if isinstance(case.shape, int):
        return chain
    return ml.LayerGraph(chain).connect("fold/mini_batch_size", "unfold/mini_batch_size")


def data(case: Case) -> tuple[list[Any], Any]:
    """Sequences and their answers, in float64."""
    rng = np.random.default_rng(3)
    shape = (case.shape,) if isinstance(case.shape, int) else tuple(case.shape)
    x = [rng.uniform(-2, 2, (n, *shape)) for n in LENGTHS]  # (T_b, *shape)
    if not case.classes:
        return x, [np.cumsum(a[:, :2], axis=0) for a in x]  # (T_b, 2)
    if case.last:
        return x, np.arange(len(x)) % case.classes  # (B,)
    return x, [rng.integers(0, case.classes, len(a)) for a in x]  # (T_b,)


def gradients(name: str, dtype: str) -> dict[str, Any]:
    """First values, then loss and gradients of one batch, without and with truncation."""
    case = CASES[name]
    net = ml.Network(
        layers(case, "none"), rng=np.random.default_rng(5), dtype=dtype,
        classes=range(case.classes) if case.classes else None,
    )  # fmt: skip
    x, y = data(case)
    packed = pack([a.astype(dtype) for a in x])
    if case.last:
        targets = y[packed.order]  # (B,)
    else:
        kind = dtype if not case.classes else np.int64
        targets = pack([a.reshape(len(a), -1).astype(kind) for a in y]).rows  # (N, R)
        targets = targets if not case.classes else targets[:, 0]  # (N,)
    found = {"first values": net.parameters}
    # A BiLSTM and batch normalisation see whole sequences, so nothing is cut there.
    whole = name in ("bilstm", "video")
    for truncation in (None,) if whole else (None, 4):
        result = net.loss_and_gradients(
            Signal(packed.rows, packed.active), targets, truncation=truncation, key=11,
            want_outputs=True,
        )  # fmt: skip
        found["pass" if truncation is None else "cut pass"] = {
            **result._asdict(), "loss": float(result.loss), "correct": list(result.correct),
        }  # fmt: skip
    return found


def training(name: str, dtype: str) -> tuple[ml.Network, dict[str, Any]]:
    """A trained network, and its parameters, statistics and history without times."""
    case = CASES[name]
    x, y = data(case)
    options = ml.TrainingOptions(**{
        "max_epochs": 4, "mini_batch_size": 3, "initial_learn_rate": 0.01, "seed": 4,
        "validation_data": (x[:3], y[:3]), "validation_frequency": 3, "dtype": dtype,
        "verbose": False, **case.options,
    })  # fmt: skip
    net, info = ml.train(x, y, layers(case, case.normalization), options=options)
    # Of the iterations; what was validated before them is in the first row.
    history = {k: v[1:] for k, v in info.history.items() if k != "time"}
    first = net.layers[0]
    given = {
        k: getattr(first, k)
        for k in ("mean", "standard_deviation", "min", "max")
        if getattr(first, k) is not None
    }
    found = {
        "parameters": net.parameters, "statistics": net.statistics, "input": given,
        "history": history, "stop reason": info.stop_reason,
        "output iteration": info.output_iteration,
    }  # fmt: skip
    return net, found


def predictions(name: str, net: ml.Network) -> dict[str, Any]:
    """What a trained network predicts, and what its streams put out step by step."""
    case = CASES[name]
    x, y = data(case)
    found: dict[str, Any] = {"scores": net.predict(x), "measures": net.evaluate(x, y)}
    if case.classes:
        found["labels"] = net.classify(x)
    if not case.streams:
        return found
    net.predict_and_update_state(x[0])
    found["state"] = net.state
    net.reset_state()
    one, three = net.stream(), net.stream(batch=3)
    together = np.stack([a[:STREAMED] for a in (x[0], x[2], x[4])], axis=1)  # (6, 3, *shape)
    found["stream"] = [one.step(x_t) for x_t in x[2]]
    found["streams"] = [three.step(x_t) for x_t in together]
    found["stream state"], found["streams state"] = one.state, three.state
    return found


def everything(name: str, dtype: str) -> dict[str, Any]:
    """All results of a case; few arrays have few hashes, so lists of steps are one array each."""
    net, trained = training(name, dtype)
    found = {
        "gradients": gradients(name, dtype), "training": trained,
        "prediction": predictions(name, net),
    }  # fmt: skip
    for key in ("stream", "streams", "scores", "labels"):
        steps = found["prediction"].get(key)
        if isinstance(steps, list):
            found["prediction"][key] = np.concatenate([np.atleast_1d(a) for a in steps])
    return found


# ---------------------------------------------------------------- the demonstration


def demonstration() -> dict[str, Any]:
    """Losses of the demonstration's two networks, on short recordings and for few epochs."""
    x, y, x_test, y_test = ml.datasets.human_activity(scale=0.01)
    options = {"metrics": ["accuracy"], "seed": 0, "verbose": False}
    network = [ml.SequenceInput(3), ml.LSTM(200), ml.FullyConnected(5), ml.Softmax()]
    activities, info = ml.train(
        x, y, network,
        options=ml.TrainingOptions("adam", max_epochs=6, gradient_threshold=2, **options),
    )  # fmt: skip
    found: dict[str, Any] = {"recordings": np.concatenate(x), "activities": info.history["loss"]}
    found["activities test"] = activities.evaluate(x_test, y_test)["loss"]
    x, y, x_test, y_test = ml.datasets.japanese_vowels()
    network = [
        ml.SequenceInput(12), ml.LSTM(100, output_mode="last"), ml.FullyConnected(9), ml.Softmax(),
    ]  # fmt: skip
    speakers, info = ml.train(
        x, y, network,
        options=ml.TrainingOptions(
            "adam", max_epochs=2, mini_batch_size=27, gradient_threshold=1, **options
        ),
    )  # fmt: skip
    found |= {"vowels": np.concatenate(x), "speakers": info.history["loss"]}
    found["speakers test"] = speakers.evaluate(x_test, y_test)["loss"]
    return found
