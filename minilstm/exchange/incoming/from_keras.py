"""A network from a file of Keras, which says both its layers and their arrays.
Gates stand in our order there, with inputs first: every matrix is turned, and no bit changes.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from minilstm.checks import shown
from minilstm.exchange.incoming.formats.archive import Archive
from minilstm.exchange.incoming.formats.bounds import Array, Refused, file_bytes, plain_json, told
from minilstm.exchange.incoming.formats.hdf5 import Hdf5
from minilstm.exchange.incoming.from_pytorch import assembled, dtype_of, labelled
from minilstm.exchange.incoming.read_weights import WEIGHTS
from minilstm.layers import (
    LSTM,
    BatchNormalization,
    BiLSTM,
    Dropout,
    FullyConnected,
    Layer,
    ReLU,
    SequenceInput,
    Sigmoid,
    Softmax,
)
from minilstm.network.network import Network

_RECURRENT = ("kernel", "recurrent_kernel", "bias")
_FUNCTIONS: dict[Any, type[Layer] | None] = {
    "linear": None, None: None, "relu": ReLU, "sigmoid": Sigmoid, "softmax": Softmax,
}  # fmt: skip
_STATES, _GATES = ("tanh", "relu", "softsign"), ("sigmoid", "hard_sigmoid")
_OF_TRAINING = re.compile(r"^(optimizer\w*|\w*metrics?|loss_tracker)/|/seed_generator/")


def from_keras(path: str | os.PathLike[str], *, classes: ArrayLike | None = None) -> Network:
    """A network from a file that Keras 2 or 3 wrote, with its layers and its arrays.

    Parameters
    ----------
    path : a whole model, .keras or .h5; a Sequential or a functional model whose layers are a chain
        of LSTM, Bidirectional, Dense (also in TimeDistributed), BatchNormalization, Dropout,
        Activation, ReLU and Softmax
    classes : (C,) labels in the order of the scores, or None

    Returns
    -------
    Network of dtype float32, or float64 where the file has float64

    Raises
    ------
    ModelFileError
        The file is damaged, or holds what minilstm has not: another layer, a mask, go_backwards, an
        LSTM that returns its state or is given one, Keras 3's hard sigmoid, arrays of no layer, or
        two for one. The sentence names it.

    Warns
    -----
    UserWarning
        A layer is stateful, or drops out inputs or states in training: the network does neither.
    """
    found, data = file_bytes(path)
    with told(found):
        if data.startswith(b"PK"):
            archive = Archive(data)
            model = plain_json(archive.read("config.json"))
            version = plain_json(archive.read("metadata.json")).get("keras_version")
            pool = Hdf5(archive.read(WEIGHTS)).arrays()
        else:
            file = Hdf5(data)
            about = file.attributes(file.root)
            if "model_config" not in about:
                raise Refused(
                    "holds arrays alone, not the layers; save the whole model, with "
                    "model.save('model.keras'), or read them with read_weights."
                )
            model = plain_json(about["model_config"].encode())
            version, pool = about.get("keras_version"), file.arrays()
        if not (major := str(version or 3).split(".")[0]).isdecimal():
            raise Refused(f"has keras_version {shown(version)}, no number; save it anew.")
        net = _network(model, int(major), pool)
    return labelled(net, classes)


class _Named(NamedTuple):
    """A layer of Keras."""

    kind: str
    name: str
    config: dict[str, Any]
    key: str  # of its arrays in the newer format

    @property
    def title(self) -> str:
        return f"the layer {self.name[:60]!r} ({self.kind[:40]})"

    def inner(self, part: str) -> _Named:
        """A layer that this one wraps."""
        plain = self.config[part]
        return _Named(plain["class_name"], self.name, plain["config"], f"{self.key}/{part}")

    def check(self, **wanted: Any) -> None:
        """Refuse an option that says anything else; one that is missing says nothing."""
        for option, value in wanted.items():
            given = self.config.get(option, value)
            if given != value:
                said = f"{option}={str(given)[:40]}, which minilstm has not; train it without."
                raise Refused(f"has {self.title} with {said}")

    def check_axis(self, axes: int) -> None:
        """Refuse an axis, alone or in a list, that is not the last of so many."""
        if self.config.get("axis", -1) not in (-1, axes - 1, [-1], [axes - 1]):
            self.check(axis=-1)

    def value(self, option: str, usual: Any) -> Any:
        """An option of the type of its usual value."""
        given = self.config.get(option, usual)
        if type(given) is not type(usual):
            what = f"which is no {type(usual).__name__}; save it anew."
            raise Refused(f"has {self.title} with {option}={shown(given, 40)}, {what}")
        return given


def _network(model: Any, version: int, pool: dict[str, Array]) -> Network:
    dtype = dtype_of(pool)
    maker = _Maker(version, pool)
    chain = [layer for named in _chain(model) for layer in maker.layers(named)]
    left = [key for key in pool if not _OF_TRAINING.search(key)]
    if left or maker.width is None:
        raise Refused(
            f"holds {left[0]} {pool[left[0]].shape}, which belongs to no layer; save it anew."
            if left
            else "holds no layer with arrays; save the whole trained model."
        )
    return assembled([SequenceInput(maker.width), *chain], dtype)


def _chain(model: Any) -> list[_Named]:
    """The layers in the order in which they run."""
    kind, config = model["class_name"], model["config"]
    if kind not in ("Sequential", "Functional", "Model"):
        raise Refused(f"holds a {str(kind)[:40]}, not a Sequential or functional model.")
    layers = config["layers"] if isinstance(config, dict) else config
    count: dict[str, int] = {}
    named: dict[str, _Named] = {}
    feeds: dict[str, str] = {}
    for plain in layers:
        short = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", plain["class_name"])
        short = re.sub("([a-z])([A-Z])", r"\1_\2", short).lower()
        n = count[short] = count.get(short, -1) + 1
        name = str(plain["config"]["name"])
        key = f"{short}_{n}" if n else short
        named[name] = layer = _Named(str(plain["class_name"]), name, plain["config"], key)
        if kind == "Sequential":
            continue
        sources = [*_sources(plain.get("inbound_nodes", []), layer.title)]
        if len(sources) != (layer.kind != "InputLayer") or {*sources} & {*feeds}:
            raise Refused(f"has {layer.title}, which is not in a chain; only chains are imported.")
        feeds |= {source: name for source in sources}
    if kind == "Sequential":
        return [*named.values()]
    first = [name for name, layer in named.items() if layer.kind == "InputLayer"]
    order = first[:1]
    while order and order[-1] in feeds and len(order) <= len(named):
        order.append(feeds[order[-1]])
    ends = [*_sources(config.get("output_layers"), "the model")]
    if len(first) != 1 or sorted(order) != sorted(named) or ends != order[-1:]:
        raise Refused("has several inputs, or more outputs than its last layer's; only chains of "
                      "layers are imported.")  # fmt: skip
    return [named[name] for name in order]


def _sources(nodes: Any, title: str, depth: int = 0) -> Iterator[str]:
    """Names of the layers that feed one, and nothing else may; Keras 2 has lists, 3 has dicts."""
    beside: dict[Any, Any] = {}
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            yield str(nodes["keras_history"][0])
            return
        if "args" in nodes:  # a call
            first, *more = nodes["args"]
            beside = {**dict(enumerate(more, 2)), **nodes.get("kwargs", {})}
            nodes = {1: first}
        nodes = list(nodes.values())
    if not isinstance(nodes, list) or depth > 20:
        return
    if len(nodes) in (3, 4) and isinstance(nodes[0], str):
        yield nodes[0]
        beside, nodes = dict(*nodes[3:]), []
    for name, value in beside.items():
        if value is not None and value is not False:
            said = f"argument {name}" if type(name) is int else str(name)[:40]
            raise Refused(f"has {title} called with {said}, which is not read; call it without.")
    for node in nodes:
        yield from _sources(node, title, depth + 1)


class _Maker:
    """Turns layers of Keras into ours, and takes their arrays out of a pool."""

    def __init__(self, version: int, pool: dict[str, Array]) -> None:
        self.version, self.pool = version, pool
        self.width: int | None = None  # of what the first layer with arrays takes
        self.axes = 3  # of what the next layer takes

    def layers(self, named: _Named) -> list[Layer]:
        """Our layers for one of Keras."""
        config, kind = named.config, named.kind
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        self.axes = len(shape) if shape else self.axes
        if kind == "InputLayer":
            return []
        axes = self.axes
        if kind == "TimeDistributed":
            named, axes = named.inner("layer"), axes - 1
            config, kind = named.config, named.kind
            if kind in ("LSTM", "Bidirectional"):
                raise Refused(f"has {named.title} in TimeDistributed; build the network without.")
        if kind == "LSTM":
            units, functions = named.value("units", 1), self.functions(named)
            return [LSTM(units, self.mode(named), *functions, **self.cells(named, [""]))]
        if kind == "Bidirectional":
            return [self.both(named)]
        if kind == "Dense":
            arrays = self.arrays(named, ("kernel", "bias")[: 1 + named.value("use_bias", True)])
            W = self.turned(named, arrays["kernel"], named.value("units", 1))
            bias = arrays.get("bias", np.zeros(len(W), W.dtype))
            dense = FullyConnected(len(W), weights=W, bias=bias)
            return [dense, *self.function(named, config.get("activation"))]
        if kind == "BatchNormalization":
            named.check_axis(axes)
            return [self.normalization(named)]
        if kind == "Dropout":
            named.check(noise_shape=None)
            return [Dropout(config["rate"])]
        if kind == "Activation":
            return self.function(named, config["activation"])
        if kind == "ReLU":
            named.check(max_value=None, negative_slope=0.0, threshold=0.0)
            return [ReLU()]
        if kind == "Softmax":
            named.check_axis(axes)
            return [Softmax()]
        raise Refused(f"has {named.title}, which minilstm has not; build the network without it.")

    def mode(self, named: _Named) -> str:
        """What an LSTM puts out, which says how many axes there are from there on."""
        self.axes = 2 + named.value("return_sequences", False)
        return ("last", "sequence")[self.axes - 2]

    def functions(self, named: _Named) -> tuple[str, str]:
        """Names of the functions of states and gates; every other option is checked."""
        named.check(go_backwards=False, return_state=False, time_major=False)
        names = [named.config.get("activation", "tanh")]
        names.append(named.config.get("recurrent_activation", "sigmoid"))
        if names[1] == "hard_sigmoid" and self.version > 2:
            said = "z/6 + 0.5, where minilstm has 0.2 z + 0.5; train it with recurrent_activation="
            raise Refused(f"has {named.title} with Keras 3's hard sigmoid, {said}'sigmoid'.")
        if names[0] not in _STATES or names[1] not in _GATES:
            said = "minilstm has not; train it with activation='tanh' and recurrent_activation="
            raise Refused(f"has {named.title} with the functions {str(names)[:80]}, which {said}"
                          "'sigmoid'.")  # fmt: skip
        told = "is left out, as it acts in training alone"
        for option, what in {
            "stateful": "is not kept; predict_and_update_state goes on from a state",
            "dropout": told,
            "recurrent_dropout": told,
        }.items():
            if value := named.config.get(option):
                said = f"{named.title} has {option}={str(value)[:20]}, which {what}."
                warnings.warn(said, UserWarning, stacklevel=6)
        return names[0], names[1].replace("_", "-")

    def both(self, named: _Named) -> BiLSTM:
        """Two directions; Keras turns the backward half round itself."""
        named.check(merge_mode="concat")
        ahead = named.inner("layer")
        back = named.inner("backward_layer") if "backward_layer" in named.config else ahead
        config = ahead.config
        if (ahead.kind, back.kind) != ("LSTM", "LSTM"):
            raise Refused(f"has {named.title} of no LSTM; only LSTMs are imported.")
        for option in ("units", "activation", "recurrent_activation", "use_bias"):
            if back.config.get(option) != config.get(option):
                raise Refused(f"has {named.title} whose directions differ in {option}.")
        if back is not ahead and back.config.get("go_backwards") is not True:
            raise Refused(f"has {named.title} whose second direction does not go backwards.")
        every = config.get("return_sequences", False)
        back.check(return_sequences=every, return_state=False, time_major=False)
        functions = self.functions(ahead)
        arrays = self.cells(ahead._replace(key=named.key), ["forward", "backward"])
        return BiLSTM(ahead.value("units", 1), self.mode(ahead), *functions, **arrays)

    def cells(self, named: _Named, directions: Sequence[str]) -> dict[str, Any]:
        """The arrays of an LSTM, one block of rows for each direction."""
        H, biased = named.value("units", 1), named.value("use_bias", True)
        rows: list[list[Array]] = []
        for direction in directions:
            a = self.arrays(named, _RECURRENT[: 2 + biased], direction)
            W = self.turned(named, a["kernel"], 4 * H)
            R = self.turned(named, a["recurrent_kernel"], 4 * H, H)
            rows.append([W, R, a.get("bias", np.zeros(4 * H, W.dtype))])
        names = ("input_weights", "recurrent_weights", "bias")
        return {n: np.concatenate(a) for n, a in zip(names, zip(*rows, strict=True), strict=True)}

    def turned(self, named: _Named, kernel: Array, outputs: Any, inputs: Any = None) -> Array:
        """A matrix with outputs first; the first one says how wide the network's input is."""
        if kernel.ndim != 2 or kernel.shape[1] != outputs or inputs not in (None, len(kernel)):
            raise Refused(f"has {named.title} with an array of shape {kernel.shape}; save it anew.")
        self.width = len(kernel) if self.width is None else self.width
        return kernel.T

    def normalization(self, named: _Named) -> BatchNormalization:
        named.check(renorm=False)
        config = named.config
        learned = [("gamma", "scale"), ("beta", "center")]
        wanted = [array for array, option in learned if named.value(option, True)]
        a = self.arrays(named, (*wanted, "moving_mean", "moving_variance"))
        mean = a["moving_mean"]
        self.width = mean.size if self.width is None else self.width
        return BatchNormalization(
            config.get("epsilon", 1e-3),
            scale=a.get("gamma", np.ones_like(mean)), offset=a.get("beta", np.zeros_like(mean)),
            trained_mean=mean, trained_variance=a["moving_variance"],
        )  # fmt: skip

    def function(self, named: _Named, name: Any) -> list[Layer]:
        """A layer for the name of a function."""
        if not isinstance(name, (str, type(None))) or name not in _FUNCTIONS:
            said = f"{str(name)[:40]!r}, which minilstm has not; use relu, sigmoid or softmax."
            raise Refused(f"has {named.title} with the function {said}")
        kind = _FUNCTIONS[name]
        return [] if kind is None else [kind()]

    def arrays(self, named: _Named, names: Sequence[str], direction: str = "") -> dict[str, Array]:
        """Take the arrays of a layer out of the pool, by their names."""
        newer = re.compile(
            rf"(?:layers|_layer_checkpoint_dependencies)/{re.escape(named.key)}/"
            rf"{direction and direction + '_layer/'}(?:cell/)?vars/(\d)"
        )
        older = re.compile(
            rf"model_weights/{re.escape(named.name)}/(?:.*/)?"
            rf"{direction and direction + '[^/]*/'}(?:[^/]*cell[^/]*/)?([a-z_]+)(?::0)?"
        )
        found: dict[str, Array] = {}
        for key in [*self.pool]:
            new, old = newer.fullmatch(key), older.fullmatch(key)
            name = [*names, *[""] * 10][int(new[1])] if new else old[1] if old else ""
            if name in found:
                raise Refused(f"has the {name} of {named.title} twice; save it anew.")
            if name in names:
                found[name] = self.pool.pop(key)
        if len(found) < len(names):
            missing = next(n for n in names if n not in found)
            raise Refused(f"has no {missing} for {named.title}; save the whole trained model.")
        return found
