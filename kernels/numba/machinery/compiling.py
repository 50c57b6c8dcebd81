"""How every kernel here is compiled: for one dtype when first called, and kept on disk.
Serial, without the GIL; multiply-adds may contract into one instruction, but no sum is reordered
and no NaN assumed away.

A kernel says the types of its arguments, with F for float32 or float64. It is compiled for just
those, so an array of another kind is an error at once and never another compilation. A stands for
None, with which a kernel leaves out what is rarely used, and for a whole number in a second kernel.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from minilstm.kernels.numba.machinery import one_compiler, second_compiler
from minilstm.kernels.numba.machinery.hardware import REGISTER_BYTES, REGISTERS

OPTIONS: dict[str, Any] = {
    "fastmath": {"contract"},
    "boundscheck": False,
    "error_model": "numpy",
    "nogil": True,
}
FLOATS = {"float32": "f4", "float64": "f8"}
_FLOAT64 = np.dtype(np.float64)
QUIET_SECONDS = 0.7  # of compiling before a line on the terminal says why nothing happens
LOG_SECONDS = 3.0  # the same where there is no terminal, over all kernels so far

SOURCES = Path(__file__).parents[1]  # all that a kernel is made of: the twins and this folder

kernels: list[Kernel] = []
_parts: set[str] = set()  # names of what kernels are made of


class _PartLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The code of a part, which LLVM sees only inside the kernels that it is linked into.

    Numba would optimise every part and make machine code of it, and again of each part that calls
    it, and throw all of it away: more than half the time of a first compilation.
    """

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0  # nothing to call from outside

    @property
    def codegen(self) -> Any:
        return self

    def set_env(self, name: str, env: object) -> None:
        """There is no machine code in which to note it."""


class _KernelCompiler(Compiler):  # type: ignore[misc]
    """Numba's own compiler, which is entered only if the kernel is not on disk."""

    def define_pipelines(self) -> Any:
        _at_work.begun()
        return super().define_pipelines()


class _PartCompiler(Compiler):  # type: ignore[misc]
    """Numba's own compiler, but for what becomes of the result."""

    def define_pipelines(self) -> Any:
        name = self.state.func_id.func_qualname
        self.state.library = _PartLibrary(self.state.targetctx.codegen(), name)
        return super().define_pipelines()


_KERNEL = OPTIONS | {"no_cfunc_wrapper": True}
_CACHED = _KERNEL | {"cache": True, "pipeline_class": _KernelCompiler}
_PART = _KERNEL | {"no_cpython_wrapper": True, "pipeline_class": _PartCompiler}


class Kernel:
    """A function with its argument types, compiled for a dtype when it is first needed.

    Parameters
    ----------
    function : in the part of Python that Numba compiles
    signature : types of its arguments in Numba's words, with F for the floating type
    variant : said after its name
    """

    def __init__(self, function: Callable[..., Any], signature: str, variant: str = "") -> None:
        self.function, self.signature = function, signature.replace("A", "none")
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__.strip('_')}"
        self.name = name + variant
        # The argument whose dtype decides; a kernel without one is compiled once.
        types = re.sub(r"\[[^]]*\]", "", signature.partition("(")[2]).split(",")
        self._decides = next((n for n, t in enumerate(types) if "F" in t), None)
        self.followers: Sequence[Kernel] = ()  # wanted soon after this one
        self.in_training: Sequence[Kernel] = ()  # instead of them, where gradients will be wanted
        self._compiled: dict[Any, Any] = {}
        self._lock = threading.Lock()
        kernels.append(self)
        if "A" in signature:  # with numbers in the places of None
            self.chosen = Kernel(function, signature.replace("A", "i8"), "_chosen")

    def __call__(self, *arguments: Any) -> Any:
        dtype = _FLOAT64 if self._decides is None else arguments[self._decides].dtype
        return self.of(dtype)(*arguments)

    def of(self, dtype: Any, training: bool = False) -> Any:
        """The compiled function for a dtype: float32 or float64."""
        try:
            return self._compiled[dtype]
        except KeyError:
            dtype = np.dtype(dtype)
        with self._lock:
            if dtype not in self._compiled:
                types = self.signature.replace("F", FLOATS[dtype.name])
                with _line_if_it_takes_long(), _at_work.on(self, dtype.name, training):
                    self._compiled[dtype] = _compile(self.function, types)
        return self._compiled[dtype]


