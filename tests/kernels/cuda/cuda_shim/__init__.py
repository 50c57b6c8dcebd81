"""CuPy without a device, for tests: its arrays over NumPy, its kernels compiled by gcc.
The text of the kernels is the very same; threads are fibres, in an order that a test may choose."""

import sys
from contextlib import contextmanager

from .arrays import check_guards, counts
from .executor import LaunchError, can_compile, thread_order
from .fake_cupy import make_modules

__all__ = [
    "LaunchError", "can_compile", "check_guards", "counts", "fresh_kernels", "installed",
    "make_modules", "thread_order",
]  # fmt: skip

KERNELS = "minilstm.kernels.cuda"


def _drop(*roots):
    """Take modules and what is in them out of `sys.modules`; returns what was there."""
    gone = [n for n in sys.modules if any(n == r or n.startswith(r + ".") for r in roots)]
    return {name: sys.modules.pop(name) for name in gone}


@contextmanager
def fresh_kernels():
    """Import the CUDA kernels anew within a ``with`` block, and forget them after it."""
    import minilstm.kernels

    def forget():
        _drop(KERNELS)
        vars(minilstm.kernels).pop("cuda", None)

    forget()
    try:
        yield
    finally:
        forget()


@contextmanager
def installed():
    """`import cupy` gives the fake within a ``with`` block."""
    before = _drop("cupy", "cupyx")
    sys.modules.update(make_modules())
    counts.reset()
    try:
        with fresh_kernels():
            yield sys.modules["cupy"]
    finally:
        _drop("cupy", "cupyx")
        sys.modules.update(before)
        check_guards()
