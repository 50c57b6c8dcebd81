"""A network from a PyTorch state dict: its arrays, put into layers that the user names.
A state dict has no order of computation and no activations, so these come from the layers.
"""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minilstm.checks import shortened
from minilstm.errors import ModelFileError
from minilstm.exchange.incoming.formats.bounds import Array, Refused, file_bytes, told
from minilstm.exchange.incoming.modules import Module, modules_of, natural, without_wrappers
from minilstm.exchange.incoming.read_weights import weights_of
from minilstm.layers import LSTM, BatchNormalization, BiLSTM, FullyConnected, Layer, SequenceInput
from minilstm.network.graph.wiring import wire
from minilstm.network.network import Network

_LEARNS = (LSTM, BiLSTM, FullyConnected, BatchNormalization)


def from_pytorch(
    path: str | os.PathLike[str],
    layers: Sequence[Layer],
    *,
    prefix: str | None = None,
    classes: ArrayLike | None = None,
) -> Network:
    """A network of given layers with the arrays of a PyTorch state dict.

    Parameters
    ----------
    path : .pt, .pth or .safetensors; a training checkpoint will do
    layers : list of layers such as `[SequenceInput(3), LSTM(32, "last"), FullyConnected(5),
        Softmax()]`; SequenceInput may be left out. A layer takes the module of its own name where
        there is one; the others take, in order, the first module left that has their kind and
        sizes, with a UserWarning where several do and are not numbered. An nn.LSTM with
        num_layers=2 fills two layers
    prefix : of the names to take, such as "encoder."; None takes all of them, without "module.",
        "_orig_mod.", "model.", "state_dict" and the like before them, and without an optimizer's
    classes : (C,) labels in the order of the scores, or None

    Returns
    -------
    Network of dtype float32, or float64 where the file has float64

    Raises
    ------
    ValueError
        The layers do not make a network, one of them has values of its own, or the classes are not
        as many as its scores.
    ModelFileError
        The file is damaged, holds what no layer of ours can, or does not fit the layers: one of
        them finds no module, or a module is left over. The sentence names them.

    Notes
    -----
    PyTorch adds two biases, ours is their sum, rounded once. The output ``out[:, -1]`` of a
    bidirectional LSTM is not our "last": its backward half has read one step only. Dropout between
    the layers of an LSTM acts in training alone.

    Examples
    --------
    A state dict of ``nn.LSTM(3, 8)`` named lstm and ``nn.Linear(8, 2)`` named fc, in safetensors:

    >>> import tempfile
    >>> from safetensors.numpy import save_file
    >>> shapes = {"lstm.weight_ih_l0": (32, 3), "lstm.weight_hh_l0": (32, 8), "fc.weight": (2, 8)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({k: np.ones(s, "f4") for k, s in shapes.items()}, folder + "/a.safetensors")
    ...     net = from_pytorch(folder + "/a.safetensors", [LSTM(8), FullyConnected(2)])
    >>> net.predict(np.zeros((4, 3))).shape
    (4, 2)
    """
    if not isinstance(layers, (list, tuple)) or not all(isinstance(a, Layer) for a in layers):
        raise TypeError(
            "layers is no list of layers; give one, such as [LSTM(32), FullyConnected(5)]."
        )
    for layer in layers:
        given = [k for k in layer.values if getattr(layer, k) is not None]
        if given and isinstance(layer, _LEARNS):
            raise ValueError(
                f"the layer {layer.name or type(layer).__name__} has {given[0]} already, where the "
                "file's would go; give the layer without it."
            )
    found, data = file_bytes(path)
    with told(found):
        weights = without_wrappers(weights_of(found, data), prefix)
        del data  # so that nothing is held twice for long
        ordered = found.suffix.lower() != ".safetensors"  # which sorts by names
        dtype = dtype_of(weights)
        chain = filled(modules_of(weights, by_number=not ordered), layers, ordered)
        del weights
    try:
        net = assembled(chain, dtype)
    except Refused as why:  # other errors are those of the layers
        raise ModelFileError(f"{found} {why}") from None
    return labelled(net, classes)


def recognise(path: str | os.PathLike[str], *, prefix: str | None = None) -> list[Layer]:
    """Layers for a state dict of LSTMs and at most one linear layer; see `recognised`."""
    found, data = file_bytes(path)
    with told(found):
        return recognised(modules_of(without_wrappers(weights_of(found, data), prefix)))


def assembled(layers: list[Layer], dtype: str) -> Network:
    """A network of layers that were given their values, which it takes out of the list.

    The layers keep them as float64, so a network that came in would hold all of them twice.
    """
    names = [layer.name for layer in wire(layers).layers]
    kept: tuple[dict[str, Array], dict[str, Array]] = {}, {}  # learnables, statistics
    for k, (layer, owner) in enumerate(zip(layers, names, strict=True)):
        for name in layer.values:
            with np.errstate(over="ignore"):
                value = np.asarray(getattr(layer, name), dtype)
            if not np.isfinite(value).all():
                raise Refused(
                    f"holds {name} of the layer {owner!r} beyond the range of {dtype}; save all of "
                    "it as float64."
                )
            kept[name not in layer.learnables][f"{owner}/{name}"] = value
        layers[k] = dataclasses.replace(layer.without_values(), name=owner)
    return Network(layers, kept[0], statistics=kept[1], dtype=dtype)


