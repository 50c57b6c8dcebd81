"""The files that a training leaves in a folder: each is known to be possible before it starts.
A model that cannot be written in the end is kept in another place."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from minilstm.network.network import Network
from minilstm.paths import check_target, make_folder


@contextmanager
def output_folder(path: Path, names: Sequence[str]) -> Iterator[None]:
    """Make a folder for files of these names; a new one goes again if an error leaves it empty."""
    is_new = not path.exists()
    make_folder(path, "--out")
    for name in names:
        check_target(path / name, f"{name} in --out", "take it away, or choose another --out")
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                path.rmdir()
        raise


def save_model(net: Network, path: Path) -> Path:
    """Save what was trained.

    Raises
    ------
    OSError
        It could not be written there; the sentence says in which file it is instead, beside the
        path or in the folder for temporary files.
    """
    try:
        return net.save(path)
    except (OSError, ValueError) as error:
        kept = _kept(net, path)
        if kept is None:
            raise
        said = str(error).partition("; ")[0].removesuffix(".")
        raise OSError(f"{said}; the trained model is in {str(kept)!r}, so move it.") from error


def _kept(net: Network, path: Path) -> Path | None:
    """Another file that holds the network; None where there could be none either."""
    name = f"{path.stem}-{token_hex(4)}{path.suffix}"
    for folder in (path.parent, Path(tempfile.gettempdir())):
        with suppress(OSError, ValueError):
            return net.save(folder / name)
    return None
