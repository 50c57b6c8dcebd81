"""Make the page that shows a network at work: one HTML file, with the exporter's JavaScript inside.
Run it to write docs/made/inside.html; with --train it trains the network of the page anew first."""

from __future__ import annotations

import base64
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

import minilstm as ml

HERE = Path(__file__).parent
PARTS = HERE / "page"
MODEL = PARTS / "activity.safetensors"


def train() -> None:
    """Train 24 units on six simulated people, in about a minute, and save them."""
    x, y, x_test, y_test = ml.datasets.human_activity(scale=0.25)
    layers = [
        ml.SequenceInput(3, normalization="zscore"),
        ml.LSTM(24),
        ml.FullyConnected(5),
        ml.Softmax(),
    ]
    options = ml.TrainingOptions(
        max_epochs=80, initial_learn_rate=0.01, gradient_threshold=2, verbose=False
    )
    net, _ = ml.train(x, y, layers, options=options)
    found = ml.scores_to_labels(net.predict(x_test[0]), net.classes)
    print(f"test accuracy {(found == y_test[0]).mean():.4f}")
    net.save(MODEL)


def make_page() -> str:
    """The text of the page: template, style and scripts, the model, and a simulated recording."""
    net = ml.load(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        report = ml.export(net, Path(folder) / "model.js")
        module = (Path(folder) / "model.js").read_text("utf-8")
    x, y = (part[0] for part in ml.datasets.human_activity(scale=0.02)[2:])
    starts = np.flatnonzero(np.append(True, y[1:] != y[:-1]))
    classes = net.classes.tolist()
    cells = net.gates(x, "lstm").c  # (T, H)
    facts = {
        "signal": base64.b64encode(x.astype("<f4").tobytes()).decode(),
        "labels": [[int(n), classes.index(y[n])] for n in starts],
        "rest": np.median(x[y == "Standing"], axis=0).round(1).tolist(),
        "unit": int(cells.std(axis=0).argmax()),  # which the page follows at first
        "bits": report.bits,
    }
    logo = (HERE / "_static" / "logo.svg").read_text("utf-8")
    parts = {
        "STYLE": (PARTS / "inside.css").read_text("utf-8"),
        "LOGO": logo,
        "UNITS": str(cells.shape[1]),
        "MODULE": re.sub("^export ", "", module, flags=re.MULTILINE),
        "JSON_FACTS": json.dumps(facts),
        "RUN": (PARTS / "run.js").read_text("utf-8"),
        "WATCH": (PARTS / "watch.js").read_text("utf-8"),
        "SUMS": (PARTS / "sums.js").read_text("utf-8"),
    }
    text = (PARTS / "inside.html").read_text("utf-8")
    return re.sub(rf"\b({'|'.join(parts)})\b", lambda m: parts[m[0]], text)


if __name__ == "__main__":
    if "--train" in sys.argv[1:]:
        train()
    (HERE / "made").mkdir(exist_ok=True)
    (HERE / "made" / "inside.html").write_text(make_page(), "utf-8")
