"""Calling functions of the CUDA kernels with arrays of the host, and reading what they give.
Every call is made with threads in several orders, which must not change a bit."""

import functools
from contextlib import contextmanager
from dataclasses import fields
from types import SimpleNamespace

import cuda_shim
import numpy as np
from agreement import bits

import minilstm as ml
from minilstm.functional.bilstm import BiLSTMCache


def moved(value, move):
    """The same nested tuples and lists, with every array in them moved by a function."""
    if isinstance(value, (tuple, list)):
        parts = [moved(part, move) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return move(value) if hasattr(value, "dtype") else value


def in_every_order(do, what="", orders=("forward", "reverse", "random", "warps"), seed=1):
    """What a function gives, with the same bits for threads in every order."""
    first = do()
    for order in orders:
        with cuda_shim.thread_order(order, seed):
            assert bits(do()) == bits(first), f"{what}, threads in the order {order!r}"
    return first


@contextmanager
def nothing_moves():
    """Within this block nothing moves between host and device, and the host waits for nothing."""
    cuda_shim.counts.reset()
    with ml.count_transfers() as counted:
        yield
    assert counted.to_device == counted.to_host == 0
    hidden = cuda_shim.counts
    assert (hidden.uploads, hidden.downloads, hidden.synchronisations) == (0, 0, 0)


def call(kernels, name, *arguments):
    """What a function gives, on the host; twice and with threads in other orders, bit for bit."""
    function = getattr(kernels, name)
    arguments = moved(arguments, lambda a: a if np.isscalar(a) else kernels.to_device(a))
    given = moved(arguments, kernels.to_host)
    first = in_every_order(lambda: moved(function(*arguments), kernels.to_host), name)
    now = moved(arguments, kernels.to_host)
    assert bits(now) == bits(given), f"{name} wrote into an argument"
    return first


def on_host(backend):
    """A backend for tests with arrays of the host: these go in, and such come out.

    Where sequences end stays on the host, so of the arguments of an LSTM only numbers are moved.
    """
    if backend.gpu_bytes is None:
        return backend

    def there_and_back(name):
        function = getattr(backend, name)

        def there(array):
            counts = "lstm" in name and np.asarray(array).dtype.kind == "i"
            return array if counts or np.isscalar(array) else backend.to_device(array)

        @functools.wraps(function)
        def called(*arguments, **named):
            arguments = moved(arguments, there)
            named = {key: moved(value, there) for key, value in named.items()}
            arguments = [
                a._replace(order=backend.to_device(a.order)) if isinstance(a, BiLSTMCache) else a
                for a in arguments
            ]
            return moved(function(*arguments, **named), backend.to_host)

        return called

    places = {"to_device", "to_host"}
    names = [f.name for f in fields(backend) if callable(getattr(backend, f.name))]
    functions = {name: there_and_back(name) for name in names if name not in places}
    return SimpleNamespace(name=backend.name, **functions)