def labelled(net: Network, classes: Any) -> Network:
    """The network with labels for its scores, where there are any."""
    return net if classes is None else net.replace(classes=classes)


def dtype_of(weights: Mapping[str, Array]) -> str:
    """float64 where all numbers are, else float32.

    Examples
    --------
    >>> dtype_of({"W": np.zeros(3, np.float16)}), dtype_of({"W": np.zeros(3)})
    ('float32', 'float64')
    """
    kinds = {a.dtype for a in weights.values() if a.dtype.kind == "f"}
    return "float64" if kinds == {np.dtype(np.float64)} else "float32"


def filled(modules: Sequence[Module], layers: Sequence[Layer], ordered: bool = True) -> list[Layer]:
    """The layers, each with the arrays of its module; every module is used once.

    `ordered` says whether the order of the modules is that in which a program made them.
    """
    if not modules:
        raise Refused("holds no arrays; save the state dict of a trained network.")
    left, guessed = list(modules), set[str]()
    chain: list[Layer] = []
    width = None
    if layers and isinstance(layers[0], SequenceInput):
        width = layers[0].shape[0]
        chain.append(layers[0])
    for k, layer in enumerate(layers[len(chain) :], len(chain) + 1):
        if isinstance(layer, _LEARNS):
            later = {a.name for a in layers[k:] if a.name}
            module = _module_for(layer, width, left, later, ordered, guessed)
            left = [m for m in left if m is not module]
            if width is None:
                chain.insert(0, SequenceInput(module.inputs))
            layer = dataclasses.replace(layer, **module.arrays)  # type: ignore[arg-type]
            width = _width(module)
        elif layer.learnables:
            raise Refused(f"has no counterpart of the layer {type(layer).__name__}; leave it out.")
        chain.append(layer)
    if left or width is None:
        what = ", ".join(m.title for m in left) or "no arrays"
        raise Refused(
            f"holds {what}, which no layer takes; add the layers, or choose a part of the file "
            "with prefix."
        )
    return chain


def recognised(modules: Sequence[Module]) -> list[Layer]:
    """Layers for a file of LSTMs and at most one linear layer behind them, each fed by the last.

    Raises Refused where the file may mean several networks.

    Examples
    --------
    >>> arrays = {"weights": np.zeros((2, 3)), "bias": np.zeros(2)}
    >>> [layer.label for layer in recognised([Module("fc", FullyConnected, 3, 2, arrays)])]
    ['Sequence input with 3 dimensions', '2 fully connected layer']
    """
    linear = [m for m in modules if m.kind is FullyConnected]
    chain = [m for m in modules if m.kind in (LSTM, BiLSTM)] + linear
    fed = all(_width(a) == b.inputs for a, b in pairwise(chain))
    if not chain or len(chain) < len(modules) or len(linear) > 1 or not fed:
        raise Refused(
            f"holds {', '.join(m.title for m in modules) or 'no arrays'}, of which the order and "
            "what stands between is not known; say it with layers, such as "
            "lstm:32,relu,dense:5,softmax."
        )
    # Each of these layers has its size first.
    return [SequenceInput(chain[0].inputs), *(_sized(m.kind)(m.outputs) for m in chain)]


def _sized(kind: type[Layer]) -> Callable[[int], Layer]:
    return kind  # type: ignore[return-value]


def _width(module: Module) -> int:
    return module.outputs * (2 if module.kind is BiLSTM else 1)


def _module_for(
    layer: Layer, width: int | None, left: Sequence[Module], later: set[str], ordered: bool,
    guessed: set[str],
) -> Module:  # fmt: skip
    """The module of the layer's name, else the first of its kind and sizes that none names later.

    Says once which modules fit alike, where their names do not number them; their names go to
    `guessed`.
    """
    size = getattr(layer, "num_hidden_units", getattr(layer, "num_outputs", None))
    called = layer.name or type(layer).__name__
    if not left:
        raise Refused(
            f"has no module left for the layer {called} ({layer.label}), as the layers before it "
            "take all of them; leave it out."
        )
    fit = [
        m
        for m in left
        if type(layer) is m.kind and width in (None, m.inputs) and size in (None, m.outputs)
    ]
    if not fit:
        on = "" if width is None else f" on {width} inputs"
        raise Refused(
            f"holds no module for the layer {called} ({layer.label}{on}), but "
            f"{', '.join(m.title for m in left)}; give layers of these kinds and sizes, in their "
            "order."
        )
    choices = (
        [m for m in fit if m.name == layer.name],
        [m for m in fit if m.name.rpartition(".")[2] == layer.name],
        [m for m in fit if later.isdisjoint((m.name, m.name.rpartition(".")[2]))],
    )
    fit = next(filter(None, choices), fit)
    names = [m.name for m in fit]
    numbered = len({re.sub(r"\d+", "", name) for name in names}) == 1
    advice = (
        f"name each layer like its module, such as {type(layer).__name__}(..., name={names[0]!r})."
    )
    if not ordered and not numbered:
        raise Refused(
            f"holds {' and '.join(m.title for m in fit[:2])}, which fit the layer {called} alike, "
            f"in no order; {advice}"
        )
    if not (numbered and names == sorted(names, key=natural)) and not guessed.issuperset(names):
        guessed.update(names)
        warnings.warn(
            f"the layer {called} takes {names[0]}, the first of "
            f"{shortened(', '.join(names), 300)}, which all fit it; to be sure, {advice}",
            stacklevel=4,
        )
    return fit[0]
