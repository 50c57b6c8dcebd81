"""Figures to files: PNG, SVG or PDF, whole or not at all.
The same figure gives the same bytes, since nothing written depends on the time or on chance."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minilstm.errors import DataError
from minilstm.files import write_atomically
from minilstm.paths import as_path, check_target

from .style import DPI, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# By suffix: dates and version numbers, which would make the same figure differ from day to day.
UNDATED: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def check_figure_path(path: str | os.PathLike[str]) -> Path:
    """Give the path of a figure file, or raise if it cannot be written there."""
    target = as_path(path)
    if target.name.lower() in UNDATED:
        raise DataError(
            f"path is {str(path)!r}, which has no name before the suffix: give it one, such as "
            f"'figure{target.name}'."
        )
    if target.suffix.lower() not in UNDATED:
        raise DataError(
            f"path is {str(path)!r} and should end in {', '.join(UNDATED)}: the suffix chooses "
            "the file format."
        )
    if not target.parent.is_dir():
        raise DataError(
            f"path is {str(path)!r}, whose folder {str(target.parent)!r} does not exist: "
            "make the folder first."
        )
    return check_target(target)


def save_figure(figure: Axes | Figure, path: str | os.PathLike[str], *, dpi: float = DPI) -> Path:
    """Write a figure to a file, whole or not at all, the same bytes each time.

    Parameters
    ----------
    figure : the figure, or any axes in it
    path : file to write; its suffix (.png, .svg, .pdf) chooses the format. The folder must exist
    dpi : pixels an inch for PNG; the figures made here are 10 inches wide or a little less

    Returns
    -------
    The file written

    Raises
    ------
    DataError
        If the suffix is none of the three, the folder is missing, or `dpi` is not positive.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from minilstm.plots import plot_features
    >>> ax = plot_features(np.zeros((5, 3)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(ax, folder + "/signal.png").name
    'signal.png'
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    target = check_figure_path(path)
    if not (np.isfinite(dpi) and dpi > 0):
        raise DataError(f"dpi is {dpi!r} and should be positive: pass, for example, {DPI}.")
    root = figure if isinstance(figure, Figure) else figure.get_figure(root=True)
    if root is None:
        raise DataError("figure is an Axes that was removed from its figure: draw it again.")
    suffix = target.suffix.lower()
    content = BytesIO()
    # SVG names its parts by hashes salted at random, unless this setting gives the salt.
    with matplotlib.rc_context({"svg.hashsalt": "minilstm", "pdf.fonttype": 42}):
        root.savefig(content, format=suffix[1:], dpi=dpi, metadata=UNDATED[suffix])
    return write_atomically(target, lambda file: file.write(content.getvalue()))
