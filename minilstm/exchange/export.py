"""`ml.export`: a network as a file of another kind, compared with the network before it is kept.
The suffix of the path says which kind; `KINDS` has them all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minilstm.backend import use_backend
from minilstm.checks import check_choice, check_flag, check_number, whole_letters
from minilstm.errors import DataError
from minilstm.exchange.incoming.formats.safetensors import write_safetensors
from minilstm.exchange.incoming.from_onnx import LEARNED, learned
from minilstm.exchange.outgoing.c99 import c99
from minilstm.exchange.outgoing.javascript import javascript
from minilstm.exchange.outgoing.onnx import onnx
from minilstm.exchange.outgoing.page import page
from minilstm.exchange.outgoing.rtneural import rtneural
from minilstm.exchange.outgoing.state_dict import state_dict
from minilstm.exchange.outgoing.wasm import wasm
from minilstm.exchange.outgoing.words import facts_of, left_out, lines_of
from minilstm.exchange.proving import facts as exact
from minilstm.exchange.proving import runners
from minilstm.exchange.proving.bound import largest_difference
from minilstm.exchange.proving.evaluator import hash_of, run_rows, run_window
from minilstm.exchange.proving.graph import check_graph, run_onnx
from minilstm.exchange.proving.read_back import run_rtneural, run_state_dict
from minilstm.exchange.quantisation import (
    Drift,
    QuantisationReport,
    names_classes,
    quantisation_report,
)
from minilstm.exchange.step.dequantized import dequantized
from minilstm.exchange.step.names import checked_name
from minilstm.exchange.step.program import BITS, Program, program_of, started_anew
from minilstm.exchange.step.selftest import SelfTest, check_scores, draw_rows, rows_of_test
from minilstm.files import write_atomically
from minilstm.layers import BiLSTM
from minilstm.network.model_contents import check_classes
from minilstm.network.network import Network
from minilstm.paths import as_path, check_target

Array = NDArray[Any]
OURS = (".c", ".js", ".wasm", ".html")  # whose scores have one set of bits
KINDS = (*OURS, ".onnx", ".safetensors", ".json")
#: checks of the file's own bytes, beside what it computes
READ_BACK: dict[str, Callable[[bytes, Network, Program], None]] = {
    ".html": exact.check_page, ".onnx": check_graph, ".safetensors": exact.check_state_dict,
    ".json": exact.check_rtneural,
}  # fmt: skip
LENGTHS = (1, 7, 33)  # steps of the sequences on which a file proves itself


class ExportReport(NamedTuple):
    """What was written, and how it was found right."""

    path: str
    kind: str  # "c", "js", ...
    bytes: int  # of the file
    weights: str
    proved_by: str  # who ran it, such as "gcc"; "" where nobody did
    not_run: str  # why nobody did
    largest_difference: float  # from the network's scores
    worst_step: str  # where that is
    bound: float | None  # that rounding alone can make; None where it is not known
    bits: str | None  # hash of the self-test's scores; the same in every language
    labels_changed: int | None  # steps at which another class is highest; None without classes
    steps: int  # that were compared
    moves: float = 0.0  # how far a score moved over these steps
    still: bool = False  # whether all moved no further than rounding may, which proves little
    quantisation: QuantisationReport | None = None  # of whole-number weights
    left_out: tuple[str, ...] = ()  # what of the network the file has no place for

    def __str__(self) -> str:
        bound = f" (rounding alone may make {self.bound:.2g})" if self.bound is not None else (
            " (how much rounding alone may make is not known)" if self.quantisation is None else ""
        )  # fmt: skip
        plain = self.quantisation is None
        which = (
            "" if plain else " of these weights"
        )  # whose own labels are not those of the network
        labels = f", {self.labels_changed} labels changed"
        labels *= plain and self.labels_changed is not None
        proof = (
            f"proved by {self.proved_by}: {self.steps} steps, at most "
            f"{self.largest_difference:.2g} from the network{which}{bound}{labels}"
            if self.proved_by
            else f"not run, since {self.not_run}"
        )
        if self.proved_by and self.still:
            proof += ", which proves little: its scores do not move with its inputs"
        bits = f"; bits {self.bits}" if self.bits else ""
        missing = "; not in the file: " * bool(self.left_out) + "; ".join(self.left_out)
        said = f"{self.path}: {self.bytes:,} bytes, {self.weights} weights; {proof}{bits}{missing}"
        return said if self.quantisation is None else f"{said}\n{self.quantisation}"


def export(
    net: Network,
    path: str | os.PathLike[str],
    *,
    name: str = "model",
    weights: str = "float32",
    bits: int | None = None,
    window: int | None = None,
    check: bool = True,
    x: Any = None,
    most_changed: float | None = None,
) -> ExportReport:
    """Write a network as a file that needs no minilstm.

    Parameters
    ----------
    net : a chain of LSTM, BiLSTM, FullyConnected, Softmax, Sigmoid, ReLU, BatchNormalization and
        Dropout over vectors
    path : ends in .c (C99), .js (an ES module), .wasm (WebAssembly), .html (a page), .onnx,
        .safetensors (a state dict in PyTorch's names) or .json (RTNeural)
    name : stands before the names of a C file: NAME_step, NAME_reset, NAME_self_test
    weights : "float32", or "int16" or "int8" with a factor for each row, for .c, .js,
        .wasm and .html
    bits : of whole-number weights with their sign, fewer than the type has; None means all
    window : steps of a window; a BiLSTM needs one. None takes the window that the network was
        trained on, if any
    check : False writes the file without running it, and says so in the file
    x : sequences as for `net.predict`, on which whole-number weights are judged; None draws one
    most_changed : share of labels, 0 to 1, that whole-number weights may change, on `x` or in the
        long run of the report; where they change more, nothing is written

    Returns
    -------
    ExportReport

    Raises
    ------
    ValueError
        The network or an option does not fit the file, or the file does not compute what the
        network does; nothing is written then.
    DataError
        The path ends in something else.

    Examples
    --------
    >>> import tempfile
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(2), Softmax()]
    >>> net = Network(layers, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = export(net, os.path.join(folder, "model.c"))
    >>> report.kind, report.labels_changed, report.largest_difference < 1e-6
    ('c', 0, True)
    """
    target = as_path(path)
    kind = target.suffix.lower()
    if kind not in KINDS:
        raise DataError(
            f"path {str(target)!r} ends in {kind!r}, but an export ends in {', '.join(KINDS[:-1])} "
            f"or {KINDS[-1]}: rename it."
        )
    plain = started_anew(net)
    checked_name(name)
    check_flag("check", check)
    if net.classes is not None:
        check_classes(net.wiring, net.classes)
    check_choice("weights", weights, ("float32", *BITS))
    check_target(target)
    if weights != "float32" and kind not in OURS:
        raise ValueError(
            f"weights is {weights!r}, but a {kind} file holds float32; leave it out, or export to "
            f"{', '.join(OURS[:-1])} or {OURS[-1]}."
        )
    if most_changed is not None:
        check_number("most_changed", most_changed, "from 0 to 1", lambda v: 0 <= v <= 1)
    if kind == ".json" and any(isinstance(a, BiLSTM) for a in net.layers):
        raise ValueError(
            "the network has a BiLSTM, which RTNeural's file has no place for; export to .c or "
            ".onnx."
        )
    program = program_of(net, weights, _window(net, window, kind), bits)
    test = _self_test(plain, program)
    judged = _judged(net, program, weights, bits, x, most_changed)
    if kind == ".safetensors":
        weights = net.dtype.name
    facts = facts_of(net, names_classes(net, program), program)
    about = lines_of(net, facts, weights, check)
    with whole_letters():
        content, run = _content(kind, net, program, test, name, about, facts)
    report = ExportReport(
        str(target), kind[1:], len(content), weights, "", "check=False", 0.0, "", None,
        f"{test.bits:08x}" if kind in OURS else None, 0, 0,
    )  # fmt: skip
    report = report._replace(quantisation=judged, left_out=left_out(net, kind))
    if check:
        exact.check_program(program, net)
        names = ((facts["classes"], facts["features"]), (program.classes, program.features))
        exact.check_names(names, net)
        other = test._replace(scores=test.scores + np.float32(1), bits=test.bits ^ 1)
        again = (kind, net, program, other, name, about, facts)
        report = _proved(report, plain, program, run, lambda xs: _content(*again)[1](xs))
        with exact.read_back():
            if kind in READ_BACK:
                READ_BACK[kind](content, net, program)
    write_atomically(target, lambda file: file.write(content))
    return report


def _window(net: Network, window: int | None, kind: str) -> int | None:
    """Steps of a window: as given, as learned, or any for files whose sequences have any length."""
    if window is not None:
        return window
    learned = ((net.about or {}).get("shaping") or {}).get("window_length")
    if isinstance(learned, int):
        return learned
    whole = any(isinstance(a, BiLSTM) or a.keeps_last for a in net.layers)
    return LENGTHS[-1] if whole and kind in (".onnx", ".safetensors") else None


def _judged(
    net: Network, program: Program, weights: str, bits: int | None, x: Any, most: float | None
) -> QuantisationReport | None:
    """What whole-number weights change, or an error where that is too much."""
    if weights == "float32":
        if most is not None or x is not None:
            which = "x" if most is None else "most_changed"
            raise ValueError(
                f"{which} judges whole-number weights, but weights is 'float32'; leave it out, or "
                "choose weights='int8'."
            )
        return None
    if most is not None and not names_classes(net, program):
        raise ValueError(
            "most_changed is a share of labels, but the network gives numbers; leave it out, and "
            "read in the report how far they move."
        )
    report = quantisation_report(
        net, x, weights=weights, bits=bits, window=program.window, steps=(1000,)
    )
    runs: list[tuple[str, QuantisationReport | Drift]] = [("", report)]
    runs += [(f" after {d.step:,} steps", d) for d in report.drift]
    when, worst = max(runs, key=lambda run: run[1].labels_changed / max(run[1].labels, 1))
    if most is not None and worst.labels_changed > most * worst.labels:
        raise ValueError(
            f"{worst.labels_changed} of {worst.labels:,} labels change with {weights} weights"
            f"{when}, but most_changed is {most:g}; nothing was written. Choose weights='int16' or "
            "more bits."
        )
    return report


def _self_test(net: Network, program: Program) -> SelfTest:
    x = draw_rows(net, rows_of_test(program))
    scores = _exported(program, x)
    return SelfTest(x, _scores(net, x, len(scores)), hash_of(check_scores(scores)))


def _exported(program: Program, x: Array) -> Array:
    return run_rows(program, x) if program.window is None else run_window(program, x)


def _scores(net: Network, x: Array, rows: int) -> Array:
    """The network's scores as rows, (T, C) or (1, C), computed by NumPy.

    A network that gives one row for a sequence gives one after every step of a stream: that of the
    sequence until then.
    """
    with use_backend("numpy"), np.errstate(all="ignore"):
        scores = np.atleast_2d(np.asarray(net.predict(x), np.float32))
        if len(scores) == 1 and rows == len(x):
            until = [net.predict(x[: t + 1]) for t in range(rows)]
            scores = np.asarray(until, np.float32).reshape(rows, -1)
    return check_scores(scores)


def _content(
    kind: str,
    net: Network,
    program: Program,
    test: SelfTest,
    name: str,
    about: list[str],
    facts: dict[str, Any],
) -> tuple[bytes, Callable[[list[Array]], Any]]:
    """The bytes of the file, and what runs them over sequences."""
    if kind == ".c":
        text = c99(program, test, name, about)
        return text.encode("ascii"), lambda xs: runners.run_c(text, name, program, xs)
    if kind == ".wasm":
        unnamed = program._replace(classes=None, features=None)  # a module has no names to tell
        data = wasm(c99(unnamed, test, name, about), name, program)
        return data, lambda xs: runners.run_wasm(data, name, program, xs)
    if kind == ".html":
        text = page(program, test, name, about, facts)
        module, _, rest = text.partition('<script type="module">')[2].partition("\nconst FACTS = ")
        facts_of_page = rest.partition(";\n")[0]  # JSON, which has no line of its own
        module += f"\nexport {{Model, CLASSES, FEATURES}};\nexport const FACTS = {facts_of_page};"
        return text.encode(), lambda xs: runners.run_node(module, program, xs)
    if kind == ".js":
        text = javascript(program, test, name, about)
        return text.encode(), lambda xs: runners.run_node(text, program, xs)
    if kind == ".onnx":
        classes = None if net.classes is None else np.asarray(net.classes).tolist()
        kept = {"classes": classes, "about": about, LEARNED: learned(net)}
        data = onnx(program, test, name, kept)
        return data, lambda xs: run_onnx(data, program, xs)
    if kind == ".json":
        data = json.dumps(rtneural(program)).encode()
        return data, lambda xs: run_rtneural(data, xs)
    data = write_safetensors(state_dict(net), {"minilstm": "\n".join(about)})
    return data, lambda xs: run_state_dict(data, net, xs)


def _proved(
    report: ExportReport, net: Network, program: Program, run: Callable[[list[Array]], Any],
    failing: Callable[[list[Array]], Any],
) -> ExportReport:  # fmt: skip
    """The report, once the file has computed what the network does.

    `failing` runs the file with other vectors, which its self-test has to find.
    """
    lengths = LENGTHS if program.window is None else (program.window,) * 3
    sequences = [draw_rows(net, T) + np.float32(0.01 * n) for n, T in enumerate(lengths)]
    gaps = sequences[-1].copy()
    gaps[len(gaps) // 2, -1], gaps[len(gaps) // 3, 0] = np.nan, np.inf
    with exact.read_back():
        found = run([*sequences, gaps] if report.bits else sequences)
    if found is None and report.kind == "wasm":
        return report._replace(not_run="node is not installed")
    who, test, answers, *names = (
        ("an evaluator in the file's place", 0.0, [_exported(program, x) for x in sequences])
        if found is None
        else found
    )
    for pairs in names:
        exact.check_names(pairs, net)
    if test < 0:
        raise ValueError(
            f"{who} gives other bits than the exported program was written for; compile with "
            "-ffp-contract=off and without -ffast-math."
        )
    if found is not None and report.bits:
        x = draw_rows(net, rows_of_test(program))
        y = _exported(program, x)
        told = (test, failing(sequences[:1])[1])
        exact.check_self_test(y, _scores(net, x, len(y)), told, who)
        if not np.array_equal(answers.pop(), _exported(program, gaps), equal_nan=True):
            raise ValueError(
                "the exported file does not give NaN and keep its state where an input is not "
                f"finite, as {who} runs it; {exact.FAULT}"
            )
    # Whole-number weights are those of a network too; how far it is from ours, `judged` says.
    theirs = net if report.quantisation is None else dequantized(net, program)
    single = program if theirs is net else program_of(theirs, window=program.window)
    spare = 1 if theirs is net else 2  # products of whole numbers are rounded once more
    scores: list[Array] = []  # of the network
    limits, places = [], list[str]()
    for n, (x, y) in enumerate(zip(sequences, answers, strict=True)):
        scores.append(wanted := _scores(theirs, x, len(y)))
        if y.shape != wanted.shape:
            raise ValueError(
                f"{who} gives scores of shape {y.shape}, not {wanted.shape}; {exact.FAULT}"
            )
        places += [f"step {t + 1} of {len(x)} in sequence {n + 1}" for t in range(len(y))]
        limits.append(largest_difference(single, x))
    found, wanted = np.concatenate(answers), np.concatenate(scores)  # (N, C)
    apart = np.abs(found - wanted)
    allowed, bound = (spare * np.max(a, axis=0) for a in zip(*limits, strict=True))  # (C,) each
    if not (apart <= allowed).all():
        t, c = np.unravel_index((apart / allowed).argmax(), apart.shape)
        raise ValueError(
            f"the exported file is {apart[t, c]:.2g} away from the network at {places[t]}, as "
            f"{who} runs it, where score {c + 1} reaches {abs(wanted[:, c]).max():.2g}; "
            + (
                f"rounding alone makes {bound[c]:.2g} at most, so nothing was written; report this "
                "as a fault of minilstm."
                if not apart[t, c] <= bound[c]
                else f"{allowed[c]:.2g} is allowed for rounding, so nothing was written; report "
                "this as a fault of minilstm, or, if rounding can make so much here, export with "
                "check=False (--no-check)."
            )
        )
    largest, ptp = float(bound.max()), np.ptp(found, axis=0)
    worst = apart.max(axis=1)  # (N,)
    changed = int((found.argmax(axis=1) != wanted.argmax(axis=1)).sum())
    return report._replace(
        moves=float(ptp.max()), still=bool((ptp <= allowed).all()), proved_by=who, not_run="",
        largest_difference=float(worst.max()), worst_step=places[int(worst.argmax())],
        bound=largest if spare == 1 and np.isfinite(largest) else None,
        labels_changed=changed if names_classes(net, program) else None, steps=len(wanted),
    )  # fmt: skip
