"""The sequence input layer: says what one step is, and how it is normalised.
The equations and the statistics are in `minilstm.functional.sequence_input`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minilstm.arrays import Sequences, refuse_masked
from minilstm.checks import check_choice, check_whole
from minilstm.errors import DataError
from minilstm.functional.sequence_input import (
    USES,
    Affine,
    coefficients,
    normalize_backward,
    normalize_forward,
    statistics,
)
from minilstm.layers.base import Array, Gradients, RowLayer, Run, Shape
from minilstm.layers.input_options import (
    checked_feature_names,
    checked_input_size,
    checked_statistic,
    one_line,
    property_block,
)

Function = Callable[[Array], Array]


@dataclass(frozen=True, eq=False, repr=False)
class SequenceInput(RowLayer):
    """Input of sequences of vectors (T, D), images (T, h, w, c) or volumes (T, h, w, d, c).

    Parameters
    ----------
    input_size : D, features of one step; or the size of one image [h, w, c], of one volume
        [h, w, d, c], as a list, tuple or array of integers
    normalization : "none"; "zerocenter", subtract `mean`; "zscore", then also divide by
        `standard_deviation`; "rescale-symmetric", from `min` and `max` to -1 and 1;
        "rescale-zero-one", to 0 and 1; or a function f(rows) of the rows (N, *shape), float64,
        of any number of steps in any order, which gives back as many of the same shape
    mean, standard_deviation, min, max : the statistics that the normalisation uses: (D,) for
        vectors, (1, 1, c) or (h, w, c) for images, volumes likewise, or one number. None lets
        training compute them over all real steps, which it does even if they are given, unless
        ``reset_input_normalization=False``.
    normalization_dimension : what training computes one statistic for: "channel", pooled over
        space; "element", each number of a step; "all", one for everything. "auto" means channel,
        or element where statistics of such a shape are given.
    min_length : steps that every sequence must have, in training and prediction
    feature_names : a name for each feature (D names), or for each channel; None where they have
        none. Data that carry names are brought into this order, see `minilstm.data.feature_names`

    Notes
    -----
    Where a deviation or a range is 0 nothing is divided there, and the data of the training
    become 0. Standard deviations are those of all steps, divided by their number.

    Statistics and normalisation are computed in float64 and rounded to the dtype of the network
    once, so float64 data far from zero, such as times, keep their differences in float32 too.

    A function is not differentiated through: `backward` gives None in place of dx, and a network
    with a function cannot be saved.

    Examples
    --------
    >>> SequenceInput(12).label
    'Sequence input with 12 dimensions'
    >>> print(SequenceInput([28, 28, 1], "zerocenter", name="video"))
    SequenceInput with properties:
        name:                    'video'
        input_size:              (28, 28, 1)
        min_length:              1
      Hyperparameters
        normalization:           'zerocenter'
        normalization_dimension: 'auto'
        mean:                    None
    """

    input_size: Any  # int for vectors, tuple of ints for images and volumes
    normalization: str | Function = "none"
    mean: ArrayLike | None = None
    normalization_dimension: str = "auto"
    standard_deviation: ArrayLike | None = None
    min: ArrayLike | None = None
    max: ArrayLike | None = None
    min_length: int = 1
    feature_names: Sequence[str] | None = None
    kind: ClassVar[str] = "sequence_input"
    input_names = ()  # data come from outside
    #: fields that hold arrays, which files keep beside the learnables
    arrays: ClassVar[tuple[str, ...]] = ("mean", "standard_deviation", "min", "max")

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", checked_input_size(self.input_size))
        if not callable(self.normalization):
            check_choice("SequenceInput: normalization", self.normalization, tuple(USES))
        dimension, known = self.normalization_dimension, ("auto", "channel", "element", "all")
        check_choice("SequenceInput: normalization_dimension", dimension, known)
        check_whole("SequenceInput: min_length", self.min_length, 1)
        for field in self.arrays:
            if getattr(self, field) is not None:
                value = checked_statistic(
                    self.who, field, getattr(self, field), self.normalization, self.shape, dimension
                )  # fmt: skip
                object.__setattr__(self, field, value)
        if self.feature_names is not None:
            names = checked_feature_names(self.who, self.feature_names, self.shape[-1])
            object.__setattr__(self, "feature_names", names)
        low, high = self.min, self.max
        if low is not None and high is not None and np.any(np.asarray(low) > np.asarray(high)):
            raise ValueError(f"{self.who}: min is above max; give the smaller values as min.")

    @property
    def shape(self) -> Shape:
        """Shape of one step: (D,), (h, w, c) or (h, w, d, c)."""
        size = self.input_size
        return size if isinstance(size, tuple) else (size,)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of one step, whatever stands before."""
        return self.shape

    def output_shapes(self, input_shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        """The same, as there may be no input."""
        return (self.shape,)

    @property
    def label(self) -> str:
        """One line for tables."""
        text = f"Sequence input with {'x'.join(map(str, self.shape))} dimensions"
        if self.normalization == "none":
            return text
        return f"{text}, {self._normalization_name()}"

    def with_statistics(self, sequences: Sequences, reset: bool = True) -> SequenceInput:
        """The layer with the statistics of training data.

        Parameters
        ----------
        sequences : list of B arrays (T_b, *shape), not normalised
        reset : compute them anew even if given; False computes only those that are missing

        Returns
        -------
        SequenceInput; this one itself if there is nothing to compute
        """
        kind = self.normalization
        if callable(kind):
            return self
        wanted = USES[kind] if reset else self.lacks
        if not wanted:
            return self
        with np.errstate(over="ignore", invalid="ignore"):
            found = statistics(sequences, self._dimension(reset), kind)
        for name, value in found.items():
            if not np.isfinite(value).all():
                raise DataError(
                    f"{self.title} finds a {name} of {value[~np.isfinite(value)].flat[0]}, as its "
                    "data reach too far; scale them first."
                )
        changed: dict[str, Any] = {name: found[name] for name in wanted}
        return dataclasses.replace(self, **changed)

    @property
    def normalizes(self) -> bool:
        """Whether data enter in all their digits, as this layer computes with them."""
        return self.normalization != "none"

    @property
    def lacks(self) -> list[str]:
        """The statistics that the normalisation needs and has not; none for a function."""
        kind = self.normalization
        return [] if callable(kind) else [n for n in USES[kind] if getattr(self, n) is None]

    def affine(self) -> Affine | None:
        """The constants of the normalisation; None for "none".

        Raises
        ------
        ValueError
            Statistics are missing, or the normalisation is a function.
        """
        kind = self.normalization
        if kind == "none":
            return None
        if callable(kind):
            raise ValueError(f"{self.who}: the normalization is a function, not an equation.")
        if missing := self.lacks:
            raise ValueError(
                f"the layer {self.name!r} has normalization {kind!r} but no {missing[0]}; train "
                f"the network, or give SequenceInput its {missing[0]}."
            )
        return coefficients(kind, {name: getattr(self, name) for name in USES[kind]})

    def constants(self, dtype: Any) -> dict[str, Array]:
        """Those of `affine`, where there are any."""
        if callable(self.normalization) or self.lacks:
            return {}
        affine = self.affine()
        found = {} if affine is None else affine._asdict()
        return {name: array for name, array in found.items() if array is not None}

    def forward(self, run: Run, x: Array) -> tuple[Array, Any]:
        """Normalise every step, in the dtype of the network; the cache is the constants of it.

        They come from `run.p` where `constants` has put them there. A function gets NumPy arrays.
        """
        dtype = x.dtype if run.dtype is None else run.dtype
        if callable(self.normalization):
            rows = self._applied(run.backend.to_host(x), dtype)
            return run.backend.to_device(rows), self.normalization
        p = run.p
        affine = Affine(p["shift"], p.get("scale"), p.get("offset")) if p else self.affine()
        if affine is None:
            return x.astype(dtype, copy=False), None
        try:
            with np.errstate(over="raise"):
                return normalize_forward(x, affine, dtype), affine
        except FloatingPointError:
            raise DataError(
                f"{self.title} makes numbers beyond the range of {dtype} of its data, which reach "
                f"{float(np.abs(x).max()):.3g}; check the statistics of the layer and the units of "
                "the data."
            ) from None

    def backward(self, run: Run, dy: Array, cache: Any) -> tuple[Array | None, Gradients]:
        """dx of the equation; None if it is not needed or the normalisation is a function."""
        if not run.need_dx or callable(cache):
            return None, {}
        return (dy if cache is None else normalize_backward(dy, cache)), {}

    def config(self) -> dict[str, Any]:
        """The options as plain values, enough to build the layer again.

        Raises
        ------
        ValueError
            The normalisation is a function.
        """
        if callable(self.normalization):
            raise ValueError(
                f"{self.who}: normalization is the function {self._normalization_name()}, which "
                "cannot be saved; normalise the data first, and build the network without it."
            )
        options = super().config()
        size, names = self.input_size, options.pop("feature_names")
        options["input_size"] = list(size) if isinstance(size, tuple) else size
        return options if names is None else {**options, "feature_names": list(names)}

    def __repr__(self) -> str:
        return one_line(self, always=("name", "input_size", "normalization", "mean"))

    def __str__(self) -> str:
        used = () if callable(self.normalization) else USES[self.normalization]
        normalised = ("normalization", *(("normalization_dimension", *used) if used else ()))
        return property_block(self, ("name", "input_size", "min_length"), normalised)

    def _normalization_name(self) -> str:
        return str(getattr(self.normalization, "__name__", self.normalization))

    def _dimension(self, reset: bool) -> str:
        """What "auto" stands for."""
        if self.normalization_dimension != "auto":
            return self.normalization_dimension
        given = [np.shape(v) for v in map(self.__getattribute__, self.arrays) if v is not None]
        if self.shape in given:
            return "element"
        return "all" if given and not reset and not any(given) else "channel"

    def _applied(self, rows: Array, dtype: Any) -> Array:
        """What the function makes of the rows in float64, rounded to a dtype."""
        assert callable(self.normalization)  # the caller has checked
        # A copy, as the function may write into it; real, though gradients are checked in complex.
        made = self.normalization(np.array(rows.real, np.result_type(rows.real, np.float64)))
        refuse_masked(made, f"{self.who}: what the normalization returned")
        out = np.asarray(made)
        real = out.shape == rows.shape and out.dtype.kind in "iuf"
        with np.errstate(over="ignore"):
            out = out.astype(dtype) if real else out
        if not real or not np.isfinite(out).all():
            what = "numbers that are not finite" if real else f"{out.dtype} of shape {out.shape}"
            raise ValueError(
                f"{self.who}: the function {self._normalization_name()} made {what} from rows of "
                f"shape {rows.shape}; return finite real numbers of the same shape."
            )
        return out
