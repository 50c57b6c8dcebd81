"""Training a network on sequences: everything is checked, then the loop runs.
An interruption returns the network so far."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from minilstm.backend import Backend, is_installed, load_backend, use_backend
from minilstm.data.stored import lengths_of
from minilstm.layers import Layer
from minilstm.logs import log
from minilstm.network.examples import answers_beside
from minilstm.network.graph.connections import Connections
from minilstm.network.network import Network
from minilstm.training.batches import TrainingData
from minilstm.training.checkpoints.folder import Checkpoint, Checkpoints, checkpoint_folder
from minilstm.training.checkpoints.sameness import check_same, identity_of
from minilstm.training.effects import without_effect
from minilstm.training.environment import choose_side, is_left_open, training_backend
from minilstm.training.hints import find_hints
from minilstm.training.history import TrainingInfo
from minilstm.training.interruption import Interruption
from minilstm.training.loop import TrainingLoop
from minilstm.training.lost_digits import lost_digits
from minilstm.training.options import TrainingOptions
from minilstm.training.prepare import check_validation, prepare
from minilstm.training.ranks.sameness import check_ranks
from minilstm.training.ranks.world import World, find_world


def train(
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Connections | Network,
    loss: Any = None,
    options: TrainingOptions | None = None,
    *,
    step_weights: Any = None,
    groups: Any = None,
) -> tuple[Network, TrainingInfo]:
    """Train a network on sequences of any lengths.

    Parameters
    ----------
    x : list of B arrays (T_b, D), (B, T, D), or one (T, D); images (T, h, w, c) in the place of
        (T, D); integers or floats, no NaN. Frames with names (pandas, polars) in the place of
        arrays, or what `read_sequences` gave: the network learns the names. For several inputs a
        dict by their names, or a list
    y : answers. Labels, strings or integers: for output mode "sequence" a list of (T_b,) arrays,
        for "last" one (B,) array. Numbers for losses of regression: a list of (T_b, R) or (B, R).
        For several outputs a dict by their names, or a list. None takes those that `read_sequences`
        gave with x
    layers : list of layers, SequenceInput first; a LayerGraph; or a Network, whose training goes on
    loss : "crossentropy", "mse" and others, `minilstm.CrossEntropy`, or a pair of functions (value,
        gradient), see `minilstm.losses.find_loss`; a dict or list of them for several outputs.
        None takes that of the output layers, and "crossentropy" where there is none
    options : TrainingOptions; None means the defaults
    step_weights : weight of each answer, of the form of y; None means 1 each
    groups : (B,) the group of each sequence, such as its person, strings or whole numbers: the
        option `validation_share` holds out whole groups. None means that each is its own

    Returns
    -------
    net : Network, with `classes` the sorted distinct labels
    info : TrainingInfo, the history and the reason why training stopped

    Raises
    ------
    DataError
        The data do not fit the layers; nothing was computed.
    ValueError
        The layers do not form a network, or not one for these answers.
    DivergedError
        The loss became NaN or infinite; it carries the last good network.
    ImportError, DeviceError
        The GPU was asked for, but CuPy is not installed or finds none.

    Notes
    -----
    Ctrl-C ends the training and returns the network so far; `info.stop_reason` says so. So does a
    second one while the training is finished up, which it cuts short. With `checkpoint_path` the
    first one lets the step end, and a checkpoint is written; SIGTERM does so too, and then ends the
    program. `minilstm.resume` goes on from there.

    What fails beside the training does not end it: a checkpoint that cannot be written, the table,
    the bar and the picture cost a warning. Any other error, such as one of an `output_fcn`, a
    metric or a loss of your own, passes through, but carries the network so far as its attribute
    `network` and the history as `info`, as DivergedError does.

    Examples
    --------
    >>> import minilstm as ml
    >>> rng = np.random.default_rng(0)
    >>> x = [rng.normal(size=(20, 1)) for _ in range(8)]
    >>> y = [np.where(a[:, 0] > 0, "up", "down") for a in x]
    >>> layers = [ml.SequenceInput(1), ml.LSTM(8), ml.FullyConnected(2), ml.Softmax()]
    >>> options = ml.TrainingOptions(max_epochs=40, initial_learn_rate=0.05, verbose=False)
    >>> net, info = ml.train(x, y, layers, options=options)
    >>> net.evaluate(x, y)["accuracy"] > 0.95
    True
    """
    with find_world(options).together() as world:
        return run_training(x, y, layers, loss, options, step_weights, groups, world)


def run_training(
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Connections | Network,
    loss: Any,
    options: TrainingOptions | None,
    step_weights: Any,
    groups: Any,
    world: World,
    found: Checkpoint | None = None,
) -> tuple[Network, TrainingInfo]:
    """`train`, or where a checkpoint was found, what is left of it."""
    options = TrainingOptions() if options is None else options
    y = answers_beside(x, y)
    if not isinstance(options, TrainingOptions):
        raise TypeError(
            f"options is {type(options).__name__}; give TrainingOptions('adam', max_epochs=60)."
        )
    backend = training_backend(options.execution_environment)
    checkpoint_folder(options)  # before work starts
    # One generator for first values, one for shuffling, one for dropout: none disturbs another.
    values, shuffler, noise = np.random.default_rng(options.seed).spawn(3)
    given = x, y, layers, loss, options, step_weights, groups
    net, heads, data, held_out = prepare(*given, values)
    if spoiled := lost_digits(net, heads, x, y, options.target_data_formats):
        warnings.warn(spoiled, UserWarning, stacklevel=3)
    validation = held_out
    if validation is None:
        validation = check_validation(net, heads, data, options)
    backend, note = _faster(backend, net, data, options)
    _say_that_numpy_is_slow(backend)
    known: dict[str, Any] = {}
    if found is not None or options.checkpoint_path is not None or world.size > 1:
        known = identity_of(net, data, validation, options, backend)
    if found is not None:
        known["began"] = check_same(found.facts, known, found.path)
    check_ranks(world, net, known, 0 if found is None else found.facts["iteration"])
    if world.rank:  # rank 0 alone prints and writes
        silent: dict[str, Any] = {"verbose": False, "plots": "none", "output_fcn": ()}
        options = dataclasses.replace(options, **silent)
    note = "\n".join(filter(None, [note, world.told(options.shards)]))
    earlier = found.files if found is not None else []
    checkpoints = Checkpoints(options, known, earlier, writes=world.rank == 0)
    gently = options.checkpoint_path is not None or world.size > 1
    with Interruption(gently) as ctrl_c, use_backend(backend.name):
        loop = TrainingLoop(
            net,
            heads,
            data,
            validation,
            options,
            backend,
            shuffler,
            noise,
            note,
            checkpoints,
            world,
        )
        if found is not None:
            loop.go_on(found)
        for sentence in without_effect(options, *loop.facts()):
            warnings.warn(sentence, UserWarning, stacklevel=3)
        log.info(
            "training on %s: %d sequences, %d learnables, %d iterations",
            backend.name, len(data), sum(p.size for p in net.parameters.values()), loop.total,
        )  # fmt: skip
        net, info = loop.run(ctrl_c)
    inputs: list[Any] = [net.wiring.nodes[n].layer for n in net.wiring.inputs]
    plain = [
        (k, first.feature_names)
        for k, first in enumerate(inputs)
        if not first.normalizes and len(first.shape) == 1
    ]
    found_so = info.history, loop.per_epoch, net.classes, data, validation
    hints = find_hints(options, *found_so, plain)
    return net, dataclasses.replace(info, hints=hints)


def _faster(
    backend: Backend, net: Network, data: TrainingData, options: TrainingOptions
) -> tuple[Backend, str]:
    """The backend, or the GPU's where nobody chose and it was measured faster; and what to say."""
    units = max(node.state_size for node in net.wiring.nodes)
    # Recurrent layers in float32 are what was measured.
    if not (is_left_open(options.execution_environment) and units and net.dtype == np.float32):
        return backend, ""
    steps = float(lengths_of(data.sequences[0]).mean())
    side = choose_side(steps, min(options.mini_batch_size, len(data)), units)
    return (load_backend("cupy") if side.name == "gpu" else backend), side.note


def _say_that_numpy_is_slow(backend: Backend) -> None:
    if backend.name == "numpy" and not is_installed("numba"):
        warnings.warn(
            "training runs on NumPy alone because Numba is not installed; it is several times "
            "faster with it: pip install 'minilstm[fast]'.",
            UserWarning,
            stacklevel=4,
        )
