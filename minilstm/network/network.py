"""The network as users hold it: a predictor that learns, with forward, backward and gradients.
Forward is a walk along the layers, backward the same walk reversed; both are in `passes`.

Axes: B batch, T time, N rows of a packed ragged batch, D features, C classes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import as_numbers
from minilstm.backend import Backend, current_backend
from minilstm.functional.lstm import LSTMState
from minilstm.functional.ragged import IntArray
from minilstm.layers import Layer, Signal
from minilstm.network.gates import Gates, GradientFlow, gates_of, gradient_flow_of
from minilstm.network.graph.analysis import analyze, draw
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.parameters import first_values, parameter_slots
from minilstm.network.graph.wiring import Port, wire
from minilstm.network.model_contents import check_classes
from minilstm.network.passes.heads import find_heads
from minilstm.network.passes.memory import MemoryPlan, plan_memory
from minilstm.network.passes.mini_batch import MiniBatch, pack_targets
from minilstm.network.passes.placement import column_major, moved_state
from minilstm.network.passes.training_pass import LossAndGradients, TrainingPass
from minilstm.network.passes.walk import Part, needed_gradients, run_backward, run_forward
from minilstm.network.predictor import Predictor

Array = NDArray[Any]
State = dict[str, LSTMState]


class Network(Predictor):
    """Layers with values for their learnables.

    Parameters
    ----------
    layers : list of layers, SequenceInput first, or a LayerGraph; unnamed layers get names
    parameters : array for each learnable, by "layer/parameter"; None takes what layers were given
        and draws the others from `rng`
    classes : (C,) class labels in the order of the scores, or None; for several outputs with
        classes a dict of them by the names of the outputs
    dtype : "float32", "float64", or complex128 for gradient checks
    rng : generator for the first values when `parameters` is None
    statistics : arrays that are carried but not learned, by "layer/name"; None means the given or
        first ones
    losses : one for each output, for `evaluate` and `loss_and_gradients`; None asks the output
        layers, and takes cross-entropy for an output without one
    data_format : letters for the axes of the data that come in, such as "CTB"; "auto" is
        (T, features), and a list or a leading axis for a batch
    about : what is known of the data, see `minilstm.network.about`; None for nothing

    Attributes
    ----------
    layers : tuple of named layers, in the order in which they run
    parameters : dict of arrays; matrices are stored column-major, which kernels stream through
    statistics : dict of arrays, such as the mean and variance of batch normalisation
    classes : (C,) array, or None before training; a dict where several outputs have classes
    dtype : numpy dtype of parameters and results
    state : where `predict` starts, by layer name; see `predict_and_update_state`
    input_names, output_names : of the layers that data enter and leave

    Examples
    --------
    >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
    >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(5), Softmax()]
    >>> net = Network(layers, rng=np.random.default_rng(0))
    >>> net.predict(np.zeros((10, 3))).shape
    (10, 5)
    """

    _training: TrainingPass | None = None  # made when it is first needed

    def replace(
        self,
        *,
        parameters: Mapping[str, ArrayLike] | None = None,
        statistics: Mapping[str, ArrayLike] | None = None,
        classes: ArrayLike | Mapping[str, ArrayLike] | None = None,
        dtype: Any = None,
        losses: Sequence[Any] | None = None,
        data_format: str | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> Network:
        """The same network with other values, classes, dtype, losses, format or facts of its data.

        Raises ValueError or DataError where a value is not finite, or where there is not one label
        for each score, all different.
        """
        for given in (parameters, statistics):
            for key, value in (given or {}).items():
                if not np.isfinite(np.asarray(as_numbers(value, key, "parameters", "biufc"))).all():
                    raise ValueError(f"{key} holds NaN or infinity; give finite numbers.")
        if classes is not None:
            check_classes(self.wiring, classes)
        return Network(
            self.wiring.graph,
            self.parameters if parameters is None else parameters,
            classes=self.classes if classes is None else classes,
            dtype=self.dtype if dtype is None else dtype,
            statistics=self.statistics if statistics is None else statistics,
            losses=self.losses if losses is None else losses,
            data_format=self.data_format if data_format is None else data_format,
            about=self.about if about is None else about,
        )

    def updated(
        self, parameters: dict[str, Array], statistics: Mapping[str, Array] | None = None
    ) -> Network:
        """The same network around new arrays of the same shapes, which are trusted, not checked."""
        net = object.__new__(type(self))
        net.__dict__ |= self.__dict__
        net.parameters = {k: column_major(p) for k, p in parameters.items()}
        if statistics:
            net.statistics = {**self.statistics, **statistics}
        return net

    # ---------------------------------------------------------------- forward and backward

    def forward(
        self,
        signal: Signal | Sequence[Signal],
        state: Mapping[str, LSTMState] | None = None,
        *,
        backend: Backend | None = None,
        key: int | None = None,
    ) -> tuple[Any, State, dict[int, Any]]:
        """Run a packed batch through the layers.

        As in `backward` and `loss_and_gradients`, arrays may come from anywhere, and go out where
        the backend computes: as CuPy arrays on a GPU. (`predict` gives NumPy arrays always.)

        Parameters
        ----------
        signal : rows (N, *shape) and active (T,), time-major; a list of them for several inputs
        state : hidden and cell state by layer name, in the order of the packed batch; None means
            the initial state
        backend : None means the one in force
        key : 64 random bits of a training step; None means prediction

        Returns
        -------
        output : Signal; a tuple of them for several outputs
        state : after each sequence's last step
        caches : for `backward`
        """
        given = [signal] if isinstance(signal, Signal) else list(signal)
        backend = backend or current_backend()
        done = run_forward(
            self.wiring,
            backend,
            self.by_layer(backend),
            [Signal(backend.to_device(s.rows), s.active) for s in given],
            moved_state(state or self.initial_state(int(given[0].active[0])), backend.to_device),
            dtype=self.dtype,
            part=Part(key=key),
        )
        outputs = tuple(done.values[Port(n, 0)] for n in self.wiring.outputs)
        return outputs[0] if len(outputs) == 1 else outputs, done.state, done.caches

    def backward(
        self,
        dy: Array | Sequence[Array],
        caches: Mapping[int, Any],
        dstate: Mapping[str, LSTMState] | None = None,
        *,
        backend: Backend | None = None,
        need_dx: bool = False,
    ) -> tuple[dict[str, Array], State, Any]:
        """Gradients of everything, from the gradient of the output.

        Parameters
        ----------
        dy : (N, C) gradient of the loss with respect to the output; a list for several outputs
        caches : from `forward`
        dstate : gradients with respect to the final state, by layer name; None means zero
        backend : the one that ran `forward`
        need_dx : also return the gradient of the network's input

        Returns
        -------
        grads : by "layer/parameter"
        dstate0 : gradients of the initial state, by layer name
        dx : (N, *shape), a list for several inputs, or None
        """
        backend = backend or current_backend()
        dys = [backend.to_device(d) for d in (dy if isinstance(dy, (list, tuple)) else [dy])]
        ends = self.wiring.outputs
        need = needed_gradients(self.wiring, {n for n, p in self.by_layer().items() if p})
        arrived = moved_state(dstate or {}, backend.to_device)
        grads, dstate0, dinputs = run_backward(
            self.wiring,
            backend,
            {Port(n, 0): d for n, d in zip(ends, dys, strict=True)},
            arrived,
            dict(caches),
            need_dx=[True] * len(need) if need_dx else need,
            batch=len(next(iter(arrived.values())).hidden) if arrived else len(dys[0]),
            rows=len(dys[0]),
        )
        dx = [dinputs[n] for n in self.wiring.inputs] if need_dx else None
        return grads, dstate0, dx[0] if dx and len(dx) == 1 else dx

    def loss_and_gradients(
        self,
        batch: MiniBatch | Signal,
        targets: IntArray | None = None,
        *,
        state: Mapping[str, LSTMState] | None = None,
        backend: Backend | None = None,
        memory_budget: float | str = "auto",
        truncation: int | None = None,
        key: int = 0,
        want_outputs: bool = False,
        across: Any = None,
    ) -> LossAndGradients:
        """Loss of a packed batch and the gradient of every learnable.

        Parameters
        ----------
        batch : MiniBatch; or the Signal of the only input, rows (N, *shape) and active (T,)
        targets : with a Signal: (N,) class numbers, or (B,) for output mode "last", or (N, R) or
            (B, R) numbers, in packed order
        state : before the first step, in packed order; None means the initial state
        backend : None means the one in force
        memory_budget : bytes for what backward needs, or "auto"; changes no bit of the result
        truncation : cut gradients at multiples of so many steps; None means never
        key : 64 random bits of the step, for dropout
        want_outputs : also return what the network puts out
        across : where the batch is a shard of one, see `minilstm.layers.Run`

        Returns
        -------
        LossAndGradients
        """
        if self._training is None:
            self._training = TrainingPass(self.wiring, find_heads(self.wiring, self.losses))
        if isinstance(batch, Signal):
            batch = pack_targets(self._training.heads, [batch], [targets])
        backend = backend or current_backend()
        plan = self.plan_memory(batch.signals[0].active, memory_budget, truncation, backend)
        result, *_ = self._training.run(
            self.by_layer(backend),
            backend,
            batch if backend.gpu_bytes is None else batch.moved(backend.to_device),
            moved_state(state or {}, backend.to_device),
            plan,
            dtype=self.dtype,
            key=key,
            truncation=truncation,
            want_outputs=want_outputs,
            across=across,
        )
        return result

    def plan_memory(
        self,
        active: IntArray,
        memory_budget: float | str = "auto",
        truncation: int | None = None,
        backend: Backend | None = None,
    ) -> MemoryPlan:
        """What `loss_and_gradients` will keep and need; see `plan_memory`."""
        whole = any(loss is not None and loss.whole for loss in self.losses or ())
        how = memory_budget, truncation, whole, (backend or current_backend()).gpu_bytes
        return plan_memory(self.wiring, active, self.dtype, *how)

    # ---------------------------------------------------------------- what happens inside

    def gates(self, x: Any, layer: str) -> Gates | list[Gates]:
        """Gates, cells and outputs of a recurrent layer at each step.

        Parameters
        ----------
        x : (T, D) one sequence, or several, as for `predict`
        layer : name of an LSTM or BiLSTM

        Returns
        -------
        Gates, with i, f, g, o, c and h, (T, H) each, (T, 2H) of a BiLSTM, its forward half first;
        for several sequences a list of them

        Examples
        --------
        >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
        >>> layers = [SequenceInput(3), LSTM(8), FullyConnected(5), Softmax()]
        >>> net = Network(layers, rng=np.random.default_rng(0))
        >>> g = net.gates(np.ones((10, 3)), "lstm")
        >>> g.f.shape, bool(np.allclose(g.c[1], g.f[1] * g.c[0] + g.i[1] * g.g[1]))
        ((10, 8), True)
        """
        return gates_of(self, x, layer)

    def gradient_flow(self, x: Any, y: Any, layer: str) -> GradientFlow:
        """How much gradient of the loss reaches the states of a recurrent layer, step by step.

        Parameters
        ----------
        x : (T, D) one sequence
        y : its answers, as for `evaluate`
        layer : name of an LSTM or BiLSTM

        Returns
        -------
        GradientFlow, with `hidden` and `cell`, the norms of dL/dh_t and dL/dc_t, (T,) each, and
        `spans` (T,): how much of the loss of a step arrives so many steps before it

        Examples
        --------
        >>> from minilstm.layers import LSTM, FullyConnected, SequenceInput, Softmax
        >>> layers = [SequenceInput(1), LSTM(8, "last"), FullyConnected(2), Softmax()]
        >>> net = Network(layers, rng=np.random.default_rng(0), classes=["no", "yes"])
        >>> flow = net.gradient_flow(np.ones((50, 1)), ["yes"], "lstm")
        >>> bool(flow.hidden[-1] > flow.hidden[0])  # less arrives at what is long ago
        True
        """
        return gradient_flow_of(self, x, y, layer)

    def summary(self, batch_size: int = 1, sequence_length: int = 100) -> str:
        """A table of layers: what they put out, learn and remember, and the memory they need.

        Parameters
        ----------
        batch_size, sequence_length : for which the memory of activations is stated
        """
        text = analyze(self.wiring.graph, batch_size, sequence_length, self.dtype).text()
        return "\n".join([text, *self._classes_told()])

    def _classes_told(self) -> list[str]:
        several = self.classes if isinstance(self.classes, dict) else {"": self.classes}
        return [
            f"classes{' of ' * bool(name)}{name}: " + ", ".join(map(str, labels))
            for name, labels in several.items()
            if labels is not None
        ]

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the layers and the arrows between them; see `minilstm.plots.plot_network`."""
        return draw(analyze(self.wiring.graph), path)

    def __repr__(self) -> str:
        return f"Network\n{self.summary()}"

    def _repr_html_(self) -> str:
        """The summary as a table, for notebooks."""
        found = analyze(self.wiring.graph, dtype=self.dtype)
        return found.html("Network", self._classes_told())


