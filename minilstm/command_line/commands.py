"""The commands that hold no model: demo, info, gradcheck, bench and warmup.
Each returns what ``--json`` prints; "exit_code" is taken out of it where it is not 0."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from functools import partial
from typing import Any

import numpy as np

from minilstm.backend import (
    cupy_version,
    current_backend,
    get_num_threads,
    gpu_devices,
    installed_version,
    is_installed,
    load_backend,
    warmup,
)
from minilstm.command_line.facts import facts
from minilstm.command_line.models import load_model
from minilstm.command_line.reading import learned_names
from minilstm.command_line.words.usage import Parser
from minilstm.command_line.words.values import path
from minilstm.errors import DeviceError
from minilstm.files import write_atomically
from minilstm.network.card_page import card_markdown, card_text
from minilstm.network.model_contents import of_each
from minilstm.paths import check_target
from minilstm.plots.files import check_figure_path
from minilstm.plots.style import require_matplotlib
from minilstm.version import __version__


def demo(options: argparse.Namespace) -> dict[str, Any]:
    """Train, test, predict, stream and draw."""
    if not is_installed("matplotlib"):
        raise ImportError("the demo draws figures with Matplotlib: pip install 'minilstm[plot]'.")
    from minilstm.command_line.demo import run_demo

    print(f"minilstm {__version__}, ", end="")
    return run_demo(options.out, options.quick, options.seed)


def info(options: argparse.Namespace) -> dict[str, Any]:
    """Describe a model file, or what is installed here."""
    if options.model is not None:
        net = load_model(options.model)
        if options.markdown or not options.json:
            page = card_markdown if options.markdown else card_text
            print(page(net, str(options.model)).rstrip())
        return {
            "layers": [{"kind": layer.kind, "name": layer.name} for layer in net.layers],
            "learnables": sum(v.size for v in net.parameters.values()),
            "inputs": list(net.input_names),
            "outputs": list(net.output_names),
            "input_size": net.input_size,
            "feature_names": learned_names(net),
            "output_mode": net.output_mode,
            "classes": of_each(net.classes, np.ndarray.tolist),
            "dtype": net.dtype.name,
            "about": net.about,
        }
    if options.markdown:
        raise ValueError("--markdown writes the page of a model; name its file.")
    modules = {"mat-io": "matio"}  # where a package's module has another name
    packages = {
        name: installed_version(name, modules.get(name, ""))
        for name in ("numpy", "numba", "matplotlib", "scipy", "mat-io")
    }
    found = {
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
        broken = found["cupy"] is None and is_installed("cupy")
        missing = {"cupy": "cannot be imported"} if broken else {}
        for name, value in found.items():
            print(f"{name:<12} {missing.get(name, 'not installed') if value is None else value}")
        for gpu in gpus:
            capability = f"compute capability {gpu.compute_capability}"
            print(f"{'gpu':<12} {gpu.name}, {capability}, {gpu.memory_mb} MB")
        if is_installed("cupy") and not gpus:
            try:
                load_backend("cupy")
            except (ImportError, DeviceError) as error:
                print(f"{'gpu':<12} none: {error}")
    return {**found, "gpus": [gpu._asdict() for gpu in gpus]}


def check_gradients(options: argparse.Namespace) -> dict[str, Any]:
    """Check the installed engine: layers, losses, solvers and whole networks, on this machine."""
    from minilstm.proof import engine as engine_proof

    if options.junit is not None:
        check_target(options.junit, "--junit")
    backends = [current_backend().name] if options.backend is not None else []
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
    if options.junit is not None:
        write_atomically(options.junit, lambda file: file.write(engine_proof.to_junit(rows)))
    wrong = [row for row in rows if not row.passed]
    if wrong:
        print(f"minilstm: {sentences[0]}.", file=sys.stderr)
    return {
        **facts(seconds, seed=options.seed),
        "max_error": engine_proof.largest_error(rows),
        "wrong": len(wrong),
        "proved": sentences[:-1],
        "compile_seconds": round(compiling, 3),
        "checks": engine_proof.to_plain(rows),
        "exit_code": 1 if wrong else 0,
    }


def completion(options: argparse.Namespace, parser: Parser) -> dict[str, Any]:
    """Print the script by which a shell completes the words of `parser`."""
    try:
        import shtab
    except ImportError as error:
        raise ImportError(
            "tab completion is written by shtab, which is not installed: pip install "
            "'minilstm[all]', or shtab alone."
        ) from error
    paths = (a for command in parser.commands().values() for a in command._actions)
    for action in paths:
        if action.type is path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return {"shell": options.shell}


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Time this machine, alone or beside other engines."""
    from minilstm.bench import Result, Settings, run_bench, say_grid
    from minilstm.bench.grid import draw_grid, read_results

    if options.crossover:
        if options.against != "" or options.works != "" or options.long or options.grid:
            raise ValueError(
                "--crossover measures works and sizes of its own; leave out --against, --works, "
                "--long and --grid."
            )
        return _crossover()
    reads = options.read is not None
    if (reads or options.picture is not None) and not options.grid:
        raise ValueError("--read and --picture are of the grid; add --grid.")
    if reads and (options.against != "" or options.shapes is not None):
        raise ValueError("--read measures nothing; leave out --against and --shapes.")
    if options.picture is not None:
        require_matplotlib()
        check_figure_path(options.picture)
    settings = Settings(
        against=[name for name in options.against.split(",") if name],
        works=[name for name in options.works.split(",") if name],
        repeats=options.repeats,
        scale=options.scale,
        threads=get_num_threads(),
        long=options.long,
        grid=options.grid,
        shapes=() if options.shapes is None else options.shapes.split(","),
    )
    started = time.perf_counter()
    if reads:
        result = Result(*read_results(options.read), [])
        say_grid(result.rows)
    else:
        result = run_bench(settings, partial(print, flush=True))  # a turn takes seconds
    files = [] if options.picture is None else [str(draw_grid(result.rows, options.picture))]
    return {
        **facts(time.perf_counter() - started),
        "settings": settings._asdict(),
        "files": files,
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
        **facts(time.perf_counter() - started),
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
    return {**facts(total), "kernels": seconds}
