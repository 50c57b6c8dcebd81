"""The checks of options: each raises one sentence that says what came and what was wanted.
They look at single values; what two options mean together is checked where both are known."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minilstm.arrays import as_numbers

LONGEST = 200  # letters of a value within a message
METRICS = ("accuracy", "fscore", "precision", "recall", "auc", "rmse")


def shown(value: Any, longest: int = LONGEST) -> str:
    """A value as messages show it: as Python writes it, a long one without its middle.

    Examples
    --------
    >>> shown("lstm"), shown("a" * 5000, longest=20)
    ("'lstm'", "'aaaaaaaaaaa...aaaa'")
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits, a deep list
        text = f"a very long {type(value).__name__}"
    return shortened(text, longest)


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text of at most so many letters, without its middle if it is longer."""
    end = (longest - 3) // 3
    return text if len(text) <= longest else f"{text[: longest - 3 - end]}...{text[-end:]}"


def counted(count: int, what: str) -> str:
    """A number and what it counts.

    Examples
    --------
    >>> counted(1, "step"), counted(1200, "step"), counted(2, "loss")
    ('1 step', '1,200 steps', '2 losses')
    """
    return f"{count:,} {what}{('es' if what.endswith('s') else 's') * (count != 1)}"


_LONGEST_WORD = 100  # letters; a longer one is no word that was misspelt


def nearest(given: str, known: Iterable[Any], cutoff: float) -> Any:
    """The known word that is most like what was given; None where none is, or it is no word.

    Capitals and the difference between "_" and "-" do not count; `cutoff` is from 0, anything, to
    1, the same.
    """
    from difflib import get_close_matches  # late, as few programs have a word to mend

    if len(given) > _LONGEST_WORD:
        return None
    plain = {str(word).lower().replace("_", "-"): word for word in known}
    near = get_close_matches(given.lower().replace("_", "-"), plain, n=1, cutoff=cutoff)
    return plain[near[0]] if near else None


@contextmanager
def whole_letters() -> Iterator[None]:
    """Say in one sentence that a name holds half of a surrogate pair, which no file can hold."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise ValueError(
            f"a name or a class of the network holds {error.object[error.start]!r}, which is no "
            "letter; name it anew."
        ) from None


def did_you_mean(given: Any, known: Iterable[Any]) -> str:
    """The known word that is nearest to what was given, to stand before a full stop; or nothing.

    Examples
    --------
    >>> did_you_mean("lstn", ["LSTM", "ReLU"]), did_you_mean("gru", ["LSTM", "ReLU"])
    (" (did you mean 'LSTM'?)", '')
    """
    near = nearest(given, known, 0.72) if isinstance(given, str) else None
    return "" if near is None else f" (did you mean {near!r}?)"


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """One of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{name} is {shown(value)}; choose one of {', '.join(map(repr, choices))}"
            f"{did_you_mean(value, choices)}."
        )


def check_whole(name: str, value: Any, at_least: int, at_most: int | None = None) -> None:
    """A whole number, Python's or NumPy's."""
    if not is_whole(value, at_least):
        raise ValueError(f"{name} is {shown(value)}; give a whole number of at least {at_least}.")
    if at_most is not None and value > at_most:
        raise ValueError(f"{name} is {shown(value)}; give a whole number of at most {at_most}.")


def check_number(name: str, value: Any, wanted: str, fits: Callable[[Any], bool]) -> None:
    """A real number that fits; `wanted` says in words which do."""
    if not _is_number(value) or not fits(value):
        raise ValueError(f"{name} is {shown(value)}; give a number {wanted}.")


def check_finite(name: str, value: Any, at_least: float = 0) -> None:
    """A finite number of at least so much."""
    check_number(name, value, f"at least {at_least}", lambda v: at_least <= v < math.inf)


def check_positive(name: str, value: Any) -> None:
    """A finite number above 0."""
    check_number(name, value, "above 0", lambda v: 0 < v < math.inf)


def check_share(name: str, value: Any) -> None:
    """A number from 0 to 1."""
    check_number(name, value, "from 0 to 1", lambda v: 0 <= v <= 1)


def as_factor(name: str, value: Any, blocks: str = "") -> Any:
    """A factor of a learnable: a number of at least 0, or one for each of some blocks of rows.

    Parameters
    ----------
    name : of the option
    value : what was given
    blocks : a letter for each block; "" allows one number only

    Returns
    -------
    the number as it came, or a tuple of floats
    """
    several = bool(blocks) and isinstance(value, (list, tuple, np.ndarray))
    for number in value if several else (value,):
        if not _is_number(number) or not 0 <= number < math.inf:
            raise ValueError(f"{name} is {shown(value)}; give a number of at least 0.")
    if several and len(value) != len(blocks):
        raise ValueError(
            f"{name} has {len(value)} numbers; give one number, or {len(blocks)}, one for each "
            f"block of rows ({', '.join(blocks)})."
        )
    return tuple(float(number) for number in value) if several else value


def as_array(
    name: str,
    value: Any,
    shape: Sequence[int | str],
    wanted: str = "finite numbers of shape {}",
) -> NDArray[np.float64]:
    """A read-only float64 copy of finite numbers.

    Parameters
    ----------
    name : of the option
    value : what was given
    shape : that it must have; a word in it stands for any size of at least 1
    wanted : what to give instead, with {} in the place of the shape
    """
    array = as_numbers(value, name)
    # A layer that is made from another has such a copy already.
    if array.dtype != np.float64 or array.flags.writeable or array.base is not None:
        array = np.array(array, np.float64)
    fits = len(array.shape) == len(shape) and all(
        size > 0 if isinstance(want, str) else size == want
        for size, want in zip(array.shape, shape, strict=True)
    )
    if not fits or not np.isfinite(array).all():
        said = str(tuple(shape)).replace("'", "")
        came = f"holds {array[~np.isfinite(array)][0]}" if fits else f"has shape {array.shape}"
        raise ValueError(f"{name} {came}; give {wanted.format(said)}.")
    array.flags.writeable = False
    return array


def check_flag(name: str, value: Any) -> None:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} is {shown(value)}; give True or False.")


def check_sequence_length(name: str, value: Any) -> None:
    """Of the option `sequence_length`."""
    words = ("ragged", "longest", "shortest")
    if not (isinstance(value, str) and value in words) and not is_whole(value, 1):
        raise ValueError(
            f"{name} is {shown(value)}; choose one of {', '.join(map(repr, words))}, or give "
            f"a whole number of at least 1."
        )


def check_data_format(name: str, value: Any, channels: bool = True) -> None:
    """Letters for the axes of data: S spatial, C channel, T time, B batch; or "auto".

    Parameters
    ----------
    name : of the option
    value : what was given
    channels : whether there must be a C
    """
    if isinstance(value, str):
        counts = {letter: value.count(letter) for letter in "SCTB"}
        known = bool(value) and sum(counts.values()) == len(value)
        single = counts["C"] <= 1 and counts["T"] <= 1 and counts["B"] <= 1
        if value == "auto" or (known and single and counts["C"] >= channels):
            return
    raise ValueError(
        f"{name} is {shown(value)}; give 'auto', or a letter for each axis of the data, such as "
        f"'CTB': {'one C' if channels else 'at most one C'}, at most one T and one B, and an S for "
        f"each spatial axis."
    )


def check_pair(name: str, value: Any) -> None:
    """Two things, (x, y)."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        count = f"{len(value)} items" if hasattr(value, "__len__") else "no items"
        raise ValueError(f"{name} is {type(value).__name__} of {count}; give (x, y).")


