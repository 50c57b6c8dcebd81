"""The modules of a PyTorch state dict: LSTMs, linear layers and batch normalisations by name.
Each array of the dict belongs to one of them, or is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minilstm.exchange.incoming.formats.bounds import Array, Refused
from minilstm.layers import LSTM, BatchNormalization, BiLSTM, FullyConnected, Layer

_RECURRENT = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d+))?(_reverse)?")
_NORMALIZES = {
    "weight": "scale", "bias": "offset", "running_mean": "trained_mean",
    "running_var": "trained_variance",
}  # fmt: skip
#: what training leaves in a checkpoint beside the network
TRAINING = re.compile(r"(optimizer|lr_sched|scheduler|scaler|loops|callbacks|rng_state|epoch)")
#: wrappers that put their name before those of the network
WRAPPERS = ("module", "_orig_mod", "model", "state_dict", "model_state_dict", "net")


class Module(NamedTuple):
    """A module, with its arrays as a layer of ours takes them."""

    name: str
    kind: type[Layer]
    inputs: int
    outputs: int  # hidden units, outputs, or channels
    arrays: dict[str, Array]

    @property
    def title(self) -> str:
        """The module as messages call it."""
        return f"{self.name} ({self.kind.__name__}, {self.inputs} to {self.outputs})"


def without_wrappers(weights: Mapping[str, Array], prefix: str | None) -> dict[str, Array]:
    """The arrays of the network alone, by names without what wrappers put before them.

    Parameters
    ----------
    weights : all arrays of a file
    prefix : takes those whose names start so; None takes all, but for those of an optimizer beside
        a network within a wrapper of a usual name

    Examples
    --------
    >>> sorted(without_wrappers({"state_dict.module.fc.bias": 1, "optimizer.state.0": 2}, None))
    ['fc.bias']
    """
    if prefix is not None:
        start = prefix if prefix.endswith((".", "/")) or prefix == "" else f"{prefix}."
        chosen = {k[len(start) :]: a for k, a in weights.items() if k.startswith(start)}
        if not chosen:
            first = ", ".join(sorted({_top(k) for k in weights})[:8])
            raise Refused(f"has no array whose name starts with {start!r}; choose from {first}.")
        return chosen
    if any(key.startswith("self_test/") for key in weights):
        raise Refused("is a model file of minilstm itself; load it with minilstm.load.")
    chosen = dict(weights)
    while True:
        tops = {_top(k) for k in chosen}
        networks = [top for top in tops if not TRAINING.match(top)]
        if len(networks) != 1 or networks[0] not in WRAPPERS:
            return chosen
        inner = {k[len(_top(k)) + 1 :]: a for k, a in chosen.items() if _top(k) == networks[0]}
        # A network may be one LSTM of that name, alone in the file.
        if len(tops) == 1 and not all(_top(k) != k for k in inner):
            return chosen
        chosen = inner


def _top(key: str) -> str:
    """A name before its first dot or stroke."""
    return re.split(r"[./]", key, maxsplit=1)[0]


def modules_of(weights: Mapping[str, Array], by_number: bool = False) -> list[Module]:
    """The modules in the order of the dict; a deep LSTM counts as one for each of its layers.

    Parameters
    ----------
    weights : arrays by name
    by_number : order them by name, "layer10" after "layer9", where that of the dict says nothing;
        nor does that of letters

    Raises Refused where an array belongs to no such module.
    """
    groups: dict[str, dict[str, Array]] = {}
    for key, array in weights.items():
        name, _, leaf = key.rpartition(".")
        groups.setdefault(name, {})[leaf] = array
    names = list(groups)
    if by_number or names == sorted(names):  # by letters: "head.10" before "head.2"
        names.sort(key=natural)
    found = []
    for name in names:
        # Half a precision is widened before anything is added or scaled.
        leaves = {k: a.astype("f4") if a.dtype == "f2" else a for k, a in groups[name].items()}
        where = f"{name}." if name else ""
        for leaf, array in leaves.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise Refused(f"holds NaN or infinity in {where}{leaf}; give it finite numbers.")
            if array.dtype.kind != "f" and leaf != "num_batches_tracked":
                raise Refused(
                    f"holds {where}{leaf} in {array.dtype}, whole numbers without a factor; save "
                    "it as float32."
                )
        if any(_RECURRENT.fullmatch(leaf) for leaf in leaves):
            found += _recurrent(name, where, leaves)
        elif "running_mean" in leaves:
            found.append(_normalization(name, where, leaves))
        else:
            found.append(_linear(name, where, leaves))
    return found


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts "layer10" behind "layer9"."""
    parts = re.split(r"(\d+)", name)
    return [(p.isdigit(), int(p) if p.isdigit() and len(p) < 9 else 0, p) for p in parts]


