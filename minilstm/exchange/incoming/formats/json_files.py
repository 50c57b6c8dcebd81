"""The JSON files of RTNeural and of the neural amp modeler (.nam), as arrays by name.
Both hold plain lists of numbers; shapes are checked where a network is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilstm.exchange.incoming.formats.bounds import Array, Refused


def rtneural_arrays(plain: Any) -> dict[str, Array]:
    """`layers.K.weights.J` for each array of each layer, float64.

    Examples
    --------
    >>> plain = {"layers": [{"type": "dense", "weights": [[[1.0, 2.0]], [0.5, 0.0]]}]}
    >>> {name: a.tolist() for name, a in rtneural_arrays(plain).items()}
    {'layers.0.weights.0': [[1.0, 2.0]], 'layers.0.weights.1': [0.5, 0.0]}
    """
    if type(plain) is not dict or type(plain.get("layers")) is not list:
        raise Refused("is no file of RTNeural, as it has no list of layers; check its name.")
    return {
        f"layers.{k}.weights.{j}": numbers(array, f"weights {j} of layer {k}")
        for k, layer in enumerate(plain["layers"])
        for j, array in enumerate(layer["weights"])
    }


def nam_arrays(plain: Any) -> dict[str, Array]:
    """The arrays of a .nam with the architecture LSTM, from its one flat list, float64.

    `layers.K.` holds `input_weights` (4H, D), `recurrent_weights` (4H, H), `bias` (4H,), and the
    state at the start, `hidden_state` and `cell_state` (H,); `head.` holds `weights` (1, H) and
    `bias` (1,). Gates stand in blocks i, f, g, o.
    """
    if type(plain) is not dict or type(plain.get("config")) is not dict:
        raise Refused("is no .nam file, as it has no config; check its name.")
    if plain.get("architecture") != "LSTM":
        raise Refused(
            f"has the architecture {str(plain.get('architecture'))[:40]!r}; only LSTM is read."
        )
    config = plain["config"]
    D, H, count = (config[name] for name in ("input_size", "hidden_size", "num_layers"))
    flat = numbers(plain["weights"], "weights")  # (all,)
    if any(type(n) is not int or not 1 <= n <= flat.size for n in (D, H, count)):
        raise Refused("has sizes that are no counts of its weights; write it again.")
    inputs = [D, *[H] * (count - 1)]
    wanted = sum(4 * H * (n + H) + 4 * H + 2 * H for n in inputs) + H + 1
    if flat.shape != (wanted,):
        raise Refused(f"has {flat.size} weights, but its sizes want {wanted}; write it again.")
    out: dict[str, Array] = {}
    at = 0
    for k, n in enumerate(inputs):
        both = flat[at : at + 4 * H * (n + H)].reshape(4 * H, n + H)  # rows of [W, R]
        at += both.size
        bias, hidden, cell = np.split(flat[at : at + 6 * H], [4 * H, 5 * H])
        at += 6 * H
        named = {
            "input_weights": both[:, :n], "recurrent_weights": both[:, n:], "bias": bias,
            "hidden_state": hidden, "cell_state": cell,
        }  # fmt: skip
        out |= {f"layers.{k}.{name}": a.copy() for name, a in named.items()}
    return {**out, "head.weights": flat[None, at : at + H], "head.bias": flat[at + H :]}


def numbers(value: Any, what: str) -> Array:
    """Lists of numbers as an array of float64."""
    try:
        array = np.array(value if type(value) is list else None)
    except ValueError:  # rows of several lengths
        array = np.array(None)
    if array.dtype.kind not in "if" or not np.isfinite(array).all():
        raise Refused(f"has {what} that are no finite numbers; write it again.")
    return array.astype(np.float64)