def as_metrics(value: Any) -> tuple[Any, ...]:
    """Names and functions as a tuple; one alone needs no list."""
    metrics = [value] if isinstance(value, str) or callable(value) else value
    if not isinstance(metrics, (list, tuple)):
        raise ValueError(f"metrics is {shown(value)}; give a list, such as ['accuracy'] or [].")
    for metric in metrics:
        if not callable(metric) and metric not in METRICS:
            raise ValueError(
                f"metrics holds {shown(metric)}; choose from {list(METRICS)}, or give a function"
                f"{did_you_mean(metric, METRICS)}."
            )
    names = [metric_name(metric) for metric in metrics]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"metrics holds two of the name {name!r}; give each once.")
    return tuple(metrics)


def metric_name(metric: Any) -> str:
    """What a metric is called in the history: its name, or that of the function.

    Examples
    --------
    >>> metric_name("rmse"), metric_name(sum)
    ('rmse', 'sum')
    """
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "__name__", type(metric).__name__))


def as_functions(name: str, value: Any) -> tuple[Callable[..., Any], ...]:
    """Functions as a tuple; one alone needs no list, and None means none."""
    functions = () if value is None else value if isinstance(value, (list, tuple)) else (value,)
    if not all(map(callable, functions)):
        raise ValueError(f"{name} is {shown(value)}; give a function, or a list of functions.")
    return tuple(functions)


def is_whole(value: Any, at_least: int) -> bool:
    """Whether it is a whole number, Python's or NumPy's, of at least so much."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= at_least)


def _is_number(value: Any) -> bool:
    real = isinstance(value, (int, float, np.integer, np.floating))
    return real and not isinstance(value, bool)


def check_memory(what: str, need: int, advice: str) -> None:
    """Raise MemoryError, in a sentence, unless the machine has so many bytes.

    Systems give out more memory than they have, and end a process that uses it.
    """
    if need < 2**28:
        return
    has = machine_memory()
    if need > has:
        raise MemoryError(
            f"{what} {need / 2**30:,.1f} GiB of memory are needed, but this machine has "
            f"{has / 2**30:,.1f}; {advice}."
        )


def machine_memory() -> int:
    """Bytes of memory; where the system does not tell, more than any machine has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**50
