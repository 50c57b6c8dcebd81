"""The wiring: forward is a list of calls, backward is the same list reversed.
A network is layers, parameter values and classes; predicting never changes it.

Axes: B batch, T time, N rows of a packed ragged batch, D features, C classes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm import gradient_problem, model_file
from minilstm.backend import Backend, current_backend, reuse_memory
from minilstm.data.batch import as_batch
from minilstm.data.labels import as_labels, to_targets
from minilstm.errors import DataError
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray
from minilstm.gradient_problem import GradientProblem
from minilstm.layers import Layer, SequenceInput, Signal
from minilstm.memory import MemoryPlan, plan_memory
from minilstm.prediction import check_state, measure, predict_batch, without_caches
from minilstm.spans import LossAndGradients, loss_and_gradients
from minilstm.stream import Stream
from minilstm.structure import (
    check_classifier,
    checked_parameters,
    initial_parameters,
    name_layers,
    output_mode,
    summary_table,
)

Array = NDArray[Any]
State = dict[str, LSTMState]


class Network:
    """A chain of layers with values for its learnables.

    Parameters
    ----------
    layers : SequenceInput first; unnamed layers get names
    parameters : array for each learnable, by "layer/parameter"; None draws them from `rng`
    classes : (C,) sorted class labels, or None
    dtype : "float32", "float64", or complex128 for gradient checks
    rng : generator for the first values when `parameters` is None

    Attributes
    ----------
    layers : tuple of named layers
    parameters : dict of arrays; matrices are stored column-major, which kernels stream through
    classes : (C,) array, or None before training
    dtype : numpy dtype of parameters and results

    Examples
    --------
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(5), Softmax()]
    >>> net = Network(layers, rng=np.random.default_rng(0))
    >>> net.predict(np.zeros((10, 3))).shape
    (10, 5)
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        parameters: Mapping[str, ArrayLike] | None = None,
        *,
        classes: ArrayLike | None = None,
        dtype: Any = "float32",
        rng: np.random.Generator | None = None,
    ) -> None:
        self.layers = name_layers(layers)
        self.dtype = np.dtype(dtype)
        if parameters is None:
            if rng is None:
                raise ValueError("parameters and rng are both missing; give one of them.")
            parameters = initial_parameters(self.layers, rng, self.dtype)
        self.parameters = checked_parameters(self.layers, parameters, self.dtype)
        self.classes = None if classes is None else np.array(classes)  # (C,)
        first = self.layers[0]
        assert isinstance(first, SequenceInput)  # name_layers has checked
        self.input_size = first.input_size
        self.output_mode = output_mode(self.layers)

    def replace(
        self,
        *,
        parameters: Mapping[str, ArrayLike] | None = None,
        dtype: Any = None,
    ) -> Network:
        """The same network with other parameter values or another dtype."""
        return Network(
            self.layers,
            self.parameters if parameters is None else parameters,
            classes=self.classes,
            dtype=self.dtype if dtype is None else dtype,
        )

    def updated(self, parameters: dict[str, Array]) -> Network:
        """The same network around new arrays of the same shapes, which are trusted, not checked."""
        net = copy.copy(self)
        net.parameters = {key: np.asfortranarray(p) for key, p in parameters.items()}
        return net

    # ---------------------------------------------------------------- forward and backward

    def forward(
        self,
        signal: Signal,
        state: Mapping[str, LSTMState] | None = None,
        *,
        backend: Backend | None = None,
        layers: Sequence[Layer] | None = None,
    ) -> tuple[Signal, State, list[Any]]:
        """Run a packed batch through the layers.

        Parameters
        ----------
        signal : rows (N, D) and active (T,), time-major
        state : hidden and cell state by layer name, in the order of the packed batch
        backend : None means the one in force
        layers : a leading part of the network's layers; None means all

        Returns
        -------
        output : Signal
        state : after each sequence's last step
        caches : one a layer, for `backward`
        """
        backend = backend or current_backend()
        caches, new_state = [], {}
        for layer in self.layers if layers is None else layers:
            name = layer.name
            signal, layer_state, cache = layer.forward(
                backend, self._of(name), signal, state.get(name) if state else None
            )
            if layer_state is not None:
                new_state[name] = layer_state
            caches.append(cache)
        return signal, new_state, caches

    def backward(
        self,
        dy: Array,
        caches: Sequence[Any],
        dstate: Mapping[str, LSTMState] | None = None,
        *,
        backend: Backend | None = None,
        need_dx: bool = False,
    ) -> tuple[dict[str, Array], State, Array | None]:
        """Gradients of everything, from the gradient of the output of the last cached layer.

        Parameters
        ----------
        dy : (N, C) gradient of the loss with respect to that output
        caches : from `forward`
        dstate : gradients with respect to the final state, by layer name; None means zero
        backend : the one that ran `forward`
        need_dx : also return the gradient of the network's input

        Returns
        -------
        grads : by "layer/parameter"
        dstate0 : gradients of the initial state, by layer name
        dx : (N, D), or None
        """
        backend = backend or current_backend()
        layers = self.layers[: len(caches)]
        learns = [bool(self._of(layer.name)) for layer in layers]
        grads: dict[str, Array] = {}
        dstate0: State = {}
        gradient: Array | None = dy
        for n in range(len(layers) - 1, -1, -1):
            if gradient is None:
                break
            name = layers[n].name
            gradient, layer_grads, layer_dstate = layers[n].backward(
                backend,
                gradient,
                dstate.get(name) if dstate else None,
                caches[n],
                need_dx or any(learns[:n]),
            )
            grads.update({f"{name}/{key}": g for key, g in layer_grads.items()})
            if layer_dstate is not None:
                dstate0[name] = layer_dstate
        return grads, dstate0, gradient

    def loss_and_gradients(
        self,
        signal: Signal,
        targets: IntArray,
        *,
        backend: Backend | None = None,
        memory_budget: float | str = "auto",
        truncation: int | None = None,
    ) -> LossAndGradients:
        """Cross-entropy of a packed batch and the gradient of every learnable.

        Parameters
        ----------
        signal : rows (N, D) and active (T,)
        targets : (N,) class numbers, or (B,) for output mode "last", in packed order
        backend : None means the one in force
        memory_budget : bytes for what backward needs, or "auto"; changes no bit of the result
        truncation : cut gradients at multiples of so many steps; None means never

        Returns
        -------
        LossAndGradients: the mean loss in nats, right answers, gradients by "layer/parameter"
        """
        return loss_and_gradients(
            self.layers,
            self.by_layer(),
            signal,
            targets,
            self.initial_state(int(signal.active[0])),
            self.plan_memory(signal.active, memory_budget, truncation),
            backend or current_backend(),
            last_only=self.output_mode == "last",
            truncation=truncation,
        )

    def plan_memory(
        self,
        active: IntArray,
        memory_budget: float | str = "auto",
        truncation: int | None = None,
    ) -> MemoryPlan:
        """What `loss_and_gradients` will keep and need; see `minilstm.memory.plan_memory`."""
        shape, dtype = (self.input_size,), self.dtype
        return plan_memory(self.layers, shape, active, dtype, memory_budget, truncation)

    def gradient_problem(self, x: Any, y: Any) -> GradientProblem:
        """This network's loss on labelled sequences, in float64, for `minilstm.gradcheck`."""
        return gradient_problem.from_data(self, x, y, current_backend())

    # ---------------------------------------------------------------- prediction

    def predict(
        self,
        x: Any,
        *,
        state: Mapping[str, LSTMState] | None = None,
        return_state: bool = False,
    ) -> Any:
        """Scores of sequences.

        Parameters
        ----------
        x : (T, D) one sequence, a list of B such arrays, or (B, T, D)
        state : where to start from, as an earlier call returned it; None means the initial state
        return_state : also return the state after the last step

        Returns
        -------
        scores : output mode "sequence": (T, C), a list of (T_b, C), or (B, T, C), as x came in;
            "last": (C,) for one sequence, else (B, C)
        state : dict of (hidden (B, H), cell (B, H)) by layer name, if asked for

        Raises
        ------
        DataError
            x or state does not fit the network.

        Examples
        --------
        >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
        >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(5), Softmax()]
        >>> net = Network(layers, rng=np.random.default_rng(0))
        >>> x = np.ones((10, 3))
        >>> first, state = net.predict(x[:4], return_state=True)
        >>> rest = net.predict(x[4:], state=state)
        >>> bool(np.allclose(np.concatenate([first, rest]), net.predict(x)))
        True
        """
        batch = as_batch(x, self.input_size, self.dtype, "x")
        start = self.check_state(state, len(batch.sequences))
        backend = current_backend()
        forward = without_caches(self.layers, self.by_layer(), backend)
        with reuse_memory(backend):
            scores, after = predict_batch(forward, batch, start, self.output_mode == "last")
        return (scores, after) if return_state else scores

    def evaluate(
        self, x: Any, y: Any, *, name: str = "x", label_name: str = "y"
    ) -> dict[str, float]:
        """Loss and accuracy on labelled sequences.

        Parameters
        ----------
        x : as for `predict`
        y : labels, a list of (T_b,) arrays for output mode "sequence", (B,) for "last"

        Returns
        -------
        dict with "loss" (mean cross-entropy, nats) and "accuracy" (0 to 1), over all real steps

        Raises
        ------
        DataError
            The data do not fit the network, or a label is not among its classes.
        """
        if self.classes is None:
            raise DataError("the network has no classes; train it, or give classes=.")
        check_classifier(self.layers, len(self.classes))
        batch = as_batch(x, self.input_size, self.dtype, name)
        labels = as_labels(y, batch, self.output_mode, label_name)
        targets = np.concatenate(to_targets(labels, self.classes, label_name))  # (N,) or (B,)
        scores = self.predict(batch.sequences)
        rows = scores if self.output_mode == "last" else np.concatenate(scores)  # (N, C)
        return measure(rows, targets)

    def initial_state(self, batch: int = 1) -> State:
        """Zero state of B sequences: (hidden (B, H), cell (B, H)) by layer name."""
        states = {a.name: a.initial_state(batch, self.dtype) for a in self.layers}
        return {name: s for name, s in states.items() if s is not None}

    def stream(self, batch: int | None = None) -> Stream:
        """Predict one time step at a time, with the state carried along.

        Parameters
        ----------
        batch : number of sequences that step together; None means one, without a batch axis

        Returns
        -------
        Stream, with ``step(x_t)``, ``reset()`` and ``state``; it keeps the backend in force now
        """
        return Stream(self, batch)

    # ---------------------------------------------------------------- files and tables

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the network as one safetensors file, whole or not at all; `load` reads it."""
        test = model_file.self_test(self)
        return model_file.write_model(
            path, self.layers, self.parameters, self.classes, self.dtype, *test
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Network:
        """Read a network that `save` wrote, and check that it still gives the saved scores.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ModelFileError
            The file is truncated, of another program, or its self-test fails.
        """
        contents = model_file.read_model(path)
        try:
            net = cls(
                contents.layers,
                contents.parameters,
                classes=contents.classes,
                dtype=contents.dtype,
            )
        except (TypeError, ValueError) as error:
            raise model_file.damaged(path, str(error)) from error
        model_file.check_self_test(
            path, contents, model_file.reference_scores(net, contents.test_input)
        )
        return net

    def summary(self) -> str:
        """A table of layers, their outputs and learnables."""
        return summary_table(self.layers, self.parameters, self.dtype, self.classes)

    def __repr__(self) -> str:
        return f"Network\n{self.summary()}"

    def by_layer(self) -> dict[str, dict[str, Array]]:
        """The arrays of every layer, by the names of layer and parameter."""
        return {layer.name: self._of(layer.name) for layer in self.layers}

    def _of(self, layer: str) -> dict[str, Array]:
        prefix = layer + "/"
        return {k[len(prefix) :]: v for k, v in self.parameters.items() if k.startswith(prefix)}

    def check_state(self, state: Mapping[str, LSTMState] | None, batch: int) -> State:
        """A checked copy of a state for B sequences; None gives the initial state."""
        zero = self.initial_state(batch)
        return zero if state is None else check_state(state, zero, self.dtype)


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network from a file; see `Network.load`."""
    return Network.load(path)
