"""Checkpoints in a folder: written whole or not at all; the newest are kept, and one is found.
A checkpoint is a model file, and holds a training beside its network."""

from __future__ import annotations

import json
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from minilstm.checks import shown
from minilstm.errors import ModelFileError
from minilstm.exchange.incoming.formats.bounds import Refused, file_bytes, plain_json
from minilstm.exchange.incoming.formats.safetensors import read_safetensors
from minilstm.files import write_atomically
from minilstm.logs import log
from minilstm.network.model_file import NONSENSE, TRAINING, from_bytes, to_bytes
from minilstm.network.network import Network
from minilstm.paths import as_path, check_folder, check_readable
from minilstm.training.checkpoints import contents
from minilstm.training.checkpoints.contents import Contents
from minilstm.training.options import TrainingOptions
from minilstm.version import __version__

BETWEEN = "-between"  # in the names of those that no checkpoint_frequency asked for
_MOST_BETWEEN = 2  # of them stay where checkpoints_kept is None


class Checkpoints:
    """Writes the checkpoints of one training, and removes the old ones.

    Parameters
    ----------
    options : of the training
    identity : what it is known by, from `identity_of`; {} where there is no folder
    earlier : files that the same training wrote before it was interrupted, oldest first
    """

    def __init__(
        self, options: TrainingOptions, identity: dict[str, Any], earlier: list[Path] | None = None
    ) -> None:
        self.options, self.identity = options, identity
        self.folder = checkpoint_folder(options)
        self.files = list(earlier or [])
        self.lost = 0  # could not be written
        self.iteration = -1  # of the last one
        self.last = time.monotonic()

    def after_step(self, loop: Any, iteration: int, epoch: int, epoch_ends: bool) -> None:
        """Write one where the options ask for it now."""
        options = self.options
        if self.folder is None:
            return
        by_epoch = options.checkpoint_frequency_unit == "epoch"
        count = epoch if by_epoch else iteration
        if (epoch_ends or not by_epoch) and count % options.checkpoint_frequency == 0:
            self.write(loop, "")
        elif time.monotonic() - self.last >= options.checkpoint_seconds:
            self.write(loop, BETWEEN)

    def write(self, loop: Any, kind: str = BETWEEN) -> bool:
        """Write one, unless this step has one; whether it has. A failure costs the file alone."""
        iteration, epoch, _ = loop.place
        if self.folder is None or iteration == self.iteration:
            return self.folder is not None
        name = f"checkpoint-epoch-{epoch:04d}-iteration-{iteration:06d}{kind}.safetensors"
        path = self.folder / name
        try:
            arrays, facts = contents.contents_of(loop)
            text = json.dumps({**self.identity, **facts})
            data = to_bytes(loop.watch.shown(loop.net), arrays, text)
            write_atomically(path, lambda file: file.write(data))
        except Exception as error:
            self.lost += 1
            self.last = time.monotonic()
            if self.lost == 1:
                warnings.warn(
                    f"the checkpoint of iteration {iteration} could not be written ({error}); the "
                    "training goes on, and tries again at the next.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return False
        log.info("checkpoint %s", path)
        self.iteration, self.last = iteration, time.monotonic()
        self.files = [*(f for f in self.files if f != path), path]
        self._remove_old()
        return True

    def _remove_old(self) -> None:
        kept = self.options.checkpoints_kept
        if kept is None:
            old = [f for f in self.files if f.stem.endswith(BETWEEN)][:-_MOST_BETWEEN]
        else:
            old = self.files[:-kept]
        for path in old:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self.files = [f for f in self.files if f not in old]


class Checkpoint(NamedTuple):
    """A checkpoint that was read whole."""

    path: Path
    net: Network
    contents: Contents  # its facts hold those of `identity_of`, too
    files: list[Path]  # of the same training up to it, oldest first


def checkpoint_folder(options: TrainingOptions) -> Path | None:
    """The absolute path of the folder for checkpoints, where a file was written on trial."""
    path = options.checkpoint_path
    return None if path is None else check_folder(path, "checkpoint_path")


def newest_checkpoint(given: Any) -> Checkpoint:
    """The newest whole checkpoint of a folder, or that of a file.

    Trainings are told apart by the time at which they began, checkpoints of one by their iteration.

    Raises FileNotFoundError where there is none; ModelFileError where none is whole, or it is of
    another version.
    """
    path = as_path(given)
    files = sorted(path.glob("checkpoint-*.safetensors")) if path.is_dir() else [path]
    broken: dict[Path, str] = {}
    known: dict[Path, tuple[float, int]] = {}
    versions: dict[Path, Any] = {}
    alone = None  # a network without a training
    for file in files:
        try:
            facts = _facts_of(check_readable(file, what="checkpoint, nor a folder of them"))
            if facts is None:
                alone = file
            else:
                known[file] = float(facts["began"]), int(facts["iteration"])
                versions[file] = facts["version"]
        except (Refused, *NONSENSE) as error:
            broken[file] = str(error)
    order = sorted(known, key=lambda file: known[file])
    while order:
        if versions[order[-1]] != __version__:
            raise ModelFileError(
                f"{order[-1]} is of minilstm {shown(versions[order[-1]])}, but this is "
                f"{__version__}, whose bits may differ; install that version, or train its network "
                "further with minilstm.train(x, y, minilstm.load(path))."
            )
        try:
            net, held = _read(order[-1])
        except ModelFileError as error:
            broken[order.pop()] = str(error)
            continue
        last = order[-1]
        if broken:
            warnings.warn(
                f"{', '.join(map(str, broken))} is no whole checkpoint, so the training goes on "
                f"from {last}; remove what is broken.",
                RuntimeWarning,
                stacklevel=3,
            )
        return Checkpoint(last, net, held, [f for f in order if known[f][0] == known[last][0]])
    if broken:
        raise ModelFileError(
            f"path is {str(path)!r}, where no checkpoint is whole ({min(broken)} is broken); start "
            "the training anew with minilstm.train."
        )
    if alone is not None:
        raise ModelFileError(
            f"{alone} holds a network without its training, as older versions wrote it; train it "
            "further with minilstm.train(x, y, minilstm.load(path))."
        )
    raise FileNotFoundError(
        f"path is {str(path)!r}, where there is no checkpoint; start the training with "
        "minilstm.train, and give it this folder as its option checkpoint_path."
    )


def _facts_of(path: Path) -> dict[str, Any] | None:
    """What the head of a file says of its training; None where it holds a network alone."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise Refused("ends within its header; copy it again.")
        text = plain_json(file.read(size))["__metadata__"].get(TRAINING)
    if text is None:
        return None
    facts: dict[str, Any] = plain_json(text.encode())
    return facts


def _read(path: Path) -> tuple[Network, Contents]:
    found, data = file_bytes(path)
    net: Network = from_bytes(data, Network, path=str(found))
    tensors, texts = read_safetensors(data)
    facts = plain_json(texts[TRAINING].encode())
    return net, Contents({k: a for k, a in tensors.items() if k[:1] == "/"}, facts)


def put_back(loop: Any, found: Checkpoint) -> None:
    """Bring a new loop to where the training of a checkpoint was; see `contents.put_back`."""
    try:
        contents.put_back(loop, found.net, found.contents)
    except NONSENSE as error:
        raise ModelFileError(
            f"{found.path} does not describe its training ({error!r}); go on from another one."
        ) from error
