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
#: layers that do the same to each step, so they may stand in TimeDistributed
_EACH = ("Dense", "BatchNormalization", "Dropout", "Activation", "ReLU", "Softmax")
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
        LSTM that returns its state, Keras 3's hard sigmoid, arrays of no layer. The sentence names
        it.

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
        major = str(version or 3).split(".")[0]
        if not major.isdecimal():
            raise Refused(
                f"has keras_version {shown(version)}, not one like '3.5.0'; save it anew."
            )
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
                raise Refused(
                    f"has {self.title} with {option}={str(given)[:40]}, which minilstm has not; "
                    "train it without."
                )

    def check_axis(self, axes: int) -> None:
        """Refuse an axis, alone or in a list, that is not the last of so many."""
        given = self.config.get("axis", -1)
        if given not in (-1, axes - 1, [-1], [axes - 1]):
            self.check(axis=-1)

    def flag(self, option: str, usual: bool) -> bool:
        """An option that is true or false."""
        given = self.config.get(option, usual)
        if not isinstance(given, bool):
            raise Refused(f"has {self.title} with {option}={shown(given, 40)}, which is neither "
                          "true nor false; save it anew.")  # fmt: skip
        return given

    @property
    def units(self) -> int:
        given = self.config["units"]
        if type(given) is not int or given < 1:
            raise Refused(f"has {self.title} with units={shown(given, 40)}, which is no whole "
                          "number from 1; save it anew.")  # fmt: skip
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
    if len(first) != 1 or sorted(order) != sorted(named):
        raise Refused("has several inputs or outputs; only chains of layers are imported.")
    if (outputs := [*_sources(config.get("output_layers"), "the model")]) != order[-1:]:
        raise Refused(
            f"has the outputs of {', '.join(map(repr, outputs))[:80] or 'no layer'}, not of its "
            f"last layer {order[-1][:60]!r} alone; save a model of one output."
        )
    return [named[name] for name in order]


def _sources(nodes: Any, title: str, depth: int = 0) -> Iterator[str]:
    """Names of the layers that feed one; Keras 2 has lists, Keras 3 has dicts.

    Whatever else a call is given, such as states or a mask, is refused.
    """
    beside: dict[Any, Any] = {}
    inner: Any = nodes
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            yield str(nodes["keras_history"][0])
            return
        inner = list(nodes.values())
        if "args" in nodes:  # a call
            inner = nodes["args"][:1]
            more = {f"argument {k}": a for k, a in enumerate(nodes["args"][1:], 2)}
            beside = {**more, **nodes.get("kwargs", {})}
    if not isinstance(inner, list) or depth > 20:
        return
    if len(inner) in (3, 4) and isinstance(inner[0], str):
        yield inner[0]
        beside, inner = dict(*inner[3:]), []
    for name, value in beside.items():
        if value is not None and value is not False:
            raise Refused(f"has {title} called with {str(name)[:40]}={str(value)[:40]}, which "
                          "minilstm has not; call it without.")  # fmt: skip
    for node in inner:
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
        if kind == "TimeDistributed":
            inner, axes = named.inner("layer"), self.axes
            if inner.kind not in _EACH:
                raise Refused(f"has {named.title} of the layer {shown(inner.kind, 40)}; only "
                              f"{', '.join(_EACH)} may stand in it.")  # fmt: skip
            self.axes -= 1
            made = self.layers(inner)
            self.axes = axes
            return made
        if kind == "LSTM":
            functions = self.functions(named)
            return [LSTM(named.units, self.mode(named), *functions, **self.cells(named, [""]))]
        if kind == "Bidirectional":
            return [self.both(named)]
        if kind == "Dense":
            arrays = self.arrays(named, ("kernel", "bias")[: 1 + named.flag("use_bias", True)])
            W = self.turned(named, arrays["kernel"], named.units)
            bias = arrays.get("bias", np.zeros(len(W), W.dtype))
            dense = FullyConnected(named.units, weights=W, bias=bias)
            return [dense, *self.function(named, config.get("activation"))]
        if kind == "BatchNormalization":
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
            named.check_axis(self.axes)
            return [Softmax()]
        raise Refused(f"has {named.title}, which minilstm has not; build the network without it.")

    def mode(self, named: _Named) -> str:
        """What an LSTM puts out, which says how many axes there are from there on."""
        every = named.flag("return_sequences", False)
        self.axes = 3 if every else 2
        return "sequence" if every else "last"

    def functions(self, named: _Named) -> tuple[str, str]:
        """Names of the functions of states and gates; every other option is checked."""
        named.check(go_backwards=False, return_state=False, time_major=False)
        names = [named.config.get("activation", "tanh")]
        names.append(named.config.get("recurrent_activation", "sigmoid"))
        if names[1] == "hard_sigmoid" and self.version > 2:
            raise Refused(
                f"has {named.title} with Keras 3's hard sigmoid, z/6 + 0.5, where minilstm has "
                "0.2 z + 0.5; train it with recurrent_activation='sigmoid'."
            )
        if names[0] not in _STATES or names[1] not in _GATES:
            raise Refused(
                f"has {named.title} with the functions {str(names)[:80]}, which minilstm has not; "
                "train it with activation='tanh' and recurrent_activation='sigmoid'."
            )
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
        for option in (
            "units", "activation", "recurrent_activation", "use_bias", "return_sequences",
        ):  # fmt: skip
            if back.config.get(option) != config.get(option):
                raise Refused(f"has {named.title} whose directions differ in {option}.")
        if back is not ahead and back.config.get("go_backwards") is not True:
            raise Refused(f"has {named.title} whose second direction does not go backwards.")
        back.check(return_state=False, time_major=False)
        functions = self.functions(ahead)
        arrays = self.cells(ahead._replace(key=named.key), ["forward", "backward"])
        return BiLSTM(ahead.units, self.mode(ahead), *functions, **arrays)

    def cells(self, named: _Named, directions: Sequence[str]) -> dict[str, Any]:
        """The arrays of an LSTM, one block of rows for each direction."""
        H, biased = named.units, named.flag("use_bias", True)
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
        named.check_axis(self.axes)
        config = named.config
        learned = [("gamma", "scale"), ("beta", "center")]
        wanted = [array for array, option in learned if named.flag(option, True)]
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
            raise Refused(
                f"has {named.title} with the function {str(name)[:40]!r}, which minilstm has not; "
                "use relu, sigmoid or softmax."
            )
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
            name = ""
            if (match := newer.fullmatch(key)) and int(match[1]) < len(names):
                name = names[int(match[1])]
            elif (match := older.fullmatch(key)) and match[1] in names:
                name = match[1]
            if name in found:
                raise Refused(f"has the {name} of {named.title} twice; save it anew.")
            if name:
                found[name] = self.pool.pop(key)
        if len(found) < len(names):
            missing = next(n for n in names if n not in found)
            raise Refused(f"has no {missing} for {named.title}; save the whole trained model.")
        return found
