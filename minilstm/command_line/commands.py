"""What each command of the command line does, once its words are parsed.
Each returns what ``--json`` prints; "exit_code" is taken out of it where it is not 0."""

from __future__ import annotations

import argparse
import csv
import io
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from minilstm.backend import (
    cupy_version,
    current_backend,
    get_num_threads,
    gpu_devices,
    is_installed,
    load_backend,
    warmup,
)
from minilstm.data import Sequences, read_sequences
from minilstm.data.labels import scores_to_labels
from minilstm.errors import DataError, DeviceError
from minilstm.files import write_atomically
from minilstm.functional.sequence_input import USES
from minilstm.layers import LSTM, BiLSTM, Dropout, FullyConnected, SequenceInput, Softmax
from minilstm.network.network import Network
from minilstm.training.options import TrainingOptions
from minilstm.training.train import train
from minilstm.version import __version__

INTERRUPTED = 130
NORMALIZATIONS = tuple(USES)


def demo(options: argparse.Namespace) -> dict[str, Any]:
    """Train, test, predict, stream and draw."""
    if not is_installed("matplotlib"):
        raise ImportError("the demo draws figures with Matplotlib: pip install 'minilstm[plot]'.")
    from minilstm.command_line.demo import run_demo

    print(f"minilstm {__version__}, ", end="")
    result = run_demo(options.out, quick=options.quick, seed=options.seed)
    return {
        **_facts(result.accuracy, result.loss, result.seconds, options.seed),
        "vowels_accuracy": result.vowels_accuracy,
        "files": [str(path) for path in result.files],
        "exit_code": INTERRUPTED if result.stopped else 0,
    }


def train_files(options: argparse.Namespace) -> dict[str, Any]:
    """Train on one file, test on another, write model, history and figures."""
    data = _read(options.train, options)
    test = _read(options.test, options) if options.test else None
    for path, part in ((options.train, data), (options.test, test)):
        if part is not None and part.y is None:
            raise DataError(f"{path} has no labels, but a classifier learns from labels; add them.")
    num_classes = len(np.unique(np.concatenate([np.unique(a) for a in _as_list(data.y)])))
    layers = [
        SequenceInput(data.x[0].shape[1], normalization=options.normalization),
        (BiLSTM if options.bilstm else LSTM)(options.hidden, output_mode=options.output_mode),
        *([Dropout(options.dropout)] if options.dropout else []),
        FullyConnected(num_classes),
        Softmax(),
    ]
    draw = is_installed("matplotlib")
    settings = {
        "max_epochs": options.epochs,
        "mini_batch_size": options.mini_batch_size,
        "initial_learn_rate": options.learn_rate,  # None: the solver's own
        "sequence_length": options.padding,
        "gradient_threshold": options.gradient_threshold,
        "metrics": ["accuracy"],
        "dtype": options.dtype,
        "memory_budget": options.memory_budget,
        "seed": options.seed,
        "verbose": not options.quiet,
    }
    TrainingOptions(options.solver, **settings)  # refuse bad values before a folder is made
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    if draw:
        settings |= {"plots": "training-progress", "plot_file": out / "training-progress.png"}
    started = time.perf_counter()
    net, info = train(data.x, data.y, layers, options=TrainingOptions(options.solver, **settings))
    files = [net.save(out / "model.safetensors"), info.to_csv(out / "history.csv")]
    files += [out / "training-progress.png"] if draw else []
    whose = "training"
    result = {"loss": float("nan"), "accuracy": float("nan")}
    if len(info.history["loss"]):
        result = {"loss": info.history["loss"][-1], "accuracy": info.history["accuracy"][-1]}
    if test is not None:
        whose = "test"
        result = net.evaluate(test.x, test.y, name=str(options.test), label_name="its labels")
        if draw:
            from minilstm import plots

            true = np.concatenate(_as_list(test.y))  # (N,)
            predicted = scores_to_labels(net.predict(test.x), net.classes)
            axes = plots.plot_confusion(true, np.concatenate(_as_list(predicted)))
            files.append(plots.save_figure(axes, out / "confusion.png"))
    print(f"{whose} accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")
    for path in files:
        print(f"  {path}")
    return {
        **_facts(result["accuracy"], result["loss"], time.perf_counter() - started, options.seed),
        "measured_on": whose,
        "stop_reason": info.stop_reason,
        "files": [str(path) for path in files],
        "exit_code": INTERRUPTED if "Ctrl-C" in info.stop_reason else 0,
    }