def kernel(signature: str) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorate the entry point of a computation; see `Kernel`."""
    return lambda function: Kernel(function, signature)


def inner(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """Decorate a part of kernels: it is compiled with each kernel that calls it.

    A function made within another wants a name that tells what it was made with. Numba tells
    functions of one name apart by a count that starts anew in every process, so kernels that
    different processes have put in the cache would else run each other's parts.
    """
    function.__name__ = name or function.__name__
    function.__qualname__ = name or function.__qualname__
    key = f"{function.__module__}.{function.__qualname__}"
    if key in _parts or "<locals>" in key:
        raise ValueError(f"there is a part {key} already, or it needs a name: give inner another.")
    _parts.add(key)
    part = numba.njit(**_PART)(function)
    template = part.get_call_template
    # Numba would compile a part anew for each constant that it is called with.
    part.get_call_template = lambda args, kws: template(
        [numba.types.unliteral(a) for a in args],
        {name: numba.types.unliteral(a) for name, a in kws.items()},
    )
    return part


class _Work(threading.local):
    """Which kernel this thread compiles, and which others are wanted then."""

    job: tuple[Kernel, str] | None = None
    folder: Path | None = None  # of the cache on disk
    rest: Sequence[Kernel] = ()  # wanted in any case, the last first
    soon: Sequence[Kernel] = ()  # these, and what follows the one at work

    @contextmanager
    def on(self, kernel: Kernel, dtype: str, training: bool) -> Iterator[None]:
        # While the second process is at this one, another is compiled here.
        while other := second_compiler.second.take((kernel.name, dtype)):
            _of_name(*other)
        self.job = kernel, dtype
        self.soon = (*(kernel.in_training if training else kernel.followers), *self.rest)
        try:
            yield
        finally:
            _ready.update(_begun & {self.job})
            self.job = self.folder = None

    def give_back(self) -> None:
        if self.job in _begun and self.job is not None and self.folder:
            kernel, dtype = self.job
            one_compiler.give_back(self.folder, f"{kernel.name} {dtype}")

    def begun(self) -> None:
        """It is not on disk, so the others will not be either.

        Raises _CompiledElsewhere if another process has been at it, and may have put it there.
        """
        assert self.job is not None
        kernel, dtype = self.job
        if self.folder and not one_compiler.claim(self.folder, f"{kernel.name} {dtype}"):
            raise _CompiledElsewhere
        _begun.add(self.job)
        second_compiler.second.add(
            (other.name, dtype)
            for other in self.soon
            if other is not kernel and np.dtype(dtype) not in other._compiled
        )


_at_work = _Work()
_begun: set[tuple[Kernel, str]] = set()  # what this process compiles itself
_ready: set[tuple[Kernel, str]] = set()  # and has compiled


def compile_all(dtype: Any, say: Callable[[str, float], None]) -> None:
    """Compile, or read from the disk, every kernel; `say` gets each name and its seconds."""
    _at_work.rest = kernels[::-1]
    try:
        for one in kernels:
            started = time.perf_counter()
            one.of(np.dtype(dtype))
            say(one.name, time.perf_counter() - started)
    finally:
        _at_work.rest = ()


def serve() -> None:
    """Compile what another process asks for; see `second_compiler`."""
    second_compiler.answer(_of_name)


def _of_name(name: str, dtype: str) -> None:
    next(one for one in kernels if one.name == name).of(dtype)


def _compile(function: Callable[..., Any], types: str) -> Any:
    """From the cache on disk where that works; a cache that does not work only costs time."""
    try:
        compiled = _cached(function, types)
    except Exception:  # no folder to write in, a full disk, a damaged file
        compiled = numba.njit(**_KERNEL)(function)
        compiled.compile(types)
    compiled.disable_compile()
    return compiled


class _CompiledElsewhere(Exception):
    """Another process, which was at the same kernel, has ended with it."""


def _cached(function: Callable[..., Any], types: str) -> Any:
    compiled = numba.njit(**_CACHED)(function)
    _stamp_with_all_sources(compiled)
    _at_work.folder = Path(compiled._cache.cache_path)
    try:
        compiled.compile(types)
    except _CompiledElsewhere:
        return _cached(function, types)
    finally:
        _at_work.give_back()
    return compiled


def _stamp_with_all_sources(compiled: Any) -> None:
    """Tie a cached kernel to every file of `SOURCES`, not only to the file it stands in.

    Kernels inline functions of their neighbours, and Numba's own stamp would miss a change there.
    """
    try:
        compiled._cache._cache_file._source_stamp = _stamp()
    except AttributeError:  # another Numba: its own, weaker stamp stays
        return


@cache
def _stamp() -> tuple[Any, ...]:
    sources = sorted(SOURCES.rglob("*.py"))
    files = tuple(
        (str(s.relative_to(SOURCES)), s.stat().st_mtime, s.stat().st_size) for s in sources
    )
    return (REGISTER_BYTES, REGISTERS, *files)


class _line_if_it_takes_long:
    """Say, while this thread waits, that kernels are compiled; on a terminal how many are."""

    def __enter__(self) -> None:
        self.over, self.began = threading.Event(), time.perf_counter()
        self.asked = bool(_at_work.rest)  # for all kernels, by who needs no line in a log
        watch = threading.Thread(target=self._watch, daemon=True)
        with suppress(RuntimeError):  # where no thread can be started nothing is said
            watch.start()

    def __exit__(self, *error: object) -> None:
        self.over.set()
        _counting.erase()
        with _counting.lock:
            _counting.waited += time.perf_counter() - self.began

    def _watch(self) -> None:
        seconds = 0.0 if _counting.announced else QUIET_SECONDS
        while not self.over.wait(seconds):
            waited = _counting.waited + time.perf_counter() - self.began
            _counting.show(in_log=waited >= LOG_SECONDS and not self.asked)
            seconds = 0.2


class _Counting:
    """One line that stays, and below it one that counts and goes away."""

    def __init__(self) -> None:
        self.announced, self.shown, self.lock = False, "", threading.Lock()
        self.waited = 0.0  # seconds, all threads together

    def show(self, in_log: bool) -> None:
        terminal = sys.stderr is not None and sys.stderr.isatty()
        if not (terminal or in_log or "ipykernel" in sys.modules):
            return
        with self.lock:
            if not self.announced:
                self.announced = True
                _print(
                    "minilstm: compiling kernels for this machine, once; `minilstm warmup` does it "
                    "beforehand\n"
                )
            second = second_compiler.second
            done = len(_ready) + len(second.finished)
            known = len(_begun) + len(second.finished) + len(second.waiting)
            known += second.at_work is not None
            line = f"minilstm: {done} of {known} kernels are compiled"
            if terminal and known and line != self.shown:
                self.shown = line
                _print("\r" + line)

    def erase(self) -> None:
        with self.lock:
            if self.shown:
                _print("\r" + " " * len(self.shown) + "\r")
                self.shown = ""


def _print(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


_counting = _Counting()


def waited_seconds() -> float:
    """How long this process has waited for kernels to be compiled or read from the disk."""
    return _counting.waited
