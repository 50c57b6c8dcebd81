"""Names for layers: given ones are checked, missing ones are made from the kind of layer.
Tables of layers are printed from here too."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from minilstm.checks import shown
from minilstm.layers import Layer

_SHORT_NAMES = {
    "sequence_input": "input",
    "fully_connected": "fc",
    "convolution_2d": "conv",
    "convolution_3d": "conv",
    "batch_normalization": "bn",
    "sequence_folding": "fold",
    "sequence_unfolding": "unfold",
    "classification_output": "classification",
    "regression_output": "regression",
}
_TITLES = {
    "lstm": "LSTM",
    "bilstm": "BiLSTM",
    "relu": "ReLU",
    "convolution_2d": "2-D Convolution",
    "convolution_3d": "3-D Convolution",
}
EXAMPLE = "give a list such as [SequenceInput(3), LSTM(200), FullyConnected(5), Softmax()]."


def name_layers(layers: Layer | Sequence[Layer], taken: Sequence[str] = ()) -> list[Layer]:
    """Name the unnamed ones of some layers, a list of them or one, so that each name is unique.

    `taken` are names of layers that these join. Raises ValueError where a name occurs twice, or
    cannot be a name; TypeError where it is not a list, or an entry is not a layer.
    """
    if isinstance(layers, Layer):
        layers = [layers]
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"layers is {type(layers).__name__}, not a list of layers; {EXAMPLE}")
    for n, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers[{n}] is {shown(layer)}, not a layer; {EXAMPLE}")
    given = [layer.name for layer in layers if layer.name not in ("", None)]
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"a layer is named {shown(name)}; give it a name in quotes, or none.")
    kinds = Counter(_short(layer) for layer in layers)
    used = {*taken, *given}
    seen: Counter[str] = Counter()
    named = []
    for layer in layers:
        short = _short(layer)
        seen[short] += 1
        name = layer.name
        if not name:  # "lstm" if it is the only one, else the next of "lstm_1", "lstm_2", ...
            name, n = short, 1 if taken else seen[short]
            while name in used or (name == short and kinds[short] > 1):
                name, n = f"{short}_{n}", n + 1
        used.add(name)
        named.append(layer if name == layer.name else dataclasses.replace(layer, name=name))
    for name, count in Counter([*taken, *(layer.name for layer in named)]).items():
        if count > 1:
            raise ValueError(f"{count} layers are named {shown(name)}; give each its own name.")
        if "/" in name:
            raise ValueError(
                f"a layer is named {shown(name)}; leave out the '/', which parts layer and port."
            )
    return named


def title(layer: Layer) -> str:
    """The kind of a layer as a heading, such as "Fully Connected"."""
    return _TITLES.get(layer.kind, layer.kind.replace("_", " ").title())


def layer_table(layers: Sequence[Layer]) -> str:
    """Number, name, kind and description of each layer, as lines of text.

    Examples
    --------
    >>> from minilstm.layers import LSTM, SequenceInput
    >>> print(layer_table([SequenceInput(12), LSTM(100, output_mode="last", name="lstm")]))
      1  ''      Sequence Input  Sequence input with 12 dimensions
      2  'lstm'  LSTM            LSTM with 100 hidden units, last step only
    """
    rows = [(repr(a.name), title(a), a.label) for a in layers]
    wide = [max((len(row[n]) for row in rows), default=0) for n in (0, 1)]
    return "\n".join(
        f"{n:>3}  {name:<{wide[0]}}  {kind:<{wide[1]}}  {label}"
        for n, (name, kind, label) in enumerate(rows, 1)
    )


def _short(layer: Layer) -> str:
    return _SHORT_NAMES.get(layer.kind, layer.kind)