def predict_file(options: argparse.Namespace) -> dict[str, Any]:
    """Write a label and scores for every step, or every sequence, of a file."""
    net = _load_classifier(options.model)
    data = _read(options.data, options)
    started = time.perf_counter()
    scores = net.predict(data.x)
    seconds = time.perf_counter() - started
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(_prediction_rows(net, scores, data.ids))
    if options.out is None:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
    else:
        write_atomically(options.out, lambda file: file.write(text.getvalue().encode()))
    result: dict[str, Any] = {"accuracy": None, "loss": None}
    if data.y is not None:
        result = net.evaluate(data.x, data.y, name=str(options.data), label_name="its labels")
        print(f"accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}", file=sys.stderr)
    return _facts(result["accuracy"], result["loss"], seconds, None)


def stream_lines(options: argparse.Namespace) -> dict[str, Any]:
    """Answer every line of standard input with a label and its scores."""
    net = _load_classifier(options.model)
    stream = net.stream()
    started = time.perf_counter()
    steps = 0
    for number, line in enumerate(iter(sys.stdin.readline, ""), 1):
        if not line.strip():
            stream.reset()
            continue
        try:
            x_t = np.array([float(cell) for cell in line.split(",")])  # (D,)
        except ValueError as error:
            if number == 1 and len(line.split(",")) == net.input_size:
                continue  # a line of names
            raise DataError(
                f"line {number} is {line.strip()!r}, but {net.input_size} numbers separated by "
                "commas were wanted; mend the line."
            ) from error
        try:
            scores = stream.step(x_t)  # (C,)
        except DataError as error:
            raise DataError(f"line {number}: {error}") from error
        label = scores_to_labels(scores, net.classes)
        print(",".join([str(label), *(f"{s:.6g}" for s in scores)]), flush=True)
        steps += 1
    return {**_facts(None, None, time.perf_counter() - started, None), "steps": steps}


def info(options: argparse.Namespace) -> dict[str, Any]:
    """Describe a model file, or what is installed here."""
    if options.model is not None:
        net = Network.load(options.model)
        if not options.json:
            print(net.summary())
        return {
            "layers": [{"kind": layer.kind, "name": layer.name} for layer in net.layers],
            "learnables": sum(v.size for v in net.parameters.values()),
            "inputs": list(net.input_names),
            "outputs": list(net.output_names),
            "input_size": net.input_size,
            "output_mode": net.output_mode,
            "classes": None if net.classes is None else net.classes.tolist(),
            "dtype": net.dtype.name,
        }
    packages = {
        name: metadata.version(name) if is_installed(module) else None
        for name, module in (
            ("numpy", "numpy"),
            ("numba", "numba"),
            ("matplotlib", "matplotlib"),
            ("scipy", "scipy"),
            ("mat-io", "matio"),
        )
    }
    facts = {
        "minilstm": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {platform.system()}",
        "backend": current_backend().name,
        "threads": get_num_threads(),
        **packages,
        "cupy": cupy_version(),
    }
    gpus = gpu_devices()
    if not options.json:
        broken = facts["cupy"] is None and is_installed("cupy")
        missing = {"cupy": "cannot be imported"} if broken else {}
        for name, value in facts.items():
            print(f"{name:<12} {missing.get(name, 'not installed') if value is None else value}")
        for gpu in gpus:
            capability = f"compute capability {gpu.compute_capability}"
            print(f"{'gpu':<12} {gpu.name}, {capability}, {gpu.memory_mb} MB")
        if is_installed("cupy") and not gpus:
            try:
                load_backend("cupy")
            except (ImportError, DeviceError) as error:
                print(f"{'gpu':<12} none: {error}")
    return {**facts, "gpus": [gpu._asdict() for gpu in gpus]}


def plot_model(options: argparse.Namespace) -> dict[str, Any]:
    """Draw the layers of a model file and the arrows between them."""
    net = Network.load(options.model)
    path = options.out or options.model.with_suffix(".png")
    net.plot(path)
    print(f"  {path}")
    return {
        "layers": len(net.layers),
        "learnables": sum(v.size for v in net.parameters.values()),
        "files": [str(path)],
    }


