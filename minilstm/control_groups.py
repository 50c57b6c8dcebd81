"""What the control groups of a container say: a process is bound by its group and those above it.
Linux keeps one folder a group, in a tree of its own for each kind (version 1) or one for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def group_folders(root: Path, kind: str) -> Iterator[Path]:
    """The folders of the control groups that this process is in, and of those above.

    Parameters
    ----------
    root : Path
        The root folder of the file system.
    kind : str
        Which groups: "memory" or "cpu".

    Returns
    -------
    iterator of Path
        Where the files of a group may be; nothing where the system has no control groups.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):  # not Linux
        return
    for line in lines:  # "4:memory:/path" in version 1, "0::/path" in version 2
        kinds, _, path = line.partition(":")[2].partition(":")
        if kinds and kind not in kinds.split(","):
            continue
        # Within a container the path may be the machine's: then only its end is to be found here.
        group = PurePosixPath(path.lstrip("/"))
        for tree in dict.fromkeys(("", "unified", kind, kinds)):
            for place in (group, *group.parents):
                yield root / "sys/fs/cgroup" / tree / place


def group_text(folder: Path, name: str) -> str:
    """What a file of a group says, without its line end; "" where there is none."""
    try:
        return (folder / name).read_text().strip()
    except (OSError, ValueError):
        return ""
