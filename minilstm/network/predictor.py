"""What a trained network does for its users: scores, labels, streams, activations, measures.
Predicting changes nothing; only methods with `update_state` in their name carry state on.

Axes: B batch, T time, D features, H hidden units, C classes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.backend import Backend, current_backend
from minilstm.checks import check_flag, check_memory
from minilstm.data.labels import class_array
from minilstm.data.padding import Padding
from minilstm.data.scores import scores_to_labels
from minilstm.errors import DataError
from minilstm.functional.lstm import LSTMState
from minilstm.layers import Layer
from minilstm.losses import find_loss
from minilstm.network import examples, model_file
from minilstm.network.about import checked_about, other_columns
from minilstm.network.evaluation import measure_outputs
from minilstm.network.examples import answers_beside, as_answers, as_batches, classes_by_output
from minilstm.network.graph.connections import Connections
from minilstm.network.graph.parameters import (
    checked_values,
    first_values,
    parameter_slots,
    statistic_slots,
)
from minilstm.network.graph.wiring import Port, wire
from minilstm.network.model_contents import of_each
from minilstm.network.passes.heads import find_heads
from minilstm.network.passes.placement import Placement
from minilstm.network.passes.prediction_pass import PredictionPass, check_state
from minilstm.network.pool import Pool
from minilstm.network.stream import Stream

Array = NDArray[Any]
State = dict[str, LSTMState]


class Predictor:
    """A network that predicts: layers with values for their learnables, and what users ask of it.

    `minilstm.Network` is a predictor that also learns; it explains the parameters.
    """

    def __init__(
        self,
        layers: Sequence[Layer] | Connections,
        parameters: Mapping[str, ArrayLike] | None = None,
        *,
        classes: ArrayLike | Mapping[str, ArrayLike] | None = None,
        dtype: Any = "float32",
        rng: np.random.Generator | None = None,
        statistics: Mapping[str, ArrayLike] | None = None,
        losses: Sequence[Any] | None = None,
        data_format: str = "auto",
        about: Mapping[str, Any] | None = None,
    ) -> None:
        wiring = wire(layers)
        self.dtype = np.dtype(dtype)
        slots, carried = parameter_slots(wiring), statistic_slots(wiring)
        if parameters is None:
            if rng is None:
                raise ValueError("parameters and rng are both missing; give one of them.")
            self.parameters = first_values(wiring, slots, rng, self.dtype)
        else:
            self.parameters = checked_values(slots, parameters, self.dtype)
        if statistics is None:
            unused = np.random.default_rng(0)  # the first statistics are constants
            self.statistics = first_values(wiring, carried, unused, self.dtype)
        else:
            self.statistics = checked_values(carried, statistics, self.dtype)
        # The network holds the values from here on, so the layers let go of those given.
        plain = [layer.without_values() for layer in wiring.graph.layers]
        same = all(one is other for one, other in zip(plain, wiring.graph.layers, strict=True))
        own = wiring.graph.named(plain)  # a copy, as a user may change the graph
        self.wiring = wiring._replace(graph=own) if same else wire(own)
        self.layers = self.wiring.layers
        if isinstance(classes, Mapping) and not classes:
            raise ValueError("classes is {}; name an output with its classes, or give None.")
        self.classes = of_each(classes, class_array)  # (C,)
        if losses is not None:  # one of them is None where a file could not hold functions
            losses = tuple(None if loss is None else find_loss(loss) for loss in losses)
        self.losses = losses
        self.data_format = data_format
        self.carried_state: State | None = None
        self.placement = Placement()
        self.input_names = [self.layers[n].name for n in self.wiring.inputs]
        self.output_names = [self.layers[n].name for n in self.wiring.outputs]
        first: Any = self.layers[self.wiring.inputs[0]]  # a SequenceInput
        self.input_size = first.input_size
        self.about = checked_about(about, self.wiring)
        self.others = other_columns(self.about)  # of frames, that are no features
        steps = self.wiring.nodes[self.wiring.outputs[0]].steps[0]
        self.output_mode = "sequence" if steps else "last"

    def by_layer(self, backend: Backend | None = None) -> dict[str, dict[str, Array]]:
        """The arrays of every layer, by the names of layer and parameter.

        Parameters
        ----------
        backend : gives them where it computes; None gives the network's own
        """
        arrays: Mapping[str, Array] = {**self.parameters, **self.statistics}
        if backend is not None and backend.gpu_bytes is not None:
            of_layers = ((a.name, a.constants(self.dtype)) for a in self.layers)
            more = {f"{name}/{key}": c for name, found in of_layers for key, c in found.items()}
            arrays = self.placement.place(backend, {**arrays, **more})
        out: dict[str, dict[str, Array]] = {layer.name: {} for layer in self.layers}
        for key, value in arrays.items():
            layer, _, name = key.partition("/")
            out[layer][name] = value
        return out

    def predict(
        self,
        x: Any,
        *,
        state: Mapping[str, LSTMState] | None = None,
        return_state: bool = False,
        mini_batch_size: int | None = None,
        sequence_length: str | int = "ragged",
        sequence_padding_direction: str = "right",
        sequence_padding_value: float = 0.0,
        data_format: str | None = None,
    ) -> Any:
        """Scores, or whatever the last layer puts out, of sequences.

        Parameters
        ----------
        x : (T, D) one sequence, a list of B such arrays, or (B, T, D); images (T, h, w, c) in the
            place of (T, D); for several inputs a dict by the names of the inputs, or a list. The
            columns of frames are taken by name where the network has `feature_names`
        state : where to start from, as an earlier call returned it; None means `state` of the
            network where it was set, else the initial state
        return_state : also return the state after the last step
        mini_batch_size : sequences that are computed together; None means all. Ragged batches
            give the same for every size, padded ones do not
        sequence_length : "ragged" pads nothing; "longest", "shortest" or a whole number pad or cut
            as the reference does, within each mini-batch
        sequence_padding_direction, sequence_padding_value : "right" or "left", and with what
        data_format : letters for the axes; None means `data_format` of the network

        Returns
        -------
        scores : output mode "sequence": (T, C), a list of (T_b, C), or (B, T, C), as x came in,
            padded steps taken off; "last": (C,) for one sequence, else (B, C). A tuple of these
            for several outputs
        state : dict of (hidden (B, H), cell (B, H)) by layer name, if asked for

        Raises
        ------
        DataError
            x or state does not fit the network.

        Examples
        --------
        >>> import minilstm as ml
        >>> layers = [ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(5), ml.Softmax()]
        >>> net = ml.Network(layers, rng=np.random.default_rng(0))
        >>> x = np.ones((10, 3))
        >>> first, state = net.predict(x[:4], return_state=True)
        >>> rest = net.predict(x[4:], state=state)
        >>> bool(np.allclose(np.concatenate([first, rest]), net.predict(x)))
        True
        """
        padded = sequence_length, sequence_padding_direction, sequence_padding_value
        wanted = [Port(n, 0) for n in self.wiring.outputs]
        how = data_format, state, mini_batch_size, Padding(*padded).checked(), return_state
        outputs, after = self._run(x, wanted, *how)
        scores = outputs[0] if len(outputs) == 1 else tuple(outputs)
        return (scores, after) if return_state else scores

    def classify(self, x: Any, **options: Any) -> Any:
        """The class of the largest score of each step, or of each sequence.

        Parameters
        ----------
        x, options : as for `predict`

        Returns
        -------
        labels : as `minilstm.scores_to_labels` gives them for what `predict` gives; of several
            outputs those without classes stay numbers
        state : if asked for
        """
        result = self.predict(x, **options)
        if options.get("return_state"):
            return self._labels(result[0]), result[1]
        return self._labels(result)

    def predict_and_update_state(self, x: Any, **options: Any) -> Any:
        """`predict`, and keep the state after the last step for the next call.

        Parameters
        ----------
        x, options : as for `predict`

        Examples
        --------
        >>> import minilstm as ml
        >>> layers = [ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(5), ml.Softmax()]
        >>> net = ml.Network(layers, rng=np.random.default_rng(0))
        >>> x = np.ones((10, 3))
        >>> parts = [net.predict_and_update_state(x[:4]), net.predict_and_update_state(x[4:])]
        >>> net.reset_state()
        >>> bool(np.allclose(np.concatenate(parts), net.predict(x)))
        True
        """
        scores, self.carried_state = self.predict(x, **{**options, "return_state": True})
        return scores

    def classify_and_update_state(self, x: Any, **options: Any) -> Any:
        """`classify`, and keep the state after the last step for the next call."""
        return self._labels(self.predict_and_update_state(x, **options))

    def reset_state(self) -> None:
        """Let the next prediction start from the initial state."""
        self.carried_state = None

    @property
    def state(self) -> State:
        """Where `predict` starts: (hidden, cell) by layer name; settable."""
        return self.initial_state() if self.carried_state is None else self.carried_state

    @state.setter
    def state(self, state: Mapping[str, LSTMState] | None) -> None:
        if state is None:
            self.reset_state()
            return
        sizes = [len(np.atleast_2d(pair[0])) for pair in state.values() if len(pair) == 2]
        self.carried_state = self.check_state(state, sizes[0] if sizes else 1)

    def activations(self, x: Any, layer: str, *, data_format: str | None = None) -> Any:
        """What a layer puts out.

        Parameters
        ----------
        x : as for `predict`
        layer : its name, or "name/output" for a layer with several outputs

        Returns
        -------
        (T, *shape), a list of (T_b, *shape) or (B, T, *shape), as x came in; behind a layer that
        keeps the last step (*shape) or (B, *shape)

        Examples
        --------
        >>> import minilstm as ml
        >>> layers = [ml.SequenceInput(3), ml.LSTM(8), ml.FullyConnected(5), ml.Softmax()]
        >>> net = ml.Network(layers, rng=np.random.default_rng(0))
        >>> net.activations(np.ones((10, 3)), "lstm").shape
        (10, 8)
        """
        name, _, output = str(layer).partition("/")
        names = [a.name for a in self.layers]
        if name not in names:
            raise ValueError(f"layer is {layer!r}, but the network has {names}; name one of them.")
        n = names.index(name)
        ports = self.layers[n].output_names
        if output and output not in ports:
            raise ValueError(
                f"layer is {layer!r}, but {name!r} has the outputs {list(ports)}; name one of them."
            )
        wanted = [Port(n, ports.index(output) if output else 0)]
        return self._run(x, wanted, data_format)[0][0]

    def evaluate(
        self, x: Any, y: Any, *, metrics: Sequence[Any] = (), name: str = "x", label_name: str = "y"
    ) -> dict[str, float]:
        """Loss and metrics on sequences whose answers are known, from the initial state.

        Parameters
        ----------
        x : as for `predict`
        y : labels, a list of (T_b,) arrays for output mode "sequence", (B,) for "last"; numbers
            (T_b, R) or (B, R) where the loss is one of regression; None for those of x
        metrics : names or functions besides the usual ones, see `minilstm.network.metrics`

        Returns
        -------
        dict with "loss", and "accuracy" (0 to 1) or "rmse" for numbers, over all real steps

        Raises
        ------
        DataError
            The data do not fit the network, or a label is not among its classes.
        """
        heads = find_heads(self.wiring, self.losses)
        classes = classes_by_output(self.classes, self.wiring, heads)
        batches = as_batches(self.wiring, x, self.dtype, self.data_format, name, self.others)
        given = (self.wiring, heads, batches[0], answers_beside(x, y), classes, label_name)
        targets = as_answers(*given, dtype=self.dtype).targets
        sequences, unweighted = [b.sequences for b in batches], [None] * len(heads)
        metrics = [metrics] if isinstance(metrics, str) else metrics
        return measure_outputs(self, heads, sequences, targets, unweighted, metrics)

    def initial_state(self, batch: int = 1) -> State:
        """State of B sequences before their first step: (hidden (B, H), cell (B, H)) by layer.

        Raises MemoryError, in a sentence, where the machine cannot hold it.
        """
        need = 2 * batch * sum(a.state_size for a in self.layers) * self.dtype.itemsize
        check_memory(f"for the state of {batch:,} sequences", need, "give fewer at once")
        states = {a.name: a.initial_state(batch, self.dtype) for a in self.layers}
        return {name: s for name, s in states.items() if s is not None}

    def check_state(self, state: Mapping[str, LSTMState] | None, batch: int) -> State:
        """A checked copy of a state for B sequences; None gives the initial state."""
        zero = self.initial_state(batch)
        return zero if state is None else check_state(state, zero, self.dtype)

    def stream(self, batch: int | None = None, *, threads: int = 1) -> Stream:
        """Predict one time step at a time, with the state carried along.

        Parameters
        ----------
        batch, threads : sequences that step together, and threads that share a step; see `Stream`

        Returns
        -------
        Stream, with ``step(x_t)``, ``reset()`` and ``state``; it keeps the backend in force now
        """
        return Stream(self, batch, threads)

    def pool(self) -> Pool:
        """Streams that come and go by their ids, all stepped in one call; see `Pool`."""
        return Pool(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the network as one safetensors file, whole or not at all; `load` reads it."""
        return model_file.write_model(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, self_test: bool = True) -> Self:
        """Read a network that `save` wrote, and check that it still gives the saved scores.

        Parameters
        ----------
        path : of the file
        self_test : False does not compare scores, for an intact file on a machine that rounds in
            another way; the checksum is compared all the same

        Raises
        ------
        FileNotFoundError, PermissionError
            There is no such file, or it must not be read.
        ModelFileError
            The file is truncated, of another program, changed, or its self-test fails.
        """
        check_flag("self_test", self_test)
        return model_file.read_model(path, cls, bool(self_test))

    def _labels(self, scores: Any) -> Any:
        """The labels of what `predict` gave, of each output that has classes."""
        if self.classes is None:
            raise DataError(examples.NO_CLASSES)
        if len(self.output_names) == 1:
            return scores_to_labels(scores, self.classes)
        classes = classes_by_output(self.classes, self.wiring, find_heads(self.wiring, self.losses))
        return tuple(
            s if c is None else scores_to_labels(s, c) for s, c in zip(scores, classes, strict=True)
        )

    def _run(
        self,
        x: Any,
        wanted: Sequence[Port],
        data_format: str | None,
        state: Mapping[str, LSTMState] | None = None,
        mini_batch_size: int | None = None,
        padding: Padding | None = None,
        want_state: bool = False,
    ) -> tuple[list[Any], State]:
        letters = self.data_format if data_format is None else data_format
        batches = as_batches(self.wiring, x, self.dtype, letters, others=self.others)
        B = len(batches[0].sequences)
        if state is None:
            state = self.carried_state
            for hidden, _ in (state or {}).values():
                if len(hidden) != B:
                    carried = "1 sequence" if len(hidden) == 1 else f"{len(hidden)} sequences"
                    raise DataError(
                        f"the network carries the state of {carried} on, but there are {B}; call "
                        "reset_state(), or give state=."
                    )
        start = {} if state is None else self.check_state(state, B)
        backend = current_backend()
        how = backend, wanted, self.dtype, self.placement
        walk = PredictionPass(self.wiring, self.by_layer(backend), *how)
        return walk.predict(batches, start, mini_batch_size, padding, want_state)
