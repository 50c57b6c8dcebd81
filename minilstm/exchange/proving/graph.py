"""Runs an exported ONNX file as its users will: batches of any lengths, from any state, by steps.
ONNX Runtime does it where it is installed, and the evaluator of graphs everywhere.

Axes: B batch, T time, D inputs, C outputs, n directions, H hidden units.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import use_backend
from minilstm.exchange.incoming.formats.bounds import Refused
from minilstm.exchange.incoming.formats.onnx_file import Graph, read_onnx
from minilstm.exchange.incoming.onnx_evaluator import check_operators, evaluate
from minilstm.exchange.proving.bound import SHARE, largest_difference
from minilstm.exchange.proving.facts import FAULT, check_imported
from minilstm.exchange.step.program import Both, Cell, Normalize, Program, Scale, Step
from minilstm.exchange.step.selftest import SelfTest, draw_rows
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Signal
from minilstm.network.network import Network

Array = NDArray[Any]
Run = Callable[[Mapping[str, Array]], dict[str, Array]]
_LENGTHS = (7, 4, 1)  # of the sequences of a batch


def run_onnx(content: bytes, program: Program, sequences: Sequence[Array]) -> Any:
    """Scores from the start that the file's metadata say; returns as `runners.run_c` does."""
    graph = read_onnx(content, Path())
    who, run = next(_engines(content, graph))
    scores = [run(_feed(graph, x))["scores"] for x in sequences]
    return who, 0.0, [y.reshape(-1, program.outputs) for y in scores]


def check_graph(content: bytes, net: Network, program: Program) -> None:
    """Raise ValueError unless a file does all that is promised of it.

    It gives the network's scores and states in a batch, from other states and step by step; holds
    the program's arrays and the scores of its self-test; and is the network when it is read back.
    """
    graph = read_onnx(content, Path())
    for s in program.steps:
        for field in s.operation._fields if isinstance(s.operation, (Normalize, Scale)) else ():
            held, right = graph.arrays[f"{s.name}.{field}"], getattr(s.operation, field)
            if held.tobytes() != right.tobytes():
                raise ValueError(f"the exported file holds another {s.name}.{field}; {FAULT}")
    x, scores = (json.loads(graph.metadata[f"self_test_{k}"]) for k in ("x", "scores"))
    test = SelfTest(np.array(x, np.float32), np.array(scores, np.float32), 0)
    for who, run in _engines(content, graph):
        y = run(_feed(graph, test.x))["scores"].reshape(-1, program.outputs)
        first = (
            "scores of its self-test",
            y,
            test.scores,
            largest_difference(program, test.x).allowed,
        )
        for what, found, right, limit in (first, *_cases(run, net, program)):
            if found.shape != right.shape or not (abs(found - right) <= limit).all():
                raise ValueError(f"the exported file gives other {what}, as {who} runs it; {FAULT}")
    check_imported(content, net)


def _feed(graph: Graph, x: Array) -> dict[str, Array]:
    """One sequence (T, D), from the start of the metadata."""
    firsts = json.loads(graph.metadata["first_states"]).items()
    starts = {name: np.array(rows, np.float32)[:, None] for name, rows in firsts}  # (n, 1, H)
    return {"x": np.ascontiguousarray(x[:, None], np.float32), **starts}


def _engines(content: bytes, graph: Graph) -> Iterator[tuple[str, Run]]:
    """Who can run the file, and how; the first is the one that counts."""
    check_operators(graph)
    with suppress(ImportError):
        import onnxruntime

        who = f"ONNX Runtime {onnxruntime.__version__}"
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4  # what it says comes as an error
        with _told(who):
            session = onnxruntime.InferenceSession(
                content, settings, providers=["CPUExecutionProvider"]
            )

        def in_runtime(feed: Mapping[str, Array]) -> dict[str, Array]:
            with _told(who):
                return dict(zip(graph.outputs, session.run(graph.outputs, feed), strict=True))

        yield who, in_runtime

    def in_numpy(feed: Mapping[str, Array]) -> dict[str, Array]:
        values = evaluate(graph, feed, len(content) + 2**20)
        return {name: np.asarray(values[name]) for name in graph.outputs}

    yield "NumPy, from the file", in_numpy


