"""A state dict: safetensors with the names and the shapes that PyTorch gives its modules.
nn.LSTM, nn.Linear and nn.BatchNorm1d take their parts by `load_state_dict`.

PyTorch's gates stand in our order; it adds two biases, of which the second is zero here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.layers import LSTM, BatchNormalization, BiLSTM, FullyConnected, SequenceInput
from minilstm.network.network import Network

Array = NDArray[Any]


def state_dict(net: Network) -> dict[str, Array]:
    """Arrays by the names of PyTorch; each layer's name stands before them.

    Examples
    --------
    >>> from minilstm.layers import SequenceInput
    >>> net = Network([SequenceInput(3), LSTM(8), FullyConnected(2)], rng=np.random.default_rng(0))
    >>> {key: a.shape for key, a in state_dict(net).items()}
    {'lstm.weight_ih_l0': (32, 3), 'lstm.weight_hh_l0': (32, 8), 'lstm.bias_ih_l0': (32,), \
'lstm.bias_hh_l0': (32,), 'fc.weight': (2, 8), 'fc.bias': (2,)}
    """
    out: dict[str, Array] = {}
    by_layer = net.by_layer()
    for layer in net.layers:
        p = {key: np.asarray(a) for key, a in by_layer[layer.name].items()}
        if isinstance(layer, SequenceInput) and layer.affine() is not None:
            raise ValueError(
                f"{layer.title} normalises, and a state dict has no place for that; export to .c "
                "or .onnx, or normalise the data before training."
            )
        if isinstance(layer, (LSTM, BiLSTM)):
            _check_usual(layer)
            for d, suffix in enumerate(("", "_reverse")[: layer.directions]):
                H = layer.num_hidden_units
                rows = slice(d * 4 * H, (d + 1) * 4 * H)
                named = {
                    "weight_ih": p["input_weights"][rows],
                    "weight_hh": p["recurrent_weights"][rows],
                    "bias_ih": p["bias"][rows],
                    "bias_hh": np.zeros_like(p["bias"][rows]),
                }
                out |= {f"{layer.name}.{k}_l0{suffix}": a for k, a in named.items()}
        elif isinstance(layer, FullyConnected):
            out |= {f"{layer.name}.weight": p["weights"], f"{layer.name}.bias": p["bias"]}
        elif isinstance(layer, BatchNormalization):
            names = ("weight", "bias", "running_mean", "running_var")
            kept = ("scale", "offset", "trained_mean", "trained_variance")
            out |= {f"{layer.name}.{n}": p[k] for n, k in zip(names, kept, strict=True)}
    return {key: np.ascontiguousarray(a) for key, a in out.items()}


def _check_usual(layer: LSTM | BiLSTM) -> None:
    """Refuse what nn.LSTM does not compute."""
    functions = (layer.gate_activation_function, layer.state_activation_function)
    started = any(s is not None and np.any(s) for s in (layer.hidden_state, layer.cell_state))
    if functions != ("sigmoid", "tanh") or started:
        what = "starts from a state of its own" if started else f"has {' and '.join(functions)}"
        raise ValueError(
            f"{layer.title} {what}, and PyTorch's nn.LSTM knows sigmoid and tanh from zeros; "
            "export to .c or .onnx."
        )
