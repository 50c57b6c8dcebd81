"""Checkpoints in a folder: written whole or not at all; the newest are kept, and one is found.
A checkpoint is a model file, and holds a training beside its network."""

from __future__ import annotations

import json
import math
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.checks import shown
from minilstm.errors import ModelFileError
from minilstm.files import remove_abandoned, write_atomically
from minilstm.logs import log
from minilstm.network.model_file import NONSENSE, read_training, to_bytes, training_facts
from minilstm.network.network import Network
from minilstm.paths import as_path, check_folder, check_readable
from minilstm.training.checkpoints import contents
from minilstm.training.checkpoints.sameness import makes_sense
from minilstm.training.options import TrainingOptions
from minilstm.version import __version__

_PATTERN = "checkpoint-*.safetensors"
_BETWEEN = "-between"  # in the names of those that no checkpoint_frequency asked for
_MOST_BETWEEN = 2  # of them stay where checkpoints_kept is None


class Checkpoints:
    """Writes the checkpoints of one training, known by its `identity_of`, and removes old ones."""

    def __init__(
        self,
        options: TrainingOptions,
        identity: dict[str, Any],
        earlier: list[Path],
        writes: bool = True,  # as rank 0 does
    ) -> None:
        self.options, self.identity = options, identity
        self.folder = checkpoint_folder(options)
        self.writes = writes and self.folder is not None
        if self.folder is not None and self.writes:
            remove_abandoned(self.folder, ".")
            if not earlier:  # the newest, whatever the clock says
                others = (_head(f) for f in self.folder.glob(_PATTERN))
                last = max((head[0][0] for head in others if head), default=-math.inf)
                identity["began"] = max(identity["began"], math.nextafter(last, math.inf))
        # Of this training, oldest first.
        self.files = [path for path in earlier if path.parent == self.folder]
        self.lost = 0  # could not be written
        self.iteration = 0  # of the last one
        self.last = time.monotonic()

    def after_step(self, loop: Any, iteration: int, epoch: int, epoch_ends: bool) -> None:
        """Write one where the options ask for it now."""
        options = self.options
        if not self.writes:
            return
        by_epoch = options.checkpoint_frequency_unit == "epoch"
        count = epoch if by_epoch else iteration
        if (epoch_ends or not by_epoch) and count % options.checkpoint_frequency == 0:
            self.write(loop, "")
        elif time.monotonic() - self.last >= options.checkpoint_seconds:
            self.write(loop)

    def write(self, loop: Any, kind: str = _BETWEEN) -> bool:
        """Write one, unless this step has one; whether it has. A failure costs the file alone."""
        iteration, epoch, _ = loop.place
        if self.folder is None or not self.writes or iteration == self.iteration:
            return iteration > 0 and self.folder is not None
        name = f"checkpoint-epoch-{epoch:04d}-iteration-{iteration:06d}{kind}.safetensors"
        path = self.folder / name
        try:
            arrays, facts = contents.contents_of(loop)
            text = json.dumps({**self.identity, **facts})
            data = to_bytes(loop.watch.shown(loop.net), arrays, text)
            write_atomically(path, lambda file: file.write(data))
        except Exception as error:
            self.lost += 1
            if self.lost == 1:
                warnings.warn(
                    f"the checkpoint of iteration {iteration} could not be written ({error}); the "
                    "training goes on, and tries again at the next.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return False
        finally:
            self.last = time.monotonic()
        log.info("checkpoint %s", path)
        self.iteration = iteration
        self.files = [*(f for f in self.files if f != path), path]
        between = [f for f in self.files if f.stem.endswith(_BETWEEN)]
        kept = self.options.checkpoints_kept
        for old in between[:-_MOST_BETWEEN] if kept is None else self.files[:-kept]:
            with suppress(OSError):
                old.unlink(missing_ok=True)
            self.files.remove(old)
        return True


class Checkpoint(NamedTuple):
    """A checkpoint that was read whole."""

    path: Path
    net: Network
    arrays: dict[str, Any]
    facts: dict[str, Any]
    files: list[Path]  # of the same training up to it, oldest first

    def put_back(self, loop: Any) -> None:
        """Bring a new loop to where the training was; see `contents.put_back`."""
        try:
            contents.put_back(loop, self.net, self.arrays, self.facts)
        except NONSENSE as error:
            raise self.nonsense(error) from error

    def nonsense(self, error: Exception) -> ModelFileError:
        """What is raised for facts that no training wrote."""
        return ModelFileError(
            f"{self.path} does not describe its training ({error!r}); remove it, and go on from "
            "another one."
        )


def checkpoint_folder(options: TrainingOptions) -> Path | None:
    """The absolute path of the folder for checkpoints, where a file was written on trial."""
    path = options.checkpoint_path
    return None if path is None else check_folder(path, "checkpoint_path")


def _head(file: Path) -> Any:
    """((began, iteration), version) of a checkpoint.

    It is () for a network without its training, and None for what is broken.
    """
    try:
        facts = training_facts(file)
        if facts is None:
            return ()
        began = float(facts["began"])
        return None if math.isnan(began) else ((began, int(facts["iteration"])), facts["version"])
    except (OSError, *NONSENSE):  # of ModelFileError, too
        return None


def newest_checkpoint(given: Any) -> Checkpoint:
    """The newest whole checkpoint of a folder, or that of a file; see `minilstm.resume`.

    Trainings are told apart by the time at which they began, checkpoints of one by their iteration.
    """
    path = as_path(given).absolute()
    files = sorted(path.glob(_PATTERN)) if path.is_dir() else [path]
    broken: list[Path] = []
    alone: list[Path] = []  # networks without a training
    known: dict[Path, Any] = {}
    for file in files:
        if file == path:
            check_readable(file, what="checkpoint")
        head = _head(file)
        if head:
            known[file] = head
        else:
            (broken if head is None else alone).append(file)
    order = sorted(known, key=lambda file: known[file][0])
    while order:
        last = order[-1]
        (began, _), version = known[last]
        try:
            net, arrays, facts = read_training(last, Network)
            if version == __version__ and not makes_sense(facts):
                raise ModelFileError("what it tells of its training makes no sense")
        except (OSError, ModelFileError):
            broken.append(order.pop())
            continue
        if version != __version__:
            raise ModelFileError(
                f"{last} is of minilstm {shown(version)}, but this is {__version__}, whose bits "
                "may differ; install that version, or train its network further with "
                "minilstm.train(x, y, minilstm.load(path))."
            )
        if broken:
            warnings.warn(
                f"{', '.join(map(str, broken))} is no whole checkpoint, so the training goes on "
                f"from {last}; remove what is broken.",
                RuntimeWarning,
                stacklevel=3,
            )
        same = [file for file in order if known[file][0][0] == began]
        return Checkpoint(last, net, arrays, facts, same)
    if broken:
        raise ModelFileError(
            f"{broken[-1]} is no whole checkpoint, and there is no other; start the training anew "
            "with minilstm.train."
        )
    if alone:
        raise ModelFileError(
            f"{alone[-1]} holds a network without its training; train it further with "
            "minilstm.train(x, y, minilstm.load(path))."
        )
    raise FileNotFoundError(
        f"path is {str(path)!r}, where there is no checkpoint; start the training with "
        "minilstm.train, and give it this folder as its option checkpoint_path."
    )