@contextmanager
def _told(who: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # its errors have no class in common
        raise Refused(f"{who}: {' '.join(str(error).split())[:300]}") from error


def _cases(run: Run, net: Network, program: Program) -> Iterator[tuple[str, Array, Array, Any]]:
    """What a file gives and what the network gives, with its name and how far it may be away."""
    recurrent = [s for s in program.steps if isinstance(s.operation, (Cell, Both))]
    B, T, rng = len(_LENGTHS), _LENGTHS[0], np.random.default_rng(1)
    x = np.stack([draw_rows(net, T) + np.float32(0.1 * b) for b in range(B)], 1)  # (T, B, D)
    states, feed = dict[str, LSTMState](), {"x": x}
    if recurrent:
        feed["sequence_lens"] = np.array(_LENGTHS, np.int32)
    for k, s in enumerate(recurrent):
        drawn = rng.uniform(-0.5, 0.5, (2, B, s.outputs)).astype(net.dtype)
        states[s.name] = LSTMState(*drawn)  # (B, n H) each
        feed |= {_named(of, "0", k): _by_direction(s, a) for of, a in zip("hc", drawn, strict=True)}
    together = run(feed)
    last = any(s.last for s in program.steps)
    for b, length in enumerate(_LENGTHS):
        own = {name: LSTMState(*(a[b : b + 1] for a in s)) for name, s in states.items()}
        rows = x[:length, b]
        with use_backend("numpy"):
            scores, after, _ = net.forward(Signal(rows, np.ones(length, np.int64)), own)
        allowed = largest_difference(_started(program, own), rows).allowed  # (C,)
        results = [("in a batch of several lengths", together, b)]
        if b == 0 and not program.reads_back:
            alone = {name: a[:, :1] for name, a in feed.items() if name != "sequence_lens"}
            results.append(("step by step", _stepped(run, alone, last), 0))
        for how, found, at in results:
            y = found["scores"]  # (T, B, C) or (B, C)
            y = y[at : at + 1] if last else y[:length, at]
            yield f"scores {how}", y, scores.rows, allowed  # type: ignore[union-attr]
            for k, s in enumerate(recurrent):
                limit = 2 * SHARE * max(abs(a).max() for a in (*own[s.name], *after[s.name]))
                for of, state in zip("hc", after[s.name], strict=True):
                    name, end = _named(of, "n", k), _by_direction(s, np.asarray(state))
                    yield f"{name} {how}", found[name][:, at : at + 1], end, limit


def _named(of: str, when: str, k: int) -> str:
    """The name in a graph of a hidden or cell state, before or after the steps, of a layer."""
    return f"{of}{when}_{k}" if k else f"{of}{when}"


def _stepped(run: Run, feed: dict[str, Array], last: bool) -> dict[str, Array]:
    """What one step after the other gives, each from the state behind the one before."""
    x, scores = feed["x"], []
    for t in range(len(x)):
        done = run({**feed, "x": x[t : t + 1]})
        scores.append(done["scores"])
        feed = {k.replace("n", "0", 1): a for k, a in done.items() if k != "scores"}
    return {**done, "scores": scores[-1] if last else np.concatenate(scores)}


def _by_direction(s: Step, state: Array) -> Array:
    """A state (B, n H) as (n, B, H) float32."""
    n = 2 if isinstance(s.operation, Both) else 1
    return state.reshape(len(state), n, -1).swapaxes(0, 1).astype(np.float32)


def _started(program: Program, states: Mapping[str, LSTMState]) -> Program:
    """The program from other first states, (1, n H) each."""
    steps = list(program.steps)
    for k, s in enumerate(steps):
        if isinstance(s.operation, (Cell, Both)):
            cells = [s.operation] if isinstance(s.operation, Cell) else list(s.operation)
            h, c = (np.split(a[0].astype(np.float32), len(cells)) for a in states[s.name])
            cells = [cell._replace(h0=h[d], c0=c[d]) for d, cell in enumerate(cells)]
            steps[k] = s._replace(operation=cells[0] if len(cells) == 1 else Both(*cells))
    return program._replace(steps=tuple(steps))