def _recurrent(name: str, where: str, leaves: dict[str, Array]) -> list[Module]:
    """Layers of an nn.LSTM, or an nn.LSTMCell."""
    parts: dict[tuple[int, str], dict[str, Array]] = {}
    for leaf, array in leaves.items():
        match = _RECURRENT.fullmatch(leaf)
        if match is None:
            raise _strange(where + leaf, array, "beside those of an LSTM")
        if match[2] == "hr":
            raise Refused(
                f"has {where}{leaf} {array.shape}, the projection of an LSTM with proj_size, which "
                "minilstm has not; train the network without it."
            )
        number, direction = int(match[3] or 0), match[4] or ""
        parts.setdefault((number, direction), {})[f"{match[1]}_{match[2]}"] = array
    out = []
    layers = 1 + max(number for number, _ in parts)
    both = any(direction for _, direction in parts)
    wanted = ["weight_ih", "weight_hh"]
    if any("bias" in leaf for leaf in leaves):  # an nn.LSTM has all of its biases, or none
        wanted += ["bias_ih", "bias_hh"]
    for number in range(min(layers, 1000)):
        cells = []
        for direction in ("", "_reverse")[: 1 + both]:
            label = f"{where}weight_hh_l{number}{direction}"
            cell = parts.get((number, direction), {})
            for part in (p for p in wanted if p not in cell):
                missing = label.replace("weight_hh", part)
                raise Refused(f"has no {missing}; save the whole state dict.")
            cells.append(_cell(label, cell))
        if len({(a.shape, b.shape) for a, b, _ in cells}) > 1:
            raise Refused(f"has two directions of different sizes in {name or 'its LSTM'}.")
        named = ("input_weights", "recurrent_weights", "bias")
        arrays = {
            n: np.concatenate(a) if both else a[0]
            for n, a in zip(named, zip(*cells, strict=True), strict=True)
        }
        kind = BiLSTM if both else LSTM
        D, H = arrays["input_weights"].shape[1], arrays["recurrent_weights"].shape[1]
        suffix = f"layer {number}" if layers > 1 else ""
        title = f"{name} {suffix}".strip() or "the LSTM"
        out.append(Module(title, kind, D, H, arrays))
    return out


def _cell(label: str, cell: dict[str, Array]) -> tuple[Array, Array, Array]:
    """W (4H, D), R (4H, H) and one bias (4H,) of one direction; two biases are added."""
    W, R = cell["weight_ih"], cell["weight_hh"]
    fits = W.ndim == R.ndim == 2 and len(W) == len(R) and R.shape[1] > 0
    blocks = len(R) / R.shape[1] if fits else 0
    if blocks in (1, 3):
        kind = "an RNN" if blocks == 1 else "a GRU"
        raise Refused(f"has {label} {R.shape}, which is {kind}; only LSTMs are imported.")
    biases = [cell[b] for b in ("bias_ih", "bias_hh") if b in cell]  # both, or none
    if blocks != 4 or any(b.shape != R.shape[:1] for b in biases):
        raise Refused(f"has {label} {R.shape} beside {W.shape}, which do not make an LSTM.")
    return W, R, biases[0] + biases[1] if biases else np.zeros(len(R), R.dtype)


def _normalization(name: str, where: str, leaves: dict[str, Array]) -> Module:
    """An nn.BatchNorm1d; without `affine` it scales by 1."""
    mean = leaves["running_mean"]
    both = ("weight", "bias") if {"weight", "bias"} & set(leaves) else ()
    for leaf in {"running_var", *both} - set(leaves):
        raise Refused(f"has no {where}{leaf}; save the whole state dict.")
    full = {"weight": np.ones_like(mean), "bias": np.zeros_like(mean), **leaves}
    full.pop("num_batches_tracked", None)  # only training counts on it
    for leaf, array in full.items():
        if leaf not in _NORMALIZES or array.shape != mean.shape or mean.ndim != 1:
            raise _strange(where + leaf, array, "beside those of a BatchNorm1d")
    arrays = {_NORMALIZES[leaf]: array for leaf, array in full.items()}
    return Module(name or "the BatchNorm", BatchNormalization, len(mean), len(mean), arrays)


def _linear(name: str, where: str, leaves: dict[str, Array]) -> Module:
    """An nn.Linear; without a bias its bias is 0."""
    weight = leaves.get("weight")
    if set(leaves) == {"bias"}:
        raise Refused(f"has no {where}weight; save the whole state dict.")
    for leaf, array in sorted(leaves.items(), key=lambda item: item[0] == "bias"):
        ok = leaf in ("weight", "bias") and weight is not None and weight.ndim == 2
        if not ok or (leaf == "bias" and array.shape != weight.shape[:1]):  # type: ignore[union-attr]
            raise _strange(where + leaf, array)
    assert weight is not None  # as there is a leaf, and each was looked at
    bias = leaves.get("bias", np.zeros(len(weight), weight.dtype))
    arrays = {"weights": weight, "bias": bias}
    return Module(name or "the Linear", FullyConnected, weight.shape[1], len(weight), arrays)


def _strange(key: str, array: Any, where: str = "") -> Refused:
    return Refused(
        f"has {key} {array.shape}{' ' * bool(where)}{where}, which is no part of an LSTM, "
        "Linear or BatchNorm1d; choose the part of the network with prefix, or leave that out."
    )