def assemble(
    layers: Sequence[Layer] | Connections, classes: ArrayLike | None = None, dtype: Any = "float32"
) -> Network:
    """A ready network from layers that were given their weights; nothing is trained.

    Parameters
    ----------
    layers : list or LayerGraph; every layer that learns has been given its arrays, such as
        ``FullyConnected(5, weights=W, bias=b)``
    classes : (C,) class labels in the order of the scores, or None
    dtype : "float32" or "float64"

    Raises
    ------
    ValueError
        A value is missing or of another shape; the message names it.

    Examples
    --------
    >>> from minilstm.layers import FullyConnected, SequenceInput
    >>> double = FullyConnected(2, weights=2 * np.eye(2), bias=np.zeros(2))
    >>> assemble([SequenceInput(2), double]).predict(np.array([[1, 2], [3, 4]])).tolist()
    [[2.0, 4.0], [6.0, 8.0]]
    """
    wiring = wire(layers)
    if classes is not None:
        check_classes(wiring, classes)
    values = first_values(wiring, parameter_slots(wiring), None, np.float64)
    return Network(layers, values, classes=classes, dtype=dtype)


def load(path: str | os.PathLike[str], *, self_test: bool = True) -> Network:
    """Read a network from a file; see `Network.load`."""
    return Network.load(path, self_test=self_test)
