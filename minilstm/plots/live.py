"""Training progress while training runs: in a window or a notebook, and in a file at the end.
Nothing in here can stop a training: what cannot be shown is left out, and the file still comes."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .files import check_figure_path, save_figure
from .history import TrainingRecord, check_history, metric_columns
from .style import fill_figure, new_axes
from .training import draw_progress, height_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS_BETWEEN = 1.0
MOST_SECONDS_BETWEEN = 5.0
DRAWING_SHARE = 0.1  # of the time, unless that would leave the figure stale for too long
WINDOW_TOOLKITS = {"gtk3", "gtk4", "macosx", "qt", "qt5", "qt6", "tk", "wx"}


class Screen(NamedTuple):
    """Where a figure is shown: "window", "notebook" or "file"."""

    kind: str
    figure: Figure
    show: Callable[[], None]
    close: Callable[[], None]


class LiveTrainingProgress:
    """The training progress figure, redrawn as the history grows and saved when training ends.

    It is shown in a notebook when a Jupyter kernel runs the program, in a window when there is a
    display and Matplotlib's backend opens windows, and otherwise only written to the file. Redraws
    are one to five seconds apart, the further the longer they take.

    Parameters
    ----------
    path : file of the figure (.png, .svg or .pdf); None writes none. Where nothing can be shown,
        the file is rewritten at each redraw
    metrics : names of the columns of metrics in the history; the figure has a row for each

    Raises
    ------
    DataError
        If the path's suffix is none of the three or its folder is missing.
    ImportError
        If Matplotlib is missing.

    Examples
    --------
    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> history = {"iteration": [1, 2], "loss": [1.5, 1.2]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     live = LiveTrainingProgress(folder + "/progress.png")
    ...     live.update(history)
    ...     saved = live.finish(SimpleNamespace(history=history, stop_reason="stopped"))
    ...     saved.name, saved.exists()
    ('progress.png', True)
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, metrics: Sequence[str] = ()
    ) -> None:
        # Absolute, as the program may go to another folder while the network trains.
        self.path = None if path is None else check_figure_path(path).absolute()
        self._rows = 1 + len(metrics)
        self._screen = _open_screen(height_of(self._rows), self.path)
        to_file = self._screen.kind == "file"
        self._live, self._closed = not to_file or self.path is not None, False
        wait = SECONDS_BETWEEN if to_file else 0.0
        self._next_time = time.monotonic() + wait

    @property
    def shown_in(self) -> str:
        """Where the figure appears: "window", "notebook" or "file"."""
        return self._screen.kind

    def update(self, history: Mapping[str, Any]) -> None:
        """Redraw from the history so far, if the last redraw was long enough ago.

        Its columns are those named in `plot_training_progress`; they are read and not kept.
        """
        began = time.monotonic()
        if not self._live or began < self._next_time:
            return
        try:
            self._draw(history, "running")
            self._screen.show()
        except Exception:
            # A window the user closed, or a full disk, must not cost the training.
            self._live = False
        cost = time.monotonic() - began
        wait = min(max(SECONDS_BETWEEN, cost / DRAWING_SHARE), MOST_SECONDS_BETWEEN)
        self._next_time = time.monotonic() + wait

    def finish(self, info: TrainingRecord) -> Path | None:
        """Draw the whole history, save the figure, and close the window.

        Returns
        -------
        The file written; None if there is no path, if the file could not be written (a
        RuntimeWarning says why), or if the figure was closed before
        """
        if self._closed:
            return None
        try:
            self._draw(info.history, str(info.stop_reason))
            saved = None if self.path is None else save_figure(self._screen.figure, self.path)
            if self._live and self._screen.kind == "notebook":
                self._screen.show()
            return saved
        except Exception as error:
            warnings.warn(
                f"The training progress figure could not be saved ({error}): the training is not "
                "affected, and minilstm.plots.plot_training_progress(info) draws it again.",
                RuntimeWarning,
                stacklevel=2,
            )
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Close the window without saving; a second call does nothing."""
        if self._closed:
            return
        self._live, self._closed = False, True
        with suppress(Exception):
            self._screen.close()

    def _draw(self, history: Mapping[str, Any], stop_reason: str) -> None:
        columns = check_history(history)
        rows = 1 + len(metric_columns(columns)) if columns else self._rows
        self._screen.figure.clear()
        draw_progress(columns, stop_reason, fill_figure(self._screen.figure, rows))


def _open_screen(height: float, path: Path | None) -> Screen:
    """Open the best screen there is; a file, which always works, if the others fail."""
    for opener in (_open_notebook, _open_window):
        try:
            screen = opener(height)
        except Exception:
            # A display that is named but refuses, or a toolkit that is half installed.
            continue
        if screen is not None:
            return screen
    figure = _blank_figure(height)

    def show() -> None:
        if path is not None:
            save_figure(figure, path)

    return Screen("file", figure, show, lambda: None)


def _blank_figure(height: float) -> Figure:
    figure = new_axes(height)[0].get_figure(root=True)
    assert figure is not None
    return figure


def _open_notebook(height: float) -> Screen | None:
    """Show PNG images in the output of the running notebook cell, each in place of the last."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if not hasattr(shell, "kernel"):
        return None
    from IPython.display import Image, display  # type: ignore[import-not-found,unused-ignore]

    figure = _blank_figure(height)
    handle: list[Any] = []

    def show() -> None:
        content = BytesIO()
        figure.savefig(content, format="png", dpi=100)
        image = Image(data=content.getvalue(), format="png")
        if handle:
            handle[0].update(image)
        else:
            handle.append(display(image, display_id=True))

    return Screen("notebook", figure, show, lambda: None)


def _open_window(height: float) -> Screen | None:
    """Open a window through pyplot, which alone knows the toolkits, if there is a display."""
    on_unix = sys.platform not in ("win32", "darwin", "cygwin")
    if on_unix and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    import matplotlib
    from matplotlib.backends.registry import backend_registry

    def opens_windows(name: str | None) -> bool:
        resolve: Callable[[str], tuple[str, str | None]] = backend_registry.resolve_backend
        return name is not None and resolve(name)[1] in WINDOW_TOOLKITS

    chosen = matplotlib.get_backend(auto_select=False)
    if chosen is not None and not opens_windows(chosen):
        return None
    import matplotlib.pyplot as plt

    if not opens_windows(matplotlib.get_backend()):
        return None
    figure = plt.figure(figsize=(10.0, height), dpi=100, layout="constrained", facecolor="white")
    number = figure.number

    def show() -> None:
        if not plt.fignum_exists(number):
            raise RuntimeError("The window was closed.")
        figure.show()
        figure.canvas.draw()
        figure.canvas.flush_events()

    return Screen("window", figure, show, lambda: plt.close(number))
