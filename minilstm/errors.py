"""The errors that minilstm raises on purpose.
Each message is one sentence that names the argument, what came, what was wanted, and what to do."""

from __future__ import annotations

from typing import Any


class DataError(ValueError):
    """The data handed in cannot be used: wrong shape, NaN, unknown label, broken file."""


class ModelFileError(ValueError):
    """A model file is truncated, foreign, or fails its own self-test."""


class DeviceError(RuntimeError):
    """There is no GPU that can be used."""


class GradientError(AssertionError):
    """A gradient written by hand disagrees with the reference derivative.

    Attributes
    ----------
    report : minilstm.gradcheck.GradientReport, or None where no comparison was possible
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class UndecidedError(GradientError):
    """A gradient was not tested or cannot be judged here, so it is neither right nor wrong."""


class DivergedError(ArithmeticError):
    """The training loss became NaN or infinite.

    Attributes
    ----------
    network : the network before the first bad step, the last that gave a finite loss
    info : TrainingInfo up to that step
    """

    # Both may be missing, as pickle makes the error of its message alone, and sets them then.
    def __init__(self, message: str, network: Any = None, info: Any = None) -> None:
        super().__init__(message)
        self.network = network
        self.info = info
