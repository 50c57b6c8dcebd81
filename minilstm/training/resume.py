"""Going on with a training from its newest checkpoint, as if nothing had interrupted it.
What a checkpoint cannot hold is given again, and compared with what it was."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import Any

from minilstm.checks import check_pair
from minilstm.layers import Layer
from minilstm.network.graph.connections import Connections
from minilstm.network.model_file import NONSENSE
from minilstm.network.network import Network
from minilstm.training.checkpoints.folder import newest_checkpoint
from minilstm.training.checkpoints.plain import NeededError, from_plain
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
from minilstm.training.ranks.world import find_world
from minilstm.training.train import run_training


def resume(
    path: str | os.PathLike[str],
    x: Any,
    y: Any,
    layers: Sequence[Layer] | Connections | Network | None = None,
    loss: Any = None,
    options: TrainingOptions | None = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    step_weights: Any = None,
    groups: Any = None,
) -> tuple[Network, TrainingInfo]:
    """Go on with a training that was interrupted, from the newest whole checkpoint of a folder.

    On the same machine, the network and its history have the bits of a training that nothing
    interrupted, times excepted. A training that was done is given back as it was.

    Parameters
    ----------
    path : the option `checkpoint_path` of the training, or one of the files in that folder
    x, y, step_weights, groups : the data that the training began with, see `minilstm.train`
    layers, loss, options : those of the training; None takes them from the checkpoint. No file
        holds functions: who used any gives `loss` or `options` again. Options about what is shown,
        and about checkpoints, may be others now
    validation_data : (x, y) of the training, where `options` is None

    Returns
    -------
    net, info : as from `minilstm.train`

    Raises
    ------
    FileNotFoundError, ModelFileError
        There is no checkpoint; none is whole, or it is of another version of minilstm.
    DataError, ValueError
        Data, layers, loss, an option or the backend are not those of the training, and which.

    Notes
    -----
    An `output_fcn` is called with "start" again, and may see an iteration a second time.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import minilstm as ml
    >>> x, y = [np.full((9, 1), b) for b in range(4)], np.array(["a", "b", "a", "b"])
    >>> layers = [ml.SequenceInput(1), ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax()]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = ml.TrainingOptions(max_epochs=3, checkpoint_path=folder, verbose=False)
    ...     net, info = ml.train(x, y, layers, options=options)
    ...     middle = f"{folder}/checkpoint-epoch-0002-iteration-000002.safetensors"
    ...     again, _ = ml.resume(middle, x, y)
    >>> bool(np.array_equal(again.parameters["fc/bias"], net.parameters["fc/bias"]))
    True
    """
    if not isinstance(options, (TrainingOptions, type(None))):
        raise TypeError(
            f"options is {type(options).__name__}; give TrainingOptions('adam', max_epochs=60)."
        )
    if options is not None and validation_data is not None:
        raise ValueError(
            "validation_data is given beside options; give it as TrainingOptions("
            "validation_data=(x, y))."
        )
    if validation_data is not None:
        check_pair("validation_data", validation_data)
    found = newest_checkpoint(path)
    known, what, had_functions = found.facts, "options", []
    try:
        if options is None:
            plain = {**known["options"], **known["free"]}
            given = {name: from_plain(value) for name, value in plain.items()}
            had_functions = given.pop("output_fcn", ())
            given["checkpoint_path"] = None  # the folder may have another name by now
            had = any(name.endswith("of validation_data") for name in known["data"])
            if had and validation_data is None and given["validation_share"] is None:
                what = "validation_data"
                raise NeededError("(x, y)")
            options = TrainingOptions(**given, validation_data=validation_data)
        if loss is None:
            what = "loss"
            losses = from_plain(known["loss"]["the loss"])
            loss = losses[0] if losses is not None and len(losses) == 1 else losses
    except NeededError as needed:
        raise ValueError(
            f"{what} is None, but the training of {found.path} had {needed}, which no file holds; "
            f"give {what} as that training had it."
        ) from None
    except NONSENSE as error:
        raise found.nonsense(error) from error
    if had_functions:
        warnings.warn(
            f"the training of {found.path} had the output_fcn {', '.join(map(str, had_functions))},"
            " which no file holds, so it goes on without; give options as that training had them.",
            UserWarning,
            stacklevel=2,
        )
    if options.checkpoint_path is None:
        options = dataclasses.replace(options, checkpoint_path=found.path.parent)
    layers = found.net if layers is None else layers
    with find_world(options).together() as world:
        return run_training(x, y, layers, loss, options, step_weights, groups, world, found)
