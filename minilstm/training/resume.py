"""Going on with a training from its newest checkpoint, as if nothing had interrupted it.
What a checkpoint cannot hold is given again, and is compared with what it was."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from minilstm.layers import Layer
from minilstm.network.graph.connections import Connections
from minilstm.network.network import Network
from minilstm.training.checkpoints.folder import Checkpoint, newest_checkpoint
from minilstm.training.checkpoints.plain import (
    NeededError,
    losses_from_plain,
    options_from_plain,
)
from minilstm.training.history import TrainingInfo
from minilstm.training.options import TrainingOptions
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

    The network and its history have the bits of a training that nothing interrupted, times
    excepted, on the same machine. A training that was done is given back as it was.

    Parameters
    ----------
    path : the option `checkpoint_path` of the training, or one of the files in that folder
    x, y, step_weights, groups : the data that the training began with, see `minilstm.train`
    layers, loss, options : those of the training; None takes them from the checkpoint. Functions
        are in no file, so who used any gives `loss` or `options` again. Options about what is
        shown, and where and when checkpoints are written, may be others now
    validation_data : (x, y) that the training had as this option, where `options` is None

    Returns
    -------
    net, info : as from `minilstm.train`

    Raises
    ------
    FileNotFoundError
        There is no checkpoint.
    ModelFileError
        No checkpoint is whole, or it is of another version of minilstm.
    DataError, ValueError
        Data, layers, loss, an option or the backend are not those of the training; the message
        names what. Nothing was computed then.

    Notes
    -----
    An `output_fcn` is called with "start" again, and may see an iteration a second time.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import minilstm as ml
    >>> x = [np.random.default_rng(b).normal(size=(9, 1)) for b in range(4)]
    >>> y = np.array(["a", "b", "a", "b"])
    >>> layers = [ml.SequenceInput(1), ml.LSTM(3, "last"), ml.FullyConnected(2), ml.Softmax()]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = ml.TrainingOptions(max_epochs=3, checkpoint_path=folder, verbose=False)
    ...     net, info = ml.train(x, y, layers, options=options)
    ...     middle = f"{folder}/checkpoint-epoch-0002-iteration-000002.safetensors"
    ...     again, _ = ml.resume(middle, x, y)
    >>> bool(np.array_equal(again.parameters["fc/bias"], net.parameters["fc/bias"]))
    True
    """
    found = newest_checkpoint(path)
    facts = found.contents.facts
    stored = options is None
    if options is None:
        _check_needs(found, validation_data)
        try:
            options = options_from_plain(facts["options"], validation_data)
        except NeededError as function:
            raise ValueError(
                f"options is None, but the training of {found.path} had the function {function} "
                "among them, which no file holds; give the options of that training."
            ) from None
    elif validation_data is not None:
        raise ValueError(
            "validation_data is given beside options; give it as TrainingOptions("
            "validation_data=(x, y))."
        )
    try:
        loss = losses_from_plain(facts["losses"]) if loss is None else loss
    except NeededError as function:
        raise ValueError(
            f"loss is None, but that of {found.path} was the function {function}, which no file "
            "holds; give the loss of that training."
        ) from None
    if options.checkpoint_path is None or stored:
        # Where it was found, as the folder may have another name by now.
        options = dataclasses.replace(options, checkpoint_path=found.path.absolute().parent)
    layers = found.net if layers is None else layers
    return run_training(x, y, layers, loss, options, step_weights, groups, found)


def _check_needs(found: Checkpoint, validation_data: Any) -> None:
    facts = found.contents.facts
    held_out = facts["options"]["validation_share"] is not None
    wanted = facts["validation"] is not None and not held_out
    if wanted and validation_data is None:
        raise ValueError(
            f"validation_data is None, but the training of {found.path} had some, which no file "
            "holds; give validation_data=(x, y)."
        )