def check_gradients(options: argparse.Namespace) -> dict[str, Any]:
    """Check the installed engine: layers, losses, solvers and whole networks, on this machine."""
    from minilstm.proof import engine as engine_proof

    backends = [current_backend().name] if options.backend else []
    started = time.perf_counter()
    rows = engine_proof.prove(backends, options.layer, options.seed)
    seconds = time.perf_counter() - started
    compiling = sum(row.kernel_seconds for row in rows)
    sentences = engine_proof.proved(rows)
    sentences.append(
        f"{seconds:.1f} s"
        + (f", {compiling:.1f} of them to compile or load kernels" if compiling else "")
    )
    print("\n" + "\n".join(sentences))
    if options.junit:
        write_atomically(options.junit, lambda file: file.write(engine_proof.to_junit(rows)))
    wrong = [row for row in rows if not row.passed]
    if wrong:
        print(f"minilstm: {sentences[0]}.", file=sys.stderr)
    return {
        **_facts(None, None, seconds, options.seed),
        "max_error": engine_proof.largest_error(rows),
        "wrong": len(wrong),
        "proved": sentences[:-1],
        "compile_seconds": round(compiling, 3),
        "checks": engine_proof.to_plain(rows),
        "exit_code": 1 if wrong else 0,
    }


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Time this machine, alone or beside other engines."""
    from minilstm.bench import Settings, run_bench

    if options.crossover:
        if options.against or options.works or options.long:
            raise ValueError(
                "--crossover measures works and sizes of its own; leave out --against, --works and "
                "--long."
            )
        return _crossover()
    settings = Settings(
        against=[name for name in options.against.split(",") if name],
        works=[name for name in options.works.split(",") if name],
        repeats=options.repeats,
        scale=options.scale,
        threads=get_num_threads(),
        long=options.long,
    )
    started = time.perf_counter()
    result = run_bench(settings)
    return {
        **_facts(None, None, time.perf_counter() - started, None),
        "settings": settings._asdict(),
        "machine": result.machine,
        "timings": [row._asdict() for row in result.rows],
        "ratios": [ratio._asdict() for ratio in result.ratios],
    }


def _crossover() -> dict[str, Any]:
    """Measure and keep where the GPU overtakes the CPU."""
    from minilstm.bench.crossover import run_crossover
    from minilstm.training.crossover import to_plain

    started = time.perf_counter()
    found = run_crossover(get_num_threads())
    return {
        **_facts(None, None, time.perf_counter() - started, None),
        "machine": found.machine,
        "crossover": to_plain(found.table),
        "files": [str(found.path)],
    }


def warm_up(options: argparse.Namespace) -> dict[str, Any]:
    """Compile all kernels and keep them on disk."""
    dtypes = ["float32", "float64"] if options.dtype == "both" else [options.dtype]
    started = time.perf_counter()
    seconds: dict[str, float] = {}
    for dtype in dtypes:

        def say(name: str, took: float, dtype: str = dtype) -> None:
            seconds[f"{name} {dtype}"] = round(took, 3)
            print(f"{name:<28} {dtype}  {took:6.2f} s", flush=True)

        warmup(dtype, say)
    total = time.perf_counter() - started
    print(f"{len(seconds)} kernels are ready, {total:.1f} s")
    return {**_facts(None, None, total, None), "kernels": seconds}


def _load_classifier(path: Path) -> Network:
    net = Network.load(path)
    if net.classes is None:
        raise DataError(f"{path} is a network without classes; train it before predicting labels.")
    return net


def _read(path: Path, options: argparse.Namespace) -> Sequences:
    is_csv = path.suffix.lower() == ".csv"
    given = {
        name: getattr(options, name)
        for name in ("id_column", "label_column", "label_per")
        if is_csv and getattr(options, name)
    }
    if is_csv and getattr(options, "output_mode", "") == "last":
        given.setdefault("label_per", "sequence")
    return read_sequences(path, **given)


def _as_list(labels: Any) -> list[Any]:
    return labels if isinstance(labels, list) else [labels]


def _prediction_rows(net: Network, scores: Any, ids: list[str]) -> Iterator[list[Any]]:
    assert net.classes is not None  # _load_classifier has checked
    names = [f"score_{c}" for c in net.classes]
    labels = scores_to_labels(scores, net.classes)
    if net.output_mode == "last":
        yield ["sequence", "label", *names]
        for name, label, row in zip(ids, labels, scores, strict=True):
            yield [name, label, *(f"{s:.6g}" for s in row)]
        return
    yield ["sequence", "step", "label", *names]
    for name, sequence_labels, rows in zip(ids, labels, scores, strict=True):
        for step, (label, row) in enumerate(zip(sequence_labels, rows, strict=True)):
            yield [name, step, label, *(f"{s:.6g}" for s in row)]


def _facts(
    accuracy: float | None, loss: float | None, seconds: float, seed: int | None
) -> dict[str, Any]:
    """What every command reports for scripts."""
    return {
        "accuracy": None if accuracy is None else float(accuracy),
        "loss": None if loss is None else float(loss),
        "seconds": round(seconds, 3),
        "peak_memory_mb": _peak_memory_mb(),
        "backend": current_backend().name,
        "threads": get_num_threads() if current_backend().name == "numba" else 1,
        "seed": seed,
    }


def _peak_memory_mb() -> float | None:
    """Largest resident size of this process so far; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)
