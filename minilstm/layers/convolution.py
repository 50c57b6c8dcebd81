"""Convolution layers for sequences of images and of volumes: sizes, padding, first values.
The equations are in `minilstm.functional.convolution`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minilstm.arrays import as_array
from minilstm.checks import check_whole, shown
from minilstm.errors import DataError
from minilstm.functional.convolution import Pads, Sizes, convolution_size, same_padding
from minilstm.layers import initializers
from minilstm.layers.base import Array, Gradients, Initializer, RowLayer, Run, Shape

# What a bias cannot start from: these count inputs, which it has not.
FOR_WEIGHTS = ("glorot", "he", "narrow-normal", "zeros", "ones")
FOR_A_BIAS = ("narrow-normal", "zeros", "ones")


@dataclass(frozen=True, eq=False)
class _Convolution(RowLayer):
    """What convolutions of images and of volumes have in common."""

    filter_size: int | Sequence[int]
    num_filters: int
    stride: int | Sequence[int] = 1
    dilation: int | Sequence[int] = 1
    padding: str | int | Sequence[Any] = 0
    weights: ArrayLike | None = None
    bias: ArrayLike | None = None
    weights_initializer: str | Initializer = "glorot"
    bias_initializer: str | Initializer = "zeros"
    weights_learn_rate_factor: float = 1.0
    bias_learn_rate_factor: float = 1.0
    weights_l2_factor: float = 1.0
    bias_l2_factor: float = 0.0
    axes: ClassVar[tuple[str, ...]]
    learnables: ClassVar[tuple[str, ...]] = ("weights", "bias")
    values: ClassVar[tuple[str, ...]] = ("weights", "bias")

    def __post_init__(self) -> None:
        kind = type(self).__name__
        check_whole(f"{kind}: num_filters", self.num_filters, 1)
        for argument in ("filter_size", "stride", "dilation"):
            sizes = _sizes(kind, argument, getattr(self, argument), len(self.axes))
            object.__setattr__(self, argument, sizes)
        object.__setattr__(self, "padding", _pads(kind, self.padding, len(self.axes)))
        super().__post_init__()

    def _options(self) -> tuple[Sizes, Sizes, Sizes]:
        """filter_size, stride and dilation, a number for each spatial axis."""
        return self.filter_size, self.stride, self.dilation  # type: ignore[return-value]

    def _padding_of(self, size: Sizes) -> Pads:
        if self.padding == "same":
            return same_padding(size, *self._options())
        return self.padding  # type: ignore[return-value]

    @property
    def label(self) -> str:
        """One line for tables."""
        filter_size, stride, dilation = self._options()
        text = f"{self.num_filters} {'x'.join(map(str, filter_size))} convolutions with stride "
        text += _listed(stride)
        if any(d != 1 for d in dilation):
            text += f", dilation {_listed(dilation)}"
        if self.padding == "same":
            return f"{text} and padding 'same'"
        pads: Any = self.padding
        if len(pads) == 2:
            return f"{text} and padding {_listed([n for pair in pads for n in pair])}"
        before, after = (_listed(side)[1:-1] for side in zip(*pads, strict=True))
        return f"{text} and padding [{before}; {after}]"

    def output_shape(self, input_shape: Shape) -> Shape:
        """(oh, ow[, od], F) for (h, w[, d], c)."""
        wanted = f"({', '.join(self.axes)}, c)"
        if len(input_shape) != len(self.axes) + 1:
            raise ValueError(
                f"{self.title} wants an input of shape {wanted}, but its input has shape "
                f"{input_shape}; give it images or volumes with channels last."
            )
        size, options = input_shape[:-1], self._options()
        pads = self._padding_of(size)
        out = convolution_size(size, options[0], options[1], pads, options[2])
        if min(out) < 1:
            reach = tuple((f - 1) * d + 1 for f, d in zip(options[0], options[2], strict=True))
            padded = self.padded_shape(input_shape)[:-1]
            raise ValueError(
                f"{self.title} has filters that reach over {reach}, but its input of shape "
                f"{input_shape} is {padded} with its padding; use smaller filters, more padding, "
                "or larger images."
            )
        self.check_values(input_shape)
        return (*out, self.num_filters)

    def padded_shape(self, input_shape: Shape) -> Shape:
        """Shape of an image with its padding, which the filters slide over."""
        size = input_shape[:-1]
        padded = (n + sum(pair) for n, pair in zip(size, self._padding_of(size), strict=True))
        return (*padded, input_shape[-1])

    def array_shapes(self, input_shape: Shape | None) -> dict[str, tuple[Any, ...]]:
        """weights (fh, fw[, fd], c, F), bias (F,)."""
        channels = "channels" if input_shape is None else input_shape[-1]
        F = self.num_filters
        return {"weights": (*self._options()[0], channels, F), "bias": (F,)}

    def _initializer(self, name: str) -> Initializer:
        option = f"{name}_initializer"
        names = FOR_A_BIAS if name == "bias" else FOR_WEIGHTS
        return initializers.find(getattr(self, option), self.who, option, names)

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """Outputs of every step, (N, oh, ow[, od], F)."""
        _, stride, dilation = self._options()
        padding = self._padding_of(x.shape[1:-1])
        return run.backend.convolution_forward(
            x, run.p["weights"], run.p["bias"], stride, padding, dilation
        )

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """Gradients of the input and of both learnables."""
        dx, grads = run.backend.convolution_backward(dy, cache, run.need_dx)
        return dx, {"weights": grads.W, "bias": grads.b}


@dataclass(frozen=True, eq=False)
class Convolution2D(_Convolution):
    """F filters that slide over the image (h, w, c) of each step.

    Parameters
    ----------
    filter_size : height and width of a filter, or one number for both
    num_filters : F
    stride, dilation : steps between two places, and between two entries, of a filter; one number
        or one for each axis
    padding : zeros around an image: one number, [a, b] for top and bottom, left and right,
        [top, bottom, left, right], ((top, bottom), (left, right)), or "same" for an output of
        ceil(in / stride), with an odd one more at the bottom and the right
    weights, bias : (fh, fw, c, F) and (F,), values to start from instead of an initialiser
    weights_initializer : "glorot", "he", "narrow-normal", "zeros", "ones", or a function of a shape
        and a generator
    bias_initializer : the same, but neither "glorot" nor "he"
    weights_learn_rate_factor, bias_learn_rate_factor : multiply the learning rate of that array
    weights_l2_factor, bias_l2_factor : multiply its L2 regularisation; the bias has none

    Raises
    ------
    ValueError
        An option is none of these; the message names it.

    Examples
    --------
    >>> layer = Convolution2D(5, 20)
    >>> layer.label
    '20 5x5 convolutions with stride [1 1] and padding [0 0 0 0]'
    >>> layer.output_shape((28, 28, 1))
    (24, 24, 20)
    """

    kind: ClassVar[str] = "convolution_2d"
    axes: ClassVar[tuple[str, ...]] = ("h", "w")


@dataclass(frozen=True, eq=False)
class Convolution3D(_Convolution):
    """F filters that slide over the volume (h, w, d, c) of each step.

    Parameters
    ----------
    filter_size : height, width and depth of a filter, or one number for all
    padding : zeros around a volume: one number, one for each axis,
        [[top, left, front], [bottom, right, back]], three pairs (before, after), or "same"
    weights : (fh, fw, fd, c, F)

    The other options are those of `Convolution2D`.

    Examples
    --------
    >>> layer = Convolution3D(3, 8, stride=(2, 2, 1), padding=[[1, 1, 0], [1, 1, 0]])
    >>> layer.label
    '8 3x3x3 convolutions with stride [2 2 1] and padding [1 1 0; 1 1 0]'
    >>> layer.output_shape((16, 16, 5, 2))
    (8, 8, 3, 8)
    """

    kind: ClassVar[str] = "convolution_3d"
    axes: ClassVar[tuple[str, ...]] = ("h", "w", "d")


def _listed(numbers: Sequence[int]) -> str:
    return f"[{' '.join(map(str, numbers))}]"


def _whole(value: Any) -> NDArray[np.int64] | None:
    """An array of whole numbers, or None where it is something else."""
    try:
        array = as_array(value)
    except DataError:
        return None
    return array.astype(np.int64) if array.dtype.kind in "iu" else None


def _sizes(kind: str, argument: str, value: Any, axes: int) -> Sizes:
    array = _whole(value)
    if array is None or array.shape not in ((), (axes,)) or (array < 1).any():
        raise ValueError(
            f"{kind}: {argument} is {shown(value)}; give a whole number of at least 1, or {axes} "
            "of them, one for each axis."
        )
    return tuple(np.broadcast_to(array, axes).tolist())


def _pads(kind: str, value: Any, axes: int) -> str | Pads:
    """(before, after) for each axis, or "same"."""
    if isinstance(value, str) and value == "same":
        return value
    array = _whole(value)
    if array is not None and (array >= 0).all():
        if array.shape in ((), (axes,)):
            array = np.broadcast_to(array, axes).repeat(2).reshape(axes, 2)
        elif axes == 2 and array.shape == (4,):
            array = array.reshape(2, 2)
        elif axes == 3 and array.shape == (2, 3):
            array = array.T
        if array.shape == (axes, 2):
            return tuple((int(before), int(after)) for before, after in array)
    sides = "[top, bottom, left, right]" if axes == 2 else "[[top, left, front], [bottom, ...]]"
    raise ValueError(
        f"{kind}: padding is {shown(value)}; give a whole number of at least 0, one for each axis, "
        f"{sides}, or 'same'."
    )
