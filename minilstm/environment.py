"""Where a training computes: what its options ask for, and what a switch of backends asks for.
Both may ask; where one contradicts the other, neither wins: it is an error before work starts."""

from __future__ import annotations

from minilstm.backend import Backend, chosen_backend, load_backend


def training_backend(execution_environment: str) -> Backend:
    """The backend of a training.

    Parameters
    ----------
    execution_environment : "gpu" is the backend "cupy"; "cpu" is any other; "auto" is the backend
        in force

    Raises
    ------
    ValueError
        `use_backend`, `set_backend` or MINILSTM_BACKEND asks for a backend of the other kind.
    ImportError, DeviceError
        CuPy is not installed, or finds no GPU.

    Examples
    --------
    >>> from minilstm.backend import use_backend
    >>> with use_backend("numpy"):
    ...     training_backend("cpu").name
    'numpy'
    """
    name = chosen_backend()
    if execution_environment == "gpu" and name not in ("auto", "cupy"):
        raise ValueError(
            f"execution_environment is 'gpu', but the backend {name!r} was chosen, which computes "
            "on the CPU; choose the backend 'cupy' or 'auto', or the environment 'cpu'."
        )
    if execution_environment == "cpu" and name == "cupy":
        raise ValueError(
            "execution_environment is 'cpu', but the backend 'cupy' was chosen, which computes on "
            "a GPU; choose the backend 'numba' or 'numpy', or the environment 'gpu'."
        )
    return load_backend("cupy" if execution_environment == "gpu" else name)


def is_left_open(execution_environment: str) -> bool:
    """Whether nobody said where to compute: neither the option nor the switch."""
    return execution_environment == "auto" and chosen_backend() == "auto"
