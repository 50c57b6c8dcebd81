"""What is equal to the last bit and letter where a file is right: arrays, names, a network.
It is worked out from the network anew, so that a slip of the conversion shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from minilstm.exchange.incoming.formats.bounds import NONSENSE, Refused
from minilstm.exchange.incoming.formats.safetensors import read_safetensors
from minilstm.exchange.incoming.from_onnx import imported, learned
from minilstm.exchange.incoming.from_rtneural import network_of
from minilstm.exchange.quantisation import names_classes
from minilstm.exchange.step.program import Both, Cell, Dense, Normalize, Program, Scale, Weights
from minilstm.network.network import Network

FAULT = "nothing was written, so report this as a fault of minilstm."
_OTHER = "the exported file is another network when it is read back"
#: what PyTorch calls the arrays of a layer that have other names here
_TORCH = {
    "input_weights": "weight_ih", "recurrent_weights": "weight_hh", "weights": "weight",
    "scale": "weight", "offset": "bias", "trained_mean": "running_mean",
    "trained_variance": "running_var",
}  # fmt: skip
_POLICY = "\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'\">"
#: lines of a page that hold names and numbers of the model, which may look like anything
_TEXTS = re.compile(r"^(//.*|(export )?const (a\d+|CLASSES|FEATURES|FACTS) =.*)$", re.MULTILINE)
_ASKS = re.compile(
    r"\b(?:https?|wss?):|[\x22\x27`]\s*//\w|\b(?:src|srcset|href|action|poster)\s*=|\burl\s*\(|"
    r"\b(?:fetch|import|importScripts|sendBeacon)\s*[(*{\x22\x27]|"
    r"\bnew\s+(?:XMLHttpRequest|WebSocket|EventSource|Worker)\b"
)


@contextmanager
def read_back() -> Iterator[None]:
    """Say of a file that its own bytes make no sense, in one sentence."""
    try:
        yield
    except (AssertionError, IndexError, KeyError, Refused) as error:
        raise ValueError(f"the exported file cannot be read back ({error!r}); {FAULT}") from error


def check_program(program: Program, net: Network) -> None:
    """Raise ValueError unless a program has the arrays of the network, rounded to float32.

    What rounding may make of scores hides a weight that is wrong in its fifth digit.
    """
    layers, by_layer = {a.name: a for a in net.layers}, net.by_layer()
    for s in program.steps:
        op, layer = s.operation, cast(Any, layers[s.name])
        p = {k: np.asarray(a, np.float64) for k, a in by_layer[s.name].items()}
        right: dict[str, Any] = {}
        if isinstance(op, (Cell, Both)):
            right = {"W": p["input_weights"], "R": p["recurrent_weights"], "b": p["bias"],
                     "h0": layer.hidden_state, "c0": layer.cell_state}  # fmt: skip
        elif isinstance(op, Dense):
            right = {"W": p["weights"], "b": p["bias"]}
        elif isinstance(op, Scale):
            factor = p["scale"] / np.sqrt(p["trained_variance"] + layer.epsilon)
            right = {"factor": factor, "offset": p["offset"] - p["trained_mean"] * factor}
        elif isinstance(op, Normalize):
            shift, scale, offset = layer.affine()
            right = {"high": shift, "low": shift - op.high.astype(np.float64), "offset": offset,
                     "factor": 1 / (1.0 if scale is None else scale)}  # fmt: skip
        for name, array in right.items():
            parts = [getattr(part, name) for part in (op if isinstance(op, Both) else [op])]
            if any(isinstance(a, Weights) and a.factors is not None for a in parts):
                continue  # `dequantized` compares whole numbers
            rows = np.concatenate([a.values.T if isinstance(a, Weights) else a for a in parts])
            wanted = np.float32(0.0 if array is None else array)
            if wanted.shape not in ((), rows.shape) or (rows != wanted).any():
                raise ValueError(f"{name} of {layer.title} is not that of the network; {FAULT}")


def check_names(told: Iterable[Sequence[Any]], net: Network) -> None:
    """Raise ValueError unless pairs of names, of scores and of inputs, are the network's.

    A file may name what has no names; an answer of None says nothing.
    """
    about = net.about or {}
    classes = about.get("targets") if net.classes is None else np.asarray(net.classes).tolist()
    first: Any = net.layers[net.wiring.inputs[0]]
    features = first.feature_names or [f["name"] for f in about.get("features") or ()]
    for pair in told:
        for what, found, right in zip(("scores", "inputs"), pair, (classes, features), strict=True):
            wanted = [str(name) for name in right or ()]
            if wanted and found is not None and list(found) != wanted:
                raise ValueError(f"the exported file has other names of its {what}; {FAULT}")


def check_self_test(
    y: NDArray[Any], scores: NDArray[Any], told: tuple[float, float], who: str
) -> None:
    """Raise ValueError unless a self-test answers right twice.

    `y` are the program's scores of its inputs and `scores` the network's; `told` its answer to
    these, and to scores that are 1 more and other bits.
    """
    for said, right, sign in zip(told, (scores, scores + np.float32(1)), (1, -1), strict=True):
        figure = sign * float(abs(y - right).max())
        # A difference of 0 stands as -1e-30 where bits differ.
        if np.signbit(said) != (sign < 0) or not np.isclose(said, figure, rtol=1e-6, atol=1e-29):
            raise ValueError(
                f"the self-test of the exported file answers {said:.3g}, as {who} runs it, where "
                f"{figure:.3g} is right{' for other scores' * (sign < 0)}; {FAULT}"
            )


def check_imported(content: bytes, net: Network) -> None:
    """Raise ValueError unless an ONNX file, read back, is the network in float32."""
    single = net.replace(dtype="float32")
    try:
        back = imported(content, Path())
    except NONSENSE as error:
        raise Refused(repr(error)) from error
    if not (
        json.dumps(learned(back)) == json.dumps(learned(single))
        and json.dumps(np.asarray(back.classes).tolist())
        == json.dumps(np.asarray(net.classes).tolist())
        and all(np.array_equal(back.parameters[k], a) for k, a in single.parameters.items())
    ):
        raise ValueError(f"{_OTHER}; {FAULT}")


def check_rtneural(content: bytes, net: Network, _: Program) -> None:
    """Raise ValueError unless RTNeural's JSON, read back, has the network's arrays in float32."""
    single = net.replace(dtype="float32")
    try:
        held, right = (
            [p[k] for layer in n.layers for p in [n.by_layer()[layer.name]] for k in sorted(p)]
            for n in (network_of(content, "float32"), single)
        )
    except NONSENSE as error:
        raise Refused(repr(error)) from error
    if len(held) != len(right) or not all(map(np.array_equal, held, right)):
        raise ValueError(f"{_OTHER}; {FAULT}")


def check_state_dict(content: bytes, net: Network, _: Program) -> None:
    """Raise ValueError unless a state dict, read back, has the network's arrays and dtype."""
    arrays, by_layer = read_safetensors(content)[0], net.by_layer()
    for layer in net.layers:
        ends = ("_l0", "_l0_reverse")[: getattr(layer, "directions", 0)]
        right = {_TORCH.get(k, k): np.asarray(a) for k, a in by_layer[layer.name].items()}
        if ends:
            bias = right.pop("bias")
            right |= {"bias_ih": bias, "bias_hh": np.zeros_like(bias)}
        for name, wanted in right.items():
            found = [arrays[f"{layer.name}.{name}{end}"] for end in ends or ("",)]
            kinds = {a.dtype.name for a in found}
            if kinds != {net.dtype.name} or not np.array_equal(np.concatenate(found), wanted):
                raise ValueError(f"the exported file holds another {layer.name}.{name}; {FAULT}")


def check_page(content: bytes, net: Network, program: Program) -> None:
    """Raise ValueError unless a page knows what is known of the network, and asks no server."""
    text, about = content.decode(), net.about or {}
    told = json.loads(re.findall("^const FACTS = (.*);$", text, re.MULTILINE)[0])
    units = [f["unit"] for f in about.get("features") or ()] or [None] * program.inputs
    right = {
        "named": names_classes(net, program), "units": units,
        "rate": about.get("rate"), "ids": program.ids, "others": program.others,
        "classes": program.classes or told["classes"],
        "features": program.features or told["features"],
    }  # fmt: skip
    for key, wanted in right.items():
        if json.dumps(told[key]) != json.dumps(wanted):
            raise ValueError(f"the exported page says another {key!r} than the network; {FAULT}")
    found = _ASKS.search(_TEXTS.sub("", text))
    if found or _POLICY not in text:
        what = found[0] if found else "its policy allows it"
        raise ValueError(f"the exported page may ask a server for something ({what}); {FAULT}")
